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

/// A freeze of a person and the file stand side by side: a thaw does not reach the file, and removing the file does not
/// thaw what a person froze.
#[tokio::test(flavor = "multi_thread")]
async fn the_file_and_a_thaw_do_not_get_into_each_others_way() {
    let sink = Sink::new().await;
    let place = Place::new(file(sink.config(true))).await;
    place.post("/api/v1/freeze", json!({"reason": "an incident"})).await;
    std::fs::write(place.data().join("FREEZE"), "the pager is on fire\n").unwrap();
    place.wait_for("dev.ensue.operator", 2).await;
    place.send(order("a", 100)).await;
    until_held(&place).await;
    let (status, told) = place.post("/api/v1/thaw", json!({})).await;
    assert_eq!(status, 200, "{told}");
    let (status, told) = place.post("/api/v1/thaw", json!({})).await;
    assert_eq!(status, 409);
    assert!(told["error"]["message"].as_str().unwrap().contains("remove the file"), "{told}");
    let (_, outbox) = place.get("/api/v1/outbox").await;
    assert_eq!(outbox["outbox"][0]["waits"], json!([{"freeze": "everything, by the file FREEZE", "until": null}]));
    place.post("/api/v1/freeze", json!({"reason": "an incident"})).await;
    std::fs::remove_file(place.data().join("FREEZE")).unwrap();
    place.wait_for("dev.ensue.operator", 6).await;
    until_held(&place).await;
    assert_eq!(sink.sent().len(), 0);
    place.post("/api/v1/thaw", json!({})).await;
    sink.wait(1).await;
    // All of it is in the audit, with who, and what became of it.
    let (_, audit) = place.get("/api/v1/audit?actor=file").await;
    let verbs: Vec<_> = audit["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["event"]["data"]["command"]["verb"].clone())
        .collect();
    assert_eq!(verbs, ["thaw", "freeze"]);
    let (_, audit) = place.get("/api/v1/audit?since=1h&limit=500").await;
    let records = audit["records"].as_array().unwrap();
    let refused: Vec<_> = records.iter().filter(|row| row["verdict"]["refused"].is_object()).collect();
    assert_eq!(refused.len(), 1, "{audit}");
    let (_, audit) = place.get("/api/v1/audit?since=2020-01-01T00:00:00Z&actor=nobody").await;
    assert_eq!(audit["records"], json!([]));
}

/// What a freeze finds under way is not shown as held: it has left.
#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_does_not_hold_what_is_under_way() {
    let sink = Sink::new().await;
    sink.hold(true);
    let place = Place::new(file(sink.config(true))).await;
    place.send(order("a", 100)).await;
    sink.wait(1).await;
    place.post("/api/v1/freeze", json!({"reason": "an incident"})).await;
    let (_, outbox) = place.get("/api/v1/outbox").await;
    let row = &outbox["outbox"][0];
    assert_eq!((&row["held"], &row["underWay"], &row["waits"]), (&json!(false), &json!(true), &json!([])), "{row}");
    let (_, freezes) = place.get("/api/v1/freezes").await;
    assert_eq!(freezes["held"], 0, "{freezes}");
    sink.hold(false);
    place.wait_for("dev.ensue.run.finished", 1).await;
}

/// A window that is open when the configuration comes: shown with its end, and overridden by a thaw.
#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_shown_with_its_end_and_thawed() {
    let sink = Sink::new().await;
    let always = "  freeze: [ { cron: \"* * * * *\", for: 400d, reason: year's end } ]\n";
    let config = with_spec(&sink.config(true), "Connection", always);
    let place = Place::new(file(config)).await;
    place.send(order("a", 100)).await;
    let (_, freezes) = until_held(&place).await;
    let freeze = &freezes["freezes"][0]["freeze"];
    assert_eq!((&freeze["actor"], &freeze["reason"]), (&json!("window"), &json!("year's end")), "{freezes}");
    assert!(freeze["until"].is_string());
    let connection = freeze["connection"].as_str().unwrap().to_owned();
    let (_, all) = place.get("/api/v1/connections").await;
    let all = all["connections"].as_array().unwrap();
    let one = all.iter().find(|one| one["name"] == connection.as_str()).unwrap();
    assert_eq!((&one["held"], &one["freezes"][0]["until"]), (&json!(1), &freeze["until"]), "{one}");
    place.wait_for("dev.ensue.freeze.began", 1).await;
    let (status, told) = place.post("/api/v1/thaw", json!({"connection": connection, "reason": "a hotfix"})).await;
    assert_eq!(status, 200, "{told}");
    sink.wait(1).await;
    let (_, freezes) = place.get("/api/v1/freezes").await;
    assert_eq!(freezes["freezes"][0]["freeze"]["thawed"]["reason"], "a hotfix", "{freezes}");
}

/// Adds lines to the `spec` of the first document of a kind, which is written as a block or in one line.
fn with_spec(config: &str, kind: &str, lines: &str) -> String {
    let at = config.find(&format!("kind: {kind}")).unwrap();
    let (before, after) = config.split_at(at);
    let spec = after.find("spec:").unwrap();
    let (head, rest) = after.split_at(spec);
    let (line, rest) = rest.split_once('\n').unwrap();
    let inner = line.trim_start_matches("spec:").trim().trim_start_matches('{').trim_end_matches('}').trim();
    let inner = if inner.is_empty() { String::new() } else { format!("  {inner}\n") };
    format!("{before}{head}spec:\n{inner}{lines}{rest}")
}

/// The slots of runs, and what waits for them.
#[tokio::test(flavor = "multi_thread")]
async fn locks_are_shown_with_their_holders() {
    let sink = Sink::new().await;
    sink.hold(true);
    let config = with_spec(&sink.config(true), "Rule", "  concurrency: { group: shop, limit: 1 }\n");
    let place = Place::new(file(config)).await;
    for id in ["a", "b", "c"] {
        place.send(order(id, 100)).await;
    }
    sink.wait(1).await;
    place.wait_for("dev.ensue.rule.fired", 3).await;
    assert!(place.node.settled().await);
    let (_, locks) = place.get("/api/v1/locks").await;
    let lock = &locks["locks"][0];
    assert_eq!(
        (&lock["of"], &lock["limit"], &lock["waiting"]),
        (&json!({"group": "default/shop"}), &json!(1), &json!(2))
    );
    assert_eq!((lock["holders"].as_array().unwrap().len(), lock["next"].as_array().unwrap().len()), (1, 2), "{lock}");
    sink.hold(false);
    place.wait_for("dev.ensue.run.finished", 3).await;
    assert!(place.node.settled().await);
    assert_eq!(place.get("/api/v1/locks").await.1, json!({"locks": []}));
}

/// One command for the runs that a query finds: what it would do, what it did, and what was refused.
#[tokio::test(flavor = "multi_thread")]
async fn runs_are_retried_by_query() {
    let sink = Sink::new().await;
    sink.answer(400);
    let place = Place::new(file(sink.config(true))).await;
    for id in ["a", "b", "c"] {
        place.send(order(id, 100)).await;
    }
    place.wait_for("dev.ensue.run.failed", 3).await;
    assert!(place.node.settled().await);
    let (status, told) = place.post("/api/v1/runs/bulk", json!({"verb": "retry", "reason": "all?"})).await;
    assert_eq!(status, 400, "{told}");
    let (status, _) = place.post("/api/v1/runs/bulk", json!({"verb": "retry", "query": {"since": "1h"}})).await;
    assert_eq!(status, 400, "a reason is needed");
    let query = json!({"rule": "forward", "error": "Status", "since": "1h"});
    let (_, told) = place.post("/api/v1/runs/bulk", json!({"verb": "retry", "query": query, "dryRun": true})).await;
    assert_eq!((&told["found"], &told["done"]), (&json!(3), &json!(0)), "{told}");
    assert_eq!(sink.sent().len(), 3, "nothing was done");
    let oldest = told["runs"][0]["id"].clone();
    sink.answer(200);
    let body = json!({"verb": "retry", "query": query, "reason": "the shop is back", "limit": 1});
    let (_, told) = place.post("/api/v1/runs/bulk", body).await;
    assert_eq!((&told["found"], &told["done"], &told["runs"][0]["id"]), (&json!(3), &json!(1), &oldest), "{told}");
    place.wait_for("dev.ensue.run.finished", 1).await;
    assert!(place.node.settled().await);
    // Runs that are named are asked for as they are: one is over by now, and that is said.
    let (_, left) = place.get("/api/v1/runs?status=failed&error=Status").await;
    let mut runs: Vec<_> = left["runs"].as_array().unwrap().iter().map(|run| run["id"].clone()).collect();
    assert_eq!(runs.len(), 2);
    runs.push(oldest.clone());
    let body = json!({"verb": "resume", "runs": runs, "reason": "the shop is back"});
    let (_, told) = place.post("/api/v1/runs/bulk", body).await;
    assert_eq!((&told["done"], &told["refused"]), (&json!(2), &json!(1)), "{told}");
    let refused = told["runs"].as_array().unwrap().iter().find(|run| run["done"] == false).unwrap().clone();
    assert_eq!(refused["id"], oldest);
    assert!(refused["why"].is_string());
    place.wait_for("dev.ensue.run.finished", 3).await;
    let (_, audit) = place.get(&format!("/api/v1/audit?run={}", oldest.as_str().unwrap())).await;
    let says: Vec<_> =
        audit["records"].as_array().unwrap().iter().map(|row| row["event"]["data"]["reason"].clone()).collect();
    assert_eq!(says, ["the shop is back", "the shop is back"], "{audit}");
}

/// Pages end where the next begins, also where runs started in the same moment.
#[tokio::test(flavor = "multi_thread")]
async fn runs_are_listed_by_pages() {
    let sink = Sink::new().await;
    let place = Place::new(file(sink.config(true))).await;
    for n in 0..7 {
        place.send(order(&format!("e{n}"), 100)).await;
    }
    place.wait_for("dev.ensue.run.finished", 7).await;
    assert!(place.node.settled().await);
    let (mut seen, mut before) = (std::collections::BTreeSet::new(), String::new());
    loop {
        let (status, page) = place.get(&format!("/api/v1/runs?limit=2{before}")).await;
        assert_eq!(status, 200, "{page}");
        for run in page["runs"].as_array().unwrap() {
            assert!(seen.insert(run["id"].as_str().unwrap().to_owned()), "twice");
        }
        let Some(next) = page["next"].as_str() else { break };
        before = format!("&before={next}");
    }
    assert_eq!(seen.len(), 7);
    for wrong in ["before=yesterday", "since=soon", "sinse=1h"] {
        assert_eq!(place.get(&format!("/api/v1/runs?{wrong}")).await.0, 400, "{wrong}");
    }
}
