//! `cordon`, `uncordon` and `drain`.

use std::sync::Arc;

use ensue_connect::kubernetes::Ask;
use serde_json::{Value, json};

use super::kubelet;
use crate::cluster::{Kit, with, with_faults};

/// A node of the test's own, and its path.
async fn node(kit: &Kit) -> (String, String) {
    let name = kit.namespace.clone();
    kit.create("/api/v1/nodes", json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name } })).await;
    (name.clone(), format!("/api/v1/nodes/{name}"))
}

async fn remove(kit: &Kit, node: &str) {
    kit.cluster.send(Ask::delete(node, &Value::Null)).await.unwrap();
}

/// A pod that runs there, of a controller or of none.
async fn pod(kit: &Arc<Kit>, name: &str, node: &str, owner: Option<&str>) {
    let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "labels": { "app": "web" } },
        "spec": { "nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [{ "name": "app", "image": "i" }] } });
    if let Some(kind) = owner {
        // Any object will do: the reference is what counts.
        let of = kit
            .create(
                &kit.at("configmaps"),
                json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("of-{name}") } }),
            )
            .await;
        let version = if kind == "ConfigMap" { "v1" } else { "apps/v1" };
        pod["metadata"]["ownerReferences"] = json!([{ "apiVersion": version, "kind": kind, "controller": true,
            "name": of["metadata"]["name"], "uid": of["metadata"]["uid"] }]);
    }
    kit.create(&kit.at("pods"), pod).await;
    kit.until(&format!("{}/{name}", kit.at("pods")), |pod| pod["status"]["phase"] == "Running").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_closed_and_opened() {
    with("a_node_is_closed", |kit| async move {
        let (name, path) = node(&kit).await;
        let with = json!({ "node": name });
        assert_eq!(kit.ok(1, "cordon", with.clone()).await["changed"], true);
        assert_eq!(kit.get(&path).await["spec"]["unschedulable"], true);
        assert_eq!(kit.ok(2, "cordon", with.clone()).await["changed"], false);
        assert_eq!(kit.ok(3, "uncordon", with).await["changed"], true);
        assert!(kit.get(&path).await["spec"]["unschedulable"].is_null());
        remove(&kit, &path).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_is_honoured() {
    with("a_budget_is_honoured", |kit| async move {
        let _kubelet = kubelet(&kit);
        let (name, path) = node(&kit).await;
        pod(&kit, "web", &name, Some("ConfigMap")).await;
        let budget = json!({ "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "web" },
            "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": "web" } } } });
        let budgets = format!("/apis/policy/v1/namespaces/{}/poddisruptionbudgets", kit.namespace);
        kit.create(&budgets, budget).await;
        kit.until(&format!("{budgets}/web"), |one| one["status"]["currentHealthy"] == 1).await;
        let drain = || kit.effect(1, "drain", json!({ "node": name, "gracePeriod": "0s" }));
        let failure = drain().timeout(3).err().await;
        assert_eq!((failure.name.as_str(), failure.retryable), ("Timeout", false));
        let said = "The disruption budget web needs 1 healthy pods and has 1 currently";
        assert!(failure.message.contains(said), "{}", failure.message);
        assert_eq!(kit.get(&path).await["spec"]["unschedulable"], true, "it stays cordoned");
        assert!(kit.is_there(&format!("{}/web", kit.at("pods"))).await);
        kit.delete(&format!("{budgets}/web")).await;
        let outputs = drain().ok().await;
        assert_eq!(outputs["evicted"], json!([format!("{}/web", kit.namespace)]));
        assert!(!kit.is_there(&format!("{}/web", kit.at("pods"))).await);
        remove(&kit, &path).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_is_not_counted_yet_is_asked_again_when_it_says() {
    with_faults("a_budget_that_is_not_counted", |kit| async move {
        let _kubelet = kubelet(&kit);
        let (name, _) = node(&kit).await;
        pod(&kit, "web", &name, Some("ConfigMap")).await;
        kit.fake().controllers(false);
        let budget = json!({ "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "web" },
            "spec": { "maxUnavailable": 1, "selector": { "matchLabels": { "app": "web" } } } });
        kit.create(&format!("/apis/policy/v1/namespaces/{}/poddisruptionbudgets", kit.namespace), budget).await;
        let drain = kit.effect(1, "drain", json!({ "node": name, "gracePeriod": "0s" })).timeout(4);
        let failure = drain.err().await;
        let said = "The disruption budget web is still being processed by the server.";
        assert!(failure.message.contains(said), "{}", failure.message);
        // It asks to come back in ten seconds.
        let asked = kit.fake().requests().iter().filter(|seen| seen.path.ends_with("/eviction")).count();
        assert_eq!(asked, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_makes_anew_is_named_and_not_deleted() {
    with("what_nobody_makes_anew", |kit| async move {
        let _kubelet = kubelet(&kit);
        let (name, path) = node(&kit).await;
        pod(&kit, "alone", &name, None).await;
        pod(&kit, "web", &name, Some("ConfigMap")).await;
        let failure = kit.err(1, "drain", json!({ "node": name, "gracePeriod": "0s" })).await;
        let said = format!(
            "Node {name} is cordoned and not drained: {}/alone has no controller that makes it anew; `force: true` deletes it",
            kit.namespace
        );
        assert_eq!(failure.message, said);
        assert!(kit.is_there(&format!("{}/web", kit.at("pods"))).await, "nothing is evicted");
        let with = json!({ "node": name, "gracePeriod": "0s", "force": true });
        let outputs = kit.ok(2, "drain", with).await;
        assert_eq!(outputs["evicted"].as_array().unwrap().len(), 2);
        remove(&kit, &path).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_of_daemon_sets_stay() {
    with_faults("pods_of_daemon_sets_stay", |kit| async move {
        let _kubelet = kubelet(&kit);
        let (name, _) = node(&kit).await;
        // There is no such set: a garbage collector would take the pod.
        kit.fake().controllers(false);
        pod(&kit, "agent", &name, Some("DaemonSet")).await;
        let outputs = kit.ok(1, "drain", json!({ "node": name, "gracePeriod": "0s" })).await;
        assert_eq!(outputs, json!({ "evicted": [], "left": [format!("{}/agent", kit.namespace)] }));
    })
    .await;
}
