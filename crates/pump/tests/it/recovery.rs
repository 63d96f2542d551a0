//! Is this state of this log, and what does a start make of what it finds?

use ensue_event::ours::{Command, NodeStopped};
use ensue_event::{Digest, Position, Span};
use ensue_log::Log;
use ensue_pump::Rebuild;
use ensue_state::{Applied, State};

use crate::kit::World;

#[test]
fn state_ahead_of_the_log() {
    let mut world = World::new();
    let mut node = world.start();
    node.event("natural", "e1");
    node.check(&world);
    let state = node.pump.engine().state().meta.folded.unwrap();
    world.kill(node);
    // The log is an older copy: here, none.
    world.disk = ensue_log::disk::FaultDisk::new();
    let log = ensue_log::FileLog::open(
        std::sync::Arc::new(world.disk.clone()),
        std::path::Path::new("/log"),
        ensue_log::Options { background: false, ..Default::default() },
        None,
    )
    .unwrap()
    .0;
    assert_eq!(world.open(&log).err(), Some(Rebuild::Ahead { state, end: Position(0) }));
    drop(log);
    // The start sets the state aside and goes on with what the log says.
    let mut node = world.start();
    node.check(&world);
    assert_eq!(node.runs().len(), 0);
}

#[test]
fn state_of_another_log() {
    let mut world = World::new();
    let mut node = world.start();
    node.event("natural", "e1");
    node.check(&world);
    let state = node.pump.engine().state().meta.folded.unwrap();
    world.kill(node);
    // Another history, longer than the first.
    let mut other = World::new();
    let mut node = other.start();
    for n in 0..10 {
        node.event("once", &format!("x{n}"));
    }
    node.catch_up();
    other.kill(node);
    world.disk = other.disk;
    assert_eq!(world.open(&world.log()).err(), Some(Rebuild::Chain(state)));
    let mut node = world.start();
    node.check(&world);
    assert_eq!(node.runs().len(), 10);
}

#[test]
fn state_of_another_fold_version() {
    let mut world = World::new();
    let mut node = world.start();
    node.event("both", "e1");
    node.check(&world);
    let dump = world.store.dump().unwrap();
    let position = node.pump.engine().state().meta.folded;
    let chain = node.log.chain(position.unwrap()).unwrap();
    world.kill(node);
    let applied = Applied { position, chain, fold: ensue_engine::FOLD + 1, extra: serde_json::Value::Null };
    world.store.commit(&[], &applied).unwrap();
    assert_eq!(world.open(&world.log()).err(), Some(Rebuild::Version(ensue_engine::FOLD + 1)));
    world.store.set_aside();
    let mut log = world.log();
    let (mut pump, start) = world.open(&log).unwrap();
    assert_eq!(start.from, Position(0));
    for entry in log.read(Position(0), usize::MAX, usize::MAX).unwrap() {
        pump.fold(entry.record().unwrap()).unwrap();
    }
    pump.checkpoint(chain).unwrap();
    log.set_checkpoint(position.unwrap(), chain);
    assert_eq!(pump.store().dump().unwrap(), dump, "the same rows from the first record on");
}

#[test]
fn a_row_that_cannot_be_read() {
    let mut world = World::new();
    let node = world.start();
    let applied = world.store.applied().unwrap().unwrap();
    world.kill(node);
    let bad = ensue_state::Change { table: "runs", key: vec![1; 16], value: Some(b"{".to_vec()) };
    world.store.commit(&[bad], &applied).unwrap();
    assert!(matches!(world.open(&world.log()), Err(Rebuild::Row(why)) if why.contains("runs")));
    let mut node = world.start();
    node.check(&world);
}

#[test]
fn two_hours_down() {
    for (kind, frozen, down, uncertain) in [
        // It was decided too long ago to be done now without asking.
        ("natural", false, Span::hours(2), 1),
        ("keyed", false, Span::hours(2), 1),
        ("natural", false, Span::mins(59), 0),
        // Held by a freeze, or never announced: it was not dispatched.
        ("natural", true, Span::hours(2), 0),
        ("once", false, Span::hours(2), 0),
    ] {
        let mut world = World::new();
        let mut node = world.start();
        if frozen {
            node.operator(Command::Freeze { connection: None, rule: None });
        }
        node.event(kind, "e1");
        node.catch_up();
        node.checkpoint();
        world.kill(node);
        world.wall = world.wall + down;
        let mut node = world.start();
        assert_eq!(node.count("dev.ensue.action.uncertain"), uncertain, "{kind} {down} frozen {frozen}");
        let leaves = usize::from(uncertain == 0 && !frozen);
        assert_eq!(node.work().len(), leaves, "{kind} {down} frozen {frozen}");
        let standing = if uncertain == 1 { "uncertain" } else { "running" };
        assert_eq!(node.statuses(), [standing], "{kind} {down} frozen {frozen}");
        node.check(&world);
    }
}

#[test]
fn a_retry_that_was_due_while_it_was_down_was_not_decided_back_then() {
    let mut world = World::new();
    let mut node = world.start();
    node.event("natural", "e1");
    let work = node.work();
    let failure = ensue_event::ours::Failure::new("Connect", "refused").retryable();
    node.answer(&work[0], ensue_event::ours::Answer::Err(failure));
    node.catch_up();
    node.checkpoint();
    world.kill(node);
    // Due ten seconds later, met at the start two hours later; then it dies at once.
    world.wall = world.wall + Span::hours(2);
    let node = world.start();
    assert_eq!(node.pump.engine().state().outbox.len(), 1);
    world.kill(node);
    let mut node = world.start();
    assert_eq!(node.count("dev.ensue.action.uncertain"), 0, "it was decided a moment ago");
    assert_eq!(node.work()[0].effect.attempt, 2);
}

#[test]
fn a_stop_in_good_order_and_one_that_is_not() {
    let mut world = World::new();
    let mut node = world.start();
    assert!(!node.found.clean, "the first start knows of no stop");
    node.say(&NodeStopped { reason: "a test".into() }.into());
    node.catch_up();
    node.checkpoint();
    node.pump.stopped();
    world.kill(node);
    let node = world.start();
    assert!(node.found.clean);
    world.kill(node);
    let node = world.start();
    assert!(!node.found.clean, "killed");
    drop(node);
}

/// One start that folds up to a record and dies on it. It says whether it was careful.
fn die_on(world: &mut World, bad: Position) -> bool {
    let mut log = world.log();
    let (mut pump, start) = world.open(&log).unwrap();
    for entry in log.read(start.from, usize::MAX, usize::MAX).unwrap() {
        let record = entry.record().unwrap();
        // What is folded and not committed dies with the process: as if it had died while folding.
        pump.fold(record).unwrap();
        if record.position == bad && !start.careful {
            break;
        }
        if record.position == bad {
            break;
        }
        if pump.checkpoint_due() {
            let chain: Digest = log.chain(record.position).unwrap();
            pump.checkpoint(chain).unwrap();
            log.set_checkpoint(record.position, chain);
        }
    }
    drop(pump);
    drop(log);
    world.disk.kill();
    start.careful
}

#[test]
fn three_kills_during_recovery() {
    let mut world = World::new();
    let mut node = world.start();
    node.event("natural", "before");
    let bad = node.event("natural", "bad");
    node.event("natural", "after");
    world.kill(node);

    // Two starts die without progress; the third and the fourth are careful, and die on that record.
    let careful: Vec<bool> = (0..4).map(|_| die_on(&mut world, bad)).collect();
    assert_eq!(careful, [false, false, true, true]);
    // Careful starts committed what came before: only the bad record is left to be found guilty.
    assert_eq!(world.store.applied().unwrap().unwrap().position, Some(Position(bad.0 - 1)));

    let mut node = world.start();
    assert!(node.found.careful);
    node.check(&world);
    assert_eq!(node.count("dev.ensue.record.quarantined"), 1);
    let quarantined = crate::kit::quarantined(&node.log);
    assert_eq!(quarantined.into_iter().collect::<Vec<_>>(), [bad]);
    assert_eq!(node.runs().len(), 2, "the record before and the one after are folded");
    world.kill(node);
    // It lives, so the next start is like any other.
    let mut node = world.start();
    assert!(!node.found.careful);
    node.check(&world);
    assert_eq!(node.runs().len(), 2);
}

#[test]
fn one_death_accuses_nobody() {
    let mut world = World::new();
    let mut node = world.start();
    let bad = node.event("natural", "bad");
    world.kill(node);
    for _ in 0..3 {
        die_on(&mut world, bad);
    }
    // A careful start died on it once: the next one folds it, and it goes well.
    let mut node = world.start();
    assert!(node.found.careful);
    node.check(&world);
    assert_eq!(node.count("dev.ensue.record.quarantined"), 0);
    assert_eq!(node.runs().len(), 1);
}
