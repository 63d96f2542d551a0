//! Walks the tree of an expression and gives its value.
//!
//! Three things can end a part of it: absence, which `has` and `orValue` take; an error, which `&&` and `||` may outweigh;
//! and the budget, which nothing takes.

mod arithmetic;
mod each;
mod missing;

use crate::ast::{Binary, Call, Entry, Expr, Item, Node, Root, Segment, Unary};
use crate::budget::{Budget, Spent};
use crate::error::{EvalError, Span};
use crate::functions::{Cx, Fault, Patterns};
use crate::scope::Scope;
use crate::value::{Map, MapKey, Type, Value, comparable, compare};
use missing::{Lost, Missing};

/// Bytes that an item of a list or an entry of a map stands for in the count of what was made.
pub(crate) const ITEM: usize = 24;

/// Why a part has no value.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A path that ends early; what is known of it is in [`Eval::missing`].
    Absent,
    Error(Box<EvalError>),
    Spent(Spent, Span),
}

pub(crate) struct Eval<'a> {
    source: &'a str,
    scope: &'a dyn Scope,
    budget: &'a mut Budget,
    /// What the scope gave for each root name, once it was asked.
    names: Vec<Option<Option<Value>>>,
    /// The macros' variables in sight.
    variables: Vec<Value>,
    /// The arguments of the calls under way: one stack, so that a call allocates nothing.
    args: Vec<Value>,
    patterns: Patterns,
    missing: Option<Missing>,
}

impl<'a> Eval<'a> {
    pub(crate) fn new(source: &'a str, names: usize, scope: &'a dyn Scope, budget: &'a mut Budget) -> Eval<'a> {
        Eval {
            source,
            scope,
            budget,
            names: vec![None; names],
            variables: Vec::new(),
            args: Vec::new(),
            patterns: Patterns::default(),
            missing: None,
        }
    }

    /// The value of the whole; nothing where it is absent. Not yet counted as a result.
    pub(crate) fn run(&mut self, root: &Expr) -> Result<Option<Value>, EvalError> {
        match self.eval(root) {
            Ok(value) => Ok(Some(value)),
            Err(Stop::Absent) => Ok(None),
            Err(stop) => Err(self.error(stop)),
        }
    }

    /// What is to be said of an absent whole.
    pub(crate) fn absent(&mut self) -> EvalError {
        self.error(Stop::Absent)
    }

    fn error(&mut self, stop: Stop) -> EvalError {
        match stop {
            Stop::Absent => self.missing.take().unwrap_or_default().error(self.source),
            Stop::Error(error) => *error,
            Stop::Spent(spent, span) => EvalError::Budget { message: spent.message(), span },
        }
    }

    fn spend(&mut self, steps: u64, span: Span) -> Result<(), Stop> {
        self.budget.step(steps).map_err(|spent| Stop::Spent(spent, span))
    }

    fn make(&mut self, bytes: usize, span: Span) -> Result<(), Stop> {
        self.budget.make(bytes).map_err(|spent| Stop::Spent(spent, span))
    }

    /// The value, where absence is an error.
    fn value(&mut self, expr: &Expr) -> Result<Value, Stop> {
        match self.eval(expr) {
            Err(Stop::Absent) => Err(Stop::Error(Box::new(self.absent()))),
            other => other,
        }
    }

    fn eval(&mut self, expr: &Expr) -> Result<Value, Stop> {
        let span = expr.span;
        self.spend(1, span)?;
        match &expr.node {
            Node::Literal(value) => Ok(value.clone()),
            Node::Path(root, segments) => self.path(root, segments, span),
            Node::Index(operand, index) => self.index(operand, index, span),
            Node::Unary(sign, operand) => {
                let value = self.value(operand)?;
                unary(*sign, &value).map_err(|fault| stop(fault, span))
            }
            Node::Binary(operator, a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                self.binary(*operator, &a, &b).map_err(|fault| stop(fault, span))
            }
            Node::And(all) => self.logic(all, false),
            Node::Or(all) => self.logic(all, true),
            Node::If(condition, then, otherwise) => match self.value(condition)? {
                Value::Bool(true) => self.eval(then),
                Value::Bool(false) => self.eval(otherwise),
                other => {
                    Err(type_error(format!("the condition of ? : is {}, not a bool", other.a_type()), condition.span))
                }
            },
            Node::List(items) => self.list(items, span),
            Node::Map(entries) => self.map(entries, span),
            Node::Has(operand) => match self.eval(operand) {
                Ok(_) => Ok(Value::Bool(true)),
                Err(Stop::Absent) => Ok(Value::Bool(false)),
                Err(other) => Err(other),
            },
            Node::OrValue(operand, default) => match self.eval(operand) {
                Err(Stop::Absent) => self.eval(default),
                other => other,
            },
            Node::Call(call) => self.call(call, span),
            Node::Host(name) => self.scope.call(name).ok_or_else(|| {
                Stop::Error(Box::new(EvalError::Value { message: format!("{name}() has no meaning here"), span }))
            }),
            Node::Each(each) => self.each(each, span),
            Node::Bind(_, value, body) => {
                let value = self.value(value)?;
                self.variables.push(value);
                let result = self.eval(body);
                self.variables.pop();
                result
            }
        }
    }

    fn path(&mut self, root: &Root, segments: &[Segment], span: Span) -> Result<Value, Stop> {
        self.spend(segments.len() as u64 / 8, span)?;
        let found = match root {
            Root::Name(name, slot) => {
                let scope = self.scope;
                let value = match self.names.get_mut(*slot) {
                    Some(known) => known.get_or_insert_with(|| scope.get(name)).as_ref(),
                    None => None,
                };
                match value {
                    Some(value) => missing::walk(value, segments),
                    None => {
                        self.missing = Some(Missing::name(name, span, segments));
                        return Err(Stop::Absent);
                    }
                }
            }
            Root::Variable(_, slot) => missing::walk(self.variables.get(*slot).unwrap_or(&Value::Null), segments),
            Root::Expr(operand) => {
                let value = match self.eval(operand) {
                    Err(Stop::Absent) => {
                        if let Some(missing) = &mut self.missing {
                            missing.extend(span, segments);
                        }
                        return Err(Stop::Absent);
                    }
                    other => other?,
                };
                missing::walk(&value, segments)
            }
        };
        found.map_err(|lost| self.lost(lost, segments, span))
    }

    fn lost(&mut self, lost: Lost, segments: &[Segment], span: Span) -> Stop {
        match lost {
            Lost::Missing(at, why) => {
                self.missing = Some(Missing::segment(at, why, span, segments));
                Stop::Absent
            }
            Lost::Type(message) => type_error(message, span),
        }
    }

    fn index(&mut self, operand: &Expr, index: &Expr, span: Span) -> Result<Value, Stop> {
        let value = match self.eval(operand) {
            Err(Stop::Absent) => {
                let segment = self.segment(index, MapKey::from(index.span.of(self.source)));
                if let Some(missing) = &mut self.missing {
                    missing.extend(span, &[segment]);
                }
                return Err(Stop::Absent);
            }
            other => other?,
        };
        let index_value = self.value(index)?;
        let Some(key) = self.key(&index_value).map_err(|spent| Stop::Spent(spent, span))? else {
            return Err(type_error(
                format!("{} is no index: it is {}", index_value.shown(), index_value.a_type()),
                index.span,
            ));
        };
        let segment = self.segment(index, key);
        let segments = std::slice::from_ref(&segment);
        missing::walk(&value, segments).map_err(|lost| self.lost(lost, segments, span))
    }

    /// The value as a key, with what its search may cost.
    fn key(&mut self, value: &Value) -> Result<Option<MapKey>, Spent> {
        self.budget.step(weight(value) as u64 / 256)?;
        Ok(MapKey::of(value))
    }

    fn segment(&self, index: &Expr, key: MapKey) -> Segment {
        Segment { key, bracket: true, span: index.span }
    }

    /// `&&` (`decides` false) and `||` (`decides` true): the deciding value wins over errors on either side.
    fn logic(&mut self, all: &[Expr], decides: bool) -> Result<Value, Stop> {
        let mut error = None;
        for part in all {
            let stop = match self.value(part) {
                Ok(Value::Bool(b)) if b == decides => return Ok(Value::Bool(decides)),
                Ok(Value::Bool(_)) => continue,
                Ok(other) => {
                    let sign = if decides { "||" } else { "&&" };
                    type_error(format!("cannot apply `{sign}` to {}", other.type_name()), part.span)
                }
                Err(spent @ Stop::Spent(..)) => return Err(spent),
                Err(stop) => stop,
            };
            error.get_or_insert(stop);
        }
        error.map_or(Ok(Value::Bool(!decides)), Err)
    }

    fn binary(&mut self, operator: Binary, a: &Value, b: &Value) -> Result<Value, Fault> {
        self.budget.step(weight(a).min(weight(b)) as u64 / 1024)?;
        let ordered = |test: fn(std::cmp::Ordering) -> bool| {
            if comparable(a, b) {
                Ok(Value::Bool(compare(a, b).is_some_and(test)))
            } else {
                Err(arithmetic::mismatch(operator, a, b))
            }
        };
        match operator {
            Binary::Equal => Ok(Value::Bool(equal(self.budget, a, b)?)),
            Binary::NotEqual => Ok(Value::Bool(!equal(self.budget, a, b)?)),
            Binary::Less => ordered(std::cmp::Ordering::is_lt),
            Binary::LessOrEqual => ordered(std::cmp::Ordering::is_le),
            Binary::Greater => ordered(std::cmp::Ordering::is_gt),
            Binary::GreaterOrEqual => ordered(std::cmp::Ordering::is_ge),
            Binary::In => match b {
                Value::List(items) => {
                    for item in items.iter() {
                        self.budget.step(1)?;
                        if equal(self.budget, a, item)? {
                            return Ok(Value::Bool(true));
                        }
                    }
                    Ok(Value::Bool(false))
                }
                Value::Map(map) => Ok(Value::Bool(self.key(a)?.is_some_and(|key| map.contains_key(&key)))),
                _ => Err(arithmetic::mismatch(operator, a, b)),
            },
            _ => arithmetic::apply(self.budget, operator, a, b),
        }
    }

    fn list(&mut self, items: &[Item], span: Span) -> Result<Value, Stop> {
        self.make(items.len() * ITEM, span)?;
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            match self.eval(&item.value) {
                Err(Stop::Absent) if item.optional => {}
                Err(Stop::Absent) => return Err(Stop::Error(Box::new(self.absent()))),
                other => list.push(other?),
            }
        }
        Ok(Value::from(list))
    }

    fn map(&mut self, entries: &[Entry], span: Span) -> Result<Value, Stop> {
        self.make(entries.len() * 2 * ITEM, span)?;
        let mut map = Map::new();
        for entry in entries {
            let key = self.value(&entry.key)?;
            let Some(key) = MapKey::of(&key) else {
                return Err(type_error(format!("{} cannot be a key", key.a_type()), entry.key.span));
            };
            let value = match self.eval(&entry.value) {
                Err(Stop::Absent) if entry.optional => continue,
                Err(Stop::Absent) => return Err(Stop::Error(Box::new(self.absent()))),
                other => other?,
            };
            if map.contains_key(&key) {
                let message = format!("the map has the key {} twice", key.shown());
                return Err(Stop::Error(Box::new(EvalError::Value { message, span: entry.key.span })));
            }
            map.insert(key, value);
        }
        Ok(Value::from(map))
    }

    fn call(&mut self, call: &Call, span: Span) -> Result<Value, Stop> {
        let base = self.args.len();
        let mut result = Ok(Value::Null);
        for arg in &call.args {
            match self.value(arg) {
                Ok(value) => self.args.push(value),
                Err(stop) => {
                    result = Err(stop);
                    break;
                }
            }
        }
        if result.is_ok() {
            // Whatever a function does, it may read its texts.
            let read: usize = self.args.iter().skip(base).map(weight).sum();
            result = self.spend(read as u64 / 256, span).map(|()| Value::Null);
        }
        if result.is_ok() {
            let mut cx = Cx { budget: self.budget, patterns: &mut self.patterns, regex: call.regex.as_ref() };
            let args = self.args.get(base..).unwrap_or_default();
            result = (call.function.run)(&mut cx, args).map_err(|fault| match fault {
                Fault::Empty => Stop::Absent,
                fault => stop(named(fault, call, args), span),
            });
            if matches!(result, Err(Stop::Absent)) {
                self.missing = Some(Missing::item(call.function.name, span));
            }
        }
        self.args.truncate(base);
        result
    }
}

/// A fault of a function, with the function's name and what it got.
fn named(fault: Fault, call: &Call, args: &[Value]) -> Fault {
    let name = call.function.name;
    match fault {
        Fault::Types => {
            let types: Vec<_> = args.iter().map(Value::type_name).collect();
            if args.iter().any(|arg| matches!(arg, Value::Secret(_))) {
                return Fault::Secret(format!(
                    "{name}() cannot take a secret: it is a handle, its content is not known here"
                ));
            }
            match (types.split_first(), call.method) {
                (Some((target, [])), true) => Fault::Type(format!("there is no {target}.{name}()")),
                (Some((target, rest)), true) => {
                    Fault::Type(format!("there is no {target}.{name}({})", rest.join(", ")))
                }
                _ => Fault::Type(format!("there is no {name}({})", types.join(", "))),
            }
        }
        Fault::Value(message) => Fault::Value(format!("{name}(): {message}")),
        other => other,
    }
}

fn stop(fault: Fault, span: Span) -> Stop {
    Stop::Error(Box::new(match fault {
        Fault::Spent(spent) => return Stop::Spent(spent, span),
        Fault::Types | Fault::Empty => EvalError::Type { message: "the types do not fit".to_owned(), span },
        Fault::Type(message) => EvalError::Type { message, span },
        Fault::Value(message) => EvalError::Value { message, span },
        Fault::Secret(message) => EvalError::Secret { message, span },
    }))
}

fn type_error(message: String, span: Span) -> Stop {
    Stop::Error(Box::new(EvalError::Type { message, span }))
}

fn unary(sign: Unary, value: &Value) -> Result<Value, Fault> {
    match (sign, value) {
        (Unary::Not, Value::Bool(b)) => Ok(Value::Bool(!b)),
        (Unary::Negate, Value::Double(f)) => Ok(Value::Double(-f)),
        (Unary::Negate, Value::Int(n)) => {
            n.checked_neg().map(Value::Int).ok_or_else(|| Fault::Value(format!("-({n}) is beyond the range of int")))
        }
        (Unary::Negate, Value::Duration(n)) => {
            n.checked_neg().map(Value::Duration).ok_or_else(|| Fault::Value("the duration is out of range".to_owned()))
        }
        _ => {
            let sign = if sign == Unary::Not { '!' } else { '-' };
            Err(Fault::Type(format!("cannot apply `{sign}` to {}", value.type_name())))
        }
    }
}

/// Bytes of a text: what comparing or reading it costs.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    }
}

/// Deep equality, counted.
pub(crate) fn equal(budget: &mut Budget, a: &Value, b: &Value) -> Result<bool, Spent> {
    match (a, b) {
        (Value::List(a), Value::List(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b.iter()) {
                budget.step(1)?;
                if !equal(budget, a, b)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Map(a), Value::Map(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for ((key, value), (other_key, other)) in a.iter().zip(b.iter()) {
                budget.step(1)?;
                if key != other_key || !equal(budget, value, other)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => {
            budget.step(weight(a).min(weight(b)) as u64 / 1024)?;
            Ok(a == b)
        }
    }
}

/// Counts a value as a result: its bytes, about as many as its JSON has, and its levels.
pub(crate) fn count(budget: &mut Budget, value: &Value, level: u32) -> Result<(), Spent> {
    if level > Budget::DEPTH {
        return Err(Spent::Depth);
    }
    match value {
        Value::String(text) => budget.result(text.len() + 2),
        Value::Bytes(bytes) => budget.result(bytes.len() / 3 * 4 + 6),
        Value::List(items) => {
            budget.result(2)?;
            items.iter().try_for_each(|item| count(budget, item, level + 1))
        }
        Value::Map(map) => {
            budget.result(2)?;
            // The stored form of keys that are not text takes two levels more.
            let level = level + if map.keys().all(|key| key.as_str().is_some()) { 0 } else { 2 };
            map.iter().try_for_each(|(key, value)| {
                budget.result(key.as_str().map_or(8, |text| text.len() + 4))?;
                count(budget, value, level + 1)
            })
        }
        _ => budget.result(8),
    }
}

/// The type as a value.
pub(crate) fn type_value(value: &Value) -> Value {
    let of: Type = value.type_of();
    Value::Type(of)
}
