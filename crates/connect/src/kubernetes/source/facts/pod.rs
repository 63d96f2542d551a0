//! Facts about pods.

use serde_json::Value;

use super::super::clean::{at, list, number, text};
use super::{Fact, copy, said, turned};

/// Why a container waits whose image cannot be had.
const PULL: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
];

pub(super) fn facts(old: &Value, new: &Value) -> Vec<Fact> {
    let mut facts = Vec::new();
    for kind in ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"] {
        for now in list(new, &["status", kind]) {
            let name = text(now, &["name"]);
            let before = list(old, &["status", kind]).iter().find(|one| text(one, &["name"]) == name);
            container(new, before.unwrap_or(&Value::Null), now, &mut facts);
        }
    }
    if let Some(scheduled) = turned(old, new, "PodScheduled", "False")
        && text(scheduled, &["reason"]) == "Unschedulable"
    {
        let id = format!("unschedulable:{}", text(scheduled, &["lastTransitionTime"]));
        facts.push(Fact::new("pod.unschedulable", id, [("message", said(scheduled, &["message"]))]));
    }
    evicted(old, new, &mut facts);
    facts
}

fn waits(status: &Value) -> &str {
    text(status, &["state", "waiting", "reason"])
}

fn container(new: &Value, before: &Value, now: &Value, facts: &mut Vec<Fact>) {
    let name = text(now, &["name"]);
    let restarts = |status: &Value| number(status, &["restartCount"]).unwrap_or(0);
    let count = restarts(now);
    let last = |field: &str| copy(now, &["lastState", "terminated", field]);
    if waits(now) == "CrashLoopBackOff" && (waits(before) != "CrashLoopBackOff" || restarts(before) != count) {
        let message = match last("message") {
            Value::Null => said(now, &["state", "waiting", "message"]),
            message => message,
        };
        let data = [
            ("container", name.into()),
            ("restarts", count.into()),
            ("exitCode", last("exitCode")),
            ("reason", last("reason")),
            ("message", message),
            ("image", said(now, &["image"])),
        ];
        facts.push(Fact::new("pod.crash-loop", format!("crash-loop:{name}:{count}"), data));
    }
    for state in ["state", "lastState"] {
        let end = |status: &Value| text(status, &[state, "terminated", "finishedAt"]).to_owned();
        let known = ["state", "lastState"].into_iter().any(|state| {
            let ended = at(before, &[state, "terminated"]);
            ended.is_some_and(|ended| ended.get("reason") == Some(&"OOMKilled".into()))
                && text(before, &[state, "terminated", "finishedAt"]) == end(now)
                && same_container(before, now, state)
        });
        if text(now, &[state, "terminated", "reason"]) == "OOMKilled" && !known {
            let data = [
                ("container", name.into()),
                ("restarts", count.into()),
                ("exitCode", copy(now, &[state, "terminated", "exitCode"])),
                ("finishedAt", said(now, &[state, "terminated", "finishedAt"])),
                ("image", said(now, &["image"])),
            ];
            facts.push(Fact::new("pod.oom-killed", format!("oom-killed:{name}:{}", end(now)), data));
        }
    }
    if PULL.contains(&waits(now)) && !PULL.contains(&waits(before)) {
        let image = text(now, &["image"]);
        let data = [
            ("container", name.into()),
            ("image", image.into()),
            ("reason", waits(now).into()),
            ("message", said(now, &["state", "waiting", "message"])),
        ];
        // A pull that succeeded in between was followed by a restart.
        facts.push(Fact::new("pod.image-pull-failed", format!("image-pull-failed:{name}:{count}:{image}"), data));
    }
    let ready = |status: &Value| status.get("ready") == Some(&Value::Bool(true));
    let runs = |status: &Value| at(status, &["state", "running"]).is_some();
    let leaves = at(new, &["metadata", "deletionTimestamp"]).is_some();
    if ready(before) && !ready(now) && runs(before) && runs(now) && restarts(before) == count && !leaves {
        let since = super::condition(new, "ContainersReady").map_or("", |one| text(one, &["lastTransitionTime"]));
        let data = [("container", name.into()), ("image", said(now, &["image"]))];
        facts.push(Fact::new("pod.probe-failing", format!("probe-failing:{name}:{count}:{since}"), data));
    }
}

/// Whether an end in the version before is the one that is told now, where both say of which container.
fn same_container(before: &Value, now: &Value, state: &str) -> bool {
    let id = |status: &Value, state: &str| text(status, &[state, "terminated", "containerID"]).to_owned();
    let told = id(now, state);
    told.is_empty() || ["state", "lastState"].into_iter().any(|state| id(before, state) == told)
}

fn evicted(old: &Value, new: &Value, facts: &mut Vec<Fact>) {
    let by_kubelet = |object: &Value| {
        text(object, &["status", "phase"]) == "Failed" && text(object, &["status", "reason"]) == "Evicted"
    };
    let target = turned(old, new, "DisruptionTarget", "True");
    let told = super::holds(old, "DisruptionTarget") == "True" || by_kubelet(old);
    let (reason, message) = match target {
        _ if told => return,
        _ if by_kubelet(new) => ("Evicted".into(), said(new, &["status", "message"])),
        Some(target) => (said(target, &["reason"]), said(target, &["message"])),
        None => return,
    };
    let data = [("reason", reason), ("message", message), ("node", said(new, &["spec", "nodeName"]))];
    facts.push(Fact::new("pod.evicted", "evicted", data));
}
