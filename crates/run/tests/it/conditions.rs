//! `if` on a step.

use insta::assert_snapshot;

use crate::kit::play;

#[test]
fn a_false_condition_skips_the_step_and_it_has_no_outputs() {
    let spec = r#"
steps:
  - { id: a, if: event.data.n == 8, set: { x: 1 } }
  - { id: b, if: event.data.n == 7, set: { ran: "${{ steps.a.status }}", has: "${{ has(steps.a.outputs) }}" } }
"#;
    assert_snapshot!(play(spec, ""), @r#"
    > start
      over
    = succeeded
      a skipped
      b succeeded {"has":false,"ran":"skipped"}
    "#);
}

#[test]
fn a_condition_that_cannot_be_computed_fails_the_step() {
    for (cond, why) in [
        ("event.data.missing == 1", "Expression: `event.data.missing == 1`: no such field `missing` in event.data"),
        ("event.data.n", "Expression: `if: event.data.n` gives a int; a condition must give true or false"),
        (
            "steps.a.outputs.x == 1",
            "Expression: `steps.a.outputs.x == 1`: no such field `x` in steps.a.outputs (missing at `outputs`)",
        ),
    ] {
        let spec = format!(
            "steps:\n  - {{ id: a, if: event.data.n == 8, set: {{ x: 1 }} }}\n  - {{ id: b, if: {cond}, set: {{ x: 1 }} }}"
        );
        let told = play(&spec, "");
        let last = told.lines().last().unwrap();
        assert!(last.starts_with(&format!("  b failed {why}")), "{cond}: {last}");
    }
}

#[test]
fn a_skipped_step_passes_its_catch_and_finally_by() {
    let spec = r#"
steps:
  - id: a
    if: event.data.n == 8
    fail: never
    catch: [ { steps: [ { id: caught, set: { x: 1 } } ] } ]
    finally: [ { id: after, set: { x: 1 } } ]
  - { id: b, set: { x: 2 } }
"#;
    assert_snapshot!(play(spec, ""), @r#"
    > start
      over
    = succeeded
      a skipped
      b succeeded {"x":2}
    "#);
}

#[test]
fn a_condition_that_fails_is_caught_by_its_step() {
    let spec = r#"
steps:
  - id: a
    if: event.data.missing == 8
    set: { x: 1 }
    catch: [ { errors: [Expression], steps: [ { id: caught, set: { why: "${{ error.name }}" } } ] } ]
    finally: [ { id: after, set: { x: 1 } } ]
"#;
    assert_snapshot!(play(spec, ""), @r#"
    > start
      over
    = succeeded
      a succeeded Expression: `event.data.missing == 8`: no such field `missing` in event.data
      after succeeded {"x":1}
      caught succeeded {"why":"Expression"}
    "#);
}

#[test]
fn conditions_ask_how_the_run_stands() {
    let spec = |fails: bool| {
        let step = if fails { "fail: boo" } else { "set: { x: 1 }" };
        format!(
            r#"
steps:
  - {{ id: a, {step} }}
finally:
  - {{ id: well, if: success(), set: {{ x: 1 }} }}
  - {{ id: badly, if: failed(), set: {{ x: 1 }} }}
  - {{ id: anyway, if: always(), set: {{ x: 1 }} }}
"#
        )
    };
    assert_snapshot!(play(&spec(false), ""), @r#"
    > start
      over
    = succeeded
      a succeeded {"x":1}
      anyway succeeded {"x":1}
      badly skipped
      well succeeded {"x":1}
    "#);
    assert_snapshot!(play(&spec(true), ""), @r#"
    > start
      over
    = failed at a: StepFailed: boo
      a failed StepFailed: boo
      anyway succeeded {"x":1}
      badly succeeded {"x":1}
      well skipped
    "#);
}
