//! `ensue up` and the commands beside it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::bench::{Up, ensue, told};

const RULES: &str = r#"
apiVersion: ensue.dev/v1
kind: Source
metadata: { name: github }
spec: { github: { secret: "${{ secrets.HOOK }}" } }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: hear }
spec:
  when: { event: { type: [com.example.said, com.github.push] } }
  steps:
    - id: answer
      emit: { type: com.example.heard, data: { what: "${{ event.type }}" } }
"#;

/// Waits until something of this type is in the log; its record.
fn seen(up: &Up, kind: &str) -> Value {
    let began = std::time::Instant::now();
    loop {
        let found = up.json(&["events", "--all", "--type", kind]);
        if let Some(last) = found.last() {
            return last.clone();
        }
        assert!(began.elapsed().as_secs() < 20, "no {kind} within 20 s");
    }
}

#[test]
fn a_cluster_that_cannot_be_reached_is_said_by_sources_and_doctor() {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    // Nothing listens there.
    let cluster = "{ name: c, cluster: { server: \"http://127.0.0.1:1\" } }";
    let context = "{ name: c, context: { cluster: c, user: u } }";
    fs::write(
        &kubeconfig,
        format!("apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{cluster}]\ncontexts: [{context}]\nusers: []\n"),
    )
    .unwrap();
    let up = Up::start(&format!(
        r#"
apiVersion: ensue.dev/v1
kind: Connection
metadata: {{ name: prod }}
spec: {{ kubernetes: {{ kubeconfig: {} }} }}
---
apiVersion: ensue.dev/v1
kind: Source
metadata: {{ name: cluster }}
spec: {{ kubernetes: {{ connection: prod }} }}
"#,
        kubeconfig.display()
    ));
    seen(&up, "dev.ensue.source.disconnected");
    let (code, out, _) = up.run(&["sources", "--output", "table"]);
    assert_eq!(code, 0);
    for part in ["default/cluster", "kubernetes", "disconnected since", "cannot be reached"] {
        assert!(out.contains(part), "`{part}` is not in\n{out}");
    }
    let (code, out, err) = up.run(&["doctor", "--output", "table"]);
    assert_ne!(code, 0);
    for part in ["error", "connection default/prod: the cluster cannot be reached", "source default/cluster"] {
        assert!(out.contains(part), "`{part}` is not in\n{out}");
    }
    assert!(err.contains("things are wrong"), "{err}");
}

#[test]
fn what_a_storm_parks_is_listed_and_let_go() {
    let up = Up::start(
        r#"
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: alert }
spec:
  when: { event: { type: [com.example.alert] }, key: event.data.host }
  storm: { perKey: 1, perRule: 100 }
  steps: [ { id: a, set: { x: 1 } } ]
"#,
    );
    for id in ["a", "b", "c"] {
        up.json(&["emit", "--type", "com.example.alert", "--id", id, "--data-json", r#"{"host": "web-1"}"#]);
    }
    let parked = || {
        let found = up.json(&["runs", "--failed"]);
        found.into_iter().filter(|row| row.get("fired").is_some()).collect::<Vec<Value>>()
    };
    let began = std::time::Instant::now();
    while parked().len() < 2 {
        assert!(began.elapsed().as_secs() < 20, "two are parked within 20 s");
    }
    let firing = parked()[0]["fired"]["firing"].as_str().unwrap().to_owned();
    let (code, out, _) = up.run(&["runs", "--failed", "-n", "1", "--output", "table"]);
    assert_eq!(code, 0);
    for part in
        ["2 parked, 1 of them here", &firing, "default/alert", "web-1", "storm: more than 1 firings in a minute"]
    {
        assert!(out.contains(part), "`{part}` is not in\n{out}");
    }
    up.json(&["run", "redrive", &firing, "--reason", "it was meant"]);
    while parked().len() > 1 {
        assert!(began.elapsed().as_secs() < 20, "one is let go within 20 s");
    }
}

#[test]
fn an_event_that_is_sent_again_is_another_one() {
    let up = Up::start(RULES);
    up.json(&["emit", "--type", "com.example.said", "--id", "a", "--data-json", r#"{"n": 1}"#]);
    seen(&up, "dev.ensue.run.finished");
    let sent = up.json(&["events", "re-emit", "#2"]);
    let id = sent[0]["id"].as_str().unwrap();
    assert!(id.starts_with("a.") && sent[0]["position"].as_u64() > Some(2), "{sent:?}");
    let (old, new) = (&up.json(&["events", "a"])[0]["event"], &up.json(&["events", id])[0]["event"]);
    for same in ["source", "type", "data", "time"] {
        assert_eq!(old[same], new[same], "{same}");
    }
    let began = std::time::Instant::now();
    while up.json(&["runs"]).len() < 2 {
        assert!(began.elapsed().as_secs() < 20, "no second run within 20 s");
    }
    let (code, _, err) = up.run(&["events", "re-emit", "3"]);
    assert!(code != 0 && err.contains("is a record of ours (dev.ensue.rule.fired)"), "{err}");
}

#[test]
fn an_event_goes_in_and_what_came_of_it_is_explained() {
    let up = Up::start(RULES);
    let told = up.json(&["emit", "--type", "com.example.said", "--id", "a", "--data-json", r#"{"n": 1}"#]);
    assert_eq!((told[0]["id"].as_str(), told[0]["position"].as_u64()), (Some("a"), Some(2)));
    let again = up.json(&["emit", "--type", "com.example.said", "--id", "a", "--data-json", r#"{"n": 1}"#]);
    assert_eq!((again[0]["duplicate"].as_bool(), again[0]["position"].as_u64()), (Some(true), Some(2)));
    let (code, _, err) = up.run(&["emit", "--type", "com.example.said", "--id", "a", "--data-json", r#"{"n": 2}"#]);
    assert!(code == 1 && err.contains("with another body; it was kept, this one was refused"), "{err}");
    let heard = seen(&up, "com.example.heard");
    assert_eq!(heard["event"]["data"]["what"], "com.example.said");
    let shown = up.json(&["events", "a"]);
    assert_eq!(shown[0]["event"]["data"]["n"], 1);
    seen(&up, "dev.ensue.run.finished");
    let runs = up.json(&["runs"]);
    assert_eq!((runs.len(), runs[0]["status"].as_str()), (1, Some("succeeded")));
    let (code, out, _) = up.run(&["why", "2", "--output", "table"]);
    assert_eq!(code, 0);
    for part in ["com.example.said from source events  #2", "rule default/hear fired", "said com.example.heard"] {
        assert!(out.contains(part), "`{part}` is not in\n{out}");
    }
    assert_eq!(up.json(&["why", "2"])[0]["kind"], "event");
    let (code, _, err) = up.run(&["why", "no-such-thing"]);
    assert_eq!(code, 1, "{err}");
    assert_eq!(up.json(&["rules"])[0]["fired"], 1);
}

#[test]
fn an_event_is_destroyed_for_good() {
    let up = Up::start(RULES);
    up.json(&["emit", "--type", "com.example.said", "--id", "a", "--data-json", r#"{"name": "Erika"}"#]);
    seen(&up, "dev.ensue.run.finished");
    let (code, _, err) = up.run(&["events", "purge", "2"]);
    assert!(code != 0 && err.contains("--reason"), "{err}");
    let told = up.json(&["events", "purge", "2", "--reason", "a request by law"]);
    assert_eq!((told[0]["purged"].to_string(), told[0]["copies"].as_array().unwrap().len()), ("[2]".into(), 1));
    let (_, out, _) = up.run(&["log", "cat"]);
    assert!(!out.contains("Erika") && out.contains(r#""purged":true"#), "{out}");
    let (code, out, _) = up.run(&["log", "verify", "--output", "table"]);
    assert!(code == 0 && out.contains("purged   2"), "{out}");
    let (code, out, _) = up.run(&["events", "purge", "2", "--reason", "again", "--output", "table"]);
    assert!(code == 0 && out.contains("still holds one"), "{out}");
}

#[test]
fn events_are_followed_as_they_come() {
    let up = Up::start(RULES);
    up.json(&["emit", "--type", "com.example.before"]);
    let mut follower = ensue(&["events", "-f"]).current_dir(up.folder.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["event"]["type"], "com.example.before");
    for n in 0..3 {
        up.json(&["emit", "--type", "com.example.after", "--subject", &n.to_string()]);
        assert_eq!(next()["event"]["subject"], n.to_string());
    }
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn github_is_believed_with_its_signature_only() {
    let up = Up::start(RULES);
    let push = |secret: &str| up.run(&["emit", "--fixture", "github/push", "--sign-github", secret]);
    let (code, _, err) = push("another");
    assert_eq!(code, 1);
    assert!(err.contains("the signature does not fit the body") && err.contains("hint: "), "{err}");
    let (code, out, err) = push("it is a secret");
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("\"position\":2"), "{out}");
    assert_eq!(seen(&up, "com.example.heard")["event"]["data"]["what"], "com.github.push");
}

#[test]
fn lines_are_sent_in_batches() {
    let up = Up::start(RULES);
    let lines: String =
        (0..250).map(|n| format!("{{\"type\": \"com.example.many\", \"data\": {{\"n\": {n}}}}}\n")).collect();
    fs::write(up.folder.path().join("many.jsonl"), lines).unwrap();
    let told = up.json(&["emit", "--lines", "many.jsonl"]);
    assert_eq!(told.len(), 250);
    let listed = up.json(&["events", "--type", "com.example.many", "-n", "3"]);
    assert_eq!(
        listed.iter().map(|one| one["event"]["data"]["n"].as_u64().unwrap()).collect::<Vec<_>>(),
        [247, 248, 249]
    );
    fs::write(up.folder.path().join("wrong.jsonl"), "{\"type\": \"a\"}\n{oh}\n").unwrap();
    let (code, _, err) = up.run(&["emit", "--lines", "wrong.jsonl"]);
    assert!(code == 2 && err.contains("wrong.jsonl:2 is not JSON"), "{err}");
}

#[test]
fn the_log_is_read_beside_the_engine_and_without_it() {
    let up = Up::start(RULES);
    up.json(&["emit", "--type", "com.example.other"]);
    assert_eq!(up.json(&["log", "cat"]).len(), 3);
    assert_eq!(up.json(&["log", "verify"])[0]["whole"], true);
    let (code, folder) = up.stop();
    assert_eq!(code, Some(0));
    let run = |arguments: &[&str]| told(ensue(arguments).current_dir(folder.path()).output().unwrap());
    let (code, out, err) = run(&["log", "cat"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.lines().last().unwrap().contains("dev.ensue.node.stopped"), "{out}");
    let (code, out, err) = run(&["audit", "--verify"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["whole"], true);
}

#[test]
fn what_people_ask_for_is_recorded() {
    let up = Up::start(RULES);
    assert_eq!(up.json(&["freeze", "--reason", "lunch"])[0]["done"], true);
    assert_eq!(up.json(&["freeze", "--list"])[0]["freezes"].as_array().unwrap().len(), 1);
    assert_eq!(up.json(&["thaw", "--reason", "back"])[0]["done"], true);
    assert_eq!(up.json(&["rules", "hear", "--mode", "shadow", "--reason", "first we look"])[0]["done"], true);
    assert_eq!(up.json(&["rules"])[0]["mode"], "shadow");
    let (_, out, _) = up.run(&["audit", "--output", "table"]);
    for part in ["lunch", "back", "first we look", "local"] {
        assert!(out.contains(part), "`{part}` is not in\n{out}");
    }
    let (code, _, err) = up.run(&["freeze"]);
    assert!(code == 2 && err.contains("--reason"), "{err}");
}

#[test]
fn tokens_allow_what_they_say() {
    let up = Up::start(RULES);
    let token = up.json(&["token", "create", "ci", "--scope", "ingest", "--expires", "90d"]);
    let token = token[0]["token"].as_str().unwrap().to_owned();
    let (code, _, err) = up.run(&["events", "--token", &token]);
    assert!(code == 1 && err.contains("does not allow `read`"), "{err}");
    assert_eq!(up.json(&["emit", "--type", "com.example.ci", "--token", &token]).len(), 1);
    let (code, _, err) = up.run(&["token", "create", "x", "--scope", "all"]);
    assert!(code == 2 && err.contains("`all` is no scope"), "{err}");
    assert_eq!(up.json(&["token", "list"]).len(), 2);
    up.json(&["token", "revoke", "ci"]);
    assert_eq!(up.json(&["token", "list"]).len(), 1);
}

#[test]
fn a_second_engine_on_the_same_data_is_refused() {
    let up = Up::start(RULES);
    let (code, _, err) = up.run(&["up", "automations", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, 1);
    assert!(err.contains("is in use by process"), "{err}");
    assert_eq!(fs::read_to_string(up.data().join("address")).unwrap().trim(), up.address);
}

#[test]
fn a_wrong_manifest_is_told_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.yaml"), RULES.replace("steps:", "stepps:")).unwrap();
    let run = || told(ensue(&["up", ".", "--listen", "127.0.0.1:0"]).current_dir(folder.path()).output().unwrap());
    let (code, _, err) = run();
    assert_eq!(code, 1);
    for part in [
        "rules.yaml:12:3",
        "did you mean `steps`?",
        "in 1 file",
        "error: the configuration has errors; nothing was started",
    ] {
        assert!(err.contains(part), "`{part}` is not in\n{err}");
    }
    fs::write(folder.path().join("rules.yaml"), "url: ${{ env.SURELY_NOT_SET }}\n").unwrap();
    let (code, _, err) = run();
    assert!(code == 1 && err.contains("rules.yaml:1:6: the environment variable SURELY_NOT_SET is not set"), "{err}");
}

#[test]
fn a_person_sees_what_a_run_waits_for_and_what_came_first() {
    let up = Up::start(
        r#"
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: programs }
spec: { exec: { enabled: true } }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: hear }
spec:
  when: { event: { type: [com.example.said] } }
  steps:
    - { id: zero, set: { text: "${{ event.data.text }}" } }
    - { id: call, uses: exec/run, connection: programs, with: { argv: ["true"] } }
"#,
    );
    let (code, _, err) = up.run(&["freeze", "--rule", "haer", "--reason", "a slip of the hand"]);
    assert!(code == 1 && err.contains("there are: default/hear"), "{err}");
    up.json(&["freeze", "--reason", "hands off"]);
    up.json(&["emit", "--type", "com.example.said", "--data-json", r#"{"text": "\u001b[2Jgone"}"#]);
    seen(&up, "dev.ensue.run.started");
    let run = up.json(&["runs"])[0]["id"].as_str().unwrap().to_owned();
    let (_, out, _) = up.run(&["run", "show", &run, "--output", "table"]);
    assert!(out.contains("waits for a thaw: exec/run is held"), "{out}");
    assert!(out.find("  zero").unwrap() < out.find("  call").unwrap(), "in the order of time: {out}");
    assert!(out.contains("text: \\u{1b}[2Jgone"), "{out}");
}

/// The runs that a query finds are listed first; without a terminal nothing is done that was not confirmed.
#[test]
fn many_runs_are_decided_about_at_once() {
    let up = Up::start(
        r#"
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: fails }
spec:
  when: { event: { type: [com.example.said] } }
  concurrency: { group: shop, limit: 1 }
  steps: [ { id: a, fail: "not today" } ]
"#,
    );
    for id in ["a", "b"] {
        up.json(&["emit", "--type", "com.example.said", "--id", id]);
    }
    let began = std::time::Instant::now();
    while up.json(&["runs", "--status", "failed", "--error", "StepFailed", "--since", "1h"]).len() < 2 {
        assert!(began.elapsed().as_secs() < 20, "two fail within 20 s");
    }
    let bulk = ["runs", "retry", "--rule", "fails", "--reason", "once more", "--output", "table"];
    let (code, out, err) = up.run(&bulk);
    assert!(code == 2 && err.contains("say --yes to retry 2 runs"), "{out}{err}");
    assert!(out.contains("2 would be asked to retry"), "{out}");
    let (code, out, err) = up.run(&[&bulk[..], &["--yes"]].concat());
    assert!(code == 0 && out.contains("retry: 2 done, 0 refused"), "{out}{err}");
    let (code, out, _) = up.run(&["runs", "cancel", "--rule", "fails", "--dry-run", "--output", "table"]);
    assert!(code == 0 && out.contains("no run is found"), "those that failed are over: {out}");
    let (_, out, _) = up.run(&["audit", "--actor", "local", "--since", "1h", "--output", "table"]);
    assert_eq!(out.lines().filter(|line| line.contains("done") && line.contains("once more")).count(), 2, "{out}");
    assert!(up.run(&["locks", "--output", "table"]).1.contains("no run holds a slot"));
    assert!(up.run(&["connections", "--output", "table"]).1.contains("there are no connections"));
}

/// It was killed by the signal where that came before it had said that it is up: its supervisor saw a failure.
#[test]
fn who_is_asked_to_stop_while_it_starts_stops_in_good_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = ensue(&["up", "--data", "data", "--listen", "127.0.0.1:0"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let began = std::time::Instant::now();
    while !folder.path().join("data/LOCK").exists() {
        assert!(began.elapsed().as_secs() < 20, "it does not begin within 20 s");
        std::thread::yield_now();
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
