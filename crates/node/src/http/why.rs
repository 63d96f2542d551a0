//! `GET /api/v1/why/{id}` and `GET /api/v1/why-not/{event}`: the chain of causes, and what kept rules from firing.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use ensue_event::{Position, Record};
use ensue_lab::why_not::WhyNot;
use ensue_lab::{History, Tree};
use ensue_log::{Blobs, By, Entry, Reader};
use serde::Deserialize;

use super::App;
use super::answer::{Wrong, ok};
use crate::drive::Drive;

/// Records of one chain that are shown.
const CHAIN: usize = 10_000;
/// Records of a type that are looked through: operators' commands, and firings of which only the log knows.
const NEWEST: usize = 500;

/// The log as `why` reads it.
struct Past {
    reader: Reader<Drive>,
    blobs: Blobs<Drive>,
}

impl Past {
    fn found(&self, by: By<'_>, most: usize) -> Vec<Record> {
        let mut records = self.reader.find_by(by, most).unwrap_or_default();
        records.reverse();
        for record in &mut records {
            // What cannot be resolved is shown without its data.
            let _ = self.blobs.resolve(record);
        }
        records
    }
}

impl History for Past {
    fn at(&self, position: Position) -> Option<Record> {
        match self.reader.read(position, 1, 1).ok()?.into_iter().next()? {
            Entry::Record(mut record) => {
                let _ = self.blobs.resolve(&mut record);
                Some(record)
            }
            Entry::Unreadable { .. } => None,
        }
    }

    fn by_id(&self, id: &str) -> Vec<Record> {
        self.found(By::Id(id), CHAIN)
    }

    fn by_correlation(&self, correlation: &str) -> Vec<Record> {
        self.found(By::Correlation(correlation), CHAIN)
    }

    fn by_type(&self, kind: &str) -> Vec<Record> {
        self.found(By::Type(kind), NEWEST)
    }
}

pub(crate) async fn why(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Wrong> {
    let past = Past { reader: app.reader.clone(), blobs: app.blobs.clone() };
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
    let past = Past { reader: app.reader.clone(), blobs: app.blobs.clone() };
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
