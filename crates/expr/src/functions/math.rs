//! Numbers. Whole numbers are taken wherever doubles are, since JSON does not tell `5` from `5.0`; they stay whole.

use std::cmp::Ordering;

use super::{Cx, Fault, Function, plain};
use crate::value::{Value, compare};

pub(super) const TABLE: &[Function] = &[
    plain("math.greatest", (1, usize::MAX), |cx, args| extreme(cx, args, Ordering::Greater)),
    plain("math.least", (1, usize::MAX), |cx, args| extreme(cx, args, Ordering::Less)),
    plain("math.ceil", (1, 1), |_, args| rounded(args, f64::ceil)),
    plain("math.floor", (1, 1), |_, args| rounded(args, f64::floor)),
    plain("math.round", (1, 1), |_, args| rounded(args, f64::round)),
    plain("math.trunc", (1, 1), |_, args| rounded(args, f64::trunc)),
    plain("math.abs", (1, 1), abs),
    plain("math.sign", (1, 1), sign),
    plain("math.sqrt", (1, 1), |_, args| match args {
        [value] => value.as_f64().map(|f| Value::Double(f.sqrt())).ok_or(Fault::Types),
        _ => Err(Fault::Types),
    }),
    plain("math.isNaN", (1, 1), |_, args| is(args, f64::is_nan)),
    plain("math.isInf", (1, 1), |_, args| is(args, f64::is_infinite)),
    plain("math.isFinite", (1, 1), |_, args| is(args, f64::is_finite)),
    plain("math.bitAnd", (2, 2), |_, args| bits(args, |a, b| a & b)),
    plain("math.bitOr", (2, 2), |_, args| bits(args, |a, b| a | b)),
    plain("math.bitXor", (2, 2), |_, args| bits(args, |a, b| a ^ b)),
    plain("math.bitNot", (1, 1), |_, args| match args {
        [Value::Int(n)] => Ok(Value::Int(!n)),
        [Value::Uint(n)] => Ok(Value::Uint(!n)),
        _ => Err(Fault::Types),
    }),
    plain("math.bitShiftLeft", (2, 2), |_, args| shift(args, u64::checked_shl)),
    plain("math.bitShiftRight", (2, 2), |_, args| shift(args, u64::checked_shr)),
];

fn extreme(cx: &mut Cx<'_>, args: &[Value], wanted: Ordering) -> Result<Value, Fault> {
    let values = match args {
        [Value::List(items)] => items,
        other => other,
    };
    cx.budget.step(values.len() as u64)?;
    let mut best: Option<&Value> = None;
    for value in values {
        if value.as_f64().is_none() {
            return Err(Fault::Types);
        }
        if best.is_none_or(|best| compare(value, best) == Some(wanted)) {
            best = Some(value);
        }
    }
    best.cloned().ok_or_else(|| Fault::Value("the list is empty".to_owned()))
}

fn rounded(args: &[Value], how: fn(f64) -> f64) -> Result<Value, Fault> {
    match args {
        [Value::Double(f)] => Ok(Value::Double(how(*f))),
        [value @ (Value::Int(_) | Value::Uint(_))] => Ok(value.clone()),
        _ => Err(Fault::Types),
    }
}

fn abs(_: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    match args {
        [Value::Double(f)] => Ok(Value::Double(f.abs())),
        [Value::Uint(n)] => Ok(Value::Uint(*n)),
        [Value::Int(n)] => {
            n.checked_abs().map(Value::Int).ok_or_else(|| Fault::Value(format!("{n} has no positive in int's range")))
        }
        _ => Err(Fault::Types),
    }
}

fn sign(_: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    match args {
        [Value::Double(f)] if *f == 0.0 || f.is_nan() => Ok(Value::Double(*f)),
        [Value::Double(f)] => Ok(Value::Double(f.signum())),
        [Value::Int(n)] => Ok(Value::Int(n.signum())),
        [Value::Uint(n)] => Ok(Value::Uint((*n).min(1))),
        _ => Err(Fault::Types),
    }
}

fn is(args: &[Value], test: fn(f64) -> bool) -> Result<Value, Fault> {
    let [value] = args else { return Err(Fault::Types) };
    value.as_f64().map(|f| Value::Bool(test(f))).ok_or(Fault::Types)
}

fn bits(args: &[Value], of: fn(u64, u64) -> u64) -> Result<Value, Fault> {
    match args {
        [Value::Int(a), Value::Int(b)] => Ok(Value::Int(of(a.cast_unsigned(), b.cast_unsigned()).cast_signed())),
        [Value::Uint(a), Value::Uint(b)] => Ok(Value::Uint(of(*a, *b))),
        _ => Err(Fault::Types),
    }
}

/// Past 63 places nothing is left; to the right zeros come in, whatever the sign.
fn shift(args: &[Value], how: fn(u64, u32) -> Option<u64>) -> Result<Value, Fault> {
    let [value, Value::Int(places)] = args else { return Err(Fault::Types) };
    let places =
        u32::try_from((*places).min(64)).map_err(|_| Fault::Value(format!("cannot shift by {places} places")))?;
    match value {
        Value::Int(n) => Ok(Value::Int(how(n.cast_unsigned(), places).unwrap_or(0).cast_signed())),
        Value::Uint(n) => Ok(Value::Uint(how(*n, places).unwrap_or(0))),
        _ => Err(Fault::Types),
    }
}
