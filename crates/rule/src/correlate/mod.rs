//! Correlation: which events of one key together are a match.
//!
//! A machine for each shape of `when`, over what is kept of one key: [`Halves`] for `all` and `sequence`, [`Window`] for
//! `count`, [`Armed`] and [`Silence`] for `absence`. They are values: an event or a time goes in, what is kept changes,
//! and what follows comes out. Nothing here knows keys, conditions, rows or timers.
//!
//! Invariants:
//! - An event is kept in one place of one half-match at most.
//! - What is kept of a key is bounded: 16 half-matches of as many events as there are items; 100 events and 10,000
//!   times of a `count`; 16 armed absences.
//! - Times never make a difference but by comparison: a machine has no clock.

mod half;

mod window;

mod absence;

use std::sync::Arc;

use ensue_event::{Event, Position, Time};

pub use absence::{Armed, Silence};
pub use half::{Events, Half, Halves, Plan};
pub use window::{Sample, Window};

/// The most half-matches, or armed absences, of a key.
pub const MAX_HALVES: usize = 16;

/// What a repeated first event does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It takes the place of the first one, and time starts again.
    Restart,
    /// It changes nothing.
    Ignore,
    /// It begins one more, up to [`MAX_HALVES`].
    Each,
}

/// An event that is kept, by value.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The number of the item that it met.
    pub item: u16,
    /// Where it stands in the log.
    pub position: Position,
    /// When it was appended.
    pub at: Time,
    /// The event.
    pub event: Arc<Event>,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing: no half-match takes it.
    Nothing,
    /// It is kept.
    Kept,
    /// It completed a match of these events, in the order in which they were taken; they are no longer kept.
    Completed(Vec<Kept>),
    /// It would begin one more than [`MAX_HALVES`].
    Full,
}
