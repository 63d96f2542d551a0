//! Scenarios: automations in virtual time, with mocked actions.
//!
//! A scenario goes through the same fold as the real thing; only the clock is virtual and actions answer what the
//! scenario says, at once or after the time that it says. All rules of the folder run. A day takes as long as what
//! happens in it.
//!
//! [`live`] plays one with crashes on the way: the engine is thrown away and made again from rows and log, or from the
//! log alone. Map: `given` (what comes, in the order of time; `operators` what people ask for) → `stage` (the fold and
//! the clock; `answers` are those of actions, `crash` is the store behind it) → `played` (what happened) → `compare`
//! (beside what was expected; `near` and `story` show what happened instead).

mod answers;
mod compare;
mod crash;
mod given;
mod near;
mod operators;
mod played;
mod record;
mod stage;
mod story;

use std::collections::BTreeSet;

use ensue_engine::Prepared;
use ensue_engine::config::{Checked, check};
use ensue_event::ours::ConfigFile;
use ensue_lang::{Name, Scenario};

pub use compare::{Difference, Outcome};
pub use crash::{Crashes, From, Lived, Rows, differences};
pub use played::{Call, Fired, Happened, Played, Ran, Stepped, Verdicted};
pub use record::{Error as NotRecorded, Recorded, record};

/// What lies beside a scenario's file.
pub trait Beside {
    /// The content of a file.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&self, name: &str) -> Result<Vec<u8>, String>;

    /// The manifests of a file or folder.
    ///
    /// # Errors
    /// Why they cannot be read.
    fn manifests(&self, name: &str) -> Result<Vec<ConfigFile>, String> {
        let text = String::from_utf8(self.read(name)?).map_err(|why| why.to_string())?;
        Ok(vec![ConfigFile { path: name.to_owned(), text }])
    }
}

/// Single files only.
impl<F: Fn(&str) -> Result<Vec<u8>, String>> Beside for F {
    fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        self(name)
    }
}

/// Why a scenario could not be played at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A file that it names cannot be read.
    #[error("{file}:{line}: the file `{name}` cannot be read: {why}")]
    File {
        /// The scenario's file.
        file: String,
        /// The line that names it.
        line: u32,
        /// The name.
        name: String,
        /// Why.
        why: String,
    },
    /// What should be an event is none.
    #[error("{file}:{line}: this is not an event: {why}")]
    Event {
        /// The scenario's file.
        file: String,
        /// The line.
        line: u32,
        /// Why.
        why: String,
    },
    /// The fold refused a record.
    #[error("the scenario cannot be played: {0}")]
    Fold(String),
    /// It does not come to an end.
    #[error("the scenario does not come to rest after {0} records: is there a loop? `until` ends it earlier")]
    Endless(usize),
}

/// After so many records something goes round in circles.
pub const MOST_RECORDS: usize = 200_000;

/// A configuration, compiled once for all scenarios that are played over it.
#[derive(Debug, Clone)]
pub struct Configuration(Prepared);

impl Configuration {
    /// Reads and compiles files.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of(files: Vec<ConfigFile>) -> Result<Configuration, Box<Checked>> {
        let mut checked = check(&files);
        match checked.compiled.take() {
            Some(compiled) => Ok(Configuration(Prepared { files: files.into(), compiled: compiled.into() })),
            None => Err(Box::new(checked)),
        }
    }

    /// Its files.
    #[must_use]
    pub fn files(&self) -> &[ConfigFile] {
        &self.0.files
    }

    fn compiled(&self) -> &ensue_engine::Compiled {
        &self.0.compiled
    }

    /// Its scenarios, in the order in which they stand in their files.
    #[must_use]
    pub fn scenarios(&self) -> Vec<&Scenario> {
        let mut all: Vec<&Scenario> = self.0.compiled.config.scenarios.values().map(AsRef::as_ref).collect();
        all.sort_by(|a, b| (&a.file, a.span.start).cmp(&(&b.file, b.span.start)));
        all
    }

    /// The scenario of this name.
    #[must_use]
    pub fn scenario(&self, name: &Name) -> Option<&Scenario> {
        self.0.compiled.config.scenarios.get(name).map(AsRef::as_ref)
    }
}

/// Plays one scenario over a configuration.
///
/// # Errors
/// It cannot be played: see [`Error`].
pub fn play(of: &Configuration, scenario: &Scenario, beside: &dyn Beside) -> Result<Played, Error> {
    live(of, scenario, beside, None).map(|lived| lived.played)
}

/// The same, and what is left in the store; with crashes on the way, if any are asked for.
///
/// # Errors
/// As [`play`]; and what a start after a crash says.
pub fn live(
    of: &Configuration,
    scenario: &Scenario,
    beside: &dyn Beside,
    crashes: Option<Crashes>,
) -> Result<Lived, Error> {
    stage::Stage::new(scenario, MOST_RECORDS, crashes).play(of, beside).map(|(lived, _)| lived)
}

/// At most `most` of the records of a scenario, evenly spread: where it is to crash.
#[must_use]
pub fn spread(records: usize, most: usize) -> BTreeSet<usize> {
    let step = records.div_ceil(most.max(1)).max(1);
    (1..=records).step_by(step).collect()
}

/// Plays it and compares what happened with what is expected; where a rule did not fire, with what kept it from that.
///
/// # Errors
/// As [`play`].
pub fn test(of: &Configuration, scenario: &Scenario, beside: &dyn Beside) -> Result<Outcome, Error> {
    test_within(of, scenario, beside, MOST_RECORDS)
}

/// The same, which gives up after so many records.
///
/// # Errors
/// As [`play`].
pub fn test_within(
    of: &Configuration,
    scenario: &Scenario,
    beside: &dyn Beside,
    most: usize,
) -> Result<Outcome, Error> {
    let (lived, engine) = stage::Stage::new(scenario, most, None).play(of, beside)?;
    let mut outcome = judge(scenario, lived.played);
    near::why_not(&mut outcome, &engine);
    Ok(outcome)
}

/// What was not as expected in a scenario that was lived through.
#[must_use]
pub fn judge(scenario: &Scenario, played: Played) -> Outcome {
    compare::compare(scenario, played)
}

/// A name as the scenario's document means it.
fn full(written: &str, scenario: &Scenario) -> String {
    Name::resolve(written, &scenario.name.namespace).to_string()
}

/// Whether a path as written means this step: it is its path, or that without the places in `foreach`: `deploy` is every
/// `deploy[3]`.
fn same_step(written: &str, path: &str) -> bool {
    let mut rest = path;
    let mut bare = String::new();
    while let Some((before, after)) = rest.split_once('[') {
        bare.push_str(before);
        rest = after.split_once(']').map_or("", |(_, after)| after);
    }
    bare.push_str(rest);
    written == path || written == bare
}
