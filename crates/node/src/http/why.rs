//! `GET /api/v1/why/{id}` and `GET /api/v1/why-not/{event}`: the chain of causes, and what kept rules from firing; and a
//! run that happened as a scenario.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use ensue_lab::Tree;
use ensue_lab::history::Kept;
use ensue_lab::scenario::{NotRecorded, record};
use ensue_lab::why_not::WhyNot;
use serde::Deserialize;

use super::App;
use super::answer::{Wrong, ok};

pub(crate) async fn why(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Wrong> {
    let past = Kept::new(app.reader.clone(), app.blobs.clone());
    let fold = Arc::clone(&app.fold);
    // The fold waits while the tree is made: decisions and rules must be those of one moment.
    let tree = tokio::task::spawn_blocking(move || fold.read(|pump| ensue_lab::why::why(&id, &past, pump.engine())));
    match tree.await {
        Ok(Ok(tree)) => Ok(ok(&tree)),
        Ok(Err(why)) => Err(Wrong::not_found(why.to_string())),
        Err(why) => Err(Wrong::busy(why.to_string())),
    }
}

/// Of which rule.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    /// The rule; the nearest ones if left out.
    rule: Option<String>,
}

pub(crate) async fn why_not(
    State(app): State<App>,
    Path(event): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Wrong> {
    let past = Kept::new(app.reader.clone(), app.blobs.clone());
    let (fold, config, now) = (Arc::clone(&app.fold), app.config(), app.clock.now());
    // Patterns are asked beside the fold; it waits only while what it has decided is copied.
    let tree = tokio::task::spawn_blocking(move || {
        let asked = WhyNot::of(&event, asked.rule.as_deref(), &past, &config)?;
        let facts = fold.read(|pump| asked.facts(pump.engine(), now));
        Ok::<Tree, ensue_lab::why::Error>(asked.tell(&facts, &past, &config))
    });
    match tree.await {
        Ok(Ok(tree)) => Ok(ok(&tree)),
        Ok(Err(why)) => Err(Wrong::not_found(why.to_string())),
        Err(why) => Err(Wrong::busy(why.to_string())),
    }
}

/// Where large events are to go.
#[derive(Debug, Deserialize)]
pub(crate) struct Files {
    /// What the names of files begin with; without it everything is in the text.
    files: Option<String>,
}

/// `GET /api/v1/runs/{id}/scenario`
pub(crate) async fn scenario(
    State(app): State<App>,
    Path(run): Path<String>,
    Query(asked): Query<Files>,
) -> Result<Response, Wrong> {
    let past = Kept::new(app.reader.clone(), app.blobs.clone());
    let recorded = tokio::task::spawn_blocking(move || record(&run, &past, asked.files.as_deref()));
    match recorded.await {
        Ok(Ok(recorded)) => Ok(ok(&recorded)),
        Ok(Err(why @ NotRecorded::Unknown(_))) => Err(Wrong::not_found(why.to_string())),
        Ok(Err(why)) => Err(Wrong::new(StatusCode::UNPROCESSABLE_ENTITY, "not-recorded", why.to_string())),
        Err(why) => Err(Wrong::busy(why.to_string())),
    }
}
