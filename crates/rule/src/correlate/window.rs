//! The window of `count`: so many events, or so many different values, within a time that slides.

use ensue_event::{Key, Span, Time};

/// The most events of a window that are kept: the newest.
const MAX_KEPT: usize = 100;

/// What is counted of a key. `E` stands for an event that is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Window<E> {
    /// What is kept beside the events; few windows need it.
    beside: Option<Box<Beside>>,
    /// The newest that count, in the order in which they were taken: their times and events.
    kept: Box<[(Time, E)]>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Beside {
    /// The times of those that count and were taken before.
    clocks: Vec<Time>,
    /// The hashes of the values of all that count, where different values do.
    values: Vec<Key>,
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
        Window { beside: None, kept: Box::default() }
    }
}

impl<E> Window<E> {
    /// A window with so many times, none or as many values, and the events of the last ones. Nothing if these do not fit.
    #[must_use]
    pub fn of(mut clocks: Vec<Time>, values: Vec<Key>, events: Vec<E>) -> Option<Window<E>> {
        if !(values.is_empty() || values.len() == clocks.len()) {
            return None;
        }
        let newest = clocks.split_off(clocks.len().checked_sub(events.len())?);
        let mut window = Window { beside: None, kept: newest.into_iter().zip(events).collect() };
        window.put_beside(Beside { clocks, values });
        Some(window)
    }

    /// Whether nothing counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// The number that counts.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.clocks().len() as u64
    }

    /// The times of all that count, in the order in which they were taken.
    pub fn clocks(&self) -> impl ExactSizeIterator<Item = Time> + '_ {
        let before = self.beside.as_ref().map_or(&[] as &[Time], |beside| &beside.clocks);
        let total = before.len() + self.kept.len();
        let mut all = before.iter().copied().chain(self.kept.iter().map(|(clock, _)| *clock));
        (0..total).map(move |_| all.next().unwrap_or(Time::MIN))
    }

    /// The hashes of their values, where different values count; else none.
    #[must_use]
    pub fn values(&self) -> &[Key] {
        self.beside.as_ref().map_or(&[], |beside| &beside.values)
    }

    /// The events that are kept: those of the last ones.
    pub fn kept(&self) -> impl ExactSizeIterator<Item = &E> + DoubleEndedIterator {
        self.kept.iter().map(|(_, event)| event)
    }

    /// The time of the newest.
    #[must_use]
    pub fn newest(&self) -> Option<Time> {
        self.clocks().max()
    }

    /// The time of the oldest.
    #[must_use]
    pub fn oldest(&self) -> Option<Time> {
        self.clocks().min()
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
        let mut beside = self.take_beside();
        let mut kept = std::mem::take(&mut self.kept).into_vec();
        if let Some(value) = value {
            if let Some(at) = beside.values.iter().position(|known| *known == value) {
                beside.values.remove(at);
                let old = match at.checked_sub(beside.clocks.len()) {
                    None => beside.clocks.remove(at),
                    Some(at) => {
                        let (old, event) = kept.remove(at);
                        gone.push(event);
                        old
                    }
                };
                // An event that came late does not make its value older.
                clock = clock.max(old);
            }
            beside.values.push(value);
        }
        // There are many windows: none has room to spare.
        kept.reserve_exact(1);
        kept.push((clock, event));
        if kept.len() > MAX_KEPT {
            for (clock, event) in kept.drain(..kept.len() - MAX_KEPT) {
                beside.clocks.push(clock);
                gone.push(event);
            }
        }
        self.kept = kept.into();
        self.put_beside(beside);
        // Nor does it take the window back.
        if let Some(newest) = self.newest() {
            self.slide(newest, within, gone);
        }
        let count = self.count();
        if count < u64::from(enough) {
            return None;
        }
        let kept = std::mem::take(self).kept.into_vec();
        Some((kept.into_iter().map(|(_, event)| event).collect(), count))
    }

    /// Drops what is out of the window at `now`: what is `within` old or older. Its events are added to `gone`.
    pub fn slide(&mut self, now: Time, within: Option<Span>, gone: &mut Vec<E>) {
        let Some(within) = within else { return };
        let stays = |clock: Time| clock + within > now;
        if self.clocks().all(stays) {
            return;
        }
        let mut beside = self.take_beside();
        let mut of_values = beside.clocks.iter().copied().chain(self.kept.iter().map(|(clock, _)| *clock));
        beside.values.retain(|_| of_values.next().is_some_and(stays));
        beside.clocks.retain(|clock| stays(*clock));
        let (kept, old): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.kept).into_vec().into_iter().partition(|(clock, _)| stays(*clock));
        gone.extend(old.into_iter().map(|(_, event)| event));
        self.kept = kept.into();
        self.put_beside(beside);
    }

    /// Empties it; its events.
    pub fn clear(&mut self) -> Vec<E> {
        std::mem::take(self).kept.into_vec().into_iter().map(|(_, event)| event).collect()
    }

    fn take_beside(&mut self) -> Beside {
        self.beside.take().map(|beside| *beside).unwrap_or_default()
    }

    fn put_beside(&mut self, beside: Beside) {
        let empty = beside.clocks.is_empty() && beside.values.is_empty();
        self.beside = if empty { None } else { Some(Box::new(beside)) };
    }
}
