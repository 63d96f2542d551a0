//! Several together.

use ensue_event::{Span, Time};
use serde::{Deserialize, Serialize};

use super::Line;

/// What a batch has so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gather {
    first: Time,
    line: Line,
}

impl Gather {
    /// The most in a batch, whatever is written: a firing holds all of them by value.
    pub const MOST: u32 = 1_000;

    /// An empty batch; its first member comes now.
    #[must_use]
    pub fn new(now: Time) -> Gather {
        Gather { first: now, line: Line::default() }
    }

    /// A number for one more.
    pub fn add(&mut self) -> u64 {
        self.line.push()
    }

    /// Whether it has as many as it may.
    #[must_use]
    pub fn full(&self, size: Option<u32>) -> bool {
        self.line.len() >= u64::from(size.unwrap_or(Self::MOST).clamp(1, Self::MOST))
    }

    /// When it goes as it is.
    #[must_use]
    pub fn due(&self, every: Option<Span>) -> Option<Time> {
        every.map(|every| self.first + every)
    }

    /// Its members, oldest first.
    #[must_use]
    pub fn line(&self) -> Line {
        self.line
    }
}
