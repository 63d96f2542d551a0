//! The machines of flow control, held against models that keep everything and look at all of it each time.

use std::collections::VecDeque;

use ensue_event::{Key, Span, Time};
use ensue_rule::flow::{
    Breaker, CLOSES_AFTER, GRAINS, Gather, Line, MINUTE, Offer, Once, Policy, Quiet, Rate, Seat, Sliding, Slots,
    Throttle,
};
use proptest::prelude::*;

fn at(seconds: i64) -> Time {
    Time::from_secs(seconds)
}

/// Times that go on by a few seconds, often by none.
fn times(most: i64, many: usize) -> impl Strategy<Value = Vec<Time>> {
    prop::collection::vec(prop_oneof![2 => Just(0), 5 => 0..most], 1..many).prop_map(|steps| {
        let mut now = 0;
        steps.iter().map(|step| (now += step, at(now)).1).collect()
    })
}

/// A machine as it is after a crash: what its row says.
fn reread<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(machine: &T) -> T {
    let read = serde_json::from_slice(&serde_json::to_vec(machine).unwrap()).unwrap();
    assert_eq!(&read, machine);
    read
}

/// Those of these times that count within `per` before `now`; the end is excluded.
fn within(taken: &[Time], now: Time, per: Span) -> u64 {
    taken.iter().filter(|at| now < **at + per).count() as u64
}

#[test]
fn the_end_of_every_window_is_excluded() {
    let just_before = |time: Time| time - Span(1);
    let once = Once::new(at(0), Span::secs(60));
    assert!(once.holds(at(0)) && once.holds(just_before(at(60))) && !once.holds(at(60)));

    let mut window = Sliding::default();
    window.take(at(0), 1, Span::secs(60));
    assert_eq!(window.full(just_before(at(60)), 1, Span::secs(60)), Some(at(60)));
    assert_eq!(window.full(at(60), 1, Span::secs(60)), None);

    let mut breaker = Breaker::default();
    assert!(breaker.passes(at(0), 1));
    breaker.pass(at(0), 1);
    assert!(!breaker.passes(just_before(at(60)), 1) && breaker.passes(at(60), 1));
}

#[test]
fn a_breaker_tries_one_a_minute_tells_once_a_minute_and_closes_after_five_quiet_ones() {
    let mut breaker = Breaker::default();
    for _ in 0..3 {
        assert!(breaker.passes(at(0), 3));
        breaker.pass(at(0), 3);
    }
    assert!(!breaker.passes(at(0), 3));
    assert!(breaker.stop(at(0)), "it opens, and that is told");
    // (second, passes, told)
    for (second, passes, told) in [
        (1, false, false),
        (59, false, false),
        (60, true, false),
        (61, false, true),
        (119, false, false),
        (120, true, false),
        (121, false, true),
    ] {
        assert_eq!(breaker.passes(at(second), 3), passes, "{second}");
        if passes {
            breaker.pass(at(second), 3);
        } else {
            assert_eq!(breaker.stop(at(second)), told, "{second}");
        }
        breaker = reread(&breaker);
    }
    assert_eq!(breaker.stopped(at(121)), Some(6));
    // One a minute is no storm: nothing more is stopped.
    for minute in 3..7 {
        assert!(breaker.passes(at(minute * 60), 3), "{minute}");
        breaker.pass(at(minute * 60), 3);
    }
    assert_eq!(breaker.until(at(360)), Some((at(420), at(421))));
    assert!(breaker.stopped(at(421) - Span(1)).is_some() && breaker.stopped(at(421)).is_none());
    // The last minute of it counts as any other minute does.
    assert!(!breaker.idle(at(419)) && !breaker.idle(at(420)) && breaker.idle(at(421)));
}

#[test]
fn a_burst_ends_when_it_is_quiet_and_at_the_latest_after_max() {
    let (quiet, max) = (Span::secs(10), Some(Span::secs(25)));
    let mut burst = Quiet::new(at(0));
    assert_eq!((burst.due(quiet, max), burst.due(quiet, None)), (at(10), at(10)));
    for (second, due) in [(9, 19), (18, 25), (24, 25)] {
        burst.again(at(second));
        assert_eq!(burst.due(quiet, max), at(due), "{second}");
    }
    assert_eq!(burst.due(quiet, None), at(34));
    assert_eq!(reread(&burst), burst);
}

#[test]
fn a_batch_is_full_at_its_size_and_at_a_thousand() {
    for (size, full) in [(Some(1), 1), (Some(3), 3), (Some(5_000), 1_000), (None, 1_000)] {
        let mut gather = Gather::new(at(0));
        let mut many = 0;
        while !gather.full(size) {
            assert_eq!(gather.add(), many);
            many += 1;
        }
        assert_eq!(many, full, "{size:?}");
        assert_eq!(gather.line().numbers(), 0..full);
    }
    let gather = Gather::new(at(5));
    assert_eq!((gather.due(Some(Span::secs(10))), gather.due(None)), (Some(at(15)), None));
}

#[test]
fn machines_stay_small_whatever_their_limits() {
    let mut window = Sliding::default();
    for n in 0..50_000 {
        window.take(Time(n * 3_001), 1_000_000, Span::mins(10));
    }
    assert_eq!(window.count(Time(50_000 * 3_001), Span::mins(10)), 50_000, "nothing is forgotten too early");
    assert!(serde_json::to_vec(&window).unwrap().len() < GRAINS as usize * 32);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_window_is_exact(times in times(8, 80), limit in 1_u32..5, per in 1_i64..30) {
        let per = Span::secs(per);
        let (mut window, mut taken) = (Sliding::default(), Vec::new());
        for now in times {
            let full = window.full(now, limit, per);
            prop_assert_eq!(full.is_some(), within(&taken, now, per) >= u64::from(limit));
            match full {
                // The time that is named is the first at which there is room.
                Some(until) => {
                    prop_assert!(within(&taken, until, per) < u64::from(limit));
                    prop_assert!(within(&taken, until - Span(1), per) >= u64::from(limit));
                }
                None => {
                    window.take(now, limit, per);
                    taken.push(now);
                }
            }
            window = reread(&window);
        }
    }

    #[test]
    fn a_throttle_drops_or_keeps_in_line(times in times(6, 80), limit in 1_u32..4, per in 1_i64..30, queue in 0_u64..6) {
        let rate = Rate { limit, per: Span::secs(per), queue };
        let mut throttle = Throttle::default();
        // The model: everything that passed, and those that wait with the time that they were promised.
        let (mut passed, mut waiting, mut wake) = (Vec::new(), VecDeque::new(), None);
        for now in times {
            // Timers that are due come first, each at its time.
            while let Some(due) = wake.filter(|due| *due <= now && !waiting.is_empty()) {
                let mut any = false;
                while let Some(number) = throttle.release(due, rate) {
                    let (expected, until) = waiting.pop_front().unwrap();
                    prop_assert_eq!((number, due), (expected, until), "in line, when it was said");
                    prop_assert!(within(&passed, due, rate.per) < u64::from(limit));
                    passed.push(due);
                    any = true;
                }
                prop_assert!(any);
                wake = throttle.due(due, rate);
            }
            let room = within(&passed, now, rate.per) < u64::from(limit);
            match throttle.offer(now, rate) {
                Offer::Pass => {
                    prop_assert!(room && waiting.is_empty());
                    passed.push(now);
                }
                Offer::Drop { until } => {
                    prop_assert!(!room && queue == 0);
                    prop_assert!(within(&passed, until, rate.per) < u64::from(limit));
                }
                Offer::Wait { number, until } => {
                    prop_assert!(!room || !waiting.is_empty());
                    waiting.push_back((number, until));
                }
                Offer::Full => prop_assert!(queue > 0 && waiting.len() as u64 == queue),
            }
            wake = throttle.due(now, rate);
            prop_assert_eq!(throttle.line().len(), waiting.len() as u64);
            throttle = reread(&throttle);
        }
    }

    #[test]
    fn a_breaker_is_what_it_is_called(times in times(40, 120), limit in 1_u32..5) {
        let mut breaker = Breaker::default();
        // Everything that was offered, and whether it passed.
        let mut all: Vec<(Time, bool)> = Vec::new();
        let mut opened = None;
        for now in times {
            let stopped = all.iter().rev().find(|(_, passed)| !passed).map(|(at, _)| *at);
            let open = stopped.is_some_and(|at| now < at + CLOSES_AFTER);
            let passed: Vec<Time> = all.iter().filter(|(_, passed)| *passed).map(|(at, _)| *at).collect();
            let expected = if open {
                let tried = passed.last().copied().into_iter().chain(opened).max();
                tried.is_none_or(|tried| now >= tried + MINUTE)
            } else {
                within(&passed, now, MINUTE) < u64::from(limit)
            };
            prop_assert_eq!(breaker.passes(now, limit), expected);
            prop_assert_eq!(breaker.stopped(now).is_some(), open);
            if expected {
                breaker.pass(now, limit);
            } else {
                if !open {
                    opened = Some(now);
                }
                breaker.stop(now);
            }
            all.push((now, expected));
            breaker = reread(&breaker);
        }
    }

    #[test]
    fn no_more_than_so_many_run(
        acts in prop::collection::vec((0_u8..4, any::<prop::sample::Index>()), 1..80),
        limit in 1_u32..4, policy in 0_usize..4,
    ) {
        let policy = [Policy::Queue { most: 3 }, Policy::Latest, Policy::Skip, Policy::CancelRunning][policy];
        let (mut slots, mut running, mut waiting) = (Slots::default(), Vec::new(), VecDeque::new());
        for (n, (act, index)) in acts.into_iter().enumerate() {
            let run = Key([u8::try_from(n).unwrap(); 16]);
            if act == 0 && !running.is_empty() {
                // One ends, and the next begins.
                let over: Key = running.remove(index.index(running.len()));
                prop_assert!(slots.leave(over) && !slots.leave(over));
                while let Some(number) = slots.next(limit) {
                    let (expected, run) = waiting.pop_front().unwrap();
                    prop_assert_eq!(number, expected);
                    slots.enter(run);
                    running.push(run);
                }
                prop_assert!(waiting.is_empty() || running.len() == limit as usize);
                continue;
            }
            match slots.offer(run, limit, policy) {
                Seat::Begins => {
                    prop_assert!(running.len() < limit as usize && waiting.is_empty());
                    running.push(run);
                }
                Seat::Waits { number, replaced, cancels } => {
                    let gone: Vec<u64> = match policy {
                        Policy::Queue { .. } => Vec::new(),
                        _ => waiting.drain(..).map(|(number, _)| number).collect(),
                    };
                    prop_assert_eq!(replaced, gone);
                    prop_assert_eq!(cancels, if policy == Policy::CancelRunning { running.clone() } else { Vec::new() });
                    waiting.push_back((number, run));
                }
                Seat::Skipped(go_on) => {
                    prop_assert_eq!(policy, Policy::Skip);
                    prop_assert_eq!(&go_on, &running);
                }
                Seat::Full => prop_assert_eq!(waiting.len(), 3),
            }
            prop_assert_eq!(slots.running(), &running);
            prop_assert_eq!(slots.line().len(), waiting.len() as u64);
            prop_assert_eq!(slots.idle(), running.is_empty() && waiting.is_empty());
            slots = reread(&slots);
        }
    }

    #[test]
    fn a_line_is_a_queue(acts in prop::collection::vec(any::<bool>(), 0..60)) {
        let (mut line, mut model, mut next) = (Line::default(), VecDeque::new(), 0);
        for push in acts {
            if push {
                prop_assert_eq!(line.push(), next);
                model.push_back(next);
                next += 1;
            } else {
                prop_assert_eq!(line.pop(), model.pop_front());
            }
            prop_assert_eq!(line.numbers().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<u64>>());
            prop_assert_eq!((line.first(), line.len(), line.is_empty()), (model.front().copied(), model.len() as u64, model.is_empty()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

    #[test]
    fn a_wide_window_never_lets_too_many_pass_and_holds_one_for_a_grain_at_most(
        steps in prop::collection::vec(0_i64..4_000, 500..1_000), limit in 257_u32..900,
    ) {
        let per = Span::millis(1_000);
        let grain = Span(per.0 / i64::from(GRAINS));
        let (mut window, mut taken, mut now) = (Sliding::default(), Vec::new(), Time(0));
        for step in steps {
            now = now + Span(step);
            taken.retain(|at| now < *at + per + grain);
            if window.full(now, limit, per).is_some() {
                prop_assert!(within(&taken, now, Span(per.0 + grain.0)) >= u64::from(limit));
            } else {
                prop_assert!(within(&taken, now, per) < u64::from(limit));
                window.take(now, limit, per);
                taken.push(now);
            }
        }
    }
}
