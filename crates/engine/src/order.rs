//! Ordering: in which order a rule looks at events.
//!
//! Two stages before correlation, each with lines of its own: `time: event` has one line for the rule, in the order of
//! (time, source, id); `order` has one for each of its keys, in the order of its values. A line remembers the rank that
//! was looked at last, and holds, by value, events that wait for those before them: one row each, sorted by rank.

mod row;

mod show;

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use ensue_event::ours::EventDiverted;
use ensue_event::{Key, Ours, Span, Time};
use ensue_expr::Budget;
use ensue_lang::{Late, Order, OrderBy, TimeBy};
use ensue_rule::order::{Rank, Turn, Wait, turn};

pub use row::{Held, HeldHead, Line, OrderRow, Place};
pub use show::{Turn as Waiting, waiting};

use crate::config::Decider;
use crate::correlate::{Keeps, clock, lateness};
use crate::decide::{Names, Seen, error};
use crate::emit::{Chain, MAX_DEPTH, correlation};
use crate::fold::Engine;
use crate::keys;
use crate::state::{Timer, Verdict};
use crate::table::RowKey as _;

/// The most events that wait in a line of `order`.
pub const MAX_HELD: u64 = 10_000;
/// The most events of a rule that wait for their time.
pub const MAX_TIMED: u64 = 100_000;

/// How a line goes.
#[derive(Clone, Copy)]
struct Goes {
    line: Key,
    wait: Wait,
    late: Late,
    remember: Option<Span>,
    most: u64,
}

impl Goes {
    /// Whether the line is one for a key.
    fn counts(&self) -> bool {
        self.line != time_line()
    }
}

/// The line of `time: event`; all others are of `order`.
fn time_line() -> Key {
    Key::of("time", &[])
}

fn value_line(key: Option<&str>) -> Key {
    key.map_or_else(|| Key::of("order", &[]), |key| Key::of("order", &[key.as_bytes()]))
}

fn by_time(decider: &Decider) -> Goes {
    let wait = if decider.rule.when.time == TimeBy::Event { Wait::Always } else { Wait::None };
    Goes { line: time_line(), wait, late: Late::Deliver, remember: None, most: MAX_TIMED }
}

fn by_value(order: &Order, line: Key) -> Goes {
    let wait = match (order.lateness, &order.by) {
        (None, _) => Wait::None,
        (Some(_), OrderBy::Sequence) => Wait::Gap,
        (Some(_), OrderBy::Value(_)) => Wait::Always,
    };
    Goes { line, wait, late: order.late, remember: Some(Span(order.remember)), most: MAX_HELD }
}

/// An event and the items that it meets.
struct Met<'a> {
    seen: &'a Rc<Seen>,
    items: &'a [u16],
}

impl Engine {
    /// An event of a rule with `order` or `time: event`: looked at now, later, or not.
    pub(crate) fn ordered(&mut self, decider: &Decider, seen: &Rc<Seen>, items: &[u16]) {
        let met = Met { seen, items };
        if decider.rule.when.time != TimeBy::Event {
            return self.valued(decider, &met);
        }
        let time = clock(decider, seen);
        let (source, id) = (seen.event.source.to_string(), seen.event.id.to_string());
        let rank = Rank::Moment { time, source, id };
        self.takes_its_place(decider, by_time(decider), None, &met, rank, time + lateness(decider));
    }

    /// The stage of `order`, if the rule has it.
    fn valued(&mut self, decider: &Decider, met: &Met<'_>) {
        let Some(order) = &decider.rule.order else { return self.look(decider, met) };
        let tables = self.config.tables(&decider.rule.name.namespace);
        let names = Names::of_event(met.seen, tables, self.now);
        let found = keys::key(Some(&order.key), &names).and_then(|key| Ok((key, rank(order, met.seen, &names)?)));
        let (key, rank) = match found {
            Ok(found) => found,
            Err(verdict) => {
                // What cannot be put in order is looked at as it comes.
                if matches!(verdict, Verdict::Error { .. }) {
                    self.not(&decider.name, None, verdict);
                } else {
                    self.decided(decider.name.to_string(), None, verdict);
                }
                return self.look(decider, met);
            }
        };
        let due = met.seen.at + Span(order.lateness.unwrap_or(0).max(0));
        let goes = by_value(order, value_line(key.as_deref()));
        self.takes_its_place(decider, goes, key, met, rank, due);
    }

    /// An event comes to its line.
    fn takes_its_place(
        &mut self,
        decider: &Decider,
        goes: Goes,
        key: Option<String>,
        met: &Met<'_>,
        rank: Rank,
        due: Time,
    ) {
        let place = Place { rule: decider.id, line: goes.line, tail: Vec::new() };
        let known = self.line_at(&place);
        if known.is_none() && goes.counts() && !self.admit(decider, Keeps::Orders, key.as_deref()) {
            return;
        }
        let mut line = known.unwrap_or_else(|| Line { key, ..Line::default() });
        match turn(&rank, line.last.as_ref(), goes.wait) {
            Turn::Late => self.came_late(decider, goes, &line, met, &rank),
            // Its time is past, and all before it were looked at when theirs was.
            Turn::Later if due > self.now => {
                if let (Wait::Gap, Some(_)) = (goes.wait, &line.last) {
                    let verdict = Verdict::Held { by: "order".to_owned(), until: Some(due) };
                    self.decided(decider.name.to_string(), line.key.clone(), verdict);
                }
                self.stands_by(&place, &mut line, met, rank, due);
                if line.held > goes.most {
                    self.decided(decider.name.to_string(), line.key.clone(), Verdict::Full { limit: goes.most });
                    self.let_go(decider, goes, |_, nth| (nth == 0).then_some(true));
                }
            }
            Turn::Now | Turn::Later => {
                if line.held > 0 {
                    // It has waited long enough elsewhere, or `lateness` was taken away: those before it go first.
                    let tail = rank.bytes();
                    self.let_go(decider, goes, |at, _| Some(at.tail < tail));
                    line = self.line_at(&place).unwrap_or(line);
                }
                self.passed_by(&place, line, goes, rank);
                self.onwards(decider, goes, met);
                self.let_go(decider, goes, |_, _| None);
            }
        }
    }

    fn line_at(&self, place: &Place) -> Option<Line> {
        match self.state.orders.get(place).map(std::convert::AsRef::as_ref) {
            Some(OrderRow::Line(line)) => Some(line.clone()),
            _ => None,
        }
    }

    fn stands_by(&mut self, place: &Place, line: &mut Line, met: &Met<'_>, rank: Rank, due: Time) {
        let seen = met.seen;
        let mut tail = rank.bytes();
        tail.extend(seen.position.bytes());
        let at = Place { tail, ..place.clone() };
        let head = HeldHead { position: seen.position, at: seen.at, due, items: met.items.to_vec(), rank };
        self.state.timers.put((due, held_timer(&at)), Timer::Order { rule: at.rule, place: at.clone() });
        self.state.orders.put(at, OrderRow::Held(Box::new(Held { head, event: seen.by_value() })));
        line.held += 1;
        self.state.orders.put(place.clone(), OrderRow::Line(line.clone()));
    }

    /// The line is at this rank now.
    fn passed_by(&mut self, place: &Place, mut line: Line, goes: Goes, rank: Rank) {
        (line.last, line.at) = (line.last.max(Some(rank)), self.now);
        if let (None, Some(remember)) = (line.timer, goes.remember) {
            let due = self.now + remember;
            line.timer = Some(due);
            self.state.timers.put((due, line_timer(place)), Timer::Order { rule: place.rule, place: place.clone() });
        }
        self.state.orders.put(place.clone(), OrderRow::Line(line));
    }

    /// Lets those go, in the order of the line, of which `goes_now` says so by their row and number; where it says
    /// nothing, those whose turn it is.
    fn let_go(&mut self, decider: &Decider, goes: Goes, goes_now: impl Fn(&Place, u64) -> Option<bool>) {
        let place = Place { rule: decider.id, line: goes.line, tail: Vec::new() };
        let mut number = 0;
        loop {
            let Some(mut line) = self.line_at(&place).filter(|line| line.held > 0) else { return };
            let first = Place { tail: vec![0], ..place.clone() };
            let Some((at, held)) = self.state.orders.from(first..).next() else { return };
            let OrderRow::Held(held) = held.as_ref() else { return };
            let (at, held) = (at.clone(), held.as_ref().clone());
            let waits = || turn(&held.head.rank, line.last.as_ref(), goes.wait) == Turn::Later;
            if (at.rule, at.line) != (place.rule, place.line) || !goes_now(&at, number).unwrap_or_else(|| !waits()) {
                return;
            }
            number += 1;
            self.state.timers.delete(&(held.head.due, held_timer(&at)));
            self.state.orders.delete(&at);
            line.held = line.held.saturating_sub(1);
            self.passed_by(&place, line, goes, held.head.rank);
            let seen = Rc::new(Seen::new(held.head.position, held.head.at, held.event));
            self.onwards(decider, goes, &Met { seen: &seen, items: &held.head.items });
        }
    }

    /// What comes after a line: after that of time the one of `order`, then correlation.
    fn onwards(&mut self, decider: &Decider, goes: Goes, met: &Met<'_>) {
        if goes.counts() { self.look(decider, met) } else { self.valued(decider, met) }
    }

    fn look(&mut self, decider: &Decider, met: &Met<'_>) {
        // It may have waited for longer than the rule went on.
        if self.mode(decider).is_none() {
            return self.not(&decider.name, None, Verdict::Paused);
        }
        self.correlate(decider, met.seen, met.items);
    }

    fn came_late(&mut self, decider: &Decider, goes: Goes, line: &Line, met: &Met<'_>, rank: &Rank) {
        let (key, last) = (line.key.clone(), line.last.as_ref().map(Rank::text).unwrap_or_default());
        let then = match goes.late {
            Late::Deliver => "deliver",
            Late::Divert => "divert",
            Late::Drop => "drop",
        };
        let verdict = Verdict::Late { value: rank.text(), last: last.clone(), then: then.to_owned() };
        match goes.late {
            Late::Deliver => {
                self.decided(decider.name.to_string(), key, verdict);
                self.onwards(decider, goes, met);
            }
            Late::Divert => {
                self.not(&decider.name, key.clone(), verdict);
                self.divert(decider, key, met.seen, rank.text(), last);
            }
            Late::Drop => self.not(&decider.name, key, verdict),
        }
    }

    /// Tells of a late event, for a rule that wants it.
    fn divert(&mut self, decider: &Decider, key: Option<String>, seen: &Seen, value: String, last: String) {
        let event = &seen.event;
        // A rule that diverts what tells of diverted events ends here.
        if event.depth() >= MAX_DEPTH {
            return self.decided(decider.name.to_string(), key, Verdict::ChainCut { depth: event.depth() });
        }
        let id = Key::of("diverted", &[decider.name.as_bytes(), &seen.position.bytes(), &self.position.bytes()]);
        let chain = Chain { correlation: correlation(event), cause: event.id.to_string(), depth: event.depth() + 1 };
        let (rule, position) = (decider.name.to_string(), seen.position);
        let told = EventDiverted { rule, key, position, value, last, event: event.to_json() };
        self.emit_ours(id, &Ours::from(told), &chain);
    }

    /// A timer of ordering is due: an event has waited long enough, or what was looked at last is to be forgotten.
    pub(crate) fn order_due(&mut self, place: &Place) {
        let config = Arc::clone(&self.config);
        let Some(decider) = config.owner(place.rule) else { return };
        let goes = if place.line == time_line() {
            by_time(decider)
        } else if let Some(order) = &decider.rule.order {
            by_value(order, place.line)
        } else {
            return;
        };
        if place.tail.is_empty() {
            self.forget_line(place, goes.remember);
        } else if self.state.orders.get(place).is_some() {
            // Those before it need not wait longer than itself.
            self.let_go(decider, goes, |at, _| (at.tail <= place.tail).then_some(true));
        }
    }

    fn forget_line(&mut self, place: &Place, remember: Option<Span>) {
        let Some(mut line) = self.line_at(place) else { return };
        let due = line.at + remember.unwrap_or(Span::ZERO);
        line.timer = None;
        if due > self.now {
            line.timer = Some(due);
            let timer = Timer::Order { rule: place.rule, place: place.clone() };
            self.state.timers.put((due, line_timer(place)), timer);
        } else {
            line.last = None;
            if line.held == 0 {
                self.state.orders.delete(place);
                return self.forget(place.rule, Keeps::Orders, 1);
            }
        }
        self.state.orders.put(place.clone(), OrderRow::Line(line));
    }

    /// Forgets all lines of a rule: how many events waited in them.
    pub(crate) fn drop_lines(&mut self, rule: Key) -> u64 {
        let (mut held, mut keys) = (0, 0);
        for (place, row) in self.lines_of(rule) {
            keys += u64::from(place.tail.is_empty() && place.line != time_line());
            match row.as_ref() {
                OrderRow::Held(waits) => {
                    held += 1;
                    self.state.timers.delete(&(waits.head.due, held_timer(&place)));
                }
                OrderRow::Line(Line { timer: Some(due), .. }) => {
                    self.state.timers.delete(&(*due, line_timer(&place)));
                }
                OrderRow::Line(_) => {}
            }
            self.state.orders.delete(&place);
        }
        self.forget(rule, Keeps::Orders, keys);
        held
    }

    /// The lines of `order` end with an edit of it: what waits in them is looked at now, in order, by the rule as it was.
    pub(crate) fn end_lines(&mut self, decider: &Decider) {
        let Some(order) = &decider.rule.order else { return };
        let lines: BTreeSet<Key> = self.lines_of(decider.id).into_iter().map(|(place, _)| place.line).collect();
        for line in lines.into_iter().filter(|line| *line != time_line()) {
            self.let_go(decider, by_value(order, line), |_, _| Some(true));
            let place = Place { rule: decider.id, line, tail: Vec::new() };
            if let Some(Line { timer: Some(due), .. }) = self.line_at(&place) {
                self.state.timers.delete(&(due, line_timer(&place)));
            }
            self.state.orders.delete(&place);
            self.forget(decider.id, Keeps::Orders, 1);
        }
    }

    fn lines_of(&self, rule: Key) -> Vec<(Place, Arc<OrderRow>)> {
        let first = Place { rule, line: Key([0; 16]), tail: Vec::new() };
        let rows = self.state.orders.from(first..).take_while(|(place, _)| place.rule == rule);
        rows.map(|(place, row)| (place.clone(), Arc::clone(row))).collect()
    }
}

/// The id of the timer of an event that waits; timers of one time fire in the order of their ids, but the first of a line
/// that fires lets those before it go first.
fn held_timer(place: &Place) -> Key {
    Key::of("held", &[&place.bytes()])
}

fn line_timer(place: &Place) -> Key {
    Key::of("line", &[&place.bytes()])
}

/// Where an event stands in its line, or why that is not known.
fn rank(order: &Order, seen: &Seen, names: &Names<'_>) -> Result<Rank, Verdict> {
    let none = |expression: &str, why: &str| Verdict::NoKey { expression: expression.to_owned(), why: why.to_owned() };
    match &order.by {
        OrderBy::Sequence => {
            let value = seen.event.extension("sequence").ok_or_else(|| none("event.sequence", "it is absent"))?;
            Ok(Rank::of_sequence(value))
        }
        OrderBy::Value(program) => {
            let source = program.source();
            let value = program.eval_opt(names, &mut Budget::new()).map_err(|why| error(source, &why))?;
            let value = value.ok_or_else(|| none(source, "it is absent"))?;
            let rank = Rank::of(value).ok_or_else(|| none(source, "it is null, or has no place in an order"))?;
            let length = rank.bytes().len();
            if length > keys::MAX_KEY { Err(none(source, &format!("it has {length} bytes"))) } else { Ok(rank) }
        }
    }
}
