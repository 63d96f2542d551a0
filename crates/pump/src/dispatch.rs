//! Which effect may leave now: limits of connections, freezes, and the announcement of what cannot be repeated.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ensue_engine::{Engine, Outboxed};
use ensue_event::ours::Attempt;
use ensue_event::{Key, Span, Time};
use ensue_lang::catalog::Idempotency;

/// How many effects of a connection (or of actions without one) may be under way where its limits do not say.
const CONCURRENT: usize = 64;

/// What is to be done with an effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// It cannot be repeated: append its `action.started` first.
    Announce(Box<Outboxed>),
    /// Do it, and append its answer.
    Perform(Box<Outboxed>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Announced,
    Performed,
    /// Its answer is durable and not folded yet: it takes no room any more, and is not done again.
    Answered,
}

#[derive(Debug, Clone)]
struct Flight {
    attempt: u32,
    phase: Phase,
    lane: String,
}

/// Effects that go through one connection, and what of its limits is used.
#[derive(Debug, Default)]
struct Lane {
    /// What waits to leave, in the order in which it was decided.
    queue: VecDeque<Key>,
    /// What waits because its target would be one too many in this hour.
    blocked: VecDeque<Key>,
    /// How many are under way.
    flying: usize,
    /// When those of the last minute left; empty without `perMinute`.
    left: VecDeque<Time>,
    /// When each target of the last hour was used last; empty without `distinctTargetsPerHour`.
    targets: BTreeMap<String, Time>,
}

/// The limits of a connection in force.
#[derive(Debug, Clone, Copy)]
struct Limits {
    concurrent: usize,
    per_minute: Option<usize>,
    targets: Option<usize>,
}

/// Which limit of its connection an effect waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// `perMinute`: until so many have left less than a minute ago.
    PerMinute,
    /// `concurrent`: until one that is under way has an answer.
    Concurrent,
    /// `distinctTargetsPerHour`: until a target was not used for an hour.
    DistinctTargetsPerHour,
}

impl Limit {
    /// Its word in a manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Limit::PerMinute => "perMinute",
            Limit::Concurrent => "concurrent",
            Limit::DistinctTargetsPerHour => "distinctTargetsPerHour",
        }
    }
}

/// What of a connection's limits is used now, and what waits for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Load {
    /// How many effects are under way.
    pub concurrent: usize,
    /// How many left within the last minute; counted only where there is a limit.
    pub per_minute: usize,
    /// The targets of the last hour; counted only where there is a limit.
    pub targets: Vec<String>,
    /// The effects that wait to leave, those that wait for a target last.
    pub waiting: Vec<Key>,
    /// Which limits hold them back, and until when each does at most; `concurrent` ends with an answer.
    pub by: Vec<(Limit, Option<Time>)>,
}

/// Effects that wait to leave, and those that have left. What counts against limits is in state too, from where a start
/// takes it; all else the outbox knows.
#[derive(Debug, Default)]
pub struct Dispatch {
    lanes: BTreeMap<String, Lane>,
    /// What is in a queue of a lane, or blocked there.
    waiting: BTreeSet<Key>,
    flying: BTreeMap<Key, Flight>,
    announced: VecDeque<Key>,
    /// Nothing new leaves; what is announced already does.
    held: bool,
}

impl Dispatch {
    /// Nothing waits.
    #[must_use]
    pub fn new() -> Dispatch {
        Dispatch::default()
    }

    /// A start: what was done before it still counts.
    pub fn recount(&mut self, engine: &Engine) {
        for ((at, _), used) in engine.state().uses.iter() {
            self.lane(&used.connection).left.push_back(*at);
        }
        for (_, used) in engine.state().targets.iter() {
            self.lane(&used.connection).targets.insert(used.target.clone(), used.at);
        }
    }

    fn lane(&mut self, name: &str) -> &mut Lane {
        self.lanes.entry(name.to_owned()).or_default()
    }

    /// An effect became ready, and its outbox row is committed.
    pub fn offer(&mut self, key: Key, engine: &Engine) {
        let Some(row) = engine.state().outbox.get(&key) else { return };
        if self.flies(row) || !self.waiting.insert(key) {
            return;
        }
        self.lane(row.effect.connection.as_deref().unwrap_or_default()).queue.push_back(key);
    }

    /// Whether this attempt has left, and its answer is not folded.
    #[must_use]
    pub fn flies(&self, row: &Outboxed) -> bool {
        self.flying.get(&row.effect.key).is_some_and(|flight| flight.attempt == row.effect.attempt)
    }

    /// The `action.started` of an effect is folded.
    pub fn started(&mut self, key: Key) {
        if self.flying.get(&key).is_some_and(|flight| flight.phase == Phase::Announced) {
            self.announced.push_back(key);
        }
    }

    /// The answer of an effect is durable: its room is free, however far behind the fold is.
    pub fn answered(&mut self, of: &Attempt) {
        let Some(flight) = self.flying.get_mut(&of.effect) else { return };
        if flight.attempt == of.attempt && flight.phase != Phase::Answered {
            flight.phase = Phase::Answered;
            let lane = flight.lane.clone();
            self.land(&lane);
        }
    }

    /// The answer of an effect is folded, or its run went on without it. Whether it is under way.
    pub fn over(&mut self, key: Key) -> bool {
        let Some(flight) = self.flying.remove(&key) else { return false };
        if flight.phase != Phase::Answered {
            self.land(&flight.lane);
        }
        flight.phase == Phase::Performed
    }

    fn land(&mut self, lane: &str) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.flying = lane.flying.saturating_sub(1);
        }
    }

    /// Lets nothing new leave (the node stops, the disk is nearly full), or lets it leave again. What was announced is
    /// performed all the same: without an answer it would be uncertain.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// How many effects have left and have no answer.
    #[must_use]
    pub fn flying(&self) -> usize {
        self.flying.len()
    }

    /// How many effects wait to leave.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// All that may leave at `now`.
    pub fn next(&mut self, engine: &Engine, now: Time) -> Vec<Work> {
        let mut out = Vec::new();
        while let Some(key) = self.announced.pop_front() {
            let row = engine.state().outbox.get(&key);
            match (row, self.flying.get_mut(&key)) {
                (Some(row), Some(flight)) if row.effect.attempt == flight.attempt => {
                    flight.phase = Phase::Performed;
                    out.push(Work::Perform(Box::new(row.as_ref().clone())));
                }
                _ => {
                    self.over(key);
                }
            }
        }
        if self.held {
            return out;
        }
        let names: Vec<String> = self.lanes.keys().cloned().collect();
        for name in names {
            let limits = Limits::of(engine, &name);
            self.lane(&name).forget(now, &limits);
            while self.lane(&name).room(&limits) {
                let Some(key) = self.lane(&name).queue.pop_front() else { break };
                let row = engine.state().outbox.get(&key).filter(|row| row.may_leave() && !self.flies(row));
                if let Some(row) = row {
                    if !self.lane(&name).takes(row, &limits, now) {
                        self.lane(&name).blocked.push_back(key);
                        continue;
                    }
                    out.push(self.leave(row, &name));
                }
                self.waiting.remove(&key);
            }
        }
        self.lanes.retain(|_, lane| !lane.idle());
        out
    }

    fn leave(&mut self, row: &Outboxed, lane: &str) -> Work {
        let key = row.effect.key;
        // An earlier attempt that never answered here is no longer waited for.
        self.over(key);
        let announce = row.effect.idempotency == Idempotency::None;
        let phase = if announce { Phase::Announced } else { Phase::Performed };
        self.flying.insert(key, Flight { attempt: row.effect.attempt, phase, lane: lane.to_owned() });
        self.lane(lane).flying += 1;
        let row = Box::new(row.clone());
        if announce { Work::Announce(row) } else { Work::Perform(row) }
    }

    /// When something that waits may leave because a minute or an hour is over.
    #[must_use]
    pub fn wake(&self, engine: &Engine) -> Option<Time> {
        let lanes = self.lanes.iter().filter(|(_, lane)| !lane.queue.is_empty() || !lane.blocked.is_empty());
        let all = lanes.flat_map(|(name, lane)| {
            let limits = Limits::of(engine, name);
            // While an answer is waited for, time alone changes nothing.
            let full = lane.flying >= limits.concurrent;
            lane.held_by(&limits).into_iter().filter_map(move |(_, until)| until.filter(|_| !full))
        });
        all.min()
    }

    /// Which limits keep an effect from leaving, and until when.
    #[must_use]
    pub fn why(&self, row: &Outboxed, engine: &Engine) -> Vec<(Limit, Option<Time>)> {
        let (key, name) = (row.effect.key, row.effect.connection.as_deref().unwrap_or_default());
        let Some(lane) = self.lanes.get(name).filter(|_| self.waiting.contains(&key)) else { return Vec::new() };
        let blocked = lane.blocked.contains(&key);
        let by = lane.held_by(&Limits::of(engine, name)).into_iter();
        by.filter(|(limit, _)| (*limit == Limit::DistinctTargetsPerHour) == blocked).collect()
    }

    /// What of a connection's limits is used, and what waits for them.
    #[must_use]
    pub fn load(&self, connection: &str, engine: &Engine, now: Time) -> Load {
        let Some(lane) = self.lanes.get(connection) else { return Load::default() };
        let limits = Limits::of(engine, connection);
        Load {
            concurrent: lane.flying,
            per_minute: lane.left.iter().filter(|left| now.since(**left) < Span::mins(1)).count(),
            targets: lane.fresh(now).map(|(target, _)| target.clone()).collect(),
            waiting: lane.queue.iter().chain(&lane.blocked).copied().collect(),
            by: lane.held_by(&limits),
        }
    }
}

impl Lane {
    /// Forgets what no longer counts; what waits for a target comes first again when one may be new.
    fn forget(&mut self, now: Time, limits: &Limits) {
        if limits.per_minute.is_none() {
            self.left.clear();
        }
        while self.left.front().is_some_and(|first| now.since(*first) >= Span::mins(1)) {
            self.left.pop_front();
        }
        match limits.targets {
            None => self.targets.clear(),
            Some(_) => self.targets.retain(|_, used| now.since(*used) < Span::mins(60)),
        }
        if !self.blocked.is_empty() && limits.targets.is_none_or(|most| self.targets.len() < most) {
            self.blocked.extend(self.queue.drain(..));
            std::mem::swap(&mut self.queue, &mut self.blocked);
        }
    }

    fn fresh(&self, now: Time) -> impl Iterator<Item = (&String, &Time)> {
        self.targets.iter().filter(move |(_, used)| now.since(**used) < Span::mins(60))
    }

    /// Whether one more may leave now.
    fn room(&self, limits: &Limits) -> bool {
        self.flying < limits.concurrent && limits.per_minute.is_none_or(|most| self.left.len() < most)
    }

    /// Counts an effect that is to leave; false if its target would be one too many.
    fn takes(&mut self, row: &Outboxed, limits: &Limits, now: Time) -> bool {
        if let (Some(most), Some(target)) = (limits.targets, &row.target) {
            if !self.targets.contains_key(target) && self.targets.len() >= most {
                return false;
            }
            self.targets.insert(target.clone(), now);
        }
        if limits.per_minute.is_some() {
            self.left.push_back(now);
        }
        true
    }

    /// The limits that hold back what waits, and until when.
    fn held_by(&self, limits: &Limits) -> Vec<(Limit, Option<Time>)> {
        let mut by = Vec::new();
        if !self.queue.is_empty() {
            if self.flying >= limits.concurrent {
                by.push((Limit::Concurrent, None));
            }
            if limits.per_minute.is_some_and(|most| self.left.len() >= most) {
                by.push((Limit::PerMinute, self.left.front().map(|left| *left + Span::mins(1))));
            }
        }
        if !self.blocked.is_empty() {
            by.push((Limit::DistinctTargetsPerHour, self.targets.values().min().map(|used| *used + Span::mins(60))));
        }
        by
    }

    fn idle(&self) -> bool {
        let none = self.queue.is_empty() && self.blocked.is_empty() && self.flying == 0;
        none && self.left.is_empty() && self.targets.is_empty()
    }
}

impl Limits {
    fn of(engine: &Engine, lane: &str) -> Limits {
        let name = ensue_lang::Name::resolve(lane, ensue_lang::Name::DEFAULT);
        let limits = engine.config().config.connections.get(&name).map(|connection| connection.limits);
        let limits = limits.unwrap_or_default();
        let whole = |limit: Option<u32>| limit.and_then(|limit| usize::try_from(limit).ok());
        Limits {
            concurrent: whole(limits.concurrent).unwrap_or(CONCURRENT),
            per_minute: whole(limits.per_minute),
            targets: whole(limits.distinct_targets_per_hour),
        }
    }
}
