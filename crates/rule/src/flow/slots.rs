//! So many runs at once.

use ensue_event::Key;
use serde::{Deserialize, Serialize};

use super::Line;

/// What becomes of one for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// It waits behind the others, of which there are at most so many.
    Queue {
        /// How many.
        most: u64,
    },
    /// It waits, and takes the place of the one that waits.
    Latest,
    /// It is skipped.
    Skip,
    /// As `Latest`; and those that run are asked to end.
    CancelRunning,
}

/// The runs that go on, and what waits for one to end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slots {
    running: Vec<Key>,
    line: Line,
}

/// What becomes of one that is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seat {
    /// It begins.
    Begins,
    /// It waits.
    Waits {
        /// Its number.
        number: u64,
        /// The numbers of those that it replaces.
        replaced: Vec<u64>,
        /// The runs that are asked to end.
        cancels: Vec<Key>,
    },
    /// It is skipped: these go on.
    Skipped(Vec<Key>),
    /// As many wait as may.
    Full,
}

impl Slots {
    /// What becomes of this run.
    pub fn offer(&mut self, run: Key, limit: u32, policy: Policy) -> Seat {
        if self.line.is_empty() && self.room(limit) {
            self.running.push(run);
            return Seat::Begins;
        }
        let wait = |line: &mut Line, replaced| Seat::Waits { number: line.push(), replaced, cancels: Vec::new() };
        match policy {
            Policy::Queue { most } if self.line.len() >= most => Seat::Full,
            Policy::Queue { .. } => wait(&mut self.line, Vec::new()),
            Policy::Skip => Seat::Skipped(self.running.clone()),
            Policy::Latest => {
                let replaced = self.line.take().collect();
                wait(&mut self.line, replaced)
            }
            Policy::CancelRunning => {
                let replaced = self.line.take().collect();
                Seat::Waits { number: self.line.push(), replaced, cancels: self.running.clone() }
            }
        }
    }

    /// A run takes a slot whether there is one or not: a person wants it to go on.
    pub fn enter(&mut self, run: Key) {
        if !self.running.contains(&run) {
            self.running.push(run);
        }
    }

    /// A run is over; false if it had no slot.
    pub fn leave(&mut self, run: Key) -> bool {
        let before = self.running.len();
        self.running.retain(|known| *known != run);
        self.running.len() < before
    }

    /// The number of the one that waits longest, if there is room for it; its run is then to [`enter`](Slots::enter).
    pub fn next(&mut self, limit: u32) -> Option<u64> {
        if self.room(limit) { self.line.pop() } else { None }
    }

    /// Whether there is room for one more.
    #[must_use]
    pub fn room(&self, limit: u32) -> bool {
        self.running.len() < usize::try_from(limit.max(1)).unwrap_or(usize::MAX)
    }

    /// The runs that go on.
    #[must_use]
    pub fn running(&self) -> &[Key] {
        &self.running
    }

    /// Those that wait, oldest first.
    #[must_use]
    pub fn line(&self) -> Line {
        self.line
    }

    /// Whether nothing goes on and nothing waits.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.running.is_empty() && self.line.is_empty()
    }
}
