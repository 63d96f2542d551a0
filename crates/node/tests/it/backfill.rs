//! Rules that start in the past, and what an edit drops: with a real log, a real state and crashes.

use ensue_event::ours::Ours;
use ensue_node::Configured;
use serde_json::{Value, json};

use crate::support::{Place, order};

fn files(text: &str) -> Value {
    json!({"files": [{"path": "a.yaml", "text": text}]})
}

fn rule(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: ensue.dev/v1\nkind: Rule\nmetadata: {{ name: {name} }}\nspec:\n  {}\n",
        spec.replace('\n', "\n  ")
    )
}

const OTHER: &str = "when: { event: { type: [other] } }\nsteps: []";
const PAST: &str = "when: { event: { type: [shop.order.placed] } }\nmode: shadow\nstart: beginning\nsteps: []";

/// The ids of the events that the rule fired on, in order.
fn fired(place: &Place, name: &str) -> Vec<String> {
    let fired = place.of_type("dev.ensue.rule.fired").into_iter().filter_map(|record| match Ours::of(&record.event) {
        Ok(Ours::RuleFired(fired)) if fired.rule == name => Some(fired),
        _ => None,
    });
    fired.map(|fired| fired.events[0].event["id"].as_str().unwrap().to_owned()).collect()
}

/// Waits until no rule is on its way through the past.
async fn through(place: &Place) {
    for _ in 0..2_000 {
        place.node.settled().await;
        let (_, rules) = place.get("/api/v1/status").await;
        assert!(rules.is_object());
        let last = place.of_type("dev.ensue.backfill").into_iter().last();
        let done = last.is_some_and(|record| match Ours::of(&record.event) {
            Ok(Ours::Backfill(told)) => told.to > record.position,
            _ => false,
        });
        if done {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("it never came through");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_rule_goes_through_the_past_in_chunks_and_a_crash_on_the_way_changes_nothing() {
    let place = Place::new(Configured::Files(Vec::new())).await;
    let ids: Vec<String> = (0..700).map(|n| format!("o{n}")).collect();
    for chunk in ids.chunks(100) {
        let batch: Vec<Value> = chunk.iter().map(|id| order(id, 100)).collect();
        let request =
            place.http.post(place.url("/events")).header("content-type", "application/cloudevents-batch+json");
        let answer = request.body(Value::from(batch).to_string()).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }
    let (status, told) = place.post("/api/v1/config", files(&rule("past", PAST))).await;
    assert_eq!(status, 201, "{told}");
    place.wait_for("dev.ensue.backfill", 1).await;
    let folder = place.crash().await;
    let place = Place::at(folder, |options| options.config = Configured::Kept).await;
    place.send(order("new", 100)).await;
    through(&place).await;
    let mut expected = ids;
    expected.push("new".to_owned());
    crate::support::until("all of it", || (fired(&place, "default/past").len() >= 701).then_some(())).await;
    let fired_on = fired(&place, "default/past");
    assert!(fired_on == expected, "each once, in order, and what comes after them: {:?}", fired_on.last());
    assert!(place.of_type("dev.ensue.backfill").len() >= 2);
    // A start in between finds nothing to go on with.
    let (_, folder) = place.stop().await;
    let place = Place::at(folder, |options| options.config = Configured::Kept).await;
    let before = place.of_type("dev.ensue.backfill").len();
    place.send(order("newer", 100)).await;
    crate::support::until("the next", || (fired(&place, "default/past").len() == 702).then_some(())).await;
    assert_eq!(place.of_type("dev.ensue.backfill").len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_time() {
    let place = Place::new(Configured::Files(Vec::new())).await;
    for n in 0..20 {
        place.send(order(&format!("o{n}"), 100)).await;
    }
    let orders = place.of_type("shop.order.placed");
    let at = orders[7].at;
    // Several may have one time.
    let expected = orders.iter().filter(|record| record.at >= at).count();
    let spec = PAST.replace("start: beginning", &format!("start: \"{at}\""));
    let (status, told) = place.post("/api/v1/config", files(&rule("past", &spec))).await;
    assert_eq!(status, 201, "{told}");
    through(&place).await;
    crate::support::until("all of it", || (fired(&place, "default/past").len() == expected).then_some(())).await;
    let first = place.of_type("dev.ensue.backfill").remove(0);
    match Ours::of(&first.event) {
        Ok(Ours::Backfill(told)) => assert!(told.from <= orders[7].position && told.from.0 > 0, "{told:?}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_says_what_the_new_configuration_dropped() {
    let place = Place::new(Configured::Files(Vec::new())).await;
    let pair = "when: { sequence: [ { event: { type: [shop.order.placed] } }, { event: { type: [paid] } } ], key: event.id, within: 1h }\nsteps: []";
    let (_, told) = place.post("/api/v1/config", files(&rule("pair", pair))).await;
    assert_eq!(told["dropped"]["halfMatches"], 0, "{told}");
    for n in 0..3 {
        place.send(order(&format!("o{n}"), 100)).await;
    }
    let other = format!("{}{}", rule("pair", &pair.replace("1h", "2h")), rule("other", OTHER));
    let (status, told) = place.post("/api/v1/config", files(&other)).await;
    let rules = json!([{"rule": "default/pair", "what": "3 half-matches and 0 held are dropped"}]);
    assert_eq!((status, &told["dropped"]), (201, &json!({"halfMatches": 3, "held": 0, "rules": rules})), "{told}");
    // A start in the past is for new rules: this one is told so, and goes on.
    let again = rule("other", &format!("{OTHER}\nmode: shadow\nstart: beginning"));
    let (_, told) = place.post("/api/v1/config", files(&again)).await;
    assert!(told["dropped"]["rules"][0]["what"].as_str().unwrap().contains("new name"), "{told}");
    let wrong = rule("new", "when: { event: { type: [a] } }\nstart: beginning\nsteps: []");
    let (status, told) = place.post("/api/v1/config", files(&wrong)).await;
    assert_eq!((status, &told["error"]["diagnostics"][0]["code"]), (422, &json!("backfill")), "{told}");
}
