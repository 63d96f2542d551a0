//! PodDisruptionBudgets: how many pods are healthy, and how many may go.

use serde_json::{Value, json};

use super::{replicasets, text};
use crate::clock;
use crate::selector;
use crate::store::Key;
use crate::world::World;
use crate::write::Options;

pub(super) const STORAGE: &str = "poddisruptionbudgets.policy";

/// The budgets that a pod belongs to.
pub(super) fn of_pod(world: &World, pod: &Value) -> Vec<Key> {
    let namespace = text(pod, "/metadata/namespace");
    let labels = &pod["metadata"]["labels"];
    let budgets = world.store.list(STORAGE, Some(namespace));
    budgets
        .filter(|budget| selector::selects(&budget["spec"]["selector"], labels))
        .map(|budget| Key {
            storage: STORAGE.into(),
            namespace: namespace.to_owned(),
            name: text(budget, "/metadata/name").to_owned(),
        })
        .collect()
}

/// A number or a share of the expected pods, rounded up.
fn share(value: &Value, of: i64) -> i64 {
    match value.as_str().and_then(|text| text.strip_suffix('%')).and_then(|text| text.parse::<i64>().ok()) {
        Some(percent) => (of * percent + 99) / 100,
        None => value.as_i64().unwrap_or(0),
    }
}

pub(super) fn reconcile(world: &mut World, key: &Key) {
    let Some(budget) = world.store.get(key).cloned() else { return };
    let pods: Vec<_> = world
        .store
        .list("pods", Some(&key.namespace))
        .filter(|pod| selector::selects(&budget["spec"]["selector"], &pod["metadata"]["labels"]))
        .filter(|pod| !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed"))
        .cloned()
        .collect();
    let disrupted = &budget["status"]["disruptedPods"];
    let there: Vec<_> = pods.iter().filter(|pod| pod["metadata"].get("deletionTimestamp").is_none()).collect();
    let still: serde_json::Map<String, Value> = disrupted
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| there.iter().any(|pod| text(pod, "/metadata/name") == name.as_str()))
        .map(|(name, time)| (name.clone(), time.clone()))
        .collect();
    let count = |number: usize| i64::try_from(number).unwrap_or(0);
    let healthy = count(
        there
            .iter()
            .filter(|pod| replicasets::is_ready(pod) && !still.contains_key(text(pod, "/metadata/name")))
            .count(),
    );
    let counted = count(pods.len());
    let expected = wanted(world, &pods).filter(|_| !budget["spec"]["minAvailable"].is_i64()).unwrap_or(counted);
    let desired = match budget["spec"].get("maxUnavailable") {
        Some(most) => (expected - share(most, expected)).max(0),
        None => share(&budget["spec"]["minAvailable"], expected),
    };
    let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
    let Some(kind) = world.storage_kind(STORAGE) else { return };
    let mut options = Options::of("kube-controller-manager", "status");
    let _ = world.patch(&kind, &key.namespace, &key.name, &mut options, |budget| {
        let generation = budget["metadata"]["generation"].clone();
        let (value, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
        let before = budget["status"]["conditions"][0].clone();
        let since = if before["status"] == value {
            before["lastTransitionTime"].clone()
        } else {
            json!(clock::time(clock::now()))
        };
        budget["status"] = json!({
            "observedGeneration": generation,
            "disruptionsAllowed": allowed,
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
            "conditions": [{
                "type": "DisruptionAllowed",
                "status": value,
                "observedGeneration": generation,
                "lastTransitionTime": since,
                "reason": reason,
                "message": "",
            }],
        });
        if !still.is_empty() {
            budget["status"]["disruptedPods"] = json!(still);
        }
        Ok(())
    });
}

/// What the controllers of the pods want to have.
fn wanted(world: &World, pods: &[std::sync::Arc<Value>]) -> Option<i64> {
    let mut owners = std::collections::BTreeSet::new();
    for pod in pods {
        owners.extend(super::garbage::owners(world, pod));
    }
    let sets: Vec<i64> = owners.iter().filter_map(|key| world.store.get(key)?["spec"]["replicas"].as_i64()).collect();
    (!sets.is_empty()).then(|| sets.iter().sum())
}
