//! What the state knows of an event and the rules nearest to it.

use std::collections::{BTreeMap, BTreeSet};

use ensue_engine::correlate::{Waiting, halves_of};
use ensue_engine::decide::{Names, Seen, meets};
use ensue_engine::keys::keys;
use ensue_engine::{Decision, Engine};
use ensue_event::ours::{Mode, Ours, RuleFired};
use ensue_event::{Key, Position, Record, Time};

use super::{NEAREST, Near, WhyNot};
use crate::why::events_of;

/// A firing that took the event.
#[derive(Debug, Clone)]
pub(super) struct Fired {
    pub(super) firing: Key,
    pub(super) mode: Mode,
    /// It is held for a person, for this reason.
    pub(super) parked: Option<String>,
    /// The other events that it took.
    pub(super) with: Vec<Position>,
    /// Where its record stands, where that is known.
    pub(super) position: Option<Position>,
}

impl Fired {
    /// The rule and firing that a record tells of, if it took this event.
    pub(super) fn told(record: &Record, event: Position) -> Option<(String, Fired)> {
        let Ok(Ours::RuleFired(fired)) = Ours::of(&record.event) else { return None };
        let found = Fired::of(&fired, event)?;
        Some((fired.rule, Fired { position: Some(record.position), ..found }))
    }

    /// What a firing's record says, if it took this event.
    pub(super) fn of(fired: &RuleFired, event: Position) -> Option<Fired> {
        let batched = fired.batch.iter().flat_map(|one| &one.events);
        let took: Vec<Position> = fired.events.iter().chain(batched).map(|took| took.position).collect();
        took.contains(&event).then(|| Fired {
            firing: fired.firing,
            mode: fired.mode,
            parked: None,
            with: others(took.into_iter(), event),
            position: None,
        })
    }
}

fn others(took: impl Iterator<Item = Position>, event: Position) -> Vec<Position> {
    let mut others: Vec<Position> = took.filter(|position| *position != event).collect();
    others.sort_unstable();
    others.dedup();
    others
}

/// A decision about the event, and where it was made if that was later.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) later: Option<Position>,
    /// It is about the firing: what became of it when its record was folded.
    pub(super) of_firing: bool,
    pub(super) decision: Decision,
}

/// What is known of one rule.
#[derive(Debug, Clone, Default)]
pub(super) struct OfRule {
    pub(super) fired: Vec<Fired>,
    pub(super) decided: Vec<Told>,
    /// Decisions that were counted and not kept.
    pub(super) more: u32,
    /// What waits under the keys of the event.
    pub(super) waiting: Vec<Waiting>,
    /// The record that it looks at next, where it is on its way through the past and has not come to the event.
    pub(super) past: Option<Position>,
}

impl OfRule {
    /// Adds a firing, or what is new of it.
    fn add(&mut self, fired: Fired) {
        match self.fired.iter_mut().find(|known| known.firing == fired.firing) {
            Some(known) => known.parked = fired.parked.or(known.parked.take()),
            None => self.fired.push(fired),
        }
    }
}

/// What the state knows, copied.
#[derive(Debug)]
pub struct Facts {
    pub(super) now: Time,
    /// The record that put the configuration in force.
    pub(super) applied: Option<Position>,
    /// The rules to be shown, the nearest first.
    pub(super) rules: Vec<(String, f64)>,
    /// How many more there are.
    pub(super) left: usize,
    pub(super) known: BTreeMap<String, OfRule>,
}

impl WhyNot {
    /// Copies what the state knows of the event and of the rules nearest to it.
    #[must_use]
    pub fn facts(&self, engine: &Engine, now: Time) -> Facts {
        let state = engine.state();
        let event = self.record.position;
        let mut known: BTreeMap<String, OfRule> = BTreeMap::new();
        for (rule, fired) in &self.fired {
            known.entry(rule.clone()).or_default().fired.push(fired.clone());
        }
        let firings: BTreeSet<(Position, &str)> =
            self.fired.iter().filter_map(|(rule, fired)| Some((fired.position?, rule.as_str()))).collect();
        for ((position, rule), decided) in state.decisions.from((event, String::new())..) {
            let later = (*position != event).then_some(*position);
            let of_firing = later.is_some() && firings.contains(&(*position, rule.as_str()));
            let about =
                |decision: &&Decision| later.is_none() || of_firing || events_of(&decision.verdict).contains(&event);
            for decision in decided.all.iter().filter(about) {
                let told = Told { later, of_firing, decision: decision.clone() };
                known.entry(rule.clone()).or_default().decided.push(told);
            }
            if later.is_none() && decided.more > 0 {
                known.entry(rule.clone()).or_default().more += decided.more;
            }
        }
        for (_, run) in state.runs.iter() {
            let batched = run.batch.iter().flat_map(|one| &one.events);
            let took = || run.events.iter().chain(batched.clone()).map(|took| took.position);
            if took().any(|position| position == event) {
                let with = others(took(), event);
                let fired = Fired { firing: run.id, mode: Mode::Live, parked: None, with, position: None };
                known.entry(run.rule.clone()).or_default().add(fired);
            }
        }
        for (_, parked) in state.parked.iter() {
            if let Some(fired) = Fired::of(&parked.fired, event) {
                let fired = Fired { parked: Some(parked.reason.clone()), ..fired };
                known.entry(parked.fired.rule.clone()).or_default().add(fired);
            }
        }
        let near = |near: &Near| {
            let known = known.get(&near.rule);
            match known {
                Some(known) if !known.fired.is_empty() || !known.decided.is_empty() => 2.0,
                _ => near.ratio,
            }
        };
        let mut rules: Vec<(String, f64)> = self.near.iter().map(|one| (one.rule.clone(), near(one))).collect();
        // Rules stand in the order of their names, and keep it where they are equally near.
        rules.sort_by(|a, b| b.1.total_cmp(&a.1));
        let left = rules.len().saturating_sub(NEAREST);
        rules.truncate(NEAREST);
        let seen = self.seen();
        for (rule, near) in rules.iter().filter(|(_, near)| *near >= 1.0) {
            let waiting = waiting(engine, rule, &seen);
            if !waiting.is_empty() || *near >= 2.0 {
                known.entry(rule.clone()).or_default().waiting = waiting;
            }
        }
        for (_, row) in state.backfills.iter().filter(|(_, row)| row.next <= event) {
            known.entry(row.rule.clone()).or_default().past = Some(row.next);
        }
        known.retain(|rule, _| rules.iter().any(|(shown, _)| shown == rule));
        let applied = state.config.get(&"current".to_owned()).map(|applied| applied.position);
        Facts { now, applied, rules, left, known }
    }
}

/// What waits under the keys that the event has in the items that it meets.
fn waiting(engine: &Engine, rule: &str, seen: &Seen) -> Vec<Waiting> {
    let Some(decider) = engine.config().rule(rule) else { return Vec::new() };
    let names = Names::of_event(seen, engine.config().tables(&decider.rule.name.namespace), seen.at);
    let view = ensue_rule::View::new(&seen.event);
    let mut under: Vec<Option<String>> = Vec::new();
    for watch in decider.watches.iter().filter(|watch| watch.pattern.matches(&view)) {
        if meets(watch, &names) != Ok(true) {
            continue;
        }
        let spec = watch.item.key.as_ref().or(decider.rule.when.key.as_ref());
        under.extend(keys(spec, &names).unwrap_or_default());
    }
    under.sort();
    under.dedup();
    under.iter().flat_map(|key| halves_of(engine, rule, key.as_deref())).collect()
}
