//! Where a scenario is played.

use std::collections::{BTreeMap, HashSet, VecDeque};

use ensue_engine::{Engine, Outboxed};
use ensue_event::ours::{
    ActionAnswered, Answer, Backfill, Command, ConfigApplied, ConfigFile, Failure, NodeStarted, NodeStopped, Operator,
    Ours, SourceCaughtUp, SourceDisconnected, Tick,
};
use ensue_event::{Emission, Event, Key, Origin, Position, Record, Span, Time};
use ensue_lang::{Mock, Scenario};
use ensue_pump::pump::BACKFILL_RECORDS;
use serde_json::{Value, json};

use super::crash::{Crashes, From, Lived, Store};
use super::given::{self, Comes};
use super::{Beside, Call, Error, Played};
use crate::history::Records;

/// The time at which every scenario starts: 2026-01-01T00:00:00Z, a Thursday.
pub(super) const START: Time = Time::from_secs(1_767_225_600);
/// How long a scenario without `until` goes on after its last event: every retry and timer of a sane automation.
const GOES_ON: Span = Span::hours(24 * 7);

pub(super) struct Stage<'a> {
    scenario: &'a Scenario,
    engine: Engine,
    now: Time,
    played: Played,
    handed: Option<Emission>,
    /// How often each action was called.
    called: BTreeMap<String, usize>,
    /// Answers of actions that take their time, by when they come and in which order they were called.
    answers: BTreeMap<(Time, usize), (Outboxed, Answer)>,
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
            engine: Engine::new(),
            now: START,
            played: Played::default(),
            handed: None,
            called: BTreeMap::new(),
            answers: BTreeMap::new(),
            known: HashSet::new(),
            boots: 0,
            most,
            store: Store::default(),
            crashes,
        }
    }

    pub(super) fn play(mut self, files: &[ConfigFile], beside: &dyn Beside) -> Result<Lived, Error> {
        let given = given::all(self.scenario, beside)?;
        let last = given.last().map_or(Span::ZERO, |(at, _)| *at);
        self.apply(files.to_vec())?;
        for (at, comes) in given {
            self.go_to(START + at)?;
            self.meet(comes)?;
        }
        let end = self.now.max(START + last) + self.scenario.until.map_or(GOES_ON, Span);
        self.go_to(end)?;
        self.played.end(&self.engine);
        self.store.checkpoint(&mut self.engine, self.played.records.len());
        Ok(Lived { played: self.played, rows: self.store.into_rows() })
    }

    /// Lets time pass: every timer on the way is met by a tick at its time, and every action answers at its own.
    fn go_to(&mut self, until: Time) -> Result<(), Error> {
        loop {
            let due = self.engine.due().filter(|due| *due <= until);
            let answer = self.answers.keys().next().copied().filter(|(at, _)| *at <= until);
            match (answer, due) {
                (Some((at, turn)), due) if due.is_none_or(|due| at <= due) => {
                    self.now = self.now.max(at);
                    if let Some((row, answer)) = self.answers.remove(&(at, turn)) {
                        self.append(Origin::Node, told(&row, answer))?;
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
            Comes::Apply(files) => self.apply(files),
            Comes::Restart { down } => self.restart(down),
            Comes::Mode { rule, mode } => self.operator(Command::SetMode { rule, mode }),
            Comes::Redrive { rule } => {
                for firing in self.parked(&rule) {
                    self.operator(Command::Redrive { firing })?;
                }
                Ok(())
            }
            Comes::Discard { rule } => {
                for firing in self.parked(&rule) {
                    self.operator(Command::Discard { firing })?;
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
    fn apply(&mut self, files: Vec<ConfigFile>) -> Result<(), Error> {
        let first = self.played.records.is_empty();
        // The folder's own was checked before: whoever plays it took the scenario from there.
        if !first {
            let checked = ensue_engine::config::check(&files);
            if checked.compiled.is_none() {
                self.played.refused.push(checked.render(false));
                return Ok(());
            }
        }
        let id =
            if first { "configuration".to_owned() } else { format!("configuration-{}", self.played.records.len()) };
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
        self.engine = self.store.recover(From::Rows { every: 1 }, &self.played.records)?;
        self.ours(started, format!("started-{number}"))
    }

    fn operator(&mut self, command: Command) -> Result<(), Error> {
        let id = format!("operator-{}", self.played.records.len());
        let (actor, reason) = ("scenario".to_owned(), "the scenario says so".to_owned());
        self.ours(Operator { command, actor, roles: Vec::new(), reason }, id)
    }

    /// The parked firings of a rule, oldest first.
    fn parked(&self, rule: &str) -> Vec<Key> {
        let parked = self.engine.state().parked.iter().filter(|(_, parked)| parked.fired.rule == rule);
        let mut parked: Vec<(Time, Position, Key)> = parked
            .map(|(key, parked)| {
                let first = parked.fired.events.last().map_or(Position(0), |took| took.position);
                (parked.since, first, *key)
            })
            .collect();
        parked.sort_unstable();
        parked.into_iter().map(|(_, _, key)| key).collect()
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
                    let (after, answer) = self.call(&row);
                    if after <= Span::ZERO {
                        waiting.push_back((Origin::Node, told(&row, answer)));
                    } else {
                        let turn = self.played.calls.len();
                        self.answers.insert((self.now + after, turn), (row, answer));
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
            self.engine = self.store.recover(crashes.from, &self.played.records)?;
        }
        if let From::Rows { every } = crashes.from
            && records.is_multiple_of(every.max(1))
        {
            self.store.checkpoint(&mut self.engine, records);
        }
        Ok(())
    }

    /// An action is called: how long it takes, and what it answers.
    fn call(&mut self, row: &Outboxed) -> (Span, Answer) {
        let effect = &row.effect;
        let mock = self.scenario.actions.get(&effect.action);
        self.played.calls.push(Call {
            at: self.now.since(START),
            action: effect.action.clone(),
            with: effect.with.clone(),
            by: format!("{}: {}", effect.rule, effect.step),
            mocked: mock.is_some(),
        });
        let count = self.called.entry(effect.action.clone()).or_insert(0);
        let turn = *count;
        *count += 1;
        let (after, answer) = mock.map_or((Span::ZERO, Answer::Ok(json!({}))), |mock| mocked(mock, turn));
        if after > effect.timeout && effect.timeout > Span::ZERO {
            let message = format!("no answer within {}", effect.timeout);
            return (effect.timeout, Answer::Err(Failure::new("Timeout", message).retryable()));
        }
        (after, answer)
    }
}

fn told(row: &Outboxed, answer: Answer) -> Event {
    let id = format!("{}.{}.answered", row.effect.key, row.effect.attempt);
    Ours::from(ActionAnswered { of: row.attempt(), answer }).event(id, "/ensue/scenario")
}

fn mocked(mock: &Mock, turn: usize) -> (Span, Answer) {
    let now = |answer| (Span::ZERO, answer);
    match mock {
        Mock::Returns(outputs) => now(Answer::Ok(outputs.clone())),
        Mock::Fails { name, message } => {
            let failure = Failure::new(name, message.clone());
            // What the real action would call worth another try is so here.
            let passing = matches!(name.as_str(), "Connect" | "Timeout" | "Status");
            now(Answer::Err(if passing { failure.retryable() } else { failure }))
        }
        Mock::Sequence(mocks) => {
            let at = turn.min(mocks.len().saturating_sub(1));
            mocks.get(at).map_or_else(|| now(Answer::Ok(Value::Object(serde_json::Map::new()))), |mock| mocked(mock, 0))
        }
        Mock::After(after, mock) => (Span(*after), mocked(mock, turn).1),
    }
}
