//! Append time: it never goes back, and a clock that jumps is not believed at once.

use ensue_event::ours::{ClockStepped, Step};
use ensue_event::{Span, Time};

/// A forward step larger than this against the monotonic clock is a jump: more than any sane correction, less than
/// what would fire an hour of timers.
const JUMP: Span = Span::secs(60);
/// How long a jump must last to be believed.
const BELIEVED_AFTER: Span = Span::mins(5);

/// Turns readings of the wall clock and the monotonic clock into append times.
#[derive(Debug, Clone)]
pub struct AppendClock {
    last: Time,
    /// The readings before.
    before: Option<(Time, Span)>,
    mode: Mode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Following,
    /// The wall clock is behind: half speed until it meets us.
    Behind,
    /// The wall clock jumped ahead, at this monotonic reading: the monotonic clock leads.
    Ahead(Span),
}

impl AppendClock {
    /// A clock that goes on after `last`, the append time of the last record, if there is one.
    #[must_use]
    pub fn after(last: Option<Time>) -> AppendClock {
        AppendClock { last: last.unwrap_or(Time::MIN), before: None, mode: Mode::Following }
    }

    /// The append time for these readings, and what is to be told if the clock stepped. `mono` is any clock that never
    /// goes back, since any origin.
    pub fn read(&mut self, wall: Time, mono: Span) -> (Time, Option<ClockStepped>) {
        let before = self.before.replace((wall, mono));
        let Some((wall_before, mono_before)) = before else {
            // The first reading: how long we were away is only the wall clock's to say.
            return if wall >= self.last { self.follow(wall, None) } else { self.fall_behind(wall) };
        };
        let gone = Span((mono.micros() - mono_before.micros()).max(0));
        let expected = self.last + gone;
        match self.mode {
            Mode::Following if wall < self.last => self.fall_behind(wall),
            Mode::Following if wall.since(expected) > JUMP => {
                self.mode = Mode::Ahead(mono);
                self.last = expected;
                (self.last, Some(told(Step::Forward, wall, self.last)))
            }
            Mode::Following => self.follow(wall, None),
            Mode::Behind => {
                let half = self.last + Span(gone.micros() / 2);
                if wall < half {
                    self.last = half;
                    return (self.last, None);
                }
                // They meet: on their own, or because the wall clock jumped past us.
                if wall.since(wall_before + gone) > JUMP && wall.since(half) > JUMP {
                    (self.mode, self.last) = (Mode::Ahead(mono), half);
                    return (self.last, Some(told(Step::Forward, wall, half)));
                }
                self.follow(wall, None)
            }
            Mode::Ahead(_) if wall.since(expected) <= JUMP => self.follow(wall.max(self.last), None),
            Mode::Ahead(since) if mono.micros() - since.micros() >= BELIEVED_AFTER.micros() => {
                let step = told(Step::Believed, wall, expected);
                self.follow(wall, Some(step))
            }
            Mode::Ahead(_) => {
                self.last = expected;
                (self.last, None)
            }
        }
    }

    /// The last time given.
    #[must_use]
    pub fn last(&self) -> Time {
        self.last
    }

    fn follow(&mut self, wall: Time, step: Option<ClockStepped>) -> (Time, Option<ClockStepped>) {
        (self.mode, self.last) = (Mode::Following, wall);
        (wall, step)
    }

    fn fall_behind(&mut self, wall: Time) -> (Time, Option<ClockStepped>) {
        self.mode = Mode::Behind;
        (self.last, Some(told(Step::Back, wall, self.last)))
    }
}

fn told(step: Step, wall: Time, ours: Time) -> ClockStepped {
    ClockStepped { step, wall, by: wall.since(ours) }
}
