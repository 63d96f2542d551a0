//! What it costs to find the patterns that an event meets, by how many there are.

use ensue_rule::{Index, Pattern, View};
use serde_json::{Value, json};

use crate::Result;
use crate::arguments::Arguments;
use crate::events::Made;
use crate::node::cpu;
use crate::report::{Report, Target};

const ROUNDS: usize = 5;
/// The least CPU of one measurement, in seconds: /proc counts in ticks of 10 ms.
const LEAST: f64 = 0.3;

pub(crate) fn run(mut words: Arguments) -> Result {
    // Nothing is started here; it is given to all benches.
    let _: Option<String> = words.option("--binary")?;
    let mut report = Report::new("match", &mut words)?;
    words.end()?;
    let mut made = Made::new();
    let events: Vec<String> = (0..1_000).map(|_| made.one()).collect();
    for count in [1, 100, 1_000, 10_000] {
        let mut index = Index::new();
        for nth in 0..count {
            let pattern = Pattern::compile(&pattern(nth)).map_err(|problems| format!("pattern {nth}: {problems:?}"))?;
            index.add(nth, &pattern);
        }
        let (mut rounds, mut found) = (Vec::new(), 0);
        for _ in 0..ROUNDS {
            let (each, matches) = round(&index, &events);
            rounds.push(each);
            found = matches;
        }
        let note = format!("1 KiB events; {found} matches among {}", events.len());
        report.rounds(&format!("{count} patterns"), &rounds, "µs CPU/event", Target::None, &note);
    }
    report.write()
}

/// Microseconds for each event, and how many matches there were among all events.
fn round(index: &Index<u32>, events: &[String]) -> (f64, usize) {
    let (before, mut asked, mut out) = (cpu("/proc/self/stat"), 0_usize, Vec::new());
    loop {
        let mut matches = 0;
        for event in events {
            index.matches(&View::of_json(event.as_bytes()), &mut out);
            matches += out.len();
        }
        asked += events.len();
        let took = cpu("/proc/self/stat") - before;
        if took >= LEAST {
            return (took * 1e6 / asked as f64, matches);
        }
    }
}

/// The nth pattern: by type alone, with conditions on the data, by prefix of the type, in turn.
fn pattern(nth: u32) -> Value {
    let kind = format!("bench.ingest.{}", nth / 3);
    match nth % 3 {
        0 => json!({"type": [kind], "data": {"namespace": ["shop"], "count": [{"numeric": [">", 0]}]}}),
        1 => json!({"type": [kind], "data": {"deployment": [{"prefix": "web-"}], "labels": {"tier": ["backend"]}}}),
        _ => json!({"type": [{"prefix": format!("{kind}.")}], "data": {"labels": {"team": ["shop", "ops"]}}}),
    }
}
