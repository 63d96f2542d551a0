//! What rules cost the whole process: ingest → durable → decided, with many rules and with none.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::Result;
use crate::arguments::Arguments;
use crate::events;
use crate::ingest::{BATCH, Bench, CLIENTS};
use crate::report::{Report, Target};

const ROUNDS: usize = 5;

pub(crate) fn run(mut words: Arguments) -> Result {
    let binary: PathBuf = words.needed("--binary")?;
    let mut report = Report::new("rules", &mut words)?;
    let rules: usize = words.option("--rules")?.unwrap_or(10_000);
    let count: usize = words.option("--events")?.unwrap_or(20_000);
    words.end()?;
    let folder = tempfile::Builder::new().prefix("ensue-rules-").tempdir();
    let folder = folder.map_err(|why| format!("cannot create a folder: {why}"))?;
    let bench = Bench::new(binary, folder.path(), count)?;
    let (plain, _) = bench.start(&bench.setup("plain", "")?)?;
    let (ruled, took) = bench.start(&bench.setup("ruled", &text(rules))?)?;
    let mut made = events::Made::new();
    let (mut single, mut singles, mut batch, mut batches) = (vec![], vec![], vec![], vec![]);
    let (mut of_single, mut of_batch) = (vec![], vec![]);
    for round in 0..=ROUNDS {
        let many = 4 * count;
        let none = bench.post(&plain, made.singles(count), CLIENTS, count)?.node;
        let all = bench.post(&ruled, made.singles(count), CLIENTS, count)?.node;
        let none_batch = bench.post(&plain, made.batches(many, BATCH), 1, many)?.node;
        let all_batch = bench.post(&ruled, made.batches(many, BATCH), 1, many)?.node;
        // The first round warms up.
        if round > 0 {
            single.push(none);
            singles.push(all);
            of_single.push(all / none);
            batch.push(none_batch);
            batches.push(all_batch);
            of_batch.push(all_batch / none_batch);
        }
    }
    let unit = "µs CPU/event";
    report.rounds("single POST, no rules", &single, unit, Target::None, "64 connections, 1 KiB events; to decided");
    let name = format!("single POST, {rules} rules");
    report.rounds(&name, &singles, unit, Target::None, "a hundred rules ask for each event's type, and none fires");
    report.rounds(&format!("{name} / none"), &of_single, "", Target::AtMost(1.3), "in each round");
    report.rounds("batches of 100, no rules", &batch, unit, Target::None, "one connection");
    report.rounds(&format!("batches of 100, {rules} rules"), &batches, unit, Target::None, "one connection");
    report.rounds("batches of 100: with rules / none", &of_batch, "", Target::AtMost(1.3), "in each round");
    report.value(
        "ready with these rules",
        took.as_secs_f64() * 1e3,
        "ms",
        Target::None,
        "the first start, rules applied",
    );
    report.value("resident with these rules", ruled.resident() as f64 / 1e6, "MB", Target::None, "after all rounds");
    report.write()
}

/// Rules of the hundred types of events: each looks into the data for a deployment of its own.
fn text(rules: usize) -> String {
    let mut out = String::new();
    for nth in 0..rules {
        let kind = nth % 100;
        // Writing to a String does not fail.
        let _ = write!(
            out,
            "---\napiVersion: ensue.dev/v1\nkind: Rule\nmetadata: {{ name: rule-{nth} }}\nspec:\n  when: {{ event: {{ type: [bench.ingest.{kind}], data: {{ namespace: [shop], deployment: [web-{nth}, batch-{nth}], count: [{{ numeric: [\">\", 0] }}] }} }} }}\n  steps:\n    - {{ id: a, set: {{ done: 1 }} }}\n"
        );
    }
    out
}
