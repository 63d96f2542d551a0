//! Who asked for what, and what became of it; and what else changed without an event.

use axum::extract::{Query, State};
use axum::response::Response;
use ensue_engine::Past as _;
use ensue_event::{Origin, Position, json};
use ensue_lab::why::verdict;
use ensue_log::Entry;
use ensue_pump::LogPast;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::answer::{Wrong, ok};
use super::events::{newest, unreadable};
use super::query::{Page, Types};
use super::runs::{moment, run};

/// The records that say what people and programs asked for, and what changed without an event.
const TYPES: &str = "dev.ensue.operator,dev.ensue.policy.decided,dev.ensue.config.applied,dev.ensue.node.*,dev.ensue.log.*,dev.ensue.freeze.*,\
    dev.ensue.event.conflict,dev.ensue.record.quarantined,dev.ensue.clock.stepped";

/// Which of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// By this one: the name of a token, `file`.
    actor: Option<String>,
    /// About this run.
    run: Option<String>,
    /// Since then: a time, or a length of time such as `1d`.
    since: Option<String>,
    /// Only records before this position.
    before: Option<u64>,
    limit: Option<usize>,
}

/// `GET /api/v1/audit`
pub(crate) async fn list(State(app): State<App>, Query(asked): Query<Asked>) -> Result<Response, Wrong> {
    let limit = Page { limit: asked.limit }.limit();
    let since = asked.since.as_deref().map(|text| moment(text, app.clock.now())).transpose()?;
    let about = match &asked.run {
        Some(text) => Some(run(&app, text).await?.to_string()),
        None => None,
    };
    let (types, actor) = (Types::parse(TYPES), asked.actor);
    let take = move |entry: &Entry| {
        let Some(record) = entry.record() else { return false };
        let text = |path: &[&str]| {
            let found = record.event.json().and_then(|data| json::get(data, path)).and_then(json::string);
            found.map(|text| text.to_string())
        };
        !matches!(record.origin, Origin::Source(_))
            && types.has(&record.event.kind)
            && actor.as_ref().is_none_or(|actor| text(&["actor"]).as_ref() == Some(actor))
            && about.as_ref().is_none_or(|run| text(&["command", "run"]).as_ref() == Some(run))
    };
    let found = app.log(move |reader, _| {
        let after = since.map_or(Ok(Position(0)), |since| LogPast::new(reader.clone(), None).since(since));
        after.map(|after| newest(reader, &take, after.0, asked.before, limit))
    });
    let found = found.await.ok_or_else(|| Wrong::busy("it is stopping"))?;
    let found = found.map_err(|why| Wrong::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "log", why))?;
    let (rows, next) = found.map_err(|why| unreadable(&why))?;
    let rows = app.read(move |pump| {
        let verdicts = &pump.engine().state().verdicts;
        let judged = |mut row: Value| {
            let position = row.get("position").and_then(Value::as_u64).map(Position);
            let known = position.and_then(|position| verdicts.get(&position));
            if let (Some(object), Some(known)) = (row.as_object_mut(), known) {
                object.insert("verdict".into(), json!(known.verdict));
                object.insert("says".into(), verdict(&known.verdict).into());
            }
            row
        };
        rows.into_iter().map(judged).collect::<Vec<Value>>()
    });
    Ok(ok(&json!({"records": rows.await.ok_or_else(|| Wrong::busy("it is stopping"))?, "next": next})))
}
