//! What happened in a scenario.

use std::collections::BTreeMap;

use ensue_engine::decide::OPERATOR;
use ensue_engine::{Decided, Engine, Verdict};
use ensue_event::ours::{Failure, Mode, Ours};
use ensue_event::{Key, Origin, Position, Record, Span, Time};
use serde_json::Value;

use super::stage::START;

/// A rule's decision to act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    /// When, from the start.
    pub at: Span,
    /// `namespace/name` of the rule.
    pub rule: String,
    /// Its key.
    pub key: Option<String>,
    /// Whether it acted.
    pub mode: Mode,
    /// The id of the firing.
    pub firing: Key,
    /// The events that it took.
    pub events: Vec<Position>,
}

/// A rule's decision about an event, where it did not fire.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdicted {
    /// When, from the start.
    pub at: Span,
    /// `namespace/name` of the rule.
    pub rule: String,
    /// Its key.
    pub key: Option<String>,
    /// The word for it: `deduped`.
    pub verdict: String,
    /// What it says beside.
    pub with: Value,
    /// The record at which it was made.
    pub position: Position,
}

/// A call of an action.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// When, from the start.
    pub at: Span,
    /// The action.
    pub action: String,
    /// What it was called with.
    pub with: Value,
    /// `namespace/name` of the rule that called it.
    pub rule: String,
    /// The path of the step.
    pub step: String,
    /// Which effect, and the number of the try.
    pub effect: Key,
    /// The number of the try, from 1.
    pub attempt: u32,
    /// The run.
    pub run: Key,
    /// The scenario says what it answers.
    pub mocked: bool,
    /// The last record before it.
    pub position: Position,
}

impl Call {
    /// The rule and step that called it.
    #[must_use]
    pub fn by(&self) -> String {
        format!("{}: {}", self.rule, self.step)
    }
}

/// A run that ended, or did not.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    /// The run.
    pub run: Key,
    /// Its rule.
    pub rule: String,
    /// Its key.
    pub key: Option<String>,
    /// How it stands at the end.
    pub status: String,
    /// The path of the step whose failure it ended with, and that failure.
    pub failed: Option<(String, Failure)>,
    /// The steps that it came to.
    pub steps: Vec<Stepped>,
}

impl Ran {
    /// Why it failed.
    #[must_use]
    pub fn why(&self) -> Option<String> {
        self.failed.as_ref().map(|(step, error)| format!("step {step}: {}: {}", error.name, error.message))
    }
}

/// A step of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Stepped {
    /// Its path.
    pub path: String,
    /// How it stands at the end.
    pub status: String,
    /// Why it failed, last.
    pub error: Option<Failure>,
}

/// An event that was given or emitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Happened {
    /// When, from the start.
    pub at: Span,
    /// Its type.
    pub kind: String,
    /// Its data.
    pub data: Value,
}

/// What happened.
#[derive(Debug, Clone, Default)]
pub struct Played {
    /// Firings, in order.
    pub fired: Vec<Fired>,
    /// Decisions not to fire, in order.
    pub decisions: Vec<Verdicted>,
    /// How many more decisions there were at records that many keys had a say in.
    pub more: u64,
    /// Calls of actions, in order.
    pub calls: Vec<Call>,
    /// Runs.
    pub runs: Vec<Ran>,
    /// Events that were given or emitted.
    pub events: Vec<Happened>,
    /// Decisions that were errors.
    pub errors: Vec<String>,
    /// Configurations and operators' commands that were refused, with why.
    pub refused: Vec<String>,
    /// Events that were known already, by their source and id: as at the door of a node, nothing came of them.
    pub known: u32,
    /// The keys of the half-matches that wait at the end, by rule.
    pub waiting: BTreeMap<String, Vec<Option<String>>>,
    /// Firings that wait for a person at the end: rule and key.
    pub parked: Vec<(String, Option<String>)>,
    /// All records.
    pub records: Vec<Record>,
}

impl Played {
    /// Firings by rule, live ones or shadows.
    #[must_use]
    pub fn times(&self, mode: Mode) -> BTreeMap<&str, u32> {
        let mut times = BTreeMap::new();
        for fired in self.fired.iter().filter(|fired| fired.mode == mode) {
            *times.entry(fired.rule.as_str()).or_insert(0) += 1;
        }
        times
    }

    /// Notes what a record is, before it is folded.
    pub(super) fn watch(&mut self, record: &Record) {
        if matches!(record.origin, Origin::Node) {
            return;
        }
        let at = record.at.since(START);
        if let Ok(Ours::RuleFired(fired)) = Ours::of(&record.event) {
            let took = fired.events.iter().chain(fired.batch.iter().flat_map(|one| &one.events));
            let events = took.map(|took| took.position).collect();
            let ensue_event::ours::RuleFired { firing, rule, mode, key, .. } = fired;
            self.fired.push(Fired { at, rule, key, mode, firing, events });
        }
        let data = record.event.json().and_then(|json| serde_json::from_slice(json).ok()).unwrap_or(Value::Null);
        self.events.push(Happened { at, kind: record.event.kind.to_string(), data });
    }

    /// Notes what was decided at a record, after it is folded.
    pub(super) fn decided(&mut self, engine: &Engine, position: Position) {
        let decisions = engine.state().decisions.from((position, String::new())..);
        for ((_, who), decided) in decisions.take_while(|((at, _), _)| *at == position) {
            let Decided { all, more } = decided.as_ref();
            self.more += u64::from(*more);
            for decision in all {
                if who == OPERATOR {
                    if let Verdict::Refused { why } = &decision.verdict {
                        self.refused.push(why.clone());
                    }
                    continue;
                }
                if let Verdict::Error { expression, why } = &decision.verdict {
                    self.errors.push(format!("record {position}, rule {who}: `{expression}`: {why}"));
                }
                let (verdict, with) = words(&decision.verdict);
                let (at, rule, key) = (decision.at.since(START), who.clone(), decision.key.clone());
                self.decisions.push(Verdicted { at, rule, key, verdict, with, position });
            }
        }
    }

    /// Notes how things stand at the end.
    pub(super) fn end(&mut self, engine: &Engine) {
        let state = engine.state();
        let mut runs: Vec<(Time, &ensue_run::Run)> =
            state.runs.iter().map(|(_, run)| (run.started, run.as_ref())).collect();
        runs.sort_by_key(|(started, _)| *started);
        for (_, run) in runs {
            let failed = run.trunk.failed.as_ref().map(|failed| (failed.step.clone(), failed.error.clone()));
            let steps = run.steps(&state.branches_of(run.id)).into_iter().map(|(path, step)| Stepped {
                path,
                status: word(&step.status),
                error: step.error,
            });
            self.runs.push(Ran {
                run: run.id,
                rule: run.rule.clone(),
                key: run.key.clone(),
                status: run.status.as_str().to_owned(),
                failed,
                steps: steps.collect(),
            });
        }
        for decider in &engine.config().rules {
            // A silence that was told waits for nothing: the key is only remembered.
            let silent = matches!(decider.rule.when.kind, ensue_lang::WhenKind::Absence { after: None, .. });
            let waiting = ensue_engine::halves(engine, &decider.name);
            let keys: Vec<_> = waiting.filter(|one| !silent || one.until.is_some()).map(|one| one.key).collect();
            if !keys.is_empty() {
                self.waiting.insert(decider.name.to_string(), keys);
            }
        }
        self.parked =
            state.parked.iter().map(|(_, parked)| (parked.fired.rule.clone(), parked.fired.key.clone())).collect();
    }
}

/// The word that something is stored as.
fn word(of: &impl serde::Serialize) -> String {
    serde_json::to_value(of).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A verdict as its word and its fields.
fn words(verdict: &Verdict) -> (String, Value) {
    match serde_json::to_value(verdict) {
        Ok(Value::String(word)) => (word, Value::Null),
        Ok(Value::Object(tagged)) => {
            tagged.into_iter().next().map_or_else(|| (String::new(), Value::Null), |(word, with)| (word, with))
        }
        _ => (String::new(), Value::Null),
    }
}
