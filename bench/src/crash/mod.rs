//! A verifying client against the real binary, which is killed with SIGKILL at random.

mod example;
mod world;

mod orders;
mod trains;

mod state;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::example::Example;
use self::orders::Orders;
use self::trains::Trains;
use self::verify::Verdict;
use self::world::{Told, lock};
use crate::Result;
use crate::arguments::Arguments;
use crate::node::{Api, Node, Setup};
use crate::report::{Report, Target};
use crate::rng::Rng;

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
    let example: Option<String> = words.option("--example")?;
    let keep = words.flag("--keep");
    let name = if example.is_some() { "crash all-steps" } else { "crash" };
    let report = words.option("--results")?.map(|page| Report::on(name, page));
    words.end()?;
    let folder = tempfile::Builder::new().prefix("ensue-crash-").tempdir();
    let folder = folder.map_err(|why| format!("cannot create a folder: {why}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|why| format!("cannot start threads: {why}"))?;
    let path = folder.path().to_path_buf();
    let result = runtime.block_on(async {
        match example.as_deref() {
            None => all(Orders, binary, kills, seed, path, report).await,
            Some("all-steps") => all(Trains::new(seed), binary, kills, seed, path, report).await,
            Some(other) => Err(format!("there is no example `{other}`: there is all-steps")),
        }
    });
    if keep || result.is_err() {
        // What is wrong can be looked at.
        eprintln!("the data folder is kept: {}", folder.keep().display());
    }
    result
}

async fn all<E: Example>(
    example: E,
    binary: PathBuf,
    kills: u64,
    seed: u64,
    folder: PathBuf,
    report: Option<Report>,
) -> Result {
    let began = Instant::now();
    let (example, told) = (Arc::new(example), Arc::new(Told::default()));
    let sink = world::sink(Arc::clone(&example), Arc::clone(&told), seed).await?;
    let mut rng = Rng::new(seed, 0);
    let (config, secrets) = example.config(sink)?;
    let setup = Setup::new(&binary, &folder, &config, &secrets, &mut rng)?;
    example.prepare(&setup)?;
    let sender = |number| world::sender(Arc::clone(&example), Arc::clone(&told), setup.addr, number, seed);
    let senders: Vec<_> = (1..=SENDERS).map(|number| tokio::spawn(sender(number))).collect();
    let watch = tokio::spawn(watch(Arc::clone(&example), Arc::clone(&told), setup.clone()));
    let (mut killed, mut took) = (0, 50);
    let mut shown = Instant::now();
    let mut slowest = Duration::ZERO;
    while killed < kills {
        // One in ten is a burst: three kills while it recovers, which takes about as long as it took before.
        if rng.once_in(10) && killed + 3 <= kills {
            for _ in 0..3 {
                let mut node = setup.start()?;
                tokio::time::sleep(Duration::from_millis(rng.range(0, took))).await;
                node.kill()?;
                killed += 1;
            }
            continue;
        }
        let mut node = setup.start()?;
        let started = node.ready().await?;
        slowest = slowest.max(started);
        took = u64::try_from(started.as_millis()).unwrap_or(u64::MAX).max(50);
        // At any time; or while a request is on its way, or its answer, or just recorded.
        let any = Duration::from_millis(rng.range(20, 600));
        if tokio::time::timeout(any, told.strike.notified()).await.is_ok() {
            tokio::time::sleep(Duration::from_micros(rng.range(0, 20_000))).await;
        }
        // Some while they stop in good order; some leave nothing but the log.
        match rng.range(0, 40) {
            0..=4 => node.stop_or_kill(Duration::from_millis(rng.range(0, 60)))?,
            5 => {
                node.kill()?;
                forget(&setup);
            }
            _ => node.kill()?,
        }
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
    finish(example.as_ref(), &mut node, &told).await?;
    let left = left(&mut node.api()).await?;
    node.stop()?;
    eprintln!("{} s  everything is over; verifying", began.elapsed().as_secs());
    let mut verdict = verify::verify(example.as_ref(), &setup.data(), &told)?;
    verdict.left.extend(left);
    state::check(&setup.data(), &mut verdict)?;
    let mut anew = Duration::ZERO;
    if verdict.is_good() {
        anew = rebuild(example.as_ref(), &setup, &told, &mut verdict).await?;
    }
    if !verdict.story.is_empty() {
        eprintln!("{}", verdict.story);
    }
    println!(
        "kills {killed}  acknowledged {}  lost {}  decided twice {}  steps repeated {}  uncertain settled {}  left {}  seed {seed}",
        told.counts().0,
        verdict.lost.len(),
        verdict.decided_twice.len(),
        verdict.repeated.len(),
        verdict.settled,
        verdict.left.len(),
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
    if let Some(report) = report {
        write(report, kills, told.counts(), &verdict, slowest, anew)?;
    }
    if verdict.is_good() { Ok(()) } else { Err(format!("not all is as it should be\n{}", verdict.details())) }
}

/// Writes what was found to the page of results.
fn write(
    mut report: Report,
    kills: u64,
    (acknowledged, requests): (usize, usize),
    verdict: &Verdict,
    slowest: Duration,
    anew: Duration,
) -> Result {
    let counts = [
        ("kills", kills as usize, Target::None, ""),
        ("events acknowledged", acknowledged, Target::None, ""),
        ("lost", verdict.lost.len(), Target::AtMost(0.0), "acknowledged and not in the log once, where it was said"),
        ("decided twice", verdict.decided_twice.len(), Target::AtMost(0.0), ""),
        ("steps repeated", verdict.repeated.len(), Target::AtMost(0.0), "done after their answer, or unannounced"),
        ("left", verdict.left.len(), Target::AtMost(0.0), "runs, branches, slots, waits, effects, approvals"),
        ("otherwise wrong", verdict.wrong.len(), Target::AtMost(0.0), "how runs ended, undo, and the folded state"),
        ("records", verdict.records as usize, Target::None, ""),
        ("runs", verdict.runs, Target::None, ""),
        ("requests at the sink", requests, Target::None, ""),
    ];
    for (name, count, target, note) in counts {
        report.value(name, count as f64, "", target, note);
    }
    report.value("slowest start", slowest.as_secs_f64() * 1e3, "ms", Target::None, "process to ready, after a kill");
    report.value("ready without state", anew.as_secs_f64() * 1e3, "ms", Target::None, "all records folded anew");
    if !verdict.story.is_empty() {
        report.remark(&verdict.story);
    }
    report.write()
}

/// While the node is up: does what people do, decides what is uncertain, and lets the senders pause when too much is
/// under way.
async fn watch<E: Example>(example: Arc<E>, told: Arc<Told>, setup: Setup) {
    let mut api = Api::new(setup.addr, &setup.data());
    let mut rng = Rng::new(setup.addr.port().into(), 99);
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        // It may be down: then it is asked again.
        if let Ok(status) = api.get("/api/v1/status").await {
            let enough = example.attend(&mut api, &told).await.unwrap_or(true);
            told.pause.store(enough || number(&status, "outbox") > ENOUGH, Ordering::Relaxed);
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
        let whole = api.get(&format!("/api/v1/runs/{}", text("id"))).await?;
        let about = whole.pointer("/events/0/event").map(verify::about).unwrap_or_default();
        // As a person would: it was done where the other side has it. Now and then it is done once more all the same.
        let verdict = if told.has(text("step"), &about) && !rng.once_in(4) { "done" } else { "retry" };
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
async fn finish<E: Example>(example: &E, node: &mut Node, told: &Told) -> Result {
    let began = Instant::now();
    let (mut api, mut rng) = (node.api(), Rng::new(1, 1));
    let mut shown = Instant::now();
    loop {
        if let Some(status) = node.ended() {
            return Err(format!("the node ended by itself ({status}):\n{}", node.tail()));
        }
        example.attend(&mut api, told).await?;
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

/// What the node says itself of what should be gone.
async fn left(api: &mut Api) -> Result<Vec<String>> {
    let mut left = Vec::new();
    let locks = api.get("/api/v1/locks").await?;
    left.extend(locks.get("locks").and_then(Value::as_array).into_iter().flatten().map(|lock| format!("lock {lock}")));
    let status = api.get("/api/v1/status").await?;
    let counts = ["outbox", "emissions", "inFlight", "parked", "lag"].map(|name| (name, number(&status, name)));
    left.extend(counts.iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("status: {name} {count}")));
    let metrics = api.metrics().await?;
    match metrics.lines().find_map(|line| line.strip_prefix("ensue_runs_stuck ")) {
        Some("0") => {}
        stuck => left.push(format!("metrics: runs_stuck {stuck:?}")),
    }
    Ok(left)
}

/// Takes its state from a node that does not run.
fn forget(setup: &Setup) {
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        // The last two may not be there.
        let _ = std::fs::remove_file(setup.data().join(name));
    }
}

/// Without its state the node folds the whole log anew: nothing is decided again and nothing leaves. How long it took.
async fn rebuild<E: Example>(example: &E, setup: &Setup, told: &Told, verdict: &mut Verdict) -> Result<Duration> {
    let before = told.counts();
    forget(setup);
    let mut node = setup.start()?;
    let took = node.ready().await?;
    finish(example, &mut node, told).await?;
    node.stop()?;
    if told.counts() != before {
        let late: Vec<String> =
            lock(&told.seen).iter().skip(before.1).take(5).map(|seen| format!("{seen:?}")).collect();
        verdict.repeated.push(format!("folding the log anew sent requests: {}", late.join(", ")));
    }
    let again = verify::verify(example, &setup.data(), told)?;
    eprintln!("folded anew from the log: ready after {} ms", took.as_millis());
    verdict.decided_twice.extend(again.decided_twice.iter().map(|line| format!("folded anew: {line}")));
    verdict.wrong.extend(again.wrong.iter().map(|line| format!("folded anew: {line}")));
    if again.firings != verdict.firings {
        verdict.decided_twice.push(format!("{} firings became {} when folded anew", verdict.firings, again.firings));
    }
    Ok(took)
}
