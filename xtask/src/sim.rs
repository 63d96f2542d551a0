//! The simulator, which is an example of the lab crate: `cargo xtask sim --seeds 1000`, or `--seed 4711` for one.

use std::process::Command;

use crate::{Result, nothing_left, shell, take_option};

/// Builds it (in the release profile unless `--profile` says otherwise) and runs it.
pub(crate) fn run(arguments: &[String]) -> Result {
    let mut arguments = arguments.to_vec();
    let profile = take_option(&mut arguments, "--profile")?.unwrap_or_else(|| "release".into());
    let mut cargo = shell::cargo();
    cargo.args(["run", "--quiet", "--package", "ensue-lab", "--example", "sim", "--profile", &profile, "--"]);
    pass(&mut cargo, &mut arguments)?;
    nothing_left(&arguments)?;
    shell::run(&mut cargo)
}

/// Hands on the numbers, which are checked here so that a slip is told before a build.
fn pass(command: &mut Command, arguments: &mut Vec<String>) -> Result {
    for name in ["--seeds", "--seed"] {
        if let Some(value) = take_option(arguments, name)? {
            value.parse::<u64>().map_err(|_| format!("{name} needs a number, not `{value}`"))?;
            command.args([name, &value]);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_are_seeds() {
        let mut command = shell::program("sim");
        let mut arguments = vec!["--seed".into(), "7".into(), "--seeds".into(), "10".into()];
        assert_eq!(pass(&mut command, &mut arguments), Ok(()));
        assert_eq!(shell::line(&command), "sim --seeds 10 --seed 7");
        assert!(pass(&mut command, &mut vec!["--seed".into(), "x".into()]).is_err());
    }
}
