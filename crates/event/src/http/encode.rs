//! Events as messages. JSON data passes through as the bytes that it came as.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::is_json;
use crate::json;
use crate::{Attr, Data, Event};

/// The media type of one event as JSON.
pub const STRUCTURED: &str = "application/cloudevents+json";
/// The media type of a list of events as JSON.
pub const BATCH: &str = "application/cloudevents-batch+json";

/// The event as one JSON object (structured mode), on one line if its data is.
#[must_use]
pub fn to_structured(event: &Event) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    write(event, &mut out);
    out
}

/// The events as one JSON array (batch).
#[must_use]
pub fn to_batch<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<u8> {
    let mut out = vec![b'['];
    for (index, event) in events.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(event, &mut out);
    }
    out.push(b']');
    out
}

/// The event as headers and a body (binary mode). A blob that is not resolved gives an empty body.
#[must_use]
pub fn to_binary(event: &Event) -> (Vec<(String, String)>, Bytes) {
    let mut headers = vec![("ce-specversion".to_owned(), "1.0".to_owned())];
    let named = [("ce-id", &event.id), ("ce-source", &event.source), ("ce-type", &event.kind)];
    let optional = [("ce-subject", &event.subject), ("ce-time", &event.time), ("ce-dataschema", &event.schema)];
    let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    headers.extend(named.into_iter().chain(optional).map(|(name, value)| (name.to_owned(), header_value(value))));
    for (name, value) in &event.extensions {
        let value = match value {
            Attr::Bool(value) => value.to_string(),
            Attr::Int(value) => value.to_string(),
            Attr::Text(value) => header_value(value),
        };
        headers.push((format!("ce-{name}"), value));
    }
    // Data without a content type is JSON where it is JSON; receivers want to be told.
    let implied = event.json().map(|_| "application/json");
    if let Some(kind) = event.content_type.as_deref().or(implied) {
        headers.push(("content-type".to_owned(), kind.to_owned()));
    }
    let body = match &event.data {
        Data::Json(bytes) | Data::Bytes(bytes) | Data::Blob { whole: Some(bytes), .. } => bytes.clone(),
        Data::None | Data::Blob { whole: None, .. } => Bytes::new(),
    };
    (headers, body)
}

fn write(event: &Event, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"specversion":"1.0""#);
    let named = [("id", &event.id), ("source", &event.source), ("type", &event.kind)];
    let optional = [
        ("subject", &event.subject),
        ("time", &event.time),
        ("datacontenttype", &event.content_type),
        ("dataschema", &event.schema),
    ];
    let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    for (name, value) in named.into_iter().chain(optional) {
        member(name, out);
        json::quote(value, out);
    }
    for (name, value) in &event.extensions {
        member(name, out);
        match value {
            Attr::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Attr::Int(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Attr::Text(value) => json::quote(value, out),
        }
    }
    match &event.data {
        Data::None => {}
        Data::Json(bytes) => raw(bytes, out),
        Data::Blob { blob, whole: Some(bytes) } if blob.json => raw(bytes, out),
        Data::Bytes(bytes) | Data::Blob { whole: Some(bytes), .. } => match as_text(event, bytes) {
            Some(text) => {
                member("data", out);
                json::quote(text, out);
            }
            None => {
                member("data_base64", out);
                json::quote(&STANDARD.encode(bytes), out);
            }
        },
        Data::Blob { blob, whole: None } => {
            member("datablob", out);
            out.extend_from_slice(format!(r#"{{"digest":"{}","size":{}}}"#, blob.digest, blob.size).as_bytes());
        }
    }
    out.push(b'}');
}

fn raw(bytes: &Bytes, out: &mut Vec<u8>) {
    member("data", out);
    out.extend_from_slice(bytes);
}

fn member(name: &str, out: &mut Vec<u8>) {
    out.push(b',');
    json::quote(name, out);
    out.push(b':');
}

/// The bytes as a text, if the JSON format may show them as one: the content type must say that they are not JSON,
/// since a string would be taken for JSON without it.
pub(crate) fn as_text<'a>(event: &Event, bytes: &'a [u8]) -> Option<&'a str> {
    let kind = event.content_type.as_deref()?;
    if is_json(kind) { None } else { std::str::from_utf8(bytes).ok() }
}

/// Space, `"`, `%` and whatever is not printable ASCII is percent-encoded (HTTP binding 3.1.3.2).
fn header_value(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'"' | b'%' => out.push_str(&format!("%{byte:02X}")),
            0x21..=0x7e => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
