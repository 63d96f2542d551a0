//! What rules decide about an event, and what of it is recorded.

use ensue_engine::Verdict;
use ensue_event::ours::{Command, Mode, Ours};
use ensue_event::{Attr, Event, Origin, Position};
use serde_json::json;

use crate::bench::{Bench, rule};

const SET: &str = "steps: [ { id: a, set: { x: 1 } } ]";

#[test]
fn what_is_recorded_of_an_event_that_does_not_fire() {
    for (spec, expected) in [
        // Another type, or the item's own condition: a plain mismatch, computed again when somebody asks.
        ("when: { event: { type: [other] } }", None),
        ("when: { event: { type: [go] }, if: event.data.n == 8 }", None),
        (
            "when: { event: { type: [go] } }\nif: event.data.n == 8",
            Some(Verdict::NotIf { condition: "event.data.n == 8".into() }),
        ),
        (
            "when: { event: { type: [go] } }\nif: event.data.absent == 8",
            Some(Verdict::Error {
                expression: "event.data.absent == 8".into(),
                why: "no such field `absent` in event.data".into(),
            }),
        ),
        (
            "when: { event: { type: [go] } }\nif: event.data.n",
            Some(Verdict::Error {
                expression: "event.data.n".into(),
                why: "it gives a int; a condition must give true or false".into(),
            }),
        ),
        (
            "when: { event: { type: [go] }, if: event.data.absent > 1 }",
            Some(Verdict::Error {
                expression: "event.data.absent > 1".into(),
                why: "no such field `absent` in event.data".into(),
            }),
        ),
        (
            "when: { event: { type: [go] } }\nlet: { num: event.data.n / 0 }",
            Some(Verdict::Error {
                expression: "let.num: event.data.n / 0".into(),
                why: "division by zero: 7 / 0".into(),
            }),
        ),
        ("when: { event: { type: [go] } }\nmode: paused", Some(Verdict::Paused)),
    ] {
        let mut bench = Bench::new(&[rule("r", &format!("{spec}\n{SET}"))]);
        let position = bench.event("go", "e1", json!({"n": 7}));
        assert_eq!(bench.decision(position, "default/r"), expected, "{spec}");
        assert_eq!(bench.log.len(), 2, "{spec}: nothing fires");
        let known = bench.engine.state().rules.get(&"default/r".to_owned()).cloned().unwrap_or_default();
        let error = matches!(expected, Some(Verdict::Error { .. }));
        let counted = (known.fired, known.suppressed, known.errors);
        assert_eq!(counted, (0, u64::from(expected.is_some() && !error), u64::from(error)), "{spec}");
    }
}

#[test]
fn an_event_that_fires_leaves_a_firing_and_no_decision() {
    let mut bench = Bench::new(&[rule(
        "r",
        &format!(
            "when: {{ event: {{ type: [go] }} }}\nif: let.num == 7\nlet: {{ num: event.data.n, none: event.data.absent }}\n{SET}"
        ),
    )]);
    let position = bench.event("go", "e1", json!({"n": 7}));
    assert_eq!(bench.decision(position, "default/r"), None);
    let Ok(Ours::RuleFired(fired)) = Ours::of(&bench.log[2].event) else { panic!("{}", bench.told(position)) };
    assert_eq!(json!(fired.lets), json!({"num": 7}), "an absent value stays absent");
    assert_eq!(fired.events[0].position, position);
    assert_eq!(fired.events[0].event["data"], json!({"n": 7}), "by value: retention never waits for it");
}

#[test]
fn several_rules_on_one_event_decide_in_the_order_of_their_names() {
    let spec = format!("when: {{ event: {{ type: [go] }} }}\n{SET}");
    let no = format!("when: {{ event: {{ type: [go] }} }}\nif: false\n{SET}");
    let mut bench = Bench::new(&[rule("zebra", &spec), rule("ant", &spec), rule("mole", &no), rule("bee", &spec)]);
    let position = bench.event("go", "e1", json!({}));
    insta::assert_snapshot!(bench.told(position), @r#"
    1 go
    2 emitted 1.0 dev.ensue.rule.fired default/ant Live
    3 emitted 1.1 dev.ensue.rule.fired default/bee Live
    4 emitted 1.2 dev.ensue.rule.fired default/zebra Live
    5 emitted 2.0 dev.ensue.run.started default/ant
    6 emitted 2.1 dev.ensue.run.finished default/ant succeeded
    7 emitted 3.0 dev.ensue.run.started default/bee
    8 emitted 3.1 dev.ensue.run.finished default/bee succeeded
    9 emitted 4.0 dev.ensue.run.started default/zebra
    10 emitted 4.1 dev.ensue.run.finished default/zebra succeeded
    "#);
    assert!(bench.decision(position, "default/mole").is_some());
}

#[test]
fn shadow_is_recorded_and_does_nothing() {
    let spec = format!("when: {{ event: {{ type: [go] }} }}\nmode: shadow\n{SET}");
    let mut bench = Bench::new(&[rule("r", &spec)]);
    let position = bench.event("go", "e1", json!({}));
    insta::assert_snapshot!(bench.told(position), @r#"
    1 go
    2 emitted 1.0 dev.ensue.rule.fired default/r Shadow
    "#);
    assert_eq!(bench.runs().len(), 0);
    // With --observe every rule is a shadow, whatever an operator says.
    let live = format!("when: {{ event: {{ type: [go] }} }}\n{SET}");
    let mut bench = Bench::empty();
    bench.configure(&[rule("r", &live)], true);
    bench.operator(Command::SetMode { rule: "default/r".into(), mode: "live".into() });
    bench.event("go", "e1", json!({}));
    let modes: Vec<Mode> = bench
        .log
        .iter()
        .filter_map(|record| match Ours::of(&record.event) {
            Ok(Ours::RuleFired(fired)) => Some(fired.mode),
            _ => None,
        })
        .collect();
    assert_eq!((modes, bench.runs().len()), (vec![Mode::Shadow], 0));
    assert_eq!((bench.engine.state().meta.counts.shadow, bench.engine.state().meta.counts.fired), (1, 0));
}

fn deep(kind: &str, depth: i32) -> Event {
    let mut event = Event::new(format!("e{depth}"), "/test", kind);
    event.set_extension("ensuedepth", Attr::Int(depth));
    event
}

#[test]
fn a_chain_of_causes_is_cut_at_depth_32() {
    let spec = format!("when: {{ event: {{ type: [go] }} }}\n{SET}");
    let mut bench = Bench::new(&[rule("r", &spec)]);
    for (depth, fires) in [(30, true), (31, true), (32, false), (33, false), (i32::MAX, false)] {
        let position = bench.append(Origin::Source("default/test".into()), deep("go", depth));
        let told = bench.told(position.next());
        assert_eq!(told.contains("rule.fired"), fires, "{depth}: {told}");
        assert_eq!(told.contains("chain.cut"), !fires, "{depth}: {told}");
        let expected = (!fires).then_some(Verdict::ChainCut { depth: depth as u32 });
        assert_eq!(bench.decision(position, "default/r"), expected, "{depth}");
    }
}

#[test]
fn two_rules_that_feed_each_other_are_cut_and_so_is_a_rule_that_hears_of_it() {
    let ping = "when: { event: { type: [ping] } }\nsteps: [ { id: a, emit: { type: pong } } ]";
    let pong = "when: { event: { type: [pong] } }\nsteps: [ { id: a, emit: { type: ping } } ]";
    let cut = "when: { event: { type: [dev.ensue.chain.cut] } }\nsteps: [ { id: a, emit: { type: ping } } ]";
    let mut bench = Bench::new(&[rule("ping", ping), rule("pong", pong), rule("cut", cut)]);
    bench.event("ping", "e1", json!({}));
    let count = |kind: &str| bench.log.iter().filter(|record| &*record.event.kind == kind).count();
    assert_eq!(count("dev.ensue.chain.cut"), 1, "told once");
    assert_eq!(count("ping") + count("pong"), 17, "each hop is a firing and what its run says");
    let depths: Vec<u32> = bench.log.iter().map(|record| record.event.depth()).collect();
    assert!(depths.iter().all(|depth| *depth <= 34), "{depths:?}");
    // All of it is one chain.
    let tie = bench.log[2].event.extension_text("correlationid").map(str::to_owned);
    assert!(
        tie.is_some()
            && bench.log[2..].iter().all(|record| record.event.extension_text("correlationid") == tie.as_deref())
    );
}

#[test]
fn a_rule_that_starts_on_the_end_of_its_own_runs_ends() {
    let spec = format!("when: {{ event: {{ type: [go, dev.ensue.run.finished] }} }}\n{SET}");
    let mut bench = Bench::new(&[rule("r", &spec)]);
    bench.event("go", "e1", json!({}));
    assert!(bench.log.len() < 1_000_000, "it ended");
    assert!(bench.log.iter().any(|record| &*record.event.kind == "dev.ensue.chain.cut"));
}

#[test]
fn records_of_ours_are_matched_only_by_patterns_that_name_the_prefix() {
    for (pattern, hears) in [
        ("{ type: [dev.ensue.run.finished] }", true),
        ("{ type: [{ prefix: dev.ensue.run.f }] }", true),
        ("{ type: [{ prefix: dev. }] }", false),
        ("{ type: [{ wildcard: \"*\" }] }", false),
        ("{ type: [{ anything-but: go }] }", false),
        ("{ source: [{ prefix: / }] }", false),
        ("{ data: { status: [succeeded] } }", false),
    ] {
        let all = format!("when: {{ event: {pattern} }}\n{SET}");
        let go = format!("when: {{ event: {{ type: [go] }} }}\n{SET}");
        // Another rule that hears records of ours does not make this one hear them.
        let other = "when: { event: { type: [dev.ensue.node.stopped] } }\nsteps: []";
        let mut bench = Bench::new(&[rule("all", &all), rule("go", &go), rule("other", other)]);
        bench.event("go", "e1", json!({}));
        let heard = bench.log.iter().filter(|record| {
            matches!(Ours::of(&record.event), Ok(Ours::RuleFired(fired))
            if fired.rule == "default/all" && fired.events[0].event["type"].as_str().unwrap().starts_with("dev.ensue."))
        });
        assert_eq!(heard.count() > 0, hears, "{pattern}");
    }
}

#[test]
fn a_record_of_ours_is_known_by_its_origin() {
    let mut bench = Bench::new(&[rule("r", &format!("when: {{ event: {{ type: [go] }} }}\n{SET}"))]);
    let before = bench.dump();
    // From outside: an event that pretends. It changes nothing but the counts of its source.
    bench.event("dev.ensue.config.applied", "x", json!({"v": 1, "documents": [], "files": [], "observe": true}));
    let after = bench.dump();
    let changed: Vec<&str> =
        after.lines().filter(|line| !before.contains(line)).filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(changed, ["meta", "sources"]);
    assert!(!bench.engine.state().meta.observe);
}

#[test]
fn decisions_are_kept_up_to_a_bound() {
    let mut bench = Bench::new(&[rule("r", &format!("when: {{ event: {{ type: [go] }} }}\nif: false\n{SET}"))]);
    for n in 0..ensue_engine::state::KEPT_DECISIONS + 10 {
        bench.event("go", &format!("e{n}"), json!({}));
    }
    let decisions = &bench.engine.state().decisions;
    assert_eq!(decisions.len(), ensue_engine::state::KEPT_DECISIONS);
    assert_eq!(decisions.first().unwrap().0.0, Position(11), "the oldest go first");
}
