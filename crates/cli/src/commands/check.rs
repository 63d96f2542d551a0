//! `ensue check`: every mistake of every file, in one pass.

use std::path::Path;

use ensue_engine::config::{Checked, check as compile};
use ensue_lang::Severity;
use indexmap::IndexMap;
use serde_json::json;

use super::configured;
use super::folder::{Manifests, read};
use crate::errors::Error;
use crate::output::Output;

pub(crate) fn check(path: &Path, output: Output) -> Result<(), Error> {
    let Manifests { files, unset } = read(path, &IndexMap::new())?;
    let mut checked = compile(&files);
    ensue_lab::graph::look(&mut checked);
    let (errors, warnings) = count(&checked);
    if output.report_for_programs() {
        let refused = checked.refused.as_ref().map(|(rule, why)| json!({"rule": rule.to_string(), "why": why}));
        output.value(&json!({
            "errors": errors, "warnings": warnings, "files": files.len(), "environmentNotSet": unset,
            "diagnostics": checked.loaded.diagnostics, "refused": refused,
            "configured": checked.compiled.as_ref().map(|compiled| configured::json(&compiled.config)),
        }));
    } else {
        let found = checked.render(true);
        if !found.trim_end().is_empty() {
            output.line(format!("{}\n", found.trim_end()));
        }
        if let Some(compiled) = &checked.compiled {
            let green = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Green.into()));
            output.line(format!("{green}ok{green:#}  {}", summary(errors, warnings, files.len())));
            configured::show(&compiled.config, output);
        } else {
            output.line(summary(errors, warnings, files.len()));
        }
        if !unset.is_empty() {
            let names: Vec<&str> = unset.iter().map(String::as_str).collect();
            output.line(format!("  not set here, and needed by `ensue up`: {}", names.join(", ")));
        }
    }
    if checked.compiled.is_some() { Ok(()) } else { Err(Error::Found) }
}

/// Prints what is wrong, to the error output, with its summary: for commands that need a configuration without errors.
pub(crate) fn complain(checked: &Checked, files: usize) -> Error {
    let (errors, warnings) = count(checked);
    anstream::eprintln!("{}\n\n{}", checked.render(true).trim_end(), summary(errors, warnings, files));
    Error::Found
}

fn count(checked: &Checked) -> (usize, usize) {
    let all = &checked.loaded.diagnostics;
    let errors = all.iter().filter(|one| one.severity == Severity::Error).count();
    (errors + usize::from(checked.refused.is_some()), all.len() - errors)
}

fn summary(errors: usize, warnings: usize, files: usize) -> String {
    format!("{}, {} in {}", counted(errors, "error"), counted(warnings, "warning"), counted(files, "file"))
}

/// So many of something.
pub(crate) fn counted(count: usize, one: &str) -> String {
    match count {
        0 => format!("no {one}s"),
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    }
}
