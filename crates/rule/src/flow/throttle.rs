//! So many within a time.

use ensue_event::{Span, Time};
use serde::{Deserialize, Serialize};

use super::{Line, Sliding};

/// What a throttle allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub limit: u32,
    /// Within which time.
    pub per: Span,
    /// The most that wait; zero: more than `limit` are dropped.
    pub queue: u64,
}

/// What passed, and what waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttle {
    window: Sliding,
    line: Line,
}

/// What becomes of one that is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It passes.
    Pass,
    /// It is dropped.
    Drop {
        /// From when on one passes.
        until: Time,
    },
    /// It waits.
    Wait {
        /// Its number.
        number: u64,
        /// Until when.
        until: Time,
    },
    /// As many wait as may.
    Full,
}

impl Throttle {
    /// What becomes of one at `now`.
    pub fn offer(&mut self, now: Time, rate: Rate) -> Offer {
        let until = match self.window.full_behind(now, rate.limit, rate.per, self.line.len()) {
            None if self.line.is_empty() => {
                self.window.take(now, rate.limit, rate.per);
                return Offer::Pass;
            }
            until => until.unwrap_or(now),
        };
        if rate.queue == 0 && self.line.is_empty() {
            Offer::Drop { until }
        } else if self.line.len() >= rate.queue {
            Offer::Full
        } else {
            Offer::Wait { number: self.line.push(), until }
        }
    }

    /// The number of the next one that waits, if it can pass at `now`: it does.
    pub fn release(&mut self, now: Time, rate: Rate) -> Option<u64> {
        if self.line.is_empty() || self.window.full(now, rate.limit, rate.per).is_some() {
            return None;
        }
        self.window.take(now, rate.limit, rate.per);
        self.line.pop()
    }

    /// When the next one that waits can pass; or, if none waits, when it is as if nothing had ever been.
    #[must_use]
    pub fn due(&self, now: Time, rate: Rate) -> Option<Time> {
        if self.line.is_empty() {
            return self.window.ends(rate.per);
        }
        Some(self.window.full(now, rate.limit, rate.per).unwrap_or(now))
    }

    /// Lets those that wait go: they are gone, and what passed still counts.
    pub fn clear(&mut self) -> std::ops::Range<u64> {
        self.line.take()
    }

    /// Whether nothing waits and nothing counts.
    #[must_use]
    pub fn idle(&self, now: Time, per: Span) -> bool {
        self.line.is_empty() && self.window.count(now, per) == 0
    }

    /// Those that wait, oldest first.
    #[must_use]
    pub fn line(&self) -> Line {
        self.line
    }
}
