//! What rules wait for, and why they did not fire, over HTTP.

use serde_json::json;

use crate::support::{Place, Sink, file, order};

const RULES: &str = r#"
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: pair }
spec:
  when:
    sequence: [ { name: one, event: { type: [a] } }, { name: two, event: { type: [b] } } ]
    key: event.subject
    within: 1h
  steps: []
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: batched, namespace: ops }
spec:
  when: { event: { type: [a] }, key: event.subject }
  batch: { size: 100, every: 1h }
  steps: []
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_shows_what_it_holds_bounded_and_with_totals() {
    let place = Place::new(file(RULES)).await;
    for n in 0..5 {
        let event = json!({
            "specversion": "1.0", "id": format!("a{n}"), "source": "/test", "type": "a", "subject": format!("k{n}"),
        });
        assert_eq!(place.send(event).await.0, 202);
    }
    assert!(place.node.settled().await);
    for (path, what, shown, total) in [
        ("/api/v1/rules/pair", "waiting", 5, 5),
        ("/api/v1/rules/pair?limit=2", "waiting", 2, 5),
        ("/api/v1/rules/default/pair?limit=2", "waiting", 2, 5),
        ("/api/v1/rules/pair", "held", 0, 0),
        ("/api/v1/rules/ops/batched?limit=3", "held", 3, 5),
        ("/api/v1/rules/ops/batched", "parked", 0, 0),
    ] {
        let (status, rule) = place.get(path).await;
        assert_eq!(status, 200, "{rule}");
        let all = rule[what].as_array().unwrap();
        assert_eq!((all.len(), &rule[format!("{what}Total")]), (shown, &json!(total)), "{path} {what}: {rule:#}");
    }
    let (_, rule) = place.get("/api/v1/rules/pair").await;
    let first = &rule["waiting"][0];
    assert_eq!(
        (&first["key"], &first["waitsFor"], &first["events"][0]["id"]),
        (&json!("k0"), &json!(["two"]), &json!("a0"))
    );
    let (_, rule) = place.get("/api/v1/rules/ops/batched").await;
    assert_eq!((&rule["held"][0]["what"], &rule["held"][0]["held"]), (&json!("batch"), &json!(1)), "{rule:#}");
    assert!(rule["decisions"][0]["says"].as_str().unwrap().starts_with("batch holds it until"), "{rule:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn why_not_is_asked_of_one_rule_or_of_all() {
    let place = Place::new(file(RULES)).await;
    place.send(json!({"specversion": "1.0", "id": "a/1", "source": "/test", "type": "a", "subject": "k"})).await;
    place.send(json!({"specversion": "1.0", "id": "c1", "source": "/test", "type": "c", "subject": "k"})).await;
    assert!(place.node.settled().await);
    for (path, status, text) in [
        ("a%2F1?rule=pair", 200, "rule default/pair waits for k: one seen, two missing, 59m"),
        ("a%2F1?rule=ops/batched", 200, "batch holds it until"),
        ("a%2F1", 200, "rule default/pair waits for k"),
        ("c1", 200, "nearest is its `one`: type is"),
        ("c1?rule=nobody", 404, "no rule default/nobody is in force"),
        ("nothing", 404, "nothing in the log has the id `nothing`"),
    ] {
        let (told, tree) = place.get(&format!("/api/v1/why-not/{path}")).await;
        assert!(told == status && tree.to_string().contains(text), "{path}: {told} {tree:#}");
    }
}

/// A rule that acts on every answer acts on its own: records about effects carry how long their chain is.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_acts_on_answers_is_cut() {
    const ECHO: &str = r#"
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: echo }
spec:
  when: { event: { type: [dev.ensue.action.answered] } }
  steps: [ { id: again, uses: http/request, connection: sink, with: { method: PUT, path: /again } } ]
"#;
    let sink = Sink::new().await;
    let place = Place::new(file(format!("{}{ECHO}", sink.config(true)))).await;
    place.send(order("a", 100)).await;
    let cut = place.wait_for("dev.ensue.chain.cut", 1).await;
    assert_eq!(cut[0].event.depth(), 32);
    assert!(place.node.settled().await);
    assert_eq!(place.of_type("dev.ensue.chain.cut").len(), 1);
    let answered = place.of_type("dev.ensue.action.answered");
    assert_eq!(answered.iter().map(|record| record.event.depth()).max(), Some(32));
}
