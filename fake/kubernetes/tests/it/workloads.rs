//! What the controllers make of workloads.

use std::time::Duration;

use fake_kubernetes::Server;
use serde_json::{Value, json};

use crate::kit::{call, get, post};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

pub(crate) async fn until(server: &Server, path: &str, done: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for _ in 0..400 {
        last = get(server, path).await.1;
        if done(&last) {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{path} stays as {last}");
}

fn deployment(image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "web" },
        "spec": {
            "replicas": 3,
            "progressDeadlineSeconds": 1,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "app", "image": image }] },
            },
        },
    })
}

fn reason(deployment: &Value, kind: &str) -> String {
    let list = deployment["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = list.into_iter().find(|one| one["type"] == kind).unwrap_or_default();
    format!("{}/{}", found["status"].as_str().unwrap_or_default(), found["reason"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_deployment_rolls_stalls_and_goes_back() {
    let server = Server::start().await.unwrap();
    post(&server, DEPLOYMENTS, deployment("web:1")).await;
    let path = format!("{DEPLOYMENTS}/web");
    let done = |one: &Value| {
        reason(one, "Progressing") == "True/NewReplicaSetAvailable" && one["status"]["availableReplicas"] == 3
    };
    until(&server, &path, done).await;
    let merge = [("content-type", "application/strategic-merge-patch+json")];
    let image = |image: &str| json!({ "spec": { "template": { "spec": { "containers": [{ "name": "app", "image": image }] } } } });
    call(&server, "PATCH", &path, image("web:bad"), &merge).await;
    let stalled = until(&server, &path, |one| reason(one, "Progressing") == "False/ProgressDeadlineExceeded").await;
    assert_eq!(reason(&stalled, "Available"), "True/MinimumReplicasAvailable");
    call(&server, "PATCH", &path, image("web:1"), &merge).await;
    let back = until(&server, &path, |one| {
        done(one) && one["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    })
    .await;
    assert_eq!(back["status"]["updatedReplicas"], 3);
    let pods =
        until(&server, "/api/v1/namespaces/default/pods", |list| list["items"].as_array().unwrap().len() == 3).await;
    assert_eq!(pods["items"][0]["status"]["phase"], "Running");
    let (_, events) = get(&server, "/api/v1/namespaces/default/events?fieldSelector=reason%3DScheduled").await;
    assert!(events["items"][0]["eventTime"].is_string() && events["items"][0]["count"].is_null());
    let delete = json!({ "propagationPolicy": "Foreground" });
    assert_eq!(call(&server, "DELETE", &path, delete, &[]).await.1["metadata"]["finalizers"][0], "foregroundDeletion");
    until(&server, &path, |one| one["code"] == 404).await;
    until(&server, "/api/v1/namespaces/default/pods", |list| list["items"].as_array().unwrap().is_empty()).await;
}

#[tokio::test]
async fn a_budget_holds_evictions_back() {
    let server = Server::start().await.unwrap();
    post(&server, DEPLOYMENTS, deployment("web:1")).await;
    until(&server, &format!("{DEPLOYMENTS}/web"), |one| one["status"]["availableReplicas"] == 3).await;
    let budget = json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": { "name": "web" },
        "spec": { "minAvailable": 3, "selector": { "matchLabels": { "app": "web" } } },
    });
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    post(&server, budgets, budget).await;
    until(&server, &format!("{budgets}/web"), |one| one["status"]["currentHealthy"] == 3).await;
    let (_, pods) = get(&server, "/api/v1/namespaces/default/pods").await;
    let path =
        format!("/api/v1/namespaces/default/pods/{}/eviction", pods["items"][0]["metadata"]["name"].as_str().unwrap());
    let (status, refused) = post(&server, &path, json!({})).await;
    assert_eq!((status, &refused["details"]["causes"][0]["reason"]), (429, &json!("DisruptionBudget")));
    let merge = [("content-type", "application/merge-patch+json")];
    call(&server, "PATCH", &format!("{budgets}/web"), json!({ "spec": { "minAvailable": 2 } }), &merge).await;
    until(&server, &format!("{budgets}/web"), |one| one["status"]["disruptionsAllowed"] == 1).await;
    assert_eq!(post(&server, &path, json!({})).await.0, 201);
}

#[tokio::test]
async fn a_job_completes_and_another_fails() {
    let server = Server::start().await.unwrap();
    let jobs = "/apis/batch/v1/namespaces/default/jobs";
    for (name, kubelet) in [("good", "complete"), ("bad", "fail")] {
        let template = json!({
            "metadata": { "labels": { "kubelet": kubelet } },
            "spec": { "restartPolicy": "Never", "containers": [{ "name": "task", "image": "task:1" }] },
        });
        let spec = json!({ "backoffLimit": 1, "template": template });
        let job = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": name }, "spec": spec });
        assert_eq!(post(&server, jobs, job).await.0, 201);
    }
    let last =
        |one: &Value| one["status"]["conditions"].as_array().and_then(|list| list.last().cloned()).unwrap_or_default();
    let good = until(&server, &format!("{jobs}/good"), |one| last(one)["type"] == "Complete").await;
    assert_eq!(good["status"]["succeeded"], 1);
    let bad = until(&server, &format!("{jobs}/bad"), |one| last(one)["type"] == "Failed").await;
    assert_eq!((&bad["status"]["failed"], &last(&bad)["reason"]), (&json!(2), &json!("BackoffLimitExceeded")));
}
