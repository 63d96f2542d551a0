//! Steps in order: outputs, `set`, `emit`, `fail`, and what an answer that comes twice or late does.

use insta::assert_snapshot;

use crate::kit::play;

const THREE: &str = r#"
steps:
  - { id: a, uses: http/request, connection: api, with: { path: "/a/${{ event.data.n }}" } }
  - { id: b, uses: slack/post, connection: team, with: { text: "${{ let.who }}: ${{ steps.a.outputs.status }}" } }
  - { id: c, uses: exec/run, connection: shell, with: { argv: [echo, "${{ steps.b.status }}"] } }
let: { who: event.data.who }
"#;

#[test]
fn steps_follow_each_other_and_see_what_came_before() {
    assert_snapshot!(play(THREE, r#"a ok {"status":200}; b ok; c ok {"exitCode":0}"#), @r#"
    > start
      do a.1 http/request {"path":"/a/7"}
    > a ok {"status":200}
      do b.1 slack/post {"text":"ada: 200"}
    > b ok
      do c.1 exec/run {"argv":["echo","succeeded"]}
    > c ok {"exitCode":0}
      over
    = succeeded
      a succeeded {"status":200}
      b succeeded {}
      c succeeded {"exitCode":0}
    "#);
}

#[test]
fn a_failure_that_nobody_handles_ends_the_run() {
    assert_snapshot!(play(THREE, "a ok {\"status\":200}; b fails Denied"), @r#"
    > start
      do a.1 http/request {"path":"/a/7"}
    > a ok {"status":200}
      do b.1 slack/post {"text":"ada: 200"}
    > b fails Denied
      over
    = failed at b: Denied: it says Denied
      a succeeded {"status":200}
      b failed Denied: it says Denied
    "#);
}

#[test]
fn an_answer_twice_late_or_of_another_attempt_changes_nothing() {
    assert_snapshot!(play(THREE, r#"a ok {"status":200}; a.1 ok {"status":500}; a.1 fails Status; b ok; b.1 fails Status; c ok; c.1 fails Timeout"#), @r#"
    > start
      do a.1 http/request {"path":"/a/7"}
    > a ok {"status":200}
      do b.1 slack/post {"text":"ada: 200"}
    > a.1 ok {"status":500}
      nothing
    > a.1 fails Status
      nothing
    > b ok
      do c.1 exec/run {"argv":["echo","succeeded"]}
    > b.1 fails Status
      nothing
    > c ok
      over
    > c.1 fails Timeout
      nothing
    = succeeded
      a succeeded {"status":200}
      b succeeded {}
      c succeeded {}
    "#);
    let retried = r#"
steps:
  - { id: a, uses: http/request, connection: api, with: { path: /a }, retry: { max: 2, initial: 1s, jitter: none } }
"#;
    assert_snapshot!(play(retried, "a passes Connect; a.1 ok; wait; a.1 ok; a.1 fails Status; a.2 ok"), @r#"
    > start
      do a.1 http/request {"path":"/a"}
    > a passes Connect
      wake a in 1s
    > a.1 ok
      nothing
    > wait
      do a.2 http/request {"path":"/a"}
    > a.1 ok
      nothing
    > a.1 fails Status
      nothing
    > a.2 ok
      over
    = succeeded
      a succeeded attempt 2 {}
    "#);
}

#[test]
fn set_names_values_with_their_types() {
    let spec = r#"
steps:
  - { id: a, set: { whole: "${{ event.data }}", number: "${{ event.data.n }}", text: "n=${{ event.data.n }}", plain: 3 } }
  - { id: b, set: { sum: "${{ steps.a.outputs.number + 1 }}", channel: "${{ tables.owners.shop.channel }}" } }
"#;
    assert_snapshot!(play(spec, ""), @r#"
    > start
      over
    = succeeded
      a succeeded {"number":7,"plain":3,"text":"n=7","whole":{"list":[1,2],"n":7}}
      b succeeded {"channel":"shop-alerts","sum":8}
    "#);
}

#[test]
fn outputs_are_computed_from_the_raw_ones() {
    let spec = r#"
steps:
  - id: a
    uses: http/request
    connection: api
    with: { path: /a }
    outputs: { version: "${{ steps.a.outputs.body.version }}" }
  - { id: b, set: { seen: "${{ steps.a.outputs.version }}" } }
"#;
    assert_snapshot!(play(spec, r#"a ok {"status":200,"body":{"version":"1.4.2"}}"#), @r#"
    > start
      do a.1 http/request {"path":"/a"}
    > a ok {"status":200,"body":{"version":"1.4.2"}}
      over
    = succeeded
      a succeeded {"version":"1.4.2"}
      b succeeded {"seen":"1.4.2"}
    "#);
    // An output that cannot be computed fails its step, and says which field is missing.
    assert_snapshot!(play(spec, r#"a ok {"status":200,"body":{}}"#), @r#"
    > start
      do a.1 http/request {"path":"/a"}
    > a ok {"status":200,"body":{}}
      over
    = failed at a: Expression: no such field `version` in steps.a.outputs.body
      a failed {"body":{},"status":200} Expression: no such field `version` in steps.a.outputs.body
    "#);
}

#[test]
fn emit_says_an_event_and_goes_on() {
    let spec = r#"
steps:
  - id: a
    emit:
      type: shop.built
      subject: "build/${{ event.data.n }}"
      data: { num: "${{ event.data.n }}", who: "${{ let.who }}" }
  - { id: b, emit: { type: "shop.${{ let.who }}", source: /shop/builds } }
  - { id: c, set: { said: "${{ has(steps.a.outputs.id) }}" } }
let: { who: event.data.who }
"#;
    let told = play(spec, "");
    // An event's id is its effect key: it is named apart, see `keys.rs`.
    let ids = told.lines().filter(|line| line.contains("\"id\"")).count();
    assert_eq!(ids, 2, "{told}");
    let told: Vec<&str> = told.lines().map(|line| line.split(" {\"id\"").next().unwrap()).collect();
    assert_snapshot!(told.join("\n"), @r#"
    > start
      emit shop.built subject build/7 {"num":7,"who":"ada"}
      emit shop.ada source /shop/builds
      over
    = succeeded
      a succeeded
      b succeeded
      c succeeded {"said":true}
    "#);
}

#[test]
fn types_of_ours_cannot_be_emitted() {
    let spec = r#"
steps:
  - { id: a, emit: { type: "${{ event.data.type }}" } }
"#;
    // The test's event has no such field; then one that forges a record of ours.
    assert_snapshot!(play(spec, ""), @r#"
    > start
      over
    = failed at a: Expression: no such field `type` in event.data
      a failed Expression: no such field `type` in event.data
    "#);
    let forged = r#"
steps:
  - { id: a, emit: { type: "${{ 'dev.ensue.' + event.type }}" } }
"#;
    assert_snapshot!(play(forged, ""), @r#"
    > start
      over
    = failed at a: Expression: `emit` of type `dev.ensue.go`: a type of your own is needed; `dev.ensue.` belongs to ensue
      a failed Expression: `emit` of type `dev.ensue.go`: a type of your own is needed; `dev.ensue.` belongs to ensue
    "#);
    let empty = r#"
steps:
  - { id: a, emit: { type: "${{ '' }}" } }
"#;
    assert_snapshot!(play(empty, ""), @r#"
    > start
      over
    = failed at a: Expression: `emit` of type ``: a type of your own is needed; `dev.ensue.` belongs to ensue
      a failed Expression: `emit` of type ``: a type of your own is needed; `dev.ensue.` belongs to ensue
    "#);
}

#[test]
fn fail_fails_with_its_message() {
    let spec = r#"
steps:
  - { id: a, fail: "no owner for ${{ event.data.n }}" }
  - { id: b, set: { never: 1 } }
"#;
    assert_snapshot!(play(spec, ""), @r#"
    > start
      over
    = failed at a: StepFailed: no owner for 7
      a failed StepFailed: no owner for 7
    "#);
}

#[test]
fn a_rule_without_steps_is_done_at_once() {
    assert_snapshot!(play("steps: []", ""), @r#"
    > start
      over
    = succeeded
    "#);
}

#[test]
fn what_cannot_be_rendered_fails_the_step_before_it_is_dispatched() {
    let spec = r#"
steps:
  - { id: a, uses: http/request, connection: api, with: { path: "/${{ event.data.missing.deeper }}" } }
"#;
    assert_snapshot!(play(spec, ""), @r#"
    > start
      over
    = failed at a: Expression: /path: no such field `deeper` in event.data.missing (missing at `missing`)
      a failed Expression: /path: no such field `deeper` in event.data.missing (missing at `missing`)
    "#);
}
