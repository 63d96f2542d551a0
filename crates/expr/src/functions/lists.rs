//! Lists.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::{Cx, Fault, Function, method, plain};
use crate::eval::{ITEM, equal};
use crate::value::{MapKey, Value, comparable, compare};

pub(super) const TABLE: &[Function] = &[
    method("slice", (3, 3), slice),
    method("flatten", (1, 2), flatten),
    method("sort", (1, 1), sort),
    method("distinct", (1, 1), distinct),
    // Of an empty list they are absent, where CEL has an optional.
    method("first", (1, 1), |_, args| item(args, |items| items.first())),
    method("last", (1, 1), |_, args| item(args, |items| items.last())),
    plain("lists.range", (1, 1), range),
];

fn item(args: &[Value], which: fn(&[Value]) -> Option<&Value>) -> Result<Value, Fault> {
    let [Value::List(items)] = args else { return Err(Fault::Types) };
    which(items).cloned().ok_or(Fault::Empty)
}

fn slice(cx: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    let [Value::List(items), Value::Int(from), Value::Int(to)] = args else { return Err(Fault::Types) };
    let place = |n: &i64| usize::try_from(*n).ok();
    let part = place(from)
        .zip(place(to))
        .and_then(|(from, to)| items.get(from..to))
        .ok_or_else(|| Fault::Value(format!("{from} to {to} is no part of a list of {}", items.len())))?;
    cx.budget.make(part.len() * ITEM)?;
    Ok(Value::from(part.to_vec()))
}

fn flatten(cx: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    let (items, depth) = match args {
        [Value::List(items)] => (items, 1),
        [Value::List(items), Value::Int(depth)] => (items, *depth),
        _ => return Err(Fault::Types),
    };
    if depth < 0 {
        return Err(Fault::Value(format!("the depth {depth} is negative")));
    }
    let mut out = Vec::new();
    flat(cx, items, depth, &mut out)?;
    Ok(Value::from(out))
}

fn flat(cx: &mut Cx<'_>, items: &[Value], depth: i64, out: &mut Vec<Value>) -> Result<(), Fault> {
    for item in items {
        cx.budget.step(1)?;
        match item {
            Value::List(inner) if depth > 0 => flat(cx, inner, depth - 1, out)?,
            other => {
                cx.budget.make(ITEM)?;
                out.push(other.clone());
            }
        }
    }
    Ok(())
}

fn sort(cx: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    let [Value::List(items)] = args else { return Err(Fault::Types) };
    let Some(first) = items.first() else { return Ok(Value::from(Vec::new())) };
    if let Some(odd) = items.iter().find(|item| !comparable(first, item)) {
        let (one, other) = (first.a_type(), odd.a_type());
        return Err(Fault::Type(if one == other {
            format!("sort() cannot order by {one}")
        } else {
            format!("sort() cannot order {one} and {other}")
        }));
    }
    let count = items.len() as u64;
    let rounds = u64::from(count.max(2).ilog2());
    cx.budget.step(count * rounds / 4)?;
    for item in items.iter().filter_map(Value::as_str) {
        cx.budget.step(item.len() as u64 * rounds / 1024)?;
    }
    cx.budget.make(items.len() * ITEM)?;
    let mut sorted = items.to_vec();
    // NaN has no order; behind everything it keeps the order total.
    let nan = |value: &Value| matches!(value, Value::Double(f) if f.is_nan());
    sorted.sort_by(|a, b| compare(a, b).unwrap_or_else(|| nan(a).cmp(&nan(b)).then(Ordering::Equal)));
    Ok(Value::from(sorted))
}

/// The first of equal items stays.
fn distinct(cx: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    let [Value::List(items)] = args else { return Err(Fault::Types) };
    let mut keys = BTreeSet::new();
    let mut others: Vec<&Value> = Vec::new();
    let mut out = Vec::new();
    for item in items.iter() {
        cx.budget.step(1)?;
        let new = match MapKey::of(item) {
            Some(key) => {
                cx.read(key.as_str().map_or(0, str::len))?;
                keys.insert(key)
            }
            None => {
                let mut known = false;
                for other in &others {
                    cx.budget.step(1)?;
                    known = known || equal(cx.budget, item, other)?;
                }
                if !known {
                    others.push(item);
                }
                !known
            }
        };
        if new {
            cx.budget.make(ITEM)?;
            out.push(item.clone());
        }
    }
    Ok(Value::from(out))
}

fn range(cx: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    let [Value::Int(count)] = args else { return Err(Fault::Types) };
    let count = (*count).max(0);
    let size = usize::try_from(count).unwrap_or(usize::MAX);
    cx.budget.step(size as u64)?;
    cx.budget.make(size.saturating_mul(ITEM))?;
    Ok(Value::from((0..count).map(Value::Int).collect::<Vec<_>>()))
}
