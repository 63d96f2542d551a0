//! Scenarios: tests in virtual time.

use indexmap::IndexMap;
use serde_json::Value;

use super::{Micros, Resource};
use crate::span::Span;

/// A scenario.
pub type Scenario = Resource<ScenarioSpec>;

/// What a scenario says.
#[derive(Clone, Debug, PartialEq)]
pub struct ScenarioSpec {
    /// What happens.
    pub given: Vec<Given>,
    /// What actions answer; one that is not named succeeds with `{}`.
    pub actions: IndexMap<String, Mock>,
    /// What must come of it.
    pub expect: Vec<Expect>,
    /// How long it goes on after the last event.
    pub until: Option<Micros>,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// When, from the start.
    pub at: Micros,
    /// What.
    pub event: Event,
    /// How often.
    pub times: u32,
    /// How long from one to the next.
    pub every: Micros,
    /// Where it stands.
    pub span: Span,
}

/// An event of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Written out: attributes beside `data`.
    Inline(Value),
    /// A file beside the scenario.
    File(String),
}

/// What an action answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Mock {
    /// It succeeds with these outputs.
    Returns(Value),
    /// It fails.
    Fails {
        /// The error's name: `Timeout`, `Status` and so on.
        name: String,
        /// Its message.
        message: String,
    },
    /// One after the other; the last one goes on for ever.
    Sequence(Vec<Mock>),
}

/// Something that must come of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// Of what.
    pub subject: Subject,
    /// How often; nothing: at least once.
    pub times: Option<u32>,
    /// Where it stands.
    pub span: Span,
}

/// What is expected.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// A rule fires; `times` is its `fires`.
    Rule {
        /// Its name, as written.
        rule: String,
    },
    /// An action is called.
    Action {
        /// Its name.
        action: String,
        /// With at least these values.
        with: Option<Value>,
    },
    /// A run of a rule ends.
    Run {
        /// The rule's name, as written.
        rule: String,
        /// As what: `succeeded`, `failed` and so on.
        status: Option<String>,
    },
    /// An event is there.
    Event {
        /// Its type.
        kind: String,
        /// With at least these data.
        data: Option<Value>,
    },
}
