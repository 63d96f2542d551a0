//! The CloudEvent: attributes and raw data.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Digest, Time};

/// The largest record that the log keeps; larger data goes to a blob first.
pub const MAX_RECORD: usize = 1 << 20;
/// The longest attribute value that is accepted, in bytes. The specification asks for at least 4 KiB in all to pass.
pub const MAX_ATTRIBUTE: usize = 8 << 10;

/// How many extension attributes an event may have: far more than any has, few enough to keep in order as they come.
pub const MAX_EXTENSIONS: usize = 256;

/// An event: CloudEvents 1.0.2, immutable, as received. `(source, id)` names it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// `id`: unique within its source.
    pub id: Box<str>,
    /// `source`: a URI reference that names where it happened.
    pub source: Box<str>,
    /// `type`: what happened, reverse-DNS.
    pub kind: Box<str>,
    /// `subject`: what it happened to.
    pub subject: Option<Box<str>>,
    /// `time` as it was written, RFC 3339.
    pub time: Option<Box<str>>,
    /// `datacontenttype`; absent means JSON where the data is JSON.
    pub content_type: Option<Box<str>>,
    /// `dataschema`: a URI.
    pub schema: Option<Box<str>>,
    /// Extension attributes in the order of their names.
    pub extensions: Vec<(Box<str>, Attr)>,
    /// The payload.
    pub data: Data,
}

/// The value of an extension attribute (CloudEvents 1.0.2, type system): URIs, times and binary values are texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Attr {
    /// A Boolean.
    Bool(bool),
    /// A signed 32-bit integer.
    Int(i32),
    /// Any other value in its text form.
    Text(Box<str>),
}

/// The payload as raw bytes.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Data {
    /// No data at all; not the same as JSON `null`.
    #[default]
    None,
    /// Bytes that were checked to be one JSON text.
    Json(Bytes),
    /// Anything else: text of another media type, or binary.
    Bytes(Bytes),
    /// Data too large for a record, kept beside the log. `whole` is filled in when the record is read.
    Blob {
        /// What the record holds of it.
        blob: BlobRef,
        /// The whole of it, once resolved and verified.
        whole: Option<Bytes>,
    },
}

/// What a record holds of data that lies in a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRef {
    /// BLAKE3 of the data.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Whether it was checked to be JSON.
    pub json: bool,
    /// Its first bytes, at most [`BlobRef::HEAD`].
    pub head: Bytes,
}

impl BlobRef {
    /// How much of a blob its record holds: 64 KiB.
    pub const HEAD: usize = 64 << 10;
}

/// Why something is not a CloudEvent (1.0.2, "Context Attributes").
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A required attribute is not there.
    #[error("the CloudEvents attribute `{0}` is required and is missing or empty")]
    Missing(&'static str),
    /// An attribute's name has other characters than a-z and 0-9.
    #[error("`{0}` is not a name of a CloudEvents attribute: lower-case letters and digits only")]
    Name(String),
    /// An attribute's value is not of its type.
    #[error("the CloudEvents attribute `{name}` {why}, got `{value}`")]
    Value {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
        /// The beginning of the value.
        value: String,
    },
    /// Another version of the specification.
    #[error("CloudEvents specversion `{0}` is not supported; 1.0 is")]
    Version(String),
    /// More extension attributes than [`MAX_EXTENSIONS`].
    #[error("a CloudEvent has more than {MAX_EXTENSIONS} extension attributes; put what it carries into its data")]
    Extensions,
    /// A type under the prefix that only ensue itself writes.
    #[error("the type `{0}` begins with `dev.ensue.`, which only ensue itself writes; use a prefix of your own")]
    Reserved(String),
}

impl Event {
    /// A new event with the three attributes that every event has.
    #[must_use]
    pub fn new(id: impl Into<Box<str>>, source: impl Into<Box<str>>, kind: impl Into<Box<str>>) -> Event {
        Event {
            id: id.into(),
            source: source.into(),
            kind: kind.into(),
            subject: None,
            time: None,
            content_type: None,
            schema: None,
            extensions: Vec::new(),
            data: Data::None,
        }
    }

    /// The same event with this JSON as its data.
    #[must_use]
    pub fn with_json(mut self, value: &serde_json::Value) -> Event {
        self.data = Data::Json(Bytes::from(value.to_string()));
        self
    }

    /// The value of an extension attribute.
    #[must_use]
    pub fn extension(&self, name: &str) -> Option<&Attr> {
        let at = self.extensions.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.extensions.get(at).map(|(_, value)| value)
    }

    /// Sets an extension attribute, in its place in the order of names.
    pub fn set_extension(&mut self, name: &str, value: Attr) {
        match self.extensions.binary_search_by(|(known, _)| (**known).cmp(name)) {
            Ok(at) => {
                if let Some(slot) = self.extensions.get_mut(at) {
                    slot.1 = value;
                }
            }
            Err(at) => self.extensions.insert(at, (name.into(), value)),
        }
    }

    /// An extension attribute's text, if it is a text.
    #[must_use]
    pub fn extension_text(&self, name: &str) -> Option<&str> {
        match self.extension(name) {
            Some(Attr::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The `time` attribute as a point in time, if it is there and well formed.
    #[must_use]
    pub fn occurred(&self) -> Option<Time> {
        self.time.as_deref().and_then(|text| Time::parse(text).ok())
    }

    /// The length of the chain of causes behind this event, as its `ensuedepth` says; 0 without one.
    #[must_use]
    pub fn depth(&self) -> u32 {
        match self.extension("ensuedepth") {
            Some(Attr::Int(depth)) => u32::try_from(*depth).unwrap_or(0),
            _ => 0,
        }
    }

    /// The data if it is JSON, whole: in the record, or resolved from its blob.
    #[must_use]
    pub fn json(&self) -> Option<&Bytes> {
        match &self.data {
            Data::Json(bytes) => Some(bytes),
            Data::Blob { blob, whole: Some(bytes) } if blob.json => Some(bytes),
            _ => None,
        }
    }

    /// Checks what CloudEvents 1.0.2 asks of the attributes; the data is checked where it is read.
    pub fn validate(&self) -> Result<(), Invalid> {
        for (name, value) in [("id", &self.id), ("source", &self.source), ("type", &self.kind)] {
            if value.is_empty() {
                return Err(Invalid::Missing(name));
            }
        }
        let named = [("id", Some(&self.id)), ("source", Some(&self.source)), ("type", Some(&self.kind))];
        let optional = [
            ("subject", self.subject.as_ref()),
            ("time", self.time.as_ref()),
            ("datacontenttype", self.content_type.as_ref()),
            ("dataschema", self.schema.as_ref()),
        ];
        for (name, value) in named.into_iter().chain(optional) {
            let Some(value) = value else { continue };
            check_text(name, value)?;
            if value.is_empty() {
                return Err(wrong(name, "must not be empty", value));
            }
        }
        if self.source.chars().any(char::is_whitespace) {
            return Err(wrong("source", "must be a URI reference", &self.source));
        }
        if let Some(schema) = &self.schema
            && schema.split_once(':').is_none_or(|(scheme, _)| scheme.is_empty())
        {
            return Err(wrong("dataschema", "must be an absolute URI", schema));
        }
        if let Some(time) = &self.time
            && Time::parse(time).is_err()
        {
            return Err(wrong("time", "must be a time as RFC 3339 writes it", time));
        }
        if self.extensions.len() > MAX_EXTENSIONS {
            return Err(Invalid::Extensions);
        }
        for (name, value) in &self.extensions {
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
                return Err(Invalid::Name(name.chars().take(80).collect()));
            }
            if let Attr::Text(text) = value {
                check_text(name, text)?;
            }
        }
        Ok(())
    }

    /// The event as one JSON object in the form of the CloudEvents JSON format: what `log cat` and the API show.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let mut object = self.attributes();
        object.insert("specversion".into(), "1.0".into());
        match &self.data {
            Data::None => {}
            Data::Json(bytes) => {
                let value = serde_json::from_slice(bytes).unwrap_or(serde_json::Value::Null);
                object.insert("data".into(), value);
            }
            Data::Bytes(bytes) => self.insert_bytes(&mut object, bytes),
            Data::Blob { whole: Some(bytes), blob } if blob.json => {
                let value = serde_json::from_slice(bytes).unwrap_or(serde_json::Value::Null);
                object.insert("data".into(), value);
            }
            Data::Blob { whole: Some(bytes), .. } => self.insert_bytes(&mut object, bytes),
            Data::Blob { blob, whole: None } => {
                object.insert("datablob".into(), serde_json::json!({"digest": blob.digest, "size": blob.size}));
            }
        }
        serde_json::Value::Object(object)
    }

    /// All attributes but `specversion`, without the data, as a JSON object.
    #[must_use]
    pub fn attributes(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut object = serde_json::Map::new();
        object.insert("id".into(), (*self.id).into());
        object.insert("source".into(), (*self.source).into());
        object.insert("type".into(), (*self.kind).into());
        let optional = [
            ("subject", &self.subject),
            ("time", &self.time),
            ("datacontenttype", &self.content_type),
            ("dataschema", &self.schema),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                object.insert(name.into(), (**value).into());
            }
        }
        for (name, value) in &self.extensions {
            let value = match value {
                Attr::Bool(value) => (*value).into(),
                Attr::Int(value) => (*value).into(),
                Attr::Text(value) => (**value).into(),
            };
            object.insert((**name).to_owned(), value);
        }
        object
    }

    fn insert_bytes(&self, object: &mut serde_json::Map<String, serde_json::Value>, bytes: &Bytes) {
        use base64::Engine as _;
        match crate::http::as_text(self, bytes) {
            Some(text) => object.insert("data".into(), text.into()),
            None => object.insert("data_base64".into(), base64::engine::general_purpose::STANDARD.encode(bytes).into()),
        };
    }
}

/// Strings must not hold control characters (CloudEvents 1.0.2, type system, String).
fn check_text(name: &str, value: &str) -> Result<(), Invalid> {
    if value.len() > MAX_ATTRIBUTE {
        return Err(wrong(name, "is longer than 8 KiB", value));
    }
    if value.chars().any(|c| c.is_control() || (u32::from(c) & 0xfffe) == 0xfffe) {
        return Err(wrong(name, "must not hold control characters", value));
    }
    Ok(())
}

fn wrong(name: &str, why: &'static str, value: &str) -> Invalid {
    Invalid::Value { name: name.to_owned(), why, value: value.chars().take(80).collect() }
}
