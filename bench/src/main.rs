//! What we claim about speed and about crashes, runnable: `cargo xtask crash` and `cargo xtask bench` build this and run it.
//!
//! It **is** a client of the real binary: it starts `ensue up`, sends events over HTTP, receives what the actions do, and
//! reads the log afterwards. It **is not** linked with the node: what it measures is what a user gets. Only the bare
//! loop, the matching, the fold and the replay are measured in this process.
//!
//! Map: [`arguments`], [`rng`], [`http`] (a client and a sink that cost little), [`process`] and [`node`] → [`crash`]
//! (a verifying client against a node that is killed) → [`report`] and [`metrics`] → [`ingest`] with [`events`] and
//! [`bare`] (the loop that it is compared to), [`chain`] with its
//! [`load`], [`runs`] beside those of other engines, [`waiting`] (runs that do), [`matching`] over [`sets`] or files,
//! [`correlate`] (the fold alone), [`replay`] (history through rules), [`ruled`] (the node with many rules),
//! [`kubernetes`] (a cluster that is watched),
//! [`scenarios`] (`ensue test`).

// Counts become measurements here: what a float cannot tell apart is far below what is measured.
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod arguments;
mod clock;
mod http;
mod node;
mod process;
mod rng;

mod crash;

mod metrics;
mod report;

mod bare;
mod events;
mod ingest;

mod chain;
mod load;
mod runs;
mod waiting;

mod matching;
mod sets;

mod correlate;
mod kubernetes;
mod replay;
mod ruled;
mod scenarios;

use std::process::ExitCode;

/// Why something failed: what, with which value. Printed as it is.
type Result<T = ()> = std::result::Result<T, String>;

const USAGE: &str = "\
Usage: ensue-bench COMMAND --binary PATH

  crash [--kills N] [--example all-steps] [--seed S] [--keep]
                                 kills the node at random while events come in, and verifies what is left; with the
                                 automations of examples/all-steps, or with the short runs of its own; --results PAGE
                                 writes what was measured
  ingest [--full]                what it costs to take events in, to keep them, to be up again
  loop [--seconds N]             webhook, condition, POST: CPU, rates, latencies; runs of three steps
  runs [--peers FOLDER] [--seconds N] [--rounds N]
                                 runs of three durable HTTP calls in a closed loop; beside Restate and Temporal where
                                 FOLDER has them
  waiting [--runs N]             what so many runs that wait (10,000) take, and how fast they are there after kill -9
  match EVENTS.jsonl PATTERNS.jsonl N [--answers FILE]
                                 the first N patterns (all, if there are fewer) over all events: one JSON object a line
                                 in both files, of whatever shape. Prints one line of JSON. The id of a pattern is its
                                 line number, counted from 0; FILE gets a line for each event with the ids that it
                                 meets. A line that is no JSON object is an error; a pattern that is refused is named
                                 and left out. Rates are events in a second of the thread's CPU, medians of 5 rounds in
                                 which the same events are also read into simd-json's tape and serde_json's values
                                 (ratios of each round); add_cpu_s is from the texts to the whole index;
                                 bytes_per_pattern is the growth of the process's own pages by the index, which the
                                 file's text is no part of, and which has its own copies of what it needs of it
  match [--seed S] [--write FOLDER]
                                 the same for sets made here: exact, mixed, full, 1 to 100,000 patterns; --write only
                                 writes them
  correlate [--keys N] [--events N]
                                 the fold, with 1,000 rules of which 100 remember, over so many live keys
  replay [--events N] [--seed S] history from a log through 100 rules, against the matching of the same events alone
  scenarios [--scenarios N]      two hundred scenarios over ten rules, beside the check of the same folder
  kubernetes [--pods N] [--seconds N]
                                 the source `kubernetes` beside the fake API server: the first list of 20,000 pods,
                                 changes at 2,000 a second, from a change to what it starts
  rules [--rules N] [--events N] ingest to decided with so many rules (10,000), against the same with none
";

#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let mut words = arguments::Arguments::new(std::env::args().skip(1));
    if words.flag("--help") || words.flag("-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let result = match words.command().as_deref() {
        Some("crash") => crash::run(words),
        Some("ingest") => ingest::run(words),
        Some("loop") => chain::run(words),
        Some("runs") => runs::run(words),
        Some("waiting") => waiting::run(words),
        Some("match") => matching::run(words),
        Some("correlate") => correlate::run(words),
        Some("replay") => replay::run(words),
        Some("rules") => ruled::run(words),
        Some("kubernetes") => kubernetes::run(words),
        Some("scenarios") => scenarios::run(words),
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
