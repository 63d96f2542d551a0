//! Purging: the events at named positions are destroyed, and with them the copies that firings carry.

use std::collections::BTreeSet;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use ensue_event::ours::{self, LogPurged, Ours};
use ensue_event::{Data, Digest, Event, Key, Origin, Position, Record};
use ensue_log::{Blobs, Entry, Error as LogError, Reader, Unreadable};
use ensue_pump::pump;
use serde::Deserialize;
use serde_json::json;

use super::answer::{Wrong, ok};
use super::auth::Actor;
use super::{App, body};
use crate::chore::Undone;
use crate::drive::Drive;
use crate::queue::Refused;

/// Positions that one request may name.
const MOST: usize = 10_000;

/// What is to be destroyed, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    positions: Vec<Position>,
    reason: String,
}

/// What a purge comes to.
struct Plan {
    /// The firings that carry one of the events.
    copies: BTreeSet<Position>,
    /// Large data beside the log.
    blobs: BTreeSet<Digest>,
}

/// `POST /api/v1/events/purge`: one at a time.
pub(crate) async fn purge(
    State(app): State<App>,
    Extension(who): Extension<Actor>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Wrong> {
    let Asked { positions, reason } = body::json(body, &headers).await?;
    let named: BTreeSet<Position> = positions.into_iter().collect();
    if named.is_empty() || named.len() > MOST {
        return Err(Wrong::bad(format!("`positions` names from 1 to {MOST} records; it has {}", named.len())));
    }
    if reason.trim().is_empty() {
        return Err(Wrong::bad("a purge needs a `reason`: somebody will ask for it"));
    }
    let _one = app.purging.try_lock().map_err(|_| Wrong::busy("another purge is under way").retry(10))?;
    // What is not folded would be missed by the fold, which is to see every event once.
    let folded = app.feed.folded();
    if let Some(position) = named.iter().find(|position| **position >= folded) {
        let message =
            format!("record {position} is not there, or still to be folded: the next one to fold is {folded}");
        return Err(Wrong::new(StatusCode::CONFLICT, "not-folded", message));
    }
    let asked = named.clone();
    let stopping = || Wrong::busy("it is stopping");
    let Plan { copies, blobs } =
        app.log(move |reader, blobs| plan(reader, blobs, &asked)).await.ok_or_else(stopping)??;
    // Blobs first: the record that names one must not go before it.
    let removed = app.log(move |_, kept| blobs.iter().try_for_each(|blob| kept.remove(blob)));
    removed.await.ok_or_else(stopping)?.map_err(|why| broken(&why))?;
    let all: Vec<Position> = named.union(&copies).copied().collect();
    app.purge(all.clone()).await.map_err(|why| match why {
        Undone::Refused(refused) => Wrong::from(refused),
        Undone::Log(LogError::Full { .. }) => Wrong::from(Refused::Full),
        Undone::Log(why) => broken(&why),
    })?;
    let told = LogPurged { positions: all, reason, actor: who.name };
    tracing::info!(?told, "purged");
    let position = app.tell(pump::node(uuid::Uuid::now_v7().to_string(), &told.into())).await?;
    let destroyed = named.clone();
    let (runs, parked) = app.read(move |pump| holders(pump.engine().state(), &destroyed)).await.ok_or_else(stopping)?;
    Ok(ok(&json!({"position": position, "purged": named, "copies": copies, "runs": runs, "parked": parked})))
}

fn broken(why: &LogError) -> Wrong {
    Wrong::new(StatusCode::INTERNAL_SERVER_ERROR, "log", why.to_string())
}

/// What else must go. Reads the log from the first of these positions on. A record that is purged already counts as
/// named: firings that came since go too.
fn plan(reader: &Reader<Drive>, blobs: &Blobs<Drive>, named: &BTreeSet<Position>) -> Result<Plan, Wrong> {
    let mut plan = Plan { copies: BTreeSet::new(), blobs: BTreeSet::new() };
    let Some(first) = named.first().copied() else { return Ok(plan) };
    if first < reader.first() {
        let message = format!("record {first} is trimmed: the log begins at {}", reader.first());
        return Err(Wrong::not_found(message));
    }
    for entry in reader.cat(first, reader.end()) {
        match entry.map_err(|why| broken(&why))? {
            Entry::Record(record) if named.contains(&record.position) => {
                may_go(&record)?;
                plan.blobs.extend(blob(&record.event));
            }
            Entry::Record(mut record) if &*record.event.kind == "dev.ensue.rule.fired" => {
                let large = blob(&record.event);
                // One whose blob is gone says nothing any more.
                if blobs.resolve(&mut record).is_ok() && carries(&record.event, named) {
                    plan.copies.insert(record.position);
                    plan.blobs.extend(large);
                }
            }
            Entry::Unreadable { position, why: Unreadable::Damaged { path, .. } } if named.contains(&position) => {
                let message = format!("record {position} in {} is damaged; it cannot be purged", path.display());
                return Err(Wrong::new(StatusCode::CONFLICT, "damaged", message));
            }
            _ => {}
        }
    }
    Ok(plan)
}

fn carries(event: &Event, named: &BTreeSet<Position>) -> bool {
    matches!(Ours::of(event), Ok(Ours::RuleFired(fired)) if fired.events.iter().any(|took| named.contains(&took.position)))
}

fn blob(event: &Event) -> Option<Digest> {
    if let Data::Blob { blob, .. } = &event.data { Some(blob.digest) } else { None }
}

/// Our own records are what the state is folded anew from, and the audit; only those that carry foreign data may go.
fn may_go(record: &Record) -> Result<(), Wrong> {
    let kind = &*record.event.kind;
    let own = !matches!(record.origin, Origin::Source(_)) && kind.starts_with(ours::PREFIX);
    if own && !["dev.ensue.rule.fired", "dev.ensue.action.answered"].contains(&kind) {
        let message = format!("record {} is a {kind}: it is part of the audit and is not purged", record.position);
        return Err(Wrong::new(StatusCode::CONFLICT, "ours", message));
    }
    Ok(())
}

/// The runs and the parked firings that still hold one of these events.
fn holders(state: &ensue_engine::State, named: &BTreeSet<Position>) -> (Vec<Key>, Vec<Key>) {
    let holds = |events: &[ours::Took]| events.iter().any(|took| named.contains(&took.position));
    let runs = state.runs.look().filter(|(_, run)| holds(&run.read().events)).map(|(id, _)| *id);
    let parked = state.parked.iter().filter(|(_, parked)| holds(&parked.fired.events)).map(|(id, _)| *id);
    (runs.collect(), parked.collect())
}
