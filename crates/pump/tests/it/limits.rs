//! What may leave, and when: limits of connections, freezes, and the announcement of what cannot be repeated.

use ensue_event::Span;
use ensue_event::ours::{Answer, Command};
use ensue_pump::Limit;
use serde_json::json;

use crate::kit::World;

#[test]
fn at_most_so_many_at_once_and_a_minute() {
    let mut world = World::new();
    let mut node = world.start();
    for n in 0..6 {
        node.event("narrow", &format!("e{n}"));
    }
    let first = node.work();
    assert_eq!(first.len(), 2, "concurrent: 2");
    assert_eq!(node.pump.dispatch().waiting(), 4);
    assert_eq!(node.pump.dispatch().wake(node.pump.engine()), None, "an answer is waited for, not a minute");
    node.ok(&first[0]);
    let third = node.work();
    assert_eq!(third.len(), 1);
    node.ok(&first[1]);
    node.ok(&third[0]);
    assert_eq!(node.work().len(), 0, "perMinute: 3");
    let began = node.wall;
    assert_eq!(node.pump.dispatch().wake(node.pump.engine()), Some(began + Span::mins(1)));
    node.wall = began + Span::secs(59);
    assert_eq!(node.work().len(), 0);
    node.wall = began + Span::mins(1);
    let fourth = node.work();
    assert_eq!(fourth.len(), 2);
    for row in &fourth {
        node.ok(row);
    }
    assert_eq!(node.work().len(), 1);
    assert_eq!(node.pump.dispatch().waiting(), 0);
}

#[test]
fn effects_of_a_connection_leave_in_the_order_in_which_they_were_decided() {
    let mut world = World::new();
    let mut node = world.start();
    for n in 0..5 {
        node.event("narrow", &format!("e{n}"));
        node.catch_up();
        node.checkpoint();
    }
    let mut paths = Vec::new();
    for _ in 0..5 {
        node.wall = node.wall + Span::mins(1);
        for row in node.work() {
            paths.push(row.effect.with["path"].as_str().unwrap().to_owned());
            node.ok(&row);
        }
    }
    assert_eq!(paths, ["/e0", "/e1", "/e2", "/e3", "/e4"]);
}

#[test]
fn a_full_connection_holds_up_no_other() {
    let mut world = World::new();
    let mut node = world.start();
    for n in 0..4 {
        node.event("narrow", &format!("e{n}"));
    }
    node.event("natural", "other");
    let connections: Vec<_> = node.work().into_iter().map(|row| row.effect.connection.unwrap()).collect();
    assert_eq!(connections, ["default/api", "default/narrow", "default/narrow"]);
}

#[test]
fn what_cannot_be_repeated_is_announced_first() {
    let mut world = World::new();
    let mut node = world.start();
    node.event("once", "e1");
    node.catch_up();
    node.checkpoint();
    let (announce, perform) = node.pump.work(node.wall);
    assert_eq!((announce.len(), perform.len()), (1, 0));
    assert_eq!(&*announce[0].event.kind, "dev.ensue.action.started");
    assert_eq!(node.pump.work(node.wall), (Vec::new(), Vec::new()), "announced once");
    node.send(announce);
    assert_eq!(node.pump.work(node.wall).1.len(), 0, "appended is not folded");
    node.fold();
    assert_eq!(node.pump.work(node.wall).1.len(), 1);
    assert_eq!(node.pump.work(node.wall).1.len(), 0, "and done once");
}

#[test]
fn a_run_that_is_cancelled_between_the_announcement_and_the_deed() {
    let mut world = World::new();
    let mut node = world.start();
    node.event("once", "e1");
    node.catch_up();
    node.checkpoint();
    let (announce, _) = node.pump.work(node.wall);
    node.send(announce);
    let run = node.runs()[0].id;
    node.operator(Command::CancelRun { run });
    node.fold();
    assert_eq!(node.pump.work(node.wall), (Vec::new(), Vec::new()), "nobody does it any more");
    assert_eq!(node.pump.dispatch().flying(), 0);
    node.check(&world);
    assert_eq!(node.statuses(), ["cancelled"]);
}

#[test]
fn a_freeze_holds_and_a_thaw_lets_go_or_discards() {
    for discard in [false, true] {
        let mut world = World::new();
        let mut node = world.start();
        node.operator(Command::Freeze { connection: Some("default/api".into()), rule: None });
        node.event("both", "e1");
        let left = node.work();
        assert_eq!(left.len(), 1, "only the other connection's");
        assert_eq!(left[0].effect.connection.as_deref(), Some("default/keyed"));
        // It holds across a death.
        world.kill(node);
        let mut node = world.start();
        assert_eq!(node.work().len(), 1);
        node.operator(Command::Thaw { connection: Some("default/api".into()), rule: None, discard });
        let released = node.work();
        assert_eq!(released.len(), usize::from(!discard), "discard {discard}");
        node.check(&world);
        let cancelled = node.statuses().iter().filter(|status| **status == "cancelled").count();
        assert_eq!(cancelled, usize::from(discard));
    }
}

#[test]
fn what_is_under_way_when_a_freeze_comes_is_not_done_twice_by_the_thaw() {
    let mut world = World::new();
    let mut node = world.start();
    node.event("natural", "e1");
    let work = node.work();
    node.operator(Command::Freeze { connection: None, rule: None });
    assert_eq!(node.work().len(), 0);
    node.operator(Command::Thaw { connection: None, rule: None, discard: false });
    assert_eq!(node.work().len(), 0);
    node.ok(&work[0]);
    node.check(&world);
    assert_eq!(node.statuses(), ["succeeded"]);
}

#[test]
fn nothing_new_leaves_while_it_is_held_but_what_was_announced_is_done() {
    let mut world = World::new();
    let mut node = world.start();
    node.event("once", "e1");
    node.catch_up();
    node.checkpoint();
    let (announce, _) = node.pump.work(node.wall);
    node.send(announce);
    node.event("natural", "e2");
    node.pump.hold(true);
    node.catch_up();
    node.checkpoint();
    let (announce, perform) = node.pump.work(node.wall);
    assert_eq!((announce.len(), perform.len()), (0, 1), "without an answer it would be uncertain");
    assert_eq!(perform[0].effect.step, "a");
    node.pump.hold(false);
    assert_eq!(node.work().len(), 1);
}

#[test]
fn places_are_free_again_however_an_effect_ends() {
    let mut world = World::new();
    let mut node = world.start();
    for n in 0..8 {
        node.event("narrow", &format!("e{n}"));
    }
    let mut seen = 0;
    for turn in 0..20 {
        node.wall = node.wall + Span::mins(1);
        for row in node.work() {
            seen += 1;
            let failure = ensue_event::ours::Failure::new("Denied", "no");
            match turn % 4 {
                0 => drop(node.ok(&row)),
                1 => drop(node.answer(&row, Answer::Err(failure))),
                2 => {
                    // The run is cancelled, and the action answers all the same.
                    node.operator(Command::CancelRun { run: row.effect.run });
                    node.ok(&row);
                }
                _ => {
                    let reason = "a test".to_owned();
                    node.say(&ensue_event::ours::ActionUncertain { of: row.attempt(), reason }.into());
                }
            }
        }
    }
    assert_eq!((seen, node.pump.dispatch().flying(), node.pump.dispatch().waiting()), (8, 0, 0));
}

/// So many different things are changed in an hour: what was changed may be changed again, others wait, and pass each
/// other where their targets differ.
#[test]
fn distinct_targets_an_hour() {
    let mut world = World::new();
    let mut node = world.start();
    let send = |node: &mut crate::kit::Node, id: &str, of: &str| node.said("careful", id, json!({"of": of}));
    for (id, of) in [("e1", "a"), ("e2", "b"), ("e3", "c"), ("e4", "a"), ("e5", "d")] {
        send(&mut node, id, of);
    }
    let began = node.wall;
    let first = node.work();
    let targets: Vec<&str> = first.iter().map(|row| row.target.as_deref().unwrap()).collect();
    assert_eq!(targets, ["PUT api.example.com/v1/a", "PUT api.example.com/v1/b", "PUT api.example.com/v1/a"]);
    let load = node.pump.dispatch().load("default/careful", node.pump.engine(), node.wall);
    assert_eq!((load.concurrent, load.targets.len(), load.waiting.len()), (3, 2, 2));
    assert_eq!(load.by, [(Limit::DistinctTargetsPerHour, Some(began + Span::mins(60)))]);
    assert_eq!(node.pump.dispatch().wake(node.pump.engine()), Some(began + Span::mins(60)));
    for row in &first {
        node.ok(row);
    }
    // It counts from the last use on, and what waits keeps its order.
    node.wall = began + Span::mins(30);
    send(&mut node, "e6", "b");
    let again = node.work();
    assert_eq!(again.len(), 1);
    node.ok(&again[0]);
    node.wall = began + Span::mins(60);
    let third = node.work();
    assert_eq!(third.len(), 1, "a is free, b is not");
    assert_eq!(third[0].target.as_deref(), Some("PUT api.example.com/v1/c"));
    node.ok(&third[0]);
    node.wall = began + Span::mins(90);
    assert_eq!(node.work().len(), 1);
    assert_eq!(node.pump.dispatch().waiting(), 0);
}

/// Whatever the process died of, what it did counts.
#[test]
fn limits_are_counted_again_after_a_restart() {
    let mut world = World::new();
    let mut node = world.start();
    for n in 0..4 {
        node.event("narrow", &format!("e{n}"));
    }
    let began = node.wall;
    for row in node.work() {
        node.ok(&row);
    }
    for row in node.work() {
        node.ok(&row);
    }
    node.said("careful", "t1", json!({"of": "a"}));
    node.said("careful", "t2", json!({"of": "b"}));
    for row in node.work() {
        node.ok(&row);
    }
    node.said("careful", "t3", json!({"of": "c"}));
    node.catch_up();
    node.checkpoint();
    world.kill(node);
    let mut node = world.start();
    node.wall = began + Span::secs(30);
    assert_eq!(node.work().len(), 0, "perMinute: 3, and two targets an hour");
    node.wall = began + Span::secs(61);
    let narrow = node.work();
    assert_eq!(narrow.len(), 1);
    assert_eq!(narrow[0].effect.connection.as_deref(), Some("default/narrow"));
    node.ok(&narrow[0]);
    node.wall = began + Span::mins(61);
    assert_eq!(node.work().len(), 1);
}

/// Room is free when the answer is durable; that it is folded late keeps nobody waiting, and nothing is done twice.
#[test]
fn an_answer_that_is_not_folded_yet_makes_room() {
    let mut world = World::new();
    let mut node = world.start();
    for n in 0..3 {
        node.event("narrow", &format!("e{n}"));
    }
    let first = node.work();
    assert_eq!(first.len(), 2);
    node.pump.answered(&first[0].attempt());
    node.pump.answered(&first[0].attempt());
    let third = node.work();
    assert_eq!(third.len(), 1);
    assert_eq!(node.work().len(), 0, "said twice, it is room for one");
    assert_eq!(node.pump.dispatch().flying(), 3, "it is not folded");
    for row in first.iter().chain(&third) {
        node.ok(row);
    }
    node.check(&world);
    assert_eq!(node.pump.dispatch().flying(), 0);
}

/// What left before a freeze and has no answer when the process dies may have been done.
#[test]
fn what_may_have_left_before_a_freeze_is_uncertain_after_the_horizon() {
    let mut world = World::new();
    let mut node = world.start();
    node.event("natural", "e1");
    assert_eq!(node.work().len(), 1);
    node.operator(Command::Freeze { connection: None, rule: None });
    node.event("natural", "e2");
    node.catch_up();
    node.checkpoint();
    let late = node.wall + Span::hours(2);
    let uncertain = node.pump.uncertain(late, Span::hours(1));
    assert_eq!(uncertain.len(), 1, "the one that was decided in the freeze never left");
}
