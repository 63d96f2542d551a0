//! How many within a time that slides.

use ensue_event::{Span, Time};
use serde::{Deserialize, Serialize};

/// The most points in time that a window keeps. Up to as many as a limit it is exact; past that, what happened within
/// one part in so many of the window counts as if it had happened at the end of that part: never too many pass, and one
/// passes at most that much later than it could.
pub const GRAINS: u32 = 256;

/// The times at which something was taken, oldest first, each with how often (microseconds since 1970).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sliding {
    taken: Vec<(i64, u32)>,
}

impl Sliding {
    /// How many were taken within `per` before `now`.
    #[must_use]
    pub fn count(&self, now: Time, per: Span) -> u64 {
        self.taken.iter().filter(|(at, _)| now < Time(*at) + per).map(|(_, many)| u64::from(*many)).sum()
    }

    /// Nothing if one more can be taken at `now`; else when one can.
    #[must_use]
    pub fn full(&self, now: Time, limit: u32, per: Span) -> Option<Time> {
        self.full_behind(now, limit, per, 0)
    }

    /// As [`Sliding::full`], for one that has `before` others before it in a queue.
    #[must_use]
    pub fn full_behind(&self, now: Time, limit: u32, per: Span, before: u64) -> Option<Time> {
        let (limit, taken) = (u64::from(limit.max(1)), self.count(now, per));
        let over = (taken + before + 1).checked_sub(limit).filter(|over| *over > 0)?;
        // Places come free one by one and are taken again by those before in the queue: a whole window later for each
        // `limit` of them.
        let (mut nth, rounds) = match taken.checked_sub(limit) {
            Some(more) => (more + before % limit, before / limit),
            None => (over - 1, 0),
        };
        let rounds = i64::try_from(rounds).unwrap_or(i64::MAX);
        for (at, many) in self.taken.iter().filter(|(at, _)| now < Time(*at) + per) {
            match nth.checked_sub(u64::from(*many)) {
                Some(rest) => nth = rest,
                None => return Some(Time(*at) + per + Span(per.0.saturating_mul(rounds))),
            }
        }
        Some(now + Span(per.0.saturating_mul(rounds)))
    }

    /// Takes one at `now`, and forgets what does not count any more.
    pub fn take(&mut self, now: Time, limit: u32, per: Span) {
        self.taken.retain(|(at, _)| now < Time(*at) + per);
        let grain = if limit > GRAINS { per.0 / i64::from(GRAINS) } else { 0 };
        match self.taken.last_mut() {
            // Of one part, the last moment stands for all.
            Some((at, many)) if now.0 <= *at || grain > 0 && now.0.div_euclid(grain) == at.div_euclid(grain) => {
                *at = now.0.max(*at);
                *many = many.saturating_add(1);
            }
            _ => self.taken.push((now.0, 1)),
        }
    }

    /// When nothing counts any more.
    #[must_use]
    pub fn ends(&self, per: Span) -> Option<Time> {
        self.taken.last().map(|(at, _)| Time(*at) + per)
    }
}
