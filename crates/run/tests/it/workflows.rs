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
    assert_snapshot!(play_with(&call, SHIP, r#"ship/put ok {"exitCode":0}"#), @r#"
    > start
      do ship/put.1 exec/run {"argv":[7,2]}
    > ship/put ok {"exitCode":0}
      over
    = succeeded
      after succeeded {"where":"ship-7"}
      ship succeeded {"where":"ship-7"}
      ship/put succeeded {"exitCode":0}
      ship/told succeeded {"code":0,"where":"ship-7"}
    "#);
}

#[test]
fn a_missing_input_fails_the_call() {
    let call = "steps:\n  - { id: ship, workflow: ship, with: { number: \"${{ event.data.absent }}\" } }";
    assert_snapshot!(play_with(call, SHIP, ""), @r#"
    > start
      over
    = failed at ship: Expression: /number: no such field `absent` in event.data
      ship failed Expression: /number: no such field `absent` in event.data
    "#);
    let call = "steps:\n  - { id: ship, workflow: ship, with: { number: \"${{ event.type }}\" } }";
    assert_snapshot!(play_with(call, SHIP, ""), @r#"
    > start
      over
    = failed at ship: Expression: the input `number` of the workflow default/ship must be of type int; "go" is not
      ship failed Expression: the input `number` of the workflow default/ship must be of type int; "go" is not
    "#);
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
    assert_snapshot!(play_with(call, SHIP, "ship/put fails Denied"), @r#"
    > start
      do ship/put.1 exec/run {"argv":[1,2]}
    > ship/put fails Denied
      over
    = succeeded
      after succeeded {"ship":"succeeded"}
      mend succeeded {"step":"ship/put"}
      ship succeeded Denied: it says Denied
      ship/put failed Denied: it says Denied
    "#);
    assert_snapshot!(play_with(call, SHIP, "ship/put fails Status"), @r#"
    > start
      do ship/put.1 exec/run {"argv":[1,2]}
    > ship/put fails Status
      over
    = failed at ship/put: Status: it says Status
      ship failed Status: it says Status
      ship/put failed Status: it says Status
    "#);
    let carry_on = call.replace(
        "catch: [ { errors: [Denied], steps: [ { id: mend, set: { step: \"${{ error.step }}\" } } ] } ]",
        "continueOnError: true",
    );
    assert_snapshot!(play_with(&carry_on, SHIP, "ship/put fails Status"), @r#"
    > start
      do ship/put.1 exec/run {"argv":[1,2]}
    > ship/put fails Status
      over
    = succeeded
      after succeeded {"ship":"failed"}
      ship failed Status: it says Status
      ship/put failed Status: it says Status
    "#);
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
    assert_snapshot!(play_with(call, WITH_ENDS, "ship/put ok; ship/tidy ok"), @r#"
    > start
      do ship/put.1 exec/run {"argv":["put"]}
    > ship/put ok
      do ship/tidy.1 exec/run {"argv":["tidy 5"]}
    > ship/tidy ok
      over
    = succeeded
      after succeeded {"x":1}
      ship succeeded {"done":true}
      ship/put succeeded {}
      ship/tidy succeeded {}
    "#);
    assert_snapshot!(play_with(call, WITH_ENDS, "ship/put fails Denied; ship/tidy ok"), @r#"
    > start
      do ship/put.1 exec/run {"argv":["put"]}
    > ship/put fails Denied
      do ship/tidy.1 exec/run {"argv":["tidy 5"]}
    > ship/tidy ok
      over
    = failed at ship/put: Denied: it says Denied
      ship failed Denied: it says Denied
      ship/put failed Denied: it says Denied
      ship/sorry succeeded {"why":"it says Denied of 5"}
      ship/tidy succeeded {}
    "#);
    assert_snapshot!(play_with(call, WITH_ENDS, "cancel; ship/tidy ok"), @r#"
    > start
      do ship/put.1 exec/run {"argv":["put"]}
    > cancel
      forget ship/put
      do ship/tidy.1 exec/run {"argv":["tidy 5"]}
    > ship/tidy ok
      over
    = cancelled at ship/put: Cancelled: ada: enough
      ship cancelled Cancelled: ada: enough
      ship/put cancelled Cancelled: ada: enough
      ship/tidy succeeded {}
    "#);
    // The caller's catch gets the first failure, after all that.
    let caught = r#"
steps:
  - id: ship
    workflow: ship
    with: { number: 5 }
    catch: [ { steps: [ { id: mend, set: { why: "${{ error.name }} in ${{ error.step }}" } } ] } ]
    finally: [ { id: outer, set: { x: 1 } } ]
"#;
    assert_snapshot!(play_with(caught, WITH_ENDS, "ship/put fails Denied; ship/tidy fails Status"), @r#"
    > start
      do ship/put.1 exec/run {"argv":["put"]}
    > ship/put fails Denied
      do ship/tidy.1 exec/run {"argv":["tidy 5"]}
    > ship/tidy fails Status
      over
    = succeeded
      mend succeeded {"why":"Denied in ship/put"}
      outer succeeded {"x":1}
      ship succeeded Denied: it says Denied
      ship/put failed Denied: it says Denied
      ship/sorry succeeded {"why":"it says Denied of 5"}
      ship/tidy failed Status: it says Status
    "#);
}

#[test]
fn a_call_that_is_skipped_is_skipped_whole() {
    let call = r#"
steps:
  - { id: ship, if: event.data.n == 8, workflow: ship, with: { number: 5 }, finally: [ { id: never, set: { x: 1 } } ] }
  - { id: after, set: { x: 1 } }
"#;
    assert_snapshot!(play_with(call, WITH_ENDS, ""), @r#"
    > start
      over
    = succeeded
      after succeeded {"x":1}
      ship skipped
    "#);
}

#[test]
fn a_workflow_that_calls_another_and_two_calls_of_one() {
    let more = format!(
        "{SHIP}---\n{}",
        r#"
kind: Workflow
metadata: { name: both }
spec:
  inputs: { num: { type: int } }
  steps:
    - { id: first, workflow: ship, with: { number: "${{ inputs.num }}" } }
    - { id: second, workflow: ship, with: { number: "${{ inputs.num + 1 }}", tries: 9 } }
  outputs: { all: "${{ [steps.first.outputs.where, steps.second.outputs.where] }}" }
"#
    );
    let call = "steps:\n  - { id: go, workflow: both, with: { num: 7 } }\n  - { id: end, set: { all: \"${{ steps.go.outputs.all }}\" } }";
    assert_snapshot!(play_with(call, &more, r#"go/first/put ok {"exitCode":0}; go/second/put ok {"exitCode":0}"#), @r#"
    > start
      do go/first/put.1 exec/run {"argv":[7,2]}
    > go/first/put ok {"exitCode":0}
      do go/second/put.1 exec/run {"argv":[8,9]}
    > go/second/put ok {"exitCode":0}
      over
    = succeeded
      end succeeded {"all":["ship-7","ship-8"]}
      go succeeded {"all":["ship-7","ship-8"]}
      go/first succeeded {"where":"ship-7"}
      go/first/put succeeded {"exitCode":0}
      go/first/told succeeded {"code":0,"where":"ship-7"}
      go/second succeeded {"where":"ship-8"}
      go/second/put succeeded {"exitCode":0}
      go/second/told succeeded {"code":0,"where":"ship-8"}
    "#);
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
    assert_eq!(play.run.trunk.steps["after"].outputs.to_string(), r#"{"its":"ship-1","mine":"outside"}"#);
}

#[test]
fn an_output_that_cannot_be_computed_fails_the_call_from_within() {
    let more = SHIP.replace("steps.told.outputs.where }}\" }", "steps.put.outputs.json.deeper }}\" }");
    let call = "steps:\n  - { id: ship, workflow: ship, with: { number: 1 } }";
    assert_snapshot!(play_with(call, &more, r#"ship/put ok {"exitCode":0}"#), @r#"
    > start
      do ship/put.1 exec/run {"argv":[1,2]}
    > ship/put ok {"exitCode":0}
      over
    = failed at ship: Expression: no such field `deeper` in steps.put.outputs.json (missing at `json`)
      ship failed Expression: no such field `deeper` in steps.put.outputs.json (missing at `json`)
      ship/put succeeded {"exitCode":0}
      ship/told succeeded {"code":0,"where":"ship-1"}
    "#);
}
