//! `switch`: the first case that holds, within each other, and a failure inside.

use insta::assert_snapshot;

use crate::kit::play;

#[test]
fn the_first_case_that_holds_is_gone_through() {
    let spec = |n: u32| {
        format!(
            r#"
steps:
  - id: which
    switch:
      - {{ if: event.data.n == {n}, steps: [ {{ id: one, set: {{ x: 1 }} }}, {{ id: two, set: {{ x: 2 }} }} ] }}
      - {{ if: event.data.n > 5, steps: [ {{ id: big, set: {{ x: 3 }} }} ] }}
      - {{ steps: [ {{ id: rest, set: {{ x: 4 }} }} ] }}
  - {{ id: after, set: {{ x: 5 }} }}
"#
        )
    };
    assert_snapshot!(play(&spec(7), ""), @r#"
    > start
      over
    = succeeded
      after succeeded {"x":5}
      one succeeded {"x":1}
      two succeeded {"x":2}
      which succeeded
    "#);
    assert_snapshot!(play(&spec(8), ""), @r#"
    > start
      over
    = succeeded
      after succeeded {"x":5}
      big succeeded {"x":3}
      which succeeded
    "#);
}

#[test]
fn where_no_case_holds_it_goes_on() {
    let spec = r#"
steps:
  - { id: which, switch: [ { if: event.data.n > 9, steps: [ { id: big, set: { x: 1 } } ] } ] }
  - { id: after, set: { x: 5 } }
"#;
    assert_snapshot!(play(spec, ""), @r#"
    > start
      over
    = succeeded
      after succeeded {"x":5}
      which succeeded
    "#);
}

#[test]
fn one_within_the_other_and_the_rest_of_the_outer_list_follows() {
    let spec = r#"
steps:
  - id: outer
    switch:
      - steps:
          - id: inner
            switch:
              - { if: event.data.n == 8, steps: [ { id: never, set: { x: 1 } } ] }
              - { steps: [ { id: a, uses: exec/run, connection: shell, with: { argv: [x] } } ] }
          - { id: b, set: { x: 2 } }
  - { id: c, set: { x: 3 } }
"#;
    assert_snapshot!(play(spec, "a ok"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a ok
      over
    = succeeded
      a succeeded {}
      b succeeded {"x":2}
      c succeeded {"x":3}
      inner succeeded
      outer succeeded
    "#);
    assert_snapshot!(play(spec, "a fails Denied"), @r#"
    > start
      do a.1 exec/run {"argv":["x"]}
    > a fails Denied
      over
    = failed at a: Denied: it says Denied
      a failed Denied: it says Denied
      inner succeeded
      outer succeeded
    "#);
}

#[test]
fn a_condition_that_cannot_be_computed_fails_the_switch() {
    let spec = r#"
steps:
  - { id: which, switch: [ { if: event.data.missing, steps: [ { id: a, set: { x: 1 } } ] } ] }
"#;
    assert_snapshot!(play(spec, ""), @r#"
    > start
      over
    = failed at which: Expression: `event.data.missing`: no such field `missing` in event.data
      which failed Expression: `event.data.missing`: no such field `missing` in event.data
    "#);
}

#[test]
fn its_catch_and_continue_on_error_are_for_all_that_is_in_it() {
    let spec = r#"
steps:
  - id: which
    switch: [ { steps: [ { id: a, fail: boo }, { id: never, set: { x: 1 } } ] } ]
    catch: [ { steps: [ { id: mend, set: { step: "${{ error.step }}" } } ] } ]
  - { id: after, set: { x: 5 } }
"#;
    assert_snapshot!(play(spec, ""), @r#"
    > start
      over
    = succeeded
      a failed StepFailed: boo
      after succeeded {"x":5}
      mend succeeded {"step":"a"}
      which succeeded
    "#);
    let carry_on = r#"
steps:
  - { id: which, continueOnError: true, switch: [ { steps: [ { id: a, fail: boo } ] } ] }
  - { id: after, set: { x: 5 } }
"#;
    assert_snapshot!(play(carry_on, ""), @r#"
    > start
      over
    = succeeded
      a failed StepFailed: boo
      after succeeded {"x":5}
      which succeeded
    "#);
}
