//! One pattern: compiled, asked, explained.

mod compile;
mod operator;

mod test;

mod cidr;
pub(crate) mod fold;
pub(crate) mod number;
mod odd;
mod wildcard;

mod explain;

mod could;

use std::sync::{Arc, OnceLock};

pub(crate) use compile::MAX_FIELDS;
pub use could::Known;
pub use explain::{Explanation, FieldVerdict};
pub(crate) use odd::Odd;
pub(crate) use test::{Kind, Not, Number, Range, Test, Value};

use crate::fields::Fields;
use crate::join::{Join, Want};
use crate::trie::Trie;
use crate::view::View;

/// The prefix of the types that only ensue itself writes: matched only where a pattern names it.
pub(crate) const OURS: &str = "dev.ensue.";

/// What is wrong in a pattern, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The place in the pattern's JSON (RFC 6901).
    pub pointer: String,
    /// What is wrong there, and what to write instead.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = if self.pointer.is_empty() { "the pattern" } else { &self.pointer };
        write!(f, "Event pattern is not valid. Reason: {} (at {place})", self.message)
    }
}

impl std::error::Error for Problem {}

/// A compiled pattern. A copy is a reference to the same one.
#[derive(Clone, Debug)]
pub struct Pattern(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    branches: Box<[Branch]>,
    /// Made when the pattern is first asked by itself; an index keeps its own.
    own: OnceLock<Own>,
}

/// What must all be met: `$or` multiplied out, fields in the order of their paths.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Branch {
    pub(crate) fields: Box<[Arc<Field>]>,
}

/// A field and its alternatives.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) path: Box<[Box<str>]>,
    pub(crate) any: Box<[Test]>,
}

/// The paths of one pattern as a trie, and the node of each field of each branch.
#[derive(Debug)]
struct Own {
    trie: Trie,
    nodes: Box<[Box<[u32]>]>,
}

impl Field {
    pub(crate) fn is_type(&self) -> bool {
        matches!(&*self.path, [name] if &**name == "type")
    }

    /// Whether each alternative is a key by which branches can be looked up.
    pub(crate) fn is_access(&self) -> bool {
        let known = self.any.iter().any(|test| !matches!(test, Test::Odd(_)));
        known && self.any.iter().all(|test| test.access().is_some())
    }

    /// Whether a field of `type` is met by this type.
    pub(crate) fn meets_type(&self, text: &str) -> bool {
        let value = Value { kind: Kind::Text, bytes: text.as_bytes() };
        self.any.iter().any(|test| test.holds(value) && (!text.starts_with(OURS) || test.names_ours()))
    }

    pub(crate) fn may_be_absent(&self) -> bool {
        self.any.contains(&Test::Absent)
    }

    /// Whether the values at a node meet it if it comes from a condition; nothing if it is written in the pattern. Such
    /// a field is asked by itself, not together with others within the elements of an array.
    pub(crate) fn lifted(&self, node: u32, fields: &Fields, view: &View<'_>) -> Option<bool> {
        let odd = self.any.iter().find_map(|test| match test {
            Test::Odd(odd) => Some(*odd),
            _ => None,
        })?;
        let met = || fields.at(node).any(|found| holds(self, view, fields.value(found, view.data())));
        Some(odd.holds(node, fields, view.data(), view.is_large()) || met())
    }

    fn names_ours(&self) -> bool {
        self.is_type() && self.any.iter().any(Test::names_ours)
    }
}

impl Branch {
    /// Whether it may see the events that ensue writes.
    pub(crate) fn names_ours(&self) -> bool {
        self.fields.iter().any(|field| field.names_ours())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.0.branches == other.0.branches
    }
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// All that is wrong in it, each with its place.
    pub fn compile(json: &serde_json::Value) -> Result<Pattern, Vec<Problem>> {
        compile::branches(json).map(Pattern::of)
    }

    /// Whether the event is met.
    #[must_use]
    pub fn matches(&self, view: &View<'_>) -> bool {
        let mut fields = Fields::default();
        view.collect(&self.own().trie, &mut fields);
        (0..self.0.branches.len()).any(|branch| self.meets(branch, view, &fields))
    }

    /// Why the event is met, or by how much it is missed: each field of the branch that is nearest.
    #[must_use]
    pub fn explain(&self, view: &View<'_>) -> Explanation {
        let mut fields = Fields::default();
        view.collect(&self.own().trie, &mut fields);
        let parts = self.0.branches.iter().zip(&self.own().nodes).enumerate();
        let explanations = parts
            .map(|(at, (branch, nodes))| explain::branch(branch, nodes, self.meets(at, view, &fields), view, &fields));
        // The first of the nearest: the order of branches is the order in the text.
        let nearest = explanations.reduce(|best, next| if next.ratio() > best.ratio() { next } else { best });
        nearest.unwrap_or_default()
    }

    /// The types that the pattern names, if it names them one by one: no event of another type is met.
    #[must_use]
    pub fn types(&self) -> Option<Vec<&str>> {
        let mut types = Vec::new();
        for branch in &self.0.branches {
            let field = branch.fields.iter().find(|field| field.is_type())?;
            for test in &field.any {
                match test {
                    Test::Text(text) => types.push(&**text),
                    _ => return None,
                }
            }
        }
        types.sort_unstable();
        types.dedup();
        Some(types)
    }

    /// Whether it names the prefix `dev.ensue.` in `type`: only then it can meet events that ensue writes.
    #[must_use]
    pub fn names_ours(&self) -> bool {
        self.0.branches.iter().any(Branch::names_ours)
    }

    /// The paths that it asks for, joined by dots, in order.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let fields = self.0.branches.iter().flat_map(|branch| &branch.fields);
        let mut paths: Vec<String> = fields.map(|field| field.path.join(".")).collect();
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    /// Whether an index can look all of it up: if not, each event (of its types, where it names them) pays for it.
    #[must_use]
    pub fn indexed(&self) -> bool {
        self.0.branches.iter().all(|branch| branch.fields.iter().any(|field| field.is_access()))
    }

    /// The pattern of these branches; of none it is met by nothing.
    pub(crate) fn of(branches: Vec<Branch>) -> Pattern {
        Pattern(Arc::new(Inner { branches: branches.into(), own: OnceLock::new() }))
    }

    pub(crate) fn branches(&self) -> &[Branch] {
        &self.0.branches
    }

    fn own(&self) -> &Own {
        self.0.own.get_or_init(|| {
            let mut trie = Trie::default();
            let nodes = self.0.branches.iter();
            let nodes = nodes.map(|branch| branch.fields.iter().map(|field| trie.ask(&field.path)).collect()).collect();
            Own { trie, nodes }
        })
    }

    fn meets(&self, branch: usize, view: &View<'_>, fields: &Fields) -> bool {
        let own = self.own();
        let (Some(branch), Some(nodes)) = (self.0.branches.get(branch), own.nodes.get(branch)) else { return false };
        if view.is_ours() && !branch.names_ours() {
            return false;
        }
        let mut written = Vec::with_capacity(branch.fields.len());
        let mut wants = Vec::with_capacity(branch.fields.len());
        for (field, node) in branch.fields.iter().zip(nodes) {
            match field.lifted(*node, fields, view) {
                Some(true) => {}
                Some(false) => return false,
                None => {
                    written.push(field);
                    wants.push(Want { node: *node, may_be_absent: field.may_be_absent() });
                }
            }
        }
        let holds = |at: usize, value: Value<'_>| written.get(at).is_some_and(|field| holds(field, view, value));
        Join { trie: &own.trie, fields, data: view.data(), wants: &wants }.meets(holds)
    }
}

/// Whether one of a field's alternatives holds for the value; of our own events' types, one that names the prefix.
pub(crate) fn holds(field: &Field, view: &View<'_>, value: Value<'_>) -> bool {
    let ours = view.is_ours() && field.is_type();
    field.any.iter().any(|test| test.holds(value) && (!ours || test.names_ours()))
}
