//! The configuration: what is in force, and a new one.

use std::sync::PoisonError;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use ensue_event::ours::ConfigFile;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Wrong, answer, ok};
use super::{App, body};
use crate::config::{self, Wrong as Diagnosed};
use crate::node::NotApplied;

/// How much to show.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    /// The texts of the files too.
    #[serde(default)]
    files: bool,
}

/// `GET /api/v1/config`
pub(crate) async fn get(State(app): State<App>, Query(asked): Query<Asked>) -> Result<Response, Wrong> {
    let current = app.read(|pump| pump.engine().state().config.get(&"current".to_owned()).cloned());
    let current = current.await.ok_or_else(|| Wrong::busy("it is stopping"))?;
    let refused = app.wrong.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(diagnosed);
    let mut out = json!({"refused": refused});
    if let (Some(object), Some(current)) = (out.as_object_mut(), current) {
        object.insert("position".into(), json!(current.position));
        object.insert("observe".into(), json!(current.config.observe));
        object.insert("documents".into(), json!(current.config.documents));
        if asked.files {
            object.insert("files".into(), json!(current.config.files));
        }
    }
    Ok(ok(&out))
}

fn diagnosed(wrong: &Diagnosed) -> Value {
    json!({"diagnostics": wrong.diagnostics, "refused": wrong.refused, "rendered": wrong.rendered})
}

/// A configuration as its files.
#[derive(Debug, Deserialize)]
struct Files {
    files: Vec<ConfigFile>,
}

fn refused(wrong: &Diagnosed) -> Wrong {
    let message = "the configuration has errors; the one in force goes on";
    Wrong::new(StatusCode::UNPROCESSABLE_ENTITY, "configuration", message).with(diagnosed(wrong))
}

/// `POST /api/v1/config`
pub(crate) async fn apply(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Wrong> {
    let Files { files } = body::json(body, &headers).await?;
    match app.apply(files).await {
        Ok(Some(position)) => {
            let dropped = app.dropped(position).await;
            let rules: Vec<_> = dropped.rules.iter().map(|(rule, what)| json!({"rule": rule, "what": what})).collect();
            let dropped = json!({"halfMatches": dropped.halves, "held": dropped.held, "rules": rules});
            Ok(answer(StatusCode::CREATED, &json!({"applied": true, "position": position, "dropped": dropped})))
        }
        Ok(None) => Ok(ok(&json!({"applied": false, "same": true}))),
        Err(NotApplied::Wrong(wrong)) => Err(refused(&wrong)),
        Err(NotApplied::Refused(why)) => Err(why.into()),
    }
}

/// `POST /api/v1/config/check`
pub(crate) async fn check(headers: HeaderMap, body: Body) -> Result<Response, Wrong> {
    let Files { files } = body::json(body, &headers).await?;
    let checked = tokio::task::spawn_blocking(move || config::check(files)).await;
    match checked.map_err(|why| Wrong::busy(why.to_string()))? {
        Ok(applied) => Ok(ok(&json!({"ok": true, "diagnostics": applied.diagnostics}))),
        Err(wrong) => Err(refused(&wrong)),
    }
}
