//! The macros: a body for each item of a list, or each key of a map.

use crate::ast::{Each, Macro};
use crate::error::Span;
use crate::eval::{Eval, ITEM, Stop, type_error};
use crate::value::{Map, MapKey, Value};

/// What has come together so far.
enum Sum {
    /// `all`, `exists`: nothing has decided yet; the first error is kept, for a later item may outweigh it.
    Open(Option<Stop>),
    Count(u32),
    List(Vec<Value>),
    Map(Map),
}

impl Eval<'_> {
    pub(super) fn each(&mut self, each: &Each, span: Span) -> Result<Value, Stop> {
        let over = self.value(&each.over)?;
        let visible = self.variables.len();
        let mut sum = match each.kind {
            Macro::All | Macro::Exists => Sum::Open(None),
            Macro::ExistsOne => Sum::Count(0),
            Macro::Filter | Macro::Map | Macro::TransformList => Sum::List(Vec::new()),
            Macro::TransformMap => Sum::Map(Map::new()),
        };
        let mut decided = Ok(None);
        match &over {
            Value::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    decided = self.item(each, || Value::from(at), item, &mut sum, span);
                    if !matches!(decided, Ok(None)) {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                for (key, value) in map.iter() {
                    // One variable of a map is the key, two are key and value.
                    let key = key.to_value();
                    decided = match each.second {
                        Some(_) => self.item(each, || key.clone(), value, &mut sum, span),
                        None => self.item(each, || Value::Null, &key, &mut sum, span),
                    };
                    if !matches!(decided, Ok(None)) {
                        break;
                    }
                }
            }
            other => {
                let message = format!("{}() goes over a list or a map, not {}", each.kind.name(), other.a_type());
                decided = Err(type_error(message, each.over.span));
            }
        }
        self.variables.truncate(visible);
        if let Some(value) = decided? {
            return Ok(value);
        }
        match sum {
            Sum::Open(None) => Ok(Value::Bool(each.kind == Macro::All)),
            Sum::Open(Some(error)) => Err(error),
            Sum::Count(count) => Ok(Value::Bool(count == 1)),
            Sum::List(items) => Ok(Value::from(items)),
            Sum::Map(map) => Ok(Value::from(map)),
        }
    }

    /// One item; a value where it decides the whole.
    fn item(
        &mut self,
        each: &Each,
        first: impl FnOnce() -> Value,
        item: &Value,
        sum: &mut Sum,
        span: Span,
    ) -> Result<Option<Value>, Stop> {
        self.spend(1, span)?;
        let visible = self.variables.len();
        if each.second.is_some() {
            self.variables.push(first());
        }
        self.variables.push(item.clone());
        let result = self.body(each, item, sum, span);
        self.variables.truncate(visible);
        result
    }

    fn body(&mut self, each: &Each, item: &Value, sum: &mut Sum, span: Span) -> Result<Option<Value>, Stop> {
        if let Some(filter) = &each.filter {
            match self.value(filter)? {
                Value::Bool(true) => {}
                Value::Bool(false) => return Ok(None),
                other => return Err(no_condition(each.kind, &other, filter.span)),
            }
        }
        let value = self.value(&each.body);
        match (each.kind, sum) {
            (Macro::All | Macro::Exists, Sum::Open(error)) => {
                let decides = each.kind == Macro::Exists;
                let stop = match value {
                    Ok(Value::Bool(b)) if b == decides => return Ok(Some(Value::Bool(decides))),
                    Ok(Value::Bool(_)) => return Ok(None),
                    Ok(other) => no_condition(each.kind, &other, each.body.span),
                    Err(spent @ Stop::Spent(..)) => return Err(spent),
                    Err(stop) => stop,
                };
                error.get_or_insert(stop);
            }
            (kind @ (Macro::ExistsOne | Macro::Filter), sum) => {
                let Value::Bool(holds) = value.as_ref().unwrap_or(&Value::Null) else {
                    return Err(no_condition(kind, &value?, each.body.span));
                };
                match sum {
                    Sum::Count(count) => *count = count.saturating_add(u32::from(*holds)),
                    Sum::List(items) if *holds => {
                        self.make(ITEM, span)?;
                        items.push(item.clone());
                    }
                    _ => {}
                }
            }
            (_, Sum::List(items)) => {
                self.make(ITEM, span)?;
                items.push(value?);
            }
            (_, Sum::Map(map)) => {
                self.make(2 * ITEM, span)?;
                let key = self.variables.len().checked_sub(2).and_then(|at| self.variables.get(at));
                // The first variable is an index or a key: always fit to be one.
                if let Some(key) = key.and_then(MapKey::of) {
                    map.insert(key, value?);
                }
            }
            _ => {}
        }
        Ok(None)
    }
}

fn no_condition(kind: Macro, value: &Value, span: Span) -> Stop {
    type_error(format!("the condition of {}() is {}, not a bool", kind.name(), value.a_type()), span)
}
