//! What happened where something else was expected: what is nearest to it.

use ensue_engine::Engine;
use ensue_event::ours::Mode;
use ensue_event::{Origin, Record};
use ensue_lang::{Expect, Scenario, Subject};

use super::compare::{called, lacks, or_null};
use super::{Outcome, Played, Ran, Verdicted, full, same_step};
use crate::why_not::{nearest, why_not as explain};

/// Events that are looked at for one that nearly made a rule fire.
const EVENTS: usize = 200;
/// Lines of an explanation that are shown.
const LINES: usize = 12;

/// What is nearest to an expectation, a line each.
pub(super) fn near(scenario: &Scenario, expect: &Expect, played: &Played) -> Vec<String> {
    match &expect.subject {
        Subject::Rule { rule, .. } => of_rule(&full(rule, scenario), played),
        Subject::Action { action, step, with } => {
            let mut lines = Vec::new();
            for call in played.calls.iter().filter(|call| call.action == *action) {
                lines.push(format!("{action} at {} by {}", call.at, call.by()));
                if step.as_ref().is_none_or(|step| same_step(step, &call.step)) {
                    lines.extend(lacks(or_null(with), &call.with, "with").iter().map(|line| format!("  {line}")));
                }
            }
            if lines.is_empty() {
                lines.push(match names(played.calls.iter().map(|call| call.action.as_str())) {
                    none if none.is_empty() => "no action was called".to_owned(),
                    others => format!("other actions were called: {others}"),
                });
                lines.extend(failures(played));
            }
            lines
        }
        Subject::Run { rule, step, .. } => {
            let name = full(rule, scenario);
            let runs: Vec<&Ran> = played.runs.iter().filter(|run| run.rule == name).collect();
            let mut lines = Vec::new();
            for run in &runs {
                let mut line = format!("a run of {name}{} {}", of(&run.key), run.status);
                line.extend(run.why().map(|why| format!(" {why}")));
                lines.push(line);
                let Some(path) = step else { continue };
                let steps = run.steps.iter().filter(|step| same_step(path, &step.path));
                lines.extend(steps.map(|step| {
                    let why = step.error.as_ref().map(|error| format!(": {}: {}", error.name, error.message));
                    format!("  step {} is {}{}", step.path, step.status, why.unwrap_or_default())
                }));
            }
            if let Some(path) = step
                && !runs.iter().flat_map(|run| &run.steps).any(|step| same_step(path, &step.path))
            {
                let all = names(runs.iter().flat_map(|run| &run.steps).map(|step| step.path.as_str()));
                lines.push(format!("no run came to the step {path}; they came to: {all}"));
            }
            lines
        }
        Subject::Event { kind, data } => {
            let mut lines = Vec::new();
            for event in played.events.iter().filter(|event| event.kind == *kind) {
                let at = expect.at.map_or_else(String::new, |_| format!(" at {}", event.at));
                lines.push(format!("event {kind}{at}"));
                lines.extend(lacks(or_null(data), &event.data, "data").iter().map(|line| format!("  {line}")));
            }
            if lines.is_empty() {
                let kinds = names(played.events.iter().map(|event| event.kind.as_str()));
                lines.push(format!("there were events of {kinds}"));
            }
            lines
        }
        Subject::Decision { rule, .. } => {
            let name = full(rule, scenario);
            let mut lines: Vec<String> = played.decisions.iter().filter(|one| one.rule == name).map(decision).collect();
            if lines.is_empty() {
                let fires = played.fired.iter().filter(|fired| fired.rule == name).count();
                lines.push(format!("{name} decided nothing but to fire, {}", times_of(fires)));
            }
            lines
        }
        Subject::Order(wanted) => {
            let calls = played.calls.iter().filter(|call| wanted.iter().any(|name| called(name, call)));
            let mut lines: Vec<String> =
                calls.map(|call| format!("{} at {} by {}", call.action, call.at, call.by())).collect();
            if lines.is_empty() {
                lines.push("none of them was called".to_owned());
            }
            lines
        }
        Subject::Refused { .. } => {
            let lines = played.refused.iter().flat_map(|why| why.lines()).filter(|line| !line.is_empty());
            lines.map(str::to_owned).collect()
        }
    }
}

fn of_rule(name: &str, played: &Played) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for fired in played.fired.iter().filter(|fired| fired.rule == name) {
        let shade = if fired.mode == Mode::Live { "" } else { " in shadow" };
        lines.push(format!("it fired at {}{}{shade}", fired.at, of(&fired.key)));
    }
    // Errors are shown below, with the record that they are about.
    let told = played.decisions.iter().filter(|one| one.rule == name && one.verdict != "error");
    lines.extend(told.map(decision));
    let others = played.times(Mode::Live);
    let others = others.iter().filter(|(rule, _)| **rule != name);
    lines.extend(others.map(|(rule, times)| format!("rule {rule} fired {}", times_of(*times as usize))));
    lines.extend(played.errors.clone());
    lines
}

/// Says of each rule that did not fire what kept it from that, by the event that came nearest.
pub(super) fn why_not(outcome: &mut Outcome, engine: &Engine) {
    let Outcome { differences, played, .. } = outcome;
    for difference in differences {
        let Some(rule) = &difference.silent else { continue };
        let taken = |record: &Record| {
            played.fired.iter().any(|fired| fired.rule == *rule && fired.events.contains(&record.position))
        };
        let came = played.records.iter().rev().filter(|record| !matches!(record.origin, Origin::Node));
        let came = came.filter(|record| !record.event.kind.starts_with(ensue_event::ours::PREFIX) && !taken(record));
        let Some(record) = nearest(rule, came.take(EVENTS), engine.config()) else { continue };
        let Ok(mut tree) = explain(&record.position.to_string(), Some(rule), &played.records, engine) else { continue };
        tree.asked = false;
        let text = tree.render();
        difference.why_not = text.lines().take(LINES).map(|line| line.trim_end().to_owned()).collect();
    }
}

/// Each name once, in order.
fn names<'a>(all: impl Iterator<Item = &'a str>) -> String {
    all.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}

pub(super) fn of(key: &Option<String>) -> String {
    key.as_ref().map_or_else(String::new, |key| format!(" for {key}"))
}

fn decision(one: &Verdicted) -> String {
    let with = if one.with.is_null() { String::new() } else { format!(" {}", one.with) };
    format!("it decided at {}{}: {}{with}", one.at, of(&one.key), one.verdict)
}

fn failures(played: &Played) -> Vec<String> {
    let why = |run: &Ran| run.why().map(|why| format!("a run of {} failed: {why}", run.rule));
    played.runs.iter().filter_map(why).chain(played.errors.iter().cloned()).collect()
}

pub(super) fn times_of(times: usize) -> String {
    match times {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        times => format!("{times} times"),
    }
}
