//! A scenario from a run that really happened.
//!
//! The log says what came and what actions answered; it does not say what they were called with. So the run is played
//! once more over the configuration that was in force then, with the answers of then ([`guide`]), and once more an hour
//! later: what is the same in both is expected, what hangs on the clock or on ids is not. Last the written text is played
//! as any scenario is: what is handed out is met.
//!
//! Map: `past` (what the log says) → `guide` (the same once more) → `text` (what is written, as `yaml`).

mod guide;
mod past;
mod text;
mod yaml;

use std::cell::RefCell;

use ensue_event::Key;
use serde::{Deserialize, Serialize};

use super::{Beside, Configuration, MOST_RECORDS, Played, Ran, stage};
use crate::history::History;
use guide::{Guide, Note};
use past::Past;

/// A scenario that was written from a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its document.
    pub text: String,
    /// Files that it names and that belong beside it: name and content.
    pub files: Vec<(String, String)>,
}

/// Why no scenario can be written from a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No firing has this id.
    #[error("no run `{0}` is in the log; `ensue runs` lists those that are kept")]
    Unknown(String),
    /// It goes on.
    #[error("run {0} is not over: what comes of it cannot be expected yet")]
    NotOver(Key),
    /// The record of the configuration is gone.
    #[error("the configuration that was in force then is no longer in the log")]
    NoConfiguration,
    /// This version does not accept it.
    #[error("the configuration that was in force then is not accepted by this version:\n{0}")]
    Configuration(String),
    /// An event of ours started it.
    #[error("the run was started by a `{0}`, which nobody but ensue can send; record the run that this was about")]
    Ours(String),
    /// It does not go the same way again.
    #[error("the run does not go the same way again from its own events and answers alone:\n{0}")]
    Differs(String),
    /// What is written is not met.
    #[error("what happened cannot be written as a scenario:\n{0}")]
    Unmet(String),
}

/// Writes a scenario from a run. Events that are large go to files whose names begin with `stem`; without one they are
/// written out.
///
/// # Errors
/// See [`Error`].
pub fn record(run: &str, history: &dyn History, stem: Option<&str>) -> Result<Recorded, Error> {
    let past = Past::of(run, history)?;
    let of = Configuration::of(past.files.clone()).map_err(|wrong| Error::Configuration(wrong.render(false)))?;
    let given = text::Given::of(&past, stem);
    let (played, notes) = again(&of, &past, &given, false)?;
    let ran = same(&past, &played)?;
    let (later, _) = again(&of, &past, &given, true)?;
    let text = text::scenario(&past, &given, &text::Twice { played: &played, later: &later, ran }, &notes);
    met(&of, &given, &text)?;
    Ok(Recorded { text, files: given.files })
}

/// Plays what was given with the answers of then; `later` with other times and ids.
fn again(of: &Configuration, past: &Past, given: &text::Given, later: bool) -> Result<(Played, Vec<Note>), Error> {
    let scenario = parsed(of, &given.alone(past, later))?;
    let scenario = scenario.scenario(&given.name).ok_or(Error::NoConfiguration)?;
    let notes = RefCell::new(Vec::new());
    let guide = Box::new(Guide::new(of, past, &notes));
    let stage = stage::Stage::answered_by(scenario, MOST_RECORDS, guide);
    let (lived, _) = stage.play(of, given).map_err(|why| Error::Differs(why.to_string()))?;
    Ok((lived.played, notes.take()))
}

/// The configuration of then with a scenario in it.
fn parsed(of: &Configuration, text: &str) -> Result<Configuration, Error> {
    let mut files = of.files().to_vec();
    files.push(ensue_event::ours::ConfigFile { path: "recorded.yaml".to_owned(), text: text.to_owned() });
    Configuration::of(files).map_err(|wrong| Error::Unmet(wrong.render(false)))
}

/// The run as it went again; it must have ended as it ended then, and all of its attempts must have been made.
fn same<'p>(past: &Past, played: &'p Played) -> Result<&'p Ran, Error> {
    let rule = &past.fired.rule;
    let key = &past.fired.key;
    let mut wrong = Vec::new();
    let found = played.runs.iter().find(|run| run.rule == *rule && run.key == *key);
    let Some(ran) = found else {
        wrong.push(format!("  then   rule {rule} fired"));
        wrong.push("  again  it did not".to_owned());
        wrong.extend(played.story().into_iter().map(|line| format!("    {line}")));
        return Err(Error::Differs(wrong.join("\n")));
    };
    let then = &past.ended;
    let error = then.error.as_ref().map(|error| error.name.as_str());
    let failed = ran.failed.as_ref().map(|(step, error)| (step.as_str(), error.name.as_str()));
    let differs = then.status != ran.status
        || then.status == "failed"
            && (failed.map(|(step, _)| step) != then.step.as_deref() || failed.map(|(_, name)| name) != error);
    if differs {
        let at = |step: Option<&str>, error: Option<&str>| match (step, error) {
            (Some(step), Some(error)) => format!(" at step {step} with {error}"),
            _ => String::new(),
        };
        wrong.push(format!("  then   the run {}{}", then.status, at(then.step.as_deref(), error)));
        let (step, error) = failed.unzip();
        wrong.push(format!("  again  it is {}{}", ran.status, at(step, error)));
    }
    for ((of, step), all) in past.answers.iter().filter(|((of, _), _)| of == rule) {
        let again = played.calls.iter().filter(|call| call.rule == *of && call.step == *step).count();
        if again != all.len() {
            wrong.push(format!("  then   step {step} was tried {}", super::near::times_of(all.len())));
            wrong.push(format!("  again  {}", super::near::times_of(again)));
        }
    }
    if wrong.is_empty() {
        return Ok(ran);
    }
    wrong.push(
        "  what it hung on beside is not in its own events: other runs, what was held back, what was done before"
            .to_owned(),
    );
    Err(Error::Differs(wrong.join("\n")))
}

/// What is written must be met.
fn met(of: &Configuration, given: &text::Given, text: &str) -> Result<(), Error> {
    let with = parsed(of, text)?;
    let scenario = with.scenario(&given.name).ok_or(Error::NoConfiguration)?;
    let outcome = super::test(of, scenario, given).map_err(|why| Error::Unmet(why.to_string()))?;
    if outcome.differences.is_empty() {
        return Ok(());
    }
    Err(Error::Unmet(outcome.differences.iter().map(ToString::to_string).collect()))
}

impl Beside for text::Given {
    fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        let found = self.files.iter().find(|(known, _)| known == name);
        found.map(|(_, text)| text.clone().into_bytes()).ok_or_else(|| "there is no such file".to_owned())
    }
}
