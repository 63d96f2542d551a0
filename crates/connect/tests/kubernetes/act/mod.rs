//! What a user relies on of each action. Where no kubelet is there, a stand-in writes the statuses of pods.

mod jobs;
mod nodes;
mod objects;
mod people;
mod rollouts;
mod waits;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ensue_connect::kubernetes::Ask;
use ensue_connect::kubernetes::client::STRATEGIC_MERGE_PATCH;
use ensue_connect::{Call, Connection, Log, Sink};
use ensue_event::ours::{Answer, Failure};
use ensue_event::{Key, Span};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::cluster::Kit;

/// What a call said.
#[derive(Default)]
struct Said(Mutex<Vec<u8>>);

impl Sink for Said {
    fn write(&self, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }
}

/// One effect on a cluster.
pub(super) struct Effect<'k> {
    kit: &'k Kit,
    pub(super) call: Call,
    said: Arc<Said>,
}

impl Kit {
    /// An effect with a key of its own, in the namespace of the test.
    pub(super) fn effect(&self, key: u8, action: &str, mut with: Value) -> Effect<'_> {
        with.as_object_mut().unwrap().entry("namespace").or_insert(json!(self.namespace));
        let call = Call {
            effect: Key([key; 16]),
            attempt: 1,
            run: Key([200; 16]),
            step: "step".to_owned(),
            namespace: "default".to_owned(),
            action: format!("kubernetes/{action}"),
            connection: Some(self.connection.clone()),
            with,
            timeout: Span::secs(60),
            cause: "depth=2".to_owned(),
            log: Log::default(),
        };
        Effect { kit: self, call, said: Arc::default() }
    }

    pub(super) async fn ok(&self, key: u8, action: &str, with: Value) -> Value {
        self.effect(key, action, with).ok().await
    }

    pub(super) async fn err(&self, key: u8, action: &str, with: Value) -> Failure {
        self.effect(key, action, with).err().await
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        self.cluster.send(Ask::get(path)).await.unwrap()
    }

    pub(super) async fn is_there(&self, path: &str) -> bool {
        match self.cluster.send(Ask::get(path)).await {
            Ok(_) => true,
            Err(failure) if failure.name == "NotFound" => false,
            Err(failure) => panic!("{failure:?}"),
        }
    }

    /// Waits until an object is as it must be.
    pub(super) async fn until(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..1200 {
            let object = self.cluster.send(Ask::get(path)).await.unwrap_or_default();
            if holds(&object) {
                return object;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{path} never becomes what it must be: {}", self.get(path).await)
    }

    /// A deployment of one container `app`, and its path.
    pub(super) async fn deployment(&self, name: &str, more: Value) -> String {
        let mut deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name }, "spec": {
            "replicas": 1, "selector": { "matchLabels": { "app": name } },
            "template": { "metadata": { "labels": { "app": name } }, "spec": {
                "nodeSelector": { "ensue.dev/test": "none" },
                "containers": [{ "name": "app", "image": "registry.example.com/app:1" }] } } } });
        deployment["spec"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.create(&self.at("deployments"), deployment).await;
        format!("{}/{name}", self.at("deployments"))
    }

    /// Waits until the deployment has rolled out this revision.
    pub(super) async fn rolled(&self, path: &str, revision: u8) -> Value {
        let revision = revision.to_string();
        self.until(path, |object| {
            let (spec, status) = (&object["spec"]["replicas"], &object["status"]);
            object["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == revision.as_str()
                && object["metadata"]["generation"] == status["observedGeneration"]
                && ["replicas", "updatedReplicas", "availableReplicas"].iter().all(|name| status[*name] == *spec)
        })
        .await
    }
}

impl Effect<'_> {
    pub(super) fn timeout(mut self, seconds: i64) -> Self {
        self.call.timeout = Span::secs(seconds);
        self
    }

    pub(super) fn through(mut self, connection: Connection) -> Self {
        self.call.connection = Some(connection);
        self
    }

    /// One try.
    pub(super) async fn answer(&self) -> Answer {
        let (log, silence) = Log::new(Arc::clone(&self.said) as Arc<dyn Sink>, Arc::clone(self.kit.world.secrets()));
        let answer = self.kit.world.perform(Call { log, ..self.call.clone() }).await;
        silence.await.ok();
        answer
    }

    pub(super) async fn ok(&self) -> Value {
        match self.answer().await {
            Answer::Ok(outputs) => outputs,
            Answer::Err(failure) => panic!("{}: {failure:?}\n{}", self.call.action, self.said()),
        }
    }

    pub(super) async fn err(&self) -> Failure {
        match self.answer().await {
            Answer::Err(failure) => failure,
            Answer::Ok(outputs) => panic!("{}: no failure: {outputs}", self.call.action),
        }
    }

    /// All that its tries said.
    pub(super) fn said(&self) -> String {
        String::from_utf8_lossy(&self.said.0.lock().unwrap()).into_owned()
    }
}

/// Writes the statuses of the pods of the test, as long as it is there. A label `ends: CODE` makes a pod end; with
/// `ends: never` it stays as it is.
pub(super) struct Kubelet(JoinHandle<()>);

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) fn kubelet(kit: &Arc<Kit>) -> Kubelet {
    let kit = Arc::clone(kit);
    Kubelet(tokio::spawn(async move {
        loop {
            let pods = kit.cluster.send(Ask::get(kit.at("pods"))).await.unwrap_or_default();
            for pod in pods["items"].as_array().into_iter().flatten() {
                let name = pod["metadata"]["name"].as_str().unwrap();
                let ends = pod["metadata"]["labels"]["ends"].as_str();
                if pod["status"]["phase"] != "Pending" || ends == Some("never") {
                    continue;
                }
                let code: Option<i64> = ends.map(|code| code.parse().unwrap());
                if let (Some(fake), Some(code)) = (&kit.fake, code) {
                    fake.set_log(&kit.namespace, name, "main", &format!("one\nends with {code}\n"));
                }
                let (phase, ready, state) = match code {
                    None => ("Running", "True", json!({ "running": { "startedAt": "2026-11-21T20:00:00Z" } })),
                    Some(code) => (
                        if code == 0 { "Succeeded" } else { "Failed" },
                        "False",
                        json!({ "terminated": { "exitCode": code } }),
                    ),
                };
                let container = json!({ "name": pod["spec"]["containers"][0]["name"], "image": "i", "imageID": "",
                    "ready": ready == "True", "restartCount": 0, "state": state });
                let condition =
                    json!({ "type": "Ready", "status": ready, "lastTransitionTime": "2026-11-21T20:00:00Z" });
                let status = json!({ "phase": phase, "conditions": [condition], "containerStatuses": [container] });
                let path = format!("{}/{name}/status", kit.at("pods"));
                let patch = json!({ "status": status });
                kit.cluster.send(Ask::patch(path, STRATEGIC_MERGE_PATCH, &patch)).await.ok();
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }))
}
