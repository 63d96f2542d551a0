//! What we claim about speed and about crashes, runnable: `cargo xtask crash` and `cargo xtask bench` build this and run it.
//!
//! It **is** a client of the real binary: it starts `ensue up`, sends events over HTTP, receives what the actions do, and
//! reads the log afterwards. It **is not** linked with the node: what it measures is what a user gets. Only the bare
//! loop and the matching are measured in this process.
//!
//! Map: [`arguments`], [`rng`], [`http`] (a client and a sink that cost little), [`node`] (the process) → [`crash`]
//! (a verifying client against a node that is killed) → [`report`] and [`metrics`] → [`ingest`] with [`events`] and
//! [`bare`] (the loop that it is compared to), [`chain`] with its
//! [`load`], [`matching`].

// Counts become measurements here: what a float cannot tell apart is far below what is measured.
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod arguments;
mod http;
mod node;
mod rng;

mod crash;

mod metrics;
mod report;

mod bare;
mod events;
mod ingest;

mod chain;
mod load;

mod matching;

use std::process::ExitCode;

/// Why something failed: what, with which value. Printed as it is.
type Result<T = ()> = std::result::Result<T, String>;

const USAGE: &str = "\
Usage: ensue-bench COMMAND --binary PATH

  crash [--kills N] [--seed S]   kills the node at random while events come in, and verifies what is left
  ingest [--full]                what it costs to take events in, to keep them, to be up again
  loop [--seconds N]             webhook, condition, POST: CPU, rates, latencies; runs of three steps
  match                          the patterns that an event meets, by how many there are
";

fn main() -> ExitCode {
    let mut words = arguments::Arguments::new(std::env::args().skip(1));
    let result = match words.command().as_deref() {
        Some("crash") => crash::run(words),
        Some("ingest") => ingest::run(words),
        Some("loop") => chain::run(words),
        Some("match") => matching::run(words),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
