//! Flow control: how often a rule's matches become firings, and how many of their runs go on at once.
//!
//! The order is fixed: `dedupe`, then `debounce` or `batch`, then `throttle`, then the storm breaker, then the firing; and
//! `concurrency` when the record of the firing is folded. [`ensue_rule::flow`] has the machines; here is where their
//! state is kept, by rule and key, and what they hold: each match by value in a row of its own, so that a thousand that
//! wait cost the next one nothing.
//!
//! What must stay true:
//! - A match that goes no further leaves a decision: nothing is dropped in silence. What is past a bound is parked, and
//!   what is past that is dropped with a decision that names its events.
//! - Each row of a key is counted against `maxKeys`, but for breakers, of which there are no more than firings in a
//!   minute or two. Slots are rows of their own, by rule or group: there are no more of them than runs.
//! - A timer that comes too early changes nothing: what is due is computed from the row and the definition in force.
//! - Rows and lines are by value. What waits as a match fires by the definition in force when it is let go; what waits as
//!   a firing runs by the one that fired it.

mod hold;
mod names;
mod park;
mod show;
mod slots;
mod storm;
mod throttle;

use ensue_event::{Key, Position, Span, Time};
use ensue_lang::KeySpec;
use ensue_rule::flow::{Breaker, Gather, Line, Once, Quiet, Throttle};
use serde::{Deserialize, Serialize};

use crate::config::Decider;
use crate::correlate::Keeps;
use crate::decide::Match;
use crate::fold::Engine;
use crate::keys::key;
use crate::state::{Timer, Verdict};

use names::Names;
pub use show::{FlowState, Holder, Lock, Waits, flows, locks};
pub use slots::{LockOf, LockRow, Queued};

/// The most matches or firings that wait in one queue, and that a rule has parked.
pub const MOST_WAIT: u64 = 10_000;
/// The most that wait in all queues and batches of a rule together: past it a batch goes as it is, and what would have
/// to wait is parked.
pub const MOST_HELD: u64 = 100_000;

/// What flow control keeps for a rule and key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowRow {
    /// The key; none: it is rule-wide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The timer that is set for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake: Option<Time>,
    /// What it is.
    pub kept: Kept,
}

/// What a row of flow control is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kept {
    /// The first of its kind was done.
    Dedupe(Once),
    /// A burst, of which the newest is held.
    Debounce {
        /// When it began, and when it last went on.
        quiet: Quiet,
        /// The newest.
        held: Box<Match>,
    },
    /// A batch that is not full.
    Batch(Gather),
    /// What passed a throttle, and what waits.
    Throttle(Throttle),
    /// A match in the line of one of the above.
    Held(Box<Match>),
    /// The storm breaker of a key.
    Storm(Breaker),
    /// The storm breaker of a rule, and what is parked of it.
    Rule(OfRule),
}

/// What flow control keeps of a rule as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfRule {
    /// Its storm breaker.
    pub breaker: Breaker,
    /// How many matches and firings wait in lines, of all its keys together.
    #[serde(default)]
    pub held: u64,
    /// How many of its firings flow control has parked.
    #[serde(default)]
    pub parked: u64,
    /// When the breakers of keys that are quiet were last forgotten.
    pub swept: Time,
    /// When it was last told that a queue is full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Time>,
}

impl Kept {
    /// Its word in a manifest.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Kept::Dedupe(_) => "dedupe",
            Kept::Debounce { .. } => "debounce",
            Kept::Batch(_) => "batch",
            Kept::Throttle(_) => "throttle",
            Kept::Held(_) => "held",
            Kept::Storm(_) | Kept::Rule(_) => "storm",
        }
    }

    /// The numbers of what it holds in rows of their own.
    fn line(&self) -> Line {
        match self {
            Kept::Batch(gather) => gather.line(),
            Kept::Throttle(throttle) => throttle.line(),
            _ => Line::default(),
        }
    }
}

/// The id of what a rule keeps for a key.
fn row_of(what: &str, rule: Key, key: Option<&str>) -> Key {
    match key {
        Some(key) => Key::of(what, &[&rule.0, key.as_bytes()]),
        None => Key::of(what, &[&rule.0]),
    }
}

/// The id of what stands in the line of a row.
fn held_in(row: Key, number: u64) -> Key {
    Key::of("held", &[&row.0, &number.to_be_bytes()])
}

/// The positions of a match's events.
fn positions(found: &Match) -> Vec<Position> {
    found.events.iter().map(|took| took.position).collect()
}

impl Engine {
    /// A match whose conditions hold: `dedupe`, then `debounce` or `batch`, then `throttle`, then the storm breaker.
    pub(crate) fn flow(&mut self, decider: &Decider, found: Match) {
        let Some(found) = self.dedupe(decider, found) else { return };
        let Some(found) = self.debounce(decider, found) else { return };
        let Some(found) = self.batch(decider, found) else { return };
        self.gathered(decider, found);
    }

    /// A match past `debounce` and `batch`.
    fn gathered(&mut self, decider: &Decider, found: Match) {
        let Some(found) = self.throttle(decider, found) else { return };
        self.past_throttle(decider, found);
    }

    /// A match past `throttle`.
    fn past_throttle(&mut self, decider: &Decider, found: Match) {
        if let Some(found) = self.storm(decider, found) {
            self.fire(decider, found);
        }
    }

    /// The same was done within the window: it is not done again.
    fn dedupe(&mut self, decider: &Decider, found: Match) -> Option<Match> {
        let Some(spec) = &decider.rule.dedupe else { return Some(found) };
        let key = self.flow_key(decider, spec.key.as_ref(), &found)?;
        let id = row_of("dedupe", decider.id, key.as_deref());
        if let Some(Kept::Dedupe(once)) = self.kept(decider.id, id)
            && once.holds(self.now)
        {
            let until = once.until;
            self.not(&decider.name, found.key, Verdict::Deduped { until });
            return None;
        }
        if !self.room(decider, id, key.as_deref()) {
            return None;
        }
        let once = Once::new(self.now, Span(spec.window));
        self.keep_flow(decider.id, id, key, Kept::Dedupe(once), Some(once.until));
        Some(found)
    }

    /// The key of a part of flow control: its own, else that of the match. Without one the match goes no further.
    fn flow_key(&mut self, decider: &Decider, spec: Option<&KeySpec>, found: &Match) -> Option<Option<String>> {
        let Some(spec) = spec else { return Some(found.key.clone()) };
        let tables = self.config.tables(&decider.rule.name.namespace);
        match key(Some(spec), &Names::of_match(found, tables, self.now)) {
            Ok(key) => Some(key),
            Err(verdict) => {
                self.not(&decider.name, found.key.clone(), verdict);
                None
            }
        }
    }

    /// Whether something may be kept of this key: it is already, or the rule may have one more.
    fn room(&mut self, decider: &Decider, id: Key, key: Option<&str>) -> bool {
        self.state.flows.get(&(decider.id, id)).is_some() || self.admit(decider, Keeps::Flows, key)
    }

    fn kept(&self, rule: Key, id: Key) -> Option<&Kept> {
        self.state.flows.get(&(rule, id)).map(|row| &row.kept)
    }

    /// Sets a row and its timer.
    fn keep_flow(&mut self, rule: Key, id: Key, key: Option<String>, kept: Kept, wake: Option<Time>) {
        let before = self.state.flows.get(&(rule, id)).and_then(|row| row.wake);
        if before != wake
            && let Some(before) = before
        {
            self.state.timers.delete(&(before, id));
        }
        if let Some(due) = wake {
            self.state.timers.put((due, id), Timer::Flow { rule });
        }
        self.state.flows.put((rule, id), FlowRow { key, wake, kept });
    }

    /// Removes a row, its timer, and what stands in its line; the number of matches that were in it.
    fn drop_flow(&mut self, rule: Key, id: Key) -> u64 {
        let Some(row) = self.state.flows.get(&(rule, id)).cloned() else { return 0 };
        if let Some(due) = row.wake {
            self.state.timers.delete(&(due, id));
        }
        let line = row.kept.line();
        for number in line.numbers() {
            self.state.flows.delete(&(rule, held_in(id, number)));
        }
        self.state.flows.delete(&(rule, id));
        self.count_held(rule, |held| held.saturating_sub(line.len()));
        self.forget(rule, Keeps::Flows, 1);
        line.len() + u64::from(matches!(row.kept, Kept::Debounce { .. }))
    }

    /// Puts a match in the line of a row.
    fn line_up(&mut self, rule: Key, row: Key, number: u64, found: Match) {
        let kept = Kept::Held(Box::new(found));
        self.state.flows.put((rule, held_in(row, number)), FlowRow { key: None, wake: None, kept });
        self.count_held(rule, |held| held + 1);
    }

    /// Takes a match out of the line of a row.
    fn take_out(&mut self, rule: Key, row: Key, number: u64) -> Option<Match> {
        let place = (rule, held_in(row, number));
        let held = self.state.flows.get(&place).cloned()?;
        self.state.flows.delete(&place);
        self.count_held(rule, |held| held.saturating_sub(1));
        match &held.kept {
            Kept::Held(found) => Some(found.as_ref().clone()),
            _ => None,
        }
    }

    /// Counts what waits in the lines of a rule.
    fn count_held(&mut self, rule: Key, count: impl FnOnce(u64) -> u64) {
        let mut of = self.of_rule(rule);
        let held = count(of.held);
        if held != of.held {
            of.held = held;
            self.keep_of_rule(rule, of);
            self.gone(rule);
        }
    }

    /// A timer of flow control is due.
    pub(crate) fn flow_due(&mut self, rule: Key, id: Key) {
        let Some(row) = self.state.flows.get(&(rule, id)).cloned() else { return };
        let config = std::sync::Arc::clone(&self.config);
        let Some(decider) = config.owner(rule) else {
            self.drop_flow(rule, id);
            return;
        };
        match &row.kept {
            Kept::Dedupe(once) if once.holds(self.now) => {
                self.keep_flow(rule, id, row.key.clone(), row.kept.clone(), Some(once.until));
            }
            Kept::Dedupe(_) => drop(self.drop_flow(rule, id)),
            Kept::Debounce { quiet, held } => self.debounce_due(decider, id, *quiet, held),
            Kept::Batch(gather) => self.batch_due(decider, id, *gather),
            Kept::Throttle(throttle) => self.throttle_due(decider, id, throttle.clone()),
            Kept::Held(_) | Kept::Storm(_) | Kept::Rule(_) => {}
        }
    }

    /// Lets go what a timer held, unless its rule is paused: pausing holds nothing.
    fn release(&mut self, decider: &Decider, found: Match) -> Option<Match> {
        if self.mode(decider).is_none() {
            self.not(&decider.name, found.key, Verdict::Paused);
            return None;
        }
        Some(Match { due: Some(self.now), ..found })
    }

    /// An edit of a rule: what it holds is looked at again, by what is written now.
    pub(crate) fn reflow(&mut self, rule: Key) {
        for (id, row) in self.flow_rows(rule) {
            if matches!(row.kept, Kept::Debounce { .. } | Kept::Batch(_) | Kept::Throttle(_)) {
                self.wake(rule, id, self.now);
            }
        }
    }

    /// Another `when`: matches of the old one that are held go, and it is said how many. What was done still counts: an
    /// edit is no way past a throttle.
    pub(crate) fn drop_held(&mut self, rule: Key) -> u64 {
        let mut held = 0;
        for (id, row) in self.flow_rows(rule) {
            match &row.kept {
                Kept::Debounce { .. } | Kept::Batch(_) => held += self.drop_flow(rule, id),
                Kept::Throttle(throttle) => {
                    let mut throttle = throttle.clone();
                    for number in throttle.clear() {
                        held += u64::from(self.take_out(rule, id, number).is_some());
                    }
                    // It is looked at again, and goes when nothing counts any more.
                    self.keep_flow(rule, id, row.key.clone(), Kept::Throttle(throttle), Some(self.now));
                }
                _ => {}
            }
        }
        held
    }

    /// A rule that is gone: all that flow control keeps of it goes, and it is said how many matches it held. Runs keep
    /// their slots, and firings that wait for one go on waiting: they have fired.
    pub(crate) fn drop_flows(&mut self, rule: Key) -> u64 {
        let mut held = 0;
        for (id, row) in self.flow_rows(rule) {
            if !matches!(row.kept, Kept::Held(_)) {
                held += self.drop_flow(rule, id);
            }
        }
        self.forget_breakers(rule);
        held
    }

    fn flow_rows(&self, rule: Key) -> Vec<(Key, std::sync::Arc<FlowRow>)> {
        self.state.flows.of(rule).map(|(id, row)| (id, std::sync::Arc::clone(row))).collect()
    }
}
