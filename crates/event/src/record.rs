//! What the log keeps: an event with its position, its append time and its origin.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Event, Time};

/// The sequence number of a record within its lane, from 0, without holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Position {
        Position(self.0.saturating_add(1))
    }

    /// The position `n` after this one.
    #[must_use]
    pub const fn plus(self, n: u64) -> Position {
        Position(self.0.saturating_add(n))
    }

    /// Big-endian bytes: they sort as the positions do.
    #[must_use]
    pub const fn bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The place of an emission in the order of decisions: the record at which it was decided (for what a timer decided,
/// the record that the timer preceded) and its number among what was decided there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Emission {
    /// The record at which it was decided.
    pub position: Position,
    /// Its number among the emissions of that record, from 0.
    pub index: u32,
}

impl fmt::Display for Emission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.position, self.index)
    }
}

/// Where a record came from. It stands beside the event, not in it, so that nothing received can pretend to be ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// Received by the named source.
    Source(Box<str>),
    /// Written by the node itself.
    Node,
    /// Decided by the fold, written by the node in the order of decision.
    Emitted(Emission),
}

/// A durable event: what the fold reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its sequence number.
    pub position: Position,
    /// When it was appended; never before the record before it. This is the only time that the fold knows.
    pub at: Time,
    /// Where it came from.
    pub origin: Origin,
    /// The event.
    pub event: Event,
}
