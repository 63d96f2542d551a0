//! The window of `count`: so many events, or so many different values, within a time that slides.

use std::collections::VecDeque;

use ensue_event::{Key, Span, Time};

use super::Kept;

/// The most events of a window that are kept by value: the newest.
pub(super) const MAX_KEPT: usize = 100;

/// What is counted of a key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    /// The times of what counts, in the order in which it was taken.
    pub clocks: Vec<Time>,
    /// The hashes of their values, where different values count: one for each time, else none.
    pub values: Vec<Key>,
    /// The events of the last of them.
    pub kept: VecDeque<Kept>,
}

/// One more that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its time.
    pub clock: Time,
    /// The hash of its value, where different values count.
    pub value: Option<Key>,
}

impl Window {
    /// Whether nothing counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clocks.is_empty()
    }

    /// The number that counts.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.clocks.len() as u64
    }

    /// The time of the newest.
    #[must_use]
    pub fn newest(&self) -> Option<Time> {
        self.clocks.iter().copied().max()
    }

    /// The time of the oldest.
    #[must_use]
    pub fn oldest(&self) -> Option<Time> {
        self.clocks.iter().copied().min()
    }

    /// Counts one more. A value that counts already is refreshed: its time and event are the new ones. When it is
    /// `enough`, the window starts at zero, and its events come out, oldest first, with the number that counted.
    pub fn add(&mut self, sample: Sample, within: Option<Span>, enough: u32, event: Kept) -> Option<(Vec<Kept>, u64)> {
        let mut clock = sample.clock;
        if let Some(value) = sample.value {
            if let Some(at) = self.values.iter().position(|known| *known == value) {
                // An event that came late does not make its value older.
                clock = clock.max(self.remove(at));
            }
            self.values.push(value);
        }
        // A row has no room to spare: there are many.
        self.clocks.reserve_exact(1);
        self.clocks.push(clock);
        self.kept.reserve_exact(1);
        self.kept.push_back(event);
        // Nor does it take the window back.
        if let Some(newest) = self.newest() {
            self.slide(newest, within);
        }
        while self.kept.len() > MAX_KEPT {
            self.kept.pop_front();
        }
        let count = self.count();
        if count < u64::from(enough) {
            return None;
        }
        let kept = std::mem::take(self).kept;
        Some((kept.into(), count))
    }

    /// Drops what is out of the window at `now`: what is `within` old or older.
    pub fn slide(&mut self, now: Time, within: Option<Span>) {
        let Some(within) = within else { return };
        let stays = |clock: &Time| *clock + within > now;
        if self.clocks.iter().all(stays) {
            return;
        }
        // The kept events are those of the last ones.
        let mut of_kept = self.clocks.iter().skip(self.clocks.len() - self.kept.len());
        self.kept.retain(|_| of_kept.next().is_some_and(stays));
        let mut of_values = self.clocks.iter();
        self.values.retain(|_| of_values.next().is_some_and(stays));
        self.clocks.retain(stays);
    }

    /// Takes one out, where values count; its time.
    fn remove(&mut self, at: usize) -> Time {
        let without = self.clocks.len() - self.kept.len();
        self.values.remove(at);
        if let Some(at) = at.checked_sub(without) {
            self.kept.remove(at);
        }
        self.clocks.remove(at)
    }
}
