//! What flow control keeps, for a person.

use ensue_event::{Key, Time};
use ensue_rule::flow::Line;
use serde::Serialize;

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
    for (row_id, row) in rows.chain(breakers) {
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
            Kept::Held(_) | Kept::Waiting { .. } => continue,
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
            Kept::Slots(slots) => {
                state.held = slots.line().len();
                state.running = slots.running().to_vec();
                state.waiting = waiting(engine, id, row_id, slots.line());
            }
        }
        all.push(state);
    }
    all.sort_by(|a, b| (&a.what, &a.key).cmp(&(&b.what, &b.key)));
    all
}

fn waiting(engine: &Engine, rule: Key, row: Key, line: Line) -> Vec<Key> {
    let rows = line.numbers().filter_map(|number| engine.state.flows.get(&(rule, held_in(row, number))));
    let firings = rows.filter_map(|row| match &row.kept {
        Kept::Waiting { fired, .. } => Some(fired.firing),
        _ => None,
    });
    firings.take(LISTED).collect()
}
