//! The red button, and what a person can do about a run.

use ensue_node::Scope;
use serde_json::json;

use crate::support::{Place, Sink, file, order, until};

#[tokio::test(flavor = "multi_thread")]
async fn freeze_holds_and_thaw_releases() {
    let sink = Sink::new().await;
    let place = Place::new(file(sink.config(true))).await;
    let (status, told) = place.post("/api/v1/freeze", json!({"reason": "  "})).await;
    assert_eq!(status, 400, "{told}");
    for (what, name) in [("connection", "snik"), ("rule", "shop/forward")] {
        let (status, told) = place.post("/api/v1/freeze", json!({what: name, "reason": "a slip of the hand"})).await;
        assert_eq!(status, 404, "what holds nothing must not look as if it did: {told}");
    }
    let (status, told) = place.post("/api/v1/freeze", json!({"reason": "deploys are off"})).await;
    assert_eq!((status, &told["done"]), (200, &json!(true)));
    place.send(order("a", 100)).await;
    place.wait_for("dev.ensue.run.started", 1).await;
    let (_, freezes) = until_held(&place).await;
    assert_eq!(freezes["freezes"][0]["freeze"]["actor"], "local");
    assert!(sink.sent().is_empty());
    let (status, told) = place.post("/api/v1/thaw", json!({"connection": "nobody"})).await;
    assert_eq!((status, &told["error"]["code"]), (409, &json!("refused")), "{told}");
    place.post("/api/v1/thaw", json!({"reason": "on again"})).await;
    sink.wait(1).await;
}

async fn until_held(place: &Place) -> (u16, serde_json::Value) {
    for _ in 0..500 {
        let found = place.get("/api/v1/freezes").await;
        if found.1["held"] == 1 {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("nothing was held");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_freezes_too() {
    let sink = Sink::new().await;
    let place = Place::new(file(sink.config(true))).await;
    std::fs::write(place.data().join("FREEZE"), "the pager is on fire\n").unwrap();
    let said = place.wait_for("dev.ensue.operator", 1).await;
    let said = String::from_utf8_lossy(said[0].event.json().unwrap()).into_owned();
    assert!(said.contains("the pager is on fire") && said.contains("\"actor\":\"file\""), "{said}");
    place.send(order("a", 100)).await;
    until_held(&place).await;
    std::fs::remove_file(place.data().join("FREEZE")).unwrap();
    sink.wait(1).await;
    assert_eq!(place.of_type("dev.ensue.operator").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_is_resumed_with_a_new_effect() {
    let sink = Sink::new().await;
    sink.answer(400);
    let place = Place::new(file(sink.config(true))).await;
    place.send(order("a", 100)).await;
    let failed = place.wait_for("dev.ensue.run.failed", 1).await;
    assert!(place.node.settled().await);
    let run: serde_json::Value = serde_json::from_slice(failed[0].event.json().unwrap()).unwrap();
    let run = run["run"].as_str().unwrap().to_owned();
    let (_, runs) = place.get("/api/v1/runs?status=failed&q=orders").await;
    assert_eq!(runs["kept"], 1, "{runs}");
    sink.answer(200);
    let (status, told) = place.post(&format!("/api/v1/runs/{run}/resume"), json!({})).await;
    assert_eq!(status, 200, "{told}");
    place.wait_for("dev.ensue.run.finished", 1).await;
    let sent = sink.sent();
    assert_eq!(sent.len(), 2);
    assert_ne!(sent[0].key, sent[1].key, "an operator's retry is a new effect");
    let (status, told) = place.post(&format!("/api/v1/runs/{run}/cancel"), json!({})).await;
    assert_eq!(status, 409, "{told}");
    let (status, told) = place.post("/api/v1/runs/nonsense/cancel", json!({})).await;
    assert_eq!(status, 400, "{told}");
    let (status, _) = place.post(&format!("/api/v1/runs/{}/retry", "0".repeat(32)), json!({})).await;
    assert_eq!(status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_paused_and_goes_on() {
    let sink = Sink::new().await;
    let place = Place::new(file(sink.config(true))).await;
    let (status, told) = place.post("/api/v1/rules/forward/mode", json!({"mode": "asleep"})).await;
    assert_eq!(status, 409, "{told}");
    place.post("/api/v1/rules/default/forward/mode", json!({"mode": "paused"})).await;
    place.send(order("a", 100)).await;
    until("the fold", || (place.node.reached().folded == place.node.reached().end).then_some(())).await;
    let (_, rule) = place.get("/api/v1/rules/forward").await;
    assert_eq!((&rule["mode"], &rule["decisions"][0]["verdict"]), (&json!("paused"), &json!("paused")), "{rule}");
    place.post("/api/v1/rules/forward/mode", json!({"mode": "live"})).await;
    place.send(order("b", 100)).await;
    assert_eq!(sink.wait(1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_there_at_the_start_holds_everything_from_the_first_moment() {
    let sink = Sink::new().await;
    sink.hold(true);
    let place = Place::new(file(sink.config(true))).await;
    place.send(order("a", 100)).await;
    sink.wait(1).await;
    // The action is in flight: after the crash it would be done again with its key.
    let folder = place.crash().await;
    std::fs::write(folder.path().join("data/FREEZE"), "").unwrap();
    sink.hold(false);
    let place = Place::at(folder, |_| ()).await;
    until_held(&place).await;
    assert_eq!(sink.sent().len(), 1);
    std::fs::remove_file(place.data().join("FREEZE")).unwrap();
    sink.wait(2).await;
    place.wait_for("dev.ensue.run.finished", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_storm_parked_is_let_go_or_dropped_all_at_once() {
    let noisy = "apiVersion: ensue.dev/v1\nkind: Rule\nmetadata: { name: noisy }\nspec:\n  \
        when: { event: { type: [noise] } }\n  storm: { perRule: 1 }\n  steps: []\n";
    let place = Place::new(file(noisy)).await;
    let send = async |from: u32, to: u32| {
        for n in from..to {
            let event = json!({"specversion": "1.0", "id": format!("n{n}"), "source": "/test", "type": "noise"});
            place.send(event).await;
        }
        assert!(place.node.settled().await);
    };
    send(0, 4).await;
    let (_, parked) = place.get("/api/v1/parked").await;
    assert_eq!((&parked["total"], &parked["parked"][0]["by"]), (&json!(3), &json!("storm")), "{parked}");
    let (status, told) = place.post("/api/v1/parked/redrive", json!({"reason": "it was no storm"})).await;
    assert_eq!(status, 400, "{told}");
    let all = json!({"rule": "noisy", "reason": "it was no storm"});
    let (status, told) = place.post("/api/v1/parked/redrive", all.clone()).await;
    assert_eq!(status, 200, "{told}");
    place.wait_for("dev.ensue.run.finished", 4).await;
    send(4, 6).await;
    let (status, told) = place.post("/api/v1/parked/discard", all.clone()).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!(place.get("/api/v1/parked").await.1["total"], 0);
    let (status, told) = place.post("/api/v1/parked/discard", all).await;
    assert_eq!(status, 409, "{told}");
    assert_eq!(place.of_type("dev.ensue.rule.fired").len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_brings_the_roles_of_the_token() {
    let place = Place::new(file("")).await;
    let token = place.token_of("ann", &[Scope::Operate], &["sre", "oncall"]);
    let path = format!("/api/v1/runs/{}/approve", "0".repeat(32));
    let ask = async |token: &str| {
        let request = place.http.post(place.url(&path)).bearer_auth(token);
        request.json(&json!({"step": "deploy", "refuse": true, "reason": "not today"})).send().await.unwrap().status()
    };
    assert_eq!(ask(&token).await, 409, "no such run asks");
    assert_eq!(ask(&place.admin).await, 409);
    let said: Vec<serde_json::Value> = place
        .of_type("dev.ensue.operator")
        .iter()
        .map(|told| serde_json::from_slice(told.event.json().unwrap()).unwrap())
        .collect();
    assert_eq!((&said[0]["actor"], &said[0]["roles"]), (&json!("ann"), &json!(["sre", "oncall"])));
    assert_eq!((&said[1]["actor"], &said[1]["roles"]), (&json!("local"), &json!(["admin"])));
    assert_eq!((&said[0]["command"]["step"], &said[0]["command"]["refuse"]), (&json!("deploy"), &json!(true)));
    let (status, told) = place.post(&path, json!({"reason": "which step?"})).await;
    assert_eq!(status, 400, "{told}");
}
