//! Several at once: `parallel`, `foreach`, lists with `needs`.

use insta::assert_snapshot;

use crate::kit::play;

#[test]
fn a_list_with_needs_begins_each_step_when_those_it_needs_are_done() {
    let spec = r#"
steps:
  - { id: a, uses: exec/run, connection: shell, with: { argv: [a] } }
  - { id: b, uses: exec/run, connection: shell, with: { argv: [b] } }
  - { id: c, needs: [a, b], uses: exec/run, connection: shell, with: { argv: ["${{ steps.a.outputs.exitCode }}"] } }
  - { id: d, needs: [a], set: { x: "${{ steps.a.outputs.exitCode }}" } }
"#;
    assert_snapshot!(play(spec, "a ok {\"exitCode\":1}; b ok; c ok"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
      do b.1 exec/run {"argv":["b"]}
    > a ok {"exitCode":1}
      nothing
    > b ok
      do c.1 exec/run {"argv":[1]}
    > c ok
      over
    = succeeded
      a succeeded {"exitCode":1}
      a~ succeeded
      b succeeded {}
      c succeeded {}
      d succeeded {"x":1}
    "#);
    assert_snapshot!(play(spec, "a fails Denied; b ok"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
      do b.1 exec/run {"argv":["b"]}
    > a fails Denied
      nothing
    > b ok
      over
    = failed at a: Denied: it says Denied
      a failed Denied: it says Denied
      a~ failed Denied: it says Denied
      b succeeded {}
    "#);
    assert_snapshot!(play(spec, "a fails Denied; b ok; resume; a ok {\"exitCode\":2}; c ok"), @r#"
    > start
      do a.1 exec/run {"argv":["a"]}
      do b.1 exec/run {"argv":["b"]}
    > a fails Denied
      nothing
    > b ok
      over
    > resume
      do a.1 exec/run {"argv":["a"]}
    > a ok {"exitCode":2}
      do c.1 exec/run {"argv":[2]}
    > c ok
      over
    = succeeded
      a succeeded {"exitCode":2}
      a~ succeeded
      b succeeded {}
      c succeeded {}
      d succeeded {"x":2}
    "#);
}

#[test]
fn parallel_is_done_when_all_are() {
    let spec = r#"
steps:
  - id: both
    parallel:
      branches:
        left: [ { id: l, uses: exec/run, connection: shell, with: { argv: [l] } } ]
        right: [ { id: r, uses: exec/run, connection: shell, with: { argv: [r] } }, { id: s, set: { x: 1 } } ]
  - { id: after, set: { l: "${{ steps.l.outputs.exitCode }}", s: "${{ steps.s.outputs.x }}" } }
"#;
    assert_snapshot!(play(spec, "r ok; l ok {\"exitCode\":1}"), @r#"
    > start
      do l.1 exec/run {"argv":["l"]}
      do r.1 exec/run {"argv":["r"]}
    > r ok
      nothing
    > l ok {"exitCode":1}
      over
    = succeeded
      after succeeded {"l":1,"s":1}
      both succeeded {"others":[],"succeeded":["left","right"]}
      l succeeded {"exitCode":1}
      r succeeded {}
      s succeeded {"x":1}
    "#);
    assert_snapshot!(play(spec, "r fails Denied"), @r#"
    > start
      do l.1 exec/run {"argv":["l"]}
      do r.1 exec/run {"argv":["r"]}
    > r fails Denied
      forget l
      over
    = failed at r: Denied: it says Denied
      both failed Denied: it says Denied
      l cancelled Cancelled: the other branches decided without it
      r failed Denied: it says Denied
    "#);
    assert_snapshot!(play(spec, "l ok {\"exitCode\":1}; r fails Denied; resume; r ok"), @r#"
    > start
      do l.1 exec/run {"argv":["l"]}
      do r.1 exec/run {"argv":["r"]}
    > l ok {"exitCode":1}
      nothing
    > r fails Denied
      over
    > resume
      do r.1 exec/run {"argv":["r"]}
    > r ok
      over
    = succeeded
      after succeeded {"l":1,"s":1}
      both succeeded {"others":[],"succeeded":["left","right"]}
      l succeeded {"exitCode":1}
      r succeeded {}
      s succeeded {"x":1}
    "#);
    assert_snapshot!(play(spec, "cancel"), @r#"
    > start
      do l.1 exec/run {"argv":["l"]}
      do r.1 exec/run {"argv":["r"]}
    > cancel
      forget l
      forget r
      over
    = cancelled at both: Cancelled: ada: enough
      both cancelled Cancelled: ada: enough
      l cancelled Cancelled: its step was told to end
      r cancelled Cancelled: its step was told to end
    "#);
}

#[test]
fn parallel_any_ends_those_that_lost_and_takes_back_what_they_did() {
    let spec = r#"
steps:
  - id: race
    parallel:
      join: any
      branches:
        one: [ { id: p, uses: exec/run, connection: shell, with: { argv: [p] }, undo: { id: unp, uses: exec/run, connection: shell, with: { argv: [unp] } } }, { id: q, uses: exec/run, connection: shell, with: { argv: [q] } } ]
        two: [ { id: r, uses: exec/run, connection: shell, with: { argv: [r] } } ]
"#;
    assert_snapshot!(play(spec, "p ok; r ok; unp ok"), @r#"
    > start
      do p.1 exec/run {"argv":["p"]}
      do r.1 exec/run {"argv":["r"]}
    > p ok
      do q.1 exec/run {"argv":["q"]}
    > r ok
      forget q
      do unp.1 exec/run {"argv":["unp"]}
    > unp ok
      over
    = succeeded
      p succeeded {}
      q cancelled Cancelled: the other branches decided without it
      r succeeded {}
      race succeeded {"others":["one"],"succeeded":["two"]}
      unp succeeded {}
    "#);
    assert_snapshot!(play(spec, "p fails Denied; r fails Status"), @r#"
    > start
      do p.1 exec/run {"argv":["p"]}
      do r.1 exec/run {"argv":["r"]}
    > p fails Denied
      nothing
    > r fails Status
      over
    = failed at r: Status: it says Status
      p failed Denied: it says Denied
      r failed Status: it says Status
      race failed Status: it says Status
    "#);
}

#[test]
fn a_quorum_is_enough() {
    let spec = r#"
steps:
  - id: vote
    parallel:
      join: quorum
      quorum: 2
      branches: { a: [ { id: k, uses: exec/run, connection: shell, with: { argv: [k] } } ], b: [ { id: m, uses: exec/run, connection: shell, with: { argv: [m] } } ], c: [ { id: z, uses: exec/run, connection: shell, with: { argv: [z] } } ] }
"#;
    assert_snapshot!(play(spec, "k ok; m fails Status; z ok"), @r#"
    > start
      do k.1 exec/run {"argv":["k"]}
      do m.1 exec/run {"argv":["m"]}
      do z.1 exec/run {"argv":["z"]}
    > k ok
      nothing
    > m fails Status
      nothing
    > z ok
      over
    = succeeded
      k succeeded {}
      m failed Status: it says Status
      vote succeeded {"others":["b"],"succeeded":["a","c"]}
      z succeeded {}
    "#);
    assert_snapshot!(play(spec, "k fails Status; m fails Status"), @r#"
    > start
      do k.1 exec/run {"argv":["k"]}
      do m.1 exec/run {"argv":["m"]}
      do z.1 exec/run {"argv":["z"]}
    > k fails Status
      nothing
    > m fails Status
      forget z
      over
    = failed at m: Status: it says Status
      k failed Status: it says Status
      m failed Status: it says Status
      vote failed Status: it says Status
      z cancelled Cancelled: the other branches decided without it
    "#);
}

#[test]
fn foreach_goes_through_items_so_many_at_once() {
    let spec = r#"
steps:
  - id: each
    foreach:
      items: "${{ event.data.list }}"
      maxParallel: 1
      steps:
        - { id: go, uses: exec/run, connection: shell, with: { argv: ["${{ item }}", "${{ index }}"] } }
        - { id: note, set: { code: "${{ steps.go.outputs.exitCode }}" } }
  - { id: last, set: { second: "${{ steps.each.outputs.results[1].note.code }}" } }
"#;
    assert_snapshot!(play(spec, "go[0] ok {\"exitCode\":0}; go[1] ok {\"exitCode\":5}"), @r#"
    > start
      do go[0].1 exec/run {"argv":[1,0]}
    > go[0] ok {"exitCode":0}
      do go[1].1 exec/run {"argv":[2,1]}
    > go[1] ok {"exitCode":5}
      over
    = succeeded
      each succeeded {"count":2,"results":[{"go":{"exitCode":0},"note":{"code":0}},{"go":{"exitCode":5},"note":{"code":5}}]}
      last succeeded {"second":5}
    "#);
    assert_snapshot!(play(spec, "go[0] fails Status"), @r#"
    > start
      do go[0].1 exec/run {"argv":[1,0]}
    > go[0] fails Status
      over
    = failed at go[0]: Status: it says Status
      each failed Status: it says Status
    "#);
    assert_snapshot!(play(spec, "go[0] ok {\"exitCode\":0}; go[1] fails Status; resume; go[1] ok {\"exitCode\":7}"), @r#"
    > start
      do go[0].1 exec/run {"argv":[1,0]}
    > go[0] ok {"exitCode":0}
      do go[1].1 exec/run {"argv":[2,1]}
    > go[1] fails Status
      over
    > resume
      do go[1].1 exec/run {"argv":[2,1]}
    > go[1] ok {"exitCode":7}
      over
    = succeeded
      each succeeded {"count":2,"results":[{"go":{"exitCode":0},"note":{"code":0}},{"go":{"exitCode":7},"note":{"code":7}}]}
      last succeeded {"second":7}
    "#);
}

#[test]
fn a_matrix_is_every_combination() {
    let spec = r#"
steps:
  - id: build
    foreach:
      matrix: { os: [linux, mac], go: [1, 2] }
      steps: [ { id: one, set: { it: "${{ item.os }}-${{ item.go }}" } } ]
"#;
    assert_snapshot!(play(spec, ""), @r#"
    > start
      over
    = succeeded
      build succeeded {"count":4,"results":[{"one":{"it":"linux-1"}},{"one":{"it":"mac-1"}},{"one":{"it":"linux-2"}},{"one":{"it":"mac-2"}}]}
    "#);
}

#[test]
fn what_is_no_list_or_too_long_fails_the_step() {
    let spec = r#"
steps:
  - { id: each, foreach: { items: "${{ event.data.n }}", steps: [ { set: { x: 1 } } ] } }
"#;
    assert_snapshot!(play(spec, ""), @r#"
    > start
      over
    = failed at each: Expression: `foreach.items` must be a list; it is a int
      each failed Expression: `foreach.items` must be a list; it is a int
    "#);
}

#[test]
fn of_nothing_is_done_at_once() {
    let spec = r#"
steps:
  - { id: each, foreach: { items: "${{ event.data.list.filter(x, x > 5) }}", steps: [ { set: { x: 1 } } ] } }
"#;
    assert_snapshot!(play(spec, ""), @r#"
    > start
      over
    = succeeded
      each succeeded {"count":0,"results":[]}
    "#);
}

#[test]
fn its_timeout_ends_all_of_it() {
    let spec = r#"
steps:
  - id: each
    timeout: 1m
    foreach: { items: "${{ event.data.list }}", steps: [ { id: go, uses: exec/run, connection: shell, with: { argv: [go] } } ] }
    catch: [ { errors: [Timeout], steps: [ { id: late, set: { why: "${{ error.message }}" } } ] } ]
"#;
    assert_snapshot!(play(spec, "go[1] ok; wait"), @r#"
    > start
      wake each in 1m
      do go[0].1 exec/run {"argv":["go"]}
      do go[1].1 exec/run {"argv":["go"]}
    > go[1] ok
      nothing
    > wait
      forget go[0]
      over
    = succeeded
      each succeeded Timeout: the step was not done within 1m
      late succeeded {"why":"the step was not done within 1m"}
    "#);
}
