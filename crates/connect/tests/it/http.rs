use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use ensue_connect::net::Lookup;
use ensue_event::{Key, Span};
use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::support::{Fixture, call, err, ok, world};

type Seen = Arc<Mutex<Vec<Value>>>;

/// A server that remembers what it was sent and answers by path.
pub(crate) async fn server() -> (u16, Seen) {
    let seen: Seen = Arc::default();
    let app = Router::new().fallback(handle).with_state(seen.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (port, seen)
}

async fn handle(State(seen): State<Seen>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let names: serde_json::Map<String, Value> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned().into()))
        .collect();
    seen.lock().unwrap().push(json!({
        "method": method.as_str(), "uri": uri.to_string(), "headers": names, "body": String::from_utf8_lossy(&body),
    }));
    let query = uri.query().unwrap_or_default().to_owned();
    let to =
        |status: u16, to: &str| (StatusCode::from_u16(status).unwrap(), [("location", to.to_owned())]).into_response();
    match uri.path() {
        "/json" => ([("content-type", "application/json; charset=utf-8")], "{\"n\": 1}").into_response(),
        "/text" => "plain".into_response(),
        "/busy" => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")], "slow down").into_response(),
        "/later" => {
            let date = jiff::fmt::rfc2822::to_string(
                &(jiff::Timestamp::now() + jiff::SignedDuration::from_secs(90))
                    .to_zoned_datetime(jiff::tz::TimeZone::UTC),
            )
            .unwrap();
            (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", date)]).into_response()
        }
        "/broken" => (StatusCode::INTERNAL_SERVER_ERROR, "it broke").into_response(),
        "/refused" => (StatusCode::UNPROCESSABLE_ENTITY, [("content-type", "application/json")], "{\"why\":\"x\"}")
            .into_response(),
        "/huge" => Body::from(vec![b'x'; (1 << 20) + 1]).into_response(),
        "/large" => Body::from(vec![b'x'; 1 << 20]).into_response(),
        "/slow" => {
            let drops = futures::stream::unfold(0, |count| async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some((Ok::<_, std::io::Error>(Bytes::from_static(b"drop")), count + 1))
            });
            Body::from_stream(drops).into_response()
        }
        "/cut" => Body::from_stream(futures::stream::iter([
            Ok(Bytes::from_static(b"half")),
            Err(std::io::Error::other("cut")),
        ]))
        .into_response(),
        "/to" => to(302, &query),
        "/to307" => to(307, &query),
        "/to303" => to(303, &query),
        "/loop" => to(302, "/loop"),
        _ => StatusCode::OK.into_response(),
    }
}

fn connection(port: u16) -> Value {
    json!({ "url": format!("http://127.0.0.1:{port}/"), "allowNetworks": ["127.0.0.0/8"] })
}

fn request(port: u16, with: Value) -> ensue_connect::Call {
    call("http/request", Some(connection(port)), with)
}

#[tokio::test]
async fn answers() {
    let (port, _) = server().await;
    let Fixture { world, dir: _dir } = world(&[]);
    let out = ok(world.perform(request(port, json!({ "path": "json" }))).await);
    assert_eq!((&out["status"], &out["body"]), (&json!(200), &json!({ "n": 1 })));
    assert_eq!(out["headers"]["content-type"], "application/json; charset=utf-8");
    assert_eq!(ok(world.perform(request(port, json!({ "path": "/text" }))).await)["body"], "plain");
    assert_eq!(ok(world.perform(request(port, json!({}))).await)["body"], Value::Null);
    assert_eq!(
        ok(world.perform(request(port, json!({ "path": "/large" }))).await)["body"].as_str().unwrap().len(),
        1 << 20
    );
    let out = ok(world.perform(request(port, json!({ "path": "/refused", "expect": [200, 422] }))).await);
    assert_eq!((&out["status"], &out["body"]["why"]), (&json!(422), &json!("x")));
    let out = ok(world.perform(request(port, json!({ "path": "/to?/text", "expect": [302] }))).await);
    assert_eq!((&out["status"], &out["headers"]["location"]), (&json!(302), &json!("/text")));
}

#[tokio::test]
async fn what_is_sent() {
    let (port, seen) = server().await;
    let Fixture { world, dir: _dir } = world(&[("TOKEN", "canary-bearer"), ("PASS", "canary-pass")]);
    let mut call = request(
        port,
        json!({ "method": "POST", "path": "/a?x=1", "query": { "y": [1, "b c"], "z": true }, "headers": { "X-Mine": "m" }, "body": { "k": [1] } }),
    );
    call.cause = "shop/deploy\nX-Evil: ü".to_owned();
    let config = &mut call.connection.as_mut().unwrap().config;
    config["bearer"] = json!({ "$secret": "TOKEN" });
    config["idempotencyHeader"] = "Idempotency-Key".into();
    config["headers"] = json!({ "X-Own": "o" });
    ok(world.perform(call.clone()).await);
    let first = seen.lock().unwrap().remove(0);
    let (effect, run) = ("07".repeat(16), "09".repeat(16));
    assert_eq!((&first["method"], &first["uri"]), (&json!("POST"), &json!("/a?x=1&y=1&y=b+c&z=true")));
    assert_eq!(first["body"], "{\"k\":[1]}");
    let headers = &first["headers"];
    assert_eq!(headers["authorization"], "Bearer canary-bearer");
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["idempotency-key"], effect.as_str());
    assert_eq!(headers["ensue-cause"], format!("{effect} {run} shop/deployX-Evil: ?").as_str());
    assert_eq!((&headers["x-mine"], &headers["x-own"]), (&json!("m"), &json!("o")));
    assert!(headers["user-agent"].as_str().unwrap().starts_with("ensue/"));
    // Basic, and a text.
    let config = &mut call.connection.as_mut().unwrap().config;
    config.as_object_mut().unwrap().remove("bearer");
    config["basic"] = json!({ "user": "u", "password": { "$secret": "PASS" } });
    call.with = json!({ "method": "PUT", "text": "as it is" });
    ok(world.perform(call).await);
    let second = seen.lock().unwrap().remove(0);
    assert_eq!(second["headers"]["authorization"], "Basic dTpjYW5hcnktcGFzcw==");
    assert_eq!(
        (&second["body"], &second["headers"]["content-type"]),
        (&json!("as it is"), &json!("text/plain; charset=utf-8"))
    );
}

#[tokio::test]
async fn statuses_that_are_failures() {
    let (port, _) = server().await;
    let Fixture { world, dir: _dir } = world(&[]);
    let busy = err(world.perform(request(port, json!({ "path": "/busy" }))).await);
    assert_eq!((busy.name.as_str(), busy.retryable, busy.retry_after), ("Status", true, Some(Span::secs(7))));
    assert_eq!(busy.details, json!({ "status": 429, "body": "slow down" }));
    assert!(busy.message.ends_with("/busy answered 429 Too Many Requests: slow down"), "{}", busy.message);
    let later = err(world.perform(request(port, json!({ "path": "/later" }))).await);
    let wait = later.retry_after.unwrap();
    assert!(wait > Span::secs(80) && wait <= Span::secs(90), "{wait}");
    let broken = err(world.perform(request(port, json!({ "path": "/broken", "method": "POST" }))).await);
    assert_eq!((broken.retryable, broken.retry_after), (true, None));
    let refused = err(world.perform(request(port, json!({ "path": "/refused" }))).await);
    assert_eq!((refused.retryable, &refused.details), (false, &json!({ "status": 422, "body": { "why": "x" } })));
}

#[tokio::test]
async fn answers_that_never_end_and_lines_that_break() {
    let (port, _) = server().await;
    let Fixture { world, dir: _dir } = world(&[]);
    let huge = err(world.perform(request(port, json!({ "path": "/huge" }))).await);
    assert_eq!((huge.name.as_str(), huge.retryable), ("TooLarge", false));
    for (method, retryable) in [("GET", true), ("POST", false)] {
        let mut slow = request(port, json!({ "path": "/slow", "method": method }));
        slow.timeout = Span::millis(400);
        let failure = err(world.perform(slow).await);
        assert_eq!((failure.name.as_str(), failure.retryable), ("Timeout", retryable), "{method}");
        let cut = err(world.perform(request(port, json!({ "path": "/cut", "method": method }))).await);
        let expected = if retryable { ("Connect", true) } else { ("Uncertain", false) };
        assert_eq!((cut.name.as_str(), cut.retryable), expected, "{method}: {}", cut.message);
    }
    // Nothing was sent: even a POST may be tried again.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let refused = err(world.perform(request(closed, json!({ "method": "POST" }))).await);
    assert_eq!((refused.name.as_str(), refused.retryable), ("Connect", true), "{}", refused.message);
}

#[tokio::test]
async fn redirects() {
    let (port, seen) = server().await;
    let (other, other_seen) = server().await;
    let Fixture { world, dir: _dir } = world(&[("TOKEN", "canary-bearer")]);
    let mut call = request(port, json!({}));
    call.connection.as_mut().unwrap().config["bearer"] = json!({ "$secret": "TOKEN" });
    let perform = |with: Value| {
        let mut call = call.clone();
        call.with = with;
        world.perform(call)
    };
    assert_eq!(ok(perform(json!({ "path": "/to?/text" })).await)["body"], "plain");
    // To the same origin the token goes along, to another one it does not.
    assert_eq!(seen.lock().unwrap()[1]["headers"]["authorization"], "Bearer canary-bearer");
    ok(perform(json!({ "path": format!("/to?http://127.0.0.1:{other}/x"), "headers": { "Cookie": "c" } })).await);
    let there = other_seen.lock().unwrap().remove(0);
    assert!(there["headers"]["authorization"].is_null() && there["headers"]["cookie"].is_null(), "{there}");
    // Methods and bodies.
    seen.lock().unwrap().clear();
    for (path, method, expected) in [
        ("/to?/x", "POST", "GET"),
        ("/to307?/x", "POST", "POST"),
        ("/to303?/x", "PUT", "GET"),
        ("/to?/x", "PUT", "PUT"),
    ] {
        ok(perform(json!({ "path": path, "method": method, "body": 1 })).await);
        let last = seen.lock().unwrap().pop().unwrap();
        assert_eq!(last["method"], expected, "{method} {path}");
        assert_eq!(last["body"], if expected == "GET" { "" } else { "1" }, "{method} {path}");
    }
    let failure = err(perform(json!({ "path": "/loop" })).await);
    assert!(failure.message.contains("redirected more than 3 times"), "{}", failure.message);
    // Each step is checked.
    #[rustfmt::skip]
    let private = ["http://10.0.0.1/", "http://169.254.169.254/latest/meta-data", "http://[::1]/", "http://0x7f.1.1.1:1/x", "ftp://example.com/", "http://u:p@127.0.0.1/", "file:///etc/passwd"];
    for target in private.into_iter().filter(|target| !target.contains("0x7f")) {
        let failure = err(perform(json!({ "path": format!("/to?{target}") })).await);
        assert_eq!(failure.name, "Denied", "{target}: {}", failure.message);
    }
}

/// Names that mean what the test says, and how often they were asked for.
struct Names {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Lookup for Names {
    fn lookup(&self, _: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        let at = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        let answer = self.answers[at].clone();
        Box::pin(async move { Ok(answer) })
    }
}

fn names(answers: &[&[&str]]) -> Arc<Names> {
    let answers = answers.iter().map(|list| list.iter().map(|text| text.parse().unwrap()).collect()).collect();
    Arc::new(Names { answers, asked: AtomicUsize::new(0) })
}

/// Every spelling of an address that is not public, without `allowNetworks`.
#[tokio::test]
async fn private_addresses_are_not_called() {
    let (port, seen) = server().await;
    let Fixture { world, dir: _dir } = world(&[]);
    #[rustfmt::skip]
    let hosts = [
        "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "017700000001", "127.0.0.1.", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
        "0.0.0.0", "[::]", "169.254.169.254", "10.0.0.1", "192.168.0.1", "100.64.0.1", "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]", "１２７.0.0.1",
    ];
    for host in hosts {
        let call = call("http/request", None, json!({ "url": format!("http://{host}:{port}/") }));
        let failure = err(world.perform(call).await);
        assert_eq!((failure.name.as_str(), failure.retryable), ("Denied", false), "{host}: {}", failure.message);
        assert!(failure.message.contains("allowNetworks"), "{host}: {}", failure.message);
    }
    // `localhost` goes through the system's resolver and the filter behind it.
    let call = call("http/request", None, json!({ "url": format!("http://localhost:{port}/") }));
    assert_eq!(err(world.perform(call).await).name, "Denied");
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn names_are_filtered_where_they_are_dialled() {
    let (port, seen) = server().await;
    let url = json!({ "url": format!("http://rebind.example:{port}/") });
    let attempt = async |answers: &[&[&str]], allowed: Value| {
        let Fixture { world, dir: _dir } = world(&[]);
        let world = world.with_lookup(names(answers));
        let mut call = call("http/request", Some(json!({ "allowNetworks": allowed })), url.clone());
        call.timeout = Span::millis(1_500);
        let first = world.perform(call.clone()).await;
        (first, world.perform(call).await)
    };
    // Private, in whatever form and company.
    for answers in
        [&[&["127.0.0.1"][..]][..], &[&["::ffff:127.0.0.1", "10.0.0.1"]], &[&["::1"]], &[&["64:ff9b::7f00:1"]]]
    {
        let (first, _) = attempt(answers, json!([])).await;
        assert_eq!(err(first).name, "Denied", "{answers:?}");
    }
    // Allowed, and only what is allowed.
    let (first, _) = attempt(&[&["127.0.0.1", "::1"]], json!(["127.0.0.1/32"])).await;
    assert_eq!(ok(first)["status"], 200);
    let (first, _) = attempt(&[&["127.0.0.1"]], json!(["10.0.0.0/8"])).await;
    assert_eq!(err(first).name, "Denied");
    // Rebinding: what was public a moment ago is judged anew when it is dialled. (The first address is reserved for
    // documentation by its RFC and would be refused as such; allowed here, it leads nowhere.)
    seen.lock().unwrap().clear();
    let (first, second) = attempt(&[&["198.51.100.7"], &["127.0.0.1"]], json!(["198.51.100.0/24"])).await;
    assert_ne!(err(first).name, "Denied");
    assert_eq!(err(second).name, "Denied");
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_connection_is_for_its_own_origin() {
    let (port, seen) = server().await;
    let Fixture { world, dir: _dir } = world(&[("TOKEN", "canary-bearer")]);
    let with_url =
        |url: &str| json!({ "url": url, "bearer": { "$secret": "TOKEN" }, "allowNetworks": ["127.0.0.0/8"] });
    let base = format!("http://127.0.0.1:{port}/api/v1");
    let perform = |config: Value, with: Value| world.perform(call("http/request", Some(config), with));
    for path in ["../admin", "/../../x", "%2e%2e/x", "a/../../x", "..\\x"] {
        let failure = err(perform(with_url(&base), json!({ "path": path })).await);
        assert_eq!(failure.name, "Denied", "{path}");
    }
    for url in ["http://127.0.0.1:1/", "https://example.com/", &format!("http://localhost:{port}/")] {
        let failure = err(perform(with_url(&base), json!({ "url": url })).await);
        assert!(failure.message.contains("leaves the connection"), "{url}: {}", failure.message);
    }
    let failure = err(perform(json!({ "bearer": { "$secret": "TOKEN" } }), json!({ "url": base })).await);
    assert!(failure.message.contains("could be sent anywhere"), "{}", failure.message);
    let failure = err(perform(with_url(&base), json!({ "headers": { "X": { "$secret": "TOKEN" } } })).await);
    assert_eq!(failure.name, "Denied");
    assert!(seen.lock().unwrap().is_empty());
    for (path, expected) in [
        ("a", "/api/v1/a"),
        ("/a/b?c=d", "/api/v1/a/b?c=d"),
        ("//evil.example/x", "/api/v1/evil.example/x"),
        ("", "/api/v1"),
    ] {
        ok(perform(with_url(&base), json!({ "path": path })).await);
        assert_eq!(seen.lock().unwrap().pop().unwrap()["uri"], expected, "{path}");
    }
}

#[tokio::test]
async fn what_cannot_be_sent() {
    let (port, _) = server().await;
    let Fixture { world, dir: _dir } = world(&[]);
    #[rustfmt::skip]
    let cases = [
        (json!({ "method": "TRACE" }), "`TRACE` is not a method"),
        (json!({ "headers": { "Host": "x" } }), "`Host` is not the name of a header"),
        (json!({ "headers": { "a b": "x" } }), "`a b` is not the name of a header"),
        (json!({ "headers": { "a": "x\r\ny: z" } }), "is not one line"),
        (json!({ "body": 1, "text": "x" }), "not both"),
        (json!({ "url": "no address" }), "is not an address"),
    ];
    for (with, part) in cases {
        let failure = err(world.perform(request(port, with.clone())).await);
        assert!(failure.message.contains(part), "{with}: {}", failure.message);
    }
    let mut bad = request(port, json!({}));
    bad.connection.as_mut().unwrap().config["allowNetworks"] = json!(["all"]);
    assert!(err(world.perform(bad).await).message.contains("`all` is not an address range"));
    assert!(err(world.perform(call("http/request", None, json!({}))).await).message.contains("needs `url`"));
    let mut other = request(port, json!({}));
    other.connection.as_mut().unwrap().type_name = "git".to_owned();
    assert!(err(world.perform(other).await).message.contains("`it` is git"));
}

#[tokio::test]
async fn an_answer_holds_no_secret() {
    let (port, _) = server().await;
    let Fixture { world, dir: _dir } = world(&[("TOKEN", "plain")]);
    let Fixture { world: long, dir: _long } = crate::support::world(&[("TOKEN", "it broke")]);
    let mut call = request(port, json!({ "path": "/broken" }));
    call.effect = Key([1; 16]);
    call.connection.as_mut().unwrap().config["bearer"] = json!({ "$secret": "TOKEN" });
    assert!(err(world.perform(call.clone()).await).message.contains("it broke"));
    let failure = err(long.perform(call).await);
    assert!(failure.message.ends_with("500 Internal Server Error: ***"), "{}", failure.message);
    assert_eq!(failure.details["body"], "***");
}
