//! The loop without I/O of its own: what both the node and the simulator turn.
//!
//! ```text
//!   durable record ──► fold ──► outgoing: quarantines, emissions, announcements ──► append (by the caller)
//!                        │
//!                        └──► checkpoint (rows + position, one transaction) ──► work: effects to perform
//! ```
//! This crate **is** the order in which things may happen: what is appended when, when state is committed, when an
//! effect may leave. It **is not** the doer: it never appends, waits or performs. Because the node and the simulator
//! turn the same code, what the simulator tests is what runs.
//!
//! Invariants:
//! - Only durable records are folded: the caller hands a record over after its append returned.
//! - Emissions leave in the order of decision, each once, and only after the whole log as it was at start is folded.
//! - An effect leaves after the record that decided it is durable and the transaction with its outbox row is committed;
//!   one that cannot be repeated only after its `action.started` is folded.
//! - No checkpoint passes a record that was set aside before the record that says so is durable.
//!
//! Map: [`clock`] (append time) → [`start`] (recovery) → [`pump`] (fold, checkpoint, outgoing) → [`dispatch`] (limits); [`past`] is what
//! the fold may look back into.

pub mod clock;

pub mod dispatch;

pub mod pump;

pub mod start;

pub mod past;

pub use clock::AppendClock;
pub use dispatch::{Dispatch, Limit, Load, Work};
pub use past::LogPast;
pub use pump::{Outgoing, Pump};
pub use start::{Rebuild, Start};
