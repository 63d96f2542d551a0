//! The loop: a signed webhook, a condition on three fields, an HTTP POST with a key, durable on the way.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ensue_event::Position;
use ensue_event::ours::Ours;
use ensue_log::disk::RealDisk;
use ensue_log::{Entry, FileLog, Options};
use serde_json::{Value, json};

use crate::Result;
use crate::arguments::Arguments;
use crate::http::{Client, request};
use crate::load::{self, SECRET, Sent, Sink, webhook};
use crate::metrics::Histogram;
use crate::node::{Node, Setup};
use crate::report::{Report, Target, median, quantile};
use crate::rng::Rng;

/// The rate that is claimed.
const RATE: f64 = 2_000.0;
/// Fsyncs between an event's arrival and its action: that of the event, that of the firing.
const FLUSHES: f64 = 2.0;

pub(crate) fn run(mut words: Arguments) -> Result {
    let binary: PathBuf = words.needed("--binary")?;
    let mut report = Report::new("loop", &mut words)?;
    let seconds = words.option("--seconds")?.unwrap_or(60);
    words.end()?;
    let folder = tempfile::Builder::new().prefix("ensue-loop-").tempdir();
    let folder = folder.map_err(|why| format!("cannot create a folder: {why}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|why| format!("cannot start threads: {why}"))?;
    let bench = Bench { binary, folder: folder.path().to_path_buf(), runtime, sink: Sink::start()? };
    bench.steady(&mut report, seconds)?;
    bench.types(&mut report, seconds.min(20))?;
    bench.started(&mut report, seconds.min(20))?;
    bench.runs(&mut report)?;
    report.write()
}

struct Bench {
    binary: PathBuf,
    folder: PathBuf,
    runtime: tokio::runtime::Runtime,
    sink: Sink,
}

/// A node under load, and the number of the next webhook.
struct Place {
    setup: Setup,
    node: Node,
    next: u64,
    types: u64,
}

/// What a stretch of load cost and did.
struct Stretch {
    sent: Sent,
    count: usize,
    node_cpu: f64,
    sink_cpu: f64,
    /// Effects and records that waited, each half a second.
    backlog: Vec<f64>,
    /// How long it took until nothing waited any more.
    drained: Duration,
    /// Seconds from sending to arrival.
    latency: Vec<f64>,
    append: Histogram,
}

impl Bench {
    fn place(&self, name: &str, rules: u64, types: u64) -> Result<Place> {
        let config = documents(&self.sink.addr().to_string(), rules, types);
        let secrets = format!("BENCH={SECRET}\n");
        let mut setup = Setup::new(&self.binary, &self.folder.join(name), &config, &secrets, &mut Rng::of(name))?;
        setup.more = vec!["--hook-rate".into(), "1000000".into()];
        let mut node = setup.start()?;
        self.runtime.block_on(node.ready())?;
        Ok(Place { setup, node, next: 1, types })
    }

    /// Holds a rate for some seconds, and waits until everything has arrived.
    fn stretch(&self, place: &mut Place, rate: f64, seconds: u64) -> Result<Stretch> {
        let count = (rate * seconds as f64) as u64;
        let requests: Vec<Vec<u8>> = (place.next..place.next + count).map(|nth| webhook(nth, place.types)).collect();
        let first = place.next;
        place.next += count;
        self.sink.take();
        let page = |node: &Node| self.runtime.block_on(async { node.api().metrics().await });
        let before = page(&place.node)?;
        let (cpu, sink_cpu) = (place.node.cpu(), self.sink.cpu());
        let done = Arc::new(AtomicBool::new(false));
        let (mut api, over) = (place.node.api(), Arc::clone(&done));
        let watch = self.runtime.spawn(async move {
            let mut backlog = Vec::new();
            while !over.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(500)).await;
                if let Ok(status) = api.get("/api/v1/status").await {
                    backlog.push(waiting(&status) as f64);
                }
            }
            backlog
        });
        let sent = load::send(place.node.addr(), first, requests, rate);
        done.store(true, Ordering::Relaxed);
        let sent = sent.map_err(|why| format!("{why}\n{}", place.node.tail()))?;
        let (last, patience) = (Instant::now(), Duration::from_secs(60));
        while (self.sink.count() as u64) < count && last.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(2));
        }
        let drained = last.elapsed();
        // The answers of the last ones.
        std::thread::sleep(Duration::from_millis(200));
        let (node_cpu, sink_cpu) = (place.node.cpu() - cpu, self.sink.cpu() - sink_cpu);
        let after = page(&place.node)?;
        let arrived = self.sink.take();
        if arrived.len() as u64 != count {
            return Err(format!("{count} webhooks were acknowledged and {} requests arrived", arrived.len()));
        }
        let latency = arrived.iter().filter_map(|(number, at)| {
            let sent = sent.at.get(usize::try_from(number.checked_sub(first)?).ok()?)?;
            Some(at.saturating_sub(*sent) as f64 / 1e6)
        });
        let latency = latency.collect();
        let backlog = self.runtime.block_on(watch).map_err(|why| why.to_string())?;
        let append = Histogram::between(&before, &after, "ensue_log_append_seconds", "");
        Ok(Stretch { sent, count: arrived.len(), node_cpu, sink_cpu, backlog, drained, latency, append })
    }

    fn steady(&self, report: &mut Report, seconds: u64) -> Result {
        let mut place = self.place("steady", 1, 1)?;
        self.stretch(&mut place, 500.0, 2)?;
        let slow = self.stretch(&mut place, 20.0, 10)?;
        let flush = slow.append.quantile(0.5) * 1e3;
        let p50 = median(&slow.latency) * 1e3;
        report.value("webhook → POST at 20/s, p50", p50, "ms", Target::None, "from sending to arrival");
        report.value("median append", flush, "ms", Target::None, "write and fsync, by the node's own histogram");
        report.value(
            "p50 at 20/s beyond the fsyncs",
            p50 - FLUSHES * flush,
            "ms",
            Target::AtMost(2.0),
            "two lie in between: the event's and the firing's",
        );
        let held = self.stretch(&mut place, RATE, seconds)?;
        let name = format!("at {RATE:.0}/s for {seconds} s");
        let each = |cpu: f64| cpu * 1e3 / held.count as f64;
        report.value(&format!("CPU {name}"), each(held.node_cpu), "ms/event", Target::AtMost(0.3), "the node");
        report.value(&format!("sender {name}"), each(held.sent.cpu), "ms CPU/event", Target::None, "on the same cores");
        report.value(&format!("sink {name}"), each(held.sink_cpu), "ms CPU/event", Target::None, "on the same cores");
        let reached = held.count as f64 / held.sent.took.as_secs_f64();
        report.value(&format!("rate {name}"), reached, "/s", Target::AtLeast(RATE * 0.99), "acknowledged");
        let half = held.backlog.len() / 2;
        let (early, late) = held.backlog.split_at(half);
        report.value(
            &format!("backlog {name}, growth"),
            median(late) - median(early),
            "",
            Target::AtMost(RATE / 10.0),
            "effects and records that wait: median of the second half less that of the first",
        );
        report.value(
            &format!("p50 {name}"),
            median(&held.latency) * 1e3,
            "ms",
            Target::None,
            "from sending to arrival",
        );
        report.value(
            &format!("p99 {name}"),
            quantile(&held.latency, 0.99) * 1e3,
            "ms",
            Target::None,
            "from sending to arrival",
        );
        let mut highest = 0.0;
        for step in 1..=16 {
            let rate = 1_000.0 * f64::from(step);
            let stretch = self.stretch(&mut place, rate, 4)?;
            let reached = stretch.count as f64 / stretch.sent.took.as_secs_f64();
            // Held: sent as fast as it should be, and what waited at the end is gone within a quarter of a second.
            if reached < rate * 0.97 || stretch.drained > Duration::from_millis(250) {
                break;
            }
            highest = rate;
        }
        report.value("highest rate held", highest, "/s", Target::None, "steps of 1,000/s, 4 s each");
        Ok(())
    }

    fn types(&self, report: &mut Report, seconds: u64) -> Result {
        let mut place = self.place("types", 1_000, 1_000)?;
        self.stretch(&mut place, 500.0, 2)?;
        let held = self.stretch(&mut place, RATE, seconds)?;
        let reached = held.count as f64 / held.sent.took.as_secs_f64();
        let each = held.node_cpu * 1e3 / held.count as f64;
        report.value(
            "CPU with 1,000 rules of 1,000 types",
            each,
            "ms/event",
            Target::AtMost(0.3),
            &format!("at {RATE:.0}/s for {seconds} s"),
        );
        report.value("rate with 1,000 rules", reached, "/s", Target::AtLeast(RATE * 0.99), "acknowledged");
        Ok(())
    }

    /// From durable to the action's arrival, at 500/s with a hundred rules.
    fn started(&self, report: &mut Report, seconds: u64) -> Result {
        let mut place = self.place("started", 100, 100)?;
        self.stretch(&mut place, 100.0, 2)?;
        let held = self.stretch(&mut place, 500.0, seconds)?;
        let flush = held.append.quantile(0.5);
        // Until it is acknowledged the event has become durable: what comes after that is ours.
        let after = quantile(&held.latency, 0.99) - median(&held.sent.acknowledged);
        let note = "sending to arrival, p99, less the median acknowledgement and the median append of the firing";
        report.value(
            "durable → action at 500/s, 100 rules, p99 beyond the fsync",
            (after - flush) * 1e3,
            "ms",
            Target::AtMost(10.0),
            note,
        );
        report.value("acknowledged at 500/s, p50", median(&held.sent.acknowledged) * 1e3, "ms", Target::None, "");
        Ok(())
    }

    /// Runs of three steps, a thousand at once.
    fn runs(&self, report: &mut Report) -> Result {
        const RUNS: u64 = 1_000;
        let mut place = self.place("runs", 1, 1)?;
        let (mut rates, mut per_core) = (vec![], vec![]);
        for round in 0..5 {
            self.sink.take();
            let (began, cpu) = (Instant::now(), place.node.cpu());
            let events: Vec<Value> = (0..RUNS)
                .map(|nth| json!({"specversion": "1.0", "id": format!("{round}-{nth}"), "source": "/bench", "type": "bench.three", "data": {"number": nth}}))
                .collect();
            let body = Value::from(events).to_string();
            let bytes =
                request("POST", "/events", &[("content-type", "application/cloudevents-batch+json")], body.as_bytes());
            let answer = self.runtime.block_on(Client::new(place.node.addr()).send(&bytes));
            let answer = answer.map_err(|why| format!("POST /events: {why}"))?;
            if answer.status() != 202 {
                return Err(format!("POST /events answered {}: {}", answer.status(), answer.text()));
            }
            self.runtime.block_on(async {
                let mut api = place.node.api();
                loop {
                    let (running, status) =
                        (api.get("/api/v1/runs?status=running&limit=1").await?, api.get("/api/v1/status").await?);
                    if running.get("found") == Some(&json!(0))
                        && waiting(&status) == 0
                        && self.sink.count() as u64 >= 3 * RUNS
                    {
                        return Ok::<(), String>(());
                    }
                    if began.elapsed() > Duration::from_secs(60) {
                        return Err(format!("the runs do not end: {status}"));
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })?;
            rates.push(RUNS as f64 / began.elapsed().as_secs_f64());
            per_core.push(RUNS as f64 / (place.node.cpu() - cpu).max(0.001));
        }
        place.node.stop()?;
        let durations = durations(&place.setup)?;
        report.rounds(
            "three-step runs, 1,000 at once",
            &per_core,
            "runs/CPU s",
            Target::None,
            "three keyed POSTs each",
        );
        report.rounds(
            "three-step runs, 1,000 at once, by the clock",
            &rates,
            "runs/s",
            Target::None,
            "at most 512 requests at once",
        );
        report.value(
            "three-step runs, p99 of a run",
            quantile(&durations, 0.99) * 1e3,
            "ms",
            Target::None,
            "all thousand start at once, so most of it is waiting",
        );
        Ok(())
    }
}

/// How long each run took, in seconds, as the log of a stopped node says.
fn durations(setup: &Setup) -> Result<Vec<f64>> {
    let broken = |why: ensue_log::Error| format!("the log cannot be read: {why}");
    let folder = setup.data().join("log");
    let (log, _) = FileLog::open(Arc::new(RealDisk), &folder, Options::default(), None).map_err(broken)?;
    let reader = log.reader();
    let mut out = Vec::new();
    for entry in reader.cat(Position(0), reader.end()) {
        if let Entry::Record(record) = entry.map_err(broken)?
            && let Ok(Ours::RunFinished(run)) = Ours::of(&record.event)
        {
            out.push(record.at.since(run.started).0 as f64 / 1e6);
        }
    }
    Ok(out)
}

/// Effects without an answer and records that are not folded.
fn waiting(status: &Value) -> u64 {
    ["outbox", "lag"].iter().filter_map(|name| status.get(name).and_then(Value::as_u64)).sum()
}

fn documents(sink: &str, rules: u64, types: u64) -> String {
    let mut out = format!(
        r#"
apiVersion: ensue.dev/v1
kind: Connection
metadata: {{ name: sink }}
spec:
  http: {{ url: "http://{sink}", allowNetworks: [127.0.0.0/8], idempotencyHeader: Idempotency-Key }}
  limits: {{ concurrent: 512 }}
---
apiVersion: ensue.dev/v1
kind: Source
metadata: {{ name: shop }}
spec:
  id: headers["x-delivery"]
  webhook:
    secret: "${{{{ secrets.BENCH }}}}"
    header: X-Signature
    prefix: sha256=
    type: "bench.push.${{{{ event.data.kind }}}}"
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: {{ name: three }}
spec:
  when: {{ event: {{ type: [bench.three] }} }}
  storm: {{ perKey: 1000000, perRule: 1000000 }}      # a storm is what is measured
  steps:
    - {{ id: a, uses: http/request, connection: sink, with: {{ method: POST, path: /a, body: {{ number: "${{{{ event.data.number }}}}" }} }} }}
    - {{ id: b, uses: http/request, connection: sink, with: {{ method: POST, path: /b, body: {{ number: "${{{{ event.data.number }}}}" }} }} }}
    - {{ id: c, uses: http/request, connection: sink, with: {{ method: POST, path: /c, body: {{ number: "${{{{ event.data.number }}}}" }} }} }}
"#
    );
    for nth in 0..rules {
        let kind = nth % types;
        // Writing to a String does not fail.
        let _ = write!(
            out,
            r#"---
apiVersion: ensue.dev/v1
kind: Rule
metadata: {{ name: push-{nth} }}
spec:
  when:
    event:
      type: [bench.push.k{kind}]
      data: {{ repository: {{ name: [shop] }}, ref: [refs/heads/main], total: [{{ numeric: [">=", 100] }}] }}
  storm: {{ perKey: 1000000, perRule: 1000000 }}
  steps:
    - id: tell
      uses: http/request
      connection: sink
      with: {{ method: POST, path: /tell, body: {{ number: "${{{{ event.data.number }}}}", by: "${{{{ event.data.pusher.name }}}}" }} }}
"#
        );
    }
    out
}
