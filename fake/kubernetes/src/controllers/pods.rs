//! The scheduler, and a stand-in for the kubelets: pods get a node, then a status; deleted pods go.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::{Queue, events, text};
use crate::clock;
use crate::delete::Deletion;
use crate::store::Key;
use crate::world::{Mode, World};
use crate::write::Options;

pub(super) fn reconcile(world: &mut World, queue: &mut Queue, key: &Key) {
    let Some(pod) = world.store.get(key).cloned() else {
        world.pods.remove(key);
        return;
    };
    if text(&pod, "/spec/nodeName").is_empty() {
        if pod["metadata"].get("deletionTimestamp").is_none() {
            schedule(world, key, &pod);
        }
        return;
    }
    run(world, queue, key, &pod);
}

fn schedule(world: &mut World, key: &Key, pod: &Value) {
    let nodes: Vec<_> = world.store.list("nodes", None).cloned().collect();
    let (mut unwilling, mut cordoned) = (0, 0);
    let mut chosen = None;
    for node in &nodes {
        let labels = &node["metadata"]["labels"];
        let fits =
            pod["spec"]["nodeSelector"].as_object().into_iter().flatten().all(|(name, value)| labels[name] == *value);
        if node["spec"]["unschedulable"] == true {
            cordoned += 1;
        } else if !fits {
            unwilling += 1;
        } else if chosen.is_none() {
            chosen = Some(text(node, "/metadata/name").to_owned());
        }
    }
    let (namespace, name) = (key.namespace.as_str(), key.name.as_str());
    if let Some(node) = chosen {
        if world.bind(namespace, name, &json!({ "target": { "name": node } })).is_ok() {
            let note = format!("Successfully assigned {namespace}/{name} to {node}");
            events::scheduled(world, pod, "Normal", "Scheduled", "Binding", &note);
        }
        return;
    }
    let told = pod["status"]["conditions"].as_array().into_iter().flatten().any(|one| one["reason"] == "Unschedulable");
    if told {
        return;
    }
    let total = nodes.len();
    let mut why = Vec::new();
    if unwilling > 0 {
        why.push(format!("{unwilling} node(s) didn't match Pod's node affinity/selector"));
    }
    if cordoned > 0 {
        why.push(format!("{cordoned} node(s) were unschedulable"));
    }
    let message = format!(
        "0/{total} nodes are available: {}. no new claims to deallocate, preemption: 0/{total} nodes are available: {total} \
         Preemption is not helpful for scheduling.",
        why.join(", ")
    );
    events::scheduled(world, pod, "Warning", "FailedScheduling", "Scheduling", &message);
    let Some(kind) = world.storage_kind("pods") else { return };
    let mut options = Options::of("kube-scheduler", "status");
    let _ = world.patch(&kind, namespace, name, &mut options, |pod| {
        let mut conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.retain(|one| one["type"] != "PodScheduled");
        conditions.push(json!({
            "type": "PodScheduled",
            "observedGeneration": pod["metadata"]["generation"],
            "status": "False",
            "lastProbeTime": null,
            "lastTransitionTime": clock::time(clock::now()),
            "reason": "Unschedulable",
            "message": message,
        }));
        pod["status"]["conditions"] = json!(conditions);
        Ok(())
    });
}

/// What the label `kubelet` of a pod, or the pod itself, asks for.
fn wish(pod: &Value) -> &str {
    match text(pod, "/metadata/labels/kubelet") {
        "" if text(pod, "/spec/containers/0/image").ends_with(":bad") => "pull-error",
        "auto" if text(pod, "/spec/containers/0/image").ends_with(":bad") => "pull-error",
        "" if text(pod, "/spec/restartPolicy") != "Always" => "complete",
        "" => "auto",
        wish => wish,
    }
}

fn run(world: &mut World, queue: &mut Queue, key: &Key, pod: &Value) {
    if world.lost.contains(text(pod, "/spec/nodeName")) {
        return;
    }
    let mode = world.settings.kubelet;
    let wish = wish(pod);
    let now = clock::now();
    let due = |world: &mut World, queue: &mut Queue, phase: &str| {
        let step = world.step;
        let (waited, since) = world.pods.get(key).cloned().unwrap_or_default();
        if waited != phase {
            world.pods.insert(key.clone(), (phase.to_owned(), now));
            queue.after(step, key);
            return false;
        }
        if now < since + step {
            queue.after(since + step - now, key);
            return false;
        }
        true
    };
    if pod["metadata"].get("deletionTimestamp").is_some() {
        if mode == Mode::Off || wish == "manual" && mode == Mode::Auto || !due(world, queue, "deleted") {
            return;
        }
        if pod["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty()) {
            return;
        }
        if let Some(kind) = world.storage_kind("pods") {
            let deletion = Deletion { grace: Some(0), ..Deletion::default() };
            let _ = world.delete(&kind, &key.namespace, &key.name, &deletion);
        }
        return;
    }
    if mode != Mode::Auto || wish == "manual" {
        return;
    }
    let pulled = !pod["status"]["containerStatuses"].is_null();
    match (text(pod, "/status/phase"), wish) {
        ("Pending", "pull-error") if pulled => {}
        ("Pending", _) if due(world, queue, "start") => {
            report(world, key, if wish == "pull-error" { "pull-error" } else { "running" });
        }
        ("Running", "complete" | "fail") if due(world, queue, "end") => report(world, key, wish),
        _ => {}
    }
}

static ADDRESS: AtomicU64 = AtomicU64::new(2);

/// Writes the status of a pod as a kubelet does, by strategic merge.
fn report(world: &mut World, key: &Key, what: &str) {
    let Some(kind) = world.storage_kind("pods") else { return };
    let mut options = Options::of("kubelet", "status");
    let of = crate::world::type_of(&kind);
    let _ = world.patch(&kind, &key.namespace, &key.name, &mut options, |pod| {
        let change = status(pod, what);
        crate::patch::strategic(&of, pod, &json!({ "status": change }));
        // A kubelet lists its own conditions before that of the scheduler.
        if let Some(list) = pod["status"]["conditions"].as_array_mut() {
            let order = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];
            list.sort_by_key(|one| order.iter().position(|name| one["type"] == *name).unwrap_or(order.len()));
        }
        Ok(())
    });
}

fn status(pod: &Value, what: &str) -> Value {
    let now = clock::time(clock::now());
    let names: Vec<&str> =
        pod["spec"]["containers"].as_array().into_iter().flatten().filter_map(|one| one["name"].as_str()).collect();
    let unready = format!("containers with unready status: [{}]", names.join(" "));
    let condition = |kind: &str, status: bool, reason: &str, message: &str| {
        let mut one = json!({ "type": kind, "status": if status { "True" } else { "False" }, "lastProbeTime": null, "lastTransitionTime": now });
        for (name, value) in [("reason", reason), ("message", message)] {
            // Strategic merge keeps what is not named.
            one[name] = if value.is_empty() { Value::Null } else { json!(value) };
        }
        one
    };
    let (phase, ready, reason, message, initialized) = match what {
        "running" => ("Running", true, "", "", ""),
        "complete" => ("Succeeded", false, "PodCompleted", "", "PodCompleted"),
        "fail" => ("Failed", false, "PodFailed", "", ""),
        _ => ("Pending", false, "ContainersNotReady", unready.as_str(), ""),
    };
    let sandbox = matches!(what, "running" | "pull-error");
    let number = ADDRESS.fetch_add(1, Ordering::Relaxed);
    let known = text(pod, "/status/podIP");
    let address =
        if known.is_empty() { format!("10.244.{}.{}", number / 250 % 250, number % 250 + 2) } else { known.to_owned() };
    let started =
        pod.pointer("/status/containerStatuses/0/state/running/startedAt").cloned().unwrap_or_else(|| json!(now));
    let statuses: Vec<Value> = pod["spec"]["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|container| {
            let id = format!("{number:064x}");
            let runtime = format!("containerd://{id}");
            let state = match what {
                "running" => json!({ "running": { "startedAt": now } }),
                "complete" | "fail" => json!({ "terminated": {
                    "exitCode": i32::from(what == "fail"),
                    "reason": if what == "fail" { "Error" } else { "Completed" },
                    "startedAt": started,
                    "finishedAt": now,
                    "containerID": runtime,
                } }),
                _ => json!({ "waiting": {
                    "reason": "ErrImagePull",
                    "message": "rpc error: code = NotFound desc = failed to pull and unpack image: not found",
                } }),
            };
            let mut status = json!({
                "name": container["name"],
                "state": state,
                "lastState": {},
                "ready": ready,
                "restartCount": 0,
                "image": container["image"],
                "imageID": if what == "pull-error" { String::new() } else { format!("sha256:{id}") },
                "started": ready,
            });
            if what != "pull-error" {
                status["containerID"] = json!(runtime);
            }
            status
        })
        .collect();
    json!({
        "phase": phase,
        "conditions": [
            condition("PodReadyToStartContainers", sandbox, "", ""),
            condition("Initialized", true, initialized, ""),
            condition("Ready", ready, reason, message),
            condition("ContainersReady", ready, reason, message),
        ],
        "hostIP": "10.1.0.1",
        "hostIPs": [{ "ip": "10.1.0.1" }],
        "podIP": address,
        "podIPs": [{ "ip": address }],
        "startTime": pod["status"]["startTime"].as_str().unwrap_or(&now),
        "containerStatuses": statuses,
    })
}
