//! What the real server refuses, as far as clients meet it: 422 with causes, and bodies that do not decode.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::clock;
use crate::crd;
use crate::kinds::Kind;
use crate::schema::{Leaf, Type};
use crate::selector;
use crate::status::{Cause, cause, forbidden_value, invalid_value, required, unsupported_value};
use crate::world::{World, type_of};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and \
end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

fn is_label(text: &str) -> bool {
    let inner = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit();
    !text.is_empty()
        && text.len() <= 63
        && text.chars().all(|one| inner(one) || one == '-')
        && text.starts_with(inner)
        && text.ends_with(inner)
}

fn is_subdomain(text: &str) -> bool {
    !text.is_empty() && text.len() <= 253 && text.split('.').all(is_label)
}

/// Values that Go's types cannot hold: base64 and times that do not parse.
pub(crate) fn undecodable(kind: &Kind, object: &Value) -> Option<String> {
    undecodable_at(&type_of(kind), object, 0)
}

fn undecodable_at(of: &Type, value: &Value, depth: usize) -> Option<String> {
    match (of, value) {
        _ if depth > 64 => None,
        (Type::Leaf(Leaf::Bytes), Value::String(text)) => {
            if base64::engine::general_purpose::STANDARD.decode(text).is_ok() {
                return None;
            }
            let bad = |byte: u8| !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
            let at = text.bytes().position(bad).unwrap_or(text.len());
            Some(format!("illegal base64 data at input byte {at}"))
        }
        (Type::Leaf(Leaf::Time), Value::String(text)) => {
            if text.is_empty() || clock::parse(text).is_some() || text.contains('+') {
                return None;
            }
            Some(format!(
                "parsing time \"{text}\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"{}\" as \".000000\"",
                text.get(19..).unwrap_or_default()
            ))
        }
        (of, Value::Object(map)) => map.iter().find_map(|(name, one)| undecodable_at(&of.member(name), one, depth + 1)),
        (of, Value::Array(items)) => {
            let item = of.item();
            items.iter().find_map(|one| undecodable_at(&item, one, depth + 1))
        }
        _ => None,
    }
}

fn names(kind: &Kind, object: &Value) -> Vec<Cause> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if name.is_empty() {
        return vec![required("metadata.name", "name or generateName is required")];
    }
    let (good, why) = match kind.plural.as_str() {
        "namespaces" => (is_label(name), LABEL),
        "roles" | "rolebindings" | "clusterroles" | "clusterrolebindings" => {
            (!name.contains(['/', '%']), "may not contain '/'")
        }
        _ => (is_subdomain(name), SUBDOMAIN),
    };
    if good { Vec::new() } else { vec![invalid_value("metadata.name", &json!(name), why)] }
}

/// The reasons to refuse a new object.
pub(crate) fn create(world: &World, kind: &Kind, object: &Value) -> Vec<Cause> {
    let mut causes = names(kind, object);
    causes.extend(content(world, kind, object));
    causes
}

fn content(world: &World, kind: &Kind, object: &Value) -> Vec<Cause> {
    let spec = &object["spec"];
    match (kind.group.as_str(), kind.plural.as_str()) {
        _ if kind.custom.is_some() => crd::validate_custom(kind, object),
        ("", "configmaps") => too_long(object, "[]"),
        ("", "secrets") => secret(object),
        ("", "pods") => pod_spec(spec, "spec"),
        ("", "events") => event(object),
        ("events.k8s.io", "events") => {
            if object["eventTime"].is_null() && object["deprecatedFirstTimestamp"].is_null() {
                vec![required("eventTime", "")]
            } else {
                Vec::new()
            }
        }
        ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets") => workload(spec),
        ("batch", "jobs") => job(spec),
        ("coordination.k8s.io", "leases") => lease(spec),
        ("autoscaling", "horizontalpodautoscalers") => hpa(spec),
        ("apiextensions.k8s.io", _) => crd::validate_definition(world, object),
        _ => Vec::new(),
    }
}

/// The reasons to refuse a change.
pub(crate) fn update(world: &World, kind: &Kind, subresource: &str, old: &Value, new: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let list = |object: &Value| object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    if old["metadata"].get("deletionTimestamp").is_some() {
        let before = list(old);
        let added: Vec<String> =
            list(new).iter().filter(|one| !before.contains(one)).map(ToString::to_string).collect();
        if !added.is_empty() {
            let why = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                added.join(", ")
            );
            causes.push(forbidden_value("metadata.finalizers", &why));
            causes.push(forbidden_value("metadata.finalizers", &why));
        }
    }
    match (kind.group.as_str(), kind.plural.as_str(), subresource) {
        ("", "configmaps" | "secrets", _) if old["immutable"] == true => {
            let why = "field is immutable when `immutable` is set";
            for field in ["data", "binaryData", "immutable"] {
                if old[field] != new[field] {
                    causes.push(forbidden_value(field, why));
                }
            }
        }
        ("", "pods", "") => causes.extend(pod_change(&old["spec"], &new["spec"])),
        ("", "pods", "status") => causes.extend(pod_status(&new["status"])),
        ("apps", "deployments" | "replicasets", "") => {
            causes.extend(content(world, kind, new));
            if old["spec"]["selector"] != new["spec"]["selector"] {
                causes.push(invalid_value("spec.selector", &new["spec"]["selector"], "field is immutable"));
            }
        }
        ("batch", "jobs", "") => {
            causes.extend(content(world, kind, new));
            for field in ["template", "selector", "completions"] {
                if old["spec"][field] != new["spec"][field] {
                    causes.push(invalid_value(format!("spec.{field}"), &new["spec"][field], "field is immutable"));
                }
            }
        }
        (_, _, "status") if kind.custom.is_none() => {}
        (_, _, "scale") if kind.custom.is_some() => {
            causes.extend(crd::validate_custom(kind, new).into_iter().filter(|one| one.field != "<nil>"));
        }
        _ => causes.extend(content(world, kind, new)),
    }
    causes
}

/// What may be in a ConfigMap or Secret.
const MAX_DATA: usize = 1024 * 1024;

fn too_long(object: &Value, field: &str) -> Vec<Cause> {
    let size: usize = ["data", "binaryData"]
        .iter()
        .flat_map(|name| object[*name].as_object().into_iter().flatten())
        .map(|(_, value)| value.as_str().map_or(0, str::len))
        .sum();
    if size <= MAX_DATA {
        return Vec::new();
    }
    vec![cause("FieldValueTooLong", field, format!("Too long: may not be more than {MAX_DATA} bytes"))]
}

fn secret(object: &Value) -> Vec<Cause> {
    let mut causes = too_long(object, "data");
    let keys: &[&str] = match object["type"].as_str() {
        Some("kubernetes.io/tls") => &["tls.crt", "tls.key"],
        Some("kubernetes.io/dockerconfigjson") => &[".dockerconfigjson"],
        Some("kubernetes.io/ssh-auth") => &["ssh-privatekey"],
        _ => &[],
    };
    causes.extend(
        keys.iter().filter(|key| object["data"].get(**key).is_none()).map(|key| required(format!("data[{key}]"), "")),
    );
    causes
}

fn negative(value: &Value, field: &str) -> Option<Cause> {
    let number = value.as_i64()?;
    (number < 0).then(|| invalid_value(field, value, "must be greater than or equal to 0"))
}

fn pod_spec(spec: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let containers = spec["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if containers.is_empty() {
        causes.push(required(format!("{path}.containers"), ""));
    }
    for (at, container) in containers.iter().enumerate() {
        let here = format!("{path}.containers[{at}]");
        let name = container["name"].as_str().unwrap_or_default();
        if name.is_empty() {
            causes.push(required(format!("{here}.name"), ""));
        } else if !is_label(name) {
            causes.push(invalid_value(format!("{here}.name"), &json!(name), LABEL));
        }
        if container["image"].as_str().unwrap_or_default().is_empty() {
            causes.push(required(format!("{here}.image"), ""));
        }
    }
    let policies = ["Always", "OnFailure", "Never"];
    if !spec["restartPolicy"].as_str().is_some_and(|one| policies.contains(&one)) {
        causes.push(unsupported_value(format!("{path}.restartPolicy"), &spec["restartPolicy"], &policies));
    }
    causes
}

fn workload(spec: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    causes.extend(negative(&spec["replicas"], "spec.replicas"));
    let labels = &spec["template"]["metadata"]["labels"];
    if spec["selector"].is_null() {
        causes.push(required("spec.selector", ""));
    } else if !selector::selects(&spec["selector"], labels) {
        let why = "`selector` does not match template `labels`";
        causes.push(invalid_value("spec.template.metadata.labels", labels, why));
    }
    causes.extend(pod_spec(&spec["template"]["spec"], "spec.template.spec"));
    causes
}

fn job(spec: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for field in ["parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"] {
        causes.extend(negative(&spec[field], &format!("spec.{field}")));
    }
    causes.extend(pod_spec(&spec["template"]["spec"], "spec.template.spec"));
    if spec["template"]["spec"]["restartPolicy"] == "Always" {
        causes.push(required("spec.template.spec.restartPolicy", "valid values: \"OnFailure\", \"Never\""));
    }
    causes
}

fn event(object: &Value) -> Vec<Cause> {
    let place = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let about = &object["involvedObject"]["namespace"];
    let named = about.as_str().unwrap_or_default();
    if named == place || named.is_empty() && place == "default" {
        return Vec::new();
    }
    vec![invalid_value("involvedObject.namespace", &json!(named), "does not match event.namespace")]
}

fn lease(spec: &Value) -> Vec<Cause> {
    let seconds = &spec["leaseDurationSeconds"];
    if seconds.as_i64().is_some_and(|seconds| seconds <= 0) {
        return vec![invalid_value("spec.leaseDurationSeconds", seconds, "must be greater than 0")];
    }
    Vec::new()
}

fn hpa(spec: &Value) -> Vec<Cause> {
    let (least, most) = (spec["minReplicas"].as_i64().unwrap_or(1), spec["maxReplicas"].as_i64().unwrap_or(0));
    if most < 1 {
        return vec![invalid_value("spec.maxReplicas", &spec["maxReplicas"], "must be greater than 0")];
    }
    if most < least {
        return vec![invalid_value("spec.maxReplicas", &json!(most), "must be greater than or equal to `minReplicas`")];
    }
    Vec::new()
}

/// Only images, the deadline and new tolerations of a pod may change.
fn pod_change(old: &Value, new: &Value) -> Vec<Cause> {
    let fixed = |spec: &Value| {
        let mut copy = spec.clone();
        for list in ["containers", "initContainers"] {
            for container in copy[list].as_array_mut().into_iter().flatten() {
                container["image"] = Value::Null;
            }
        }
        for field in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"] {
            copy[field] = Value::Null;
        }
        copy
    };
    if fixed(old) == fixed(new) {
        return Vec::new();
    }
    let why = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
               `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
               `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n";
    vec![forbidden_value("spec", why)]
}

fn pod_status(status: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (at, one) in status["podIPs"].as_array().into_iter().flatten().enumerate() {
        let text = one["ip"].as_str().unwrap_or_default();
        if text.parse::<std::net::IpAddr>().is_err() {
            let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            causes.push(invalid_value(format!("status.podIPs[{at}]"), &json!(text), why));
        }
    }
    causes
}
