//! Records that cannot be folded: they are set aside, that is said, and the next one is folded.

use ensue_event::ours::{ActionAnswered, Command, Mode, Ours, RuleFired};
use ensue_event::{Digest, Event, Key, Origin, Position};
use ensue_log::Log;
use ensue_pump::pump::node as of_node;
use ensue_pump::{Outgoing, start};

use crate::kit::World;

#[test]
fn a_record_on_which_the_fold_panics() {
    let mut world = World::new();
    let mut node = world.start();
    let bad = node.event("natural", "bad");
    node.event("natural", "good");
    node.fold_but(bad);
    node.check(&world);
    assert_eq!(node.count("dev.ensue.record.quarantined"), 1);
    let quarantine = node.log.find_by(ensue_log::By::Type("dev.ensue.record.quarantined"), 1).unwrap();
    let Ok(Ours::RecordQuarantined(told)) = Ours::of(&quarantine[0].event) else { panic!("{quarantine:?}") };
    assert_eq!(told.position, bad);
    assert!(told.reason.contains("the fold panicked") && told.reason.contains("broken on purpose"), "{}", told.reason);
    assert_eq!(node.runs().len(), 1);
    // A rebuild, by a fold that would not panic, passes it by all the same: what happened stays what happened.
    world.kill(node);
    world.store.set_aside();
    let mut node = world.start();
    node.check(&world);
    assert_eq!(node.runs().len(), 1);
    assert_eq!(node.count("dev.ensue.record.quarantined"), 1);
}

#[test]
fn a_record_of_ours_that_cannot_be_read() {
    let mut world = World::new();
    let mut node = world.start();
    let at = node.log.end();
    let forged = Event::new("x", "/ensue/node", "dev.ensue.action.answered").with_json(&serde_json::json!({"v": 99}));
    node.send(vec![Outgoing { origin: Origin::Node, event: forged }]);
    // The same type from outside is an event like any other: nobody can forge one.
    node.event("dev.ensue.action.answered", "outside");
    node.event("natural", "good");
    node.check(&world);
    assert_eq!(crate::kit::quarantined(&node.log).into_iter().collect::<Vec<_>>(), [at]);
    assert_eq!(node.runs().len(), 1);
}

#[test]
fn a_firing_whose_definition_is_not_there_is_parked_nowhere_and_said() {
    let mut world = World::new();
    let mut node = world.start();
    let fired = RuleFired {
        firing: Key::of("fired", &[b"none"]),
        rule: "default/get".into(),
        definition: Digest::of(b"none"),
        mode: Mode::Live,
        key: None,
        events: Vec::new(),
        due: None,
        timed: false,
        count: None,
        batch: Vec::new(),
        lets: serde_json::Map::new(),
    };
    node.send(vec![of_node("f".into(), &fired.into())]);
    node.event("natural", "good");
    node.check(&world);
    assert_eq!(node.count("dev.ensue.record.quarantined"), 1);
    assert_eq!((node.runs().len(), node.pump.engine().state().parked.len()), (1, 0));
}

#[test]
fn a_configuration_that_cannot_be_folded_stops_the_start() {
    let mut world = World::new();
    let mut node = world.start();
    let files = vec![ensue_event::ours::ConfigFile { path: "t.yaml".into(), text: "kind: [".into() }];
    let wrong = ensue_event::ours::ConfigApplied { documents: Vec::new(), files, observe: false };
    let at = node.log.end();
    node.say(&wrong.into());
    let record = node.record(at);
    let before = node.pump.engine().state().meta.clone();
    let why = node.pump.fold(&record).unwrap_err();
    assert!(why.to_string().contains("the configuration in this record is not accepted"), "{why}");
    assert_eq!(node.pump.engine().state().meta, before, "nothing is changed");
    assert_eq!(node.pump.wants(), at);
}

#[test]
fn a_quarantined_answer() {
    // The step is uncertain: its policy asks a person, or does it again.
    for (kind, standing) in [("once", "uncertain"), ("notice", "running")] {
        let mut world = World::new();
        let mut node = world.start();
        node.event(kind, "e1");
        let work = node.work();
        let answer = node.ok(&work[0]);
        node.fold_but(answer);
        node.check(&world);
        assert_eq!(node.statuses(), [standing], "{kind}");
        assert_eq!(node.pump.dispatch().flying(), 0, "{kind}: nobody waits for that answer");
        let again = node.work();
        assert_eq!(again.len(), usize::from(kind == "notice"), "{kind}");
        world.kill(node);
        let mut node = world.start();
        node.check(&world);
    }
}

#[test]
fn a_quarantined_answer_of_an_attempt_that_is_over() {
    let mut world = World::new();
    let mut node = world.start();
    node.event("notice", "e1");
    let first = node.work();
    world.kill(node);
    let mut node = world.start();
    let second = node.work();
    assert_eq!(second[0].effect.attempt, 2);
    let late = node.ok(&first[0]);
    node.fold_but(late);
    node.catch_up();
    assert_eq!(node.statuses(), ["running"]);
    assert_eq!(node.pump.engine().state().outbox.len(), 1, "the second attempt is still under way");
    node.ok(&second[0]);
    node.check(&world);
    assert_eq!(node.statuses(), ["succeeded"]);
}

/// A firing that cannot be folded, with another emission right behind it.
fn firing_aside(world: &mut World) -> (crate::kit::Node, Key) {
    let mut node = world.start();
    node.event("both", "e1");
    node.fold();
    let firing = node.log.end();
    node.flush();
    node.fold_but(firing);
    let Ok(Ours::RuleFired(fired)) = Ours::of(&node.record(firing).event) else { panic!("no firing") };
    (node, fired.firing)
}

#[test]
fn a_quarantined_firing_is_parked_and_can_be_redriven() {
    let mut world = World::new();
    let (mut node, firing) = firing_aside(&mut world);
    node.check(&world);
    assert_eq!(node.count("dev.ensue.rule.parked"), 1);
    assert_eq!(node.runs().len(), 1, "the other firing went on");
    let parked = node.pump.engine().state().parked.get(&firing).cloned().expect("it is parked");
    assert!(parked.reason.contains("broken on purpose"), "{}", parked.reason);
    // It survives deaths and rebuilds.
    world.kill(node);
    let mut node = world.start();
    node.check(&world);
    assert_eq!(node.runs().len(), 1);
    node.operator(Command::Redrive { firing });
    node.operator(Command::Redrive { firing });
    node.check(&world);
    assert_eq!(node.runs().len(), 2);
    assert_eq!(node.work().len(), 2);
}

#[test]
fn a_quarantined_firing_can_be_discarded() {
    let mut world = World::new();
    let (mut node, firing) = firing_aside(&mut world);
    node.catch_up();
    node.operator(Command::Discard { firing });
    node.operator(Command::Redrive { firing });
    node.check(&world);
    assert_eq!((node.runs().len(), node.pump.engine().state().parked.len()), (1, 0));
}

#[test]
fn a_death_before_the_quarantine_of_a_firing_is_said() {
    let mut world = World::new();
    let (node, _) = firing_aside(&mut world);
    // The quarantine was handed out to nobody: no checkpoint has passed the record, and the next start folds it.
    world.kill(node);
    let mut node = world.start();
    node.check(&world);
    assert_eq!((node.count("dev.ensue.record.quarantined"), node.runs().len()), (0, 2));
}

#[test]
fn no_checkpoint_passes_a_record_before_its_quarantine_is_durable() {
    let mut world = World::new();
    let mut node = world.start();
    let bad = node.event("natural", "bad");
    node.fold_but(bad);
    assert!(!node.checkpoint(), "nobody was told");
    node.flush();
    assert!(!node.checkpoint(), "told, and not folded");
    node.fold();
    assert!(node.checkpoint());
    node.check(&world);
}

#[test]
fn a_quarantine_that_cannot_be_folded_is_set_aside_itself() {
    let mut world = World::new();
    let mut node = world.start();
    let bad = node.event("natural", "bad");
    node.fold_but(bad);
    let quarantine = node.log.end();
    node.flush();
    node.fold_but(quarantine);
    node.check(&world);
    assert_eq!(node.count("dev.ensue.record.quarantined"), 2);
}

#[test]
fn bytes_that_cannot_be_read_and_records_that_were_destroyed() {
    let mut world = World::new();
    let mut node = world.start();
    let wants = node.pump.wants();
    node.event("natural", "destroyed");
    node.event("natural", "unreadable");
    node.event("natural", "good");
    node.pump.purged(wants);
    node.pump.unreadable(wants.next(), "its bytes are not what was written");
    // A second word about either is nothing.
    node.pump.purged(wants);
    node.pump.unreadable(wants, "again");
    assert!(!node.checkpoint());
    node.catch_up();
    assert!(node.checkpoint());
    let told = crate::kit::quarantined(&node.log);
    assert_eq!(told.into_iter().collect::<Vec<_>>(), [wants.next()], "what was destroyed on request is no news");
    assert_eq!(node.runs().len(), 1);
}

#[test]
fn an_answer_of_nobody() {
    let mut world = World::new();
    let mut node = world.start();
    let of = ensue_event::ours::Attempt { effect: Key([1; 16]), attempt: 1, run: Key([2; 16]), step: "a".into() };
    node.say(
        &ActionAnswered { of, answer: ensue_event::ours::Answer::Ok(serde_json::json!({})), began: None, log: None }
            .into(),
    );
    node.check(&world);
    assert_eq!(node.count("dev.ensue.record.quarantined"), 0);
}

#[test]
fn a_position_that_was_set_aside_stays_so_for_every_later_start() {
    let mut world = World::new();
    let mut node = world.start();
    let bad = node.event("natural", "bad");
    node.fold_but(bad);
    node.check(&world);
    let (log, store) = (&node.log, ensue_state::Memory::new(ensue_engine::state::TABLES).unwrap());
    let aside = crate::kit::quarantined(log);
    let (mut pump, start) = start::open(store, log.end(), &|_| None, aside).map_err(|(_, why)| why).unwrap();
    assert_eq!(start.from, Position(0));
    for entry in log.read(Position(0), usize::MAX, usize::MAX).unwrap() {
        pump.fold(entry.record().unwrap()).unwrap();
    }
    assert_eq!(pump.outgoing(), [], "it is not said again");
    assert_eq!(pump.engine().state().runs.len(), 0);
}
