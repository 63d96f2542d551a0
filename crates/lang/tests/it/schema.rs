//! The JSON Schema.

use ensue_lang::Kind;
use ensue_lang::schema::{schema, structural};
use serde_json::Value;

fn walk(value: &Value, path: &str, see: &mut dyn FnMut(&Value, &str)) {
    see(value, path);
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| walk(value, &format!("{path}/{key}"), see)),
        Value::Array(items) => items.iter().for_each(|value| walk(value, &format!("{path}/*"), see)),
        _ => {}
    }
}

#[test]
fn it_is_structural() {
    for kind in Kind::ALL {
        walk(&structural(kind), "", &mut |value, path| {
            assert!(value.get("$ref").is_none() && value.get("$defs").is_none(), "{kind}{path}");
            assert!(value.get("type").is_none_or(|ty| ty.is_string() || ty.is_object()), "{kind}{path}");
            let closed = value.get("properties").is_some() && value.get("additionalProperties").is_some();
            assert!(!closed || path.ends_with("/properties"), "{kind}{path}");
            if path.ends_with("/items") && !path.ends_with("/properties/items") {
                let shaped = value.get("type").is_some() || value.get("x-kubernetes-preserve-unknown-fields").is_some();
                assert!(shaped, "{kind}{path}");
            }
        });
    }
}

#[test]
fn it_knows_every_field() {
    let whole = schema();
    assert_eq!(whole["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let text = whole.to_string();
    for word in ["when", "onFailure", "idempotencyHeader", "schedule", "rows", "given", "sequence", "maxParallel"] {
        assert!(text.contains(&format!("\"{word}\"")), "{word}");
    }
    // Kubernetes refuses objects past 1.5 MB, and editors read this on every start.
    assert!(text.len() < 500_000, "{}", text.len());
    let rule = structural(Kind::Rule);
    let inner =
        "/properties/spec/properties/steps/items/properties/switch/items/properties/steps/items/properties/with";
    assert_eq!(rule.pointer(inner).unwrap()["type"], "object");
}
