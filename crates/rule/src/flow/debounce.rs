//! Waiting until nothing more comes.

use ensue_event::{Span, Time};
use serde::{Deserialize, Serialize};

/// When the first and the last of a burst came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    first: Time,
    last: Time,
}

impl Quiet {
    /// A burst begins.
    #[must_use]
    pub fn new(now: Time) -> Quiet {
        Quiet { first: now, last: now }
    }

    /// One more came.
    pub fn again(&mut self, now: Time) {
        self.last = self.last.max(now);
    }

    /// When it is over: `quiet` after the last one, and at the latest `max` after the first.
    #[must_use]
    pub fn due(&self, quiet: Span, max: Option<Span>) -> Time {
        let due = self.last + quiet;
        max.map_or(due, |max| due.min(self.first + max))
    }
}
