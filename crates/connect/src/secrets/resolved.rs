//! A configuration with secrets in it.

use std::fmt;

use serde_json::Value;

/// A configuration whose secrets are values. It cannot be printed or serialised; it is read field by field.
#[derive(Clone, PartialEq)]
pub struct Resolved(Value);

impl Resolved {
    /// Takes a configuration that holds no handles, such as one of a test.
    #[must_use]
    pub fn new(value: Value) -> Resolved {
        Resolved(value)
    }

    /// A field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A field that is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// A field that is `true`.
    #[must_use]
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some(&Value::Bool(true))
    }

    /// The texts of a field that is a list, or one text.
    #[must_use]
    pub fn texts(&self, name: &str) -> Vec<&str> {
        match self.get(name) {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(text)) => vec![text],
            _ => Vec::new(),
        }
    }

    /// The entries of a field that is a map; texts as they are, other scalars as JSON writes them.
    #[must_use]
    pub fn entries(&self, name: &str) -> Vec<(&str, String)> {
        let Some(Value::Object(object)) = self.get(name) else { return Vec::new() };
        object.iter().map(|(key, value)| (key.as_str(), scalar(value))).collect()
    }
}

/// A scalar as text.
#[must_use]
pub fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolved(***)")
    }
}
