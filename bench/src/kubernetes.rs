//! The source `kubernetes` beside the fake API server: the first list of many pods, changes at a rate, and how long it
//! takes from a change to what it starts.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fake_kubernetes::Server;
use serde_json::{Value, json};

use crate::Result;
use crate::arguments::Arguments;
use crate::load::{self, Sink};
use crate::metrics::Histogram;
use crate::node::{Node, Setup};
use crate::report::{Report, Target, median, quantile};
use crate::rng::Rng;

/// Nodes that list all pods.
const ROUNDS: usize = 3;
/// Changes a second that are claimed, and of the object that starts something.
const RATE: u64 = 2_000;
const SWITCHES: u64 = 100;
/// How long a node is left alone before its memory is read.
const CALM: Duration = Duration::from_secs(3);
/// How often changes are made.
const TICK: Duration = Duration::from_millis(10);
/// Fsyncs between a change and its action: that of the event, that of the firing.
const FLUSHES: f64 = 2.0;

pub(crate) fn run(mut words: Arguments) -> Result {
    let binary: PathBuf = words.needed("--binary")?;
    let mut report = Report::new("kubernetes", &mut words)?;
    let pods: u64 = words.option("--pods")?.unwrap_or(20_000);
    let seconds: u64 = words.option("--seconds")?.unwrap_or(10);
    words.end()?;
    let folder = tempfile::Builder::new().prefix("ensue-kubernetes-").tempdir();
    let folder = folder.map_err(|why| format!("cannot create a folder: {why}"))?;
    let runtime = load::runtime()?;
    let server = runtime.block_on(Server::start()).map_err(|why| format!("the fake API server: {why}"))?;
    // Nothing changes but by this bench.
    server.controllers(false);
    let stored = runtime.block_on(server.put_objects((0..pods).map(|nth| pod(nth, 0)))) as u64;
    if stored != pods {
        return Err(format!("{stored} of {pods} pods are stored"));
    }
    let bench = Bench { binary, folder: folder.path().to_path_buf(), runtime, server, sink: Sink::start()?, pods };
    let mut node = bench.first_list(&mut report)?;
    bench.changes(&mut report, &mut node, seconds)?;
    bench.fired(&mut report, seconds)?;
    report.write()
}

struct Bench {
    binary: PathBuf,
    folder: PathBuf,
    runtime: tokio::runtime::Runtime,
    server: Server,
    sink: Sink,
    pods: u64,
}

impl Bench {
    /// A node with a source of this kind, once so many events came from it.
    fn node(&self, name: &str, kind: &str, events: u64) -> Result<Node> {
        let folder = self.folder.join(name);
        let config = documents(&self.sink.addr().to_string(), &folder, kind);
        let setup = Setup::new(&self.binary, &folder, &config, "", &mut Rng::of(name))?;
        let kubeconfig = folder.join("kubeconfig");
        std::fs::write(&kubeconfig, self.server.kubeconfig())
            .map_err(|why| format!("cannot write {}: {why}", kubeconfig.display()))?;
        let mut node = setup.start()?;
        self.runtime.block_on(node.ready())?;
        self.read(&node, events)?;
        Ok(node)
    }

    /// Waits until the source is connected, has sent so many events, and all of them are decided.
    fn read(&self, node: &Node, events: u64) -> Result {
        let began = Instant::now();
        self.runtime.block_on(async {
            let mut api = node.api();
            loop {
                let (sources, status) = (api.get("/api/v1/sources").await?, api.get("/api/v1/status").await?);
                let reading = sources.pointer("/sources/0/reading").cloned().unwrap_or_default();
                let came = reading.get("events").and_then(Value::as_u64).unwrap_or(0);
                let connected = reading.get("connectedSince").is_some_and(|since| !since.is_null());
                if connected && came >= events && status.get("lag").and_then(Value::as_u64) == Some(0) {
                    return Ok(());
                }
                if began.elapsed() > Duration::from_secs(120) {
                    return Err(format!(
                        "{events} events were awaited, and the source says {reading}\n{}",
                        node.tail()
                    ));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    }

    /// The first list of all pods, against a source with next to nothing to list; the last node goes on.
    fn first_list(&self, report: &mut Report) -> Result<Node> {
        let (mut cpu, mut took, mut resident, mut kept) = (vec![], vec![], vec![], vec![]);
        let mut last = None;
        for round in 0..ROUNDS {
            let (began, none) = (Instant::now(), self.node(&format!("none-{round}"), "v1/ConfigMap", 0)?);
            let (none_took, none_cpu) = (began.elapsed(), none.cpu());
            std::thread::sleep(CALM);
            let none_resident = none.resident();
            drop(none);
            let (began, node) = (Instant::now(), self.node(&format!("list-{round}"), "v1/Pod", self.pods)?);
            took.push((began.elapsed().saturating_sub(none_took)).as_secs_f64() * 1e3);
            cpu.push(node.cpu() - none_cpu);
            // What the allocator gives back is not held.
            std::thread::sleep(CALM);
            resident.push(node.resident().saturating_sub(none_resident) as f64 / self.pods as f64);
            kept.push(size(&self.folder.join(format!("list-{round}/data/sources"))) as f64 / self.pods as f64);
            last = Some(node);
        }
        let bytes = pod(0, 0).to_string().len();
        let note = format!(
            "of the node, until all {} are in the log and decided, less that of a node with nothing to list; {bytes} bytes \
             of JSON a pod, without managed fields",
            self.pods
        );
        let claimed = |target: Target| if self.pods == 20_000 { target } else { Target::None };
        report.rounds("first list, CPU", &cpu, "s", claimed(Target::AtMost(3.0)), &note);
        report.rounds("first list, by the clock", &took, "ms", Target::None, "the same");
        report.rounds(
            "an object held, memory",
            &resident,
            "bytes",
            Target::AtMost(2_048.0),
            "growth of the resident pages by the whole list, ids of events included, three seconds later",
        );
        report.rounds(
            "an object held, disk",
            &kept,
            "bytes",
            Target::AtMost(2_048.0),
            "the files of the source's store, with their cut-off logs",
        );
        last.ok_or_else(|| "no round was measured".into())
    }

    /// Changes of pods' statuses at the rate that is claimed.
    fn changes(&self, report: &mut Report, node: &mut Node, seconds: u64) -> Result {
        let before = self.runtime.block_on(async { node.api().metrics().await })?;
        let (began, cpu) = (Instant::now(), node.cpu());
        let each = RATE * u64::try_from(TICK.as_millis()).unwrap_or(10) / 1_000;
        let count = RATE * seconds;
        self.runtime.block_on(async {
            let mut tick = tokio::time::interval(TICK);
            let mut next = 0;
            while next < count {
                tick.tick().await;
                let round = (next..next + each).map(|nth| pod(nth % self.pods, 1 + nth / self.pods));
                self.server.put_objects(round).await;
                next += each;
            }
        });
        let rate = count as f64 / began.elapsed().as_secs_f64();
        let made = Instant::now();
        self.read(node, self.pods + count)?;
        let late = made.elapsed().as_secs_f64() * 1e3;
        let spent = (node.cpu() - cpu) / seconds as f64;
        let after = self.runtime.block_on(async { node.api().metrics().await })?;
        let appends = Histogram::between(&before, &after, "ensue_log_append_seconds", "").count;
        let note =
            format!("of the node, {RATE} changes of pods' statuses a second for {seconds} s; no rule asks for them");
        report.value("changes at 2,000/s, cores", spent, "cores", Target::AtMost(0.5), &note);
        let made = Target::AtLeast(RATE as f64 * 0.98);
        report.value("changes made and told", rate, "/s", made, "each of them is an event in the log");
        report.value("the last is told after", late, "ms", Target::None, "since the last change was made");
        report.value(
            "fsyncs of the log",
            appends / seconds as f64,
            "/s",
            Target::None,
            "changes of one moment share one",
        );
        Ok(())
    }

    /// From a change of an object to the arrival of the request that it starts.
    fn fired(&self, report: &mut Report, seconds: u64) -> Result {
        let switch = |nth: u64| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "switch", "uid": "00000000-0000-4000-8000-000000000000" }, "data": { "number": nth.to_string() } });
        self.runtime.block_on(self.server.put_objects([switch(0)]));
        let node = self.node("fired", "v1/ConfigMap", 1)?;
        let before = self.runtime.block_on(async { node.api().metrics().await })?;
        self.sink.take();
        let count = SWITCHES * seconds;
        let made: Vec<u64> = self.runtime.block_on(async {
            let mut tick = tokio::time::interval(Duration::from_secs(1) / u32::try_from(SWITCHES).unwrap_or(100));
            let mut made = Vec::new();
            for nth in 1..=count {
                tick.tick().await;
                made.push(load::micros());
                self.server.put_objects([switch(nth)]).await;
            }
            made
        });
        let last = Instant::now();
        // The API server runs in this runtime: it goes on while this waits.
        self.runtime.block_on(async {
            while (self.sink.count() as u64) < count && last.elapsed() < Duration::from_secs(30) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        let arrived = self.sink.take();
        if arrived.len() as u64 != count {
            let missing: Vec<u64> = (1..=count).filter(|nth| arrived.iter().all(|(number, _)| number != nth)).collect();
            return Err(format!("{count} changes were made; without a request: {missing:?}\n{}", node.tail()));
        }
        let after = self.runtime.block_on(async { node.api().metrics().await })?;
        let flush = Histogram::between(&before, &after, "ensue_log_append_seconds", "").quantile(0.5) * 1e3;
        let latency = arrived.iter().filter_map(|(number, at)| {
            let made = made.get(usize::try_from(number.checked_sub(1)?).ok()?)?;
            Some(at.saturating_sub(*made) as f64 / 1e3)
        });
        let latency: Vec<f64> = latency.collect();
        let note = format!("{SWITCHES} changes a second, from the write in the server to the request of the action");
        report.value("change → action, p50", median(&latency), "ms", Target::None, &note);
        report.value(
            "change → action, p99 beyond the fsyncs",
            quantile(&latency, 0.99) - FLUSHES * flush,
            "ms",
            Target::AtMost(20.0),
            "less two median appends; the claim is about the firing, which comes before the request",
        );
        report.value("median append", flush, "ms", Target::None, "by the node's own histogram");
        Ok(())
    }
}

/// Bytes of the files in a folder.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => size(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// A pod as a deployment makes it, in a version of its status.
fn pod(nth: u64, version: u64) -> Value {
    let (app, hash) = (nth / 20, format!("{:010x}", (nth / 20).wrapping_mul(0x9e37_79b9)));
    let name = format!("shop-{app}-{hash}-{:05}", nth % 100_000);
    let uid = |what: u64| format!("{what:08x}-0000-4000-8000-{nth:012x}");
    let env: Vec<Value> =
        (0..8).map(|n| json!({"name": format!("SETTING_{n}"), "value": format!("value-{app}-{n}")})).collect();
    let probe = |path: &str| json!({"httpGet": {"path": path, "port": 8080, "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3});
    let condition = |kind: &str| json!({"type": kind, "status": "True", "observedGeneration": 1, "lastProbeTime": null, "lastTransitionTime": "2026-11-01T08:00:00Z"});
    let conditions =
        ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"].map(condition);
    let container = format!("containerd://{:064x}", nth.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ version);
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "default", "uid": uid(1), "generateName": format!("shop-{app}-{hash}-"), "generation": 1,
            "labels": {"app": format!("shop-{app}"), "pod-template-hash": hash, "team": format!("team-{}", app % 40)},
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "9090"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("shop-{app}-{hash}"), "uid": uid(2), "controller": true, "blockOwnerDeletion": true}],
        },
        "spec": {
            "containers": [{
                "name": "app", "image": format!("registry.example.com/shop/service-{app}:1.{}.0", app % 9), "imagePullPolicy": "IfNotPresent",
                "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}, {"name": "metrics", "containerPort": 9090, "protocol": "TCP"}],
                "env": env, "resources": {"limits": {"memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}},
                "volumeMounts": [{"name": "token", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}],
                "livenessProbe": probe("/livez"), "readinessProbe": probe("/readyz"),
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            }],
            "volumes": [{"name": "token", "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}]}}],
            "nodeName": format!("node-{}", nth % 200), "restartPolicy": "Always", "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst", "serviceAccountName": "default", "serviceAccount": "default", "schedulerName": "default-scheduler",
            "securityContext": {}, "priority": 0, "enableServiceLinks": true, "preemptionPolicy": "PreemptLowerPriority",
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
        },
        "status": {
            "phase": "Running", "observedGeneration": 1, "qosClass": "Burstable", "startTime": "2026-11-01T08:00:00Z",
            "hostIP": format!("10.0.{}.{}", nth % 200, 1), "podIP": format!("10.{}.{}.{}", 1 + nth / 62_500, nth / 250 % 250, nth % 250),
            "conditions": conditions,
            "containerStatuses": [{
                "name": "app", "ready": true, "started": true, "restartCount": version, "containerID": container,
                "image": format!("registry.example.com/shop/service-{app}:1.{}.0", app % 9), "imageID": "", "lastState": {},
                "state": {"running": {"startedAt": format!("2026-11-01T08:{:02}:{:02}Z", version / 60 % 60, version % 60)}},
            }],
        },
    })
}

fn documents(sink: &str, folder: &Path, kind: &str) -> String {
    format!(
        r#"
apiVersion: ensue.dev/v1
kind: Connection
metadata: {{ name: sink }}
spec:
  http: {{ url: "http://{sink}", allowNetworks: [127.0.0.0/8] }}
---
apiVersion: ensue.dev/v1
kind: Connection
metadata: {{ name: cluster }}
spec:
  kubernetes: {{ kubeconfig: "{}" }}
---
apiVersion: ensue.dev/v1
kind: Source
metadata: {{ name: cluster }}
spec:
  kubernetes: {{ connection: cluster, resources: ["{kind}"], events: false }}
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: {{ name: switch }}
spec:
  when: {{ event: {{ type: [io.k8s.configmap.modified], data: {{ name: [switch] }} }} }}
  storm: {{ perKey: 1000000, perRule: 1000000 }}      # a storm is what is measured
  steps:
    - uses: http/request
      connection: sink
      with: {{ method: PUT, path: /switch, body: {{ number: "${{{{ event.data.object.data.number }}}}" }} }}
"#,
        folder.join("kubeconfig").display()
    )
}
