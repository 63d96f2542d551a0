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
    assert_snapshot!(play(STEP, "a ok; tidy ok"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a ok
      do tidy.1 exec/run {"argv":["rm"]}
    > tidy ok
      over
    = succeeded
      a succeeded {}
      b succeeded {"a":"succeeded"}
      tidy succeeded {}
    "#);
    assert_snapshot!(play(STEP, "a fails Denied; tidy ok"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a fails Denied
      do tidy.1 exec/run {"argv":["rm"]}
    > tidy ok
      over
    = succeeded
      a succeeded Denied: it says Denied
      b succeeded {"a":"succeeded"}
      mend succeeded {"x":1}
      tidy succeeded {}
    "#);
    assert_snapshot!(play(STEP, "a fails Status; tidy ok"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a fails Status
      do tidy.1 exec/run {"argv":["rm"]}
    > tidy ok
      over
    = failed at a: Status: it says Status
      a failed Status: it says Status
      tidy succeeded {}
    "#);
}

#[test]
fn a_failure_in_it_fails_the_run_unless_it_fails_already() {
    assert_snapshot!(play(STEP, "a ok; tidy fails Timeout"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a ok
      do tidy.1 exec/run {"argv":["rm"]}
    > tidy fails Timeout
      over
    = failed at tidy: Timeout: it says Timeout
      a succeeded {}
      tidy failed Timeout: it says Timeout
    "#);
    // The failure that began it is the one that is told.
    assert_snapshot!(play(STEP, "a fails Status; tidy fails Timeout"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a fails Status
      do tidy.1 exec/run {"argv":["rm"]}
    > tidy fails Timeout
      over
    = failed at a: Status: it says Status
      a failed Status: it says Status
      tidy failed Timeout: it says Timeout
    "#);
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
    assert_snapshot!(play(spec, ""), @r#"
    > start
      over
    = failed at mend: StepFailed: second
      a failed StepFailed: first
      mend failed StepFailed: second
      tidy succeeded {"why":"second"}
    "#);
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
    assert_snapshot!(play(RULE, "a ok; tell ok"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a ok
      do tell.1 exec/run {"argv":["succeeded"]}
    > tell ok
      over
    = succeeded
      a succeeded {}
      last succeeded {"x":1}
      tell succeeded {}
    "#);
    assert_snapshot!(play(RULE, "a fails Denied; tell ok"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a fails Denied
      do tell.1 exec/run {"argv":["failed"]}
    > tell ok
      over
    = failed at a: Denied: it says Denied
      a failed Denied: it says Denied
      last succeeded {"x":1}
      sorry succeeded {"status":"failed"}
      tell succeeded {}
    "#);
    assert_snapshot!(play(RULE, "cancel; tell ok"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > cancel
      forget a
      do tell.1 exec/run {"argv":["cancelled"]}
    > tell ok
      over
    = cancelled at a: Cancelled: ada: enough
      a cancelled Cancelled: ada: enough
      last succeeded {"x":1}
      tell succeeded {}
    "#);
}

#[test]
fn of_a_rule_that_fails_itself() {
    assert_snapshot!(play(RULE, "a ok; tell fails Denied"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a ok
      do tell.1 exec/run {"argv":["succeeded"]}
    > tell fails Denied
      over
    = failed at tell: Denied: it says Denied
      a succeeded {}
      tell failed Denied: it says Denied
    "#);
    assert_snapshot!(play(RULE, "a fails Status; tell fails Denied"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a fails Status
      do tell.1 exec/run {"argv":["failed"]}
    > tell fails Denied
      over
    = failed at a: Status: it says Status
      a failed Status: it says Status
      sorry succeeded {"status":"failed"}
      tell failed Denied: it says Denied
    "#);
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
    assert_snapshot!(play(spec, ""), @r#"
    > start
      over
    = failed at inner: StepFailed: boo
      four succeeded {"status":"failed"}
      inner failed StepFailed: boo
      one succeeded {"status":"failed"}
      outer succeeded
      three succeeded {"x":1}
      two succeeded {"why":"boo"}
    "#);
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
    assert_snapshot!(play(spec, "a fails Denied; b passes Connect; wait; b fails Status"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a fails Denied
      do b.1 http/request {"path":"/b"}
    > b passes Connect
      wake b in 1s
    > wait
      do b.2 http/request {"path":"/b"}
    > b fails Status
      over
    = failed at a: Denied: it says Denied
      a failed Denied: it says Denied
      b failed attempt 2 Status: it says Status
      c succeeded StepFailed: c
      d succeeded {"x":1}
    "#);
    // After a cancellation too: what is caught is their own failure, never the cancellation.
    assert_snapshot!(play(spec, "cancel; b passes Connect; wait; b fails Status"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > cancel
      forget a
      do b.1 http/request {"path":"/b"}
    > b passes Connect
      wake b in 1s
    > wait
      do b.2 http/request {"path":"/b"}
    > b fails Status
      over
    = cancelled at a: Cancelled: ada: enough
      a cancelled Cancelled: ada: enough
      b failed attempt 2 Status: it says Status
      c succeeded StepFailed: c
      d succeeded {"x":1}
    "#);
}
