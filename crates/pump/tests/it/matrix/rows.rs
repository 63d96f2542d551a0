//! The table: each kind of step by a small manifest, and what is not by default as it is for every other kind.
//!
//! How its world answers is told by its manifest: `PUT /s` is done; what a step whose path ends in `bad` asks for is
//! refused with 404, and one whose path ends in `flaky` gets 503 once. Who is asked says yes, the event that is waited
//! for comes, and time passes. Where a cell says that it fails, the steps whose name begins with `s` are refused,
//! people say no, and no event comes.
//!
//! A new kind of step is a new row here: the matches in `kinds.rs` do not compile without one.

use super::Situation::{self, Cancel, CrashEffect, Discard, Fails, Late, RunTimeout, Thaw};
use ensue_run::Status::{self, Cancelled, Failed, Succeeded};

/// A kind of step.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The steps of the rule. What is under test goes on until `z` or the rule's `finally` begins.
    pub(crate) steps: &'static str,
    /// More fields of the rule.
    pub(crate) more: &'static str,
    /// Documents beside the rule.
    pub(crate) beside: &'static str,
    /// What makes it fail.
    pub(crate) fails: How,
    /// What runs out while the answer is on its way.
    pub(crate) time: Time,
    /// How its run ends when nothing goes wrong.
    pub(crate) ends: Status,
    /// How it ends in situations in which it does not end as others do.
    pub(crate) but: &'static [(Situation, Status)],
    /// Cells that cannot be, and why.
    pub(crate) none: &'static [(Situation, &'static str)],
    /// An effect, and the one that takes it back: once, unless the run ends well.
    pub(crate) undo: Option<(&'static str, &'static str)>,
    /// Once it is over, a person takes it back; that is what is under test.
    pub(crate) rolls_back: bool,
}

/// What makes a step fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// The world says no.
    Refused,
    /// What it is computed from is not there.
    Absent,
}

/// What runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Time {
    /// That of an attempt, which its dispatcher keeps.
    Attempt,
    /// That of the step, which is a timer of the fold.
    Step,
}

const ROW: Row = Row {
    name: "",
    steps: "",
    more: "",
    beside: "",
    fails: How::Refused,
    time: Time::Attempt,
    ends: Succeeded,
    but: &[],
    none: &[],
    undo: None,
    rolls_back: false,
};

const DONE_AT_ONCE: &str = "it takes no time";
const NOTHING_OUTSIDE: &str = "nothing is done outside";
/// Of a step that is done in the fold: nothing can come in between.
const AT_ONCE: &[(Situation, &str)] = &[
    (CrashEffect, NOTHING_OUTSIDE),
    (Cancel, DONE_AT_ONCE),
    (Late, DONE_AT_ONCE),
    (RunTimeout, DONE_AT_ONCE),
    (Thaw, DONE_AT_ONCE),
    (Discard, DONE_AT_ONCE),
];

/// A request that may be repeated.
macro_rules! put {
    ($id:literal) => {
        put!($id, $id, "")
    };
    ($id:literal, $path:literal, $more:literal) => {
        concat!(
            "{ id: ",
            $id,
            ", uses: http/request, connection: api, with: { method: PUT, path: /",
            $path,
            " }",
            $more,
            " }"
        )
    };
}

/// Steps, and one that shows that the run goes on after them.
macro_rules! then {
    ($($step:expr),+) => {
        concat!("[ ", $($step, ", ",)+ put!("z"), " ]")
    };
}

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    Row { name: "uses, natural", steps: then!(put!("s")), but: &[(Late, Succeeded)], ..ROW },
    Row {
        name: "uses, keyed",
        steps: then!("{ id: s, uses: http/request, connection: keyed, with: { method: POST, path: /s } }"),
        but: &[(Late, Succeeded)],
        ..ROW
    },
    Row { name: "uses, none", steps: then!("{ id: s, uses: exec/run, connection: tools, with: { argv: [s] }, env: { A: b } }"), ..ROW },
    Row { name: "uses, none, a notice", steps: then!("{ id: s, uses: slack/post, connection: team, with: { text: s } }"), ..ROW },
    Row {
        name: "workflow",
        steps: then!("{ id: s, workflow: shared, with: { of: \"${{ event.data.v }}\" }, timeout: 10m }"),
        beside: concat!(
            "---\napiVersion: ensue.dev/v1\nkind: Workflow\nmetadata: { name: shared }\nspec:\n  inputs: { of: { type: text } }\n  steps: [ ",
            put!("s1"), ", ", put!("s2"), " ]\n  outputs: { was: \"${{ inputs.of }}\" }\n  finally: [ ", put!("t"), " ]\n"
        ),
        time: Time::Step,
        ..ROW
    },
    Row { name: "emit", steps: then!("{ id: s, emit: { type: said, data: { v: \"${{ event.data.v }}\" } } }"), fails: How::Absent, none: AT_ONCE, ..ROW },
    Row {
        name: "wait, a time",
        steps: then!("{ id: s, wait: 1h }"),
        none: &[(Fails, "time passes in any case"), (CrashEffect, NOTHING_OUTSIDE), (Late, "its end is a time")],
        ..ROW
    },
    Row {
        name: "wait, until",
        steps: then!("{ id: s, wait: { until: \"${{ event.data.until }}\" } }"),
        fails: How::Absent,
        none: &[(CrashEffect, NOTHING_OUTSIDE), (Late, "its end is a time")],
        ..ROW
    },
    Row {
        name: "wait, for an event",
        steps: then!("{ id: s, wait: { for: { event: { type: [came] }, key: event.data.key }, since: run, timeout: 10m } }"),
        time: Time::Step,
        none: &[(CrashEffect, NOTHING_OUTSIDE)],
        ..ROW
    },
    Row {
        name: "approve",
        steps: then!("{ id: s, approve: { from: [sre], min: 2, show: [event.data.v], timeout: 10m } }"),
        time: Time::Step,
        none: &[(CrashEffect, NOTHING_OUTSIDE)],
        ..ROW
    },
    Row {
        name: "parallel, all",
        steps: then!(concat!("{ id: s, timeout: 10m, parallel: { branches: [ [ ", put!("s1"), " ], [ ", put!("s2"), ", { id: s3, wait: 20s } ] ] } }")),
        time: Time::Step,
        ..ROW
    },
    Row {
        name: "parallel, any",
        steps: then!(concat!("{ id: s, timeout: 10m, parallel: { join: any, branches: { one: [ ", put!("s1"), " ], other: [ ", put!("s2"), " ] } } }")),
        time: Time::Step,
        ..ROW
    },
    Row {
        name: "parallel, quorum",
        steps: then!(concat!(
            "{ id: s, timeout: 10m, parallel: { join: quorum, quorum: 2, branches: [ [ ", put!("s1"), " ], [ { id: s2, wait: { for: { event: { type: [came] } }, since: run } } ], [ ", put!("s3"), " ] ] } }"
        )),
        time: Time::Step,
        ..ROW
    },
    Row {
        name: "foreach, a list",
        steps: then!(concat!("{ id: s, timeout: 10m, foreach: { items: \"${{ event.data.list }}\", maxParallel: 2, steps: [ ", put!("s1"), " ] } }")),
        time: Time::Step,
        ..ROW
    },
    Row {
        name: "foreach, a matrix",
        steps: then!(concat!("{ id: s, timeout: 10m, foreach: { matrix: { a: [1, 2], b: \"${{ [event.data.v] }}\" }, steps: [ ", put!("s1"), " ] } }")),
        time: Time::Step,
        ..ROW
    },
    Row {
        name: "switch",
        steps: then!(concat!("{ id: s, switch: [ { if: event.data.v == 'x', steps: [ ", put!("s1"), " ] }, { steps: [ { id: s2, fail: enough } ] } ] }")),
        fails: How::Absent,
        but: &[(Late, Succeeded)],
        ..ROW
    },
    Row { name: "set", steps: then!("{ id: s, set: { v: \"${{ event.data.v }}\" }, outputs: { w: \"${{ steps.s.outputs.v }}\" } }"), fails: How::Absent, none: AT_ONCE, ..ROW },
    Row { name: "fail", steps: then!("{ id: s, fail: enough }"), ends: Failed, none: AT_ONCE, ..ROW },
    Row { name: "if", steps: then!(put!("s", "s", ", if: event.data.v == 'y'")), fails: How::Absent, none: AT_ONCE, ..ROW },
    Row {
        name: "needs",
        steps: concat!(
            "[ ", put!("s1"), ", ", put!("s2", "s2", ", needs: [s1]"), ", { id: s3, needs: [s1], wait: 20s }, ", put!("z", "z", ", needs: [s2, s3]"), " ]"
        ),
        but: &[(Late, Succeeded)],
        ..ROW
    },
    Row {
        name: "undo",
        steps: then!(put!("a", "a", ", undo: { id: s_back, uses: http/request, connection: api, with: { method: DELETE, path: /a } }"), put!("s", "bad", "")),
        ends: Failed,
        undo: Some(("a", "s_back")),
        ..ROW
    },
    Row {
        name: "undo, by rollback",
        steps: then!(put!("a", "a", ", undo: { id: s_back, uses: http/request, connection: api, with: { method: DELETE, path: /a } }")),
        ends: Cancelled,
        but: &[(Fails, Cancelled), (Late, Cancelled)],
        none: &[(RunTimeout, "it has no time of its own")],
        undo: Some(("a", "s_back")),
        rolls_back: true,
        ..ROW
    },
    Row {
        name: "cache",
        steps: then!(put!("s1", "s", ", cache: { key: key, keep: 1d }"), "{ id: w, wait: 1s }", put!("s2", "s", ", cache: { key: key, keep: 1d }")),
        but: &[(Late, Succeeded)],
        ..ROW
    },
    Row {
        name: "catch",
        steps: then!(concat!("{ id: s, uses: http/request, connection: api, with: { method: PUT, path: /bad }, catch: [ { errors: [Status], steps: [ ", put!("sc"), " ] } ] }")),
        but: &[(Late, Succeeded)],
        ..ROW
    },
    Row { name: "continueOnError", steps: then!(put!("s", "s", ", continueOnError: true")), but: &[(Fails, Succeeded), (Late, Succeeded)], ..ROW },
    Row { name: "finally", steps: then!(concat!("{ id: s, uses: http/request, connection: api, with: { method: PUT, path: /s }, finally: [ ", put!("t"), " ] }")), but: &[(Late, Succeeded)], ..ROW },
    Row { name: "onFailure", steps: then!(put!("s", "bad", "")), more: concat!("  onFailure: [ ", put!("so"), " ]\n"), ends: Failed, ..ROW },
    Row { name: "retry", steps: then!(put!("s", "flaky", ", retry: { max: 2, backoff: constant, initial: 10s, jitter: none }")), but: &[(Late, Succeeded)], ..ROW },
    Row {
        name: "timeout",
        steps: then!("{ id: s, timeout: 10m, foreach: { items: \"${{ event.data.list }}\", steps: [ { id: s1, wait: 1h } ] } }"),
        ends: Failed,
        none: &[(Fails, "it is how it ends"), (CrashEffect, NOTHING_OUTSIDE), (Late, "its end is a time")],
        ..ROW
    },
    Row {
        name: "a policy that asks",
        steps: then!("{ id: s, uses: http/request, connection: keyed, with: { method: POST, path: /s } }"),
        beside: "---\napiVersion: ensue.dev/v1\nkind: Policy\nmetadata: { name: looks }\nspec:\n  match: { connections: [keyed] }\n  checks: [ { if: \"true\", approve: { from: [sre], timeout: 10m, reason: see } } ]\n",
        but: &[(Late, Succeeded)],
        ..ROW
    },
    Row {
        name: "each in another",
        steps: then!(concat!(
            "{ id: s, timeout: 10m, foreach: { items: \"${{ event.data.list }}\", maxParallel: 2, steps: [ { id: race, parallel: { join: any, branches: { called: [ { id: called, workflow: shared, with: { of: \"${{ item }}\" } } ], asked: [ { id: asked, approve: { from: [sre] } } ] } } }, ",
            "{ id: s_call, uses: exec/run, connection: tools, with: { argv: [s] } } ] }, catch: [ { errors: [Denied], steps: [ ", put!("c"), " ] } ] }"
        )),
        beside: concat!(
            "---\napiVersion: ensue.dev/v1\nkind: Workflow\nmetadata: { name: shared }\nspec:\n  inputs: { of: { type: int } }\n  steps: [ ",
            put!("s1", "s1", ", undo: { id: back, uses: http/request, connection: keyed, with: { method: POST, path: /back } }"),
            ", { id: s2, wait: { for: { event: { type: [came] } }, since: now } } ]\n  finally: [ ", put!("t"), " ]\n"
        ),
        time: Time::Step,
        ..ROW
    },
];
