//! The simulator: the whole loop, one thread, one seed, everything that can go wrong.
//!
//! The log is the real file log on a disk that tears, loses and fails; the state lags and loses its newest commits; the
//! actions fail, hang and answer late; clocks step; the process is killed and the power is cut at any step. What is
//! checked stands in `check.rs`: nothing acknowledged is lost, no firing is decided twice, no step with a recorded answer
//! is done again, no run is stuck, a state folded anew from the log has the same rows, and a replay of it, every third
//! seed, the same firings; and of rules that remember, every
//! second seed: what flow control and ordering hold is released, each event once, and no more runs of a key go on than may.

mod check;
mod node;
mod outside;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ensue_event::Digest;
use ensue_log::disk::Rng;

use node::Node;
use outside::Outside;

/// How one seed went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// BLAKE3 of the trace: two runs of a seed have the same.
    pub trace: Digest,
    /// Events acknowledged.
    pub acknowledged: usize,
    /// Runs started.
    pub runs: usize,
    /// Actions done.
    pub performed: usize,
    /// Kills, power cuts and refused starts lived through.
    pub crashes: usize,
    /// How often each rule fired.
    pub fired: BTreeMap<String, u64>,
    /// What was wrong; empty for a good run.
    pub violations: Vec<String>,
    /// What happened, a line a step.
    pub told: String,
}

/// Runs one seed for so many steps, then heals everything, lets it come to rest and checks.
#[must_use]
pub fn run(seed: u64, steps: usize) -> Report {
    Simulation::new(seed).run(steps)
}

struct Simulation {
    seed: u64,
    rng: Rng,
    outside: Outside,
    node: Option<Node>,
    trace: String,
    crashes: usize,
    violations: Vec<String>,
}

impl Simulation {
    fn new(seed: u64) -> Simulation {
        // Rules that remember make a step of the simulation dearer, and so does a replay: not every seed has them.
        let outside = Outside::new(seed % 2 == 1, seed % 4 == 2, seed.is_multiple_of(3));
        let rng = Rng(seed);
        let (trace, violations) = (String::new(), Vec::new());
        Simulation { seed, rng, outside, node: None, trace, crashes: 0, violations }
    }

    fn run(mut self, steps: usize) -> Report {
        for step in 0..steps {
            self.outside.pass_time(&mut self.rng);
            let what = self.step();
            let _ = writeln!(self.trace, "{step} {} {what}", self.outside.wall);
            if self.violations.len() > 10 {
                break;
            }
        }
        self.come_to_rest();
        let Outside { acked, ledger, .. } = &self.outside;
        let (acknowledged, performed) = (acked.len(), ledger.performed.len());
        let runs = self.node.as_ref().map_or(0, |node| node.runs());
        let fired = self.node.as_ref().map(Node::fired).unwrap_or_default();
        let _ = writeln!(self.trace, "{acknowledged} {performed} {runs} {:?}", self.violations);
        Report {
            seed: self.seed,
            trace: Digest::of(self.trace.as_bytes()),
            acknowledged,
            runs,
            performed,
            crashes: self.crashes,
            fired,
            violations: self.violations,
            told: self.trace,
        }
    }

    /// One thing that happens.
    fn step(&mut self) -> String {
        let Some(mut node) = self.node.take() else {
            return self.start();
        };
        let draw = self.rng.below(100);
        let result = match draw {
            0..24 => node.ingest(&mut self.outside, &mut self.rng),
            24..46 => node.fold(1 + self.rng.below(6), &mut self.violations),
            46..58 => node.flush(&mut self.outside),
            58..66 => node.checkpoint(),
            66..76 => node.work(&mut self.outside, &mut self.rng),
            76..86 => node.perform(&mut self.outside, &mut self.rng, &mut self.violations),
            86..90 => node.tick(&mut self.outside),
            90..92 => node.operate(&mut self.outside, &mut self.rng),
            92..94 => {
                self.outside.break_disk(&mut self.rng);
                Ok("the disk will fail".to_owned())
            }
            94..95 => {
                self.outside.step_clock(&mut self.rng);
                Ok("the clock steps".to_owned())
            }
            95..97 => {
                drop(node);
                return self.kill();
            }
            97..98 => {
                drop(node);
                return self.cut_power();
            }
            98..99 => {
                self.outside.heal();
                Ok("the disk is well".to_owned())
            }
            _ => {
                return match node.stop(&mut self.outside) {
                    Ok(what) => what,
                    // What was under way dies with the process, however it ends.
                    Err(why) => format!("{why}; {}", self.kill()),
                };
            }
        };
        match result {
            Ok(what) => {
                self.node = Some(node);
                what
            }
            Err(why) => {
                // A failed fsync, a full reserve: the process says so and exits; what was not answered was not promised.
                drop(node);
                format!("{why}; {}", self.kill())
            }
        }
    }

    fn start(&mut self) -> String {
        match Node::start(&mut self.outside, &mut self.violations) {
            Ok(node) => {
                let what = format!("started at {}", node.end());
                self.node = Some(node);
                what
            }
            Err(why) => {
                self.crashes += 1;
                self.outside.disk.kill();
                // What keeps a start from working goes away some time.
                if self.rng.below(3) == 0 {
                    self.outside.heal();
                }
                format!("no start: {why}")
            }
        }
    }

    fn kill(&mut self) -> String {
        self.crashes += 1;
        self.outside.disk.kill();
        self.outside.orphan(&mut self.rng);
        "killed".to_owned()
    }

    fn cut_power(&mut self) -> String {
        self.crashes += 1;
        let seed = self.rng.draw();
        self.outside.disk.crash(seed);
        let keep = self.rng.below(self.outside.store.at_risk() as u64 + 1);
        self.outside.store.crash(usize::try_from(keep).unwrap_or(0));
        self.outside.boot += 1;
        self.outside.orphan(&mut self.rng);
        format!("power cut, {keep} commits kept")
    }

    /// Everything is well from here on: the loop must come to rest with nothing lost.
    fn come_to_rest(&mut self) {
        self.outside.heal();
        self.outside.well = true;
        for _ in 0..2_000 {
            let Some(mut node) = self.node.take() else {
                self.start();
                continue;
            };
            let done = node.settle_down(&mut self.outside, &mut self.rng, &mut self.violations);
            match done {
                Ok(at_rest) => {
                    self.node = Some(node);
                    if at_rest {
                        break;
                    }
                }
                Err(why) => {
                    let _ = writeln!(self.trace, "{why}");
                    drop(node);
                    self.kill();
                }
            }
        }
        match &self.node {
            Some(node) => check::all(node, &self.outside, &mut self.violations),
            None => self.violations.push("the node does not start any more".to_owned()),
        }
    }
}
