//! Jobs: pods until enough of them succeeded, too many failed or the time is over.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Queue, events, replicasets, text};
use crate::clock;
use crate::delete::Deletion;
use crate::store::Key;
use crate::world::World;
use crate::write::Options;

const TRACKING: &str = "batch.kubernetes.io/job-tracking";

/// Between a failed pod and the next; ten seconds, doubled each time, in the real controller.
const BACKOFF: Duration = Duration::from_millis(150);

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn has(status: &Value, kind: &str, value: &str) -> bool {
    let list = status["conditions"].as_array().into_iter().flatten();
    list.into_iter().any(|one| one["type"] == kind && one["status"] == value)
}

fn add(status: &mut Value, kind: &str, value: &str, reason: &str, message: &str) {
    let now = clock::time(clock::now());
    let mut list = status["conditions"].as_array().cloned().unwrap_or_default();
    list.retain(|one| one["type"] != kind);
    list.push(json!({
        "type": kind,
        "status": value,
        "lastProbeTime": now,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }));
    status["conditions"] = json!(list);
}

fn patch(world: &mut World, key: &Key, status: Value) {
    let Some(kind) = world.storage_kind(&key.storage) else { return };
    let mut options = Options::of("kube-controller-manager", "status");
    let _ = world.patch(&kind, &key.namespace, &key.name, &mut options, |job| {
        job["status"] = status;
        Ok(())
    });
}

fn tell(world: &mut World, job: &Value, kind: &str, reason: &str, message: &str) {
    events::tell(world, "job-controller", job, kind, reason, message);
}

/// The pods of a job by what became of them.
struct Pods {
    active: Vec<Arc<Value>>,
    terminating: usize,
    /// Ended and not yet counted, with whether they succeeded.
    ended: Vec<(Arc<Value>, bool)>,
}

fn pods(world: &World, job: &Value) -> Pods {
    let mut pods = Pods { active: Vec::new(), terminating: 0, ended: Vec::new() };
    for pod in replicasets::pods_of(world, job) {
        let tracked = pod["metadata"]["finalizers"].as_array().is_some_and(|list| list.contains(&json!(TRACKING)));
        let leaving = pod["metadata"].get("deletionTimestamp").is_some();
        match text(&pod, "/status/phase") {
            "Succeeded" if tracked => pods.ended.push((pod, true)),
            "Failed" if tracked => pods.ended.push((pod, false)),
            "Succeeded" | "Failed" => {}
            _ if leaving => {
                pods.terminating += 1;
                if tracked {
                    pods.ended.push((pod, false));
                }
            }
            _ => pods.active.push(pod),
        }
    }
    pods
}

pub(super) fn reconcile(world: &mut World, queue: &mut Queue, key: &Key) {
    let Some(job) = world.store.get(key).cloned() else { return };
    if job["metadata"].get("deletionTimestamp").is_some() {
        release(world, &replicasets::pods_of(world, &job));
        return;
    }
    let mut status = job["status"].clone();
    if has(&status, "Complete", "True") || has(&status, "Failed", "True") {
        expire(world, queue, key, &job);
        return;
    }
    let found = pods(world, &job);
    let suspended = job["spec"]["suspend"] == true;
    status["terminating"] = json!(found.terminating);
    status["ready"] = json!(found.active.iter().filter(|pod| replicasets::is_ready(pod)).count());
    if !status["uncountedTerminatedPods"].is_object() {
        status["uncountedTerminatedPods"] = json!({});
    }
    if suspended {
        suspend(world, key, &job, status, &found);
        return;
    }
    if has(&status, "Suspended", "True") {
        add(&mut status, "Suspended", "False", "JobResumed", "Job resumed");
        tell(world, &job, "Normal", "Resumed", "Job resumed");
        status["startTime"] = json!(clock::time(clock::now()));
    }
    if status["startTime"].is_null() {
        status["startTime"] = json!(clock::time(clock::now()));
    }
    if !found.ended.is_empty() {
        count(world, key, &job, status, &found);
        return;
    }
    let wanted = job["spec"]["completions"].as_i64();
    let limit = number(&job["spec"]["backoffLimit"]);
    let parallelism = number(&job["spec"]["parallelism"]);
    let (succeeded, failed) = (number(&status["succeeded"]), number(&status["failed"]));
    let enough = wanted.map_or(succeeded > 0 && found.active.is_empty(), |wanted| succeeded >= wanted);
    if enough {
        finish(world, key, &job, status);
    } else if has(&status, "FailureTarget", "True") || failed > limit || overdue(queue, key, &job, &status) {
        fail(world, key, &job, status, &found, failed > limit);
    } else {
        let missing = wanted.map_or(parallelism, |wanted| parallelism.min(wanted - succeeded));
        let active = i64::try_from(found.active.len()).unwrap_or(0);
        if active < missing {
            start(world, queue, key, &job, missing - active, failed);
        }
        let found = pods(world, &job);
        if found.active.is_empty() {
            if let Some(map) = status.as_object_mut() {
                map.remove("active");
            }
        } else {
            status["active"] = json!(found.active.len());
        }
        patch(world, key, status);
    }
}

fn suspend(world: &mut World, key: &Key, job: &Value, mut status: Value, found: &Pods) {
    if !has(&status, "Suspended", "True") {
        add(&mut status, "Suspended", "True", "JobSuspended", "Job suspended");
        tell(world, job, "Normal", "Suspended", "Job suspended");
    }
    if let Some(map) = status.as_object_mut() {
        map.remove("startTime");
        map.remove("active");
    }
    remove(world, job, &found.active);
    patch(world, key, status);
}

fn start(world: &mut World, queue: &mut Queue, key: &Key, job: &Value, count: i64, failed: i64) {
    if failed > 0 {
        // Each failure makes the next try wait.
        let now = clock::now();
        let due = *world.backoff.entry((key.clone(), failed)).or_insert(now + BACKOFF);
        if now < due {
            queue.after(due - now, key);
            return;
        }
    }
    for _ in 0..count {
        match replicasets::make_pod(world, job, Some(TRACKING)) {
            Ok(pod) => {
                let message = format!("Created pod: {}", text(&pod, "/metadata/name"));
                tell(world, job, "Normal", "SuccessfulCreate", &message);
            }
            Err(why) => {
                tell(world, job, "Warning", "FailedCreate", &format!("Error creating: {why}"));
                return;
            }
        }
    }
}

/// Notes pods that ended, lets them go, then counts them.
fn count(world: &mut World, key: &Key, job: &Value, mut status: Value, found: &Pods) {
    let uids = |good: bool| -> Vec<Value> {
        found.ended.iter().filter(|(_, one)| *one == good).map(|(pod, _)| pod["metadata"]["uid"].clone()).collect()
    };
    let (good, bad) = (uids(true), uids(false));
    let mut uncounted = json!({});
    for (name, list) in [("succeeded", &good), ("failed", &bad)] {
        if !list.is_empty() {
            uncounted[name] = json!(list);
        }
    }
    let added = |field: &str, more: &[Value]| number(&status[field]) + i64::try_from(more.len()).unwrap_or(0);
    let (succeeded, failed) = (added("succeeded", &good), added("failed", &bad));
    if let Some(wanted) = job["spec"]["completions"].as_i64()
        && succeeded >= wanted
    {
        let message = "Reached expected number of succeeded pods";
        if !has(&status, "SuccessCriteriaMet", "True") {
            add(&mut status, "SuccessCriteriaMet", "True", "CompletionsReached", message);
        }
    } else if failed > number(&job["spec"]["backoffLimit"]) && !has(&status, "FailureTarget", "True") {
        let message = "Job has reached the specified backoff limit";
        add(&mut status, "FailureTarget", "True", "BackoffLimitExceeded", message);
    }
    if found.active.is_empty() {
        if let Some(map) = status.as_object_mut() {
            map.remove("active");
        }
    } else {
        status["active"] = json!(found.active.len());
    }
    status["uncountedTerminatedPods"] = uncounted;
    patch(world, key, status.clone());
    let ended: Vec<Arc<Value>> = found.ended.iter().map(|(pod, _)| pod.clone()).collect();
    release(world, &ended);
    status["uncountedTerminatedPods"] = json!({});
    for (name, total) in [("succeeded", succeeded), ("failed", failed)] {
        if total > 0 {
            status[name] = json!(total);
        }
    }
    if has(&status, "SuccessCriteriaMet", "True") && found.active.is_empty() {
        finish(world, key, job, status);
    } else if has(&status, "FailureTarget", "True") && found.active.is_empty() && found.terminating == 0 {
        fail(world, key, job, status, found, true);
    } else {
        patch(world, key, status);
    }
}

/// Takes the mark of the job off pods.
fn release(world: &mut World, pods: &[Arc<Value>]) {
    let Some(kind) = world.storage_kind("pods") else { return };
    for pod in pods {
        let mut options = Options::of("kube-controller-manager", "");
        let _ =
            world.patch(&kind, text(pod, "/metadata/namespace"), text(pod, "/metadata/name"), &mut options, |pod| {
                if let Some(list) = pod["metadata"]["finalizers"].as_array_mut() {
                    list.retain(|one| one != TRACKING);
                }
                Ok(())
            });
    }
}

fn finish(world: &mut World, key: &Key, job: &Value, mut status: Value) {
    let message = "Reached expected number of succeeded pods";
    if !has(&status, "SuccessCriteriaMet", "True") {
        add(&mut status, "SuccessCriteriaMet", "True", "CompletionsReached", message);
    }
    add(&mut status, "Complete", "True", "CompletionsReached", message);
    status["completionTime"] = json!(clock::time(clock::now()));
    patch(world, key, status);
    tell(world, job, "Normal", "Completed", "Job completed");
}

/// Whether the deadline is over; looks again when it is.
fn overdue(queue: &mut Queue, key: &Key, job: &Value, status: &Value) -> bool {
    let Some(seconds) = job["spec"]["activeDeadlineSeconds"].as_u64() else { return false };
    let Some(start) = status["startTime"].as_str().and_then(clock::parse) else { return false };
    let (now, end) = (clock::now(), Duration::from_secs(start + seconds));
    if now < end {
        queue.after(end - now + Duration::from_millis(10), key);
    }
    now >= end
}

fn fail(world: &mut World, key: &Key, job: &Value, mut status: Value, found: &Pods, limit: bool) {
    let (reason, message) = if limit || has_reason(&status, "BackoffLimitExceeded") {
        ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
    } else {
        ("DeadlineExceeded", "Job was active longer than specified deadline")
    };
    if !has(&status, "FailureTarget", "True") {
        add(&mut status, "FailureTarget", "True", reason, message);
    }
    if !found.active.is_empty() {
        remove(world, job, &found.active);
        if let Some(map) = status.as_object_mut() {
            map.remove("active");
        }
        patch(world, key, status);
        return;
    }
    if found.terminating > 0 {
        patch(world, key, status);
        return;
    }
    add(&mut status, "Failed", "True", reason, message);
    if let Some(map) = status.as_object_mut() {
        map.remove("active");
    }
    patch(world, key, status);
    tell(world, job, "Warning", reason, message);
}

fn has_reason(status: &Value, reason: &str) -> bool {
    status["conditions"].as_array().into_iter().flatten().any(|one| one["reason"] == reason)
}

fn remove(world: &mut World, job: &Value, pods: &[Arc<Value>]) {
    let Some(kind) = world.storage_kind("pods") else { return };
    for pod in pods {
        let name = text(pod, "/metadata/name");
        if world.delete(&kind, text(pod, "/metadata/namespace"), name, &Deletion::default()).is_ok() {
            tell(world, job, "Normal", "SuccessfulDelete", &format!("Deleted pod: {name}"));
        }
    }
}

/// Deletes a finished job when its time to live is over.
fn expire(world: &mut World, queue: &mut Queue, key: &Key, job: &Value) {
    let Some(seconds) = job["spec"]["ttlSecondsAfterFinished"].as_u64() else { return };
    let done = job["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|one| (one["type"] == "Complete" || one["type"] == "Failed") && one["status"] == "True");
    let Some(done) = done.and_then(|one| one["lastTransitionTime"].as_str()).and_then(clock::parse) else { return };
    let (now, end) = (clock::now(), Duration::from_secs(done + seconds));
    if now < end {
        queue.after(end - now + Duration::from_millis(10), key);
        return;
    }
    if let Some(kind) = world.storage_kind(&key.storage) {
        let deletion = Deletion { policy: "Foreground".to_owned(), ..Deletion::default() };
        let _ = world.delete(&kind, &key.namespace, &key.name, &deletion);
    }
}
