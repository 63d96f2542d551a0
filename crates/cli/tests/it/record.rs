//! `ensue test --record`: runs that really happened become scenarios, which are met at once.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use serde_json::Value;

use crate::bench::{Up, ensue, told};

const RULES: &str = r##"
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: api }
spec: { http: { url: "http://ADDRESS", allowNetworks: [127.0.0.0/8] } }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: order }
spec:
  when: { event: { type: [com.example.order] } }
  let: { total: event.data.total }
  steps:
    - id: charge
      uses: http/request
      connection: api
      with: { method: PUT, path: "/flaky/${{ let.total }}", body: { run: "${{ run.id }}", total: "${{ let.total }}" } }
      retry: { max: 3, backoff: constant, initial: 50ms }
    - { id: large, if: let.total > 100, set: { gift: true } }
    - { id: said, emit: { type: com.example.charged, data: { total: "${{ let.total }}", status: "${{ steps.charge.outputs.status }}", at: "${{ now }}" } } }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: doomed }
spec:
  when: { event: { type: [com.example.doomed] } }
  steps:
    - { id: ask, uses: http/request, connection: api, with: { method: GET, path: /gone } }
  onFailure:
    - { emit: { type: com.example.failed, data: { why: "${{ error.name }}" } } }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: release }
spec:
  when:
    sequence:
      - { name: built, event: { type: [com.example.built] } }
      - { name: tested, event: { type: [com.example.tested] } }
      - { name: signed, event: { type: [com.example.signed] } }
    key: event.data.sha
    within: 1h
  steps:
    - { emit: { type: com.example.released, subject: "${{ key }}", data: { by: "${{ events.signed.data.by }}" } } }
"##;

/// Answers 503 to the first request for a path that begins with `/flaky`, 404 to `/gone`, 200 to the rest.
fn api() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut flaky = true;
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut first, mut length) = (String::new(), 0);
            reader.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            let path = first.split(' ').nth(1).unwrap();
            let status = match path {
                "/gone" => "404 Not Found",
                path if path.starts_with("/flaky") && std::mem::take(&mut flaky) => "503 Service Unavailable",
                _ => "200 OK",
            };
            let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n");
            stream.write_all(format!("{head}content-length: 13\r\n\r\n{{\"done\":true}}").as_bytes()).unwrap();
        }
    });
    address
}

/// Waits until so many runs are over; their ids by rule.
fn over(up: &Up, wanted: usize) -> Vec<(String, String)> {
    let began = std::time::Instant::now();
    loop {
        let runs = up.json(&["runs"]);
        let done = runs.iter().filter(|run| run["status"] == "succeeded" || run["status"] == "failed");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let done: Vec<_> = done.map(|run| (text(&run["rule"]), text(&run["id"]))).collect();
        if done.len() == wanted {
            return done;
        }
        assert!(began.elapsed().as_secs() < 30, "{wanted} runs are over within 30 s: {runs:?}");
        thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn runs_that_happened_become_scenarios_that_are_met() {
    let up = Up::start(&RULES.replace("ADDRESS", &api()));
    let emit = |kind: &str, data: &str| {
        up.json(&["emit", "--type", kind, "--id", &format!("{kind}-1"), "--data-json", data]);
    };
    let long = format!(r#"{{"total": 42, "note": "{}", "template": "${{{{ not.one }}}}"}}"#, "long ".repeat(200));
    emit("com.example.order", &long);
    emit("com.example.doomed", r#"{"template": "${{ not.one }}"}"#);
    for (kind, by) in [("built", "ci"), ("tested", "ci"), ("signed", "anna")] {
        emit(&format!("com.example.{kind}"), &format!(r#"{{"sha": "a1b2", "by": "{by}"}}"#));
    }
    let runs = over(&up, 3);
    let id = |rule: &str| runs.iter().find(|(of, _)| of == &format!("default/{rule}")).unwrap().1.clone();
    for rule in ["order", "doomed", "release"] {
        let to = format!("automations/{rule}-run.yaml");
        let (code, out, err) = up.run(&["test", "--record", &id(rule), "--to", &to]);
        assert_eq!(code, 0, "{rule}: {out}{err}");
        assert!(out.contains(&format!("written: {to}\n")), "{out}");
    }
    let read = |name: &str| fs::read_to_string(up.folder.path().join("automations").join(name)).unwrap();

    let order = read("order-run.yaml");
    for part in [
        "event: order-run.1.json",
        "name: Status",
        "message: \"PUT http://",
        "details: { body: { done: true }, status: 503 }",
        "returns:",
        "{ rule: order, fires: 1 }",
        "action: http/request",
        "times: 2",
        "path: /flaky/42",
        "body: { total: 42 }",
        "{ run: order, status: succeeded }",
        "{ run: order, step: large, status: skipped }",
        "{ event: com.example.charged, times: 1, data: { status: 200, total: 42 } }",
    ] {
        assert!(order.contains(part), "`{part}` is not in\n{order}");
    }
    // Neither the run's id nor the clock is expected.
    assert!(!order.contains("body: { run") && !order.contains("data: { at"), "{order}");
    let event: Value = serde_json::from_str(&read("order-run.1.json")).unwrap();
    assert_eq!(event["data"]["template"], "${{ not.one }}");

    let doomed = read("doomed-run.yaml");
    for part in [
        "\"$${{ not.one }}\"",
        "{ run: doomed, status: failed }",
        "{ run: doomed, step: ask, status: failed, error: Status }",
        "{ event: com.example.failed, times: 1, data: { why: Status } }",
    ] {
        assert!(doomed.contains(part), "`{part}` is not in\n{doomed}");
    }
    let release = read("release-run.yaml");
    assert_eq!(release.matches("id: com.example.").count(), 3, "{release}");
    assert!(release.contains("{ rule: release, fires: 1, key: a1b2 }"), "{release}");
    assert!(release.contains("{ event: com.example.released, times: 1, data: { by: anna } }"), "{release}");

    let (code, out, err) = up.run(&["test", "automations"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("3 passed, 0 failed"), "{out}");

    // What is there is not written over; what is no run is named.
    let (code, _, err) = up.run(&["test", "--record", &id("order"), "--to", "automations/order-run.yaml"]);
    assert!(code == 1 && err.contains("it is there already"), "{err}");
    let (code, _, err) = up.run(&["test", "--record", "0123456789abcdef0123456789abcdef"]);
    assert!(code == 1 && err.contains("no run `0123456789abcdef0123456789abcdef` is in the log"), "{err}");

    // Its engine need not run; printed, everything is in the text.
    let id = id("order");
    let (_, folder) = up.stop();
    let (code, out, err) = told(ensue(&["test", "--record", &id]).current_dir(folder.path()).output().unwrap());
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("long long long") && out.contains("${{ not.one }}"), "{out}");
    played_alone(folder.path(), &out);
}

/// A scenario beside the automations that it is about.
fn played_alone(folder: &Path, scenario: &str) {
    fs::write(folder.join("automations/order-run.yaml"), scenario).unwrap();
    let (code, out, err) =
        told(ensue(&["test", "automations", "--filter", "order"]).current_dir(folder).output().unwrap());
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("1 passed, 0 failed"), "{out}");
}
