//! What was expected beside what happened, readable.

use std::fmt;

use ensue_event::Span;
use ensue_event::ours::Mode;
use ensue_lang::{Expect, Scenario, Subject};
use serde_json::Value;

use super::{Played, Ran, full};

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
    let differences = scenario.expect.iter().flat_map(|expect| one(scenario, expect, &played)).collect();
    let mut unnamed: Vec<String> =
        played.calls.iter().filter(|call| !call.mocked).map(|call| call.action.clone()).collect();
    unnamed.sort();
    unnamed.dedup();
    Outcome { differences, unnamed, played }
}

/// What was counted, where it was counted, and what is to be shown where the count is another one.
struct Counted {
    what: String,
    count: usize,
    wanted: Option<u32>,
    near: Vec<String>,
}

fn one(scenario: &Scenario, expect: &Expect, played: &Played) -> Vec<Difference> {
    let at = expect.at.map(Span);
    let then = |time: Span| at.is_none_or(|at| at == time);
    let keyed = |key: &Option<String>| expect.key.as_ref().is_none_or(|wanted| key.as_ref() == Some(wanted));
    let mut where_ = expect.key.as_ref().map_or_else(String::new, |key| format!(" for {key}"));
    if let Some(at) = at {
        where_.push_str(&format!(" at {at}"));
    }
    let wanted = expect.times;
    let counted: Vec<Counted> = match &expect.subject {
        Subject::Rule { rule, shadow, parked, waiting } => {
            let name = full(rule, scenario);
            let mut near: Vec<String> = Vec::new();
            for fired in played.fired.iter().filter(|fired| fired.rule == name) {
                near.push(format!("it fired at {}{}{}", fired.at, of(&fired.key), shade(fired.mode)));
            }
            // Errors are shown below, with the record that they are about.
            let told = played.decisions.iter().filter(|one| one.rule == name && one.verdict != "error");
            near.extend(told.map(decision));
            let others = played.times(Mode::Live);
            near.extend(
                others
                    .iter()
                    .filter(|(rule, _)| **rule != name)
                    .map(|(rule, times)| format!("rule {rule} fired {}", times_of(*times as usize))),
            );
            near.extend(played.errors.clone());
            let fires = |mode: Mode| {
                let all = played.fired.iter().filter(|fired| fired.rule == name && fired.mode == mode);
                all.filter(|fired| then(fired.at) && keyed(&fired.key)).count()
            };
            let mut all = Vec::new();
            let mut add = |what: &str, count: usize, wanted: Option<u32>| {
                let what = format!("rule {name} {what}{where_}");
                all.push(Counted { what, count, wanted, near: near.clone() });
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
        Subject::Action { action, with } => {
            let wanted_with = with.clone().unwrap_or(Value::Null);
            let calls: Vec<_> = played.calls.iter().filter(|call| call.action == *action).collect();
            let met =
                calls.iter().filter(|call| then(call.at) && lacks(&wanted_with, &call.with, "with").is_empty()).count();
            let mut near = Vec::new();
            for call in &calls {
                let lacking = lacks(&wanted_with, &call.with, "with");
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
            let shown = if wanted_with.is_null() { String::new() } else { format!(" with {wanted_with}") };
            vec![Counted { what: format!("action {action}{shown} is called{where_}"), count: met, wanted, near }]
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
            vec![Counted { what: format!("a run of {name} is {shown}"), count: met, wanted, near }]
        }
        Subject::Event { kind, data } => {
            let wanted_data = data.clone().unwrap_or(Value::Null);
            let of_kind: Vec<_> = played.events.iter().filter(|event| event.kind == *kind).collect();
            let met = of_kind
                .iter()
                .filter(|event| then(event.at) && lacks(&wanted_data, &event.data, "data").is_empty())
                .count();
            let mut near = Vec::new();
            for event in &of_kind {
                near.push(format!(
                    "event {kind}{}",
                    if at.is_some() { format!(" at {}", event.at) } else { String::new() }
                ));
                near.extend(lacks(&wanted_data, &event.data, "data").iter().map(|line| format!("  {line}")));
            }
            if of_kind.is_empty() {
                let mut kinds: Vec<&str> = played.events.iter().map(|event| event.kind.as_str()).collect();
                kinds.sort_unstable();
                kinds.dedup();
                near.push(format!("there were events of {}", kinds.join(", ")));
            }
            let shown = if wanted_data.is_null() { String::new() } else { format!(" with {wanted_data}") };
            vec![Counted { what: format!("event {kind}{shown} is there{where_}"), count: met, wanted, near }]
        }
        Subject::Decision { rule, verdict, with } => {
            let name = full(rule, scenario);
            let wanted_with = with.clone().unwrap_or(Value::Null);
            let all: Vec<_> = played.decisions.iter().filter(|one| one.rule == name).collect();
            let met = all
                .iter()
                .filter(|one| verdict.as_ref().is_none_or(|wanted| one.verdict == *wanted))
                .filter(|one| then(one.at) && keyed(&one.key) && lacks(&wanted_with, &one.with, "with").is_empty())
                .count();
            let mut near: Vec<String> = all.into_iter().map(decision).collect();
            if near.is_empty() {
                near.push(format!("{name} decided nothing but to fire, {}", times_of(fires_of(played, &name))));
            }
            let shown = verdict.as_deref().unwrap_or("something");
            let with = if wanted_with.is_null() { String::new() } else { format!(" with {wanted_with}") };
            vec![Counted { what: format!("rule {name} decides {shown}{with}{where_}"), count: met, wanted, near }]
        }
        Subject::Refused { text } => {
            let count = played.refused.iter().filter(|why| why.contains(text.as_str())).count();
            let lines = played.refused.iter().flat_map(|why| why.lines()).filter(|line| !line.is_empty());
            let near = lines.map(str::to_owned).collect();
            vec![Counted { what: format!("a configuration is refused with `{text}`"), count, wanted, near }]
        }
    };
    let differs = |one: Counted| {
        let (fits, wanted) = match one.wanted {
            Some(times) => (u32::try_from(one.count) == Ok(times), times_of(times as usize)),
            None => (one.count > 0, "at least once".to_owned()),
        };
        if fits {
            return None;
        }
        let mut actual = vec![times_of(one.count)];
        actual.extend(one.near.into_iter().take(20));
        let (file, line) = (scenario.file.clone(), expect.span.line);
        Some(Difference { file, line, expected: format!("{} {wanted}", one.what), actual })
    };
    counted.into_iter().filter_map(differs).collect()
}

fn fires_of(played: &Played, rule: &str) -> usize {
    played.fired.iter().filter(|fired| fired.rule == rule).count()
}

fn of(key: &Option<String>) -> String {
    key.as_ref().map_or_else(String::new, |key| format!(" for {key}"))
}

const fn shade(mode: Mode) -> &'static str {
    if matches!(mode, Mode::Live) { "" } else { " in shadow" }
}

fn decision(one: &super::Verdicted) -> String {
    let with = if one.with.is_null() { String::new() } else { format!(" {}", one.with) };
    format!("it decided at {}{}: {}{with}", one.at, of(&one.key), one.verdict)
}

fn failures(played: &Played) -> Vec<String> {
    let why = |run: &Ran| run.why.as_ref().map(|why| format!("a run of {} failed: {why}", run.rule));
    played.runs.iter().filter_map(why).chain(played.errors.iter().cloned()).collect()
}

fn times_of(times: usize) -> String {
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
