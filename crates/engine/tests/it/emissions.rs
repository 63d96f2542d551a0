//! Emissions: ids, numbers, order, and what a second one is.

use ensue_event::ours::Ours;
use ensue_event::{Emission, Event, Key, Origin, Position, Record};
use serde_json::json;

use crate::bench::{Bench, fold_anew, key_of, rule};

const GO: &str =
    "when: { event: { type: [go] } }\nsteps: [ { id: a, set: { x: 1 } }, { id: b, emit: { type: went } } ]";

#[test]
fn ids_of_what_is_decided_are_hashes_of_what_it_was_decided_from() {
    let mut bench = Bench::new(&[rule("r", GO)]);
    let position = bench.event("go", "e1", json!({}));
    let digest = bench.engine.config().rules[0].digest;
    let of = |position: Position, id: &[u8]| {
        let parts: [&[u8]; 6] = [b"default/r", &digest.0, b"", &position.bytes(), b"/test", id];
        Key::of("fired", &parts)
    };
    let firing = of(position, b"e1");
    let by_type = |kind: &str| bench.log.iter().find(|record| &*record.event.kind == kind).unwrap();
    for (kind, id) in [
        ("dev.ensue.rule.fired", firing),
        ("dev.ensue.run.started", Key::of("run.started", &[&firing.0, &[0; 4]])),
        ("went", Key::of("effect", &[&firing.0, b"b", &[0; 4], &[0; 4]])),
        ("dev.ensue.run.finished", Key::of("run.over", &[&firing.0, &[0; 4]])),
    ] {
        assert_eq!(key_of(&by_type(kind).event), id, "{kind}");
    }
    assert_eq!(bench.runs()[0].id, firing, "a run's id is its firing's");
    // The formula is part of the log's format, and so is the canonical form that the digest is of.
    assert_eq!(firing.to_string(), "e70c2ae2ebe225833cb221c92569ed99", "another version of the fold");
    // Another position or another event is another firing: two logs have the same positions.
    assert_eq!(bench.event("go", "e2", json!({})), Position(6));
    assert_eq!(bench.runs()[1].id, of(Position(6), b"e2"));
    let mut other = Bench::new(&[rule("r", GO)]);
    other.event("go", "another", json!({}));
    assert_ne!(other.runs()[0].id, firing);
}

#[test]
fn emissions_are_numbered_in_the_order_of_decision() {
    let mut bench = Bench::new(&[rule("b", GO), rule("a", GO)]);
    let position = bench.event("go", "e1", json!({}));
    insta::assert_snapshot!(bench.told(position), @r#"
    1 go
    2 emitted 1.0 dev.ensue.rule.fired default/a Live
    3 emitted 1.1 dev.ensue.rule.fired default/b Live
    4 emitted 2.0 dev.ensue.run.started default/a
    5 emitted 2.1 went
    6 emitted 2.2 dev.ensue.run.finished default/a succeeded
    7 emitted 3.0 dev.ensue.run.started default/b
    8 emitted 3.1 went
    9 emitted 3.2 dev.ensue.run.finished default/b succeeded
    "#);
}

#[test]
fn what_ties_a_chain_together_is_kept_and_its_depth_grows() {
    let mut bench = Bench::new(&[rule("r", GO)]);
    bench.event("go", "e1", json!({}));
    let chain = |kind: &str| {
        let event = &bench.log.iter().find(|record| &*record.event.kind == kind).unwrap().event;
        let text = |name| event.extension_text(name).unwrap_or_default().to_owned();
        (text("correlationid"), text("causationid"), event.depth())
    };
    let (tie, firing) = (Key::of("correlation", &[b"/test", b"e1"]).to_string(), bench.runs()[0].id.to_string());
    assert_eq!(chain("dev.ensue.rule.fired"), (tie.clone(), "e1".into(), 1));
    assert_eq!(chain("dev.ensue.run.started"), (tie.clone(), firing.clone(), 1));
    assert_eq!(chain("went"), (tie.clone(), firing.clone(), 2));
    assert_eq!(chain("dev.ensue.run.finished"), (tie, firing, 2));
    // What says itself what it belongs to is believed.
    let mut tied = Event::new("e2", "/test", "go");
    tied.set_extension("correlationid", ensue_event::Attr::Text("order-7".into()));
    let at = bench.append(Origin::Source("default/test".into()), tied);
    assert!(
        bench.log[at.0 as usize + 1..]
            .iter()
            .all(|record| record.event.extension_text("correlationid") == Some("order-7"))
    );
}

/// A log in which an event was folded and its firings are not appended.
fn undelivered() -> (Bench, Vec<(Emission, Event)>) {
    let mut bench = Bench::new(&[rule("a", GO), rule("b", GO)]);
    bench.appends = false;
    bench.event("go", "e1", json!({}));
    let out = bench.outgoing();
    assert_eq!(out.len(), 2);
    (bench, out)
}

fn append(bench: &mut Bench, (place, event): &(Emission, Event)) -> Position {
    bench.append(Origin::Emitted(*place), event.clone())
}

#[test]
fn a_record_that_is_not_above_the_last_emission_folded_is_nothing() {
    let (mut bench, out) = undelivered();
    append(&mut bench, &out[0]);
    append(&mut bench, &out[1]);
    let (runs, meta) = (bench.runs(), bench.engine.state().meta.clone());
    // The same again, and one before it again.
    for again in [&out[1], &out[0], &out[1]] {
        append(&mut bench, again);
    }
    assert_eq!(bench.runs(), runs);
    let now = &bench.engine.state().meta;
    assert_eq!((now.emission, now.counts), (meta.emission, meta.counts));
}

#[test]
fn an_emission_is_kept_until_its_record_is_folded() {
    let (mut bench, out) = undelivered();
    assert_eq!(bench.engine.emissions(None).count(), 2);
    append(&mut bench, &out[0]);
    let left: Vec<Emission> =
        bench.engine.emissions(None).map(|(place, _)| place).filter(|place| place.position == Position(1)).collect();
    assert_eq!(left, [out[1].0]);
    // A start that finds it in state hands it out again, the same.
    bench.checkpoint();
    let again = bench.reloaded();
    let handed: Vec<_> =
        again.emissions(again.state().meta.emission).map(|(place, event)| (place, event.clone())).collect();
    assert_eq!(handed[0], out[1]);
}

#[test]
fn a_rebuild_takes_emissions_from_the_log_and_emits_anew_only_past_the_last() {
    let mut bench = Bench::new(&[rule("r", GO)]);
    bench.event("go", "e1", json!({}));
    bench.event("go", "e2", json!({}));
    let mut anew = fold_anew(&bench.log);
    assert_eq!(anew.dump(), bench.dump());
    assert_eq!(anew.engine.emissions(anew.engine.state().meta.emission).count(), 0);
    // A log that ends before its last emissions: exactly those are to be appended.
    let cut = bench.log.iter().position(|record| &*record.event.kind == "dev.ensue.run.started").unwrap();
    let mut short = fold_anew(&bench.log[..=cut]);
    let next = short.outgoing();
    assert_eq!(
        (Origin::Emitted(next[0].0), &next[0].1),
        (bench.log[cut + 1].origin.clone(), &bench.log[cut + 1].event)
    );
    // A fold that decides more than the one that wrote the log never rewrites what happened: what the log has passed is
    // not emitted. Here the log lacks the firing of the first event.
    let lacks: Vec<Record> = bench
        .log
        .iter()
        .enumerate()
        .filter(|(at, _)| *at < 2 || *at >= 6)
        .map(|(at, record)| {
            let position = if at < 2 { record.position } else { Position(record.position.0 - 4) };
            Record { position, ..record.clone() }
        })
        .collect();
    assert_eq!(&*lacks[2].event.id, "e2");
    let better = fold_anew(&lacks);
    let place = better.engine.state().meta.emission;
    assert_eq!(better.engine.emissions(place).count(), 0);
    assert_eq!(better.runs().len(), 1);
}

#[test]
fn a_firing_whose_record_is_set_aside_is_parked_and_passes_nothing_else_by() {
    let (mut bench, out) = undelivered();
    let position = Position(bench.log.len() as u64);
    let record = Record { position, at: bench.now, origin: Origin::Emitted(out[0].0), event: out[0].1.clone() };
    bench.log.push(record.clone());
    bench.engine.set_aside(&record);
    let Ok(Ours::RuleFired(fired)) = Ours::of(&record.event) else { panic!("no firing") };
    assert_eq!(bench.engine.state().parked.first().map(|(firing, _)| *firing), Some(fired.firing));
    append(&mut bench, &out[1]);
    assert_eq!(bench.runs().len(), 1);
    let told = ensue_event::ours::RecordQuarantined {
        position,
        reason: "a test".into(),
        answer: None,
        firing: Some(fired.firing),
    };
    let at = bench.ours(told);
    assert_eq!(bench.engine.state().parked.get(&fired.firing).unwrap().reason, "a test");
    assert!(bench.engine.emissions(None).any(|(_, event)| &*event.kind == "dev.ensue.rule.parked"));
    assert!(bench.decision(at, "default/a").is_some());
}
