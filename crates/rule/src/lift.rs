//! Conditions lifted into the index: what CEL asks of one path, as a test beside the pattern.

use ensue_expr::Program;

use crate::pattern::Pattern;

/// A pattern, narrowed by a condition.
#[derive(Clone, Debug)]
pub struct Lifted {
    /// What the index is given: every event for which the condition is anything but `false` still meets it.
    pub pattern: Pattern,
    /// Conjuncts that the index holds now.
    pub lifted: usize,
    /// Conjuncts that are only asked of the events that the index lets through.
    pub left: usize,
}

/// Narrows a pattern by an item's `if`.
#[must_use]
pub fn lift(pattern: &Pattern, condition: &Program) -> Lifted {
    Lifted { pattern: pattern.clone(), lifted: 0, left: condition.ast().conjuncts().len() }
}
