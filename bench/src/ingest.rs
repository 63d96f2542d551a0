//! What it costs to take events in, against a bare loop over the same bytes; what is kept, and how fast it is up again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::arguments::Arguments;
use crate::bare;
use crate::http::Client;
use crate::metrics::{Histogram, sample};
use crate::node::{Node, Setup};
use crate::process::cpu;
use crate::report::{Report, Target};
use crate::rng::Rng;
use crate::{Result, events};

const ROUNDS: usize = 5;
/// Events of a batch.
pub(crate) const BATCH: usize = 100;
/// Clients that send single events.
pub(crate) const CLIENTS: usize = 64;
/// How long a flush takes where one is made slow, in microseconds.
const SLOW: u64 = 3_000;

pub(crate) fn run(mut words: Arguments) -> Result {
    let binary: PathBuf = words.needed("--binary")?;
    let mut report = Report::new("ingest", &mut words)?;
    let full = words.flag("--full");
    let count: usize = words.option("--events")?.unwrap_or(20_000);
    words.end()?;
    let folder = tempfile::Builder::new().prefix("ensue-ingest-").tempdir();
    let folder = folder.map_err(|why| format!("cannot create a folder: {why}"))?;
    let bench = Bench::new(binary, folder.path(), count)?;
    bench.cpu(&mut report)?;
    bench.flushes(&mut report)?;
    bench.kept(&mut report, if full { 1_000_000 } else { 100_000 })?;
    report.write()
}

pub(crate) struct Bench {
    pub(crate) binary: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) runtime: Runtime,
    /// Events of a round.
    pub(crate) count: usize,
}

impl Bench {
    pub(crate) fn new(binary: PathBuf, folder: &Path, count: usize) -> Result<Bench> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|why| format!("cannot start threads: {why}"))?;
        Ok(Bench { binary, folder: folder.to_path_buf(), runtime, count })
    }

    pub(crate) fn setup(&self, name: &str, config: &str) -> Result<Setup> {
        Setup::new(&self.binary, &self.folder.join(name), config, "", &mut Rng::of(name))
    }

    pub(crate) fn start(&self, setup: &Setup) -> Result<(Node, Duration)> {
        let mut node = setup.start()?;
        let took = self.runtime.block_on(node.ready())?;
        Ok((node, took))
    }

    /// CPU for each event, in rounds: bare loop, batches, single events without rules and with a hundred.
    fn cpu(&self, report: &mut Report) -> Result {
        let (plain, ruled) = (self.setup("plain", "")?, self.setup("ruled", &events::rules(100))?);
        let (plain, ruled) = (self.start(&plain)?.0, self.start(&ruled)?.0);
        let mut made = events::Made::new();
        let (mut bare, mut batch, mut single, mut folded, mut ratio) = (vec![], vec![], vec![], vec![], vec![]);
        let (mut with_rules, mut batch_ours, mut single_ours) = (vec![], vec![], vec![]);
        for round in 0..=ROUNDS {
            // The first round warms up.
            let keep = |list: &mut Vec<f64>, value: f64| {
                if round > 0 {
                    list.push(value)
                }
            };
            // More of what costs little: /proc counts in ticks of 10 ms.
            let many = 4 * self.count;
            let loop_us = bare::batches(&self.folder.join(format!("bare-{round}")), &mut made, many, BATCH)?;
            let sent = self.post(&plain, made.batches(many, BATCH), 1, many)?;
            keep(&mut bare, loop_us);
            keep(&mut batch, sent.node);
            keep(&mut batch_ours, sent.ours);
            keep(&mut ratio, loop_us / sent.node);
            let sent = self.post(&plain, made.singles(self.count), CLIENTS, self.count)?;
            keep(&mut single, sent.node - sent.fold);
            keep(&mut folded, sent.node);
            keep(&mut single_ours, sent.ours);
            let sent = self.post(&ruled, made.singles(self.count), CLIENTS, self.count)?;
            keep(&mut with_rules, sent.node);
        }
        report.rounds(
            "bare loop, batches of 100",
            &bare,
            "µs CPU/event",
            Target::None,
            "append with CRC and BLAKE3, one writer, 1 KiB events",
        );
        report.rounds(
            "HTTP, batches of 100",
            &batch,
            "µs CPU/event",
            Target::None,
            "one connection; the fold is in it, no rules",
        );
        report.rounds(
            "bare loop / HTTP in batches of 100",
            &ratio,
            "",
            Target::AtLeast(0.6),
            "ratio of events per CPU second, in each round",
        );
        report.rounds(
            "single POST before the fold",
            &single,
            "µs CPU/event",
            Target::AtMost(40.0),
            "64 connections; all threads but the one that folds",
        );
        report.rounds("single POST with the fold, no rules", &folded, "µs CPU/event", Target::None, "64 connections");
        report.rounds(
            "single POST with the fold and 100 rules",
            &with_rules,
            "µs CPU/event",
            Target::AtMost(55.0),
            "each event is of the type of one rule",
        );
        report.rounds("sender, batches of 100", &batch_ours, "µs CPU/event", Target::None, "the process of the bench");
        report.rounds("sender, single POST", &single_ours, "µs CPU/event", Target::None, "the process of the bench");
        Ok(())
    }

    /// Sends requests by so many clients, and says what that cost the node and us for each event.
    pub(crate) fn post(&self, node: &Node, requests: Vec<Vec<u8>>, clients: usize, count: usize) -> Result<Cost> {
        self.runtime.block_on(async {
            let (before, fold, ours) = (node.cpu(), node.thread_cpu("ensue-fold"), cpu("/proc/self/stat"));
            let began = Instant::now();
            send(node, requests, clients).await?;
            let mut api = node.api();
            while api.get("/api/v1/status").await?.get("lag").and_then(serde_json::Value::as_u64) != Some(0) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // What the fold has left for its next checkpoint.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let each = |seconds: f64| seconds * 1e6 / count as f64;
            Ok(Cost {
                node: each(node.cpu() - before),
                fold: each(node.thread_cpu("ensue-fold") - fold),
                ours: each(cpu("/proc/self/stat") - ours),
                took: began.elapsed(),
            })
        })
    }

    /// How often the disk is flushed, with a flush of 3 ms and 64 clients; and how long events wait for it.
    fn flushes(&self, report: &mut Report) -> Result {
        let count = self.count.min(10_000);
        let mut made = events::Made::new();
        let setup = self.setup("flush", "")?;
        let (node, _) = self.start(&setup)?;
        let page = || self.runtime.block_on(async { node.api().metrics().await });
        let before = page()?;
        self.post(&node, made.singles(count), CLIENTS, count)?;
        let after = page()?;
        let append = Histogram::between(&before, &after, "ensue_log_append_seconds", "");
        let durable = Histogram::between(&before, &after, "ensue_stage_seconds", "stage=\"durable\"");
        let ratio = durable.quantile(0.99) / append.quantile(0.5);
        report.value(
            "received → durable, p99 / median append",
            ratio,
            "",
            Target::AtMost(3.0),
            "64 clients; the append is one write and one fsync",
        );
        report.value("median append", append.quantile(0.5) * 1e3, "ms", Target::None, "by the node's own histogram");
        drop(node);
        let Some(slow) = setup.slow_flushes(SLOW) else {
            eprintln!("fsyncs with a 3 ms flush are not measured: there is no strace to make them slow");
            return Ok(());
        };
        let (mut bare, mut ours, mut ratios) = (vec![], vec![], vec![]);
        let (node, _) = self.start(&slow)?;
        let page = || self.runtime.block_on(async { node.api().metrics().await });
        for round in 0..ROUNDS {
            let folder = self.folder.join(format!("bare-flush-{round}"));
            let loop_flushes = bare::clients(&folder, &mut made, count, CLIENTS, Duration::from_micros(SLOW))?;
            let before = sample(&page()?, "ensue_log_append_seconds_count");
            self.post(&node, made.singles(count), CLIENTS, count)?;
            let flushes = sample(&page()?, "ensue_log_append_seconds_count") - before;
            let each = |flushes: f64| flushes * 1_000.0 / count as f64;
            bare.push(each(loop_flushes));
            ours.push(each(flushes));
            ratios.push(flushes / loop_flushes);
        }
        report.rounds(
            "bare loop, 3 ms flush, 64 clients",
            &bare,
            "fsyncs/1,000 events",
            Target::None,
            "natural group commit",
        );
        report.rounds(
            "HTTP, 3 ms flush, 64 clients",
            &ours,
            "fsyncs/1,000 events",
            Target::None,
            "fdatasync of the process made slow by strace",
        );
        report.rounds("fsyncs, HTTP / bare loop", &ratios, "", Target::AtMost(1.2), "");
        Ok(())
    }

    /// Memory, disk and starts, with nothing kept and with many events.
    fn kept(&self, report: &mut Report, count: usize) -> Result {
        let name = if count >= 1_000_000 { "1 M" } else { "100 k" };
        let note = if count >= 1_000_000 { "" } else { "the claim is for 1 M: `--full`" };
        let (mut ready, mut idle) = (vec![], vec![]);
        for round in 0..ROUNDS {
            let (node, took) = self.start(&self.setup(&format!("empty-{round}"), &events::rules(100))?)?;
            ready.push(took.as_secs_f64() * 1e3);
            std::thread::sleep(Duration::from_millis(300));
            idle.push(node.resident() as f64 / 1e6);
        }
        report.rounds(
            "ready, empty store",
            &ready,
            "ms",
            Target::AtMost(100.0),
            "from the start of the process, 100 rules",
        );
        report.rounds("resident, idle", &idle, "MB", Target::AtMost(40.0), "100 rules");
        let setup = self.setup("many", &events::rules(100))?;
        let (mut node, _) = self.start(&setup)?;
        let (mut made, mut sent, mut took) = (events::Made::new(), 0, Duration::ZERO);
        while sent < count {
            let cost = self.post(&node, made.batches(20_000, BATCH), 2, 20_000)?;
            (sent, took) = (sent + 20_000, took + cost.took);
        }
        let rate = sent as f64 / took.as_secs_f64();
        report.value(
            "events taken in a second",
            rate,
            "/s",
            Target::None,
            "batches of 100, 2 connections, 100 rules, to the end of the fold",
        );
        report.value(
            &format!("resident, {name} events"),
            node.resident() as f64 / 1e6,
            "MB",
            Target::AtMost(100.0),
            note,
        );
        let bytes = made.bytes as f64;
        let kept = size(&setup.data().join("log"), &["log"])? + size(&setup.data(), &["db", "db-wal"])?;
        report.value(
            "kept / sent bytes",
            kept as f64 / bytes,
            "",
            Target::AtMost(1.2),
            "segments and state against the bytes of the events",
        );
        report.value(
            "written / sent bytes",
            node.written() as f64 / bytes,
            "",
            Target::None,
            "what the kernel wrote for the process, whole pages, indexes and cut-off logs of the state with it",
        );
        let mut starts = vec![];
        for _ in 0..ROUNDS {
            // Something that the last checkpoint does not have.
            self.post(&node, made.singles(64), CLIENTS, 64)?;
            node.kill()?;
            let (again, took) = self.start(&setup)?;
            node = again;
            starts.push(took.as_secs_f64() * 1e3);
        }
        report.rounds(&format!("ready after kill -9, {name} events"), &starts, "ms", Target::AtMost(500.0), note);
        report.value(
            &format!("resident after kill -9, {name} events"),
            node.resident() as f64 / 1e6,
            "MB",
            Target::None,
            "",
        );
        let binary = std::fs::metadata(&self.binary).map_or(0, |known| known.len());
        report.value("binary", binary as f64 / 1e6, "MB", Target::AtMost(40.0), "as it is given to this bench");
        Ok(())
    }
}

/// What a round cost for each event, in microseconds of CPU.
pub(crate) struct Cost {
    pub(crate) node: f64,
    pub(crate) fold: f64,
    pub(crate) ours: f64,
    pub(crate) took: Duration,
}

async fn send(node: &Node, requests: Vec<Vec<u8>>, clients: usize) -> Result {
    let mut lists: Vec<Vec<Vec<u8>>> = (0..clients).map(|_| Vec::new()).collect();
    for (nth, request) in requests.into_iter().enumerate() {
        if let Some(list) = lists.get_mut(nth % clients) {
            list.push(request);
        }
    }
    let addr = node.addr();
    let tasks: Vec<_> = lists
        .into_iter()
        .map(|list| {
            tokio::spawn(async move {
                let mut client = Client::new(addr);
                for request in list {
                    let answer = client.send(&request).await.map_err(|why| format!("POST /events: {why}"))?;
                    if answer.status() != 202 {
                        return Err(format!("POST /events answered {}: {}", answer.status(), answer.text()));
                    }
                }
                Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await.map_err(|why| why.to_string())??;
    }
    Ok(())
}

/// Bytes of the files in a folder whose names end so.
fn size(folder: &Path, endings: &[&str]) -> Result<u64> {
    let listed = std::fs::read_dir(folder).map_err(|why| format!("cannot list {}: {why}", folder.display()))?;
    let files = listed.filter_map(|entry| {
        let entry = entry.ok()?;
        let ending = entry.path().extension()?.to_str()?.to_owned();
        endings.contains(&ending.as_str()).then(|| entry.metadata().map_or(0, |known| known.len()))
    });
    Ok(files.sum())
}
