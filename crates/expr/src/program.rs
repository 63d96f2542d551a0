//! A compiled expression.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::ast::{Expr, Node, Root};
use crate::budget::Budget;
use crate::error::{Error, EvalError, Span};
use crate::eval::{self, Eval};
use crate::parse;
use crate::scope::Scope;
use crate::value::Value;

/// A compiled expression; cheap to clone, shared between threads.
#[derive(Clone)]
pub struct Program(Arc<Inner>);

struct Inner {
    source: Arc<str>,
    root: Expr,
    names: Vec<Arc<str>>,
    reads: Vec<Read>,
}

/// A static path that a program reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The root name and the text keys that follow it, up to a computed or numeric index.
    pub path: Vec<String>,
    /// Where it stands.
    pub span: Span,
    /// Whether `has` or `orValue` takes its absence.
    pub guarded: bool,
}

impl Program {
    /// Compiles a source.
    ///
    /// # Errors
    /// The first mistake, with its place and often what to write instead.
    pub fn compile(source: &str) -> Result<Program, Error> {
        let parsed = parse::parse(source)?;
        let mut reads = Vec::new();
        collect(&parsed.root, false, &mut reads);
        Ok(Program(Arc::new(Inner { source: source.into(), root: parsed.root, names: parsed.names, reads })))
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The tree.
    pub fn ast(&self) -> &Expr {
        &self.0.root
    }

    /// The root names that it reads; variables of macros are not among them.
    pub fn names(&self) -> BTreeSet<String> {
        self.0.names.iter().map(ToString::to_string).collect()
    }

    /// Whether it reads this root name.
    pub fn reads_name(&self, name: &str) -> bool {
        self.0.names.iter().any(|known| &**known == name)
    }

    /// The static member paths that it reads, `[steps, build, outputs, digest]`, each once, in order of text.
    pub fn paths(&self) -> Vec<Vec<String>> {
        let paths: BTreeSet<_> = self.0.reads.iter().map(|read| read.path.clone()).collect();
        paths.into_iter().collect()
    }

    /// The same with places, and whether absence is taken; in the order written.
    pub fn reads(&self) -> &[Read] {
        &self.0.reads
    }

    /// The functions without arguments that the embedding answers, with their places: `success`, `failed`, `always`.
    pub fn calls(&self) -> Vec<(String, Span)> {
        let mut calls = Vec::new();
        collect_calls(&self.0.root, &mut calls);
        calls
    }

    /// The value.
    ///
    /// # Errors
    /// An absent path that nothing takes, types that do not fit, values that do not, the budget.
    pub fn eval(&self, scope: &dyn Scope, budget: &mut Budget) -> Result<Value, EvalError> {
        let value = self.value(scope, budget)?;
        self.counted(value, budget)
    }

    /// The value, or nothing where it is an absent path: for `let`, where an absent value stays absent. A path that is
    /// absent *inside* of a computation is an error here too.
    ///
    /// # Errors
    /// As [`Program::eval`], but for absence.
    pub fn eval_opt(&self, scope: &dyn Scope, budget: &mut Budget) -> Result<Option<Value>, EvalError> {
        let value = Eval::new(self.source(), self.0.names.len(), scope, budget).run(&self.0.root)?;
        value.map(|value| self.counted(value, budget)).transpose()
    }

    /// The value of a condition.
    ///
    /// # Errors
    /// As [`Program::eval`], and a value that is no bool.
    pub fn test(&self, scope: &dyn Scope, budget: &mut Budget) -> Result<bool, EvalError> {
        match self.value(scope, budget)? {
            Value::Bool(b) => Ok(b),
            other => Err(EvalError::Type {
                message: format!("the condition is {}, not a bool", other.a_type()),
                span: self.0.root.span,
            }),
        }
    }

    /// The value, not yet counted as a result.
    pub(crate) fn value(&self, scope: &dyn Scope, budget: &mut Budget) -> Result<Value, EvalError> {
        let mut eval = Eval::new(self.source(), self.0.names.len(), scope, budget);
        match eval.run(&self.0.root)? {
            Some(value) => Ok(value),
            None => Err(eval.absent()),
        }
    }

    fn counted(&self, value: Value, budget: &mut Budget) -> Result<Value, EvalError> {
        eval::count(budget, &value, 0)
            .map_err(|spent| EvalError::Budget { message: spent.message(), span: self.0.root.span })?;
        Ok(value)
    }
}

fn collect(expr: &Expr, guarded: bool, reads: &mut Vec<Read>) {
    match &expr.node {
        Node::Path(Root::Name(name, _), segments) => {
            let keys = segments.iter().map_while(|segment| segment.key.as_str().map(str::to_owned));
            reads.push(Read {
                path: std::iter::once(name.to_string()).chain(keys).collect(),
                span: expr.span,
                guarded,
            });
        }
        Node::Path(Root::Expr(operand), _) => collect(operand, guarded, reads),
        Node::Has(operand) => collect(operand, true, reads),
        Node::OrValue(operand, default) => {
            collect(operand, true, reads);
            collect(default, guarded, reads);
        }
        Node::Index(operand, index) => {
            collect(operand, guarded, reads);
            collect(index, false, reads);
        }
        _ => expr.children().into_iter().for_each(|child| collect(child, false, reads)),
    }
}

fn collect_calls(expr: &Expr, calls: &mut Vec<(String, Span)>) {
    if let Node::Host(name) = &expr.node {
        calls.push((name.to_string(), expr.span));
    }
    expr.children().into_iter().for_each(|child| collect_calls(child, calls));
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Program({:?})", self.source())
    }
}

/// Programs are equal where their sources are.
impl PartialEq for Program {
    fn eq(&self, other: &Program) -> bool {
        self.source() == other.source()
    }
}

impl Eq for Program {}

impl std::str::FromStr for Program {
    type Err = Error;

    fn from_str(source: &str) -> Result<Program, Error> {
        Program::compile(source)
    }
}
