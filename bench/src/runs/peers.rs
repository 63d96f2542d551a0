//! Restate and Temporal's dev server, each with a worker of ours that makes the same three calls.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Result;
use crate::http::{Client, Message, request};
use crate::load::runtime;
use crate::node::free_port;
use crate::process::{Process, under as started_under};
use crate::rng::Rng;

use super::closed::System;

/// What a reader must know before he compares.
pub(super) const UNEQUAL: &[&str] = &[
    "Equal: the machine, the sink (one thread of the bench), the three POSTs one after the other, the closed loop, a start \
     that is acknowledged when it is kept, and that each step's outcome is kept before the next step begins.",
    "Not equal: what a step does runs inside ensue, and in a worker beside the peers (Restate: the JavaScript SDK on \
     Node, one process; Temporal: the Python SDK, activities on 64 threads). The worker takes the same two cores: so the \
     CPU of the server stands apart from it, and a faster worker would leave the peers more of the cores.",
    "Not equal: ensue waits for one fdatasync for each group of records, for an event, a firing, and each answer. Restate \
     is as it comes: its log is a RocksDB whose write-ahead log is flushed in groups; 24 partitions. Temporal's dev server \
     keeps all in one SQLite file (--db-filename), which its own help says is not for production; a cluster with \
     PostgreSQL or Cassandra is another thing, and faster.",
    "Not equal: the peers run code, ensue a list of steps; the peers keep a run's history in their store for a day or \
     more, ensue in its log; a start is POST /events at ensue, POST /three/run/send at Restate, and at Temporal \
     POST /api/v1/namespaces/default/workflows/ID of its HTTP interface, which costs more than gRPC does.",
];

const RESTATE: &str = include_str!("../../peers/restate.mjs");
const TEMPORAL: &str = include_str!("../../peers/temporal.py");

/// The programs of a peer.
pub(super) struct Place {
    name: &'static str,
    server: PathBuf,
    /// What runs the worker.
    runner: PathBuf,
    /// Where it finds the SDK.
    folder: PathBuf,
}

/// Restate, if it is installed in this folder of peers.
pub(super) fn restate(peers: &Path) -> Result<Place> {
    let folder = peers.join("node");
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let server = folder.join(format!("node_modules/@restatedev/restate-server-linux-{machine}/bin/restate-server"));
    found(Place { name: "Restate", server, runner: "node".into(), folder })
}

/// Temporal, if it is installed in this folder of peers.
pub(super) fn temporal(peers: &Path) -> Result<Place> {
    let folder = peers.join("python");
    found(Place { name: "Temporal", server: folder.join("bin/temporal"), runner: folder.join("bin/python3"), folder })
}

fn found(place: Place) -> Result<Place> {
    if !place.server.is_file() {
        return Err(format!("there is no {}", place.server.display()));
    }
    Ok(place)
}

impl Place {
    /// A server with nothing in it and a worker, ready to take runs.
    pub(super) fn start(&self, folder: &Path, sink: u16, under: &[String]) -> Result<System> {
        // Each start is one of its own, with nothing left from another.
        let folder = if under.is_empty() { folder.to_path_buf() } else { folder.join("flushes") };
        std::fs::create_dir_all(&folder).map_err(|why| format!("cannot create {}: {why}", folder.display()))?;
        let started = Started { place: self, folder, sink, under };
        if self.name == "Restate" { started.restate() } else { started.temporal() }
    }
}

struct Started<'a> {
    place: &'a Place,
    folder: PathBuf,
    sink: u16,
    under: &'a [String],
}

impl Started<'_> {
    fn restate(&self) -> Result<System> {
        let mut rng = Rng::of("restate");
        let [ingress, admin, node, worker] = ports(&mut rng)?;
        let mut command = started_under(self.under, &self.place.server);
        command.args(["--bind-ip", "127.0.0.1", "--listen-mode", "tcp", "--no-logo", "--base-dir"]).arg(&self.folder);
        command.args(["--bind-port", &node.port().to_string()]);
        command.env("RESTATE_INGRESS__BIND_PORT", ingress.port().to_string());
        command.env("RESTATE_ADMIN__BIND_PORT", admin.port().to_string());
        // Nothing is told to anybody, and nothing is written for each run.
        command.env("RESTATE_DISABLE_TELEMETRY", "true").env("RESTATE_LOG_FILTER", "warn");
        let mut server = Process::start("Restate", command, &self.folder.join("server.log"))?;
        let mut code = self.worker("restate.mjs", RESTATE, &[worker.port().to_string(), self.sink.to_string()])?;
        let body = json!({"uri": format!("http://{worker}")}).to_string();
        let json = [("content-type", "application/json")];
        until(&mut server, &mut code, admin, &request("POST", "/deployments", &json, body.as_bytes()), |answer| {
            answer.status() == 201 || answer.status() == 200
        })?;
        let start = |numbers: &[usize]| {
            let body = json!({"number": numbers.first()}).to_string();
            request("POST", "/three/run/send", &[("content-type", "application/json")], body.as_bytes())
        };
        Ok(System { name: "Restate", server, worker: code, addr: ingress, start })
    }

    fn temporal(&self) -> Result<System> {
        let mut rng = Rng::of("temporal");
        let [grpc, http, metrics, _] = ports(&mut rng)?;
        let mut command = started_under(self.under, &self.place.server);
        command.args(["server", "start-dev", "--headless", "--ip", "127.0.0.1", "--log-level", "error"]);
        command.args(["--port", &grpc.port().to_string(), "--http-port", &http.port().to_string()]);
        command.args(["--metrics-port", &metrics.port().to_string(), "--db-filename"]).arg(self.folder.join("db"));
        let mut server = Process::start("Temporal", command, &self.folder.join("server.log"))?;
        let ask = request("GET", "/api/v1/namespaces/default", &[], b"");
        until(&mut server, &mut None, http, &ask, |answer| answer.status() == 200)?;
        let mut code = self.worker("temporal.py", TEMPORAL, &[grpc.to_string(), self.sink.to_string()])?;
        let ask = request("GET", "/api/v1/namespaces/default/task-queues/bench", &[], b"");
        until(&mut server, &mut code, http, &ask, |answer| {
            answer.json().get("pollers").and_then(Value::as_array).is_some_and(|pollers| !pollers.is_empty())
        })?;
        let start = |numbers: &[usize]| {
            let number = numbers.first().copied().unwrap_or_default();
            let body = json!({"workflowType": {"name": "three"}, "taskQueue": {"name": "bench"}, "input": [{"number": number}]});
            let path = format!("/api/v1/namespaces/default/workflows/run-{number}");
            request("POST", &path, &[("content-type", "application/json")], body.to_string().as_bytes())
        };
        Ok(System { name: "Temporal", server, worker: code, addr: http, start })
    }

    /// A worker of this text, with the folder of its SDK as the place where it runs.
    fn worker(&self, name: &str, text: &str, arguments: &[String]) -> Result<Option<Process>> {
        let path = self.folder.join(name);
        std::fs::write(&path, text).map_err(|why| format!("cannot write {}: {why}", path.display()))?;
        let mut command = Command::new(&self.place.runner);
        // Nothing is written for each run.
        command.arg(&path).args(arguments).current_dir(&self.place.folder).env("RESTATE_LOGGING", "ERROR");
        let name = format!("the worker of {}", self.place.name);
        Process::start(&name, command, &self.folder.join("worker.log")).map(Some)
    }
}

fn ports(rng: &mut Rng) -> Result<[SocketAddr; 4]> {
    Ok([free_port(rng)?, free_port(rng)?, free_port(rng)?, free_port(rng)?])
}

/// Asks until it is answered as wanted.
fn until(
    server: &mut Process,
    worker: &mut Option<Process>,
    addr: SocketAddr,
    ask: &[u8],
    wanted: impl Fn(&Message) -> bool,
) -> Result {
    runtime()?.block_on(async {
        let mut client = Client::new(addr);
        loop {
            if let Ok(Ok(answer)) = tokio::time::timeout(Duration::from_secs(10), client.send(ask)).await
                && wanted(&answer)
            {
                return Ok(());
            }
            server.still_starts()?;
            if let Some(worker) = worker {
                worker.still_starts()?;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
}
