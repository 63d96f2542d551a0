//! Everything that must be green before a commit is published.

use std::time::Instant;

use crate::{Result, nothing_left, reference, shell, take_option, test, tidy};

/// A part: its name, and what it runs.
type Part = (&'static str, fn() -> Result);

/// The parts, the quick ones first: who made a slip waits seconds for it.
const PARTS: &[Part] = &[
    ("fmt", fmt),
    ("tidy", || tidy::run(&[])),
    ("clippy", clippy),
    ("docs", docs),
    ("test", || test::run(&[])),
    ("reference", || reference::run(&["--check".into()])),
];

/// Runs all parts but those after `--without`, also after one has failed, and says how long each took.
pub(crate) fn run(arguments: &[String]) -> Result {
    let mut arguments = arguments.to_vec();
    let mut without = Vec::new();
    while let Some(part) = take_option(&mut arguments, "--without")? {
        if !PARTS.iter().any(|(name, _)| *name == part) {
            let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
            return Err(format!("`{part}` is not a part of ci; its parts are {}", names.join(", ")));
        }
        without.push(part);
    }
    nothing_left(&arguments)?;
    let mut report = String::new();
    let mut failed = Vec::new();
    for (name, part) in PARTS {
        if without.iter().any(|part| part == name) {
            continue;
        }
        println!("\n== {name}");
        let start = Instant::now();
        let verdict = match part() {
            Ok(()) => "ok",
            Err(error) => {
                eprintln!("error: {error}");
                failed.push(*name);
                "FAILED"
            }
        };
        report.push_str(&format!("\n  {name:<10} {verdict:<7} {} s", start.elapsed().as_secs()));
    }
    println!("\nci:{report}");
    if failed.is_empty() { Ok(()) } else { Err(format!("not green: {}", failed.join(", "))) }
}

fn fmt() -> Result {
    shell::run(shell::cargo().args(["fmt", "--all", "--check"]))
        .map_err(|error| format!("{error}: run `cargo fmt --all`"))
}

fn clippy() -> Result {
    shell::run(shell::cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn docs() -> Result {
    let mut cargo = shell::cargo();
    // Private items too: the prose of lib.rs links to them, and a link that leads nowhere is a lie.
    cargo.args(["doc", "--workspace", "--no-deps", "--document-private-items"]).env("RUSTDOCFLAGS", "-D warnings");
    shell::run(&mut cargo)
}
