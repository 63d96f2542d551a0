//! JSON in and out: the plain form, for what comes from outside and goes there.
//!
//! Nothing that is read here becomes a secret's handle: `{"$secret": "X"}` in the data of an event stays a map. The form
//! that keeps every type is [`super::stored`].

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

use super::{Map, MapKey, Value, stored};
use crate::{duration, time};

/// Why bytes are not a value.
#[derive(Debug, thiserror::Error)]
#[error("not JSON: {0}; send one JSON document in UTF-8")]
pub struct JsonError(#[from] serde_json::Error);

impl Value {
    /// Reads one JSON document. Integers are `int`, beyond its range `double`.
    ///
    /// # Errors
    /// What is not JSON, or is nested deeper than 128.
    pub fn from_json(bytes: &[u8]) -> Result<Value, JsonError> {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let value = Reader { stored: false }.deserialize(&mut reader)?;
        reader.end()?;
        Ok(value)
    }

    /// The value as JSON for the world: durations as text `30m`, timestamps as RFC 3339, bytes as base64, a secret as
    /// `{"$secret": NAME}`, doubles that JSON does not have as `"NaN"`, `"Infinity"`, `"-Infinity"`, other keys than text as
    /// their text. Types are lost here; what is read back goes through serde (see [`Value`]'s `Serialize`).
    pub fn to_json(&self) -> Json {
        match self {
            Value::Null => Json::Null,
            Value::Bool(b) => Json::Bool(*b),
            Value::Int(n) => Json::from(*n),
            Value::Uint(n) => Json::from(*n),
            Value::Double(f) => {
                serde_json::Number::from_f64(*f).map_or_else(|| Json::String(f.special().to_owned()), Json::Number)
            }
            Value::String(text) => Json::String(text.to_string()),
            Value::Bytes(bytes) => Json::String(base64::engine::general_purpose::STANDARD.encode(bytes)),
            Value::List(items) => Json::Array(items.iter().map(Value::to_json).collect()),
            Value::Map(map) => Json::Object(map.iter().map(|(k, v)| (k.to_string(), v.to_json())).collect()),
            Value::Timestamp(micros) => Json::String(time::format(*micros)),
            Value::Duration(micros) => Json::String(duration::format(*micros)),
            Value::Secret(name) => {
                Json::Object([("$secret".to_owned(), Json::String(name.to_string()))].into_iter().collect())
            }
            Value::Type(of) => Json::String(of.name().to_owned()),
        }
    }

    /// [`Value::to_json`] as compact text, keys in order.
    pub fn to_json_text(&self) -> String {
        self.to_json().to_string()
    }
}

trait Special {
    fn special(self) -> &'static str;
}

impl Special for f64 {
    /// The name of a double that JSON has no number for.
    fn special(self) -> &'static str {
        if self.is_nan() {
            "NaN"
        } else if self > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
    }
}

impl From<Json> for Value {
    fn from(json: Json) -> Value {
        match json {
            Json::String(text) => Value::String(text.into()),
            Json::Array(items) => Value::List(Arc::new(items.into_iter().map(Value::from).collect())),
            Json::Object(map) => {
                Value::Map(Arc::new(map.into_iter().map(|(k, v)| (MapKey::String(k.into()), v.into())).collect()))
            }
            other => Value::from(&other),
        }
    }
}

impl From<&Json> for Value {
    fn from(json: &Json) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(b) => Value::Bool(*b),
            Json::Number(n) => n.as_i64().map_or_else(|| Value::Double(n.as_f64().unwrap_or(f64::NAN)), Value::Int),
            Json::String(text) => Value::from(text.as_str()),
            Json::Array(items) => Value::List(Arc::new(items.iter().map(Value::from).collect())),
            Json::Object(map) => {
                Value::Map(Arc::new(map.iter().map(|(k, v)| (MapKey::from(k.as_str()), v.into())).collect()))
            }
        }
    }
}

/// Reads any self-describing format into a value without a tree in between.
#[derive(Clone, Copy)]
pub(super) struct Reader {
    /// Whether maps with a single `$` key are the tags of the stored form.
    pub(super) stored: bool,
}

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(Value::Int(n))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(Value::from(n))
    }

    fn visit_f64<E>(self, f: f64) -> Result<Value, E> {
        Ok(Value::Double(f))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(bytes.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::from(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            map.insert(MapKey::from(key), entries.next_value_seed(self)?);
        }
        if self.stored { stored::untag(map).map_err(serde::de::Error::custom) } else { Ok(Value::from(map)) }
    }
}
