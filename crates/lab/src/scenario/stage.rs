//! Where a scenario is played.

use std::collections::{BTreeMap, HashSet, VecDeque};

use ensue_engine::{Engine, Outboxed, Prepared};
use ensue_event::ours::{
    Backfill, Command, ConfigApplied, ConfigFile, NodeStarted, NodeStopped, Operator, Ours, SourceCaughtUp,
    SourceDisconnected, Tick,
};
use ensue_event::{Emission, Event, Origin, Position, Record, Span, Time};
use ensue_lang::Scenario;
use ensue_pump::pump::BACKFILL_RECORDS;

use super::answers::{Answering, Answers, Told};
use super::crash::{Crashes, From, Lived, Store};
use super::given::{self, Comes};
use super::operators;
use super::{Beside, Call, Configuration, Error, Played};
use crate::history::Records;

/// The time at which every scenario starts: 2026-01-01T00:00:00Z, a Thursday.
pub(super) const START: Time = Time::from_secs(1_767_225_600);
/// How long a scenario without `until` goes on after its last event: every retry and timer of a sane automation.
const GOES_ON: Span = Span::hours(24 * 7);

pub(super) struct Stage<'a> {
    scenario: &'a Scenario,
    /// Configurations that are compiled already.
    prepared: Vec<Prepared>,
    engine: Engine,
    now: Time,
    played: Played,
    handed: Option<Emission>,
    /// What actions answer.
    answers: Box<dyn Answering + 'a>,
    /// Answers of actions that take their time, by when they come and in which order they were called.
    coming: BTreeMap<(Time, usize), (Outboxed, Told)>,
    /// The sources and ids of events that came.
    known: HashSet<(Box<str>, Box<str>)>,
    boots: u32,
    most: usize,
    store: Store,
    crashes: Option<Crashes>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(scenario: &'a Scenario, most: usize, crashes: Option<Crashes>) -> Stage<'a> {
        Stage {
            scenario,
            prepared: Vec::new(),
            engine: Engine::new(),
            now: START,
            played: Played::default(),
            handed: None,
            answers: Box::new(Answers::new(scenario)),
            coming: BTreeMap::new(),
            known: HashSet::new(),
            boots: 0,
            most,
            store: Store::default(),
            crashes,
        }
    }

    /// A stage where somebody else answers for the actions.
    pub(super) fn answered_by(scenario: &'a Scenario, most: usize, answers: Box<dyn Answering + 'a>) -> Stage<'a> {
        Stage { answers, ..Stage::new(scenario, most, None) }
    }

    /// Plays it to its end, and gives the engine as it is then too.
    pub(super) fn play(mut self, of: &Configuration, beside: &dyn Beside) -> Result<(Lived, Engine), Error> {
        let given = given::all(self.scenario, beside)?;
        let last = given.last().map_or(Span::ZERO, |(at, _)| *at);
        self.apply(of.0.clone())?;
        for (at, comes) in given {
            self.go_to(START + at)?;
            self.meet(comes)?;
        }
        let end = self.now.max(START + last) + self.scenario.until.map_or(GOES_ON, Span);
        self.go_to(end)?;
        self.played.end(&self.engine);
        self.store.checkpoint(&mut self.engine, self.played.records.len());
        Ok((Lived { played: self.played, rows: self.store.into_rows() }, self.engine))
    }

    /// Lets time pass: every timer on the way is met by a tick at its time, and every action answers at its own.
    fn go_to(&mut self, until: Time) -> Result<(), Error> {
        loop {
            let due = self.engine.due().filter(|due| *due <= until);
            let answer = self.coming.keys().next().copied().filter(|(at, _)| *at <= until);
            match (answer, due) {
                (Some((at, turn)), due) if due.is_none_or(|due| at <= due) => {
                    self.now = self.now.max(at);
                    if let Some((row, answer)) = self.coming.remove(&(at, turn)) {
                        self.append(Origin::Node, answer.event(&row))?;
                    }
                }
                (_, Some(due)) => {
                    self.now = self.now.max(due);
                    let id = format!("tick-{}", self.played.records.len());
                    self.ours(Tick {}, id)?;
                }
                _ => break,
            }
        }
        self.now = self.now.max(until);
        Ok(())
    }

    fn meet(&mut self, comes: Comes) -> Result<(), Error> {
        let number = self.played.records.len();
        match comes {
            Comes::Event { event, via } => {
                if !self.known.insert((event.source.clone(), event.id.clone())) {
                    self.played.known += 1;
                    return Ok(());
                }
                self.append(Origin::Source(via.as_ref().into()), *event)
            }
            Comes::Apply(files) => self.apply_later(files),
            Comes::Restart { down } => self.restart(down),
            Comes::Operator(operator) => {
                let (commands, missing) = operators::commands(&operator.asks, self.engine.state());
                self.played.refused.extend(missing);
                for command in commands {
                    self.operator(command, &operator)?;
                }
                Ok(())
            }
            Comes::Disconnected { source } => {
                let reason = "the scenario says so".to_owned();
                self.ours(SourceDisconnected { source, reason }, format!("source-{number}"))
            }
            Comes::CaughtUp { source } => self.ours(SourceCaughtUp { source }, format!("source-{number}")),
        }
    }

    /// Puts a configuration in force, or notes why it cannot be.
    fn apply_later(&mut self, files: Vec<ConfigFile>) -> Result<(), Error> {
        match Configuration::of(files) {
            Ok(later) => self.apply(later.0),
            Err(checked) => {
                self.played.refused.push(checked.render(false));
                Ok(())
            }
        }
    }

    fn apply(&mut self, prepared: Prepared) -> Result<(), Error> {
        let number = self.played.records.len();
        let id = if number == 0 { "configuration".to_owned() } else { format!("configuration-{number}") };
        let files = prepared.files.to_vec();
        self.engine.prepare(prepared.clone());
        self.prepared.push(prepared);
        self.ours(ConfigApplied { documents: Vec::new(), files, observe: false }, id)
    }

    fn restart(&mut self, down: Span) -> Result<(), Error> {
        let number = self.played.records.len();
        self.ours(NodeStopped { reason: "the scenario says so".into() }, format!("stopped-{number}"))?;
        let stopped_at = self.played.records.last().map(|record| record.at);
        self.now = self.now + down;
        self.boots += 1;
        let started = NodeStarted {
            version: env!("CARGO_PKG_VERSION").into(),
            fold: ensue_engine::FOLD,
            boot: format!("scenario-{}", self.boots),
            stopped_at,
            clean: true,
        };
        let records = self.played.records.len();
        self.store.checkpoint(&mut self.engine, records);
        self.engine = self.store.recover(From::Rows { every: 1 }, &self.played.records, &self.prepared)?;
        self.ours(started, format!("started-{number}"))
    }

    fn operator(&mut self, command: Command, asked: &given::Operator) -> Result<(), Error> {
        let id = format!("operator-{}", self.played.records.len());
        let (actor, roles, reason) = (asked.by.clone(), asked.roles.clone(), asked.reason.clone());
        self.ours(Operator { command, actor, roles, reason }, id)
    }

    fn ours(&mut self, ours: impl Into<Ours>, id: String) -> Result<(), Error> {
        self.append(Origin::Node, ours.into().event(id, "/ensue/scenario"))
    }

    /// Appends a record, folds it, and all that follows from it at the same time.
    fn append(&mut self, origin: Origin, event: Event) -> Result<(), Error> {
        let mut waiting = VecDeque::from([(origin, event)]);
        while let Some((origin, event)) = waiting.pop_front() {
            if self.played.records.len() >= self.most {
                return Err(Error::Endless(self.most));
            }
            let position = Position(self.played.records.len() as u64);
            let record = Record { position, at: self.now, origin, event };
            self.played.watch(&record);
            let before = Records(&self.played.records);
            let outcome = self.engine.fold_with(&record, &before).map_err(|why| Error::Fold(why.to_string()))?;
            self.engine.settle();
            self.played.decided(&self.engine, position);
            self.played.records.push(record);
            self.crash()?;
            let new: Vec<(Emission, Event)> =
                self.engine.emissions(self.handed).map(|(place, event)| (place, event.clone())).collect();
            if let Some((place, _)) = new.last() {
                self.handed = Some(*place);
            }
            waiting.extend(new.into_iter().map(|(place, event)| (Origin::Emitted(place), event)));
            for key in outcome.ready {
                if let Some(row) = self.engine.state().outbox.get(&key).map(|row| row.as_ref().clone()) {
                    let (after, answer) = self.call(&row, position);
                    if after <= Span::ZERO {
                        waiting.push_back((Origin::Node, answer.event(&row)));
                    } else {
                        let turn = self.played.calls.len();
                        self.coming.insert((self.now + after, turn), (row, answer));
                    }
                }
            }
            if waiting.is_empty() {
                waiting.extend(self.backfill().map(|event| (Origin::Node, event)));
            }
        }
        Ok(())
    }

    /// The next records of the past for a rule that is on its way through it.
    fn backfill(&self) -> Option<Event> {
        let row = self.engine.backfill()?;
        let told = Backfill { rule: row.rule.clone(), from: row.next, to: row.next.plus(BACKFILL_RECORDS) };
        let id = format!("backfill-{}", self.played.records.len());
        Some(Ours::from(told).event(id, "/ensue/scenario"))
    }

    /// Takes a checkpoint and throws the engine away, where that is to happen.
    fn crash(&mut self) -> Result<(), Error> {
        let Some(crashes) = &self.crashes else { return Ok(()) };
        let records = self.played.records.len();
        if crashes.after.contains(&records) {
            self.engine = self.store.recover(crashes.from, &self.played.records, &self.prepared)?;
        }
        if let From::Rows { every } = crashes.from
            && records.is_multiple_of(every.max(1))
        {
            self.store.checkpoint(&mut self.engine, records);
        }
        Ok(())
    }

    /// An action is called: how long it takes, and what it answers.
    fn call(&mut self, row: &Outboxed, position: Position) -> (Span, Told) {
        let effect = &row.effect;
        let answer = self.answers.to(effect, self.now.since(START));
        self.played.calls.push(Call {
            at: self.now.since(START),
            action: effect.action.clone(),
            with: effect.with.clone(),
            rule: effect.rule.clone(),
            step: effect.step.clone(),
            effect: effect.key,
            attempt: effect.attempt,
            run: effect.run,
            mocked: answer.is_some(),
            position,
        });
        answer.unwrap_or_else(|| (Span::ZERO, Told::nothing()))
    }
}
