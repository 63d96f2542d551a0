//! All that the server knows, behind one lock: objects, resources, issued tokens, settings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::auth::User;
use crate::clock;
use crate::controllers::Queue;
use crate::kinds::{self, Custom, Kind, Subresource};
use crate::schema::{self, Type};
use crate::store::{Key, Store};

/// What the stand-in kubelet does with pods that are bound to a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Pods that are not restarted (those of Jobs) succeed, all others become Running and Ready; deleted pods go. An image
    /// with the tag `bad` cannot be pulled. A label `kubelet: manual|auto|complete|fail|pull-error` decides otherwise.
    #[default]
    Auto,
    /// The test writes statuses itself; deleted pods still go away.
    Manual,
    /// Nothing at all: deleted pods stay until they are deleted with grace period 0.
    Off,
}

pub(crate) struct Settings {
    /// Deployments, ReplicaSets, Jobs, budgets, garbage collection, namespaces, scheduler.
    pub(crate) controllers: bool,
    pub(crate) kubelet: Mode,
    /// The controllers act only when they are told to.
    pub(crate) stepped: bool,
    /// The wait of the controllers before each object.
    pub(crate) pace: Duration,
    /// Between two syncs of an autoscaler.
    pub(crate) autoscale: Duration,
    /// How often an idle watch that asked for bookmarks gets one.
    pub(crate) bookmarks: Duration,
    /// After this a definition is established, and after as much again its storage is ready.
    pub(crate) crd_delay: Duration,
}

pub(crate) struct World {
    pub(crate) store: Store,
    built_in: Vec<Arc<Kind>>,
    custom: Vec<Arc<Kind>>,
    pub(crate) tokens: BTreeMap<String, User>,
    /// What the controllers will look at, and the version up to which they know the changes.
    pub(crate) queue: Queue,
    pub(crate) told: u64,
    /// The settings changed: the controllers look at everything again.
    pub(crate) look_again: bool,
    /// What containers wrote, by namespace, pod and container.
    pub(crate) logs: BTreeMap<(String, String, String), String>,
    pub(crate) settings: Settings,
    /// What the kubelet waits for with a pod, and since when; of an autoscaler, its last sync.
    pub(crate) pods: BTreeMap<Key, (String, Duration)>,
    /// How often an owner was refused a pod.
    pub(crate) tries: BTreeMap<Key, u32>,
    /// Nodes whose kubelet is silent.
    pub(crate) lost: BTreeSet<String>,
    /// What a kubelet takes for each step with a pod.
    pub(crate) step: Duration,
    /// When the next pod of a job may start, by the number of those that failed.
    pub(crate) backoff: BTreeMap<(Key, i64), Duration>,
    /// Definitions that are established, with the time from which their storage answers.
    pub(crate) served: BTreeMap<String, Duration>,
    /// Definitions whose names are accepted, with the time from which they are established.
    pub(crate) establish: BTreeMap<String, Duration>,
    /// A fixed text for the tokens of this server.
    pub(crate) secret: String,
}

/// The namespaces of a new cluster.
const SYSTEM_NAMESPACES: &[&str] = &["default", "kube-node-lease", "kube-public", "kube-system"];

impl World {
    pub(crate) fn new() -> World {
        let settings = Settings {
            controllers: true,
            kubelet: Mode::Auto,
            stepped: false,
            pace: Duration::ZERO,
            autoscale: Duration::from_secs(15),
            bookmarks: Duration::from_secs(60),
            crd_delay: Duration::from_millis(20),
        };
        let mut world = World {
            store: Store::default(),
            built_in: kinds::built_in(),
            custom: Vec::new(),
            tokens: BTreeMap::new(),
            queue: Queue::default(),
            told: 0,
            look_again: false,
            logs: BTreeMap::new(),
            pods: BTreeMap::new(),
            tries: BTreeMap::new(),
            lost: BTreeSet::new(),
            step: Duration::from_millis(30),
            backoff: BTreeMap::new(),
            settings,
            served: BTreeMap::new(),
            establish: BTreeMap::new(),
            secret: clock::uid(),
        };
        for name in SYSTEM_NAMESPACES {
            world.seed(
                "namespaces",
                "",
                name,
                json!({
                    "apiVersion": "v1",
                    "kind": "Namespace",
                    "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": name } },
                    "spec": { "finalizers": ["kubernetes"] },
                    "status": { "phase": "Active" },
                }),
            );
        }
        world.seed("nodes", "", "node-1", node("node-1"));
        world
    }

    /// Puts an object of the server's own, without owners of its fields.
    pub(crate) fn seed(&mut self, storage: &str, namespace: &str, name: &str, mut object: Value) {
        object["metadata"]["uid"] = json!(clock::uid());
        object["metadata"]["creationTimestamp"] = json!(clock::time(clock::now()));
        if !namespace.is_empty() {
            object["metadata"]["namespace"] = json!(namespace);
        }
        let key = Key { storage: storage.into(), namespace: namespace.to_owned(), name: name.to_owned() };
        self.store.put(key, object);
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.built_in.iter().chain(&self.custom)
    }

    pub(crate) fn kind(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Kind>> {
        self.kinds().find(|one| one.group == group && one.version == version && one.plural == plural).cloned()
    }

    /// The resource of an `apiVersion` and `kind`.
    pub(crate) fn kind_of(&self, api_version: &str, kind: &str) -> Option<Arc<Kind>> {
        self.kinds().find(|one| one.kind == kind && one.api_version() == api_version).cloned()
    }

    /// The resource in whose version objects of a storage are kept.
    pub(crate) fn storage_kind(&self, storage: &str) -> Option<Arc<Kind>> {
        self.kinds().find(|one| one.is(storage)).cloned()
    }

    pub(crate) fn get(&self, storage: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let key = Key { storage: storage.into(), namespace: namespace.to_owned(), name: name.to_owned() };
        self.store.get(&key).cloned()
    }

    /// Reads the established definitions anew.
    pub(crate) fn refresh_custom(&mut self) {
        const STORAGE: &str = "customresourcedefinitions.apiextensions.k8s.io";
        let definitions: Vec<Arc<Value>> = self.store.list(STORAGE, None).cloned().collect();
        self.custom.clear();
        for definition in definitions {
            let name = definition["metadata"]["name"].as_str().unwrap_or_default();
            if self.served.contains_key(name) {
                let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
                self.custom
                    .extend(versions.filter(|one| one["served"] == true).map(|one| custom_kind(&definition, one)));
            }
        }
    }
}

/// A node that is ready, as its kubelet would report it.
pub(crate) fn node(name: &str) -> Value {
    let now = clock::time(clock::now());
    let row = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({
            "type": kind,
            "status": status,
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
            "reason": reason,
            "message": message,
        })
    };
    let size = json!({ "cpu": "4", "ephemeral-storage": "50Gi", "memory": "8Gi", "pods": "110" });
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "beta.kubernetes.io/arch": "amd64",
                "beta.kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
            },
            "annotations": { "node.alpha.kubernetes.io/ttl": "0" },
        },
        "spec": {},
        "status": {
            "capacity": size,
            "allocatable": size,
            "conditions": [
                row("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
                row("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                row("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
                row("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
            ],
            "addresses": [{ "type": "InternalIP", "address": "10.1.0.1" }, { "type": "Hostname", "address": name }],
            "daemonEndpoints": { "kubeletEndpoint": { "Port": 10250 } },
            "nodeInfo": {
                "machineID": name,
                "systemUUID": name,
                "bootID": name,
                "kernelVersion": "6.8.0",
                "osImage": "fake",
                "containerRuntimeVersion": "fake://1.0",
                "kubeletVersion": "v1.36.2",
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": "amd64",
            },
        },
    })
}

fn custom_kind(definition: &Value, version: &Value) -> Arc<Kind> {
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| -> Vec<String> { value.as_array().into_iter().flatten().map(text).collect() };
    let verbs = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
    let sub_verbs: Vec<String> = ["get", "patch", "update"].map(str::to_owned).to_vec();
    let names = &spec["names"];
    let mut subresources = Vec::new();
    if version["subresources"].get("status").is_some() {
        let (kind, verbs) = (text(&names["kind"]), sub_verbs.clone());
        subresources.push(Subresource { name: "status".to_owned(), kind, api_version: String::new(), verbs });
    }
    if version["subresources"].get("scale").is_some() {
        let api_version = "autoscaling/v1".to_owned();
        subresources.push(Subresource {
            name: "scale".to_owned(),
            kind: "Scale".to_owned(),
            api_version,
            verbs: sub_verbs,
        });
    }
    Arc::new(Kind {
        group: text(&spec["group"]),
        version: text(&version["name"]),
        plural: text(&names["plural"]),
        kind: text(&names["kind"]),
        list_kind: text(&names["listKind"]),
        namespaced: spec["scope"] == "Namespaced",
        singular: text(&names["singular"]),
        short_names: list(&names["shortNames"]),
        categories: list(&names["categories"]),
        verbs: verbs.map(str::to_owned).to_vec(),
        hash: storage_hash(&text(&spec["group"]), &text(&version["name"]), &text(&names["kind"])),
        subresources,
        storage: format!("{}.{}", text(&names["plural"]), text(&spec["group"])).into(),
        custom: Some(Arc::new(Custom { version: version.clone() })),
    })
}

/// As the real server computes `storageVersionHash`.
fn storage_hash(group: &str, version: &str, kind: &str) -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(format!("{group}/{version}/{kind}"));
    base64::engine::general_purpose::STANDARD.encode(digest.get(..8).unwrap_or_default())
}

/// The type of the objects of a resource.
pub(crate) fn type_of(kind: &Kind) -> Type {
    match &kind.custom {
        Some(custom) => schema::of_custom(&custom.version),
        None => match schema::built_in(&kind.type_name()) {
            Some(of) => Type::Struct(of),
            None => schema::of_custom(&json!({ "schema": { "openAPIV3Schema": {} } })),
        },
    }
}

impl World {
    /// 429 while the storage of a new definition is made ready.
    pub(crate) fn initialising(&self, target: &crate::request::Target) -> Option<crate::status::Failure> {
        target.kind.custom.as_ref()?;
        let ready = self.served.get(&target.kind.qualified())?;
        if clock::now() >= *ready {
            return None;
        }
        let failure = crate::status::Failure::new(429, "TooManyRequests", "storage is (re)initializing");
        Some(failure.details(json!({ "retryAfterSeconds": 1 })).retry(1))
    }
}
