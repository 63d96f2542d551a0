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
    assert_snapshot!(play(STEPS, "a ok; cancel; tidy ok; tell ok"), @"");
}

#[test]
fn cancel_while_it_waits_to_try_again() {
    assert_snapshot!(play(STEPS, "a ok; b passes Connect; cancel; wait; tidy ok; tell ok"), @"");
}

#[test]
fn cancel_while_a_person_is_asked() {
    assert_snapshot!(play(STEPS, "a ok; b lost; cancel; tidy ok; tell ok"), @"");
}

#[test]
fn cancel_in_a_finally_in_on_failure_and_twice() {
    assert_snapshot!(play(STEPS, "a ok; b ok; cancel; tell ok"), @"");
    assert_snapshot!(play(STEPS, "a fails Denied; cancel; tell ok"), @"");
    assert_snapshot!(play(STEPS, "cancel; cancel"), @"");
}

#[test]
fn the_answer_of_a_cancelled_step_comes_too_late() {
    assert_snapshot!(play("steps:\n  - { id: a, uses: exec/run, connection: shell, with: { argv: [a] } }", "cancel; a.1 ok; a.1 fails Status"), @"");
}

#[test]
fn resume_goes_on_at_the_failed_step_with_a_new_effect() {
    let spec = r#"
steps:
  - { id: a, uses: exec/run, connection: shell, with: { argv: [a] } }
  - { id: b, uses: exec/run, connection: shell, with: { argv: ["${{ steps.a.outputs.exitCode }}"] } }
  - { id: c, set: { x: 1 } }
"#;
    assert_snapshot!(play(spec, r#"a ok {"exitCode":0}; b fails Denied; resume; b.1 ok"#), @"");
    assert_snapshot!(play(spec, r#"a ok {"exitCode":0}; b fails Denied; resume a; a ok {"exitCode":5}; b ok"#), @"");
    assert_snapshot!(play(spec, r#"a fails Denied; resume c"#), @"");
    assert_snapshot!(play(spec, r#"cancel; resume; a ok {"exitCode":0}; b ok"#), @"");
}

#[test]
fn resume_after_on_failure_and_finally_have_run() {
    assert_snapshot!(play(STEPS, "a fails Denied; sorry ok; tell ok; resume; a ok; b ok; tidy ok; tell ok"), @"");
}

#[test]
fn resume_where_a_finally_step_failed() {
    assert_snapshot!(play(STEPS, "a ok; b ok; tidy fails Denied; sorry ok; tell ok; resume; tidy ok; tell ok"), @"");
    assert_snapshot!(play(STEPS, "a ok; b ok; tidy ok; tell fails Denied; resume; tell ok"), @"");
}

const SHIP: &str = r#"
kind: Workflow
metadata: { name: ship }
spec:
  inputs: { n: { type: int } }
  steps:
    - { id: put, uses: exec/run, connection: shell, with: { argv: ["put ${{ inputs.n }}"] } }
    - { id: look, uses: exec/run, connection: shell, with: { argv: ["look ${{ inputs.n }}"] } }
  outputs: { n: "${{ inputs.n }}" }
"#;
const TWO_CALLS: &str = r#"
steps:
  - { id: one, workflow: ship, with: { n: 1 } }
  - { id: two, workflow: ship, with: { n: 2 } }
  - { id: end, set: { n: "${{ steps.two.outputs.n }}" } }
"#;

#[test]
fn resume_inside_a_workflow() {
    assert_snapshot!(play_with(TWO_CALLS, SHIP, "one/put ok; one/look ok; two/put ok; two/look fails Denied; resume; two/look ok"), @"");
    assert_snapshot!(play_with(TWO_CALLS, SHIP, "one/put ok; one/look ok; two/put ok; two/look fails Denied; resume two/put; two/put ok; two/look ok"), @"");
    assert_snapshot!(play_with(TWO_CALLS, SHIP, "one/put ok; one/look ok; two/put fails Denied; resume two; two/put ok; two/look ok"), @"");
}

#[test]
fn resume_cannot_jump_into_another_call_or_a_finally() {
    assert_snapshot!(play_with(TWO_CALLS, SHIP, "one/put ok; one/look ok; two/put fails Denied; resume one/put; resume nothing; resume one/"), @"");
    assert_snapshot!(play(STEPS, "a fails Denied; sorry ok; tell ok; resume tidy; resume tell; resume sorry"), @"");
}

#[test]
fn what_does_not_fit_is_refused() {
    assert_snapshot!(play(STEPS, "resume; skip b; settle a done; skip c"), @"");
    let one = "steps:\n  - { id: a, uses: exec/run, connection: shell, with: { argv: [a] } }";
    assert_snapshot!(play(one, "a ok; cancel; resume; skip a; settle a done"), @"");
    assert_snapshot!(play(one, "a lost; settle a perhaps; settle b done; resume"), @"");
    // A failure that was caught is no failed step of a run that succeeded.
    let caught = "steps:\n  - { id: a, fail: x, continueOnError: true }";
    assert_snapshot!(play(caught, "skip a; resume"), @"");
}

#[test]
fn skip_takes_a_step_as_done() {
    assert_snapshot!(play(STEPS, "skip a; b ok; tidy ok; tell ok"), @"");
    assert_snapshot!(play(STEPS, "a ok; b passes Connect; skip b; wait; tidy ok; tell ok"), @"");
    let two = r#"
steps:
  - { id: a, uses: exec/run, connection: shell, with: { argv: [a] } }
  - { id: b, set: { a: "${{ steps.a.status }}" } }
"#;
    assert_snapshot!(play(two, "a fails Denied; skip a"), @"");
}

#[test]
fn skip_of_a_composite_step_that_failed_passes_it_by_whole() {
    // A guard that could not be computed: the call behind it is not made.
    let guarded = r#"
steps:
  - { id: one, if: event.data.missing, workflow: ship, with: { n: 1 } }
  - { id: end, set: { x: 1 } }
"#;
    assert_snapshot!(play_with(guarded, SHIP, "skip one"), @"");
    // A call whose inputs could not be computed.
    let inputs = r#"
steps:
  - { id: one, workflow: ship, with: { n: "${{ event.data.missing }}" } }
  - { id: end, set: { x: 1 } }
"#;
    assert_snapshot!(play_with(inputs, SHIP, "skip one"), @"");
    // A call whose outputs could not be computed: it is left, and names mean the caller's steps again.
    let outputs =
        SHIP.replace("outputs: { n: \"${{ inputs.n }}\" }", "outputs: { n: \"${{ steps.put.outputs.a.b }}\" }");
    let after = r#"
steps:
  - { id: s, set: { v: 3 } }
  - { id: one, workflow: ship, with: { n: 1 } }
  - { id: end, set: { v: "${{ steps.s.outputs.v }}" } }
"#;
    assert_snapshot!(play_with(after, &outputs, "one/put ok; one/look ok; skip one"), @"");
}

#[test]
fn an_uncertain_step_asks_unless_its_action_is_to_be_done_again() {
    assert_snapshot!(play("steps:\n  - { id: a, uses: slack/post, connection: team, with: { text: hi } }", "a lost; a ok"), @"");
    let post = r#"
steps:
  - { id: a, uses: http/request, connection: api, with: { path: /a, method: POST } }
  - { id: b, set: { has: "${{ has(steps.a.outputs.status) }}" } }
"#;
    assert_snapshot!(play(post, "a lost; a.1 lost; settle a done"), @"");
    assert_snapshot!(play(post, "a lost; settle a failed"), @"");
    assert_snapshot!(play(post, "a lost; settle a retry; a.1 ok; a.2 ok"), @"");
    // The answer comes after all.
    assert_snapshot!(play(post, r#"a lost; a.1 ok {"status":201}"#), @"");
}
