//! One step of a run: how it stands, and what it gave.

use ensue_event::ours::Failure;
use ensue_event::{Digest, Key, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::branch::Failed;
use crate::graph::RegionId;
use crate::run::is_zero;

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepStatus {
    /// Its effect is decided and has no answer, or its branches go on.
    Running,
    /// It failed and will be tried again when its timer is due.
    Backoff,
    /// It waits for a time or an event.
    Waiting,
    /// It asks a person.
    Asking,
    /// Nobody knows whether it was done.
    Uncertain,
    /// It is done.
    Succeeded,
    /// It failed.
    Failed,
    /// It was told to end while it was going on.
    Cancelled,
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
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt: u32,
    /// Those of them that nobody knows an answer of: they do not count against `retry.max`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u32,
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
    /// When its timer is due: the next try, the end of a wait, the end of its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
    /// It waits for an event that came at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// What it asks, and who has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<Box<Ask>>,
    /// Its branches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Box<Fork>>,
    /// Its outputs are those of an earlier run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
    /// It was taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undone: bool,
}

/// What an `approve` step asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// What is shown: expression by expression, as written.
    pub shown: Vec<Shown>,
    /// BLAKE3 of it: an answer to something else is none.
    pub digest: Digest,
    /// Who said yes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub yes: Vec<Voice>,
}

/// One thing that is shown to who approves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// The expression.
    pub what: String,
    /// Its value.
    pub value: Value,
}

/// Who answered, when, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Voice {
    /// The name of the token.
    pub by: String,
    /// When.
    pub at: Time,
    /// The reason that was given.
    pub reason: String,
}

/// The branches of a step.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fork {
    /// The number of the first; the others follow.
    pub first: u32,
    /// How many there are.
    pub count: u32,
    /// How many have begun.
    pub begun: u32,
    /// How many go on.
    pub live: u32,
    /// How many succeeded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub succeeded: u32,
    /// How many failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u32,
    /// No more begin, and what follows when those that go on have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing: Option<Closing>,
}

/// What follows when the last branch has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Closing {
    /// The step is done: enough have succeeded.
    Won,
    /// The step fails so.
    Failed(Failed),
    /// The step was told to end: this failure goes on from this region.
    Left(Failed, RegionId),
}

impl StepState {
    pub(crate) fn begun(now: Time) -> StepState {
        StepState {
            status: StepStatus::Running,
            attempt: 0,
            lost: 0,
            effect: None,
            outputs: Value::Null,
            error: None,
            started: now,
            finished: None,
            due: None,
            since: None,
            ask: None,
            fork: None,
            cached: false,
            undone: false,
        }
    }
}
