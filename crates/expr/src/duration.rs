//! Lengths of time as people write them: `30m`, `7d`, `1h30m`, `500ms`, `2w`.

/// Microseconds.
pub type Micros = i64;

/// Units, largest first: their text and their length in microseconds.
const UNITS: [(&str, i64); 8] = [
    ("w", 7 * 24 * 60 * 60 * 1_000_000),
    ("d", 24 * 60 * 60 * 1_000_000),
    ("h", 60 * 60 * 1_000_000),
    ("m", 60 * 1_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
    ("µs", 1),
];

/// Ten thousand years, the bound that CEL sets, in microseconds.
pub(crate) const MAX: i64 = 315_576_000_000 * 1_000_000;

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Something that is not number-unit pairs.
    #[error("`{0}` is not a duration; write a number with a unit, as 30s, 15m, 1h30m, 7d, 500ms")]
    Form(String),
    /// A number without a unit.
    #[error("`{0}` has no unit; write {0}s for seconds or {0}m for minutes")]
    Unit(String),
    /// Longer than ten thousand years.
    #[error("`{0}` is longer than ten thousand years")]
    Range(String),
    /// Below zero where time only runs forward.
    #[error("`{0}` is negative; write a duration of zero or more")]
    Negative(String),
}

/// Reads a duration of zero or more, microseconds.
///
/// # Errors
/// Another form, a missing unit, a minus sign, more than ten thousand years.
pub fn parse(text: &str) -> Result<Micros, Error> {
    let micros = parse_signed(text)?;
    if micros < 0 { Err(Error::Negative(text.to_owned())) } else { Ok(micros) }
}

/// Reads a duration that may have a sign, as `duration("-1.5h")` in an expression; microseconds, finer parts cut off.
///
/// # Errors
/// As [`parse`], but for the sign.
pub fn parse_signed(text: &str) -> Result<Micros, Error> {
    let form = || Error::Form(text.chars().take(40).collect());
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(form());
    }
    // Nanoseconds in 128 bits: no pair of a checked number and a unit overflows, and CEL's `1.5ns` parts are cut once.
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let number = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        let (digits, after) = rest.split_at_checked(number).ok_or_else(form)?;
        let unit = after.len() - after.trim_start_matches(|c: char| c.is_alphabetic()).len();
        let (unit, after) = after.split_at_checked(unit).ok_or_else(form)?;
        if unit.is_empty() {
            return Err(if after.is_empty() && digits == rest && digits.bytes().all(|b| b.is_ascii_digit()) {
                Error::Unit(text.to_owned())
            } else {
                form()
            });
        }
        let scale: i128 = if unit == "ns" {
            1
        } else {
            let (_, micros) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(form)?;
            i128::from(*micros) * 1000
        };
        nanos += scaled(digits, scale).ok_or_else(form)?;
        if nanos > i128::from(MAX) * 1000 {
            return Err(Error::Range(text.chars().take(40).collect()));
        }
        rest = after;
    }
    let micros = i64::try_from(nanos / 1000).map_err(|_| Error::Range(text.to_owned()))?;
    Ok(if negative { -micros } else { micros })
}

/// `digits` with at most one point, times `scale`, cut to a whole number.
fn scaled(digits: &str, scale: i128) -> Option<i128> {
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && part.is_empty()) || part.contains('.') || whole.len() > 18 {
        return None;
    }
    let mut sum = if whole.is_empty() { 0 } else { whole.parse::<i128>().ok()? * scale };
    let mut unit = scale;
    for digit in part.bytes() {
        let digit = i128::from(digit.checked_sub(b'0')?);
        // Exact while the unit divides by ten; what is finer than a nanosecond is cut off.
        sum += unit * digit / 10;
        unit /= 10;
    }
    Some(sum)
}

/// The duration as text: `7d`, `1h30m`, `1s500ms`, `0s`; reads back as the same.
pub fn format(micros: Micros) -> String {
    if micros == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    if micros < 0 {
        text.push('-');
    }
    let mut rest = micros.unsigned_abs();
    for (name, size) in UNITS.iter().filter(|(name, _)| *name != "w" && *name != "µs") {
        let size = size.unsigned_abs();
        let count = rest / size;
        if count > 0 {
            text.push_str(&count.to_string());
            text.push_str(name);
            rest %= size;
        }
    }
    text
}
