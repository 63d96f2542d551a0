//! `+ - * / %` on numbers, texts, lists and times.
//!
//! Whole numbers stay whole and never wrap. Next to a double they become doubles: what JSON calls a number is one thing to
//! its writers.

use crate::ast::Binary;
use crate::budget::Budget;
use crate::duration;
use crate::eval::ITEM;
use crate::functions::Fault;
use crate::time;
use crate::value::Value;

/// The operator does not take these types.
pub(super) fn mismatch(operator: Binary, a: &Value, b: &Value) -> Fault {
    let message = format!("cannot apply `{}` to {} and {}", operator.sign(), a.type_name(), b.type_name());
    match (operator, a, b) {
        (_, Value::Secret(_), _) | (_, _, Value::Secret(_)) => {
            Fault::Secret(format!("{message}: a secret is a handle, its content is not known here"))
        }
        (Binary::Add, Value::String(_), _) | (Binary::Add, _, Value::String(_)) => {
            Fault::Type(format!("{message}; string(…) makes text of a value"))
        }
        (_, Value::String(_), Value::Int(_) | Value::Double(_))
        | (_, Value::Int(_) | Value::Double(_), Value::String(_)) => {
            Fault::Type(format!("{message}; int(…) or double(…) makes a number of text"))
        }
        (_, Value::Timestamp(_), Value::String(_)) | (_, Value::String(_), Value::Timestamp(_)) => {
            Fault::Type(format!("{message}; timestamp(…) makes a time of text"))
        }
        (_, Value::Duration(_), Value::String(_)) | (_, Value::String(_), Value::Duration(_)) => {
            Fault::Type(format!("{message}; duration(…) makes a duration of text"))
        }
        _ => Fault::Type(message),
    }
}

pub(super) fn apply(budget: &mut Budget, operator: Binary, a: &Value, b: &Value) -> Result<Value, Fault> {
    match (a, b) {
        (Value::Int(x), Value::Int(y)) => int(operator, *x, *y).ok_or_else(|| trouble(operator, a, b)),
        (Value::Uint(x), Value::Uint(y)) => uint(operator, *x, *y).ok_or_else(|| trouble(operator, a, b)),
        (Value::Int(_) | Value::Uint(_), Value::Int(_) | Value::Uint(_)) => mixed(operator, a, b),
        (Value::Int(_) | Value::Uint(_) | Value::Double(_), Value::Int(_) | Value::Uint(_) | Value::Double(_)) => {
            double(operator, a, b)
        }
        (Value::Timestamp(x), Value::Duration(y)) => match operator {
            Binary::Add => at(x.checked_add(*y)),
            Binary::Subtract => at(x.checked_sub(*y)),
            _ => Err(mismatch(operator, a, b)),
        },
        (Value::Duration(x), Value::Timestamp(y)) if operator == Binary::Add => at(x.checked_add(*y)),
        (Value::Timestamp(x), Value::Timestamp(y)) if operator == Binary::Subtract => length(x.checked_sub(*y)),
        (Value::Duration(x), Value::Duration(y)) => match operator {
            Binary::Add => length(x.checked_add(*y)),
            Binary::Subtract => length(x.checked_sub(*y)),
            _ => Err(mismatch(operator, a, b)),
        },
        (Value::String(x), Value::String(y)) if operator == Binary::Add => {
            budget.make(x.len() + y.len())?;
            Ok(Value::from([&**x, &**y].concat()))
        }
        (Value::Bytes(x), Value::Bytes(y)) if operator == Binary::Add => {
            budget.make(x.len() + y.len())?;
            Ok(Value::Bytes([&**x, &**y].concat().into()))
        }
        (Value::List(x), Value::List(y)) if operator == Binary::Add => {
            budget.make((x.len() + y.len()) * ITEM)?;
            Ok(Value::from([&***x, &***y].concat()))
        }
        _ => Err(mismatch(operator, a, b)),
    }
}

/// Only overflow and division by zero are left once the types fit.
fn trouble(operator: Binary, a: &Value, b: &Value) -> Fault {
    let shown = format!("{} {} {}", a.shown(), operator.sign(), b.shown());
    match operator {
        Binary::Divide | Binary::Remainder if b.as_f64() == Some(0.0) => {
            Fault::Value(format!("division by zero: {shown}"))
        }
        _ => Fault::Value(format!("{shown} is beyond the range of {}", a.type_name())),
    }
}

fn int(operator: Binary, a: i64, b: i64) -> Option<Value> {
    match operator {
        Binary::Add => a.checked_add(b),
        Binary::Subtract => a.checked_sub(b),
        Binary::Multiply => a.checked_mul(b),
        Binary::Divide => a.checked_div(b),
        Binary::Remainder => a.checked_rem(b),
        _ => None,
    }
    .map(Value::Int)
}

fn uint(operator: Binary, a: u64, b: u64) -> Option<Value> {
    match operator {
        Binary::Add => a.checked_add(b),
        Binary::Subtract => a.checked_sub(b),
        Binary::Multiply => a.checked_mul(b),
        Binary::Divide => a.checked_div(b),
        Binary::Remainder => a.checked_rem(b),
        _ => None,
    }
    .map(Value::Uint)
}

/// An `int` and a `uint`: the result is an `int`.
fn mixed(operator: Binary, a: &Value, b: &Value) -> Result<Value, Fault> {
    let wide = |value: &Value| match value {
        Value::Int(n) => i128::from(*n),
        Value::Uint(n) => i128::from(*n),
        _ => 0,
    };
    let (x, y) = (wide(a), wide(b));
    match operator {
        Binary::Add => x.checked_add(y),
        Binary::Subtract => x.checked_sub(y),
        Binary::Multiply => x.checked_mul(y),
        Binary::Divide => x.checked_div(y),
        Binary::Remainder => x.checked_rem(y),
        _ => None,
    }
    .and_then(|n| i64::try_from(n).ok())
    .map(Value::Int)
    .ok_or_else(|| trouble(operator, a, b))
}

/// At least one double. A whole zero never divides; a double zero gives infinity, as IEEE 754 and CEL have it.
fn double(operator: Binary, a: &Value, b: &Value) -> Result<Value, Fault> {
    let (Some(x), Some(y)) = (a.as_f64(), b.as_f64()) else { return Err(mismatch(operator, a, b)) };
    Ok(Value::Double(match operator {
        Binary::Add => x + y,
        Binary::Subtract => x - y,
        Binary::Multiply => x * y,
        Binary::Divide if matches!(b, Value::Int(0) | Value::Uint(0)) => return Err(trouble(operator, a, b)),
        Binary::Divide => x / y,
        _ => return Err(mismatch(operator, a, b)),
    }))
}

fn at(micros: Option<i64>) -> Result<Value, Fault> {
    micros
        .filter(|micros| (time::MIN..=time::MAX).contains(micros))
        .map(Value::Timestamp)
        .ok_or_else(|| Fault::Value("the time lies outside of the years 1 to 9999".to_owned()))
}

fn length(micros: Option<i64>) -> Result<Value, Fault> {
    micros
        .filter(|micros| (-duration::MAX..=duration::MAX).contains(micros))
        .map(Value::Duration)
        .ok_or_else(|| Fault::Value("the duration is longer than ten thousand years".to_owned()))
}
