//! `catch`, `continueOnError` and `onFailure`.

use insta::assert_snapshot;

use crate::kit::play;

#[test]
fn a_catch_without_names_takes_every_error_and_the_step_counts_as_done() {
    let spec = r#"
steps:
  - id: a
    uses: exec/run
    connection: shell
    with: { argv: [x] }
    catch: [ { steps: [ { id: mend, set: { why: "${{ error.name }}: ${{ error.message }} in ${{ error.step }}" } } ] } ]
  - { id: b, set: { a: "${{ steps.a.status }}" } }
"#;
    assert_snapshot!(play(spec, "a fails Denied"), @"");
}

#[test]
fn the_first_arm_that_names_the_error_takes_it() {
    let spec = r#"
steps:
  - id: a
    uses: exec/run
    connection: shell
    with: { argv: [x] }
    catch:
      - { errors: [Timeout, Connect], steps: [ { id: later, set: { x: 1 } } ] }
      - { errors: [Denied], steps: [ { id: denied, set: { x: 2 } } ] }
      - { errors: [Denied, Status], steps: [ { id: never, set: { x: 3 } } ] }
"#;
    assert_snapshot!(play(spec, "a fails Denied"), @"");
    assert_snapshot!(play(spec, "a fails Connect"), @"");
    // Named by none: it goes on outwards.
    assert_snapshot!(play(spec, "a fails StepFailed"), @"");
}

#[test]
fn an_error_in_a_catch_goes_outwards() {
    let spec = r#"
steps:
  - id: a
    fail: first
    catch: [ { steps: [ { id: mend, fail: second } ] } ]
  - { id: never, set: { x: 1 } }
"#;
    assert_snapshot!(play(spec, ""), @"");
}

#[test]
fn a_catch_within_a_catch() {
    let spec = r#"
steps:
  - id: a
    fail: first
    catch:
      - steps:
          - id: b
            fail: second
            catch: [ { steps: [ { id: c, set: { why: "${{ error.message }}" } } ] } ]
  - { id: d, set: { a: "${{ steps.a.status }}", b: "${{ steps.b.status }}" } }
"#;
    assert_snapshot!(play(spec, ""), @"");
}

#[test]
fn a_retry_comes_before_a_catch() {
    let spec = r#"
steps:
  - id: a
    uses: http/request
    connection: api
    with: { path: /a }
    retry: { max: 1, initial: 1s, jitter: none }
    catch: [ { errors: [Connect], steps: [ { id: mend, set: { tries: "${{ steps.a.attempt }}" } } ] } ]
"#;
    assert_snapshot!(play(spec, "a passes Connect; wait; a passes Connect"), @"");
}

#[test]
fn a_step_may_fail_and_the_run_goes_on() {
    let spec = r#"
steps:
  - { id: a, uses: exec/run, connection: shell, with: { argv: [x] }, continueOnError: true }
  - { id: b, set: { a: "${{ steps.a.status }}", why: "${{ steps.a.error.name }}" } }
"#;
    assert_snapshot!(play(spec, "a fails Denied"), @"");
    let failing = r#"
steps:
  - { id: a, fail: no, continueOnError: true }
  - { id: b, if: event.data.missing, set: { x: 1 }, continueOnError: true }
  - { id: c, set: { x: "${{ event.data.missing }}" }, continueOnError: true }
"#;
    assert_snapshot!(play(failing, ""), @"");
}

#[test]
fn a_catch_is_asked_before_continue_on_error() {
    let spec = r#"
steps:
  - id: a
    uses: exec/run
    connection: shell
    with: { argv: [x] }
    continueOnError: true
    catch: [ { errors: [Denied], steps: [ { id: mend, set: { x: 1 } } ] } ]
"#;
    assert_snapshot!(play(spec, "a fails Denied"), @"");
    assert_snapshot!(play(spec, "a fails Status"), @"");
}

const ON_FAILURE: &str = r#"
steps:
  - { id: a, uses: exec/run, connection: shell, with: { argv: [x] } }
  - { id: b, set: { x: 1 } }
onFailure:
  - { id: tell, uses: exec/run, connection: shell, with: { argv: ["${{ error.step }} ${{ error.message }} ${{ run.status }}"] } }
"#;

#[test]
fn on_failure_runs_after_a_failure_and_the_run_stays_failed() {
    assert_snapshot!(play(ON_FAILURE, "a fails Denied; tell ok"), @"");
    assert_snapshot!(play(ON_FAILURE, "a ok"), @"");
}

#[test]
fn a_failure_in_on_failure_does_not_replace_the_first() {
    assert_snapshot!(play(ON_FAILURE, "a fails Denied; tell fails Status"), @"");
}

#[test]
fn on_failure_with_catches_of_its_own() {
    let spec = r#"
steps:
  - { id: a, fail: first }
onFailure:
  - { id: b, fail: second, catch: [ { steps: [ { id: c, set: { why: "${{ error.message }}" } } ] } ] }
  - { id: d, set: { x: 1 } }
"#;
    assert_snapshot!(play(spec, ""), @"");
}
