//! Lengths of time in settings.

use std::time::Duration;

use serde_json::Value;

/// Microseconds: a text such as `1h30m`, or the number of them, as a checked configuration holds it.
pub(crate) fn micros(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => parsed(text),
        other => other.as_i64(),
    }
}

/// The same as the standard library counts it; nothing if it is negative.
pub(crate) fn read(value: &Value) -> Option<Duration> {
    micros(value).and_then(|micros| u64::try_from(micros).ok()).map(Duration::from_micros)
}

fn parsed(text: &str) -> Option<i64> {
    let mut total: i64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters)?;
        let unit: i64 = match unit {
            "us" => 1,
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            "d" => 86_400_000_000,
            "w" => 604_800_000_000,
            _ => return None,
        };
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(unit)?)?;
        rest = after;
    }
    Some(total)
}
