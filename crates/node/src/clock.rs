//! The time of appends, for all threads: readings of the clocks of the machine, made to go forward only.

use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ensue_event::ours::ClockStepped;
use ensue_event::{Span, Time};
use ensue_pump::AppendClock;

/// The append clock over the clocks of the machine.
#[derive(Debug)]
pub(crate) struct Clock {
    origin: Instant,
    inner: Mutex<(AppendClock, Vec<ClockStepped>)>,
}

impl Clock {
    /// A clock that goes on after `last`, the append time of the last record.
    pub(crate) fn after(last: Option<Time>) -> Clock {
        Clock { origin: Instant::now(), inner: Mutex::new((AppendClock::after(last), Vec::new())) }
    }

    /// The time now; never before one that was given earlier.
    pub(crate) fn now(&self) -> Time {
        let mono = Span(i64::try_from(self.origin.elapsed().as_micros()).unwrap_or(i64::MAX));
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (time, told) = inner.0.read(wall(), mono);
        inner.1.extend(told);
        time
    }

    /// What the wall clock did since it was asked last: to be appended by the writer.
    pub(crate) fn steps(&self) -> Vec<ClockStepped> {
        std::mem::take(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner).1)
    }
}

/// What the wall clock says.
pub(crate) fn wall() -> Time {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
        Err(before) => Time(i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros)),
    }
}
