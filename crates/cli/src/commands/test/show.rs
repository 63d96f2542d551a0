//! What came of scenarios, for people and for programs.

use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::play::{Case, Item, Summary};
use crate::commands::check::{complain, counted};
use crate::output::Output;

fn bold(color: AnsiColor) -> Style {
    Style::new().bold().fg_color(Some(color.into()))
}

/// The line above the scenarios of one of several configurations.
pub(super) fn head(configuration: &Path, output: Output) {
    if !output.report_for_programs() {
        let bold = Style::new().bold();
        output.line(format!("{bold}{}{bold:#}", configuration.display()));
    }
}

pub(super) fn item(item: &Item, output: Output) {
    if output.report_for_programs() {
        output.value(&value(item));
        return;
    }
    let (green, red, dim) = (bold(AnsiColor::Green), bold(AnsiColor::Red), Style::new().dimmed());
    match item {
        Item::Case(case) => {
            let name = &case.name.name;
            match &case.result {
                Ok(outcome) if outcome.differences.is_empty() => output.line(format!("{green}ok{green:#}    {name}")),
                _ => output.line(format!("{red}FAILS{red:#} {name}")),
            }
            details(case).iter().for_each(|line| output.line(format!("      {line}")));
            if let Ok(outcome) = &case.result
                && !outcome.unnamed.is_empty()
            {
                let names = outcome.unnamed.join(", ");
                output
                    .line(format!("      {dim}not named under `actions`, so they succeeded with {{}}: {names}{dim:#}"));
            }
        }
        Item::Unread { configuration, why } => {
            output.line(format!("{red}FAILS{red:#} {}: {why}", configuration.display()));
        }
        Item::Broken { configuration, checked, files } => {
            complain(checked, *files);
            output.line(format!("{red}FAILS{red:#} {} cannot be played: it has mistakes", configuration.display()));
        }
        Item::Empty { .. } => output.line(format!("{dim}no scenario is here{dim:#}")),
    }
}

/// What was not as expected, and the story.
pub(super) fn details(case: &Case) -> Vec<String> {
    let outcome = match &case.result {
        Ok(outcome) if outcome.differences.is_empty() => return Vec::new(),
        Ok(outcome) => outcome,
        Err(why) => return vec![why.to_string()],
    };
    let mut lines: Vec<String> = Vec::new();
    for difference in &outcome.differences {
        lines.extend(difference.to_string().lines().map(str::to_owned));
    }
    lines.extend(outcome.played.errors.iter().map(|error| format!("also: {error}")));
    lines.push("the story:".to_owned());
    lines.extend(outcome.played.story().into_iter().map(|line| format!("  {line}")));
    lines
}

fn value(item: &Item) -> Value {
    match item {
        Item::Case(case) => {
            let (differences, unnamed, story, error) = match &case.result {
                Ok(outcome) => {
                    let all = outcome.differences.iter().map(|one| {
                        json!({
                            "file": one.file, "line": one.line, "expected": one.expected, "happened": one.actual,
                            "whyNot": one.why_not,
                        })
                    });
                    let all = all.collect::<Vec<_>>();
                    let story = if all.is_empty() { Vec::new() } else { outcome.played.story() };
                    (all, outcome.unnamed.clone(), story, None)
                }
                Err(why) => (Vec::new(), Vec::new(), Vec::new(), Some(why.to_string())),
            };
            json!({
                "configuration": case.configuration, "scenario": case.name.name, "file": case.file, "line": case.line,
                "ok": case.good(), "seconds": case.took.as_secs_f64(), "differences": differences, "story": story,
                "unnamedActions": unnamed, "error": error,
            })
        }
        Item::Unread { configuration, why } => json!({"configuration": configuration, "ok": false, "error": why}),
        Item::Broken { configuration, checked, .. } => json!({
            "configuration": configuration, "ok": false, "error": "the configuration has mistakes",
            "diagnostics": checked.loaded.diagnostics,
        }),
        Item::Empty { configuration } => json!({"configuration": configuration, "ok": true, "scenarios": 0}),
    }
}

/// The last lines.
pub(super) fn end(summary: &Summary, ignored: &[(PathBuf, PathBuf)], output: Output) {
    let Summary { passed, failed, broken, took } = summary;
    let seconds = took.as_secs_f64();
    if output.report_for_programs() {
        let ignored: Vec<&PathBuf> = ignored.iter().map(|(folder, _)| folder).collect();
        output.value(&json!({
            "passed": passed, "failed": failed, "broken": broken, "ignored": ignored, "seconds": seconds,
        }));
        return;
    }
    output.line("");
    for (folder, by) in ignored {
        output.line(format!("ignored: {}, by {}", folder.display(), by.display()));
    }
    let broken = match broken {
        0 => String::new(),
        broken => format!(", {} cannot be played", counted(*broken, "configuration")),
    };
    output.line(format!("{passed} passed, {failed} failed{broken} in {seconds:.1} s"));
}
