//! `ensue check`: every mistake of every file, in one pass.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use ensue_engine::config::{Checked, check as compile};
use ensue_event::ours::ConfigFile;
use ensue_lang::Severity;
use serde_json::json;

use super::configured;
use crate::errors::Error;
use crate::output::Output;

/// Files to look at only: a variable of the environment that is not set here stands as its own name, since nothing is
/// done with it. Also the names of those.
pub(crate) fn read(path: &Path) -> Result<(Vec<ConfigFile>, BTreeSet<String>), Error> {
    let unset = RefCell::new(BTreeSet::new());
    let lookup = |name: &str| {
        std::env::var(name).ok().or_else(|| {
            unset.borrow_mut().insert(name.to_owned());
            Some(name.to_owned())
        })
    };
    if !path.exists() {
        return Err(Error::File {
            path: path.display().to_string(),
            why: "there is no such file or folder".to_owned(),
        });
    }
    let files = ensue_node::read_folder_with(path, &lookup).map_err(|why| Error::Other(why.to_string()))?;
    if files.is_empty() {
        let why = "no manifest is here (*.yaml, *.yml)".to_owned();
        return Err(Error::File { path: path.display().to_string(), why });
    }
    Ok((files, unset.into_inner()))
}

pub(crate) fn check(path: &Path, output: Output) -> Result<(), Error> {
    let (files, unset) = read(path)?;
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
    let many = |count: usize, one: &str| match count {
        0 => format!("no {one}s"),
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    };
    format!("{}, {} in {}", many(errors, "error"), many(warnings, "warning"), many(files, "file"))
}
