//! Policies on the command line: who is asked is shown, answered, counted and explained.

use serde_json::Value;

use crate::bench::Up;

const CONFIG: &str = r#"
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: here }
spec: { exec: { enabled: true } }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: act }
spec:
  when: { event: { type: [com.example.act] } }
  steps:
    - { id: "do", uses: exec/run, connection: here, with: { argv: ["true"] } }
---
apiVersion: ensue.dev/v1
kind: Policy
metadata: { name: careful }
spec:
  match: { actions: [exec/run] }
  checks:
    - { if: "event.data.size > 20", deny: "${{ event.data.size }} is many" }
    - { if: "event.data.size > 10", approve: { from: [sre], reason: "${{ event.data.size }} is some" } }
"#;

#[test]
fn a_person_is_asked_and_says_yes() {
    let up = Up::start(CONFIG);
    let send = |size: u32| {
        up.json(&["emit", "--type", "com.example.act", "--data-json", &format!("{{\"size\": {size}}}")]);
    };
    send(21);
    send(11);
    let began = std::time::Instant::now();
    let asked = loop {
        let runs = up.json(&["runs"]);
        if let Some(run) = runs.iter().find(|run| !run["asks"].is_null()) {
            break run.clone();
        }
        assert!(began.elapsed().as_secs() < 20, "nobody is asked within 20 s: {runs:?}");
    };
    let run = asked["id"].as_str().unwrap();
    let (_, out, _) = up.run(&["runs", "--output", "table"]);
    assert!(out.contains("policy default/careful asks 1 of sre: 11 is some"), "{out}");
    assert!(out.contains("policy default/careful denies it: 21 is many"), "{out}");
    let (_, out, _) = up.run(&["run", "show", run, "--output", "table"]);
    let hint = format!("ensue run approve {run} do [--refuse] --reason WHY");
    assert!(out.contains("waits for a person: policy default/careful asks 1 of sre: 11 is some"), "{out}");
    assert!(out.contains(&hint), "{out}");

    let token = |name: &str, role: &str| {
        let made = up.json(&["token", "create", name, "--scope", "operate", "--role", role]);
        made[0]["token"].as_str().unwrap().to_owned()
    };
    let (dev, sre) = (token("dee", "dev"), token("ann", "sre"));
    let listed = up.json(&["token", "list"]);
    let roles = listed.iter().find(|token| token["name"] == "ann").map(|token| token["roles"].clone());
    assert_eq!(roles, Some(serde_json::json!(["sre"])));
    let approve = |token: &str| up.run(&["run", "approve", run, "do", "--reason", "looked at it", "--token", token]);
    let (code, _, err) = approve(&dev);
    assert!(code != 0 && err.contains("cannot be answered by dee, who has the roles dev"), "{err}");
    let (code, out, err) = approve(&sre);
    assert_eq!(code, 0, "{out}{err}");
    let ended = || up.json(&["run", "show", run])[0]["status"].clone();
    while ended() != "succeeded" {
        assert!(began.elapsed().as_secs() < 40, "it is not done within 40 s");
    }
    let policies: Vec<Value> = up.json(&["policies"]);
    let counts = ["allowed", "denied", "asked"].map(|name| policies[0][name].as_u64().unwrap());
    assert_eq!((policies[0]["name"].as_str(), counts), (Some("default/careful"), [1, 1, 1]));
    let (_, out, _) = up.run(&["policies", "--output", "table"]);
    assert!(out.contains("actions exec/run"), "{out}");
    let (_, out, _) = up.run(&["why", run, "--output", "table"]);
    assert!(out.contains("lets go, since people said so, step do: ann: looked at it"), "{out}");
}
