//! What a cancelled run had under way is stopped, in the world too.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Place, Sink, file, order, until};

/// The run of the only `run.started`.
pub async fn run_of(place: &Place) -> String {
    let started = place.wait_for("dev.ensue.run.started", 1).await;
    let told: Value = serde_json::from_slice(started[0].event.json().unwrap()).unwrap();
    told["run"].as_str().unwrap().to_owned()
}

/// A connection to the programs of this machine, and a rule that runs a script on each order.
pub fn script(text: &str, more: &str) -> String {
    let text = serde_json::to_string(text).unwrap();
    format!(
        r#"
apiVersion: ensue.dev/v1
kind: Connection
metadata: {{ name: here }}
spec:
  exec: {{ enabled: true }}
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: {{ name: script }}
spec:
  when: {{ event: {{ type: [shop.order.placed] }} }}
  steps:
    - id: work
      uses: exec/run
      connection: here
      with: {{ argv: [sh, "-c", {text}]{more} }}
"#
    )
}

pub fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim_start().starts_with('Z'))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_takes_its_programs_with_it() {
    let folder = tempfile::TempDir::new().unwrap();
    let pids = folder.path().join("pids");
    let text = format!("sleep 300 & echo $! $$ > {0}.new; mv {0}.new {0}; wait", pids.display());
    let place = Place::new(file(script(&text, ""))).await;
    place.send(order("a", 100)).await;
    let run = run_of(&place).await;
    let pids = until("the program", || std::fs::read_to_string(&pids).ok()).await;
    for pid in pids.split_whitespace() {
        assert!(alive(pid));
    }
    let (status, told) = place.post(&format!("/api/v1/runs/{run}/cancel"), json!({"reason": "not today"})).await;
    assert_eq!(status, 200, "{told}");
    until("the end of the group", || pids.split_whitespace().all(|pid| !alive(pid)).then_some(())).await;
    assert!(place.of_type("dev.ensue.action.answered").is_empty(), "what was stopped has no answer");
    let (clean, _) = place.stop().await;
    assert!(clean, "nothing is in flight any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_drops_its_requests() {
    // A server that never answers, and sees the connection go.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut sink = Sink::new().await;
    sink.addr = listener.local_addr().unwrap();
    let place = Place::new(file(sink.config(true))).await;
    place.send(order("a", 100)).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    let run = run_of(&place).await;
    let mut said = vec![0; 4_096];
    let read = tokio::io::AsyncReadExt::read(&mut stream, &mut said).await.unwrap();
    assert!(said[..read].starts_with(b"POST /orders"));
    place.post(&format!("/api/v1/runs/{run}/cancel"), json!({"reason": "not today"})).await;
    let gone = async { while matches!(tokio::io::AsyncReadExt::read(&mut stream, &mut said).await, Ok(1..)) {} };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the request is dropped");
    assert!(place.stop().await.0);
}
