//! `concurrency`: how many runs go on at once. It is looked at when the record of a firing is folded.

use std::sync::Arc;

use ensue_event::Key;
use ensue_event::ours::RuleFired;
use ensue_lang::{Concurrency, Running};
use ensue_rule::flow::{Policy, Seat, Slots};
use ensue_run::{Input, Run};

use super::names::Names;
use super::{FlowRow, Kept, MOST_HELD, MOST_WAIT, held_in, row_of};
use crate::config::rule_id;
use crate::fold::{Engine, Poison};
use crate::keys::key;
use crate::state::Verdict;

fn policy(spec: &Concurrency) -> Policy {
    match spec.excess {
        Running::Queue => Policy::Queue { most: MOST_WAIT },
        Running::Latest => Policy::Latest,
        Running::Skip => Policy::Skip,
        Running::CancelRunning => Policy::CancelRunning,
    }
}

impl Engine {
    /// A firing begins its run, or waits for another to end, as the definition says that it goes by.
    pub(crate) fn seat(&mut self, fired: RuleFired, correlation: String, depth: u32) -> Result<(), Poison> {
        let pinned = self.pinned(fired.definition)?;
        let Some(spec) = &pinned.concurrency else { return self.begin(fired, correlation, depth, None) };
        let rule = rule_id(&fired.rule);
        let found = match &spec.key {
            None => Ok(fired.key.clone()),
            Some(written) => {
                let tables = self.config.tables(&pinned.namespace);
                key(Some(written), &Names::of_firing(&fired, tables, self.now))
            }
        };
        let of = match found {
            Ok(of) => of,
            Err(verdict) => {
                self.not(&fired.rule, fired.key, verdict);
                return Ok(());
            }
        };
        let id = row_of("concurrency", rule, of.as_deref());
        let (mut slots, full) = (self.slots(rule, id), self.of_rule(rule).held >= MOST_HELD);
        match slots.offer(fired.firing, spec.limit, policy(spec)) {
            Seat::Waits { replaced, .. } if full && replaced.is_empty() => {
                self.park_waiting(rule, fired, correlation, depth, MOST_HELD);
                Ok(())
            }
            Seat::Begins => {
                self.keep_flow(rule, id, of, Kept::Slots(slots), None);
                self.begin(fired, correlation, depth, Some(id))
            }
            Seat::Waits { number, replaced, cancels } => {
                self.keep_flow(rule, id, of, Kept::Slots(slots), None);
                let (name, firing) = (fired.rule.clone(), fired.firing);
                self.decided(name.clone(), fired.key.clone(), Verdict::Held { by: "concurrency".into(), until: None });
                for number in replaced {
                    let Some((old, ..)) = self.unwait(rule, id, number) else { continue };
                    let events = old.events.iter().map(|took| took.position).collect();
                    self.not(&name, old.key, Verdict::Replaced { by: "concurrency".into(), events });
                }
                let kept = Kept::Waiting { fired: Box::new(fired), correlation, depth };
                self.state.flows.put((rule, held_in(id, number)), FlowRow { key: None, wake: None, kept });
                self.count_held(rule, |held| held + 1);
                // One that was asked already may be in its `finally` steps: asked again, it would not do them.
                let asked = |run: &Key| self.state.runs.get(run).is_none_or(|run| run.cancelled.is_some());
                let cancels: Vec<Key> = cancels.into_iter().filter(|run| !asked(run)).collect();
                for run in cancels {
                    let reason = format!("firing {firing} is newer (concurrency: cancelRunning)");
                    self.input(run, Input::Cancel { reason })?;
                }
                Ok(())
            }
            Seat::Skipped(running) => {
                self.not(&fired.rule, fired.key, Verdict::Skipped { running });
                Ok(())
            }
            Seat::Full => {
                self.park_waiting(rule, fired, correlation, depth, MOST_WAIT);
                Ok(())
            }
        }
    }

    /// Parks a firing for which a line has no room.
    fn park_waiting(&mut self, rule: Key, fired: RuleFired, correlation: String, depth: u32, most: u64) {
        let tell = self.time_to_tell(rule);
        let why = format!("concurrency: {most} wait already");
        self.park_firing(fired, correlation, depth, "concurrency", &why, tell);
    }

    fn slots(&self, rule: Key, id: Key) -> Slots {
        match self.kept(rule, id) {
            Some(Kept::Slots(slots)) => slots.clone(),
            _ => Slots::default(),
        }
    }

    /// Sets a row that is there, or was.
    fn keep_slots(&mut self, rule: Key, id: Key, slots: Slots) {
        let of = self.state.flows.get(&(rule, id)).and_then(|row| row.key.clone());
        self.keep_flow(rule, id, of, Kept::Slots(slots), None);
    }

    fn waiting(&self, rule: Key, id: Key, number: u64) -> Option<Arc<FlowRow>> {
        self.state.flows.get(&(rule, held_in(id, number))).cloned()
    }

    /// Takes a firing out of the line.
    fn unwait(&mut self, rule: Key, id: Key, number: u64) -> Option<(RuleFired, String, u32)> {
        let row = self.waiting(rule, id, number)?;
        self.state.flows.delete(&(rule, held_in(id, number)));
        self.count_held(rule, |held| held.saturating_sub(1));
        match &row.kept {
            Kept::Waiting { fired, correlation, depth } => Some((fired.as_ref().clone(), correlation.clone(), *depth)),
            _ => None,
        }
    }

    /// Takes note of how a run stands: one that goes on has its slot, whoever let it go on; the slot of one that is
    /// over goes to the firing that waits longest.
    pub(crate) fn stands(&mut self, run: &Run) {
        let Some(id) = run.slot else { return };
        let rule = rule_id(&run.rule);
        let before = self.slots(rule, id);
        let mut slots = before.clone();
        if run.status.over() {
            slots.leave(run.id);
        } else {
            slots.enter(run.id);
        }
        if slots == before {
            return;
        }
        self.keep_slots(rule, id, slots);
        if !run.status.over() {
            return;
        }
        // A run may end where it begins: its slot is given on here, not by itself, however many follow each other.
        self.freed.push_back((rule, id));
        if std::mem::replace(&mut self.seating, true) {
            return;
        }
        while let Some((rule, id)) = self.freed.pop_front() {
            self.seat_next(rule, id);
        }
        self.seating = false;
    }

    fn seat_next(&mut self, rule: Key, id: Key) {
        loop {
            let mut slots = self.slots(rule, id);
            if slots.idle() {
                self.drop_flow(rule, id);
                return;
            }
            let Some(first) = slots.line().first().and_then(|number| self.waiting(rule, id, number)) else { return };
            let Kept::Waiting { fired, .. } = &first.kept else { return };
            let limit = match self.pinned(fired.definition) {
                Ok(pinned) => pinned.concurrency.as_ref().map_or(1, |spec| spec.limit),
                Err(_) => 1,
            };
            let Some(number) = slots.next(limit) else { return };
            slots.enter(fired.firing);
            self.keep_slots(rule, id, slots);
            let Some((fired, correlation, depth)) = self.unwait(rule, id, number) else { continue };
            // The record at hand has nothing to do with what waits: if its run cannot begin, a person decides.
            if let Err(why) = self.begin(fired.clone(), correlation.clone(), depth, Some(id)) {
                let mut slots = self.slots(rule, id);
                slots.leave(fired.firing);
                self.keep_slots(rule, id, slots);
                self.park_firing(fired, correlation, depth, "concurrency", &why.to_string(), Some(1));
            }
        }
    }

    /// Firings that wait although nothing goes on that they could wait for. There must never be one.
    pub fn unseated(&self) -> impl Iterator<Item = &FlowRow> {
        let goes_on = |run: &Key| self.state.runs.get(run).is_some_and(|run| !run.status.over());
        self.state.flows.iter().map(|(_, row)| row.as_ref()).filter(move |row| match &row.kept {
            Kept::Slots(slots) => slots.running().is_empty() || !slots.running().iter().all(goes_on),
            _ => false,
        })
    }
}
