//! Where a scenario is played.

use std::collections::BTreeMap;

use bytes::Bytes;
use ensue_engine::{Engine, Outboxed};
use ensue_event::http::{self, Message};
use ensue_event::json::Scanner;
use ensue_event::ours::{ActionAnswered, Answer, ConfigApplied, ConfigFile, Failure, Mode, Ours, Tick};
use ensue_event::{Emission, Event, Origin, Position, Record, Span, Time};
use ensue_lang::{Mock, Scenario};
use serde_json::{Value, json};

use super::Error;

/// The time at which every scenario starts: 2026-01-01T00:00:00Z, a Thursday.
const START: Time = Time::from_secs(1_767_225_600);
/// How long a scenario without `until` goes on after its last event: every retry and timer of a sane automation.
const GOES_ON: Span = Span::hours(24 * 7);

/// A call of an action.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// When, from the start.
    pub at: Span,
    /// The action.
    pub action: String,
    /// What it was called with.
    pub with: Value,
    /// The rule and step that called it.
    pub by: String,
    /// The scenario says what it answers.
    pub mocked: bool,
}

/// A run that ended, or did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its rule.
    pub rule: String,
    /// How it ended.
    pub status: String,
    /// Why it failed.
    pub why: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, Default)]
pub struct Played {
    /// Firings by rule, with shadows apart.
    pub fired: BTreeMap<String, u32>,
    /// Shadow firings by rule.
    pub shadows: BTreeMap<String, u32>,
    /// Calls of actions, in order.
    pub calls: Vec<Call>,
    /// Runs.
    pub runs: Vec<Ran>,
    /// Events that were given or emitted, by type, with their data.
    pub events: Vec<(String, Value)>,
    /// Decisions that were errors.
    pub errors: Vec<String>,
    /// All records.
    pub records: Vec<Record>,
}

pub(super) struct Stage<'a> {
    scenario: &'a Scenario,
    engine: Engine,
    now: Time,
    played: Played,
    handed: Option<Emission>,
    answered: BTreeMap<String, usize>,
    most: usize,
}

impl<'a> Stage<'a> {
    pub(super) fn new(files: &[ConfigFile], scenario: &'a Scenario, most: usize) -> Result<Stage<'a>, Error> {
        let mut stage = Stage {
            scenario,
            engine: Engine::new(),
            now: START,
            played: Played::default(),
            handed: None,
            answered: BTreeMap::new(),
            most,
        };
        let applied = ConfigApplied { documents: Vec::new(), files: files.to_vec(), observe: false };
        stage.append(Origin::Node, Ours::from(applied).event("configuration", "/ensue/scenario"))?;
        Ok(stage)
    }

    pub(super) fn play(mut self, read: &dyn Fn(&str) -> Result<Vec<u8>, String>) -> Result<Played, Error> {
        let mut given = self.given(read)?;
        // Two events of one time keep the order in which they are written.
        given.sort_by_key(|(at, _)| *at);
        let last = given.last().map_or(Span::ZERO, |(at, _)| *at);
        for (at, event) in given {
            self.go_to(START + at)?;
            self.append(Origin::Source("scenario".into()), event)?;
        }
        let end = START + last + self.scenario.until.map_or(GOES_ON, Span);
        self.go_to(end)?;
        for (_, run) in self.engine.state().runs.iter() {
            let why = run
                .failed
                .as_ref()
                .map(|failed| format!("step {}: {}: {}", failed.step, failed.error.name, failed.error.message));
            self.played.runs.push(Ran { rule: run.rule.clone(), status: run.status.as_str().to_owned(), why });
        }
        for ((position, who), decision) in self.engine.state().decisions.iter() {
            for decision in &decision.all {
                if let ensue_engine::Verdict::Error { expression, why } = &decision.verdict {
                    self.played.errors.push(format!("record {position}, rule {who}: `{expression}`: {why}"));
                }
            }
        }
        Ok(self.played)
    }

    /// Lets time pass: every timer on the way is met by a tick at its time.
    fn go_to(&mut self, until: Time) -> Result<(), Error> {
        while let Some(due) = self.engine.due().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            let id = format!("tick-{}", self.played.records.len());
            self.append(Origin::Node, Ours::from(Tick {}).event(id, "/ensue/scenario"))?;
        }
        self.now = self.now.max(until);
        Ok(())
    }

    /// Appends a record, folds it, and all that follows from it at the same time.
    fn append(&mut self, origin: Origin, event: Event) -> Result<(), Error> {
        let mut waiting = std::collections::VecDeque::from([(origin, event)]);
        while let Some((origin, event)) = waiting.pop_front() {
            if self.played.records.len() >= self.most {
                return Err(Error::Endless(self.most));
            }
            let position = Position(self.played.records.len() as u64);
            let record = Record { position, at: self.now, origin, event };
            self.watch(&record);
            let outcome = self.engine.fold(&record).map_err(|why| Error::Fold(why.to_string()))?;
            self.engine.settle();
            self.played.records.push(record);
            let new: Vec<(Emission, Event)> =
                self.engine.emissions(self.handed).map(|(place, event)| (place, event.clone())).collect();
            if let Some((place, _)) = new.last() {
                self.handed = Some(*place);
            }
            waiting.extend(new.into_iter().map(|(place, event)| (Origin::Emitted(place), event)));
            for key in outcome.ready {
                if let Some(row) = self.engine.state().outbox.get(&key).map(|row| row.as_ref().clone()) {
                    let answer = self.answer(&row);
                    let id = format!("{}.{}.answered", row.effect.key, row.effect.attempt);
                    let told = Ours::from(ActionAnswered { of: row.attempt(), answer });
                    waiting.push_back((Origin::Node, told.event(id, "/ensue/scenario")));
                }
            }
        }
        Ok(())
    }

    fn watch(&mut self, record: &Record) {
        if matches!(record.origin, Origin::Node) {
            return;
        }
        if let Ok(Ours::RuleFired(fired)) = Ours::of(&record.event) {
            let counts = if fired.mode == Mode::Live { &mut self.played.fired } else { &mut self.played.shadows };
            *counts.entry(fired.rule).or_insert(0) += 1;
        }
        let data = record.event.json().and_then(|json| serde_json::from_slice(json).ok()).unwrap_or(Value::Null);
        self.played.events.push((record.event.kind.to_string(), data));
    }

    fn answer(&mut self, row: &Outboxed) -> Answer {
        let effect = &row.effect;
        let mock = self.scenario.actions.get(&effect.action);
        self.played.calls.push(Call {
            at: self.now.since(START),
            action: effect.action.clone(),
            with: effect.with.clone(),
            by: format!("{}: {}", effect.rule, effect.step),
            mocked: mock.is_some(),
        });
        let count = self.answered.entry(effect.action.clone()).or_insert(0);
        let turn = *count;
        *count += 1;
        mock.map_or(Answer::Ok(json!({})), |mock| mocked(mock, turn))
    }

    fn given(&self, read: &dyn Fn(&str) -> Result<Vec<u8>, String>) -> Result<Vec<(Span, Event)>, Error> {
        let file = &self.scenario.file;
        let mut out = Vec::new();
        for (number, given) in self.scenario.given.iter().enumerate() {
            let line = given.span.line;
            let wrong = |why: String| Error::Event { file: file.clone(), line, why };
            let value = match &given.event {
                ensue_lang::Event::Inline(value) => value.clone(),
                ensue_lang::Event::File(name) => {
                    let bytes =
                        read(name).map_err(|why| Error::File { file: file.clone(), line, name: name.clone(), why })?;
                    serde_json::from_slice(&bytes).map_err(|why| wrong(format!("{name}: {why}")))?
                }
            };
            for turn in 0..given.times.max(1) {
                let at = Span(given.at + given.every * i64::from(turn));
                let event = event(&value, number, turn, START + at).map_err(wrong)?;
                out.push((at, event));
            }
        }
        Ok(out)
    }
}

fn mocked(mock: &Mock, turn: usize) -> Answer {
    match mock {
        Mock::Returns(outputs) => Answer::Ok(outputs.clone()),
        Mock::Fails { name, message } => {
            let failure = Failure::new(name, message.clone());
            // What the real action would call worth another try is so here.
            let passing = matches!(name.as_str(), "Connect" | "Timeout" | "Status");
            Answer::Err(if passing { failure.retryable() } else { failure })
        }
        Mock::Sequence(mocks) => {
            let at = turn.min(mocks.len().saturating_sub(1));
            mocks.get(at).map_or(Answer::Ok(json!({})), |mock| mocked(mock, 0))
        }
    }
}

/// A CloudEvent from what is written: what is left out is filled in, and each repetition gets an id of its own.
fn event(value: &Value, number: usize, turn: u32, at: Time) -> Result<Event, String> {
    let mut object = value.as_object().cloned().ok_or("a map of attributes and `data` is expected")?;
    object.entry("specversion").or_insert_with(|| "1.0".into());
    object.entry("source").or_insert_with(|| "/scenario".into());
    object.entry("time").or_insert_with(|| at.to_string().into());
    let id = object.get("id").and_then(Value::as_str).map_or_else(|| format!("given-{number}"), str::to_owned);
    let id = if turn == 0 { id } else { format!("{id}-{turn}") };
    object.insert("id".into(), id.into());
    let body = Bytes::from(Value::Object(object).to_string());
    let none: [(&str, &[u8]); 0] = [];
    let message = Message { content_type: Some("application/cloudevents+json"), headers: none, body };
    let batch = http::decode(message, &mut Scanner::new()).map_err(|why| why.to_string())?;
    batch.events.into_iter().next().ok_or_else(|| "there is no event in it".to_owned())
}
