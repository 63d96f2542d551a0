//! `concurrency`: how many runs go on at once, of a rule or of a group of rules. It is looked at when the record of a
//! firing is folded.

use std::sync::Arc;

use ensue_event::ours::RuleFired;
use ensue_event::{Key, Time};
use ensue_lang::{Concurrency, Name, Running};
use ensue_rule::flow::{Policy, Seat, Slots};
use ensue_run::{Input, Run};
use serde::{Deserialize, Serialize};

use super::names::Names;
use super::{MOST_HELD, MOST_WAIT, held_in, row_of};
use crate::config::rule_id;
use crate::fold::{Engine, Pinned, Poison};
use crate::keys::key;
use crate::state::Verdict;

/// Whose slots they are: `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LockOf {
    /// A rule's own.
    Rule(String),
    /// Those of rules that name the same group.
    Group(String),
}

impl LockOf {
    /// What its rows are kept under, for a key.
    fn id(&self, key: Option<&str>) -> Key {
        match self {
            LockOf::Rule(name) => row_of("concurrency", rule_id(name), key),
            LockOf::Group(name) => row_of("group", Key::of("group", &[name.as_bytes()]), key),
        }
    }
}

/// The slots of a rule or group for a key: the runs that hold them, and the line of firings that wait for one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockRow {
    /// Whose they are.
    pub of: LockOf,
    /// The key; none: one for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How many there are, as the last firing that asked for one says.
    pub limit: u32,
    /// Who holds them, and who waits.
    pub slots: Slots,
}

/// A firing that waits for a slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Queued {
    /// The firing.
    pub fired: RuleFired,
    /// What its events tie together.
    pub correlation: String,
    /// The length of its chain.
    pub depth: u32,
    /// Since when it waits.
    pub since: Time,
}

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
        let (of, found) = self.lock_of(&pinned, spec, &fired);
        let key = match found {
            Ok(key) => key,
            Err(verdict) => {
                self.not(&fired.rule, fired.key, verdict);
                return Ok(());
            }
        };
        let (id, rule) = (of.id(key.as_deref()), rule_id(&fired.rule));
        let slots = self.state.locks.get(&id).map(|row| row.slots.clone()).unwrap_or_default();
        let mut row = LockRow { of, key, limit: spec.limit, slots };
        let full = self.of_rule(rule).held >= MOST_HELD;
        match row.slots.offer(fired.firing, spec.limit, policy(spec)) {
            Seat::Waits { replaced, .. } if full && replaced.is_empty() => {
                self.park_waiting(fired, correlation, depth, MOST_HELD);
                Ok(())
            }
            Seat::Begins => {
                self.state.locks.put(id, row);
                self.begin(fired, correlation, depth, Some(id))
            }
            Seat::Waits { number, replaced, cancels } => {
                self.state.locks.put(id, row);
                let (name, firing) = (fired.rule.clone(), fired.firing);
                self.decided(name, fired.key.clone(), Verdict::Held { by: "concurrency".into(), until: None });
                for number in replaced {
                    let Some(Queued { fired: old, .. }) = self.unqueue(id, number) else { continue };
                    let events = old.events.iter().map(|took| took.position).collect();
                    self.not(&old.rule, old.key, Verdict::Replaced { by: "concurrency".into(), events });
                }
                let queued = Queued { fired, correlation, depth, since: self.now };
                self.state.queued.put((id, held_in(id, number)), queued);
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
                self.park_waiting(fired, correlation, depth, MOST_WAIT);
                Ok(())
            }
        }
    }

    /// Whose slots a firing needs, and for which key.
    fn lock_of(
        &self,
        pinned: &Pinned,
        spec: &Concurrency,
        fired: &RuleFired,
    ) -> (LockOf, Result<Option<String>, Verdict>) {
        let of = match &spec.group {
            Some(group) => LockOf::Group(Name::new(pinned.namespace.as_str(), group.name.as_str()).to_string()),
            None => LockOf::Rule(fired.rule.clone()),
        };
        let found = match (&spec.key, &of) {
            (None, LockOf::Rule(_)) => Ok(fired.key.clone()),
            // Rules of a group have keys of different kinds: without one of its own it is one lock.
            (None, LockOf::Group(_)) => Ok(None),
            (Some(written), _) => {
                let tables = self.config.tables(&pinned.namespace);
                key(Some(written), &Names::of_firing(fired, tables, self.now))
            }
        };
        (of, found)
    }

    /// Parks a firing for which a line has no room.
    fn park_waiting(&mut self, fired: RuleFired, correlation: String, depth: u32, most: u64) {
        let tell = self.time_to_tell(rule_id(&fired.rule));
        let why = format!("concurrency: {most} wait already");
        self.park_firing(fired, correlation, depth, "concurrency", &why, tell);
    }

    /// Takes a firing out of the line.
    fn unqueue(&mut self, id: Key, number: u64) -> Option<Queued> {
        let place = (id, held_in(id, number));
        let queued = self.state.queued.get(&place).map(|queued| queued.as_ref().clone())?;
        self.state.queued.delete(&place);
        self.count_held(rule_id(&queued.fired.rule), |held| held.saturating_sub(1));
        Some(queued)
    }

    /// Takes note of how a run stands: one that goes on has its slot, whoever let it go on; the slot of one that is
    /// over goes to the firing that waits longest.
    pub(crate) fn stands(&mut self, run: &Run) {
        let Some(id) = run.slot else { return };
        let over = run.status.over();
        let mut row = match self.state.locks.get(&id) {
            Some(row) => row.as_ref().clone(),
            None if over => return,
            // The last one that held it is over, and a person lets this one go on.
            None => match self.lock_again(run) {
                Some(row) => row,
                None => return,
            },
        };
        let before = row.slots.clone();
        if over {
            row.slots.leave(run.id);
        } else {
            row.slots.enter(run.id);
        }
        if row.slots == before {
            return;
        }
        self.state.locks.put(id, row);
        if !over {
            return;
        }
        // A run may end where it begins: its slot is given on here, not by itself, however many follow each other.
        self.freed.push_back(id);
        if std::mem::replace(&mut self.seating, true) {
            return;
        }
        while let Some(id) = self.freed.pop_front() {
            self.seat_next(id);
        }
        self.seating = false;
    }

    /// The row that a run that begins anew has its slot in, where nothing is kept of it any more. Its key is computed as
    /// it was at first; where a table says otherwise now, the row is without the key's text.
    fn lock_again(&mut self, run: &Run) -> Option<LockRow> {
        let pinned = self.pinned(run.definition).ok()?;
        let spec = pinned.concurrency.as_ref()?;
        let fired = RuleFired {
            firing: run.id,
            rule: run.rule.clone(),
            definition: run.definition,
            mode: ensue_event::ours::Mode::Live,
            key: run.key.clone(),
            events: run.events.clone(),
            due: None,
            timed: run.timed,
            count: run.count,
            batch: run.batch.clone(),
            lets: run.lets.clone(),
        };
        let (of, found) = self.lock_of(&pinned, spec, &fired);
        let key = found.ok().flatten().filter(|key| Some(of.id(Some(key.as_str()))) == run.slot);
        Some(LockRow { of, key, limit: spec.limit, slots: Slots::default() })
    }

    fn seat_next(&mut self, id: Key) {
        loop {
            let Some(row) = self.state.locks.get(&id).cloned() else { return };
            if row.slots.idle() {
                self.state.locks.delete(&id);
                return;
            }
            let place = row.slots.line().first().map(|number| (id, held_in(id, number)));
            let Some(first) = place.and_then(|place| self.state.queued.get(&place)).cloned() else { return };
            let limit = match self.pinned(first.fired.definition) {
                Ok(pinned) => pinned.concurrency.as_ref().map_or(1, |spec| spec.limit),
                Err(_) => 1,
            };
            let mut row = row.as_ref().clone();
            let Some(number) = row.slots.next(limit) else { return };
            row.slots.enter(first.fired.firing);
            self.state.locks.put(id, row);
            let Some(Queued { fired, correlation, depth, .. }) = self.unqueue(id, number) else { continue };
            // The record at hand has nothing to do with what waits: if its run cannot begin, a person decides.
            if let Err(why) = self.begin(fired.clone(), correlation.clone(), depth, Some(id)) {
                if let Some(mut row) = self.state.locks.get(&id).map(|row: &Arc<LockRow>| row.as_ref().clone()) {
                    row.slots.leave(fired.firing);
                    self.state.locks.put(id, row);
                }
                self.park_firing(fired, correlation, depth, "concurrency", &why.to_string(), Some(1));
            }
        }
    }

    /// What is wrong with slots: one that is held by no run that goes on, a run that goes on without its slot, a firing
    /// that waits although there is nothing to wait for. There must never be any.
    pub fn unseated(&self) -> impl Iterator<Item = String> {
        let goes_on = |run: &Key| self.state.runs.get(run).is_some_and(|run| !run.status.over());
        let locks = self.state.locks.iter().filter_map(move |(id, row)| {
            let running = row.slots.running();
            let waits = self.state.queued.of(*id).count() as u64;
            if running.is_empty() || !running.iter().all(goes_on) {
                Some(format!("a slot is held by no run that goes on: {row:?}"))
            } else if waits != row.slots.line().len() {
                Some(format!("{waits} firings are kept of a line of {}: {row:?}", row.slots.line().len()))
            } else {
                None
            }
        });
        let seated = |run: &Run, id: Key| {
            self.state.locks.get(&id).is_some_and(|row: &Arc<LockRow>| row.slots.running().contains(&run.id))
        };
        let runs = self.state.runs.iter().filter(|(_, run)| !run.status.over());
        let runs = runs.filter_map(move |(_, run)| match run.slot {
            Some(id) if !seated(run, id) => Some(format!("run {} of {} goes on without its slot", run.id, run.rule)),
            _ => None,
        });
        let lost = self.state.queued.iter().filter(|((id, _), _)| self.state.locks.get(id).is_none());
        locks.chain(runs).chain(lost.map(|(_, queued)| format!("a firing waits for no slot: {queued:?}")))
    }
}
