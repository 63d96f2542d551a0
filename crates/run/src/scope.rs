//! What expressions in steps see: `event events key let inputs steps tables run error now`.

use std::sync::Arc;

use ensue_event::ours::{Batched, Took};
use ensue_expr::{Budget, EvalError, Program, Scope, Value};
use ensue_lang::KeySpec;
use serde_json::{Map, json};

use crate::branch::{Branch, Branches, Frame, Held, Of, TRUNK};
use crate::machine::World;
use crate::run::Run;
use crate::step::StepStatus;

/// The names of a run at the place where one of its branches is.
pub struct Names<'a> {
    /// The run.
    pub run: &'a Run,
    /// The branch, and those that it came from, the trunk last.
    pub line: Vec<&'a Branch>,
    /// What is known of the world.
    pub world: &'a World<'a>,
    /// An event that is looked at instead of the one that completed the firing.
    pub event: Option<&'a Value>,
}

impl Scope for Names<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        let run = self.run;
        match name {
            "event" if self.event.is_some() => self.event.cloned(),
            "event" if run.timed => None,
            "event" => run.events.last().map(|took| took.event.clone().into()),
            "events" => Some(events(&run.events, run.count)),
            "count" => run.count.map(Value::from),
            "batch" => (!run.batch.is_empty()).then(|| batch(&run.batch)),
            "key" => run.key.as_deref().map(key),
            "let" => Some(serde_json::Value::Object(run.lets.clone()).into()),
            "inputs" | "item" | "index" | "steps" => of_place(&self.line, name),
            "tables" => Some(self.world.tables.clone()),
            "run" => Some(
                json!({
                    "id": run.id, "rule": run.rule, "status": self.standing(), "generation": run.generation,
                    "started": run.started, "key": run.key,
                })
                .into(),
            ),
            "error" => self.error(),
            "now" => Some(Value::Timestamp(self.world.now.micros())),
            _ => None,
        }
    }

    fn call(&self, function: &str) -> Option<Value> {
        let standing = self.standing();
        match function {
            "success" => Some(Value::Bool(matches!(standing, "running" | "succeeded"))),
            "failed" => Some(Value::Bool(standing == "failed")),
            "always" => Some(Value::Bool(true)),
            _ => None,
        }
    }
}

/// The innermost called workflow.
pub(crate) fn frame<'a>(line: &[&'a Branch]) -> Option<&'a Frame> {
    line.iter().find_map(|branch| branch.at.frames.last())
}

/// Of the innermost branch that has it.
fn of<T>(line: &[&Branch], what: impl Fn(&Of) -> Option<T>) -> Option<T> {
    line.iter().find_map(|branch| what(branch.of.as_deref()?))
}

/// A branch and those that it came from, but for the trunk.
#[must_use]
pub fn line(branches: &dyn Branches, branch: u32) -> Vec<Arc<Branch>> {
    let mut line = Vec::new();
    let mut next = Some(branch).filter(|id| *id != TRUNK);
    while let Some(found) = next.and_then(|id| branches.get(id)) {
        next = found.of.as_ref().map(|of| of.parent).filter(|id| *id != TRUNK);
        line.push(found);
    }
    line
}

/// What only the place within a run has: `inputs`, `item`, `index` and `steps`. The trunk is the last of the line.
#[must_use]
pub fn of_place(line: &[&Branch], name: &str) -> Option<Value> {
    match name {
        "inputs" => frame(line).map(|frame| frame.inputs.clone().into()),
        "item" => of(line, |of| of.item.clone()).map(Value::from),
        "index" => of(line, |of| of.item.as_ref().and(of.index.last().copied())).map(|index| u64::from(index).into()),
        "steps" => Some(steps(line)),
        _ => None,
    }
}

/// The steps of the document that is running now, by their ids.
fn steps(line: &[&Branch]) -> Value {
    let prefix = frame(line).map_or(String::new(), |frame| format!("{}/", frame.path));
    let mut steps = Map::new();
    let all = line.iter().rev().flat_map(|branch| {
        let below = branch.steps.range(prefix.clone()..);
        below.map_while(|(path, state)| Some((path.strip_prefix(&prefix)?, state)))
    });
    for (id, state) in all {
        if id.contains(['/', '~']) {
            continue;
        }
        let mut step = Map::new();
        step.insert("status".into(), serde_json::to_value(state.status).unwrap_or_default());
        step.insert("attempt".into(), state.attempt.into());
        if !matches!(state.status, StepStatus::Skipped) && !state.outputs.is_null() {
            step.insert("outputs".into(), state.outputs.clone());
        }
        if let Some(error) = &state.error {
            step.insert("error".into(), json!({"name": error.name, "message": error.message}));
        }
        steps.insert(id.to_owned(), step.into());
    }
    serde_json::Value::Object(steps).into()
}

/// What a firing's events are called: each item's event by its name; of a `count` (`counted`) the list, oldest first.
#[must_use]
pub fn events(took: &[Took], counted: Option<u64>) -> Value {
    let mut named = Map::new();
    for took in took {
        let Some(name) = &took.item else { continue };
        if counted.is_none() {
            named.insert(name.clone(), took.event.clone());
        } else if let Some(list) =
            named.entry(name.clone()).or_insert_with(|| serde_json::Value::Array(Vec::new())).as_array_mut()
        {
            list.push(took.event.clone());
        }
    }
    serde_json::Value::Object(named).into()
}

/// What a batch is called: the list of its matches as `{event, events, key}`, oldest first.
#[must_use]
pub fn batch(matches: &[Batched]) -> Value {
    let one = |one: &Batched| {
        let mut map = Map::new();
        if let Some(newest) = one.events.last() {
            map.insert("event".into(), newest.event.clone());
        }
        map.insert("events".into(), events(&one.events, None).to_json());
        if let Some(text) = &one.key {
            map.insert("key".into(), key(text).to_json());
        }
        serde_json::Value::Object(map)
    };
    serde_json::Value::Array(matches.iter().map(one).collect()).into()
}

/// A composite key is kept as canonical JSON and seen as the list that it was.
#[must_use]
pub fn key(text: &str) -> Value {
    match text.starts_with('[').then(|| Value::from_json(text.as_bytes())) {
        Some(Ok(list @ Value::List(_))) => list,
        _ => Value::str(text),
    }
}

/// The text of a key: nothing where it gives none.
///
/// # Errors
/// What could not be computed.
pub fn key_text(spec: &KeySpec, names: &dyn Scope) -> Result<Option<String>, EvalError> {
    let one = |program: &Program| program.eval(names, &mut Budget::new()).map(|value| value.key_text());
    match spec {
        KeySpec::None => Ok(None),
        KeySpec::One(program) => one(program),
        KeySpec::Many(programs) => {
            let parts: Result<Option<Vec<String>>, EvalError> = programs.iter().map(one).collect();
            Ok(parts?.map(|parts| serde_json::Value::from(parts).to_string()))
        }
    }
}

impl Names<'_> {
    /// How the run stands for its own steps: in `finally`, as it will end.
    fn standing(&self) -> &'static str {
        let run = self.run;
        if run.status.over() {
            return run.status.as_str();
        }
        for branch in &self.line {
            let held = branch.at.held.as_slice();
            let cancelled = branch.of.as_ref().map_or(run.cancelled.is_some(), |of| of.cancelled);
            if cancelled {
                return "cancelled";
            }
            if held.iter().any(|held| matches!(held, Held::Failure(_))) {
                return "failed";
            }
            if held.contains(&Held::Next) {
                return "succeeded";
            }
        }
        "running"
    }

    /// The failure that the steps here were called for.
    fn error(&self) -> Option<Value> {
        let held = self.line.iter().find_map(|branch| branch.at.held.last());
        // In a finally that began in good order there is none, whatever was caught before.
        let (Held::Failure(failed) | Held::Caught(failed)) = held? else { return None };
        let error = &failed.error;
        let shown = json!({
            "name": error.name, "message": error.message, "step": failed.step, "details": error.details,
        });
        Some(shown.into())
    }
}
