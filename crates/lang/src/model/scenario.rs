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
    /// Variables of the environment, by name: they were filled in before anything was read, and are kept for whoever
    /// reads the files again.
    pub env: IndexMap<String, String>,
    /// What happens.
    pub given: Vec<Given>,
    /// What actions answer, of each the first that fits; one that is not named succeeds with `{}`.
    pub actions: IndexMap<String, Vec<Answers>>,
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
    /// A person asks for something.
    Operator {
        /// What.
        asks: Asks,
        /// Who.
        by: Option<String>,
        /// What who asks may answer for.
        roles: Vec<String>,
        /// Why.
        reason: Option<String>,
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

/// What a person asks for. Rules and connections are named as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Asks {
    /// Another mode for a rule.
    Mode {
        /// The rule.
        rule: String,
        /// The mode.
        mode: String,
    },
    /// That all parked firings of a rule go on.
    Redrive {
        /// The rule.
        rule: String,
    },
    /// That all parked firings of a rule are dropped.
    Discard {
        /// The rule.
        rule: String,
    },
    /// Something of the runs of a rule: of those that it is for, or else of the newest, which refuses it.
    Runs {
        /// The rule.
        rule: String,
        /// Only of this key; a composite one as canonical JSON.
        key: Option<String>,
        /// What.
        verb: Verb,
    },
    /// That effects are held.
    Freeze {
        /// Only those through this connection.
        connection: Option<String>,
        /// Only those of this rule.
        rule: Option<String>,
    },
    /// That held effects go on.
    Thaw {
        /// As in the freeze that it ends.
        connection: Option<String>,
        /// As in the freeze that it ends.
        rule: Option<String>,
        /// They fail as cancelled instead.
        discard: bool,
    },
}

/// What can be asked of a run. Steps are named by their paths.
#[derive(Clone, Debug, PartialEq)]
pub enum Verb {
    /// Yes or no, where it asks.
    Approve {
        /// The step that asks.
        step: String,
        /// No.
        refuse: bool,
    },
    /// To end.
    Cancel,
    /// To start once more.
    Retry,
    /// To go on.
    Resume {
        /// At this step; at the one that failed if absent.
        from: Option<String>,
    },
    /// To take a step as done.
    Skip {
        /// The step.
        step: String,
    },
    /// To take an uncertain step as what it says.
    Settle {
        /// The step.
        step: String,
        /// `done`, `failed` or `retry`.
        verdict: String,
    },
    /// To take back what it did.
    Rollback,
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

/// What an action answers to some calls.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// To which.
    pub when: Calls,
    /// What.
    pub mock: Mock,
}

/// Calls of an action: all that fit each of these.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calls {
    /// Of this rule's runs; its name as written.
    pub rule: Option<String>,
    /// Of the step with this path.
    pub step: Option<String>,
    /// With at least these values.
    pub with: Option<Value>,
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
        /// Whether another try may help, where it is said.
        retryable: Option<bool>,
        /// When the other side asks to be tried again.
        retry_after: Option<Micros>,
        /// What else is known.
        details: Value,
    },
    /// Nobody knows whether it was done, and why.
    Uncertain(String),
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
        /// By the step with this path.
        step: Option<String>,
        /// With at least these values.
        with: Option<Value>,
    },
    /// A run of a rule is there.
    Run {
        /// The rule's name, as written.
        rule: String,
        /// This step of it.
        step: Option<String>,
        /// How it, or the step, stands at the end: `succeeded`, `failed` and so on.
        status: Option<String>,
        /// The name of the error that it, or the step, ended with.
        error: Option<String>,
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
    /// Actions and steps are called one after the other; others may be called in between.
    Order(Vec<String>),
    /// A configuration, or what a person asks for, is refused.
    Refused {
        /// What its message holds.
        text: String,
    },
}
