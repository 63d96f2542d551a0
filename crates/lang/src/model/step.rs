//! Steps: what is done about it.

use ensue_event::Time;
use ensue_expr::{Program, Template, TemplateValue};
use indexmap::IndexMap;

use super::{KeySpec, Micros, PatternSpec};
use crate::span::Span;

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Unique in the document: as written, or `step_3` for the third step of the document.
    pub id: String,
    /// Whether the id was written.
    pub named: bool,
    /// Its place under `spec` as a JSON pointer: `/steps/0/catch/0/steps/1`.
    pub path: String,
    /// Where it stands.
    pub span: Span,
    /// `if`: skipped unless this holds.
    pub cond: Option<Program>,
    /// When it is tried again.
    pub retry: Option<Retry>,
    /// How long one attempt may take.
    pub timeout: Option<Micros>,
    /// What is done about errors.
    pub catch: Vec<Catch>,
    /// What is done afterwards in any case.
    pub finally: Vec<Step>,
    /// The outputs that it shows, computed from the raw ones.
    pub outputs: IndexMap<String, TemplateValue>,
    /// A failure is recorded and the run goes on.
    pub continue_on_error: bool,
    /// The step that takes it back.
    pub undo: Option<Box<Step>>,
    /// Its outputs are kept for the next run.
    pub cache: Option<Cache>,
    /// The steps that must be finished before.
    pub needs: Vec<String>,
    /// What it does.
    pub kind: StepKind,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum StepKind {
    /// An action of a connection.
    Uses {
        /// `http/request` and so on.
        action: String,
        /// The connection's name, as written.
        connection: Option<String>,
        /// What it is called with; always a map.
        with: TemplateValue,
    },
    /// Steps that rules share.
    Workflow {
        /// Its name, as written.
        name: String,
        /// Its inputs; always a map.
        with: TemplateValue,
    },
    /// An event.
    Emit {
        /// Its type.
        kind: Template,
        /// Its source; `/ensue/<namespace>/<rule>` where none was written.
        source: Option<Template>,
        /// Its subject.
        subject: Option<Template>,
        /// Its data.
        data: Option<TemplateValue>,
        /// Its extension attributes.
        extensions: IndexMap<String, Template>,
    },
    /// Names values.
    Set(IndexMap<String, TemplateValue>),
    /// Fails.
    Fail {
        /// With this message.
        message: Template,
    },
    /// Goes on with the first case that holds.
    Switch(Vec<Case>),
    /// Waits.
    Wait(Box<Wait>),
    /// Asks a person.
    Approve(Box<Approve>),
    /// Several at once.
    Parallel(Parallel),
    /// The same for many.
    Foreach(Box<Foreach>),
}

impl StepKind {
    /// Its word in a manifest.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            StepKind::Uses { .. } => "uses",
            StepKind::Workflow { .. } => "workflow",
            StepKind::Emit { .. } => "emit",
            StepKind::Set(_) => "set",
            StepKind::Fail { .. } => "fail",
            StepKind::Switch(_) => "switch",
            StepKind::Wait(_) => "wait",
            StepKind::Approve(_) => "approve",
            StepKind::Parallel(_) => "parallel",
            StepKind::Foreach(_) => "foreach",
        }
    }
}

/// When a step is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often after the first try; a try that was lost with the process does not count.
    pub max: u32,
    /// How the wait grows.
    pub backoff: Backoff,
    /// The first wait.
    pub initial: Micros,
    /// The longest wait.
    pub cap: Micros,
    /// Whether it is spread.
    pub jitter: Jitter,
    /// The errors that it is for; empty: those that may pass.
    pub on: Vec<String>,
}

/// How the wait between tries grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backoff {
    /// It doubles.
    #[default]
    Exponential,
    /// By the first wait each time.
    Linear,
    /// Not at all.
    Constant,
}

/// Whether waits are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jitter {
    /// Anything from nothing to the whole wait.
    #[default]
    Full,
    /// Not at all.
    None,
}

/// What is done about errors.
#[derive(Clone, Debug)]
pub struct Catch {
    /// Their names; empty: all.
    pub errors: Vec<String>,
    /// What is done.
    pub steps: Vec<Step>,
}

/// Outputs that are kept for the next run.
#[derive(Clone, Debug)]
pub struct Cache {
    /// For what.
    pub key: KeySpec,
    /// How long.
    pub keep: Option<Micros>,
}

/// One way of a `switch`.
#[derive(Clone, Debug)]
pub struct Case {
    /// When; nothing: the rest.
    pub cond: Option<Program>,
    /// What is done.
    pub steps: Vec<Step>,
}

/// Waits for a time or an event.
#[derive(Clone, Debug)]
pub enum Wait {
    /// So long.
    Duration(Micros),
    /// Until a time.
    Until(UntilTime),
    /// For an event.
    For {
        /// Which.
        event: WaitFor,
        /// Since when.
        since: Since,
        /// At most so long.
        timeout: Option<Micros>,
    },
}

/// The time that a wait ends at.
#[derive(Clone, Debug)]
pub enum UntilTime {
    /// As written.
    At(Time),
    /// The value of an expression.
    Computed(Template),
}

/// The event that a wait is for.
#[derive(Clone, Debug)]
pub struct WaitFor {
    /// What it looks like.
    pub event: PatternSpec,
    /// `if`.
    pub cond: Option<Program>,
    /// What ties it to this run.
    pub key: Option<KeySpec>,
}

/// From when on a wait sees events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Since {
    /// The start of the step before.
    #[default]
    Before,
    /// The start of the run.
    Run,
    /// The start of a step.
    Step(String),
    /// Its own start.
    Now,
}

/// Asks a person.
#[derive(Clone, Debug)]
pub struct Approve {
    /// Who may.
    pub from: Vec<String>,
    /// How many must.
    pub min: u32,
    /// Who started the run may not.
    pub not_starter: bool,
    /// What is shown.
    pub show: Vec<Program>,
    /// How long.
    pub timeout: Option<Micros>,
    /// What happens then.
    pub on_timeout: OnTimeout,
}

/// What an approval that nobody gave means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnTimeout {
    /// No.
    #[default]
    Refuse,
    /// Yes.
    Approve,
}

/// Several at once.
#[derive(Clone, Debug)]
pub struct Parallel {
    /// What.
    pub branches: Vec<Branch>,
    /// When it is over.
    pub join: Join,
}

/// One of several.
#[derive(Clone, Debug)]
pub struct Branch {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What is done.
    pub steps: Vec<Step>,
}

/// When several are over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Join {
    /// When all are.
    #[default]
    All,
    /// When one succeeded.
    Any,
    /// When so many succeeded.
    Quorum(u32),
}

/// The same for many.
#[derive(Clone, Debug)]
pub struct Foreach {
    /// A list; in its steps, `item` and `index`.
    pub items: Option<Template>,
    /// Lists; every combination is one.
    pub matrix: IndexMap<String, TemplateValue>,
    /// At most so many at once.
    pub max_parallel: Option<u32>,
    /// What is done.
    pub steps: Vec<Step>,
}
