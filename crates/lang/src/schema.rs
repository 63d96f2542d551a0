//! The JSON Schema of the language (draft 2020-12), from the tables that reading goes by.
//!
//! It keeps to the structural subset that a Kubernetes CRD takes: no `$ref`, a type at every level, values of any shape
//! marked `x-kubernetes-preserve-unknown-fields`. Lists of steps lie in each other to any depth; the schema describes
//! two levels of them and lets pass what lies below, which `check` reads all the same.

use serde_json::{Map, Value, json};

use crate::API_VERSION;
use crate::catalog::{CONNECTIONS, SOURCES};
use crate::fields;
use crate::model::Kind;
use crate::shape::{Field, Shape, Ty};

/// Levels of steps within steps that are described.
const LEVELS: usize = 2;

/// Whom the schema is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    /// Editors and validators: unknown fields are wrong.
    People,
    /// A custom resource definition: unknown fields are pruned, and nothing may say so.
    Cluster,
}

/// The schema of a document of any kind, for editors.
#[must_use]
pub fn schema() -> Value {
    let kinds = Kind::ALL.map(Kind::as_str);
    let by_kind = Kind::ALL.map(|kind| {
        json!({
            "if": { "properties": { "kind": { "const": kind.as_str() } }, "required": ["kind"] },
            "then": { "properties": { "spec": spec(kind, For::People) } },
        })
    });
    let mut root = document(&json!({ "type": "object" }), For::People);
    if let Some(fields) = root.as_object_mut() {
        fields.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        fields.insert("title".into(), "A document of ensue".into());
        fields.insert("allOf".into(), json!(by_kind));
        fields.insert("additionalProperties".into(), false.into());
    }
    if let Some(kind) = root.pointer_mut("/properties/kind") {
        *kind = json!({ "type": "string", "enum": kinds });
    }
    root
}

/// The `openAPIV3Schema` of one kind, for a custom resource definition.
#[must_use]
pub fn structural(kind: Kind) -> Value {
    document(&spec(kind, For::Cluster), For::Cluster)
}

fn document(spec: &Value, whom: For) -> Value {
    if whom == For::Cluster {
        // The cluster has its own idea of all but the body.
        return json!({
            "type": "object",
            "required": ["spec"],
            "properties": {
                "apiVersion": { "type": "string" },
                "kind": { "type": "string" },
                "metadata": { "type": "object" },
                "spec": spec,
            },
        });
    }
    json!({
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": { "type": "string", "enum": [API_VERSION] },
            "kind": { "type": "string" },
            "metadata": object(&fields::METADATA, whom, 0),
            "spec": spec,
        },
    })
}

fn spec(kind: Kind, whom: For) -> Value {
    let typed = |shape: &'static Shape, types: Vec<(&'static str, &'static Shape, &'static str)>| {
        let mut out = object(shape, whom, 0);
        let one: Vec<Value> = types.iter().map(|(name, _, _)| json!({ "required": [name] })).collect();
        if let Some(fields) = out.as_object_mut() {
            fields.insert("oneOf".into(), one.into());
        }
        if let Some(properties) = out.pointer_mut("/properties").and_then(Value::as_object_mut) {
            for (name, config, doc) in types {
                let mut settings = object(config, whom, 0);
                if let Some(fields) = settings.as_object_mut() {
                    fields.insert("description".into(), doc.into());
                }
                properties.insert(name.into(), settings);
            }
        }
        out
    };
    match kind {
        Kind::Connection => {
            typed(&fields::CONNECTION, CONNECTIONS.iter().map(|s| (s.name, &s.config, s.doc)).collect())
        }
        Kind::Source => typed(&fields::SOURCE, SOURCES.iter().map(|s| (s.name, &s.config, s.doc)).collect()),
        Kind::Rule => object(&fields::RULE, whom, 0),
        Kind::Workflow => object(&fields::WORKFLOW, whom, 0),
        Kind::Table => object(&fields::TABLE, whom, 0),
        Kind::Policy => object(&fields::POLICY, whom, 0),
        Kind::Scenario => object(&fields::SCENARIO, whom, 0),
    }
}

fn object(shape: &'static Shape, whom: For, level: usize) -> Value {
    let step = std::ptr::eq(shape, &fields::STEP);
    if step && level >= LEVELS {
        return json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    }
    let level = level + usize::from(step);
    let mut properties = Map::new();
    for field in shape.fields {
        let mut described = described(field, whom, level);
        // A cluster keeps the whole; what a step within a step has is said one level above.
        if let (For::Cluster, LEVELS, Some(fields)) = (whom, level, described.as_object_mut()) {
            fields.remove("description");
        }
        properties.insert(field.name.into(), described);
    }
    let mut out = json!({ "type": "object", "properties": properties });
    let required: Vec<&str> = shape.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    if let Some(fields) = out.as_object_mut() {
        if !required.is_empty() {
            fields.insert("required".into(), json!(required));
        }
        if !shape.one_of.is_empty() {
            let one: Vec<Value> = shape.one_of.iter().map(|name| json!({ "required": [name] })).collect();
            fields.insert("oneOf".into(), one.into());
        }
        if whom == For::People {
            fields.insert("additionalProperties".into(), false.into());
        }
    }
    out
}

fn described(field: &Field, whom: For, level: usize) -> Value {
    let mut out = match (field.secret, &field.ty) {
        (true, Ty::List(_)) => json!({ "type": "array", "items": secret() }),
        (true, _) => secret(),
        (false, ty) => value(ty, whom, level),
    };
    if let Some(fields) = out.as_object_mut() {
        fields.insert("description".into(), field.doc.into());
    }
    out
}

fn secret() -> Value {
    json!({ "type": "string", "pattern": r"^\$\{\{ *secrets\.[A-Za-z_][A-Za-z0-9_]* *\}\}$" })
}

fn value(ty: &Ty, whom: For, level: usize) -> Value {
    let any = || json!({ "x-kubernetes-preserve-unknown-fields": true });
    match ty {
        Ty::Any => any(),
        Ty::Text | Ty::Template | Ty::MaybeSecret | Ty::Cidr | Ty::Cron | Ty::Zone => json!({ "type": "string" }),
        Ty::Url => json!({ "type": "string", "pattern": "^https?://" }),
        Ty::Time => json!({ "type": "string", "format": "date-time" }),
        Ty::Ident => json!({ "type": "string", "pattern": "^[a-z][a-z0-9_]*$" }),
        Ty::Name => json!({ "type": "string", "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$" }),
        Ty::Ref => json!({ "type": "string", "pattern": "^([-a-z0-9.]+/)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$" }),
        Ty::Duration => {
            json!({ "type": "string", "pattern": r"^(0|([0-9]+(\.[0-9]+)?(w|d|h|m|s|ms|us|µs|ns))+)$" })
        }
        Ty::Choice(choices) => json!({ "type": "string", "enum": choices }),
        Ty::Bool => json!({ "type": "boolean" }),
        Ty::Number => json!({ "type": "number" }),
        Ty::Int(low, high) => {
            let mut out = json!({ "type": "integer" });
            if let Some(fields) = out.as_object_mut() {
                for (word, bound) in [("minimum", low), ("maximum", high)] {
                    if !matches!(*bound, i64::MIN | i64::MAX) {
                        fields.insert(word.into(), (*bound).into());
                    }
                }
            }
            out
        }
        // `if: true` and `n: 5` are expressions too; a structural schema has one type at each level.
        Ty::Expr if whom == For::People => json!({ "type": ["string", "boolean", "number"] }),
        Ty::Key if whom == For::People => {
            json!({ "type": ["string", "array"], "items": { "type": "string" } })
        }
        Ty::Expr | Ty::Key => any(),
        Ty::Pattern => json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true }),
        Ty::List(of) => json!({ "type": "array", "items": value(of, whom, level) }),
        Ty::Map(Ty::Any) => json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true }),
        Ty::Map(of) => json!({ "type": "object", "additionalProperties": value(of, whom, level) }),
        Ty::Object(shape) => object(shape, whom, level),
        Ty::Either(list) if whom == For::People => {
            json!({ "anyOf": list.iter().map(|ty| value(ty, whom, level)).collect::<Vec<_>>() })
        }
        Ty::Either(_) => any(),
    }
}
