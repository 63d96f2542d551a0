//! Policies in a whole node: somebody is asked, and the action waits for the answer.

use ensue_node::Scope;
use serde_json::{Value, json};

use crate::support::{Place, Sink, file, order};

const POLICY: &str = r#"
---
apiVersion: ensue.dev/v1
kind: Policy
metadata: { name: careful }
spec:
  match: { actions: [http/*] }
  checks:
    - { if: "event.data.total > 1000", deny: "${{ event.data.total }} is too much" }
    - { if: "event.data.total > 500", approve: { from: [sales], reason: "a large order" } }
"#;

async fn policy(place: &Place) -> Value {
    assert!(place.node.settled().await);
    place.get("/api/v1/policies").await.1["policies"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_waits_for_who_may_say_yes_across_a_crash() {
    let sink = Sink::new().await;
    let config = format!("{}{POLICY}", sink.config(true));
    let place = Place::new(file(config)).await;
    for (id, total) in [("small", 100), ("large", 600), ("huge", 2_000)] {
        place.send(order(id, total)).await;
    }
    sink.wait(1).await;
    place.wait_for("dev.ensue.policy.decided", 2).await;
    place.wait_for("dev.ensue.run.failed", 1).await;
    let found = policy(&place).await;
    let counts = [&found["allowed"], &found["asked"], &found["denied"]];
    assert_eq!(
        (counts, &found["about"], &found["by"]),
        ([&json!(1); 3], &json!("actions"), &json!("checks")),
        "{found}"
    );

    let place = Place::at(place.crash().await, |_| ()).await;
    let (_, runs) = place.get("/api/v1/runs?status=running").await;
    assert_eq!(runs["runs"][0]["asks"], "policy default/careful asks 1 of sales: a large order", "{runs}");
    let run = runs["runs"][0]["id"].as_str().unwrap().to_owned();
    let (_, shown) = place.get(&format!("/api/v1/runs/{run}")).await;
    assert_eq!((&shown["asks"][0]["open"], &shown["outbox"][0]["asks"]), (&json!(true), &json!(true)), "{shown}");
    assert_eq!(sink.sent().len(), 1, "it is not done before somebody says so");

    let answer = async |token: &str, body: Value| {
        let request = place.http.post(place.url(&format!("/api/v1/runs/{run}/approve"))).bearer_auth(token);
        let answer = request.json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (dev, sales) =
        (place.token_of("dee", &[Scope::Operate], &["dev"]), place.token_of("sam", &[Scope::Operate], &["sales"]));
    let (status, told) = answer(&dev, json!({"step": "send"})).await;
    let why = told["error"]["message"].as_str().unwrap_or_default();
    assert!(status == 409 && why.contains("cannot be answered by dee, who has the roles dev"), "{told}");
    let shown = shown["asks"][0]["shown"].clone();
    let (status, told) = answer(&sales, json!({"step": "send", "shown": shown, "reason": "a good customer"})).await;
    assert_eq!(status, 200, "{told}");
    sink.wait(2).await;
    place.wait_for("dev.ensue.run.finished", 2).await;
    let (status, _) = answer(&place.admin, json!({"step": "send", "refuse": true})).await;
    assert_eq!(status, 409);
    let (_, why) = place.get(&format!("/api/v1/why/{run}")).await;
    let why = why.to_string();
    for part in [
        "policy default/careful asks about step send: a large order",
        "policy default/careful lets go, since people said so, step send: sam: a good customer",
        "step send approved",
    ] {
        assert!(why.contains(part), "`{part}` is not in {why}");
    }
}
