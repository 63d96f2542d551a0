//! A verifying client against the real binary, which is killed with SIGKILL at random.

mod automations;
mod verify;
mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::world::{Told, lock};
use crate::arguments::Arguments;
use crate::node::{Api, Node, Setup};
use crate::rng::Rng;
use crate::{Result, node};

/// How many send at once.
const SENDERS: u64 = 8;
/// Effects without an answer above which no new orders are sent: a node that is killed twice a second does not get far.
const ENOUGH: u64 = 150;
/// How long everything may take to end after the last start.
const PATIENCE: Duration = Duration::from_secs(150);

pub(crate) fn run(mut words: Arguments) -> Result {
    let binary: PathBuf = words.needed("--binary")?;
    let kills = words.option("--kills")?.unwrap_or(200);
    let seed = words.option("--seed")?.unwrap_or_else(|| world::now().unsigned_abs() % 1_000_000);
    let keep = words.flag("--keep");
    words.end()?;
    let folder = tempfile::Builder::new().prefix("ensue-crash-").tempdir();
    let folder = folder.map_err(|why| format!("cannot create a folder: {why}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|why| format!("cannot start threads: {why}"))?;
    let result = runtime.block_on(all(binary, kills, seed, folder.path().to_path_buf()));
    if keep || result.is_err() {
        // What is wrong can be looked at.
        eprintln!("the data folder is kept: {}", folder.keep().display());
    }
    result
}

async fn all(binary: PathBuf, kills: u64, seed: u64, folder: PathBuf) -> Result {
    let began = Instant::now();
    let told = Arc::new(Told::default());
    let sink = world::sink(Arc::clone(&told), seed).await?;
    let mut rng = Rng::new(seed, 0);
    let (config, secrets) = (automations::documents(sink), automations::secrets(sink));
    let setup = Setup::new(&binary, &folder, &config, &secrets, &mut rng)?;
    let senders: Vec<_> =
        (1..=SENDERS).map(|number| tokio::spawn(world::sender(Arc::clone(&told), setup.addr, number, seed))).collect();
    let watch = tokio::spawn(watch(Arc::clone(&told), setup.clone()));
    let mut killed = 0;
    let mut shown = Instant::now();
    let mut slowest = Duration::ZERO;
    while killed < kills {
        // One in ten is a burst: three kills while it recovers.
        if rng.once_in(10) && killed + 3 <= kills {
            for _ in 0..3 {
                let mut node = setup.start()?;
                tokio::time::sleep(Duration::from_millis(rng.range(0, 50))).await;
                node.kill()?;
                killed += 1;
            }
            continue;
        }
        let mut node = setup.start()?;
        slowest = slowest.max(node.ready().await?);
        tokio::time::sleep(Duration::from_millis(rng.range(20, 600))).await;
        node.kill()?;
        killed += 1;
        if shown.elapsed() >= Duration::from_secs(1) {
            shown = Instant::now();
            let (acknowledged, seen) = told.counts();
            let second = began.elapsed().as_secs();
            eprintln!(
                "{second} s  kills {killed}  acknowledged {acknowledged}  requests at the sink {seen}  slowest start {} ms",
                slowest.as_millis()
            );
        }
    }
    let mut node = setup.start()?;
    slowest = slowest.max(node.ready().await?);
    told.end.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.map_err(|why| format!("a sender failed: {why}"))?;
    }
    watch.abort();
    finish(&mut node, &told).await?;
    node.stop()?;
    eprintln!("{} s  everything is over; verifying", began.elapsed().as_secs());
    let mut verdict = verify::verify(&setup.data(), &told)?;
    if verdict.is_good() {
        rebuild(&setup, &told, &mut verdict).await?;
    }
    println!(
        "kills {killed}  acknowledged {}  lost {}  decided twice {}  steps repeated {}  uncertain settled {}  seed {seed}",
        told.counts().0,
        verdict.lost.len(),
        verdict.decided_twice.len(),
        verdict.repeated.len(),
        verdict.settled,
    );
    eprintln!(
        "{} s  {} records, {} firings, {} runs, {} requests at the sink, slowest start {} ms",
        began.elapsed().as_secs(),
        verdict.records,
        verdict.firings,
        verdict.runs,
        told.counts().1,
        slowest.as_millis()
    );
    if verdict.is_good() { Ok(()) } else { Err(format!("not all is as it should be\n{}", verdict.details())) }
}

/// While the node is up: decides what is uncertain, and lets the senders pause when too much is under way.
async fn watch(told: Arc<Told>, setup: Setup) {
    let mut api = Api::new(setup.addr, &setup.data());
    let mut rng = Rng::new(setup.addr.port().into(), 99);
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        // It may be down: then it is asked again.
        if let Ok(status) = api.get("/api/v1/status").await {
            told.pause.store(number(&status, "outbox") > ENOUGH, Ordering::Relaxed);
            let _ = settle(&mut api, &mut rng, &told).await;
        }
    }
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

/// Settles what is uncertain; how many runs wait for it.
async fn settle(api: &mut Api, rng: &mut Rng, told: &Told) -> Result<usize> {
    let answer = api.get("/api/v1/runs?status=uncertain&limit=1000").await?;
    let runs = answer.get("runs").and_then(Value::as_array).cloned().unwrap_or_default();
    for run in &runs {
        let text = |name: &str| run.get(name).and_then(Value::as_str).unwrap_or_default();
        let order = api.get(&format!("/api/v1/runs/{}", text("id"))).await?;
        let order = order.pointer("/events/0/event/data/id").and_then(Value::as_str).unwrap_or_default();
        // As a person would: it was done where the other side has it. Now and then it is done once more all the same.
        let verdict = if told.has(text("step"), order) && !rng.once_in(4) { "done" } else { "retry" };
        let body = json!({"step": text("step"), "verdict": verdict, "reason": "the sink knows"});
        let (status, answer) = api.post(&format!("/api/v1/runs/{}/settle", text("id")), &body).await?;
        // 409: settled already, by a command whose answer was lost with the node.
        if !matches!(status, 200 | 409) {
            told.wrong(format!("settle answered {status}: {answer}"));
        }
    }
    Ok(runs.len())
}

/// Waits until nothing is under way.
async fn finish(node: &mut Node, told: &Told) -> Result {
    let began = Instant::now();
    let (mut api, mut rng) = (node.api(), Rng::new(1, 1));
    let mut shown = Instant::now();
    loop {
        if let Some(status) = node.ended() {
            return Err(format!("the node ended by itself ({status}):\n{}", node.tail()));
        }
        let uncertain = settle(&mut api, &mut rng, told).await?;
        let running = api.get("/api/v1/runs?status=running&limit=1").await?;
        let status = api.get("/api/v1/status").await?;
        let (lag, outbox, running) = (number(&status, "lag"), number(&status, "outbox"), number(&running, "found"));
        if lag == 0 && outbox == 0 && running == 0 && uncertain == 0 {
            return Ok(());
        }
        let left = format!("{running} runs, {uncertain} uncertain, {outbox} effects, {lag} records behind");
        if shown.elapsed() >= Duration::from_secs(1) {
            shown = Instant::now();
            eprintln!("waiting for {left}");
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("after {} s there are still {left}: {status}\n{}", PATIENCE.as_secs(), node.tail()));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Without its state the node folds the whole log anew: nothing is decided again and nothing leaves.
async fn rebuild(setup: &Setup, told: &Told, verdict: &mut verify::Verdict) -> Result {
    let before = told.counts();
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        // The last two may not be there.
        let _ = std::fs::remove_file(setup.data().join(name));
    }
    let mut node: node::Node = setup.start()?;
    let took = node.ready().await?;
    finish(&mut node, told).await?;
    node.stop()?;
    if told.counts() != before {
        let late: Vec<String> =
            lock(&told.seen).iter().skip(before.1).take(5).map(|seen| format!("{seen:?}")).collect();
        verdict.repeated.push(format!("folding the log anew sent requests: {}", late.join(", ")));
    }
    let again = verify::verify(&setup.data(), told)?;
    eprintln!("folded anew from the log: ready after {} ms", took.as_millis());
    verdict.decided_twice.extend(again.decided_twice.iter().map(|line| format!("folded anew: {line}")));
    verdict.wrong.extend(again.wrong.iter().map(|line| format!("folded anew: {line}")));
    if again.firings != verdict.firings {
        verdict.decided_twice.push(format!("{} firings became {} when folded anew", verdict.firings, again.firings));
    }
    Ok(())
}
