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
    assert_snapshot!(play(spec, "a fails Denied"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a fails Denied
      over
    = succeeded
      a succeeded Denied: it says Denied
      b succeeded {"a":"succeeded"}
      mend succeeded {"why":"Denied: it says Denied in a"}
    "#);
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
    assert_snapshot!(play(spec, "a fails Denied"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a fails Denied
      over
    = succeeded
      a succeeded Denied: it says Denied
      denied succeeded {"x":2}
    "#);
    assert_snapshot!(play(spec, "a fails Connect"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a fails Connect
      over
    = succeeded
      a succeeded Connect: it says Connect
      later succeeded {"x":1}
    "#);
    // Named by none: it goes on outwards.
    assert_snapshot!(play(spec, "a fails StepFailed"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a fails StepFailed
      over
    = failed at a: StepFailed: it says StepFailed
      a failed StepFailed: it says StepFailed
    "#);
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
    assert_snapshot!(play(spec, ""), @r#"
    > start
      over
    = failed at mend: StepFailed: second
      a failed StepFailed: first
      mend failed StepFailed: second
    "#);
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
    assert_snapshot!(play(spec, ""), @r#"
    > start
      over
    = succeeded
      a succeeded StepFailed: first
      b succeeded StepFailed: second
      c succeeded {"why":"second"}
      d succeeded {"a":"succeeded","b":"succeeded"}
    "#);
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
    assert_snapshot!(play(spec, "a passes Connect; wait; a passes Connect"), @r#"
    > start
      do a.1 http/request {"path":"/a"}
    > a passes Connect
      wake a in 1s
    > wait
      do a.2 http/request {"path":"/a"}
    > a passes Connect
      over
    = succeeded
      a succeeded attempt 2 Connect: it says Connect
      mend succeeded {"tries":2}
    "#);
}

#[test]
fn a_step_may_fail_and_the_run_goes_on() {
    let spec = r#"
steps:
  - { id: a, uses: exec/run, connection: shell, with: { argv: [x] }, continueOnError: true }
  - { id: b, set: { a: "${{ steps.a.status }}", why: "${{ steps.a.error.name }}" } }
"#;
    assert_snapshot!(play(spec, "a fails Denied"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a fails Denied
      over
    = succeeded
      a failed Denied: it says Denied
      b succeeded {"a":"failed","why":"Denied"}
    "#);
    let failing = r#"
steps:
  - { id: a, fail: boo, continueOnError: true }
  - { id: b, if: event.data.missing, set: { x: 1 }, continueOnError: true }
  - { id: c, set: { x: "${{ event.data.missing }}" }, continueOnError: true }
"#;
    assert_snapshot!(play(failing, ""), @r#"
    > start
      over
    = succeeded
      a failed StepFailed: boo
      b failed Expression: `event.data.missing`: no such field `missing` in event.data
      c failed Expression: no such field `missing` in event.data
    "#);
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
    assert_snapshot!(play(spec, "a fails Denied"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a fails Denied
      over
    = succeeded
      a succeeded Denied: it says Denied
      mend succeeded {"x":1}
    "#);
    assert_snapshot!(play(spec, "a fails Status"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a fails Status
      over
    = succeeded
      a failed Status: it says Status
    "#);
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
    assert_snapshot!(play(ON_FAILURE, "a fails Denied; tell ok"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a fails Denied
      do tell.1 exec/run {"argv":["a it says Denied failed"]}
    > tell ok
      over
    = failed at a: Denied: it says Denied
      a failed Denied: it says Denied
      tell succeeded {}
    "#);
    assert_snapshot!(play(ON_FAILURE, "a ok"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a ok
      over
    = succeeded
      a succeeded {}
      b succeeded {"x":1}
    "#);
}

#[test]
fn a_failure_in_on_failure_does_not_replace_the_first() {
    assert_snapshot!(play(ON_FAILURE, "a fails Denied; tell fails Status"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a fails Denied
      do tell.1 exec/run {"argv":["a it says Denied failed"]}
    > tell fails Status
      over
    = failed at a: Denied: it says Denied
      a failed Denied: it says Denied
      tell failed Status: it says Status
    "#);
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
    assert_snapshot!(play(spec, ""), @r#"
    > start
      over
    = failed at a: StepFailed: first
      a failed StepFailed: first
      b succeeded StepFailed: second
      c succeeded {"why":"second"}
      d succeeded {"x":1}
    "#);
}
