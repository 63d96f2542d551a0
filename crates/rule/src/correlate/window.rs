//! The window of `count`: so many events, or so many different values, within a time that slides.

use std::collections::VecDeque;

use ensue_event::{Key, Span, Time};

/// The most events of a window that are kept: the newest.
const MAX_KEPT: usize = 100;

/// What is counted of a key. `E` stands for an event that is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Window<E> {
    /// The times of what counts, in the order in which it was taken.
    pub clocks: Vec<Time>,
    /// The hashes of their values, where different values count: one for each time, else none.
    pub values: Vec<Key>,
    /// The events of the last of them.
    pub kept: VecDeque<E>,
}

/// One more that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample<E> {
    /// Its time.
    pub clock: Time,
    /// The hash of its value, where different values count.
    pub value: Option<Key>,
    /// Its event.
    pub event: E,
}

impl<E> Default for Window<E> {
    fn default() -> Window<E> {
        Window { clocks: Vec::new(), values: Vec::new(), kept: VecDeque::new() }
    }
}

impl<E> Window<E> {
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
    /// `enough`, the window starts at zero, and its events come out, oldest first, with the number that counted. Events
    /// that are no longer kept, and did not come out so, are added to `gone`.
    pub fn add(
        &mut self,
        sample: Sample<E>,
        within: Option<Span>,
        enough: u32,
        gone: &mut Vec<E>,
    ) -> Option<(Vec<E>, u64)> {
        let Sample { mut clock, value, event } = sample;
        if let Some(value) = value {
            if let Some(at) = self.values.iter().position(|known| *known == value) {
                // An event that came late does not make its value older.
                clock = clock.max(self.remove(at, gone));
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
            self.slide(newest, within, gone);
        }
        while self.kept.len() > MAX_KEPT {
            gone.extend(self.kept.pop_front());
        }
        let count = self.count();
        if count < u64::from(enough) {
            return None;
        }
        let kept = std::mem::take(self).kept;
        Some((kept.into(), count))
    }

    /// Drops what is out of the window at `now`: what is `within` old or older. Its events are added to `gone`.
    pub fn slide(&mut self, now: Time, within: Option<Span>, gone: &mut Vec<E>) {
        let Some(within) = within else { return };
        let stays = |clock: &Time| *clock + within > now;
        if self.clocks.iter().all(stays) {
            return;
        }
        // The kept events are those of the last ones.
        let of_kept = self.clocks.iter().skip(self.clocks.len() - self.kept.len());
        for (event, clock) in std::mem::take(&mut self.kept).into_iter().zip(of_kept) {
            if stays(clock) {
                self.kept.push_back(event);
            } else {
                gone.push(event);
            }
        }
        let mut of_values = self.clocks.iter();
        self.values.retain(|_| of_values.next().is_some_and(stays));
        self.clocks.retain(stays);
    }

    /// Takes one out, where values count; its time.
    fn remove(&mut self, at: usize, gone: &mut Vec<E>) -> Time {
        let without = self.clocks.len() - self.kept.len();
        self.values.remove(at);
        if let Some(at) = at.checked_sub(without) {
            gone.extend(self.kept.remove(at));
        }
        self.clocks.remove(at)
    }
}
