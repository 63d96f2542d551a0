//! Runs that wait: what each takes in memory and on the disk, and how fast all are there after kill -9.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use ensue_event::{Data, Event};
use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::http::{Client, request};
use crate::node::{Node, Setup};
use crate::report::{Report, Target, median};
use crate::rng::Rng;
use crate::{Result, clock};

/// Starts after kill -9.
const STARTS: usize = 5;
/// Events of a request.
const BATCH: u64 = 100;

/// What the runs wait for, and the step that makes them.
const KINDS: &[(&str, &str)] = &[
    (
        "an action that a freeze holds",
        "uses: http/request, connection: sink, with: { method: PUT, path: /a, body: { number: \"${{ event.data.number }}\" } }",
    ),
    (
        "the next try of an action",
        "uses: http/request, connection: nobody, with: { method: PUT, path: /a, body: { number: \"${{ event.data.number }}\" } }, retry: { max: 4, initial: 12h, cap: 12h }",
    ),
    ("a time", "wait: 12h"),
    ("an event", "wait: { for: { event: { type: [bench.never] } }, timeout: 12h }"),
];

pub(crate) fn run(mut words: Arguments) -> Result {
    let binary: Option<PathBuf> = words.option("--binary")?;
    let mut report = Report::new("waiting", &mut words)?;
    let runs: u64 = words.option("--runs")?.unwrap_or(10_000);
    let weigh = words.flag("--weigh");
    words.end()?;
    if weigh {
        println!("{}", events_alone(runs));
        return Ok(());
    }
    let binary = binary.ok_or("--binary is needed")?;
    let folder = tempfile::Builder::new().prefix("ensue-waiting-").tempdir();
    let folder = folder.map_err(|why| format!("cannot create a folder: {why}"))?;
    let runtime = crate::load::runtime()?;
    let events = clock::apart(&["waiting", "--runs", &runs.to_string(), "--weigh"])?;
    let events: f64 = events.parse().map_err(|why| format!("`{events}` is no number of bytes: {why}"))?;
    let bench = Bench { binary, folder: folder.path().to_path_buf(), runtime, runs };
    // The same records but for the runs: their rule fires in shadow.
    let none = bench.measure("none", None)?;
    report.value(
        "an event alone",
        events / runs as f64,
        "bytes",
        Target::None,
        "as a row holds it; not in what follows",
    );
    for (what, step) in KINDS {
        let found = bench.measure(what, Some(step))?;
        let each = |all: f64, none: f64, events: f64| (all - none - events) / runs as f64;
        let note = format!(
            "resident after kill -9 and start with {runs} that wait, less that with as many shadow firings, less the \
             events; median of {STARTS} starts"
        );
        let resident = each(median(&found.resident), median(&none.resident), events);
        let name = format!("a run that waits for {what}, without its event");
        report.value(&name, resident, "bytes", Target::AtMost(1_536.0), &note);
        let note = "size of the state's file after a stop in good order, less that with the shadow firings";
        let kept = each(found.kept, none.kept, 0.0);
        report.value(&format!("{name}'s part of the memory, in the state's file"), kept, "bytes", Target::None, note);
        let note = format!("from the start of the process; {runs} of them, and all are there");
        report.rounds(&format!("ready after kill -9, {what}"), &found.ready, "ms", Target::AtMost(1_000.0), &note);
    }
    let note = "the same log with shadow firings, nothing waits";
    report.rounds("ready after kill -9, no runs", &none.ready, "ms", Target::None, note);
    report.write()
}

struct Bench {
    binary: PathBuf,
    folder: PathBuf,
    runtime: tokio::runtime::Runtime,
    runs: u64,
}

/// What a node with runs that wait takes.
struct Found {
    /// Resident bytes and milliseconds until it is ready, for each start after a kill -9.
    resident: Vec<f64>,
    ready: Vec<f64>,
    /// Bytes of the state's file.
    kept: f64,
}

impl Bench {
    /// A node whose rule has this step, or fires in shadow.
    fn measure(&self, name: &str, step: Option<&str>) -> Result<Found> {
        let folder = self.folder.join(name.replace(' ', "-"));
        let setup = Setup::new(&self.binary, &folder, &documents(step), "", &mut Rng::of(name))?;
        let mut node = setup.start()?;
        self.runtime.block_on(async {
            node.ready().await?;
            let mut api = node.api();
            let (status, answer) =
                api.post("/api/v1/freeze", &json!({"connection": "sink", "reason": "bench"})).await?;
            if status >= 300 {
                return Err(format!("POST /api/v1/freeze answered {status}: {answer}"));
            }
            self.fill(&node).await?;
            self.all_wait(&mut node, step.is_some()).await
        })?;
        let mut found = Found { resident: vec![], ready: vec![], kept: 0.0 };
        for _ in 0..STARTS {
            node.kill()?;
            node = setup.start()?;
            let took = self.runtime.block_on(node.ready())?;
            found.ready.push(took.as_secs_f64() * 1e3);
            self.runtime.block_on(self.all_wait(&mut node, step.is_some()))?;
            found.resident.push(node.resident() as f64);
        }
        node.stop()?;
        found.kept = size(&setup.data().join("state.db"))?;
        Ok(found)
    }

    async fn fill(&self, node: &Node) -> Result {
        let mut client = Client::new(node.addr());
        for first in (0..self.runs).step_by(BATCH as usize) {
            let events: Vec<Value> = (first..self.runs.min(first + BATCH)).map(|nth| event(nth).to_json()).collect();
            let headers = [("content-type", "application/cloudevents-batch+json")];
            let bytes = request("POST", "/events", &headers, Value::from(events).to_string().as_bytes());
            let answer = client.send(&bytes).await.map_err(|why| format!("POST /events: {why}"))?;
            if answer.status() != 202 {
                return Err(format!("POST /events answered {}: {}", answer.status(), answer.text()));
            }
        }
        Ok(())
    }

    /// Until all runs are there and nothing moves any more.
    async fn all_wait(&self, node: &mut Node, runs: bool) -> Result {
        let (mut api, wanted) = (node.api(), if runs { self.runs } else { 0 });
        let (mut calm, mut last) = (0, (0, 0));
        while calm < 10 {
            let waiting = api.get("/api/v1/runs?status=running&limit=1").await?;
            let status = api.get("/api/v1/status").await?;
            let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_u64).unwrap_or(u64::MAX);
            let now = (number(&waiting, "found"), number(&status, "end"));
            calm = if now == last && now.0 == wanted && number(&status, "lag") == 0 { calm + 1 } else { 0 };
            last = now;
            node.still_starts()?;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

fn size(path: &Path) -> Result<f64> {
    let meta = std::fs::metadata(path).map_err(|why| format!("there is no {}: {why}", path.display()))?;
    Ok(meta.len() as f64)
}

/// The event that starts the nth run.
fn event(nth: u64) -> Event {
    let data = json!({"number": nth, "service": format!("service-{nth:06}"), "text": "the quick brown fox jumps over the lazy dog ".repeat(4)});
    Event::new(format!("e-{nth:08}"), "/bench/waiting", "bench.waits").with_json(&data)
}

/// What a process grows by the events alone.
fn events_alone(count: u64) -> f64 {
    let mut held: Vec<Event> = Vec::with_capacity(count as usize);
    let before = clock::own_memory();
    // With no room to spare: as rows hold them.
    held.extend((0..count).map(|nth| {
        let mut event = event(nth);
        if let Data::Json(bytes) = &event.data {
            event.data = Data::Json(bytes.to_vec().into());
        }
        event
    }));
    let grown = clock::own_memory() - before;
    black_box(held);
    grown
}

fn documents(step: Option<&str>) -> String {
    let mut out = String::new();
    for name in ["sink", "nobody"] {
        // Writing to a String does not fail. Nothing listens at port 9.
        let _ = write!(
            out,
            "---\napiVersion: ensue.dev/v1\nkind: Connection\nmetadata: {{ name: {name} }}\nspec:\n  http: {{ url: \"http://127.0.0.1:9\", allowNetworks: [127.0.0.0/8] }}\n"
        );
    }
    let (mode, step) = step.map_or(("shadow", "set: { done: 1 }"), |step| ("live", step));
    let _ = write!(
        out,
        "---\napiVersion: ensue.dev/v1\nkind: Rule\nmetadata: {{ name: waits }}\nspec:\n  mode: {mode}\n  when: {{ event: {{ type: [bench.waits] }} }}\n  storm: {{ perKey: 1000000, perRule: 1000000 }}      # a storm is what is measured\n  steps:\n    - {{ id: a, {step} }}\n"
    );
    out
}
