//! `order` and `time: event`: in which order a rule looks at events.

use ensue_engine::Verdict;
use ensue_event::ours::Ours;
use ensue_event::{Attr, Event, Origin, Position, Span, Time};
use serde_json::{Value, json};

use crate::bench::{Bench, START, fold_anew, rule};

fn ordered(order: &str) -> Bench {
    Bench::new(&[rule("r", &format!("when: {{ event: {{ type: [go] }} }}\norder: {{ {order} }}\nsteps: []"))])
}

/// An event of a key with a `sequence`, or without (`null`).
fn sequenced(key: &str, sequence: &Value) -> Event {
    let mut event = Event::new(format!("{key}{sequence}"), "/test", "go").with_json(&json!({"k": key, "n": sequence}));
    match sequence {
        Value::String(text) => event.set_extension("sequence", Attr::Text(text.as_str().into())),
        Value::Number(n) if n.is_i64() => event.set_extension("sequence", Attr::Int(n.as_i64().unwrap() as i32)),
        _ => {}
    }
    event
}

fn send(bench: &mut Bench, event: Event) -> Position {
    bench.append(Origin::Source("default/test".into()), event)
}

fn at(bench: &mut Bench, seconds: i64) {
    bench.now = START + Span::secs(seconds);
}

/// What was looked at, in that order: the ids of the events of firings.
fn looked_at(bench: &Bench) -> Vec<String> {
    let fired = bench.log.iter().filter_map(|record| match Ours::of(&record.event) {
        Ok(Ours::RuleFired(fired)) => Some(fired),
        _ => None,
    });
    fired.map(|fired| fired.events[0].event["data"]["n"].to_string().replace('"', "")).collect()
}

fn late(bench: &Bench, position: Position) -> Option<(String, String, String)> {
    match bench.decision(position, "default/r") {
        Some(Verdict::Late { value, last, then }) => Some((value, last, then)),
        None => None,
        Some(other) => panic!("{other:?}"),
    }
}

/// Events of one key that come a second apart, and in which order they are looked at, up to and after a minute.
#[test]
fn by_sequence_and_by_expression() {
    let texts = |list: &[&str]| -> Vec<String> { list.iter().map(|text| (*text).to_owned()).collect() };
    // (order, what comes, what was looked at after the last, what in the end)
    let seq = "key: event.data.k, by: sequence";
    let n = "key: event.data.k, by: event.data.n";
    let numbers: &[(&str, Value, &[&str], &[&str])] = &[
        // Without `lateness`: at once, late or not.
        (seq, json!([1, 2, 3]), &["1", "2", "3"], &["1", "2", "3"]),
        (seq, json!([3, 1, 2]), &["3", "1", "2"], &["3", "1", "2"]),
        (&format!("{seq}, late: drop"), json!([1, 5, 3, 5, 6]), &["1", "5", "5", "6"], &["1", "5", "5", "6"]),
        (&format!("{seq}, late: divert"), json!([5, 3, 4]), &["5"], &["5"]),
        // Integers in texts are numbers: "10" comes after "9".
        (&format!("{seq}, late: drop"), json!(["9", "10", "8", "0011"]), &["9", "10", "0011"], &["9", "10", "0011"]),
        // Other texts compare as texts, and after numbers.
        (&format!("{seq}, late: drop"), json!(["b", "a", "5", "c"]), &["b", "c"], &["b", "c"]),
        // With it, the first of a key waits, and a gap.
        (&format!("{seq}, lateness: 10s"), json!([2, 1, 3]), &[], &["1", "2", "3"]),
        (&format!("{seq}, lateness: 10s, late: drop"), json!([7, 9, 8, 3]), &[], &["3", "7", "8", "9"]),
        // By a value nobody knows what is missing: each waits.
        (&format!("{n}, lateness: 10s"), json!([30, 10, 20]), &[], &["10", "20", "30"]),
        (&format!("{n}, late: drop"), json!([1.5, 1, 2, 1.75]), &["1.5", "2"], &["1.5", "2"]),
        (&format!("{n}, late: drop"), json!(["x", 3, "y"]), &["x", "y"], &["x", "y"]),
    ];
    for (order, comes, now, then) in numbers {
        let mut bench = ordered(order);
        for n in comes.as_array().unwrap() {
            send(&mut bench, sequenced("a", n));
            bench.pass(Span::secs(1));
        }
        assert_eq!(looked_at(&bench), texts(now), "{order}: {comes}");
        bench.pass(Span::mins(1));
        bench.tick();
        assert_eq!(looked_at(&bench), texts(then), "{order}: {comes}");
        // Nothing waits, and what is remembered is one row a key.
        assert_eq!(bench.engine.state().orders.len(), 1);
        let log = bench.log.clone();
        assert_eq!(bench.dump(), fold_anew(&log).dump(), "{order}: {comes}");
    }
}

#[test]
fn a_gap_waits_for_as_long_as_lateness_and_no_longer() {
    let mut bench = ordered("key: event.data.k, by: sequence, lateness: 10s, late: drop");
    // The first of a key: nobody knows what was before.
    send(&mut bench, sequenced("a", &json!(1)));
    assert_eq!(looked_at(&bench), [""; 0]);
    assert_eq!(bench.engine.due(), Some(START + Span::secs(10)));
    at(&mut bench, 10);
    send(&mut bench, sequenced("a", &json!(2)));
    assert_eq!(looked_at(&bench), ["1", "2"], "the next one goes at once");
    // 3 is missing: 4 and 5 wait, and another key does not care.
    at(&mut bench, 20);
    let four = send(&mut bench, sequenced("a", &json!(4)));
    let held = Verdict::Held { by: "order".into(), until: Some(START + Span::secs(30)) };
    assert_eq!(bench.decision(four, "default/r"), Some(held));
    at(&mut bench, 25);
    send(&mut bench, sequenced("a", &json!(5)));
    assert_eq!(looked_at(&bench), ["1", "2"]);
    // It comes in time: all three go.
    at(&mut bench, 29);
    send(&mut bench, sequenced("a", &json!(3)));
    assert_eq!(looked_at(&bench), ["1", "2", "3", "4", "5"]);
    // 6 does not come: 7 goes when it has waited for 10 s, and 8 with it, 10 has its own time.
    at(&mut bench, 40);
    send(&mut bench, sequenced("a", &json!(7)));
    at(&mut bench, 45);
    for n in [10, 8] {
        send(&mut bench, sequenced("a", &json!(n)));
    }
    at(&mut bench, 50);
    let tick = bench.tick();
    assert_eq!(looked_at(&bench)[5..], ["7", "8"]);
    let fired = bench.log.iter().rfind(|record| &*record.event.kind == "dev.ensue.rule.fired").unwrap();
    assert!(fired.origin == Origin::Emitted(ensue_event::Emission { position: tick, index: 1 }), "{:?}", fired.origin);
    at(&mut bench, 54);
    let six = send(&mut bench, sequenced("a", &json!(6)));
    assert_eq!(late(&bench, six), Some(("6".into(), "8".into(), "drop".into())));
    at(&mut bench, 55);
    bench.tick();
    assert_eq!(looked_at(&bench)[5..], ["7", "8", "10"]);
}

#[test]
fn keys_do_not_wait_for_each_other_and_none_is_one_for_all() {
    for (key, expected) in [("event.data.k", vec!["5", "3", "6", "4"]), ("none", vec!["5", "6"])] {
        let mut bench = ordered(&format!("key: {key}, by: sequence, late: drop"));
        for (key, n) in [("a", 5), ("b", 3), ("a", 6), ("b", 4)] {
            send(&mut bench, sequenced(key, &json!(n)));
        }
        assert_eq!(looked_at(&bench), expected, "{key}");
    }
    // A list is one composite key.
    let mut bench = ordered("key: [event.source, event.data.k], by: sequence, late: drop");
    for (key, n) in [("a", 5), ("b", 3), ("a", 4)] {
        send(&mut bench, sequenced(key, &json!(n)));
    }
    assert_eq!(looked_at(&bench), ["5", "3"]);
}

#[test]
fn what_cannot_be_ordered_is_looked_at_as_it_comes() {
    let cases = [
        ("key: event.data.k, by: sequence, lateness: 1h", json!({"k": "a", "n": 1}), "event.sequence"),
        ("key: event.data.k, by: event.data.absent, lateness: 1h", json!({"k": "a", "n": 1}), "event.data.absent"),
        ("key: event.data.k, by: event.data.v, lateness: 1h", json!({"k": "a", "n": 1, "v": null}), "event.data.v"),
        ("key: event.data.k, by: event.data.n, lateness: 1h", json!({"n": 1}), "event.data.k"),
    ];
    for (order, data, told) in cases {
        let mut bench = ordered(order);
        let position = bench.event("go", "e", data);
        assert_eq!(looked_at(&bench), ["1"], "{order}");
        match bench.decision(position, "default/r") {
            Some(Verdict::NoKey { expression, .. }) => assert_eq!(expression, told, "{order}"),
            other => panic!("{order}: {other:?}"),
        }
        assert!(bench.engine.state().orders.is_empty());
    }
    let mut bench = ordered("key: event.data.k, by: event.data.n / 0");
    let position = bench.event("go", "e", json!({"k": "a", "n": 1}));
    assert!(matches!(bench.decision(position, "default/r"), Some(Verdict::Error { .. })));
    assert_eq!(bench.engine.state().meta.counts.errors, 1);
    assert_eq!(looked_at(&bench), ["1"]);
}

#[test]
fn the_last_value_is_remembered_for_so_long_and_then_forgotten() {
    let day = 86_400;
    let mut bench = ordered("key: event.data.k, by: sequence, late: drop, remember: 2d");
    send(&mut bench, sequenced("a", &json!(5)));
    // Each one that is looked at counts anew; a late one does not.
    at(&mut bench, day);
    send(&mut bench, sequenced("a", &json!(6)));
    at(&mut bench, 2 * day);
    let position = send(&mut bench, sequenced("a", &json!(1)));
    assert_eq!(late(&bench, position), Some(("1".into(), "6".into(), "drop".into())));
    at(&mut bench, 3 * day - 1);
    send(&mut bench, sequenced("a", &json!(1)));
    assert_eq!(looked_at(&bench), ["5", "6"]);
    at(&mut bench, 3 * day);
    bench.tick();
    assert_eq!((bench.engine.state().orders.len(), bench.engine.due()), (0, None), "nothing is left of the key");
    send(&mut bench, sequenced("a", &json!(1)));
    assert_eq!(looked_at(&bench), ["5", "6", "1"]);
}

#[test]
fn what_is_diverted_is_an_event_that_a_rule_can_take() {
    let listens = rule("l", "when: { event: { type: [dev.ensue.event.diverted] } }\nsteps: []");
    let spec = "when: { event: { type: [go] } }\norder: { key: event.data.k, by: sequence, late: divert }\nsteps: []";
    let mut bench = Bench::new(&[rule("r", spec), listens]);
    send(&mut bench, sequenced("a", &json!(5)));
    let position = send(&mut bench, sequenced("a", &json!(3)));
    assert_eq!(late(&bench, position), Some(("3".into(), "5".into(), "divert".into())));
    let told = bench.log.iter().find_map(|record| match Ours::of(&record.event) {
        Ok(Ours::EventDiverted(told)) => Some((record.event.clone(), told)),
        _ => None,
    });
    let (event, told) = told.unwrap();
    assert_eq!((told.rule.as_str(), told.key.as_deref(), told.position), ("default/r", Some("a"), position));
    assert_eq!((told.value.as_str(), told.last.as_str()), ("3", "5"));
    assert_eq!(told.event["data"], json!({"k": "a", "n": 3}));
    assert_eq!((event.extension_text("causationid"), event.depth()), (Some("a3"), 1));
    assert_eq!(bench.engine.state().rules.get("default/l").unwrap().fired, 1);
}

#[test]
fn a_line_holds_no_more_than_it_may() {
    let mut bench = ordered("key: event.data.k, by: event.data.n, lateness: 1h");
    let mut first = Position(0);
    for n in (0..10_000).rev() {
        first = send(&mut bench, sequenced("a", &json!(n)));
    }
    assert_eq!(looked_at(&bench), [""; 0]);
    let position = send(&mut bench, sequenced("a", &json!(20_000)));
    assert!(position > first);
    assert_eq!(looked_at(&bench), ["0"], "the first in order goes early");
    assert_eq!(bench.decision(position, "default/r"), Some(Verdict::Full { limit: 10_000 }));
    assert_eq!(bench.engine.state().orders.len(), 10_001, "10,000 wait");
}

/// The third of the classic cases: closed comes before opened.
#[test]
fn closed_before_opened() {
    let spec = r#"
when: { event: { type: [{ prefix: com.github.pull_request. }], data: { action: [opened, reopened, synchronize, closed] } } }
order: { key: [event.source, event.data.number], by: "timestamp(event.data.pull_request.updated_at)", late: drop, remember: 30d }
steps: []
"#;
    let pull = |action: &str, number: i64, updated: &str| {
        let id = format!("{action}-{number}");
        Event::new(id, "https://github.com/acme/cart", format!("com.github.pull_request.{action}")).with_json(
            &json!({"action": action, "n": action, "number": number, "pull_request": {"updated_at": updated}}),
        )
    };
    let mut bench = Bench::new(&[rule("r", spec)]);
    send(&mut bench, pull("closed", 7, "2026-01-01T12:02:00Z"));
    let opened = send(&mut bench, pull("opened", 7, "2026-01-01T12:00:00Z"));
    // Another pull request, whose offset is written otherwise, is another key.
    send(&mut bench, pull("opened", 8, "2026-01-01T12:01:00+02:00"));
    send(&mut bench, pull("reopened", 7, "2026-01-01T12:02:00Z"));
    let then = ("2026-01-01T12:00:00Z".into(), "2026-01-01T12:02:00Z".into(), "drop".into());
    assert_eq!(late(&bench, opened), Some(then));
    assert_eq!(looked_at(&bench), ["closed", "opened", "reopened"]);
}

fn timed(id: &str, source: &str, time: Option<i64>) -> Event {
    let mut event = Event::new(id, source, "go").with_json(&json!({"n": id}));
    event.time = time.map(|seconds| (START + Span::secs(seconds)).to_string().into());
    event
}

#[test]
fn by_the_time_of_events() {
    let bench = |when: &str| {
        Bench::new(&[rule("r", &format!("when: {{ event: {{ type: [go] }}, time: event{when} }}\nsteps: []"))])
    };
    let mut by_time = bench(", lateness: 10s");
    at(&mut by_time, 100);
    // b happened before a and comes after it; of one time, the source and then the id decide; without a time, the arrival.
    for (id, source, time) in
        [("a", "/s", Some(99)), ("b", "/s", Some(95)), ("d", "/s", Some(97)), ("c", "/s", Some(97))]
    {
        send(&mut by_time, timed(id, source, time));
    }
    send(&mut by_time, timed("e", "/a", Some(97)));
    send(&mut by_time, timed("none", "/s", None));
    assert_eq!(looked_at(&by_time), [""; 0]);
    assert_eq!(by_time.engine.due(), Some(START + Span::secs(105)));
    at(&mut by_time, 107);
    by_time.tick();
    assert_eq!(looked_at(&by_time), ["b", "e", "c", "d"]);
    // Later than lateness: at once, after what was looked at already, with a decision.
    let late_one = send(&mut by_time, timed("late", "/s", Some(96)));
    let (value, last) = ("2026-01-01T00:01:36Z".to_owned(), "2026-01-01T00:01:37Z".to_owned());
    assert_eq!(late(&by_time, late_one), Some((value, last, "deliver".into())));
    assert_eq!(looked_at(&by_time), ["b", "e", "c", "d", "late"]);
    at(&mut by_time, 110);
    by_time.tick();
    assert_eq!(looked_at(&by_time), ["b", "e", "c", "d", "late", "a", "none"]);
    assert_eq!((by_time.engine.due(), by_time.engine.state().orders.len()), (None, 1));
    let log = by_time.log.clone();
    assert_eq!(by_time.dump(), fold_anew(&log).dump());

    // Lateness 0: what is in order goes at once and without a word; a clock ahead waits, one far ahead is not believed.
    let mut by_time = bench("");
    at(&mut by_time, 100);
    for (id, time) in [("a", 90), ("b", 95)] {
        let position = send(&mut by_time, timed(id, "/s", Some(time)));
        assert_eq!(late(&by_time, position), None);
    }
    send(&mut by_time, timed("ahead", "/s", Some(103)));
    assert_eq!(looked_at(&by_time), ["a", "b"]);
    at(&mut by_time, 103);
    send(&mut by_time, timed("year", "/s", Some(31_536_000)));
    send(&mut by_time, timed("z", "/s", Some(103)));
    assert_eq!(looked_at(&by_time), ["a", "b", "ahead", "year", "z"]);
}

#[test]
fn both_stages_one_after_the_other() {
    let spec = "when: { event: { type: [go] }, time: event, lateness: 10s }\norder: { key: none, by: event.data.v, late: drop }\nsteps: []";
    let mut bench = Bench::new(&[rule("r", spec)]);
    at(&mut bench, 100);
    for (id, time, v) in [("b", 92, 1), ("a", 91, 2), ("c", 93, 3)] {
        let mut event = timed(id, "/s", Some(time)).with_json(&json!({"n": id, "v": v}));
        event.content_type = None;
        send(&mut bench, event);
    }
    at(&mut bench, 110);
    bench.tick();
    assert_eq!(looked_at(&bench), ["a", "c"], "b is after a in time, and below it in value");
}

#[test]
fn one_that_has_waited_elsewhere_does_not_overtake() {
    // By time 60 s, then for gaps 80 s from the arrival: when b comes out of the first stage, it has 20 s left.
    let spec = "when: { event: { type: [go] }, time: event, lateness: 60s }\norder: { key: none, by: sequence, lateness: 80s, late: drop }\nsteps: []";
    let mut bench = Bench::new(&[rule("r", spec)]);
    for (n, arrives, happened) in [(1, 0, 0), (5, 100, 100), (7, 105, 10)] {
        at(&mut bench, arrives);
        let mut event = sequenced("a", &json!(n));
        event.time = Some((START + Span::secs(happened)).to_string().into());
        send(&mut bench, event);
    }
    for second in [160, 180, 185, 300] {
        at(&mut bench, second);
        bench.tick();
    }
    assert_eq!(looked_at(&bench), ["1", "5", "7"]);
    // An edit that takes `lateness` away: what waits goes before what comes.
    let spec = |more: &str| {
        rule(
            "r",
            &format!("when: {{ event: {{ type: [go] }} }}\norder: {{ key: none, by: sequence{more} }}\nsteps: []"),
        )
    };
    let mut bench = Bench::new(&[spec(", lateness: 1h")]);
    for n in [5, 9] {
        send(&mut bench, sequenced("a", &json!(n)));
    }
    bench.configure(&[spec("")], false);
    send(&mut bench, sequenced("a", &json!(7)));
    assert_eq!(looked_at(&bench), ["5", "7", "9"]);
}

#[test]
fn what_waits_is_there_after_a_start_and_a_crash() {
    for order in [
        "order: { key: event.data.k, by: sequence, lateness: 10s }\nwhen: { event: { type: [go] } }\nsteps: []",
        "when: { event: { type: [go] }, time: event, lateness: 10s }\nsteps: []",
    ] {
        let mut bench = Bench::new(&[rule("r", order)]);
        let mut whole = Bench::new(&[rule("r", order)]);
        for (n, second) in [(1, 0), (3, 1), (4, 2), (2, 3), (9, 12), (8, 13)] {
            for bench in [&mut bench, &mut whole] {
                at(bench, second);
                let mut event = sequenced("a", &json!(n));
                event.time = Some((Time(bench.now.0) - Span::secs(n % 3)).to_string().into());
                send(bench, event);
            }
            // A start has the rows and nothing else.
            bench.checkpoint();
            bench.engine = bench.reloaded();
        }
        for bench in [&mut bench, &mut whole] {
            at(bench, 60);
            bench.tick();
        }
        assert_eq!(looked_at(&bench), looked_at(&whole));
        assert_eq!(looked_at(&bench).len(), 6);
        assert_eq!(bench.dump(), whole.dump());
    }
}

#[test]
fn what_waits_can_be_listed() {
    let mut bench = ordered("key: event.data.k, by: sequence, lateness: 10s");
    for (key, n) in [("a", 1), ("b", 7)] {
        send(&mut bench, sequenced(key, &json!(n)));
    }
    at(&mut bench, 10);
    let five = send(&mut bench, sequenced("a", &json!(5)));
    at(&mut bench, 12);
    let four = send(&mut bench, sequenced("a", &json!(4)));
    let turns: Vec<_> = ensue_engine::order::waiting(&bench.engine, "default/r").collect();
    let told: Vec<_> = turns
        .iter()
        .map(|turn| (turn.key.as_deref(), turn.position, turn.value.as_str(), turn.last.as_deref()))
        .collect();
    assert_eq!(told, [(Some("a"), four, "4", Some("1")), (Some("a"), five, "5", Some("1"))]);
    assert_eq!(turns[0].until, START + Span::secs(22));
    assert_eq!(ensue_engine::order::waiting(&bench.engine, "default/none").count(), 0);
}

#[test]
fn a_key_past_the_most_is_refused() {
    let spec = "when: { event: { type: [go] }, maxKeys: 3 }\norder: { key: event.data.k, by: sequence, remember: 1h }\nsteps: []";
    let mut bench = Bench::new(&[rule("r", spec)]);
    for n in 0..10 {
        let position = send(&mut bench, sequenced(&format!("k{n}"), &json!(n)));
        let refused = (n >= 3).then_some(Verdict::KeyRefused { limit: 3 });
        assert_eq!(bench.decision(position, "default/r"), refused);
    }
    assert_eq!(looked_at(&bench).len(), 3);
    assert_eq!(bench.engine.state().orders.len(), 3);
    // Keys that are there go on, and those that are forgotten make room.
    send(&mut bench, sequenced("k0", &json!(5)));
    bench.pass(Span::hours(1));
    send(&mut bench, sequenced("new", &json!(5)));
    assert_eq!(looked_at(&bench).len(), 5);
}
