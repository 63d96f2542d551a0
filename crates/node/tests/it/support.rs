//! A node in a folder of its own, and a sink that remembers what was sent to it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use ensue_connect::Provider;
use ensue_event::ours::ConfigFile;
use ensue_node::{Configured, Node, Options, Running, Scope, Tokens, token};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;

pub const HOOK_SECRET: &str = "a secret of the webhook";

/// A node, its folder and a client.
pub struct Place {
    pub folder: TempDir,
    pub node: Running,
    pub http: reqwest::Client,
    pub admin: String,
}

pub fn file(text: impl Into<String>) -> Configured {
    Configured::Files(vec![ConfigFile { path: "all.yaml".into(), text: text.into() }])
}

pub fn options(folder: &Path) -> Options {
    std::fs::write(folder.join("secrets"), format!("HOOK={HOOK_SECRET}\n")).unwrap();
    let mut options = Options::new(folder.join("data"));
    options.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    options.open_ingest = true;
    options.secrets = vec![Provider::File(folder.join("secrets"))];
    options.limits.grace = Duration::from_secs(5);
    options.limits.poll = Duration::from_millis(20);
    options
}

pub fn client() -> reqwest::Client {
    // A second installation finds the first one and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

impl Place {
    pub async fn new(config: Configured) -> Place {
        Place::with(|options| options.config = config).await
    }

    pub async fn with(set: impl FnOnce(&mut Options)) -> Place {
        let folder = TempDir::new().unwrap();
        Place::at(folder, set).await
    }

    pub async fn at(folder: TempDir, set: impl FnOnce(&mut Options)) -> Place {
        let mut options = options(folder.path());
        set(&mut options);
        let node = Node::start(options).await.unwrap();
        let admin = token::local(&folder.path().join("data")).unwrap();
        Place { folder, node, http: client(), admin }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.node.url())
    }

    pub fn admin(&self) -> &str {
        &self.admin
    }

    pub fn token(&self, name: &str, scopes: &[Scope]) -> String {
        self.token_of(name, scopes, &[])
    }

    pub fn token_of(&self, name: &str, scopes: &[Scope], roles: &[&str]) -> String {
        let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
        let now = ensue_event::Time::from_secs(1_700_000_000);
        Tokens::open(&self.data()).unwrap().create(name, scopes, &roles, None, now).unwrap()
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        let request = self.http.get(self.url(path)).bearer_auth(&self.admin);
        read(request.send().await.unwrap()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.http.post(self.url(path)).bearer_auth(&self.admin).json(&body);
        read(request.send().await.unwrap()).await
    }

    /// Sends an event as one JSON object.
    pub async fn send(&self, event: Value) -> (u16, Value) {
        let request = self.http.post(self.url("/events")).header("content-type", "application/cloudevents+json");
        read(request.body(event.to_string()).send().await.unwrap()).await
    }

    /// Everything of a type in the log.
    pub fn of_type(&self, kind: &str) -> Vec<ensue_event::Record> {
        let all = self.node.records(ensue_event::Position(0), usize::MAX).unwrap();
        all.into_iter().filter(|record| &*record.event.kind == kind).collect()
    }

    /// Waits until a record of this type is in the log, and returns all of them.
    pub async fn wait_for(&self, kind: &str, count: usize) -> Vec<ensue_event::Record> {
        until(&format!("{count} of {kind}"), || {
            let found = self.of_type(kind);
            (found.len() >= count).then_some(found)
        })
        .await
    }

    /// Waits until so many runs are over well; what is missing is told with what is known of it.
    pub async fn finished(&self, count: usize) {
        for _ in 0..2_000 {
            if self.of_type("dev.ensue.run.finished").len() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (_, status) = self.get("/api/v1/status").await;
        let (_, runs) = self.get("/api/v1/runs?status=running,failed,uncertain&limit=3").await;
        let (_, outbox) = self.get("/api/v1/outbox?limit=3").await;
        panic!("{count} runs: they never ended\n{status:#}\n{runs:#}\n{outbox:#}");
    }

    /// A value of a metric, such as `ensue_duplicates_total`.
    pub async fn metric(&self, line: &str) -> f64 {
        let page = self.http.get(self.url("/metrics")).send().await.unwrap().text().await.unwrap();
        let found = page.lines().find_map(|text| text.strip_prefix(line)?.trim().parse().ok());
        found.unwrap_or(0.0)
    }

    pub async fn crash(self) -> TempDir {
        self.node.abandon().await;
        self.folder
    }

    pub async fn stop(self) -> (bool, TempDir) {
        (self.node.stop("test").await, self.folder)
    }
}

pub async fn read(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Asks again until there is an answer; what never comes is a failure after ten seconds.
pub async fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    for _ in 0..2_000 {
        if let Some(found) = ask() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what}: it never came");
}

pub fn order(id: &str, total: u64) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/shop", "type": "shop.order.placed", "data": {"total": total},
    })
}

/// One request that the sink got.
#[derive(Clone, Debug)]
pub struct Sent {
    pub path: String,
    pub key: Option<String>,
}

/// An HTTP server that remembers, and answers what it is told to.
#[derive(Clone)]
pub struct Sink {
    pub addr: SocketAddr,
    sent: Arc<Mutex<Vec<Sent>>>,
    /// While held, answers wait.
    gate: Arc<(Mutex<bool>, Notify)>,
    status: Arc<Mutex<StatusCode>>,
}

impl Sink {
    pub async fn new() -> Sink {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sink = Sink {
            addr: listener.local_addr().unwrap(),
            sent: Arc::default(),
            gate: Arc::new((Mutex::new(false), Notify::new())),
            status: Arc::new(Mutex::new(StatusCode::OK)),
        };
        let app = Router::new().fallback(take).with_state(sink.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        sink
    }

    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    pub fn hold(&self, hold: bool) {
        *self.gate.0.lock().unwrap() = hold;
        self.gate.1.notify_waiters();
    }

    pub fn answer(&self, status: u16) {
        *self.status.lock().unwrap() = StatusCode::from_u16(status).unwrap();
    }

    pub async fn wait(&self, count: usize) -> Vec<Sent> {
        until(&format!("{count} requests"), || (self.sent().len() >= count).then(|| self.sent())).await
    }

    /// A connection to it, keyed or not, and a rule that sends it orders of 100 and more.
    pub fn config(&self, keyed: bool) -> String {
        let header = if keyed { ", idempotencyHeader: Idempotency-Key" } else { "" };
        format!(
            r#"
apiVersion: ensue.dev/v1
kind: Connection
metadata: {{ name: sink }}
spec:
  http: {{ url: "http://{}", allowNetworks: [127.0.0.0/8]{header} }}
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: {{ name: forward }}
spec:
  when: {{ event: {{ type: [shop.order.placed], data: {{ total: [{{ numeric: [">=", 100] }}] }} }} }}
  if: event.data.total != 666
  steps:
    - id: send
      uses: http/request
      connection: sink
      with: {{ method: POST, path: /orders, body: {{ id: "${{{{ event.id }}}}" }} }}
---
apiVersion: ensue.dev/v1
kind: Source
metadata: {{ name: github }}
spec: {{ github: {{ secret: "${{{{ secrets.HOOK }}}}" }} }}
"#,
            self.addr
        )
    }
}

async fn take(State(sink): State<Sink>, request: Request) -> StatusCode {
    let key = request.headers().get("idempotency-key").map(|value| value.to_str().unwrap().to_owned());
    sink.sent.lock().unwrap().push(Sent { path: request.uri().path().to_owned(), key });
    loop {
        let opened = sink.gate.1.notified();
        if !*sink.gate.0.lock().unwrap() {
            return *sink.status.lock().unwrap();
        }
        opened.await;
    }
}
