//! Calls of workflows.

use insta::assert_snapshot;

use crate::kit::{Play, documents, play_with};

const SHIP: &str = r#"
kind: Workflow
metadata: { name: ship }
spec:
  inputs: { number: { type: int }, tries: { type: int, default: 2 } }
  steps:
    - { id: put, uses: exec/run, connection: shell, with: { argv: ["${{ inputs.number }}", "${{ inputs.tries }}"] } }
    - { id: told, set: { where: "ship-${{ inputs.number }}", code: "${{ steps.put.outputs.exitCode }}" } }
  outputs: { where: "${{ steps.told.outputs.where }}" }
"#;

const CALL: &str = r#"
steps:
  - { id: ship, workflow: ship, with: { number: "${{ event.data.n }}" } }
  - { id: after, set: { where: "${{ steps.ship.outputs.where }}", put: "${{ has(steps.put) }}" } }
"#;

#[test]
fn inputs_defaults_and_outputs() {
    // `steps.put` is not there outside: the language refuses it, so the caller is asked through `has`.
    let call = CALL.replace(r#", put: "${{ has(steps.put) }}""#, "");
    assert_snapshot!(play_with(&call, SHIP, r#"ship/put ok {"exitCode":0}"#), @"");
}

#[test]
fn a_missing_input_fails_the_call() {
    let call = "steps:\n  - { id: ship, workflow: ship, with: { number: \"${{ event.data.absent }}\" } }";
    assert_snapshot!(play_with(call, SHIP, ""), @"");
    let call = "steps:\n  - { id: ship, workflow: ship, with: \"${{ {'tries': 1} }}\" }";
    let told = std::panic::catch_unwind(|| play_with(call, SHIP, ""));
    if let Ok(told) = told {
        assert!(told.contains("needs the input `number`"), "{told}");
    }
}

#[test]
fn a_failure_in_it_fails_the_calling_step_and_can_be_caught_there() {
    let call = r#"
steps:
  - id: ship
    workflow: ship
    with: { number: 1 }
    catch: [ { errors: [Denied], steps: [ { id: mend, set: { step: "${{ error.step }}" } } ] } ]
  - { id: after, set: { ship: "${{ steps.ship.status }}" } }
"#;
    assert_snapshot!(play_with(call, SHIP, "ship/put fails Denied"), @"");
    assert_snapshot!(play_with(call, SHIP, "ship/put fails Status"), @"");
    let carry_on = call.replace(
        "catch: [ { errors: [Denied], steps: [ { id: mend, set: { step: \"${{ error.step }}\" } } ] } ]",
        "continueOnError: true",
    );
    assert_snapshot!(play_with(&carry_on, SHIP, "ship/put fails Status"), @"");
}

const WITH_ENDS: &str = r#"
kind: Workflow
metadata: { name: ship }
spec:
  inputs: { number: { type: int } }
  steps:
    - { id: put, uses: exec/run, connection: shell, with: { argv: [put] } }
  onFailure:
    - { id: sorry, set: { why: "${{ error.message }} of ${{ inputs.number }}" } }
  finally:
    - { id: tidy, uses: exec/run, connection: shell, with: { argv: ["tidy ${{ inputs.number }}"] } }
  outputs: { done: true }
"#;

#[test]
fn its_own_on_failure_and_finally_run_before_it_comes_back() {
    let call = "steps:\n  - { id: ship, workflow: ship, with: { number: 5 } }\n  - { id: after, set: { x: 1 } }";
    assert_snapshot!(play_with(call, WITH_ENDS, "ship/put ok; ship/tidy ok"), @"");
    assert_snapshot!(play_with(call, WITH_ENDS, "ship/put fails Denied; ship/tidy ok"), @"");
    assert_snapshot!(play_with(call, WITH_ENDS, "cancel; ship/tidy ok"), @"");
    // The caller's catch gets the first failure, after all that.
    let caught = r#"
steps:
  - id: ship
    workflow: ship
    with: { number: 5 }
    catch: [ { steps: [ { id: mend, set: { why: "${{ error.name }} in ${{ error.step }}" } } ] } ]
    finally: [ { id: outer, set: { x: 1 } } ]
"#;
    assert_snapshot!(play_with(caught, WITH_ENDS, "ship/put fails Denied; ship/tidy fails Status"), @"");
}

#[test]
fn a_call_that_is_skipped_is_skipped_whole() {
    let call = r#"
steps:
  - { id: ship, if: event.data.n == 8, workflow: ship, with: { number: 5 }, finally: [ { id: never, set: { x: 1 } } ] }
  - { id: after, set: { x: 1 } }
"#;
    assert_snapshot!(play_with(call, WITH_ENDS, ""), @"");
}

#[test]
fn a_workflow_that_calls_another_and_two_calls_of_one() {
    let more = format!(
        "{SHIP}---\n{}",
        r#"
kind: Workflow
metadata: { name: both }
spec:
  inputs: { n: { type: int } }
  steps:
    - { id: first, workflow: ship, with: { number: "${{ inputs.n }}" } }
    - { id: second, workflow: ship, with: { number: "${{ inputs.n + 1 }}", tries: 9 } }
  outputs: { all: "${{ [steps.first.outputs.where, steps.second.outputs.where] }}" }
"#
    );
    let call = "steps:\n  - { id: go, workflow: both, with: { n: 7 } }\n  - { id: end, set: { all: \"${{ steps.go.outputs.all }}\" } }";
    assert_snapshot!(play_with(call, &more, r#"go/first/put ok {"exitCode":0}; go/second/put ok {"exitCode":0}"#), @"");
}

#[test]
fn steps_of_a_workflow_do_not_see_those_of_its_caller() {
    // The caller has a step `told` too: the workflow's own is meant inside, the caller's outside.
    let call = r#"
steps:
  - { id: told, set: { where: outside } }
  - { id: ship, workflow: ship, with: { number: 1 } }
  - { id: after, set: { mine: "${{ steps.told.outputs.where }}", its: "${{ steps.ship.outputs.where }}" } }
"#;
    let mut play = Play::new(&documents(call, SHIP));
    play.say("start");
    play.say(r#"ship/put ok {"exitCode":0}"#);
    assert_eq!(play.run.steps["after"].outputs.to_string(), r#"{"its":"ship-1","mine":"outside"}"#);
}

#[test]
fn an_output_that_cannot_be_computed_fails_the_call_from_within() {
    let more = SHIP.replace("steps.told.outputs.where }}\" }", "steps.put.outputs.missing.deeper }}\" }");
    let call = "steps:\n  - { id: ship, workflow: ship, with: { number: 1 } }";
    assert_snapshot!(play_with(call, &more, r#"ship/put ok {"exitCode":0}"#), @"");
}
