//! Half-matches of `all` and `sequence`: some items are met, the others are waited for.

use std::cmp::Reverse;

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
    pub kept: Vec<Kept>,
}

/// The half-matches of a key, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Halves(pub Vec<Half>);

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
        self.kept.retain(|kept| if plan.ordered { kept.item < event.item } else { kept.item != event.item });
        self.kept.push(event);
    }
}

impl Halves {
    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An event that meets the items `fits`, in ascending order, at `clock`. It fills at most one item of one
    /// half-match: of a sequence the furthest; an item that was not met before one that was; the oldest half-match
    /// before a younger one. `kept` makes the kept event, given the item.
    pub fn take(&mut self, plan: &Plan, fits: &[u16], clock: Time, kept: impl FnOnce(u16) -> Kept) -> Step {
        let found = self.0.iter().enumerate().filter_map(|(at, half)| {
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
        let Some(half) = self.0.get_mut(at) else { return Step::Nothing };
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
                half.kept.reserve_exact(1);
                half.kept.push(kept(item));
                if half.kept.len() < usize::from(plan.items) {
                    return Step::Kept;
                }
                Step::Completed(self.0.remove(at).kept)
            }
        }
    }

    fn begin(&mut self, plan: &Plan, item: u16, clock: Time, kept: impl FnOnce(u16) -> Kept) -> Step {
        if plan.items == 1 {
            return Step::Completed(vec![kept(item)]);
        }
        if self.0.len() >= MAX_HALVES {
            return Step::Full;
        }
        self.0.reserve_exact(1);
        self.0.push(Half { start: clock, first: item, kept: vec![kept(item)] });
        Step::Kept
    }

    /// Takes out what is too old at `now`, oldest first.
    pub fn expire(&mut self, plan: &Plan, now: Time) -> Vec<Half> {
        let old = |half: &mut Half| half.end(plan).is_some_and(|end| end <= now);
        self.0.extract_if(.., old).collect()
    }

    /// When the next one is too old.
    #[must_use]
    pub fn due(&self, plan: &Plan) -> Option<Time> {
        self.0.iter().filter_map(|half| half.end(plan)).min()
    }
}
