//! The tree of a compiled expression.
//!
//! Names are resolved: a variable of a macro is a slot of the stack, a root name a slot of the program's list. Chains of
//! `&&` and `||` are flat, static member paths are one node; so the depth of a tree stays small, and who looks for
//! conjuncts such as `event.data.action == "opened"` finds them at the top.

use std::sync::Arc;

use crate::error::Span;
use crate::functions::Function;
use crate::value::{MapKey, Value};

/// A node with its place in the source.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub node: Node,
    /// Where it stands; parentheses around it excluded.
    pub span: Span,
    /// Levels below and including this one; bounds the recursion of whoever walks the tree.
    pub(crate) depth: u32,
}

/// What a node is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Node {
    /// A constant: a literal, or the name of a type.
    Literal(Value),
    /// A root name, a macro's variable, or an operand, with a static member path; often without segments.
    Path(Root, Vec<Segment>),
    /// `a[i]` with a computed index.
    Index(Box<Expr>, Box<Expr>),
    /// `!a` or `-a`.
    Unary(Unary, Box<Expr>),
    /// An operator with two operands.
    Binary(Binary, Box<Expr>, Box<Expr>),
    /// `a && b && …`, two or more.
    And(Vec<Expr>),
    /// `a || b || …`, two or more.
    Or(Vec<Expr>),
    /// `condition ? then : otherwise`.
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `[a, ?b]`.
    List(Vec<Item>),
    /// `{k: v, ?k: v}`.
    Map(Vec<Entry>),
    /// `has(path)`.
    Has(Box<Expr>),
    /// `path.orValue(default)`.
    OrValue(Box<Expr>, Box<Expr>),
    /// A function or method; a method's target is the first argument.
    Call(Call),
    /// A condition's function that the embedding answers: `success()`, `failed()`, `always()`.
    Host(Arc<str>),
    /// A macro over a list or a map.
    Each(Box<Each>),
    /// `cel.bind(name, value, body)`.
    Bind(Arc<str>, Box<Expr>, Box<Expr>),
}

/// Where a path begins.
#[derive(Clone, Debug)]
pub enum Root {
    /// A root name, and its slot in the program's list of names.
    Name(Arc<str>, usize),
    /// A macro's variable, and its slot on the stack.
    Variable(Arc<str>, usize),
    /// Any other operand: `f(x).a.b`.
    Expr(Box<Expr>),
}

/// One part of a path: `.name` or `["name"]` or `[0]`.
#[derive(Clone, Debug)]
pub struct Segment {
    /// The key, or the position in a list.
    pub key: MapKey,
    /// Whether it is written in brackets.
    pub bracket: bool,
    /// Where the key stands.
    pub span: Span,
}

/// Operators with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    /// `!`
    Not,
    /// `-`
    Negate,
}

/// Operators with two operands that both are always evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is its sign's name, see `sign`")]
pub enum Binary {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Binary {
    /// How it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Binary::Equal => "==",
            Binary::NotEqual => "!=",
            Binary::Less => "<",
            Binary::LessOrEqual => "<=",
            Binary::Greater => ">",
            Binary::GreaterOrEqual => ">=",
            Binary::In => "in",
            Binary::Add => "+",
            Binary::Subtract => "-",
            Binary::Multiply => "*",
            Binary::Divide => "/",
            Binary::Remainder => "%",
        }
    }

    /// How tightly it binds: relations 1, sums 2, products 3.
    pub(crate) fn strength(self) -> u8 {
        match self {
            Binary::Add | Binary::Subtract => 2,
            Binary::Multiply | Binary::Divide | Binary::Remainder => 3,
            _ => 1,
        }
    }
}

/// An item of a list; an optional one is left out where it is absent.
#[derive(Clone, Debug)]
pub struct Item {
    /// Whether it is written `?item`.
    pub optional: bool,
    /// The item.
    pub value: Expr,
}

/// An entry of a map; an optional one is left out where its value is absent.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Whether it is written `?key: value`.
    pub optional: bool,
    /// The key.
    pub key: Expr,
    /// The value.
    pub value: Expr,
}

/// A call of a function of the library.
#[derive(Clone, Debug)]
pub struct Call {
    /// The function, with its name as written: `size`, `math.least`.
    pub function: &'static Function,
    /// Whether it is written as a method of its first argument.
    pub method: bool,
    /// The arguments, as many as the function takes.
    pub args: Vec<Expr>,
    /// A pattern of `matches` that is a literal, compiled once.
    pub(crate) regex: Option<Arc<regex::Regex>>,
}

/// A macro: a body for each item.
#[derive(Clone, Debug)]
pub struct Each {
    /// Which.
    pub kind: Macro,
    /// The list or the map.
    pub over: Expr,
    /// The variable; of two, the index or the key.
    pub first: Arc<str>,
    /// The second variable, the value.
    pub second: Option<Arc<str>>,
    /// The condition of `map`, `transformList`, `transformMap` with three parts.
    pub filter: Option<Expr>,
    /// The predicate or the transformation.
    pub body: Expr,
}

/// The macros over lists and maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is its own name, see `name`")]
pub enum Macro {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
    TransformList,
    TransformMap,
}

impl Macro {
    /// How it is written.
    pub fn name(self) -> &'static str {
        match self {
            Macro::All => "all",
            Macro::Exists => "exists",
            Macro::ExistsOne => "exists_one",
            Macro::Filter => "filter",
            Macro::Map => "map",
            Macro::TransformList => "transformList",
            Macro::TransformMap => "transformMap",
        }
    }
}

impl Expr {
    /// The nodes directly below, in the order written.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.node {
            Node::Literal(_) | Node::Host(_) | Node::Path(Root::Name(..) | Root::Variable(..), _) => Vec::new(),
            Node::Path(Root::Expr(operand), _) | Node::Unary(_, operand) | Node::Has(operand) => vec![operand],
            Node::Index(a, b) | Node::Binary(_, a, b) | Node::OrValue(a, b) | Node::Bind(_, a, b) => vec![a, b],
            Node::And(all) | Node::Or(all) => all.iter().collect(),
            Node::If(a, b, c) => vec![a, b, c],
            Node::List(items) => items.iter().map(|item| &item.value).collect(),
            Node::Map(entries) => entries.iter().flat_map(|entry| [&entry.key, &entry.value]).collect(),
            Node::Call(call) => call.args.iter().collect(),
            Node::Each(each) => [&each.over].into_iter().chain(&each.filter).chain([&each.body]).collect(),
        }
    }

    /// The conjuncts: the parts of `a && b && …`, or the whole where it is none.
    pub fn conjuncts(&self) -> &[Expr] {
        match &self.node {
            Node::And(all) => all,
            _ => std::slice::from_ref(self),
        }
    }

    /// The root name and the segments, where the whole is a static path of text keys: `event.data.action`.
    pub fn static_path(&self) -> Option<Vec<&str>> {
        let Node::Path(Root::Name(name, _), segments) = &self.node else { return None };
        std::iter::once(Some(&**name)).chain(segments.iter().map(|segment| segment.key.as_str())).collect()
    }

    /// The constant, where it is one.
    pub fn literal(&self) -> Option<&Value> {
        match &self.node {
            Node::Literal(value) => Some(value),
            _ => None,
        }
    }
}
