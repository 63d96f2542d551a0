//! What changed between two versions of an object.

use serde_json::{Map, Value};

/// More paths than these are not listed: the object itself says the rest.
const MOST: usize = 100;

/// Paths that changed, and what stood there before where that was a scalar.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Diff {
    /// In order: `spec.template.spec.containers[0].image`; names with other characters in brackets and quotes.
    pub(super) changed: Vec<String>,
    /// By path.
    pub(super) previous: Map<String, Value>,
}

/// The difference; empty if only the version of the object differs.
pub(super) fn diff(old: &Value, new: &Value) -> Diff {
    let mut out = Diff::default();
    walk(old, new, &mut String::new(), &mut out);
    out
}

fn walk(old: &Value, new: &Value, path: &mut String, out: &mut Diff) {
    if out.changed.len() >= MOST || old == new {
        return;
    }
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            // Both are in the order of their keys.
            let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                if path == "metadata" && name == "resourceVersion" {
                    continue;
                }
                let length = path.len();
                push(path, name);
                walk(a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null), path, out);
                path.truncate(length);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for nth in 0..a.len().max(b.len()) {
                let length = path.len();
                path.push_str(&format!("[{nth}]"));
                walk(a.get(nth).unwrap_or(&Value::Null), b.get(nth).unwrap_or(&Value::Null), path, out);
                path.truncate(length);
            }
        }
        _ => {
            out.changed.push(path.clone());
            if !old.is_object() && !old.is_array() {
                out.previous.insert(path.clone(), old.clone());
            }
        }
    }
}

fn push(path: &mut String, name: &str) {
    let plain =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if plain {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
    } else {
        path.push_str(&format!("[{}]", Value::from(name)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_name_what_changed_and_scalars_what_was_there() {
        let old = json!({"metadata": {"resourceVersion": "1", "annotations": {"a.b/c": "x"}},
            "spec": {"containers": [{"name": "a", "image": "one"}], "replicas": 2, "gone": {"deep": 1}}});
        let new = json!({"metadata": {"resourceVersion": "2", "annotations": {"a.b/c": "y"}},
            "spec": {"containers": [{"name": "a", "image": "two"}, {"name": "b"}], "replicas": 2}, "status": {"ready": true}});
        let found = diff(&old, &new);
        assert_eq!(
            found.changed,
            [
                "metadata.annotations[\"a.b/c\"]",
                "spec.containers[0].image",
                "spec.containers[1]",
                "spec.gone",
                "status"
            ]
        );
        assert_eq!(found.previous.get("spec.containers[0].image"), Some(&json!("one")));
        assert_eq!(found.previous.get("status"), Some(&Value::Null));
        assert!(!found.previous.contains_key("spec.gone"));
        assert_eq!(
            diff(&old, &{
                let mut same = old.clone();
                same["metadata"]["resourceVersion"] = json!("9");
                same
            }),
            Diff::default()
        );
    }
}
