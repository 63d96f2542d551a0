//! What was decided then: configurations, firings, what followed from them, and the answers of actions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ensue_event::ours::{ConfigApplied, Ours, RecordQuarantined, RuleFired, Took};
use ensue_event::{Digest, Emission, Key, Origin, Position, Record, Time};
use serde_json::Value;

use super::label::{Labelled, Labels, Of, took};
use super::report::{Fired, Seen};
use super::{Error, Log, Shared};

/// A configuration, from the record that put it in force on.
#[derive(Debug)]
pub(super) struct Era {
    pub(super) from: Position,
    /// Nothing where this version does not accept it.
    pub(super) compiled: Option<Shared>,
}

/// A firing of then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Its id.
    pub(super) firing: Key,
    /// What it went by.
    pub(super) definition: Digest,
}

/// Where a record that was decided stands, and what it was decided at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stood {
    pub(super) decided: Position,
    pub(super) position: Position,
}

/// The outcomes of attempts, oldest first: the effect, and the record. A run that was retried has several effects.
pub(super) type Outcomes = BTreeMap<(Key, String, u32), VecDeque<(Key, Position)>>;

/// What was decided in the part of the history that is replayed.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) eras: Vec<Era>,
    /// The configuration that was in force at the beginning.
    pub(super) before: Option<ConfigApplied>,
    /// Records of backfills: what is decided at them is about the past.
    backfills: BTreeSet<Position>,
    pub(super) labels: Labels,
    pub(super) fired: BTreeMap<Key, Fired>,
    pub(super) known: BTreeMap<Key, Known>,
    pub(super) stood: BTreeMap<Key, Stood>,
    /// Records that follow from firings before the beginning: nothing in a replay gives them again.
    pub(super) foreign: BTreeSet<Position>,
    pub(super) outcomes: Outcomes,
    /// The last record of the fold that was noted.
    last: Option<Emission>,
    /// The log does not begin with its first record.
    trimmed: bool,
}

/// All configurations that the log holds, oldest first.
pub(super) fn eras(log: &dyn Log) -> Result<Vec<Era>, Error> {
    let records = log.of_type("dev.ensue.config.applied").map_err(Error::Log)?;
    let era = |record: &Record| {
        let Ok(Ours::ConfigApplied(applied)) = Ours::of(&record.event) else { return None };
        let compiled = ensue_engine::config::check(&applied.files).compiled.map(Arc::new);
        Some(Era { from: record.position, compiled })
    };
    Ok(records.iter().filter_map(era).collect())
}

/// The configuration in the record at a position.
fn applied(log: &dyn Log, at: Position) -> Result<Option<ConfigApplied>, Error> {
    let mut found = None;
    let read = log.read(at, at.next(), &mut |record| {
        if let Ok(Ours::ConfigApplied(applied)) = Ours::of(&record.event) {
            found = Some(applied);
        }
    });
    read.map_err(Error::Log)?;
    Ok(found)
}

impl Recorded {
    /// Reads it. Without runs only configurations: firings are noted on the way, see [`Recorded::note`].
    pub(super) fn read(
        log: &dyn Log,
        eras: Vec<Era>,
        from: Position,
        to: Position,
        rules_only: bool,
    ) -> Result<Recorded, Error> {
        let before = match eras.iter().rev().find(|era| era.from < from) {
            Some(era) => applied(log, era.from)?,
            None => None,
        };
        let backfills = log.of_type("dev.ensue.backfill").map_err(Error::Log)?;
        let mut recorded = Recorded {
            eras,
            before,
            backfills: backfills.iter().map(|record| record.position).collect(),
            labels: Labels::new(false),
            fired: BTreeMap::new(),
            known: BTreeMap::new(),
            stood: BTreeMap::new(),
            foreign: BTreeSet::new(),
            outcomes: Outcomes::new(),
            last: None,
            trimmed: log.first() > Position(0),
        };
        if !rules_only {
            log.own(from, to, &mut |record| recorded.note(record, from)).map_err(Error::Log)?;
        }
        Ok(recorded)
    }

    /// Notes what a record of ours says.
    fn note(&mut self, record: &Record, from: Position) {
        let Origin::Emitted(place) = record.origin else {
            match &*record.event.kind {
                "dev.ensue.action.answered" | "dev.ensue.action.uncertain" | "dev.ensue.record.quarantined" => {
                    match Ours::of(&record.event) {
                        Ok(Ours::ActionAnswered(told)) => self.outcome(told.of, record.position),
                        Ok(Ours::ActionUncertain(told)) => self.outcome(told.of, record.position),
                        Ok(Ours::RecordQuarantined(RecordQuarantined { position, answer: Some(of), .. })) => {
                            // What the fold of then went by is not the answer, but that it could not be folded.
                            let place = (of.run, of.step.clone(), of.attempt);
                            if let Some(known) = self.outcomes.get_mut(&place) {
                                known.retain(|(_, at)| *at != position);
                            }
                            self.outcome(of, record.position);
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
            return;
        };
        // A record that was appended twice is nothing.
        if self.last.is_some_and(|last| place <= last) {
            return;
        }
        self.last = Some(place);
        if place.position < from {
            self.foreign.insert(record.position);
            return;
        }
        let Labelled { label, fired, of } = self.labels.of(&record.event);
        if of == Some(Of::Before) {
            self.foreign.insert(record.position);
            return;
        }
        self.stand(record.position, place, label);
        if let Some(fired) = fired {
            self.note_fired(label, &fired, record.at, place);
        }
    }

    fn outcome(&mut self, of: ensue_event::ours::Attempt, position: Position) {
        self.outcomes.entry((of.run, of.step, of.attempt)).or_default().push_back((of.effect, position));
    }

    fn stand(&mut self, position: Position, place: Emission, label: Key) {
        self.labels.stands(position, label);
        self.stood.insert(label, Stood { decided: place.position, position });
    }

    fn note_fired(&mut self, label: Key, fired: &RuleFired, at: Time, place: Emission) {
        let mut seen = summary(fired, at, place.position, Some);
        seen.past = self.backfills.contains(&place.position);
        self.known.insert(label, Known { firing: fired.firing, definition: fired.definition });
        self.fired.insert(label, seen);
    }

    /// The configuration in force at a record.
    pub(super) fn era(&self, at: Position) -> Option<&Era> {
        let after = self.eras.partition_point(|era| era.from <= at);
        after.checked_sub(1).and_then(|place| self.eras.get(place))
    }

    /// Whether there was a rule of this name at a record; so it is taken where that is no longer known.
    pub(super) fn had(&self, rule: &str, at: Position) -> bool {
        match self.era(at) {
            Some(era) => era.compiled.as_ref().is_none_or(|config| config.rule(rule).is_some()),
            None => self.trimmed,
        }
    }

    /// The last definition of a rule.
    pub(super) fn definition(&self, rule: &str) -> Option<Digest> {
        let configs = self.eras.iter().rev().filter_map(|era| era.compiled.as_ref());
        let found = configs.filter_map(|config| config.rule(rule)).map(|decider| decider.digest).next();
        let fired = || {
            let labels = self.fired.iter().filter(|(_, fired)| fired.rule == rule).map(|(label, _)| label);
            labels.filter_map(|label| self.known.get(label)).map(|known| known.definition).next()
        };
        found.or_else(fired)
    }

    /// Its rules, where there are any.
    pub(super) fn rules(&self, at: Position) -> Option<&Shared> {
        self.era(at).and_then(|era| era.compiled.as_ref())
    }
}

/// Firings of the history that are met on the way, where runs are not replayed.
#[derive(Debug, Default)]
pub(super) struct Met {
    pub(super) labels: Labels,
    pub(super) fired: BTreeMap<Key, Fired>,
}

impl Met {
    /// Notes a record that the fold decided about rules; false where it is one of a run.
    pub(super) fn note(&mut self, record: &Record, place: Emission) -> bool {
        if !of_rules(&record.event.kind) {
            return false;
        }
        let Labelled { label, fired, .. } = self.labels.of(&record.event);
        self.labels.stands(record.position, label);
        if let Some(fired) = fired {
            self.fired.insert(label, summary(&fired, record.at, place.position, Some));
        }
        true
    }
}

/// Whether the fold says so of a rule, whatever becomes of runs.
fn of_rules(kind: &str) -> bool {
    matches!(
        kind,
        "dev.ensue.rule.fired"
            | "dev.ensue.rule.parked"
            | "dev.ensue.chain.cut"
            | "dev.ensue.key.refused"
            | "dev.ensue.event.diverted"
    )
}

/// A firing for the report; `place` says where an event stands in the history.
pub(super) fn summary(
    fired: &RuleFired,
    at: Time,
    decided: Position,
    place: impl Fn(Position) -> Option<Position>,
) -> Fired {
    let seen = |took: &Took| {
        let text = |name: &str| took.event.get(name).and_then(Value::as_str).map(str::to_owned);
        Seen {
            position: place(took.position),
            item: took.item.clone(),
            kind: text("type").unwrap_or_default(),
            source: text("source").unwrap_or_default(),
            id: text("id").unwrap_or_default(),
            subject: text("subject"),
            time: text("time"),
        }
    };
    Fired {
        firing: fired.firing,
        at,
        key: fired.key.clone(),
        mode: fired.mode,
        due: fired.due,
        events: took(fired).map(seen).collect(),
        why: String::new(),
        because: Vec::new(),
        rule: fired.rule.clone(),
        decided,
        past: false,
    }
}
