//! Correlation, as tables: on the left what comes (`time type key value`), on the right what the rule makes of it.

use std::fmt::Write as _;

use ensue_engine::{Verdict, Waiting, halves};
use ensue_event::ours::{Ours, RuleFired};
use ensue_event::{Event, Origin, Position, Span, Time};
use serde_json::{Value, json};

use crate::bench::{Bench, START, dump, fold_anew, rule};

const STEPS: &str = "steps: [ { id: a, set: { x: 1 } } ]";
const SEQUENCE: &str = "
sequence: [ { name: a, event: { type: [a] } }, { name: b, event: { type: [b] } }, { name: c, event: { type: [c] } } ]
key: event.data.k
within: 10s";
const ALL: &str = "
all: [ { name: a, event: { type: [a] } }, { name: b, event: { type: [b] } }, { name: c, event: { type: [c] } } ]
key: event.data.k
within: 10s";
const COUNT: &str = "
count: { of: { name: a, event: { type: [a] } }, atLeast: 3 }
key: event.data.k
within: 10s";
const DISTINCT: &str = "
count: { of: { name: a, event: { type: [a] } }, atLeast: 3, distinct: event.data.v }
key: event.data.k
within: 10s";
const AFTER: &str = "
absence: { after: { name: a, event: { type: [a] } }, of: { name: b, event: { type: [b] } }, for: 10s }
key: event.data.k";
const SILENCE: &str = "
absence: { of: { name: b, event: { type: [b] } }, for: 10s, expect: [x] }
key: event.data.k";

fn bench(when: &str, rest: &str) -> Bench {
    bench_of(&format!("when:\n  {}\n{rest}\n{STEPS}", when.trim().replace('\n', "\n  ")))
}

fn bench_of(spec: &str) -> Bench {
    let mut bench = Bench::empty();
    // Nothing is said by a fold about itself: a rule that correlates needs no run to be looked at.
    bench.configure(&[rule("r", spec)], true);
    bench
}

/// A time in a table: `90s` after the start.
fn at(text: &str) -> Time {
    START + Span(ensue_expr::duration::parse(text).unwrap())
}

/// A value in a table: JSON, or a bare text.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// Plays lines and writes what follows from each beside it.
fn play(bench: &mut Bench, lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| play_one(bench, line)).collect()
}

fn play_one(bench: &mut Bench, line: &str) -> String {
    let mut words = line.split_whitespace();
    bench.now = at(words.next().unwrap());
    let kind = words.next().unwrap();
    let from = Position(bench.log.len() as u64);
    if kind == "tick" {
        bench.tick();
    } else {
        let mut data = json!({});
        for name in ["k", "v"] {
            match words.next() {
                Some("-") | None => {}
                Some(text) => data[name] = value(text),
            }
        }
        let mut event = Event::new(format!("e{}", bench.log.len()), "/test", kind).with_json(&data);
        event.time = words.next().map(|text| at(text).to_string().into());
        bench.append(Origin::Source("default/test".into()), event);
    }
    outcome(bench, from)
}

/// What a rule decided at a record: firings and other decisions.
fn outcome(bench: &Bench, from: Position) -> String {
    let ids = |events: &[Position]| {
        let ids: Vec<&str> = events.iter().map(|position| &*bench.log[position.0 as usize].event.id).collect();
        ids.join(" ")
    };
    let mut out = Vec::new();
    for record in bench.log.iter().filter(|record| record.position >= from) {
        let mut text = String::new();
        match Ours::of(&record.event) {
            Ok(Ours::RuleFired(fired)) => {
                let RuleFired { key, events, due, count, .. } = fired;
                let _ = write!(text, "fires {}", key.as_deref().unwrap_or("-"));
                for took in events {
                    let _ = write!(text, " {}={}", took.item.unwrap_or_default(), took.event["id"].as_str().unwrap());
                }
                let _ = due.map(|due| write!(text, " due {}", due.since(START)));
                let _ = count.map(|count| write!(text, " count {count}"));
            }
            Ok(Ours::KeyRefused(told)) => text = format!("told {} of {}", told.refused, told.limit),
            _ => {}
        }
        out.extend(Some(text).filter(|text| !text.is_empty()));
        let Some(decided) = bench.engine.state().decisions.get(&(record.position, "default/r".to_owned())) else {
            continue;
        };
        for decision in &decided.all {
            let key = decision.key.as_deref().unwrap_or("-");
            out.push(match &decision.verdict {
                Verdict::Expired { missing, events } => {
                    format!("expired {key} without {} ({})", missing.join(" "), ids(events))
                }
                Verdict::Unless { events, .. } => format!("unless {key} ({})", ids(events)),
                Verdict::Came { events, .. } => format!("came {key} ({})", ids(events)),
                Verdict::Full { limit } => format!("full {key} {limit}"),
                Verdict::KeyRefused { limit } => format!("refused {key} {limit}"),
                Verdict::NoKey { why, .. } => format!("no key: {why}"),
                Verdict::Error { why, .. } => format!("error: {why}"),
                other => format!("{key} {other:?}"),
            });
        }
    }
    out.join("; ")
}

#[track_caller]
fn table(bench: &mut Bench, rows: &[(&str, &str)]) {
    for (line, expected) in rows {
        assert_eq!(play_one(bench, line), *expected, "{line}");
    }
}

#[track_caller]
fn when(when: &str, rows: &[(&str, &str)]) {
    table(&mut bench(when, ""), rows);
}

/// What is waited for, a line each.
fn waiting(bench: &Bench) -> Vec<String> {
    let line = |one: Waiting| {
        let key = one.key.as_deref().unwrap_or("-");
        let mut out = format!("{key} waits for {} since {}", one.waits_for.join(" "), one.since.since(START));
        let _ = one.until.map(|until| write!(out, " until {}", until.since(START)));
        for (item, _, id) in one.events {
            let _ = write!(out, " {item}={id}");
        }
        let _ = one.count.map(|count| write!(out, " count {count}"));
        out
    };
    let mut lines: Vec<String> = halves(&bench.engine, "default/r").map(line).collect();
    lines.sort();
    lines
}

#[test]
fn a_sequence() {
    when(
        SEQUENCE,
        &[
            // In order, whatever comes in between; b and c first are nothing.
            ("0s b x", ""),
            ("0s c x", ""),
            ("1s a x", ""),
            ("2s c x", ""),
            ("3s b x", ""),
            ("3s other x", ""),
            ("4s c x", "fires x a=e3 b=e5 c=e7"),
            // Completion consumes.
            ("5s c x", ""),
            ("5s b x", ""),
            // A repeated item takes the place of the earlier one; that of the first one drops those after it, which came
            // before it, and starts `within` again.
            ("20s a x", ""),
            ("21s b x", ""),
            ("22s b x", ""),
            ("25s a x", ""),
            ("26s c x", ""),
            ("27s b x", ""),
            ("34999ms c x", "fires x a=e14 b=e16 c=e17"),
            // The end is excluded.
            ("40s a x", ""),
            ("41s b x", ""),
            ("50s c x", "expired x without c (e19 e20)"),
            // Time passes without events too.
            ("60s a x", ""),
            ("69999ms tick", ""),
            ("70s tick", "expired x without b c (e22)"),
            ("80s b x", ""),
        ],
    );
}

#[test]
fn all_in_any_order() {
    when(
        ALL,
        &[
            ("0s c x", ""),
            ("1s a x", ""),
            // Not the first item that was met: it takes the earlier one's place and `within` runs on.
            ("2s a x", ""),
            ("9s b x", "fires x c=e1 a=e3 b=e4"),
            ("20s b x", ""),
            ("21s a x", ""),
            // The first that was met: `within` starts again.
            ("25s b x", ""),
            ("34s c x", "fires x a=e7 b=e8 c=e9"),
            ("40s b x", ""),
            ("50s a x", "expired x without a c (e11)"),
            ("59s tick", ""),
            ("60s tick", "expired x without b c (e12)"),
        ],
    );
}

#[test]
fn any_of_several_and_one_of_one_complete_at_once() {
    let any = "any: [ { name: a, event: { type: [a] } }, { name: b, event: { type: [b] } }, { event: { type: [b] } } ]";
    when(any, &[("0s a", "fires - a=e1"), ("0s c", ""), ("1s b", "fires - b=e4")]);
    when(
        &format!("{any}\nkey: event.data.k"),
        &[("0s a x", "fires x a=e1"), ("1s b [1,2]", "fires 1 b=e3; fires 2 b=e3")],
    );
    for one in ["all", "sequence"] {
        when(
            &format!("{one}: [ {{ name: a, event: {{ type: [a] }} }} ]\nwithin: 1s"),
            &[("0s a", "fires - a=e1"), ("0s a", "fires - a=e3")],
        );
    }
}

#[test]
fn what_a_repeated_first_item_does() {
    when(
        &format!("{SEQUENCE}\nrepeat: ignore"),
        &[
            ("0s a x", ""),
            ("1s b x", ""),
            ("9s a x", ""),
            ("9500ms c x", "fires x a=e1 b=e2 c=e4"),
            ("20s a x", ""),
            ("25s a x", ""),
            ("30s b x", "expired x without b c (e6)"),
        ],
    );
    when(
        &format!("{SEQUENCE}\nrepeat: each"),
        &[
            ("0s a x", ""),
            ("1s a x", ""),
            // Of two that take it, the oldest; one that was not met before one that was.
            ("2s b x", ""),
            ("3s b x", ""),
            ("4s c x", "fires x a=e1 b=e3 c=e5"),
            ("5s c x", "fires x a=e2 b=e4 c=e7"),
            ("20s a x", ""),
            ("25s a x", ""),
            ("30s b x", "expired x without b c (e9)"),
            ("31s c x", "fires x a=e10 b=e11 c=e12"),
        ],
    );
    // Up to 16, oldest first.
    let mut bench = bench(&format!("{SEQUENCE}\nrepeat: each"), "");
    for n in 0..16 {
        assert_eq!(play_one(&mut bench, &format!("{n}ms a x")), "");
    }
    table(&mut bench, &[("17ms a x", "full x 16"), ("18ms b x", ""), ("19ms c x", "fires x a=e1 b=e18 c=e19")]);
    assert_eq!(play_one(&mut bench, "21ms a x"), "");
    assert_eq!(waiting(&bench).len(), 16);
}

#[test]
fn an_event_fills_at_most_one_item_and_the_furthest() {
    let same = "sequence: [ { name: a, event: { type: [a] } }, { name: b, event: { type: [a] } } ]\nkey: event.data.k";
    when(same, &[("0s a x", ""), ("1s a x", "fires x a=e1 b=e2"), ("2s a x", ""), ("3s a x", "fires x a=e4 b=e5")]);
    when(&same.replace("sequence", "all"), &[("0s a x", ""), ("1s a x", "fires x a=e1 b=e2")]);
    // Rules do not take events from each other.
    let spec = |kind: &str| {
        format!("when: {{ sequence: [ {{ event: {{ type: [a] }} }}, {{ event: {{ type: [{kind}] }} }} ] }}\n{STEPS}")
    };
    let mut bench = Bench::new(&[rule("one", &spec("b")), rule("two", &spec("b"))]);
    bench.event("a", "e1", json!({}));
    bench.event("b", "e2", json!({}));
    let fired = bench.log.iter().filter(|record| &*record.event.kind == "dev.ensue.rule.fired").count();
    assert_eq!(fired, 2);
}

#[test]
fn the_condition_of_an_item_comes_before_anything_is_kept() {
    let when_ = "
sequence:
  - { name: a, event: { type: [a] }, if: event.data.v > 1 }
  - { name: b, event: { type: [b] } }
key: event.data.k";
    when(
        when_,
        &[
            ("0s a x 1", ""),
            ("1s b x", ""),
            ("2s a x 2", ""),
            // It does not take the place of the one that counts.
            ("3s a x 1", ""),
            ("3s a x -", "error: no such field `v` in event.data"),
            ("4s b x", "fires x a=e3 b=e6"),
        ],
    );
    // What cannot be computed for one item leaves the others.
    let any = "any: [ { name: a, event: { type: [a] }, if: event.data.v > 1 }, { name: b, event: { type: [a] } } ]";
    when(any, &[("0s a x", "error: no such field `v` in event.data; fires - b=e1")]);
}

#[test]
fn two_pull_requests_interleaved() {
    let when_ = "
sequence:
  - { name: opened, event: { type: [pr.opened] } }
  - { name: approved, event: { type: [pr.approved] } }
  - { name: green, event: { type: [ci.green] } }
key: event.data.k
within: 1h";
    let mut bench = bench(when_, "");
    table(
        &mut bench,
        &[
            ("0s pr.opened 7", ""),
            ("1m pr.opened 8", ""),
            ("2m pr.approved 8", ""),
            ("3m ci.green 7", ""),
            ("4m pr.approved 7", ""),
        ],
    );
    assert_eq!(
        waiting(&bench),
        [
            "7 waits for green since 0s until 1h opened=e1 approved=e5",
            "8 waits for green since 1m until 1h1m opened=e2 approved=e3",
        ]
    );
    table(
        &mut bench,
        &[
            ("5m ci.green 8", "fires 8 opened=e2 approved=e3 green=e6"),
            ("6m ci.green 7", "fires 7 opened=e1 approved=e5 green=e8"),
        ],
    );
    assert_eq!(waiting(&bench), Vec::<String>::new());
    let state = bench.engine.state();
    assert_eq!((state.halves.len(), state.timers.len(), state.tallies.len()), (0, 0, 0), "nothing is left behind");
}

#[test]
fn keys() {
    // 42, 42.0 and "42" are one.
    when(SEQUENCE, &[("0s a 42", ""), ("1s b \"42\"", ""), ("2s c 42.0", "fires 42 a=e1 b=e2 c=e3")]);
    // A key for each member of a list, each once.
    when(
        SEQUENCE,
        &[
            ("0s a [1,2,2]", ""),
            ("1s b 1", ""),
            ("1s b [2,3]", ""),
            ("2s c [1,2,3]", "fires 1 a=e1 b=e2 c=e4; fires 2 a=e1 b=e3 c=e4"),
        ],
    );
    when(
        SEQUENCE,
        &[
            ("0s a -", "no key: it is absent"),
            ("0s a null", "no key: it is null"),
            ("0s a []", "no key: the list is empty"),
            ("0s a [1,null]", "no key: it is null"),
            ("0s a \"\"", ""),
            ("1s b \"\"", ""),
            ("2s c \"\"", "fires  a=e5 b=e6 c=e7"),
        ],
    );
    // An item's own key; the same text from another place.
    let own = "
sequence:
  - { name: a, event: { type: [a] } }
  - { name: b, event: { type: [b] }, key: event.data.v }
key: event.data.k";
    when(own, &[("0s a x", ""), ("1s b y x", "fires x a=e1 b=e2"), ("2s b x", "no key: it is absent")]);
    // One expression for two items is wrong once.
    let both = "all: [ { event: { type: [a] } }, { event: { type: [a] } } ]\nkey: event.data.k";
    when(both, &[("0s a -", "no key: it is absent")]);
    // A composite key is canonical JSON of texts.
    let composite = SEQUENCE.replace("key: event.data.k", "key: [event.data.k, event.data.v]");
    when(
        &composite,
        &[
            ("0s a 1 x", ""),
            ("1s b 1 y", ""),
            ("1s b \"1\" x", ""),
            ("2s c 1.0 x", "fires [\"1\",\"x\"] a=e1 b=e3 c=e4"),
        ],
    );
    // No key: the whole rule is one.
    for none in ["", "key: none"] {
        when(
            &SEQUENCE.replace("key: event.data.k", none),
            &[("0s a x", ""), ("1s b y", ""), ("2s c", "fires - a=e1 b=e2 c=e3")],
        );
    }
}

#[test]
fn unless_drops_the_half_match() {
    let unless = "unless: { name: stop, event: { type: [stop, c] }, if: \"!has(event.data.v)\" }";
    when(
        &format!("{SEQUENCE}\n{unless}"),
        &[
            ("0s stop x", ""),
            ("0s a x", ""),
            ("1s a y", ""),
            ("2s stop x", "unless x (e2)"),
            ("3s b x", ""),
            ("3s b y", ""),
            // It is not kept, though it would complete.
            ("4s c y", "unless y (e3 e6)"),
            ("5s c y v", ""),
            // Its own `if`.
            ("6s a x", ""),
            ("6s b x", ""),
            ("7s c x v", "fires x a=e9 b=e10 c=e11"),
        ],
    );
    when(
        &format!("{COUNT}\n{unless}"),
        &[("0s a x", ""), ("1s a x", ""), ("2s stop x", "unless x (e1 e2)"), ("3s a x", ""), ("4s tick", "")],
    );
    when(&format!("{AFTER}\n{unless}"), &[("0s a x", ""), ("1s stop x", "unless x (e1)"), ("20s tick", "")]);
    when(
        &format!("any: [ {{ event: {{ type: [a, stop] }} }} ]\n{unless}"),
        &[("0s a", "fires - =e1"), ("1s stop", "")],
    );
}

#[test]
fn a_count_slides_and_starts_at_zero_after_firing() {
    when(
        COUNT,
        &[
            ("0s a x", ""),
            ("5s a x", ""),
            // The first one is out: the end is excluded.
            ("10s a x", ""),
            ("14s a y", ""),
            ("14s a x", "fires x a=e2 a=e3 a=e5 count 3"),
            ("15s a x", ""),
            ("15s a x", ""),
            ("16s a x", "fires x a=e7 a=e8 a=e9 count 3"),
            // A window that slides empty is no decision.
            ("20s a x", ""),
            ("60s tick", ""),
            ("61s a x", ""),
            ("61s a x", ""),
        ],
    );
    let mut bench = bench(COUNT, "");
    play(&mut bench, &["0s a x", "0s a y", "1s a y", "2s a y", "3s a z", "8s a x", "12s tick", "13s tick", "17s tick"]);
    assert_eq!(bench.engine.state().counted.len(), 1, "events that no longer count are not kept");
    assert_eq!(waiting(&bench), ["x waits for a since 8s until 18s a=e7 count 1"]);
    play(&mut bench, &["18s tick"]);
    let state = bench.engine.state();
    assert_eq!((state.halves.len(), state.counted.len(), state.timers.len(), state.tallies.len()), (0, 0, 0, 0));
    // The rule goes, and all that counted.
    play(&mut bench, &["20s a x", "21s a x"]);
    assert_eq!(bench.engine.state().counted.len(), 2);
    bench.configure(&[], true);
    let state = bench.engine.state();
    assert_eq!((state.halves.len(), state.counted.len(), state.timers.len(), state.tallies.len()), (0, 0, 0, 0));
}

#[test]
fn a_count_of_different_values() {
    when(
        DISTINCT,
        &[
            ("0s a x 1", ""),
            ("1s a x 2", ""),
            ("2s a x \"1\"", ""),
            ("3s a x null", "no key: it is null"),
            ("3s a x -", "no key: it is absent"),
            // A repeated value is as new as its last event.
            ("11500ms a x 3", ""),
            ("11600ms a x 4", "fires x a=e3 a=e6 a=e7 count 3"),
        ],
    );
}

#[test]
fn a_count_keeps_the_newest_hundred_events() {
    let mut bench = bench("count: { of: { name: a, event: { type: [a] } }, atLeast: 250 }", "");
    for n in 0..249 {
        assert_eq!(play_one(&mut bench, &format!("{n}s a")), "");
    }
    assert_eq!(waiting(&bench)[0].matches("a=").count(), 100);
    let told = play_one(&mut bench, "1h a");
    assert!(told.starts_with("fires - a=e151 a=e152 ") && told.ends_with(" a=e250 count 250"), "{told}");
    assert_eq!(told.matches("a=").count(), 100);
}

#[test]
fn an_absence_after_an_event() {
    when(
        AFTER,
        &[
            ("0s b x", ""),
            ("0s a x", ""),
            ("1s a y", ""),
            ("5s b x", "came x (e2)"),
            ("6s b x", ""),
            ("10999ms tick", ""),
            ("11s b y", "fires y a=e3 due 11s"),
            // Once.
            ("40s tick", ""),
            // Again the place of the earlier one.
            ("50s a x", ""),
            ("55s a x", ""),
            ("62s tick", ""),
            ("70s tick", "fires x a=e11 due 1m5s"),
        ],
    );
    when(
        &format!("{AFTER}\nrepeat: ignore"),
        &[("0s a x", ""), ("5s a x", ""), ("11s tick", "fires x a=e1 due 10s"), ("20s tick", "")],
    );
    when(
        &format!("{AFTER}\nrepeat: each"),
        &[
            ("0s a x", ""),
            ("1s a x", ""),
            ("2s a x", ""),
            // It answers the oldest.
            ("5s b x", "came x (e1)"),
            ("20s tick", "fires x a=e2 due 11s; fires x a=e3 due 12s"),
        ],
    );
    // What comes after and is waited for too: further is first.
    let both = "absence: { after: { name: a, event: { type: [a] } }, of: { name: b, event: { type: [a] } }, for: 10s }";
    when(both, &[("0s a", ""), ("1s a", "came - (e1)"), ("2s a", ""), ("12s tick", "fires - a=e3 due 12s")]);
}

#[test]
fn an_absence_without_an_event_before() {
    let mut bench = bench(SILENCE, "");
    assert_eq!(waiting(&bench), ["x waits for b since 0s until 10s"]);
    table(
        &mut bench,
        &[
            ("0s b y", ""),
            ("9s b y", ""),
            // What is expected is waited for from the start.
            ("10s tick", "fires x due 10s"),
            ("20s tick", "fires y due 19s"),
            // Once a silence.
            ("50s tick", ""),
            ("60s b y", ""),
            ("70s tick", "fires y due 1m10s"),
        ],
    );
    // A key is forgotten a week after it was last seen.
    assert_eq!(bench.engine.state().halves.len(), 2);
    table(&mut bench, &[("604859s tick", "")]);
    assert_eq!(bench.engine.state().halves.len(), 2);
    table(&mut bench, &[("604860s tick", "")]);
    let state = bench.engine.state();
    assert_eq!((state.halves.len(), state.timers.len()), (1, 0), "what is expected is not forgotten");
}

#[test]
fn a_key_past_the_most_is_refused_and_told_once_a_minute() {
    let mut bench = bench(&format!("{}\nmaxKeys: 2", SEQUENCE.replace("within: 10s", "")), "");
    table(
        &mut bench,
        &[
            ("0s a 1", ""),
            ("0s a 2", ""),
            ("1s a 3", "refused 3 2; told 1 of 2"),
            ("2s a 4", "refused 4 2"),
            ("2s a [5,6,1]", "refused 5 2; refused 6 2"),
            // A key that is there goes on, and what completes makes room.
            ("3s b 1", ""),
            ("4s c 1", "fires 1 a=e6 b=e7 c=e8"),
            ("5s a 7", ""),
            ("60999ms a 8", "refused 8 2"),
            ("61s a 9", "refused 9 2; told 5 of 2"),
            // One that would not be kept is not refused.
            ("62s b 10", ""),
        ],
    );
}

#[test]
fn a_hundred_thousand_keys_and_one() {
    let mut bench = bench("sequence: [ { event: { type: [a] } }, { event: { type: [b] } } ]\nkey: event.data.k", "");
    for n in 0..100_000 {
        bench.event("a", "e", json!({"k": n}));
    }
    assert_eq!(bench.engine.state().halves.len(), 100_000);
    table(&mut bench, &[("1s a one-more", "refused one-more 100000; told 1 of 100000"), ("1s a 1", "")]);
    assert_eq!(bench.engine.state().halves.len(), 100_000);
}

#[test]
fn by_the_time_in_the_events() {
    when(
        &format!("{SEQUENCE}\ntime: event\nlateness: 5s"),
        &[
            ("0s a x - 0s", ""),
            ("8s c x - 7s", ""),
            ("9s b x - 6s", ""),
            ("11999ms tick", ""),
            ("12s tick", "fires x a=e1 b=e3 c=e2"),
            // The deadline is in the events' time, and waits as long for late ones.
            ("20s a x - 20s", ""),
            ("21s b x - 21s", ""),
            ("34s c x - 29999ms", ""),
            ("35s tick", "fires x a=e7 b=e8 c=e9"),
            ("40s a x - 40s", ""),
            ("41s b x - 41s", ""),
            ("50s c x - 50s", ""),
            ("54999ms tick", ""),
            ("55s tick", "expired x without c (e12 e13)"),
            // A clock that is far ahead is not believed, and an event without a time has that of its arrival.
            ("60s a x - 9000h", ""),
            ("61s b x", ""),
            ("62s c x - 62s", ""),
            ("67s tick", "fires x a=e17 b=e18 c=e19"),
        ],
    );
    when(
        &format!("{AFTER}\ntime: event\nlateness: 5s"),
        &[
            ("3s a x - 1s", ""),
            ("13s b y - 10s", ""),
            ("15s b x - 10999ms", ""),
            ("16s tick", "came x (e1)"),
            ("23s a x - 21s", ""),
            ("34s b x - 31s", ""),
            ("36s tick", "fires x a=e5 due 31s"),
        ],
    );
    when(
        &format!("{COUNT}\ntime: event\nlateness: 5s"),
        &[
            ("5s a x - 1s", ""),
            ("12s a x - 11s", ""),
            ("14s a x - 10s", ""),
            ("16s tick", ""),
            ("16s a x - 12s", ""),
            ("17s tick", "fires x a=e3 a=e2 a=e5 count 3"),
        ],
    );
}

#[test]
fn a_live_key_is_small() {
    // With its two counts, the row of a key is one piece of memory; with what the maps of rows and timers need, and room
    // that they do not fill, a key is less than 300 bytes. `cargo xtask bench correlate` weighs it.
    assert!(size_of::<ensue_engine::correlate::HalfRow>() <= 88, "{}", size_of::<ensue_engine::correlate::HalfRow>());
}

/// Everything that correlates at once, over a few keys, with times that no two runs of the test differ in.
fn life() -> Bench {
    let specs = [
        SEQUENCE.to_owned(),
        format!("{SEQUENCE}\nrepeat: each"),
        format!("{SEQUENCE}\nunless: {{ event: {{ type: [stop] }} }}\nmaxKeys: 3"),
        ALL.to_owned(),
        COUNT.to_owned(),
        DISTINCT.to_owned(),
        AFTER.to_owned(),
        SILENCE.to_owned(),
    ];
    let rules: Vec<String> = specs
        .iter()
        .enumerate()
        .map(|(n, when)| rule(&format!("r{n}"), &format!("when:\n  {}\n{STEPS}", when.trim().replace('\n', "\n  "))))
        .collect();
    let mut bench = Bench::new(&rules);
    let mut seed = 7_u64;
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for n in 0..600 {
        bench.pass(Span::millis(next(1_500) as i64));
        let kind = ["a", "b", "c", "a", "b", "stop"][next(6) as usize];
        let data = json!({"k": next(9), "v": next(4)});
        bench.event(kind, &format!("e{n}"), data);
        if next(9) == 0 {
            bench.tick();
        }
    }
    bench
}

#[test]
fn a_fold_from_the_first_record_and_one_that_begins_anywhere_have_the_same_rows() {
    let mut live = life();
    let fired =
        |log: &[ensue_event::Record]| log.iter().filter(|record| &*record.event.kind == "dev.ensue.rule.fired").count();
    assert!(fired(&live.log) > 150, "{}", fired(&live.log));
    let state = live.engine.state();
    assert!(state.halves.len() > 10 && state.timers.len() > 10, "{}", state.halves.len());
    // An event that counts has one row, and no row is left behind.
    let counts: usize = (0..8)
        .filter(|n| [4, 5].contains(n))
        .flat_map(|n| halves(&live.engine, &format!("default/r{n}")).collect::<Vec<_>>())
        .map(|one| one.events.len())
        .sum();
    assert_eq!(state.counted.len(), counts);
    let expected = live.dump();
    let mut anew = fold_anew(&live.log);
    assert!(anew.dump() == expected, "rebuilt");
    // Checkpoints every so many records; at each one a new process goes on from the rows.
    for every in [29] {
        let mut bench = Bench::empty();
        bench.appends = false;
        for (at, record) in live.log.iter().enumerate() {
            bench.fold(record);
            if at % every == 0 {
                bench.checkpoint();
                bench.engine = bench.reloaded();
            }
        }
        assert!(bench.dump() == expected, "every {every}");
    }
    // What goes on from the middle emits what the live one did.
    let (first, rest) = live.log.split_at(live.log.len() / 2);
    let mut middle = fold_anew(first);
    middle.checkpoint();
    middle.engine = middle.reloaded();
    for record in rest {
        middle.fold(record);
    }
    middle.checkpoint();
    assert!(dump(&middle.store) == expected, "from the middle");
}

#[test]
fn half_matches_that_cannot_be_read_are_refused() {
    let mut bench = life();
    bench.checkpoint();
    let rows: Vec<_> = bench.store.iter().filter(|((table, _), _)| *table == "halves").collect();
    for ((table, key), value) in rows {
        for end in 0..value.len() {
            // Whatever is cut off: an error or, where only the data of the last event is shorter, a row; never a panic.
            let _ = ensue_engine::Engine::new().load(table, key, &value[..end]);
        }
        let mut other = value.clone();
        other[0] = 9;
        assert!(ensue_engine::Engine::new().load(table, key, &other).is_err());
    }
}

#[test]
fn a_key_that_is_read_off_the_bytes_is_what_the_expression_gives() {
    use ensue_engine::keys::{keys, plain};
    let values = [
        json!("x"),
        json!(""),
        json!("a \" \\ \u{1} é"),
        json!(0),
        json!(7),
        json!(-7),
        json!(-0.0),
        json!(7.0),
        json!(1e6),
        json!(123_456_789_012_345_678_i64),
        json!(u64::MAX),
        json!(1.5),
        json!(true),
        json!(null),
        json!([1, 2]),
        json!({"a": 1}),
        json!("x".repeat(70_000)),
    ];
    let mut read = 0;
    for value in values {
        let data = json!({"k": value, "deep": {"k": value, "0": "zero"}, "list": [value], "a.b": value});
        let mut event = Event::new("the id", "/the/source", "the.type").with_json(&data);
        event.subject = Some("the subject".into());
        for source in [
            "event.data.k",
            "event.data.deep.k",
            "event.data[\"deep\"][\"k\"]",
            "event.data.list",
            "event.data.list[0]",
            "event.data.list[\"0\"]",
            "event.data.deep[\"0\"]",
            "event.data[\"a.b\"]",
            "event.data",
            "event.absent",
            "event.data.absent",
            "event.data.k.k",
            "event.id",
            "event.source",
            "event.type",
            "event.subject",
            "event.data.k + \"\"",
            "event",
        ] {
            let program = ensue_expr::Program::compile(source).unwrap();
            let many = ensue_lang::KeySpec::Many(vec![program.clone(), program.clone()]);
            let one = ensue_lang::KeySpec::One(program);
            let seen = ensue_engine::decide::Seen::new(Position(0), START, std::sync::Arc::new(event.clone()));
            let names = ensue_engine::decide::Names::of_event(&seen, ensue_expr::Value::Null, START);
            for spec in [one, many] {
                let Some(text) = plain(&spec, &event) else { continue };
                read += 1;
                assert_eq!(keys(Some(&spec), &names).unwrap(), [Some(text)], "{source} {value}");
            }
        }
    }
    assert!(read > 160, "{read}");
}
