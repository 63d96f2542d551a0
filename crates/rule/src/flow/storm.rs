//! The storm breaker: past a rate, nothing passes but a try now and then.

use ensue_event::{Span, Time};
use serde::{Deserialize, Serialize};

use super::Sliding;

/// What rates are counted in, how often an open breaker lets one through, and how often it is told about.
pub const MINUTE: Span = Span::mins(1);
/// An open breaker closes when it has stopped nothing for so long.
pub const CLOSES_AFTER: Span = Span::mins(5);

/// A breaker of a rule, or of one of its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    window: Sliding,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    /// When one last passed, or when it opened.
    tried: Time,
    /// When it last stopped one.
    stopped: Time,
    /// When it was last told about.
    told: Time,
    /// How many it has stopped since it opened.
    many: u64,
}

impl Breaker {
    /// Whether one may pass at `now`.
    #[must_use]
    pub fn passes(&self, now: Time, limit: u32) -> bool {
        match self.opened(now) {
            Some(open) => now >= open.tried + MINUTE,
            None => self.window.full(now, limit, MINUTE).is_none(),
        }
    }

    /// One passes.
    pub fn pass(&mut self, now: Time, limit: u32) {
        self.open = self.opened(now).map(|open| Open { tried: now, ..open });
        self.window.take(now, limit, MINUTE);
    }

    /// One is stopped; true if it is to be told: when it opens, and then once a minute.
    pub fn stop(&mut self, now: Time) -> bool {
        let before = self.opened(now);
        let mut open = before.unwrap_or(Open { tried: now, stopped: now, told: now, many: 0 });
        (open.stopped, open.many) = (now, open.many.saturating_add(1));
        let tell = before.is_none() || now >= open.told + MINUTE;
        if tell {
            open.told = now;
        }
        self.open = Some(open);
        tell
    }

    /// How many it has stopped since it opened; nothing if it is closed.
    #[must_use]
    pub fn stopped(&self, now: Time) -> Option<u64> {
        self.opened(now).map(|open| open.many)
    }

    /// When an open breaker lets the next one try, and when it closes if it stops nothing more.
    #[must_use]
    pub fn until(&self, now: Time) -> Option<(Time, Time)> {
        self.opened(now).map(|open| (open.tried + MINUTE, open.stopped + CLOSES_AFTER))
    }

    /// Whether it is as if nothing had ever been.
    #[must_use]
    pub fn idle(&self, now: Time) -> bool {
        self.opened(now).is_none() && self.window.count(now, MINUTE) == 0
    }

    fn opened(&self, now: Time) -> Option<Open> {
        self.open.filter(|open| now < open.stopped + CLOSES_AFTER)
    }
}
