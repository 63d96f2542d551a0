//! State is a function of a snapshot and the log after it: a live fold, a fold from the first record, and a fold that
//! begins anywhere with what the store held then, all end with the same rows.

use std::fmt::Write as _;
use std::path::PathBuf;

use ensue_engine::Engine;
use ensue_event::http::{Message, decode};
use ensue_event::json::Scanner;
use ensue_event::ours::{
    Backfill, Command, NodeStarted, NodeStopped, RecordQuarantined, SourceCaughtUp, SourceDisconnected,
};
use ensue_event::{Attr, Event, Origin, Position, Record, Span, Time};
use serde_json::{Value, json};

use crate::bench::{Bench, fold_anew, rule};

/// Rules with every kind of step that this version runs.
fn rules(version: u32) -> Vec<String> {
    let build = format!(
        r#"
when: {{ event: {{ type: [push] }} }}
let: {{ num: event.data.num }}
if: event.data.branch != "skip"
steps:
  - {{ id: fetch, uses: http/request, connection: api, with: {{ path: "/{version}/${{{{ let.num }}}}" }}, retry: {{ max: 2, backoff: exponential, initial: 1s, cap: 30s, jitter: full }} }}
  - id: which
    switch:
      - if: event.data.branch == "main"
        steps: [ {{ id: ship, workflow: ship, with: {{ num: "${{{{ let.num }}}}" }} }} ]
      - steps: [ {{ id: post, uses: http/request, connection: api, with: {{ method: POST, path: /topic }} }} ]
  - {{ id: built, emit: {{ type: built, data: {{ num: "${{{{ let.num }}}}" }} }} }}
onFailure: [ {{ id: sorry, emit: {{ type: sorry, data: {{ why: "${{{{ error.message }}}}" }} }} }} ]
finally: [ {{ id: say, uses: slack/post, connection: team, with: {{ text: "${{{{ run.status }}}}" }} }} ]
"#
    );
    let built = r#"
when: { event: { type: [built] } }
steps:
  - id: check
    fail: odd
    if: event.data.num % 2 == 1
    catch: [ { errors: [StepFailed], steps: [ { id: mend, set: { why: "${{ error.message }}" } } ] } ]
  - { id: note, set: { num: "${{ event.data.num }}" } }
"#;
    let hears = "when: { event: { type: [dev.ensue.run.failed] } }\nmode: shadow\nsteps: []";
    let flows = r#"
when: { event: { type: [push] }, key: event.data.branch }
dedupe: { key: event.data.num / 2, window: 20s }
throttle: { limit: 1, per: 40s, excess: queue }
concurrency: { limit: 1, excess: latest }
storm: { perKey: 1, perRule: 2 }
steps: [ { id: flow, uses: http/request, connection: api, with: { path: "/${{ key }}" } } ]
"#;
    let gathers = r#"
when: { event: { type: [push, built] } }
batch: { key: none, size: 4, every: 3m }
steps: [ { id: gathered, set: { all: "${{ size(batch) }}", newest: "${{ event.id }}" } } ]
"#;
    let quiets = r#"
when: { event: { type: [push, built] } }
debounce: { key: event.type, quiet: 15s, max: 1m }
steps: [ { id: quiet, set: { newest: "${{ event.id }}" } } ]
"#;
    let joins = r#"
when:
  sequence: [ { name: first, event: { type: [push] } }, { name: second, event: { type: [push] }, if: event.data.num % 3 == 0 } ]
  key: event.data.branch
  within: 30s
  repeat: each
steps: [ { id: joined, set: { first: "${{ events.first.id }}" } } ]
"#;
    let counts = r#"
when:
  count: { of: { event: { type: [push] } }, atLeast: 5, distinct: event.data.num }
  key: event.data.branch
  within: 5m
  maxKeys: 2
steps: [ { id: counted, set: { count: "${{ count }}" } } ]
"#;
    let silent = r#"
when: { absence: { of: { event: { type: [push] } }, for: 20s, expect: [topic] }, key: event.data.branch }
steps: [ { id: silence, set: { of: "${{ key }}" } } ]
"#;
    let lined = r#"
when: { event: { type: [line] } }
order: { key: event.data.line, by: sequence, lateness: 30s, late: divert, remember: 10m }
mode: shadow
steps: []
"#;
    let timed = r#"
when: { event: { type: [line] }, time: event, lateness: 5s }
mode: shadow
steps: []
"#;
    let past = "when: { event: { type: [push] } }\nmode: shadow\nstart: beginning\nsteps: []";
    let beats = r#"
---
apiVersion: ensue.dev/v1
kind: Source
metadata: { name: beats }
spec: { schedule: { every: 1h } }
"#;
    let workflow = r#"
---
apiVersion: ensue.dev/v1
kind: Workflow
metadata: { name: ship }
spec:
  inputs: { num: { type: int } }
  steps: [ { id: put, uses: http/request, connection: api, with: { method: PUT, path: "/ship/${{ inputs.num }}" } } ]
  outputs: { where: "ship-${{ inputs.num }}" }
"#;
    vec![
        rule("build", &build),
        rule("built", built),
        rule("hears", hears),
        rule("flows", flows),
        rule("gathers", gathers),
        rule("quiets", quiets),
        rule("joins", joins),
        rule("counts", counts),
        rule("silent", silent),
        rule("lined", lined),
        rule("timed", timed),
        workflow.to_owned(),
        beats.to_owned(),
    ]
    .into_iter()
    .chain((version > 2).then(|| rule("past", past)))
    .collect()
}

/// A long life: every kind of record that changes something.
fn life() -> Bench {
    let mut bench = Bench::empty();
    let started = |boot: &str, bench: &Bench| NodeStarted {
        version: "0".into(),
        fold: ensue_engine::FOLD,
        boot: boot.into(),
        stopped_at: bench.log.last().map(|record| record.at),
        clean: false,
    };
    bench.ours(started("b1", &bench));
    bench.configure(&rules(1), false);
    let mut answers = 0;
    for n in 0..40_u32 {
        bench.pass(Span::millis(i64::from(n) * 700));
        let branch = ["main", "topic", "skip", "main"][n as usize % 4];
        let data = if n % 11 == 10 { json!({"num": "x"}) } else { json!({"num": n, "branch": branch}) };
        bench.event("push", &format!("p{n}"), data);
        // Two of each three change places, and one is missing for a while.
        let place = if n % 5 == 4 { n + 3 } else { n ^ 1 };
        let mut event = Event::new(format!("l{n}"), "/test", "line").with_json(&json!({"line": n % 2}));
        event.set_extension("sequence", Attr::Text((place / 2).to_string().into()));
        event.time = Some((bench.now - Span::secs(i64::from(n % 3) * 2)).to_string().into());
        bench.append(Origin::Source("default/test".into()), event);
        if let Some(row) = bench.engine.backfill().cloned() {
            bench.ours(Backfill { rule: row.rule, from: row.next, to: row.next.plus(150) });
        }
        match n {
            12 => drop(bench.ours(SourceDisconnected { source: "beats".into(), reason: "test".into() })),
            18 => drop(bench.ours(SourceCaughtUp { source: "beats".into() })),
            9 => drop(bench.configure(&rules(2), false)),
            14 => drop(bench.operator(Command::Freeze { connection: Some("default/team".into()), rule: None })),
            22 => drop(bench.operator(Command::Thaw {
                connection: Some("default/team".into()),
                rule: None,
                discard: false,
            })),
            23 => drop(bench.operator(Command::SetMode { rule: "default/built".into(), mode: "shadow".into() })),
            27 => {
                bench.ours(NodeStopped { reason: "test".into() });
                bench.pass(Span::hours(3));
                bench.ours(started("b2", &bench));
            }
            30 => drop(bench.configure(&rules(3), false)),
            _ => {}
        }
        // What is under way is answered in an order of its own.
        let rows: Vec<_> = bench.engine.state().outbox.iter().map(|(_, row)| row.as_ref().clone()).collect();
        for row in rows.into_iter().filter(|row| !row.held) {
            answers += 1;
            let step = row.effect.step.clone();
            let rest = answers % 13;
            if rest == 5 {
                continue;
            }
            if step == "post" || step == "say" {
                bench.started(&step);
            }
            match rest {
                1 => drop(bench.passes(&step, "Connect")),
                2 => drop(bench.fails(&step, "Denied")),
                3 => drop(bench.uncertain(&step)),
                4 => {
                    let position = Position(bench.log.len() as u64 + 100_000);
                    let answer = Some(row.attempt());
                    bench.ours(RecordQuarantined { position, reason: "test".into(), answer, firing: None });
                }
                _ => drop(bench.ok(&step)),
            }
        }
        let runs = bench.runs();
        let find = |status: &str| runs.iter().find(|run| run.status.as_str() == status).map(|run| run.id);
        match n % 9 {
            2 => drop(find("failed").map(|run| bench.operator(Command::RetryRun { run }))),
            4 => drop(find("failed").map(|run| bench.operator(Command::ResumeRun { run, from: None }))),
            6 => drop(find("running").map(|run| bench.operator(Command::CancelRun { run }))),
            8 => drop(
                find("uncertain")
                    .map(|run| bench.operator(Command::Settle { run, step: "post".into(), verdict: "done".into() })),
            ),
            _ => {}
        }
        bench.tick();
    }
    bench
}

#[test]
fn a_life_has_something_of_everything() {
    let bench = life();
    let counts = bench.engine.state().meta.counts;
    assert!(counts.fired > 20 && counts.succeeded > 10 && counts.failed > 0 && counts.cancelled > 0, "{counts:?}");
    assert!(counts.suppressed > 0 && counts.errors > 0 && counts.shadow > 0, "{counts:?}");
    assert!(bench.log.len() > 300, "{}", bench.log.len());
    let decided = format!("{:?}", bench.engine.state().decisions);
    let missing: Vec<&str> = [
        "Deduped",
        "debounce",
        "batch",
        "throttle",
        "concurrency",
        "Replaced",
        "Parked",
        "Expired",
        "KeyRefused",
        "Late",
    ]
    .into_iter()
    .filter(|what| !decided.contains(what))
    .collect();
    assert!(missing.is_empty(), "{missing:?}");
    let state = bench.engine.state();
    assert!(state.flows.len() > 5 && !state.parked.is_empty());
    assert!(state.halves.len() > 3 && state.counted.len() > 1, "{} {}", state.halves.len(), state.counted.len());
}

#[test]
fn a_live_fold_and_a_fold_from_the_first_record_have_the_same_rows() {
    let mut live = life();
    let mut anew = fold_anew(&live.log);
    let (live_dump, anew_dump) = (live.dump(), anew.dump());
    assert!(live_dump == anew_dump, "{}", difference(&live_dump, &anew_dump));
    assert_eq!(live.engine.emissions(None).count(), 0, "everything emitted was appended");
}

#[test]
fn a_fold_that_begins_anywhere_with_what_the_store_held_has_the_same_rows() {
    let mut live = life();
    let expected = live.dump();
    // Checkpoints every 5 and every 50 records; at each one a new process goes on from the rows.
    for every in [5, 50] {
        let mut bench = Bench::empty();
        bench.appends = false;
        for (at, record) in live.log.iter().enumerate() {
            bench.log.push(record.clone());
            bench.fold(record);
            if at % every == 0 {
                bench.checkpoint();
                bench.engine = bench.reloaded();
            }
        }
        let dump = bench.dump();
        assert!(dump == expected, "every {every}: {}", difference(&expected, &dump));
    }
}

#[test]
fn two_folds_of_one_log_are_equal_at_every_record() {
    let log = life().log;
    let (mut one, mut two) = (Bench::empty(), Bench::empty());
    (one.appends, two.appends) = (false, false);
    for record in &log {
        for bench in [&mut one, &mut two] {
            bench.log.push(record.clone());
            bench.fold(record);
        }
        assert_eq!(one.dump(), two.dump(), "at {}", record.position);
    }
}

/// The fold of this version, held still: `fold-v1.jsonl` is a log, a record a line, and `fold-v1.dump` the rows after it.
/// They were written once. A change of the fold that makes this fail needs a new version of it, and files of its own
/// beside these; `ENSUE_WRITE_FIXTURE=1` writes them where there are none.
#[test]
fn the_fixture_of_this_version_of_the_fold() {
    let file = |end: &str| {
        let name = format!("fold-v{}.{end}", ensue_engine::FOLD);
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
    };
    if !file("jsonl").exists() && std::env::var_os("ENSUE_WRITE_FIXTURE").is_some() {
        let log: String = life().log.iter().map(|record| line(record) + "\n").collect();
        let records: Vec<Record> = log.lines().map(read).collect();
        std::fs::write(file("jsonl"), &log).unwrap();
        std::fs::write(file("dump"), fold_anew(&records).dump()).unwrap();
    }
    let text = std::fs::read_to_string(file("jsonl")).expect("a fixture for this version of the fold");
    let records: Vec<Record> = text.lines().map(read).collect();
    assert!(records.len() > 300);
    let (dump, expected) = (fold_anew(&records).dump(), std::fs::read_to_string(file("dump")).unwrap());
    assert!(dump == expected, "{}", difference(&expected, &dump));
}

fn line(record: &Record) -> String {
    let Record { position, at, origin, event } = record;
    json!({"position": position, "at": at.to_string(), "origin": origin, "event": event.to_json()}).to_string()
}

fn read(line: &str) -> Record {
    let value: Value = serde_json::from_str(line).unwrap();
    let headers: [(&str, &[u8]); 0] = [];
    let body = value["event"].to_string().into_bytes().into();
    let message = Message { content_type: Some("application/cloudevents+json"), headers, body };
    let event = decode(message, &mut Scanner::new()).unwrap().events.remove(0);
    Record {
        position: serde_json::from_value(value["position"].clone()).unwrap(),
        at: Time::parse(value["at"].as_str().unwrap()).unwrap(),
        origin: serde_json::from_value::<Origin>(value["origin"].clone()).unwrap(),
        event,
    }
}

#[test]
fn rows_of_another_version_or_that_cannot_be_read_are_refused() {
    let mut engine = Engine::new();
    for (table, key, value) in [
        ("nonsense", &b"k"[..], &b"{}"[..]),
        ("runs", b"short", b"{}"),
        ("runs", &[1; 16], b"{}"),
        ("timers", &[1; 7], b"{}"),
        ("emissions", &[1; 12], b"\xff"),
        ("meta", b"meta", b"[]"),
    ] {
        assert!(engine.load(table, key, value).is_err(), "{table}");
    }
    // A configuration that this version does not accept.
    let mut bench = Bench::new(&rules(1));
    bench.checkpoint();
    let row = bench.store.get_mut(&("config", b"current".to_vec())).unwrap();
    *row = String::from_utf8(row.clone()).unwrap().replace("kind: Rule", "kind: Ruler").into_bytes();
    let mut engine = Engine::new();
    for ((table, key), value) in &bench.store {
        engine.load(table, key, value).unwrap();
    }
    assert!(engine.loaded().is_err());
}

#[test]
fn a_row_born_and_finished_between_two_checkpoints_is_never_written() {
    let mut bench = Bench::new(&[rule("r", "when: { event: { type: [go] } }\nsteps: []")]);
    bench.checkpoint();
    bench.event("go", "e1", json!({}));
    let tables: Vec<_> = bench.engine.drain().into_iter().map(|row| row.table).collect();
    assert_eq!(tables, ["meta", "rules", "runs", "ended", "flows", "sources"], "no emission, no timer, no outbox");
}

fn difference(expected: &str, got: &str) -> String {
    let (expected, got): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), got.lines().collect());
    let mut out = String::new();
    for line in expected.iter().filter(|line| !got.contains(line)).take(5) {
        let _ = writeln!(out, "- {line}");
    }
    for line in got.iter().filter(|line| !expected.contains(line)).take(5) {
        let _ = writeln!(out, "+ {line}");
    }
    out
}
