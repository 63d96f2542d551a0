//! What is kept of a run: enough to go on after any crash, and to say what happened.

use std::collections::BTreeMap;

use ensue_event::ours::{Batched, Failure, Took};
use ensue_event::{Digest, Key, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::graph::NodeId;

/// One execution of a rule's steps. It holds by value every event that it may still need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Its id: that of the firing that started it.
    pub id: Key,
    /// `namespace/name` of its rule.
    pub rule: String,
    /// The definition that it goes by.
    pub definition: Digest,
    /// The correlation key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The events that started it.
    pub events: Vec<Took>,
    /// Time completed the firing, not an event: there is no `event`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed: bool,
    /// How many events a `count` saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The matches of a `batch`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub batch: Vec<Batched>,
    /// The values of `let`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub lets: Map<String, Value>,
    /// Ties together all that follows from one event from outside.
    pub correlation: String,
    /// The id of the event that fired it, for `causationid`.
    pub cause: String,
    /// The length of the chain of causes behind it.
    pub depth: u32,
    /// Raised by an operator's retry or resume: new generation, new effect keys.
    pub generation: u32,
    /// How it stands.
    pub status: Status,
    /// When it started.
    pub started: Time,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Time>,
    /// Where it is.
    pub at: Place,
    /// The steps that it has come to, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub steps: BTreeMap<String, StepState>,
    /// The failure that the run will end with, whatever its `onFailure` and `finally` steps do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Failed>,
    /// Where it was when it failed: a resumed run goes on there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Place>,
    /// Why a person ended it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<String>,
    /// The slot of its rule's `concurrency` that it takes, where the rule has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Key>,
}

/// A place in the graph, with what surrounds it.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The node.
    pub node: NodeId,
    /// The workflows that it is within, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<Frame>,
    /// What the steps that run now were called for, innermost last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Held>,
}

/// A called workflow that has not come back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// The path of the calling step; its own steps are below it.
    pub path: String,
    /// Its inputs.
    pub inputs: Value,
}

/// What was going on when the steps of a `finally`, `onFailure` or `catch` began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Held {
    /// Going on in good order.
    Next,
    /// This failure, on its way out.
    Failure(Failed),
    /// This failure, which was caught.
    Caught(Failed),
}

/// A failure and the step that it happened in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failed {
    /// The path of the step.
    pub step: String,
    /// What happened.
    pub error: Failure,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// It goes on by itself.
    Running,
    /// A step's outcome is not known: a person must say.
    Uncertain,
    /// All is done.
    Succeeded,
    /// A step failed and nothing caught it.
    Failed,
    /// A person ended it.
    Cancelled,
}

impl Status {
    /// Whether the run is over.
    #[must_use]
    pub const fn over(self) -> bool {
        matches!(self, Status::Succeeded | Status::Failed | Status::Cancelled)
    }

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::Uncertain => "uncertain",
            Status::Succeeded => "succeeded",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
        }
    }
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepStatus {
    /// Its effect is decided and has no answer.
    Running,
    /// It failed and will be tried again when its timer is due.
    Backoff,
    /// Nobody knows whether it was done.
    Uncertain,
    /// It is done.
    Succeeded,
    /// It failed.
    Failed,
    /// Its condition did not hold.
    Skipped,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepState {
    /// How it stands.
    pub status: StepStatus,
    /// Tries so far.
    #[serde(default)]
    pub attempt: u32,
    /// The effect that it has or had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Key>,
    /// What it gives to later steps.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub outputs: Value,
    /// Why it failed, last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// When it began.
    pub started: Time,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Time>,
    /// When it will be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
}

impl StepState {
    pub(crate) fn begun(now: Time) -> StepState {
        StepState {
            status: StepStatus::Running,
            attempt: 0,
            effect: None,
            outputs: Value::Null,
            error: None,
            started: now,
            finished: None,
            due: None,
        }
    }

    pub(crate) fn end(&mut self, status: StepStatus, now: Time) {
        (self.status, self.finished, self.due) = (status, Some(now), None);
    }
}

/// What an unfinished run waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waits {
    /// The answer of this effect.
    Answer(Key),
    /// This time.
    Until(Time),
    /// A person's verdict on this step.
    Person(String),
}

impl Run {
    /// What moves the run next; nothing for a run that is over. For any other run this is never `None`: that would be
    /// a stuck run, and tests check it after each record.
    #[must_use]
    pub fn waits_for(&self) -> Option<Waits> {
        if self.status.over() {
            return None;
        }
        self.steps.iter().find_map(|(path, step)| match step.status {
            StepStatus::Running => step.effect.map(Waits::Answer),
            StepStatus::Backoff => step.due.map(Waits::Until),
            StepStatus::Uncertain => Some(Waits::Person(path.clone())),
            _ => None,
        })
    }

    /// The key of a step's effect: shared by all automatic retries, new with each generation.
    #[must_use]
    pub fn effect_key(&self, path: &str) -> Key {
        Key::of("effect", &[&self.id.0, path.as_bytes(), &0_u32.to_be_bytes(), &self.generation.to_be_bytes()])
    }

    /// The path and state of the step that has this effect.
    #[must_use]
    pub fn step_of(&self, effect: Key) -> Option<(&str, &StepState)> {
        self.steps.iter().find(|(_, step)| step.effect == Some(effect)).map(|(path, step)| (path.as_str(), step))
    }
}
