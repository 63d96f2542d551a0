//! Runs, and what waits: effects, parked firings, freezes.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use ensue_engine::policy::asks::Asks;
use ensue_engine::shelf::Look;
use ensue_engine::{Kin, Outboxed};
use ensue_event::{Key, Span, Time};
use ensue_lab::why::beginning;
use ensue_pump::Pump;
use ensue_run::{Branches as _, Run, StepState, StepStatus, Waits};
use ensue_state::Sqlite;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::answer::{Wrong, ok};
use super::query::Page;

fn stopping() -> Wrong {
    Wrong::busy("it is stopping")
}

/// Which runs.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Asked {
    /// `running`, `uncertain`, `succeeded`, `failed`, `cancelled`; several separated by commas.
    pub(crate) status: Option<String>,
    /// Of this rule, with its namespace.
    rule: Option<String>,
    /// Of this correlation key, whole.
    key: Option<String>,
    /// That failed with an error of this name, such as `Connect`.
    error: Option<String>,
    /// That began or ended since then: a time, or a length of time such as `1h`.
    since: Option<String>,
    /// Text within the id, rule, key, correlation or error.
    q: Option<String>,
    /// Only runs that come after this one in the list: what `next` of the page before said; or a time: those that started
    /// before it.
    before: Option<String>,
    limit: Option<usize>,
}

impl Asked {
    /// Whether it says anything about which runs.
    pub(crate) fn narrows(&self) -> bool {
        let Asked { status, rule, key, error, since, q, .. } = self;
        [status, rule, key, error, since, q].into_iter().any(Option::is_some)
    }
}

/// The same, read.
pub(crate) struct Wanted {
    asked: Asked,
    text: Option<String>,
    since: Option<Time>,
    before: Option<(Time, Option<Key>)>,
}

impl Wanted {
    pub(crate) fn of(asked: Asked, now: Time) -> Result<Wanted, Wrong> {
        let since = asked.since.as_deref().map(|text| moment(text, now)).transpose()?;
        let before = asked.before.as_deref().map(cursor).transpose()?;
        let text = asked.q.as_deref().map(str::to_lowercase);
        Ok(Wanted { asked, text, since, before })
    }

    pub(crate) fn has(&self, run: &Run) -> bool {
        let Asked { status, rule, key, error, .. } = &self.asked;
        let failed = run.trunk.failed.as_ref().map(|failed| &failed.error);
        let has = |text: &str, part: &str| text.to_lowercase().contains(part);
        status.as_deref().is_none_or(|wanted| wanted.split(',').any(|word| word.trim() == run.status.as_str()))
            && rule
                .as_deref()
                .is_none_or(|rule| run.rule == rule || run.rule.split_once('/').is_some_and(|(_, name)| name == rule))
            && key.is_none() | (key == &run.key)
            && error.as_deref().is_none_or(|name| failed.is_some_and(|failed| failed.name == name))
            && self.since.is_none_or(|since| run.finished.unwrap_or(run.started) >= since)
            && self.before.is_none_or(|(time, id)| match id {
                Some(id) => (run.started, run.id) < (time, id),
                None => run.started < time,
            })
            && self.text.as_deref().is_none_or(|text| {
                run.id.to_string().contains(text)
                    || has(&run.rule, text)
                    || has(&run.correlation, text)
                    || run.key.as_ref().is_some_and(|key| has(key, text))
                    || failed.is_some_and(|failed| has(&failed.message, text))
            })
    }
}

/// A time, or how long ago it was.
pub(crate) fn moment(text: &str, now: Time) -> Result<Time, Wrong> {
    if let Ok(time) = Time::parse(text) {
        return Ok(time);
    }
    let ago = ensue_expr::duration::parse(text);
    let ago = ago.map_err(|_| Wrong::bad(format!("`since` is a time or a length of time such as 1h, not `{text}`")))?;
    Ok(now - Span(ago))
}

/// Where a page ended: `TIME,RUN`, or a time alone.
fn cursor(text: &str) -> Result<(Time, Option<Key>), Wrong> {
    let (time, id) = text.split_once(',').map_or((text, None), |(time, id)| (time, Some(id)));
    let wrong = || Wrong::bad(format!("`before` is what `next` said, or a time, not `{text}`"));
    let id = id.map(|id| id.parse().map_err(|_| wrong())).transpose()?;
    Ok((Time::parse(time).map_err(|_| wrong())?, id))
}

/// A run that was found: when it started, which it is, and how it stood.
pub(crate) type Found = (Time, Key, Look<Run>);

/// The runs that are wanted, the newest first; and how many are kept.
pub(crate) async fn found(app: &App, wanted: impl Fn(&Run) -> bool) -> Result<(Vec<Found>, usize), Wrong> {
    // Only references are taken while the fold waits; they are read afterwards, and one at a time.
    let all = app.read(|pump| pump.engine().state().runs.look().map(|(_, run)| run).collect::<Vec<_>>());
    let all = all.await.ok_or_else(stopping)?;
    let total = all.len();
    let wanted = all.into_iter().filter_map(|look| {
        let run = look.read();
        wanted(&run).then(|| (run.started, run.id, look))
    });
    let mut found: Vec<Found> = wanted.collect();
    found.sort_by_key(|(started, id, _)| std::cmp::Reverse((*started, *id)));
    Ok((found, total))
}

/// `GET /api/v1/runs`
pub(crate) async fn list(State(app): State<App>, Query(asked): Query<Asked>) -> Result<Response, Wrong> {
    let limit = Page { limit: asked.limit }.limit();
    let wanted = Wanted::of(asked, app.clock.now())?;
    let (runs, total) = found(&app, |run| wanted.has(run)).await?;
    let asks = app.read(|pump| {
        let open = pump.engine().state().asks.iter().filter(|(_, asks)| asks.open());
        open.map(|((run, _), asks)| (*run, Arc::clone(asks))).collect::<BTreeMap<Key, _>>()
    });
    let asks = asks.await.ok_or_else(stopping)?;
    let rows: Vec<Value> = runs.iter().take(limit).map(|(_, id, run)| summary(&run.read(), asks.get(id))).collect();
    let next = runs.get(limit.saturating_sub(1)).filter(|_| runs.len() > limit);
    let next = next.map(|(started, id, _)| format!("{started},{id}"));
    Ok(ok(&json!({"runs": rows, "found": runs.len(), "kept": total, "next": next})))
}

pub(crate) fn summary(run: &Run, asks: Option<&Arc<Asks>>) -> Value {
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
        let branches = state.branches_of(key);
        let (steps, waits) = (run.steps(&branches), waits(&run, &branches));
        let rows = steps.values().filter_map(|step| state.outbox.peek(&step.effect?));
        let effects: Vec<Value> = rows.map(|row| effect(&row, pump)).collect();
        let asks: Vec<_> = state.asks.of(key).map(|(_, asks)| Arc::clone(asks)).collect();
        Some((run, effects, steps, waits, asks))
    });
    let Some((run, effects, steps, waits, asks)) = found.await.ok_or_else(stopping)? else {
        return Err(Wrong::not_found(format!("run {id} is not kept; `ensue why {id}` shows what the log knows of it")));
    };
    let mut out = serde_json::to_value(run.as_ref()).unwrap_or_default();
    if let Some(object) = out.as_object_mut() {
        object.insert("waitsFor".into(), json!(waits));
        object.insert("steps".into(), json!(steps));
        object.insert("outbox".into(), json!(effects));
        object.insert("asks".into(), asks.iter().map(|asks| asked(asks)).collect());
        let now = app.clock.now();
        let live = app.logs.of_run(key);
        let live = live.iter().map(|live| {
            let (of, quiet) = (&live.whose.of, Span(i64::try_from(live.quiet().as_micros()).unwrap_or(i64::MAX)));
            json!({"step": of.step, "effect": of.effect, "attempt": of.attempt, "began": live.whose.began,
                "lastSign": now - quiet, "said": live.reached.borrow().len})
        });
        object.insert("underWay".into(), live.collect());
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

/// An effect without an answer, and what keeps it: `waits` names freezes and limits, and until when each does.
fn effect(row: &Outboxed, pump: &Pump<Sqlite>) -> Value {
    let mut out = serde_json::to_value(row).unwrap_or_default();
    let flies = pump.dispatch().flies(row);
    let waits = if flies { Vec::new() } else { kept_by(row, pump) };
    if let Some(object) = out.as_object_mut() {
        // What has left is held by nothing, whatever came after it.
        object.insert("held".into(), (row.held && !flies).into());
        object.insert("underWay".into(), flies.into());
        object.insert("waits".into(), waits.into());
    }
    out
}

fn kept_by(row: &Outboxed, pump: &Pump<Sqlite>) -> Vec<Value> {
    let freezes = pump.engine().state().freezes.iter().filter(|(_, freeze)| row.held && freeze.holds(&row.effect));
    let freezes = freezes.map(|(name, freeze)| json!({"freeze": name, "until": freeze.until}));
    let limits = pump.dispatch().why(row, pump.engine()).into_iter();
    freezes.chain(limits.map(|(limit, until)| json!({"limit": limit.as_str(), "until": until}))).collect()
}

/// `GET /api/v1/outbox`
pub(crate) async fn outbox(State(app): State<App>, Query(page): Query<Page>) -> Result<Response, Wrong> {
    let limit = page.limit();
    let rows = app.read(move |pump| {
        let outbox = &pump.engine().state().outbox;
        (outbox.len(), outbox.look().take(limit).map(|(_, row)| effect(&row.read(), pump)).collect::<Vec<Value>>())
    });
    let (total, rows) = rows.await.ok_or_else(stopping)?;
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
        let rows = state.outbox.look().map(|(_, row)| row.read());
        let held = rows.filter(|row| row.held && !pump.dispatch().flies(row)).count();
        json!({"freezes": freezes, "held": held})
    });
    Ok(ok(&rows.await.ok_or_else(stopping)?))
}
