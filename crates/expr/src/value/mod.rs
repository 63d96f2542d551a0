//! The values that expressions read and make.
//!
//! A value is cheap to clone: what has a size sits behind an `Arc`. Maps are ordered by key, so that two machines, and
//! two runs of one machine, print the same text for the same value. *Absent* is not a value: it lives and dies inside
//! one evaluation (see [`crate::Program::eval_opt`]).

mod compare;
mod json;
mod key;
mod stored;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use compare::compare;
pub(crate) use compare::{comparable, exact_i64, truncated_i64, truncated_u64};
pub use json::JsonError;
pub use key::MapKey;

/// A map of values, ordered by key.
pub type Map = BTreeMap<MapKey, Value>;

/// One value of the expression language.
///
/// `==` on values is the language's own deep equality: `1 == 1.0` holds, values of unlike types are unequal, NaN equals
/// nothing.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// JSON's null.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number; every JSON integer that fits.
    Int(i64),
    /// An unsigned whole number: only a literal `1u` or `uint(…)` makes one.
    Uint(u64),
    /// An IEEE 754 double.
    Double(f64),
    /// Text.
    String(Arc<str>),
    /// Bytes; base64 in JSON.
    Bytes(Arc<[u8]>),
    /// A list.
    List(Arc<Vec<Value>>),
    /// A map, ordered by key; every JSON object.
    Map(Arc<Map>),
    /// A point in time, microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// A length of time in microseconds.
    Duration(i64),
    /// The handle of a secret: its name, never its content. It is resolved at the moment of acting, outside of here.
    Secret(Arc<str>),
    /// A type as a value: what `type(x)` returns.
    Type(Type),
}

/// The types of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is named as the value it is the type of")]
pub enum Type {
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    List,
    Map,
    Timestamp,
    Duration,
    Secret,
    Type,
}

impl Type {
    /// All types, in the order of [`Value`]'s variants.
    pub const ALL: [Type; 13] = [
        Type::Null,
        Type::Bool,
        Type::Int,
        Type::Uint,
        Type::Double,
        Type::String,
        Type::Bytes,
        Type::List,
        Type::Map,
        Type::Timestamp,
        Type::Duration,
        Type::Secret,
        Type::Type,
    ];

    /// The name as an expression writes it, `null_type` for null as in CEL.
    pub fn name(self) -> &'static str {
        match self {
            Type::Null => "null_type",
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Uint => "uint",
            Type::Double => "double",
            Type::String => "string",
            Type::Bytes => "bytes",
            Type::List => "list",
            Type::Map => "map",
            Type::Timestamp => "timestamp",
            Type::Duration => "duration",
            Type::Secret => "secret",
            Type::Type => "type",
        }
    }

    /// The type with this name.
    pub fn named(name: &str) -> Option<Type> {
        Type::ALL.into_iter().find(|of| of.name() == name)
    }
}

impl Value {
    /// Text.
    pub fn str(text: impl Into<Arc<str>>) -> Value {
        Value::String(text.into())
    }

    /// A list.
    pub fn list(items: impl IntoIterator<Item = impl Into<Value>>) -> Value {
        Value::List(Arc::new(items.into_iter().map(Into::into).collect()))
    }

    /// A map with text keys; of two entries with one key the later one stays.
    pub fn map<K: Into<Arc<str>>, V: Into<Value>>(entries: impl IntoIterator<Item = (K, V)>) -> Value {
        Value::Map(Arc::new(entries.into_iter().map(|(k, v)| (MapKey::String(k.into()), v.into())).collect()))
    }

    /// The empty map.
    pub fn empty_map() -> Value {
        Value::Map(Arc::default())
    }

    /// A handle to the secret of this name.
    pub fn secret(name: impl Into<Arc<str>>) -> Value {
        Value::Secret(name.into())
    }

    /// The value's type.
    pub fn type_of(&self) -> Type {
        match self {
            Value::Null => Type::Null,
            Value::Bool(_) => Type::Bool,
            Value::Int(_) => Type::Int,
            Value::Uint(_) => Type::Uint,
            Value::Double(_) => Type::Double,
            Value::String(_) => Type::String,
            Value::Bytes(_) => Type::Bytes,
            Value::List(_) => Type::List,
            Value::Map(_) => Type::Map,
            Value::Timestamp(_) => Type::Timestamp,
            Value::Duration(_) => Type::Duration,
            Value::Secret(_) => Type::Secret,
            Value::Type(_) => Type::Type,
        }
    }

    /// The type's name for a message: `null`, `int`, `string`, …
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            other => other.type_of().name(),
        }
    }

    /// The type's name with its article, for a message: `a string`, `an int`, `null`.
    pub(crate) fn a_type(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a bool",
            Value::Int(_) => "an int",
            Value::Uint(_) => "a uint",
            Value::Double(_) => "a double",
            Value::String(_) => "a string",
            Value::Bytes(_) => "a bytes value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Timestamp(_) => "a timestamp",
            Value::Duration(_) => "a duration",
            Value::Secret(_) => "a secret",
            Value::Type(_) => "a type",
        }
    }

    /// The entry of a map under a text key; nothing for a missing key and for what is not a map.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Map(map) => map.get(key::text(&key)),
            _ => None,
        }
    }

    /// The value below a path of text keys.
    pub fn at<'k>(&self, path: impl IntoIterator<Item = &'k str>) -> Option<&Value> {
        path.into_iter().try_fold(self, |value, key| value.get(key))
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if it is one that fits; a double with an integral value is one too, since JSON does not tell
    /// them apart.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(*n),
            Value::Uint(n) => i64::try_from(*n).ok(),
            Value::Double(f) => compare::exact_i64(*f),
            _ => None,
        }
    }

    /// The number as a double, if it is a number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(n) => Some(*n as f64),
            Value::Uint(n) => Some(*n as f64),
            Value::Double(f) => Some(*f),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The entries, if it is a map.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Value {
        Value::Bool(b)
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Value {
        Value::Int(n)
    }
}

impl From<i32> for Value {
    fn from(n: i32) -> Value {
        Value::Int(n.into())
    }
}

impl From<u32> for Value {
    fn from(n: u32) -> Value {
        Value::Int(n.into())
    }
}

/// As JSON's integers: an `int`, beyond its range a `double`.
impl From<u64> for Value {
    fn from(n: u64) -> Value {
        i64::try_from(n).map_or(Value::Double(n as f64), Value::Int)
    }
}

/// As JSON's integers: an `int`, beyond its range a `double`.
impl From<usize> for Value {
    fn from(n: usize) -> Value {
        i64::try_from(n).map_or(Value::Double(n as f64), Value::Int)
    }
}

impl From<f64> for Value {
    fn from(f: f64) -> Value {
        Value::Double(f)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text.into())
    }
}

impl From<Arc<str>> for Value {
    fn from(text: Arc<str>) -> Value {
        Value::String(text)
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Value {
        Value::List(Arc::new(items))
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Value {
        Value::Map(Arc::new(map))
    }
}

impl From<BTreeMap<String, Value>> for Value {
    fn from(map: BTreeMap<String, Value>) -> Value {
        Value::map(map)
    }
}

/// Nothing becomes null.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}
