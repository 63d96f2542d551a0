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
    assert_snapshot!(play(spec, "a ok {\"exitCode\":1}; b ok; c ok"), @"> start
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
  d succeeded {"x":1}");
    assert_snapshot!(play(spec, "a fails Denied; b ok"), @"");
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
  - { id: after, set: { l: "${{ steps.l.outputs.exitCode }}", s: "${{ steps.s.outputs.x }}", b: "${{ steps.both.outputs }}" } }
"#;
    assert_snapshot!(play(spec, "r ok; l ok {\"exitCode\":1}"), @"> start
  do l.1 exec/run {"argv":["l"]}
  do r.1 exec/run {"argv":["r"]}
> r ok
  nothing
> l ok {"exitCode":1}
  over
= succeeded
  after succeeded {"b":{"others":[],"succeeded":["left","right"]},"l":1,"s":1}
  both succeeded {"others":[],"succeeded":["left","right"]}
  l succeeded {"exitCode":1}
  r succeeded {}
  s succeeded {"x":1}");
    assert_snapshot!(play(spec, "r fails Denied"), @"");
    assert_snapshot!(play(spec, "l ok {\"exitCode\":1}; r fails Denied; resume; r ok"), @"");
    assert_snapshot!(play(spec, "cancel"), @"");
}
