//! A source that ensue reads itself, through the whole node: the fake cluster, the log, rules, the API.

use std::path::Path;

use ensue_event::Data;
use ensue_node::Configured;
use fake_kubernetes::{Mode, Server};
use serde_json::{Value, json};

use crate::support::{Place, client};

/// A configuration that watches the cluster, and a rule for pods that crash.
fn manifests(kubeconfig: &Path, more: &str) -> String {
    format!(
        "apiVersion: ensue.dev/v1
kind: Connection
metadata: {{ name: prod }}
spec:
  kubernetes: {{ kubeconfig: {} }}
---
apiVersion: ensue.dev/v1
kind: Source
metadata: {{ name: cluster }}
spec:
  kubernetes: {{ connection: prod, resources: [pods, configmaps{more}], namespaces: [shop], events: false }}
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: {{ name: crash }}
spec:
  when: {{ event: {{ type: [io.k8s.pod.crash-loop], data: {{ namespace: [shop], restarts: [{{ numeric: [\">=\", 3] }}] }} }} }}
  steps:
    - emit: {{ type: crashed, data: {{ pod: \"${{{{ event.data.name }}}}\", deployment: \"${{{{ event.data.deployment }}}}\" }} }}
",
        kubeconfig.display()
    )
}

/// A pod of a replica set of the deployment `web`.
fn pod() -> Value {
    let owner =
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-abc", "uid": "r", "controller": true});
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web-abc-1", "labels": {"pod-template-hash": "abc"}, "ownerReferences": [owner]},
        "spec": {"containers": [{"name": "app", "image": "registry.example.com/app:1"}]}})
}

async fn request(fake: &Server, method: reqwest::Method, path: &str, body: Value) {
    let url = format!("{}/api/v1/namespaces{path}", fake.url());
    let request = client().request(method, url).bearer_auth("admin").body(body.to_string());
    let answer = request.header("content-type", "application/merge-patch+json").send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

/// The kubelet says that the container waits after so many restarts.
async fn crashes(fake: &Server, restarts: i64) {
    let waiting = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let status = json!({"name": "app", "image": "registry.example.com/app:1", "imageID": "", "ready": false,
        "restartCount": restarts, "state": waiting});
    let status = json!({"status": {"phase": "Running", "containerStatuses": [status]}});
    request(fake, reqwest::Method::PATCH, "/shop/pods/web-abc-1/status", status).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_in_a_cluster_fires_rules_also_after_a_stop() {
    let fake = Server::start().await.unwrap();
    fake.controllers(false);
    fake.kubelet(Mode::Off);
    let folder = tempfile::TempDir::new().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, fake.kubeconfig()).unwrap();
    let config = folder.path().join("manifests");
    std::fs::create_dir(&config).unwrap();
    std::fs::write(config.join("all.yaml"), manifests(&kubeconfig, "")).unwrap();
    let watched = Configured::Folder(config.clone());
    let place = Place::at(folder, |options| options.config = watched.clone()).await;
    place.wait_for("dev.ensue.source.caught-up", 1).await;
    fake.put_objects([json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})]).await;
    let mut pod = pod();
    pod["metadata"]["namespace"] = json!("shop");
    fake.put_objects([pod]).await;
    place.wait_for("io.k8s.pod.added", 1).await;
    crashes(&fake, 2).await;
    crashes(&fake, 3).await;
    let emitted = place.wait_for("crashed", 1).await;
    let data: Value = serde_json::from_slice(emitted[0].event.json().unwrap()).unwrap();
    assert_eq!(data, json!({"pod": "web-abc-1", "deployment": "web"}));
    // An object that no record holds.
    let large = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "large", "namespace": "shop"},
        "data": {"text": "x".repeat(1_400_000)}});
    fake.put_objects([large]).await;
    let records = place.wait_for("io.k8s.configmap.added", 1).await;
    assert!(matches!(records[0].event.data, Data::Blob { .. }));
    let (_, sources) = place.get("/api/v1/sources").await;
    let reading = &sources["sources"][0]["reading"];
    assert!(reading["connectedSince"].is_string() && reading["problems"] == json!([]), "{sources:#}");
    let (_, doctor) = place.get("/api/v1/doctor").await;
    assert_eq!(doctor["healthy"], true, "{doctor:#}");
    // A kind more: the source begins anew and goes on with those that it knows.
    std::fs::write(config.join("all.yaml"), manifests(&kubeconfig, ", services")).unwrap();
    place.wait_for("dev.ensue.source.caught-up", 2).await;
    assert_eq!(place.of_type("io.k8s.pod.added").len(), 1);
    let Place { folder, node, .. } = place;
    assert!(node.stop("test").await);
    crashes(&fake, 4).await;
    let place = Place::at(folder, |options| options.config = watched.clone()).await;
    place.wait_for("crashed", 2).await;
    assert_eq!(place.of_type("io.k8s.pod.crash-loop").len(), 3);
    assert!(place.of_type("dev.ensue.source.gap").is_empty());
    place.wait_for("dev.ensue.source.caught-up", 3).await;
    fake.faults().down();
    place.wait_for("dev.ensue.source.disconnected", 1).await;
    let (_, doctor) = place.get("/api/v1/doctor").await;
    assert_eq!(doctor["healthy"], false);
    fake.faults().up();
    place.wait_for("dev.ensue.source.caught-up", 4).await;
}
