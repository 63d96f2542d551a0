//! The machines of correlation against naive ones that keep the whole history and look at all of it for every event.

use std::collections::BTreeSet;
use std::sync::Arc;

use ensue_event::{Event, Key, Position, Span, Time};
use ensue_rule::correlate::{Armed, Halves, Kept, MAX_HALVES, Plan, Repeat, Sample, Silence, Step, Window};
use proptest::prelude::*;
use proptest::sample::select;

/// An event of a history: which items it meets, and when.
#[derive(Clone, Debug)]
struct Past {
    fits: Vec<u16>,
    clock: i64,
}

fn kept(item: u16, position: usize, clock: i64) -> Kept {
    let event = Arc::new(Event::new("e", "/test", "t"));
    Kept { item, position: Position(position as u64), at: Time(clock), event }
}

/// Events that meet some of `items`, each a few moments after the one before.
fn history(items: u16) -> impl Strategy<Value = Vec<Past>> {
    let one = (prop::collection::btree_set(0..items, 1..=usize::from(items).min(2)), 0_i64..5);
    prop::collection::vec(one, 0..60).prop_map(|steps| {
        let mut clock = 0;
        let past = |(fits, gap): (BTreeSet<u16>, i64)| {
            clock += gap;
            Past { fits: fits.into_iter().collect(), clock }
        };
        steps.into_iter().map(past).collect()
    })
}

fn repeat() -> impl Strategy<Value = Repeat> {
    select(vec![Repeat::Restart, Repeat::Ignore, Repeat::Each])
}

/// A half-match as a table: of each item, the number of the event in the history.
#[derive(Clone, Debug, PartialEq)]
struct Slots {
    of: Vec<Option<usize>>,
    first: usize,
    start: i64,
}

impl Slots {
    fn filled(&self) -> usize {
        self.of.iter().flatten().count()
    }

    /// Its events in the order in which they came.
    fn events(&self) -> Vec<(usize, usize)> {
        let mut all: Vec<_> = self.of.iter().enumerate().filter_map(|(item, at)| Some(((*at)?, item))).collect();
        all.sort_unstable();
        all.into_iter().map(|(at, item)| (item, at)).collect()
    }
}

/// What the naive machine has at the end: completed matches, half-matches, how many were too old and how many too many.
type Made = (Vec<Vec<(usize, usize)>>, Vec<Slots>, usize, usize);

/// What the language says, sentence by sentence.
fn naive(plan: &Plan, history: &[Past]) -> Made {
    let items = usize::from(plan.items);
    let (mut halves, mut done, mut expired, mut full): (Vec<Slots>, Vec<_>, usize, usize) = (vec![], vec![], 0, 0);
    for (at, past) in history.iter().enumerate() {
        let before = halves.len();
        halves.retain(|half| plan.within.is_none_or(|within| past.clock - half.start < within.micros()));
        expired += before - halves.len();
        let fits = |item: usize| past.fits.contains(&(item as u16));
        // Every way in which it could be taken: (the item if they are ordered, how well, which half-match, the item).
        let mut ways: Vec<(usize, u8, usize, usize)> = Vec::new();
        for (age, half) in halves.iter().enumerate() {
            for item in (0..items).filter(|item| fits(*item)) {
                let empty = half.of[item].is_none();
                if empty && plan.ordered && item != half.filled() {
                    continue;
                }
                let how = if empty { 2 } else { u8::from(item != half.first) };
                // Of the items of `all` that are met already, the first in the order in which they are written.
                let before = (0..item).any(|before| fits(before) && half.of[before].is_some());
                if !empty && !plan.ordered && before {
                    continue;
                }
                ways.push((if plan.ordered { item } else { 0 }, how, age, item));
            }
        }
        // The furthest; an empty item before one that is met, the oldest before the youngest, the first that is written.
        let best = ways.iter().copied().max_by(|a, b| {
            let oldest = b.2.cmp(&a.2);
            a.0.cmp(&b.0).then(a.1.cmp(&b.1)).then(oldest).then(b.3.cmp(&a.3))
        });
        let opens = match best {
            None => (0..items).find(|item| fits(*item)).filter(|item| !plan.ordered || *item == 0),
            Some((_, 0, _, item)) if plan.repeat == Repeat::Each => Some(item),
            Some(_) => None,
        };
        if let Some(item) = opens {
            let mut of = vec![None; items];
            of[item] = Some(at);
            let half = Slots { of, first: item, start: past.clock };
            if items == 1 {
                done.push(half.events());
            } else if halves.len() == MAX_HALVES {
                full += 1;
            } else {
                halves.push(half);
            }
            continue;
        }
        let Some((_, how, age, item)) = best else { continue };
        let half = &mut halves[age];
        if how == 0 && plan.repeat == Repeat::Ignore {
            continue;
        }
        half.of[item] = Some(at);
        if plan.ordered {
            half.of[item + 1..].fill(None);
        }
        if how == 0 {
            half.start = past.clock;
        }
        if half.filled() == items {
            done.push(halves.remove(age).events());
        }
    }
    (done, halves, expired, full)
}

fn pairs(events: &[Kept]) -> Vec<(usize, usize)> {
    events.iter().map(|kept| (usize::from(kept.item), kept.position.0 as usize)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn half_matches_are_what_a_naive_machine_has(
        (items, history) in (1_u16..5).prop_flat_map(|items| (Just(items), history(items))),
        ordered in any::<bool>(),
        within in prop::option::of(1_i64..25),
        repeat in repeat(),
    ) {
        let plan = Plan { ordered, items, within: within.map(Span), repeat };
        let (mut halves, mut done, mut expired, mut full) = (Halves::default(), Vec::new(), 0, 0);
        for (at, past) in history.iter().enumerate() {
            let due = halves.due(&plan);
            let old = halves.expire(&plan, Time(past.clock));
            prop_assert_eq!(!old.is_empty(), due.is_some_and(|due| due <= Time(past.clock)), "a timer at `due` is enough");
            expired += old.len();
            match halves.take(&plan, &past.fits, Time(past.clock), |item| kept(item, at, past.clock)) {
                Step::Completed(events) => done.push(events),
                Step::Full => full += 1,
                Step::Nothing | Step::Kept => {}
            }
            let most = if repeat == Repeat::Each { MAX_HALVES } else { 1 };
            prop_assert!(halves.as_slice().len() <= most);
        }
        let (naive_done, naive_halves, naive_expired, naive_full) = naive(&plan, &history);
        prop_assert_eq!(done.iter().map(|events| pairs(events)).collect::<Vec<_>>(), naive_done);
        prop_assert_eq!((expired, full), (naive_expired, naive_full));
        let slots: Vec<_> = naive_halves.iter().map(|half| (half.start, half.events())).collect();
        prop_assert_eq!(halves.as_slice().iter().map(|half| (half.start.0, pairs(&half.kept))).collect::<Vec<_>>(), slots);
        // What holds whatever the rules are: each item once, an event that meets it, in one match only, in order.
        let mut used = BTreeSet::new();
        for events in &done {
            prop_assert_eq!(events.iter().map(|kept| kept.item).collect::<BTreeSet<_>>().len(), usize::from(items));
            for kept in events {
                prop_assert!(history[kept.position.0 as usize].fits.contains(&kept.item));
                prop_assert!(used.insert(kept.position));
            }
            prop_assert!(events.windows(2).all(|two| two[0].position < two[1].position));
            prop_assert!(!ordered || events.windows(2).all(|two| two[0].item < two[1].item));
            if let (true, Some(within)) = (ordered, within) {
                prop_assert!(events[events.len() - 1].at.since(events[0].at).0 < within);
            }
        }
    }

    #[test]
    fn a_window_is_what_a_naive_one_is(
        steps in prop::collection::vec((0_i64..4, 0_u8..6, prop::bool::weighted(0.1)), 0..300),
        within in prop::option::of(1_i64..200),
        distinct in any::<bool>(),
        enough in select(vec![1_u32, 2, 3, 5, 99, 100, 101, 150]),
    ) {
        let within = within.map(Span);
        let mut window = Window::default();
        let (mut gone, mut taken, total) = (Vec::new(), 0, steps.len());
        // All that was ever taken since the last firing.
        let mut all: Vec<(i64, u8, usize)> = Vec::new();
        let mut clock = 0;
        for (at, (gap, value, late)) in steps.into_iter().enumerate() {
            clock += gap;
            // Some come late.
            let time = if late { clock - 3 } else { clock };
            let sample = Sample { clock: Time(time), value: distinct.then_some(Key([value; 16])), event: at };
            let fired = window.add(sample, within, enough, &mut gone);
            all.push((time, value, at));
            let newest = all.iter().map(|one| one.0).max().unwrap();
            let counts: Vec<_> = all
                .iter()
                .enumerate()
                .filter(|(n, one)| !distinct || !all[n + 1..].iter().any(|later| later.1 == one.1))
                // A late event does not make its value older.
                .map(|(_, one)| if distinct { (all.iter().filter(|same| same.1 == one.1).map(|same| same.0).max().unwrap(), one.1, one.2) } else { *one })
                .filter(|one| within.is_none_or(|within| newest - one.0 < within.0))
                .collect();
            let last: Vec<usize> = counts.iter().rev().take(100).rev().map(|one| one.2).collect();
            if counts.len() >= enough as usize {
                let (events, count) = fired.expect("it fires");
                prop_assert_eq!(count as usize, counts.len());
                taken += events.len();
                let got = events;
                prop_assert!(last.ends_with(&got) && (got.len() == last.len() || got.len() >= 90 || distinct), "{:?} {:?}", got, last);
                prop_assert!(window.is_empty());
                all.clear();
            } else {
                prop_assert!(fired.is_none());
                prop_assert_eq!(window.clocks().map(|clock| clock.0).collect::<Vec<_>>(), counts.iter().map(|one| one.0).collect::<Vec<_>>());
                prop_assert!(window.kept().len() <= 100 && window.kept().len() <= window.clocks().len());
            }
        }
        let Some(within) = within else { return Ok(()) };
        let end = window.newest().map(|newest| newest + within);
        if let Some(end) = end {
            window.slide(Time(end.0 - 1), Some(within), &mut gone);
            prop_assert!(!window.is_empty());
            window.slide(end, Some(within), &mut gone);
        }
        prop_assert!(window.is_empty() && window.kept().len() == 0);
        // Each event that was kept is accounted for, once.
        prop_assert_eq!(taken + gone.len(), total);
        gone.sort_unstable();
        gone.dedup();
        prop_assert_eq!(taken + gone.len(), total);
    }

    #[test]
    fn absences_are_what_naive_ones_are(
        steps in prop::collection::vec((0_i64..6, 0_u8..3), 0..80),
        wait in 1_i64..20,
        repeat in repeat(),
    ) {
        let (mut armed, mut fired) = (Armed::default(), Vec::new());
        let mut naive: Vec<(i64, usize)> = Vec::new();
        let (mut naive_fired, mut clock) = (Vec::new(), 0);
        for (at, (gap, what)) in steps.into_iter().enumerate() {
            clock += gap;
            fired.extend(armed.fire(Time(clock)).into_iter().map(|(due, kept)| (due.0, kept.position.0 as usize)));
            naive_fired.extend(naive.iter().copied().filter(|(due, _)| *due <= clock));
            naive.retain(|(due, _)| *due > clock);
            match what {
                0 => {
                    let answered = armed.answer().map(|kept| kept.position.0 as usize);
                    let oldest = if naive.is_empty() { None } else { Some(naive.remove(0).1) };
                    prop_assert_eq!(answered, oldest);
                }
                1 => {
                    let step = armed.arm(repeat, Time(clock + wait), kept(0, at, clock));
                    let expected = match repeat {
                        Repeat::Ignore if !naive.is_empty() => Step::Nothing,
                        Repeat::Each if naive.len() == MAX_HALVES => Step::Full,
                        _ => {
                            if repeat == Repeat::Restart {
                                naive.clear();
                            }
                            naive.push((clock + wait, at));
                            Step::Kept
                        }
                    };
                    prop_assert_eq!(step, expected);
                }
                _ => {}
            }
            prop_assert_eq!(armed.due().map(|due| due.0), naive.iter().map(|one| one.0).min());
        }
        prop_assert_eq!(fired, naive_fired);
    }

    #[test]
    fn a_silence_is_told_once(steps in prop::collection::vec((0_i64..30, any::<bool>()), 0..60), wait in 1_i64..20) {
        let mut silence = Silence::default();
        let (mut clock, mut seen, mut told): (i64, Option<i64>, bool) = (0, None, false);
        for (gap, comes) in steps {
            clock += gap;
            let expected = seen.filter(|seen| !told && clock - seen >= wait).map(|seen| Time(seen + wait));
            told |= expected.is_some();
            prop_assert_eq!(silence.fire(Time(clock)), expected);
            if comes {
                silence.seen(Time(clock), Time(clock + wait));
                (seen, told) = (Some(clock), false);
            }
            let forgotten = seen.filter(|_| told).map(|seen| Time(seen + 50));
            prop_assert_eq!(silence.forgotten(Span(50)), forgotten);
        }
    }
}
