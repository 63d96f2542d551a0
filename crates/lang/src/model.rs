//! Typed resources: what the rest of ensue works with.

mod config;
mod connection;
mod name;
mod policy;
mod resource;
mod rule;
mod scenario;
mod step;
mod table;
mod workflow;

pub use config::{Config, Found};
pub use connection::{Connection, ConnectionSpec, FreezeWindow, Limits, Source, SourceSpec};
pub use name::Name;
pub use policy::{Ask, Check, Decides, Matches, Policy, PolicySpec, Then, fits};
pub(crate) use policy::{VERBS, glob};
pub use resource::{Kind, Resource};
pub use rule::{
    Backfill, Batch, Concurrency, Debounce, Dedupe, Excess, Group, Item, KeySpec, Late, Order, OrderBy, PatternSpec,
    Repeat, Rule, RuleMode, RuleSpec, Running, Start, Storm, Throttle, TimeBy, When, WhenKind,
};
pub use scenario::{
    Answers, Asks, Calls, Event, Expect, Given, Happening, Manifests, Mock, Scenario, ScenarioSpec, Subject, Verb,
};
pub use step::{
    Approve, Backoff, Branch, Cache, Case, Catch, Foreach, Jitter, Join, OnTimeout, Parallel, Retry, Since, Step,
    StepKind, UntilTime, Wait, WaitFor,
};
pub use table::{Table, TableSpec};
pub use workflow::{Input, InputType, Workflow, WorkflowSpec};

/// A length of time in microseconds.
pub type Micros = i64;
