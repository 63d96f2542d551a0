//! Conversions, sizes and types.

use super::{Cx, Fault, Function, either, plain};
use crate::duration;
use crate::eval::type_value;
use crate::time;
use crate::value::{Value, exact_i64, truncated_i64, truncated_u64};

pub(super) const TABLE: &[Function] = &[
    either("size", (1, 1), size),
    plain("int", (1, 1), int),
    plain("uint", (1, 1), uint),
    plain("double", (1, 1), double),
    plain("string", (1, 1), string),
    plain("bytes", (1, 1), bytes),
    plain("bool", (1, 1), boolean),
    plain("type", (1, 1), |_, args| match args {
        [value] => Ok(type_value(value)),
        _ => Err(Fault::Types),
    }),
    plain("dyn", (1, 1), |_, args| args.first().cloned().ok_or(Fault::Types)),
    plain("timestamp", (1, 1), timestamp),
    plain("duration", (1, 1), length),
];

fn size(cx: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    Ok(Value::from(match args {
        [Value::String(text)] => {
            cx.read(text.len())?;
            text.chars().count()
        }
        [Value::Bytes(bytes)] => bytes.len(),
        [Value::List(items)] => items.len(),
        [Value::Map(map)] => map.len(),
        _ => return Err(Fault::Types),
    }))
}

fn range(value: &Value, of: &str) -> Fault {
    Fault::Value(format!("{} is beyond its range", value.shown()).replace("its", of))
}

fn int(_: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    let [value] = args else { return Err(Fault::Types) };
    match value {
        Value::Int(n) => Some(*n),
        Value::Uint(n) => i64::try_from(*n).ok(),
        Value::Double(f) => truncated_i64(*f),
        Value::String(text) => {
            Some(text.parse().map_err(|_| Fault::Value(format!("{} is no whole number", value.shown())))?)
        }
        Value::Timestamp(micros) => Some(micros.div_euclid(1_000_000)),
        _ => return Err(Fault::Types),
    }
    .map(Value::Int)
    .ok_or_else(|| range(value, "int's"))
}

fn uint(_: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    let [value] = args else { return Err(Fault::Types) };
    match value {
        Value::Int(n) => u64::try_from(*n).ok(),
        Value::Uint(n) => Some(*n),
        Value::Double(f) if *f >= 0.0 => truncated_u64(*f),
        Value::Double(_) => None,
        Value::String(text) => Some(
            text.parse().map_err(|_| Fault::Value(format!("{} is no whole number of zero or more", value.shown())))?,
        ),
        _ => return Err(Fault::Types),
    }
    .map(Value::Uint)
    .ok_or_else(|| range(value, "uint's"))
}

fn double(_: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    let [value] = args else { return Err(Fault::Types) };
    match value {
        Value::String(text) => {
            text.parse().map(Value::Double).map_err(|_| Fault::Value(format!("{} is no number", value.shown())))
        }
        other => other.as_f64().map(Value::Double).ok_or(Fault::Types),
    }
}

fn string(cx: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    match args {
        [Value::String(text)] => Ok(Value::String(text.clone())),
        [Value::Bytes(bytes)] => match std::str::from_utf8(bytes) {
            Ok(text) => cx.text(text.to_owned()),
            Err(_) => Err(Fault::Value("the bytes are not UTF-8; base64.encode(…) makes text of any bytes".to_owned())),
        },
        [Value::Null] => Err(Fault::Types),
        [value] => cx.text(value.scalar_text().ok_or(Fault::Types)?),
        _ => Err(Fault::Types),
    }
}

fn bytes(cx: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    match args {
        [Value::Bytes(bytes)] => Ok(Value::Bytes(bytes.clone())),
        [Value::String(text)] => {
            cx.budget.make(text.len())?;
            Ok(Value::Bytes(text.as_bytes().into()))
        }
        _ => Err(Fault::Types),
    }
}

fn boolean(_: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    match args {
        [Value::Bool(b)] => Ok(Value::Bool(*b)),
        [value @ Value::String(text)] => match &**text {
            "true" | "True" | "TRUE" | "t" | "1" => Ok(Value::Bool(true)),
            "false" | "False" | "FALSE" | "f" | "0" => Ok(Value::Bool(false)),
            _ => Err(Fault::Value(format!("{} is neither true nor false", value.shown()))),
        },
        _ => Err(Fault::Types),
    }
}

/// Of text, of seconds since 1970 as a whole number or a double, of a time.
fn timestamp(_: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    let [value] = args else { return Err(Fault::Types) };
    match value {
        Value::Timestamp(micros) => Ok(Value::Timestamp(*micros)),
        Value::String(text) => time::parse(text).map(Value::Timestamp).ok_or_else(|| {
            Fault::Value(format!("{} is not an RFC 3339 time such as 2026-01-31T12:00:00Z", value.shown()))
        }),
        Value::Int(_) | Value::Uint(_) | Value::Double(_) => micros(value)
            .filter(|micros| (time::MIN..=time::MAX).contains(micros))
            .map(Value::Timestamp)
            .ok_or_else(|| Fault::Value(format!("{} seconds lie outside of the years 1 to 9999", value.shown()))),
        _ => Err(Fault::Types),
    }
}

/// Seconds as microseconds.
fn micros(seconds: &Value) -> Option<i64> {
    match seconds {
        Value::Double(f) => exact_i64((f * 1e6).trunc()),
        other => other.as_i64()?.checked_mul(1_000_000),
    }
}

/// Of text as in YAML, `1h30m`, of a duration.
fn length(_: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    match args {
        [Value::Duration(micros)] => Ok(Value::Duration(*micros)),
        [Value::String(text)] => {
            duration::parse_signed(text).map(Value::Duration).map_err(|error| Fault::Value(error.to_string()))
        }
        _ => Err(Fault::Types),
    }
}
