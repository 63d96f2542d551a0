//! Why not, what rules wait for, and what sets what off: as a person asks.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::bench::{Up, run};

const RULES: &str = r#"
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: rollback }
spec:
  when:
    sequence:
      - { name: rollout, event: { type: [rolled-out], data: { namespace: [shop] } } }
      - { name: crash, event: { type: [crash-loop], data: { restarts: [{ numeric: [">=", 3] }] } } }
    key: event.data.deployment
    within: 15m
  steps:
    - { id: undo, emit: { type: rolled-back, subject: "${{ key }}" } }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: batch }
spec:
  when: { event: { type: [crash-loop] }, key: event.data.deployment }
  batch: { size: 10, every: 1h }
  steps: []
"#;

fn emit(up: &Up, kind: &str, id: &str, data: &str) {
    up.json(&["emit", "--type", kind, "--id", id, "--data-json", data]);
}

#[test]
fn why_a_rule_did_not_fire_and_what_it_waits_for() {
    let up = Up::start(RULES);
    emit(&up, "rolled-out", "r1", r#"{"namespace": "shop", "deployment": "api"}"#);
    emit(&up, "crash-loop", "c1", r#"{"deployment": "api", "restarts": 1}"#);
    let table = |arguments: &[&str]| {
        let (code, out, err) = up.run(&[arguments, &["--output", "table"]].concat());
        assert_eq!(code, 0, "{arguments:?}: {err}");
        out
    };
    for (arguments, parts) in [
        (
            &["why-not", "r1"][..],
            &["rule default/rollback waits for api: rollout seen, crash missing, 14m5", "`rollout`: met"][..],
        ),
        (
            &["why-not", "c1", "rollback"],
            &[r#"nearest is its `crash`: data.restarts is 1; expected {"numeric": [">=", 3]}"#],
        ),
        (&["why-not", "c1", "default/batch"], &["did not fire at once for api: batch holds it until"]),
        (
            &["rules", "show", "rollback"],
            &["rule default/rollback: live", "1 half-matched", "api  rollout #2  crash ", "14m5"],
        ),
        (&["rules", "rollback"], &["1 half-matched"]),
        (&["rules", "show", "batch"], &["1 under flow control", "api  batch  1", "59m5"]),
    ] {
        let out = table(arguments);
        for part in parts {
            assert!(out.contains(part), "{arguments:?}: `{part}` is not in\n{out}");
        }
    }
    let tree = &up.json(&["why-not", "r1", "rollback"])[0];
    assert_eq!((tree["then"][0]["kind"].as_str(), tree["id"].as_str()), (Some("waiting"), Some("r1")));
    let shown = &up.json(&["rules", "show", "rollback"])[0];
    assert_eq!((&shown["waiting"][0]["key"], &shown["waitingTotal"]), (&"api".into(), &1.into()));
    let (code, _, err) = up.run(&["why-not", "r1", "nobody"]);
    assert!(code == 1 && err.contains("no rule default/nobody is in force"), "{err}");
    let (code, _, err) = up.run(&["why-not", "nothing"]);
    assert!(code == 1 && err.contains("nothing in the log has the id `nothing`"), "{err}");
    emit(&up, "crash-loop", "c2", r#"{"deployment": "api", "restarts": 4}"#);
    assert!(table(&["why-not", "r1", "rollback"]).contains("rule default/rollback fired, together with #"));
    // From the event that did not complete it, the firing is found too.
    assert!(table(&["why", "r1"]).contains("`crash` #"), "{}", table(&["why", "r1"]));
}

#[test]
fn rules_are_paused_and_resumed_with_a_reason() {
    let up = Up::start(RULES);
    let mode = || up.json(&["rules", "show", "rollback"])[0]["mode"].as_str().unwrap().to_owned();
    let (code, _, err) = up.run(&["rules", "pause", "rollback"]);
    assert!(code != 0 && err.contains("--reason"), "{err}");
    for (verb, wanted) in [("pause", "paused"), ("shadow", "shadow"), ("resume", "live")] {
        let (code, out, err) = up.run(&["rules", verb, "rollback", "--reason", "a test", "--output", "table"]);
        assert!(code == 0 && out.starts_with(&format!("rule rollback is {wanted}, recorded in #")), "{out}{err}");
        assert_eq!(mode(), wanted);
    }
    up.json(&["rules", "rollback", "--mode", "paused", "--reason", "as before"]);
    assert_eq!(mode(), "paused");
}

#[test]
fn a_run_is_named_by_its_first_digits() {
    let up = Up::start(
        "apiVersion: ensue.dev/v1\nkind: Rule\nmetadata: { name: a }\nspec: { when: { event: { type: [a] } }, steps: [ { fail: it cannot be } ] }\n",
    );
    emit(&up, "a", "1", "{}");
    let began = std::time::Instant::now();
    let run = loop {
        if let Some(run) = up.json(&["runs", "--failed"]).first() {
            break run["id"].as_str().unwrap().to_owned();
        }
        assert!(began.elapsed().as_secs() < 20, "no run within 20 s");
    };
    let short = &run[..8];
    assert_eq!(up.json(&["run", "show", short])[0]["id"], run.as_str());
    up.json(&["run", "retry", short, "--reason", "once more"]);
    let (_, out, _) = up.run(&["why", short, "--output", "table"]);
    assert!(out.contains(&format!("run {run}")) && out.contains("retried by local: once more"), "{out}");
    let (code, _, err) = up.run(&["run", "show", "0000"]);
    assert!(code == 1 && err.contains("no run that is kept begins with `0000`"), "{err}");
}

#[test]
fn whoever_stops_reading_ends_what_follows() {
    let up = Up::start(RULES);
    emit(&up, "other", "1", "{}");
    let binary = env!("CARGO_BIN_EXE_ensue");
    let line = format!("'{binary}' events -f | head -n 1");
    let mut shell = std::process::Command::new("sh");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ENSUE_")) {
        shell.env_remove(name);
    }
    let mut child = shell.args(["-c", &line]).current_dir(up.folder.path()).stdout(Stdio::null()).spawn().unwrap();
    let began = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed().as_secs() > 20 {
            child.kill().unwrap();
            panic!("it still follows, and nobody reads");
        }
        std::thread::yield_now();
    }
}

const LOOPS: &str = r#"
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: ping }
spec:
  when: { event: { type: [ping] } }
  throttle: { limit: 1, per: 30m }
  steps: [ { id: answer, emit: { type: pong } } ]
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: pong }
spec:
  when: { event: { type: [pong] } }
  steps: [ { id: answer, emit: { type: ping } } ]
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: watch }
spec:
  when: { event: { type: [dev.ensue.run.finished] } }
  steps: []
"#;

#[test]
fn loops_are_warnings_with_what_bounds_them() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("loops.yaml"), LOOPS).unwrap();
    let path = folder.path().display().to_string();
    let (code, out, _) = run(&["check", &path]);
    assert_eq!(code, 0, "{out}");
    for part in [
        "warning[loop]: rules can set each other off: default/ping → default/pong → default/ping",
        "loops.yaml:6:18",
        "default/ping has throttle: 1 in 30m",
        "a chain of causes is cut when it is 32 long",
        "warning[loop-unbounded]: rule default/watch fires on its own runs",
        "anything-but: [default/watch]",
        "ok  no errors, 2 warnings in 1 file",
    ] {
        assert!(out.contains(part), "`{part}` is not in\n{out}");
    }
    let (_, out, _) = run(&["check", &path, "--output", "json"]);
    let found: Value = serde_json::from_str(&out).unwrap();
    let codes: Vec<&str> =
        found["diagnostics"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!((codes.as_slice(), &found["warnings"]), (&["loop", "loop-unbounded"][..], &2.into()));
    let (code, out, _) = run(&["graph", &path, "--output", "table"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(out);
    let (_, out, _) = run(&["graph", &path, "--output", "dot"]);
    assert!(
        out.starts_with("digraph ensue {")
            && out.contains(r#""default/ping" -> "default/pong" [label="pong", color=red];"#),
        "{out}"
    );
    let (_, out, _) = run(&["graph", &path, "--output", "json"]);
    let graph: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((graph["edges"].as_array().unwrap().len(), graph["loops"].as_array().unwrap().len()), (3, 2));
}
