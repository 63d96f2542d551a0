//! Append time: it never goes back, and a clock that jumps is not believed at once.

use ensue_event::ours::Step;
use ensue_event::{Span, Time};
use ensue_pump::AppendClock;
use proptest::prelude::*;

const START: Time = Time::from_secs(1_000_000);

/// Readings as (wall, monotonic) seconds from the start, with the append time and what is told.
fn table(last: Option<i64>, rows: &[(i64, i64, i64, Option<Step>)]) {
    let at = |seconds: i64| START + Span::secs(seconds);
    let mut clock = AppendClock::after(last.map(at));
    for (n, (wall, mono, expected, step)) in rows.iter().enumerate() {
        let (time, told) = clock.read(at(*wall), Span::secs(*mono));
        let got = (time.since(START).micros() / 1_000_000, told.as_ref().map(|told| told.step));
        assert_eq!(got, (*expected, *step), "row {n}: wall {wall}, monotonic {mono}");
        assert_eq!(clock.last(), time);
    }
}

#[test]
fn a_clock_that_goes_well_is_followed() {
    table(
        None,
        &[(0, 0, 0, None), (1, 1, 1, None), (100, 100, 100, None), (130, 129, 130, None), (131, 131, 131, None)],
    );
    // Away for a week: only the wall clock knows.
    table(Some(0), &[(600_000, 5, 600_000, None), (600_001, 6, 600_001, None)]);
}

const YEAR: i64 = 365 * 86_400;

#[test]
fn a_clock_a_year_ahead_and_back() {
    table(
        Some(0),
        &[
            (10, 10, 10, None),
            // A year ahead: told, and not believed; time goes on by the monotonic clock.
            (YEAR + 20, 20, 20, Some(Step::Forward)),
            (YEAR + 30, 30, 30, None),
            (YEAR + 310, 310, 310, None),
            // Back within five minutes: as if nothing had been.
            (315, 315, 315, None),
            (316, 316, 316, None),
        ],
    );
    table(
        Some(0),
        &[
            (10, 10, 10, None),
            (YEAR + 20, 20, 20, Some(Step::Forward)),
            // Five minutes later it is believed.
            (YEAR + 320, 320, YEAR + 320, Some(Step::Believed)),
            (YEAR + 330, 330, YEAR + 330, None),
            // And back: time never goes back; it goes on at half speed until they meet.
            (340, 340, YEAR + 330, Some(Step::Back)),
            (360, 360, YEAR + 340, None),
            (361, 361, YEAR + 340, None),
        ],
    );
}

#[test]
fn a_clock_that_is_set_back_is_met_at_half_speed() {
    table(
        Some(0),
        &[
            (100, 100, 100, None),
            (40, 101, 100, Some(Step::Back)),
            (60, 121, 110, None),
            (100, 161, 130, None),
            (158, 219, 159, None),
            (162, 223, 162, None),
            (163, 224, 163, None),
        ],
    );
    // Behind at the start, as after a restart with a wrong clock.
    table(Some(1_000), &[(0, 7, 1_000, Some(Step::Back)), (20, 27, 1_010, None)]);
}

#[test]
fn a_clock_that_is_behind_and_jumps_ahead_is_not_believed_either() {
    table(
        Some(0),
        &[
            (100, 100, 100, None),
            (40, 101, 100, Some(Step::Back)),
            (YEAR, 103, 101, Some(Step::Forward)),
            (YEAR + 10, 113, 111, None),
            (YEAR + 300, 403, YEAR + 300, Some(Step::Believed)),
        ],
    );
    // Readings far apart are no jump: the clock went on by itself meanwhile.
    table(Some(0), &[(100, 100, 100, None), (40, 101, 100, Some(Step::Back)), (1_040, 1_101, 1_040, None)]);
}

#[test]
fn a_small_correction_is_no_step() {
    table(Some(0), &[(0, 0, 0, None), (60, 0, 60, None), (121, 60, 121, None)]);
    table(Some(0), &[(0, 0, 0, None), (61, 0, 0, Some(Step::Forward))]);
}

#[test]
fn what_is_told_says_by_how_much() {
    let mut clock = AppendClock::after(None);
    clock.read(START, Span::ZERO);
    let (_, told) = clock.read(START + Span::hours(1), Span::secs(1));
    let told = told.unwrap();
    assert_eq!((told.step, told.wall, told.by.to_string().as_str()), (Step::Forward, START + Span::hours(1), "59m59s"));
}

proptest! {
    #[test]
    fn time_never_goes_back(
        last in prop::option::of(-100_000_000_000_i64..100_000_000_000),
        rows in prop::collection::vec((-100_000_000_000_i64..100_000_000_000, 0_i64..1_000_000_000), 0..50),
    ) {
        let mut clock = AppendClock::after(last.map(|last| Time(START.0 + last)));
        let (mut mono, mut before) = (0, clock.last());
        for (wall, gone) in rows {
            mono += gone;
            let (time, _) = clock.read(Time(START.0 + wall), Span(mono));
            prop_assert!(time >= before);
            before = time;
        }
    }
}
