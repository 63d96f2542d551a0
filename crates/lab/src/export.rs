//! `ensue runs export`: all that happened to a run, from the records of the log alone, so that it is complete after a
//! crash, and for runs that the state has forgotten.

use std::collections::BTreeSet;

use ensue_engine::emit::correlation;
use ensue_event::ours::{Answer, Failure, Logged, Ours, Stopped, Took};
use ensue_event::{Digest, Key, Origin, Position, Record, Time, ours};
use ensue_log::{Entry, entry_json};
use ensue_run::Run;
use serde::Serialize;
use serde_json::Value;

use crate::history::History;

/// The history of a run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    /// The run, which is its firing.
    pub run: Key,
    /// Its rule.
    pub rule: String,
    /// The definition that it goes by.
    pub definition: Digest,
    /// Its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What all records of its chain carry.
    pub correlation: String,
    /// How it stands: `succeeded`, `failed`, `cancelled`, what the state says of one that is not over, else `unknown`.
    pub status: String,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Time>,
    /// When it was over, the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished: Option<Time>,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// The record of the firing; absent where retention has taken it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firing: Option<Value>,
    /// The events that it took.
    pub events: Vec<Took>,
    /// What was done, in the order in which it was first heard of.
    pub steps: Vec<StepHistory>,
    /// The events that it emitted, as records.
    pub emitted: Vec<Value>,
    /// What operators asked for, as records.
    pub commands: Vec<Value>,
    /// Its beginnings and ends, as records: a run that was taken up again has several.
    pub course: Vec<Value>,
}

/// What was done for a step.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepHistory {
    /// The path of the step.
    pub step: String,
    /// All tries, in order.
    pub tries: Vec<Try>,
}

/// One try of one effect.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Try {
    /// The effect: an operator's retry has another one.
    pub effect: Key,
    /// The number of the try.
    pub attempt: u32,
    /// When it left, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub began: Option<Time>,
    /// That it is about to be done, where it cannot be repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announced: Option<Said<Announced>>,
    /// Its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered: Option<Said<Answered>>,
    /// It ended without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Said<Why<Stopped>>>,
    /// Nobody knows whether it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncertain: Option<Said<Why<String>>>,
    /// What it said meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Logged>,
}

/// What a record says, where it stands, and since when.
#[derive(Clone, Debug, Serialize)]
pub struct Said<T> {
    /// Where it stands.
    pub position: Position,
    /// When it was appended.
    pub at: Time,
    /// What it says.
    #[serde(flatten)]
    pub what: T,
}

/// What is about to be done.
#[derive(Clone, Debug, Serialize)]
pub struct Announced {
    /// The action.
    pub action: String,
    /// The connection that it goes through.
    pub connection: Option<String>,
}

/// What came back.
#[derive(Clone, Debug, Serialize)]
pub struct Answered {
    /// The answer.
    pub answer: Answer,
}

/// Why there is no answer.
#[derive(Clone, Debug, Serialize)]
pub struct Why<T> {
    /// The reason.
    pub why: T,
}

impl Export {
    /// The history of this run; `kept` is what the state knows of it, if anything. Nothing where neither knows it.
    #[must_use]
    pub fn of(run: Key, kept: Option<&Run>, history: &dyn History) -> Option<Export> {
        let by_id = history.by_id(&run.to_string());
        let fired = by_id.iter().find_map(|record| match Ours::of(&record.event) {
            Ok(Ours::RuleFired(fired)) if record.origin != Origin::Node => Some((record, fired)),
            _ => None,
        });
        let correlation = match (&fired, kept) {
            (Some((record, _)), _) => correlation(&record.event),
            (None, Some(kept)) => kept.correlation.clone(),
            (None, None) => return None,
        };
        let (firing, fired) = fired.map(|(record, fired)| (shown(record), fired)).unzip();
        let status = kept.map_or("unknown", |kept| kept.status.as_str()).to_owned();
        let mut export = match (fired, kept) {
            (Some(fired), _) => Export::new(run, fired.rule, fired.definition, fired.key, fired.events),
            (None, Some(kept)) => {
                Export::new(run, kept.rule.clone(), kept.definition, kept.key.clone(), kept.events.clone())
            }
            (None, None) => return None,
        };
        (export.status, export.firing) = (status, firing);
        let mut records = history.by_correlation(&correlation);
        let mut known: BTreeSet<Position> = records.iter().map(|record| record.position).collect();
        // A command about a run that the state had forgotten carries no correlation.
        records
            .extend(history.by_type("dev.ensue.operator").into_iter().filter(|record| known.insert(record.position)));
        records.sort_by_key(|record| record.position);
        export.correlation = correlation;
        for record in &records {
            export.take(record);
        }
        Some(export)
    }

    fn new(run: Key, rule: String, definition: Digest, key: Option<String>, events: Vec<Took>) -> Export {
        Export {
            run,
            rule,
            definition,
            key,
            correlation: String::new(),
            status: String::new(),
            started: None,
            finished: None,
            error: None,
            firing: None,
            events,
            steps: Vec::new(),
            emitted: Vec::new(),
            commands: Vec::new(),
            course: Vec::new(),
        }
    }

    fn take(&mut self, record: &Record) {
        let own = !matches!(record.origin, Origin::Source(_)) && record.event.kind.starts_with(ours::PREFIX);
        if !own {
            if record.event.extension_text("causationid") == Some(&self.run.to_string()) {
                self.emitted.push(shown(record));
            }
            return;
        }
        let Ok(ours) = Ours::of(&record.event) else { return };
        let run = self.run;
        match ours {
            Ours::RunStarted(told) if told.run == run => {
                self.started.get_or_insert(record.at);
                self.course.push(shown(record));
            }
            Ours::RunFinished(told) if told.run == run => {
                (self.status, self.finished, self.error) = (told.status, Some(record.at), None);
                self.course.push(shown(record));
            }
            Ours::RunFailed(told) if told.run == run => {
                (self.status, self.finished, self.error) = ("failed".to_owned(), Some(record.at), Some(told.error));
                self.course.push(shown(record));
            }
            Ours::RuleParked(told) if told.firing == run => self.course.push(shown(record)),
            Ours::Operator(told) if told.command.run() == Some(run) => self.commands.push(shown(record)),
            Ours::ActionStarted(told) if told.of.run == run => {
                let what = Announced { action: told.action, connection: told.connection };
                self.of_try(&told.of, |_| false).announced = Some(said(record, what));
            }
            Ours::ActionAnswered(told) if told.of.run == run => {
                let found = self.of_try(&told.of, |known| known.answered.is_none() && known.stopped.is_none());
                found.answered = Some(said(record, Answered { answer: told.answer }));
                (found.began, found.log) = (told.began.or(found.began), told.log);
            }
            Ours::ActionStopped(told) if told.of.run == run => {
                let found = self.of_try(&told.of, |known| known.answered.is_none() && known.stopped.is_none());
                found.stopped = Some(said(record, Why { why: told.why }));
                (found.began, found.log) = (Some(told.began), told.log);
            }
            Ours::ActionUncertain(told) if told.of.run == run => {
                let found = self.of_try(&told.of, |known| known.answered.is_none() && known.uncertain.is_none());
                found.uncertain = Some(said(record, Why { why: told.reason }));
            }
            _ => {}
        }
    }

    /// The last try of this number that something more can be said of, else a new one.
    fn of_try(&mut self, of: &ours::Attempt, open: impl Fn(&Try) -> bool) -> &mut Try {
        let at = self.steps.iter().position(|known| known.step == of.step);
        let at = at.unwrap_or(self.steps.len());
        if at == self.steps.len() {
            self.steps.push(StepHistory { step: of.step.clone(), tries: Vec::new() });
        }
        #[allow(clippy::indexing_slicing)] // It is there, or was pushed.
        let tries = &mut self.steps[at].tries;
        let same = |known: &Try| known.effect == of.effect && known.attempt == of.attempt && open(known);
        let nth = tries.iter().rposition(same).unwrap_or(tries.len());
        if nth == tries.len() {
            tries.push(Try {
                effect: of.effect,
                attempt: of.attempt,
                began: None,
                announced: None,
                answered: None,
                stopped: None,
                uncertain: None,
                log: None,
            });
        }
        #[allow(clippy::indexing_slicing)] // It is there, or was pushed.
        &mut tries[nth]
    }
}

fn said<T>(record: &Record, what: T) -> Said<T> {
    Said { position: record.position, at: record.at, what }
}

fn shown(record: &Record) -> Value {
    entry_json(&Entry::Record(record.clone()))
}
