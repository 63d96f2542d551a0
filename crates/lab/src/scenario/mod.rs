//! Scenarios: automations in virtual time, with mocked actions.
//!
//! A scenario goes through the same fold as the real thing; only the clock is virtual and actions answer what the
//! scenario says, at once. All rules of the folder run. A day takes as long as what happens in it.

mod compare;
mod stage;

use ensue_event::ours::ConfigFile;
use ensue_lang::{Name, Scenario};

pub use compare::{Difference, Outcome};
pub use stage::{Call, Played, Ran};

/// Why a scenario could not be played at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A file that it names cannot be read.
    #[error("{file}:{line}: the event file `{name}` cannot be read: {why}")]
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

/// Plays one scenario over a configuration. `read` gives the content of a file beside the scenario's own.
pub fn play(
    files: &[ConfigFile],
    scenario: &Scenario,
    read: &dyn Fn(&str) -> Result<Vec<u8>, String>,
) -> Result<Played, Error> {
    stage::Stage::new(files, scenario, MOST_RECORDS)?.play(read)
}

/// After so many records something goes round in circles.
pub const MOST_RECORDS: usize = 200_000;

/// Plays it and compares what happened with what is expected.
pub fn test(
    files: &[ConfigFile],
    scenario: &Scenario,
    read: &dyn Fn(&str) -> Result<Vec<u8>, String>,
) -> Result<Outcome, Error> {
    test_within(files, scenario, read, MOST_RECORDS)
}

/// The same, which gives up after so many records.
pub fn test_within(
    files: &[ConfigFile],
    scenario: &Scenario,
    read: &dyn Fn(&str) -> Result<Vec<u8>, String>,
    most: usize,
) -> Result<Outcome, Error> {
    let played = stage::Stage::new(files, scenario, most)?.play(read)?;
    Ok(compare::compare(scenario, played))
}

/// A name as the scenario's document means it.
fn full(written: &str, scenario: &Scenario) -> String {
    Name::resolve(written, &scenario.name.namespace).to_string()
}
