//! The rules that no compiler knows. Each finding says where, what, and what to do.

mod code;
mod determinism;
mod hosts;
mod layers;
mod lock;
mod manifests;
mod sources;

use std::fmt;

use crate::{Result, nothing_left, workspace};

/// A rule broken at a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    /// From 1; 0 where the whole file is meant.
    line: usize,
    what: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: path.into(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// Checks everything and prints all findings.
pub(crate) fn run(arguments: &[String]) -> Result {
    nothing_left(arguments)?;
    let files = workspace::files()?;
    let members = workspace::members(&workspace::read("Cargo.toml")?);
    let mut findings = Vec::new();
    findings.extend(layers::check(&members, &workspace::metadata(true)?));
    findings.extend(lock::check(&workspace::read("Cargo.lock")?));
    for file in &files {
        findings.extend(sources::check(file));
        findings.extend(determinism::check(file));
        findings.extend(manifests::check(file, &members));
        findings.extend(hosts::check(file));
    }
    findings.extend(sources::whole(&files, &members));
    findings.sort();
    findings.dedup();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => {
            println!("tidy: {} files, {} crates, nothing to say", files.len(), members.len());
            Ok(())
        }
        count => Err(format!("tidy: {count} findings")),
    }
}
