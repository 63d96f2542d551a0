//! What was measured: a JSON line for each value, and the page of results.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::Result;
use crate::arguments::Arguments;

/// What is claimed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// Nothing is claimed: it is good to know.
    None,
}

/// One value.
struct Measured {
    name: String,
    value: f64,
    /// The smallest and largest of several rounds.
    spread: Option<(f64, f64)>,
    unit: &'static str,
    target: Target,
    note: String,
}

/// The values of one bench.
pub(crate) struct Report {
    bench: &'static str,
    page: PathBuf,
    lines: Vec<Measured>,
    remarks: Vec<String>,
}

impl Report {
    /// The page is `--results PATH`, in the folder of the benches if left out.
    pub(crate) fn new(bench: &'static str, words: &mut Arguments) -> Result<Report> {
        Ok(Report::on(bench, words.option("--results")?.unwrap_or_else(|| PathBuf::from("bench/RESULTS.md"))))
    }

    /// On this page.
    pub(crate) fn on(bench: &'static str, page: PathBuf) -> Report {
        Report { bench, page, lines: Vec::new(), remarks: Vec::new() }
    }

    /// Takes a value, and prints it.
    pub(crate) fn value(&mut self, name: &str, value: f64, unit: &'static str, target: Target, note: &str) {
        self.push(name, value, None, unit, target, note);
    }

    /// Takes the median of several rounds, and prints it with the smallest and the largest.
    pub(crate) fn rounds(&mut self, name: &str, values: &[f64], unit: &'static str, target: Target, note: &str) {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let spread = sorted.first().copied().zip(sorted.last().copied());
        self.push(name, median(values), spread, unit, target, note);
    }

    /// Takes what must be known to read the values, and prints it.
    pub(crate) fn remark(&mut self, text: &str) {
        println!("{}", json!({"bench": self.bench, "remark": text}));
        self.remarks.push(text.to_owned());
    }

    fn push(
        &mut self,
        name: &str,
        value: f64,
        spread: Option<(f64, f64)>,
        unit: &'static str,
        target: Target,
        note: &str,
    ) {
        let measured = Measured { name: name.into(), value, spread, unit, target, note: note.into() };
        println!("{}", measured.json(self.bench));
        self.lines.push(measured);
    }

    /// Writes the section of this bench, in place of the one that was there.
    pub(crate) fn write(self) -> Result {
        let (begin, end) = (format!("<!-- {} -->\n", self.bench), format!("<!-- end of {} -->\n", self.bench));
        let section = format!("{begin}{}{end}", self.section());
        let known = std::fs::read_to_string(&self.page).unwrap_or_else(|_| HEAD.to_owned());
        let text = match (known.find(&begin), known.find(&end)) {
            (Some(from), Some(to)) if from < to => {
                let (before, rest) = known.split_at(from);
                let after = rest.get(to - from + end.len()..).unwrap_or_default();
                format!("{before}{section}{after}")
            }
            _ => format!("{known}\n{section}"),
        };
        std::fs::write(&self.page, text).map_err(|why| format!("cannot write {}: {why}", self.page.display()))
    }

    fn section(&self) -> String {
        let mut out = format!("## {}\n\n{}\n\n", self.bench, circumstances());
        out.push_str(
            "| measured | value | lowest to highest | claimed | reached | note |\n|---|---:|---|---|---|---|\n",
        );
        for line in &self.lines {
            let spread =
                line.spread.map_or(String::new(), |(low, high)| format!("{} to {}", number(low), number(high)));
            let claimed = match line.target {
                Target::AtMost(bound) => format!("≤ {}", number(bound)),
                Target::AtLeast(bound) => format!("≥ {}", number(bound)),
                Target::None => String::new(),
            };
            let reached = line.reached().map_or("", |reached| if reached { "yes" } else { "**no**" });
            // Writing to a String does not fail.
            let _ = writeln!(
                out,
                "| {} | {} {} | {spread} | {claimed} | {reached} | {} |",
                line.name,
                number(line.value),
                line.unit,
                line.note
            );
        }
        out.push('\n');
        for remark in &self.remarks {
            // Writing to a String does not fail.
            let _ = writeln!(out, "- {remark}");
        }
        if !self.remarks.is_empty() {
            out.push('\n');
        }
        out
    }
}

const HEAD: &str = "# What was measured

Each section is written by the command that it names, and by nothing else. CPU is user and system time of the process
that is named; where there are rounds, the value is their median and they were interleaved with what they are compared
to. A loaded machine makes waiting times longer and CPU times somewhat larger: the load stands with each section.
";

impl Measured {
    fn reached(&self) -> Option<bool> {
        match self.target {
            Target::AtMost(bound) => Some(self.value <= bound),
            Target::AtLeast(bound) => Some(self.value >= bound),
            Target::None => None,
        }
    }

    fn json(&self, bench: &str) -> Value {
        let mut out = json!({"bench": bench, "name": self.name, "value": self.value, "unit": self.unit});
        if let Some(object) = out.as_object_mut() {
            if let Some((low, high)) = self.spread {
                object.insert("spread".into(), json!([low, high]));
            }
            match self.target {
                Target::AtMost(bound) => object.insert("target".into(), json!({"atMost": bound})),
                Target::AtLeast(bound) => object.insert("target".into(), json!({"atLeast": bound})),
                Target::None => None,
            };
            if let Some(reached) = self.reached() {
                object.insert("reached".into(), reached.into());
            }
            if !self.note.is_empty() {
                object.insert("note".into(), self.note.clone().into());
            }
        }
        out
    }
}

/// Three digits that mean something.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        big if big >= 100.0 => format!("{value:.0}"),
        some if some >= 10.0 => format!("{value:.1}"),
        small if small >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// By which command, on what kind of machine.
fn circumstances() -> String {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut given: Vec<&str> =
        words.iter().map(String::as_str).take_while(|word| !["--binary", "--results"].contains(word)).collect();
    // The folder is given by the one who installs them.
    if let Some(at) = given.iter().position(|word| *word == "--peers") {
        given.truncate(at + 1);
    }
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let memory = read("/proc/meminfo");
    let memory =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok());
    let memory: f64 = memory.unwrap_or(0.0) / 1024.0 / 1024.0;
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel = kernel.split(['-', '\n']).next().unwrap_or_default();
    let load = read("/proc/loadavg");
    // The crash test is no bench, and has results all the same.
    let bench = if given.first() == Some(&"crash") { "" } else { "bench " };
    format!(
        "`cargo xtask {bench}{}`; {} cores, {memory:.0} GiB, Linux {kernel}; load {} at the end.",
        given.join(" "),
        std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        load.split(' ').next().unwrap_or_default(),
    )
}

/// The value in the middle; 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value that a share of all does not exceed; 0 of none.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_takes_the_place_of_its_older_self() {
        let page = std::env::temp_dir().join(format!("ensue-bench-{}.md", std::process::id()));
        for (bench, value) in [("a", 1.0), ("b", 2.0), ("a", 3.0)] {
            let mut report = Report { bench, page: page.clone(), lines: Vec::new(), remarks: Vec::new() };
            report.value("speed", value, "µs", Target::AtMost(2.0), "");
            report.write().unwrap();
        }
        let text = std::fs::read_to_string(&page).unwrap();
        std::fs::remove_file(&page).unwrap();
        assert_eq!(text.matches("## ").count(), 2, "{text}");
        assert!(text.contains("| speed | 3.00 µs |  | ≤ 2.00 | **no** |  |"), "{text}");
        assert!(text.contains("| speed | 2.00 µs |  | ≤ 2.00 | yes |  |"), "{text}");
    }

    #[test]
    fn quantiles() {
        let values = [5.0, 1.0, 3.0, 2.0, 4.0];
        assert_eq!((median(&values), quantile(&values, 1.0), quantile(&[], 0.5)), (3.0, 5.0, 0.0));
    }
}
