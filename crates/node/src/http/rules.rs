//! Rules, decisions, sources.

use std::sync::PoisonError;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use ensue_engine::correlate::{Waiting, halves};
use ensue_engine::flow::flows;
use ensue_engine::order;
use ensue_engine::state::State as Kept;
use ensue_engine::{Compiled, Decision, Engine};
use ensue_event::{Key, Position};
use ensue_lab::why::verdict;
use ensue_lang::{Name, Rule, RuleMode, WhenKind};
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::answer::{Wrong, ok};
use super::events::by_id;
use super::query::Page;

fn stopping() -> Wrong {
    Wrong::busy("it is stopping")
}

/// `GET /api/v1/rules`
pub(crate) async fn list(State(app): State<App>) -> Result<Response, Wrong> {
    let rules = app.read(|pump| {
        let (state, config) = (pump.engine().state(), pump.engine().config());
        config.rules.iter().map(|decider| summary(&decider.rule, state)).collect::<Vec<Value>>()
    });
    Ok(ok(&json!({"rules": rules.await.ok_or_else(stopping)?})))
}

fn summary(rule: &Rule, state: &Kept) -> Value {
    let name = rule.name.to_string();
    let known = state.rules.get(&name).cloned().unwrap_or_default();
    let written = match rule.mode {
        RuleMode::Live => "live",
        RuleMode::Shadow => "shadow",
        RuleMode::Paused => "paused",
    };
    let mode = match known.mode.as_deref().unwrap_or(written) {
        "live" if state.meta.observe => "shadow",
        mode => mode,
    };
    json!({
        "name": name, "mode": mode, "written": written, "operator": known.mode, "fired": known.fired,
        "suppressed": known.suppressed, "errors": known.errors, "last": known.last, "digest": rule.digest,
        "file": rule.file, "labels": rule.labels,
    })
}

/// `GET /api/v1/rules/{name}`
pub(crate) async fn of_default(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(page): Query<Page>,
) -> Result<Response, Wrong> {
    rule(app, Name::new(Name::DEFAULT, name), page.limit()).await
}

/// `GET /api/v1/rules/{namespace}/{name}`
pub(crate) async fn of(
    State(app): State<App>,
    Path((namespace, name)): Path<(String, String)>,
    Query(page): Query<Page>,
) -> Result<Response, Wrong> {
    rule(app, Name::new(namespace, name), page.limit()).await
}

async fn rule(app: App, name: Name, limit: usize) -> Result<Response, Wrong> {
    let wanted = name.clone();
    let now = app.clock.now();
    let found = app.read(move |pump| {
        let (state, config) = (pump.engine().state(), pump.engine().config());
        let rule = config.config.rules.get(&wanted)?;
        let mut out = summary(rule, state);
        let full = wanted.to_string();
        let decisions = newest(state, |who| *who == full, limit);
        if let Some(object) = out.as_object_mut() {
            object.insert("document".into(), rule.canonical.clone());
            object.insert("now".into(), json!(now));
            held(pump.engine(), &full, limit, object);
            object.insert("decisions".into(), decisions.into());
        }
        Some(out)
    });
    let found = found.await.ok_or_else(stopping)?;
    found.map(|rule| ok(&rule)).ok_or_else(|| Wrong::not_found(format!("no rule `{name}` is in force")))
}

/// More half-matches than these are listed as they are kept; fewer in the order in which they run out.
const SORTED: usize = 10_000;

/// What a rule holds: at most so many of each, and how many there are.
fn held(engine: &Engine, name: &str, limit: usize, out: &mut serde_json::Map<String, Value>) {
    let state = engine.state();
    let keys = engine.config().rule(name).map_or(0, |decider| {
        let rows = state.halves.from((decider.id, Key([0; 16]))..);
        rows.take_while(|((of, _), _)| *of == decider.id).count()
    });
    let mut waiting: Vec<Waiting> = halves(engine, name).take(if keys > SORTED { limit } else { SORTED }).collect();
    let total = keys.max(waiting.len());
    waiting.sort_by_key(|one| (one.until.is_none(), one.until, one.since));
    waiting.truncate(limit);
    let kind = engine.config().rule(name).map(|decider| &decider.rule.when.kind);
    if let Some(WhenKind::Count { at_least, .. }) = kind {
        // The item is always the same; how many are still to come says more.
        for one in &mut waiting {
            one.waits_for = vec![format!("{} more", u64::from(*at_least).saturating_sub(one.count.unwrap_or(0)))];
        }
    }
    out.insert("waiting".into(), waiting.into_iter().map(half).collect());
    out.insert("waitingTotal".into(), total.into());
    let mut turns: Vec<_> = order::waiting(engine, name).collect();
    out.insert("turnsTotal".into(), turns.len().into());
    turns.sort_by_key(|one| (one.until, one.position));
    turns.truncate(limit);
    out.insert("turns".into(), json!(turns));
    let past = engine.config().rule(name).and_then(|decider| state.backfills.get(&decider.id));
    out.insert("past".into(), json!(past.map(std::convert::AsRef::as_ref)));
    let mut flows = flows(engine, name);
    out.insert("heldTotal".into(), flows.len().into());
    // Those that hold something first.
    flows.sort_by_key(|one| (one.held == 0 && one.running.is_empty(), one.until));
    flows.truncate(limit);
    out.insert("held".into(), json!(flows));
    let parked: Vec<_> = state.parked.iter().filter(|(_, parked)| parked.fired.rule == name).collect();
    out.insert("parkedTotal".into(), parked.len().into());
    let parked = parked.into_iter().take(limit).map(|(firing, parked)| {
        json!({"firing": firing, "key": parked.fired.key, "since": parked.since, "reason": parked.reason})
    });
    out.insert("parked".into(), parked.collect());
}

fn half(one: Waiting) -> Value {
    let event =
        |(item, position, id): &(String, Position, String)| json!({"item": item, "position": position, "id": id});
    json!({
        "key": one.key, "waitsFor": one.waits_for, "since": one.since, "until": one.until,
        "events": one.events.iter().map(event).collect::<Vec<Value>>(), "count": one.count,
    })
}

/// Which decisions.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    /// About this event: an id or a position.
    event: Option<String>,
    /// Of this rule, with its namespace.
    rule: Option<String>,
    limit: Option<usize>,
}

/// `GET /api/v1/decisions`
pub(crate) async fn decisions(State(app): State<App>, Query(asked): Query<Asked>) -> Result<Response, Wrong> {
    let Asked { event, rule, limit } = asked;
    let limit = Page { limit }.limit();
    let Some(event) = event else {
        let rule = rule.map(|rule| Name::resolve(&rule, Name::DEFAULT).to_string());
        let found = app
            .read(move |pump| newest(pump.engine().state(), |who| rule.as_ref().is_none_or(|rule| who == rule), limit));
        return Ok(ok(&json!({"decisions": found.await.ok_or_else(stopping)?})));
    };
    let asked = event.clone();
    let found = app.log(move |reader, _| {
        let record = by_id(reader, &asked).into_iter().next()?;
        Some((record.position, super::events::firings(reader, &record)))
    });
    let Some((position, firings)) = found.await.ok_or_else(stopping)? else {
        return Err(Wrong::not_found(format!("no event has the id or position `{event}`")));
    };
    let decisions = app.read(move |pump| of_position(pump.engine().state(), position)).await.ok_or_else(stopping)?;
    Ok(ok(&json!({"position": position, "decisions": decisions, "firings": firings})))
}

/// The decisions not to fire that were made at this position.
pub(crate) fn of_position(state: &Kept, position: Position) -> Vec<Value> {
    let from = (position, String::new());
    let rows = state.decisions.from(from..).take_while(|((at, _), _)| *at == position);
    rows.flat_map(|((at, who), decided)| decided.all.iter().map(|one| self::decided(*at, who, one))).collect()
}

fn newest(state: &Kept, wanted: impl Fn(&String) -> bool, limit: usize) -> Vec<Value> {
    let rows = state.decisions.newest().filter(|((_, who), _)| wanted(who)).take(limit);
    let all = rows.flat_map(|((at, who), decided)| decided.all.iter().rev().map(|one| self::decided(*at, who, one)));
    all.take(limit).collect()
}

fn decided(position: Position, rule: &str, decision: &Decision) -> Value {
    json!({
        "position": position, "rule": rule, "at": decision.at, "key": decision.key, "verdict": decision.verdict,
        "says": verdict(&decision.verdict),
    })
}

/// `GET /api/v1/sources`
pub(crate) async fn sources(State(app): State<App>) -> Result<Response, Wrong> {
    let rows = app.read(|pump| {
        let (state, config) = (pump.engine().state(), pump.engine().config());
        all_sources(state, config)
    });
    let mut rows = rows.await.ok_or_else(stopping)?;
    let reading = app.sources.lock().unwrap_or_else(PoisonError::into_inner);
    for row in &mut rows {
        let name = row.get("name").and_then(Value::as_str).unwrap_or_default();
        if let (Some(feed), Some(object)) = (reading.get(name), row.as_object_mut()) {
            object.insert("reading".into(), json!(feed.status.view()));
        }
    }
    Ok(ok(&json!({"sources": rows})))
}

fn all_sources(state: &Kept, config: &Compiled) -> Vec<Value> {
    let configured = config.config.sources.iter().map(|(name, source)| {
        let spec = ensue_lang::catalog::SOURCES.iter().find(|spec| spec.name == source.type_name);
        let path = spec.and_then(|spec| spec.path).map(|_| match name.namespace.as_str() {
            Name::DEFAULT => format!("/hooks/{}", name.name),
            _ => format!("/hooks/{name}"),
        });
        let known = state.sources.get(&name.to_string());
        json!({
            "name": name.to_string(), "type": source.type_name, "path": path,
            "recovers": spec.map(|spec| spec.recovers), "known": known.map(std::convert::AsRef::as_ref),
        })
    });
    let mut out: Vec<Value> = configured.collect();
    if let Some(known) = state.sources.get(&"events".to_owned()) {
        out.push(json!({"name": "events", "type": "http", "path": "/events", "known": known.as_ref()}));
    }
    out
}
