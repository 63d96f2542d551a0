//! The entry: one record in, what follows out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ensue_event::ours::{Failure, Ours};
use ensue_event::{Digest, Emission, Event, Key, Origin, Position, Record, Time, ours};
use ensue_lang::Concurrency;
use ensue_run::{Branches, Graph, Run, Waits};

use crate::backfill::{NoPast, Past};
use crate::config::{self, Compiled};
use crate::state::{Pending, Row, State, Timer};
use crate::wait::{Lookout, Looks};
use crate::work::Kin;

/// The fold: state, and the configuration that it goes by.
pub struct Engine {
    /// What it keeps.
    pub(crate) state: State,
    /// What it goes by.
    pub(crate) config: Arc<Compiled>,
    /// What it will go by when the record at hand is settled.
    pub(crate) next_config: Option<Arc<Compiled>>,
    /// Configurations that whoever drives it has compiled already.
    pub(crate) prepared: Vec<Prepared>,
    /// Compiled definitions: nothing but a memory of what `definitions` says.
    pub(crate) graphs: BTreeMap<Digest, Arc<Pinned>>,
    /// The record at hand.
    pub(crate) position: Position,
    /// The time of what is decided now: the record's, or that at which a timer was due.
    pub(crate) now: Time,
    /// The append time of the record at hand.
    pub(crate) at: Time,
    /// Emissions decided at the record at hand so far.
    pub(crate) emitted: u32,
    /// Effects that became ready at the record at hand.
    pub(crate) ready: Vec<Key>,
    /// Effects that their runs went on without at the record at hand.
    pub(crate) cancelled: Vec<Key>,
    /// Rows of `locks` in which a slot came free.
    pub(crate) freed: VecDeque<Key>,
    /// Whether they are being looked at.
    pub(crate) seating: bool,
    /// Tries of effects that policies denied, of which their runs are to be told.
    pub(crate) denied: VecDeque<(Key, Key, u32, Failure)>,
    /// Whether they are being told.
    pub(crate) refusing: bool,
    /// A rule is taken through the past; whether it acts on that.
    pub(crate) filling: Option<bool>,
    /// What steps wait for.
    pub(crate) lookout: Lookout,
    /// Steps that began to wait at the record at hand.
    pub(crate) looks: Looks,
}

/// The files of a configuration, and what they are compiled.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The files.
    pub files: Arc<[ours::ConfigFile]>,
    /// What [`config::check`] makes of them.
    pub compiled: Arc<Compiled>,
}

/// A pinned definition, compiled.
#[derive(Debug)]
pub(crate) struct Pinned {
    pub(crate) graph: Arc<Graph>,
    pub(crate) namespace: String,
    pub(crate) concurrency: Option<Concurrency>,
}

/// What followed from a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether there are emissions to append.
    pub emitted: u32,
    /// Effects that became ready; their rows are in the outbox.
    pub ready: Vec<Key>,
    /// Effects that their runs went on without; their rows are gone. One that is under way is to be stopped: nothing waits
    /// for its answer.
    pub cancelled: Vec<Key>,
}

/// A record that cannot be folded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Poison {
    /// One of our own records cannot be read.
    #[error("the record cannot be read: {0}")]
    Unreadable(String),
    /// A configuration that this version does not accept.
    #[error("the configuration in this record is not accepted by this version of ensue: {0}")]
    Configuration(String),
    /// The past that the record speaks of cannot be read.
    #[error("records of the past cannot be read: {0}")]
    Past(String),
    /// A firing or run whose definition is not there.
    #[error("the definition {0} is not in state")]
    NoDefinition(Digest),
    /// A definition that this version cannot compile.
    #[error("the definition {digest} cannot be compiled: {why}")]
    Definition {
        /// Its digest.
        digest: Digest,
        /// Why.
        why: String,
    },
}

impl Default for Engine {
    fn default() -> Engine {
        Engine::new()
    }
}

impl Engine {
    /// A fold that has seen no record.
    #[must_use]
    pub fn new() -> Engine {
        Engine {
            state: State::new(),
            config: Arc::new(Compiled::empty()),
            next_config: None,
            prepared: Vec::new(),
            graphs: BTreeMap::new(),
            position: Position(0),
            now: Time::MIN,
            at: Time::MIN,
            emitted: 0,
            ready: Vec::new(),
            cancelled: Vec::new(),
            freed: VecDeque::new(),
            seating: false,
            denied: VecDeque::new(),
            refusing: false,
            filling: None,
            lookout: Lookout::new(),
            looks: Looks::default(),
        }
    }

    /// A record that applies exactly these files need not compile them again. Nothing but time is saved by it.
    pub fn prepare(&mut self, prepared: Prepared) {
        self.prepared.push(prepared);
    }

    /// What the files of a configuration record are.
    pub(crate) fn compiled(&self, files: &[ours::ConfigFile]) -> Result<Arc<Compiled>, Poison> {
        if let Some(known) = self.prepared.iter().find(|known| *known.files == *files) {
            return Ok(Arc::clone(&known.compiled));
        }
        let mut checked = config::check(files);
        let compiled = checked.compiled.take().map(Arc::new);
        compiled.ok_or_else(|| Poison::Configuration(checked.render(false)))
    }

    /// Takes a row from the store, at start-up.
    pub fn load(&mut self, table: &str, key: &[u8], value: &[u8]) -> Result<(), String> {
        self.state.load(table, key, value)
    }

    /// After the last row: compiles the configuration in force.
    pub fn loaded(&mut self) -> Result<(), Poison> {
        let current = self.state.config.get(&"current".to_owned()).cloned();
        if let Some(applied) = current {
            self.config = self.compiled(&applied.config.files)?;
        }
        self.now = self.state.meta.at;
        Ok(())
    }

    /// Folds one record. Nothing is changed until [`Engine::settle`]; after an error or a panic, [`Engine::undo`].
    pub fn fold(&mut self, record: &Record) -> Result<Outcome, Poison> {
        self.fold_with(record, &NoPast)
    }

    /// The same, with the records before it at hand: what a `dev.ensue.backfill` asks for.
    pub fn fold_with(&mut self, record: &Record, past: &dyn Past) -> Result<Outcome, Poison> {
        if self.state.meta.folded.is_some_and(|last| record.position <= last) {
            return Ok(Outcome::default());
        }
        (self.position, self.at, self.emitted) = (record.position, record.at, 0);
        self.ready.clear();
        self.cancelled.clear();
        self.freed.clear();
        self.seating = false;
        self.denied.clear();
        self.refusing = false;
        self.looks.clear();
        let ours = self.ours(record)?;
        // What says something about time or sources is known before the timers that it leaves due.
        let first = ours.as_ref().is_some_and(|ours| {
            matches!(
                ours,
                Ours::NodeStarted(_) | Ours::ClockStepped(_) | Ours::SourceDisconnected(_) | Ours::SourceCaughtUp(_)
            )
        });
        if !first {
            self.timers(record.at);
        }
        self.now = record.at;
        self.handle(record, ours, past)?;
        if first {
            self.timers(record.at);
            self.now = record.at;
        }
        (self.state.meta.folded, self.state.meta.at) = (Some(record.position), record.at);
        let (ready, cancelled) = (std::mem::take(&mut self.ready), std::mem::take(&mut self.cancelled));
        Ok(Outcome { emitted: self.emitted, ready, cancelled })
    }

    /// Applies what the record at hand changed.
    pub fn settle(&mut self) {
        self.state.settle();
        if let Some(next) = self.next_config.take() {
            self.config = next;
        }
    }

    /// Throws away what the record at hand changed.
    pub fn undo(&mut self) {
        self.back_to_now(self.at);
        self.state.undo();
        self.next_config = None;
        self.ready.clear();
        self.lookout.stale = true;
        self.cancelled.clear();
    }

    /// Sets a record aside: what was decided at it is nothing, and the fold goes on after it. A firing is held for a
    /// person from here on; its `record.quarantined` says why.
    pub fn set_aside(&mut self, record: &Record) {
        self.undo();
        if let Origin::Emitted(place) = record.origin {
            self.now = record.at;
            self.park(place, "its record could not be folded");
            self.arrived(place);
        }
        if let Ok(Some(Ours::Backfill(told))) = self.ours(record) {
            (self.position, self.at, self.now) = (record.position, record.at, record.at);
            self.fill_nothing(&told);
        }
        self.passed(record.position, record.at);
    }

    /// Passes by what is no record any more: one that was destroyed on request or cannot be read.
    pub fn pass(&mut self, position: Position, at: Time) {
        self.undo();
        self.passed(position, at);
    }

    fn passed(&mut self, position: Position, at: Time) {
        self.state.meta.folded = Some(position);
        self.state.meta.at = self.state.meta.at.max(at);
        self.state.settle();
    }

    /// Rows that the store has not seen yet.
    pub fn drain(&mut self) -> Vec<Row> {
        self.state.drain()
    }

    /// What is kept.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What it goes by.
    #[must_use]
    pub fn config(&self) -> &Arc<Compiled> {
        &self.config
    }

    /// The time at which the next timer is due.
    #[must_use]
    pub fn due(&self) -> Option<Time> {
        self.state.timers.first().map(|((due, _), _)| *due)
    }

    /// Emissions above `after` that are to be appended, in order.
    pub fn emissions(&self, after: Option<Emission>) -> impl Iterator<Item = (Emission, &Event)> {
        let from = after.map_or(Emission { position: Position(0), index: 0 }, |last| Emission {
            position: last.position,
            index: last.index.saturating_add(1),
        });
        self.state.emissions.from(from..).map(|(place, pending): (&Emission, &Arc<Pending>)| (*place, &pending.event))
    }

    /// Runs that are not over and of which a branch waits for nothing that will come. There must never be one.
    pub fn stuck(&self) -> impl Iterator<Item = Arc<Run>> {
        self.under_way_from(Key([0; 16])).filter_map(|run| self.state.runs.peek(run)).filter(|run| self.is_stuck(run))
    }

    /// How many of the next `most` runs that are not over are stuck, from this one on; and the one after them: for who
    /// must not let the fold wait for all.
    #[must_use]
    pub fn stuck_from(&self, from: Key, most: usize) -> (usize, Option<Key>) {
        let mut runs = self.under_way_from(from);
        let some = runs.by_ref().take(most).filter_map(|run| self.state.runs.peek(run));
        let stuck = some.filter(|run| self.is_stuck(run)).count();
        (stuck, runs.next().copied())
    }

    /// Runs that are not over; those that are need not be read for it.
    fn under_way_from(&self, from: Key) -> impl Iterator<Item = &Key> {
        let ended: BTreeSet<Key> = self.state.ended.keys().map(|(_, run)| *run).collect();
        self.state.runs.keys_from(from..).filter(move |run| !ended.contains(run))
    }

    fn is_stuck(&self, run: &Run) -> bool {
        let kin = Kin { run: run.id, rows: &self.state.branches };
        run.waits(&kin).into_iter().any(|(branch, waits)| !self.comes(run, &kin, branch, waits))
    }

    /// Whether what a branch of a run waits for will come.
    fn comes(&self, run: &Run, kin: &Kin<'_>, branch: u32, waits: Option<Waits>) -> bool {
        let timer = |due: Time| {
            let mut timers = self.state.timers.from((due, Key([0; 16]))..).take_while(|((at, _), _)| *at == due);
            timers.any(|(_, timer)| matches!(timer.as_ref(), Timer::Run { run: of, branch: at, .. } if (*of, *at) == (run.id, branch)))
        };
        match waits {
            Some(Waits::Answer(effect)) => self.state.outbox.has(&effect),
            Some(Waits::Until(due)) => timer(due),
            Some(Waits::Event(step, due)) => self.looks_for(run, branch, &step) && due.is_none_or(timer),
            Some(Waits::Person(_)) => true,
            Some(Waits::Branches) => kin.ids().into_iter().any(|id| {
                kin.get(id).is_some_and(|one| one.goes_on() && one.of.as_ref().is_some_and(|of| of.parent == branch))
            }),
            None => false,
        }
    }

    fn ours(&self, record: &Record) -> Result<Option<Ours>, Poison> {
        if matches!(record.origin, Origin::Source(_)) || !record.event.kind.starts_with(ours::PREFIX) {
            return Ok(None);
        }
        Ours::of(&record.event).map(Some).map_err(|why| Poison::Unreadable(why.to_string()))
    }

    /// Every timer that is due at `at`, in the order of (due, id), each with its own due time as now.
    fn timers(&mut self, at: Time) {
        // What the last record left is the earliest that a timer's now can be.
        self.now = self.state.meta.at;
        self.due_until(at);
    }

    /// The same, from now on.
    pub(crate) fn due_until(&mut self, at: Time) {
        while let Some((key, timer)) = self.state.timers.first().map(|(key, timer)| (*key, Arc::clone(timer))) {
            if key.0 > at {
                break;
            }
            self.state.timers.delete(&key);
            self.now = self.now.max(key.0);
            match timer.as_ref() {
                Timer::Run { run, branch, step, due } => self.run_due(*run, *branch, step, *due),
                Timer::Half { rule } => {
                    if self.waits_for_the_gap(*rule) {
                        self.postpone(*rule, key.1);
                    }
                    self.half_due(*rule, key.1);
                }
                Timer::Asks { run, effect } => {
                    let told = self.asks_due(*run, *effect);
                    self.or_fails(*run, "", told);
                }
                Timer::Flow { rule } => self.flow_due(*rule, key.1),
                Timer::Order { place, .. } => self.order_due(place),
                Timer::Gap => self.gap_due(),
                Timer::Window => self.window_due(key.1),
            }
        }
    }

    fn handle(&mut self, record: &Record, ours: Option<Ours>, past: &dyn Past) -> Result<(), Poison> {
        if let Origin::Emitted(place) = record.origin
            && !self.arrived(place)
        {
            return Ok(());
        }
        match &record.origin {
            Origin::Source(name) => self.heard(name, record),
            _ if ours.is_none() => self.state.meta.counts.events += 1,
            _ => {}
        }
        let listens = ours.is_none() || self.config.hears_ours;
        let is_ours = ours.is_some();
        if let Some(ours) = ours {
            self.record(record, ours, past)?;
        }
        self.awaited(record, is_ours);
        if listens {
            self.decide(record);
        }
        Ok(())
    }

    fn heard(&mut self, name: &str, record: &Record) {
        self.state.meta.counts.events += 1;
        let name = name.to_owned();
        let events = self.state.sources.get(&name).map_or(0, |known| known.events) + 1;
        let occurred = record.event.occurred();
        self.state.sources.put(name, crate::state::SourceState { events, last: record.at, occurred });
    }
}
