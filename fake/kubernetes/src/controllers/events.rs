//! Events as the controllers (core/v1, with count and times) and the scheduler (events.k8s.io/v1, with `eventTime` and no
//! count) write them.

use serde_json::{Value, json};

use super::text;
use crate::clock;
use crate::world::World;
use crate::write::{self, Options};

/// The end of an event's name: the time in nanoseconds, as recorders write it.
fn name(of: &Value) -> String {
    format!("{}.{:x}", text(of, "/metadata/name"), clock::now().as_nanos())
}

fn reference(of: &Value) -> Value {
    json!({
        "kind": of["kind"],
        "namespace": of["metadata"]["namespace"],
        "name": of["metadata"]["name"],
        "uid": of["metadata"]["uid"],
        "apiVersion": of["apiVersion"],
        "resourceVersion": of["metadata"]["resourceVersion"],
    })
}

/// A controller tells what it did with an object; the same again raises the count.
pub(super) fn tell(world: &mut World, component: &str, of: &Value, kind: &str, reason: &str, message: &str) {
    let Some(resource) = world.kind("", "v1", "events") else { return };
    let namespace = match text(of, "/metadata/namespace") {
        "" => "default",
        namespace => namespace,
    };
    let mut about = reference(of);
    if of["kind"] == "Node" {
        about["resourceVersion"] = Value::Null;
    }
    let now = clock::time(clock::now());
    let same = world.store.list("events", Some(namespace)).find(|event| {
        event["involvedObject"]["uid"] == about["uid"]
            && event["reason"] == reason
            && event["message"] == message
            && event["source"]["component"] == component
    });
    if let Some(same) = same.map(|event| text(event, "/metadata/name").to_owned()) {
        let mut options = Options::of("kube-controller-manager", "");
        let _ = world.patch(&resource, namespace, &same, &mut options, |event| {
            event["count"] = json!(event["count"].as_u64().unwrap_or(1) + 1);
            event["lastTimestamp"] = json!(now);
            Ok(())
        });
        return;
    }
    let event = json!({
        "metadata": { "name": name(of), "namespace": namespace },
        "involvedObject": about,
        "reason": reason,
        "message": message,
        "source": { "component": component },
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "type": kind,
        "eventTime": null,
        "reportingComponent": component,
        "reportingInstance": "",
    });
    let mut options = Options::of("kube-controller-manager", "");
    if let Ok(event) = write::decode(&resource, event, &mut options) {
        let _ = world.create(&resource, namespace, event, &options);
    }
}

/// The scheduler tells where a pod went, or why it went nowhere.
pub(super) fn scheduled(world: &mut World, pod: &Value, kind: &str, reason: &str, action: &str, note: &str) {
    let Some(resource) = world.kind("events.k8s.io", "v1", "events") else { return };
    let namespace = text(pod, "/metadata/namespace");
    let event = json!({
        "metadata": { "name": name(pod), "namespace": namespace },
        "eventTime": clock::micro_time(clock::now()),
        "reportingController": "default-scheduler",
        "reportingInstance": "default-scheduler-host",
        "action": action,
        "reason": reason,
        "regarding": reference(pod),
        "note": note,
        "type": kind,
    });
    let mut options = Options::of("kube-scheduler", "");
    if let Ok(event) = write::decode(&resource, event, &mut options) {
        let _ = world.create(&resource, namespace, event, &options);
    }
}
