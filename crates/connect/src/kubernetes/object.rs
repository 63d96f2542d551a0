//! What is read of objects: fields by JSON Pointer, and what actions answer with.

use serde_json::{Map, Value, json};

use crate::action::Call;

/// The annotation that says which effect of ours changed an object last: its key, the run, the generation that the
/// change made where the kind counts generations, and the rest of the cause.
pub(super) const CAUSE: &str = "ensue.dev/cause";
/// The deployment controller's number of the template.
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
/// kubectl's copy of what was applied last: it doubles an object, and holds a Secret's data in another place.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A text at a pointer; empty where there is none.
pub(super) fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A whole number at a pointer.
pub(super) fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

/// The items of a list at a pointer.
pub(super) fn list<'v>(object: &'v Value, pointer: &str) -> &'v [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// An annotation; empty where there is none.
pub(super) fn annotation<'v>(object: &'v Value, name: &str) -> &'v str {
    object.pointer("/metadata/annotations").and_then(|all| all.get(name)?.as_str()).unwrap_or_default()
}

/// A condition of the status by its type.
pub(super) fn condition<'v>(object: &'v Value, kind: &str) -> Option<&'v Value> {
    list(object, "/status/conditions").iter().find(|one| one.get("type").and_then(Value::as_str) == Some(kind))
}

/// Whether this effect was the last of ours to change the object.
pub(super) fn is_by(object: &Value, call: &Call) -> bool {
    annotation(object, CAUSE).split(' ').next() == Some(call.effect.to_string().as_str())
}

/// Sets a field, and makes the maps on the way to it.
pub(super) fn set(object: &mut Value, path: &[&str], value: Value) {
    let mut at = object;
    for name in path {
        if !at.is_object() {
            *at = json!({});
        }
        let Some(fields) = at.as_object_mut() else { return };
        at = fields.entry((*name).to_owned()).or_insert(Value::Null);
    }
    *at = value;
}

/// The revision of a deployment's template, the number that `kubectl rollout history` shows.
pub(super) fn revision(object: &Value) -> Option<i64> {
    annotation(object, REVISION).parse().ok()
}

/// The images of the containers of a workload or a pod.
pub(super) fn images(object: &Value) -> Vec<&str> {
    let specs = ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec", "/spec"];
    let spec = specs.iter().find_map(|at| object.pointer(at).filter(|spec| spec.get("containers").is_some()));
    let containers = spec.map(|spec| list(spec, "/containers")).unwrap_or_default();
    containers.iter().map(|one| text(one, "/image")).collect()
}

/// What an action says of an object: the object without the bookkeeping of servers and without what is in Secrets, and
/// of workloads their images and revision.
pub(super) fn outputs(object: &Value) -> Map<String, Value> {
    let mut outputs = Map::new();
    for (name, pointer) in [("name", "/metadata/name"), ("namespace", "/metadata/namespace"), ("uid", "/metadata/uid")]
    {
        if let Some(value) = object.pointer(pointer) {
            outputs.insert(name.to_owned(), value.clone());
        }
    }
    let images = images(object);
    if !images.is_empty() {
        outputs.insert("images".to_owned(), json!(images));
    }
    if let Some(revision) = revision(object) {
        outputs.insert("revision".to_owned(), revision.into());
    }
    outputs.insert("object".to_owned(), cleaned(object.clone()));
    outputs
}

/// An object without the bookkeeping of servers and without what is in Secrets: names stay, values do not.
pub(super) fn cleaned(mut object: Value) -> Value {
    let secret = text(&object, "/kind") == "Secret" && text(&object, "/apiVersion") == "v1";
    if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(LAST_APPLIED);
        }
    }
    if let Some(fields) = object.as_object_mut().filter(|_| secret) {
        hide(fields);
    }
    object
}

/// Takes the values out of a Secret. The names stay, so that it can be seen that one came or went.
pub(super) fn hide(secret: &mut Map<String, Value>) {
    for name in ["data", "stringData"] {
        if let Some(data) = secret.get_mut(name).and_then(Value::as_object_mut) {
            data.values_mut().for_each(|value| *value = Value::Null);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_secret_does_not_become_an_output() {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s", "managedFields": [], "annotations": { LAST_APPLIED: "aHVudGVyMg==" } },
            "data": { "password": "aHVudGVyMg==" },
        });
        let outputs = Value::Object(outputs(&secret));
        assert!(!outputs.to_string().contains("aHVudGVyMg"), "{outputs}");
        assert_eq!(outputs["object"]["data"], json!({ "password": null }));
    }

    #[test]
    fn a_field_is_set_where_nothing_was() {
        let mut object = json!({ "metadata": { "annotations": null } });
        set(&mut object, &["metadata", "annotations", "a"], json!("b"));
        assert_eq!(object, json!({ "metadata": { "annotations": { "a": "b" } } }));
    }
}
