//! What is served: groups, versions, resources, in both forms of discovery; `/version` and health.

use serde_json::{Value, json};

use crate::kinds::{Kind, Subresource};
use crate::world::World;

/// The named groups, in the order in which the server tells them.
fn groups(world: &World) -> Vec<&str> {
    let mut groups: Vec<&str> = Vec::new();
    for kind in world.kinds().filter(|kind| !kind.group.is_empty()) {
        if !groups.contains(&kind.group.as_str()) {
            groups.push(&kind.group);
        }
    }
    groups
}

fn versions<'a>(world: &'a World, group: &str) -> Vec<&'a str> {
    let mut versions: Vec<&str> = Vec::new();
    for kind in world.kinds().filter(|kind| kind.group == group) {
        if !versions.contains(&kind.version.as_str()) {
            versions.push(&kind.version);
        }
    }
    versions
}

/// GET /version.
pub(crate) fn version() -> Value {
    json!({
        "major": "1",
        "minor": "36",
        "emulationMajor": "1",
        "emulationMinor": "36",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35",
        "gitVersion": "v1.36.2",
        "gitCommit": "98b35193b2ac7a23a673325f5e9b830ecd5ba406",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "go1.27.3",
        "compiler": "gc",
        "platform": "linux/amd64",
    })
}

/// GET /api.
pub(crate) fn api(address: &str) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": address }],
    })
}

/// GET /apis.
pub(crate) fn apis(world: &World) -> Value {
    let list: Vec<Value> = groups(world).into_iter().map(|group| api_group(world, group, false)).collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": list })
}

/// One group, alone with its type.
pub(crate) fn api_group(world: &World, group: &str, alone: bool) -> Value {
    let versions: Vec<Value> = versions(world, group)
        .into_iter()
        .map(|version| json!({ "groupVersion": format!("{group}/{version}"), "version": version }))
        .collect();
    let mut answer = json!({ "name": group, "versions": versions, "preferredVersion": versions.first() });
    if alone {
        answer["kind"] = json!("APIGroup");
        answer["apiVersion"] = json!("v1");
    }
    answer
}

fn split(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// GET of a group and version: its resources.
pub(crate) fn resources(world: &World, group: &str, version: &str) -> Value {
    let mut list = Vec::new();
    for kind in world.kinds().filter(|kind| kind.group == group && kind.version == version) {
        if !kind.verbs.is_empty() {
            let mut one = json!({
                "name": kind.plural,
                "singularName": kind.singular,
                "namespaced": kind.namespaced,
                "kind": kind.kind,
                "verbs": kind.verbs,
            });
            for (name, values) in [("shortNames", &kind.short_names), ("categories", &kind.categories)] {
                if !values.is_empty() {
                    one[name] = json!(values);
                }
            }
            if !kind.hash.is_empty() {
                one["storageVersionHash"] = json!(kind.hash);
            }
            list.push(one);
        }
        list.extend(kind.subresources.iter().map(|sub| {
            let mut one = json!({
                "name": format!("{}/{}", kind.plural, sub.name),
                "singularName": "",
                "namespaced": kind.namespaced,
                "kind": sub.kind,
                "verbs": sub.verbs,
            });
            if !sub.api_version.is_empty() {
                let (group, version) = split(&sub.api_version);
                if !group.is_empty() {
                    one["group"] = json!(group);
                }
                one["version"] = json!(version);
            }
            one
        }));
    }
    let mut answer = json!({ "kind": "APIResourceList", "resources": list });
    answer["groupVersion"] = json!(if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") });
    if !group.is_empty() {
        answer["apiVersion"] = json!("v1");
    }
    answer
}

/// The aggregated form of `/api` (`core`) or `/apis`.
pub(crate) fn aggregated(world: &World, core: bool) -> Value {
    let groups = if core { vec![""] } else { groups(world) };
    let items: Vec<Value> = groups
        .into_iter()
        .map(|group| {
            let versions: Vec<Value> = versions(world, group)
                .into_iter()
                .map(|version| {
                    let kinds = world.kinds().filter(|kind| kind.group == group && kind.version == version);
                    let resources: Vec<Value> = kinds.map(|kind| aggregated_resource(kind)).collect();
                    json!({ "version": version, "resources": resources, "freshness": "Current" })
                })
                .collect();
            let metadata = if group.is_empty() { json!({}) } else { json!({ "name": group }) };
            json!({ "metadata": metadata, "versions": versions })
        })
        .collect();
    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items })
}

fn response_kind(kind: &Kind, sub: Option<&Subresource>) -> Value {
    let (group, version) = match sub {
        Some(sub) if !sub.api_version.is_empty() => split(&sub.api_version),
        _ if kind.custom.is_some() => (kind.group.as_str(), kind.version.as_str()),
        _ => ("", ""),
    };
    json!({ "group": group, "version": version, "kind": sub.map_or(&kind.kind, |sub| &sub.kind) })
}

fn aggregated_resource(kind: &Kind) -> Value {
    let mut one = json!({
        "resource": kind.plural,
        "responseKind": response_kind(kind, None),
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular,
        "verbs": kind.verbs,
    });
    for (name, values) in [("shortNames", &kind.short_names), ("categories", &kind.categories)] {
        if !values.is_empty() {
            one[name] = json!(values);
        }
    }
    if !kind.subresources.is_empty() {
        let list: Vec<Value> = kind
            .subresources
            .iter()
            .map(|sub| json!({ "subresource": sub.name, "responseKind": response_kind(kind, Some(sub)), "verbs": sub.verbs }))
            .collect();
        one["subresources"] = json!(list);
    }
    one
}
