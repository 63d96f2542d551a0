//! Absence: something does not come, after an event or since it was last seen.

use ensue_event::{Span, Time};

use super::{Kept, MAX_HALVES, Repeat, Step};

/// Absences of a key that an `after` event armed, oldest first: each with the moment at which it fires.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Armed(pub Vec<(Time, Kept)>);

impl Armed {
    /// Whether none is armed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An `after` event: what it arms is due at `due`.
    pub fn arm(&mut self, repeat: Repeat, due: Time, event: Kept) -> Step {
        let full = self.0.len() >= MAX_HALVES;
        match (repeat, self.0.last_mut()) {
            (Repeat::Ignore, Some(_)) => return Step::Nothing,
            (Repeat::Restart, Some(last)) => *last = (due, event),
            _ if full => return Step::Full,
            _ => self.0.push((due, event)),
        }
        Step::Kept
    }

    /// What was waited for came: it answers the oldest.
    pub fn answer(&mut self) -> Option<Kept> {
        if self.0.is_empty() { None } else { Some(self.0.remove(0).1) }
    }

    /// Takes out what is due at `now`, in the order in which it is due.
    pub fn fire(&mut self, now: Time) -> Vec<(Time, Kept)> {
        let mut fired: Vec<(Time, Kept)> = self.0.extract_if(.., |(due, _)| *due <= now).collect();
        fired.sort_by_key(|(due, _)| *due);
        fired
    }

    /// When the next one is due.
    #[must_use]
    pub fn due(&self) -> Option<Time> {
        self.0.iter().map(|(due, _)| *due).min()
    }
}

/// The silence of a key of an `absence` without `after`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    /// When it has lasted long enough; nothing once that was said: it is said once a silence.
    pub due: Option<Time>,
    /// When the key was last seen.
    pub seen: Option<Time>,
    /// The rule expects the key: it is never forgotten.
    pub expected: bool,
}

impl Silence {
    /// The key was seen at `clock`; a silence from there on is due at `due`. An event that came late does not take
    /// either back.
    pub fn seen(&mut self, clock: Time, due: Time) {
        if self.seen.is_some_and(|seen| seen > clock) {
            return;
        }
        (self.seen, self.due) = (Some(clock), Some(due));
    }

    /// The moment since which there is silence, if it has lasted long enough at `now`; said once.
    pub fn fire(&mut self, now: Time) -> Option<Time> {
        self.due.take_if(|due| *due <= now)
    }

    /// When the key is forgotten; not before its silence was told.
    #[must_use]
    pub fn forgotten(&self, remember: Span) -> Option<Time> {
        if self.expected || self.due.is_some() {
            return None;
        }
        self.seen.map(|seen| seen + remember)
    }
}
