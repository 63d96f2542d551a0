//! Scenarios: automations in virtual time, with mocked actions.
//!
//! A scenario goes through the same fold as the real thing; only the clock is virtual and actions answer what the
//! scenario says, at once or after the time that it says. All rules of the folder run. A day takes as long as what
//! happens in it.
//!
//! [`live`] plays one with crashes on the way: the engine is thrown away and made again from rows and log, or from the
//! log alone. Map: `given` (what comes, in the order of time) → `stage` (the fold, the clock, the actions; `crash` is
//! the store behind it) → `played` (what happened) → `compare` (beside what was expected).

mod compare;
mod crash;
mod given;
mod played;
mod stage;

use std::collections::BTreeSet;

use ensue_event::ours::ConfigFile;
use ensue_lang::{Name, Scenario};

pub use compare::{Difference, Outcome};
pub use crash::{Crashes, From, Lived, Rows, differences};
pub use played::{Call, Fired, Happened, Played, Ran, Verdicted};

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

/// Plays one scenario over a configuration.
///
/// # Errors
/// It cannot be played: see [`Error`].
pub fn play(files: &[ConfigFile], scenario: &Scenario, beside: &dyn Beside) -> Result<Played, Error> {
    live(files, scenario, beside, None).map(|lived| lived.played)
}

/// The same, and what is left in the store; with crashes on the way, if any are asked for.
///
/// # Errors
/// As [`play`]; and what a start after a crash says.
pub fn live(
    files: &[ConfigFile],
    scenario: &Scenario,
    beside: &dyn Beside,
    crashes: Option<Crashes>,
) -> Result<Lived, Error> {
    stage::Stage::new(scenario, MOST_RECORDS, crashes).play(files, beside)
}

/// At most `most` of the records of a scenario, evenly spread: where it is to crash.
#[must_use]
pub fn spread(records: usize, most: usize) -> BTreeSet<usize> {
    let step = records.div_ceil(most.max(1)).max(1);
    (1..=records).step_by(step).collect()
}

/// Plays it and compares what happened with what is expected.
///
/// # Errors
/// As [`play`].
pub fn test(files: &[ConfigFile], scenario: &Scenario, beside: &dyn Beside) -> Result<Outcome, Error> {
    test_within(files, scenario, beside, MOST_RECORDS)
}

/// The same, which gives up after so many records.
///
/// # Errors
/// As [`play`].
pub fn test_within(
    files: &[ConfigFile],
    scenario: &Scenario,
    beside: &dyn Beside,
    most: usize,
) -> Result<Outcome, Error> {
    let lived = stage::Stage::new(scenario, most, None).play(files, beside)?;
    Ok(compare::compare(scenario, lived.played))
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
