//! What is measured for one set of events and one of patterns.

use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;

use ensue_rule::{Index, View};
use serde_json::{Value, json};

use super::lines::Lines;
use crate::report::median;
use crate::{Result, clock};

/// How often everything is measured; the median is what counts.
const ROUNDS: usize = 5;
/// The least CPU of one measurement, in seconds.
const LEAST: f64 = 0.3;
/// An index of fewer patterns than this is made several times for its size: memory is counted in pages.
const WEIGHED: usize = 2_000;

/// Values of several rounds.
pub(crate) struct Rounds(pub(crate) Vec<f64>);

impl Rounds {
    pub(crate) fn median(&self) -> f64 {
        median(&self.0)
    }

    fn json(&self, digits: i32) -> Value {
        let told = |value: f64| rounded(value, digits);
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.0.iter().copied().fold(0.0, f64::max);
        json!({"median": told(self.median()), "min": told(least), "max": told(most)})
    }
}

/// What came out.
pub(crate) struct Measured {
    pub(crate) patterns: usize,
    /// Patterns that this version does not take: where, and why.
    pub(crate) refused: Vec<String>,
    pub(crate) events: usize,
    /// Bytes of the events.
    pub(crate) bytes: usize,
    /// Matches of all events together.
    pub(crate) matches: usize,
    /// Patterns that cannot be looked up.
    pub(crate) unindexed: usize,
    /// Events in a second of CPU.
    pub(crate) rate: Rounds,
    /// The same, only read into simd-json's tape, and into serde_json's values.
    pub(crate) tape: Rounds,
    pub(crate) value: Rounds,
    /// What each round's rate is of the others.
    pub(crate) of_tape: Rounds,
    pub(crate) of_value: Rounds,
    /// Seconds of CPU from the texts of the patterns to the whole index.
    pub(crate) add: Rounds,
    /// Bytes of memory for each pattern.
    pub(crate) each: f64,
}

/// Measures.
pub(crate) fn run(events: &Lines, patterns: &Lines) -> Result<(Measured, Index<u32>)> {
    let lines: Vec<&[u8]> = events.iter().map(|(_, line)| line).collect();
    let (index, each, refused, first) = weigh(patterns)?;
    let (mut add, mut rate, mut tape, mut value) = (vec![first], vec![], vec![], vec![]);
    let mut out = Vec::new();
    let mut buffers = simd_json::Buffers::default();
    let mut copy = Vec::new();
    for round in 0..ROUNDS {
        if round > 0 {
            let before = clock::thread();
            black_box(build(patterns, &mut Vec::new())?);
            add.push(clock::thread() - before);
        }
        rate.push(pass(&lines, &mut |event| {
            index.matches(&View::of_json(event), &mut out);
            black_box(out.len());
        }));
        tape.push(pass(&lines, &mut |event| {
            // It writes into its input, which must stay as it is for the next pass.
            copy.clear();
            copy.extend_from_slice(event);
            if let Ok(tape) = simd_json::to_tape_with_buffers(&mut copy, &mut buffers) {
                black_box(tape.0.len());
            }
        }));
        value.push(pass(&lines, &mut |event| {
            black_box(serde_json::from_slice::<Value>(event).ok());
        }));
    }
    let ratios = |whole: &[f64]| Rounds(rate.iter().zip(whole).map(|(ours, theirs)| ours / theirs).collect());
    let (of_tape, of_value) = (ratios(&tape), ratios(&value));
    let matches = lines
        .iter()
        .map(|event| {
            index.matches(&View::of_json(event), &mut out);
            out.len()
        })
        .sum();
    let measured = Measured {
        patterns: index.len(),
        refused,
        events: lines.len(),
        bytes: lines.iter().map(|line| line.len()).sum(),
        matches,
        unindexed: index.stats().unindexed,
        rate: Rounds(rate),
        tape: Rounds(tape),
        value: Rounds(value),
        of_tape,
        of_value,
        add: Rounds(add),
        each,
    };
    Ok((measured, index))
}

/// All patterns in one index; those that are refused are told.
fn build(patterns: &Lines, refused: &mut Vec<String>) -> Result<Index<u32>> {
    let mut index = Index::new();
    for pattern in patterns.patterns() {
        match pattern? {
            (number, Ok(pattern)) => index.add(number, &pattern),
            (number, Err(problems)) => {
                let why: Vec<String> = problems.iter().map(ToString::to_string).collect();
                refused.push(format!("{}: {}", patterns.place(number), why.join("; ")));
            }
        }
    }
    Ok(index)
}

/// An index, the memory of each pattern in it, what was refused, and the CPU that one index took.
fn weigh(patterns: &Lines) -> Result<(Index<u32>, f64, Vec<String>, f64)> {
    let copies = WEIGHED.div_ceil(patterns.len().max(1));
    let (mut indexes, mut refused) = (Vec::with_capacity(copies), Vec::new());
    let filled = clock::fill();
    let (memory, before) = (clock::own_memory(), clock::thread());
    for _ in 0..copies {
        refused.clear();
        indexes.push(build(patterns, &mut refused)?);
    }
    let took = (clock::thread() - before) / copies as f64;
    let grown = (clock::own_memory() - memory).max(0.0);
    drop(filled);
    let held: usize = indexes.iter().map(Index::len).sum();
    let index = indexes.pop().unwrap_or_default();
    if index.is_empty() && refused.is_empty() {
        return Err("there are no patterns".into());
    }
    Ok((index, grown / held.max(1) as f64, refused, took))
}

/// The bytes of memory of each pattern.
pub(crate) fn each(patterns: &Lines) -> Result<f64> {
    weigh(patterns).map(|(_, each, _, _)| each)
}

/// Events in a second of CPU, going over all of them until it took long enough.
fn pass(events: &[&[u8]], each: &mut dyn FnMut(&[u8])) -> f64 {
    // A look at the clock costs as much as a small event.
    let at_once = 1_000_usize.div_ceil(events.len().max(1));
    let (before, mut passes) = (clock::thread(), 0);
    loop {
        for _ in 0..at_once {
            events.iter().for_each(|event| each(event));
        }
        passes += at_once;
        let took = clock::thread() - before;
        if took >= LEAST {
            return (passes * events.len()) as f64 / took;
        }
    }
}

/// Writes a line for each event: the numbers of the patterns that it meets.
pub(crate) fn answers(path: &Path, index: &Index<u32>, events: &Lines) -> Result {
    let failed = |why: std::io::Error| format!("cannot write {}: {why}", path.display());
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).map_err(failed)?);
    let mut out = Vec::new();
    for (_, event) in events.iter() {
        index.matches(&View::of_json(event), &mut out);
        let line: Vec<String> = out.iter().map(u32::to_string).collect();
        writeln!(file, "{}", line.join(" ")).map_err(failed)?;
    }
    file.flush().map_err(failed)
}

impl Measured {
    /// The one line that is printed.
    pub(crate) fn json(&self) -> Value {
        json!({
            "patterns": self.patterns,
            "events": self.events,
            "bytes_per_event": self.bytes / self.events.max(1),
            "events_per_cpu_s": self.rate.json(0),
            "matches": self.matches,
            "add_cpu_s": rounded(self.add.median(), 6),
            "bytes_per_pattern": rounded(self.each, 0),
            "simd_json_tape_per_cpu_s": self.tape.json(0),
            "serde_json_value_per_cpu_s": self.value.json(0),
            "ratio_to_tape": self.of_tape.json(3),
            "ratio_to_value": self.of_value.json(2),
            "unindexed": self.unindexed,
            "refused": self.refused.len(),
        })
    }
}

/// With so many digits after the point; without one, a whole number.
fn rounded(value: f64, digits: i32) -> Value {
    let scale = 10_f64.powi(digits);
    if digits == 0 { json!(value.round() as u64) } else { json!((value * scale).round() / scale) }
}
