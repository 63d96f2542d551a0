//! The canonical form: what a document says as JSON, however it was written, and its digest.

use ensue_event::Digest;
use serde_json::{Map, Value, json};

use crate::model::{Kind, Name};
use crate::tree::Node;

/// The canonical form of a document.
pub(super) fn canonical(kind: Kind, name: &Name, metadata: &Node, spec: &Node) -> Value {
    let mut meta = Map::new();
    meta.insert("name".into(), name.name.clone().into());
    meta.insert("namespace".into(), name.namespace.clone().into());
    for field in ["labels", "annotations"] {
        if let Some(node) = metadata.get(field).filter(|node| !node.entries().is_empty()) {
            meta.insert(field.into(), node.to_json());
        }
    }
    let mut body = spec.to_json();
    if let (Kind::Rule, Some(fields), Some(lets)) = (kind, body.as_object_mut(), spec.get("let")) {
        // The order of `let` is part of what it says; JSON objects have none.
        let pairs = lets.entries().iter().map(|entry| json!({ entry.key.as_str(): entry.value.to_json() }));
        if !lets.entries().is_empty() {
            fields.insert("let".into(), pairs.collect());
        }
    }
    json!({ "apiVersion": crate::API_VERSION, "kind": kind.as_str(), "metadata": meta, "spec": body })
}

/// BLAKE3 of the canonical form with the keys of all objects in order.
pub(super) fn digest(canonical: &Value) -> Digest {
    let mut out = String::new();
    write(canonical, &mut out);
    Digest::of(out.as_bytes())
}

/// Sorted whatever map type serde_json was built with.
fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}
