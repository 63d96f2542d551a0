//! Values as text: inside templates, as keys, in messages.

use serde_json::Value as Json;

use super::{MapKey, Value, compare};
use crate::{duration, time};

/// How long a value may be in a message, characters.
const SHORT: usize = 80;

impl Value {
    /// The text form of a correlation key: 42, 42.0 and `"42"` are one text; a list is canonical JSON of its members'
    /// texts, a map canonical JSON. Nothing for null, for a list with a null in it, and for a secret: there is no key then.
    pub fn key_text(&self) -> Option<String> {
        match self {
            Value::Null | Value::Secret(_) => None,
            Value::List(items) => {
                let texts: Option<Vec<Json>> = items.iter().map(|item| item.key_text().map(Json::String)).collect();
                Some(Json::Array(texts?).to_string())
            }
            Value::Map(_) => Some(self.canonical().to_string()),
            // -0.0 and 1e6 too are spelled as the integers that they are.
            Value::Double(f) => Some(compare::exact_i64(*f).map_or_else(|| double(*f), |n| n.to_string())),
            other => other.scalar_text(),
        }
    }

    /// JSON with one spelling for each number.
    fn canonical(&self) -> Json {
        match self {
            Value::Double(f) => compare::exact_i64(*f).map_or_else(|| self.to_json(), Json::from),
            Value::List(items) => Json::Array(items.iter().map(Value::canonical).collect()),
            Value::Map(map) => Json::Object(map.iter().map(|(k, v)| (k.to_string(), v.canonical())).collect()),
            other => other.to_json(),
        }
    }

    /// The text of anything that is not a list, a map, or a secret; what `string(x)` and templates show.
    pub(crate) fn scalar_text(&self) -> Option<String> {
        Some(match self {
            Value::Null => "null".to_owned(),
            Value::Bool(b) => b.to_string(),
            Value::Int(n) => n.to_string(),
            Value::Uint(n) => n.to_string(),
            Value::Double(f) => double(*f),
            Value::String(text) => text.to_string(),
            Value::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.to_owned(),
            Value::Timestamp(micros) => time::format(*micros),
            Value::Duration(micros) => duration::format(*micros),
            Value::Type(of) => of.name().to_owned(),
            Value::List(_) | Value::Map(_) | Value::Secret(_) => return None,
        })
    }

    /// The value for a message: JSON, cut when it is long.
    pub(crate) fn shown(&self) -> String {
        let text = match self {
            Value::List(items) => format!("a list of {}", items.len()),
            Value::Map(map) => format!("a map of {}", map.len()),
            Value::Secret(name) => format!("the secret {name}"),
            // Cut before it is quoted: a message must not cost what a body weighs.
            Value::String(text) => Json::String(text.chars().take(SHORT).collect()).to_string(),
            Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
            other => other.to_json_text(),
        };
        if text.chars().count() <= SHORT { text } else { text.chars().take(SHORT - 1).chain(['…']).collect() }
    }
}

impl MapKey {
    /// The key for a message: texts in quotes.
    pub(crate) fn shown(&self) -> String {
        self.to_value().shown()
    }
}

/// The shortest text that reads back as the same double: `1.5`, `42` for 42.0, `6.02e+23` outside of 1e-4 to 1e21.
pub(crate) fn double(f: f64) -> String {
    if f.is_nan() {
        return "NaN".to_owned();
    }
    if f.is_infinite() {
        return if f > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let size = f.abs();
    if size == 0.0 || (1e-4..1e21).contains(&size) {
        return format!("{f}");
    }
    let text = format!("{f:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => match exponent.strip_prefix('-') {
            Some(small) => format!("{digits}e-{small:0>2}"),
            None => format!("{digits}e+{exponent:0>2}"),
        },
        None => text,
    }
}
