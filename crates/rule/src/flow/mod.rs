//! How often matches become firings, and how many of them run: the machines, without what they hold.
//!
//! A machine says for each thing that is offered what becomes of it, given the time; the things themselves are kept by
//! whoever asks, under the numbers of a [`Line`]. Each is small (a few hundred bytes, whatever its limits) and costs the
//! same however much it holds. Time never goes back: an earlier `now` counts as the latest one seen.
//!
//! Ends are excluded everywhere: what was done at `t` counts against a window `w` until just before `t + w`.

mod batch;
mod debounce;
mod dedupe;
mod line;
mod slots;
mod storm;
mod throttle;
mod window;

pub use batch::Gather;
pub use debounce::Quiet;
pub use dedupe::Once;
pub use line::Line;
pub use slots::{Policy, Seat, Slots};
pub use storm::{Breaker, CLOSES_AFTER, MINUTE};
pub use throttle::{Offer, Rate, Throttle};
pub use window::{GRAINS, Sliding};
