//! Rules that start in the past: they meet its events in their order, by its clock, and then go on with what comes.

use ensue_engine::Verdict;
use ensue_event::ours::{Backfill, Command, Mode, NodeStarted, Ours};
use ensue_event::{Origin, Position, Record, Span, Time};
use serde_json::json;

use crate::bench::{Bench, START, fold_anew, rule};

const PAIR: &str = "when: { sequence: [ { name: a, event: { type: [a] } }, { name: b, event: { type: [b] } } ], key: event.data.k, within: 10m }";

fn pair(name: &str, more: &str) -> String {
    rule(name, &format!("{PAIR}\n{more}\nsteps: []"))
}

/// What a rule fired: key, the ids of its events, the mode.
fn fired(bench: &Bench, name: &str) -> Vec<String> {
    let fired = bench.log.iter().filter_map(|record| match Ours::of(&record.event) {
        Ok(Ours::RuleFired(fired)) if fired.rule == format!("default/{name}") => Some(fired),
        _ => None,
    });
    fired
        .map(|fired| {
            let ids: Vec<_> = fired.events.iter().map(|took| took.event["id"].as_str().unwrap().to_owned()).collect();
            let shadow = if fired.mode == Mode::Shadow { " shadow" } else { "" };
            format!("{} {}{shadow}", fired.key.unwrap_or_default(), ids.join("+")).trim().to_owned()
        })
        .collect()
}

/// The next so many records of the past; false if no rule is on its way.
fn next(bench: &mut Bench, count: u64) -> bool {
    let Some(row) = bench.engine.backfill() else { return false };
    let told = Backfill { rule: row.rule.clone(), from: row.next, to: row.next.plus(count) };
    bench.ours(told);
    true
}

fn all(bench: &mut Bench, count: u64) {
    // A record that takes a rule on is one more that it comes by: one at a time, it never comes to the end.
    assert!(count > 1);
    let mut turns = 0;
    while next(bench, count) {
        turns += 1;
        assert!(turns < 1_000, "{:?}", bench.engine.backfill());
    }
}

/// A history: pairs of two keys, some of which take too long, a minute apart.
fn history(bench: &mut Bench) {
    for (n, (kind, key)) in
        [("a", "x"), ("a", "y"), ("b", "x"), ("a", "x"), ("b", "y"), ("b", "z"), ("a", "z")].into_iter().enumerate()
    {
        bench.event(kind, &format!("{kind}{n}"), json!({"k": key}));
        bench.pass(Span::mins(1));
    }
    // Too late for z and x.
    bench.pass(Span::mins(30));
    bench.event("b", "late-z", json!({"k": "z"}));
    bench.event("b", "late-x", json!({"k": "x"}));
    // One that is open when the rule comes.
    bench.event("a", "open", json!({"k": "w"}));
    bench.pass(Span::mins(1));
}

#[test]
fn it_fires_as_if_it_had_been_there_and_goes_on_with_what_comes() {
    let mut whole = Bench::new(&[pair("r", "mode: shadow")]);
    history(&mut whole);
    whole.event("b", "now-w", json!({"k": "w"}));
    let expected = ["x a0+b2 shadow", "y a1+b4 shadow", "w open+now-w shadow"];
    assert_eq!(fired(&whole, "r"), expected);
    for count in [2, 3, 7, 500] {
        let mut bench = Bench::new(&[rule("other", "when: { event: { type: [none] } }\nsteps: []")]);
        history(&mut bench);
        bench.configure(&[pair("r", "mode: shadow\nstart: beginning")], false);
        // What comes in between is not lost and not out of order; no timer of the past makes the node tick.
        assert_eq!(bench.engine.due(), None);
        next(&mut bench, count);
        bench.event("b", "now-w", json!({"k": "w"}));
        bench.pass(Span::secs(10));
        bench.tick();
        if count == 2 {
            assert_eq!(fired(&bench, "r"), [""; 0]);
            assert!(bench.engine.state().orders.is_empty());
        }
        all(&mut bench, count);
        assert_eq!(fired(&bench, "r"), expected, "{count} at a time");
        let state = bench.engine.state();
        assert!(state.backfills.is_empty() && state.past.is_empty() && state.halves.is_empty());
        // From here on it is live like any other.
        bench.event("a", "a9", json!({"k": "v"}));
        bench.event("b", "b9", json!({"k": "v"}));
        assert_eq!(fired(&bench, "r").last().unwrap(), "v a9+b9 shadow");
        let log = bench.log.clone();
        assert_eq!(bench.dump(), fold_anew(&log).dump(), "{count} at a time");
    }
}

#[test]
fn a_crash_anywhere_on_the_way_changes_nothing() {
    let mut bench = Bench::new(&[]);
    history(&mut bench);
    bench.configure(&[pair("r", "mode: shadow\nstart: beginning")], false);
    while next(&mut bench, 4) {
        bench.checkpoint();
        bench.engine = bench.reloaded();
        bench.pass(Span::secs(1));
        bench.tick();
    }
    assert_eq!(fired(&bench, "r"), ["x a0+b2 shadow", "y a1+b4 shadow"]);
    assert_eq!(bench.engine.state().halves.len(), 1, "w is open");
    let log = bench.log.clone();
    assert_eq!(bench.dump(), fold_anew(&log).dump());
}

#[test]
fn from_where_it_looks_and_whether_it_acts() {
    let event = |more: &str| rule("r", &format!("when: {{ event: {{ type: [go] }} }}\n{more}\nsteps: []"));
    // Events at 0, 1, 2 and 3 minutes, at positions 1 to 4; the rule comes at 4 minutes.
    for (more, expected) in [
        ("start: now\nmode: shadow", vec!["now shadow"]),
        ("start: beginning\nmode: shadow", vec!["e0 shadow", "e1 shadow", "e2 shadow", "e3 shadow", "now shadow"]),
        ("start: 3\nmode: shadow", vec!["e2 shadow", "e3 shadow", "now shadow"]),
        ("start: \"2026-01-01T00:01:00Z\"\nmode: shadow", vec!["e1 shadow", "e2 shadow", "e3 shadow", "now shadow"]),
        ("start: \"2026-01-01T00:01:00.001Z\"\nmode: shadow", vec!["e2 shadow", "e3 shadow", "now shadow"]),
        // What lies ahead is no past.
        ("start: 1000\nmode: shadow", vec!["now shadow"]),
        ("start: \"2027-01-01T00:00:00Z\"\nmode: shadow", vec!["now shadow"]),
        ("start: beginning\nbackfill: { act: true }", vec!["e0", "e1", "e2", "e3", "now"]),
        ("start: beginning\nbackfill: { act: true, maxAge: 2m }", vec!["e2", "e3", "now"]),
        ("start: \"2026-01-01T00:01:00Z\"\nbackfill: { act: true, maxAge: 1h }", vec!["e1", "e2", "e3", "now"]),
        ("start: beginning\nmode: shadow\nbackfill: { act: true, maxAge: 1m }", vec!["e3 shadow", "now shadow"]),
    ] {
        let mut bench = Bench::new(&[]);
        for n in 0..4 {
            bench.event("go", &format!("e{n}"), json!({}));
            bench.pass(Span::mins(1));
        }
        bench.configure(&[event(more)], false);
        all(&mut bench, 2);
        bench.event("go", "now", json!({}));
        assert_eq!(fired(&bench, "r"), expected, "{more}");
        assert!(bench.engine.state().backfills.is_empty());
    }
}

#[test]
fn a_rule_that_an_operator_lets_act_does_not_act_on_the_past() {
    let mut bench = Bench::new(&[]);
    bench.event("go", "past", json!({}));
    bench.configure(&[rule("r", "when: { event: { type: [go] } }\nmode: shadow\nstart: beginning\nsteps: []")], false);
    bench.operator(Command::SetMode { rule: "default/r".into(), mode: "live".into() });
    all(&mut bench, 500);
    bench.event("go", "now", json!({}));
    assert_eq!(fired(&bench, "r"), ["past shadow", "now"]);
}

#[test]
fn timers_fire_by_the_clock_of_the_past() {
    // After an `a`, no `b` for 10 minutes: in the history of above that is so for z and x, and for w only now.
    let spec = "when: { absence: { after: { name: a, event: { type: [a] } }, of: { event: { type: [b] } }, for: 10m }, key: event.data.k }\nmode: shadow\nstart: beginning\nsteps: []";
    let mut bench = Bench::new(&[]);
    history(&mut bench);
    bench.configure(&[rule("r", spec)], false);
    let came = bench.now;
    all(&mut bench, 3);
    assert_eq!(fired(&bench, "r"), ["x a3 shadow", "z a6 shadow"]);
    let due: Vec<Time> = bench
        .log
        .iter()
        .filter_map(|record| match Ours::of(&record.event) {
            Ok(Ours::RuleFired(fired)) => fired.due,
            _ => None,
        })
        .collect();
    assert_eq!(due, [START + Span::mins(13), START + Span::mins(16)]);
    // What is due later is due now that it is live.
    assert_eq!(bench.engine.due(), Some(came - Span::mins(1) + Span::mins(10)));
    bench.pass(Span::mins(10));
    bench.tick();
    assert_eq!(fired(&bench, "r")[2..], ["w open shadow"]);
}

#[test]
fn what_is_expected_is_expected_from_where_it_starts_and_nobody_looked_in_a_gap() {
    let spec = "when: { absence: { of: { event: { type: [beat] } }, for: 10m, expect: [x] }, key: event.data.k }\nmode: shadow\nstart: beginning\nsteps: []";
    let started = |stopped_at| NodeStarted { version: "t".into(), fold: 1, boot: "b".into(), stopped_at, clean: true };
    let mut bench = Bench::new(&[]);
    bench.pass(Span::mins(5));
    let stopped = bench.now;
    bench.tick();
    bench.pass(Span::hours(2));
    bench.ours(started(Some(stopped)));
    let gap = bench.now;
    bench.pass(Span::mins(1));
    bench.configure(&[rule("r", spec)], false);
    all(&mut bench, 2);
    // Expected from the first record on, for ten minutes; the node was not there when they were over.
    let fired = bench.log.iter().find_map(|record| match Ours::of(&record.event) {
        Ok(Ours::RuleFired(fired)) => Some((fired.key, fired.due)),
        _ => None,
    });
    assert_eq!(fired, Some((Some("x".into()), Some(gap))));
}

#[test]
fn a_paused_rule_stays_where_it_is() {
    let mut bench = Bench::new(&[]);
    history(&mut bench);
    bench.configure(&[pair("r", "mode: shadow\nstart: beginning")], false);
    next(&mut bench, 2);
    let mode = |bench: &mut Bench, mode: &str| {
        bench.operator(Command::SetMode { rule: "default/r".into(), mode: mode.into() });
    };
    mode(&mut bench, "paused");
    assert_eq!(bench.engine.backfill(), None);
    // One that was under way is nothing, and what comes meanwhile is not lost.
    bench.ours(Backfill { rule: "default/r".into(), from: Position(2), to: Position(500) });
    bench.event("b", "now-w", json!({"k": "w"}));
    mode(&mut bench, "shadow");
    all(&mut bench, 3);
    assert_eq!(fired(&bench, "r"), ["x a0+b2 shadow", "y a1+b4 shadow", "w open+now-w shadow"]);
}

#[test]
fn several_rules_go_one_after_the_other() {
    let mut bench = Bench::new(&[]);
    history(&mut bench);
    let rules = ["p", "q", "r"].map(|name| pair(name, "mode: shadow\nstart: beginning"));
    bench.configure(&rules, false);
    let mut order = Vec::new();
    while let Some(row) = bench.engine.backfill() {
        order.push(row.rule.clone());
        next(&mut bench, 4);
    }
    order.dedup();
    assert_eq!(order.len(), 3, "{order:?}");
    for name in ["p", "q", "r"] {
        assert_eq!(fired(&bench, name), ["x a0+b2 shadow", "y a1+b4 shadow"]);
    }
    assert_eq!(bench.engine.state().timers.len(), 3);
    // A paused one that has not begun keeps nobody waiting.
    let mut bench = Bench::new(&[]);
    history(&mut bench);
    bench.configure(&["p", "q", "r"].map(|name| pair(name, "mode: paused\nstart: beginning")), false);
    assert_eq!(bench.engine.backfill(), None);
    for name in ["q", "p"] {
        let rule = format!("default/{name}");
        bench.operator(Command::SetMode { rule: rule.clone(), mode: "shadow".into() });
        assert_eq!(bench.engine.backfill().map(|row| row.rule.clone()), Some(rule));
        all(&mut bench, 500);
        assert_eq!(fired(&bench, name).len(), 2);
    }
}

#[test]
fn edits_on_the_way() {
    let mut bench = Bench::new(&[]);
    history(&mut bench);
    let before = pair("r", "mode: shadow\nstart: beginning");
    bench.configure(std::slice::from_ref(&before), false);
    next(&mut bench, 4);
    assert_eq!(bench.engine.state().past.len(), 1, "y was begun");
    // Another `when`: what it kept goes, and it goes on from where it is.
    let other = before.replace("within: 10m", "within: 11m");
    let position = bench.configure(&[other], false);
    assert_eq!(bench.decision(position, "default/r"), Some(Verdict::Edited { halves: 1, held: 0 }));
    assert!(bench.engine.state().past.is_empty());
    all(&mut bench, 4);
    assert_eq!(fired(&bench, "r"), ["x a0+b2 shadow"]);
    // It is gone before it is through: nothing is left of it.
    let mut bench = Bench::new(&[]);
    history(&mut bench);
    bench.configure(&[before], false);
    next(&mut bench, 3);
    bench.configure(&[], false);
    let state = bench.engine.state();
    assert!(state.backfills.is_empty() && state.past.is_empty() && state.halves.is_empty() && state.timers.is_empty());
    assert_eq!(bench.engine.backfill(), None);
    let log = bench.log.clone();
    assert_eq!(bench.dump(), fold_anew(&log).dump());
}

#[test]
fn start_is_for_a_new_name_only() {
    let mut bench = Bench::new(&[pair("r", "mode: shadow")]);
    history(&mut bench);
    let position = bench.configure(&[pair("r", "mode: shadow\nstart: beginning")], false);
    match bench.decision(position, "default/r") {
        Some(Verdict::Refused { why }) => assert!(why.contains("new name"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.engine.backfill(), None);
    // Said once, not with each edit; and a rule that went and came is new.
    let position = bench.configure(&[pair("r", "start: beginning\nmode: shadow\nif: \"true\"")], false);
    assert_eq!(bench.decision(position, "default/r"), None);
    bench.configure(&[], false);
    bench.configure(&[pair("r", "mode: shadow\nstart: beginning")], false);
    assert!(bench.engine.backfill().is_some());
}

#[test]
fn a_chunk_that_cannot_be_folded_is_passed_over() {
    let mut bench = Bench::new(&[]);
    history(&mut bench);
    bench.configure(&[pair("r", "mode: shadow\nstart: beginning")], false);
    next(&mut bench, 3);
    let row = bench.engine.backfill().unwrap().clone();
    let told = Backfill { rule: row.rule.clone(), from: row.next, to: row.next.next() };
    let position = Position(bench.log.len() as u64);
    let event = Ours::from(told).event("chunk", "/ensue/node");
    let record = Record { position, at: bench.now, origin: Origin::Node, event };
    bench.log.push(record.clone());
    // The past cannot be read: nothing is changed, and a node stops there.
    assert!(bench.engine.fold(&record).is_err());
    bench.engine.undo();
    assert_eq!(bench.engine.backfill(), Some(&row));
    // A fault in it: the record is set aside, and with it those of the past.
    bench.engine.set_aside(&record);
    assert_eq!(bench.engine.backfill().map(|row| row.next), Some(row.next.next()));
    all(&mut bench, 500);
    assert_eq!(fired(&bench, "r"), ["y a1+b4 shadow"], "b2 was passed over");
}

#[test]
fn records_of_emissions_that_are_nothing_are_nothing_in_the_past_too() {
    let chain = rule("c", "when: { event: { type: [go] } }\nsteps: [ { id: say, emit: { type: said } } ]");
    let mut bench = Bench::new(std::slice::from_ref(&chain));
    bench.event("go", "e", json!({}));
    let said = bench.log.iter().find(|record| &*record.event.kind == "said").unwrap().clone();
    bench.append(said.origin, said.event);
    let listens = rule("r", "when: { event: { type: [said] } }\nmode: shadow\nstart: beginning\nsteps: []");
    bench.configure(&[chain, listens], false);
    all(&mut bench, 500);
    assert_eq!(fired(&bench, "r").len(), 1);
}
