//! Runs seeds of the simulator: `sim [--seeds N] [--seed FIRST] [--steps N] [--trace]`. Each seed is run twice; both traces must be
//! the same. A failing seed prints the command that repeats it.

#![allow(clippy::print_stdout)]

use std::process::ExitCode;

use ensue_lab::sim;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: u64| {
        let at = args.iter().position(|arg| arg == name);
        at.and_then(|at| args.get(at + 1)).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (seeds, first, steps) = (number("--seeds", 100), number("--seed", 1), number("--steps", 400));
    let steps = usize::try_from(steps).unwrap_or(400);
    // The simulated node panics on purpose nowhere; what panics is a finding, and its place matters.
    let (mut acknowledged, mut runs, mut performed, mut crashes, mut failed) = (0, 0, 0, 0, 0_u32);
    for seed in first..first.saturating_add(seeds) {
        let report = sim::run(seed, steps);
        let again = sim::run(seed, steps);
        if args.iter().any(|arg| arg == "--trace") {
            print!("{}", report.told);
        }
        let mut violations = report.violations.clone();
        if report.trace != again.trace {
            violations.push("two runs of this seed differ".to_owned());
        }
        if !violations.is_empty() {
            failed += 1;
            println!("seed {seed}:");
            for violation in violations.iter().take(5) {
                println!("  {violation}");
            }
            println!("  again: cargo xtask sim --seeds 1 --seed {seed} --steps {steps}");
        }
        acknowledged += report.acknowledged;
        runs += report.runs;
        performed += report.performed;
        crashes += report.crashes;
    }
    println!(
        "{seeds} seeds of {steps} steps, each twice: {acknowledged} events acknowledged, {runs} runs, {performed} actions, \
         {crashes} crashes; {failed} seeds failed"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
