//! The measurements behind what is claimed about speed.

use std::path::PathBuf;

use crate::{Result, crash, peers, shell, take_option, workspace};

/// What can be measured, and whether the binary is started for it.
const WHAT: &[(&str, bool)] = &[
    ("ingest", true),
    ("loop", true),
    ("runs", true),
    ("waiting", true),
    ("rules", true),
    ("kubernetes", true),
    ("scenarios", true),
    ("match", false),
    ("correlate", false),
    ("replay", false),
];

/// Builds for release and runs one measurement; it prints JSON lines and writes its part of bench/RESULTS.md.
pub(crate) fn run(arguments: &[String]) -> Result {
    let mut arguments = arguments.to_vec();
    let binary = take_option(&mut arguments, "--binary")?;
    let beside = arguments.iter().position(|word| word == "--peers").map(|at| arguments.remove(at)).is_some();
    let what = arguments.first().and_then(|what| WHAT.iter().find(|(name, _)| name == what));
    let (what, starts) = what.ok_or_else(|| {
        let names: Vec<&str> = WHAT.iter().map(|(name, _)| *name).collect();
        format!("say what to measure: {}", names.join(", "))
    })?;
    let rest = arguments.get(1..).unwrap_or_default();
    let asks = rest.iter().any(|word| word == "--help" || word == "-h");
    let page = workspace::root().join("bench/RESULTS.md");
    if *starts && !asks {
        let (client, ensue) = crash::release(binary)?;
        let mut command = client_in_place(&client)?;
        command.arg(what).args(rest);
        if beside {
            command.arg("--peers").arg(peers::prepare());
        }
        return shell::run(command.arg("--binary").arg(ensue).arg("--results").arg(page));
    }
    // What reads files prints one line of JSON, and nothing else stands on its standard output.
    shell::run_aside(shell::cargo().args(["build", "--release", "--package", "ensue-bench"]))?;
    let client = workspace::metadata(false)?.target_directory.join("release/ensue-bench");
    let mut command = client_in_place(&client)?;
    command.arg(what).args(rest);
    if !asks && !rest.iter().any(|word| word == "--results") {
        command.arg("--results").arg(page);
    }
    shell::run_aside(&mut command)
}

/// The client in the folder that the caller stands in: files are named from there.
fn client_in_place(client: &std::path::Path) -> Result<std::process::Command> {
    let here: PathBuf = std::env::current_dir().map_err(|error| format!("there is no current folder: {error}"))?;
    let mut command = shell::program(&client.to_string_lossy());
    command.current_dir(here);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_measured_is_told_before_anything_is_built() {
        assert!(
            run(&["speed".to_owned()])
                .unwrap_err()
                .contains("ingest, loop, runs, waiting, rules, kubernetes, scenarios, match")
        );
        assert!(run(&[]).is_err());
    }
}
