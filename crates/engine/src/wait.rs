//! Steps that wait for an event.
//!
//! What a run may wait for is known when it starts: the patterns of its definition's `wait.for`. From then on what
//! matches them is kept, once for all runs of the definition, until none of them is under way. So an event that comes
//! before its step does is not missed. What is kept is bounded: past [`MOST_KEPT`] the oldest go, and a wait that reaches
//! back to one that went fails and says so.
//!
//! ```text
//!   record ── pattern ──► kept, by position ◄── a step begins to wait: what came since
//!                 └─────► steps that wait now: `key`, `if` ──► the run goes on
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ensue_event::ours::{Failure, Took};
use ensue_event::{Digest, Event, Key, Position, Record, Time};
use ensue_expr::Value;
use ensue_rule::{Index, Pattern, View};
use ensue_run::graph::{Since, WaitFor};
use ensue_run::{Input, Run, World, meets};
use serde::{Deserialize, Serialize};

use crate::decide::value_of;
use crate::fold::{Engine, Pinned};
use crate::state::Verdict;
use crate::table::RowValue;
use crate::work::Kin;

/// The most events that are kept for one step of a definition.
pub const MOST_KEPT: u64 = 5_000;

/// What the runs of a definition may wait for in one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitRow {
    /// The definition.
    pub definition: Digest,
    /// The path of the step.
    pub step: String,
    /// How many of its runs are under way.
    pub runs: u64,
    /// How many events are kept.
    pub kept: u64,
    /// The append time of the last one that was let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Time>,
}

/// A step that waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AwaitRow {
    /// Its run.
    pub run: Key,
    /// The branch.
    pub branch: u32,
    /// Its path.
    pub step: String,
    /// From when on events count.
    pub since: Time,
}

/// An event that was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Awaited {
    /// When it was appended.
    pub at: Time,
    /// The event.
    pub event: Event,
}

impl RowValue for Awaited {
    type Slot = std::sync::Arc<Awaited>;
    fn bytes(&self) -> Vec<u8> {
        let mut out = self.at.0.to_be_bytes().to_vec();
        out.extend(self.event.bytes());
        out
    }
    fn read(bytes: &[u8]) -> Result<Awaited, String> {
        let (at, event) = bytes.split_first_chunk().ok_or("a kept event is cut off")?;
        Ok(Awaited { at: Time(i64::from_be_bytes(*at)), event: Event::read(event)? })
    }
}

/// The patterns of all that is waited for, in one index: nothing but a memory of what the rows say.
#[derive(Debug, Default)]
pub(crate) struct Lookout {
    index: Index<u32>,
    wanted: BTreeMap<u32, (Key, Arc<WaitFor>)>,
    numbers: BTreeMap<Key, u32>,
    /// A pattern names our own types.
    pub(crate) hears_ours: bool,
    /// Rows may have come or gone.
    pub(crate) stale: bool,
}

impl Lookout {
    /// One that has to look at the rows first.
    pub(crate) fn new() -> Lookout {
        Lookout { stale: true, ..Lookout::default() }
    }
}

/// Steps that began to wait while a run was driven: what was kept is offered to them when the run is stored.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    queue: VecDeque<(Key, AwaitRow)>,
    at_it: bool,
}

impl Looks {
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
        self.at_it = false;
    }
}

fn wait_id(definition: Digest, step: &str) -> Key {
    Key::of("wait", &[&definition.0, step.as_bytes()])
}

fn await_id(run: Key, branch: u32, step: &str) -> Key {
    Key::of("await", &[&run.0, &branch.to_be_bytes(), step.as_bytes()])
}

fn place(position: Position) -> Key {
    let mut bytes = [0; 16];
    if let Some((first, _)) = bytes.split_first_chunk_mut() {
        *first = position.0.to_be_bytes();
    }
    Key(bytes)
}

fn position(place: Key) -> Position {
    let first = place.0.first_chunk().copied().unwrap_or_default();
    Position(u64::from_be_bytes(first))
}

impl Engine {
    /// A run is under way, or is no more: what it may wait for is looked for as long as one is.
    pub(crate) fn under_way(&mut self, run: &Run, under_way: bool) {
        if under_way {
            let Some(pinned) = self.graphs.get(&run.definition).cloned() else { return };
            for step in pinned.graph.waits.keys() {
                let id = wait_id(run.definition, step);
                let known = self.state.waits.get(&id).map(|row| row.as_ref().clone());
                let new = || WaitRow { definition: run.definition, step: step.clone(), runs: 0, kept: 0, lost: None };
                let mut row = known.unwrap_or_else(new);
                self.lookout.stale |= row.runs == 0;
                row.runs += 1;
                self.state.waits.put(id, row);
            }
            return;
        }
        let rows = self.state.waits.iter().filter(|(_, row)| row.definition == run.definition);
        let rows: Vec<(Key, WaitRow)> = rows.map(|(id, row)| (*id, row.as_ref().clone())).collect();
        for (id, mut row) in rows {
            row.runs = row.runs.saturating_sub(1);
            if row.runs > 0 {
                self.state.waits.put(id, row);
                continue;
            }
            self.lookout.stale = true;
            self.state.waits.delete(&id);
            let gone: Vec<(Key, Key)> = self.state.awaited.of(id).map(|(place, _)| (id, place)).collect();
            for key in gone {
                self.state.awaited.delete(&key);
            }
        }
    }

    /// A step begins to wait.
    pub(crate) fn look_for(&mut self, run: &Run, branch: u32, step: String, since: Time) {
        let id = wait_id(run.definition, &step);
        let row = AwaitRow { run: run.id, branch, step, since };
        self.state.awaits.put((id, await_id(row.run, branch, &row.step)), row.clone());
        self.looks.queue.push_back((id, row));
    }

    /// A step waits no more.
    pub(crate) fn look_no_more(&mut self, run: &Run, branch: u32, step: &str) {
        let id = wait_id(run.definition, step);
        self.state.awaits.delete(&(id, await_id(run.id, branch, step)));
    }

    /// Whether a step is known to wait.
    pub(crate) fn looks_for(&self, run: &Run, branch: u32, step: &str) -> bool {
        self.state.awaits.get(&(wait_id(run.definition, step), await_id(run.id, branch, step))).is_some()
    }

    /// Offers what was kept to the steps that began to wait.
    pub(crate) fn look_back(&mut self) {
        if self.looks.at_it {
            return;
        }
        self.looks.at_it = true;
        while let Some((id, row)) = self.looks.queue.pop_front() {
            if self.state.awaits.get(&(id, await_id(row.run, row.branch, &row.step))).is_none() {
                continue;
            }
            let kept: Vec<(Key, Arc<Awaited>)> = self
                .state
                .awaited
                .of(id)
                .filter(|(_, kept)| kept.at >= row.since)
                .map(|(place, kept)| (place, Arc::clone(kept)))
                .collect();
            let found = kept.into_iter().any(|(key, kept)| {
                let event = value_of(&kept.event);
                self.offer_to(id, &row, position(key), &kept.event, &event)
            });
            let lost = self.state.waits.get(&id).and_then(|row| row.lost).is_some_and(|lost| lost >= row.since);
            if !found && lost {
                self.state.awaits.delete(&(id, await_id(row.run, row.branch, &row.step)));
                let why = format!(
                    "more than {MOST_KEPT} events came that look like the one this step waits for, and the first of \
                     them are not kept; make the pattern of `wait.for` narrower, or `since` later"
                );
                let (branch, step) = (row.branch, row.step);
                // A definition that is gone is told where its run is driven.
                let _ = self.input(row.run, Input::Overflowed { branch, step, why });
            }
        }
        self.looks.at_it = false;
    }

    /// Whether this is the event that a step waits for; if so, its run goes on.
    fn offer_to(&mut self, id: Key, row: &AwaitRow, at: Position, event: &Event, value: &Value) -> bool {
        let Some(run) = self.state.runs.get(&row.run).cloned() else { return false };
        // A definition that cannot be read is told where the run is driven.
        let Ok(pinned) = self.pinned(run.definition) else { return false };
        match self.is_for(&pinned, &run, row, value) {
            Ok(false) => false,
            Ok(true) => {
                self.state.awaits.delete(&(id, await_id(row.run, row.branch, &row.step)));
                let took = Box::new(Took { position: at, item: None, event: event.to_json() });
                let _ = self.input(row.run, Input::Came { branch: row.branch, step: row.step.clone(), took });
                true
            }
            Err(failure) => {
                let expression = format!("wait.for of step `{}`", row.step);
                self.not(&run.rule, run.key.clone(), Verdict::Error { expression, why: failure.message });
                false
            }
        }
    }

    fn is_for(&self, pinned: &Pinned, run: &Run, row: &AwaitRow, event: &Value) -> Result<bool, Failure> {
        let config = self.next_config.as_ref().unwrap_or(&self.config);
        let tables = config.tables(&pinned.namespace);
        let idempotency = |action: &str, with: &serde_json::Value, connection: Option<&str>| {
            config.idempotency(action, with, connection)
        };
        let connection = |written: &str| config.connection(written, &pinned.namespace);
        let world = World {
            now: self.now,
            tables: &tables,
            connection: &connection,
            idempotency: &idempotency,
            cache: &|_| None,
        };
        let kin = Kin { run: run.id, rows: &self.state.branches };
        meets(&pinned.graph, &world, run, &kin, (row.branch, &row.step), event)
    }

    /// Offers the event of the record at hand to the steps that wait, and keeps it for those that will.
    pub(crate) fn awaited(&mut self, record: &Record, ours: bool) {
        if self.state.waits.is_empty() {
            return;
        }
        self.refresh();
        if ours && !self.lookout.hears_ours {
            return;
        }
        let mut matched = Vec::new();
        self.lookout.index.matches(&View::new(&record.event), &mut matched);
        if matched.is_empty() {
            return;
        }
        let value = value_of(&record.event);
        for number in matched {
            let Some((id, wanted)) = self.lookout.wanted.get(&number).cloned() else { continue };
            if self.state.waits.get(&id).is_none() {
                continue;
            }
            if wanted.since != Since::Now {
                self.keep_awaited(id, record);
            }
            let waiting: Vec<AwaitRow> = self.state.awaits.of(id).map(|(_, row)| row.as_ref().clone()).collect();
            for row in waiting {
                self.offer_to(id, &row, record.position, &record.event, &value);
            }
        }
    }

    fn keep_awaited(&mut self, id: Key, record: &Record) {
        let Some(mut row) = self.state.waits.get(&id).map(|row| row.as_ref().clone()) else { return };
        if row.kept >= MOST_KEPT {
            self.make_room(id, &mut row);
        }
        let event = crate::correlate::by_value(&record.event).as_ref().clone();
        self.state.awaited.put((id, place(record.position)), Awaited { at: record.at, event });
        row.kept += 1;
        self.state.waits.put(id, row);
    }

    /// Makes room: what no run under way can look back to goes first, then the older half of the rest.
    fn make_room(&mut self, id: Key, row: &mut WaitRow) {
        let runs = self.state.runs.look().map(|(_, run)| run.read());
        let under_way = runs.filter(|run| run.definition == row.definition && !run.status.over());
        let first = under_way.map(|run| run.started).min().unwrap_or(Time::MAX);
        let all: Vec<((Key, Key), Time)> =
            self.state.awaited.of(id).map(|(place, kept)| ((id, place), kept.at)).collect();
        let mut gone: Vec<_> = all.iter().filter(|(_, at)| *at < first).copied().collect();
        if gone.is_empty() {
            gone = all.iter().take(all.len() / 2).copied().collect();
            row.lost = gone.last().map(|(_, at)| *at);
        }
        row.kept = row.kept.saturating_sub(u64::try_from(gone.len()).unwrap_or(u64::MAX));
        for (key, _) in gone {
            self.state.awaited.delete(&key);
        }
    }

    /// Brings the index to what the rows say.
    fn refresh(&mut self) {
        if !self.lookout.stale {
            return;
        }
        self.lookout.stale = false;
        let rows: Vec<(Key, Arc<WaitRow>)> =
            self.state.waits.iter().map(|(key, row)| (*key, Arc::clone(row))).collect();
        let gone: Vec<Key> =
            self.lookout.numbers.keys().filter(|key| !rows.iter().any(|(id, _)| id == *key)).copied().collect();
        for id in gone {
            if let Some(number) = self.lookout.numbers.remove(&id) {
                self.lookout.index.remove(number);
                self.lookout.wanted.remove(&number);
            }
        }
        for (id, row) in rows {
            if self.lookout.numbers.contains_key(&id) {
                continue;
            }
            let Ok(pinned) = self.pinned(row.definition) else { continue };
            let Some(wanted) = pinned.graph.waits.get(&row.step).cloned() else { continue };
            let Ok(pattern) = Pattern::compile(&wanted.pattern.json) else { continue };
            let number = self.lookout.wanted.last_key_value().map_or(0, |(last, _)| last + 1);
            self.lookout.hears_ours |= pattern.names_ours();
            self.lookout.index.add(number, &pattern);
            self.lookout.wanted.insert(number, (id, wanted));
            self.lookout.numbers.insert(id, number);
        }
    }
}
