//! `finally`: it runs however its step or its document ended, and changes nothing about how.

use insta::assert_snapshot;

use crate::kit::play;

const STEP: &str = r#"
steps:
  - id: a
    uses: exec/run
    connection: shell
    with: { argv: [x] }
    catch: [ { errors: [Denied], steps: [ { id: mend, set: { x: 1 } } ] } ]
    finally: [ { id: tidy, uses: exec/run, connection: shell, with: { argv: [rm] } } ]
  - { id: b, set: { a: "${{ steps.a.status }}" } }
"#;

#[test]
fn of_a_step_after_success_after_a_catch_and_after_a_failure() {
    assert_snapshot!(play(STEP, "a ok; tidy ok"), @"");
    assert_snapshot!(play(STEP, "a fails Denied; tidy ok"), @"");
    assert_snapshot!(play(STEP, "a fails Status; tidy ok"), @"");
}

#[test]
fn a_failure_in_it_fails_the_run_unless_it_fails_already() {
    assert_snapshot!(play(STEP, "a ok; tidy fails Timeout"), @"");
    // The failure that began it is the one that is told.
    assert_snapshot!(play(STEP, "a fails Status; tidy fails Timeout"), @"");
}

#[test]
fn it_runs_after_a_failure_within_the_catch() {
    let spec = r#"
steps:
  - id: a
    fail: first
    catch: [ { steps: [ { id: mend, fail: second } ] } ]
    finally: [ { id: tidy, set: { why: "${{ error.message }}" } } ]
"#;
    assert_snapshot!(play(spec, ""), @"");
}

const RULE: &str = r#"
steps:
  - { id: a, uses: exec/run, connection: shell, with: { argv: [x] } }
onFailure:
  - { id: sorry, set: { status: "${{ run.status }}" } }
finally:
  - { id: tell, uses: exec/run, connection: shell, with: { argv: ["${{ run.status }}"] } }
  - { id: last, set: { x: 1 } }
"#;

#[test]
fn of_a_rule_knows_how_the_run_ends() {
    assert_snapshot!(play(RULE, "a ok; tell ok"), @"");
    assert_snapshot!(play(RULE, "a fails Denied; tell ok"), @"");
    assert_snapshot!(play(RULE, "cancel; tell ok"), @"");
}

#[test]
fn of_a_rule_that_fails_itself() {
    assert_snapshot!(play(RULE, "a ok; tell fails Denied"), @"");
    assert_snapshot!(play(RULE, "a fails Status; tell fails Denied"), @"");
}

#[test]
fn one_within_the_other_from_the_inside_out() {
    let spec = r#"
steps:
  - id: outer
    switch:
      - steps:
          - id: inner
            fail: boo
            finally: [ { id: one, set: { status: "${{ run.status }}" } } ]
    finally: [ { id: two, set: { why: "${{ error.message }}" } } ]
finally: [ { id: three, set: { x: 1 }, finally: [ { id: four, set: { status: "${{ run.status }}" } } ] } ]
"#;
    assert_snapshot!(play(spec, ""), @"");
}

#[test]
fn its_own_steps_have_retries_catches_and_continue_on_error() {
    let spec = r#"
steps:
  - { id: a, uses: exec/run, connection: shell, with: { argv: [x] } }
finally:
  - { id: b, uses: http/request, connection: api, with: { path: /b }, retry: { max: 1, initial: 1s, jitter: none }, continueOnError: true }
  - { id: c, fail: c, catch: [ { steps: [ { id: d, set: { x: 1 } } ] } ] }
"#;
    assert_snapshot!(play(spec, "a fails Denied; b passes Connect; wait; b fails Status"), @"");
    // After a cancellation too: what is caught is their own failure, never the cancellation.
    assert_snapshot!(play(spec, "cancel; b passes Connect; wait; b fails Status"), @"");
}
