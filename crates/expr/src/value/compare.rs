//! Equality and order.
//!
//! Numbers compare by their exact value across types: `9007199254740993 == 9007199254740992.0` is false, which a
//! comparison by way of doubles would get wrong.

use std::cmp::Ordering;

use super::Value;

/// 2^63, 2^64: exact as doubles.
const TWO_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_64: f64 = 18_446_744_073_709_551_616.0;

/// The integer of the same value, if there is one in `int`'s range.
pub(crate) fn exact_i64(f: f64) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation, reason = "the range is checked, the fraction is zero")]
    (f.trunc() == f && (-TWO_63..TWO_63).contains(&f)).then_some(f as i64)
}

/// The integer part, if it lies inside of `int`'s range; its lower end is excluded, as CEL has it.
pub(crate) fn truncated_i64(f: f64) -> Option<i64> {
    exact_i64(f.trunc()).filter(|n| *n != i64::MIN)
}

/// The integer part, if it lies in `uint`'s range.
pub(crate) fn truncated_u64(f: f64) -> Option<u64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    (f > -1.0 && f < TWO_64).then_some(f.trunc() as u64)
}

#[derive(Clone, Copy)]
enum Number {
    Whole(i128),
    Double(f64),
}

fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Int(n) => Some(Number::Whole((*n).into())),
        Value::Uint(n) => Some(Number::Whole((*n).into())),
        Value::Double(f) => Some(Number::Double(*f)),
        _ => None,
    }
}

fn whole_and_double(n: i128, f: f64) -> Option<Ordering> {
    if f.is_nan() {
        None
    } else if f >= TWO_64 {
        Some(Ordering::Less)
    } else if f < -TWO_63 {
        Some(Ordering::Greater)
    } else {
        #[allow(clippy::cast_possible_truncation, reason = "the range is checked, the fraction is compared next")]
        let whole = f.trunc() as i128;
        Some(n.cmp(&whole).then_with(|| {
            // Equal integer parts: what is left of the double decides.
            0.0_f64.partial_cmp(&(f - f.trunc())).unwrap_or(Ordering::Equal)
        }))
    }
}

fn numbers(a: Number, b: Number) -> Option<Ordering> {
    match (a, b) {
        (Number::Whole(a), Number::Whole(b)) => Some(a.cmp(&b)),
        (Number::Double(a), Number::Double(b)) => a.partial_cmp(&b),
        (Number::Whole(a), Number::Double(b)) => whole_and_double(a, b),
        (Number::Double(a), Number::Whole(b)) => whole_and_double(b, a).map(Ordering::reverse),
    }
}

/// Whether two values have an order between them at all: two numbers, or two of one ordered type.
pub(crate) fn comparable(a: &Value, b: &Value) -> bool {
    (number(a).is_some() && number(b).is_some())
        || matches!(
            (a, b),
            (Value::Bool(_), Value::Bool(_))
                | (Value::String(_), Value::String(_))
                | (Value::Bytes(_), Value::Bytes(_))
                | (Value::Timestamp(_), Value::Timestamp(_))
                | (Value::Duration(_), Value::Duration(_))
        )
}

/// The order of two values: numbers by value across types, texts by code point, false before true, times. Nothing for
/// values without an order between them, and for NaN.
pub fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        (Value::Timestamp(a), Value::Timestamp(b)) | (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
        _ => numbers(number(a)?, number(b)?),
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::List(a), Value::List(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => a == b,
            (Value::Secret(a), Value::Secret(b)) => a == b,
            (Value::Type(a), Value::Type(b)) => a == b,
            (a, b) => compare(a, b) == Some(Ordering::Equal),
        }
    }
}
