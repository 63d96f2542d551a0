//! The window of `count`: so many events, or so many different values, within a time that slides.

use std::collections::VecDeque;

use ensue_event::{Key, Span, Time};

use super::Kept;

/// The most events of a window that are kept by value: the newest.
pub(super) const MAX_KEPT: usize = 100;

/// One event in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its time.
    pub clock: Time,
    /// The hash of its value, where different values count.
    pub value: Option<Key>,
}

/// What is counted of a key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    /// What counts, in the order in which it was taken.
    pub samples: Vec<Sample>,
    /// The events of the last of them.
    pub kept: VecDeque<Kept>,
}

impl Window {
    /// Whether nothing counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The number that counts.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.samples.len() as u64
    }

    /// The time of the newest.
    #[must_use]
    pub fn newest(&self) -> Option<Time> {
        self.samples.iter().map(|sample| sample.clock).max()
    }

    /// The time of the oldest.
    #[must_use]
    pub fn oldest(&self) -> Option<Time> {
        self.samples.iter().map(|sample| sample.clock).min()
    }

    /// Counts one more. A value that counts already is refreshed: its time and event are the new ones. When it is
    /// `enough`, the window starts at zero, and its events come out, oldest first, with the number that counted.
    pub fn add(
        &mut self,
        mut sample: Sample,
        within: Option<Span>,
        enough: u32,
        event: Kept,
    ) -> Option<(Vec<Kept>, u64)> {
        if let Some(value) = sample.value
            && let Some(at) = self.samples.iter().position(|known| known.value == Some(value))
        {
            // An event that came late does not make its value older.
            sample.clock = sample.clock.max(self.remove(at));
        }
        self.samples.push(sample);
        self.kept.push_back(event);
        // An event that came late does not take the window back.
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
        self.samples.clear();
        Some((self.kept.drain(..).collect(), count))
    }

    /// Drops what is out of the window at `now`: what is `within` old or older.
    pub fn slide(&mut self, now: Time, within: Option<Span>) {
        let Some(within) = within else { return };
        let stays = |sample: &Sample| sample.clock + within > now;
        if self.samples.iter().all(stays) {
            return;
        }
        // The kept events are those of the last samples.
        let mut of_kept = self.samples.iter().skip(self.samples.len() - self.kept.len());
        self.kept.retain(|_| of_kept.next().is_some_and(stays));
        self.samples.retain(stays);
    }

    /// Takes one out; its time.
    fn remove(&mut self, at: usize) -> Time {
        let without = self.samples.len() - self.kept.len();
        let clock = self.samples.remove(at).clock;
        if let Some(at) = at.checked_sub(without) {
            self.kept.remove(at);
        }
        clock
    }
}
