//! A cluster for a test: the fake, or with `ENSUE_TEST_CLUSTER=1` the one that KUBECONFIG names; and a namespace of the
//! test's own, which is deleted after it.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ensue_connect::kubernetes::client::{APPLY_PATCH, MERGE_PATCH};
use ensue_connect::kubernetes::{Ask, Cluster};
use ensue_connect::{Connection, Secrets, World};
use ensue_event::ours::Failure;
use fake_kubernetes::{Mode, Server};
use futures::FutureExt as _;
use serde_json::{Value, json};

/// What a test has.
pub(crate) struct Kit {
    /// The fake; nothing where a real cluster stands in its place.
    pub(crate) fake: Option<Server>,
    _dir: tempfile::TempDir,
    pub(crate) world: Arc<World>,
    /// As an administrator.
    pub(crate) connection: Connection,
    pub(crate) cluster: Cluster,
    /// The namespace of the test.
    pub(crate) namespace: String,
}

/// Whether a real cluster is meant.
fn real() -> bool {
    std::env::var_os("ENSUE_TEST_CLUSTER").is_some()
}

/// Runs a test with a cluster.
pub(crate) async fn with<F: Future<Output = ()>>(name: &str, test: impl FnOnce(Arc<Kit>) -> F) {
    let kit = Arc::new(Kit::new(name).await);
    let done = AssertUnwindSafe(test(Arc::clone(&kit))).catch_unwind().await;
    kit.cluster.send(Ask::delete(format!("/api/v1/namespaces/{}", kit.namespace), &Value::Null)).await.ok();
    if let Err(panic) = done {
        std::panic::resume_unwind(panic);
    }
}

/// The same, where faults are needed that only the fake has.
pub(crate) async fn with_faults<F: Future<Output = ()>>(name: &str, test: impl FnOnce(Arc<Kit>) -> F) {
    if real() {
        println!("skipped: {name}: a real cluster has no faults on request");
        return;
    }
    with(name, test).await;
}

impl Kit {
    async fn new(name: &str) -> Kit {
        let dir = tempfile::tempdir().unwrap();
        let fake = if real() { None } else { Some(Server::start().await.unwrap()) };
        let mut config = json!({});
        if let Some(fake) = &fake {
            fake.kubelet(Mode::Manual);
            let path = dir.path().join("kubeconfig");
            std::fs::write(&path, fake.kubeconfig()).unwrap();
            config["kubeconfig"] = json!(path);
        }
        let world = Arc::new(World::new(Arc::new(Secrets::new(Vec::new())), dir.path().join("cache")));
        let connection = Connection { name: "default/prod".to_owned(), type_name: "kubernetes".to_owned(), config };
        let cluster = world.cluster(&connection, "default").await.unwrap();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let short: String = name.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
        let namespace = format!("ensue-{short}-{unique}");
        let kit = Kit { fake, _dir: dir, world, connection, cluster, namespace };
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kit.namespace}});
        kit.create("/api/v1/namespaces", object).await;
        kit
    }

    pub(crate) fn fake(&self) -> &Server {
        self.fake.as_ref().unwrap()
    }

    /// The path of things in the namespace of the test.
    pub(crate) fn at(&self, plural: &str) -> String {
        match plural {
            "deployments" => format!("/apis/apps/v1/namespaces/{}/{plural}", self.namespace),
            _ => format!("/api/v1/namespaces/{}/{plural}", self.namespace),
        }
    }

    /// Creates an object; a cluster that was just made may need a moment for what it needs itself.
    pub(crate) async fn create(&self, path: &str, object: Value) -> Value {
        let mut tries = 0;
        loop {
            match self.cluster.send(Ask::create(path, &object)).await {
                Ok(created) => return created,
                Err(failure) if tries < 50 && (failure.retryable || failure.message.contains("serviceaccount")) => {
                    tries += 1;
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
                Err(failure) => panic!("{failure:?}"),
            }
        }
    }

    /// Defines a kind with a status of its own, of any content; the name of its definition.
    pub(crate) async fn definition(&self, group: &str, kind: &str, plural: &str) -> String {
        let name = format!("{plural}.{group}");
        let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": name},
            "spec": {"group": group, "scope": "Namespaced",
                "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind},
                "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": any}}]}});
        self.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd).await;
        // It is served a moment later.
        while self.cluster.send(Ask::get(format!("/apis/{group}/v1/{plural}"))).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        name
    }

    pub(crate) async fn config_map(&self, name: &str, labels: Value, data: Value) -> Value {
        let metadata = json!({"name": name, "labels": labels});
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
        self.create(&self.at("configmaps"), object).await
    }

    pub(crate) async fn patch(&self, path: &str, change: Value) -> Value {
        self.cluster.send(Ask::patch(path, MERGE_PATCH, &change)).await.unwrap()
    }

    pub(crate) async fn apply(&self, path: &str, object: Value) -> Result<Value, Failure> {
        let ask = Ask::patch(path, APPLY_PATCH, &object).query("fieldManager", "test").query("force", true);
        self.cluster.send(ask).await
    }

    pub(crate) async fn delete(&self, path: &str) {
        self.cluster.send(Ask::delete(path, &json!({"gracePeriodSeconds": 0}))).await.unwrap();
    }

    /// A pod that runs nothing, and its path.
    pub(crate) async fn pod(&self, name: &str) -> String {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"containers": [{"name": "app", "image": "registry.example.com/app:1"}],
                "nodeSelector": {"ensue.dev/test": "none"}}});
        self.create(&self.at("pods"), pod).await;
        format!("{}/{name}", self.at("pods"))
    }

    /// The status of its one container.
    pub(crate) async fn status(&self, pod: &str, status: Value) {
        let mut container = json!({"name": "app", "image": "registry.example.com/app:1", "imageID": "", "ready": false,
            "restartCount": 0, "started": false});
        container.as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
        self.patch(&format!("{pod}/status"), json!({"status": {"phase": "Running", "containerStatuses": [container]}}))
            .await;
    }
}
