//! Which rows a manifest is an example of. Whoever adds a kind of step, or a field that changes what one does, must say
//! here which row is of it; a row that does not stand in the table is an error of the compiler.

use std::collections::BTreeSet;

use ensue_lang::catalog::{Idempotency, Uncertain};
use ensue_lang::{Foreach, Join, Step, StepKind, Wait};
use ensue_run::graph::NodeKind;

use super::rows::ROWS;

/// The name of a row that must stand in the table.
const fn row(name: &'static str) -> &'static str {
    let mut at = 0;
    while at < ROWS.len() {
        if same(ROWS[at].name.as_bytes(), name.as_bytes()) {
            return name;
        }
        at += 1;
    }
    panic!("no such row in the table")
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    a.len() == b.len() && at == a.len()
}

/// How often an effect may be done.
pub(crate) const fn uses(idempotency: Idempotency, uncertain: Uncertain) -> &'static str {
    match (idempotency, uncertain) {
        (Idempotency::Natural, _) => const { row("uses, natural") },
        (Idempotency::Keyed, _) => const { row("uses, keyed") },
        (Idempotency::None, Uncertain::Ask) => const { row("uses, none") },
        (Idempotency::None, Uncertain::Retry) => const { row("uses, none, a notice") },
        (Idempotency::ByMethod, _) => panic!("only in the catalog, never an effect's"),
    }
}

/// Steps and all within them, as they are written.
pub(crate) fn of(steps: &[Step], out: &mut BTreeSet<&'static str>) {
    for step in steps {
        let Step {
            id: _,
            named: _,
            path: _,
            span: _,
            outputs: _,
            cond,
            retry,
            timeout,
            catch,
            finally,
            continue_on_error,
            undo,
            cache,
            needs,
            kind,
        } = step;
        let fields = [
            (cond.is_some(), const { row("if") }),
            (retry.is_some(), const { row("retry") }),
            (timeout.is_some(), const { row("timeout") }),
            (!catch.is_empty(), const { row("catch") }),
            (!finally.is_empty(), const { row("finally") }),
            (*continue_on_error, const { row("continueOnError") }),
            (undo.is_some(), const { row("undo") }),
            (cache.is_some(), const { row("cache") }),
            (!needs.is_empty(), const { row("needs") }),
        ];
        out.extend(fields.iter().filter(|(there, _)| *there).map(|(_, row)| *row));
        catch.iter().for_each(|arm| of(&arm.steps, out));
        of(finally, out);
        of(undo.as_deref().map_or(&[], std::slice::from_ref), out);
        match kind {
            // How often it may be done, only its effect knows.
            StepKind::Uses { .. } => {}
            StepKind::Workflow { .. } => drop(out.insert(const { row("workflow") })),
            StepKind::Emit { .. } => drop(out.insert(const { row("emit") })),
            StepKind::Set(_) => drop(out.insert(const { row("set") })),
            StepKind::Fail { .. } => drop(out.insert(const { row("fail") })),
            StepKind::Switch(cases) => {
                out.insert(const { row("switch") });
                cases.iter().for_each(|case| of(&case.steps, out));
            }
            StepKind::Wait(wait) => drop(out.insert(match wait.as_ref() {
                Wait::Duration(_) => const { row("wait, a time") },
                Wait::Until(_) => const { row("wait, until") },
                Wait::For { .. } => const { row("wait, for an event") },
            })),
            StepKind::Approve(_) => drop(out.insert(const { row("approve") })),
            StepKind::Parallel(parallel) => {
                out.insert(match parallel.join {
                    Join::All => const { row("parallel, all") },
                    Join::Any => const { row("parallel, any") },
                    Join::Quorum(_) => const { row("parallel, quorum") },
                });
                parallel.branches.iter().for_each(|branch| of(&branch.steps, out));
            }
            StepKind::Foreach(each) => {
                let Foreach { items, matrix: _, max_parallel: _, steps } = each.as_ref();
                let list = const { row("foreach, a list") };
                out.insert(if items.is_some() { list } else { const { row("foreach, a matrix") } });
                of(steps, out);
            }
        }
    }
}

/// A row in which a run meets such a node.
pub(crate) const fn node(kind: &NodeKind) -> &'static str {
    match kind {
        NodeKind::Task(_) => const { row("uses, natural") },
        NodeKind::Pass(_) => const { row("set") },
        NodeKind::Choice(_) => const { row("switch") },
        NodeKind::Guard { .. } => const { row("if") },
        NodeKind::Emit(_) => const { row("emit") },
        NodeKind::Enter(_) | NodeKind::Leave(_) => const { row("workflow") },
        NodeKind::Fail(_) => const { row("fail") },
        NodeKind::Wait(_) => const { row("wait, a time") },
        NodeKind::WaitFor(_) => const { row("wait, for an event") },
        NodeKind::Approve(_) => const { row("approve") },
        NodeKind::Parallel(_) => const { row("parallel, all") },
        NodeKind::Map(_) => const { row("foreach, a list") },
        NodeKind::Dag(_) => const { row("needs") },
        NodeKind::Close(_) | NodeKind::Resume => const { row("finally") },
        NodeKind::Rethrow => const { row("onFailure") },
        NodeKind::Caught => const { row("catch") },
        NodeKind::End => const { row("set") },
    }
}
