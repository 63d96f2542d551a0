//! What actions answer in a scenario.

use std::collections::BTreeMap;

use ensue_engine::Outboxed;
use ensue_event::ours::{ActionAnswered, ActionUncertain, Answer, Failure, Ours};
use ensue_event::{Event, Span};
use ensue_lang::{Calls, Mock, Scenario};
use ensue_run::Effect;
use serde_json::{Map, Value};

use super::compare::lacks;
use super::{full, same_step};

/// What is told of an attempt.
#[derive(Debug, Clone)]
pub(super) enum Told {
    /// Its answer.
    Answer(Answer),
    /// That nobody knows whether it was made, and why.
    Uncertain(String),
}

impl Told {
    /// Success with nothing to tell.
    pub(super) fn nothing() -> Told {
        Told::Answer(Answer::Ok(Value::Object(Map::new())))
    }

    /// The record of it.
    pub(super) fn event(self, row: &Outboxed) -> Event {
        let of = row.attempt();
        let id = format!("{}.{}", of.effect, of.attempt);
        match self {
            Told::Answer(answer) => Ours::from(ActionAnswered { of, answer, began: None, log: None })
                .event(format!("{id}.answered"), "/ensue/scenario"),
            Told::Uncertain(reason) => {
                Ours::from(ActionUncertain { of, reason }).event(format!("{id}.uncertain"), "/ensue/scenario")
            }
        }
    }
}

/// Whoever answers for actions.
pub(super) trait Answering {
    /// The answer to an attempt that is made now, from the start, and how long it takes; nothing where none is known.
    fn to(&mut self, effect: &Effect, now: Span) -> Option<(Span, Told)>;
}

/// What the actions of a scenario answer, and how often each answer was given.
pub(super) struct Answers<'a> {
    scenario: &'a Scenario,
    given: BTreeMap<(&'a str, usize), usize>,
}

impl<'a> Answers<'a> {
    pub(super) fn new(scenario: &'a Scenario) -> Answers<'a> {
        Answers { scenario, given: BTreeMap::new() }
    }
}

impl Answering for Answers<'_> {
    fn to(&mut self, effect: &Effect, _: Span) -> Option<(Span, Told)> {
        let scenario = self.scenario;
        let (action, all) = scenario.actions.get_key_value(&effect.action)?;
        let (place, answers) = all.iter().enumerate().find(|(_, one)| fits(&one.when, effect, scenario))?;
        let turn = self.given.entry((action, place)).or_insert(0);
        let (after, told) = mocked(&answers.mock, *turn);
        *turn += 1;
        if after > effect.timeout && effect.timeout > Span::ZERO {
            let message = format!("no answer within {}", effect.timeout);
            return Some((effect.timeout, Told::Answer(Answer::Err(Failure::new("Timeout", message).retryable()))));
        }
        Some((after, told))
    }
}

fn fits(when: &Calls, effect: &Effect, scenario: &Scenario) -> bool {
    when.rule.as_ref().is_none_or(|rule| full(rule, scenario) == effect.rule)
        && when.step.as_ref().is_none_or(|step| same_step(step, &effect.step))
        && when.with.as_ref().is_none_or(|with| lacks(with, &effect.with, "with").is_empty())
}

fn mocked(mock: &Mock, turn: usize) -> (Span, Told) {
    let now = |answer| (Span::ZERO, Told::Answer(answer));
    match mock {
        Mock::Returns(outputs) => now(Answer::Ok(outputs.clone())),
        Mock::Fails { name, message, retryable, retry_after, details } => {
            // What the real action would call worth another try is so here.
            let passing = matches!(name.as_str(), "Connect" | "Timeout" | "Status");
            now(Answer::Err(Failure {
                retryable: retryable.unwrap_or(passing),
                retry_after: retry_after.map(Span),
                details: details.clone(),
                ..Failure::new(name, message.clone())
            }))
        }
        Mock::Uncertain(why) => (Span::ZERO, Told::Uncertain(why.clone())),
        Mock::Sequence(mocks) => {
            let at = turn.min(mocks.len().saturating_sub(1));
            mocks.get(at).map_or_else(|| (Span::ZERO, Told::nothing()), |mock| mocked(mock, 0))
        }
        Mock::After(after, mock) => (Span(*after), mocked(mock, turn).1),
    }
}
