//! CustomResourceDefinitions: what is refused of them, and how their schemas judge custom objects.

use regex::Regex;
use serde_json::{Value, json};

use crate::cel;
use crate::kinds::Kind;
use crate::schema::join;
use crate::status::{Cause, cause, invalid_value, required, unsupported_value};
use crate::world::World;

/// Reasons to refuse a definition.
pub(crate) fn validate_definition(world: &World, object: &Value) -> Vec<Cause> {
    let spec = &object["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
    let mut causes = Vec::new();
    let expected = format!("{plural}.{group}");
    if text(&object["metadata"]["name"]) != expected {
        let why = "must be spec.names.plural+\".\"+spec.group";
        causes.push(invalid_value("metadata.name", &object["metadata"]["name"], why));
    }
    let protected = group.ends_with(".k8s.io") || group.ends_with(".kubernetes.io");
    if protected && object["metadata"]["annotations"].get("api-approved.kubernetes.io").is_none() {
        let why = "protected groups must have approval annotation \"api-approved.kubernetes.io\", see \
                   https://github.com/kubernetes/enhancements/pull/1111";
        causes.push(required("metadata.annotations[api-approved.kubernetes.io]", why));
    }
    let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    if versions.iter().filter(|one| one["storage"] == true).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        causes.push(invalid_value("spec.versions", &spec["versions"], why));
    }
    for (at, version) in versions.iter().enumerate() {
        if version["schema"]["openAPIV3Schema"]["type"] != "object" && version["schema"]["openAPIV3Schema"].is_null() {
            causes.push(required(format!("spec.versions[{at}].schema.openAPIV3Schema"), "schemas are required"));
        }
    }
    // Only definitions can share a resource with another.
    let taken = world.kinds().any(|one| one.group == group && one.plural == plural && one.custom.is_none());
    if taken {
        causes.push(invalid_value("spec.names.plural", &json!(plural), "is already in use"));
    }
    causes
}

/// Judges a custom object by the schema of its version.
pub(crate) fn validate_custom(kind: &Kind, object: &Value) -> Vec<Cause> {
    let Some(custom) = &kind.custom else { return Vec::new() };
    let schema = &custom.version["schema"]["openAPIV3Schema"];
    let mut causes = Vec::new();
    check(schema, object, "", &mut causes);
    let types_hold = causes.iter().all(|one| !one.message.contains("must be of type"));
    if !types_hold && let Some(wrong) = scale_type(&custom.version, object) {
        causes.push(wrong);
    }
    if has_rules(schema) {
        if causes.is_empty() {
            rules(schema, object, "", &mut causes);
        } else {
            let why = "some validation rules were not checked because the object was invalid; correct the existing errors \
                       to complete validation";
            causes.push(invalid_value("<nil>", &Value::Null, why));
        }
    }
    causes
}

/// The scale path is read as an integer whatever the schema says of it.
fn scale_type(version: &Value, object: &Value) -> Option<Cause> {
    let path = version["subresources"]["scale"]["specReplicasPath"].as_str()?;
    let found = at(object, path);
    let text = found.as_str()?;
    let why = format!("{path} accessor error: {text} is of the type string, expected int64");
    Some(cause("FieldValueInvalid", path, format!("Invalid value: 0: {why}")))
}

/// The value at a simple JSON path such as `.spec.replicas`.
pub(crate) fn at<'a>(object: &'a Value, path: &str) -> &'a Value {
    path.split('.').filter(|name| !name.is_empty()).fold(object, |value, name| &value[name])
}

fn has_rules(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => map.contains_key("x-kubernetes-validations") || map.values().any(has_rules),
        Value::Array(items) => items.iter().any(has_rules),
        _ => false,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let found = type_name(value);
    if let Some(wanted) = schema["type"].as_str() {
        let fits = wanted == found
            || wanted == "number" && found == "integer"
            || value.is_null() && schema["nullable"] == true;
        if !fits {
            let message = format!("Invalid value: \"{found}\": {path} in body must be of type {wanted}: \"{found}\"");
            causes.push(cause("FieldValueTypeInvalid", path, message));
            return;
        }
    }
    let invalid = |why: String| invalid_value(path, value, &format!("{path} in body {why}"));
    if let Some(number) = value.as_f64() {
        if let Some(most) = schema["maximum"].as_f64().filter(|most| number > *most) {
            causes.push(invalid(format!("should be less than or equal to {most}")));
        }
        if let Some(least) = schema["minimum"].as_f64().filter(|least| number < *least) {
            causes.push(invalid(format!("should be greater than or equal to {least}")));
        }
    }
    if let Some(list) = schema["enum"].as_array().filter(|list| !list.contains(value)) {
        let list: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
        causes.push(unsupported_value(path, value, &list));
    }
    if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str())
        && Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text))
    {
        causes.push(invalid(format!("should match '{pattern}'")));
    }
    if let (Some(least), Some(text)) = (schema["minLength"].as_u64(), value.as_str())
        && (text.chars().count() as u64) < least
    {
        causes.push(invalid(format!("should be at least {least} chars long")));
    }
    if let (Some(most), Some(text)) = (schema["maxLength"].as_u64(), value.as_str())
        && text.chars().count() as u64 > most
    {
        causes.push(cause("FieldValueTooLong", path, format!("Too long: may not be more than {most} bytes")));
    }
    if let Some(items) = value.as_array() {
        if let Some(most) = schema["maxItems"].as_u64().filter(|most| items.len() as u64 > *most) {
            let message = format!("Too many: {}: must have at most {most} items", items.len());
            causes.push(cause("FieldValueTooMany", path, message));
        }
        for (index, item) in items.iter().enumerate() {
            check(&schema["items"], item, &format!("{path}[{index}]"), causes);
        }
    }
    if let Some(map) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !map.contains_key(name) {
                causes.push(required(join(path, name), ""));
            }
        }
        for (name, one) in map {
            if let Some(schema) = schema["properties"].get(name) {
                check(schema, one, &join(path, name), causes);
            } else if schema["additionalProperties"].is_object() {
                check(&schema["additionalProperties"], one, &join(path, name), causes);
            }
        }
    }
}

/// The rules in CEL, each over the value that carries it.
fn rules(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let text = rule["rule"].as_str().unwrap_or_default();
        if cel::holds(text, value) == Some(false) {
            let message = rule["message"].as_str().map_or_else(|| format!("failed rule: {text}"), str::to_owned);
            causes.push(cause("FieldValueInvalid", path, format!("Invalid value: {message}")));
        }
    }
    match value {
        Value::Object(map) => {
            for (name, one) in map {
                let inner = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
                rules(inner, one, &join(path, name), causes);
            }
        }
        Value::Array(items) => {
            for (index, one) in items.iter().enumerate() {
                rules(&schema["items"], one, &format!("{path}[{index}]"), causes);
            }
        }
        _ => {}
    }
}
