//! `GET /api/v1/stream`: records as they become durable, as server-sent events. The id of each is its position, so that
//! a client that was cut goes on where it was, with `Last-Event-ID`.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use ensue_event::{Origin, Position, ours};
use ensue_log::{Entry, entry_json};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::App;
use super::answer::Wrong;
use super::query::Types;

/// Records read for a stream at once.
const CHUNK: usize = 256;
/// Bytes read for a stream at once.
const BYTES: usize = 1 << 20;
/// Records that wait for a reader: some megabytes at most.
const WAITING: usize = 8;

/// What to stream.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    /// Types, separated by commas; one that ends with `*` is a prefix.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// From this position on; without it and without `Last-Event-ID`, from now on.
    from: Option<u64>,
    /// Our own records too, where `type` is not given.
    #[serde(default)]
    ours: bool,
}

pub(crate) async fn stream(
    State(app): State<App>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Wrong> {
    let from = match headers.get("last-event-id") {
        Some(value) => {
            let last = value.to_str().ok().and_then(|text| text.parse::<u64>().ok());
            last.map(|last| last + 1).ok_or_else(|| Wrong::bad("`Last-Event-ID` must be a position"))?
        }
        None => asked.from.unwrap_or(app.feed.end().0),
    };
    let types = asked.kind.as_deref().map(Types::parse);
    let (events, taken) = mpsc::channel(WAITING);
    tokio::spawn(pump(app, from, types, asked.ours, events));
    let keep = KeepAlive::new().interval(Duration::from_secs(15)).text("here");
    Ok(Sse::new(ReceiverStream::new(taken)).keep_alive(keep).into_response())
}

async fn pump(app: App, from: u64, types: Option<Types>, own: bool, events: mpsc::Sender<Result<Event, Infallible>>) {
    let (mut ends, mut stop) = (app.feed.ends(), app.stop.subscribe());
    let patience = app.options.limits.stream_patience;
    let mut at = from.max(app.reader.first().0);
    loop {
        tokio::select! {
            moved = ends.wait_for(|end| *end > at) => if moved.is_err() { return },
            // A node that stops says so by ending the stream.
            _ = stop.wait_for(|stop| *stop) => return,
            () = events.closed() => return,
        }
        let read = app.log(move |reader, _| reader.read(Position(at), CHUNK, BYTES)).await;
        let Some(Ok(entries)) = read else { return };
        for entry in entries {
            at = entry.position().0 + 1;
            let Entry::Record(record) = &entry else { continue };
            let ours = !matches!(record.origin, Origin::Source(_)) && record.event.kind.starts_with(ours::PREFIX);
            let wanted = match &types {
                Some(types) => types.has(&record.event.kind),
                None => own || !ours,
            };
            if !wanted {
                continue;
            }
            let event = Event::default().id(record.position.to_string()).data(entry_json(&entry).to_string());
            // A reader that does not take what it is sent is cut; it knows where to go on.
            match tokio::time::timeout(patience, events.send(Ok(event))).await {
                Ok(Ok(())) => {}
                _ => return,
            }
        }
    }
}
