//! Fold, checkpoint, and what leaves in between.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ensue_engine::state::TABLES;
use ensue_engine::{Engine, FOLD, Past, Poison};
use ensue_event::ours::{
    ActionAnswered, ActionStarted, ActionStopped, ActionUncertain, Answer, Attempt, Backfill, Logged, NodeStarted,
    Operator, Ours, RecordQuarantined, Tick,
};
use ensue_event::{Attr, Digest, Emission, Event, Key, Origin, Position, Record, Time};
use ensue_state::{Applied, Change, State};

use crate::dispatch::{Dispatch, Work};

/// The `source` of the records that the node writes.
pub const SOURCE: &str = "/ensue/node";

/// How many records are folded before their changes are written, at the latest.
pub const CHECKPOINT_RECORDS: usize = 500;

/// How many records of the past a rule is taken through at once: what comes now waits for no more than that.
pub const BACKFILL_RECORDS: u64 = 500;

/// An event of ours to be appended, before anything from outside that waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// Where it comes from.
    pub origin: Origin,
    /// The event.
    pub event: Event,
}

/// The fold with its store, its dispatcher, and the order between them.
pub struct Pump<S> {
    engine: Engine,
    store: S,
    dispatch: Dispatch,
    /// The last emission that was handed out.
    handed: Option<Emission>,
    /// Records that were set aside before: a rebuild passes them by.
    aside: BTreeSet<Position>,
    /// Quarantines to be appended.
    quarantines: Vec<Outgoing>,
    /// Records that are set aside and whose quarantine is not folded yet: no checkpoint may pass them.
    unsaid: BTreeSet<Position>,
    /// Effects that became ready since the last checkpoint.
    ready: Vec<Key>,
    /// Effects under way that their runs went on without.
    cancelled: Vec<Key>,
    /// Records folded since the last checkpoint.
    behind: usize,
    /// Changes that the store has not taken yet, in order: it may have been full.
    uncommitted: Vec<Change>,
    /// The log as it was at start is folded: emissions and effects may leave.
    live: bool,
    /// The log before the record at hand.
    past: Option<Box<dyn Past + Send>>,
    /// A `dev.ensue.backfill` was handed out and is not folded yet.
    filling: bool,
    /// Two starts died without progress: each record is noted before it is folded.
    careful: bool,
}

impl<S: State> Pump<S> {
    /// A pump over this engine and store; see [`crate::start`].
    pub(crate) fn of(engine: Engine, store: S, aside: BTreeSet<Position>, careful: bool) -> Pump<S> {
        Pump {
            engine,
            store,
            dispatch: Dispatch::new(),
            handed: None,
            aside,
            quarantines: Vec::new(),
            unsaid: BTreeSet::new(),
            ready: Vec::new(),
            cancelled: Vec::new(),
            behind: 0,
            uncommitted: Vec::new(),
            live: false,
            past: None,
            filling: false,
            careful,
        }
    }

    /// Gives the fold the log to look back into: without it no rule starts in the past, and a log in which one did cannot
    /// be folded.
    pub fn look_back(&mut self, past: Box<dyn Past + Send>) {
        self.past = Some(past);
    }

    /// The names of the tables that a store must have.
    #[must_use]
    pub const fn tables() -> &'static [&'static str] {
        TABLES
    }

    /// The fold.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The store, for snapshots and notes.
    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// Gives the store back.
    #[must_use]
    pub fn into_store(self) -> S {
        self.store
    }

    /// The dispatcher's counts.
    #[must_use]
    pub fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    /// The position of the next record to fold.
    #[must_use]
    pub fn wants(&self) -> Position {
        self.engine.state().meta.folded.map_or(Position(0), Position::next)
    }

    /// Whether the log as it was at start is folded.
    #[must_use]
    pub fn live(&self) -> bool {
        self.live
    }

    /// Folds a durable record. A record that cannot be folded is set aside; only a configuration that cannot be is an
    /// error, since nothing after it could be trusted.
    pub fn fold(&mut self, record: &Record) -> Result<(), Poison> {
        self.fold_after(record, &|_| ())
    }

    /// The same, with something done first where a panic is caught: for tests of what is set aside.
    pub fn fold_after(&mut self, record: &Record, first: &dyn Fn(&Record)) -> Result<(), Poison> {
        if record.position < self.wants() {
            return Ok(());
        }
        self.behind += 1;
        if self.aside.contains(&record.position) {
            self.engine.set_aside(record);
            return Ok(());
        }
        if self.careful && self.last_words(record.position) {
            self.set_aside(record, "two starts died on it".to_owned());
            return Ok(());
        }
        let result = catch_unwind(AssertUnwindSafe(|| {
            first(record);
            match &self.past {
                Some(past) => self.engine.fold_with(record, past.as_ref()),
                None => self.engine.fold(record),
            }
        }));
        match result {
            Ok(Ok(outcome)) => {
                self.engine.settle();
                self.ready.extend(outcome.ready);
                self.noted(record);
                // What has an answer is over already.
                self.cancelled.extend(outcome.cancelled.into_iter().filter(|key| self.dispatch.over(*key)));
                Ok(())
            }
            Ok(Err(poison @ (Poison::Configuration(_) | Poison::Past(_)))) => {
                self.engine.undo();
                Err(poison)
            }
            Ok(Err(poison)) => {
                self.set_aside(record, poison.to_string());
                Ok(())
            }
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
                let reason = format!("the fold panicked: {text}");
                self.set_aside(record, reason);
                Ok(())
            }
        }
    }

    /// A record that was destroyed on request: it is passed by, and nobody needs to be told.
    pub fn purged(&mut self, position: Position) {
        if position >= self.wants() {
            self.behind += 1;
            let at = self.engine.state().meta.at;
            self.engine.pass(position, at);
        }
    }

    /// A record whose bytes could not be read: it is set aside like one that could not be folded.
    pub fn unreadable(&mut self, position: Position, why: &str) {
        if position < self.wants() {
            return;
        }
        self.behind += 1;
        let at = self.engine.state().meta.at;
        self.engine.pass(position, at);
        if !self.aside.contains(&position) {
            self.quarantine(RecordQuarantined { position, reason: why.to_owned(), answer: None, firing: None });
        }
    }

    /// Notes the position in the store; true if two starts died on it already.
    fn last_words(&mut self, position: Position) -> bool {
        let died = match self.store.noted("about") {
            Ok(Some(text)) => match text.split_once(' ') {
                Some((at, count)) if at == position.to_string() => count.parse().unwrap_or(0_u32),
                _ => 0,
            },
            _ => 0,
        };
        if died >= 2 {
            return true;
        }
        // A note that cannot be kept only means that one more start is needed.
        let _ = self.store.note("about", &format!("{position} {}", died + 1));
        false
    }

    fn set_aside(&mut self, record: &Record, reason: String) {
        self.engine.set_aside(record);
        let ours = if matches!(record.origin, Origin::Source(_)) { None } else { Ours::of(&record.event).ok() };
        let (mut answer, mut firing) = (None, None);
        match ours {
            Some(Ours::ActionAnswered(answered)) => answer = Some(answered.of),
            Some(Ours::RuleFired(fired)) => firing = Some(fired.firing),
            // What it says is set aside; that something was set aside is said all the same.
            Some(Ours::RecordQuarantined(earlier)) => drop(self.unsaid.remove(&earlier.position)),
            Some(Ours::Backfill(_)) => self.filling = false,
            _ => {}
        }
        self.quarantine(RecordQuarantined { position: record.position, reason, answer, firing });
    }

    fn quarantine(&mut self, quarantined: RecordQuarantined) {
        let position = quarantined.position;
        self.unsaid.insert(position);
        let id = Key::of("quarantined", &[&position.bytes()]);
        self.quarantines.push(node(id.to_string(), &quarantined.into()));
    }

    /// What the dispatcher and the pump itself learn from a record. All of it is said by the node: what was emitted is not
    /// read a second time, and a firing holds its events.
    fn noted(&mut self, record: &Record) {
        if record.origin != Origin::Node {
            return;
        }
        match Ours::of(&record.event) {
            Ok(Ours::ActionStarted(started)) => self.dispatch.started(started.of.effect),
            Ok(Ours::ActionAnswered(ActionAnswered { of, .. }) | Ours::ActionUncertain(ActionUncertain { of, .. })) => {
                self.dispatch.over(of.effect);
            }
            Ok(Ours::Backfill(_)) => self.filling = false,
            Ok(Ours::RecordQuarantined(quarantined)) => {
                self.unsaid.remove(&quarantined.position);
                if let Some(of) = quarantined.answer {
                    self.dispatch.over(of.effect);
                }
            }
            _ => {}
        }
    }

    /// The log as it was at start is folded: from here on emissions and effects leave.
    pub fn go_live(&mut self) {
        self.live = true;
        self.handed = self.engine.state().meta.emission;
        // What is held is made ready when it is let go.
        let rows = self.engine.state().outbox.look();
        self.ready = rows.filter(|(_, row)| row.read().may_leave()).map(|(key, _)| *key).collect();
        self.dispatch.recount(&self.engine);
    }

    /// What is to be appended now, in this order: quarantines, emissions, the next records of a backfill. Each is handed out once.
    pub fn outgoing(&mut self) -> Vec<Outgoing> {
        let mut out = std::mem::take(&mut self.quarantines);
        if self.live {
            let from = out.len();
            out.extend(
                self.engine
                    .emissions(self.handed)
                    .map(|(place, event)| Outgoing { origin: Origin::Emitted(place), event: event.clone() }),
            );
            if let Some(Outgoing { origin: Origin::Emitted(place), .. }) = out.get(from..).and_then(|new| new.last()) {
                self.handed = Some(*place);
            }
            out.extend(self.backfill());
        }
        out
    }

    /// The next records of the past for the rule that is on its way, when the ones before are folded.
    fn backfill(&mut self) -> Option<Outgoing> {
        let (Some(past), false) = (&self.past, self.filling) else { return None };
        let row = self.engine.backfill()?;
        let mut from = row.next.max(past.first());
        if let Some(after) = row.after.filter(|_| row.at.is_none()) {
            // What is passed over anyway need not be read.
            from = past.since(after).map_or(from, |since| from.max(since));
        }
        let told = Backfill { rule: row.rule.clone(), from, to: from.plus(BACKFILL_RECORDS) };
        let id = Key::of("backfill", &[told.rule.as_bytes(), &from.bytes(), &self.wants().bytes()]);
        self.filling = true;
        Some(node(id.to_string(), &told.into()))
    }

    /// Whether a checkpoint is due: an effect waits for it, or enough was folded.
    #[must_use]
    pub fn checkpoint_due(&self) -> bool {
        !self.ready.is_empty() || self.much()
    }

    /// Whether enough was folded for a checkpoint, whatever waits for one: in a recovery no effect leaves anyway.
    #[must_use]
    pub fn much(&self) -> bool {
        self.behind >= CHECKPOINT_RECORDS || self.behind > 0 && self.careful
    }

    /// How many records were folded since the last checkpoint.
    #[must_use]
    pub fn behind(&self) -> usize {
        self.behind
    }

    /// Commits all changes with the position. `chain` is the log's chain hash at the last folded record. False if it
    /// must wait, because a record is set aside and the log does not say so yet.
    pub fn checkpoint(&mut self, chain: Digest) -> Result<bool, ensue_state::Error> {
        if !self.unsaid.is_empty() {
            return Ok(false);
        }
        let position = self.engine.state().meta.folded;
        let rows = self.engine.drain().into_iter();
        self.uncommitted.extend(rows.map(|row| Change { table: row.table, key: row.key, value: row.value }));
        let applied = Applied { position, chain, fold: FOLD, extra: serde_json::Value::Null };
        self.store.commit(&self.uncommitted, &applied)?;
        self.uncommitted.clear();
        self.behind = 0;
        if self.live {
            for key in std::mem::take(&mut self.ready) {
                self.dispatch.offer(key, &self.engine);
            }
        }
        Ok(true)
    }

    /// The answer of an attempt is durable: what waits for its room may leave, however far behind the fold is.
    pub fn answered(&mut self, of: &Attempt) {
        self.dispatch.answered(of);
    }

    /// Lets no new effect leave, or lets them leave again; see [`Dispatch::hold`].
    pub fn hold(&mut self, held: bool) {
        self.dispatch.hold(held);
    }

    /// Effects that may leave now. Announcements are turned into records to append; the rest is to be performed.
    pub fn work(&mut self, now: Time) -> (Vec<Outgoing>, Vec<ensue_engine::Outboxed>) {
        let (mut announce, mut perform) = (Vec::new(), Vec::new());
        if self.live {
            for work in self.dispatch.next(&self.engine, now) {
                match work {
                    Work::Announce(row) => announce.push(started(&self.deep(&row))),
                    Work::Perform(row) => perform.push(self.deep(&row)),
                }
            }
        }
        (announce, perform)
    }

    /// Effects that have left and that their runs went on without: each is to be stopped, for nothing waits for its
    /// answer. Each is handed out once, and before [`Pump::work`] hands out what was decided after it.
    pub fn cancelled(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.cancelled)
    }

    /// An effect that knows how long its chain is, so that the records about it do: a rule that acts on them is cut
    /// like any other.
    fn deep(&self, row: &ensue_engine::Outboxed) -> ensue_engine::Outboxed {
        let mut row = row.clone();
        row.effect.depth = self.engine.state().runs.get(&row.effect.run).map_or(0, |run| run.depth);
        row
    }

    /// What a start finds uncertain: effects that may have been done and cannot be repeated, or not any more.
    #[must_use]
    pub fn uncertain(&self, now: Time, horizon: ensue_event::Span) -> Vec<Outgoing> {
        use ensue_lang::catalog::Idempotency;
        let rows = self.engine.state().outbox.look();
        rows.filter_map(|(_, row)| {
            let row = row.read();
            let once = row.effect.idempotency == Idempotency::None;
            let reason = if once && row.started {
                "it was started and has no answer; it cannot be repeated blindly".to_owned()
            } else if !once && (row.may_leave() || row.may_have_left) && now.since(row.at) > horizon {
                format!("it was decided {} ago and may have been done since", now.since(row.at))
            } else {
                return None;
            };
            Some(about(&self.deep(&row), &ActionUncertain { of: row.attempt(), reason }.into(), "uncertain"))
        })
        .collect()
    }
}

/// A record of the node.
#[must_use]
pub fn node(id: String, ours: &Ours) -> Outgoing {
    Outgoing { origin: Origin::Node, event: ours.event(id, SOURCE) }
}

/// The record that a node begins to run.
#[must_use]
pub fn node_started(started: NodeStarted, id: String) -> Outgoing {
    node(id, &started.into())
}

/// The record that a timer is due.
#[must_use]
pub fn tick(id: String) -> Outgoing {
    node(id, &Tick {}.into())
}

/// The record of an operator's command.
#[must_use]
pub fn operator(id: String, operator: Operator) -> Outgoing {
    node(id, &operator.into())
}

fn started(row: &ensue_engine::Outboxed) -> Outgoing {
    let effect = &row.effect;
    let told =
        ActionStarted { of: row.attempt(), action: effect.action.clone(), connection: effect.connection.clone() };
    about(row, &told.into(), "started")
}

/// The record of an answer: when the try left, and what it said meanwhile, where that is known.
#[must_use]
pub fn answered(row: &ensue_engine::Outboxed, answer: Answer, began: Option<Time>, log: Option<Logged>) -> Outgoing {
    about(row, &ActionAnswered { of: row.attempt(), answer, began, log }.into(), "answered")
}

/// The record of a try that ended without an answer, of a chain with this correlation and so many links. There can be
/// several tries of one number, so the time is a part of the id.
#[must_use]
pub fn stopped(stopped: ActionStopped, correlation: &str, depth: u32) -> Outgoing {
    let word = format!("stopped.{}", stopped.began.micros());
    of_chain(&stopped.of.clone(), correlation, depth, &stopped.into(), &word)
}

/// A record about an effect: its id is the effect's key, the attempt and the word; it belongs to the effect's chain.
fn about(row: &ensue_engine::Outboxed, ours: &Ours, word: &str) -> Outgoing {
    of_chain(&row.attempt(), &row.effect.correlation, row.effect.depth, ours, word)
}

fn of_chain(of: &Attempt, correlation: &str, depth: u32, ours: &Ours, word: &str) -> Outgoing {
    let Attempt { effect, attempt, run, .. } = of;
    let mut out = node(format!("{effect}.{attempt}.{word}"), ours);
    out.event.set_extension("correlationid", Attr::Text(correlation.into()));
    out.event.set_extension("causationid", Attr::Text(run.to_string().into()));
    if depth > 0 {
        let depth = i32::try_from(depth).unwrap_or(i32::MAX).saturating_add(1);
        out.event.set_extension("ensuedepth", Attr::Int(depth));
    }
    out
}
