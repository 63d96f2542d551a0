//! What is kept of a run: enough to go on after any crash, and to say what happened.

use std::collections::BTreeMap;

use ensue_event::ours::{Batched, Took};
use ensue_event::{Digest, Key, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::branch::{Branch, Branches, TRUNK, Waits, named};
use crate::step::StepState;

/// One execution of a rule's steps. It holds by value every event that it may still need.
///
/// What goes on in it goes on in *branches*: the run's own, its trunk, and those of `parallel`, `foreach`, `needs` and
/// `undo`, which are kept beside it ([`Branches`]).
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
    /// The slot of its rule's `concurrency` that it takes, where the rule has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Key>,
    /// Who made it start, where that is known: the `authid` of its event, or who let it go again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starter: Option<String>,
    /// Raised by an operator's retry or resume: new generation, new effect keys.
    pub generation: u32,
    /// How it stands.
    pub status: Status,
    /// When it started.
    pub started: Time,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Time>,
    /// Why a person ended it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<String>,
    /// How many of its steps wait until a person says what became of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub uncertain: u32,
    /// The number of the last branch that was made.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub branches: u32,
    /// When its own `timeout` ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
    /// Where it is itself.
    #[serde(flatten)]
    pub trunk: Branch,
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

impl Run {
    /// What moves the run next, branch by branch: nothing for a run that is over. A branch that goes on and waits for
    /// nothing would be stuck: it stands here with `None`, and tests check after each record that there is none.
    #[must_use]
    pub fn waits(&self, branches: &dyn Branches) -> Vec<(u32, Option<Waits>)> {
        if self.status.over() {
            return Vec::new();
        }
        let mut all = vec![(TRUNK, self.trunk.waits_for())];
        for id in branches.ids() {
            if let Some(branch) = branches.get(id).filter(|branch| branch.goes_on()) {
                all.push((id, branch.waits_for()));
            }
        }
        all
    }

    /// All steps that it has come to, in all of its branches, by name.
    #[must_use]
    pub fn steps(&self, branches: &dyn Branches) -> BTreeMap<String, StepState> {
        let mut all = self.trunk.steps.clone();
        for branch in branches.ids().into_iter().filter_map(|id| branches.get(id)) {
            let steps = branch.steps.iter().map(|(path, step)| (named(path, branch.index()), step.clone()));
            all.extend(steps);
        }
        // A list with `needs` is no step that anybody wrote.
        all.retain(|path, _| !path.ends_with('~'));
        all
    }

    /// The key of a step's effect: shared by all automatic retries, new with each generation. `index` says which item
    /// of which `foreach` it is of, outermost first.
    #[must_use]
    pub fn effect_key(&self, path: &str, index: &[u32]) -> Key {
        let index: Vec<u8> = match index {
            [] => vec![0; 4],
            some => some.iter().flat_map(|one| one.to_be_bytes()).collect(),
        };
        Key::of("effect", &[&self.id.0, path.as_bytes(), &index, &self.generation.to_be_bytes()])
    }

    /// The branch that has this effect.
    #[must_use]
    pub fn home(&self, branches: &dyn Branches, effect: Key) -> Option<u32> {
        let has = |branch: &Branch| branch.steps.values().any(|step| step.effect == Some(effect));
        if has(&self.trunk) {
            return Some(TRUNK);
        }
        branches.ids().into_iter().find(|id| branches.get(*id).is_some_and(|branch| has(&branch)))
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
pub(crate) fn is_zero(number: &u32) -> bool {
    *number == 0
}
