//! A queue of numbers.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Numbers in the order in which they were given, oldest first: what they stand for is kept elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    from: u64,
    next: u64,
}

impl Line {
    /// A number for one more, at the end.
    pub fn push(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// Takes the first number.
    pub fn pop(&mut self) -> Option<u64> {
        let number = self.first()?;
        self.from += 1;
        Some(number)
    }

    /// The first number.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        (self.from < self.next).then_some(self.from)
    }

    /// All numbers, oldest first.
    #[must_use]
    pub fn numbers(&self) -> Range<u64> {
        self.from..self.next
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.next - self.from
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.from >= self.next
    }

    /// Takes all numbers.
    pub fn take(&mut self) -> Range<u64> {
        let all = self.numbers();
        self.from = self.next;
        all
    }
}
