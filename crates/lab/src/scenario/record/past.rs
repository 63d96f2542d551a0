//! What happened: a run's firing, what came before and beside it, and what its chain's actions answered.

use std::collections::{BTreeMap, VecDeque};

use ensue_event::ours::{
    ActionAnswered, Answer, Command, ConfigApplied, ConfigFile, Failure, NodeStarted, Operator, Ours, RuleFired, Took,
};
use ensue_event::{Key, Origin, Position, Record, Span, Time};
use serde_json::Value;

use super::Error;
use crate::history::History;
use crate::scenario::answers::Told;

/// Something that came from outside.
#[derive(Debug)]
pub(super) enum Came {
    /// An event, through this source, if it is known.
    Event { position: Position, event: Value, via: Option<String> },
    /// A person asked for something.
    Operator(Operator),
    /// The node was down for so long.
    Restart(Span),
}

/// What is known of an attempt.
#[derive(Debug)]
pub(super) struct Answered {
    /// When, from the start.
    pub(super) at: Span,
    pub(super) effect: Key,
    pub(super) told: Told,
}

/// How a run ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: String,
    pub(super) step: Option<String>,
    pub(super) error: Option<Failure>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) run: Key,
    pub(super) fired: RuleFired,
    pub(super) files: Vec<ConfigFile>,
    pub(super) start: Time,
    pub(super) over: Time,
    pub(super) came: Vec<(Span, Came)>,
    /// By rule and step, in the order in which they came.
    pub(super) answers: BTreeMap<(String, String), VecDeque<Answered>>,
    pub(super) ended: Ended,
    /// How many events of each type `emit` steps of the chain gave.
    pub(super) emitted: BTreeMap<String, usize>,
}

impl Past {
    pub(super) fn of(run: &str, history: &dyn History) -> Result<Past, Error> {
        let unknown = || Error::Unknown(run.to_owned());
        let found = history.by_id(run.trim()).into_iter().find_map(|record| match Ours::of(&record.event) {
            Ok(Ours::RuleFired(fired)) => Some((record, fired)),
            _ => None,
        });
        let (record, fired) = found.ok_or_else(unknown)?;
        let run = fired.firing;
        let correlation = record.event.extension_text("correlationid").unwrap_or_default().to_owned();
        let chain = history.by_correlation(&correlation);
        let files = in_force(&record, history)?;

        let mut took: Vec<&Took> = fired.events.iter().chain(fired.batch.iter().flat_map(|one| &one.events)).collect();
        took.sort_by_key(|took| took.position);
        took.dedup_by_key(|took| took.position);
        if let Some(ours) = took.iter().find_map(|took| ours(took)) {
            return Err(Error::Ours(ours.to_owned()));
        }
        let events: Vec<(Time, Came)> = took.into_iter().map(|took| event(took, &record, history)).collect();
        let start = events.first().map_or(record.at, |(at, _)| *at);

        let mut rules: BTreeMap<Key, String> = BTreeMap::from([(run, fired.rule.clone())]);
        let (mut answers, mut emitted, mut end) = (BTreeMap::new(), BTreeMap::new(), None);
        for told in &chain {
            if matches!(told.origin, Origin::Source(_)) {
                continue;
            }
            let at = told.at.since(start);
            match Ours::of(&told.event) {
                Ok(Ours::RunStarted(started)) => drop(rules.insert(started.run, started.rule)),
                Ok(Ours::RuleFired(fired)) => drop(rules.insert(fired.firing, fired.rule)),
                Ok(Ours::ActionAnswered(ActionAnswered { of, answer, .. })) => {
                    add(&mut answers, &rules, at, of, Told::Answer(answer));
                }
                Ok(Ours::ActionUncertain(uncertain)) => {
                    add(&mut answers, &rules, at, uncertain.of, Told::Uncertain(uncertain.reason));
                }
                // The last one counts: a run that was retried ends more than once.
                Ok(Ours::RunFinished(ended)) if ended.run == run => {
                    end = Some((told.at, Ended { status: ended.status, step: None, error: None }));
                }
                Ok(Ours::RunFailed(ended)) if ended.run == run => {
                    let status = "failed".to_owned();
                    end = Some((told.at, Ended { status, step: ended.step, error: Some(ended.error) }));
                }
                Err(_) if matches!(told.origin, Origin::Emitted(_)) => {
                    *emitted.entry(told.event.kind.to_string()).or_insert(0) += 1;
                }
                _ => {}
            }
        }
        let (over, ended) = end.ok_or(Error::NotOver(run))?;
        let mut came = events;
        came.extend(asked(run, start, over, history));
        came.extend(restarts(start, over, history));
        came.sort_by_key(|(at, _)| *at);
        let came = came.into_iter().map(|(at, came)| (millis(at.since(start)), came)).collect();
        Ok(Past { run, fired, files, start, over, came, answers, ended, emitted })
    }

    /// What a recorded attempt of a step failed with.
    pub(super) fn failure(answered: &Answered) -> Option<&Failure> {
        match &answered.told {
            Told::Answer(Answer::Err(failure)) => Some(failure),
            _ => None,
        }
    }
}

/// To the millisecond: nobody reads more.
pub(super) fn millis(span: Span) -> Span {
    Span((span.micros() + 500).div_euclid(1_000) * 1_000)
}

fn add(
    answers: &mut BTreeMap<(String, String), VecDeque<Answered>>,
    rules: &BTreeMap<Key, String>,
    at: Span,
    of: ensue_event::ours::Attempt,
    told: Told,
) {
    let Some(rule) = rules.get(&of.run) else { return };
    let answered = Answered { at, effect: of.effect, told };
    answers.entry((rule.clone(), of.step)).or_default().push_back(answered);
}

/// The files of the configuration that was in force at a record.
fn in_force(record: &Record, history: &dyn History) -> Result<Vec<ConfigFile>, Error> {
    let mut applied = history.by_type("dev.ensue.config.applied");
    applied.retain(|applied| applied.position < record.position);
    let last = applied.iter().max_by_key(|applied| applied.position);
    match last.map(|last| Ours::of(&last.event)) {
        Some(Ok(Ours::ConfigApplied(ConfigApplied { files, .. }))) => Ok(files),
        _ => Err(Error::NoConfiguration),
    }
}

/// The type of an event of ours that took part: nobody but ensue can send it again.
fn ours(took: &Took) -> Option<&str> {
    let kind = took.event.get("type")?.as_str()?;
    kind.starts_with(ensue_event::ours::PREFIX).then_some(kind)
}

/// An event as it came; where its record is gone, as the firing kept it, at the time of the firing.
fn event(took: &Took, fired: &Record, history: &dyn History) -> (Time, Came) {
    let position = took.position;
    match history.at(position) {
        Some(record) => {
            let via = match &record.origin {
                Origin::Source(name) => Some(name.to_string()),
                _ => None,
            };
            (record.at, Came::Event { position, event: record.event.to_json(), via })
        }
        None => (fired.at, Came::Event { position, event: took.event.clone(), via: None }),
    }
}

/// What people asked of this run, and what they froze meanwhile.
fn asked(run: Key, start: Time, over: Time, history: &dyn History) -> Vec<(Time, Came)> {
    let about = |command: &Command| match command {
        Command::RetryRun { run: of }
        | Command::ResumeRun { run: of, .. }
        | Command::SkipStep { run: of, .. }
        | Command::CancelRun { run: of }
        | Command::Settle { run: of, .. }
        | Command::Approve { run: of, .. }
        | Command::Rollback { run: of } => *of == run,
        Command::Freeze { .. } | Command::Thaw { .. } => true,
        _ => false,
    };
    let records = history.by_type("dev.ensue.operator").into_iter();
    let during = records.filter(|record| record.at >= start && record.at <= over);
    during
        .filter_map(|record| match Ours::of(&record.event) {
            Ok(Ours::Operator(operator)) if about(&operator.command) => Some((record.at, Came::Operator(operator))),
            _ => None,
        })
        .collect()
}

/// When the node was down meanwhile.
fn restarts(start: Time, over: Time, history: &dyn History) -> Vec<(Time, Came)> {
    let records = history.by_type("dev.ensue.node.started").into_iter();
    let during = records.filter(|record| record.at > start && record.at <= over);
    during
        .filter_map(|record| match Ours::of(&record.event) {
            Ok(Ours::NodeStarted(NodeStarted { stopped_at: Some(stopped), .. })) if stopped >= start => {
                Some((stopped, Came::Restart(millis(record.at.since(stopped)))))
            }
            _ => None,
        })
        .collect()
}
