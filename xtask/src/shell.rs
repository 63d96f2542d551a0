//! Running programs, with a line before that says which.

use std::process::{Command, Stdio};

use crate::{Result, workspace};

/// Cargo, in the root of the workspace.
pub(crate) fn cargo() -> Command {
    program(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
}

/// A program, in the root of the workspace.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.current_dir(workspace::root());
    command
}

/// Shows the command line and runs it; an error if it does not succeed.
pub(crate) fn run(command: &mut Command) -> Result {
    println!("$ {}", line(command));
    let status = command.status().map_err(|error| format!("cannot start `{}`: {error}", line(command)))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed ({status})", line(command))) }
}

/// The same with the line on standard error: standard output is the program's alone.
pub(crate) fn run_aside(command: &mut Command) -> Result {
    eprintln!("$ {}", line(command));
    let status = command.status().map_err(|error| format!("cannot start `{}`: {error}", line(command)))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed ({status})", line(command))) }
}

/// What a command prints; its errors go to ours.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start `{}`: {error}", line(command)))?;
    if !output.status.success() {
        return Err(format!("`{}` failed ({})", line(command), output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{}` printed what is no UTF-8", line(command)))
}

/// The command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let name = command.get_program().to_string_lossy();
    let name = name.rsplit('/').next().unwrap_or(&name).to_owned();
    std::iter::once(name)
        .chain(command.get_args().map(|word| word.to_string_lossy().into_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}
