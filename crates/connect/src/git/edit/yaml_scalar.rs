//! Scalars of YAML: what a plain one says, and how a value is written.

use saphyr_parser::ScalarStyle;
use serde_json::Value;

/// Words that some version of YAML reads as something else than a text.
const WORDS: &[&str] = &["null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", ".nan", "nan", "inf"];

/// What a plain scalar says under the core schema of YAML 1.2, as far as JSON can say it.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        other => match serde_json::from_str(other) {
            Ok(Value::Number(number)) => Value::Number(number),
            _ => Value::from(other),
        },
    }
}

/// A value as it is written where one of this style stood. Texts keep their quotes where those can hold them; anything
/// that is no text is plain; lists and maps are written on one line.
pub(super) fn written(value: &Value, style: Option<ScalarStyle>, flow: bool) -> String {
    let Value::String(text) = value else {
        return value.to_string();
    };
    match style {
        Some(ScalarStyle::SingleQuoted) if !text.chars().any(needs_escape) => {
            format!("'{}'", text.replace('\'', "''"))
        }
        Some(ScalarStyle::Plain) | None if is_plain(text, flow) => text.clone(),
        _ => quoted(text),
    }
}

/// In double quotes. What JSON escapes, YAML reads the same way.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in Value::from(text).to_string().chars() {
        match c {
            c if needs_escape(c) && !c.is_ascii() || c == '\u{7f}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            other => out.push(other),
        }
    }
    out
}

/// Not printable in YAML, or a line break there: controls, line and paragraph separator, byte order mark.
fn needs_escape(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// Whether a text may stand without quotes and is read as that text by every version of YAML. When in doubt, no.
pub(super) fn is_plain(text: &str, flow: bool) -> bool {
    let Some(first) = text.chars().next() else { return false };
    let plain = |c: char| c.is_alphanumeric() || "_-./@+:$()=%~ ".contains(c) || (c == ',' && !flow);
    let lower = text.to_lowercase();
    if !(first.is_alphanumeric() || "_./".contains(first))
        || !text.chars().all(plain)
        || text.ends_with([':', ' '])
        || text.contains(": ")
        || WORDS.contains(&lower.as_str())
    {
        return false;
    }
    // A colon within flow collections, and numbers, dates and times of any version.
    if flow && text.contains(':') {
        return false;
    }
    let number = text.strip_prefix('.').unwrap_or(text).starts_with(|c: char| c.is_ascii_digit());
    !number || is_version(text)
}

/// Begins with a digit and still is a text everywhere: two dots at least, and no exponent, colon or underscore.
fn is_version(text: &str) -> bool {
    text.matches('.').count() >= 2 && !text.contains([':', '_']) && text.split('.').all(|part| !part.is_empty())
}
