//! What is the same in a history and its replay.
//!
//! The ids of firings are hashes of positions and definitions, and both differ. A **label** is a hash of what makes a
//! firing the same to a person: its rule, its key and its events. A record that follows from a firing is the same if its
//! firing is, and its kind, and how many of that kind there were before it.

use std::collections::BTreeMap;

use ensue_event::ours::{Ours, PREFIX, RuleFired, Took};
use ensue_event::{Event, Key, Position};

use super::place;

/// The labels of one side.
#[derive(Debug, Default)]
pub(super) struct Labels {
    /// Positions are those of a replay.
    moved: bool,
    /// Of firings and runs, by their ids.
    firings: BTreeMap<Key, Key>,
    /// Of records that were decided, by their positions.
    records: BTreeMap<Position, Key>,
    /// How many of a kind there were.
    times: BTreeMap<Key, u32>,
}

/// A record that was decided.
#[derive(Debug)]
pub(super) struct Labelled {
    pub(super) label: Key,
    /// The firing that it is, if it is one.
    pub(super) fired: Option<RuleFired>,
    /// The firing that it follows from, where it says something of a run or was emitted by one.
    pub(super) of: Option<Of>,
}

/// A firing that a record follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// One that was labelled.
    Firing(Key),
    /// One from before the history began.
    Before,
}

impl Labels {
    pub(super) fn new(moved: bool) -> Labels {
        Labels { moved, ..Labels::default() }
    }

    /// The label of a record that was decided; each call is one record.
    pub(super) fn of(&mut self, event: &Event) -> Labelled {
        let known =
            |firings: &BTreeMap<Key, Key>, id: Key| firings.get(&id).map_or(Of::Before, |label| Of::Firing(*label));
        let ours = if event.kind.starts_with(PREFIX) { Ours::of(event).ok() } else { None };
        let (rule, of) = match ours {
            Some(Ours::RuleFired(fired)) => {
                let label = self.fired(&fired);
                return Labelled { label, fired: Some(fired), of: None };
            }
            Some(Ours::RunStarted(told)) => (String::new(), Some(known(&self.firings, told.run))),
            Some(Ours::RunFinished(told)) => (String::new(), Some(known(&self.firings, told.run))),
            Some(Ours::RunFailed(told)) => (String::new(), Some(known(&self.firings, told.run))),
            Some(Ours::RuleParked(told)) => (told.rule, None),
            Some(Ours::ChainCut(told)) => (told.rule, None),
            Some(Ours::KeyRefused(told)) => (told.rule, None),
            Some(Ours::EventDiverted(told)) => (told.rule, None),
            _ => {
                let cause = event.extension_text("causationid").and_then(|cause| cause.parse().ok());
                (String::new(), Some(cause.map_or(Of::Before, |cause| known(&self.firings, cause))))
            }
        };
        let firing = match of {
            Some(Of::Firing(label)) => label.0,
            _ => [0; 16],
        };
        let label = self.nth("record", &[event.kind.as_bytes(), rule.as_bytes(), &firing]);
        Labelled { label, fired: None, of }
    }

    fn fired(&mut self, fired: &RuleFired) -> Key {
        let mut parts: Vec<Vec<u8>> =
            vec![fired.rule.as_bytes().to_vec(), fired.key.as_deref().unwrap_or("").as_bytes().to_vec()];
        let events: Vec<Vec<u8>> = took(fired).map(|took| self.event(took.position).0.to_vec()).collect();
        if let Some(due) = fired.due.filter(|_| events.is_empty()) {
            parts.push(due.0.to_be_bytes().to_vec());
        }
        parts.extend(events);
        let label = self.nth("fired", &parts.iter().map(Vec::as_slice).collect::<Vec<&[u8]>>());
        self.firings.insert(fired.firing, label);
        label
    }

    /// The label of these parts, and of how often they were there before.
    fn nth(&mut self, kind: &str, parts: &[&[u8]]) -> Key {
        let label = Key::of(kind, parts);
        let times = self.times.entry(label).or_default();
        *times += 1;
        if *times == 1 { label } else { Key::of("again", &[&label.0, &times.to_be_bytes()]) }
    }

    /// Notes where a record that was decided stands.
    pub(super) fn stands(&mut self, position: Position, label: Key) {
        self.records.insert(position, label);
    }

    /// The label of the event at a position: of one that was decided what it was decided from, else its place in the
    /// history.
    pub(super) fn event(&self, position: Position) -> Key {
        let there = if self.moved { place::back(position) } else { Some(position) };
        self.records.get(&position).copied().unwrap_or_else(|| match there {
            Some(there) => Key::of("event", &[&there.bytes()]),
            None => Key::of("between", &[&position.bytes()]),
        })
    }

    /// The label of the record that was decided at a position, if one was.
    pub(super) fn decided(&self, position: Position) -> Option<Key> {
        self.records.get(&position).copied()
    }

    /// Whether a record with this label was folded.
    pub(super) fn has(&self, label: Key) -> bool {
        self.records.values().any(|known| *known == label)
    }

    /// The label of a firing by its id.
    pub(super) fn firing(&self, id: Key) -> Option<Key> {
        self.firings.get(&id).copied()
    }
}

/// All events that a firing took: of a batch those of all its matches.
pub(super) fn took(fired: &RuleFired) -> impl Iterator<Item = &Took> {
    let own = fired.events.iter().filter(|_| fired.batch.is_empty());
    own.chain(fired.batch.iter().flat_map(|one| &one.events))
}
