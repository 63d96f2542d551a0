//! What it costs to find the patterns that an event meets: files that are given, or sets that are made here.

mod lines;
mod measure;

use std::path::{Path, PathBuf};

use crate::arguments::Arguments;
use crate::report::{Report, Target};
use crate::sets::{self, Kind};
use crate::{Result, report};

use self::lines::Lines;
use self::measure::{Measured, Rounds};

/// How many patterns are asked at once.
const COUNTS: [usize; 5] = [1, 100, 1_000, 10_000, 100_000];
/// How many events are made.
const EVENTS: usize = 3_000;

/// What is claimed of so many exact patterns: the share of simd-json's tape.
const FLOORS: [(usize, f64); 3] = [(1_000, 0.6), (10_000, 0.4), (100_000, 0.12)];

pub(crate) fn run(mut words: Arguments) -> Result {
    // Nothing is started here; it is given to all benches.
    let _: Option<String> = words.option("--binary")?;
    match words.command() {
        Some(events) => files(Path::new(&events), words),
        None => table(words),
    }
}

/// `match EVENTS PATTERNS N [--answers FILE]`
fn files(events: &Path, mut words: Arguments) -> Result {
    let usage = "give EVENTS.jsonl PATTERNS.jsonl N";
    let answers: Option<PathBuf> = words.option("--answers")?;
    let _: Option<String> = words.option("--results")?;
    let patterns = words.command().ok_or(usage)?;
    let count = words.command().ok_or(usage)?;
    let count: usize = count.parse().map_err(|_| format!("N is how many patterns to take, not `{count}`"))?;
    words.end()?;
    if count == 0 {
        return Err("N is how many patterns to take, at least 1".into());
    }
    let events = Lines::read(events, usize::MAX)?;
    events.check("event")?;
    let patterns = Lines::read(Path::new(&patterns), count)?;
    patterns.check("pattern")?;
    let (measured, index) = measure::run(&events, &patterns)?;
    for refused in &measured.refused {
        eprintln!("refused, and left out: {refused}");
    }
    if let Some(path) = answers {
        measure::answers(&path, &index, &events)?;
    }
    println!("{}", measured.json());
    Ok(())
}

/// `match [--seed S] [--write FOLDER]`: the sets that are made here, in all sizes.
fn table(mut words: Arguments) -> Result {
    let mut report = Report::new("match", &mut words)?;
    let seed: u64 = words.option("--seed")?.unwrap_or(1);
    let write: Option<PathBuf> = words.option("--write")?;
    let weigh: Option<String> = words.option("--weigh")?;
    let count: Option<usize> = words.option("--count")?;
    words.end()?;
    if let Some((kind, count)) =
        weigh.and_then(|name| Kind::ALL.into_iter().find(|kind| kind.name() == name)).zip(count)
    {
        let patterns = Lines::of("the patterns made here", &sets::patterns(kind, count, seed))?;
        println!("{}", measure::each(&patterns)?);
        return Ok(());
    }
    let made = sets::events(EVENTS, seed);
    let most = COUNTS.last().copied().unwrap_or_default();
    let sets = Kind::ALL.map(|kind| (kind, sets::patterns(kind, most, seed)));
    if let Some(folder) = write {
        save(&folder.join("events.jsonl"), &made)?;
        for (kind, set) in &sets {
            save(&folder.join(format!("patterns-{}.jsonl", kind.name())), set)?;
        }
        return Ok(());
    }
    let events = Lines::of("the events made here", &made)?;
    let mut exact = Vec::new();
    for (kind, set) in &sets {
        for count in COUNTS {
            let name = format!("the {} patterns made here", kind.name());
            let patterns = Lines::of(&name, set.get(..count).unwrap_or_default())?;
            let (mut measured, _) = measure::run(&events, &patterns)?;
            measured.each = weigh_apart(*kind, count, seed)?;
            if let Some(refused) = measured.refused.first() {
                return Err(format!("a pattern made here is refused: {refused}"));
            }
            tell(&mut report, *kind, count, &measured);
            let rate = measured.rate.median();
            match (kind, exact.iter().find(|(size, _)| *size == count)) {
                (Kind::Exact, _) => exact.push((count, rate)),
                (Kind::Mixed, Some((_, whole))) if count >= 1_000 => {
                    let name = format!("mixed / exact, {count}");
                    report.value(&name, rate / whole, "", Target::AtLeast(0.7), "medians of the two");
                }
                _ => {}
            }
        }
    }
    report.write()
}

/// The memory of each pattern, in a process of its own: in this one there is room from the sets before.
fn weigh_apart(kind: Kind, count: usize, seed: u64) -> Result<f64> {
    let (count, seed) = (count.to_string(), seed.to_string());
    let told = crate::clock::apart(&["match", "--weigh", kind.name(), "--count", &count, "--seed", &seed])?;
    told.parse().map_err(|why| format!("`{told}` is no number of bytes: {why}"))
}

fn tell(report: &mut Report, kind: Kind, count: usize, measured: &Measured) {
    let name = format!("{}, {count}", kind.name());
    let note = format!(
        "{:.1} matches and {} bytes an event on average",
        measured.matches as f64 / measured.events as f64,
        measured.bytes / measured.events.max(1)
    );
    report.rounds(&name, &measured.rate.0, "events/CPU s", Target::None, &note);
    let floor = FLOORS.iter().find(|(size, _)| *size == count && kind == Kind::Exact);
    let floor = floor.map_or(Target::None, |(_, floor)| Target::AtLeast(*floor));
    let note = format!("the tape: {} events/CPU s", report::number(measured.tape.median()));
    report.rounds(&format!("{name}: / simd-json tape"), &measured.of_tape.0, "", floor, &note);
    let note = format!("the value: {} events/CPU s", report::number(measured.value.median()));
    report.rounds(&format!("{name}: / serde_json value"), &measured.of_value.0, "", Target::None, &note);
    if count >= 10_000 {
        let Rounds(add) = &measured.add;
        let bound = if count >= 100_000 { Target::AtMost(1.0) } else { Target::None };
        report.rounds(&format!("{name}: added in"), add, "CPU s", bound, "from their texts to the whole index");
        let bound = if count >= 100_000 { Target::AtMost(500.0) } else { Target::None };
        let note = "growth of the process's own pages; the texts are not in it";
        report.value(&format!("{name}: memory of each"), measured.each, "bytes", bound, note);
    }
}

fn save(path: &Path, lines: &[String]) -> Result {
    std::fs::write(path, lines.join("\n") + "\n").map_err(|why| format!("cannot write {}: {why}", path.display()))
}
