//! Facts: what two versions of an object say together, as events of types of their own.
//!
//! Pure functions from the version that was known and the one that came. A fact's id names what it says (which revision,
//! which restart), not the version of the object in which it was seen: the same fact, found again after a crash or from
//! other versions, is the same event.

mod deployment;
mod node;
mod pod;
mod work;

use serde_json::{Map, Value};

use super::clean::{list, text};

/// What events of a type mean: a line of the reference.
#[derive(Clone, Copy, Debug)]
pub struct Meaning {
    /// The type, without `io.k8s.`.
    pub name: &'static str,
    /// When exactly there is one.
    pub when: &'static str,
    /// What its data has beside what all facts have.
    pub data: &'static str,
}

/// All facts, in the order of the reference.
pub const ALL: &[Meaning] = &[
    Meaning {
        name: "deployment.rolled-out",
        when: "A rollout is complete: the controller has seen the newest generation, all replicas are of the newest revision and available, and none of an older one is left (what `kubectl rollout status` waits for). One for each revision; scaling is no rollout.",
        data: "`revision`, `images`, `replicas`",
    },
    Meaning {
        name: "deployment.image-changed",
        when: "The image of a container of the pod template is another one. One for each container; nothing is rolled out yet.",
        data: "`container`, `image`, `previous`, `images`, `generation`",
    },
    Meaning {
        name: "deployment.stalled",
        when: "The condition Progressing turns to False with ProgressDeadlineExceeded: a rollout makes no progress within `progressDeadlineSeconds`. The old replicas may be available all the while (Available stays True).",
        data: "`revision`, `images`, `message`, `available`",
    },
    Meaning {
        name: "deployment.available",
        when: "The condition Available turns to True: as many replicas are available as the strategy asks for.",
        data: "`revision`, `replicas`",
    },
    Meaning {
        name: "pod.crash-loop",
        when: "A container waits with CrashLoopBackOff, and did not before or has been restarted since: one for each count of restarts that was seen.",
        data: "`container`, `restarts`, `exitCode`, `reason`, `message`, `image`",
    },
    Meaning {
        name: "pod.oom-killed",
        when: "A container ended with OOMKilled: in its state or in its last state, one for each end.",
        data: "`container`, `restarts`, `exitCode`, `finishedAt`, `image`",
    },
    Meaning {
        name: "pod.image-pull-failed",
        when: "A container waits with ErrImagePull, ImagePullBackOff, InvalidImageName, ErrImageNeverPull, ImageInspectError or RegistryUnavailable, and waited with none of them before.",
        data: "`container`, `image`, `reason`, `message`",
    },
    Meaning {
        name: "pod.unschedulable",
        when: "The condition PodScheduled turns to False with Unschedulable: no node takes the pod.",
        data: "`message`",
    },
    Meaning {
        name: "pod.probe-failing",
        when: "A container that was ready is not any more, while it runs on without a restart and the pod is not being deleted: its readiness probe fails. What failed stands in the Event `io.k8s.event.Unhealthy`, which also tells of other probes.",
        data: "`container`, `image`",
    },
    Meaning {
        name: "pod.evicted",
        when: "The pod is removed by something other than its owner: phase Failed with reason Evicted (the kubelet, for want of memory or disk), or the condition DisruptionTarget turns to True (`EvictionByEvictionAPI`, `DeletionByTaintManager`, `PreemptionByScheduler`, `TerminationByKubelet`, `DeletionByPodGC`). One for each pod.",
        data: "`reason`, `message`, `node`",
    },
    Meaning {
        name: "node.not-ready",
        when: "The condition Ready turns from True to False (the kubelet says so) or Unknown (it says nothing any more).",
        data: "`node`, `status`, `reason`, `message`",
    },
    Meaning {
        name: "job.completed",
        when: "The condition Complete turns to True.",
        data: "`job`, `succeeded`, `failed`",
    },
    Meaning {
        name: "job.failed",
        when: "The condition Failed turns to True: the back-off limit or the deadline is exceeded, or its policy says so.",
        data: "`job`, `reason`, `message`, `succeeded`, `failed`",
    },
    Meaning {
        name: "poddisruptionbudget.blocked",
        when: "`disruptionsAllowed` turns to 0 while pods are covered: none of them may be evicted now, so that a drain waits.",
        data: "`currentHealthy`, `desiredHealthy`, `expectedPods`, `reason`",
    },
];

/// A fact.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// Its type, without `io.k8s.`.
    pub name: &'static str,
    /// What tells it from other facts of its type about the same object.
    pub id: String,
    /// Its own data.
    pub data: Map<String, Value>,
}

impl Fact {
    fn new<const N: usize>(name: &'static str, id: impl Into<String>, data: [(&str, Value); N]) -> Fact {
        debug_assert!(ALL.iter().any(|known| known.name == name));
        let data = data.into_iter().filter(|(_, value)| !value.is_null());
        let data = data.map(|(name, value)| (name.to_owned(), value)).collect();
        Fact { name, id: id.into(), data }
    }
}

/// The facts of a change: from nothing where the object is new, to the version that came.
#[must_use]
pub fn facts(old: Option<&Value>, new: &Value) -> Vec<Fact> {
    let nothing = Value::Null;
    let old = old.unwrap_or(&nothing);
    let group = text(new, &["apiVersion"]).split_once('/').map_or("", |(group, _)| group);
    match (group, text(new, &["kind"])) {
        ("apps", "Deployment") => deployment::facts(old, new),
        ("", "Pod") => pod::facts(old, new),
        ("", "Node") => node::facts(old, new),
        ("batch", "Job") => work::job(old, new),
        ("policy", "PodDisruptionBudget") => work::budget(old, new),
        _ => Vec::new(),
    }
}

/// A condition of an object.
fn condition<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    list(object, &["status", "conditions"]).iter().find(|one| text(one, &["type"]) == name)
}

/// The status of a condition; empty where there is none.
fn holds<'v>(object: &'v Value, name: &str) -> &'v str {
    condition(object, name).map_or("", |one| text(one, &["status"]))
}

/// A condition that has this status now and had not.
fn turned<'v>(old: &Value, new: &'v Value, name: &str, status: &str) -> Option<&'v Value> {
    let now = condition(new, name).filter(|one| text(one, &["status"]) == status)?;
    (holds(old, name) != status).then_some(now)
}

/// A text as JSON; null where it is empty.
fn said(value: &Value, path: &[&str]) -> Value {
    match text(value, path) {
        "" => Value::Null,
        text => text.into(),
    }
}

/// A value as it is; null where there is none.
fn copy(value: &Value, path: &[&str]) -> Value {
    super::clean::at(value, path).cloned().unwrap_or_default()
}

/// The page of the reference.
#[must_use]
pub fn reference() -> String {
    let mut out = String::from(REFERENCE);
    for one in ALL {
        let (name, when, data) = (one.name, one.when, one.data);
        out.push_str(&format!("| `io.k8s.{name}` | {when} | {data} |\n"));
    }
    out
}

/// What stands before the table of facts.
const REFERENCE: &str = include_str!("reference.md");
