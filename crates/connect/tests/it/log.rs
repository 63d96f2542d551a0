//! What a call says while it goes on.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ensue_connect::{Call, Log, Silence, Sink, World};
use ensue_event::Span;
use serde_json::json;

use crate::exec::{gone, sh};
use crate::support::{Fixture, call, err, ok, world};

#[derive(Default)]
struct Said(Mutex<Vec<Vec<u8>>>);

impl Said {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().concat()).unwrap()
    }

    async fn until(&self, wanted: &str) {
        let begin = Instant::now();
        while !self.text().contains(wanted) {
            assert!(begin.elapsed() < Duration::from_secs(10), "`{wanted}` was never said: {}", self.text());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Sink for Said {
    fn write(&self, bytes: &[u8]) {
        self.0.lock().unwrap().push(bytes.to_vec());
    }
}

fn logged(mut call: Call, world: &World) -> (Call, Arc<Said>, Silence) {
    let said = Arc::new(Said::default());
    let (log, silence) = Log::new(Arc::clone(&said) as Arc<dyn Sink>, Arc::clone(world.secrets()));
    call.log = log;
    (call, said, silence)
}

#[tokio::test]
async fn a_program_is_heard_while_it_runs() {
    let Fixture { world, dir } = world(&[]);
    let go = dir.path().join("go");
    let script =
        format!("echo begun; echo complaint >&2; while [ ! -e {} ]; do sleep 0.01; done; echo ended", go.display());
    let (call, said, silence) = logged(sh(&script), &world);
    let work = world.perform(call);
    let watch = async {
        said.until("begun\n").await;
        said.until("complaint\n").await;
        assert!(!said.text().contains("ended"));
        std::fs::write(&go, "").unwrap();
    };
    ok(tokio::join!(work, watch).0);
    assert!(silence.await.is_err(), "the last clone is gone");
    assert!(said.text().ends_with("ended\n"));
}

#[tokio::test]
async fn a_secret_that_is_cut_in_two_is_found_all_the_same() {
    let Fixture { world, dir } = world(&[("KEY", "canary-7f3a-of-the-build")]);
    let (one, two) = (dir.path().join("1"), dir.path().join("2"));
    let script = format!(
        "printf 'key=canary-7f'; while [ ! -e {} ]; do sleep 0.01; done; printf '3a-of'; echo stderr >&2; \
         while [ ! -e {} ]; do sleep 0.01; done; printf -- '-the-build! canary-7 %s' \"$(printf %s \"$KEY\" | base64)\"",
        one.display(),
        two.display()
    );
    let mut call = sh(&script);
    call.connection.as_mut().unwrap().config["env"] = json!({ "KEY": { "$secret": "KEY" } });
    let (call, said, silence) = logged(call, &world);
    let watch = async {
        said.until("key=").await;
        std::fs::write(&one, "").unwrap();
        said.until("stderr\n").await;
        assert_eq!(said.text(), "key=stderr\n", "what may be a secret is held back, what is none is not");
        std::fs::write(&two, "").unwrap();
    };
    ok(tokio::join!(world.perform(call), watch).0);
    let _ = silence.await;
    let text = said.text();
    assert!(text.starts_with("key=stderr\n***! canary-7 ***"), "{text}");
    assert!(!text.contains("-the-build") && !text.contains("Y2FuYXJ5"), "{text}");
}

#[tokio::test]
async fn a_dropped_call_asks_its_programs_to_end_and_then_kills_them() {
    let Fixture { world, dir } = world(&[]);
    let pids = dir.path().join("pids");
    // The child ends when it is asked to, and says so; the program itself does not listen.
    let script = format!(
        "sh -c 'trap \"echo put in order; exit 0\" TERM; echo ready; while :; do sleep 0.05; done' & trap '' TERM; \
         echo $! $$ > {}; while :; do sleep 0.05; done",
        pids.display()
    );
    let (call, said, silence) = logged(sh(&script), &world);
    tokio::select! {
        _ = world.perform(call) => panic!("it runs for ever"),
        () = said.until("ready\n") => {}
    }
    let begin = Instant::now();
    assert!(silence.await.is_err());
    assert!(begin.elapsed() >= Duration::from_secs(5), "who does not listen has its time");
    assert!(said.text().contains("put in order\n"), "what is said at the end is heard: {}", said.text());
    for pid in std::fs::read_to_string(&pids).unwrap().split_whitespace() {
        assert!(gone(pid).await, "{pid} lives");
    }
}

#[tokio::test]
async fn a_request_is_two_lines() {
    let Fixture { world, dir: _dir } = world(&[]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = axum::Router::new()
        .route("/fine", axum::routing::post(async || "done"))
        .route("/slow", axum::routing::get(async || tokio::time::sleep(Duration::from_secs(60)).await));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let config = json!({ "url": format!("http://127.0.0.1:{port}"), "allowNetworks": ["127.0.0.0/8"] });
    let post = call(
        "http/request",
        Some(config.clone()),
        json!({ "method": "POST", "path": "fine", "body": [1], "query": { "key": "x" } }),
    );
    let (post, said, _) = logged(post, &world);
    ok(world.perform(post).await);
    let text = said.text();
    assert!(
        text.starts_with(&format!("> POST http://127.0.0.1:{port}/fine, 3 bytes\n< 200 OK, 4 bytes after ")),
        "{text}"
    );
    assert!(!text.contains("key=x"), "what stands in a query may be anything");
    // One that is cut off says what was asked.
    let mut slow = call("http/request", Some(config), json!({ "path": "slow" }));
    slow.timeout = Span::millis(200);
    let (slow, said, silence) = logged(slow, &world);
    assert_eq!(err(world.perform(slow).await).name, "Timeout");
    assert!(silence.await.is_err());
    assert_eq!(said.text(), format!("> GET http://127.0.0.1:{port}/slow\n"));
}
