//! `text.format(values)`: `%s %d %f %e %b %o %x %X %%`, a precision as in `%.3f`.

use std::borrow::Cow;

use super::{Cx, Fault};
use crate::value::Value;

/// Digits after the point that may be asked for.
const MAX_PRECISION: usize = 100;
/// Digits after the point where none are asked for.
const PRECISION: usize = 6;

pub(super) fn format(cx: &mut Cx<'_>, args: &[Value]) -> Result<Value, Fault> {
    let [Value::String(form), Value::List(values)] = args else { return Err(Fault::Types) };
    cx.read(form.len())?;
    let mut values = values.iter();
    let mut out = String::new();
    let mut rest = &**form;
    while let Some((plain, after)) = rest.split_once('%') {
        out.push_str(plain);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let (precision, after) = match after.strip_prefix('.') {
            Some(after) => {
                let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                let (number, after) = after.split_at_checked(digits).unwrap_or((after, ""));
                let number = number.parse().ok().filter(|n| *n <= MAX_PRECISION);
                (
                    Some(number.ok_or_else(|| Fault::Value(format!("a precision is a number up to {MAX_PRECISION}")))?),
                    after,
                )
            }
            None => (None, after),
        };
        let mut chars = after.chars();
        let letter = chars
            .next()
            .ok_or_else(|| Fault::Value("the format ends with %; write %% for a percent sign".to_owned()))?;
        rest = chars.as_str();
        let value = values.next().ok_or_else(|| Fault::Value(format!("there is no value left for %{letter}")))?;
        clause(cx, letter, precision, value, &mut out)?;
    }
    out.push_str(rest);
    cx.text(out)
}

fn clause(
    cx: &mut Cx<'_>,
    letter: char,
    precision: Option<usize>,
    value: &Value,
    out: &mut String,
) -> Result<(), Fault> {
    let wrong = || Fault::Type(format!("%{letter} takes no {}", value.type_name()));
    let text = match (letter, value) {
        ('s', value) => return plain(cx, value, out),
        ('d', Value::Int(_) | Value::Uint(_) | Value::Double(_)) => value.scalar_text().unwrap_or_default(),
        ('f' | 'e', Value::Int(_) | Value::Uint(_) | Value::Double(_)) => {
            let number = value.as_f64().unwrap_or_default();
            let precision = precision.unwrap_or(PRECISION);
            match letter {
                _ if !number.is_finite() => value.scalar_text().unwrap_or_default(),
                'f' => format!("{number:.precision$}"),
                _ => scientific(number, precision),
            }
        }
        ('b', Value::Bool(b)) => u8::from(*b).to_string(),
        ('b', Value::Int(n)) => signed(*n, |n| format!("{n:b}")),
        ('b', Value::Uint(n)) => format!("{n:b}"),
        ('o', Value::Int(n)) => signed(*n, |n| format!("{n:o}")),
        ('o', Value::Uint(n)) => format!("{n:o}"),
        ('x', Value::Int(n)) => signed(*n, |n| format!("{n:x}")),
        ('x', Value::Uint(n)) => format!("{n:x}"),
        ('X', Value::Int(n)) => signed(*n, |n| format!("{n:X}")),
        ('X', Value::Uint(n)) => format!("{n:X}"),
        ('x' | 'X', Value::String(text)) => hex(text.as_bytes(), letter),
        ('x' | 'X', Value::Bytes(bytes)) => hex(bytes, letter),
        ('d' | 'f' | 'e' | 'b' | 'o' | 'x' | 'X', _) => return Err(wrong()),
        _ => {
            return Err(Fault::Value(format!(
                "%{letter} is unknown; write one of %s %d %f %e %b %o %x %X, or %% for a percent sign"
            )));
        }
    };
    cx.budget.make(text.len())?;
    out.push_str(&text);
    Ok(())
}

/// The magnitude with its sign before it: -5 is `-101`.
fn signed(n: i64, text: impl Fn(u64) -> String) -> String {
    let sign = if n < 0 { "-" } else { "" };
    format!("{sign}{}", text(n.unsigned_abs()))
}

fn hex(bytes: &[u8], letter: char) -> String {
    bytes.iter().map(|b| if letter == 'x' { format!("{b:02x}") } else { format!("{b:02X}") }).collect()
}

/// `1.052033e+03`: two digits of exponent, with its sign.
fn scientific(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    match text.split_once('e') {
        Some((digits, exponent)) => match exponent.strip_prefix('-') {
            Some(small) => format!("{digits}e-{small:0>2}"),
            None => format!("{digits}e+{exponent:0>2}"),
        },
        None => text,
    }
}

/// `%s`: texts bare, lists `[a, b]`, maps `{k: v}`. Each part is counted before it is written: a list may hold one text a
/// thousand times.
fn plain(cx: &mut Cx<'_>, value: &Value, out: &mut String) -> Result<(), Fault> {
    cx.budget.step(1)?;
    let text: Cow<'_, str> = match value {
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                plain(cx, item, out)?;
            }
            "]".into()
        }
        Value::Map(map) => {
            out.push('{');
            for (at, (key, value)) in map.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                plain(cx, &key.to_value(), out)?;
                out.push_str(": ");
                plain(cx, value, out)?;
            }
            "}".into()
        }
        Value::Secret(name) => return Err(Fault::Secret(format!("the secret {name} cannot become text"))),
        Value::String(text) => (&**text).into(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes),
        other => other.scalar_text().unwrap_or_default().into(),
    };
    cx.budget.make(text.len())?;
    out.push_str(&text);
    Ok(())
}
