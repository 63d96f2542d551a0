//! What flow control keeps, for a person.

use std::sync::Arc;

use ensue_event::{Key, Time};
use ensue_lang::Name;
use serde::Serialize;

use super::slots::{LockOf, LockRow};
use super::{Kept, held_in};
use crate::config::rule_id;
use crate::fold::Engine;

/// The most firings that are listed of one line.
const LISTED: usize = 100;

/// What flow control keeps of a rule for one key.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowState {
    /// `dedupe debounce batch throttle storm concurrency`.
    pub what: String,
    /// The key; none: it is rule-wide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Until when: a window is over, what is held is released, a breaker closes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// How many matches it holds; of a breaker, how many firings it has parked; of `concurrency`, how many wait.
    pub held: u64,
    /// The runs that go on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub running: Vec<Key>,
    /// The firings that wait for one to end, oldest first; the first hundred.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Key>,
}

/// What flow control keeps of a rule (`namespace/name`), in the order of what it is and of its key.
#[must_use]
pub fn flows(engine: &Engine, rule: &str) -> Vec<FlowState> {
    let now = engine.state.meta.at;
    let id = rule_id(rule);
    let rows = engine.state.flows.of(id).map(|(id, row)| (id, row.as_ref()));
    let breakers = engine.breakers(id).map(|row| (Key([0; 16]), row));
    let mut all: Vec<FlowState> = Vec::new();
    for (_, row) in rows.chain(breakers) {
        let what = row.kept.as_str().to_owned();
        let mut state = FlowState {
            what,
            key: row.key.clone(),
            until: row.wake,
            held: 0,
            running: Vec::new(),
            waiting: Vec::new(),
        };
        match &row.kept {
            Kept::Held(_) => continue,
            Kept::Dedupe(once) => state.until = Some(once.until),
            Kept::Debounce { .. } => state.held = 1,
            Kept::Batch(_) | Kept::Throttle(_) => state.held = row.kept.line().len(),
            Kept::Storm(breaker) => {
                let (Some(held), Some((_, closes))) = (breaker.stopped(now), breaker.until(now)) else { continue };
                (state.held, state.until) = (held, Some(closes));
            }
            Kept::Rule(of) => {
                state.until = of.breaker.until(now).map(|(_, closes)| closes);
                state.held = of.parked;
                if state.until.is_none() && of.parked == 0 {
                    continue;
                }
            }
        }
        all.push(state);
    }
    let group = engine.config().rule(rule).and_then(|decider| {
        let group = decider.rule.concurrency.as_ref()?.group.as_ref()?;
        Some(Name::new(decider.rule.name.namespace.as_str(), group.name.as_str()).to_string())
    });
    let locks = engine.state.locks.iter().filter(|(_, row)| match &row.of {
        LockOf::Rule(name) => name == rule,
        LockOf::Group(name) => Some(name) == group.as_ref(),
    });
    all.extend(locks.map(|(id, row)| FlowState {
        what: "concurrency".into(),
        key: row.key.clone(),
        until: None,
        held: row.slots.line().len(),
        running: row.slots.running().to_vec(),
        waiting: queued(engine, *id, row).map(|waits| waits.firing).collect(),
    }));
    all.sort_by(|a, b| (&a.what, &a.key).cmp(&(&b.what, &b.key)));
    all
}

/// Slots that runs hold: those of a rule or of a group of rules, for a key.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lock {
    /// Whose they are: `{"rule": NAME}` or `{"group": NAME}`.
    pub of: LockOf,
    /// The key; none: one for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How many there are.
    pub limit: u32,
    /// The runs that hold one.
    pub holders: Vec<Holder>,
    /// How many firings wait.
    pub waiting: u64,
    /// Those, oldest first; the first hundred.
    pub next: Vec<Waits>,
}

/// A run that holds a slot.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The run.
    pub run: Key,
    /// Its rule.
    pub rule: String,
    /// Since when.
    pub since: Time,
}

/// A firing that waits for a slot.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waits {
    /// The firing, and the run that it will be.
    pub firing: Key,
    /// Its rule.
    pub rule: String,
    /// Since when.
    pub since: Time,
}

/// All slots that are held, by rule or group and key.
#[must_use]
pub fn locks(engine: &Engine) -> Vec<Lock> {
    let held = |(id, row): (&Key, &Arc<LockRow>)| {
        let runs = row.slots.running().iter().filter_map(|run| engine.state.runs.get(run));
        let holders = runs.map(|run| Holder { run: run.id, rule: run.rule.clone(), since: run.started });
        Lock {
            of: row.of.clone(),
            key: row.key.clone(),
            limit: row.limit,
            holders: holders.collect(),
            waiting: row.slots.line().len(),
            next: queued(engine, *id, row).collect(),
        }
    };
    let mut all: Vec<Lock> = engine.state.locks.iter().map(held).collect();
    all.sort_by(|a, b| (&a.of, &a.key).cmp(&(&b.of, &b.key)));
    all
}

/// The firings that wait for a slot, oldest first.
fn queued(engine: &Engine, id: Key, row: &LockRow) -> impl Iterator<Item = Waits> {
    let rows = row.slots.line().numbers().filter_map(move |number| engine.state.queued.get(&(id, held_in(id, number))));
    let waits = rows.map(|row| Waits { firing: row.fired.firing, rule: row.fired.rule.clone(), since: row.since });
    waits.take(LISTED)
}
