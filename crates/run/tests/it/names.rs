//! What the steps of a run see of what fired it.

use ensue_event::Position;
use ensue_event::ours::{Batched, Took};
use ensue_run::{Input, Run};
use serde_json::{Value, json};

use crate::kit::{Play, documents};

fn took(item: Option<&str>, id: &str) -> Took {
    let event = json!({"id": id, "source": "/test", "type": "go"});
    Took { position: Position(1), item: item.map(str::to_owned), event }
}

/// What `set` makes of these expressions in a run of a rule with this `when`.
fn seen(when: &str, expressions: &[&str], fired: impl FnOnce(&mut Run)) -> Vec<Value> {
    let set: Vec<String> =
        expressions.iter().enumerate().map(|(n, text)| format!("x{n}: \"${{{{ {text} }}}}\"")).collect();
    let steps = format!("steps: [ {{ id: a, set: {{ {} }} }} ]", set.join(", "));
    let text = documents(&steps, "").replace("when: { event: { type: [go] } }", when);
    let mut play = Play::new(&text);
    fired(&mut play.run);
    play.input(Input::Start).unwrap();
    assert_eq!(play.run.status.as_str(), "succeeded", "{:?}", play.run.trunk.failed);
    (0..expressions.len()).map(|n| play.run.trunk.steps["a"].outputs[format!("x{n}")].clone()).collect()
}

#[test]
fn events_has_the_event_of_each_item_that_was_met() {
    let when = "when: { any: [ { name: up, event: { type: [go] } }, { name: down, event: { type: [go] } } ] }";
    let got = seen(when, &["event.id", "events.up.id", "has(events.down)"], |run| {
        run.events = vec![took(Some("up"), "e1")];
    });
    assert_eq!(got, [json!("e1"), json!("e1"), json!(false)]);

    let when = "when: { sequence: [ { name: up, event: { type: [go] } }, { name: down, event: { type: [go] } } ], key: event.id, within: 1m }";
    let got = seen(when, &["event.id", "events.up.id", "events.down.id", "key"], |run| {
        run.events = vec![took(Some("up"), "e1"), took(Some("down"), "e2")];
        run.key = Some("k".into());
    });
    assert_eq!(got, [json!("e2"), json!("e1"), json!("e2"), json!("k")]);
}

#[test]
fn of_a_count_events_has_the_list_and_count_the_number() {
    let when = "when: { count: { of: { name: hit, event: { type: [go] } }, atLeast: 3 }, within: 1m }";
    let got = seen(when, &["count", "size(events.hit)", "events.hit[0].id", "event.id"], |run| {
        run.events = vec![took(Some("hit"), "e1"), took(Some("hit"), "e2")];
        run.count = Some(250);
    });
    assert_eq!(got, [json!(250), json!(2), json!("e1"), json!("e2")]);
}

#[test]
fn where_time_decided_there_is_no_event() {
    let when = "when: { absence: { after: { name: up, event: { type: [go] } }, of: { name: down, event: { type: [go] } }, for: 1m } }";
    let got = seen(when, &["has(event.id)", "events.up.id"], |run| {
        run.events = vec![took(Some("up"), "e1")];
        run.timed = true;
    });
    assert_eq!(got, [json!(false), json!("e1")]);
}

#[test]
fn batch_has_each_match_with_its_event_events_and_key() {
    let when = "batch: { size: 2 }\n  when: { any: [ { name: up, event: { type: [go] } } ], key: event.id }";
    let batched = |id: &str, key: &str| Batched { key: Some(key.into()), events: vec![took(Some("up"), id)] };
    let expressions =
        ["size(batch)", "batch[0].event.id", "batch[1].events.up.id", "batch[0].key", "batch[1].key[0]", "event.id"];
    let got = seen(when, &expressions, |run| {
        run.events = vec![took(Some("up"), "e2")];
        // A composite key is seen as the list that it was.
        run.batch = vec![batched("e1", "a"), batched("e2", r#"["b","c"]"#)];
    });
    assert_eq!(got, [json!(2), json!("e1"), json!("e2"), json!("a"), json!("b"), json!("e2")]);
}
