//! The crash test: a verifying client against the real binary, killed at random.

use std::path::PathBuf;

use crate::{Result, nothing_left, shell, take_option, workspace};

/// Builds `ensue` (unless `--binary` names one) and the client, and runs it.
pub(crate) fn run(arguments: &[String]) -> Result {
    let mut arguments = arguments.to_vec();
    let kills = number(&mut arguments, "--kills")?.unwrap_or_else(|| "200".into());
    let seed = number(&mut arguments, "--seed")?;
    let example = take_option(&mut arguments, "--example")?;
    if let Some(other) = example.as_ref().filter(|name| *name != "all-steps") {
        return Err(format!("--example knows all-steps, not `{other}`"));
    }
    let results = take_option(&mut arguments, "--results")?;
    let binary = take_option(&mut arguments, "--binary")?;
    nothing_left(&arguments)?;
    let (client, ensue) = client(binary)?;
    let mut command = shell::program(&client.to_string_lossy());
    command.args(["crash", "--kills", &kills]);
    for (name, value) in [("--example", example), ("--seed", seed)] {
        command.args(value.iter().flat_map(|value| [name, value]));
    }
    command.arg("--binary").arg(ensue);
    command.args(results.iter().flat_map(|page| ["--results", page]));
    shell::run(&mut command)
}

/// The client, and the `ensue` to run it with: one that is given is not built again, and goes with a client that is
/// built as fast as it can be.
fn client(binary: Option<String>) -> Result<(PathBuf, PathBuf)> {
    let Some(binary) = binary else { return release(None) };
    shell::run(shell::cargo().args(["build", "--package", "ensue-bench"]))?;
    Ok((workspace::metadata(false)?.target_directory.join("debug/ensue-bench"), PathBuf::from(binary)))
}

/// Both, built for release, so that what is measured is what is shipped.
pub(crate) fn release(binary: Option<String>) -> Result<(PathBuf, PathBuf)> {
    let mut cargo = shell::cargo();
    cargo.args(["build", "--release", "--package", "ensue-bench"]);
    if binary.is_none() {
        cargo.args(["--package", "ensue-cli"]);
    }
    shell::run(&mut cargo)?;
    let target = workspace::metadata(false)?.target_directory.join("release");
    Ok((target.join("ensue-bench"), binary.map_or_else(|| target.join("ensue"), PathBuf::from)))
}

/// A number, checked here so that a slip is told before a build.
fn number(arguments: &mut Vec<String>, name: &str) -> Result<Option<String>> {
    let value = take_option(arguments, name)?;
    if let Some(value) = &value {
        value.parse::<u64>().map_err(|_| format!("{name} needs a number, not `{value}`"))?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_before_anything_is_built() {
        for (arguments, says) in [
            (["--kills", "many"], "--kills"),
            (["--kill", "7"], "--kill"),
            (["--seed", "x"], "--seed"),
            (["--example", "no"], "--example"),
        ] {
            let error = run(&arguments.map(str::to_owned)).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
