//! What a plain scalar means, by the core schema of YAML 1.2.2 (10.3), and which ones we refuse.
//!
//! kubectl, Helm and most editors read YAML 1.1. A scalar that means one thing there and another here, or that loses a
//! digit on the way, is an error that asks for quotes.

use serde_json::{Number, Value};

pub(super) const TRUE: &str = "means `true` in YAML 1.1";
pub(super) const FALSE: &str = "means `false` in YAML 1.1";
const OLD_NUMBER: &str = "is a number in YAML 1.1 and a text in YAML 1.2";
const NEW_NUMBER: &str = "is a number in YAML 1.2 and a text in YAML 1.1";
const NOT_JSON: &str = "is a number that JSON does not have";

/// A plain scalar: its value, or why it must be quoted.
pub(super) fn resolve(text: &str) -> Result<Value, &'static str> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        "=" => return Err("is a special value in YAML 1.1"),
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Err(TRUE),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Err(FALSE),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN" => return Err(NOT_JSON),
        _ => {}
    }
    let first = unsigned.bytes().next().unwrap_or(b' ');
    if first != b'.' && !first.is_ascii_digit() {
        return Ok(Value::String(text.to_owned()));
    }
    match based(text, unsigned) {
        Some(answer) => answer,
        None => decimal(text, unsigned),
    }
}

fn digits(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())
}

/// Numbers with a base, a colon or an underscore; nothing if it is none of these.
fn based(text: &str, unsigned: &str) -> Option<Result<Value, &'static str>> {
    let as_text = Some(Ok(Value::String(text.to_owned())));
    if let Some(rest) = unsigned.strip_prefix("0x") {
        if rest.is_empty() || !rest.bytes().all(|b| b.is_ascii_hexdigit()) {
            return as_text;
        }
        return Some(match u64::from_str_radix(rest, 16) {
            // The core schema has no sign before 0x, YAML 1.1 has.
            Ok(value) if unsigned.len() == text.len() => Ok(value.into()),
            _ => Err(OLD_NUMBER),
        });
    }
    if let Some(rest) = unsigned.strip_prefix("0o") {
        let octal = !rest.is_empty() && rest.bytes().all(|b| matches!(b, b'0'..=b'7'));
        return if octal { Some(Err(NEW_NUMBER)) } else { as_text };
    }
    if let Some(rest) = unsigned.strip_prefix("0b") {
        let binary = !rest.is_empty() && rest.bytes().all(|b| matches!(b, b'0' | b'1' | b'_'));
        return if binary { Some(Err(OLD_NUMBER)) } else { as_text };
    }
    if unsigned.contains(':') {
        // 12:30 is 750 in YAML 1.1; 12:30:45.5 is a number there too.
        let mut parts = unsigned.split(':');
        let head = parts.next().is_some_and(digits);
        let rest = parts.all(|part| {
            let whole = part.split_once('.').map_or(part, |(whole, _)| whole);
            digits(whole) && whole.len() <= 2 && part.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        });
        return if head && rest { Some(Err("is a number to the base of sixty in YAML 1.1")) } else { as_text };
    }
    if unsigned.contains('_') {
        let bare: String = unsigned.chars().filter(|c| *c != '_').collect();
        let parts = bare.matches('.').count();
        let number = parts <= 1 && bare != "." && bare.split('.').all(|part| part.is_empty() || digits(part));
        return if number { Some(Err(OLD_NUMBER)) } else { as_text };
    }
    None
}

fn decimal(text: &str, unsigned: &str) -> Result<Value, &'static str> {
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let shaped = plain(whole)
        && fraction.is_none_or(plain)
        && !(whole.is_empty() && fraction.is_none_or(str::is_empty))
        && exponent.is_none_or(|e| digits(e.strip_prefix(['-', '+']).unwrap_or(e)));
    if !shaped {
        return Ok(Value::String(text.to_owned()));
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return Err("starts with a zero: it is octal in YAML 1.1 and decimal in YAML 1.2");
    }
    if exponent.is_some_and(|e| fraction.is_none() || !e.starts_with(['-', '+'])) {
        return Err(NEW_NUMBER);
    }
    if fraction.is_some_and(|f| f.len() > 1 && f.ends_with('0')) {
        return Err("is a number and would lose its last zero");
    }
    if fraction.is_none() && exponent.is_none() {
        let bare = text.strip_prefix('+').unwrap_or(text);
        return match (bare.parse::<i64>(), bare.parse::<u64>()) {
            (Ok(value), _) => Ok(value.into()),
            (_, Ok(value)) => Ok(value.into()),
            _ => Err("is a number too large to be kept exactly"),
        };
    }
    text.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number).ok_or(NOT_JSON)
}
