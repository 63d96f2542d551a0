//! Half-matches of `all` and `sequence`: some items are met, the others are waited for.

use std::cmp::Reverse;
use std::ops::Deref;

use ensue_event::{Position, Span, Time};

use super::{Kept, MAX_HALVES, Repeat, Step};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The items come in their order: `sequence`.
    pub ordered: bool,
    /// How many items there are.
    pub items: u16,
    /// How long it may take from the start of a half-match, end excluded.
    pub within: Option<Span>,
    /// What a repeated first event does.
    pub repeat: Repeat,
}

/// One half-match.
#[derive(Clone, Debug, PartialEq)]
pub struct Half {
    /// From when `within` runs: the time of the event that began it, or of the last one that took its place.
    pub start: Time,
    /// The item of the event that began it: of a sequence always 0.
    pub first: u16,
    /// Its events in the order in which they were taken; at most one of an item. Of a sequence: items 0 to n.
    pub kept: Events,
}

/// The events of a half-match. Most have one: it needs no list.
#[derive(Clone, Debug, PartialEq)]
pub enum Events {
    /// One.
    One(Kept),
    /// Any number.
    Several(Vec<Kept>),
}

impl Deref for Events {
    type Target = [Kept];
    fn deref(&self) -> &[Kept] {
        match self {
            Events::One(kept) => std::slice::from_ref(kept),
            Events::Several(kept) => kept,
        }
    }
}

impl From<Vec<Kept>> for Events {
    fn from(mut kept: Vec<Kept>) -> Events {
        match (kept.len(), kept.pop()) {
            (1, Some(one)) => Events::One(one),
            (_, last) => {
                kept.extend(last);
                Events::Several(kept)
            }
        }
    }
}

impl Events {
    /// The list of them.
    #[must_use]
    pub fn into_vec(self) -> Vec<Kept> {
        match self {
            Events::One(kept) => vec![kept],
            Events::Several(kept) => kept,
        }
    }

    /// Changes the list of them.
    fn change(&mut self, how: impl FnOnce(&mut Vec<Kept>)) {
        let mut kept = std::mem::replace(self, Events::Several(Vec::new())).into_vec();
        how(&mut kept);
        *self = kept.into();
    }
}

/// The half-matches of a key, oldest first. Most keys have one: it needs no list.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Halves {
    /// None.
    #[default]
    None,
    /// One.
    One(Half),
    /// Two or more.
    Several(Vec<Half>),
}

impl From<Vec<Half>> for Halves {
    fn from(mut halves: Vec<Half>) -> Halves {
        match (halves.pop(), halves.is_empty()) {
            (None, _) => Halves::None,
            (Some(half), true) => Halves::One(half),
            (Some(half), false) => {
                halves.push(half);
                Halves::Several(halves)
            }
        }
    }
}

/// What a half-match does with an event, the best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    /// It meets the item that began it: [`Repeat`] says what follows.
    Repeats,
    /// It takes the place of an earlier one.
    Replaces,
    /// It meets an item that was not met.
    Fills,
}

impl Half {
    /// The numbers of the items that are waited for.
    pub fn missing(&self, items: u16) -> impl Iterator<Item = u16> + '_ {
        (0..items).filter(|item| self.kept.iter().all(|kept| kept.item != *item))
    }

    /// The positions of its events.
    #[must_use]
    pub fn positions(&self) -> Vec<Position> {
        self.kept.iter().map(|kept| kept.position).collect()
    }

    /// The first moment that is too late for it.
    #[must_use]
    pub fn end(&self, plan: &Plan) -> Option<Time> {
        plan.within.map(|within| self.start + within)
    }

    fn holds(&self, item: u16) -> bool {
        self.kept.iter().any(|kept| kept.item == item)
    }

    /// What it would do with an event that meets these items.
    fn accepts(&self, plan: &Plan, fits: &[u16]) -> Option<(u16, How)> {
        let next = u16::try_from(self.kept.len()).unwrap_or(u16::MAX);
        let fills = |item: &u16| if plan.ordered { *item == next } else { !self.holds(*item) };
        if let Some(item) = fits.iter().copied().find(fills) {
            return Some((item, How::Fills));
        }
        let mut met = fits.iter().copied().filter(|item| self.holds(*item));
        // Of a sequence the furthest one: an event takes as few others with it as it can.
        let item = if plan.ordered { met.next_back() } else { met.next() }?;
        Some((item, if item == self.first { How::Repeats } else { How::Replaces }))
    }

    /// Takes an event in place of that of its item. In a sequence, those of later items came before it: they go.
    fn replace(&mut self, plan: &Plan, event: Kept) {
        self.kept.change(|all| {
            all.retain(|kept| if plan.ordered { kept.item < event.item } else { kept.item != event.item });
            all.push(event);
        });
    }
}

impl Halves {
    /// Oldest first.
    #[must_use]
    pub fn as_slice(&self) -> &[Half] {
        match self {
            Halves::None => &[],
            Halves::One(half) => std::slice::from_ref(half),
            Halves::Several(halves) => halves,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [Half] {
        match self {
            Halves::None => &mut [],
            Halves::One(half) => std::slice::from_mut(half),
            Halves::Several(halves) => halves,
        }
    }

    /// Changes the list of them.
    fn change<T>(&mut self, how: impl FnOnce(&mut Vec<Half>) -> T) -> T {
        let mut halves = match std::mem::take(self) {
            Halves::None => Vec::new(),
            Halves::One(half) => vec![half],
            Halves::Several(halves) => halves,
        };
        let out = how(&mut halves);
        *self = halves.into();
        out
    }

    /// An event that meets the items `fits`, in ascending order, at `clock`. It fills at most one item of one
    /// half-match: of a sequence the furthest; an item that was not met before one that was; the oldest half-match
    /// before a younger one. `kept` makes the kept event, given the item.
    pub fn take(&mut self, plan: &Plan, fits: &[u16], clock: Time, kept: impl FnOnce(u16) -> Kept) -> Step {
        let found = self.as_slice().iter().enumerate().filter_map(|(at, half)| {
            let (item, how) = half.accepts(plan, fits)?;
            // The items of `all` have no order.
            let far = if plan.ordered { item } else { 0 };
            Some(((far, how, Reverse(at)), item))
        });
        let Some(((_, how, Reverse(at)), item)) = found.max() else {
            return match fits.first() {
                Some(item) if !plan.ordered || *item == 0 => self.begin(plan, *item, clock, kept),
                _ => Step::Nothing,
            };
        };
        if (how, plan.repeat) == (How::Repeats, Repeat::Each) {
            return self.begin(plan, item, clock, kept);
        }
        let Some(half) = self.as_mut_slice().get_mut(at) else { return Step::Nothing };
        match how {
            How::Repeats if plan.repeat == Repeat::Ignore => Step::Nothing,
            How::Repeats => {
                half.replace(plan, kept(item));
                half.start = clock;
                Step::Kept
            }
            How::Replaces => {
                half.replace(plan, kept(item));
                Step::Kept
            }
            How::Fills => {
                // A row has no room to spare: there are many.
                half.kept.change(|all| {
                    all.reserve_exact(1);
                    all.push(kept(item));
                });
                if half.kept.len() < usize::from(plan.items) {
                    return Step::Kept;
                }
                Step::Completed(self.change(|halves| halves.remove(at).kept.into_vec()))
            }
        }
    }

    fn begin(&mut self, plan: &Plan, item: u16, clock: Time, kept: impl FnOnce(u16) -> Kept) -> Step {
        if plan.items == 1 {
            return Step::Completed(vec![kept(item)]);
        }
        if self.as_slice().len() >= MAX_HALVES {
            return Step::Full;
        }
        let half = Half { start: clock, first: item, kept: Events::One(kept(item)) };
        match self {
            Halves::None => *self = Halves::One(half),
            _ => self.change(|halves| halves.push(half)),
        }
        Step::Kept
    }

    /// Takes out what is too old at `now`, oldest first.
    pub fn expire(&mut self, plan: &Plan, now: Time) -> Vec<Half> {
        if self.due(plan).is_none_or(|due| due > now) {
            return Vec::new();
        }
        let old = |half: &mut Half| half.end(plan).is_some_and(|end| end <= now);
        self.change(|halves| halves.extract_if(.., old).collect())
    }

    /// When the next one is too old.
    #[must_use]
    pub fn due(&self, plan: &Plan) -> Option<Time> {
        self.as_slice().iter().filter_map(|half| half.end(plan)).min()
    }
}
