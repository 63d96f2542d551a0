//! `ensue test`: scenarios in virtual time.

use std::path::Path;
use std::time::Instant;

use ensue_engine::config::check as compile;
use ensue_event::ours::ConfigFile;
use ensue_lab::scenario::{self, Beside, Outcome};
use ensue_lang::Scenario;
use serde_json::json;

use super::check::{complain, read};
use crate::errors::Error;
use crate::output::Output;

pub(crate) fn test(path: &Path, name: Option<&str>, output: Output) -> Result<(), Error> {
    let (files, _) = read(path)?;
    let checked = compile(&files);
    let Some(compiled) = &checked.compiled else { return Err(complain(&checked, files.len())) };
    let base = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    let wanted = |scenario: &&Scenario| name.is_none_or(|part| scenario.name.name.contains(part));
    let mut scenarios: Vec<&Scenario> = compiled.config.scenarios.values().map(AsRef::as_ref).filter(wanted).collect();
    scenarios.sort_by(|a, b| (&a.file, a.span.start).cmp(&(&b.file, b.span.start)));
    if scenarios.is_empty() {
        let which = name.map_or_else(|| "no scenario".to_owned(), |part| format!("no scenario named like `{part}`"));
        return Err(Error::File { path: path.display().to_string(), why: format!("{which} is here") });
    }
    let began = Instant::now();
    let mut failed = 0_usize;
    for scenario in &scenarios {
        let beside = base.join(&scenario.file);
        let beside = beside.parent().unwrap_or(base);
        let result = scenario::test(&files, scenario, &Folder(beside));
        let good = result.as_ref().is_ok_and(|outcome| outcome.differences.is_empty());
        failed += usize::from(!good);
        show(scenario, result, output);
    }
    let passed = scenarios.len() - failed;
    if output.report_for_programs() {
        output.value(&json!({"passed": passed, "failed": failed}));
    } else {
        output.line(format!("\n{passed} passed, {failed} failed in {:.1} s", began.elapsed().as_secs_f64()));
    }
    if failed == 0 { Ok(()) } else { Err(Error::Found) }
}

/// What lies beside a scenario.
struct Folder<'a>(&'a Path);

impl Beside for Folder<'_> {
    fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        std::fs::read(self.0.join(name)).map_err(|why| why.to_string())
    }

    fn manifests(&self, name: &str) -> Result<Vec<ConfigFile>, String> {
        read(&self.0.join(name)).map(|(files, _)| files).map_err(|why| why.to_string())
    }
}

fn show(scenario: &Scenario, result: Result<Outcome, scenario::Error>, output: Output) {
    let name = &scenario.name.name;
    if output.report_for_programs() {
        let (differences, unnamed, error) = match &result {
            Ok(outcome) => {
                let all = outcome.differences.iter().map(
                    |one| json!({"file": one.file, "line": one.line, "expected": one.expected, "happened": one.actual}),
                );
                (all.collect::<Vec<_>>(), outcome.unnamed.clone(), None)
            }
            Err(why) => (Vec::new(), Vec::new(), Some(why.to_string())),
        };
        let ok = error.is_none() && differences.is_empty();
        output.value(&json!({
            "scenario": name, "ok": ok, "differences": differences, "unnamedActions": unnamed, "error": error,
        }));
        return;
    }
    let style = |color: anstyle::AnsiColor| anstyle::Style::new().bold().fg_color(Some(color.into()));
    let (green, red, dim) =
        (style(anstyle::AnsiColor::Green), style(anstyle::AnsiColor::Red), anstyle::Style::new().dimmed());
    match result {
        Ok(outcome) => {
            match outcome.differences.as_slice() {
                [] => output.line(format!("{green}ok{green:#}    {name}")),
                differences => {
                    output.line(format!("{red}FAILS{red:#} {name}"));
                    for difference in differences {
                        for line in difference.to_string().lines() {
                            output.line(format!("      {line}"));
                        }
                    }
                    for error in &outcome.played.errors {
                        output.line(format!("      also: {error}"));
                    }
                }
            }
            if !outcome.unnamed.is_empty() {
                let names = outcome.unnamed.join(", ");
                output
                    .line(format!("      {dim}not named under `actions`, so they succeeded with {{}}: {names}{dim:#}"));
            }
        }
        Err(why) => {
            output.line(format!("{red}FAILS{red:#} {name}"));
            output.line(format!("      {why}"));
        }
    }
}
