//! Rules: what must happen, how often, and what follows.

use ensue_event::{Position, Time};
use ensue_expr::Program;
use indexmap::IndexMap;
use serde_json::Value;

use super::{FreezeWindow, Micros, Resource, Step};
use crate::span::Span;

/// A rule.
pub type Rule = Resource<RuleSpec>;

/// What a rule says.
#[derive(Clone, Debug)]
pub struct RuleSpec {
    /// What must happen.
    pub when: When,
    /// `let`: named values, evaluated once, in this order.
    pub lets: IndexMap<String, Program>,
    /// `if`: tested after completion.
    pub cond: Option<Program>,
    /// The same thing is not done again within a window.
    pub dedupe: Option<Dedupe>,
    /// Wait for quiet.
    pub debounce: Option<Debounce>,
    /// Several together.
    pub batch: Option<Batch>,
    /// So many within a time.
    pub throttle: Option<Throttle>,
    /// So many runs at once.
    pub concurrency: Option<Concurrency>,
    /// In which order events are looked at.
    pub order: Option<Order>,
    /// The storm breaker.
    pub storm: Option<Storm>,
    /// Whether it acts.
    pub mode: RuleMode,
    /// From where on it looks at events.
    pub start: Start,
    /// How it treats the past.
    pub backfill: Option<Backfill>,
    /// When what it does is held back.
    pub freeze: Vec<FreezeWindow>,
    /// How long a whole run may take.
    pub timeout: Option<Micros>,
    /// What follows.
    pub steps: Vec<Step>,
    /// What follows if that failed.
    pub on_failure: Vec<Step>,
    /// What follows at the end in any case.
    pub finally: Vec<Step>,
}

/// What must happen.
#[derive(Clone, Debug)]
pub struct When {
    /// Which events in which relation.
    pub kind: WhenKind,
    /// What ties them together.
    pub key: Option<KeySpec>,
    /// How long it may take from the first event kept, end excluded.
    pub within: Option<Micros>,
    /// What drops a half-match.
    pub unless: Option<Item>,
    /// What a repeated first item does.
    pub repeat: Repeat,
    /// Which time orders events.
    pub time: TimeBy,
    /// With `time: event`: how long late ones are waited for.
    pub lateness: Option<Micros>,
    /// How many keys it keeps; 100,000 if left out.
    pub max_keys: Option<u64>,
}

/// Which events in which relation.
#[derive(Clone, Debug)]
pub enum WhenKind {
    /// One.
    Event(Box<Item>),
    /// One of several.
    Any(Vec<Item>),
    /// All of them, in any order.
    All(Vec<Item>),
    /// All of them, in this order.
    Sequence(Vec<Item>),
    /// So many within a window.
    Count {
        /// Of what.
        of: Box<Item>,
        /// How many.
        at_least: u32,
        /// Only different values of this count.
        distinct: Option<Program>,
    },
    /// Something that does not come.
    Absence {
        /// After what; nothing: from the rule's start.
        after: Option<Box<Item>>,
        /// Of what.
        of: Box<Item>,
        /// For how long.
        wait: Micros,
        /// The keys that are expected from the start.
        expect: Vec<String>,
        /// How long a key that was seen is remembered.
        remember: Option<Micros>,
    },
}

impl WhenKind {
    /// Its word in a manifest.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            WhenKind::Event(_) => "event",
            WhenKind::Any(_) => "any",
            WhenKind::All(_) => "all",
            WhenKind::Sequence(_) => "sequence",
            WhenKind::Count { .. } => "count",
            WhenKind::Absence { .. } => "absence",
        }
    }

    /// All its items; of an absence, `after` first.
    #[must_use]
    pub fn items(&self) -> Vec<&Item> {
        match self {
            WhenKind::Event(item) => vec![item],
            WhenKind::Any(items) | WhenKind::All(items) | WhenKind::Sequence(items) => items.iter().collect(),
            WhenKind::Count { of, .. } => vec![of],
            WhenKind::Absence { after, of, .. } => {
                after.iter().chain(std::iter::once(of)).map(|item| &**item).collect()
            }
        }
    }
}

/// One event that is waited for.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its name in `events.<name>`.
    pub name: Option<String>,
    /// What it looks like.
    pub event: PatternSpec,
    /// `if`: tested before anything is kept.
    pub cond: Option<Program>,
    /// Its own correlation key.
    pub key: Option<KeySpec>,
    /// Where it stands.
    pub span: Span,
}

/// A pattern as it was written; the crate `rule` compiles it.
#[derive(Clone, Debug, PartialEq)]
pub struct PatternSpec {
    /// The pattern.
    pub json: Value,
    /// Where it stands.
    pub span: Span,
}

/// A key: expressions whose values tie events together.
#[derive(Clone, Debug, PartialEq)]
pub enum KeySpec {
    /// `key: none`: one for the whole rule.
    None,
    /// One expression.
    One(Program),
    /// Several: a composite key.
    Many(Vec<Program>),
}

/// What a repeated first item does to the half-match that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repeat {
    /// It replaces the event and restarts `within`.
    #[default]
    Restart,
    /// It changes nothing.
    Ignore,
    /// It begins one more.
    Each,
}

/// Which time orders events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeBy {
    /// The position in the log.
    #[default]
    Position,
    /// The time in the event.
    Event,
}

/// The same thing is not done again within a window.
#[derive(Clone, Debug)]
pub struct Dedupe {
    /// What is the same.
    pub key: Option<KeySpec>,
    /// How long.
    pub window: Micros,
}

/// Wait until nothing more comes.
#[derive(Clone, Debug)]
pub struct Debounce {
    /// For what each.
    pub key: Option<KeySpec>,
    /// How long it must be quiet.
    pub quiet: Micros,
    /// The longest wait.
    pub max: Option<Micros>,
}

/// Several together.
#[derive(Clone, Debug)]
pub struct Batch {
    /// For what each.
    pub key: Option<KeySpec>,
    /// At most so many.
    pub size: Option<u32>,
    /// At the latest after this time.
    pub every: Option<Micros>,
}

/// So many within a time.
#[derive(Clone, Debug)]
pub struct Throttle {
    /// For what each.
    pub key: Option<KeySpec>,
    /// How many.
    pub limit: u32,
    /// In which time.
    pub per: Micros,
    /// What becomes of more.
    pub excess: Excess,
}

/// What becomes of firings past a throttle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Excess {
    /// They are dropped, with a decision.
    #[default]
    Drop,
    /// They wait.
    Queue,
}

/// So many runs at once.
#[derive(Clone, Debug)]
pub struct Concurrency {
    /// Whose slots they are, where rules share them.
    pub group: Option<Group>,
    /// For what each.
    pub key: Option<KeySpec>,
    /// How many.
    pub limit: u32,
    /// What becomes of more.
    pub excess: Running,
}

/// A name for slots that rules of a namespace share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The name.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

/// What becomes of a firing while runs go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Running {
    /// It waits.
    #[default]
    Queue,
    /// It replaces the one that waits.
    Latest,
    /// It is skipped.
    Skip,
    /// The one that runs is cancelled.
    CancelRunning,
}

/// In which order events of a key are looked at.
#[derive(Clone, Debug)]
pub struct Order {
    /// The key.
    pub key: KeySpec,
    /// By what.
    pub by: OrderBy,
    /// How long a gap is waited for.
    pub lateness: Option<Micros>,
    /// What becomes of a late one.
    pub late: Late,
    /// How long the last value is remembered.
    pub remember: Micros,
}

/// By what events are ordered.
#[derive(Clone, Debug)]
pub enum OrderBy {
    /// The CloudEvents extension `sequence`.
    Sequence,
    /// The value of an expression.
    Value(Program),
}

/// What becomes of a late event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Late {
    /// It is looked at all the same.
    #[default]
    Deliver,
    /// It is set aside.
    Divert,
    /// It is dropped, with a decision.
    Drop,
}

/// The storm breaker: past these rates firings are parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storm {
    /// Firings a minute of one key.
    pub per_key: u32,
    /// Firings a minute of the rule.
    pub per_rule: u32,
}

impl Default for Storm {
    fn default() -> Storm {
        Storm { per_key: 60, per_rule: 1_000 }
    }
}

/// Whether a rule acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RuleMode {
    /// It decides and acts.
    #[default]
    Live,
    /// It decides, records it, and never acts.
    Shadow,
    /// It does nothing.
    Paused,
}

impl RuleMode {
    /// Its word in a manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            RuleMode::Live => "live",
            RuleMode::Shadow => "shadow",
            RuleMode::Paused => "paused",
        }
    }
}

/// From where on a new rule looks at events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// From where it is added.
    #[default]
    Now,
    /// From the first record that is kept.
    Beginning,
    /// From a time.
    Time(Time),
    /// From a position.
    Position(Position),
}

/// How a rule that starts in the past treats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backfill {
    /// Whether it acts on past events.
    pub act: bool,
    /// Events older than this are passed over.
    pub max_age: Option<Micros>,
}
