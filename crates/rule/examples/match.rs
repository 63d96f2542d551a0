//! How fast many patterns are matched: `match EVENTS.jsonl PATTERNS.jsonl N [--answers FILE]`.
//!
//! One JSON event a line, one pattern a line; the first N patterns are taken, their ids are their line numbers from
//! zero. Prints one line of JSON; `--answers` writes the matching line numbers, a line for each event.

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use ensue_rule::{Index, Pattern, View};

type Failure = Box<dyn std::error::Error>;

/// How often everything is measured; the median is what counts.
const ROUNDS: usize = 5;
/// The least CPU time of one measurement.
const LEAST: Duration = Duration::from_millis(400);

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [events, patterns, count, rest @ ..] = arguments.as_slice() else {
        return Err("usage: match EVENTS.jsonl PATTERNS.jsonl N [--answers FILE]".into());
    };
    let events = fs::read(events)?;
    let events: Vec<&[u8]> = events.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let patterns = fs::read_to_string(patterns)?;
    let patterns: Vec<&str> = patterns.lines().take(count.parse()?).collect();

    let before = resident()?;
    let start = cpu()?;
    let mut index = Index::new();
    for (line, text) in patterns.iter().enumerate() {
        let pattern =
            Pattern::compile(&serde_json::from_str(text)?).map_err(|problems| format!("line {line}: {problems:?}"))?;
        index.add(u32::try_from(line)?, &pattern);
    }
    let add = cpu()?.saturating_sub(start);
    let bytes = resident()?.saturating_sub(before);

    let mut out = Vec::new();
    if let [flag, file] = rest
        && flag == "--answers"
    {
        let mut file = std::io::BufWriter::new(fs::File::create(file)?);
        for event in &events {
            index.matches(&View::of_json(event), &mut out);
            let line: Vec<String> = out.iter().map(u32::to_string).collect();
            writeln!(file, "{}", line.join(" "))?;
        }
    }

    let (mut matching, mut tape, mut value) = (Vec::new(), Vec::new(), Vec::new());
    let mut buffers = simd_json::Buffers::default();
    for _ in 0..ROUNDS {
        matching.push(rate(&events, &mut |event| {
            index.matches(&View::of_json(event), &mut out);
            std::hint::black_box(out.len());
        })?);
        let mut copy = Vec::new();
        tape.push(rate(&events, &mut |event| {
            copy.clear();
            copy.extend_from_slice(event);
            if let Ok(tape) = simd_json::to_tape_with_buffers(&mut copy, &mut buffers) {
                std::hint::black_box(tape.0.len());
            }
        })?);
        value.push(rate(&events, &mut |event| {
            std::hint::black_box(serde_json::from_slice::<serde_json::Value>(event).ok());
        })?);
    }
    let mut matches = 0;
    for event in &events {
        index.matches(&View::of_json(event), &mut out);
        matches += out.len();
    }
    let [low, median, high] = spread(&mut matching);
    let [_, tape, _] = spread(&mut tape);
    let [_, value, _] = spread(&mut value);
    println!(
        r#"{{"patterns": {}, "events": {}, "events_per_cpu_s": {{"median": {median:.0}, "min": {low:.0}, "max": {high:.0}}}, "matches": {matches}, "add_cpu_s": {:.3}, "bytes_per_pattern": {}, "simd_json_tape": {tape:.0}, "ratio_to_tape": {:.3}, "serde_json_value": {value:.0}, "ratio_to_value": {:.2}, "stats": "{:?}"}}"#,
        index.len(),
        events.len(),
        add.as_secs_f64(),
        bytes / index.len().max(1),
        median / tape,
        median / value,
        index.stats(),
    );
    Ok(())
}

/// Events a second of CPU time, going over them until the time is long enough.
fn rate(events: &[&[u8]], run: &mut dyn FnMut(&[u8])) -> Result<f64, Failure> {
    let start = cpu()?;
    let mut passes = 0u32;
    loop {
        for event in events {
            run(event);
        }
        passes += 1;
        let spent = cpu()?.saturating_sub(start);
        if spent >= LEAST {
            let events = f64::from(passes) * f64::from(u32::try_from(events.len())?);
            return Ok(events / spent.as_secs_f64());
        }
    }
}

fn spread(rates: &mut [f64]) -> [f64; 3] {
    rates.sort_by(f64::total_cmp);
    let at = |index: usize| rates.get(index).copied().unwrap_or_default();
    [at(0), at(rates.len() / 2), at(rates.len().saturating_sub(1))]
}

/// The CPU time of this thread (Linux).
fn cpu() -> Result<Duration, Failure> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split(' ').next().ok_or("no CPU time")?.parse()?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// The resident memory of this process in bytes (Linux).
fn resident() -> Result<usize, Failure> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kilobytes: usize = line.split_whitespace().nth(1).ok_or("no VmRSS")?.parse()?;
    Ok(kilobytes * 1024)
}
