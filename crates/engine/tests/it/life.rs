//! Rule life: edits that keep or drop what a rule keeps, pause and resume, gaps in which nobody looked.

use ensue_engine::Verdict;
use ensue_event::ours::{Command, Ours};
use ensue_event::{Attr, Event, Origin, Position, Span};
use serde_json::json;

use crate::bench::{Bench, START, fold_anew, rule};

const PAIR: &str = "when: { sequence: [ { name: a, event: { type: [a] } }, { name: b, event: { type: [b] } } ], key: event.data.k, within: 1h }";

fn pair(more: &str) -> String {
    rule("r", &format!("{PAIR}\n{more}\nsteps: []"))
}

fn sequenced(bench: &mut Bench, n: i32) -> Position {
    let mut event = Event::new(n.to_string(), "/test", "go").with_json(&json!({"k": "a", "n": n}));
    event.set_extension("sequence", Attr::Int(n));
    bench.append(Origin::Source("default/test".into()), event)
}

/// The ids of the events of firings.
fn fired(bench: &Bench) -> Vec<String> {
    let fired = bench.log.iter().filter_map(|record| match Ours::of(&record.event) {
        Ok(Ours::RuleFired(fired)) => Some(fired),
        _ => None,
    });
    fired
        .map(|fired| {
            let ids: Vec<_> = fired.events.iter().map(|took| took.event["id"].as_str().unwrap()).collect();
            ids.join("+")
        })
        .collect()
}

#[test]
fn an_edit_keeps_half_matches_or_drops_them_and_says_how_many() {
    let another = PAIR.replace("within: 1h", "within: 2h");
    // Written otherwise and the same: the order of fields is none of the meaning.
    let same = "when: { within: 1h, key: event.data.k, sequence: [ { event: { type: [a] }, name: a }, { event: { type: [b] }, name: b } ] }";
    // (the edit, what becomes of the half-matches)
    let cases = [
        ("unchanged", vec![pair("")], true),
        ("other steps", vec![pair("if: \"true\"\nthrottle: { limit: 5, per: 1h }")], true),
        ("shadow", vec![pair("mode: shadow")], true),
        ("another rule beside it", vec![pair(""), rule("q", "when: { event: { type: [q] } }\nsteps: []")], true),
        ("another order of fields", vec![rule("r", &format!("{same}\nsteps: []"))], true),
        ("another when", vec![rule("r", &format!("{another}\nsteps: []"))], false),
        ("removed", vec![], false),
        ("renamed", vec![pair("").replace("name: r", "name: s")], false),
    ];
    for (what, rules, keeps) in cases {
        let mut bench = Bench::new(&[pair("")]);
        for key in ["x", "y", "z"] {
            bench.event("a", &format!("a-{key}"), json!({"k": key}));
        }
        let position = bench.configure(&rules, false);
        let state = bench.engine.state();
        let said = bench.decision(position, "default/r");
        if keeps {
            assert_eq!((state.halves.len(), said), (3, None), "{what}");
        } else {
            assert_eq!(said, Some(Verdict::Edited { halves: 3, held: 0 }), "{what}");
            assert_eq!((state.halves.len(), state.timers.len(), state.tallies.len()), (0, 0, 0), "{what}");
        }
        bench.event("b", "b-x", json!({"k": "x"}));
        assert_eq!(fired(&bench), if keeps { vec!["a-x+b-x"] } else { vec![] }, "{what}");
        // Half-matches of before do not come back, and no timer of before fires on those of now.
        bench.event("a", "a2", json!({"k": "x"}));
        bench.pass(Span::mins(59));
        bench.tick();
        let log = bench.log.clone();
        assert_eq!(bench.dump(), fold_anew(&log).dump(), "{what}");
    }
}

#[test]
fn timers_of_the_old_rule_do_not_fire_on_rows_of_the_new_one() {
    let when =
        |within: &str| rule("r", &format!("{}\nsteps: []", PAIR.replace("within: 1h", &format!("within: {within}"))));
    let mut bench = Bench::new(&[when("10m")]);
    bench.event("a", "a1", json!({"k": "x"}));
    bench.configure(&[when("30m")], false);
    bench.event("a", "a2", json!({"k": "x"}));
    bench.pass(Span::mins(20));
    bench.event("b", "b", json!({"k": "x"}));
    assert_eq!(fired(&bench), ["a2+b"]);
}

#[test]
fn a_new_or_changed_absence_is_armed_and_an_unchanged_one_goes_on() {
    let absence = |wait: &str, more: &str| {
        rule(
            "r",
            &format!(
                "when: {{ absence: {{ of: {{ event: {{ type: [beat] }} }}, for: {wait}, expect: [x] }}, key: event.data.k }}\n{more}\nsteps: []"
            ),
        )
    };
    let mut bench = Bench::new(&[absence("10m", "")]);
    assert_eq!(bench.engine.due(), Some(START + Span::mins(10)));
    bench.pass(Span::mins(5));
    bench.configure(&[absence("10m", "mode: shadow")], false);
    assert_eq!(bench.engine.due(), Some(START + Span::mins(10)), "it goes on waiting");
    let position = bench.configure(&[absence("20m", "")], false);
    assert_eq!(bench.decision(position, "default/r"), Some(Verdict::Edited { halves: 1, held: 0 }));
    assert_eq!(bench.engine.due(), Some(START + Span::mins(25)), "it begins anew");
    bench.configure(&[], false);
    assert_eq!(bench.engine.due(), None);
}

#[test]
fn an_edit_of_the_order_lets_what_waits_go_by_the_old_one() {
    let ordered = |order: &str| rule("r", &format!("when: {{ event: {{ type: [go] }} }}\n{order}\nsteps: []"));
    let before = ordered("order: { key: event.data.k, by: sequence, lateness: 1h }");
    // (the edit, what was looked at at once, how many rows are left)
    for (after, at_once, rows) in [
        (before.clone(), vec![], 3),
        (ordered("order: { key: event.data.k, by: sequence, lateness: 2h, late: drop }"), vec![], 3),
        (ordered("order: { key: event.data.k, by: event.data.n, lateness: 1h }"), vec!["5", "7"], 0),
        (ordered("order: { key: event.source, by: sequence, lateness: 1h }"), vec!["5", "7"], 0),
        (ordered(""), vec!["5", "7"], 0),
    ] {
        let mut bench = Bench::new(std::slice::from_ref(&before));
        sequenced(&mut bench, 7);
        sequenced(&mut bench, 5);
        let position = bench.configure(std::slice::from_ref(&after), false);
        assert_eq!(fired(&bench), at_once, "{after}");
        assert_eq!(bench.decision(position, "default/r"), None);
        assert_eq!(bench.engine.state().orders.len(), rows, "{after}");
        bench.pass(Span::hours(3));
        bench.tick();
        assert_eq!(fired(&bench), ["5", "7"], "{after}");
    }
    // Another `when` drops it.
    let mut bench = Bench::new(&[before]);
    sequenced(&mut bench, 7);
    sequenced(&mut bench, 5);
    let position = bench.configure(&[rule("r", "when: { event: { type: [gone] } }\nsteps: []")], false);
    assert_eq!(bench.decision(position, "default/r"), Some(Verdict::Edited { halves: 0, held: 2 }));
    let state = bench.engine.state();
    assert_eq!((state.orders.len(), state.timers.len(), state.tallies.len()), (0, 0, 0));
}

#[test]
fn a_paused_rule_keeps_its_half_matches_and_looks_at_nothing() {
    let mut bench = Bench::new(&[pair("")]);
    let mode = |bench: &mut Bench, mode: &str| {
        let command = Command::SetMode { rule: "default/r".into(), mode: mode.into() };
        assert_eq!(bench.operator(command), "done");
    };
    bench.event("a", "a-x", json!({"k": "x"}));
    bench.event("a", "a-y", json!({"k": "y"}));
    mode(&mut bench, "paused");
    let missed = bench.event("b", "b-x", json!({"k": "x"}));
    assert_eq!(bench.decision(missed, "default/r"), Some(Verdict::Paused));
    assert_eq!(bench.engine.state().halves.len(), 2);
    mode(&mut bench, "shadow");
    bench.event("b", "b2-x", json!({"k": "x"}));
    mode(&mut bench, "live");
    bench.event("b", "b2-y", json!({"k": "y"}));
    assert_eq!(fired(&bench), ["a-x+b2-x", "a-y+b2-y"]);
    let counts = bench.engine.state().meta.counts;
    assert_eq!((counts.shadow, counts.fired), (1, 1));
    // `within` goes on while it is paused: what ran out of time is not completed by what comes later.
    bench.event("a", "a3", json!({"k": "x"}));
    mode(&mut bench, "paused");
    bench.pass(Span::hours(1));
    mode(&mut bench, "live");
    bench.event("b", "b3", json!({"k": "x"}));
    assert_eq!(fired(&bench).len(), 2);
}

#[test]
fn what_waits_for_its_turn_when_the_rule_is_paused_is_not_looked_at() {
    let spec = "when: { event: { type: [go] } }\norder: { key: event.data.k, by: sequence, lateness: 1m }\nsteps: []";
    let mut bench = Bench::new(&[rule("r", spec)]);
    sequenced(&mut bench, 1);
    bench.operator(Command::SetMode { rule: "default/r".into(), mode: "paused".into() });
    bench.pass(Span::mins(1));
    let position = bench.tick();
    assert_eq!(fired(&bench), [""; 0]);
    assert_eq!(bench.decision(position, "default/r"), Some(Verdict::Paused));
}

const SCHEDULE: &str =
    "---\napiVersion: ensue.dev/v1\nkind: Source\nmetadata: { name: NAME }\nspec: { schedule: { every: 1h } }\n";

fn source(name: &str) -> String {
    SCHEDULE.replace("NAME", name)
}

fn armed() -> String {
    let spec = "when: { absence: { after: { name: a, event: { type: [a] } }, of: { event: { type: [b] } }, for: 30m }, key: event.data.k }\nsteps: []";
    rule("r", spec)
}

fn start(bench: &mut Bench, stopped: ensue_event::Time) {
    let started = ensue_event::ours::NodeStarted {
        version: "t".into(),
        fold: 1,
        boot: "b".into(),
        stopped_at: Some(stopped),
        clean: true,
    };
    bench.ours(started);
}

/// When absences fired, in minutes since the start.
fn dues(bench: &Bench) -> Vec<i64> {
    let fired = bench.log.iter().filter_map(|record| match Ours::of(&record.event) {
        Ok(Ours::RuleFired(fired)) => fired.due,
        _ => None,
    });
    fired.map(|due| due.since(START).micros() / 60_000_000).collect()
}

fn minute(bench: &mut Bench, minutes: i64) {
    bench.now = START + Span::mins(minutes);
}

#[test]
fn deadlines_of_absences_that_fell_into_a_stop_move_to_its_end_and_a_grace() {
    // Armed at 0 (due at 30), 25 (55) and 29 (59); stopped at 20 after a last record, started at 50.
    let run = |rules: &[String], then: &dyn Fn(&mut Bench)| {
        let mut bench = Bench::new(rules);
        bench.event("a", "a0", json!({"k": "x"}));
        minute(&mut bench, 19);
        bench.event("a", "a1", json!({"k": "y"}));
        minute(&mut bench, 20);
        let stopped = bench.now;
        bench.tick();
        bench.checkpoint();
        bench.engine = bench.reloaded();
        minute(&mut bench, 52);
        start(&mut bench, stopped);
        then(&mut bench);
        minute(&mut bench, 90);
        bench.tick();
        let log = bench.log.clone();
        assert_eq!(bench.dump(), fold_anew(&log).dump());
        dues(&bench)
    };
    let caught = |minutes: i64, name: &'static str| {
        move |bench: &mut Bench| {
            minute(bench, minutes);
            bench.ours(ensue_event::ours::SourceCaughtUp { source: name.into() });
        }
    };
    let nothing: &dyn Fn(&mut Bench) = &|_| ();
    // Without a source that recovers nobody is waited for; what came in the gap can no longer come.
    assert_eq!(run(&[armed()], nothing), [52, 52]);
    // With one, until it says that it has caught up, and no longer than ten minutes.
    let rules = [armed(), source("s")];
    assert_eq!(run(&rules, nothing), [62, 62]);
    assert_eq!(run(&rules, &caught(55, "s")), [55, 55]);
    assert_eq!(run(&rules, &caught(55, "default/s")), [55, 55]);
    assert_eq!(run(&rules, &caught(55, "other")), [62, 62]);
    // With two, until both have.
    let both = [armed(), source("s"), source("t")];
    assert_eq!(run(&both, &caught(53, "t")), [62, 62]);
    let one_after_the_other = |bench: &mut Bench| {
        caught(53, "t")(bench);
        caught(57, "s")(bench);
    };
    assert_eq!(run(&both, &one_after_the_other), [57, 57]);
    // A source that an edit removes is not waited for.
    let edit = |bench: &mut Bench| {
        minute(bench, 54);
        bench.configure(&[armed()], false);
    };
    assert_eq!(run(&rules, &edit), [54, 54]);
    // What comes while it catches up is in time, and what it arms has its own time.
    let comes = |bench: &mut Bench| {
        minute(bench, 53);
        bench.event("b", "b", json!({"k": "x"}));
        bench.event("a", "a2", json!({"k": "z"}));
        caught(54, "s")(bench);
    };
    assert_eq!(run(&rules, &comes), [54, 83]);
}

#[test]
fn deadlines_that_come_while_a_source_is_disconnected_wait_for_it() {
    let mut bench = Bench::new(&[armed(), source("s")]);
    let disconnected = |bench: &mut Bench, source: &str| {
        bench.ours(ensue_event::ours::SourceDisconnected { source: source.into(), reason: "refused".into() });
    };
    // One that nobody knows, or that recovers nothing, is not waited for.
    disconnected(&mut bench, "other");
    assert_eq!(bench.engine.gap(), None);
    bench.event("a", "a0", json!({"k": "x"}));
    minute(&mut bench, 10);
    bench.event("a", "a1", json!({"k": "y"}));
    minute(&mut bench, 20);
    disconnected(&mut bench, "s");
    // Hours pass; the stop of the node does not end it, nor does the time after a start.
    minute(&mut bench, 35);
    bench.tick();
    bench.event("a", "a2", json!({"k": "z"}));
    minute(&mut bench, 63);
    bench.tick();
    assert_eq!(dues(&bench), [0; 0]);
    bench.event("b", "b1", json!({"k": "y"}));
    bench.checkpoint();
    bench.engine = bench.reloaded();
    minute(&mut bench, 64);
    bench.ours(ensue_event::ours::SourceCaughtUp { source: "s".into() });
    assert_eq!(dues(&bench), [64]);
    minute(&mut bench, 65);
    bench.tick();
    assert_eq!(dues(&bench), [64, 65], "one that was not due yet has its own time");
    assert_eq!((bench.engine.gap(), bench.engine.due()), (None, None));
}

#[test]
fn nothing_else_moves() {
    let debounce = rule("d", "when: { event: { type: [d] } }\ndebounce: { quiet: 30m }\nsteps: []");
    let pair = rule("r", &format!("{PAIR}\nsteps: []"));
    let mut bench = Bench::new(&[debounce, pair, armed().replace("name: r", "name: m"), source("s")]);
    bench.event("d", "d", json!({}));
    bench.event("a", "a", json!({"k": "x"}));
    let stopped = bench.now;
    minute(&mut bench, 70);
    start(&mut bench, stopped);
    // The window of `debounce` is over at 30, the time of the half-match at 60; of the absence nobody knows yet.
    assert_eq!(dues(&bench), [30]);
    assert_eq!(bench.engine.state().halves.len(), 1);
    // A clock that is set moves nothing: append time goes on.
    let (wall, by) = (START + Span::hours(24 * 365), Span::hours(24 * 365));
    let due = bench.engine.due();
    for step in [ensue_event::ours::Step::Back, ensue_event::ours::Step::Forward, ensue_event::ours::Step::Believed] {
        bench.ours(ensue_event::ours::ClockStepped { step, wall, by });
    }
    assert_eq!(bench.engine.due(), due);
    assert_eq!(dues(&bench), [30]);
}
