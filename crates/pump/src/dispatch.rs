//! Which effect may leave now: limits of connections, freezes, and the announcement of what cannot be repeated.

use std::collections::{BTreeMap, VecDeque};

use ensue_engine::{Engine, Outboxed};
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
}

#[derive(Debug, Clone)]
struct Flight {
    attempt: u32,
    phase: Phase,
    lane: String,
}

/// Effects that wait to leave, and those that have left. It remembers nothing across a restart: the outbox does.
#[derive(Debug, Default)]
pub struct Dispatch {
    lanes: BTreeMap<String, VecDeque<Key>>,
    flying: BTreeMap<Key, Flight>,
    flying_by_lane: BTreeMap<String, usize>,
    /// When effects of a connection left, within the last minute.
    left: BTreeMap<String, VecDeque<Time>>,
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

    /// An effect became ready, and its outbox row is committed.
    pub fn offer(&mut self, key: Key, engine: &Engine) {
        let Some(row) = engine.state().outbox.get(&key) else { return };
        if self.flying.get(&key).is_some_and(|flight| flight.attempt == row.effect.attempt) {
            return;
        }
        let lane = row.effect.connection.clone().unwrap_or_default();
        let queue = self.lanes.entry(lane).or_default();
        if !queue.contains(&key) {
            queue.push_back(key);
        }
    }

    /// The `action.started` of an effect is folded.
    pub fn started(&mut self, key: Key) {
        if self.flying.get(&key).is_some_and(|flight| flight.phase == Phase::Announced) {
            self.announced.push_back(key);
        }
    }

    /// The answer of an effect is folded, or its run went on without it.
    pub fn over(&mut self, key: Key) {
        if let Some(flight) = self.flying.remove(&key)
            && let Some(count) = self.flying_by_lane.get_mut(&flight.lane)
        {
            *count = count.saturating_sub(1);
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
        self.lanes.values().map(VecDeque::len).sum()
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
                _ => self.over(key),
            }
        }
        if self.held {
            return out;
        }
        let names: Vec<String> = self.lanes.keys().cloned().collect();
        for lane in names {
            let (concurrent, per_minute) = limits(engine, &lane);
            while self.flying_by_lane.get(&lane).copied().unwrap_or(0) < concurrent {
                if !self.within_minute(&lane, per_minute, now) {
                    break;
                }
                let Some(key) = self.lanes.get_mut(&lane).and_then(VecDeque::pop_front) else { break };
                out.extend(self.leave(key, &lane, engine, now));
            }
        }
        self.lanes.retain(|_, queue| !queue.is_empty());
        out
    }

    /// When something that waits may leave because a minute is over.
    #[must_use]
    pub fn wake(&self, engine: &Engine) -> Option<Time> {
        let full = self.lanes.keys().filter(|lane| {
            let (concurrent, per_minute) = limits(engine, lane);
            per_minute.is_some() && self.flying_by_lane.get(*lane).copied().unwrap_or(0) < concurrent
        });
        full.filter_map(|lane| self.left.get(lane)?.front().map(|left| *left + Span::mins(1))).min()
    }

    fn within_minute(&mut self, lane: &str, per_minute: Option<usize>, now: Time) -> bool {
        let Some(limit) = per_minute else { return true };
        let left = self.left.entry(lane.to_owned()).or_default();
        while left.front().is_some_and(|first| now.since(*first) >= Span::mins(1)) {
            left.pop_front();
        }
        left.len() < limit
    }

    fn leave(&mut self, key: Key, lane: &str, engine: &Engine, now: Time) -> Option<Work> {
        let row = engine.state().outbox.get(&key)?;
        let flies = self.flying.get(&key).is_some_and(|flight| flight.attempt == row.effect.attempt);
        if !row.may_leave() || flies {
            return None;
        }
        // An earlier attempt that never answered here is no longer waited for.
        self.over(key);
        let announce = row.effect.idempotency == Idempotency::None;
        let phase = if announce { Phase::Announced } else { Phase::Performed };
        let flight = Flight { attempt: row.effect.attempt, phase, lane: lane.to_owned() };
        self.flying.insert(key, flight);
        *self.flying_by_lane.entry(lane.to_owned()).or_default() += 1;
        if limits(engine, lane).1.is_some() {
            self.left.entry(lane.to_owned()).or_default().push_back(now);
        }
        let row = Box::new(row.as_ref().clone());
        Some(if announce { Work::Announce(row) } else { Work::Perform(row) })
    }
}

/// Concurrent and per-minute limits of a connection.
fn limits(engine: &Engine, lane: &str) -> (usize, Option<usize>) {
    let name = ensue_lang::Name::resolve(lane, ensue_lang::Name::DEFAULT);
    let connection = engine.config().config.connections.get(&name);
    let Some(connection) = connection else { return (CONCURRENT, None) };
    let whole = |limit: Option<u32>| limit.and_then(|limit| usize::try_from(limit).ok());
    (whole(connection.limits.concurrent).unwrap_or(CONCURRENT), whole(connection.limits.per_minute))
}
