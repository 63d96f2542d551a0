//! All objects of a kind, and then each change to them, for who keeps them in memory and needs no history.
//!
//! The source `kubernetes` is another thing: it remembers what it has seen, and misses no change between two starts.

use ensue_event::ours::Failure;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Duration, sleep, timeout};

use super::client::{Ask, Cluster};
use super::failure::broke_off;
use super::source::{Lines, error_line};
use crate::action::Connection;
use crate::pull::{Backoff, chance};
use crate::world::World;

/// Objects of one page of a list.
const PAGE: usize = 500;
/// How long the server is asked to keep a watch, and by how much that differs from one to the next, in seconds.
const KEEP: f64 = 240.0;
const SPREAD: f64 = 60.0;
/// A stream without any line for so long is dead: the server was asked to end it before.
const SILENCE: Duration = Duration::from_secs(330);

/// What was seen.
#[derive(Debug)]
pub enum Change {
    /// These are all that there are.
    Listed(Vec<Value>),
    /// One came, or is different.
    Put(Value),
    /// One is gone.
    Gone(Value),
    /// It cannot be followed now, and is tried again; what was seen last may be old.
    Failed(Failure),
}

/// Follows a kind, in a namespace or in all, until nobody takes its changes any more.
pub async fn follow(
    world: &World,
    connection: &Connection,
    kind: &str,
    namespace: Option<&str>,
    changes: &mpsc::Sender<Change>,
) {
    let mut backoff = Backoff::default();
    let mut version = None;
    loop {
        let turn = async {
            let cluster = world.cluster(connection, namespace.unwrap_or_default()).await?;
            turn(&cluster, kind, namespace, &mut version, changes).await
        };
        let asked = match turn.await {
            Ok(true) => {
                backoff.reset();
                continue;
            }
            Ok(false) => None,
            Err(failure) => {
                let asked = failure.retry_after.map(|span| span.to_std());
                if failure.name == "Gone" {
                    version = None;
                } else if changes.send(Change::Failed(failure)).await.is_err() {
                    return;
                }
                asked
            }
        };
        if changes.is_closed() {
            return;
        }
        sleep(backoff.next(asked)).await;
    }
}

/// One list, if it is needed, and one watch to its end: whether anything was said in it.
async fn turn(
    cluster: &Cluster,
    kind: &str,
    namespace: Option<&str>,
    version: &mut Option<String>,
    changes: &mpsc::Sender<Change>,
) -> Result<bool, Failure> {
    let kind = cluster.kind(kind).await?;
    let path = kind.path(namespace);
    let from = match version.take() {
        Some(known) => known,
        None => {
            let (objects, listed) = list(cluster, &path).await?;
            if changes.send(Change::Listed(objects)).await.is_err() {
                return Ok(false);
            }
            listed
        }
    };
    *version = Some(from.clone());
    let keep = KEEP + SPREAD * chance();
    let ask = Ask::get(path).query("watch", true).query("allowWatchBookmarks", true).query("resourceVersion", from);
    let ask = ask.query("timeoutSeconds", format!("{keep:.0}"));
    let subject = ask.subject();
    let mut incoming = cluster.open(ask).await?;
    let (mut lines, mut any) = (Lines::default(), false);
    loop {
        let silent = |_| broke_off(&subject, "nothing came for too long", true);
        let Some(chunk) = timeout(SILENCE, incoming.chunk()).await.map_err(silent)?? else { return Ok(any) };
        lines.add(&chunk);
        while let Some(line) = lines.next() {
            let mut line: Value = serde_json::from_slice(&line)
                .map_err(|why| broke_off(&subject, &format!("a line is no JSON: {why}"), true))?;
            let object = line.get_mut("object").map(Value::take).unwrap_or_default();
            let what = line.get("type").and_then(Value::as_str).unwrap_or_default();
            if what == "ERROR" {
                return Err(error_line(&subject, &object));
            }
            any = true;
            if let Some(newer) = object.pointer("/metadata/resourceVersion").and_then(Value::as_str) {
                *version = Some(newer.to_owned());
            }
            let change = match what {
                "ADDED" | "MODIFIED" => Change::Put(object),
                "DELETED" => Change::Gone(object),
                _ => continue,
            };
            if changes.send(change).await.is_err() {
                return Ok(false);
            }
        }
    }
}

/// All objects, page by page, and the version that a watch goes on from.
async fn list(cluster: &Cluster, path: &str) -> Result<(Vec<Value>, String), Failure> {
    let (mut objects, mut next, mut version) = (Vec::new(), String::new(), None);
    loop {
        let mut ask = Ask::get(path).query("limit", PAGE);
        if !next.is_empty() {
            ask = ask.query("continue", &next);
        }
        let mut page = cluster.send(ask).await?;
        let text = |page: &Value, name: &str| {
            page.get("metadata").and_then(|meta| meta.get(name)).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        // What changes while later pages are read comes again with the watch.
        version.get_or_insert_with(|| text(&page, "resourceVersion"));
        next = text(&page, "continue");
        if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
            objects.extend(items);
        }
        if next.is_empty() {
            return Ok((objects, version.unwrap_or_default()));
        }
    }
}
