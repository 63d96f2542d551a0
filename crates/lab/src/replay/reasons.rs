//! Why one side did not fire on what the other fired on.

use std::collections::BTreeMap;

use ensue_engine::config::Decider;
use ensue_engine::correlate::halves_of;
use ensue_engine::{Compiled, Decision};
use ensue_event::{Position, Record};

use super::Log;
use super::pass::Found;
use super::place;
use super::recorded::Recorded;
use super::report::Fired;
use crate::why_not;

/// The side that did not fire.
pub(super) struct Side<'a> {
    pub(super) log: &'a dyn Log,
    pub(super) found: &'a Found,
    pub(super) recorded: &'a Recorded,
    pub(super) config: &'a Compiled,
    /// It is the replay, not the history.
    pub(super) now: bool,
    /// What that side fired on, and the other did not.
    pub(super) others: &'a Elsewhere,
}

/// Firings that are on one side only, by rule and event.
#[derive(Debug, Default)]
pub(super) struct Elsewhere(BTreeMap<(String, Position), String>);

impl Elsewhere {
    pub(super) fn new() -> Elsewhere {
        Elsewhere::default()
    }

    pub(super) fn add(&mut self, all: &[Fired]) {
        for fired in all {
            for seen in &fired.events {
                let Some(position) = seen.position else { continue };
                self.0.entry((fired.rule.clone(), position)).or_insert_with(|| words(fired));
            }
        }
    }
}

/// A firing in words: its key, its events and its time.
fn words(fired: &Fired) -> String {
    const MOST: usize = 8;
    let key = fired.key.as_ref().map(|key| format!(" for {}", crate::why::cut(key))).unwrap_or_default();
    let place =
        |position: Option<Position>| position.map_or_else(|| "an emitted one".to_owned(), |at| format!("#{at}"));
    let mut events: Vec<String> = fired.events.iter().take(MOST).map(|seen| place(seen.position)).collect();
    if fired.events.len() > MOST {
        events.push(format!("{} more", fired.events.len() - MOST));
    }
    format!("{key} on {} at {}", events.join(", "), fired.at)
}

/// How much a reason tells.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// It meets the rule, and nothing is recorded of it.
    Met,
    /// What is recorded of it is about other events, or came later.
    Aside,
    /// Something is recorded of it.
    Decided,
    /// It meets no item of the rule.
    NotMet,
}

/// Why, and what that is read from.
pub(super) fn why(fired: &Fired, decider: &Decider, side: &Side<'_>) -> (String, Vec<String>) {
    let (side_now, tense) = (side.now, if side.now { "fires" } else { "fired" });
    let mut best: Option<(Weight, String, Vec<String>)> = None;
    for seen in &fired.events {
        let Some(position) = seen.position else {
            return (format!("its event {} is emitted in the replay only", seen.id), Vec::new());
        };
        if side_now
            && let Some(label) = side.recorded.labels.decided(position)
            && !side.found.labels.has(label)
        {
            return (
                format!("its event #{position} is not there now: what it followed from does not happen"),
                Vec::new(),
            );
        }
        let mut record: Option<Record> = None;
        if side.log.read(position, position.next(), &mut |found| record = Some(found.clone())).is_err() {
            continue;
        }
        let Some(record) = record else { continue };
        let told = side.found.told.get(&(fired.rule.clone(), position)).into_iter().flatten();
        let mut told: Vec<_> = told.map(|told| (told.later, told.decision.clone())).collect();
        // First what is about the event itself and was decided by the time the other side fired.
        let off =
            |decision: &Decision| crate::why::aside(&decision.verdict, position).is_some() || decision.at > fired.at;
        told.sort_by_key(|(_, decision)| off(decision));
        let (aside, decided) = (!told.is_empty(), told.first().is_some_and(|(_, decision)| !off(decision)));
        let mut waiting = halves_of(&side.found.engine, &fired.rule, fired.key.as_deref());
        for half in &mut waiting {
            half.events.iter_mut().for_each(|(_, at, _)| *at = place::at(*at));
        }
        waiting.retain(|half| half.events.iter().any(|(_, at, _)| *at == position));
        let (aside, now) = (aside || !waiting.is_empty(), side.found.engine.state().meta.at);
        let (tree, met) = why_not::not(&record, decider, told.into_iter(), waiting, now, side.config);
        let weight = match (met, decided, aside) {
            (_, true, _) => Weight::Decided,
            (_, _, true) => Weight::Aside,
            (false, ..) => Weight::NotMet,
            (true, ..) => Weight::Met,
        };
        let text = tree.text.strip_prefix(&format!("rule {} ", fired.rule)).unwrap_or(&tree.text);
        let whose = if fired.events.len() > 1 { format!("#{position}: ") } else { String::new() };
        let found = (weight, format!("{whose}{text}"), tree.because);
        // Of several that weigh the same, the last: it was to complete the match.
        if best.as_ref().is_none_or(|(known, ..)| *known <= weight) {
            best = Some(found);
        }
    }
    let other = || {
        let mut positions = fired.events.iter().filter_map(|seen| seen.position).rev();
        positions.find_map(|position| side.others.0.get(&(fired.rule.clone(), position)))
    };
    match best {
        Some((Weight::NotMet, text, because)) => (text, because),
        known => match (other(), known) {
            (Some(other), _) => (format!("it {tense} otherwise:{other}"), Vec::new()),
            (None, Some((Weight::Decided | Weight::Aside, text, because))) => (text, because),
            (None, Some(_)) => ("every event meets the rule, and nothing more is recorded".to_owned(), Vec::new()),
            (None, None) => {
                ("no event decides it: what it waits for is due at another time, or came".to_owned(), Vec::new())
            }
        },
    }
}
