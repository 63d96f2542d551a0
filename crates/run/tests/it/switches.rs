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
    assert_snapshot!(play(&spec(7), ""), @"");
    assert_snapshot!(play(&spec(8), ""), @"");
}

#[test]
fn where_no_case_holds_it_goes_on() {
    let spec = r#"
steps:
  - { id: which, switch: [ { if: event.data.n > 9, steps: [ { id: big, set: { x: 1 } } ] } ] }
  - { id: after, set: { x: 5 } }
"#;
    assert_snapshot!(play(spec, ""), @"");
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
    assert_snapshot!(play(spec, "a ok"), @"");
    assert_snapshot!(play(spec, "a fails Denied"), @"");
}

#[test]
fn a_condition_that_cannot_be_computed_fails_the_switch() {
    let spec = r#"
steps:
  - { id: which, switch: [ { if: event.data.missing, steps: [ { id: a, set: { x: 1 } } ] } ] }
"#;
    assert_snapshot!(play(spec, ""), @"");
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
    assert_snapshot!(play(spec, ""), @"");
    let carry_on = r#"
steps:
  - { id: which, continueOnError: true, switch: [ { steps: [ { id: a, fail: boo } ] } ] }
  - { id: after, set: { x: 5 } }
"#;
    assert_snapshot!(play(carry_on, ""), @"");
}
