//! How the node is: for machines that watch it.

use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ensue_event::Key;
use serde_json::{Map, Value, json};

use super::answer::{Wrong, answer, ok};
use super::{App, Needs, ROUTES};

/// `GET /healthz`: 200 unless only a restart helps.
pub(crate) async fn health(State(app): State<App>) -> Response {
    match app.broken() {
        None => ok(&json!({"ok": true})),
        Some(why) => answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"ok": false, "why": why})),
    }
}

/// `GET /readyz`: 200 where events are taken.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    match app.ready() {
        Ok(()) => ok(&json!({"ready": true})),
        Err(why) => answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"ready": false, "why": why})),
    }
}

/// Runs that are looked at while the fold waits.
const RUNS_AT_ONCE: usize = 500;

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// `GET /metrics`
pub(crate) async fn metrics(State(app): State<App>) -> Result<Response, Wrong> {
    let gauges = &app.metrics.gauges;
    let (mut stuck, mut from) = (0, Some(Key([0; 16])));
    while let Some(run) = from {
        let some = app.read(move |pump| pump.engine().stuck_from(run, RUNS_AT_ONCE)).await;
        let (more, next) = some.ok_or_else(|| Wrong::busy("it is stopping"))?;
        (stuck, from) = (stuck + more, next);
    }
    let counts = app.read(|pump| {
        let (state, dispatch) = (pump.engine().state(), pump.dispatch());
        [
            state.outbox.len(),
            dispatch.flying(),
            dispatch.waiting(),
            state.runs.len(),
            state.parked.len(),
            state.freezes.iter().filter(|(_, freeze)| freeze.thawed.is_none()).count(),
        ]
    });
    let [outbox, flying, waiting, runs, parked, frozen] = counts.await.ok_or_else(|| Wrong::busy("it is stopping"))?;
    gauges.outbox.set(whole(outbox));
    gauges.in_flight.set(whole(flying));
    gauges.waiting.set(whole(waiting));
    gauges.runs.set(whole(runs));
    gauges.stuck.set(whole(stuck));
    gauges.parked.set(whole(parked));
    gauges.frozen.set(whole(frozen));
    let (end, folded) = (app.feed.end().0, app.feed.folded().0);
    gauges.log_end.set(end.cast_signed());
    gauges.folded.set(folded.cast_signed());
    gauges.lag.set(end.saturating_sub(folded).cast_signed());
    #[allow(clippy::cast_precision_loss)] // from 0 to 1000
    gauges.reserve.set(app.queue.reserve.load(Ordering::Relaxed) as f64 / 1000.0);
    let mut response = app.metrics.page().into_response();
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// `GET /api/v1/status`
pub(crate) async fn status(State(app): State<App>) -> Result<Response, Wrong> {
    let inner = app.read(|pump| {
        let (state, dispatch) = (pump.engine().state(), pump.dispatch());
        json!({
            "counts": state.meta.counts, "observe": state.meta.observe, "outbox": state.outbox.len(), "emissions": state.emissions.len(),
            "inFlight": dispatch.flying(), "runs": state.runs.len(), "parked": state.parked.len(),
            "freezes": state.freezes.iter().filter(|(_, freeze)| freeze.thawed.is_none()).count(), "rules": pump.engine().config().rules.len(),
        })
    });
    let mut out = inner.await.ok_or_else(|| Wrong::busy("it is stopping"))?;
    let (lag, age) = app.feed.lag();
    let more = json!({
        "version": env!("CARGO_PKG_VERSION"), "end": app.feed.end(), "folded": app.feed.folded(), "lag": lag,
        "lagSeconds": age.as_secs_f64(), "now": app.clock.now(), "uptimeSeconds": app.started.elapsed().as_secs(),
        "ready": app.ready().is_ok(), "why": app.ready().err(),
    });
    if let (Value::Object(out), Value::Object(more)) = (&mut out, more) {
        out.extend(more);
    }
    Ok(ok(&out))
}

fn needs(needs: Needs) -> &'static str {
    match needs {
        Needs::Open => "nothing",
        Needs::Ingest => "ingest",
        Needs::Scope(scope) => scope.as_str(),
    }
}

/// `GET /api/v1`
pub(crate) async fn routes() -> Response {
    ok(&all_routes())
}

fn all_routes() -> Value {
    let all: Vec<Value> = ROUTES
        .iter()
        .map(|route| json!({"method": route.method, "path": route.path, "needs": needs(route.needs), "says": route.says}))
        .collect();
    json!({"routes": all})
}

/// `GET /api/v1/openapi.json`
pub(crate) async fn openapi() -> Response {
    ok(&description())
}

fn description() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let parameters: Vec<Value> = route
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
            .collect();
        let security = match route.needs {
            Needs::Open => json!([]),
            needed => json!([{"token": [needs(needed)]}]),
        };
        let operation = json!({
            "summary": route.says, "parameters": parameters, "security": security,
            "responses": {"default": {"description": "JSON; an error has `error.code` and `error.message`."}},
        });
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.to_ascii_lowercase(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "ensue", "version": env!("CARGO_PKG_VERSION"), "description": "Events become consequences: durable, ordered, explained."},
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    })
}
