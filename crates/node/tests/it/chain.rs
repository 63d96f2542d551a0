//! An event in, a consequence out, and what the API says about it.

use serde_json::json;

use crate::support::{Place, Sink, file, order, until};

#[tokio::test(flavor = "multi_thread")]
async fn from_event_to_action_to_answer() {
    let sink = Sink::new().await;
    let place = Place::new(file(sink.config(true))).await;
    place.send(order("big", 100)).await;
    place.send(order("small", 99)).await;
    place.send(order("odd", 666)).await;
    let sent = sink.wait(1).await;
    assert_eq!(sent[0].path, "/orders");
    let done = place.wait_for("dev.ensue.run.finished", 1).await;
    assert!(place.node.settled().await);
    let (_, runs) = place.get("/api/v1/runs").await;
    assert_eq!(runs["runs"][0]["status"], "succeeded", "{runs}");
    assert_eq!(runs["found"], 1);
    let id = runs["runs"][0]["id"].as_str().unwrap();
    // The key that the other side got is the effect's.
    let (_, run) = place.get(&format!("/api/v1/runs/{id}")).await;
    assert_eq!(run["steps"]["send"]["effect"].as_str(), sent[0].key.as_deref(), "{run}");
    let (_, rules) = place.get("/api/v1/rules").await;
    let rule = &rules["rules"][0];
    assert_eq!((&rule["name"], &rule["fired"], &rule["suppressed"]), (&json!("default/forward"), &json!(1), &json!(1)));
    let (_, decisions) = place.get("/api/v1/decisions?event=odd").await;
    assert_eq!(decisions["decisions"][0]["rule"], "default/forward", "{decisions}");
    let (_, one) = place.get("/api/v1/events/big").await;
    assert_eq!(one["firings"][0]["firing"], id, "{one}");
    let (status, why) = place.get("/api/v1/why/big").await;
    assert_eq!(status, 200, "{why}");
    assert!(why.to_string().contains("default/forward"), "{why}");
    // What the page draws.
    assert!(why["text"].is_string() && why["then"].is_array(), "{why}");
    assert!(done[0].event.extension_text("correlationid").is_some());
    let (_, status) = place.get("/api/v1/status").await;
    assert_eq!((&status["counts"]["events"], &status["outbox"], &status["lag"]), (&json!(3), &json!(0), &json!(0)));
    for line in [
        "ensue_stage_seconds_count{stage=\"durable\"}",
        "ensue_stage_seconds_count{stage=\"decided\"}",
        "ensue_rule_stage_seconds_count{rule=\"default/forward\",stage=\"acted\"}",
        "ensue_actions_total{action=\"http/request\",result=\"ok\"}",
    ] {
        assert!(place.metric(line).await >= 1.0, "{line}");
    }
    assert_eq!(place.metric("ensue_runs_stuck").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_without_a_key_is_announced_first() {
    let sink = Sink::new().await;
    let place = Place::new(file(sink.config(false))).await;
    place.send(order("a", 100)).await;
    let finished = place.wait_for("dev.ensue.run.finished", 1).await;
    let started = place.of_type("dev.ensue.action.started");
    let answered = place.of_type("dev.ensue.action.answered");
    assert_eq!((started.len(), answered.len()), (1, 1));
    assert!(started[0].position < answered[0].position && answered[0].position < finished[0].position);
}

#[tokio::test(flavor = "multi_thread")]
async fn observing_decides_and_does_not_act() {
    let sink = Sink::new().await;
    let config = sink.config(true);
    let place = Place::with(|options| {
        options.config = file(config);
        options.observe = true;
    })
    .await;
    place.send(order("a", 100)).await;
    let fired = place.wait_for("dev.ensue.rule.fired", 1).await;
    assert!(String::from_utf8_lossy(fired[0].event.json().unwrap()).contains("\"mode\":\"shadow\""));
    assert!(place.node.settled().await);
    let (_, rules) = place.get("/api/v1/rules").await;
    assert_eq!(rules["rules"][0]["mode"], "shadow");
    assert!(sink.sent().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_connection_answers_without_acting() {
    let sink = Sink::new().await;
    let config = sink.config(true).replace("spec:\n  http: {", "spec:\n  dryRun: true\n  http: {");
    let place = Place::new(file(config)).await;
    place.send(order("a", 100)).await;
    place.wait_for("dev.ensue.run.finished", 1).await;
    assert!(sink.sent().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_go_on() {
    let place = Place::new(file("")).await;
    for n in 0..5 {
        place.send(order(&format!("e{n}"), n)).await;
    }
    let (_, page) = place.get("/api/v1/events?limit=2").await;
    let ids: Vec<&str> =
        page["events"].as_array().unwrap().iter().map(|e| e["event"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["e4", "e3"]);
    let (_, page) = place.get(&format!("/api/v1/events?limit=2&before={}", page["next"])).await;
    assert_eq!(page["events"][0]["event"]["id"], "e2");
    let count = async |query: &str| {
        let (_, page) = place.get(&format!("/api/v1/events?limit=100&{query}")).await;
        page["events"].as_array().unwrap_or_else(|| panic!("{query}: {page}")).len()
    };
    assert_eq!(count("type=shop.*").await, 5);
    assert_eq!(count("type=other").await, 0);
    assert_eq!(count("type=dev.ensue.node.started").await, 1);
    assert_eq!(count("source=/shop").await, 5);
    assert_eq!(count("subject=x").await, 0);
    assert_eq!(
        count("pattern=%7B%22data%22%3A%7B%22total%22%3A%5B%7B%22numeric%22%3A%5B%22%3E%22%2C2%5D%7D%5D%7D%7D").await,
        2
    );
    let (status, told) = place.get("/api/v1/events?pattern=%7B%22a%22%3A1%7D").await;
    assert_eq!(status, 400, "{told}");
    let lines = place.http.get(place.url("/api/v1/log")).bearer_auth(place.token("reader", &[ensue_node::Scope::Read]));
    let lines = lines.send().await.unwrap().text().await.unwrap();
    let all = place.node.reached().end.0;
    assert_eq!(lines.lines().count() as u64, all);
    until("the fold", || (place.node.reached().folded.0 == all).then_some(())).await;
}
