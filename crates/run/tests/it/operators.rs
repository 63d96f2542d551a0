//! What operators ask for: cancel, resume, skip, settle. What does not fit is refused and changes nothing.

use insta::assert_snapshot;

use crate::kit::{play, play_with};

const STEPS: &str = r#"
steps:
  - { id: a, uses: exec/run, connection: shell, with: { argv: [a] } }
  - id: b
    uses: http/request
    connection: api
    with: { path: /b, method: POST }
    retry: { max: 1, initial: 1m, jitter: none }
    catch: [ { steps: [ { id: mend, set: { x: 1 } } ] } ]
    finally: [ { id: tidy, uses: exec/run, connection: shell, with: { argv: [tidy] } } ]
  - { id: c, set: { x: 1 } }
onFailure: [ { id: sorry, uses: exec/run, connection: shell, with: { argv: [sorry] } } ]
finally: [ { id: tell, uses: exec/run, connection: shell, with: { argv: ["${{ run.status }}"] } } ]
"#;

#[test]
fn cancel_while_an_action_is_under_way_runs_the_finally_steps_and_no_catch() {
    assert_snapshot!(play(STEPS, "a ok; cancel; tidy ok; tell ok"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a ok
      do b.1 http/request {"method":"POST","path":"/b"}
    > cancel
      forget b
      do tidy.1 exec/run {"argv":["tidy"]}
    > tidy ok
      do tell.1 exec/run {"argv":["cancelled"]}
    > tell ok
      over
    = cancelled at b: Cancelled: ada: enough
      a succeeded {}
      b cancelled Cancelled: ada: enough
      tell succeeded {}
      tidy succeeded {}
    "#);
}

#[test]
fn cancel_while_it_waits_to_try_again() {
    assert_snapshot!(play(STEPS, "a ok; b passes Connect; cancel; wait; tidy ok; tell ok"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a ok
      do b.1 http/request {"method":"POST","path":"/b"}
    > b passes Connect
      wake b in 1m
    > cancel
      forget b
      calm b
      do tidy.1 exec/run {"argv":["tidy"]}
    > wait
      nothing
    > tidy ok
      do tell.1 exec/run {"argv":["cancelled"]}
    > tell ok
      over
    = cancelled at b: Cancelled: ada: enough
      a succeeded {}
      b cancelled Cancelled: ada: enough
      tell succeeded {}
      tidy succeeded {}
    "#);
}

#[test]
fn cancel_while_a_person_is_asked() {
    assert_snapshot!(play(STEPS, "a ok; b lost; cancel; tidy ok; tell ok"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a ok
      do b.1 http/request {"method":"POST","path":"/b"}
    > b lost
      nothing
    > cancel
      forget b
      do tidy.1 exec/run {"argv":["tidy"]}
    > tidy ok
      do tell.1 exec/run {"argv":["cancelled"]}
    > tell ok
      over
    = cancelled at b: Cancelled: ada: enough
      a succeeded {}
      b cancelled Cancelled: ada: enough
      tell succeeded {}
      tidy succeeded {}
    "#);
}

#[test]
fn cancel_in_a_finally_in_on_failure_and_twice() {
    assert_snapshot!(play(STEPS, "a ok; b ok; cancel; tell ok"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a ok
      do b.1 http/request {"method":"POST","path":"/b"}
    > b ok
      do tidy.1 exec/run {"argv":["tidy"]}
    > cancel
      forget tidy
      do tell.1 exec/run {"argv":["cancelled"]}
    > tell ok
      over
    = cancelled at tidy: Cancelled: ada: enough
      a succeeded {}
      b succeeded {}
      tell succeeded {}
      tidy cancelled Cancelled: ada: enough
    "#);
    assert_snapshot!(play(STEPS, "a fails Denied; cancel; tell ok"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a fails Denied
      do sorry.1 exec/run {"argv":["sorry"]}
    > cancel
      forget sorry
      do tell.1 exec/run {"argv":["cancelled"]}
    > tell ok
      over
    = cancelled at sorry: Cancelled: ada: enough
      a failed Denied: it says Denied
      sorry cancelled Cancelled: ada: enough
      tell succeeded {}
    "#);
    assert_snapshot!(play(STEPS, "cancel; cancel"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > cancel
      forget a
      do tell.1 exec/run {"argv":["cancelled"]}
    > cancel
      forget tell
      over
    = cancelled at tell: Cancelled: ada: enough
      a cancelled Cancelled: ada: enough
      tell cancelled Cancelled: ada: enough
    "#);
}

#[test]
fn the_answer_of_a_cancelled_step_comes_too_late() {
    assert_snapshot!(play("steps:\n  - { id: a, uses: exec/run, connection: shell, with: { argv: [a] } }", "cancel; a.1 ok; a.1 fails Status"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > cancel
      forget a
      over
    > a.1 ok
      nothing
    > a.1 fails Status
      nothing
    = cancelled at a: Cancelled: ada: enough
      a cancelled Cancelled: ada: enough
    "#);
}

#[test]
fn resume_goes_on_at_the_failed_step_with_a_new_effect() {
    let spec = r#"
steps:
  - { id: a, uses: exec/run, connection: shell, with: { argv: [a] } }
  - { id: b, uses: exec/run, connection: shell, with: { argv: ["${{ steps.a.outputs.exitCode }}"] } }
  - { id: c, set: { x: 1 } }
"#;
    assert_snapshot!(play(spec, r#"a ok {"exitCode":0}; b fails Denied; resume; b.1 ok"#), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a ok {"exitCode":0}
      do b.1 exec/run {"argv":[0]}
    > b fails Denied
      over
    > resume
      do b.1 exec/run {"argv":[0]}
    > b.1 ok
      over
    = succeeded
      a succeeded {"exitCode":0}
      b succeeded {}
      c succeeded {"x":1}
    "#);
    assert_snapshot!(play(spec, r#"a ok {"exitCode":0}; b fails Denied; resume a; a ok {"exitCode":5}; b ok"#), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a ok {"exitCode":0}
      do b.1 exec/run {"argv":[0]}
    > b fails Denied
      over
    > resume a
      do a.1 exec/run {"argv":["a"]}
    > a ok {"exitCode":5}
      do b.1 exec/run {"argv":[5]}
    > b ok
      over
    = succeeded
      a succeeded {"exitCode":5}
      b succeeded {}
      c succeeded {"x":1}
    "#);
    assert_snapshot!(play(spec, r#"a fails Denied; resume c"#), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a fails Denied
      over
    > resume c
      over
    = succeeded
      a failed Denied: it says Denied
      c succeeded {"x":1}
    "#);
    assert_snapshot!(play(spec, r#"cancel; resume; a ok {"exitCode":0}; b ok"#), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > cancel
      forget a
      over
    > resume
      do a.1 exec/run {"argv":["a"]}
    > a ok {"exitCode":0}
      do b.1 exec/run {"argv":[0]}
    > b ok
      over
    = succeeded
      a succeeded {"exitCode":0}
      b succeeded {}
      c succeeded {"x":1}
    "#);
}

#[test]
fn resume_after_on_failure_and_finally_have_run() {
    assert_snapshot!(play(STEPS, "a fails Denied; sorry ok; tell ok; resume; a ok; b ok; tidy ok; tell ok"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a fails Denied
      do sorry.1 exec/run {"argv":["sorry"]}
    > sorry ok
      do tell.1 exec/run {"argv":["failed"]}
    > tell ok
      over
    > resume
      do a.1 exec/run {"argv":["a"]}
    > a ok
      do b.1 http/request {"method":"POST","path":"/b"}
    > b ok
      do tidy.1 exec/run {"argv":["tidy"]}
    > tidy ok
      do tell.1 exec/run {"argv":["succeeded"]}
    > tell ok
      over
    = succeeded
      a succeeded {}
      b succeeded {}
      c succeeded {"x":1}
      sorry succeeded {}
      tell succeeded {}
      tidy succeeded {}
    "#);
}

#[test]
fn resume_where_a_finally_step_failed() {
    assert_snapshot!(play(STEPS, "a ok; b ok; tidy fails Denied; sorry ok; tell ok; resume; tidy ok; tell ok"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a ok
      do b.1 http/request {"method":"POST","path":"/b"}
    > b ok
      do tidy.1 exec/run {"argv":["tidy"]}
    > tidy fails Denied
      do sorry.1 exec/run {"argv":["sorry"]}
    > sorry ok
      do tell.1 exec/run {"argv":["failed"]}
    > tell ok
      over
    > resume
      do tidy.1 exec/run {"argv":["tidy"]}
    > tidy ok
      do tell.1 exec/run {"argv":["succeeded"]}
    > tell ok
      over
    = succeeded
      a succeeded {}
      b succeeded {}
      c succeeded {"x":1}
      sorry succeeded {}
      tell succeeded {}
      tidy succeeded {}
    "#);
    assert_snapshot!(play(STEPS, "a ok; b ok; tidy ok; tell fails Denied; resume; tell ok"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a ok
      do b.1 http/request {"method":"POST","path":"/b"}
    > b ok
      do tidy.1 exec/run {"argv":["tidy"]}
    > tidy ok
      do tell.1 exec/run {"argv":["succeeded"]}
    > tell fails Denied
      over
    > resume
      do tell.1 exec/run {"argv":["succeeded"]}
    > tell ok
      over
    = succeeded
      a succeeded {}
      b succeeded {}
      c succeeded {"x":1}
      tell succeeded {}
      tidy succeeded {}
    "#);
}

const SHIP: &str = r#"
kind: Workflow
metadata: { name: ship }
spec:
  inputs: { num: { type: int } }
  steps:
    - { id: put, uses: exec/run, connection: shell, with: { argv: ["put ${{ inputs.num }}"] } }
    - { id: look, uses: exec/run, connection: shell, with: { argv: ["look ${{ inputs.num }}"] } }
  outputs: { num: "${{ inputs.num }}" }
"#;
const TWO_CALLS: &str = r#"
steps:
  - { id: one, workflow: ship, with: { num: 1 } }
  - { id: two, workflow: ship, with: { num: 2 } }
  - { id: end, set: { num: "${{ steps.two.outputs.num }}" } }
"#;

#[test]
fn resume_inside_a_workflow() {
    assert_snapshot!(play_with(TWO_CALLS, SHIP, "one/put ok; one/look ok; two/put ok; two/look fails Denied; resume; two/look ok"), @r#"
    > start
      do one/put.1 exec/run {"argv":["put 1"]}
    > one/put ok
      do one/look.1 exec/run {"argv":["look 1"]}
    > one/look ok
      do two/put.1 exec/run {"argv":["put 2"]}
    > two/put ok
      do two/look.1 exec/run {"argv":["look 2"]}
    > two/look fails Denied
      over
    > resume
      do two/look.1 exec/run {"argv":["look 2"]}
    > two/look ok
      over
    = succeeded
      end succeeded {"num":2}
      one succeeded {"num":1}
      one/look succeeded {}
      one/put succeeded {}
      two succeeded {"num":2}
      two/look succeeded {}
      two/put succeeded {}
    "#);
    assert_snapshot!(play_with(TWO_CALLS, SHIP, "one/put ok; one/look ok; two/put ok; two/look fails Denied; resume two/put; two/put ok; two/look ok"), @r#"
    > start
      do one/put.1 exec/run {"argv":["put 1"]}
    > one/put ok
      do one/look.1 exec/run {"argv":["look 1"]}
    > one/look ok
      do two/put.1 exec/run {"argv":["put 2"]}
    > two/put ok
      do two/look.1 exec/run {"argv":["look 2"]}
    > two/look fails Denied
      over
    > resume two/put
      do two/put.1 exec/run {"argv":["put 2"]}
    > two/put ok
      do two/look.1 exec/run {"argv":["look 2"]}
    > two/look ok
      over
    = succeeded
      end succeeded {"num":2}
      one succeeded {"num":1}
      one/look succeeded {}
      one/put succeeded {}
      two succeeded {"num":2}
      two/look succeeded {}
      two/put succeeded {}
    "#);
    assert_snapshot!(play_with(TWO_CALLS, SHIP, "one/put ok; one/look ok; two/put fails Denied; resume two; two/put ok; two/look ok"), @r#"
    > start
      do one/put.1 exec/run {"argv":["put 1"]}
    > one/put ok
      do one/look.1 exec/run {"argv":["look 1"]}
    > one/look ok
      do two/put.1 exec/run {"argv":["put 2"]}
    > two/put fails Denied
      over
    > resume two
      do two/put.1 exec/run {"argv":["put 2"]}
    > two/put ok
      do two/look.1 exec/run {"argv":["look 2"]}
    > two/look ok
      over
    = succeeded
      end succeeded {"num":2}
      one succeeded {"num":1}
      one/look succeeded {}
      one/put succeeded {}
      two succeeded {"num":2}
      two/look succeeded {}
      two/put succeeded {}
    "#);
}

#[test]
fn resume_cannot_jump_into_another_call_or_a_finally() {
    assert_snapshot!(play_with(TWO_CALLS, SHIP, "one/put ok; one/look ok; two/put fails Denied; resume one/put; resume nothing; resume one/"), @r#"
    > start
      do one/put.1 exec/run {"argv":["put 1"]}
    > one/put ok
      do one/look.1 exec/run {"argv":["look 1"]}
    > one/look ok
      do two/put.1 exec/run {"argv":["put 2"]}
    > two/put fails Denied
      over
    > resume one/put
      refused: step `one/put` is not waiting for this; `ensue run show` lists the steps of a run and how they stand
    > resume nothing
      refused: step `nothing` is not waiting for this; `ensue run show` lists the steps of a run and how they stand
    > resume one/
      refused: step `one/` is not waiting for this; `ensue run show` lists the steps of a run and how they stand
    = failed at two/put: Denied: it says Denied
      one succeeded {"num":1}
      one/look succeeded {}
      one/put succeeded {}
      two failed Denied: it says Denied
      two/put failed Denied: it says Denied
    "#);
    assert_snapshot!(play(STEPS, "a fails Denied; sorry ok; tell ok; resume tidy; resume tell; resume sorry"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a fails Denied
      do sorry.1 exec/run {"argv":["sorry"]}
    > sorry ok
      do tell.1 exec/run {"argv":["failed"]}
    > tell ok
      over
    > resume tidy
      refused: step `tidy` is not waiting for this; `ensue run show` lists the steps of a run and how they stand
    > resume tell
      refused: step `tell` is not waiting for this; `ensue run show` lists the steps of a run and how they stand
    > resume sorry
      refused: step `sorry` is not waiting for this; `ensue run show` lists the steps of a run and how they stand
    = failed at a: Denied: it says Denied
      a failed Denied: it says Denied
      sorry succeeded {}
      tell succeeded {}
    "#);
}

#[test]
fn what_does_not_fit_is_refused() {
    assert_snapshot!(play(STEPS, "resume; skip b; settle a done; skip c"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > resume
      refused: run RUN is running; only a failed or cancelled run can be resumed
    > skip b
      refused: step `b` is not waiting for this; `ensue run show` lists the steps of a run and how they stand
    > settle a done
      refused: step `a` is not waiting for this; `ensue run show` lists the steps of a run and how they stand
    > skip c
      refused: step `c` is not waiting for this; `ensue run show` lists the steps of a run and how they stand
    = running
      a running
    "#);
    let one = "steps:\n  - { id: a, uses: exec/run, connection: shell, with: { argv: [a] } }";
    assert_snapshot!(play(one, "a ok; cancel; resume; skip a; settle a done"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a ok
      over
    > cancel
      refused: run RUN is succeeded; it cannot be cancelled
    > resume
      refused: run RUN is succeeded; only a failed or cancelled run can be resumed
    > skip a
      refused: run RUN is succeeded; there is no failed step to skip
    > settle a done
      refused: run RUN is succeeded; only a step of a run that is not over can be decided
    = succeeded
      a succeeded {}
    "#);
    assert_snapshot!(play(one, "a lost; settle a perhaps; settle b done; resume"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a lost
      nothing
    > settle a perhaps
      refused: `perhaps` is not a verdict; say done, failed or retry
    > settle b done
      refused: step `b` is not waiting for this; `ensue run show` lists the steps of a run and how they stand
    > resume
      refused: run RUN is uncertain; only a failed or cancelled run can be resumed
    = uncertain
      a uncertain Uncertain: the process died
    "#);
    // A failure that was caught is no failed step of a run that succeeded.
    let caught = "steps:\n  - { id: a, fail: x, continueOnError: true }";
    assert_snapshot!(play(caught, "skip a; resume"), @r#"
    > start
      over
    > skip a
      refused: run RUN is succeeded; there is no failed step to skip
    > resume
      refused: run RUN is succeeded; only a failed or cancelled run can be resumed
    = succeeded
      a failed StepFailed: x
    "#);
}

#[test]
fn skip_takes_a_step_as_done() {
    assert_snapshot!(play(STEPS, "skip a; b ok; tidy ok; tell ok"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > skip a
      forget a
      do b.1 http/request {"method":"POST","path":"/b"}
    > b ok
      do tidy.1 exec/run {"argv":["tidy"]}
    > tidy ok
      do tell.1 exec/run {"argv":["succeeded"]}
    > tell ok
      over
    = succeeded
      a skipped
      b succeeded {}
      c succeeded {"x":1}
      tell succeeded {}
      tidy succeeded {}
    "#);
    assert_snapshot!(play(STEPS, "a ok; b passes Connect; skip b; wait; tidy ok; tell ok"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a ok
      do b.1 http/request {"method":"POST","path":"/b"}
    > b passes Connect
      wake b in 1m
    > skip b
      forget b
      calm b
      do tidy.1 exec/run {"argv":["tidy"]}
    > wait
      nothing
    > tidy ok
      do tell.1 exec/run {"argv":["succeeded"]}
    > tell ok
      over
    = succeeded
      a succeeded {}
      b skipped Connect: it says Connect
      c succeeded {"x":1}
      tell succeeded {}
      tidy succeeded {}
    "#);
    let two = r#"
steps:
  - { id: a, uses: exec/run, connection: shell, with: { argv: [a] } }
  - { id: b, set: { a: "${{ steps.a.status }}" } }
"#;
    assert_snapshot!(play(two, "a fails Denied; skip a"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a fails Denied
      over
    > skip a
      over
    = succeeded
      a skipped Denied: it says Denied
      b succeeded {"a":"skipped"}
    "#);
}

#[test]
fn skip_of_a_composite_step_that_failed_passes_it_by_whole() {
    // A guard that could not be computed: the call behind it is not made.
    let guarded = r#"
steps:
  - { id: one, if: event.data.missing, workflow: ship, with: { num: 1 } }
  - { id: end, set: { x: 1 } }
"#;
    assert_snapshot!(play_with(guarded, SHIP, "skip one"), @r#"
    > start
      over
    > skip one
      over
    = succeeded
      end succeeded {"x":1}
      one skipped Expression: `event.data.missing`: no such field `missing` in event.data
    "#);
    // A call whose inputs could not be computed.
    let inputs = r#"
steps:
  - { id: one, workflow: ship, with: { num: "${{ event.data.missing }}" } }
  - { id: end, set: { x: 1 } }
"#;
    assert_snapshot!(play_with(inputs, SHIP, "skip one"), @r#"
    > start
      over
    > skip one
      over
    = succeeded
      end succeeded {"x":1}
      one skipped Expression: /num: no such field `missing` in event.data
    "#);
    // A call whose outputs could not be computed: it is left, and names mean the caller's steps again.
    let outputs = SHIP.replace(
        "outputs: { num: \"${{ inputs.num }}\" }",
        "outputs: { num: \"${{ steps.put.outputs.json.deeper }}\" }",
    );
    let after = r#"
steps:
  - { id: s, set: { v: 3 } }
  - { id: one, workflow: ship, with: { num: 1 } }
  - { id: end, set: { v: "${{ steps.s.outputs.v }}" } }
"#;
    assert_snapshot!(play_with(after, &outputs, "one/put ok; one/look ok; skip one"), @r#"
    > start
      do one/put.1 exec/run {"argv":["put 1"]}
    > one/put ok
      do one/look.1 exec/run {"argv":["look 1"]}
    > one/look ok
      over
    > skip one
      over
    = succeeded
      end succeeded {"v":3}
      one skipped Expression: no such field `deeper` in steps.put.outputs.json (missing at `json`)
      one/look succeeded {}
      one/put succeeded {}
      s succeeded {"v":3}
    "#);
}

#[test]
fn an_uncertain_step_asks_unless_its_action_is_to_be_done_again() {
    assert_snapshot!(play("steps:\n  - { id: a, uses: slack/post, connection: team, with: { text: hi } }", "a lost; a ok"), @r#"
    > start
      do a.1 slack/post {"text":"hi"}
    > a lost
      do a.2 slack/post {"text":"hi"}
    > a ok
      over
    = succeeded
      a succeeded attempt 2 {}
    "#);
    let post = r#"
steps:
  - { id: a, uses: http/request, connection: api, with: { path: /a, method: POST } }
  - { id: b, set: { has: "${{ has(steps.a.outputs.status) }}" } }
"#;
    assert_snapshot!(play(post, "a lost; a.1 lost; settle a done"), @r#"
    > start
      do a.1 http/request {"method":"POST","path":"/a"}
    > a lost
      nothing
    > a.1 lost
      nothing
    > settle a done
      forget a
      over
    = succeeded
      a succeeded {}
      b succeeded {"has":false}
    "#);
    assert_snapshot!(play(post, "a lost; settle a failed"), @r#"
    > start
      do a.1 http/request {"method":"POST","path":"/a"}
    > a lost
      nothing
    > settle a failed
      forget a
      over
    = failed at a: Uncertain: an operator says that it was not done
      a failed Uncertain: an operator says that it was not done
    "#);
    assert_snapshot!(play(post, "a lost; settle a retry; a.1 ok; a.2 ok"), @r#"
    > start
      do a.1 http/request {"method":"POST","path":"/a"}
    > a lost
      nothing
    > settle a retry
      do a.2 http/request {"method":"POST","path":"/a"}
    > a.1 ok
      nothing
    > a.2 ok
      over
    = succeeded
      a succeeded attempt 2 {}
      b succeeded {"has":false}
    "#);
    // The answer comes after all.
    assert_snapshot!(play(post, r#"a lost; a.1 ok {"status":201}"#), @r#"
    > start
      do a.1 http/request {"method":"POST","path":"/a"}
    > a lost
      nothing
    > a.1 ok {"status":201}
      over
    = succeeded
      a succeeded {"status":201}
      b succeeded {"has":true}
    "#);
}
