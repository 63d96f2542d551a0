//! The node as a process: started, asked, killed, measured.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Result;
use crate::http::{Client, request};
use crate::rng::Rng;

/// How a start may go on before something is wrong with it.
const PATIENCE: Duration = Duration::from_secs(60);

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
    under: Vec<String>,
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

    /// The same with flushes that take so many microseconds longer; nothing where there is no strace to do it.
    pub(crate) fn slow_flushes(&self, micros: u64) -> Option<Setup> {
        let there = Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
        // -D: the process stays our child. The filter lets all other calls pass at full speed.
        let inject = format!("inject=fdatasync:delay_exit={micros}");
        let words =
            ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", &inject];
        let under = words.map(str::to_owned).to_vec();
        there.is_ok_and(|status| status.success()).then(|| Setup { under, ..self.clone() })
    }

    /// Starts the process; it is not ready yet.
    pub(crate) fn start(&self) -> Result<Node> {
        let log = self.folder.join("node.log");
        let opened: std::io::Result<(File, File)> = (|| {
            let file = OpenOptions::new().create(true).append(true).open(&log)?;
            Ok((file.try_clone()?, file))
        })();
        let (out, err) = opened.map_err(|why| format!("cannot write {}: {why}", log.display()))?;
        let mut command = match self.under.split_first() {
            None => Command::new(&self.binary),
            Some((under, rest)) => {
                let mut command = Command::new(under);
                command.args(rest).arg(&self.binary);
                command
            }
        };
        command.arg("up").arg(self.folder.join("config")).arg("--data").arg(self.data());
        command.args(["--listen", &self.addr.to_string(), "--open-ingest", "--secrets-file"]);
        command.arg(self.folder.join("secrets")).args(&self.more).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(out).stderr(err).env("NO_COLOR", "1");
        let started = Instant::now();
        let child = command.spawn().map_err(|why| format!("cannot start {}: {why}", self.binary.display()))?;
        Ok(Node { child, addr: self.addr, log, data: self.data(), started })
    }
}

/// A free port below those that the system gives to outgoing connections: one of them must not take it in between.
fn free_port(rng: &mut Rng) -> Result<SocketAddr> {
    for _ in 0..100 {
        let port = u16::try_from(rng.range(20_000, 32_000)).unwrap_or(20_000);
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(addr).is_ok() {
            return Ok(addr);
        }
    }
    Err("no port between 20000 and 32000 is free".into())
}

/// A process that runs, or has ended.
pub(crate) struct Node {
    child: Child,
    addr: SocketAddr,
    log: PathBuf,
    data: PathBuf,
    started: Instant,
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
            if let Some(status) = self.ended() {
                return Err(format!("the node ended by itself ({status}):\n{}", self.tail()));
            }
            if answered {
                return Ok(took);
            }
            if self.started.elapsed() > PATIENCE {
                return Err(format!("the node is not ready after {} s:\n{}", PATIENCE.as_secs(), self.tail()));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<String> {
        self.child.try_wait().ok().flatten().map(|status| status.to_string())
    }

    /// SIGKILL, and waits for the end. An error if it had ended by itself.
    pub(crate) fn kill(&mut self) -> Result {
        if let Some(status) = self.ended() {
            return Err(format!("the node ended by itself ({status}):\n{}", self.tail()));
        }
        self.child.kill().map_err(|why| format!("cannot kill the node: {why}"))?;
        self.child.wait().map_err(|why| format!("cannot wait for the node: {why}"))?;
        Ok(())
    }

    /// SIGTERM, and waits for the end in good order.
    pub(crate) fn stop(&mut self) -> Result {
        let sent = Command::new("kill").args(["-TERM", &self.pid()]).status();
        sent.map_err(|why| format!("cannot start kill: {why}"))?;
        let began = Instant::now();
        loop {
            match self.child.try_wait().map_err(|why| format!("cannot wait for the node: {why}"))? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("the node stopped with {status}:\n{}", self.tail())),
                None if began.elapsed() > PATIENCE => return Err(format!("the node does not stop:\n{}", self.tail())),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// The end of what it has said.
    pub(crate) fn tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }

    fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A client with the token of the data folder.
    pub(crate) fn api(&self) -> Api {
        Api::new(self.addr, &self.data)
    }

    /// Seconds of CPU since its start, user and system.
    pub(crate) fn cpu(&self) -> f64 {
        cpu(&format!("/proc/{}/stat", self.pid()))
    }

    /// Seconds of CPU of its threads of this name.
    pub(crate) fn thread_cpu(&self, name: &str) -> f64 {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", self.pid())) else { return 0.0 };
        let of = |folder: PathBuf| {
            let comm = std::fs::read_to_string(folder.join("comm")).ok()?;
            let times = std::fs::read_to_string(folder.join("schedstat")).ok()?;
            let nanoseconds: f64 = times.split(' ').next()?.parse().ok()?;
            (comm.trim() == name).then_some(nanoseconds / 1e9)
        };
        threads.filter_map(|thread| of(thread.ok()?.path())).sum()
    }

    /// Bytes that the kernel wrote to the disk for it.
    pub(crate) fn written(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/io", self.pid())).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok()).unwrap_or(0)
    }

    /// Resident bytes.
    pub(crate) fn resident(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()).unwrap_or(0) * 1024
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds of CPU by a `stat` file of /proc: fields 14 and 15, in ticks of 10 ms (USER_HZ is 100 on Linux).
pub(crate) fn cpu(path: &str) -> f64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |nth: usize| fields.get(nth).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// The API, asked by one who may do all.
pub(crate) struct Api {
    client: Client,
    data: PathBuf,
}

impl Api {
    pub(crate) fn new(addr: SocketAddr, data: &Path) -> Api {
        Api { client: Client::new(addr), data: data.to_path_buf() }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Value> {
        self.ask("GET", path, b"").await.map(|answer| answer.1)
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Result<(u16, Value)> {
        self.ask("POST", path, body.to_string().as_bytes()).await
    }

    async fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> Result<(u16, Value)> {
        // The first start makes it.
        let token = std::fs::read_to_string(self.data.join("admin.token")).unwrap_or_default();
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
