//! Correlation: which events of a key together are a match. The machines are in [`ensue_rule::correlate`]; here is which
//! events they see, under which keys, where what they keep is a row, and when their timers are due.
//!
//! - The clock of an event is its append time; with `time: event` the `time` in it, where it has one. All deadlines
//!   count from there; with `time: event` a timer waits `lateness` longer.
//! - A rule has one row for a key, and a row one timer. The timer may be early: one that finds nothing due goes on to
//!   the next deadline, so that a deadline that moves costs nothing.
//! - `if` first, then the keys, then `unless`, then the one item of the one half-match that the event fills.
//! - A completed match is no longer in its row when flow control sees it.

mod row;

mod tally;

mod absence;

mod waiting;

use std::rc::Rc;
use std::sync::Arc;

use ensue_event::{Key, Span, Time};
use ensue_expr::Program;
use ensue_lang::{KeySpec, Repeat, TimeBy, WhenKind};
use ensue_rule::correlate::{self as machine, Half, Kept, Plan, Sample, Step};

pub(crate) use row::by_value;
pub use row::{Body, Counted, HalfRow, KeyText};
pub(crate) use tally::Keeps;
pub use tally::{MAX_KEYS, Tally};
pub use waiting::{Waiting, halves, halves_of};

use crate::config::Decider;
use crate::decide::{Completed, Names, Part, Seen, meets};
use crate::fold::Engine;
use crate::keys::{key, keys, plain, plain_text};
use crate::state::Verdict;
use waiting::item_name;

/// What an event means to a rule under one of its keys.
struct Offer {
    key: Option<String>,
    /// The items that it meets, in ascending order.
    fits: Vec<u16>,
    unless: bool,
}

/// How far ahead of its arrival an event's `time` is believed, where `lateness` is less: clocks differ by as much.
const SKEW: Span = Span::mins(1);

/// The time of an event as this rule counts it: with `time: event` what the event says, unless its sender's clock is
/// that wrong.
pub(crate) fn clock(decider: &Decider, seen: &Seen) -> Time {
    let said = match decider.rule.when.time {
        TimeBy::Position => None,
        TimeBy::Event => seen.event.occurred(),
    };
    said.filter(|time| time.since(seen.at) <= lateness(decider).max(SKEW)).unwrap_or(seen.at)
}

/// How long timers wait for late events.
pub(crate) fn lateness(decider: &Decider) -> Span {
    let when = &decider.rule.when;
    Span(if when.time == TimeBy::Event { when.lateness.unwrap_or(0).max(0) } else { 0 })
}

/// What the machines are to do.
fn plan(decider: &Decider) -> Plan {
    let when = &decider.rule.when;
    let (ordered, items) = match &when.kind {
        WhenKind::Sequence(items) => (true, items.len()),
        WhenKind::All(items) => (false, items.len()),
        _ => (false, 1),
    };
    let repeat = match when.repeat {
        Repeat::Restart => machine::Repeat::Restart,
        Repeat::Ignore => machine::Repeat::Ignore,
        Repeat::Each => machine::Repeat::Each,
    };
    Plan { ordered, items: u16::try_from(items).unwrap_or(u16::MAX), within: when.within.map(Span), repeat }
}

/// What a row of this rule is before its first event.
fn empty(decider: &Decider) -> Body {
    match &decider.rule.when.kind {
        WhenKind::Count { .. } => Body::Window(machine::Window::default()),
        WhenKind::Absence { after: Some(_), .. } => Body::Armed(Box::default()),
        WhenKind::Absence { after: None, .. } => Body::Silence(Box::default()),
        _ => Body::Halves(machine::Halves::default()),
    }
}

/// The id of the row of a key, and of its timer.
fn row_id(rule: Key, key: Option<&str>) -> Key {
    match key {
        // No key is not the key of no characters.
        None => Key::of("half", &[&rule.0]),
        Some(text) => Key::of("half", &[&rule.0, text.as_bytes()]),
    }
}

fn parts(decider: &Decider, kept: Vec<Kept>) -> Vec<Part> {
    let part = |kept: Kept| Part {
        seen: Rc::new(Seen::new(kept.position, kept.at, kept.event)),
        item: decider.watches.get(usize::from(kept.item)).and_then(|watch| watch.item.name.clone()),
    };
    kept.into_iter().map(part).collect()
}

impl Engine {
    /// An event that meets the patterns of these items of a rule; the items are in the order of [`Decider::watches`].
    pub(crate) fn correlate(&mut self, decider: &Decider, seen: &Rc<Seen>, items: &[u16]) {
        for offer in self.offers(decider, seen, items) {
            self.advance(decider, seen, offer);
        }
    }

    /// Which items an event meets under which keys: conditions before anything else. What cannot be computed is a
    /// decision, and the other items still count.
    fn offers(&mut self, decider: &Decider, seen: &Rc<Seen>, items: &[u16]) -> Vec<Offer> {
        let config = Arc::clone(&self.config);
        let names = Names::of_event(seen, config.tables(&decider.rule.name.namespace), self.now);
        let mut offers: Vec<Offer> = Vec::new();
        // The key of the whole is computed once, and what is wrong with it is told once.
        let mut shared: Option<Vec<Option<String>>> = None;
        for item in items {
            let Some(watch) = decider.watches.get(usize::from(*item)) else { continue };
            match meets(watch, &names) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(verdict) => {
                    self.not(&decider.name, None, verdict);
                    continue;
                }
            }
            let own = watch.item.key.as_ref();
            let found = match (own, &shared) {
                (None, Some(known)) => known.clone(),
                _ => {
                    let spec = own.or(decider.rule.when.key.as_ref());
                    let found = match spec.and_then(|spec| plain(spec, &seen.event)) {
                        Some(key) => Ok(vec![Some(key)]),
                        None => keys(spec, &names),
                    };
                    let found = found.unwrap_or_else(|verdict| {
                        self.not(&decider.name, None, verdict);
                        Vec::new()
                    });
                    if own.is_none() {
                        shared = Some(found.clone());
                    }
                    found
                }
            };
            // Keys of one item differ, and those of items that share them stand in the same order.
            let first = offers.is_empty();
            for (nth, key) in found.into_iter().enumerate() {
                let same = offers.get(nth).is_some_and(|offer| offer.key == key);
                let known = match (first, same) {
                    (true, _) => None,
                    (_, true) => offers.get_mut(nth),
                    _ => offers.iter_mut().find(|offer| offer.key == key),
                };
                match (known, watch.unless) {
                    (Some(offer), true) => offer.unless = true,
                    (Some(offer), false) => offer.fits.push(*item),
                    (None, true) => offers.push(Offer { key, fits: Vec::new(), unless: true }),
                    (None, false) => offers.push(Offer { key, fits: vec![*item], unless: false }),
                }
            }
        }
        offers
    }

    /// An event under one key.
    fn advance(&mut self, decider: &Decider, seen: &Rc<Seen>, offer: Offer) {
        let Offer { key, fits, unless } = offer;
        let kind = &decider.rule.when.kind;
        let simple = matches!(kind, WhenKind::Event(_) | WhenKind::Any(_));
        if simple && unless {
            return;
        }
        if simple {
            let item = fits.first().and_then(|item| decider.watches.get(usize::from(*item)));
            let part = Part { seen: Rc::clone(seen), item: item.and_then(|watch| watch.item.name.clone()) };
            return self.completed(decider, Completed { key, parts: vec![part], timed: false, due: None, count: None });
        }
        let id = row_id(decider.id, key.as_deref());
        let known = self.state.halves.get(&(decider.id, id)).map(|row| row.as_ref().clone());
        let clock = clock(decider, seen);
        let (new, mut row) = match known {
            Some(row) => (false, row),
            None => (true, HalfRow { key: KeyText::of(key.as_deref()), timer: Time::MAX, body: empty(decider) }),
        };
        let mut change = Change::default();
        // With `time: event`, an event may be past a deadline before the timer is.
        if !new {
            row.pass(decider, clock, &mut change);
        }
        if unless {
            row.unless(seen, &mut change);
        } else {
            let place = Place { decider, id, clock, fits: &fits };
            change.follows.extend(self.put_event(&place, seen, &mut row, &mut change.gone));
        }
        if new && !row.body.is_empty() && !self.admit(decider, Keeps::Halves, key.as_deref()) {
            return;
        }
        for counted in change.gone {
            self.state.counted.delete(&counted.place(id));
        }
        if let Body::Window(window) = &row.body
            && let Some(newest) = window.kept().next_back()
            && newest.position == seen.position
        {
            self.state.counted.share(newest.place(id), seen.by_value());
        }
        self.keep(decider, id, row);
        self.follow(decider, &key, change.follows);
    }

    /// An event for the machine of a row.
    fn put_event(
        &self,
        place: &Place<'_>,
        seen: &Rc<Seen>,
        row: &mut HalfRow,
        gone: &mut Vec<Counted>,
    ) -> Option<Follows> {
        let Place { decider, id, clock, fits } = *place;
        let kept = |item| Kept { item, position: seen.position, at: seen.at, event: seen.by_value() };
        let plan = plan(decider);
        let step = match (&mut row.body, &decider.rule.when.kind) {
            (Body::Halves(halves), _) => halves.take(&plan, fits, clock, kept),
            (Body::Window(window), WhenKind::Count { at_least, distinct, .. }) => {
                let value = match distinct {
                    None => None,
                    Some(program) => match self.value_text(decider, seen, program) {
                        Ok(text) => Some(Key::of("distinct", &[text.as_bytes()])),
                        Err(verdict) => return Some(Follows::Not(verdict)),
                    },
                };
                let event = Counted { position: seen.position, at: seen.at };
                let sample = Sample { clock, value, event };
                let (counted, count) = window.add(sample, plan.within, *at_least, gone)?;
                let parts = counted.iter().filter_map(|counted| self.counted(decider, seen, id, *counted)).collect();
                gone.extend(counted.into_iter().filter(|counted| counted.position != seen.position));
                return Some(Follows::Match(Found { parts, due: None, count: Some(count) }));
            }
            (Body::Armed(armed), WhenKind::Absence { wait, .. }) => {
                // What is waited for is further than what it comes after.
                if fits.contains(&1)
                    && let Some(answered) = armed.answer()
                {
                    return Some(Follows::Not(Verdict::Came { by: seen.position, events: vec![answered.position] }));
                }
                if !fits.contains(&0) {
                    return None;
                }
                armed.arm(plan.repeat, clock + Span(*wait), kept(0))
            }
            (Body::Silence(silence), WhenKind::Absence { wait, .. }) => {
                silence.seen(clock, clock + Span(*wait));
                return None;
            }
            _ => return None,
        };
        match step {
            Step::Nothing | Step::Kept => None,
            Step::Completed(kept) => {
                Some(Follows::Match(Found { parts: parts(decider, kept), due: None, count: None }))
            }
            Step::Full => Some(Follows::Not(Verdict::Full { limit: machine::MAX_HALVES as u64 })),
        }
    }

    /// An event that counted: the one at hand, or that of a row.
    fn counted(&self, decider: &Decider, seen: &Rc<Seen>, id: Key, counted: Counted) -> Option<Part> {
        let seen = if counted.position == seen.position {
            Rc::clone(seen)
        } else {
            let event = self.state.counted.get(&counted.place(id))?;
            Rc::new(Seen::new(counted.position, counted.at, Arc::clone(event)))
        };
        Some(Part { seen, item: decider.watches.first().and_then(|watch| watch.item.name.clone()) })
    }

    /// The text of what a `count` tells apart.
    fn value_text(&self, decider: &Decider, seen: &Seen, program: &Program) -> Result<String, Verdict> {
        if let Some(text) = plain_text(program, &seen.event) {
            return Ok(text);
        }
        let names = Names::of_event(seen, self.config.tables(&decider.rule.name.namespace), self.now);
        key(Some(&KeySpec::One(program.clone())), &names).map(Option::unwrap_or_default)
    }

    /// A timer of a half-match is due.
    pub(crate) fn half_due(&mut self, rule: Key, id: Key) {
        let Some(mut row) = self.state.halves.get(&(rule, id)).map(|row| row.as_ref().clone()) else { return };
        let config = Arc::clone(&self.config);
        let Some(decider) = config.owner(rule) else { return };
        row.timer = Time::MAX;
        let mut change = Change::default();
        row.pass(decider, self.now - lateness(decider), &mut change);
        for counted in change.gone {
            self.state.counted.delete(&counted.place(id));
        }
        let key = row.key.text().map(str::to_owned);
        self.keep(decider, id, row);
        self.follow(decider, &key, change.follows);
    }

    /// Puts a row, or deletes it when nothing is left in it, and sees to its timer.
    fn keep(&mut self, decider: &Decider, id: Key, mut row: HalfRow) {
        let place = (decider.id, id);
        if row.body.is_empty() {
            if row.timer != Time::MAX {
                self.state.timers.delete(&(row.timer, id));
            }
            if self.state.halves.delete(&place) {
                self.forget(decider.id, Keeps::Halves, 1);
            }
            return;
        }
        let wanted = row.deadline(decider).map(|due| (due + lateness(decider)).max(self.now));
        if let Some(wanted) = wanted
            && wanted < row.timer
        {
            if row.timer != Time::MAX {
                self.state.timers.delete(&(row.timer, id));
            }
            self.state.timers.share((wanted, id), Arc::clone(&decider.half));
            row.timer = wanted;
        }
        self.state.halves.put(place, row);
    }

    /// What follows from a row's change, once the row is put.
    fn follow(&mut self, decider: &Decider, key: &Option<String>, follows: Vec<Follows>) {
        for what in follows {
            match what {
                Follows::Not(verdict) => self.not(&decider.name, key.clone(), verdict),
                Follows::Match(Found { parts, due, count }) => {
                    let found = Completed { key: key.clone(), parts, timed: due.is_some(), due, count };
                    self.completed(decider, found);
                }
            }
        }
    }

    /// Drops all half-matches of a rule, with their timers: its `when` was changed, or it is gone. Returns how many.
    pub(crate) fn drop_halves(&mut self, rule: Key) -> u64 {
        let rows: Vec<(Key, Time, u64)> = self.rows_of(rule).map(|(id, row)| (id, row.timer, row.body.len())).collect();
        for (id, timer, _) in &rows {
            if *timer != Time::MAX {
                self.state.timers.delete(&(*timer, *id));
            }
            let events: Vec<(Key, Key)> = self.state.counted.of(*id).map(|(position, _)| (*id, position)).collect();
            for place in events {
                self.state.counted.delete(&place);
            }
            self.state.halves.delete(&(rule, *id));
        }
        self.forget(rule, Keeps::Halves, rows.len() as u64);
        rows.iter().map(|(_, _, halves)| halves).sum()
    }
}

/// Where an event goes: the row of a key, at a time, as one of these items.
#[derive(Clone, Copy)]
struct Place<'a> {
    decider: &'a Decider,
    id: Key,
    clock: Time,
    fits: &'a [u16],
}

/// What comes of a change of a row.
#[derive(Default)]
struct Change {
    follows: Vec<Follows>,
    /// Events that no longer count.
    gone: Vec<Counted>,
}

/// What follows from a change of a row.
enum Follows {
    Match(Found),
    Not(Verdict),
}

/// A match without its key.
struct Found {
    parts: Vec<Part>,
    due: Option<Time>,
    count: Option<u64>,
}

impl HalfRow {
    /// Time has come to `now`: what is too old goes, and an absence that has lasted fires.
    fn pass(&mut self, decider: &Decider, now: Time, change: &mut Change) {
        let plan = plan(decider);
        let follows = &mut change.follows;
        match &mut self.body {
            Body::Halves(halves) => {
                let expired = |half: Half| {
                    let missing = half.missing(plan.items).map(|item| item_name(decider, item)).collect();
                    Follows::Not(Verdict::Expired { missing, events: half.positions() })
                };
                follows.extend(halves.expire(&plan, now).into_iter().map(expired));
            }
            Body::Window(window) => window.slide(now, plan.within, &mut change.gone),
            Body::Armed(armed) => {
                let fired = |(due, kept)| {
                    Follows::Match(Found { parts: parts(decider, vec![kept]), due: Some(due), count: None })
                };
                follows.extend(armed.fire(now).into_iter().map(fired));
            }
            Body::Silence(silence) => {
                let fired = |due| Follows::Match(Found { parts: Vec::new(), due: Some(due), count: None });
                follows.extend(silence.fire(now).map(fired));
                if silence.forgotten(absence::remember(decider)).is_some_and(|end| end <= now) {
                    **silence = machine::Silence::default();
                }
            }
        }
    }

    /// An event met `unless`.
    fn unless(&mut self, seen: &Seen, change: &mut Change) {
        if self.body.is_empty() {
            return;
        }
        let events = self.body.positions();
        match &mut self.body {
            Body::Halves(halves) => *halves = machine::Halves::default(),
            Body::Window(window) => change.gone.extend(window.clear()),
            Body::Armed(armed) => armed.0.clear(),
            // A key that is expected stays so: its next silence counts again.
            Body::Silence(silence) => silence.due = None,
        }
        change.follows.push(Follows::Not(Verdict::Unless { by: seen.position, events }));
    }

    /// The next moment at which something of it is due.
    fn deadline(&self, decider: &Decider) -> Option<Time> {
        let plan = plan(decider);
        match &self.body {
            Body::Halves(halves) => halves.due(&plan),
            // It goes when the newest is too old: the older ones leave whenever it is looked at.
            Body::Window(window) => plan.within.and_then(|within| Some(window.newest()? + within)),
            Body::Armed(armed) => armed.due(),
            Body::Silence(silence) => silence.due.or_else(|| silence.forgotten(absence::remember(decider))),
        }
    }
}
