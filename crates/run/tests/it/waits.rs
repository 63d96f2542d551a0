//! Waits for a time, for an event, and for people.

use insta::assert_snapshot;

use crate::kit::play;

#[test]
fn for_a_time() {
    let spec = r#"
steps:
  - { id: a, wait: 5m }
  - { id: b, wait: { until: "2026-01-01T01:00:00Z" } }
  - { id: c, wait: { until: "${{ timestamp('2026-01-01T02:00:00Z') }}" } }
  - { id: d, wait: { until: "${{ event.data.n }}" } }
"#;
    assert_snapshot!(play(spec, "wait; wait; wait"), @r#"
    > start
      wake a in 5m
    > wait
      wake b in 54m59s
    > wait
      wake c in 1h
    > wait
      over
    = failed at d: Expression: `wait.until` needs a time (RFC 3339); 7 is none
      a succeeded {"until":"2026-01-01T00:05:01Z"}
      b succeeded {"until":"2026-01-01T01:00:00Z"}
      c succeeded {"until":"2026-01-01T02:00:00Z"}
      d failed Expression: `wait.until` needs a time (RFC 3339); 7 is none
    "#);
    assert_snapshot!(play(spec, "skip a"), @r#"
    > start
      wake a in 5m
    > skip a
      calm a
      wake b in 59m58s
    = running
      a skipped
      b waiting
    "#);
    assert_snapshot!(play(spec, "cancel"), @r#"
    > start
      wake a in 5m
    > cancel
      calm a
      over
    = cancelled at a: Cancelled: ada: enough
      a cancelled Cancelled: ada: enough
    "#);
}

#[test]
fn for_an_event() {
    let spec = r#"
steps:
  - { id: push, uses: exec/run, connection: shell, with: { argv: [push] } }
  - { id: came, wait: { for: { event: { type: [done] } }, timeout: 30m } }
  - { id: tell, set: { x: "${{ steps.came.outputs.event.data.x }}" } }
"#;
    assert_snapshot!(play(spec, "push ok; came comes {\"x\":4}"), @r#"
    > start
      do push.1 exec/run {"argv":["push"]}
    > push ok
      wake came in 30m
      await came since 1s
    > came comes {"x":4}
      unawait came
      calm came
      over
    = succeeded
      came succeeded {"event":{"data":{"x":4},"id":"e2","source":"/test","type":"came"},"position":9}
      push succeeded {}
      tell succeeded {"x":4}
    "#);
    assert_snapshot!(play(spec, "push ok; wait"), @r#"
    > start
      do push.1 exec/run {"argv":["push"]}
    > push ok
      wake came in 30m
      await came since 1s
    > wait
      unawait came
      over
    = failed at came: Timeout: no such event came within 30m
      came failed Timeout: no such event came within 30m
      push succeeded {}
    "#);
    assert_snapshot!(play(spec, "push ok; cancel"), @r#"
    > start
      do push.1 exec/run {"argv":["push"]}
    > push ok
      wake came in 30m
      await came since 1s
    > cancel
      unawait came
      calm came
      over
    = cancelled at came: Cancelled: ada: enough
      came cancelled Cancelled: ada: enough
      push succeeded {}
    "#);
}

#[test]
fn since_the_run_a_step_or_now() {
    let spec = r#"
steps:
  - { id: a, uses: exec/run, connection: shell, with: { argv: [a] } }
  - { id: b, wait: { for: { event: { type: [done] } }, since: run } }
  - { id: c, wait: { for: { event: { type: [done] } }, since: "step:a" } }
  - { id: d, wait: { for: { event: { type: [done] } }, since: now } }
  - { id: e, wait: { for: { event: { type: [done] } } } }
"#;
    assert_snapshot!(play(spec, "a ok; b comes 1; c comes 1; d comes 1; e comes 1"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
    > a ok
      await b since 0s
    > b comes 1
      unawait b
      await c since 1s
    > c comes 1
      unawait c
      await d since 4s
    > d comes 1
      unawait d
      await e since 4s
    > e comes 1
      unawait e
      over
    = succeeded
      a succeeded {}
      b succeeded {"event":{"data":1,"id":"e2","source":"/test","type":"came"},"position":9}
      c succeeded {"event":{"data":1,"id":"e2","source":"/test","type":"came"},"position":9}
      d succeeded {"event":{"data":1,"id":"e2","source":"/test","type":"came"},"position":9}
      e succeeded {"event":{"data":1,"id":"e2","source":"/test","type":"came"},"position":9}
    "#);
}

#[test]
fn an_approval() {
    let spec = r#"
steps:
  - { id: ask, approve: { from: [sre, boss], min: 2, show: [event.data.n], timeout: 1h } }
  - { id: go, set: { by: "${{ steps.ask.outputs.by }}" } }
"#;
    assert_snapshot!(play(spec, "ask yes ann; ask yes ann; ask yes eve:dev; ask yes bob:boss; ask yes eve:admin"), @r#"
    > start
      wake ask in 1h
      ask ask 2 of ["sre", "boss"] event.data.n=7 within 1h
    > ask yes ann
      nothing
    > ask yes ann
      refused: step `ask`: ann has said yes already, at 2026-01-01T00:00:02Z
    > ask yes eve:dev
      refused: step `ask`: eve may not answer: it takes the role sre, boss
    > ask yes bob:boss
      calm ask
      over
    > ask yes eve:admin
      refused: run RUN is succeeded; nobody is asked any more
    = succeeded
      ask succeeded {"approved":true,"by":["ann","bob"]}
      go succeeded {"by":["ann","bob"]}
    "#);
    assert_snapshot!(play(spec, "ask no ann"), @r#"
    > start
      wake ask in 1h
      ask ask 2 of ["sre", "boss"] event.data.n=7 within 1h
    > ask no ann
      calm ask
      over
    = failed at ask: Denied: ann said no: a test
      ask failed Denied: ann said no: a test
    "#);
    assert_snapshot!(play(spec, "wait; ask yes ann"), @r#"
    > start
      wake ask in 1h
      ask ask 2 of ["sre", "boss"] event.data.n=7 within 1h
    > wait
      over
    > ask yes ann
      refused: run RUN is failed; nobody is asked any more
    = failed at ask: Timeout: too few of sre, boss said yes within 1h
      ask failed Timeout: too few of sre, boss said yes within 1h
    "#);
    assert_snapshot!(play(spec, "ask yes ann; wait"), @r#"
    > start
      wake ask in 1h
      ask ask 2 of ["sre", "boss"] event.data.n=7 within 1h
    > ask yes ann
      nothing
    > wait
      over
    = failed at ask: Timeout: too few of sre, boss said yes within 1h
      ask failed Timeout: too few of sre, boss said yes within 1h
    "#);
    assert_snapshot!(play(spec, "nobody yes ann"), @r#"
    > start
      wake ask in 1h
      ask ask 2 of ["sre", "boss"] event.data.n=7 within 1h
    > nobody yes ann
      refused: step `nobody` is not waiting for this; `ensue run show` lists the steps of a run and how they stand
    = running
      ask asking
    "#);
}

#[test]
fn of_what_has_changed_since_is_void() {
    let spec = r#"
steps:
  - { id: ask, approve: { from: [sre], min: 2, show: [now] } }
"#;
    assert_snapshot!(play(spec, "ask yes ann; ask yes bob"), @r#"
    > start
      ask ask 2 of ["sre"] now="2026-01-01T00:00:01Z"
    > ask yes ann
      nothing
    > ask yes bob
      ask ask 2 of ["sre"] now="2026-01-01T00:00:03Z"
    = running
      ask asking
    "#);
}

#[test]
fn that_nobody_answers_may_mean_yes() {
    let spec = r#"
steps:
  - { id: ask, approve: { from: [sre], timeout: 1h, onTimeout: approve } }
"#;
    assert_snapshot!(play(spec, "wait"), @r#"
    > start
      wake ask in 1h
      ask ask 1 of ["sre"]  within 1h
    > wait
      over
    = succeeded
      ask succeeded {"approved":true,"by":[]}
    "#);
}
