//! What expressions in steps see: `event events key let inputs steps tables run error now`.

use ensue_event::ours::{Batched, Took};
use ensue_expr::{Scope, Value};
use serde_json::{Map, json};

use crate::machine::World;
use crate::run::{Held, Run, StepStatus};

/// The names of a run at the place where it is.
pub(crate) struct Names<'a> {
    pub(crate) run: &'a Run,
    pub(crate) world: &'a World<'a>,
}

impl Scope for Names<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        let run = self.run;
        match name {
            "event" if run.timed => None,
            "event" => run.events.last().map(|took| took.event.clone().into()),
            "events" => Some(events(&run.events, run.count)),
            "count" => run.count.map(Value::from),
            "batch" => (!run.batch.is_empty()).then(|| batch(&run.batch)),
            "key" => run.key.as_deref().map(key),
            "let" => Some(serde_json::Value::Object(run.lets.clone()).into()),
            "inputs" => run.at.frames.last().map(|frame| frame.inputs.clone().into()),
            "steps" => Some(self.steps()),
            "tables" => Some(self.world.tables.clone()),
            "run" => Some(
                json!({
                    "id": run.id, "rule": run.rule, "status": standing(run), "generation": run.generation,
                    "started": run.started, "key": run.key,
                })
                .into(),
            ),
            "error" => error(run),
            "now" => Some(Value::Timestamp(self.world.now.micros())),
            _ => None,
        }
    }

    fn call(&self, function: &str) -> Option<Value> {
        let standing = standing(self.run);
        match function {
            "success" => Some(Value::Bool(matches!(standing, "running" | "succeeded"))),
            "failed" => Some(Value::Bool(standing == "failed")),
            "always" => Some(Value::Bool(true)),
            _ => None,
        }
    }
}

impl Names<'_> {
    /// The steps of the document that is running now, by their ids.
    fn steps(&self) -> Value {
        let prefix = self.run.at.frames.last().map_or(String::new(), |frame| format!("{}/", frame.path));
        let mut steps = Map::new();
        for (path, state) in self.run.steps.range(prefix.clone()..) {
            let Some(id) = path.strip_prefix(&prefix) else { break };
            if id.contains('/') {
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

/// How the run stands for its own steps: in `finally`, as it will end.
fn standing(run: &Run) -> &'static str {
    let fails = |held: &Held| matches!(held, Held::Failure(_));
    match run.at.held.as_slice() {
        _ if run.status.over() => run.status.as_str(),
        _ if run.cancelled.is_some() => "cancelled",
        held if held.iter().any(fails) => "failed",
        held if held.contains(&Held::Next) => "succeeded",
        _ => "running",
    }
}

fn error(run: &Run) -> Option<Value> {
    // In a finally that began in good order there is none, whatever was caught before.
    let (Held::Failure(failed) | Held::Caught(failed)) = run.at.held.last()? else { return None };
    let error = &failed.error;
    Some(json!({"name": error.name, "message": error.message, "step": failed.step, "details": error.details}).into())
}
