//! Runs, and what waits: effects, parked firings, freezes.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use ensue_engine::Kin;
use ensue_engine::policy::asks::Asks;
use ensue_event::{Key, Time};
use ensue_lab::why::beginning;
use ensue_run::{Branches as _, Run, StepState, StepStatus, Waits};
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::answer::{Wrong, ok};
use super::query::Page;

fn stopping() -> Wrong {
    Wrong::busy("it is stopping")
}

/// Which runs.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    /// `running`, `uncertain`, `succeeded`, `failed`, `cancelled`; several separated by commas.
    status: Option<String>,
    /// Of this rule, with its namespace.
    rule: Option<String>,
    /// Text within the id, rule, key, correlation or error.
    q: Option<String>,
    /// Only runs that started before this time.
    before: Option<Time>,
    limit: Option<usize>,
}

/// `GET /api/v1/runs`
pub(crate) async fn list(State(app): State<App>, Query(asked): Query<Asked>) -> Result<Response, Wrong> {
    let limit = Page { limit: asked.limit }.limit();
    // Only references are taken while the fold waits; the text is made afterwards.
    let runs = app.read(|pump| {
        let state = pump.engine().state();
        let asks = state.asks.iter().filter(|(_, asks)| asks.open()).map(|((run, _), asks)| (*run, Arc::clone(asks)));
        (state.runs.iter().map(|(_, run)| Arc::clone(run)).collect::<Vec<_>>(), asks.collect::<BTreeMap<Key, _>>())
    });
    let (mut runs, asks) = runs.await.ok_or_else(stopping)?;
    let total = runs.len();
    runs.retain(|run| wanted(run, &asked));
    let found = runs.len();
    runs.sort_by_key(|run| std::cmp::Reverse((run.started, run.id)));
    let rows: Vec<Value> = runs.iter().take(limit).map(|run| summary(run, asks.get(&run.id))).collect();
    let next = runs.get(limit.saturating_sub(1)).filter(|_| found > limit).map(|run| run.started);
    Ok(ok(&json!({"runs": rows, "found": found, "kept": total, "next": next})))
}

fn wanted(run: &Run, asked: &Asked) -> bool {
    let status =
        asked.status.as_deref().is_none_or(|wanted| wanted.split(',').any(|word| word.trim() == run.status.as_str()));
    let rule = asked
        .rule
        .as_deref()
        .is_none_or(|rule| run.rule == rule || run.rule.split_once('/').is_some_and(|(_, name)| name == rule));
    let before = asked.before.is_none_or(|before| run.started < before);
    let text = asked.q.as_deref().is_none_or(|text| {
        let text = text.to_lowercase();
        let error = run.trunk.failed.as_ref().map(|failed| failed.error.message.to_lowercase());
        run.id.to_string().contains(&text)
            || run.rule.to_lowercase().contains(&text)
            || run.correlation.to_lowercase().contains(&text)
            || run.key.as_ref().is_some_and(|key| key.to_lowercase().contains(&text))
            || error.is_some_and(|error| error.contains(&text))
    });
    status && rule && before && text
}

fn summary(run: &Run, asks: Option<&Arc<Asks>>) -> Value {
    use StepStatus::{Asking, Backoff, Running, Uncertain, Waiting};
    let step = run
        .trunk
        .steps
        .iter()
        .find(|(_, step)| matches!(step.status, Running | Backoff | Waiting | Asking | Uncertain));
    json!({
        "id": run.id, "rule": run.rule, "status": run.status, "key": run.key, "started": run.started,
        "finished": run.finished, "step": step.map(|(path, _)| path), "correlation": run.correlation,
        "failed": run.trunk.failed, "cancelled": run.cancelled, "generation": run.generation,
        "asks": asks.map(|asks| asks.wants()),
    })
}

/// The run that a text means: its id, or so many of its first digits that no other kept one begins so.
pub(crate) async fn run(app: &App, text: &str) -> Result<Key, Wrong> {
    let whole = text.parse::<Key>();
    let wanted = text.to_owned();
    if let Ok(key) = whole {
        return Ok(key);
    }
    let found = app.read(move |pump| beginning(&wanted, pump.engine()).take(10).collect::<Vec<Key>>());
    match (found.await.ok_or_else(stopping)?.as_slice(), whole) {
        ([key], _) => Ok(*key),
        ([], Err(why)) => Err(Wrong::bad(format!("{why}; no run that is kept begins with `{text}`"))),
        (several, _) => {
            let all: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(Wrong::bad(format!("`{text}` is the beginning of several runs' ids: {}", all.join(", "))))
        }
    }
}

/// `GET /api/v1/runs/{id}`
pub(crate) async fn one(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Wrong> {
    let key = run(&app, &id).await?;
    let found = app.read(move |pump| {
        let state = pump.engine().state();
        let run = Arc::clone(state.runs.get(&key)?);
        let effects: Vec<_> =
            state.outbox.iter().filter(|(_, row)| row.effect.run == key).map(|(_, row)| Arc::clone(row)).collect();
        let branches = state.branches_of(key);
        let (steps, waits) = (run.steps(&branches), waits(&run, &branches));
        let asks: Vec<_> = state.asks.of(key).map(|(_, asks)| Arc::clone(asks)).collect();
        Some((run, effects, steps, waits, asks))
    });
    let Some((run, effects, steps, waits, asks)) = found.await.ok_or_else(stopping)? else {
        return Err(Wrong::not_found(format!("run {id} is not kept; `ensue why {id}` shows what the log knows of it")));
    };
    let effects: Vec<&_> = effects.iter().map(std::convert::AsRef::as_ref).collect();
    let mut out = serde_json::to_value(run.as_ref()).unwrap_or_default();
    if let Some(object) = out.as_object_mut() {
        object.insert("waitsFor".into(), json!(waits));
        object.insert("steps".into(), json!(steps));
        object.insert("outbox".into(), json!(effects));
        object.insert("asks".into(), asks.iter().map(|asks| asked(asks)).collect());
    }
    Ok(ok(&out))
}

/// What moves a run next, step by step: an answer, a time, an event, or a person.
fn waits(run: &Run, branches: &Kin<'_>) -> Vec<Value> {
    let mut all = Vec::new();
    for (id, waits) in run.waits(branches) {
        let branch = branches.get(id);
        let branch = branch.as_deref().unwrap_or(&run.trunk);
        let name = |path: &str| ensue_run::branch::named(path, branch.index());
        let step_of = |wanted: &dyn Fn(&StepState) -> bool| {
            branch.steps.iter().find(|(_, step)| wanted(step)).map(|(path, _)| name(path))
        };
        all.push(match waits {
            Some(Waits::Answer(effect)) => {
                json!({"step": step_of(&|step| step.effect == Some(effect)), "answer": effect})
            }
            Some(Waits::Until(due)) => json!({"step": step_of(&|step| step.due == Some(due)), "until": due}),
            Some(Waits::Event(path, until)) => json!({"step": name(&path), "event": true, "until": until}),
            Some(Waits::Person(path)) => {
                let ask = branch.steps.get(&path).and_then(|step| step.ask.as_deref());
                json!({"step": name(&path), "person": name(&path), "ask": ask})
            }
            Some(Waits::Branches) | None => continue,
        });
    }
    all
}

/// What people are or were asked before an effect is done, with what is still wanted.
fn asked(asks: &Asks) -> Value {
    let mut out = serde_json::to_value(asks).unwrap_or_default();
    if let Some(object) = out.as_object_mut() {
        object.insert("open".into(), asks.open().into());
        object.insert("wants".into(), asks.wants().into());
    }
    out
}

/// `GET /api/v1/outbox`
pub(crate) async fn outbox(State(app): State<App>, Query(page): Query<Page>) -> Result<Response, Wrong> {
    let limit = page.limit();
    let rows = app.read(move |pump| {
        let outbox = &pump.engine().state().outbox;
        (outbox.len(), outbox.iter().take(limit).map(|(_, row)| Arc::clone(row)).collect::<Vec<_>>())
    });
    let (total, rows) = rows.await.ok_or_else(stopping)?;
    let rows: Vec<&_> = rows.iter().map(std::convert::AsRef::as_ref).collect();
    Ok(ok(&json!({"outbox": rows, "total": total})))
}

/// `GET /api/v1/parked`
pub(crate) async fn parked(State(app): State<App>, Query(page): Query<Page>) -> Result<Response, Wrong> {
    let limit = page.limit();
    let rows = app.read(move |pump| {
        let parked = &pump.engine().state().parked;
        (parked.len(), parked.iter().take(limit).map(|(_, row)| Arc::clone(row)).collect::<Vec<_>>())
    });
    let (total, rows) = rows.await.ok_or_else(stopping)?;
    let rows: Vec<&_> = rows.iter().map(std::convert::AsRef::as_ref).collect();
    Ok(ok(&json!({"parked": rows, "total": total})))
}

/// `GET /api/v1/freezes`
pub(crate) async fn freezes(State(app): State<App>) -> Result<Response, Wrong> {
    let rows = app.read(|pump| {
        let state = pump.engine().state();
        let freezes: Vec<Value> =
            state.freezes.iter().map(|(name, freeze)| json!({"name": name, "freeze": freeze.as_ref()})).collect();
        let held = state.outbox.iter().filter(|(_, row)| row.held).count();
        json!({"freezes": freezes, "held": held})
    });
    Ok(ok(&rows.await.ok_or_else(stopping)?))
}
