//! Slots that rules share: `concurrency: { group }`.

use ensue_engine::flow::{Lock, LockOf, locks};
use ensue_event::Span;
use ensue_event::ours::Command;
use ensue_run::Status;
use serde_json::json;

use crate::bench::{Bench, rule};

/// A rule on events of its own name, in the group `site`; each run waits for an answer.
fn member(name: &str, more: &str) -> String {
    let spec = format!(
        r#"when: {{ event: {{ type: [{name}] }}, key: event.data.k }}
concurrency: {{ group: site, key: key, limit: 1{more} }}
steps: [ {{ id: a, uses: http/request, connection: api, with: {{ path: "/{name}" }} }} ]"#
    );
    rule(name, &spec)
}

/// What holds and what waits, by rule.
fn told(bench: &Bench) -> String {
    let line = |lock: &Lock| {
        let of = match &lock.of {
            LockOf::Rule(name) => format!("rule {name}"),
            LockOf::Group(name) => format!("group {name}"),
        };
        let holders: Vec<&str> = lock.holders.iter().map(|held| held.rule.as_str()).collect();
        let next: Vec<&str> = lock.next.iter().map(|waits| waits.rule.as_str()).collect();
        let key = lock.key.clone().unwrap_or_default();
        format!("{of} {key}: {}; {} wait: {}", holders.join(" "), lock.waiting, next.join(" "))
    };
    locks(&bench.engine).iter().map(line).collect::<Vec<_>>().join("\n")
}

fn group() -> Bench {
    let mut bench = Bench::new(&[member("one", ""), member("two", "")]);
    for (at, kind) in ["one", "two", "one"].into_iter().enumerate() {
        bench.now = bench.now + Span::secs(1);
        bench.event(kind, &format!("e{at}"), json!({"k": "prod"}));
    }
    assert_eq!(told(&bench), "group default/site prod: default/one; 2 wait: default/two default/one");
    bench
}

/// How a run may end.
type End = fn(&mut Bench);

#[test]
fn a_slot_goes_to_the_longest_waiting_of_the_group_however_the_run_ends() {
    let ends: [(&str, End); 4] = [
        ("answered", |bench| {
            bench.ok("a");
        }),
        ("failed", |bench| {
            bench.fails("a", "Status");
        }),
        ("cancelled", |bench| {
            let run = locks(&bench.engine)[0].holders[0].run;
            bench.operator(Command::CancelRun { run });
        }),
        ("settled", |bench| {
            let run = locks(&bench.engine)[0].holders[0].run;
            bench.started("a");
            bench.uncertain("a");
            bench.operator(Command::Settle { run, step: "a".into(), verdict: "failed".into() });
        }),
    ];
    for (how, end) in ends {
        let mut bench = group();
        end(&mut bench);
        assert_eq!(told(&bench), "group default/site prod: default/two; 1 wait: default/one", "{how}");
        end(&mut bench);
        assert_eq!(told(&bench), "group default/site prod: default/one; 0 wait: ", "{how}");
        end(&mut bench);
        assert_eq!(told(&bench), "", "{how}");
        assert!(bench.engine.state().queued.is_empty(), "{how}");
    }
}

#[test]
fn keys_of_a_group_do_not_wait_for_each_other_and_groups_of_namespaces_are_two() {
    let far = member("far", "").replace("metadata: { name: far }", "metadata: { name: far, namespace: other }");
    let mut bench = Bench::new(&[member("one", ""), far]);
    bench.event("one", "e1", json!({"k": "prod"}));
    bench.event("one", "e2", json!({"k": "test"}));
    bench.event("far", "e3", json!({"k": "prod"}));
    assert_eq!(
        told(&bench),
        "group default/site prod: default/one; 0 wait: \ngroup default/site test: default/one; 0 wait: \n\
         group other/site prod: other/far; 0 wait: "
    );
}

#[test]
fn cancel_running_cancels_across_the_rules_and_replaces_what_waits() {
    let mut bench = Bench::new(&[member("one", ""), member("two", ", excess: cancelRunning")]);
    bench.event("one", "e1", json!({"k": "prod"}));
    bench.event("one", "e2", json!({"k": "prod"}));
    bench.event("two", "e3", json!({"k": "prod"}));
    assert_eq!(told(&bench), "group default/site prod: default/two; 0 wait: ");
    let runs: Vec<Status> = bench.engine.state().runs.iter().map(|(_, run)| run.status).collect();
    assert_eq!(runs.iter().filter(|status| **status == Status::Cancelled).count(), 1, "{runs:?}");
}

/// Firings wait and runs hold where they began; what fires after the edit goes by it.
#[test]
fn an_edit_moves_no_slot() {
    let mut bench = group();
    let alone = member("one", "").replace("group: site, ", "");
    bench.configure(&[alone, member("two", "")], false);
    bench.event("one", "e9", json!({"k": "prod"}));
    assert_eq!(
        told(&bench),
        "rule default/one prod: default/one; 0 wait: \n\
         group default/site prod: default/one; 2 wait: default/two default/one"
    );
    // All rules are gone: what has fired goes on to its end.
    bench.configure(&[], false);
    for left in (0..4).rev() {
        let run = locks(&bench.engine)[0].holders[0].run;
        bench.operator(Command::CancelRun { run });
        let waits: usize = locks(&bench.engine).iter().map(|lock| lock.holders.len() + lock.next.len()).sum();
        assert_eq!(waits, left);
    }
    assert_eq!(told(&bench), "");
}

/// A person lets one go on: it takes a slot beside the others, also where nobody held one any more.
#[test]
fn a_retried_run_has_its_slot_again() {
    let mut bench = Bench::new(&[member("one", ""), member("two", "")]);
    bench.event("one", "e1", json!({"k": "prod"}));
    let run = locks(&bench.engine)[0].holders[0].run;
    bench.operator(Command::CancelRun { run });
    assert_eq!(told(&bench), "");
    bench.operator(Command::RetryRun { run });
    bench.event("two", "e2", json!({"k": "prod"}));
    assert_eq!(told(&bench), "group default/site prod: default/one; 1 wait: default/two");
    bench.operator(Command::CancelRun { run });
    assert_eq!(told(&bench), "group default/site prod: default/two; 0 wait: ");
}

#[test]
fn the_rows_of_a_store_are_the_same_slots() {
    let mut bench = group();
    let before = told(&bench);
    bench.checkpoint();
    bench.engine = bench.reloaded();
    assert_eq!(told(&bench), before);
    bench.ok("a");
    assert_eq!(told(&bench), "group default/site prod: default/two; 1 wait: default/one");
}
