//! What was expected beside what happened, readable.

use std::fmt;

use ensue_lang::{Expect, Scenario, Subject};
use serde_json::Value;

use super::full;
use super::stage::Played;

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
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}", self.file, self.line)?;
        writeln!(f, "  expected  {}", self.expected)?;
        for (at, line) in self.actual.iter().enumerate() {
            let label = if at == 0 { "happened" } else { "" };
            writeln!(f, "  {label:8}  {line}")?;
        }
        Ok(())
    }
}

pub(super) fn compare(scenario: &Scenario, played: Played) -> Outcome {
    let differences = scenario.expect.iter().filter_map(|expect| one(scenario, expect, &played)).collect();
    let mut unnamed: Vec<String> =
        played.calls.iter().filter(|call| !call.mocked).map(|call| call.action.clone()).collect();
    unnamed.sort();
    unnamed.dedup();
    Outcome { differences, unnamed, played }
}

fn one(scenario: &Scenario, expect: &Expect, played: &Played) -> Option<Difference> {
    let (what, count, near) = match &expect.subject {
        Subject::Rule { rule } => {
            let name = full(rule, scenario);
            let fired = played.fired.get(&name).copied().unwrap_or(0);
            let others: Vec<String> =
                played.fired.iter().map(|(rule, times)| format!("rule {rule} fired {}", times_of(*times))).collect();
            (format!("rule {name} fires"), fired, [others, played.errors.clone()].concat())
        }
        Subject::Action { action, with } => {
            let wanted = with.clone().unwrap_or(Value::Null);
            let calls: Vec<_> = played.calls.iter().filter(|call| call.action == *action).collect();
            let met = calls.iter().filter(|call| lacks(&wanted, &call.with, "with").is_empty()).count();
            let mut near = Vec::new();
            for call in &calls {
                let lacking = lacks(&wanted, &call.with, "with");
                near.push(format!("{action} at {} by {}", call.at, call.by));
                near.extend(lacking.iter().map(|line| format!("  {line}")));
            }
            if calls.is_empty() {
                let mut others: Vec<&str> = played.calls.iter().map(|call| call.action.as_str()).collect();
                others.sort_unstable();
                others.dedup();
                near.push(match others.is_empty() {
                    true => "no action was called".to_owned(),
                    false => format!("other actions were called: {}", others.join(", ")),
                });
                near.extend(failures(played));
            }
            let shown = if wanted.is_null() { String::new() } else { format!(" with {wanted}") };
            (format!("action {action}{shown} is called"), u32::try_from(met).unwrap_or(u32::MAX), near)
        }
        Subject::Run { rule, status } => {
            let name = full(rule, scenario);
            let runs: Vec<_> = played.runs.iter().filter(|run| run.rule == name).collect();
            let met = runs.iter().filter(|run| status.as_ref().is_none_or(|wanted| run.status == *wanted)).count();
            let near = runs
                .iter()
                .map(|run| format!("a run of {name} {} {}", run.status, run.why.as_deref().unwrap_or_default()))
                .collect();
            let shown = status.as_deref().unwrap_or("there");
            (format!("a run of {name} is {shown}"), u32::try_from(met).unwrap_or(u32::MAX), near)
        }
        Subject::Event { kind, data } => {
            let wanted = data.clone().unwrap_or(Value::Null);
            let of_kind: Vec<_> = played.events.iter().filter(|(known, _)| known == kind).collect();
            let met = of_kind.iter().filter(|(_, data)| lacks(&wanted, data, "data").is_empty()).count();
            let mut near = Vec::new();
            for (kind, data) in &of_kind {
                near.push(format!("event {kind}"));
                near.extend(lacks(&wanted, data, "data").iter().map(|line| format!("  {line}")));
            }
            if of_kind.is_empty() {
                let mut kinds: Vec<&str> = played.events.iter().map(|(kind, _)| kind.as_str()).collect();
                kinds.sort_unstable();
                kinds.dedup();
                near.push(format!("there were events of {}", kinds.join(", ")));
            }
            let shown = if wanted.is_null() { String::new() } else { format!(" with {wanted}") };
            (format!("event {kind}{shown} is there"), u32::try_from(met).unwrap_or(u32::MAX), near)
        }
    };
    let (fits, wanted) = match expect.times {
        Some(times) => (count == times, times_of(times)),
        None => (count > 0, "at least once".to_owned()),
    };
    if fits {
        return None;
    }
    let mut actual = vec![times_of(count)];
    actual.extend(near.into_iter().take(20));
    let (file, line) = (scenario.file.clone(), expect.span.line);
    Some(Difference { file, line, expected: format!("{what} {wanted}"), actual })
}

fn failures(played: &Played) -> Vec<String> {
    let why = |run: &super::stage::Ran| run.why.as_ref().map(|why| format!("a run of {} failed: {why}", run.rule));
    played.runs.iter().filter_map(why).chain(played.errors.iter().cloned()).collect()
}

fn times_of(times: u32) -> String {
    match times {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        times => format!("{times} times"),
    }
}

/// What of `wanted` is not in `actual`, a line for each value: `wanted` is a subset, lists are compared whole.
fn lacks(wanted: &Value, actual: &Value, path: &str) -> Vec<String> {
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
