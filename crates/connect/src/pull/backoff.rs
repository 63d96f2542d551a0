//! Pauses between tries to connect: longer each time, and never the same for two who lost the same server.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// The longest pause before the second try.
const FIRST: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(30);

/// Pauses with full jitter: each is between nothing and twice as much as the one before could be, to 30 s.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next pause; at least this long, where the other side asked for it.
    pub fn next(&mut self, at_least: Option<Duration>) -> Duration {
        let most = FIRST.saturating_mul(1 << self.tries.min(10)).min(LONGEST);
        self.tries = self.tries.saturating_add(1);
        let pause = most.mul_f64(chance());
        at_least.map_or(pause, |asked| asked.min(LONGEST * 10) + pause.min(asked))
    }

    /// It went well: the next pause is a short one again.
    pub fn reset(&mut self) {
        self.tries = 0;
    }

    /// How many pauses there were since it went well.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.tries
    }
}

/// From 0 to 1, another one each time: a hasher of the standard library is seeded by the system.
#[allow(clippy::cast_precision_loss)] // 53 bits fit
pub(crate) fn chance() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_differ() {
        let mut backoff = Backoff::default();
        let pauses: Vec<Duration> = (0..40).map(|_| backoff.next(None)).collect();
        assert!(pauses[0] <= FIRST);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST));
        assert!(pauses.iter().max() > Some(&Duration::from_secs(5)), "{pauses:?}");
        let distinct: std::collections::BTreeSet<&Duration> = pauses.iter().collect();
        assert!(distinct.len() > 30);
        backoff.reset();
        assert!(backoff.next(None) <= FIRST);
        assert!(backoff.next(Some(Duration::from_secs(3))) >= Duration::from_secs(3));
    }
}
