//! What was done is taken back, and how long a run may take.

use insta::assert_snapshot;

use crate::kit::{play, play_with};

#[test]
fn in_reverse_when_the_run_fails() {
    let spec = r#"
steps:
  - { id: a, uses: exec/run, connection: shell, with: { argv: [a] }, undo: { id: un_a, uses: exec/run, connection: shell, with: { argv: [un_a] } } }
  - { id: b, set: { x: 1 }, undo: { id: un_b, emit: { type: back, data: { was: "${{ steps.b.outputs.x }}" } } } }
  - { id: c, uses: exec/run, connection: shell, with: { argv: [c] } }
onFailure: [ { id: tell, uses: exec/run, connection: shell, with: { argv: [tell] } } ]
"#;
    assert_snapshot!(play(spec, "a ok; c fails Denied; un_a ok; tell ok"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a ok
      do c.1 exec/run {"argv":["c"]}
    > c fails Denied
      emit back {"was":1}
      do un_a.1 exec/run {"argv":["un_a"]}
    > un_a ok
      do tell.1 exec/run {"argv":["tell"]}
    > tell ok
      over
    = failed at c: Denied: it says Denied
      a succeeded {}
      b succeeded {"x":1}
      c failed Denied: it says Denied
      tell succeeded {}
      un_a succeeded {}
      un_b succeeded {"id":"ec109c4f66413e2e745c3d459b8dfc14"}
    "#);
    assert_snapshot!(play(spec, "a ok; c fails Denied; un_a fails Status; tell ok"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a ok
      do c.1 exec/run {"argv":["c"]}
    > c fails Denied
      emit back {"was":1}
      do un_a.1 exec/run {"argv":["un_a"]}
    > un_a fails Status
      do tell.1 exec/run {"argv":["tell"]}
    > tell ok
      over
    = failed at c: Denied: it says Denied; taking back `a` failed: Status: it says Status
      a succeeded {}
      b succeeded {"x":1}
      c failed Denied: it says Denied
      tell succeeded {}
      un_a failed Status: it says Status
      un_b succeeded {"id":"ec109c4f66413e2e745c3d459b8dfc14"}
    "#);
    assert_snapshot!(play(spec, "a ok; c fails Denied; un_a ok; tell ok; resume"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a ok
      do c.1 exec/run {"argv":["c"]}
    > c fails Denied
      emit back {"was":1}
      do un_a.1 exec/run {"argv":["un_a"]}
    > un_a ok
      do tell.1 exec/run {"argv":["tell"]}
    > tell ok
      over
    > resume
      refused: step `a` was taken back when the run failed; start it anew with `ensue run retry`
    = failed at c: Denied: it says Denied
      a succeeded {}
      b succeeded {"x":1}
      c failed Denied: it says Denied
      tell succeeded {}
      un_a succeeded {}
      un_b succeeded {"id":"ec109c4f66413e2e745c3d459b8dfc14"}
    "#);
    assert_snapshot!(play(spec, "a ok; cancel; un_a ok"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a ok
      do c.1 exec/run {"argv":["c"]}
    > cancel
      forget c
      emit back {"was":1}
      do un_a.1 exec/run {"argv":["un_a"]}
    > un_a ok
      over
    = cancelled at c: Cancelled: ada: enough
      a succeeded {}
      b succeeded {"x":1}
      c cancelled Cancelled: ada: enough
      un_a succeeded {}
      un_b succeeded {"id":"ec109c4f66413e2e745c3d459b8dfc14"}
    "#);
    assert_snapshot!(play(spec, "a ok; cancel; cancel"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a ok
      do c.1 exec/run {"argv":["c"]}
    > cancel
      forget c
      emit back {"was":1}
      do un_a.1 exec/run {"argv":["un_a"]}
    > cancel
      forget un_a
      over
    = cancelled at c: Cancelled: ada: enough; taking back `a` failed: Cancelled: ada: enough
      a succeeded {}
      b succeeded {"x":1}
      c cancelled Cancelled: ada: enough
      un_a cancelled Cancelled: ada: enough
      un_b succeeded {"id":"ec109c4f66413e2e745c3d459b8dfc14"}
    "#);
    assert_snapshot!(play(spec, "a ok; c ok; rollback; un_a ok"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a ok
      do c.1 exec/run {"argv":["c"]}
    > c ok
      over
    > rollback
      emit back {"was":1}
      do un_a.1 exec/run {"argv":["un_a"]}
    > un_a ok
      over
    = cancelled at : Cancelled: ada: back
      a succeeded {}
      b succeeded {"x":1}
      c succeeded {}
      un_a succeeded {}
      un_b succeeded {"id":"e7830343acb6df37998d9eabc4a4dbd0"}
    "#);
    assert_snapshot!(play(spec, "a ok; c ok; rollback; un_a ok; rollback"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a ok
      do c.1 exec/run {"argv":["c"]}
    > c ok
      over
    > rollback
      emit back {"was":1}
      do un_a.1 exec/run {"argv":["un_a"]}
    > un_a ok
      over
    > rollback
      refused: run RUN has nothing to take back: no step that it finished has an `undo`
    = cancelled at : Cancelled: ada: back
      a succeeded {}
      b succeeded {"x":1}
      c succeeded {}
      un_a succeeded {}
      un_b succeeded {"id":"e7830343acb6df37998d9eabc4a4dbd0"}
    "#);
}

/// Once the cancel ended only the taking back, and the run went on with `d`.
#[test]
fn a_cancel_while_a_branch_that_lost_takes_back_ends_the_run() {
    let spec = r#"
steps:
  - id: race
    parallel:
      join: any
      branches:
        - - { id: a, uses: exec/run, connection: shell, with: { argv: [a] }, undo: { id: un_a, uses: exec/run, connection: shell, with: { argv: [un_a] } } }
          - { id: b, uses: exec/run, connection: shell, with: { argv: [b] } }
        - [ { id: c, uses: exec/run, connection: shell, with: { argv: [c] } } ]
  - { id: d, uses: exec/run, connection: shell, with: { argv: [d] } }
finally: [ { id: last, uses: exec/run, connection: shell, with: { argv: [last] } } ]
"#;
    assert_snapshot!(play(spec, "a ok; c ok; cancel; un_a ok; last ok"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
      do c.1 exec/run {"argv":["c"]}
    > a ok
      do b.1 exec/run {"argv":["b"]}
    > c ok
      forget b
      do un_a.1 exec/run {"argv":["un_a"]}
    > cancel
      nothing
    > un_a ok
      do last.1 exec/run {"argv":["last"]}
    > last ok
      over
    = cancelled at race: Cancelled: ada: enough
      a succeeded {}
      b cancelled Cancelled: the other branches decided without it
      c succeeded {}
      last succeeded {}
      race cancelled Cancelled: ada: enough
      un_a succeeded {}
    "#);
}

#[test]
fn not_when_it_is_caught() {
    let spec = r#"
steps:
  - { id: a, uses: exec/run, connection: shell, with: { argv: [a] }, undo: { id: un_a, uses: exec/run, connection: shell, with: { argv: [un_a] } } }
  - { id: c, uses: exec/run, connection: shell, with: { argv: [c] }, catch: [ { steps: [ { id: d, set: { x: 1 } } ] } ] }
"#;
    assert_snapshot!(play(spec, "a ok; c fails Denied"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a ok
      do c.1 exec/run {"argv":["c"]}
    > c fails Denied
      over
    = succeeded
      a succeeded {}
      c succeeded Denied: it says Denied
      d succeeded {"x":1}
    "#);
}

#[test]
fn of_items_that_are_done() {
    let spec = r#"
steps:
  - id: each
    foreach: { items: "${{ event.data.list }}", steps: [ { id: put, uses: exec/run, connection: shell, with: { argv: ["${{ item }}"] }, undo: { id: back, uses: exec/run, connection: shell, with: { argv: ["back ${{ item }}"] } } } ] }
  - { id: c, uses: exec/run, connection: shell, with: { argv: [c] } }
"#;
    assert_snapshot!(play(spec, "put[0] ok; put[1] ok; c fails Denied; back[1] ok; back[0] ok"), @r#"
    > start
      do put[0].1 exec/run {"argv":[1]}
      do put[1].1 exec/run {"argv":[2]}
    > put[0] ok
      nothing
    > put[1] ok
      do c.1 exec/run {"argv":["c"]}
    > c fails Denied
      do back[1].1 exec/run {"argv":["back 2"]}
    > back[1] ok
      do back[0].1 exec/run {"argv":["back 1"]}
    > back[0] ok
      over
    = failed at c: Denied: it says Denied
      c failed Denied: it says Denied
      each succeeded {"count":2,"results":[{"put":{}},{"put":{}}]}
    "#);
    assert_snapshot!(play(spec, "put[0] ok; put[1] fails Denied; back[0] ok"), @r#"
    > start
      do put[0].1 exec/run {"argv":[1]}
      do put[1].1 exec/run {"argv":[2]}
    > put[0] ok
      nothing
    > put[1] fails Denied
      do back[0].1 exec/run {"argv":["back 1"]}
    > back[0] ok
      over
    = failed at put[1]: Denied: it says Denied
      each failed Denied: it says Denied
    "#);
}

#[test]
fn a_run_has_a_time_of_its_own() {
    let spec = r#"
timeout: 1h
steps: [ { id: a, uses: exec/run, connection: shell, with: { argv: [a] } } ]
onFailure: [ { id: tell, uses: exec/run, connection: shell, with: { argv: [tell] } } ]
"#;
    assert_snapshot!(play(spec, "wait; tell ok"), @r#"
    > start
      wake  in 1h
      do a.1 exec/run {"argv":["a"]}
    > wait
      forget a
      do tell.1 exec/run {"argv":["tell"]}
    > tell ok
      over
    = failed at a: Timeout: the run was not done within 1h
      a failed Timeout: the run was not done within 1h
      tell succeeded {}
    "#);
    assert_snapshot!(play(spec, "a ok"), @r#"
    > start
      wake  in 1h
      do a.1 exec/run {"argv":["a"]}
    > a ok
      calm 
      over
    = succeeded
      a succeeded {}
    "#);
}

#[test]
fn outputs_are_kept_for_the_next_time() {
    let spec = r#"
steps:
  - { id: a, uses: exec/run, connection: shell, with: { argv: [a] }, cache: { key: string(event.data.n), keep: 1h } }
  - { id: c, uses: exec/run, connection: shell, with: { argv: [c] } }
  - { id: b, uses: exec/run, connection: shell, with: { argv: [other] }, cache: { key: event.data.n } }
"#;
    assert_snapshot!(play(spec, "a ok {\"exitCode\":3}; c ok"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a ok {"exitCode":3}
      keep {"exitCode":3}
      do c.1 exec/run {"argv":["c"]}
    > c ok
      over
    = succeeded
      a succeeded {"exitCode":3}
      b succeeded {"exitCode":3}
      c succeeded {}
    "#);
}

#[test]
fn of_a_workflow_that_came_back_with_its_inputs() {
    // What was done in an item, a branch or a list with `needs` is taken back after the workflow around them has ended.
    let workflow = r#"
kind: Workflow
metadata: { name: ship }
spec:
  inputs: { to: { type: text } }
  steps:
    - { id: a, set: { x: "${{ inputs.to }}" }, undo: { id: un_a, emit: { type: "a-${{ inputs.to }}-${{ steps.a.outputs.x }}" } } }
    - { id: b, needs: [a], foreach: { items: "${{ [1] }}", steps: [ { id: c, set: { x: 1 }, undo: { id: un_c, emit: { type: "c-${{ inputs.to }}-${{ item }}" } } } ] } }
    - { id: d, needs: [b], parallel: { branches: [ [ { id: e, set: { x: 1 }, undo: { id: un_e, uses: exec/run, connection: shell, with: { argv: ["e-${{ inputs.to }}"] }, catch: [ { steps: [ { id: noted, emit: { type: "caught-${{ inputs.to }}" } } ] } ] } } ] ] } }
"#;
    let spec = r#"
steps:
  - { id: ship, workflow: ship, with: { to: eu } }
  - { id: last, fail: enough }
"#;
    assert_snapshot!(play_with(spec, workflow, "ship/un_e fails Denied"), @r#"
    > start
      do ship/un_e.1 exec/run {"argv":["e-eu"]}
    > ship/un_e fails Denied
      emit caught-eu
      emit c-eu-1
      emit a-eu-eu
      over
    = failed at last: StepFailed: enough
      last failed StepFailed: enough
      ship succeeded {}
      ship/a succeeded {"x":"eu"}
      ship/a~ succeeded
      ship/b succeeded {"count":1,"results":[{"c":{"x":1}}]}
      ship/d succeeded {"others":[],"succeeded":["0"]}
      ship/e succeeded {"x":1}
      ship/noted succeeded {"id":"1a2dd3ab9fe6f33d927adcedb98db1ca"}
      ship/un_a succeeded {"id":"38b4b1e861ac6e12a8779231d5cd586a"}
      ship/un_e succeeded Denied: it says Denied
    "#);
}
