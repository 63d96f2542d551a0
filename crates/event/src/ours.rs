//! The records that ensue writes itself: one list, with their fields and versions.
//!
//! Each is a CloudEvent of type `dev.ensue.*`. Records of the *node* say what it saw or did; records of the *fold* say
//! what was decided, and are written by the node in the order of decision ([`crate::Origin::Emitted`]). They are facts:
//! a later version of the rule engine never rewrites them. `docs/reference/records.md` is made from this file.

mod policy;
mod reference;
mod sample;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use policy::{PolicyDecided, Ruled};
pub use reference::{fields, reference};
pub use sample::samples;

use crate::{Digest, Event, Key, Position, Span, Time};

/// What all our types begin with. Only ensue writes them; a pattern must name this prefix to match them.
pub const PREFIX: &str = "dev.ensue.";

/// Who writes a kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// The node: something that it saw, did or was told.
    Node,
    /// The fold: something that was decided.
    Fold,
}

/// One line of the list: for the reference, and for tests that hold the formats still.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The event type.
    pub kind: &'static str,
    /// The version of its fields; it stands in the data as `v`.
    pub version: u32,
    /// Who writes it.
    pub writer: Writer,
    /// What it says.
    pub says: &'static str,
}

/// Why a record of ours could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A type that this version does not know.
    #[error("`{0}` is not a record that this version of ensue knows")]
    Unknown(String),
    /// Fields of another version.
    #[error("`{kind}` has fields of version {found}; this version of ensue reads version {known}")]
    Version {
        /// Its type.
        kind: &'static str,
        /// The version in the data.
        found: u64,
        /// The version that this build reads.
        known: u32,
    },
    /// The fields are not what they should be.
    #[error("`{kind}` cannot be read: {why}")]
    Fields {
        /// Its type.
        kind: &'static str,
        /// What the reader says.
        why: serde_json::Error,
    },
}

macro_rules! ours {
    ($($(#[doc = $says:literal])+ $variant:ident($writer:ident, $version:literal, $kind:literal)),+ $(,)?) => {
        /// A record of our own.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Ours {
            $($(#[doc = $says])+ $variant($variant),)+
        }

        /// The list of our records.
        pub const LIST: &[Spec] = &[$(Spec {
            kind: $kind, version: $version, writer: Writer::$writer, says: concat!($($says),+),
        }),+];

        impl Ours {
            /// The event type.
            #[must_use]
            pub const fn kind(&self) -> &'static str {
                match self { $(Ours::$variant(_) => $kind,)+ }
            }

            /// The fields as JSON, with their version as `v`.
            #[must_use]
            pub fn data(&self) -> Value {
                let (fields, version) = match self {
                    $(Ours::$variant(fields) => (serde_json::to_value(fields), $version),)+
                };
                let mut fields = fields.unwrap_or_else(|_| Value::Object(serde_json::Map::new()));
                if let Some(object) = fields.as_object_mut() {
                    object.insert("v".into(), version.into());
                }
                fields
            }

            /// Reads the fields of a record of this type.
            pub fn read(kind: &str, json: &[u8]) -> Result<Ours, Error> {
                match kind {
                    $($kind => parse($kind, $version, json).map(Ours::$variant),)+
                    other => Err(Error::Unknown(other.to_owned())),
                }
            }
        }

        $(impl From<$variant> for Ours {
            fn from(fields: $variant) -> Ours { Ours::$variant(fields) }
        })+
    };
}

ours! {
    /// The node began to run: its version, the version of its fold, when it had stopped before.
    NodeStarted(Node, 1, "dev.ensue.node.started"),
    /// The node stopped in good order: nothing was in flight.
    NodeStopped(Node, 1, "dev.ensue.node.stopped"),
    /// The wall clock moved against the monotonic clock, and what was made of it.
    ClockStepped(Node, 1, "dev.ensue.clock.stepped"),
    /// A timer is due and no other record came: time moves on.
    Tick(Node, 1, "dev.ensue.tick"),
    /// A source lost its connection: events may be late from here on.
    SourceDisconnected(Node, 1, "dev.ensue.source.disconnected"),
    /// A source has delivered all that it had missed.
    SourceCaughtUp(Node, 1, "dev.ensue.source.caught-up"),
    /// A source may have missed events, from when to when, and cannot ask for them again.
    SourceGap(Node, 1, "dev.ensue.source.gap"),
    /// A configuration is in force from here on.
    ConfigApplied(Node, 1, "dev.ensue.config.applied"),
    /// An action that cannot be repeated blindly is about to be done.
    ActionStarted(Node, 1, "dev.ensue.action.started"),
    /// An action was done, or was not: its answer.
    ActionAnswered(Node, 1, "dev.ensue.action.answered"),
    /// A try of an action ended without an answer: its run went on without it, or the node ended. What it had said.
    ActionStopped(Node, 1, "dev.ensue.action.stopped"),
    /// Nobody can say whether an action was done.
    ActionUncertain(Node, 1, "dev.ensue.action.uncertain"),
    /// A person or program with a token asked for something: freeze, thaw, pause, retry, cancel and the like.
    Operator(Node, 1, "dev.ensue.operator"),
    /// A second event came with the source and id of an earlier one and another body; it was refused.
    EventConflict(Node, 1, "dev.ensue.event.conflict"),
    /// A record could not be folded or read and is set aside until it is redriven.
    RecordQuarantined(Node, 1, "dev.ensue.record.quarantined"),
    /// Old segments of the log were deleted, as retention says.
    LogTrimmed(Node, 1, "dev.ensue.log.trimmed"),
    /// The bodies of named records were destroyed on request.
    LogPurged(Node, 1, "dev.ensue.log.purged"),
    /// A verified snapshot of the state exists.
    StateSnapshot(Node, 1, "dev.ensue.state.snapshot"),
    /// A rule that starts in the past is to look at these records.
    Backfill(Node, 1, "dev.ensue.backfill"),
    /// A rule decided to act: a run begins when this record is folded.
    RuleFired(Fold, 1, "dev.ensue.rule.fired"),
    /// A firing is held back for a person to decide.
    RuleParked(Fold, 1, "dev.ensue.rule.parked"),
    /// A run began.
    RunStarted(Fold, 1, "dev.ensue.run.started"),
    /// A run ended well, or was cancelled.
    RunFinished(Fold, 1, "dev.ensue.run.finished"),
    /// A run failed: at which step, and why.
    RunFailed(Fold, 1, "dev.ensue.run.failed"),
    /// A step asks people whether the run may go on.
    ApprovalAsked(Fold, 1, "dev.ensue.approval.asked"),
    /// A chain of causes grew too long and was cut.
    ChainCut(Fold, 1, "dev.ensue.chain.cut"),
    /// A rule holds as many keys as it may; new ones are refused.
    KeyRefused(Fold, 1, "dev.ensue.key.refused"),
    /// A window of `freeze` began: effects are held until its end, unless a person thaws it.
    FreezeBegan(Fold, 1, "dev.ensue.freeze.began"),
    /// A window of `freeze` ended: what only it held goes.
    FreezeEnded(Fold, 1, "dev.ensue.freeze.ended"),
    /// An event came after others that it should have come before, and its rule has such events set aside.
    EventDiverted(Fold, 1, "dev.ensue.event.diverted"),
    /// A policy denied an action or command, wants people to look first, or they have answered. What it allows at once
    /// is only counted.
    PolicyDecided(Fold, 1, "dev.ensue.policy.decided"),
}

impl Ours {
    /// The record as an event; `source` is who writes it, such as `/ensue/node`.
    #[must_use]
    pub fn event(&self, id: impl Into<Box<str>>, source: &str) -> Event {
        Event::new(id, source, self.kind()).with_json(&self.data())
    }

    /// Reads the record that an event of ours is.
    pub fn of(event: &Event) -> Result<Ours, Error> {
        Ours::read(&event.kind, event.json().map_or(b"{}", |json| json))
    }
}

fn parse<T: serde::de::DeserializeOwned>(kind: &'static str, known: u32, json: &[u8]) -> Result<T, Error> {
    #[derive(Deserialize)]
    struct Version {
        v: u64,
    }
    let wrong = |why| Error::Fields { kind, why };
    let Version { v: found } = serde_json::from_slice(json).map_err(wrong)?;
    if found != u64::from(known) {
        return Err(Error::Version { kind, found, known });
    }
    serde_json::from_slice(json).map_err(wrong)
}

/// Fields of `dev.ensue.node.started`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStarted {
    /// The version of the program.
    pub version: String,
    /// The version of the fold: state of another version is rebuilt or migrated.
    pub fold: u32,
    /// Names this boot of the machine; effects of another boot may have been lost with it.
    pub boot: String,
    /// The append time of the last record before; absent on an empty log.
    pub stopped_at: Option<Time>,
    /// Whether the last stop was in good order.
    pub clean: bool,
}

/// Fields of `dev.ensue.node.stopped`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStopped {
    /// Why: a signal, an operator.
    pub reason: String,
}

/// What the wall clock did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// It is behind the last append time; time goes on at half speed until they meet.
    Back,
    /// It is more than a minute ahead; not believed yet.
    Forward,
    /// It stayed ahead for five minutes and is believed.
    Believed,
}

/// Fields of `dev.ensue.clock.stepped`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClockStepped {
    /// What it did.
    pub step: Step,
    /// What the wall clock says.
    pub wall: Time,
    /// By how much it differs from the time of the log, in microseconds; negative: it is behind.
    pub by: Span,
}

/// Fields of `dev.ensue.tick`: none, so that a second one is harmless.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tick {}

/// Fields of `dev.ensue.source.disconnected`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceDisconnected {
    /// The name of the source.
    pub source: String,
    /// What was seen.
    pub reason: String,
}

/// Fields of `dev.ensue.source.caught-up`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceCaughtUp {
    /// The name of the source.
    pub source: String,
}

/// Fields of `dev.ensue.source.gap`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceGap {
    /// The name of the source.
    pub source: String,
    /// From when events may be missing.
    pub from: Time,
    /// Until when.
    pub to: Time,
}

/// One file of a configuration as it was applied; secrets are handles in it, never values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigFile {
    /// Its path within the configuration's folder.
    pub path: String,
    /// Its text, includes and environment resolved.
    pub text: String,
}

/// A document of a configuration by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// `Rule`, `Workflow`, `Source` and so on.
    pub kind: String,
    /// `namespace/name`.
    pub name: String,
    /// BLAKE3 of its canonical form.
    pub digest: Digest,
}

/// Fields of `dev.ensue.config.applied`. The record goes to a blob when the texts are long, as any large record does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigApplied {
    /// All documents, in the order of kind and name.
    pub documents: Vec<Document>,
    /// The files that they stand in.
    pub files: Vec<ConfigFile>,
    /// Every rule decides and records but never acts.
    #[serde(default)]
    pub observe: bool,
}

/// Which try of which effect, of which run's step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The idempotency key: it is shared by all automatic retries.
    pub effect: Key,
    /// The number of the try, from 1.
    pub attempt: u32,
    /// The run.
    pub run: Key,
    /// The path of the step within the run.
    pub step: String,
}

/// Fields of `dev.ensue.action.started`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionStarted {
    /// Which try.
    #[serde(flatten)]
    pub of: Attempt,
    /// The action, such as `slack/post`.
    pub action: String,
    /// The connection that it goes through.
    pub connection: Option<String>,
}

/// What an action answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// It was done; its outputs.
    Ok(Value),
    /// It was not.
    Err(Failure),
}

/// Why an action or a step failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// `Timeout Connect Status StepFailed Denied Cancelled Uncertain Expression`, or an action's own name.
    pub name: String,
    /// For a person: what failed, with which value, and what to do.
    pub message: String,
    /// Whether another try may help.
    #[serde(default)]
    pub retryable: bool,
    /// When the other side asks to try again, from the answer on, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Span>,
    /// What else is known, such as the status and body of an HTTP answer.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
}

impl Failure {
    /// A failure that another try will not mend.
    #[must_use]
    pub fn new(name: &str, message: impl Into<String>) -> Failure {
        let (name, message) = (name.to_owned(), message.into());
        Failure { name, message, retryable: false, retry_after: None, details: Value::Null }
    }

    /// The same failure, one that another try may mend.
    #[must_use]
    pub fn retryable(mut self) -> Failure {
        self.retryable = true;
        self
    }
}

/// Fields of `dev.ensue.action.answered`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionAnswered {
    /// Which try.
    #[serde(flatten)]
    pub of: Attempt,
    /// Its answer.
    pub answer: Answer,
    /// When the try left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Time>,
    /// What it said while it went on; absent if nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Logged>,
}

/// What a try said while it went on, without secrets. A short log stands here as text, a longer one in a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Logged {
    /// How many bytes are kept.
    pub size: u64,
    /// How many bytes are left out, in the middle; a line of the log says where.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cut: u64,
    /// All that is kept, where it is short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// BLAKE3 of what is kept, where it is long: it lies in a blob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // As serde wants it.
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Why a try has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stopped {
    /// Its run went on without it; it was stopped.
    Cancelled,
    /// The node ended while it was under way.
    Interrupted,
}

/// Fields of `dev.ensue.action.stopped`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionStopped {
    /// Which try.
    #[serde(flatten)]
    pub of: Attempt,
    /// When the try left: after a crash another try has the same number.
    pub began: Time,
    /// Why it has no answer.
    pub why: Stopped,
    /// What it said while it went on; absent if nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Logged>,
}

/// Fields of `dev.ensue.action.uncertain`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionUncertain {
    /// Which try.
    #[serde(flatten)]
    pub of: Attempt,
    /// Why nobody knows.
    pub reason: String,
}

/// What an operator can ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "verb")]
pub enum Command {
    /// Hold effects: of one connection, of one rule, or all.
    Freeze {
        /// Only those through this connection.
        connection: Option<String>,
        /// Only those of this rule.
        rule: Option<String>,
    },
    /// Let held effects go, or discard them.
    Thaw {
        /// As in the freeze that it ends.
        connection: Option<String>,
        /// As in the freeze that it ends.
        rule: Option<String>,
        /// Held effects fail with `Cancelled` instead of being done.
        #[serde(default)]
        discard: bool,
    },
    /// Change a rule's mode until the next change of its definition.
    SetMode {
        /// The rule.
        rule: String,
        /// `live`, `shadow` or `paused`.
        mode: String,
    },
    /// Start a failed run once more, from its first step.
    RetryRun {
        /// The run.
        run: Key,
    },
    /// Go on with a failed run at the step that failed, with new effects.
    ResumeRun {
        /// The run.
        run: Key,
        /// The step to go on from; the failed one if absent.
        from: Option<String>,
    },
    /// Take the step that waits or failed as done, with these outputs.
    SkipStep {
        /// The run.
        run: Key,
        /// The step.
        step: String,
    },
    /// End a run.
    CancelRun {
        /// The run.
        run: Key,
    },
    /// Decide an uncertain step: it was done, it was not, or it is to be tried again.
    Settle {
        /// The run.
        run: Key,
        /// The step.
        step: String,
        /// `done`, `failed` or `retry`.
        verdict: String,
    },
    /// Say yes or no where a run asks: an `approve` step, or a policy that wants a person to look first.
    Approve {
        /// The run.
        run: Key,
        /// The step, with the place in a `foreach`: `deploy[3]`.
        step: String,
        /// No instead of yes.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        refuse: bool,
        /// BLAKE3 of what was shown to who answers; an answer to something else is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shown: Option<Digest>,
    },
    /// Take back what a run that is over did: its undo steps run, the last step first.
    Rollback {
        /// The run.
        run: Key,
    },
    /// Let a parked firing go.
    Redrive {
        /// The firing.
        firing: Key,
    },
    /// Drop a parked firing.
    Discard {
        /// The firing.
        firing: Key,
    },
    /// Let all parked firings of a rule go.
    RedriveAll {
        /// The rule.
        rule: String,
    },
    /// Drop all parked firings of a rule.
    DiscardAll {
        /// The rule.
        rule: String,
    },
}

impl Command {
    /// The run that it is about; a parked firing is one that is yet to be.
    #[must_use]
    pub const fn run(&self) -> Option<Key> {
        match self {
            Command::RetryRun { run }
            | Command::ResumeRun { run, .. }
            | Command::SkipStep { run, .. }
            | Command::CancelRun { run }
            | Command::Settle { run, .. }
            | Command::Approve { run, .. }
            | Command::Rollback { run }
            | Command::Redrive { firing: run }
            | Command::Discard { firing: run } => Some(*run),
            Command::Freeze { .. }
            | Command::Thaw { .. }
            | Command::SetMode { .. }
            | Command::RedriveAll { .. }
            | Command::DiscardAll { .. } => None,
        }
    }
}

/// Fields of `dev.ensue.operator`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operator {
    /// What is asked for.
    pub command: Command,
    /// Who asks: the name of the token, `file` or `local`.
    pub actor: String,
    /// What who asks may answer for: the roles of the token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Why.
    pub reason: String,
}

/// Fields of `dev.ensue.event.conflict`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventConflict {
    /// The source of both events.
    pub source: String,
    /// Their id.
    pub id: String,
    /// Where the first one stands.
    pub kept: Position,
    /// BLAKE3 of the body that was refused.
    pub refused: Digest,
}

/// Fields of `dev.ensue.record.quarantined`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordQuarantined {
    /// The record that is set aside.
    pub position: Position,
    /// What happened when it was folded.
    pub reason: String,
    /// The action that it answered, if it was an answer: that step is uncertain now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Attempt>,
    /// The firing that it was, if it was one: it is parked now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firing: Option<Key>,
}

/// Fields of `dev.ensue.log.trimmed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogTrimmed {
    /// The first record that is still there.
    pub first: Position,
    /// How many bytes were freed.
    pub bytes: u64,
}

/// Fields of `dev.ensue.log.purged`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogPurged {
    /// The records whose bodies were destroyed.
    pub positions: Vec<Position>,
    /// Why.
    pub reason: String,
    /// Who asked for it.
    pub actor: String,
}

/// Fields of `dev.ensue.state.snapshot`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateSnapshot {
    /// The last record that it holds.
    pub position: Position,
    /// BLAKE3 of its logical dump.
    pub digest: Digest,
}

/// Fields of `dev.ensue.backfill`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backfill {
    /// The rule.
    pub rule: String,
    /// The first record to look at.
    pub from: Position,
    /// The record after the last one.
    pub to: Position,
}

/// An event that took part in a decision, by value: retention never takes it away from a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Took {
    /// Where it stands in the log.
    pub position: Position,
    /// The item of `when` that it met; absent for a plain `event`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// The event in CloudEvents JSON form.
    pub event: Value,
}

/// Whether a firing acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// It acts.
    #[default]
    Live,
    /// It is recorded and nothing else.
    Shadow,
}

/// Fields of `dev.ensue.rule.fired`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleFired {
    /// The id of the firing, and of the run that it starts.
    pub firing: Key,
    /// `namespace/name` of the rule.
    pub rule: String,
    /// The definition that decided, and that the run goes by.
    pub definition: Digest,
    /// Whether it acts.
    pub mode: Mode,
    /// The correlation key; a composite one as canonical JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The events, in the order in which they were taken.
    pub events: Vec<Took>,
    /// When a timer decided it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
    /// No event completed it, time did: there is no `event`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed: bool,
    /// How many events a `count` saw; `events` holds the newest 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The matches that a `batch` put together, oldest first; `events` are those of the newest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub batch: Vec<Batched>,
    /// The values of `let`.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub lets: serde_json::Map<String, Value>,
}

/// One match of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Batched {
    /// Its correlation key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its events.
    pub events: Vec<Took>,
}

/// Fields of `dev.ensue.rule.parked`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleParked {
    /// The firing that is held.
    pub firing: Key,
    /// The rule.
    pub rule: String,
    /// Why: a storm, a full outbox, a record that could not be folded.
    pub reason: String,
}

/// Fields of `dev.ensue.run.started`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunStarted {
    /// The run.
    pub run: Key,
    /// Its rule.
    pub rule: String,
    /// The definition that it goes by.
    pub definition: Digest,
    /// Its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Fields of `dev.ensue.run.finished`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunFinished {
    /// The run.
    pub run: Key,
    /// Its rule.
    pub rule: String,
    /// `succeeded` or `cancelled`.
    pub status: String,
    /// When it started.
    pub started: Time,
}

/// Fields of `dev.ensue.run.failed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunFailed {
    /// The run.
    pub run: Key,
    /// Its rule.
    pub rule: String,
    /// The step that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Why.
    pub error: Failure,
    /// When it started.
    pub started: Time,
}

/// Fields of `dev.ensue.approval.asked`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalAsked {
    /// The run.
    pub run: Key,
    /// Its rule.
    pub rule: String,
    /// The step, with its place in a `foreach`: `deploy[3]`.
    pub step: String,
    /// The roles of who may answer.
    pub from: Vec<String>,
    /// How many must say yes.
    pub min: u32,
    /// What is shown: each expression with its value.
    pub shown: Value,
    /// BLAKE3 of what is shown: an answer names it.
    pub digest: Digest,
    /// When it is too late to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// Fields of `dev.ensue.chain.cut`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainCut {
    /// The rule that would have gone on.
    pub rule: String,
    /// The event that it would have acted on.
    pub position: Position,
    /// How long the chain is.
    pub depth: u32,
}

/// Fields of `dev.ensue.key.refused`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRefused {
    /// The rule.
    pub rule: String,
    /// How many keys it may hold.
    pub limit: u64,
    /// How many were refused since the last such record.
    pub refused: u64,
}

/// Fields of `dev.ensue.freeze.began`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FreezeBegan {
    /// The connection whose effects are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// The rule whose effects are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Until when.
    pub until: Time,
    /// Why, as the window says.
    pub reason: String,
}

/// Fields of `dev.ensue.freeze.ended`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FreezeEnded {
    /// The connection whose effects were held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// The rule whose effects were held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Since when.
    pub since: Time,
    /// Why, as the window says.
    pub reason: String,
}

/// Fields of `dev.ensue.event.diverted`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventDiverted {
    /// The rule that did not look at it.
    pub rule: String,
    /// The key of its order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Where the event stands.
    pub position: Position,
    /// The value that it is ordered by.
    pub value: String,
    /// The value of the last one that was looked at.
    pub last: String,
    /// The event in CloudEvents JSON form.
    pub event: Value,
}
