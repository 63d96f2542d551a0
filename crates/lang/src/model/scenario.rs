//! Scenarios: tests in virtual time.

use ensue_expr::TemplateValue;
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
    pub what: Happening,
    /// Where it stands.
    pub span: Span,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// An event comes, or several that are alike.
    Event {
        /// The event.
        event: Event,
        /// The source that it comes through, as written.
        via: Option<String>,
        /// How often.
        times: u32,
        /// How long from one to the next.
        every: Micros,
    },
    /// Another configuration is in force.
    Apply(Manifests),
    /// The node stops and starts again.
    Restart {
        /// How long it is down.
        down: Micros,
    },
    /// A person changes a rule's mode.
    Mode {
        /// The rule's name, as written.
        rule: String,
        /// The mode.
        mode: String,
    },
    /// A person lets all parked firings of a rule go on.
    Redrive {
        /// The rule's name, as written.
        rule: String,
    },
    /// A person drops all parked firings of a rule.
    Discard {
        /// The rule's name, as written.
        rule: String,
    },
    /// A source lost its connection.
    Disconnected {
        /// The source's name, as written.
        source: String,
    },
    /// A source has delivered all that it had missed.
    CaughtUp {
        /// The source's name, as written.
        source: String,
    },
}

/// An event of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Written out: attributes beside `data`. Its texts may name `index`, the number of the repetition from 0.
    Inline(TemplateValue),
    /// A file beside the scenario.
    File(String),
}

/// A configuration that a scenario applies.
#[derive(Clone, Debug, PartialEq)]
pub enum Manifests {
    /// A file or folder beside the scenario.
    Beside(String),
    /// The documents themselves.
    Text(String),
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
    /// It takes so long.
    After(Micros, Box<Mock>),
}

/// Something that must come of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// Of what.
    pub subject: Subject,
    /// How often; nothing: at least once.
    pub times: Option<u32>,
    /// Only what happens then, from the start.
    pub at: Option<Micros>,
    /// Only what has this key; a composite one as canonical JSON.
    pub key: Option<String>,
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
        /// How often in shadow.
        shadow: Option<u32>,
        /// How many firings wait for a person at the end.
        parked: Option<u32>,
        /// How many keys are half-matched at the end.
        waiting: Option<u32>,
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
    /// A rule decides something else than to fire.
    Decision {
        /// The rule's name, as written.
        rule: String,
        /// What it decides.
        verdict: Option<String>,
        /// With at least these values.
        with: Option<Value>,
    },
    /// A configuration is refused.
    Refused {
        /// What its message holds.
        text: String,
    },
}
