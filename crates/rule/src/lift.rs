//! Conditions lifted into the index: what CEL asks of one path, as a field beside those of the pattern.
//!
//! `a && b` is false as soon as one of its conjuncts is, even if another errs. So each conjunct may prune by itself, and
//! does where it is certainly `false`: not where it errs, since an error in a condition is a decision. What CEL errs on
//! and patterns do not know is [`Odd`]: such an event stays a candidate. The whole condition is still evaluated for what
//! the index lets through.
//!
//! One error outweighs a false conjunct: the budget. So a conjunct is lifted only if those before it cannot spend it
//! ([`cost`]).

mod cost;
mod keep;

use std::sync::Arc;

use ensue_expr::{Expr, Node, Program};

use self::keep::{Keep, keep};
use crate::pattern::{Branch, Field, MAX_FIELDS, OURS, Odd, Pattern, Test};

/// Attributes that every event has, as texts.
const ALWAYS: [&str; 3] = ["id", "source", "type"];

/// A pattern, narrowed by a condition.
#[derive(Clone, Debug)]
pub struct Lifted {
    /// What the index is given: every event that meets the pattern and for which the condition is anything but `false`
    /// still meets it.
    pub pattern: Pattern,
    /// Conjuncts that the index holds now.
    pub lifted: usize,
    /// Conjuncts that are only asked of the events that the index lets through.
    pub left: usize,
}

/// Narrows a pattern over events by an item's `if`.
///
/// What is lifted: `event.a.b == literal`, `!=`, `in [literals]`, `<`, `<=`, `>`, `>=` with a number, `startsWith`,
/// `endsWith`, `literal in event.a.list`, a flag by itself, `has` of an attribute, `!has`, their negations, and `||` of them on one path.
/// `event.type == "x"` is as good as a type in the pattern.
#[must_use]
pub fn lift(pattern: &Pattern, condition: &Program) -> Lifted {
    let mut conjuncts = Vec::new();
    flatten(condition.ast(), &mut conjuncts);
    let mut branches = pattern.branches().to_vec();
    let mut fields: usize = branches.iter().map(|branch| branch.fields.len()).sum();
    let mut lifted = 0;
    let mut before = Some(cost::Cost::default());
    for conjunct in &conjuncts {
        // What cannot be counted may spend the budget, which ends the evaluation before a later conjunct is false.
        before = before.and_then(|before| before.and(cost::cost(conjunct)?));
        let Some(spent) = before else { break };
        let Some(keep) = keep(conjunct, true) else { continue };
        if fields + branches.len() > MAX_FIELDS {
            break;
        }
        let Some(narrowed) = narrow(&branches, keep, spent.reads) else { continue };
        branches = narrowed;
        fields += branches.len();
        lifted += 1;
    }
    let left = conjuncts.len() - lifted;
    if lifted == 0 {
        return Lifted { pattern: pattern.clone(), lifted, left };
    }
    Lifted { pattern: Pattern::of(branches), lifted, left }
}

fn flatten<'a>(expr: &'a Expr, out: &mut Vec<&'a Expr>) {
    match &expr.node {
        Node::And(all) => all.iter().for_each(|part| flatten(part, out)),
        _ => out.push(expr),
    }
}

/// The branches with one field more; nothing if it cannot be said of all of them.
fn narrow(branches: &[Branch], mut keep: Keep, large: bool) -> Option<Vec<Branch>> {
    let always = matches!(keep.path.as_slice(), [name] if ALWAYS.contains(&&**name));
    if always {
        if keep.odd.has(Odd::TEXT.and(Odd::SINGLE)) {
            // Every event is odd in this way.
            return None;
        }
        keep.odd = Odd::default();
    }
    if large {
        keep.odd = keep.odd.and(Odd::LARGE);
    }
    if matches!(keep.path.as_slice(), [name] if &**name == "type") {
        return of_type(branches, &keep);
    }
    let field = Arc::new(keep.field()?);
    let with = |branch: &Branch| Branch { fields: branch.fields.iter().cloned().chain([Arc::clone(&field)]).collect() };
    Some(branches.iter().map(with).collect())
}

/// The same for `type`, which says on which shelf a branch stands, and whether it sees ensue's own events.
fn of_type(branches: &[Branch], keep: &Keep) -> Option<Vec<Branch>> {
    let exact = keep.tests.iter().all(|test| matches!(test, Test::Text(_)));
    let mut narrowed = Vec::with_capacity(branches.len());
    for branch in branches {
        // Own events are met by alternatives that name the prefix, which only equality can do.
        if !exact && (branch.names_ours() || keep.tests.iter().any(Test::names_ours)) {
            return None;
        }
        let written = branch.fields.iter().position(|field| field.is_type());
        let mut tests = keep.tests.clone();
        tests.retain(|test| {
            let Test::Text(text) = test else { return true };
            match written.and_then(|at| branch.fields.get(at)) {
                Some(field) => field.meets_type(text),
                None => !text.starts_with(OURS),
            }
        });
        if tests.is_empty() && keep.odd == Odd::default() {
            // No event can meet this branch and the condition.
            continue;
        }
        let field = Arc::new(Keep { tests, path: keep.path.clone(), odd: keep.odd }.field()?);
        let replaced = if exact && keep.odd == Odd::default() { written } else { None };
        let rest = branch.fields.iter().enumerate().filter(|(at, _)| Some(*at) != replaced);
        narrowed.push(Branch { fields: rest.map(|(_, field)| Arc::clone(field)).chain([field]).collect() });
    }
    Some(narrowed)
}

impl Keep {
    fn field(self) -> Option<Field> {
        let odd = (self.odd != Odd::default()).then_some(Test::Odd(self.odd));
        let any: Vec<Test> = self.tests.into_iter().chain(odd).collect();
        (!any.is_empty()).then(|| Field { path: self.path.into(), any: any.into() })
    }
}
