//! When to try again.

use ensue_event::ours::Failure;
use ensue_event::{Key, Span};
use ensue_lang::{Backoff, Jitter, Retry};

/// What a step without `retry` gets where its action declares that a retry is safe and sensible: definite network
/// failures, 429 and 5xx, three more tries within about seven seconds.
#[must_use]
pub fn default_policy() -> Retry {
    Retry {
        max: 3,
        backoff: Backoff::Exponential,
        initial: 1_000_000,
        cap: 30_000_000,
        jitter: Jitter::Full,
        on: Vec::new(),
    }
}

/// How long to wait after so many tries that failed, or nothing if there is no other try. A `retryAfter` of the other side is
/// honoured where it is longer, up to an hour. Jitter is a hash of effect and count, so that a rebuild waits the same.
#[must_use]
pub fn delay(policy: &Retry, failure: &Failure, effect: Key, failed: u32) -> Option<Span> {
    let wanted = if policy.on.is_empty() { failure.retryable } else { policy.on.contains(&failure.name) };
    if !wanted || failed > policy.max {
        return None;
    }
    let (initial, step) = (policy.initial.max(0), i64::from(failed));
    let full = match policy.backoff {
        Backoff::Constant => initial,
        Backoff::Linear => initial.saturating_mul(step),
        Backoff::Exponential => initial.saturating_mul(1_i64.checked_shl(failed.saturating_sub(1)).unwrap_or(i64::MAX)),
    };
    // A shift past the sign bit is negative: it is far beyond any cap.
    let full = if full < 0 { policy.cap } else { full.min(policy.cap) };
    let wait = match policy.jitter {
        Jitter::None => full,
        // "Full jitter": anything between nothing and the whole delay (Brooker, "Exponential Backoff And Jitter").
        Jitter::Full => {
            let Key(hash) = Key::of("jitter", &[&effect.0, &failed.to_be_bytes()]);
            let [a, b, c, d, ..] = hash;
            let part = i64::from(u32::from_be_bytes([a, b, c, d]));
            let share = i128::from(full) * i128::from(part) / i128::from(u32::MAX);
            i64::try_from(share).unwrap_or(full)
        }
    };
    let asked = failure.retry_after.map_or(0, |span| span.micros().clamp(0, Span::hours(1).micros()));
    Some(Span(wait.max(asked)))
}
