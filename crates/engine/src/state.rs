//! What the fold keeps.

use ensue_event::ours::{Attempt, Mode, RuleFired};
use ensue_event::{Digest, Emission, Event, Key, Position, Span, Time};
use ensue_run::{Branch, Definition, Effect, Run};
use serde::{Deserialize, Serialize};

use crate::backfill::BackfillRow;
use crate::correlate::{HalfRow, Tally};
use crate::flow::{FlowRow, LockRow, Queued};
use crate::order::{OrderRow, Place};
use crate::policy::PolicyState;
use crate::policy::asks::Asks;
use crate::records::source::Gap;
use crate::table::{RowValue, Table, json_row};
use crate::wait::{AwaitRow, Awaited, WaitRow};
use crate::work::Kin;

/// A row for the store: `value` is absent where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The store's table.
    pub table: &'static str,
    /// The key's bytes.
    pub key: Vec<u8>,
    /// The value's bytes.
    pub value: Option<Vec<u8>>,
}

/// How many decisions without a firing are kept; firings are records of the log.
pub const KEPT_DECISIONS: usize = 20_000;
/// How many verdicts about operators' commands are kept: rules decide much, and must not push them out.
pub const KEPT_VERDICTS: usize = 20_000;
/// How many effects may be without an answer; past it firings are parked, until there are fewer.
pub const MAX_OUTBOX: usize = 100_000;
/// How many finished runs are kept in state; their history is in the log for as long as retention says.
pub const KEPT_RUNS: usize = 5_000;

/// Single facts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// The version of the fold that wrote this.
    pub fold: u32,
    /// The last record folded.
    pub folded: Option<Position>,
    /// Its append time.
    pub at: Time,
    /// The last emission whose record was folded.
    pub emission: Option<Emission>,
    /// The boot of the machine that the node runs in.
    pub boot: Option<String>,
    /// Every firing is a shadow.
    pub observe: bool,
    /// Counts since the first record.
    pub counts: Counts,
}

/// Counts since the first record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Events from outside or from `emit` steps.
    pub events: u64,
    /// Firings that acted.
    pub fired: u64,
    /// Firings in shadow.
    pub shadow: u64,
    /// Decisions not to fire.
    pub suppressed: u64,
    /// Decisions that ended in an error.
    pub errors: u64,
    /// Runs that ended well.
    pub succeeded: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Runs that were cancelled.
    pub cancelled: u64,
}

/// The configuration in force, as it was applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The record that applied it.
    pub position: Position,
    /// The record's fields.
    pub config: ensue_event::ours::ConfigApplied,
}

/// What is kept of a rule beside its definition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleState {
    /// A mode that an operator set; it goes with the next change of the definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Firings.
    pub fired: u64,
    /// Decisions not to fire.
    pub suppressed: u64,
    /// Errors in conditions.
    pub errors: u64,
    /// The last firing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Time>,
}

/// An effect that is decided and has no answer yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outboxed {
    /// What is to be done.
    pub effect: Effect,
    /// The record that decided it.
    pub decided: Position,
    /// Its append time: a timer that was due long ago decides no earlier than the record that it precedes.
    pub at: Time,
    /// Its `action.started` is folded: it may have been done.
    pub started: bool,
    /// A freeze holds it.
    pub held: bool,
    /// A policy wants people to look first; the row in `asks` says what and whom.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asks: bool,
    /// It was ready before a freeze came: no record says whether it has left.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_have_left: bool,
    /// What it changes, where its action says so: see [`ensue_lang::catalog::target`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

impl Outboxed {
    /// Whether nothing keeps it from being done.
    #[must_use]
    pub const fn may_leave(&self) -> bool {
        !self.held && !self.asks
    }

    /// The attempt that it stands for.
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        let effect = &self.effect;
        Attempt { effect: effect.key, attempt: effect.attempt, run: effect.run, step: effect.step.clone() }
    }
}

/// What a timer wakes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Timer {
    /// A step of a run: the next try, the end of a wait, the end of its time.
    Run {
        /// The run.
        run: Key,
        /// The branch.
        branch: u32,
        /// The path of the step; empty: the run's own time.
        step: String,
        /// When it is due: a timer that was set anew since is another.
        due: Time,
    },
    /// A half-match of this rule.
    Half {
        /// The rule's id.
        rule: Key,
    },
    /// Something that flow control of this rule keeps.
    Flow {
        /// The rule's id.
        rule: Key,
    },
    /// Something that ordering of this rule keeps.
    Order {
        /// The rule's id.
        rule: Key,
        /// The line, or the event that waits in it.
        place: Place,
    },
    /// The end of the time in which people may answer.
    Asks {
        /// The run.
        run: Key,
        /// The effect.
        effect: Key,
    },
    /// The end of the time in which sources may catch up.
    Gap,
    /// The edge of a window of `freeze`.
    Window,
}

/// An effect through a connection with `perMinute`: it counts for a minute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Used {
    /// The connection.
    pub connection: String,
}

/// What was changed through a connection with `distinctTargetsPerHour`: it counts for an hour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Targeted {
    /// The connection.
    pub connection: String,
    /// What was changed.
    pub target: String,
    /// When it was changed last.
    pub at: Time,
}

/// An emission whose record is not folded yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    /// The event to be appended.
    pub event: Event,
}

impl RowValue for Pending {
    type Slot = std::sync::Arc<Pending>;
    fn bytes(&self) -> Vec<u8> {
        self.event.bytes()
    }
    fn read(bytes: &[u8]) -> Result<Pending, String> {
        Event::read(bytes).map(|event| Pending { event })
    }
}

/// The most decisions of one rule at one record that are kept; more are counted.
pub const KEPT_AT_ONE: usize = 16;

/// What a rule decided at a record, where it did not fire: one for each key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    /// The first of them, in order.
    pub all: Vec<Decision>,
    /// How many more there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u32,
}

impl Decided {
    /// Adds one, or counts it.
    pub fn add(&mut self, decision: Decision) {
        if self.all.len() < KEPT_AT_ONE {
            self.all.push(decision);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A rule's recorded decision, where it did not fire. Firings are records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// When.
    pub at: Time,
    /// The correlation key that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What, and why.
    pub verdict: Verdict,
}

/// What a rule decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// Its condition was false.
    NotIf {
        /// The condition.
        condition: String,
    },
    /// Its condition or a `let` could not be computed.
    Error {
        /// What could not be computed.
        expression: String,
        /// Why.
        why: String,
    },
    /// It is paused.
    Paused,
    /// The event has no key.
    NoKey {
        /// What was to give it.
        expression: String,
        /// Why it gave none.
        why: String,
    },
    /// The rule holds as many keys as it may.
    KeyRefused {
        /// How many that is.
        limit: u64,
    },
    /// A half-match ran out of time.
    Expired {
        /// What did not come.
        missing: Vec<String>,
        /// The events that were kept.
        events: Vec<Position>,
    },
    /// A half-match was dropped by an event that met `unless`.
    Unless {
        /// The event.
        by: Position,
        /// The events that were kept.
        events: Vec<Position>,
    },
    /// A key has as many half-matches as it may (`repeat: each`), or as many events that wait for their turn: the first
    /// of these goes early.
    Full {
        /// How many that is.
        limit: u64,
    },
    /// `absence`: what was waited for came in time.
    Came {
        /// The event.
        by: Position,
        /// The events that were kept.
        events: Vec<Position>,
    },
    /// The same was done already.
    Deduped {
        /// Until when it is not done again.
        until: Time,
    },
    /// Flow control holds it.
    Held {
        /// What: `order`, `debounce`, `batch`, `throttle`, `concurrency`.
        by: String,
        /// Until when, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Time>,
    },
    /// A newer one took its place: `debounce`, or `concurrency` with `latest`.
    Replaced {
        /// What: `debounce`, `concurrency`.
        by: String,
        /// The events that are not acted on.
        events: Vec<Position>,
    },
    /// There were too many in too short a time.
    Throttled {
        /// From when on one passes again.
        until: Time,
    },
    /// As many runs of its key go on as may.
    Skipped {
        /// The runs.
        running: Vec<Key>,
    },
    /// It came after others that it should have come before.
    Late {
        /// Its value.
        value: String,
        /// The last value that was seen.
        last: String,
        /// What became of it: `deliver`, `divert`, `drop`.
        then: String,
    },
    /// An edit or removal of the rule dropped what it kept.
    Edited {
        /// How many half-matches.
        halves: u64,
        /// How many matches that flow control held, and events that waited for their turn.
        held: u64,
    },
    /// The chain of causes is too long.
    ChainCut {
        /// How long it is.
        depth: u32,
    },
    /// An operator's command was carried out.
    Done,
    /// An operator's command was refused, or a part of a new configuration has no meaning.
    Refused {
        /// Why.
        why: String,
    },
    /// A firing is held for a person.
    Parked {
        /// Why.
        why: String,
    },
    /// There is no room to hold it.
    Dropped {
        /// Why, and how its events are offered again.
        why: String,
    },
}

/// A freeze in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Freeze {
    /// Only effects through this connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// Only effects of this rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Time,
    /// Until when, where it is a window's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// The window that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Key>,
    /// A person lets effects go until the window ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thawed: Option<Thawed>,
}

/// Who overrides a window of `freeze`, until it ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Thawed {
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Time,
}

impl Freeze {
    /// Whether it holds this effect.
    #[must_use]
    pub fn holds(&self, effect: &Effect) -> bool {
        self.thawed.is_none() && self.covers(effect)
    }

    /// Whether this effect is of its connection and rule.
    #[must_use]
    pub fn covers(&self, effect: &Effect) -> bool {
        self.connection.as_ref().is_none_or(|name| effect.connection.as_ref() == Some(name))
            && self.rule.as_ref().is_none_or(|name| effect.rule == *name)
    }
}

/// A firing that a person must decide about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parked {
    /// The firing.
    pub fired: RuleFired,
    /// Why it is held.
    pub reason: String,
    /// Since when.
    pub since: Time,
    /// What its events tie together.
    pub correlation: String,
    /// The length of its chain.
    pub depth: u32,
    /// What parked it, where that was no quarantine: `storm` or `throttle`, before it had a record; `concurrency` or
    /// `outbox`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// What is known of a source: where a schedule or a poller goes on, and when something came last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceState {
    /// Events so far.
    pub events: u64,
    /// The append time of the last one.
    pub last: Time,
    /// The `time` of the last one, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred: Option<Time>,
}

/// The most outputs that are kept by the `cache` of steps; the oldest goes.
pub const KEPT_OUTPUTS: usize = 10_000;

/// Outputs that are kept for later runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The outputs.
    pub outputs: serde_json::Value,
    /// Since when.
    pub kept: Time,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// A row without a value: the key says all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {}

json_row!(shelved: Branch, Outboxed, Run);
json_row!(
    Meta,
    Applied,
    Definition,
    RuleState,
    Kept,
    AwaitRow,
    WaitRow,
    Asks,
    PolicyState,
    Timer,
    Decided,
    Decision,
    Tally,
    FlowRow,
    LockRow,
    Queued,
    BackfillRow,
    Gap,
    Freeze,
    Used,
    Targeted,
    Parked,
    SourceState,
    Mark
);

macro_rules! tables {
    ($($(#[doc = $doc:literal])+ $field:ident: $key:ty => $value:ty = $name:literal),+ $(,)?) => {
        /// All tables and single facts.
        #[derive(Debug)]
        pub struct State {
            /// Single facts, as they are.
            pub meta: Meta,
            /// Single facts before the record at hand.
            pub(crate) meta_before: Meta,
            $($(#[doc = $doc])+ pub $field: Table<$key, $value>,)+
        }

        /// The names of the store's tables.
        pub const TABLES: &[&str] = &["meta", $($name),+];

        impl State {
            /// The state before the first record.
            #[must_use]
            pub fn new() -> State {
                let meta = Meta {
                    fold: crate::FOLD, folded: None, at: Time::MIN, emission: None, boot: None, observe: false,
                    counts: Counts::default(),
                };
                State { meta: meta.clone(), meta_before: meta, $($field: Table::new($name),)+ }
            }

            /// Applies the changes of the record at hand.
            pub fn settle(&mut self) {
                $(self.$field.settle();)+
                self.meta_before.clone_from(&self.meta);
            }

            /// Throws the changes of the record at hand away.
            pub fn undo(&mut self) {
                $(self.$field.undo();)+
                self.meta.clone_from(&self.meta_before);
            }

            /// Takes what the store has not seen yet.
            pub fn drain(&mut self) -> Vec<Row> {
                let mut rows = vec![Row { table: "meta", key: b"meta".to_vec(), value: Some(self.meta.bytes()) }];
                $(self.$field.drain(&mut rows);)+
                rows
            }

            /// Takes a row from the store, at start-up.
            pub fn load(&mut self, table: &str, key: &[u8], value: &[u8]) -> Result<(), String> {
                match table {
                    "meta" => {
                        self.meta = Meta::read(value)?;
                        self.meta_before.clone_from(&self.meta);
                        Ok(())
                    }
                    $($name => self.$field.load(key, value),)+
                    other => Err(format!("table {other} is not one of this version's")),
                }
            }
        }
    };
}

tables! {
    /// The configuration in force; one row, `current`.
    config: String => Applied = "config",
    /// Definitions that the configuration or a run goes by.
    definitions: Digest => Definition = "definitions",
    /// What is kept of rules.
    rules: String => RuleState = "rules",
    /// Runs: all that are not over, and the last that are.
    runs: Key => Run = "runs",
    /// Finished runs in the order of their end: which one goes first when there are too many.
    ended: (Time, Key) => Mark = "ended",
    /// Effects without an answer.
    outbox: Key => Outboxed = "outbox",
    /// What people are asked before an effect is done: by run, then by effect.
    asks: (Key, Key) => Asks = "asks",
    /// What is kept of policies.
    policies: String => PolicyState = "policies",
    /// What is due when.
    timers: (Time, Key) => Timer = "timers",
    /// Emissions whose record is not folded.
    emissions: Emission => Pending = "emissions",
    /// Decisions without a firing.
    decisions: (Position, String) => Decided = "decisions",
    /// What became of operators' commands, the last of them.
    verdicts: Position => Decision = "verdicts",
    /// Freezes in force.
    freezes: String => Freeze = "freezes",
    /// What counts against `perMinute` of connections.
    uses: (Time, Key) => Used = "uses",
    /// What counts against `distinctTargetsPerHour`: by connection, then by target.
    targets: (Key, Key) => Targeted = "targets",
    /// Firings that wait for a person.
    parked: Key => Parked = "parked",
    /// What rules keep of keys: by rule, then by key.
    halves: (Key, Key) => HalfRow = "halves",
    /// Events that count: by half-match, then by position.
    counted: (Key, Key) => Event = "counted",
    /// How many keys rules hold.
    tallies: Key => Tally = "tallies",
    /// What flow control keeps: by rule, then by what and key.
    flows: (Key, Key) => FlowRow = "flows",
    /// The slots of `concurrency` that runs hold, by rule or group and key.
    locks: Key => LockRow = "locks",
    /// Firings that wait for one: by its row in `locks`, then by their place in its line.
    queued: (Key, Key) => Queued = "queued",
    /// What ordering keeps: by rule, then by line, then what waits in it.
    orders: Place => OrderRow = "orders",
    /// Rules on their way through the past.
    backfills: Key => BackfillRow = "backfills",
    /// Timers of the one that has begun: they fire by its clock.
    past: (Time, Key) => Timer = "past",
    /// The gap that is open, in which nobody could see what came; one row, `now`.
    gaps: String => Gap = "gaps",
    /// Branches of runs: by run, then by number.
    branches: (Key, u32) => Branch = "branches",
    /// Outputs that steps keep for later runs.
    cache: Key => Kept = "cache",
    /// Steps that look for an event: by what they look for, then by run and step.
    awaits: (Key, Key) => AwaitRow = "awaits",
    /// What is looked for: how many runs may, and what was kept.
    waits: Key => WaitRow = "waits",
    /// Events that were kept for them: by what looks for them, then by position.
    awaited: (Key, Key) => Awaited = "awaited",
    /// What is known of sources.
    sources: String => SourceState = "sources",
}

impl Default for State {
    fn default() -> State {
        State::new()
    }
}

impl State {
    /// Whether a rule's firings act: what an operator set, else `observe`, else the definition.
    #[must_use]
    pub fn acts(&self, written: Mode) -> Mode {
        if self.meta.observe { Mode::Shadow } else { written }
    }

    /// The branches of a run.
    #[must_use]
    pub fn branches_of(&self, run: Key) -> Kin<'_> {
        Kin { run, rows: &self.branches }
    }

    /// How long ago this effect was decided, at `now`.
    #[must_use]
    pub fn age(&self, row: &Outboxed, now: Time) -> Span {
        now.since(row.at)
    }
}
