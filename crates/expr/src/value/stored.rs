//! The form in which ensue keeps values in its own records and its state: JSON that loses nothing.
//!
//! Plain JSON is itself. What JSON lacks is a map with one `$` key: `{"$timestamp": "2026-…Z"}`, `{"$duration": 1800000000}`
//! (microseconds), `{"$bytes": BASE64}`, `{"$uint": "5"}`, `{"$double": "NaN"}`, `{"$type": "int"}`, `{"$secret": NAME}`, and
//! `{"$map": [[key, value], …]}` for maps with other keys than text. A user's map that looks like a tag gets a second
//! `$`, `{"$$secret": …}`: data that came from outside can never read back as a handle. That costs no level of nesting: data as
//! deep as a reader takes must be readable after it was written.

use base64::Engine as _;
use serde::de::{DeserializeSeed as _, Deserializer};
use serde::ser::{SerializeMap as _, SerializeSeq as _, Serializer};
use serde::{Deserialize, Serialize};

use super::json::Reader;
use super::{Map, MapKey, Type, Value};
use crate::time;

/// The stored form, which keeps every type. For JSON to show or to send, use [`Value::to_json`].
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => out.serialize_unit(),
            Value::Bool(b) => out.serialize_bool(*b),
            Value::Int(n) => out.serialize_i64(*n),
            Value::Double(f) if f.is_finite() => out.serialize_f64(*f),
            Value::String(text) => out.serialize_str(text),
            Value::List(items) => out.collect_seq(items.iter()),
            Value::Map(map) if map.keys().any(|key| key.as_str().is_none()) => tag(out, "$map", &Pairs(map)),
            Value::Map(map) => {
                let mut entries = out.serialize_map(Some(map.len()))?;
                for (key, value) in map.iter() {
                    let key = key.as_str().unwrap_or_default();
                    if map.len() == 1 && key.starts_with('$') {
                        entries.serialize_entry(&format!("${key}"), value)?;
                    } else {
                        entries.serialize_entry(key, value)?;
                    }
                }
                entries.end()
            }
            Value::Uint(n) => tag(out, "$uint", &n.to_string()),
            Value::Double(f) => tag(out, "$double", &f.to_string()),
            Value::Bytes(bytes) => tag(out, "$bytes", &base64::engine::general_purpose::STANDARD.encode(bytes)),
            Value::Timestamp(micros) if !(time::MIN..=time::MAX).contains(micros) => tag(out, "$timestamp", micros),
            Value::Timestamp(micros) => tag(out, "$timestamp", &time::format(*micros)),
            Value::Duration(micros) => tag(out, "$duration", micros),
            Value::Secret(name) => tag(out, "$secret", name),
            Value::Type(of) => tag(out, "$type", of.name()),
        }
    }
}

/// Reads the stored form: only for what ensue itself has written. What comes from outside is read by
/// [`Value::from_json`], which makes no handles.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        Reader { stored: true }.deserialize(deserializer)
    }
}

fn tag<S: Serializer, T: Serialize + ?Sized>(out: S, name: &'static str, content: &T) -> Result<S::Ok, S::Error> {
    let mut map = out.serialize_map(Some(1))?;
    map.serialize_entry(name, content)?;
    map.end()
}

struct Pairs<'a>(&'a Map);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut pairs = out.serialize_seq(Some(self.0.len()))?;
        for (key, value) in self.0 {
            pairs.serialize_element(&(key.to_value(), value))?;
        }
        pairs.end()
    }
}

/// Turns a map just read into the value that its tag names; a map without a tag is itself.
pub(super) fn untag(map: Map) -> Result<Value, String> {
    let mut entries = map.iter();
    let (Some((MapKey::String(name), content)), None) = (entries.next(), entries.next()) else {
        return Ok(Value::from(map));
    };
    if let Some(escaped) = name.strip_prefix("$$") {
        return Ok(Value::map([(format!("${escaped}"), content.clone())]));
    }
    let wrong = || format!("`{name}` of a stored value cannot hold a {}", content.type_name());
    Ok(match (&**name, content) {
        ("$secret", Value::String(secret)) => Value::Secret(secret.clone()),
        ("$duration", Value::Int(micros)) => Value::Duration(*micros),
        ("$timestamp", Value::Int(micros)) => Value::Timestamp(*micros),
        ("$timestamp", Value::String(text)) => Value::Timestamp(time::parse(text).ok_or_else(wrong)?),
        ("$bytes", Value::String(text)) => Value::Bytes(
            base64::engine::general_purpose::STANDARD.decode(&**text).map_err(|error| error.to_string())?.into(),
        ),
        ("$uint", Value::String(text)) => Value::Uint(text.parse().map_err(|_| wrong())?),
        ("$double", Value::String(text)) => Value::Double(text.parse().map_err(|_| wrong())?),
        ("$type", Value::String(text)) => Value::Type(Type::named(text).ok_or_else(wrong)?),
        ("$map", Value::List(pairs)) => {
            let mut map = Map::new();
            for pair in pairs.iter() {
                let Some([key, value]) = pair.as_list() else { return Err(wrong()) };
                map.insert(MapKey::of(key).ok_or_else(wrong)?, value.clone());
            }
            Value::from(map)
        }
        (tag, _) if tag.starts_with('$') => return Err(wrong()),
        _ => Value::from(map),
    })
}
