//! What actions say: seen while they go on, kept when they are over or cut off; and the history of a run.

use serde_json::{Value, json};

use crate::cancel::{run_of, script};
use crate::support::{Place, file, order, until};

async fn text(place: &Place, path: &str) -> (u16, String) {
    let response = place.http.get(place.url(path)).bearer_auth(place.admin()).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// The data of the only record of a type, or the last one.
fn told(place: &Place, kind: &str) -> Value {
    let found = place.of_type(kind);
    serde_json::from_slice(found.last().unwrap().event.json().unwrap()).unwrap()
}

fn files(place: &Place) -> Vec<String> {
    let all = std::fs::read_dir(place.data().join("logs")).unwrap();
    all.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_read_while_it_grows_and_kept_when_it_is_over() {
    let folder = tempfile::TempDir::new().unwrap();
    let go = folder.path().join("go");
    let wait = format!("while [ ! -e {} ]; do sleep 0.01; done", go.display());
    let text_of =
        format!("echo the secret is $KEY; {wait}; i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); done");
    let config = script(&text_of, "").replace("enabled: true", "enabled: true, env: { KEY: \"${{ secrets.HOOK }}\" }");
    let place = Place::new(file(config)).await;
    place.send(order("a", 100)).await;
    let run = run_of(&place).await;
    let path = format!("/api/v1/runs/{run}/logs");
    // Served while it goes on, and in a file by then.
    let mut seen = String::new();
    for _ in 0..2_000 {
        (_, seen) = text(&place, &path).await;
        if seen.contains("secret") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(seen, "the secret is ***\n");
    until("the file", || (files(&place).len() == 1).then_some(())).await;
    let (_, one) = place.get(&format!("/api/v1/runs/{run}")).await;
    assert_eq!(one["underWay"][0]["step"], "work", "{one}");
    assert!(one["underWay"][0]["lastSign"].as_str() >= one["underWay"][0]["began"].as_str(), "{one}");
    // Followed to its end.
    let follow = format!("{path}?step=work&follow=true");
    let followed = text(&place, &follow);
    let (followed, ()) = tokio::join!(followed, async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        std::fs::write(&go, "").unwrap();
    });
    place.finished(1).await;
    let whole: String = (0..1_000).map(|n| format!("line {n}\n")).collect();
    assert_eq!(followed.1, format!("the secret is ***\n{whole}"));
    until("no file", || files(&place).is_empty().then_some(())).await;
    let log = told(&place, "dev.ensue.action.answered")["log"].clone();
    assert_eq!((&log["size"], &log["text"]), (&json!(followed.1.len()), &Value::Null));
    let (_, kept) = text(&place, &format!("{path}?step=work")).await;
    assert_eq!(kept, followed.1);
    let (_, blob) = text(&place, &format!("/api/v1/blobs/{}", log["digest"].as_str().unwrap())).await;
    assert_eq!(blob, followed.1);
    for (path, says) in [
        (format!("{path}?step=nowhere"), "there are logs of `work`"),
        (format!("{path}?attempt=7"), "there are logs of `work`"),
        (format!("/api/v1/blobs/{}", "0".repeat(64)), "no run has left anything"),
    ] {
        let (status, said) = text(&place, &path).await;
        assert!(status == 404 && said.contains(says), "{path}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_a_kill_is_kept_and_belongs_to_no_later_try() {
    let folder = tempfile::TempDir::new().unwrap();
    let go = folder.path().join("go");
    // It cannot be repeated: after the kill a person says that it is to be tried again.
    let place = Place::new(file(script(
        &format!("if [ -e {0} ]; then echo second; else echo first; sleep 300; fi", go.display()),
        "",
    )))
    .await;
    place.send(order("a", 100)).await;
    let run = run_of(&place).await;
    until("the file", || (files(&place).len() == 1).then_some(())).await;
    let home = place.crash().await;
    std::fs::write(&go, "").unwrap();
    let place = Place::at(home, |options| options.config = ensue_node::Configured::Kept).await;
    let stopped = told(&place, "dev.ensue.action.stopped");
    assert_eq!((&stopped["why"], &stopped["log"]["text"]), (&json!("interrupted"), &json!("first\n")), "{stopped}");
    assert!(files(&place).is_empty());
    let (status, said) = place
        .post(&format!("/api/v1/runs/{run}/settle"), json!({"step": "work", "verdict": "retry", "reason": "again"}))
        .await;
    assert_eq!(status, 200, "{said}");
    place.finished(1).await;
    assert!(place.node.settled().await);
    let (_, all) = text(&place, &format!("/api/v1/runs/{run}/logs")).await;
    assert!(all.contains("first\n==> ") && all.ends_with("second\n"), "{all}");
    let (_, history) = place.get(&format!("/api/v1/runs/{run}/history")).await;
    let tries = history["steps"][0]["tries"].as_array().unwrap();
    assert_eq!(tries.len(), 2, "{history:#}");
    assert_eq!(tries[0]["stopped"]["why"], "interrupted");
    assert!(tries[0]["uncertain"]["why"].as_str().unwrap().contains("no answer"), "{history:#}");
    assert_eq!(tries[0]["announced"]["action"], "exec/run");
    assert_eq!((&tries[1]["log"]["text"], &history["status"]), (&json!("second\n"), &json!("succeeded")));
    assert_eq!(history["commands"][0]["event"]["data"]["command"]["verb"], "settle");
    assert_eq!(history["events"][0]["event"]["id"], "a");
    assert_eq!(history["course"].as_array().unwrap().len(), 2, "{history:#}");
    // A second crash finds nothing that was not said already.
    let place = Place::at(place.crash().await, |options| options.config = ensue_node::Configured::Kept).await;
    assert_eq!(place.of_type("dev.ensue.action.stopped").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cancelled_try_had_said_is_kept() {
    let place =
        Place::new(file(script("trap 'echo put in order; exit' TERM; echo begun; while :; do sleep 0.02; done", "")))
            .await;
    place.send(order("a", 100)).await;
    let run = run_of(&place).await;
    until("the file", || (files(&place).len() == 1).then_some(())).await;
    place.post(&format!("/api/v1/runs/{run}/cancel"), json!({"reason": "not today"})).await;
    place.wait_for("dev.ensue.action.stopped", 1).await;
    let stopped = told(&place, "dev.ensue.action.stopped");
    assert_eq!(stopped["why"], "cancelled");
    let said = stopped["log"]["text"].as_str().unwrap();
    // The shell has something to say about its `sleep` too.
    assert!(said.starts_with("begun\n") && said.contains("put in order\n"), "{said}");
    let (_, history) = place.get(&format!("/api/v1/runs/{run}/history")).await;
    assert_eq!(
        (&history["status"], &history["steps"][0]["tries"][0]["stopped"]["why"]),
        (&json!("cancelled"), &json!("cancelled"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_is_given_to_the_next_step_and_stays_while_its_run_needs_it() {
    let folder = tempfile::TempDir::new().unwrap();
    let go = folder.path().join("go");
    let config = format!(
        r#"
apiVersion: ensue.dev/v1
kind: Connection
metadata: {{ name: here }}
spec:
  exec: {{ enabled: true }}
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: {{ name: pass-on }}
spec:
  when: {{ event: {{ type: [shop.order.placed], data: {{ total: [100] }} }} }}
  steps:
    - id: make
      uses: exec/run
      connection: here
      with: {{ argv: [sh, -c, "printf made > it.txt"], artifacts: {{ it: it.txt }} }}
    - id: wait
      uses: exec/run
      connection: here
      with: {{ argv: [sh, -c, "while [ ! -e {} ]; do sleep 0.05; done"] }}
    - id: use
      uses: exec/run
      connection: here
      with: {{ argv: [cat, in/it.txt], files: {{ in/it.txt: "${{{{ steps.make.outputs.artifacts.it }}}}" }} }}
"#,
        go.display()
    );
    let place = Place::with(|options| {
        options.log.segment_bytes = 8 << 10;
        options.retention = ensue_node::Retention { age: None, bytes: Some(0) };
        options.config = file(config);
    })
    .await;
    place.send(order("a", 100)).await;
    let run = run_of(&place).await;
    place.wait_for("dev.ensue.action.answered", 1).await;
    let digest = ensue_event::Digest::of(b"made");
    let blob = place.data().join("outputs").join(&digest.to_string()[..2]).join(digest.to_string());
    let stale = place.data().join("outputs").join("aa").join("a".repeat(64));
    std::fs::create_dir_all(stale.parent().unwrap()).unwrap();
    std::fs::write(&stale, "nobody knows me").unwrap();
    // The records go, and what they alone named; the run that waits still names its artifact.
    for n in 0..100 {
        place.send(order(&format!("fill{n}"), 1)).await;
    }
    assert!(place.node.settled().await);
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 3600);
    for path in [&blob, &stale] {
        std::fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
    let first = place.node.retain().await.unwrap().expect("something went");
    assert!(blob.exists() && !stale.exists());
    assert!(
        place.node.records(first, usize::MAX).unwrap().iter().all(|record| !record.event.id.ends_with(".1.answered"))
    );
    std::fs::write(&go, "").unwrap();
    until("the end of the run", || {
        let all = place.node.records(first, usize::MAX).unwrap();
        all.iter().any(|record| &*record.event.kind == "dev.ensue.run.finished").then_some(())
    })
    .await;
    let (_, one) = place.get(&format!("/api/v1/runs/{run}")).await;
    assert_eq!(one["steps"]["use"]["outputs"]["stdout"], "made", "{one:#}");
    let (status, bytes) = text(&place, &format!("/api/v1/blobs/{digest}")).await;
    assert_eq!((status, bytes.as_str()), (200, "made"));
}
