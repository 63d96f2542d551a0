//! What it costs to take history through rules once more, beside the matching of the same events alone.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use ensue_engine::Engine;
use ensue_event::ours::{ConfigApplied, ConfigFile, Ours};
use ensue_event::{Emission, Event, Origin, Record, Time};
use ensue_lab::replay::{Options, replay};
use ensue_log::disk::{ReadOnly, RealDisk};
use ensue_log::{Draft, FileLog, Log};
use ensue_pump::LogPast;
use ensue_rule::{Index, Pattern, View};
use serde_json::Value;

use crate::arguments::Arguments;
use crate::report::{Report, Target};
use crate::sets::{self, Kind};
use crate::{Result, clock};

/// Rules, each with one of the patterns of `bench match`.
const RULES: usize = 100;
const ROUNDS: usize = 5;
/// Of the events of `bench match` those of such a length: 1 KiB on average.
const BYTES: std::ops::Range<usize> = 600..1_500;
/// How many of those are made; the history is made of them in turn.
const EVENTS: usize = 3_000;
/// Events in one append.
const BATCH: usize = 1_000;

pub(crate) fn run(mut words: Arguments) -> Result {
    let _: Option<String> = words.option("--binary")?;
    let mut report = Report::new("replay", &mut words)?;
    let count: usize = words.option("--events")?.unwrap_or(150_000);
    let seed: u64 = words.option("--seed")?.unwrap_or(1);
    words.end()?;
    let made: Vec<String> =
        sets::events(EVENTS * 4, seed).into_iter().filter(|event| BYTES.contains(&event.len())).take(EVENTS).collect();
    if made.is_empty() {
        return Err("no event of this seed is of such a length".into());
    }
    let patterns = sets::patterns(Kind::Exact, RULES, seed);
    let files = vec![ConfigFile { path: "bench.yaml".into(), text: rules(&patterns) }];
    let folder = tempfile::Builder::new().prefix("ensue-replay-").tempdir();
    let folder = folder.map_err(|why| format!("cannot create a folder: {why}"))?;
    write(folder.path(), &made, count, &files)?;
    let index = index(&patterns)?;
    let lines: Vec<&[u8]> = made.iter().map(String::as_bytes).collect();
    let (mut alone, mut only, mut whole, mut of_only, mut of_whole) = (vec![], vec![], vec![], vec![], vec![]);
    for round in 0..=ROUNDS {
        let matching = matched(&index, &lines, count);
        let rules_only = replayed(folder.path(), &files, count, true)?;
        let with_runs = replayed(folder.path(), &files, count, false)?;
        // The first round warms up.
        if round > 0 {
            alone.push(matching);
            only.push(rules_only);
            whole.push(with_runs);
            of_only.push(rules_only / matching);
            of_whole.push(with_runs / matching);
        }
    }
    let mean = made.iter().map(String::len).sum::<usize>() / made.len();
    let unit = "events/CPU s";
    let note = format!("{mean} bytes an event on average, as JSON in memory: `bench match`'s loop");
    report.rounds(&format!("matched, {RULES} patterns"), &alone, unit, Target::None, &note);
    let note = format!("{count} events and what was decided from the log in a folder, through a rule for each pattern");
    report.rounds(&format!("replayed, {RULES} rules"), &whole, unit, Target::None, &note);
    report.rounds("replayed / matched", &of_whole, "", Target::AtLeast(0.7), "in each round");
    report.rounds(&format!("replayed, {RULES} rules, without runs"), &only, unit, Target::None, "`--rules-only`");
    report.rounds("replayed without runs / matched", &of_only, "", Target::AtLeast(0.7), "in each round");
    report.write()
}

/// Events in a second of CPU, matched only.
fn matched(index: &Index<u32>, lines: &[&[u8]], count: usize) -> f64 {
    let mut out = Vec::new();
    let before = clock::thread();
    for line in lines.iter().cycle().take(count) {
        index.matches(&View::of_json(line), &mut out);
        std::hint::black_box(out.len());
    }
    count as f64 / (clock::thread() - before)
}

/// Events in a second of CPU, from the files to the report.
fn replayed(folder: &Path, files: &[ConfigFile], count: usize, rules_only: bool) -> Result<f64> {
    let failed = |why: &dyn std::fmt::Display| format!("the replay: {why}");
    let before = clock::thread();
    let options = ensue_log::Options { reserve_bytes: 0, background: false, ..ensue_log::Options::default() };
    let (log, _) = FileLog::open(Arc::new(ReadOnly), folder, options, None).map_err(|why| failed(&why))?;
    let options = Options { rules_only, ..Options::default() };
    let report = replay(&LogPast::new(log.reader(), None), Some(files), &options, &mut |_| {});
    let took = clock::thread() - before;
    let report = report.map_err(|why| failed(&why))?;
    if report.records < count as u64 || report.different {
        return Err(format!("{} records were replayed, or not all of it is as it was", report.records));
    }
    Ok(count as f64 / took)
}

/// A log of a configuration and so many events, with all that was decided: as a node would have written it.
fn write(folder: &Path, made: &[String], count: usize, files: &[ConfigFile]) -> Result {
    let failed = |why: ensue_log::Error| format!("the log: {why}");
    let events: Vec<Event> = made.iter().map(|text| event(text)).collect::<Result<_>>()?;
    let (log, _) = FileLog::open(Arc::new(RealDisk), folder, ensue_log::Options::default(), None).map_err(failed)?;
    let mut node = Node { log, engine: Engine::new(), now: Time::from_secs(1_772_600_000), handed: None };
    let applied = ConfigApplied { documents: Vec::new(), files: files.to_vec(), observe: false };
    node.take(vec![Draft::new(Origin::Node, Ours::from(applied).event("config", "/ensue/bench"))])?;
    let mut events = events.iter().cycle().take(count).enumerate().peekable();
    while events.peek().is_some() {
        let batch = events.by_ref().take(BATCH).map(|(nth, event)| {
            let event = Event { id: format!("e-{nth:08}").into(), ..event.clone() };
            Draft::new(Origin::Source("default/bench".into()), event)
        });
        node.take(batch.collect())?;
    }
    Ok(())
}

/// A log and its fold, without effects.
struct Node {
    log: FileLog<RealDisk>,
    engine: Engine,
    now: Time,
    handed: Option<Emission>,
}

impl Node {
    /// Appends and folds these, and all that follows from them.
    fn take(&mut self, mut batch: Vec<Draft>) -> Result {
        while !batch.is_empty() {
            self.now = Time(self.now.0 + 100_000);
            let first = self.log.append(self.now, &batch).map_err(|why| format!("the log: {why}"))?;
            for (place, draft) in (0..).zip(batch) {
                let Draft { origin, event, .. } = draft;
                let record = Record { position: first.plus(place), at: self.now, origin, event };
                self.engine.fold(&record).map_err(|why| format!("the fold: {why}"))?;
                self.engine.settle();
            }
            self.engine.drain();
            let emitted = self.engine.emissions(self.handed);
            let emitted: Vec<_> = emitted.map(|(place, event)| (place, event.clone())).collect();
            self.handed = emitted.last().map(|(place, _)| *place).or(self.handed);
            batch = emitted.into_iter().map(|(place, event)| Draft::new(Origin::Emitted(place), event)).collect();
        }
        Ok(())
    }
}

/// The event that this text is.
fn event(text: &str) -> Result<Event> {
    let json: Value = serde_json::from_str(text).map_err(|why| format!("an event made here: {why}"))?;
    let get = |name: &str| json.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut event = Event::new(get("id"), get("source"), get("type"));
    event.time = Some(get("time").into());
    Ok(event.with_json(json.get("data").unwrap_or(&Value::Null)))
}

fn index(patterns: &[String]) -> Result<Index<u32>> {
    let mut index = Index::new();
    for (nth, text) in (0_u32..).zip(patterns) {
        let json: Value = serde_json::from_str(text).map_err(|why| format!("a pattern made here: {why}"))?;
        let pattern = Pattern::compile(&json).map_err(|_| format!("a pattern made here is refused: {text}"))?;
        index.add(nth, &pattern);
    }
    Ok(index)
}

/// A rule for each pattern; JSON is YAML.
fn rules(patterns: &[String]) -> String {
    let mut out = String::new();
    for (nth, pattern) in patterns.iter().enumerate() {
        // Writing to a String does not fail.
        let _ = writeln!(
            out,
            "---\napiVersion: ensue.dev/v1\nkind: Rule\nmetadata: {{ name: rule-{nth} }}\nspec:\n  when: {{ event: {pattern} }}\n  steps: []"
        );
    }
    out
}
