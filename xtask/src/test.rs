//! All tests, and what else proves something: the simulator, crashes, the scenarios of the examples.
//!
//! A test that cannot run says `skipped: NAME: REASON` and passes; the names are collected here and told at the end.
//! On CI (`CI=true`) nothing may be skipped, but for what needs data that is no part of this repository.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::{COMMANDS, Result, servers, shell, workspace};

/// The reason of a skip that CI accepts too.
const OUTSIDE: &str = "no shared data";

/// What a line begins with that is shown although its test was successful: the tables of what was tested in which situation.
const MATRIX: &str = "matrix: ";

/// What was counted.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: Vec<String>,
    /// Inside libtest's list of what successful tests printed, which is read and not shown.
    quiet: bool,
}

impl Tally {
    /// Takes a line of a test binary's output; true if a person should see it.
    fn line(&mut self, line: &str) -> bool {
        if let Some(skip) = line.trim_start().strip_prefix("skipped: ") {
            self.skipped.push(skip.into());
        }
        if let Some(rest) = line.strip_prefix("test result: ") {
            self.quiet = false;
            self.passed += number_before(rest, " passed");
            self.failed += number_before(rest, " failed");
        } else if line == "successes:" {
            self.quiet = true;
        } else if line == "failures:" {
            self.quiet = false;
        } else if let Some((name, reason)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ignored"))
        {
            self.skipped.push(format!("{name}: ignored{reason}"));
        }
        !self.quiet || line.starts_with(MATRIX)
    }

    /// Counts a part that is not a libtest binary.
    fn part(&mut self, name: &str, result: Result) {
        match result {
            Ok(()) => self.passed += 1,
            Err(error) => {
                eprintln!("error: {name}: {error}");
                self.failed += 1;
            }
        }
    }

    fn summary(&self) -> String {
        // A skipped test returns early and libtest counts it as passed; an ignored one is not counted there.
        let early = self.skipped.iter().filter(|skip| !skip.contains(": ignored")).count();
        let passed = self.passed.saturating_sub(early);
        format!("{passed} passed, {} failed, {} skipped", self.failed, self.skipped.len())
    }

    fn verdict(&self, ci: bool) -> Result {
        if self.failed > 0 {
            return Err("tests failed".into());
        }
        let unexpected: Vec<&str> =
            self.skipped.iter().map(String::as_str).filter(|skip| !skip.contains(OUTSIDE)).collect();
        if ci && !unexpected.is_empty() {
            return Err(format!("on CI nothing may be skipped, but these were: {}", unexpected.join("; ")));
        }
        Ok(())
    }
}

fn number_before(text: &str, word: &str) -> usize {
    let Some((before, _)) = text.split_once(word) else { return 0 };
    before.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Runs everything; the arguments go to `cargo test`, and where there are some, only that is run.
pub(crate) fn run(arguments: &[String]) -> Result {
    let ci = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
    let found = servers::prepare();
    let mut tally = Tally::default();
    cargo_test(arguments, &found, &mut tally)?;
    // Where nothing was built there is nothing more to run.
    if arguments.is_empty() && tally.passed > 0 {
        let target = workspace::metadata(false)?.target_directory.join("debug");
        parts(&target, &mut tally)?;
    }
    // A server that is missing is told by its tests; told here too, it needs no guessing which.
    for missing in &found.missing {
        println!("missing: {missing}");
    }
    for skip in &tally.skipped {
        println!("skipped: {skip}");
    }
    let mut verdict = tally.verdict(ci);
    if ci && verdict.is_ok() && !found.missing.is_empty() {
        verdict = Err(format!("on CI no server may be missing: {}", found.missing.join(", ")));
    }
    println!("{}", tally.summary());
    verdict
}

fn cargo_test(arguments: &[String], found: &servers::Found, tally: &mut Tally) -> Result {
    let mut cargo = shell::cargo();
    cargo.args(["test", "--no-fail-fast"]);
    if arguments.is_empty() {
        cargo.arg("--workspace");
    }
    cargo.args(arguments);
    if !arguments.iter().any(|argument| argument == "--") {
        cargo.arg("--");
    }
    // What successful tests print is where skipped ones say so.
    cargo.arg("--show-output");
    cargo.envs(found.variables.iter().map(|(name, path)| (name, path)));
    cargo.stdout(Stdio::piped());
    println!("$ {}", shell::line(&cargo));
    let mut child = cargo.spawn().map_err(|error| format!("cannot start cargo: {error}"))?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.map_err(|error| format!("cannot read what cargo test prints: {error}"))?;
            let line = String::from_utf8_lossy(&line);
            if tally.line(&line) {
                println!("{line}");
            }
        }
    }
    let status = child.wait().map_err(|error| format!("cargo test: {error}"))?;
    if !status.success() && tally.failed == 0 {
        // It did not build, or a test binary died without a word.
        tally.failed += 1;
    }
    Ok(())
}

/// What else there is, from the programs that `cargo test` has built: nothing is compiled twice.
fn parts(target: &Path, tally: &mut Tally) -> Result {
    let simulator = target.join("examples/sim");
    if workspace::root().join("crates/lab/examples/sim.rs").exists() {
        tally.part("sim", shell::run(shell::program(&simulator.to_string_lossy()).args(["--seeds", "100"])));
    }
    let ensue = target.join("ensue");
    if !ensue.exists() {
        // Cargo builds a binary for tests only where its package has integration tests.
        shell::run(shell::cargo().args(["build", "--package", "ensue-cli"]))?;
    }
    if let Some(crash) = COMMANDS.iter().find(|command| command.name == "crash") {
        for (name, example) in [("crash", ""), ("crash all-steps", " --example all-steps")] {
            println!("$ cargo xtask crash --kills 20{example}");
            let more = example.split_whitespace();
            let mut arguments: Vec<String> = ["--kills", "20"].into_iter().chain(more).map(str::to_owned).collect();
            arguments.extend(["--binary".to_owned(), ensue.to_string_lossy().into_owned()]);
            tally.part(name, (crash.run)(&arguments));
        }
    }
    for example in scenarios()? {
        let name = format!("ensue test {}", example.display());
        tally.part(&name, shell::run(shell::program(&ensue.to_string_lossy()).arg("test").arg(&example)));
    }
    Ok(())
}

/// The folders of `examples/` that hold scenarios.
fn scenarios() -> Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> = workspace::files()?
        .iter()
        .filter(|file| file.path.starts_with("examples/") && file.path.ends_with(".yaml"))
        // Its mistakes are its purpose: the command line's tests go through them one by one.
        .filter(|file| !file.path.starts_with("examples/broken/"))
        .filter(|file| file.text.lines().any(|line| line == "kind: Scenario"))
        // The examples themselves, not the folders within them.
        .map(|file| Path::new(&file.path).components().take(2).collect())
        .collect();
    folders.dedup();
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 3 tests
test a ... ok
test slow ... ignored, an hour
test needs::nginx ... ok

successes:

---- needs::nginx stdout ----
skipped: needs::nginx: no nginx
and a line of no interest
matrix: a  ok

successes:
    a
    needs::nginx

test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: FAILED. 10 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";

    fn tally(output: &str) -> (Tally, Vec<&str>) {
        let mut tally = Tally::default();
        let shown = output.lines().filter(|line| tally.line(line)).collect();
        (tally, shown)
    }

    #[test]
    fn results_and_skips_are_collected_from_the_output() {
        let (tally, shown) = tally(OUTPUT);
        assert_eq!((tally.passed, tally.failed), (12, 3));
        assert_eq!(tally.skipped, ["slow: ignored, an hour", "needs::nginx: no nginx"]);
        assert_eq!(tally.summary(), "11 passed, 3 failed, 2 skipped");
        assert!(!shown.iter().any(|line| line.contains("no interest")));
        assert!(shown.contains(&"test a ... ok") && shown.contains(&"matrix: a  ok"));
        assert_eq!(tally.verdict(false), Err("tests failed".into()));
    }

    #[test]
    fn on_ci_only_what_is_outside_may_be_skipped() {
        for (line, elsewhere, ci) in [
            ("skipped: cases: no shared data", true, true),
            ("skipped: push: no docker-registry", true, false),
            ("test x ... ignored", true, false),
            ("test x ... ok", true, true),
        ] {
            let (tally, _) = tally(line);
            assert_eq!((tally.verdict(false).is_ok(), tally.verdict(true).is_ok()), (elsewhere, ci), "{line}");
        }
    }
}
