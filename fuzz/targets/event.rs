//! Bytes from outside, as JSON and as CloudEvents.

use bytes::Bytes;
use ensue_event::http::{Message, decode};
use ensue_event::json::{self, Kind, Scanner};
use ensue_event::{Event, Origin, codec};
use serde_json::Value;

/// Paths deeper than this are not looked up: their number grows with the square of the depth.
const DEEP: usize = 12;

/// Any bytes.
pub(crate) fn event(bytes: &[u8]) {
    match Scanner::new().scan(bytes) {
        Ok(kind) => accepted(bytes, kind),
        Err(error) => {
            assert!(error.offset <= bytes.len());
            let _ = json::pretty_error(bytes, &error);
        }
    }
    for kind in ["application/cloudevents+json", "application/cloudevents-batch+json"] {
        let headers: [(&str, &[u8]); 0] = [];
        let body = Bytes::copy_from_slice(bytes);
        let message = Message { content_type: Some(kind), headers: headers.into_iter(), body };
        match decode(message, &mut Scanner::new()) {
            Ok(batch) => batch.events.iter().for_each(taken),
            Err(why) => assert!(!why.to_string().is_empty() && (400..500).contains(&why.status())),
        }
    }
}

fn accepted(bytes: &[u8], kind: Kind) {
    let value: Value = serde_json::from_slice(bytes).expect("what the scan accepts is JSON");
    assert_eq!(kind, kind_of(&value));
    let again = value.to_string();
    assert!(Scanner::new().scan(again.as_bytes()).is_ok(), "{again}");
    assert_eq!(serde_json::from_str::<Value>(&again).expect("what is written is read"), value);
    look(bytes, &value, &mut Vec::new());
    if let Some(text) = value.as_str() {
        assert_eq!(json::string(bytes.trim_ascii()).as_deref(), Some(text));
        let mut quoted = Vec::new();
        json::quote(text, &mut quoted);
        assert_eq!(serde_json::from_slice::<Value>(&quoted).expect("what is quoted is JSON"), value);
    }
}

fn kind_of(value: &Value) -> Kind {
    match value {
        Value::Null => Kind::Null,
        Value::Bool(_) => Kind::Bool,
        Value::Number(_) => Kind::Number,
        Value::String(_) => Kind::Text,
        Value::Array(_) => Kind::Array,
        Value::Object(_) => Kind::Object,
    }
}

/// Every path leads to what the tree has there.
fn look(bytes: &[u8], value: &Value, path: &mut Vec<String>) {
    if path.len() > DEEP {
        return;
    }
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    let raw = json::get(bytes, &names).unwrap_or_else(|| panic!("{names:?} leads nowhere"));
    assert_eq!(&serde_json::from_slice::<Value>(raw).expect("a part of JSON is JSON"), value, "{names:?}");
    let parts: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().take(8).map(|(name, inner)| (name.clone(), inner)).collect(),
        Value::Array(items) => items.iter().take(8).enumerate().map(|(at, inner)| (at.to_string(), inner)).collect(),
        _ => return,
    };
    for (name, inner) in parts {
        path.push(name);
        look(bytes, inner, path);
        path.pop();
    }
}

/// An event that came in is valid, and stays what it is in the log and in JSON.
fn taken(event: &Event) {
    event.validate().expect("an event that is taken is valid");
    let origin = Origin::Source("fuzz".into());
    let mut encoded = Vec::new();
    codec::encode(&origin, event, &mut encoded);
    let (from, back) = codec::decode(encoded.into()).expect("what is encoded is decoded");
    assert_eq!((&from, &back), (&origin, event));
    let body = Bytes::from(event.to_json().to_string());
    let headers: [(&str, &[u8]); 0] = [];
    let message = Message { content_type: Some("application/cloudevents+json"), headers: headers.into_iter(), body };
    let batch = decode(message, &mut Scanner::new()).expect("what is written as JSON is read");
    assert_eq!(batch.events.first().map(Event::to_json), Some(event.to_json()));
}
