//! The recordings, replayed: every request in the order of its story, its answer compared with the recorded one.

mod compare;
mod exchange;
mod stories;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fake_kubernetes::Server;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::kit::{call, send};
use compare::{Difference, Maps, compare, compare_lines};
use exchange::Exchange;

/// The folder of recordings: below `ENSUE_SHARED`, else beside the workspace.
fn recordings() -> Option<PathBuf> {
    let shared = match std::env::var_os("ENSUE_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    };
    Some(shared.join("data/kubernetes")).filter(|folder| folder.is_dir())
}

/// The lines of a watch, as they come.
type Lines = Arc<Mutex<Vec<Value>>>;

/// One story: a server, and what recorded values became on it.
pub(crate) struct Replay {
    pub(crate) server: Server,
    root: PathBuf,
    folder: String,
    maps: Maps,
    /// What differs, by file.
    results: BTreeMap<String, Vec<Difference>>,
    open: Vec<(String, Exchange, Lines)>,
    /// How long reads are repeated until they are as recorded, as the recorder waited too.
    pub(crate) patience: Duration,
    /// How long nobody must write until the cluster is at rest, in steps of 20 ms.
    pub(crate) quiet: u32,
    /// The controllers of the server act step by step.
    stepped: bool,
}

/// Steps of the controllers until a state must have come.
const STEPS: u32 = 600;

fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

impl Replay {
    pub(crate) async fn new(root: &Path, folder: &str) -> Replay {
        Replay {
            server: Server::start().await.unwrap(),
            root: root.to_owned(),
            folder: folder.to_owned(),
            maps: Maps::default(),
            results: BTreeMap::new(),
            open: Vec::new(),
            patience: Duration::from_millis(1500),
            quiet: 5,
            stepped: false,
        }
    }

    /// From now on controllers act only while an exchange waits for a state.
    pub(crate) fn by_step(&mut self, on: bool) {
        self.stepped = on;
        self.server.by_step(on);
        self.server.kubelet_pace(Duration::from_millis(if on { 0 } else { 30 }));
    }

    /// Lets the cluster go on a little; tells whether there is time for more.
    async fn wait(&self, left: &mut u32, end: Instant) -> bool {
        if self.stepped {
            let before = self.server.version();
            while *left > 0 && self.server.version() == before {
                self.server.step();
                *left -= 1;
            }
            return *left > 0;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        Instant::now() < end
    }

    pub(crate) fn folder(&mut self, folder: &str) {
        folder.clone_into(&mut self.folder);
    }

    /// A request that is not recorded but must have been made.
    pub(crate) async fn setup(&self, method: &str, path: &str, body: Value) -> Value {
        let media = if method == "PATCH" { "application/strategic-merge-patch+json" } else { "application/json" };
        let headers = [("user-agent", "ensue-recorder/1"), ("content-type", media)];
        let (status, answer) = call(&self.server, method, path, body, &headers).await;
        assert!(status < 300, "{method} {path}: {answer}");
        answer
    }

    pub(crate) async fn namespace(&self, name: &str) {
        self.setup("POST", "/api/v1/namespaces", json!({ "metadata": { "name": name } })).await;
        self.until(&format!("/api/v1/namespaces/{name}/configmaps/kube-root-ca.crt"), |one| one["kind"] == "ConfigMap")
            .await;
        self.until(&format!("/api/v1/namespaces/{name}/serviceaccounts/default"), |one| {
            one["kind"] == "ServiceAccount"
        })
        .await;
    }

    pub(crate) async fn until(&self, path: &str, done: impl Fn(&Value) -> bool) -> Value {
        let (mut left, end) = (STEPS, Instant::now() + Duration::from_secs(5));
        loop {
            let answer = call(&self.server, "GET", path, Value::Null, &[]).await.1;
            if done(&answer) || !self.wait(&mut left, end).await {
                return answer;
            }
        }
    }

    /// Waits until nobody writes any more.
    pub(crate) async fn settle(&self) {
        let mut last = 0;
        let mut quiet = 0;
        for _ in 0..150 {
            if self.stepped {
                // Enough for all objects that wait to come round.
                (0..20).for_each(|_| {
                    self.server.step();
                });
            } else {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let now = self.server.version();
            quiet = if now == last { quiet + 1 } else { 0 };
            last = now;
            if quiet >= self.quiet {
                return;
            }
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.root.join(&self.folder).join(format!("{name}.json"))
    }

    fn rewritten(&self, value: &Value) -> Value {
        match value {
            Value::Object(map) => map
                .iter()
                .map(|(key, one)| {
                    let one = match one.as_str() {
                        Some(text) if key == "resourceVersion" => json!(self.maps.version(text)),
                        _ => self.rewritten(one),
                    };
                    (self.maps.here(key), one)
                })
                .collect(),
            Value::Array(items) => items.iter().map(|one| self.rewritten(one)).collect(),
            Value::String(text) => json!(self.maps.here(text)),
            other => other.clone(),
        }
    }

    /// The path, headers and body of the request as it is made here.
    fn request(&self, exchange: &Exchange) -> (String, Vec<(String, String)>, Vec<u8>) {
        let query: Vec<String> = exchange
            .query
            .iter()
            .map(|(key, value)| {
                let value = if key == "resourceVersion" { self.maps.version(value) } else { self.maps.here(value) };
                format!("{key}={}", encode(&value))
            })
            .collect();
        let mut path = self.maps.here(&exchange.path);
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        let mut headers = exchange.headers.clone();
        let token = match exchange.user.as_deref() {
            None => String::new(),
            Some(user @ ("admin" | "dev")) => user.to_owned(),
            Some(_) => self.maps.tokens.get("service account").cloned().unwrap_or_else(|| "unknown".to_owned()),
        };
        if !token.is_empty() {
            headers.push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        let body = match &exchange.body {
            Value::Null => Vec::new(),
            Value::String(text) if text.starts_with("<a ConfigMap") => {
                let size = if text.contains("4 MiB") { 4 << 20 } else { 1100 << 10 };
                let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "big" }, "data": { "x": "a".repeat(size) } });
                body.to_string().into_bytes()
            }
            Value::String(text) => text.clone().into_bytes(),
            body => self.rewritten(body).to_string().into_bytes(),
        };
        (path, headers, body)
    }

    /// Makes a recorded request and compares its answer. Reads are repeated for a while.
    pub(crate) async fn run(&mut self, name: &str) {
        let exchange = Exchange::read(&self.file(name));
        if exchange.lines.is_some() {
            self.watch(name).await;
            let wait = Duration::from_millis(400);
            self.close_one(name, wait).await;
            return;
        }
        let file = format!("{}/{name}", self.folder);
        let read = exchange.method == "GET" && reason(stories::REASONS, &file).is_none();
        let (mut left, end) = (STEPS, Instant::now() + if read { self.patience } else { Duration::ZERO });
        if matches!(exchange.method.as_str(), "PATCH" | "PUT" | "DELETE") && exchange.answer["status"].is_object() {
            self.ready(&exchange).await;
        }
        let mut before = String::new();
        loop {
            let mut maps = self.maps.clone();
            let Some(differences) = self.once(&exchange, &mut maps, &mut before).await else {
                if self.wait(&mut left, end).await {
                    continue;
                }
                before.clear();
                continue;
            };
            if differences.is_empty() || !read || !self.wait(&mut left, end).await {
                self.maps = maps;
                self.results.insert(file, differences);
                return;
            }
        }
    }

    /// Waits until the object has the status that it had when the recorder changed it; controllers write it meanwhile.
    async fn ready(&self, exchange: &Exchange) {
        let whole = exchange.path.trim_end_matches("/scale");
        if exchange.path.ends_with("/status") || exchange.answer["kind"] == "Status" {
            return;
        }
        let path = self.maps.here(whole);
        let (mut steps, end) = (STEPS, Instant::now() + Duration::from_millis(1200));
        let recorded = |value: &Value| {
            let notes = &value["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
            json!({ "status": value["status"], "revision": notes })
        };
        loop {
            let found = call(&self.server, "GET", &path, Value::Null, &[]).await.1;
            let mut differences = Vec::new();
            let (mut left, mut right) = (recorded(&exchange.answer), recorded(&found));
            if exchange.path.ends_with("/scale") {
                left = json!(exchange.answer["status"]["replicas"]);
                right = json!(found["status"]["replicas"].as_u64().unwrap_or(0));
            }
            compare(&mut self.maps.clone(), &left, &right, "", &mut differences);
            if differences.is_empty() || !self.wait(&mut steps, end).await {
                return;
            }
        }
    }

    /// Makes the request and compares; nothing if the answer is the same text as before.
    async fn once(&self, exchange: &Exchange, maps: &mut Maps, before: &mut String) -> Option<Vec<Difference>> {
        let (path, headers, body) = self.request(exchange);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let answer = send(&self.server, &exchange.method, &path, body, &headers).await.unwrap();
        let mut differences = Vec::new();
        if answer.status != exchange.status {
            differences.push(Difference(format!("status: recorded {}, found {}", exchange.status, answer.status)));
        }
        compare_headers(&exchange.answer_headers, &answer.headers, &mut differences);
        let text = answer.text().await;
        if text == *before && !text.is_empty() {
            return None;
        }
        before.clone_from(&text);
        let found = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let nothing = exchange.answer.is_null() && found == "";
        if !nothing {
            compare(maps, &exchange.answer, &found, "", &mut differences);
        }
        if let Some(token) = found["status"]["token"].as_str() {
            maps.tokens.insert("service account".to_owned(), token.to_owned());
        }
        Some(differences)
    }

    /// Opens a recorded watch; [`Replay::close`] compares what came.
    pub(crate) async fn watch(&mut self, name: &str) {
        let exchange = Exchange::read(&self.file(name));
        let (path, headers, body) = self.request(&exchange);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let mut answer = send(&self.server, &exchange.method, &path, body, &headers).await.unwrap();
        let mut differences = Vec::new();
        if answer.status != exchange.status {
            differences.push(Difference(format!("status: recorded {}, found {}", exchange.status, answer.status)));
        }
        compare_headers(&exchange.answer_headers, &answer.headers, &mut differences);
        self.results.insert(format!("{}/{name}", self.folder), differences);
        let lines = Lines::default();
        let into = lines.clone();
        tokio::spawn(async move {
            while let Some(line) = answer.line().await {
                into.lock().unwrap().push(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        self.open.push((name.to_owned(), exchange, lines));
    }

    async fn close_one(&mut self, name: &str, wait: Duration) {
        let Some(at) = self.open.iter().position(|(other, ..)| other == name) else { return };
        let (name, exchange, lines) = self.open.remove(at);
        let recorded = exchange.lines.unwrap_or_default();
        let real = |lines: &[Value]| lines.iter().filter(|line| line["type"] != "BOOKMARK").count();
        let (wanted, marks) = (real(&recorded), recorded.len() > real(&recorded));
        let end = Instant::now() + wait;
        loop {
            let found = lines.lock().unwrap().clone();
            if real(&found) >= wanted && (!marks || found.len() > real(&found)) || Instant::now() > end {
                let mut differences = Vec::new();
                compare_lines(&mut self.maps, &recorded, &found, &mut differences);
                self.results.entry(format!("{}/{name}", self.folder)).or_default().extend(differences);
                return;
            }
            if self.stepped {
                self.server.step();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Compares all open watches with what was recorded.
    pub(crate) async fn close(&mut self) {
        let names: Vec<String> = self.open.iter().map(|(name, ..)| name.clone()).collect();
        for name in names {
            self.close_one(&name, Duration::from_millis(800)).await;
        }
    }
}

fn compare_headers(recorded: &Value, found: &http::HeaderMap, into: &mut Vec<Difference>) {
    for name in ["content-type", "retry-after", "warning", "x-content-type-options", "cache-control"] {
        let here = found.get(name).and_then(|value| value.to_str().ok());
        if recorded[name].as_str() != here {
            into.push(Difference(format!("header {name}: recorded {}, found {here:?}", recorded[name])));
        }
    }
}

/// Why an exchange is not expected to be equal.
fn reason<'a>(reasons: &[(&str, &'a str)], file: &str) -> Option<&'a str> {
    let names = |name: &str| name.strip_suffix('*').map_or(name == file, |start| file.starts_with(start));
    reasons.iter().find(|(name, _)| names(name)).map(|(_, why)| *why)
}

/// Prints what was found and fails on what is not explained.
fn report(root: &Path, results: &BTreeMap<String, Vec<Difference>>, reasons: &[(&str, &str)]) {
    let mut files = BTreeSet::new();
    for folder in std::fs::read_dir(root).unwrap().filter_map(Result::ok).filter(|entry| entry.path().is_dir()) {
        for file in std::fs::read_dir(folder.path()).unwrap().filter_map(Result::ok) {
            let (folder, file) = (folder.file_name(), file.file_name());
            let name = format!("{}/{}", folder.to_string_lossy(), file.to_string_lossy());
            files.insert(name.trim_end_matches(".json").to_owned());
        }
    }
    let mut folders: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let mut unexplained = Vec::new();
    let mut differ = Vec::new();
    for file in &files {
        let counts = folders.entry(file.split('/').next().unwrap_or_default()).or_default();
        counts[0] += 1;
        match results.get(file) {
            Some(differences) if differences.is_empty() => counts[1] += 1,
            found => {
                let told = found.map_or_else(
                    || vec!["not replayed".to_owned()],
                    |list| list.iter().take(6).map(|one| one.0.clone()).collect(),
                );
                match reason(reasons, file) {
                    Some(why) => {
                        counts[2] += 1;
                        differ.push(format!("  {file}: {why}"));
                    }
                    None => unexplained.push(format!("  {file}\n    {}", told.join("\n    "))),
                }
            }
        }
    }
    println!("{:<22} exchanges  equal  differ", "folder");
    for (folder, [all, equal, differ]) in &folders {
        println!("{folder:<22} {all:>9} {equal:>6} {differ:>7}");
    }
    println!("differ for a named reason:\n{}", differ.join("\n"));
    println!("unexplained:\n{}", unexplained.join("\n"));
    let sum = |at: usize| folders.values().map(|counts| counts[at]).sum::<usize>();
    println!(
        "{} exchanges: {} equal, {} differ for a named reason, {} unexplained",
        sum(0),
        sum(1),
        sum(2),
        unexplained.len()
    );
    assert!(
        unexplained.is_empty(),
        "{} exchanges differ from the recordings without a named reason",
        unexplained.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recordings_are_answered_as_recorded() {
    let Some(root) = recordings() else {
        println!("skipped: the_recordings_are_answered_as_recorded: no shared data");
        return;
    };
    let results = stories::all(&root).await;
    report(&root, &results, stories::REASONS);
}

/// The project's own exchanges, in the form of the recordings; they need nothing beside the workspace.
#[tokio::test]
async fn own_exchanges_are_answered_as_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures");
    let results = stories::own(&root).await;
    report(&root, &results, &[]);
}
