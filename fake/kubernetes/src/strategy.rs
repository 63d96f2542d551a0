//! What each kind does to an object before it is stored: defaults, fields a writer cannot set, generations.

use serde_json::{Value, json};

use crate::clock;
use crate::kinds::Kind;
use crate::schema;
use crate::world::type_of;

/// Kinds that count their specifications. Custom resources do too.
pub(crate) fn has_generation(kind: &Kind) -> bool {
    let plural = kind.plural.as_str();
    kind.custom.is_some()
        || match kind.group.as_str() {
            "" => matches!(plural, "pods" | "replicationcontrollers"),
            "apps" => plural != "controllerrevisions",
            "batch" | "policy" | "apiextensions.k8s.io" => true,
            "networking.k8s.io" => matches!(plural, "ingresses" | "networkpolicies"),
            _ => false,
        }
}

/// Fields that this endpoint does not let anybody write.
pub(crate) fn reset(kind: &Kind, subresource: &str) -> &'static [&'static str] {
    match subresource {
        "status" => &["spec"],
        _ if kind.subresource("status").is_some() && kind.plural != "nodes" => &["status"],
        _ => &[],
    }
}

/// Defaults of the types and those that depend on other fields.
pub(crate) fn defaults(kind: &Kind, object: &mut Value) {
    schema::default(&type_of(kind), object);
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "namespaces") => {
            let name = object["metadata"]["name"].clone();
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
        }
        ("", "secrets") => {
            let texts = object.as_object_mut().and_then(|map| map.remove("stringData"));
            for (name, value) in texts.as_ref().and_then(Value::as_object).into_iter().flatten() {
                use base64::Engine as _;
                let text = value.as_str().unwrap_or_default();
                object["data"][name] = json!(base64::engine::general_purpose::STANDARD.encode(text));
            }
        }
        ("", "pods") => {
            pod_spec(&mut object["spec"]);
            if object["spec"]["enableServiceLinks"].is_null() {
                object["spec"]["enableServiceLinks"] = json!(true);
            }
        }
        ("apps", "deployments") => {
            let strategy = &mut object["spec"]["strategy"];
            if strategy["type"] == "RollingUpdate" {
                for name in ["maxUnavailable", "maxSurge"] {
                    if strategy["rollingUpdate"][name].is_null() {
                        strategy["rollingUpdate"][name] = json!("25%");
                    }
                }
            }
            pod_spec(&mut object["spec"]["template"]["spec"]);
        }
        ("apps", _) if object["spec"]["template"].is_object() => pod_spec(&mut object["spec"]["template"]["spec"]),
        ("batch", "jobs") => {
            let spec = &mut object["spec"];
            if spec["completions"].is_null() && spec["parallelism"].is_null() {
                spec["completions"] = json!(1);
            }
            if spec["parallelism"].is_null() {
                spec["parallelism"] = json!(1);
            }
            if spec["backoffLimit"].is_null() {
                spec["backoffLimit"] = json!(if spec["backoffLimitPerIndex"].is_null() { 6 } else { i32::MAX });
            }
            if spec["podReplacementPolicy"].is_null() {
                spec["podReplacementPolicy"] = json!("TerminatingOrFailed");
            }
            pod_spec(&mut spec["template"]["spec"]);
            let labels = object["spec"]["template"]["metadata"]["labels"].clone();
            if object["metadata"]["labels"].is_null() && labels.is_object() {
                object["metadata"]["labels"] = labels;
            }
        }
        ("batch", "cronjobs") => {
            let job = &mut object["spec"]["jobTemplate"]["spec"];
            // The template becomes a job only later, and gets the defaults of one then.
            if let Some(map) = job.as_object_mut() {
                map.retain(|name, _| !matches!(name.as_str(), "manualSelector" | "completionMode" | "suspend"));
            }
            pod_spec(&mut job["template"]["spec"]);
        }
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            for subject in object["subjects"].as_array_mut().into_iter().flatten() {
                if subject["apiGroup"].is_null() && matches!(subject["kind"].as_str(), Some("User" | "Group")) {
                    subject["apiGroup"] = json!("rbac.authorization.k8s.io");
                }
            }
        }
        ("apiextensions.k8s.io", _) => {
            let names = &mut object["spec"]["names"];
            if names["singular"].is_null() {
                names["singular"] = json!(names["kind"].as_str().unwrap_or_default().to_lowercase());
            }
            if names["listKind"].is_null() {
                names["listKind"] = json!(format!("{}List", names["kind"].as_str().unwrap_or_default()));
            }
        }
        _ => {}
    }
}

fn pod_spec(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    if let Some(account) = spec["serviceAccountName"].as_str().map(str::to_owned) {
        spec["serviceAccount"] = json!(account);
    } else if let Some(account) = spec["serviceAccount"].as_str().map(str::to_owned) {
        spec["serviceAccountName"] = json!(account);
    }
    let host_network = spec["hostNetwork"] == true;
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            if container["imagePullPolicy"].is_null() {
                let image = container["image"].as_str().unwrap_or_default();
                let name = image.rsplit('/').next().unwrap_or_default();
                let latest = !image.contains('@') && (!name.contains(':') || name.ends_with(":latest"));
                container["imagePullPolicy"] = json!(if latest { "Always" } else { "IfNotPresent" });
            }
            if let Some(limits) = container["resources"]["limits"].as_object().cloned() {
                for (name, value) in limits {
                    if container["resources"]["requests"][&name].is_null() {
                        container["resources"]["requests"][&name] = value;
                    }
                }
            }
            for port in container["ports"].as_array_mut().into_iter().flatten() {
                if host_network && port["hostPort"].is_null() {
                    port["hostPort"] = port["containerPort"].clone();
                }
            }
        }
    }
    for (volume, field) in spec["volumes"].as_array_mut().into_iter().flatten().flat_map(sources) {
        if volume["defaultMode"].is_null() && matches!(field, "projected" | "configMap" | "secret" | "downwardAPI") {
            volume["defaultMode"] = json!(420);
        }
    }
}

fn sources(volume: &mut Value) -> impl Iterator<Item = (&mut Value, &'static str)> {
    const NAMES: [&str; 4] = ["projected", "configMap", "secret", "downwardAPI"];
    let found = NAMES.into_iter().find(|name| volume.get(*name).is_some());
    found.and_then(|name| volume.get_mut(name).map(|source| (source, name))).into_iter()
}

/// Completes an object that is created: what only the server sets, what the kind adds.
pub(crate) fn prepare_create(kind: &Kind, object: &mut Value) {
    if has_generation(kind) {
        object["metadata"]["generation"] = json!(1);
    }
    if !reset(kind, "").is_empty()
        && let Some(map) = object.as_object_mut()
    {
        map.remove("status");
    }
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "pods") => pod(object),
        ("", "namespaces") => {
            object["spec"] = json!({ "finalizers": ["kubernetes"] });
            object["status"] = json!({ "phase": "Active" });
        }
        ("batch", "jobs") => job(object),
        ("apiextensions.k8s.io", _) => {
            object["status"] = json!({ "storedVersions": [] });
            let versions = object["spec"]["versions"].as_array().into_iter().flatten();
            let stored: Vec<Value> =
                versions.filter(|one| one["storage"] == true).map(|one| one["name"].clone()).collect();
            object["status"]["storedVersions"] = json!(stored);
        }
        _ => {}
    }
    if kind.custom.is_none() {
        schema::normalise(&type_of(kind), object);
    }
}

fn job(object: &mut Value) {
    if object["spec"]["manualSelector"] == true {
        return;
    }
    let uid = object["metadata"]["uid"].clone();
    let name = object["metadata"]["name"].clone();
    object["spec"]["selector"] = json!({ "matchLabels": { "batch.kubernetes.io/controller-uid": uid } });
    // Labels that were taken from the template are the same map in the real server, so what is added to one is in both.
    let shared = object["metadata"]["labels"] == object["spec"]["template"]["metadata"]["labels"];
    let labels = &mut object["spec"]["template"]["metadata"]["labels"];
    for (label, value) in [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("job-name", &name),
    ] {
        labels[label] = value.clone();
    }
    if shared {
        object["metadata"]["labels"] = object["spec"]["template"]["metadata"]["labels"].clone();
    }
}

/// What admission adds to a pod: the service account with its token volume, tolerations, priority.
fn pod(object: &mut Value) {
    object["status"] = json!({ "phase": "Pending", "qosClass": quality(&object["spec"]) });
    let spec = &mut object["spec"];
    if spec["serviceAccountName"].is_null() {
        spec["serviceAccountName"] = json!("default");
        spec["serviceAccount"] = json!("default");
    }
    if spec["automountServiceAccountToken"] != false {
        token_volume(spec);
    }
    let mut tolerations = spec["tolerations"].as_array().cloned().unwrap_or_default();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let has = |one: &Value| one["effect"] == "NoExecute" && (one["key"] == key || one["key"].is_null());
        if !tolerations.iter().any(has) {
            let rest = json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 });
            tolerations.push(rest);
        }
    }
    spec["tolerations"] = json!(tolerations);
    for (name, value) in [("priority", json!(0)), ("preemptionPolicy", json!("PreemptLowerPriority"))] {
        if spec[name].is_null() {
            spec[name] = value;
        }
    }
}

fn token_volume(spec: &mut Value) {
    const PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
    let name = format!("kube-api-access-{}", clock::suffix());
    let mut used = false;
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            let mounts = container["volumeMounts"].as_array().cloned().unwrap_or_default();
            if !mounts.iter().any(|one| one["mountPath"] == PATH) {
                let mount = json!({ "name": name, "readOnly": true, "mountPath": PATH });
                container["volumeMounts"] = mounts.into_iter().chain([mount]).collect();
                used = true;
            }
        }
    }
    if used {
        let volume = json!({ "name": name, "projected": { "defaultMode": 420, "sources": [
            { "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } },
            { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
            { "downwardAPI": { "items": [
                { "path": "namespace", "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } },
            ] } },
        ] } });
        let volumes = spec["volumes"].as_array().cloned().unwrap_or_default();
        spec["volumes"] = volumes.into_iter().chain([volume]).collect();
    }
}

/// The quality of service that requests and limits amount to.
fn quality(spec: &Value) -> &'static str {
    let containers: Vec<&Value> = ["initContainers", "containers"]
        .iter()
        .flat_map(|list| spec[*list].as_array().into_iter().flatten())
        .map(|one| &one["resources"])
        .collect();
    let counts =
        |one: &&Value, field: &str| ["cpu", "memory"].iter().filter(|name| !one[field][**name].is_null()).count();
    if containers.iter().all(|one| counts(one, "limits") + counts(one, "requests") == 0) {
        "BestEffort"
    } else if containers.iter().all(|one| counts(one, "limits") == 2 && one["limits"] == one["requests"]) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

/// Takes back what this endpoint does not let anybody change, and counts the generation.
pub(crate) fn prepare_update(kind: &Kind, subresource: &str, old: &Value, new: &mut Value) {
    let copy = |new: &mut Value, field: &str| match old.get(field) {
        Some(value) => new[field] = value.clone(),
        None => {
            if let Some(map) = new.as_object_mut() {
                map.remove(field);
            }
        }
    };
    for field in reset(kind, subresource) {
        copy(new, field);
    }
    if subresource == "status" {
        if kind.custom.is_some() {
            let managed = new["metadata"]["managedFields"].clone();
            new["metadata"] = old["metadata"].clone();
            new["metadata"]["managedFields"] = managed;
            let fields: Vec<String> = new.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
            for field in
                fields.iter().filter(|one| !matches!(one.as_str(), "metadata" | "status" | "kind" | "apiVersion"))
            {
                copy(new, field);
            }
        } else if !matches!(kind.plural.as_str(), "nodes" | "pods") {
            new["metadata"]["labels"] = old["metadata"]["labels"].clone();
        }
    }
    if kind.plural == "nodes" && subresource.is_empty() {
        copy(new, "status");
    }
    let metadata = &mut new["metadata"];
    for field in ["generation", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        match old["metadata"].get(field) {
            Some(value) => metadata[field] = value.clone(),
            None => {
                if let Some(map) = metadata.as_object_mut() {
                    map.remove(field);
                }
            }
        }
    }
    // A deployment counts its annotations too.
    let notes = kind.is("deployments.apps") && old["metadata"]["annotations"] != new["metadata"]["annotations"];
    let changed =
        notes || if kind.custom.is_some() { content(old) != content(new) } else { old["spec"] != new["spec"] };
    if changed && has_generation(kind) && subresource != "status" {
        let generation = old["metadata"]["generation"].as_u64().unwrap_or(0) + 1;
        new["metadata"]["generation"] = json!(generation);
    }
    if let Some(metadata) = new["metadata"].as_object_mut() {
        metadata.retain(|_, value| !value.is_null());
    }
}

fn content(object: &Value) -> Value {
    let mut copy = object.clone();
    if let Some(map) = copy.as_object_mut() {
        map.retain(|name, _| !matches!(name.as_str(), "metadata" | "status" | "kind" | "apiVersion"));
    }
    copy
}
