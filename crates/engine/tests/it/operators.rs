//! What operators ask for, and what of it is refused; each with a decision.

use ensue_event::ours::Command;
use ensue_event::{Key, Span};
use serde_json::json;

use crate::bench::{Bench, rule};

const TWO: &str = r#"
when: { event: { type: [go] } }
steps:
  - { id: a, uses: http/request, connection: api, with: { path: /a, method: POST } }
  - { id: b, uses: slack/post, connection: team, with: { text: b } }
"#;

fn bench() -> Bench {
    let mut bench = Bench::new(&[rule("r", TWO)]);
    bench.event("go", "e1", json!({}));
    bench
}

#[test]
fn a_command_that_does_not_fit_is_refused_and_changes_nothing_but_the_record_of_it() {
    let mut bench = bench();
    let run = bench.runs()[0].id;
    let nobody = Key([9; 16]);
    let before = bench.dump();
    for (command, why) in [
        (Command::CancelRun { run: nobody }, "is not kept"),
        (Command::RetryRun { run: nobody }, "is not kept"),
        (Command::ResumeRun { run: nobody, from: None }, "is not kept"),
        (Command::RetryRun { run }, "is running; only a failed or cancelled run can be retried"),
        (Command::ResumeRun { run, from: None }, "is running; only a failed or cancelled run can be resumed"),
        (Command::SkipStep { run, step: "b".into() }, "step `b` is not waiting for this"),
        (Command::Settle { run, step: "a".into(), verdict: "done".into() }, "step `a` is not waiting for this"),
        (Command::SetMode { rule: "default/none".into(), mode: "live".into() }, "no rule default/none is in force"),
        (Command::SetMode { rule: "default/r".into(), mode: "sleepy".into() }, "`sleepy` is not a mode"),
        (Command::Thaw { connection: None, rule: None, discard: false }, "nothing is frozen as everything"),
        (Command::Redrive { firing: nobody }, "is parked"),
        (Command::Discard { firing: nobody }, "is parked"),
    ] {
        let said = format!("{command:?}");
        let verdict = bench.operator(command);
        assert!(verdict.starts_with("refused: ") && verdict.contains(why), "{said}: {verdict}");
    }
    let after = bench.dump();
    let noted = |line: &str| ["decisions\t", "verdicts\t", "meta\t"].iter().any(|table| line.starts_with(table));
    let changed = |line: &&str| !before.contains(*line) && !noted(line);
    assert_eq!(after.lines().filter(changed).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn retry_begins_at_the_first_step_with_new_effects() {
    let mut bench = bench();
    let first = bench.row("a").effect.key;
    bench.fails("a", "Denied");
    let run = bench.runs()[0].clone();
    assert_eq!((run.status.as_str(), bench.engine.state().ended.len()), ("failed", 1));
    assert_eq!(bench.operator(Command::RetryRun { run: run.id }), "done");
    assert_eq!(bench.engine.state().ended.len(), 0, "it is not over any more");
    assert_ne!(bench.row("a").effect.key, first);
    assert_eq!(bench.row("a").effect.attempt, 1);
    bench.ok("a");
    bench.ok("b");
    let run = bench.runs()[0].clone();
    assert_eq!((run.status.as_str(), run.generation, bench.runs().len()), ("succeeded", 1, 1));
    let ends = bench.log.iter().filter(|record| record.event.kind.starts_with("dev.ensue.run.f")).count();
    assert_eq!(ends, 2, "it failed, and it finished");
}

#[test]
fn resume_goes_on_where_it_failed() {
    let mut bench = bench();
    bench.ok("a");
    bench.fails("b", "Denied");
    let run = bench.runs()[0].id;
    assert_eq!(bench.operator(Command::ResumeRun { run, from: None }), "done");
    assert_eq!(bench.engine.state().outbox.len(), 1);
    bench.ok("b");
    assert_eq!(bench.runs()[0].status.as_str(), "succeeded");
}

#[test]
fn cancel_forgets_the_effect_and_a_late_answer_is_nothing() {
    let mut bench = bench();
    let row = bench.row("a");
    let run = bench.runs()[0].id;
    assert_eq!(bench.operator(Command::CancelRun { run }), "done");
    assert_eq!(bench.engine.state().outbox.len(), 0);
    let before = bench.runs();
    bench.answer(&row, ensue_event::ours::Answer::Ok(json!({})));
    assert_eq!(bench.runs(), before);
    assert_eq!(before[0].cancelled.as_deref(), Some("ada: a test"));
    assert_eq!(bench.engine.state().meta.counts.cancelled, 1);
}

#[test]
fn freezes_hold_what_they_name() {
    let all =
        "when: { event: { type: [go] } }\nsteps: [ { id: a, uses: slack/post, connection: team, with: { text: a } } ]";
    for (connection, by_rule, held) in [
        (None, None, [true, true]),
        (Some("default/api"), None, [true, false]),
        (None, Some("default/s"), [false, true]),
        (Some("default/api"), Some("default/s"), [false, false]),
        (Some("default/team"), Some("default/s"), [false, true]),
    ] {
        // Decided before the freeze or after it: it is the same.
        for before in [true, false] {
            let mut bench = Bench::new(&[rule("r", TWO), rule("s", all)]);
            let (connection, rule) = (connection.map(str::to_owned), by_rule.map(str::to_owned));
            let freeze = Command::Freeze { connection: connection.clone(), rule: rule.clone() };
            if before {
                bench.operator(freeze.clone());
            }
            bench.event("go", "e1", json!({}));
            if !before {
                bench.operator(freeze);
            }
            let rows = bench.engine.state().outbox.iter().map(|(_, row)| (row.effect.rule.clone(), row.held));
            let rows: std::collections::BTreeMap<_, _> = rows.collect();
            let expected = [("default/r".to_owned(), held[0]), ("default/s".to_owned(), held[1])];
            assert_eq!(rows, expected.into(), "{connection:?} {rule:?} before {before}");
            assert_eq!(bench.operator(Command::Thaw { connection, rule, discard: false }), "done");
            assert!(bench.engine.state().outbox.iter().all(|(_, row)| !row.held));
        }
    }
}

#[test]
fn what_two_freezes_hold_is_held_until_both_are_gone() {
    let mut bench = bench();
    let api = || Some("default/api".to_owned());
    bench.operator(Command::Freeze { connection: None, rule: None });
    bench.operator(Command::Freeze { connection: api(), rule: None });
    bench.operator(Command::Thaw { connection: None, rule: None, discard: true });
    assert!(bench.row("a").held);
    bench.operator(Command::Thaw { connection: api(), rule: None, discard: false });
    assert!(!bench.row("a").held);
}

#[test]
fn a_thaw_lets_go_what_it_held_whatever_else_is_frozen() {
    let mut bench = bench();
    let frozen = |name: &str| Some(name.to_owned());
    bench.operator(Command::Freeze { connection: frozen("default/api"), rule: None });
    bench.operator(Command::Freeze { connection: frozen("default/team"), rule: None });
    bench.operator(Command::Thaw { connection: frozen("default/api"), rule: None, discard: false });
    assert!(!bench.row("a").held);
    bench.ok("a");
    assert!(bench.row("b").held, "the other connection is frozen still");
}

#[test]
fn thaw_can_discard_what_was_held() {
    let mut bench = bench();
    bench.operator(Command::Freeze { connection: None, rule: None });
    bench.event("go", "e2", json!({}));
    bench.operator(Command::Thaw { connection: None, rule: None, discard: true });
    let statuses: Vec<_> = bench.runs().iter().map(|run| run.status.as_str()).collect();
    assert_eq!((statuses, bench.engine.state().outbox.len()), (vec!["cancelled", "cancelled"], 0));
}

/// Once it was cancelled for each of them, and so it did not do its `finally`.
#[test]
fn a_run_of_which_several_effects_are_discarded_is_cancelled_once() {
    let spec = r#"
when: { event: { type: [go] } }
steps:
  - id: both
    parallel:
      branches:
        - [ { id: a, uses: http/request, connection: api, with: { path: /a } } ]
        - [ { id: b, uses: http/request, connection: api, with: { path: /b } } ]
finally: [ { id: last, uses: http/request, connection: api, with: { path: /last } } ]
"#;
    let mut bench = Bench::new(&[rule("r", spec)]);
    bench.operator(Command::Freeze { connection: None, rule: None });
    bench.event("go", "e1", json!({}));
    bench.operator(Command::Thaw { connection: None, rule: None, discard: true });
    assert!(bench.row("last").may_leave());
    bench.ok("last");
    assert_eq!((bench.runs()[0].status.as_str(), bench.engine.state().outbox.len()), ("cancelled", 0));
}

#[test]
fn an_uncertain_step_is_settled_by_a_person_or_by_the_answer_after_all() {
    for (settle, status) in
        [(Some("done"), "running"), (Some("failed"), "failed"), (Some("retry"), "running"), (None, "running")]
    {
        let mut bench = bench();
        let row = bench.row("a");
        bench.started("a");
        assert!(bench.row("a").started);
        bench.uncertain("a");
        assert_eq!((bench.runs()[0].status.as_str(), bench.engine.state().outbox.len()), ("uncertain", 0));
        // It is said twice: nothing more.
        bench.ours(ensue_event::ours::ActionUncertain { of: row.attempt(), reason: "again".into() });
        let run = bench.runs()[0].id;
        match settle {
            Some(verdict) => {
                let settle = Command::Settle { run, step: "a".into(), verdict: verdict.into() };
                assert_eq!(bench.operator(settle), "done");
            }
            None => drop(bench.answer(&row, ensue_event::ours::Answer::Ok(json!({})))),
        }
        assert_eq!(bench.runs()[0].status.as_str(), status, "{settle:?}");
        if settle == Some("retry") {
            assert_eq!((bench.row("a").effect.key, bench.row("a").effect.attempt), (row.effect.key, 2));
            assert!(!bench.row("a").started);
        }
    }
}

#[test]
fn modes_by_operator() {
    let mut bench = bench();
    for (mode, fires) in [("paused", false), ("shadow", true), ("live", true)] {
        assert_eq!(bench.operator(Command::SetMode { rule: "default/r".into(), mode: mode.into() }), "done");
        let (runs, at) = (bench.runs().len(), bench.event("go", mode, json!({})));
        assert_eq!(bench.told(at.next()).contains("rule.fired"), fires, "{mode}");
        assert_eq!(bench.runs().len() - runs, usize::from(mode == "live"), "{mode}");
    }
}

#[test]
fn finished_runs_are_kept_up_to_a_bound() {
    let spec = "when: { event: { type: [go] } }\nstorm: { perRule: 10000 }\nsteps: []";
    let mut bench = Bench::new(&[rule("r", spec)]);
    for n in 0..ensue_engine::state::KEPT_RUNS + 5 {
        bench.event("go", &format!("e{n}"), json!({}));
        bench.pass(Span::millis(1));
    }
    let state = bench.engine.state();
    assert_eq!((state.runs.len(), state.ended.len()), (ensue_engine::state::KEPT_RUNS, ensue_engine::state::KEPT_RUNS));
    assert_eq!(bench.runs()[0].events[0].event["id"], "e5", "those that ended first go first");
}
