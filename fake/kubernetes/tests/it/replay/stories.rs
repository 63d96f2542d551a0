//! The stories of the recordings: what was set up before, and in which order the exchanges were made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fake_kubernetes::Mode;
use serde_json::{Value, json};

use super::Replay;
use super::compare::{Difference, Maps};
use super::exchange::Exchange;

/// Exchanges that are not equal, or not replayed, each with the reason. A `*` ends a start of names.
pub(super) const REASONS: &[(&str, &str)] = &[
    ("crd/02-watch-established", "the deletion was tried twice: `storage is (re)initializing` at the first time"),
    ("delete/00-watch-*", "how many statuses lie between two is a matter of time"),
    ("deployment/00-watch-*", "how many statuses lie between two is a matter of time"),
    ("deployment/10-kubectl-rollout-status-03-get", "how many statuses lie between two is a matter of time"),
    ("deployment-deadline/00-watch-*", "how many statuses lie between two is a matter of time"),
    ("events/00-watch-*", "how often creation and scheduling are tried again is a matter of time"),
    ("job/00-watch-*", "there is no CronJob controller, and how many statuses lie between two is a matter of time"),
    ("job/13-immutable-422", "the message holds the template as Go prints its internal type"),
    ("job/17-cronjob-get", "there is no CronJob controller"),
    ("job/18-list-jobs", "there is no CronJob controller"),
    ("job/19-kubectl-create-job-from-*", "there is no CronJob controller; the request was protobuf and is cut out"),
    ("patch/merge-patch-spec-status-ignored", "the controller had written a revision and not yet the status of it"),
    ("pod-status/spec-immutable-422", "the message holds a difference as Go prints its internal type"),
];

type Results = BTreeMap<String, Vec<Difference>>;

/// Plays all stories, some at a time: each has a server of its own.
pub(super) async fn all(root: &Path) -> Results {
    let root: PathBuf = root.to_owned();
    macro_rules! start {
        ($($story:ident),*) => {
            vec![$(tokio::spawn({
                let root = root.clone();
                async move {
                    let mut replay = Replay::new(&root, stringify!($story)).await;
                    $story(&mut replay).await;
                    replay.close().await;
                    replay.results
                }
            })),*]
        };
    }
    let mut results = Results::new();
    for story in start!(basics, deployment, deadline, job, delete, eviction, events, hpa, node, paging, watch, pods) {
        results.extend(story.await.unwrap());
    }
    results
}

/// Plays the project's own story: a namespace, and its files in the order of their names.
pub(super) async fn own(root: &Path) -> Results {
    let mut replay = Replay::new(root, "shop").await;
    replay.namespace("shop").await;
    replay.watch("00-watch").await;
    rest(&mut replay, false).await;
    replay.close().await;
    replay.results
}

fn names(replay: &Replay) -> Vec<String> {
    let folder = replay.root.join(&replay.folder);
    let files = std::fs::read_dir(folder).unwrap().filter_map(Result::ok);
    let mut names: Vec<String> =
        files.map(|file| file.file_name().to_string_lossy().trim_end_matches(".json").to_owned()).collect();
    names.sort();
    names
}

async fn runs(replay: &mut Replay, names: &str) {
    for name in names.split_whitespace() {
        replay.run(name).await;
    }
}

/// All files of the folder that were not run, in the order of their names.
async fn rest(replay: &mut Replay, settle: bool) {
    for name in names(replay) {
        let file = format!("{}/{name}", replay.folder);
        if replay.results.contains_key(&file) {
            continue;
        }
        if settle {
            replay.settle().await;
        }
        replay.run(&name).await;
    }
}

fn workload(name: &str, replicas: u32, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "labels": { "app": name } },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name, "kubelet": "auto" } },
                "spec": { "containers": [{ "name": "app", "image": image }] },
            },
        },
    })
}

const IMAGE: &str = "registry.example.com/web:1";

fn pod(name: &str, labels: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "labels": labels },
        "spec": { "containers": [{ "name": "app", "image": IMAGE }] },
    })
}

async fn basics(replay: &mut Replay) {
    replay.namespace("demo").await;
    replay.folder("discovery");
    rest(replay, false).await;
    replay.folder("configmap-secret");
    runs(
        replay,
        "configmap-create configmap-get configmap-get-rv0 configmap-get-table configmap-get-partialobjectmetadata \
         configmap-create-kube-rs-style configmap-list-fieldselector configmap-list-partialobjectmetadata \
         configmap-create-dryrun configmap-create-generatename configmap-create-immutable configmap-patch-immutable \
         configmap-delete",
    )
    .await;
    rest(replay, false).await;
    replay.folder("errors");
    runs(replay, "replace-ok replace-conflict-409 replace-without-resourceversion").await;
    rest(replay, false).await;
    replay.folder("patch");
    let map = json!({ "metadata": { "name": "p", "annotations": { "a/b": "c" } }, "data": { "one": "1", "two": "2" } });
    replay.setup("POST", "/api/v1/namespaces/demo/configmaps", map).await;
    runs(
        replay,
        "json-patch-ok json-patch-test-failed json-patch-remove-missing-path json-patch-add-missing-parent \
         json-patch-not-an-array json-patch-test-resourceversion-stale merge-patch-ok merge-patch-noop merge-patch-dryrun \
         merge-patch-missing-404 merge-patch-malformed merge-patch-rename-400 merge-patch-stale-resourceversion-409",
    )
    .await;
    let mut deployment = workload("patchme", 0, IMAGE);
    deployment["metadata"] = json!({ "name": "patchme" });
    deployment["spec"]["template"]["metadata"]["labels"] = json!({ "app": "patchme" });
    replay.setup("POST", "/apis/apps/v1/namespaces/demo/deployments", deployment).await;
    replay.settle().await;
    replay.by_step(true);
    for name in "merge-patch-replaces-list strategic-merge-adds-container strategic-merge-set-image \
                 strategic-merge-delete-directive strategic-merge-retainkeys merge-patch-spec-status-ignored \
                 strategic-merge-selector-immutable-422"
        .split_whitespace()
    {
        replay.run(name).await;
    }
    for name in "apply-create apply-noop apply-update apply-conflict-409 apply-force apply-conflict-after-force-409 \
                 apply-shared-same-value apply-no-fieldmanager apply-force-on-merge-patch-422 apply-with-managedfields \
                 apply-missing-apiversion apply-with-stale-resourceversion-409 apply-create-with-uid apply-yaml-body \
                 apply-removes-owned-field update-then-apply-conflict-01-merge update-then-apply-conflict-02-apply-409 \
                 apply-scale-subresource apply-status-subresource"
        .split_whitespace()
    {
        replay.run(name).await;
    }
    replay.by_step(false);
    replay.settle().await;
    replay.watch("apply-same-00-watch").await;
    rest(replay, false).await;
    replay.close().await;
    replay.folder("lease");
    replay.watch("00-watch").await;
    rest(replay, false).await;
    replay.close().await;
    replay.folder("auth");
    runs(
        replay,
        "selfsubjectaccessreview-allowed selfsubjectaccessreview-denied role-create rolebinding-create dev-list-allowed \
         dev-list-all-namespaces-403 dev-delete-403 selfsubjectrulesreview serviceaccount-create serviceaccount-token",
    )
    .await;
    rest(replay, false).await;
    replay.folder("crd");
    crd(replay).await;
    replay.folder("gateway");
    runs(replay, "01-crd-create-without-approval-422 02-crd-create").await;
    replay.settle().await;
    replay.watch("00-watch").await;
    rest(replay, false).await;
    replay.close().await;
}

async fn crd(replay: &mut Replay) {
    replay.run("01-create").await;
    replay.settle().await;
    replay.run("03-list-before-served").await;
    runs(replay, "04-get-established 05-discovery 06-list-empty").await;
    replay.watch("07-watch-widgets").await;
    for name in names(replay).iter().filter(|name| name.as_str() > "08" && name.as_str() < "25") {
        replay.run(name).await;
    }
    replay.run("25-crd-delete").await;
    replay.settle().await;
    runs(replay, "26-list-after-crd-delete 27-crd-invalid").await;
    replay.close().await;
    replay.watch("02-watch-established").await;
    let definition = |plural: &str, kind: &str| {
        let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        let names = json!({ "plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List") });
        json!({
            "metadata": { "name": format!("{plural}.ops.example.com") },
            "spec": {
                "group": "ops.example.com",
                "scope": "Namespaced",
                "names": names,
                "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } }],
            },
        })
    };
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    replay.setup("POST", path, definition("sprockets", "Sprocket")).await;
    replay.settle().await;
    replay.setup("DELETE", &format!("{path}/sprockets.ops.example.com"), Value::Null).await;
    replay.settle().await;
    replay.close().await;
    replay.server.crd_delay(Duration::from_millis(150));
    replay.run("03-list-race-404").await;
    replay.setup("POST", path, definition("gadget0s", "Gadget0")).await;
    replay.run("03-list-race-429").await;
    replay.server.crd_delay(Duration::from_millis(20));
    replay.settle().await;
    replay.setup("DELETE", &format!("{path}/gadget0s.ops.example.com"), Value::Null).await;
    replay.settle().await;
}

async fn deployment(replay: &mut Replay) {
    replay.namespace("life").await;
    replay.by_step(true);
    for kind in ["deployments", "events", "pods", "replicasets"] {
        replay.watch(&format!("00-watch-{kind}")).await;
    }
    for name in names(replay).into_iter().filter(|name| !name.starts_with("00")) {
        if ["17", "18", "19", "20", "21", "22", "23", "25", "29"].iter().any(|start| name.starts_with(start)) {
            replay.settle().await;
        }
        if name == "19-scale-put" {
            // The recorder read the version anew before it put.
            let path = "/apis/apps/v1/namespaces/life/deployments/web";
            let now = replay.until(path, |one| one["status"]["availableReplicas"] == 5).await;
            let recorded = Exchange::read(&replay.file(&name)).body["metadata"]["resourceVersion"]
                .as_str()
                .unwrap()
                .parse()
                .unwrap();
            replay.maps.last.insert(recorded, now["metadata"]["resourceVersion"].as_str().unwrap().to_owned());
        }
        replay.run(&name).await;
    }
}

async fn deadline(replay: &mut Replay) {
    replay.namespace("life").await;
    replay.folder("deployment-deadline");
    for kind in ["deployments", "pods", "replicasets"] {
        replay.watch(&format!("00-watch-{kind}")).await;
    }
    replay.patience = Duration::from_secs(8);
    rest(replay, false).await;
}

async fn job(replay: &mut Replay) {
    replay.namespace("jobs").await;
    for kind in ["events", "jobs", "pods"] {
        replay.watch(&format!("00-watch-{kind}")).await;
    }
    replay.patience = Duration::from_secs(6);
    for name in names(replay).into_iter().filter(|name| {
        name.as_str() > "01" && !name.starts_with("17") && !name.starts_with("18") && !name.starts_with("19")
    }) {
        replay.run(&name).await;
    }
}

async fn delete(replay: &mut Replay) {
    replay.by_step(true);
    replay.namespace("del").await;
    for name in ["fg", "bgd", "orphan", "plain"] {
        replay.setup("POST", "/apis/apps/v1/namespaces/del/deployments", workload(name, 1, IMAGE)).await;
    }
    replay.settle().await;
    for kind in ["configmaps", "deployments", "pods", "replicasets"] {
        replay.watch(&format!("00-watch-{kind}")).await;
    }
    runs(replay, "01-foreground 06-bad-policy-422 02-foreground-get-meanwhile").await;
    runs(replay, "03-background 04-orphan 05-default-query").await;
    for name in names(replay).into_iter().filter(|name| name.starts_with('1')) {
        replay.run(&name).await;
    }
    let pods = "/api/v1/namespaces/del/pods";
    replay.setup("POST", pods, pod("graceful", json!({ "grp": "x", "kubelet": "manual" }))).await;
    replay.settle().await;
    runs(replay, "20-pod-delete-graceful 21-pod-get-terminating 22-pod-delete-force").await;
    let mut unbound = pod("unbound", json!({ "grp": "x", "kubelet": "manual" }));
    unbound["spec"]["nodeSelector"] = json!({ "no": "such" });
    replay.setup("POST", pods, unbound).await;
    replay.settle().await;
    replay.run("23-pod-delete-unscheduled").await;
    for name in ["col-a", "col-b"] {
        let map = json!({ "metadata": { "name": name, "labels": { "col": "yes" } } });
        replay.setup("POST", "/api/v1/namespaces/del/configmaps", map).await;
    }
    runs(replay, "24-deletecollection 25-dryrun").await;
    replay.settle().await;
    runs(replay, "26-list-after 27-orphaned-replicaset").await;
    replay.close().await;
    replay.namespace("doomed").await;
    let map = json!({ "metadata": { "name": "held", "finalizers": ["ensue.dev/hold"] } });
    replay.setup("POST", "/api/v1/namespaces/doomed/configmaps", map).await;
    replay.watch("30-namespace-watch").await;
    rest(replay, false).await;
    let free = json!({ "metadata": { "finalizers": null } });
    replay.setup("PATCH", "/api/v1/namespaces/doomed/configmaps/held", free).await;
    replay.settle().await;
}

/// Pods under the names that the recording gave them.
async fn learn_pods(replay: &mut Replay, namespace: &str, app: &str, recorded: &[&str]) {
    let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector=app%3D{app}");
    let list =
        replay.until(&path, |list| list["items"].as_array().is_some_and(|items| items.len() >= recorded.len())).await;
    for (name, pod) in recorded.iter().zip(list["items"].as_array().unwrap()) {
        let found = pod["metadata"]["name"].as_str().unwrap().to_owned();
        assert!(replay.maps.same_text(name, &found), "{name} is not {found}");
    }
}

async fn eviction(replay: &mut Replay) {
    replay.by_step(true);
    replay.namespace("del").await;
    replay.namespace("pg").await;
    renew_node(replay).await;
    replay.setup("POST", "/apis/apps/v1/namespaces/pg/deployments", workload("d-a", 1, IMAGE)).await;
    replay.setup("POST", "/apis/apps/v1/namespaces/del/deployments", workload("ev", 2, IMAGE)).await;
    replay.settle().await;
    learn_pods(replay, "pg", "d-a", &["d-a-6cd4bfcbf6-2rhch"]).await;
    replay.server.controllers(false);
    let race = json!({ "metadata": { "name": "race" }, "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": "d-a" } } } });
    replay.setup("POST", "/apis/policy/v1/namespaces/pg/poddisruptionbudgets", race).await;
    replay.run("02-evict-429-budget-not-processed").await;
    replay.server.controllers(true);
    learn_pods(replay, "del", "ev", &["ev-7456bcf57f-r5lkm", "ev-7456bcf57f-tff9x"]).await;
    replay.run("01-pdb-create").await;
    replay.settle().await;
    runs(replay, "02-evict-429-at-once 03-pdb-get 04-evict-429").await;
    let budget = "/apis/policy/v1/namespaces/del/poddisruptionbudgets/ev";
    replay.setup("PATCH", budget, json!({ "spec": { "minAvailable": 1 } })).await;
    replay.settle().await;
    replay.server.kubelet(Mode::Off);
    runs(replay, "05-evict-dryrun 06-evict-201 07-evicted-pod 08-evict-missing-404 09-evict-name-mismatch-400").await;
    replay.settle().await;
    replay.run("10-evict-kube-rs-style").await;
    replay.server.kubelet(Mode::Auto);
    replay.settle().await;
    replay.settle().await;
    for name in names(replay).into_iter().filter(|name| name.as_str() >= "11") {
        match name.as_str() {
            "13-kubectl-drain-05-post" => replay.server.kubelet(Mode::Off),
            "13-kubectl-drain-08-get" => replay.server.kubelet(Mode::Auto),
            _ => replay.settle().await,
        }
        replay.run(&name).await;
    }
}

async fn events(replay: &mut Replay) {
    replay.by_step(true);
    replay.namespace("ev").await;
    replay.watch("00-watch-core-v1").await;
    replay.watch("00-watch-events-k8s-io-v1").await;
    replay.setup("POST", "/apis/apps/v1/namespaces/ev/deployments", workload("web", 2, IMAGE)).await;
    let mut hungry = pod("hungry", json!({}));
    hungry["spec"]["nodeSelector"] = json!({ "disk": "ssd" });
    hungry["spec"]["containers"][0]["resources"] = json!({ "requests": { "cpu": "100" } });
    replay.setup("POST", "/api/v1/namespaces/ev/pods", hungry).await;
    let mut nosa = workload("nosa", 1, IMAGE);
    nosa["spec"]["template"]["spec"]["serviceAccountName"] = json!("missing");
    replay.setup("POST", "/apis/apps/v1/namespaces/ev/deployments", nosa).await;
    replay.run("list-core-v1").await;
    replay.run("list-events-k8s-io-v1").await;
    runs(
        replay,
        "pod-unschedulable list-by-reason list-by-involved-object list-by-regarding \
         deployment-replicafailure publish-01-create publish-02-series-merge-patch publish-03-get-core-v1 \
         create-core-v1-minimal kubectl-get-events-01-get",
    )
    .await;
    tell_taints(replay, "ev").await;
    rest(replay, false).await;
}

async fn hpa(replay: &mut Replay) {
    replay.by_step(true);
    replay.namespace("hpa").await;
    replay.setup("POST", "/apis/apps/v1/namespaces/hpa/deployments", workload("web", 1, IMAGE)).await;
    replay.settle().await;
    replay.server.autoscale_every(Duration::ZERO);
    replay.watch("00-watch").await;
    replay.watch("00-watch-events").await;
    tell_taints(replay, "hpa").await;
    rest(replay, false).await;
}

/// The taint manager of the recorded cluster told of every pod that was there when the node became ready.
async fn tell_taints(replay: &Replay, namespace: &str) {
    let list = replay.until(&format!("/api/v1/namespaces/{namespace}/pods"), |_| true).await;
    for (at, pod) in list["items"].as_array().unwrap().iter().enumerate() {
        let name = pod["metadata"]["name"].as_str().unwrap();
        let now = pod["metadata"]["creationTimestamp"].clone();
        let nanos = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() + u128::try_from(at).unwrap();
        let event = json!({
            "metadata": { "name": format!("{name}.{nanos:x}"), "namespace": namespace },
            "involvedObject": { "kind": "Pod", "namespace": namespace, "name": name, "apiVersion": "v1" },
            "reason": "TaintManagerEviction",
            "message": format!("Cancelling deletion of Pod {namespace}/{name}"),
            "source": { "component": "taint-eviction-controller" },
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": "Normal",
            "reportingComponent": "taint-eviction-controller",
        });
        replay
            .setup(
                "POST",
                &format!("/api/v1/namespaces/{namespace}/events?fieldManager=kube-controller-manager"),
                event,
            )
            .await;
    }
}

/// The node as the recorder's stand-in kubelet made it.
async fn renew_node(replay: &mut Replay) {
    replay.server.remove_object("v1", "Node", "", "node-1");
    let labels =
        json!({ "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": "node-1", "kubernetes.io/os": "linux" });
    replay.setup("POST", "/api/v1/nodes", json!({ "metadata": { "name": "node-1", "labels": labels } })).await;
    let row = |kind: &str, status: &str, reason: &str, message: &str| {
        let time = "2026-11-21T20:00:00Z";
        json!({ "type": kind, "status": status, "lastHeartbeatTime": time, "lastTransitionTime": time, "reason": reason, "message": message })
    };
    let size = json!({ "cpu": "4", "ephemeral-storage": "50Gi", "memory": "8Gi", "pods": "110" });
    let status = json!({
        "capacity": size,
        "allocatable": size,
        "addresses": [{ "type": "InternalIP", "address": "10.1.0.1" }, { "type": "Hostname", "address": "node-1" }],
        "daemonEndpoints": { "kubeletEndpoint": { "Port": 0 } },
        "conditions": [
            row("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            row("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            row("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            row("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        ],
    });
    replay.setup("PATCH", "/api/v1/nodes/node-1/status", json!({ "status": status })).await;
    replay.settle().await;
}

async fn node(replay: &mut Replay) {
    replay.by_step(true);
    renew_node(replay).await;
    replay.namespace("pg").await;
    for name in ["d-a", "d-b", "d-c"] {
        replay.setup("POST", "/apis/apps/v1/namespaces/pg/deployments", workload(name, 2, IMAGE)).await;
    }
    for name in names(replay).into_iter().filter(|name| name.as_str() < "06") {
        replay.settle().await;
        replay.run(&name).await;
    }
    // It had been lost once before.
    let node = replay.until("/api/v1/nodes/node-1", |_| true).await;
    let now = node["metadata"]["creationTimestamp"].clone();
    let event = json!({
        "metadata": { "name": "node-1.18ea293ee2be038f", "namespace": "default" },
        "involvedObject": { "kind": "Node", "name": "node-1", "uid": node["metadata"]["uid"], "apiVersion": "v1" },
        "reason": "NodeNotReady",
        "message": "Node node-1 status is now: NodeNotReady",
        "source": { "component": "node-controller" },
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "type": "Normal",
        "reportingComponent": "node-controller",
    });
    replay.setup("POST", "/api/v1/namespaces/default/events?fieldManager=kube-controller-manager", event).await;
    replay.settle().await;
    let version = replay.server.version().to_string();
    for recorded in [1759, 1760] {
        replay.maps.last.insert(recorded, version.clone());
    }
    for name in ["06-watch-node-lost", "06-watch-node-lost-events", "06-watch-node-lost-pods"] {
        replay.watch(name).await;
    }
    replay.server.lose_node("node-1");
    replay.settle().await;
    replay.run("07-get-lost").await;
}

async fn paging(replay: &mut Replay) {
    replay.by_step(true);
    replay.folder("list-paging");
    replay.namespace("pg").await;
    for name in ["d-a", "d-b", "d-c"] {
        replay.setup("POST", "/apis/apps/v1/namespaces/pg/deployments", workload(name, 2, IMAGE)).await;
        replay.settle().await;
    }
    tell_taints(replay, "pg").await;
    runs(
        replay,
        "deployments-page-1 deployments-page-2 pods-page-1 pods-page-2 events-page-1 events-page-2 \
         deployments-selector-page-1 deployments-kube-rs-default deployments-rv0-notolderthan-kube-rs \
         deployments-limit-rv0 deployments-exact continue-with-rv-400 continue-garbage-400 match-without-rv future-rv-504 \
         get-future-rv-504 partial-metadata-list expired-01-page-1 expired-02-after-compaction-before-restart",
    )
    .await;
    replay.server.lose_node("node-1");
    replay.settle().await;
    for at in 0..3 {
        let note = json!({ "metadata": { "annotations": { "n": at.to_string() } } });
        replay.setup("PATCH", "/apis/apps/v1/namespaces/pg/deployments/d-a", note).await;
        replay.settle().await;
    }
    replay.server.compact();
    runs(
        replay,
        "expired-03-continue-410 expired-04-inconsistent-continue exact-rv-compacted-410 notolderthan-old-rv-200",
    )
    .await;
}

async fn watch(replay: &mut Replay) {
    replay.server.bookmarks_every(Duration::from_millis(1200));
    replay.namespace("story").await;
    let maps = "/api/v1/namespaces/story/configmaps";
    for (name, env) in [("base-a", "prod"), ("base-b", "dev")] {
        let value = name.trim_start_matches("base-");
        let map = json!({ "metadata": { "name": name, "labels": { "env": env } }, "data": { "v": value } });
        let made = replay.setup("POST", maps, map).await;
        let recorded = if name == "base-a" { 1676 } else { 1677 };
        replay.maps.last.insert(recorded, made["metadata"]["resourceVersion"].as_str().unwrap().to_owned());
    }
    let all = names(replay);
    for name in all.iter().filter(|name| name.starts_with("invalid-")) {
        replay.run(name).await;
    }
    let apart = ["bookmark", "gone", "invalid", "old", "pods", "stream", "sendinitialevents-without"];
    replay.run("sendinitialevents-without-bookmarks").await;
    let story: Vec<&String> = all.iter().filter(|name| !apart.iter().any(|start| name.starts_with(start))).collect();
    for name in &story {
        replay.watch(name).await;
    }
    let map = json!({ "metadata": { "name": "x", "labels": { "env": "prod" } }, "data": { "a": "1" } });
    replay.setup("POST", maps, map).await;
    let x = format!("{maps}/x");
    replay.setup("PATCH", &x, json!({ "data": { "a": "2" } })).await;
    replay.setup("PATCH", &x, json!({ "metadata": { "labels": { "env": "dev" } } })).await;
    replay.setup("PATCH", &x, json!({ "metadata": { "labels": { "env": "prod" } } })).await;
    replay.setup("DELETE", &x, Value::Null).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    replay.close().await;
    replay.watch("pods-fieldselector-nodename").await;
    replay.watch("pods-fieldselector-phase").await;
    let mut sel2 = workload("sel2", 1, IMAGE);
    sel2["spec"]["template"]["metadata"]["labels"] = json!({ "app": "sel2", "kubelet": "auto" });
    replay.setup("POST", "/apis/apps/v1/namespaces/story/deployments", sel2).await;
    replay.settle().await;
    replay.close().await;
    compacted(replay).await;
}

async fn compacted(replay: &mut Replay) {
    replay.maps = Maps::default();
    replay.namespace("watch").await;
    let maps = "/api/v1/namespaces/watch/configmaps";
    for (name, env) in [("base-a", "prod"), ("base-b", "dev")] {
        let value = name.trim_start_matches("base-");
        let map = json!({ "metadata": { "name": name, "labels": { "env": env } }, "data": { "v": value } });
        replay.setup("POST", maps, map).await;
    }
    let now = replay.server.version().to_string();
    for recorded in [1628, 1830] {
        replay.maps.last.insert(recorded, now.clone());
    }
    replay.watch("bookmark-every-minute").await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    replay.close().await;
    for at in 0..3 {
        replay.setup("POST", maps, json!({ "metadata": { "name": format!("after-{at}") } })).await;
    }
    replay.run("old-resourceversion-still-cached").await;
    replay.watch("stream-at-server-shutdown").await;
    replay.close().await;
    replay.server.compact();
    rest(replay, false).await;
}

async fn pods(replay: &mut Replay) {
    replay.folder("pod-status");
    replay.namespace("pods").await;
    replay.watch("00-watch-events").await;
    replay.watch("00-watch-pods").await;
    for start in ["crash", "oom", "imgpull", "cfgerr", "evicted", "unready", "done"] {
        for name in names(replay).into_iter().filter(|name| name.starts_with(start)) {
            replay.run(&name).await;
            replay.settle().await;
        }
    }
    tell_taints(replay, "pods").await;
    runs(replay, "image-change-allowed ephemeral-containers resize spec-immutable-422 status-invalid-422").await;
    rest(replay, false).await;
}
