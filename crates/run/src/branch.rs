//! A line of execution within a run: the run's own (its trunk), a way of `parallel`, an item of `foreach`, a step of a
//! list with `needs`, or the undo of a step.

use std::collections::BTreeMap;
use std::sync::Arc;

use ensue_event::ours::Failure;
use ensue_event::{Key, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::graph::{NodeId, RegionId};
use crate::run::is_zero;
use crate::step::{StepState, StepStatus};

/// The number of a run's own branch.
pub const TRUNK: u32 = 0;

/// Where a line of execution is, and what it has come to.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Branch {
    /// Where it is.
    #[serde(default)]
    pub at: Place,
    /// The steps that it has come to, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub steps: BTreeMap<String, StepState>,
    /// The failure that it ends with, whatever its `onFailure` and `finally` steps do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Failed>,
    /// Where it was when it failed: a resumed run goes on there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Place>,
    /// What can be taken back, in the order in which it was done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undos: Vec<Undo>,
    /// What is being taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoing: Option<Box<Undoing>>,
    /// Whose branch it is; the trunk is nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Box<Of>>,
}

/// Whose branch one is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Of {
    /// The branch that it left.
    pub parent: u32,
    /// The path of the step that made it: a `parallel`, `foreach`, list with `needs`, or the step that is taken back.
    pub step: String,
    /// Which of them it is.
    pub way: u32,
    /// The places of its items in their lists, of the outermost `foreach` first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub index: Vec<u32>,
    /// Its item, if it is one of a `foreach`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<Value>,
    /// How it stands.
    pub stands: Stands,
    /// It was told to end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelled: bool,
    /// It takes a step back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undo: bool,
}

/// How a branch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stands {
    /// Its turn has not come.
    Waiting,
    /// It goes on.
    Going,
    /// All of it is done.
    Succeeded,
    /// It failed.
    Failed,
    /// It was told to end, and has.
    Cancelled,
    /// It was done and then taken back.
    Undone,
}

/// A step that is done and can be taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Undo {
    /// Its path.
    pub step: String,
    /// The workflow that it was within, if it was within one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<Frame>,
    /// All that this branch did, which is an item of the step's; 0: the step itself.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub branch: u32,
}

/// Why something is being taken back, and what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Undoing {
    /// The failure that goes on its way when all is taken back.
    pub failed: Failed,
    /// The region that it is leaving.
    pub region: RegionId,
    /// The branch that does it.
    pub branch: u32,
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
    /// How much could be taken back when it was called.
    #[serde(default, skip_serializing_if = "is_none")]
    pub undos: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none(number: &usize) -> bool {
    *number == 0
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
    /// The path of the step; with its place in a `foreach`: `deploy[3]`.
    pub step: String,
    /// What happened.
    pub error: Failure,
}

/// What a branch that goes on waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waits {
    /// The answer of this effect.
    Answer(Key),
    /// This time.
    Until(Time),
    /// An event, for this step; until a time, where it has a timeout.
    Event(String, Option<Time>),
    /// A person's word on this step.
    Person(String),
    /// Branches of its own.
    Branches,
}

impl Branch {
    /// Whether it is under way.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.of.as_ref().is_none_or(|of| of.stands == Stands::Going)
    }

    /// What moves it next. For a branch that goes on this is never `None`.
    #[must_use]
    pub fn waits_for(&self) -> Option<Waits> {
        if self.undoing.is_some() {
            return Some(Waits::Branches);
        }
        self.steps.iter().find_map(|(path, step)| match step.status {
            StepStatus::Running if step.fork.is_some() => Some(Waits::Branches),
            StepStatus::Running => step.effect.map(Waits::Answer),
            StepStatus::Backoff => step.due.map(Waits::Until),
            StepStatus::Waiting if step.since.is_some() => Some(Waits::Event(path.clone(), step.due)),
            StepStatus::Waiting => step.due.map(Waits::Until),
            StepStatus::Uncertain | StepStatus::Asking => Some(Waits::Person(path.clone())),
            _ => None,
        })
    }

    /// The places of its items in their lists.
    #[must_use]
    pub fn index(&self) -> &[u32] {
        self.of.as_ref().map_or(&[], |of| &of.index)
    }
}

/// What a step is called in a branch with this index: `deploy`, or `deploy[3]` for the fourth item of a `foreach`.
#[must_use]
pub fn named(path: &str, index: &[u32]) -> String {
    if index.is_empty() {
        return path.to_owned();
    }
    let index: Vec<String> = index.iter().map(ToString::to_string).collect();
    format!("{path}[{}]", index.join(","))
}

/// The path and index of a step's name.
#[must_use]
pub fn parse(name: &str) -> (&str, Vec<u32>) {
    let split = name.strip_suffix(']').and_then(|rest| rest.split_once('['));
    match split.map(|(path, index)| (path, index.split(',').map(str::parse).collect::<Result<Vec<u32>, _>>())) {
        Some((path, Ok(index))) => (path, index),
        _ => (name, Vec::new()),
    }
}

/// The branches of one run beside its trunk, by number.
pub trait Branches {
    /// The branch of this number.
    fn get(&self, id: u32) -> Option<Arc<Branch>>;
    /// The numbers of all that are kept, in order.
    fn ids(&self) -> Vec<u32>;
}

/// The same, to be changed.
pub trait BranchesMut: Branches {
    /// Keeps a branch.
    fn put(&mut self, id: u32, branch: Arc<Branch>);
    /// Forgets a branch.
    fn delete(&mut self, id: u32);
}

impl Branches for BTreeMap<u32, Arc<Branch>> {
    fn get(&self, id: u32) -> Option<Arc<Branch>> {
        BTreeMap::get(self, &id).cloned()
    }
    fn ids(&self) -> Vec<u32> {
        self.keys().copied().collect()
    }
}

impl BranchesMut for BTreeMap<u32, Arc<Branch>> {
    fn put(&mut self, id: u32, branch: Arc<Branch>) {
        self.insert(id, branch);
    }
    fn delete(&mut self, id: u32) {
        self.remove(&id);
    }
}
