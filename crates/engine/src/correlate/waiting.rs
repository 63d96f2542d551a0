//! What rules wait for, key by key: for listings.

use ensue_event::{Key, Position, Span, Time};
use ensue_lang::WhenKind;
use ensue_rule::correlate::Kept;

use super::{lateness, plan};
use crate::config::Decider;
use crate::correlate::{Body, Counted, HalfRow};
use crate::fold::Engine;

/// A half-match, or a window of a `count`, or an armed `absence`.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// The key.
    pub key: Option<String>,
    /// The names of the items that are still to come, or of what must not come; `item N` where one has none.
    pub waits_for: Vec<String>,
    /// Since when: the time of its first event.
    pub since: Time,
    /// Until when; nothing if for ever, or if the silence of this key was told already.
    pub until: Option<Time>,
    /// Its events: the name of the item, the position, the id.
    pub events: Vec<(String, Position, String)>,
    /// Of a `count`: how many there are.
    pub count: Option<u64>,
}

/// What a rule waits for, by the full name of the rule (`namespace/name`), in the order of the hashes of its keys. With
/// `repeat: each` a key may be there more than once, oldest first. Nothing for a rule that is not there.
pub fn halves<'a>(engine: &'a Engine, rule: &str) -> impl Iterator<Item = Waiting> + 'a {
    let decider = engine.config().rule(rule);
    decider.into_iter().flat_map(move |decider| {
        engine.rows_of(decider.id).flat_map(move |(id, row)| waiting(engine, decider, id, row))
    })
}

/// What a rule waits for under one key.
#[must_use]
pub fn halves_of(engine: &Engine, rule: &str, key: Option<&str>) -> Vec<Waiting> {
    let Some(decider) = engine.config().rule(rule) else { return Vec::new() };
    let id = super::row_id(decider.id, key);
    let row = engine.state().halves.get(&(decider.id, id));
    row.map(|row| waiting(engine, decider, id, row)).unwrap_or_default()
}

impl Engine {
    /// The half-matches of a rule, in the order of their ids.
    pub(crate) fn rows_of(&self, rule: Key) -> impl Iterator<Item = (Key, &HalfRow)> {
        self.state.halves.of(rule).map(|(id, row)| (id, row.as_ref()))
    }
}

/// The name of an item.
pub(super) fn item_name(decider: &Decider, item: u16) -> String {
    let name = decider.watches.get(usize::from(item)).and_then(|watch| watch.item.name.clone());
    name.unwrap_or_else(|| format!("item {}", u32::from(item) + 1))
}

fn waiting(engine: &Engine, decider: &Decider, id: Key, row: &HalfRow) -> Vec<Waiting> {
    let late = lateness(decider);
    let event = |kept: &Kept| (item_name(decider, kept.item), kept.position, kept.event.id.to_string());
    let make = |waits_for, since, until: Option<Time>, events, count| {
        let key = row.key.text().map(str::to_owned);
        Waiting { key, waits_for, since, until: until.map(|until| until + late), events, count }
    };
    match &row.body {
        Body::Halves(halves) => {
            let plan = plan(decider);
            let one = |half: &ensue_rule::correlate::Half| {
                let missing = half.missing(plan.items).map(|item| item_name(decider, item)).collect();
                make(missing, half.start, half.end(&plan), half.kept.iter().map(event).collect(), None)
            };
            halves.as_slice().iter().map(one).collect()
        }
        Body::Window(window) => {
            // The window never closes: what is counted leaves it one by one.
            let (Some(since), Some(newest)) = (window.oldest(), window.newest()) else { return Vec::new() };
            let until = plan(decider).within.map(|within| newest + within);
            let event = |counted: &Counted| {
                let event = engine.state.counted.get(&counted.place(id))?;
                Some((item_name(decider, 0), counted.position, event.id.to_string()))
            };
            let events = window.kept().filter_map(event).collect();
            vec![make(vec![item_name(decider, 0)], since, until, events, Some(window.count()))]
        }
        Body::Armed(armed) => {
            let one = |(due, kept): &(Time, Kept)| {
                make(vec![item_name(decider, 1)], kept.at, Some(*due), vec![event(kept)], None)
            };
            armed.0.iter().map(one).collect()
        }
        Body::Silence(silence) => {
            let wait = match &decider.rule.when.kind {
                WhenKind::Absence { wait, .. } => Span(*wait),
                _ => Span::ZERO,
            };
            let Some(since) = silence.seen.or(silence.due.map(|due| due - wait)) else { return Vec::new() };
            vec![make(vec![item_name(decider, 0)], since, silence.due, Vec::new(), None)]
        }
    }
}
