//! The facts in what a real cluster did.

use std::collections::BTreeMap;

use ensue_connect::kubernetes::source::facts::{ALL, facts};
use serde_json::{Value, json};

use crate::recorded;

/// The facts of a recorded watch, in order: `name: fact id`, and their data.
fn seen(test: &str, file: &str) -> Option<Vec<(String, Value)>> {
    let exchange = recorded::exchange(&recorded::folder(test)?.join(file));
    let (mut known, mut out) = (BTreeMap::<String, Value>::new(), Vec::new());
    for line in exchange["response"]["lines"].as_array().unwrap() {
        let object = &line["event"]["object"];
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        match line["event"]["type"].as_str().unwrap() {
            "ADDED" | "MODIFIED" => {
                for fact in facts(known.get(&uid), object) {
                    let name = object["metadata"]["name"].as_str().unwrap();
                    out.push((format!("{name}: {}", fact.name), Value::Object(fact.data)));
                }
                known.insert(uid, object.clone());
            }
            "DELETED" => drop(known.remove(&uid)),
            _ => {}
        }
    }
    Some(out)
}

fn names(seen: &[(String, Value)]) -> Vec<&str> {
    seen.iter().map(|(name, _)| name.as_str()).collect()
}

fn data<'v>(seen: &'v [(String, Value)], name: &str) -> Vec<&'v Value> {
    seen.iter().filter(|(known, _)| known == name).map(|(_, data)| data).collect()
}

#[test]
fn a_life_of_a_deployment() {
    let Some(seen) = seen("a_life_of_a_deployment", "deployment/00-watch-deployments.json") else { return };
    let rolled: Vec<i64> =
        data(&seen, "web: deployment.rolled-out").iter().map(|data| data["revision"].as_i64().unwrap()).collect();
    // Create, image, undo, undo to a revision, two restarts, an image while paused; scaling up and down is no rollout.
    assert_eq!(rolled, [1, 2, 3, 4, 5, 6, 7], "{:?}", names(&seen));
    let images: Vec<(&str, &str)> = data(&seen, "web: deployment.image-changed")
        .iter()
        .map(|data| (data["previous"].as_str().unwrap(), data["image"].as_str().unwrap()))
        .collect();
    let image = |tag: u8| format!("registry.example.com/web:{tag}");
    let expected: Vec<(String, String)> =
        [(1, 2), (2, 1), (1, 2), (2, 3)].map(|(from, to)| (image(from), image(to))).to_vec();
    let images: Vec<(String, String)> = images.into_iter().map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
    assert_eq!(images, expected);
    assert_eq!(data(&seen, "web: deployment.rolled-out")[0]["images"], json!(["registry.example.com/web:1"]));
}

#[test]
fn a_rollout_that_stalls_and_is_undone() {
    let Some(seen) = seen("a_rollout_that_stalls_and_is_undone", "deployment-deadline/00-watch-deployments.json")
    else {
        return;
    };
    assert_eq!(
        names(&seen),
        [
            "slow: deployment.rolled-out",
            "slow: deployment.available",
            "slow: deployment.image-changed",
            "slow: deployment.stalled",
            "slow: deployment.image-changed",
            "slow: deployment.rolled-out"
        ]
    );
    let stalled = data(&seen, "slow: deployment.stalled")[0];
    assert_eq!((&stalled["revision"], &stalled["available"]), (&json!(2), &json!(true)));
}

#[test]
fn pods_that_fail_in_every_way() {
    let Some(seen) = seen("pods_that_fail_in_every_way", "pod-status/00-watch-pods.json") else { return };
    assert_eq!(
        names(&seen),
        [
            "crash: pod.crash-loop",
            "crash: pod.crash-loop",
            "oom: pod.oom-killed",
            "oom: pod.crash-loop",
            "imgpull: pod.image-pull-failed",
            "evicted: pod.evicted",
            "unready: pod.probe-failing",
        ]
    );
    let restarts: Vec<&Value> = data(&seen, "crash: pod.crash-loop").iter().map(|data| &data["restarts"]).collect();
    assert_eq!(restarts, [&json!(1), &json!(5)]);
    assert_eq!(data(&seen, "crash: pod.crash-loop")[1]["message"], "panic: no config");
    assert_eq!(data(&seen, "oom: pod.oom-killed")[0]["exitCode"], 137);
    assert_eq!(data(&seen, "evicted: pod.evicted")[0]["reason"], "Evicted");
}

#[test]
fn a_node_that_is_lost_and_jobs_that_end() {
    let Some(lost) = seen("a_node_that_is_lost_and_jobs_that_end", "node/06-watch-node-lost.json") else { return };
    assert!(
        lost.iter().any(|(name, data)| name.ends_with("node.not-ready") && data["status"] == "Unknown"),
        "{lost:?}"
    );
    let jobs = seen("a_node_that_is_lost_and_jobs_that_end", "job/00-watch-jobs.json").unwrap();
    let ended = |name: &str| jobs.iter().filter(|(known, _)| known.ends_with(name)).count();
    assert!(ended("job.completed") >= 1 && ended("job.failed") >= 2, "{:?}", names(&jobs));
    let reasons: Vec<&Value> =
        jobs.iter().filter(|(name, _)| name.ends_with("job.failed")).map(|(_, data)| &data["reason"]).collect();
    assert!(reasons.contains(&&json!("DeadlineExceeded")), "{reasons:?}");
}

/// Facts of one change, from snippets of objects.
fn of(old: &Value, new: &Value) -> Vec<&'static str> {
    facts(Some(old), new).into_iter().map(|fact| fact.name).collect()
}

#[test]
fn what_recordings_do_not_hold() {
    let pod = |conditions: Value| json!({"apiVersion": "v1", "kind": "Pod", "status": {"conditions": conditions}});
    let condition =
        |name: &str, status: &str, reason: &str| json!([{"type": name, "status": status, "reason": reason}]);
    let pending = pod(json!([]));
    assert_eq!(of(&pending, &pod(condition("PodScheduled", "False", "Unschedulable"))), ["pod.unschedulable"]);
    assert_eq!(of(&pending, &pod(condition("PodScheduled", "False", "SchedulingGated"))), [""; 0]);
    let target = pod(condition("DisruptionTarget", "True", "EvictionByEvictionAPI"));
    assert_eq!(of(&pending, &target), ["pod.evicted"]);
    assert_eq!(of(&target, &target), [""; 0]);
    let budget = |allowed: i64, observed: i64| {
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"generation": 1},
            "status": {"disruptionsAllowed": allowed, "expectedPods": 3, "observedGeneration": observed}})
    };
    assert_eq!(of(&budget(1, 1), &budget(0, 1)), ["poddisruptionbudget.blocked"]);
    assert_eq!(of(&budget(0, 1), &budget(0, 1)), [""; 0]);
    assert_eq!(of(&budget(0, 0), &budget(1, 1)), [""; 0]);
    let node = |status: &str| json!({"apiVersion": "v1", "kind": "Node", "status": {"conditions": [{"type": "Ready", "status": status}]}});
    assert_eq!(of(&node("True"), &node("False")), ["node.not-ready"]);
    assert_eq!(of(&node("False"), &node("Unknown")), [""; 0]);
    assert_eq!(facts(None, &node("False")), []);
}

#[test]
fn every_fact_is_in_the_reference_once() {
    let mut names: Vec<&str> = ALL.iter().map(|one| one.name).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
    assert!(ALL.iter().all(|one| !one.when.is_empty() && one.when.ends_with('.')));
}
