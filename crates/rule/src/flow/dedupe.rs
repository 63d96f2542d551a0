//! The same is done once within a window.

use ensue_event::{Span, Time};
use serde::{Deserialize, Serialize};

/// The first of its kind; the window begins with it, and later ones do not make it longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Once {
    /// From when on the same is done again.
    pub until: Time,
}

impl Once {
    /// The first one.
    #[must_use]
    pub fn new(now: Time, window: Span) -> Once {
        Once { until: now + window }
    }

    /// Whether one at `now` is the same once more.
    #[must_use]
    pub fn holds(&self, now: Time) -> bool {
        now < self.until
    }
}
