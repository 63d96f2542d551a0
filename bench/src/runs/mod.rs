//! Runs of three durable steps, each an HTTP call: ours, and beside them in the same run those of two engines that
//! people would use otherwise, with the same calls to the same sink under the same load.

mod closed;
mod peers;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::Result;
use crate::arguments::Arguments;
use crate::http::request;
use crate::node::Setup;
use crate::process::traced;
use crate::report::{Report, Target, median, quantile};
use crate::rng::Rng;
use closed::{Loop, Stretch, System, WARM};

/// Runs under way where all are compared.
const FEW: usize = 64;
/// The same for those that use more.
const MANY: usize = 512;
/// Runs that are started by one request, where that is possible.
const BATCH: usize = 50;
/// Seconds of load in which flushes are counted.
const FLUSHES: f64 = 2.0;

/// How a system is loaded.
#[derive(Clone, Copy)]
struct Way {
    under_way: usize,
    batch: usize,
}

const SINGLE: Way = Way { under_way: FEW, batch: 1 };

pub(crate) fn run(mut words: Arguments) -> Result {
    let binary: PathBuf = words.needed("--binary")?;
    let mut report = Report::new("runs", &mut words)?;
    let peers: Option<PathBuf> = words.option("--peers")?;
    let seconds = words.option("--seconds")?.unwrap_or(10.0);
    let rounds = words.option("--rounds")?.unwrap_or(3);
    words.end()?;
    let folder = tempfile::Builder::new().prefix("ensue-runs-").tempdir();
    let folder = folder.map_err(|why| format!("cannot create a folder: {why}"))?;
    let bench = Bench { folder: folder.path().to_path_buf(), load: Loop::start()?, seconds, rounds };
    let (many, batches) = (Way { under_way: MANY, batch: 1 }, Way { under_way: MANY, batch: BATCH });
    let ours = bench.system(&mut report, &[SINGLE, many, batches], |under| bench.ours(&binary, under))?;
    if let Some(peers) = peers {
        let sink = bench.load.sink().port();
        let at = |name: &str| bench.folder.join(name);
        let there = peers::restate(&peers);
        let restate = match &there {
            Ok(place) => {
                let start = |under: &[String]| place.start(&at("restate"), sink, under);
                Some(bench.system(&mut report, &[SINGLE, many], start)?)
            }
            Err(why) => missing(&mut report, "Restate", why),
        };
        let there = peers::temporal(&peers);
        let temporal = match &there {
            Ok(place) => {
                let start = |under: &[String]| place.start(&at("temporal"), sink, under);
                Some(bench.system(&mut report, &[SINGLE], start)?)
            }
            Err(why) => missing(&mut report, "Temporal", why),
        };
        if let Some(restate) = restate {
            compare(&mut report, &ours, &restate, "Restate, one node", 4.0);
        }
        if let Some(temporal) = temporal {
            compare(&mut report, &ours, &temporal, "Temporal's dev server", 10.0);
        }
        for line in peers::UNEQUAL {
            report.remark(line);
        }
    }
    report.write()
}

fn missing(report: &mut Report, name: &str, why: &str) -> Option<Figures> {
    report.remark(&format!("{name} was not measured: {why}."));
    None
}

/// What comparisons are made of: medians.
struct Figures {
    /// The rate with few under way, and the best.
    rate: f64,
    best: f64,
    /// Milliseconds of the server's CPU for each run, with few under way.
    server: f64,
}

fn compare(report: &mut Report, ours: &Figures, peer: &Figures, name: &str, claim: f64) {
    let note = format!("the same closed loop, {FEW} runs under way, each started by a request of its own");
    report.value(&format!("ensue / {name}: runs/s"), ours.rate / peer.rate, "times", Target::AtLeast(claim), &note);
    let note = "the best of all ways for each";
    report.value(&format!("ensue / {name}: best runs/s"), ours.best / peer.best, "times", Target::None, note);
    let note = "the peer's worker is not in it, what ensue's steps do is";
    report.value(&format!("{name} / ensue: CPU of the server"), peer.server / ours.server, "times", Target::None, note);
}

struct Bench {
    folder: PathBuf,
    load: Loop,
    seconds: f64,
    rounds: usize,
}

impl Bench {
    /// Starts a system, loads it in each of these ways, and stops it; then once more to count its flushes.
    fn system(
        &self,
        report: &mut Report,
        ways: &[Way],
        start: impl Fn(&[String]) -> Result<System>,
    ) -> Result<Figures> {
        let system = start(&[])?;
        let mut figures: Option<Figures> = None;
        for way in ways {
            let stretches: Result<Vec<Stretch>> =
                (0..self.rounds).map(|_| self.load.stretch(&system, way.under_way, way.batch, self.seconds)).collect();
            let found = tell(report, &system, *way, &stretches?);
            figures = Some(match figures {
                None => found,
                Some(first) => Figures { best: first.best.max(found.rate), ..first },
            });
        }
        drop(system);
        let counted = self.folder.join("flushes");
        let traces = "trace=fsync,fdatasync,sync_file_range,msync";
        if let Some(under) = traced(&["-o", &counted.to_string_lossy(), "-e", traces]) {
            let system = start(&under)?;
            let before = lines(&counted);
            let stretch = self.load.stretch(&system, FEW, 1, FLUSHES)?;
            let flushes = (lines(&counted) - before) as f64 / stretch.all as f64;
            let note =
                format!("fsync, fdatasync and the like, counted by strace in {FLUSHES:.0} s with {FEW} under way");
            report.value(&format!("{}, flushes", system.name), flushes, "a run", Target::None, &note);
        }
        figures.ok_or_else(|| "no way to load it".to_owned())
    }

    fn ours(&self, binary: &Path, under: &[String]) -> Result<System> {
        let name = if under.is_empty() { "ensue" } else { "ensue-flushes" };
        let config = documents(self.load.sink().port());
        let mut setup = Setup::new(binary, &self.folder.join(name), &config, "", &mut Rng::of(name))?;
        setup.under = under.to_vec();
        let mut node = setup.start()?;
        crate::load::runtime()?.block_on(node.ready())?;
        Ok(System { name: "ensue", addr: node.addr(), server: node.into_process(), worker: None, start: events })
    }
}

fn lines(path: &Path) -> usize {
    std::fs::read(path).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()
}

fn tell(report: &mut Report, system: &System, way: Way, stretches: &[Stretch]) -> Figures {
    let started = if way.batch > 1 { format!("{} started at once", way.batch) } else { "one by one".to_owned() };
    let name = format!("{}, {} under way, {started}", system.name, way.under_way);
    let of = |value: fn(&Stretch) -> f64| stretches.iter().map(value).collect::<Vec<f64>>();
    let (rates, server) = (of(|s| s.rate), of(|s| s.server));
    let ours = system.worker.is_none();
    let claimed = |target: Target| if ours { target } else { Target::None };
    let note = format!("{} stretches, each after {} s that are not counted", stretches.len(), WARM.as_secs());
    report.rounds(&name, &rates, "runs/s", Target::None, &note);
    let per_core: Vec<f64> = server.iter().map(|ms| 1e3 / ms).collect();
    report.rounds(&format!("{name}: CPU of the server"), &server, "ms/run", claimed(Target::AtMost(0.7)), "");
    report.rounds(
        &format!("{name}: runs for a core of the server"),
        &per_core,
        "/CPU s",
        claimed(Target::AtLeast(1_500.0)),
        "",
    );
    if !ours {
        report.rounds(&format!("{name}: CPU of the worker"), &of(|s| s.worker), "ms/run", Target::None, "");
    }
    report.rounds(&format!("{name}: CPU of sender and sink"), &of(|s| s.load), "ms/run", Target::None, "");
    let latency = |share: f64| stretches.iter().map(|s| quantile(&s.latency, share) * 1e3).collect::<Vec<f64>>();
    let note = "from sending the start to the third call's arrival";
    report.rounds(&format!("{name}: p50"), &latency(0.5), "ms", Target::None, note);
    report.rounds(&format!("{name}: p99"), &latency(0.99), "ms", Target::None, note);
    report.rounds(&format!("{name}: resident, server"), &of(|s| s.server_resident / 1e6), "MB", Target::None, "");
    if !ours {
        report.rounds(&format!("{name}: resident, worker"), &of(|s| s.worker_resident / 1e6), "MB", Target::None, "");
    }
    Figures { rate: median(&rates), best: median(&rates), server: median(&server) }
}

/// The request with the events that start the runs of these numbers.
fn events(numbers: &[usize]) -> Vec<u8> {
    let event = |number: &usize| json!({"specversion": "1.0", "id": format!("run-{number}"), "source": "/bench", "type": "bench.three", "data": {"number": number}});
    let (kind, body) = match numbers {
        [one] => ("application/cloudevents+json", event(one)),
        all => ("application/cloudevents-batch+json", all.iter().map(event).collect::<Value>()),
    };
    request("POST", "/events", &[("content-type", kind)], body.to_string().as_bytes())
}

/// A rule of three POSTs, each with its key.
fn documents(sink: u16) -> String {
    let step = |id: &str| {
        format!(
            "    - {{ id: {id}, uses: http/request, connection: sink, with: {{ method: POST, path: /{id}, body: {{ number: \"${{{{ event.data.number }}}}\" }} }} }}\n"
        )
    };
    format!(
        r#"
apiVersion: ensue.dev/v1
kind: Connection
metadata: {{ name: sink }}
spec:
  http: {{ url: "http://127.0.0.1:{sink}", allowNetworks: [127.0.0.0/8], idempotencyHeader: Idempotency-Key }}
  limits: {{ concurrent: {MANY} }}
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: {{ name: three }}
spec:
  when: {{ event: {{ type: [bench.three] }} }}
  storm: {{ perKey: 1000000, perRule: 1000000 }}      # a storm is what is measured
  steps:
{}{}{}"#,
        step("a"),
        step("b"),
        step("c")
    )
}
