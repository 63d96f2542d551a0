//! A changed rule on what really came, beside the engine that runs and after it.

use std::fs;

use serde_json::Value;

use crate::bench::{Up, ensue, told};

const RULES: &str = r#"
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: restarted }
spec:
  when: { event: { type: [crash-loop], data: { restarts: [{ numeric: [">=", 3] }] } }, key: event.data.deployment }
  steps:
    - { id: tell, emit: { type: told, subject: "${{ key }}" } }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: heard }
spec:
  when: { event: { type: [told] } }
  steps: []
"#;

#[test]
fn a_changed_rule_is_tried_on_what_came() {
    let up = Up::start(RULES);
    for (id, restarts) in [("c1", 1), ("c2", 3), ("c3", 7)] {
        let data = format!(r#"{{"deployment": "api", "restarts": {restarts}}}"#);
        up.json(&["emit", "--type", "crash-loop", "--id", id, "--data-json", &data]);
    }
    let began = std::time::Instant::now();
    while up.json(&["runs", "--rule", "default/heard", "--status", "succeeded"]).len() < 2 {
        assert!(began.elapsed().as_secs() < 20, "no runs within 20 s");
    }
    let files = |name: &str, text: &str| fs::write(up.folder.path().join(name), text).unwrap();
    files("same.yaml", RULES);
    files("later.yaml", &RULES.replace("\">=\", 3", "\">=\", 5"));
    files("wrong.yaml", &RULES.replace("steps: []", "stps: []"));
    // Beside the engine that writes the log.
    let (code, out, err) = up.run(&["replay", "same.yaml", "--fail-on-change", "--output", "table"]);
    assert!(code == 0 && out.contains("no difference"), "{out}{err}");
    let (code, out, err) = up.run(&["replay", "--fail-on-change", "--steps", "-o", "json"]);
    let report: Value = serde_json::from_str(&out).expect(&err);
    assert_eq!((code, &report["different"], &report["rules"][1]["same"]), (0, &false.into(), &2.into()));
    let (code, out, err) = up.run(&["replay", "wrong.yaml", "--fail-on-change"]);
    assert!(code == 1 && err.contains("wrong.yaml:15") && out.is_empty(), "{out}{err}");
    let (code, _, err) = up.run(&["replay", "same.yaml", "--since", "soon"]);
    assert!(code == 2 && err.contains("--since soon"), "{err}");
    // And after it.
    let (code, folder) = up.stop();
    assert_eq!(code, Some(0));
    let run = |arguments: &[&str]| told(ensue(arguments).current_dir(folder.path()).output().unwrap());
    let before: Vec<_> =
        fs::read_dir(folder.path().join(".ensue/log")).unwrap().map(|one| one.unwrap().path()).collect();
    let (code, out, _) = run(&["replay", "later.yaml", "--since", "1h"]);
    assert_eq!(code, 0, "a difference is none to complain about unless asked");
    for part in [
        "default/restarted  changed     2     1    1     1     0    0",
        "default/heard      same        2     1    1     1     0    0",
        "crash-loop",
        r#"does not match: data.restarts is 3; expected {"numeric": [">=", 5]}"#,
        "is not there now: what it followed from does not happen",
        "different",
    ] {
        assert!(out.contains(part), "`{part}` is not in\n{out}");
    }
    let (code, out, _) = run(&["replay", "later.yaml", "--fail-on-change", "-o", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    let rule = report["rules"].as_array().unwrap().iter().find(|rule| rule["rule"] == "default/restarted").unwrap();
    assert_eq!((code, &rule["goneCount"], &rule["gone"][0]["events"][0]["id"]), (4, &1.into(), &"c2".into()));
    let (code, out, _) = run(&["replay", "later.yaml", "--rules-only", "--fail-on-change", "-o", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    let gone: u64 = report["rules"].as_array().unwrap().iter().filter_map(|rule| rule["goneCount"].as_u64()).sum();
    assert_eq!((code, gone), (4, 1), "without runs the recorded events of runs are there");
    let after: Vec<_> =
        fs::read_dir(folder.path().join(".ensue/log")).unwrap().map(|one| one.unwrap().path()).collect();
    assert_eq!(before, after);
    let (code, _, err) = run(&["replay", "same.yaml", "--data", "nowhere"]);
    assert!(code == 1 && err.contains("no log is here"), "{err}");
}
