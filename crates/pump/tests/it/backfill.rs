//! Rules that start in the past: the pump takes them through the log, a chunk at a time.

use ensue_engine::Past;
use ensue_event::ours::{Backfill, ConfigApplied, ConfigFile, Ours};
use ensue_event::{Position, Span};
use ensue_log::Log;
use ensue_pump::LogPast;
use ensue_pump::pump::BACKFILL_RECORDS;

use crate::kit::{MANIFEST, Node, World};

fn configure(node: &mut Node, start: &str) {
    let rule = format!(
        "---\napiVersion: ensue.dev/v1\nkind: Rule\nmetadata: {{ name: past }}\nspec:\n  when: {{ event: {{ type: [seen] }} }}\n  \
         mode: shadow\n  storm: {{ perKey: 100000, perRule: 100000 }}\n  start: {start}\n  steps: []\n"
    );
    let files = vec![ConfigFile { path: "t.yaml".into(), text: format!("{MANIFEST}{rule}") }];
    node.say(&ConfigApplied { documents: Vec::new(), files, observe: false }.into());
}

fn told(node: &Node) -> Vec<Backfill> {
    let all = (0..node.log.end().0).map(|at| node.record(Position(at)));
    all.filter_map(|record| match Ours::of(&record.event) {
        Ok(Ours::Backfill(told)) => Some(told),
        _ => None,
    })
    .collect()
}

/// The ids of the events that the rule fired on.
fn fired(node: &Node) -> Vec<String> {
    let all = (0..node.log.end().0).map(|at| node.record(Position(at)));
    all.filter_map(|record| match Ours::of(&record.event) {
        Ok(Ours::RuleFired(fired)) => Some(fired.events[0].event["id"].as_str().unwrap().to_owned()),
        _ => None,
    })
    .collect()
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("e{n}")).collect()
}

#[test]
fn chunk_after_chunk_and_then_live() {
    let mut world = World::new();
    let mut node = world.start();
    for id in ids(1_200) {
        node.event("seen", &id);
    }
    node.catch_up();
    configure(&mut node, "beginning");
    node.fold();
    node.flush();
    // One at a time: the next when this one is folded.
    assert_eq!(node.pump.outgoing(), []);
    assert_eq!(told(&node).len(), 1);
    node.event("seen", "between");
    node.catch_up();
    let chunks = told(&node);
    assert!(chunks.iter().all(|chunk| chunk.to.0 - chunk.from.0 == BACKFILL_RECORDS));
    assert!(chunks.windows(2).all(|pair| pair[0].to == pair[1].from), "{chunks:?}");
    node.event("seen", "live");
    let mut expected = ids(1_200);
    expected.extend(["between".to_owned(), "live".to_owned()]);
    node.check(&world);
    assert!(fired(&node) == expected, "{:?}", fired(&node).last());
    assert!(node.pump.engine().state().backfills.is_empty());
}

#[test]
fn a_crash_or_a_cut_of_power_on_the_way() {
    for power in [false, true] {
        let mut world = World::new();
        let mut node = world.start();
        for id in ids(900) {
            node.event("seen", &id);
        }
        configure(&mut node, "beginning");
        // It dies after each of its next turns.
        for turn in 0..6 {
            node.fold();
            node.flush();
            if turn % 2 == 0 {
                node.checkpoint();
            }
            node.event("seen", &format!("turn-{turn}"));
            if power {
                world.cut_power(node, turn)
            } else {
                world.kill(node)
            }
            node = world.start();
        }
        node.check(&world);
        let mut expected = ids(900);
        expected.extend((0..6).map(|turn| format!("turn-{turn}")));
        assert!(fired(&node) == expected, "power: {power}");
    }
}

#[test]
fn what_is_purged_or_trimmed_is_passed_over() {
    let mut world = World::new();
    let mut node = world.start();
    let mut positions = Vec::new();
    for id in ids(1_500) {
        positions.push(node.event("seen", &id));
    }
    node.check(&world);
    node.log.purge(&positions[1_400..1_410]).unwrap();
    let trimmed = node.log.trim(positions[700]).unwrap();
    assert!(trimmed.first > Position(0));
    configure(&mut node, "beginning");
    node.catch_up();
    let kept: Vec<String> = ids(1_500)
        .into_iter()
        .zip(&positions)
        .filter(|(_, at)| **at >= trimmed.first && !positions[1_400..1_410].contains(at))
        .map(|(id, _)| id)
        .collect();
    let told: Vec<String> = (trimmed.first.0..node.log.end().0)
        .filter(|at| !positions[1_400..1_410].contains(&Position(*at)))
        .filter_map(|at| match Ours::of(&node.record(Position(at)).event) {
            Ok(Ours::RuleFired(fired)) => Some(fired.events[0].event["id"].as_str().unwrap().to_owned()),
            _ => None,
        })
        .collect();
    assert!(told == kept, "{} and {}", told.len(), kept.len());
}

#[test]
fn the_first_record_of_a_time() {
    let mut world = World::new();
    let mut node = world.start();
    let mut all = Vec::new();
    for n in 0..200 {
        // Several have one time.
        node.wall = node.wall + Span::secs(i64::from(n % 3 == 0));
        let position = node.event("seen", &format!("e{n}"));
        all.push((node.record(position).at, position));
    }
    let past = LogPast::new(node.log.reader(), None);
    for (at, _) in &all {
        let first = all.iter().find(|(other, _)| other >= at).unwrap().1;
        let found = past.since(*at).unwrap();
        assert!(found <= first && node.record(found).at >= *at, "{at}: {found}, not {first}");
        assert!(found == Position(0) || node.record(Position(found.0 - 1)).at < *at);
    }
    assert_eq!(past.since(ensue_event::Time::MAX).unwrap(), node.log.end());
    assert_eq!(past.since(ensue_event::Time::MIN).unwrap(), Position(0));
}
