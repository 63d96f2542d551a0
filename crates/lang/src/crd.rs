//! The kinds as definitions of custom resources (`apiextensions.k8s.io/v1`), from the tables that reading goes by.
//!
//! A cluster drops fields that a definition does not name and refuses what does not fit; what only the whole
//! configuration can tell, it takes, and the object's `status` says what is wrong with it.

use serde_json::{Value, json};

use crate::API_VERSION;
use crate::model::Kind;
use crate::schema;

/// The most objects' errors that a status carries: an object is small, and the first ones say what to do.
pub const MOST_ERRORS: usize = 16;

/// The group and the version of the kinds: `ensue.dev`, `v1`.
#[must_use]
pub fn group_version() -> (&'static str, &'static str) {
    API_VERSION.split_once('/').unwrap_or((API_VERSION, ""))
}

/// What a kind is called in paths and permissions: `policies`.
#[must_use]
pub const fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Connection => "connections",
        Kind::Source => "sources",
        Kind::Rule => "rules",
        Kind::Workflow => "workflows",
        Kind::Table => "tables",
        Kind::Policy => "policies",
        Kind::Scenario => "scenarios",
    }
}

/// The definitions of all kinds, in the order of [`Kind::ALL`].
#[must_use]
pub fn definitions() -> Vec<Value> {
    Kind::ALL.map(definition).into()
}

fn definition(kind: Kind) -> Value {
    let (group, version) = group_version();
    let (word, plural) = (kind.as_str(), plural(kind));
    let mut whole = schema::structural(kind);
    if let Some(properties) = whole.pointer_mut("/properties").and_then(Value::as_object_mut) {
        properties.insert("status".into(), status(kind));
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}") },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {
                "kind": word,
                "listKind": format!("{word}List"),
                "plural": plural,
                "singular": word.to_ascii_lowercase(),
                // `kubectl get ensue` lists them all.
                "categories": ["ensue"],
            },
            "versions": [{
                "name": version,
                "served": true,
                "storage": true,
                "subresources": { "status": {} },
                "additionalPrinterColumns": columns(kind),
                "schema": { "openAPIV3Schema": whole },
            }],
        },
    })
}

/// What `kubectl get` shows beside the name.
fn columns(kind: Kind) -> Value {
    let accepted = json!({
        "name": "Accepted", "type": "string", "description": "Whether it is in force as it is written.",
        "jsonPath": ".status.conditions[?(@.type==\"Accepted\")].status",
    });
    let why = json!({
        "name": "Why", "type": "string", "priority": 1, "description": "Why it is not.",
        "jsonPath": ".status.conditions[?(@.type==\"Accepted\")].message",
    });
    let age = json!({ "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp" });
    if kind == Kind::Rule {
        let mode = json!({ "name": "Mode", "type": "string", "jsonPath": ".status.mode" });
        let fired = json!({ "name": "Last fired", "type": "date", "jsonPath": ".status.lastFired" });
        return json!([accepted, mode, fired, age, why]);
    }
    json!([accepted, age, why])
}

/// What is said of an object after it was looked at.
fn status(kind: Kind) -> Value {
    let text = |doc: &str| json!({ "type": "string", "description": doc });
    let time = |doc: &str| json!({ "type": "string", "format": "date-time", "description": doc });
    let number = |doc: &str| json!({ "type": "integer", "format": "int64", "description": doc });
    let mut status = json!({
        "type": "object",
        "description": "What ensue says of it.",
        "properties": {
            "accepted": { "type": "boolean", "description": "Whether it is in force as it is written." },
            "observedGeneration": number("The generation that this is about."),
            "errors": {
                "type": "array",
                "description": "What is wrong with it.",
                "maxItems": MOST_ERRORS,
                "items": {
                    "type": "object",
                    "required": ["message"],
                    "properties": {
                        "path": text("Where: `spec.steps[0].with`."),
                        "message": text("What is wrong."),
                        "help": text("What to write instead."),
                        "code": text("A stable name for this kind of mistake."),
                    },
                },
            },
            "conditions": {
                "type": "array",
                "description": "`Accepted`, in the form that tools wait for.",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
                "items": {
                    "type": "object",
                    "required": ["type", "status", "reason", "message", "lastTransitionTime"],
                    "properties": {
                        "type": text("What it is about."),
                        "status": { "type": "string", "enum": ["True", "False", "Unknown"] },
                        "reason": text("Why, in a word."),
                        "message": text("Why, in a sentence."),
                        "lastTransitionTime": time("Since when `status` is so."),
                        "observedGeneration": number("The generation that it is about."),
                    },
                },
            },
        },
    });
    if let (Kind::Rule, Some(properties)) = (kind, status.pointer_mut("/properties").and_then(Value::as_object_mut)) {
        properties.insert("mode".into(), text("Whether it acts: live, shadow or paused, by itself or by an operator."));
        properties.insert("lastFired".into(), time("When it fired last."));
    }
    status
}
