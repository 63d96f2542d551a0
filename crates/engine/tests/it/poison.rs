//! Records that cannot be folded change nothing.

use ensue_engine::Poison;
use ensue_event::ours::{ConfigApplied, ConfigFile, Mode, Operator, RuleFired};
use ensue_event::{Digest, Event, Key, Origin, Ours, Position, Record, Span};
use serde_json::json;

use crate::bench::{Bench, rule};

const RETRY: &str = r#"
when: { event: { type: [go] } }
steps:
  - { id: a, uses: http/request, connection: api, with: { path: /a }, retry: { max: 2, backoff: constant, initial: 10s, cap: 10s, jitter: none } }
"#;

#[test]
fn nothing_is_changed_by_a_record_that_cannot_be_folded() {
    let node = |ours: Ours| (Origin::Node, ours.event("x", "/ensue/node"));
    let raw = |kind: &str, data| (Origin::Node, Event::new("x", "/ensue/node", kind).with_json(&data));
    let fired = RuleFired {
        firing: Key([1; 16]),
        rule: "default/r".into(),
        definition: Digest::of(b"nothing"),
        mode: Mode::Live,
        key: None,
        events: Vec::new(),
        due: None,
        timed: false,
        count: None,
        batch: Vec::new(),
        lets: serde_json::Map::new(),
    };
    let text = "kind: Rule\nmetadata: { name: r }".to_owned();
    let wrong =
        ConfigApplied { documents: Vec::new(), files: vec![ConfigFile { path: "t.yaml".into(), text }], observe: true };
    for (what, (origin, event)) in [
        ("a type of ours that nobody knows", raw("dev.ensue.nonsense", json!({"v": 1}))),
        ("another version of its fields", raw("dev.ensue.tick", json!({"v": 2}))),
        ("fields that are missing", raw("dev.ensue.operator", json!({"v": 1}))),
        ("no data at all", (Origin::Node, Event::new("x", "/ensue/node", "dev.ensue.tick"))),
        ("a firing without its definition", node(fired.into())),
        ("a configuration with mistakes", node(wrong.into())),
    ] {
        let mut bench = Bench::new(&[rule("r", RETRY)]);
        bench.event("go", "e1", json!({}));
        bench.passes("a", "Connect");
        // Its time makes a timer due as well: that is not done either, until the next record.
        bench.pass(Span::mins(1));
        let before = bench.dump();
        let position = Position(bench.log.len() as u64);
        let record = Record { position, at: bench.now, origin, event };
        let poison = bench.engine.fold(&record).unwrap_err();
        bench.engine.undo();
        assert_eq!(bench.dump(), before, "{what}: {poison}");
        if matches!(poison, Poison::Configuration(_)) {
            continue;
        }
        bench.engine.set_aside(&record);
        bench.log.push(record);
        assert_eq!(bench.engine.state().meta.folded, Some(position), "{what}");
        bench.tick();
        assert_eq!(bench.row("a").effect.attempt, 2, "{what}: the next record does what was due");
    }
}

#[test]
fn a_record_that_was_folded_is_nothing_a_second_time() {
    let mut bench = Bench::new(&[rule("r", RETRY)]);
    bench.event("go", "e1", json!({}));
    let before = bench.dump();
    for record in bench.log.clone() {
        let outcome = bench.engine.fold(&record).unwrap();
        assert_eq!(outcome, ensue_engine::Outcome::default());
        bench.engine.settle();
    }
    assert_eq!(bench.dump(), before);
}

#[test]
fn one_timer_that_cannot_be_carried_out_fails_its_run_and_no_other_record() {
    let mut bench = Bench::new(&[rule("r", RETRY)]);
    bench.event("go", "e1", json!({}));
    bench.passes("a", "Connect");
    bench.configure(&[], false);
    bench.checkpoint();
    // A store that lost the definition: no fold can make one.
    bench.store.retain(|(table, _), _| *table != "definitions");
    bench.engine = bench.reloaded();
    bench.pass(Span::mins(1));
    bench.tick();
    let run = bench.runs()[0].clone();
    assert_eq!(run.status.as_str(), "failed");
    assert!(run.trunk.failed.unwrap().error.message.contains("is not in state"));
    bench.event("other", "e2", json!({}));
}

#[test]
fn no_bytes_make_it_panic() {
    let mut bench = Bench::new(&[rule("r", RETRY)]);
    bench.event("go", "e1", json!({}));
    let command = ensue_event::ours::Command::SkipStep { run: bench.runs()[0].id, step: "a".into() };
    let samples = [
        Ours::from(Operator { command, actor: String::new(), roles: Vec::new(), reason: String::new() }),
        Ours::from(ensue_event::ours::Tick {}),
        Ours::from(ensue_event::ours::ActionAnswered {
            of: bench.row("a").attempt(),
            answer: ensue_event::ours::Answer::Ok(json!({})),
            began: None,
            log: None,
        }),
    ];
    for ours in samples.into_iter().chain(ensue_event::ours::samples()) {
        let json = serde_json::to_string(&ours.data()).unwrap();
        for cut in 0..json.len().min(400) {
            for damaged in [json[..cut].to_owned(), format!("{}{}", &json[..cut], &json[(cut + 1).min(json.len())..])] {
                let mut event = ours.event("x", "/ensue/node");
                let Ok(value) = serde_json::from_str::<serde_json::Value>(&damaged) else { continue };
                event = event.with_json(&value);
                let record =
                    Record { position: Position(bench.log.len() as u64), at: bench.now, origin: Origin::Node, event };
                let _ = bench.engine.fold(&record);
                bench.engine.undo();
            }
        }
    }
}
