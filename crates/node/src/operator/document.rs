//! An object of the cluster as a document: its text, and what stands where in it.

use std::ops::Range;

use ensue_lang::{API_VERSION, Kind, crd};
use serde_json::{Map, Value, json};

/// kubectl's copy of what was applied says nothing of its own.
const COPY: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A document.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) kind: Kind,
    pub(super) namespace: String,
    pub(super) name: String,
    /// Which change of its body this is.
    pub(super) generation: i64,
    /// The document as JSON, which is YAML.
    pub(super) text: String,
    /// What stands where in the text, a whole before its parts.
    places: Vec<(Range<usize>, String)>,
}

impl Document {
    /// The document that an object is.
    pub(super) fn of(kind: Kind, object: &Value) -> Document {
        let meta = &object["metadata"];
        let text_of = |name: &str| meta[name].as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text_of("namespace"), text_of("name"));
        let mut head = json!({ "name": name, "namespace": namespace });
        for field in ["labels", "annotations"] {
            let mut notes = meta[field].as_object().cloned().unwrap_or_default();
            notes.remove(COPY);
            if let (false, Some(head)) = (notes.is_empty(), head.as_object_mut()) {
                head.insert(field.to_owned(), notes.into());
            }
        }
        let spec = object.get("spec").cloned().unwrap_or_else(|| Map::new().into());
        let whole = json!({ "apiVersion": API_VERSION, "kind": kind.as_str(), "metadata": head, "spec": spec });
        let mut out = Writer::default();
        out.value(&whole, 0, "");
        out.text.push('\n');
        let generation = meta["generation"].as_i64().unwrap_or_default();
        Document { kind, namespace, name, generation, text: out.text, places: out.places }
    }

    /// What stands for a file's path in the configuration.
    pub(super) fn path(&self) -> String {
        path(self.kind, &self.namespace, &self.name)
    }

    /// The field at a byte of the text: `spec.steps[0].with`.
    pub(super) fn field(&self, at: usize) -> String {
        let found = self.places.iter().rev().find(|(range, _)| range.contains(&at));
        found.map_or_else(String::new, |(_, path)| path.clone())
    }
}

pub(super) fn path(kind: Kind, namespace: &str, name: &str) -> String {
    format!("{namespace}/{}/{name}.yaml", crd::plural(kind))
}

/// JSON over several lines.
#[derive(Default)]
struct Writer {
    text: String,
    places: Vec<(Range<usize>, String)>,
}

impl Writer {
    fn value(&mut self, value: &Value, depth: usize, path: &str) {
        let inner = |out: &mut String| out.push_str(&format!("\n{}", "  ".repeat(depth + 1)));
        let (from, place) = (self.text.len(), self.places.len());
        self.places.push((from..from, path.to_owned()));
        match value {
            Value::Object(map) if !map.is_empty() => {
                self.text.push('{');
                for (nth, (name, value)) in map.iter().enumerate() {
                    self.text.push_str(if nth == 0 { "" } else { "," });
                    inner(&mut self.text);
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    let key = self.text.len();
                    self.text.push_str(&Value::from(name.as_str()).to_string());
                    self.places.push((key..self.text.len(), path.clone()));
                    self.text.push_str(": ");
                    self.value(value, depth + 1, &path);
                }
                self.text.push_str(&format!("\n{}}}", "  ".repeat(depth)));
            }
            Value::Array(items) if !items.is_empty() => {
                self.text.push('[');
                for (nth, item) in items.iter().enumerate() {
                    self.text.push_str(if nth == 0 { "" } else { "," });
                    inner(&mut self.text);
                    self.value(item, depth + 1, &format!("{path}[{nth}]"));
                }
                self.text.push_str(&format!("\n{}]", "  ".repeat(depth)));
            }
            other => self.text.push_str(&other.to_string()),
        }
        if let Some((range, _)) = self.places.get_mut(place) {
            range.end = self.text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_text_is_a_field_of_the_object() {
        let object = json!({
            "metadata": { "name": "a", "namespace": "shop", "generation": 3, "uid": "u", "annotations": { COPY: "{}" } },
            "spec": { "steps": [{ "with": { "n": 1.5 } }, { "uses": "x" }] }, "status": {},
        });
        let document = Document::of(Kind::Rule, &object);
        let at = |word: &str| document.field(document.text.find(word).unwrap());
        assert_eq!((document.path().as_str(), document.generation), ("shop/rules/a.yaml", 3));
        assert_eq!(
            (at("1.5"), at("\"uses\""), at("\"x\"")),
            ("spec.steps[0].with.n".into(), "spec.steps[1].uses".into(), "spec.steps[1].uses".into())
        );
        assert!(
            !document.text.contains("uid")
                && !document.text.contains("annotations")
                && !document.text.contains("status")
        );
        let read: Value = serde_json::from_str(&document.text).unwrap();
        assert_eq!(read["spec"], object["spec"]);
    }
}
