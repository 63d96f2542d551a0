//! Timers: before the record, in the order of (due, id), each with its own due time as now.

use ensue_event::ours::{NodeStarted, Ours};
use ensue_event::{Key, Span};
use serde_json::json;

use crate::bench::{Bench, START, rule};

/// Tries again after as long as the event says, and writes down what it takes for now.
const RETRY: &str = r#"
when: { event: { type: [go] } }
steps:
  - { id: a, uses: http/request, connection: api, with: { path: "${{ event.id }} ${{ now }}" }, retry: { max: 2, backoff: constant, initial: 10s, cap: 10s, jitter: none } }
"#;

/// Three runs that wait, each to be tried again ten seconds after its answer.
fn waiting() -> Bench {
    let mut bench = Bench::new(&[rule("r", RETRY)]);
    for n in 0..3 {
        bench.event("go", &format!("e{n}"), json!({}));
        bench.passes("a", "Connect");
        bench.pass(Span::secs(1));
    }
    assert_eq!(bench.engine.due(), Some(START + Span::secs(10)));
    bench
}

fn paths(bench: &Bench) -> Vec<String> {
    let mut rows: Vec<_> = bench
        .engine
        .state()
        .outbox
        .iter()
        .map(|(_, row)| row.effect.with["path"].as_str().unwrap().to_owned())
        .collect();
    rows.sort();
    rows
}

#[test]
fn each_timer_fires_with_now_at_its_due_time() {
    let mut bench = waiting();
    bench.now = START + Span::secs(11);
    bench.event("other", "x", json!({}));
    // Due at 10 and 11 seconds; the third, at 12, is not.
    assert_eq!(paths(&bench), ["e0 2026-01-01T00:00:10Z", "e1 2026-01-01T00:00:11Z"]);
    assert_eq!(bench.engine.due(), Some(START + Span::secs(12)));
    // The outbox row counts from the record: nothing was decided while nobody was there.
    assert!(bench.engine.state().outbox.iter().all(|(_, row)| row.at == START + Span::secs(11)));
}

#[test]
fn records_about_time_come_before_the_timers_that_they_leave_due() {
    let mut bench = waiting();
    bench.now = START + Span::hours(2);
    let started = NodeStarted { version: "t".into(), fold: 1, boot: "b2".into(), stopped_at: Some(START), clean: true };
    bench.ours(started);
    assert_eq!(
        paths(&bench),
        ["e0 2026-01-01T00:00:10Z", "e1 2026-01-01T00:00:11Z", "e2 2026-01-01T00:00:12Z"],
        "each with its due time as now"
    );
    assert_eq!(bench.engine.state().meta.at, START + Span::hours(2));
    assert_eq!(bench.engine.state().meta.boot.as_deref(), Some("b2"));
}

#[test]
fn timers_of_one_time_fire_in_the_order_of_their_ids() {
    let mut bench = Bench::new(&[rule("r", RETRY)]);
    for n in 0..5 {
        bench.event("go", &format!("e{n}"), json!({}));
        bench.passes("a", "Connect");
    }
    let ids: Vec<Key> = bench.engine.state().timers.iter().map(|((_, key), _)| *key).collect();
    assert!(ids.is_sorted());
    let effect_of = |timer: &ensue_engine::state::Timer| match timer {
        ensue_engine::state::Timer::Run { run, .. } => bench.engine.state().runs.get(run).unwrap().effect_key("a", &[]),
        other => panic!("{other:?}"),
    };
    let timers: Vec<Key> = bench.engine.state().timers.iter().map(|(_, timer)| effect_of(timer)).collect();
    bench.pass(Span::secs(10));
    let record = ensue_event::Record {
        position: ensue_event::Position(bench.log.len() as u64),
        at: bench.now,
        origin: ensue_event::Origin::Node,
        event: Ours::from(ensue_event::ours::Tick {}).event("t", "/ensue/node"),
    };
    let outcome = bench.fold(&record);
    assert_eq!(outcome.ready, timers);
}

#[test]
fn a_tick_carries_nothing_and_a_second_one_is_harmless() {
    let mut bench = waiting();
    bench.now = START + Span::secs(12);
    bench.tick();
    let (rows, runs) = (paths(&bench), bench.runs());
    assert_eq!(rows.len(), 3);
    bench.tick();
    bench.tick();
    assert_eq!((paths(&bench), bench.runs()), (rows, runs));
    // A tick that comes too early does nothing either.
    let mut early = waiting();
    early.tick();
    assert_eq!(paths(&early).len(), 0);
}

#[test]
fn a_timer_comes_before_the_record_that_it_precedes() {
    // The run is cancelled by the very record whose time makes its retry due: the retry is decided first, and forgotten.
    let mut bench = Bench::new(&[rule("r", RETRY)]);
    bench.event("go", "e0", json!({}));
    bench.passes("a", "Connect");
    bench.pass(Span::secs(10));
    let run = bench.runs()[0].id;
    assert_eq!(bench.operator(ensue_event::ours::Command::CancelRun { run }), "done");
    assert_eq!((bench.engine.due(), bench.engine.state().outbox.len()), (None, 0));
    assert_eq!(bench.runs()[0].trunk.steps["a"].attempt, 2);
}

#[test]
fn what_a_timer_emits_counts_at_the_record_that_it_precedes() {
    let spec = r#"
when: { event: { type: [go] } }
steps:
  - { id: a, uses: http/request, connection: api, with: { path: "${{ now > timestamp('2026-01-01T00:00:05Z') ? event.data.absent : 'x' }}" }, retry: { max: 2, backoff: constant, initial: 10s, cap: 10s, jitter: none } }
"#;
    let mut bench = Bench::new(&[rule("r", spec)]);
    bench.event("go", "e0", json!({}));
    bench.passes("a", "Connect");
    bench.pass(Span::mins(1));
    let tick = bench.tick();
    // The second attempt cannot be rendered: the run fails when it is due.
    let told = bench.told(tick.next());
    assert!(told.contains(&format!("emitted {tick}.0 dev.ensue.run.failed")), "{told}");
    let failed = &bench.log.last().unwrap().event;
    assert_eq!(failed.time.as_deref(), Some("2026-01-01T00:00:10Z"), "at the time when it was due");
}
