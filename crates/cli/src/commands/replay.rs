//! `ensue replay`: history through other manifests, and what would be different.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use ensue_event::ours::Mode;
use ensue_event::{Span, Time};
use ensue_lab::replay::report::{Changed, Fired, Report, RuleReport, Seen};
use ensue_lab::replay::{Error as Failed, Options, Progress, Since, replay as take};
use ensue_log::disk::ReadOnly;
use ensue_log::{Blobs, FileLog};
use ensue_pump::LogPast;
use indexmap::IndexMap;
use serde_json::Value;

use super::check::complain;
use super::folder::{Manifests, read};
use crate::args::Replay;
use crate::errors::Error;
use crate::output::{Output, cut, one_line, tame};

pub(crate) fn replay(replay: &Replay, output: Output) -> Result<(), Error> {
    let options = Options {
        since: replay.since.as_deref().map_or(Ok(Since::Beginning), since)?,
        warm: replay.warm.as_deref().map(|text| span("--warm", text)).transpose()?,
        rules_only: replay.rules_only,
        steps: replay.steps,
        shown: replay.limit,
    };
    let files = match &replay.path {
        None => None,
        Some(path) => {
            let Manifests { files, unset } = read(path, &IndexMap::new())?;
            let checked = ensue_engine::config::check(&files);
            if checked.compiled.is_none() {
                return Err(complain(&checked, files.len()));
            }
            if !unset.is_empty() {
                let names: Vec<&str> = unset.iter().map(String::as_str).collect();
                anstream::eprintln!("not set here, and something stands for each: {}", names.join(", "));
            }
            Some(files)
        }
    };
    let log = open(&replay.data)?;
    let mut told = Told::default();
    let report = take(&log, files.as_deref(), &options, &mut |progress| told.tell(progress));
    told.done();
    let report = report.map_err(|why| match why {
        Failed::Empty => Error::File { path: replay.data.display().to_string(), why: why.to_string() },
        why => Error::Other(why.to_string()),
    })?;
    if output.report_for_programs() {
        output.value(&serde_json::to_value(&report).unwrap_or(Value::Null));
    } else {
        show(&report, replay.limit, output);
    }
    if report.different && replay.fail_on_change { Err(Error::Differs) } else { Ok(()) }
}

/// The log of a data folder, read only: its engine may be running.
fn open(data: &Path) -> Result<LogPast<ReadOnly>, Error> {
    let folder = data.join("log");
    if !folder.is_dir() {
        let why = "no log is here; name the data folder of the engine with --data".to_owned();
        return Err(Error::File { path: data.display().to_string(), why });
    }
    let disk = Arc::new(ReadOnly);
    let options = ensue_log::Options { reserve_bytes: 0, background: false, ..ensue_log::Options::default() };
    let opened = FileLog::open(Arc::clone(&disk), &folder, options, None);
    let (log, _) = opened.map_err(|why| Error::Other(why.to_string()))?;
    // Without large events there is no such folder.
    let blobs = Blobs::open(disk, &data.join("blobs")).ok();
    Ok(LogPast::new(log.reader(), blobs))
}

fn since(text: &str) -> Result<Since, Error> {
    if let Ok(time) = Time::parse(text) {
        return Ok(Since::At(time));
    }
    span("--since", text).map(Since::Ago)
}

fn span(flag: &str, text: &str) -> Result<Span, Error> {
    let parsed = ensue_expr::duration::parse(text).map(Span);
    parsed.map_err(|why| Error::Usage(format!("{flag} {text}: {why}; a time is written as 2026-05-01T08:00:00Z")))
}

/// Progress on a terminal.
#[derive(Default)]
struct Told {
    shown: bool,
}

impl Told {
    fn tell(&mut self, progress: Progress) {
        if !std::io::stderr().is_terminal() {
            return;
        }
        self.shown = true;
        let percent = progress.done * 100 / progress.all.max(1);
        eprint!("\r\x1b[K{}: {percent} % of {} records", progress.doing, progress.all);
        // A terminal that is gone needs no progress.
        let _ = std::io::stderr().flush();
    }

    fn done(&self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}

fn show(report: &Report, limit: usize, output: Output) {
    let history = &report.history;
    output.line(format!(
        "{} records, #{} up to #{}; compared from {} to {}{}",
        report.records,
        history.from,
        history.to,
        history.since,
        history.until,
        if history.warm > Span::ZERO { format!(", after {} to warm up", history.warm) } else { String::new() },
    ));
    let row = |rule: &RuleReport| {
        let numbers = [rule.then, rule.now, rule.same, rule.gone_count, rule.new_count, rule.changed_count];
        let texts = [rule.rule.clone(), rule.definition.as_str().to_owned()];
        texts.into_iter().chain(numbers.map(|number| number.to_string())).collect::<Vec<String>>()
    };
    let rows: Vec<Vec<String>> = report.rules.iter().map(row).collect();
    output.line("");
    output.table(&["RULE", "DEFINITION", "THEN", "NOW", "SAME", "GONE", "NEW", "CHANGED"], &rows);
    for rule in &report.rules {
        one(rule, limit, output);
    }
    if !report.assumed.is_empty() {
        output.line("\nanswers that nobody gave then, taken to be {}:");
        for assumed in &report.assumed {
            let times = if assumed.times == 1 { String::new() } else { format!(", {} times", assumed.times) };
            output.line(format!("  {}  step {} of {}{times}", assumed.action, assumed.step, assumed.rule));
        }
    }
    for aside in &report.set_aside {
        output.line(format!("\nset aside at #{}: {}", aside.position, tame(&aside.why)));
    }
    let verdict = if report.different { "different" } else { "no difference" };
    output.line(format!("\n{verdict}"));
}

/// What is different about a rule.
fn one(rule: &RuleReport, limit: usize, output: Output) {
    let before = rule.before_count;
    if rule.gone_count + rule.new_count + rule.changed_count + before == 0 {
        return;
    }
    output.line(format!("\n{}", rule.rule));
    let more = |count: u64, shown: usize, what: &str| {
        let left = count.saturating_sub(shown as u64);
        if left > 0 {
            output.line(format!("  {left} more {what}; --limit {limit} shows so many"));
        }
    };
    for (word, all, count) in [("gone", &rule.gone, rule.gone_count), ("new ", &rule.new, rule.new_count)] {
        for fired in all {
            output.line(format!("  {word}  {}", line(fired)));
            output.line(format!("        {}", one_line(tame(&fired.why))));
            for because in &fired.because {
                output.line(format!("          {}", one_line(tame(because))));
            }
        }
        more(count, all.len(), word.trim());
    }
    for Changed { fired, mode, steps } in &rule.changed {
        output.line(format!("  does something else  {}", line(fired)));
        if let Some(mode) = mode {
            output.line(format!("        then: {}; now: {}", acts(mode.then), acts(mode.now)));
        }
        for (step, both) in steps {
            output.line(format!("        {step}"));
            for (word, side) in [("then", &both.then), ("now ", &both.now)] {
                let said = side.as_ref().map_or_else(|| "no such step".to_owned(), Value::to_string);
                output.line(format!("          {word}  {}", cut(&one_line(tame(&said)), 300)));
            }
        }
    }
    more(rule.changed_count, rule.changed.len(), "that do something else");
    if before > 0 {
        output.line(format!("  {before} on events from before there was such a rule: compared with nothing"));
    }
}

/// A firing in a line: when, its key, its events.
fn line(fired: &Fired) -> String {
    /// Events that are shown.
    const MOST: usize = 3;
    let event = |seen: &Seen| {
        let place = seen.position.map_or_else(|| "emitted".to_owned(), |position| format!("#{position}"));
        let item = seen.item.as_ref().map(|item| format!("{item} ")).unwrap_or_default();
        let subject = seen.subject.as_ref().map(|subject| format!(" {subject}")).unwrap_or_default();
        one_line(tame(&format!("{item}{place} {}{subject}", seen.kind)))
    };
    let mut events: Vec<String> = fired.events.iter().take(MOST).map(event).collect();
    if fired.events.len() > MOST {
        events.push(format!("{} more", fired.events.len() - MOST));
    }
    let key = fired.key.as_ref().map(|key| format!("  {}", cut(&one_line(tame(key)), 60))).unwrap_or_default();
    format!("{}{key}  {}", fired.at, events.join(", "))
}

/// Whether a firing acts, in a word.
fn acts(mode: Mode) -> &'static str {
    match mode {
        Mode::Live => "it acts",
        Mode::Shadow => "in shadow",
    }
}
