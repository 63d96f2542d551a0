//! Keys of maps.
//!
//! Whole numbers are one key whatever their type: `{1: "a"}[1u]` is `"a"`, as CEL has it.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::{Value, compare};

/// A key of a map. Order: booleans, then numbers, then texts by code point.
#[derive(Clone, Debug)]
pub enum MapKey {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// An unsigned whole number; equal to the `Int` of the same value.
    Uint(u64),
    /// Text: the key of every JSON object.
    String(Arc<str>),
}

/// What keys are compared by; lets a `&str` find its entry without an allocation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Plain<'a> {
    Bool(bool),
    Number(i128),
    Text(&'a str),
}

pub(crate) trait Lookup {
    fn plain(&self) -> Plain<'_>;
}

impl Lookup for MapKey {
    fn plain(&self) -> Plain<'_> {
        match self {
            MapKey::Bool(b) => Plain::Bool(*b),
            MapKey::Int(n) => Plain::Number((*n).into()),
            MapKey::Uint(n) => Plain::Number((*n).into()),
            MapKey::String(text) => Plain::Text(text),
        }
    }
}

impl Lookup for &str {
    fn plain(&self) -> Plain<'_> {
        Plain::Text(self)
    }
}

/// The text as something a map can be asked for.
pub(crate) fn text<'a>(key: &'a &'a str) -> &'a (dyn Lookup + 'a) {
    key
}

impl<'a> Borrow<dyn Lookup + 'a> for MapKey {
    fn borrow(&self) -> &(dyn Lookup + 'a) {
        self
    }
}

impl PartialEq for dyn Lookup + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.plain() == other.plain()
    }
}

impl Eq for dyn Lookup + '_ {}

impl PartialOrd for dyn Lookup + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn Lookup + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.plain().cmp(&other.plain())
    }
}

impl PartialEq for MapKey {
    fn eq(&self, other: &Self) -> bool {
        self.plain() == other.plain()
    }
}

impl Eq for MapKey {}

impl PartialOrd for MapKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for MapKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.plain().cmp(&other.plain())
    }
}

impl MapKey {
    /// The key that this value is, if it can be one. A double with an integral value finds the key of that integer.
    pub fn of(value: &Value) -> Option<MapKey> {
        match value {
            Value::Bool(b) => Some(MapKey::Bool(*b)),
            Value::Int(n) => Some(MapKey::Int(*n)),
            Value::Uint(n) => Some(MapKey::Uint(*n)),
            Value::Double(f) => compare::exact_i64(*f).map(MapKey::Int),
            Value::String(text) => Some(MapKey::String(text.clone())),
            _ => None,
        }
    }

    /// The key as a value.
    pub fn to_value(&self) -> Value {
        match self {
            MapKey::Bool(b) => Value::Bool(*b),
            MapKey::Int(n) => Value::Int(*n),
            MapKey::Uint(n) => Value::Uint(*n),
            MapKey::String(text) => Value::String(text.clone()),
        }
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            MapKey::String(text) => Some(text),
            _ => None,
        }
    }
}

/// The bare key: `true`, `42`, `name`.
impl fmt::Display for MapKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapKey::Bool(b) => b.fmt(f),
            MapKey::Int(n) => n.fmt(f),
            MapKey::Uint(n) => n.fmt(f),
            MapKey::String(text) => f.write_str(text),
        }
    }
}

impl From<&str> for MapKey {
    fn from(text: &str) -> MapKey {
        MapKey::String(text.into())
    }
}

impl From<String> for MapKey {
    fn from(text: String) -> MapKey {
        MapKey::String(text.into())
    }
}
