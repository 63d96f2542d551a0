//! Rules that start in the past: `start: beginning`, a time, or a position.
//!
//! The configuration that brings such a rule marks it here. The node then appends `dev.ensue.backfill` records, one when
//! the one before is folded; the fold of each takes the rule through some records of the past, in their order. Until the
//! last of them is folded, events that come pass the rule by: it meets them in their turn.
//!
//! - In the past, now is the append time of the past record, and timers of the rule fire as they would have fired.
//! - The rule's timers are kept apart (`past`) until it is through: none of them may fire by the clock of today. One
//!   rule at a time is taken through, so that all timers there are its own.
//! - What is decided about the past is a shadow, or acts where the rule says `backfill: { act: true }`.
//! - A paused rule stays where it is.
//! - Records that are trimmed, purged, unreadable, or older than `maxAge` was when the rule came are passed over.

use std::rc::Rc;
use std::sync::Arc;

use ensue_event::ours::{Backfill, Ours};
use ensue_event::{Emission, Key, Origin, Position, Record, Time};
use ensue_lang::Start;
use ensue_rule::View;
use serde::{Deserialize, Serialize};

use crate::config::Decider;
use crate::decide::Seen;
use crate::fold::{Engine, Poison};
use crate::state::Verdict;

/// What stands before the record at hand: it is input, as the record is.
pub trait Past {
    /// The first position that is still there.
    fn first(&self) -> Position;

    /// The first position whose record was appended at this time or later; one before it where that is not known.
    ///
    /// # Errors
    /// The log cannot be read.
    fn since(&self, time: Time) -> Result<Position, String>;

    /// Hands over the records from one position up to another, which is excluded, in order; those that are no longer
    /// there are left out.
    ///
    /// # Errors
    /// The log cannot be read.
    fn read(&self, from: Position, to: Position, each: &mut dyn FnMut(&Record)) -> Result<(), String>;
}

/// Nothing stands before.
pub(crate) struct NoPast;

impl Past for NoPast {
    fn first(&self) -> Position {
        Position(0)
    }
    fn since(&self, _time: Time) -> Result<Position, String> {
        Ok(Position(0))
    }
    fn read(&self, _from: Position, _to: Position, _each: &mut dyn FnMut(&Record)) -> Result<(), String> {
        Err("records before the one at hand were not given".to_owned())
    }
}

/// A rule that is on its way through the past.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackfillRow {
    /// The rule.
    pub rule: String,
    /// The record that it looks at next.
    pub next: Position,
    /// Records before this time are passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Time>,
    /// It is on its way: its timers are in the past.
    pub begun: bool,
    /// The time of the last record that it came by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// The last emission on its way: a record of one that is not above it is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emission: Option<Emission>,
}

impl Engine {
    /// The rule that is to be taken through the past now, if there is one: the one that has begun, else the first that
    /// is not paused.
    #[must_use]
    pub fn backfill(&self) -> Option<&BackfillRow> {
        let goes_on = |id: Key| self.config.owner(id).is_some_and(|decider| self.mode(decider).is_some());
        let rows = || self.state.backfills.iter();
        match rows().find(|(_, row)| row.begun) {
            Some((id, row)) => goes_on(*id).then_some(row),
            None => rows().find(|(id, _)| goes_on(**id)).map(|(_, row)| row.as_ref()),
        }
    }

    /// Whether events that come pass a rule by: it meets them later.
    pub(crate) fn in_the_past(&self, decider: &Decider) -> bool {
        self.filling.is_none() && self.state.backfills.get(&decider.id).is_some()
    }

    /// A rule with a new name comes with the configuration at hand: true if it is to start in the past.
    pub(crate) fn starts_in_the_past(&mut self, decider: &Decider) -> bool {
        let (next, from) = match decider.rule.start {
            Start::Now => return false,
            Start::Beginning => (Position(0), None),
            Start::Position(position) => (position, None),
            Start::Time(time) => (Position(0), Some(time)),
        };
        if next >= self.position || from.is_some_and(|time| time > self.now) {
            return false;
        }
        let age = decider.rule.backfill.and_then(|backfill| backfill.max_age);
        let after = age.map(|age| self.now - ensue_event::Span(age)).max(from);
        let row = BackfillRow { rule: decider.name.to_string(), next, after, begun: false, at: None, emission: None };
        self.state.backfills.put(decider.id, row);
        true
    }

    /// Does something with the timers of a rule where they are: in the past, if it is there.
    pub(crate) fn where_it_is(&mut self, rule: Key, act: impl FnOnce(&mut Engine)) {
        let there = self.state.backfills.get(&rule).is_some_and(|row| row.begun);
        if there {
            std::mem::swap(&mut self.state.timers, &mut self.state.past);
        }
        act(self);
        if there {
            std::mem::swap(&mut self.state.timers, &mut self.state.past);
        }
    }

    /// A rule is gone: it no longer is on its way.
    pub(crate) fn no_backfill(&mut self, rule: Key) {
        let begun = self.state.backfills.get(&rule).is_some_and(|row| row.begun);
        if self.state.backfills.delete(&rule) && begun {
            let timers: Vec<(Time, Key)> = self.state.past.iter().map(|(key, _)| *key).collect();
            for key in timers {
                self.state.past.delete(&key);
            }
        }
    }

    /// `dev.ensue.backfill`: the next records of the past, for the rule that is on its way. Another one is nothing.
    pub(crate) fn fill(&mut self, told: &Backfill, past: &dyn Past) -> Result<(), Poison> {
        let config = Arc::clone(&self.config);
        let Some((decider, mut row)) = self.wanted(told, &config) else { return Ok(()) };
        let until = told.to.min(self.position);
        let now = self.now;
        std::mem::swap(&mut self.state.timers, &mut self.state.past);
        self.filling = Some(decider.rule.backfill.is_some_and(|backfill| backfill.act));
        row.begun = true;
        let read = past.read(told.from, until, &mut |record| {
            if record.position >= told.from
                && record.position < until
                && row.after.is_none_or(|after| record.at >= after)
            {
                self.once_more(decider, &mut row, record);
            }
        });
        let done = until >= self.position;
        if read.is_ok() && done {
            self.now = row.at.unwrap_or(now);
            if row.at.is_none() {
                self.arm_expected(decider);
            }
            self.due_until(now);
        }
        self.back_to_now(now);
        read.map_err(Poison::Past)?;
        row.next = until.max(row.next);
        self.pass_on(decider.id, row, done);
        Ok(())
    }

    /// The chunk of the past in this record could not be folded: it is passed over, and the record's quarantine says so.
    pub(crate) fn fill_nothing(&mut self, told: &Backfill) {
        let config = Arc::clone(&self.config);
        let Some((decider, mut row)) = self.wanted(told, &config) else { return };
        let until = told.to.min(self.position);
        (row.begun, row.next) = (true, until.max(row.next));
        self.pass_on(decider.id, row, until >= self.position);
    }

    fn wanted<'c>(&self, told: &Backfill, config: &'c crate::Compiled) -> Option<(&'c Decider, BackfillRow)> {
        let decider = config.rule(&told.rule)?;
        let row = self.backfill().filter(|row| row.rule == told.rule && told.from >= row.next)?;
        Some((decider, row.clone()))
    }

    /// Notes how far a rule is; one that is through is live from the next record on.
    fn pass_on(&mut self, rule: Key, row: BackfillRow, done: bool) {
        if !done {
            self.state.backfills.put(rule, row);
            return;
        }
        self.state.backfills.delete(&rule);
        let timers: Vec<_> = self.state.past.iter().map(|(key, timer)| (*key, timer.as_ref().clone())).collect();
        for (key, timer) in timers {
            self.state.past.delete(&key);
            self.state.timers.put(key, timer);
        }
    }

    /// The clock of today is in force again, with the timers of today.
    pub(crate) fn back_to_now(&mut self, now: Time) {
        if self.filling.take().is_some() {
            std::mem::swap(&mut self.state.timers, &mut self.state.past);
            self.now = now;
        }
    }

    /// A record of the past.
    fn once_more(&mut self, decider: &Decider, row: &mut BackfillRow, record: &Record) {
        let started = match (&record.origin, &*record.event.kind) {
            (Origin::Node, "dev.ensue.node.started") => Ours::of(&record.event).ok(),
            _ => None,
        };
        if row.at.is_none() {
            // For the rule, this is its start.
            self.now = record.at;
            self.arm_expected(decider);
        }
        self.now = row.at.unwrap_or(record.at);
        if let Some(Ours::NodeStarted(started)) = started {
            // Nobody looked then either.
            let stopped = started.stopped_at.unwrap_or(record.at);
            self.shift_absences((stopped, record.at), record.at);
        }
        self.due_until(record.at);
        (self.now, row.at) = (record.at, Some(record.at));
        if let Origin::Emitted(place) = record.origin {
            if row.emission.is_some_and(|last| place <= last) {
                return;
            }
            row.emission = Some(place);
        }
        let view = View::new(&record.event);
        let items: Vec<u16> = (0_u16..)
            .zip(&decider.watches)
            .filter(|(_, watch)| watch.pattern.matches(&view))
            .map(|(item, _)| item)
            .collect();
        if !items.is_empty() {
            self.offer(decider, &Rc::new(Seen::of(record)), &items);
        }
    }

    /// `start` of a rule that is there already means nothing.
    pub(crate) fn start_ignored(&mut self, decider: &Decider) {
        let why = "`start` is for a rule with a new name; this one goes on from where it is. Give it another name to \
                   take it through the past"
            .to_owned();
        self.decided(decider.name.to_string(), None, Verdict::Refused { why });
    }
}
