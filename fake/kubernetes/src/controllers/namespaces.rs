//! Namespaces: what each one gets, and how it ends.

use std::time::Duration;

use serde_json::json;

use super::Queue;
use crate::clock;
use crate::delete::Deletion;
use crate::store::Key;
use crate::world::World;
use crate::write::Options;

const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such \
as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

pub(super) fn reconcile(world: &mut World, queue: &mut Queue, key: &Key) {
    let Some(namespace) = world.store.get(key).cloned() else { return };
    let name = key.name.as_str();
    if namespace["metadata"].get("deletionTimestamp").is_some() {
        end(world, queue, key);
        return;
    }
    provide(world, name);
}

/// Makes what each namespace has: a service account and the certificate of the server.
pub(crate) fn provide(world: &mut World, name: &str) {
    if world.get("serviceaccounts", name, "default").is_none()
        && let Some(kind) = world.storage_kind("serviceaccounts")
    {
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "default" } });
        let _ = world.create(&kind, name, account, &Options::of("kube-controller-manager", ""));
    }
    if world.get("configmaps", name, "kube-root-ca.crt").is_none()
        && let Some(kind) = world.storage_kind("configmaps")
    {
        let bundle = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": "kube-root-ca.crt", "annotations": { "kubernetes.io/description": DESCRIPTION } },
            "data": { "ca.crt": "<certificate of a server without TLS>" },
        });
        let _ = world.create(&kind, name, bundle, &Options::of("kube-controller-manager", ""));
    }
}

/// Deletes what is in the namespace; when nothing is left, the namespace.
fn end(world: &mut World, queue: &mut Queue, key: &Key) {
    let within = world.store.within(&key.name);
    for one in &within {
        let Some(kind) = world.storage_kind(&one.storage) else { continue };
        let deletion = Deletion { policy: "Background".to_owned(), ..Deletion::default() };
        let _ = world.delete(&kind, &one.namespace, &one.name, &deletion);
    }
    let left = world.store.within(&key.name);
    let told = world.store.get(key).is_some_and(|one| one["status"]["conditions"].is_array());
    if !left.is_empty() || told {
        conditions(world, key, &left);
    }
    if left.is_empty() {
        world.store.remove(key.clone());
        return;
    }
    queue.after(Duration::from_millis(200), key);
}

/// Says what is still there.
fn conditions(world: &mut World, key: &Key, left: &[Key]) {
    let Some(kind) = world.storage_kind("namespaces") else { return };
    let mut remaining: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    let mut held: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for one in left {
        let resource = one.storage.to_string();
        *remaining.entry(if resource.contains('.') { resource } else { format!("{resource}.") }).or_default() += 1;
        let object = world.store.get(one);
        for finalizer in object.and_then(|object| object["metadata"]["finalizers"].as_array()).into_iter().flatten() {
            *held.entry(finalizer.as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
    }
    let told = |map: &std::collections::BTreeMap<String, usize>, has: &str| {
        map.iter()
            .map(|(name, count)| format!("{name} {has} {count} resource instances"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let content = format!("Some resources are remaining: {}", told(&remaining, "has"));
    let finalizers = format!("Some content in the namespace has finalizers remaining: {}", told(&held, "in"));
    let now = clock::time(clock::now());
    let row = |kind: &str, status: &str, reason: &str, message: &str| json!({ "type": kind, "status": status, "lastTransitionTime": now, "reason": reason, "message": message });
    let kept = if held.is_empty() {
        row(
            "NamespaceFinalizersRemaining",
            "False",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        )
    } else {
        row("NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain", &finalizers)
    };
    let mut list = vec![
        row(
            "NamespaceDeletionDiscoveryFailure",
            "False",
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        row(
            "NamespaceDeletionGroupVersionParsingFailure",
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        row(
            "NamespaceDeletionContentFailure",
            "False",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        if left.is_empty() {
            row("NamespaceContentRemaining", "False", "ContentRemoved", "All content successfully removed")
        } else {
            row("NamespaceContentRemaining", "True", "SomeResourcesRemain", &content)
        },
        kept,
    ];
    let mut options = Options::of("kube-controller-manager", "status");
    let _ = world.patch(&kind, "", &key.name, &mut options, |namespace| {
        for one in &mut list {
            let same = namespace["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|old| old["type"] == one["type"] && old["status"] == one["status"]);
            if let Some(old) = same {
                one["lastTransitionTime"] = old["lastTransitionTime"].clone();
            }
        }
        namespace["status"]["conditions"] = json!(list);
        Ok(())
    });
}
