//! Looking at it: why something happened, what a scenario expects, and what the simulator breaks.
//!
//! This crate **is** the readers of the engine: [`why`] builds the chain of causes as a tree from records alone, and
//! [`why_not`](mod@why_not) says what kept a rule from firing; [`graph`] finds the loops of a configuration before it
//! runs; [`scenario`] runs automations in virtual time with mocked actions; [`replay`](mod@replay) takes history through
//! other manifests and compares; [`sim`] drives the whole loop under faults from a seed. It **is not** part of the
//! engine: nothing here is read by it, and nothing here decides anything.
//!
//! Invariants:
//! - What `why` shows are recorded facts; only plain mismatches are computed again, by the same patterns.
//! - A scenario and a simulation go through the same fold, pump and log as the real thing.
//! - A history replayed under the manifests that were in force gives the firings that it recorded.
//! - A scenario with crashes in it ends as the one without: same firings, calls, decisions and rows.
//! - Two simulations of one seed write the same trace, byte for byte.

pub mod history;

pub mod tree;

pub mod why;

pub mod why_not;

pub mod export;

pub mod graph;

pub mod scenario;

pub mod replay;

pub mod sim;

pub use history::History;
pub use tree::Tree;
