//! Death between any two of: decided, appended, folded, committed, dispatched, answered.

use ensue_event::ours::{Answer, Command, Failure};
use ensue_log::Log;
use ensue_state::State;

use crate::kit::World;

#[test]
fn one_of_two_firings_appended() {
    let mut world = World::new();
    let mut node = world.start();
    node.event("both", "e1");
    node.fold();
    let mut out = node.pump.outgoing();
    assert_eq!(out.len(), 2, "two rules fire");
    out.truncate(1);
    node.send(out);
    world.kill(node);

    let mut node = world.start();
    node.check(&world);
    assert_eq!(node.count("dev.ensue.rule.fired"), 2, "the second one, and the first not again");
    assert_eq!(node.count("dev.ensue.run.started"), 2);
    assert_eq!(node.work().len(), 2);
}

#[test]
fn emission_appended_but_not_checkpointed() {
    // Appended and not folded; appended and folded: in both no checkpoint knows of it.
    for fold in [false, true] {
        let mut world = World::new();
        let mut node = world.start();
        node.event("both", "e1");
        node.fold();
        node.flush();
        if fold {
            node.fold();
        }
        world.kill(node);

        let mut node = world.start();
        node.check(&world);
        assert_eq!(node.count("dev.ensue.rule.fired"), 2);
        assert_eq!(node.statuses(), ["running", "running"]);
    }
}

#[test]
fn emission_decided_before_a_checkpoint_and_not_appended() {
    let mut world = World::new();
    let mut node = world.start();
    node.event("both", "e1");
    node.fold();
    assert!(node.checkpoint());
    world.kill(node);

    let mut node = world.start();
    node.check(&world);
    assert_eq!(node.count("dev.ensue.rule.fired"), 2);
}

#[test]
fn outbox_committed_but_not_dispatched() {
    for kind in ["natural", "keyed", "once", "notice"] {
        let mut world = World::new();
        let mut node = world.start();
        node.event(kind, "e1");
        node.catch_up();
        assert!(node.checkpoint());
        let before = node.pump.engine().state().outbox.first().map(|(key, _)| *key);
        world.kill(node);

        let mut node = world.start();
        let work = node.work();
        assert_eq!(work.len(), 1, "{kind}: it never left, so it leaves now");
        assert_eq!((Some(work[0].effect.key), work[0].effect.attempt), (before, 1), "{kind}: with its key");
        assert_eq!(node.count("dev.ensue.action.uncertain"), 0, "{kind}");
        node.ok(&work[0]);
        node.check(&world);
        assert_eq!(node.statuses(), ["succeeded"], "{kind}");
    }
}

#[test]
fn an_effect_leaves_only_after_its_row_is_committed() {
    let mut world = World::new();
    let mut node = world.start();
    node.event("natural", "e1");
    node.catch_up();
    assert_eq!(node.pump.work(node.wall), (Vec::new(), Vec::new()), "decided and durable, but not committed");
    assert!(node.checkpoint());
    assert_eq!(node.pump.work(node.wall).1.len(), 1);
    assert_eq!(node.pump.work(node.wall).1.len(), 0, "it leaves once");
    node.check(&world);
}

#[test]
fn a_natural_or_keyed_action_done_without_an_answer_is_done_again_with_its_key() {
    for kind in ["natural", "keyed"] {
        let mut world = World::new();
        let mut node = world.start();
        node.event(kind, "e1");
        let first = node.work();
        world.kill(node);

        let mut node = world.start();
        let second = node.work();
        assert_eq!(second, first, "{kind}: the same attempt of the same effect");
        node.ok(&second[0]);
        node.check(&world);
        assert_eq!(node.statuses(), ["succeeded"]);
    }
}

#[test]
fn a_none_action_done_without_an_answer() {
    let mut world = World::new();
    let mut node = world.start();
    node.event("once", "e1");
    assert_eq!(node.work().len(), 1);
    world.kill(node);

    // Nobody knows whether it was done: a person decides.
    let mut node = world.start();
    assert_eq!(node.count("dev.ensue.action.uncertain"), 1);
    assert_eq!(node.statuses(), ["uncertain"]);
    assert_eq!(node.work().len(), 0);
    let run = node.runs()[0].id;
    node.operator(Command::Settle { run, step: "a".into(), verdict: "done".into() });
    node.check(&world);
    assert_eq!(node.statuses(), ["succeeded"]);
    // Another start asks nobody anything.
    world.kill(node);
    let node = world.start();
    assert_eq!(node.count("dev.ensue.action.uncertain"), 1);
}

#[test]
fn a_none_action_that_was_announced_and_whose_state_is_lost() {
    let mut world = World::new();
    let mut node = world.start();
    node.pump.store_mut().sync().unwrap();
    node.event("once", "e1");
    assert_eq!(node.work().len(), 1);
    // The power cut takes every commit since: the announcement in the log is what counts.
    world.cut_power(node, 0);
    let mut node = world.start();
    assert_eq!(node.statuses(), ["uncertain"]);
    assert_eq!(node.work().len(), 0);
    node.check(&world);
}

#[test]
fn a_none_action_whose_announcement_was_never_durable() {
    let mut world = World::new();
    let mut node = world.start();
    node.event("once", "e1");
    node.catch_up();
    node.checkpoint();
    let (announce, perform) = node.pump.work(node.wall);
    assert_eq!((announce.len(), perform.len()), (1, 0), "its start is recorded first");
    world.kill(node);

    let mut node = world.start();
    assert_eq!(node.count("dev.ensue.action.uncertain"), 0, "it was never dispatched");
    assert_eq!(node.work().len(), 1);
    assert_eq!(node.count("dev.ensue.action.started"), 1);
}

#[test]
fn a_notice_without_an_answer_is_said_again() {
    let mut world = World::new();
    let mut node = world.start();
    node.event("notice", "e1");
    let first = node.work();
    world.kill(node);

    let mut node = world.start();
    let second = node.work();
    assert_eq!(node.count("dev.ensue.action.uncertain"), 1);
    assert_eq!((second[0].effect.key, second[0].effect.attempt), (first[0].effect.key, 2));
    assert_eq!(node.count("dev.ensue.action.started"), 2);
    // The first attempt's answer comes late: it is nothing.
    node.ok(&first[0]);
    node.fold();
    assert_eq!(node.statuses(), ["running"]);
    node.ok(&second[0]);
    node.check(&world);
    assert_eq!(node.statuses(), ["succeeded"]);
}

#[test]
fn answer_without_checkpoint() {
    for fold in [false, true] {
        let mut world = World::new();
        let mut node = world.start();
        node.event("once", "e1");
        let work = node.work();
        node.ok(&work[0]);
        if fold {
            node.fold();
        }
        world.kill(node);

        let mut node = world.start();
        assert_eq!(node.work(), [], "a step with a recorded answer is not done again");
        assert_eq!(node.statuses(), ["succeeded"]);
        assert_eq!(node.count("posted"), 1, "what follows is said once");
        node.check(&world);
    }
}

#[test]
fn an_answer_twice_and_of_an_attempt_that_is_over() {
    let mut world = World::new();
    let mut node = world.start();
    node.event("natural", "e1");
    let first = node.work();
    let failure = Failure::new("Connect", "refused").retryable();
    node.answer(&first[0], Answer::Err(failure));
    node.fold();
    // The retry is due ten seconds later.
    node.wall = node.wall + ensue_event::Span::secs(10);
    node.tick();
    node.tick();
    let second = node.work();
    assert_eq!((second.len(), second[0].effect.key, second[0].effect.attempt), (1, first[0].effect.key, 2));
    node.ok(&first[0]);
    node.fold();
    assert_eq!(node.statuses(), ["running"]);
    node.ok(&second[0]);
    node.ok(&second[0]);
    node.check(&world);
    assert_eq!(node.statuses(), ["succeeded"]);
    assert_eq!(node.count("dev.ensue.run.finished"), 1);
}

#[test]
fn killed_after_every_single_thing_it_does() {
    // However often it dies, the same comes out: one run of each rule, each step done, nothing decided twice.
    for after in 0..24 {
        let mut world = World::new();
        let mut node = world.start();
        for (kind, id) in [("both", "e1"), ("once", "e2"), ("notice", "e3")] {
            node.event(kind, id);
        }
        let mut left = after;
        let mut died = false;
        let mut under_way = Vec::new();
        for turn in 0..200 {
            if left == 0 && !died {
                died = true;
                under_way.clear();
                world.kill(node);
                node = world.start();
            }
            left -= 1;
            match turn % 4 {
                0 => node.fold(),
                1 => node.flush(),
                2 => drop(node.checkpoint()),
                _ => {
                    let (announce, perform) = node.pump.work(node.wall);
                    node.send(announce);
                    under_way.extend(perform);
                    if let Some(row) = under_way.pop() {
                        node.ok(&row);
                    }
                }
            }
        }
        for run in node.runs().into_iter().filter(|run| !run.status.over()) {
            node.operator(Command::Settle { run: run.id, step: "a".into(), verdict: "done".into() });
        }
        node.check(&world);
        assert_eq!(node.statuses(), ["succeeded"; 4], "after {after}");
        assert_eq!(node.count("dev.ensue.rule.fired"), 4);
        assert_eq!(node.count("posted"), 1);
    }
}

#[test]
fn a_checkpoint_that_the_disk_refuses_loses_nothing() {
    let mut world = World::new();
    let mut node = world.start();
    node.event("both", "e1");
    node.catch_up();
    world.store.set_full(true);
    let last = node.pump.engine().state().meta.folded.unwrap();
    let chain = node.log.chain(last).unwrap();
    assert!(node.pump.checkpoint(chain).is_err());
    assert!(node.pump.work(node.wall).1.is_empty(), "nothing leaves without its row");
    node.event("once", "e2");
    node.catch_up();
    world.store.set_full(false);
    assert_eq!(node.work().len(), 3);
    node.check(&world);
    world.kill(node);
    let mut node = world.start();
    node.check(&world);
}

#[test]
fn disk_full_during_an_action() {
    let mut world = World::new();
    let mut node = world.start();
    node.event("natural", "e1");
    let work = node.work();
    world.disk.set_capacity(Some(world.disk.used()));
    let event = ensue_event::Event::new("e2", "/test", "natural");
    let draft = ensue_log::Draft::new(ensue_event::Origin::Source("default/test".into()), event);
    let at = node.log.last_at().unwrap();
    assert!(matches!(node.log.append(at, &[draft]), Err(ensue_log::Error::Full { .. })), "507 for what comes in");
    // The answer and what follows from it have a reserve.
    node.ok(&work[0]);
    node.check(&world);
    assert_eq!(node.statuses(), ["succeeded"]);
    world.disk.set_capacity(None);
    node.event("natural", "e3");
    node.check(&world);
    assert_eq!(node.runs().len(), 2);
}
