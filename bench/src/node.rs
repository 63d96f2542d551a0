//! The node as a process: started, asked, killed, measured.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::Result;
use crate::http::{Client, request};
use crate::process::{self, Process, traced};
use crate::rng::Rng;

/// What is started, and where.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) binary: PathBuf,
    /// Has `config/`, `data/`, `secrets` and `node.log`.
    pub(crate) folder: PathBuf,
    pub(crate) addr: SocketAddr,
    /// More arguments of `up`.
    pub(crate) more: Vec<String>,
    /// A program that starts it, with its arguments.
    pub(crate) under: Vec<String>,
}

impl Setup {
    /// A folder with this configuration.
    pub(crate) fn new(binary: &Path, folder: &Path, config: &str, secrets: &str, rng: &mut Rng) -> Result<Setup> {
        let write = |path: PathBuf, text: &str| {
            std::fs::write(&path, text).map_err(|why| format!("cannot write {}: {why}", path.display()))
        };
        let made = std::fs::create_dir_all(folder.join("config"));
        made.map_err(|why| format!("cannot create {}: {why}", folder.display()))?;
        write(folder.join("config/all.yaml"), config)?;
        write(folder.join("secrets"), secrets)?;
        let binary = binary.canonicalize().map_err(|why| format!("there is no {}: {why}", binary.display()))?;
        Ok(Setup { binary, folder: folder.to_path_buf(), addr: free_port(rng)?, more: Vec::new(), under: Vec::new() })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Makes a token of this name that may read and operate, and answer for these roles; its text.
    pub(crate) fn token(&self, name: &str, roles: &[&str]) -> Result<String> {
        let made = std::fs::create_dir_all(self.data());
        made.map_err(|why| format!("cannot create {}: {why}", self.data().display()))?;
        let mut command = Command::new(&self.binary);
        command
            .args(["token", "create", name, "--scope", "read,operate", "--output", "json", "--data"])
            .arg(self.data());
        command.args(roles.iter().flat_map(|role| ["--role", role]));
        let out = command.output().map_err(|why| format!("cannot start {}: {why}", self.binary.display()))?;
        let made: Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
        let text = made.get("token").and_then(Value::as_str).map(str::to_owned);
        text.ok_or_else(|| format!("no token was made: {}", String::from_utf8_lossy(&out.stderr)))
    }

    /// The same with flushes that take so many microseconds longer; nothing where there is no strace to do it.
    pub(crate) fn slow_flushes(&self, micros: u64) -> Option<Setup> {
        let inject = format!("inject=fdatasync:delay_exit={micros}");
        let under = traced(&["-o", "/dev/null", "-e", "trace=fdatasync", "-e", &inject])?;
        Some(Setup { under, ..self.clone() })
    }

    /// Starts the process; it is not ready yet.
    pub(crate) fn start(&self) -> Result<Node> {
        let mut command = process::under(&self.under, &self.binary);
        command.arg("up").arg(self.folder.join("config")).arg("--data").arg(self.data());
        command.args(["--listen", &self.addr.to_string(), "--open-ingest", "--secrets-file"]);
        command.arg(self.folder.join("secrets")).args(&self.more).current_dir(&self.folder);
        let process = Process::start("the node", command, &self.folder.join("node.log"))?;
        Ok(Node { process, addr: self.addr, data: self.data() })
    }
}

/// A free port below those that the system gives to outgoing connections: one of them must not take it in between.
pub(crate) fn free_port(rng: &mut Rng) -> Result<SocketAddr> {
    for _ in 0..100 {
        let port = u16::try_from(rng.range(20_000, 32_000)).unwrap_or(20_000);
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(addr).is_ok() {
            return Ok(addr);
        }
    }
    Err("no port between 20000 and 32000 is free".into())
}

/// The process of a node, and where it listens.
pub(crate) struct Node {
    process: Process,
    addr: SocketAddr,
    data: PathBuf,
}

impl Node {
    /// Waits until it takes events; how long that took since the process was started.
    pub(crate) async fn ready(&mut self) -> Result<Duration> {
        let asked = request("GET", "/readyz", &[], b"");
        let mut client = Client::new(self.addr);
        loop {
            let answered = client.send(&asked).await.is_ok_and(|answer| answer.status() == 200);
            let took = self.started.elapsed();
            // Asked afterwards: it must not be another process that answers.
            self.still_starts()?;
            if answered {
                return Ok(took);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A client with the token of the data folder.
    pub(crate) fn api(&self) -> Api {
        Api::new(self.addr, &self.data)
    }

    /// The process alone.
    pub(crate) fn into_process(self) -> Process {
        self.process
    }
}

impl Deref for Node {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Node {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// The API.
pub(crate) struct Api {
    client: Client,
    token: Token,
}

/// Who asks.
enum Token {
    /// One who may do all: the node makes this file at its first start.
    Admin(PathBuf),
    Of(String),
}

impl Api {
    /// Asked by one who may do all.
    pub(crate) fn new(addr: SocketAddr, data: &Path) -> Api {
        Api { client: Client::new(addr), token: Token::Admin(data.join("admin.token")) }
    }

    /// Asked by whose token it is.
    pub(crate) fn of(addr: SocketAddr, token: &str) -> Api {
        Api { client: Client::new(addr), token: Token::Of(token.to_owned()) }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Value> {
        self.ask("GET", path, b"").await.map(|answer| answer.1)
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Result<(u16, Value)> {
        self.ask("POST", path, body.to_string().as_bytes()).await
    }

    async fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> Result<(u16, Value)> {
        let token = match &self.token {
            Token::Admin(file) => std::fs::read_to_string(file).unwrap_or_default(),
            Token::Of(token) => token.clone(),
        };
        let bearer = format!("Bearer {}", token.trim());
        let bytes = request(method, path, &[("authorization", &bearer), ("content-type", "application/json")], body);
        let answer = self.client.send(&bytes).await.map_err(|why| format!("{method} {path}: {why}"))?;
        let status = answer.status();
        if method == "GET" && status != 200 {
            return Err(format!("{method} {path} answered {status}: {}", answer.text()));
        }
        Ok((status, answer.json()))
    }

    /// The text of `/metrics`.
    pub(crate) async fn metrics(&mut self) -> Result<String> {
        let answer = self.client.send(&request("GET", "/metrics", &[], b"")).await;
        answer.map(|answer| answer.text()).map_err(|why| format!("GET /metrics: {why}"))
    }
}
