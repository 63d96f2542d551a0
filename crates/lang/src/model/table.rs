//! Tables: rows to look things up in.

use serde_json::{Map, Value};

use super::Resource;

/// A table.
pub type Table = Resource<TableSpec>;

/// The rows of a table by the text of their key.
#[derive(Clone, Debug, PartialEq)]
pub struct TableSpec {
    /// The column that is the key.
    pub key: String,
    /// The rows by key; a map from text to map.
    pub rows: Map<String, Value>,
}

impl TableSpec {
    /// The row of this key.
    #[must_use]
    pub fn lookup(&self, key: &str) -> Option<&Value> {
        self.rows.get(key)
    }

    /// What `tables.<name>` is in expressions: a map from key to row.
    #[must_use]
    pub fn to_json(&self) -> Value {
        Value::Object(self.rows.clone())
    }
}
