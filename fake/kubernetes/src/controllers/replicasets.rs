//! ReplicaSets: as many pods as asked for.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Queue, events, text};
use crate::clock;
use crate::delete::Deletion;
use crate::store::Key;
use crate::world::World;
use crate::write::{self, Options};

pub(super) const STORAGE: &str = "replicasets.apps";

/// A pod as an owner with a template makes it.
pub(super) fn make_pod(world: &mut World, owner: &Value, finalizer: Option<&str>) -> Result<Arc<Value>, String> {
    let kind = world.storage_kind("pods").ok_or("pods are not served")?;
    let template = &owner["spec"]["template"];
    let mut metadata = json!({
        "generateName": format!("{}-", text(owner, "/metadata/name")),
        "ownerReferences": [{
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "controller": true,
            "blockOwnerDeletion": true,
        }],
    });
    for field in ["labels", "annotations"] {
        if let Some(map) = template["metadata"].get(field) {
            metadata[field] = map.clone();
        }
    }
    if let Some(finalizer) = finalizer {
        metadata["finalizers"] = json!([finalizer]);
    }
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"] });
    let mut options = Options::of("kube-controller-manager", "");
    let pod = write::decode(&kind, pod, &mut options).map_err(|failure| failure.message)?;
    world.create(&kind, text(owner, "/metadata/namespace"), pod, &options).map_err(|failure| failure.message)
}

pub(super) fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

/// The pods of an owner, in the order of their names.
pub(super) fn pods_of(world: &World, owner: &Value) -> Vec<Arc<Value>> {
    let keys = world.store.owned_by(text(owner, "/metadata/uid"));
    keys.iter().filter(|key| &*key.storage == "pods").filter_map(|key| world.store.get(key).cloned()).collect()
}

/// How soon pods that were refused are tried again; doubled each time.
const AGAIN: Duration = Duration::from_millis(250);

pub(super) fn reconcile(world: &mut World, queue: &mut Queue, key: &Key) {
    let Some(set) = world.store.get(key).cloned() else { return };
    let pods = pods_of(world, &set);
    let leaving = |pod: &&Arc<Value>| pod["metadata"].get("deletionTimestamp").is_some();
    let over = |pod: &&Arc<Value>| matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
    let active: Vec<Arc<Value>> = pods.iter().filter(|pod| !leaving(pod) && !over(pod)).cloned().collect();
    let terminating = pods.iter().filter(|pod| leaving(pod) && !over(pod)).count();
    let wanted = usize::try_from(set["spec"]["replicas"].as_u64().unwrap_or(0)).unwrap_or(0);
    let mut failure = None;
    if set["metadata"].get("deletionTimestamp").is_none() {
        if active.len() < wanted {
            for _ in active.len()..wanted {
                match make_pod(world, &set, None) {
                    Ok(pod) => {
                        let message = format!("Created pod: {}", text(&pod, "/metadata/name"));
                        events::tell(world, "replicaset-controller", &set, "Normal", "SuccessfulCreate", &message);
                    }
                    Err(why) => {
                        let message = format!("Error creating: {why}");
                        events::tell(world, "replicaset-controller", &set, "Warning", "FailedCreate", &message);
                        let tries = world.tries.entry(key.clone()).or_default();
                        queue.after(AGAIN * 2_u32.pow((*tries).min(9)), key);
                        *tries += 1;
                        failure = Some(why);
                        break;
                    }
                }
            }
        } else {
            remove(world, &set, &active, active.len() - wanted);
        }
    }
    let count = |check: &dyn Fn(&Value) -> bool| active.iter().filter(|pod| check(pod)).count();
    let ready = count(&is_ready);
    let labels = set["spec"]["template"]["metadata"]["labels"].as_object();
    let labelled =
        count(&|pod| labels.into_iter().flatten().all(|(name, value)| pod["metadata"]["labels"][name] == *value));
    let Some(kind) = world.storage_kind(STORAGE) else { return };
    let mut options = Options::of("kube-controller-manager", "status");
    let _ = world.patch(&kind, &key.namespace, &key.name, &mut options, |set| {
        let generation = set["metadata"]["generation"].clone();
        let before = set["status"]["conditions"].clone();
        set["status"] = json!({
            "replicas": active.len(),
            "fullyLabeledReplicas": labelled,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "terminatingReplicas": terminating,
            "observedGeneration": generation,
        });
        if let Some(why) = failure {
            let known = before[0]["lastTransitionTime"].as_str().map(str::to_owned);
            set["status"]["conditions"] = json!([{
                "type": "ReplicaFailure",
                "status": "True",
                "lastTransitionTime": known.unwrap_or_else(|| clock::time(clock::now())),
                "reason": "FailedCreate",
                "message": why,
            }]);
        }
        Ok(())
    });
}

/// Deletes the pods that serve least: those without a node, those that are not ready, the youngest.
fn remove(world: &mut World, set: &Value, active: &[Arc<Value>], count: usize) {
    let mut order: Vec<&Arc<Value>> = active.iter().collect();
    order.sort_by_key(|pod| {
        let age = std::cmp::Reverse(text(pod, "/metadata/creationTimestamp").to_owned());
        (!text(pod, "/spec/nodeName").is_empty(), is_ready(pod), age)
    });
    let Some(kind) = world.storage_kind("pods") else { return };
    for pod in order.into_iter().take(count) {
        let name = text(pod, "/metadata/name");
        if world.delete(&kind, text(pod, "/metadata/namespace"), name, &Deletion::default()).is_ok() {
            let message = format!("Deleted pod: {name}");
            events::tell(world, "replicaset-controller", set, "Normal", "SuccessfulDelete", &message);
        }
    }
}
