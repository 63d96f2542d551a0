//! What was expected beside what happened, readable.

use std::fmt;

use ensue_event::Span;
use ensue_event::ours::Mode;
use ensue_lang::{Expect, Scenario, Subject};
use serde_json::Value;

use super::{Call, Played, Ran, full, near, same_step};

/// How a scenario went.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was not as expected.
    pub differences: Vec<Difference>,
    /// Actions that were called and that the scenario does not mention: they succeeded with `{}`.
    pub unnamed: Vec<String>,
    /// What happened.
    pub played: Played,
}

/// An expectation that was not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The scenario's file.
    pub file: String,
    /// The line of the expectation.
    pub line: u32,
    /// What was expected.
    pub expected: String,
    /// What happened instead, a line each.
    pub actual: Vec<String>,
    /// The rule that did not fire, or not often enough.
    pub silent: Option<String>,
    /// What kept it from firing, a line each.
    pub why_not: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}", self.file, self.line)?;
        writeln!(f, "  expected  {}", self.expected)?;
        for (label, lines) in [("happened", &self.actual), ("why not", &self.why_not)] {
            for (at, line) in lines.iter().enumerate() {
                let label = if at == 0 { label } else { "" };
                writeln!(f, "  {label:8}  {line}")?;
            }
        }
        Ok(())
    }
}

pub(super) fn compare(scenario: &Scenario, played: Played) -> Outcome {
    let differences = scenario.expect.iter().flat_map(|expect| one(scenario, expect, &played)).collect();
    let mut unnamed: Vec<String> =
        played.calls.iter().filter(|call| !call.mocked).map(|call| call.action.clone()).collect();
    unnamed.sort();
    unnamed.dedup();
    Outcome { differences, unnamed, played }
}

/// What was counted.
struct Counted {
    what: String,
    count: usize,
    wanted: Option<u32>,
}

fn one(scenario: &Scenario, expect: &Expect, played: &Played) -> Vec<Difference> {
    let differs = |one: Counted| {
        let (fits, wanted, few) = match one.wanted {
            Some(times) => {
                let wanted = usize::try_from(times).unwrap_or(usize::MAX);
                (one.count == wanted, near::times_of(wanted), one.count < wanted)
            }
            None => (one.count > 0, "at least once".to_owned(), true),
        };
        if fits {
            return None;
        }
        let mut actual = vec![near::times_of(one.count)];
        actual.extend(near::near(scenario, expect, played).into_iter().take(20));
        let (file, line) = (scenario.file.clone(), expect.span.line);
        let silent = match &expect.subject {
            Subject::Rule { rule, .. } if few && one.what.contains(" fires") => Some(full(rule, scenario)),
            _ => None,
        };
        let expected = format!("{} {wanted}", one.what);
        Some(Difference { file, line, expected, actual, silent, why_not: Vec::new() })
    };
    count(scenario, expect, played).into_iter().filter_map(differs).collect()
}

/// Counts what an expectation is about.
fn count(scenario: &Scenario, expect: &Expect, played: &Played) -> Vec<Counted> {
    let at = expect.at.map(Span);
    let then = |time: Span| at.is_none_or(|at| at == time);
    let keyed = |key: &Option<String>| expect.key.as_ref().is_none_or(|wanted| key.as_ref() == Some(wanted));
    let mut suffix = near::of(&expect.key);
    if let Some(at) = at {
        suffix.push_str(&format!(" at {at}"));
    }
    let wanted = expect.times;
    let one = |what: String, count: usize| vec![Counted { what: format!("{what}{suffix}"), count, wanted }];
    match &expect.subject {
        Subject::Rule { rule, shadow, parked, waiting } => {
            let name = full(rule, scenario);
            let fires = |mode: Mode| {
                let all = played.fired.iter().filter(|fired| fired.rule == name && fired.mode == mode);
                all.filter(|fired| then(fired.at) && keyed(&fired.key)).count()
            };
            let mut all = Vec::new();
            let mut add = |what: &str, count: usize, wanted: Option<u32>| {
                all.push(Counted { what: format!("rule {name} {what}{suffix}"), count, wanted });
            };
            if wanted.is_some() || (shadow.is_none() && parked.is_none() && waiting.is_none()) {
                add("fires", fires(Mode::Live), wanted);
            }
            if shadow.is_some() {
                add("fires in shadow", fires(Mode::Shadow), *shadow);
            }
            if parked.is_some() {
                let held = played.parked.iter().filter(|(rule, key)| *rule == name && keyed(key)).count();
                add("is parked", held, *parked);
            }
            if waiting.is_some() {
                let keys = played.waiting.get(&name).map_or(&[][..], Vec::as_slice);
                add("waits with a half-match", keys.iter().filter(|key| keyed(key)).count(), *waiting);
            }
            all
        }
        Subject::Action { action, step, with } => {
            let met = played.calls.iter().filter(|call| call.action == *action && then(call.at)).filter(|call| {
                step.as_ref().is_none_or(|step| same_step(step, &call.step))
                    && lacks(or_null(with), &call.with, "with").is_empty()
            });
            let by = step.as_ref().map_or_else(String::new, |step| format!(" by {step}"));
            one(format!("action {action}{} is called{by}", shown(with)), met.count())
        }
        Subject::Run { rule, step, status, error } => {
            let name = full(rule, scenario);
            let runs = played.runs.iter().filter(|run| run.rule == name && keyed(&run.key));
            let fits = |is: &str, why: Option<&str>| {
                status.as_ref().is_none_or(|wanted| is == wanted)
                    && error.as_ref().is_none_or(|wanted| why == Some(wanted.as_str()))
            };
            let with = error.as_ref().map_or_else(String::new, |error| format!(" with {error}"));
            let stands = status.as_deref().unwrap_or("there");
            match step {
                None => {
                    let error = |run: &Ran| run.failed.as_ref().map(|(_, error)| error.name.clone());
                    let met = runs.filter(|run| fits(&run.status, error(run).as_deref())).count();
                    one(format!("a run of {name} is {stands}{with}"), met)
                }
                Some(path) => {
                    let steps = runs.flat_map(|run| &run.steps).filter(|step| same_step(path, &step.path));
                    let met = steps
                        .filter(|step| fits(&step.status, step.error.as_ref().map(|error| error.name.as_str())))
                        .count();
                    one(format!("step {path} of a run of {name} is {stands}{with}"), met)
                }
            }
        }
        Subject::Event { kind, data } => {
            let met = played.events.iter().filter(|event| {
                event.kind == *kind && then(event.at) && lacks(or_null(data), &event.data, "data").is_empty()
            });
            one(format!("event {kind}{} is there", shown(data)), met.count())
        }
        Subject::Decision { rule, verdict, with } => {
            let name = full(rule, scenario);
            let met = played.decisions.iter().filter(|one| {
                one.rule == name
                    && verdict.as_ref().is_none_or(|wanted| one.verdict == *wanted)
                    && then(one.at)
                    && keyed(&one.key)
                    && lacks(or_null(with), &one.with, "with").is_empty()
            });
            let decides = verdict.as_deref().unwrap_or("something");
            one(format!("rule {name} decides {decides}{}", shown(with)), met.count())
        }
        Subject::Order(names) => one(format!("{} are called in this order", names.join(", ")), in_order(names, played)),
        Subject::Refused { text } => {
            let count = played.refused.iter().filter(|why| why.contains(text.as_str())).count();
            one(format!("something is refused with `{text}`"), count)
        }
    }
}

/// 1 where calls with these names come one after the other, whatever comes in between; else 0.
fn in_order(names: &[String], played: &Played) -> usize {
    let mut calls = played.calls.iter();
    usize::from(names.iter().all(|name| calls.any(|call| called(name, call))))
}

/// Whether a call is meant by the name of its action or the path of its step.
pub(super) fn called(name: &str, call: &Call) -> bool {
    call.action == name || same_step(name, &call.step)
}

fn shown(with: &Option<Value>) -> String {
    with.as_ref().map_or_else(String::new, |with| format!(" with {with}"))
}

pub(super) fn or_null(value: &Option<Value>) -> &Value {
    value.as_ref().unwrap_or(&Value::Null)
}

/// What of `wanted` is not in `actual`, a line for each value: `wanted` is a subset, lists are compared whole.
pub(super) fn lacks(wanted: &Value, actual: &Value, path: &str) -> Vec<String> {
    match (wanted, actual) {
        (Value::Null, _) if path == "with" || path == "data" => Vec::new(),
        (Value::Object(wanted), Value::Object(actual)) => wanted
            .iter()
            .flat_map(|(name, wanted)| match actual.get(name) {
                Some(actual) => lacks(wanted, actual, &format!("{path}.{name}")),
                None => vec![format!("{path}.{name} is absent; expected {wanted}")],
            })
            .collect(),
        (wanted, actual) if same(wanted, actual) => Vec::new(),
        (wanted, actual) => vec![format!("{path} is {actual}; expected {wanted}")],
    }
}

/// 42 and 42.0 are one number.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b).is_eq(),
        _ => a == b,
    }
}
