//! The only automation of this repository: `cargo xtask COMMAND`.
//!
//! It **is** what a person and the CI type: checks, tests, simulations, benches, generated pages. It **is not** part of
//! the product, and builds in seconds: it knows the crates by their files and by `cargo metadata`, and imports none.
//!
//! Map: [`workspace`] (what there is) and [`shell`] (running programs) → [`ci`], which is [`tidy`] + [`test`](mod@test) (with
//! [`servers`]) + [`kubernetes`] → [`reference`](mod@reference) (with [`rules`]) → [`sim`], [`crash`], [`bench`](mod@bench) (with [`peers`]).

mod shell;
mod workspace;

mod ci;
mod tidy;

mod servers;
mod test;

mod bench;
mod crash;
mod kubernetes;
mod peers;
mod reference;
mod rules;
mod sim;

use std::process::ExitCode;

/// Why a command failed: what, with which value, what to do. Printed as it is.
type Result<T = ()> = std::result::Result<T, String>;

/// A command: a row here is all that it takes to add one.
struct Command {
    name: &'static str,
    usage: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "ci",
        usage: "[--without PART]...",
        about: "everything that must be green: fmt, tidy, clippy, test, reference, docs",
        run: ci::run,
    },
    Command {
        name: "tidy",
        usage: "",
        about: "the rules that no compiler knows: layers, determinism, lengths, manifests, lock file, hosts",
        run: tidy::run,
    },
    Command {
        name: "test",
        usage: "[CARGO TEST ARGUMENT]...",
        about: "all tests, against the real servers that can be had; says by name what was skipped",
        run: test::run,
    },
    Command {
        name: "test-kubernetes",
        usage: "[TEST FILTER]...",
        about: "the tests of Kubernetes against the cluster that KUBECONFIG names, in namespaces of their own",
        run: kubernetes::test,
    },
    Command {
        name: "sim",
        usage: "[--seeds N] [--seed S] [--profile P]",
        about: "the seeded simulator: the whole engine with faulty disk, faulty actions, crashes, clock steps",
        run: sim::run,
    },
    Command {
        name: "crash",
        usage: "[--kills N] [--example all-steps] [--seed S] [--binary PATH] [--results PAGE]",
        about: "the real binary, killed at random under a verifying client: nothing lost, decided or done twice, left",
        run: crash::run,
    },
    Command {
        name: "bench",
        usage: "{ingest|loop|runs [--peers]|waiting|rules|match|correlate} [--binary PATH] [ARGUMENT]...",
        about: "measures what is claimed about speed: JSON lines, and bench/RESULTS.md",
        run: bench::run,
    },
    Command {
        name: "gen",
        usage: "[--check]",
        about: "writes docs/reference and the definitions in deploy/, from the sources and from the binary; --check only compares",
        run: reference::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result {
    let Some((name, rest)) = arguments.split_first() else {
        println!("{}", help());
        return Ok(());
    };
    if ["help", "--help", "-h"].contains(&name.as_str()) {
        println!("{}", help());
        return Ok(());
    }
    match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => (command.run)(rest),
        None => Err(format!("there is no `cargo xtask {name}`\n\n{}", help())),
    }
}

fn help() -> String {
    let mut text = String::from("Usage: cargo xtask COMMAND\n");
    for command in COMMANDS {
        text.push_str(&format!("\n  {} {}\n      {}\n", command.name, command.usage, command.about));
    }
    text
}

/// The value after an option such as `--seeds`, taken out of the arguments.
fn take_option(arguments: &mut Vec<String>, name: &str) -> Result<Option<String>> {
    let Some(at) = arguments.iter().position(|argument| argument == name) else { return Ok(None) };
    if at + 1 >= arguments.len() {
        return Err(format!("{name} needs a value"));
    }
    arguments.remove(at);
    Ok(Some(arguments.remove(at)))
}

/// True if the flag is there; it is taken out of the arguments.
fn take_flag(arguments: &mut Vec<String>, name: &str) -> bool {
    let before = arguments.len();
    arguments.retain(|argument| argument != name);
    arguments.len() < before
}

/// Nothing may be left that was not understood.
fn nothing_left(arguments: &[String]) -> Result {
    match arguments.first() {
        None => Ok(()),
        Some(argument) => Err(format!("`{argument}` is not understood here; `cargo xtask help` lists what is")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_are_taken_out() {
        let mut arguments = words("--seed 7 --check rest");
        assert_eq!(take_option(&mut arguments, "--seed"), Ok(Some("7".into())));
        assert_eq!(take_option(&mut arguments, "--seeds"), Ok(None));
        assert!(take_flag(&mut arguments, "--check"));
        assert!(!take_flag(&mut arguments, "--check"));
        assert_eq!(arguments, ["rest"]);
        assert!(nothing_left(&arguments).is_err());
        assert!(take_option(&mut words("--seed"), "--seed").is_err());
    }

    #[test]
    fn an_unknown_command_is_answered_with_the_list() {
        let error = dispatch(&words("tidi")).unwrap_err();
        assert!(error.contains("no `cargo xtask tidi`") && error.contains("\n  tidy"), "{error}");
    }
}
