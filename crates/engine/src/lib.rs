//! The fold, and only the fold: `(state, record) -> (changes, emissions, effects)`.
//!
//! [`Engine::fold`] takes the next durable record and says what follows. It has no clock, no randomness, no I/O and no
//! async: the time it knows is the append time of the record. Everything that a person may later ask "why?" about is
//! decided here.
//!
//! Invariants:
//! - State is a function of a snapshot and the log after it. Two folds of the same log have equal logical dumps.
//! - The fold never starts a run or publishes an event itself: it *emits*. What it emitted is kept until its record is
//!   folded, and a record of an emission that is not above the last one folded is nothing.
//! - Changes of one record are applied whole or not at all: [`Engine::settle`] applies them, [`Engine::undo`] throws
//!   them away.
//! - State holds by value every event that it may still need: retention never waits for it.
//! - A run that is not over waits for something by name; [`Engine::stuck`] lists those that do not and must be empty.
//!
//! Map, in the order in which a record meets it: [`fold`] → [`timers`](fold) → `records/` (one file per kind) →
//! [`decide`] (rules: [`keys`], [`order`], [`correlate`], [`flow`]; in the past: [`backfill`]) → [`work`] (runs and their commands) →
//! [`policy`] (what may be done) → [`emit`] → [`state`] over [`table`], where what waits lies
//! on a [`shelf`].

pub mod shelf;
pub mod table;

pub mod state;

pub mod config;

pub mod fold;

pub mod decide;

pub mod keys;

pub mod order;

pub mod correlate;

pub mod flow;

pub mod backfill;

pub mod freeze;

mod records;

pub mod policy;

pub mod work;

pub mod wait;

pub mod emit;

pub use backfill::Past;
pub use config::Compiled;
pub use correlate::{Waiting, halves};
pub use fold::{Engine, Outcome, Poison, Prepared};
pub use records::source::{GRACE, Gap};
pub use state::{Decided, Decision, Outboxed, Row, State, Verdict};
pub use work::Kin;

/// The version of the fold. It changes whenever the same log would give other state; state of another version is
/// rebuilt. A fixture log with its expected state is kept for each version.
pub const FOLD: u32 = 2;
