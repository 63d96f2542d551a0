//! What a replay tells. As JSON the fields have these names; they stay what they are.

use std::collections::BTreeMap;

use ensue_event::ours::Mode;
use ensue_event::{Key, Position, Span, Time};
use serde::Serialize;
use serde_json::Value;

/// What is the same, and what is different.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What was replayed.
    pub history: Stretch,
    /// How many records of the history were taken.
    pub records: u64,
    /// Whether anything is different.
    pub different: bool,
    /// Each rule of either side, by name.
    pub rules: Vec<RuleReport>,
    /// Answers of actions that nobody gave then: they were taken to be `{}`.
    pub assumed: Vec<Assumed>,
    /// Records that could not be folded by these manifests, and why.
    pub set_aside: Vec<SetAside>,
}

/// The part of the history that was replayed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stretch {
    /// The first record that was read.
    pub from: Position,
    /// The position after the last one.
    pub to: Position,
    /// Firings from here on are compared.
    pub since: Time,
    /// How much before that was read, in microseconds.
    pub warm: Span,
    /// The time of the first record that is kept.
    pub begin: Time,
    /// The time of the last record: timers after it did not fire.
    pub until: Time,
}

/// Whether a rule is what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Definition {
    /// It is the same.
    Same,
    /// It was changed.
    Changed,
    /// There was none of this name.
    New,
    /// There is none of this name any more.
    Gone,
}

impl Definition {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Definition::Same => "same",
            Definition::Changed => "changed",
            Definition::New => "new rule",
            Definition::Gone => "gone rule",
        }
    }
}

/// One rule on both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleReport {
    /// `namespace/name`.
    pub rule: String,
    /// Whether it is what it was when the history ended.
    pub definition: Definition,
    /// How often it fired then.
    pub then: u64,
    /// How often it fires now.
    pub now: u64,
    /// How many firings are on both sides.
    pub same: u64,
    /// How many fired then, and not now.
    pub gone_count: u64,
    /// How many fire now, and did not then.
    pub new_count: u64,
    /// How many are on both sides and do something else.
    pub changed_count: u64,
    /// How many firings of now are on events from before there was such a rule: they are compared with nothing.
    pub before_count: u64,
    /// The first of those that fired then, and not now.
    pub gone: Vec<Fired>,
    /// The first of those that fire now, and did not then.
    pub new: Vec<Fired>,
    /// The first of those that do something else.
    pub changed: Vec<Changed>,
}

impl RuleReport {
    pub(super) fn new(rule: &str, definition: Definition) -> RuleReport {
        RuleReport {
            rule: rule.to_owned(),
            definition,
            then: 0,
            now: 0,
            same: 0,
            gone_count: 0,
            new_count: 0,
            changed_count: 0,
            before_count: 0,
            gone: Vec::new(),
            new: Vec::new(),
            changed: Vec::new(),
        }
    }
}

/// A firing.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fired {
    /// Its id, on the side that it is on; `ensue why` takes one of then.
    pub firing: Key,
    /// When.
    pub at: Time,
    /// The correlation key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether it acts.
    pub mode: Mode,
    /// When it was due, where a timer decided it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
    /// Its events, in the order in which they were taken.
    pub events: Vec<Seen>,
    /// Why the other side did not fire.
    pub why: String,
    /// What that is read from: values of fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// `namespace/name` of its rule.
    #[serde(skip)]
    pub(super) rule: String,
    /// What it was decided at.
    #[serde(skip)]
    pub(super) decided: Position,
    /// It was decided about the past, by a rule that started there: whether it acts is another matter there.
    #[serde(skip)]
    pub(super) past: bool,
}

/// An event of a firing.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Where it stands in the history; nothing if only the replay emitted it.
    pub position: Option<Position>,
    /// The item that it met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Its `type`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its `source`.
    pub source: String,
    /// Its `id`.
    pub id: String,
    /// Its `subject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Its `time`, as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// A firing that is on both sides and does something else.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    /// The firing of then.
    pub fired: Fired,
    /// Whether it acts, where that is different.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Both<Mode>>,
    /// Its steps that are different, by path.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub steps: BTreeMap<String, Both<Option<Value>>>,
}

/// One thing on both sides. Of a step: what is called with what, or what is emitted; `null` where there is no such
/// step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Both<T> {
    /// As it was.
    pub then: T,
    /// As it would be.
    pub now: T,
}

/// An answer that was taken to be `{}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Assumed {
    /// `namespace/name` of the rule.
    pub rule: String,
    /// The path of the step.
    pub step: String,
    /// The action.
    pub action: String,
    /// How often.
    pub times: u64,
}

/// A record that could not be folded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetAside {
    /// The record, or the one before it where it was decided in the replay.
    pub position: Position,
    /// Why.
    pub why: String,
}
