//! Nodes: what is noted on a new one, the taint of a cordon, and what becomes of one whose kubelet is silent.

use serde_json::{Value, json};

use super::{events, replicasets, text};
use crate::clock;
use crate::store::Key;
use crate::world::World;
use crate::write::Options;

const CORDONED: &str = "node.kubernetes.io/unschedulable";

/// A node that takes no pods has a taint that says so.
pub(super) fn reconcile(world: &mut World, key: &Key) {
    let Some(node) = world.store.get(key).cloned() else { return };
    label_node(world, key, &node);
    if world.lost.contains(&key.name) {
        lose(world, key, &node);
        return;
    }
    let cordoned = node["spec"]["unschedulable"] == true;
    let mut taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    if taints.iter().any(|one| one["key"] == CORDONED) == cordoned {
        return;
    }
    if cordoned {
        taints.push(json!({ "key": CORDONED, "effect": "NoSchedule", "timeAdded": clock::time(clock::now()) }));
    } else {
        taints.retain(|one| one["key"] != CORDONED);
    }
    patch(world, key, "", |node| node["spec"]["taints"] = json!(taints));
}

/// What the controllers note on a new node.
fn label_node(world: &mut World, key: &Key, node: &Value) {
    const TTL: &str = "node.alpha.kubernetes.io/ttl";
    if node["metadata"]["annotations"].get(TTL).is_some() {
        return;
    }
    patch(world, key, "", |node| {
        let metadata = &mut node["metadata"];
        metadata["annotations"][TTL] = json!("0");
        for name in ["arch", "os"] {
            if let Some(value) = metadata["labels"].get(format!("kubernetes.io/{name}")).cloned() {
                metadata["labels"][format!("beta.kubernetes.io/{name}")] = value;
            }
        }
    });
}

const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

/// One step of giving a silent node up: its conditions are unknown, its pods not ready, then it is tainted twice.
fn lose(world: &mut World, key: &Key, node: &Value) {
    let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
    if conditions.iter().any(|one| one["status"] != "Unknown") {
        patch(world, key, "status", |node| {
            for one in node["status"]["conditions"].as_array_mut().into_iter().flatten() {
                one["status"] = json!("Unknown");
                one["reason"] = json!("NodeStatusUnknown");
                one["message"] = json!("Kubelet stopped posting node status.");
                one["lastTransitionTime"] = json!(clock::time(clock::now()));
            }
        });
        let message = format!("Node {} status is now: NodeNotReady", key.name);
        events::tell(world, "node-controller", node, "Normal", "NodeNotReady", &message);
        unready(world, &key.name);
        return;
    }
    let taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    let missing = ["NoSchedule", "NoExecute"]
        .into_iter()
        .find(|effect| !taints.iter().any(|one| one["key"] == UNREACHABLE && one["effect"] == *effect));
    if let Some(effect) = missing {
        patch(world, key, "", |node| {
            let mut taints = taints;
            taints.push(json!({ "key": UNREACHABLE, "effect": effect, "timeAdded": clock::time(clock::now()) }));
            node["spec"]["taints"] = json!(taints);
        });
    }
}

fn unready(world: &mut World, node: &str) {
    let Some(kind) = world.storage_kind("pods") else { return };
    let here = |pod: &&std::sync::Arc<Value>| text(pod, "/spec/nodeName") == node && replicasets::is_ready(pod);
    let pods: Vec<_> = world.store.list("pods", None).filter(here).cloned().collect();
    for pod in pods {
        let mut options = Options::of("kube-controller-manager", "status");
        let (namespace, name) = (text(&pod, "/metadata/namespace"), text(&pod, "/metadata/name"));
        let _ = world.patch(&kind, namespace, name, &mut options, |pod| {
            for one in pod["status"]["conditions"].as_array_mut().into_iter().flatten() {
                if one["type"] == "Ready" {
                    one["status"] = json!("False");
                    one["lastTransitionTime"] = json!(clock::time(clock::now()));
                }
            }
            Ok(())
        });
    }
}

fn patch(world: &mut World, key: &Key, subresource: &str, change: impl FnOnce(&mut Value)) {
    let Some(kind) = world.storage_kind("nodes") else { return };
    let mut options = Options::of("kube-controller-manager", subresource);
    let _ = world.patch(&kind, "", &key.name, &mut options, |node| {
        change(node);
        Ok(())
    });
}

/// The kubelet of a node speaks again: the node is ready, without taints, and so are its running pods.
pub(crate) fn find(world: &mut World, name: &str) {
    let fresh = crate::world::node(name);
    let key = Key { storage: "nodes".into(), namespace: String::new(), name: name.to_owned() };
    let Some(kind) = world.storage_kind("nodes") else { return };
    let mut options = Options::of("kubelet", "status");
    let _ = world.patch(&kind, "", name, &mut options, |node| {
        node["status"]["conditions"] = fresh["status"]["conditions"].clone();
        Ok(())
    });
    patch(world, &key, "", |node| {
        if let Some(taints) = node["spec"]["taints"].as_array_mut() {
            taints.retain(|one| one["key"] != UNREACHABLE);
        }
    });
    let Some(kind) = world.storage_kind("pods") else { return };
    let here =
        |pod: &&std::sync::Arc<Value>| text(pod, "/spec/nodeName") == name && text(pod, "/status/phase") == "Running";
    let pods: Vec<_> = world.store.list("pods", None).filter(here).cloned().collect();
    for pod in pods {
        let mut options = Options::of("kubelet", "status");
        let _ =
            world.patch(&kind, text(&pod, "/metadata/namespace"), text(&pod, "/metadata/name"), &mut options, |pod| {
                for one in pod["status"]["conditions"].as_array_mut().into_iter().flatten() {
                    if one["type"] == "Ready" && one["status"] != "True" {
                        one["status"] = json!("True");
                        one["lastTransitionTime"] = json!(clock::time(clock::now()));
                    }
                }
                Ok(())
            });
    }
}
