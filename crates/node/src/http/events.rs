//! Records of the log: newest first with filters, one by id, all in order.

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use ensue_engine::emit::correlation;
use ensue_event::ours::{self, Ours};
use ensue_event::{Origin, Position, Record};
use ensue_log::{By, Entry, Reader, entry_json};
use ensue_rule::{Pattern, View};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::App;
use super::answer::{Wrong, ok};
use super::query::{Page, Types};
use crate::drive::Drive;

/// Records looked at for one answer; the answer says where to go on.
const BUDGET: u64 = 200_000;
/// Records read at once.
const CHUNK: u64 = 512;

/// What to list.
#[derive(Debug, Deserialize)]
pub(crate) struct Filter {
    /// Only records before this position.
    before: Option<u64>,
    /// Types, separated by commas; one that ends with `*` is a prefix.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// The event's `source`, whole.
    source: Option<String>,
    /// The event's `subject`, whole.
    subject: Option<String>,
    /// A pattern, as JSON.
    pattern: Option<String>,
    /// Our own records too; as if true where `type` names them.
    #[serde(default)]
    ours: bool,
    limit: Option<usize>,
}

struct Wanted {
    types: Option<Types>,
    source: Option<String>,
    subject: Option<String>,
    pattern: Option<Pattern>,
    ours: bool,
}

impl Wanted {
    fn of(filter: &Filter) -> Result<Wanted, Wrong> {
        let pattern = match &filter.pattern {
            None => None,
            Some(text) => {
                let json: Value =
                    serde_json::from_str(text).map_err(|why| Wrong::bad(format!("`pattern` is not JSON: {why}")))?;
                Some(Pattern::compile(&json).map_err(|problems| {
                    let all: Vec<String> =
                        problems.iter().map(|problem| format!("{}: {}", problem.pointer, problem.message)).collect();
                    Wrong::bad(format!("`pattern` is not a pattern: {}", all.join("; ")))
                })?)
            }
        };
        let named = filter.kind.as_ref().is_some_and(|kind| kind.contains(ours::PREFIX));
        Ok(Wanted {
            types: filter.kind.as_deref().map(Types::parse),
            source: filter.source.clone(),
            subject: filter.subject.clone(),
            ours: filter.ours || named || pattern.as_ref().is_some_and(Pattern::names_ours),
            pattern,
        })
    }

    fn has(&self, record: &Record) -> bool {
        let event = &record.event;
        let own = !matches!(record.origin, Origin::Source(_)) && event.kind.starts_with(ours::PREFIX);
        (self.ours || !own)
            && self.types.as_ref().is_none_or(|types| types.has(&event.kind))
            && self.source.as_ref().is_none_or(|source| *event.source == **source)
            && self.subject.as_ref().is_none_or(|subject| event.subject.as_deref() == Some(subject))
            && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(&View::new(event)))
    }
}

/// `GET /api/v1/events`
pub(crate) async fn list(State(app): State<App>, Query(filter): Query<Filter>) -> Result<Response, Wrong> {
    let wanted = Wanted::of(&filter)?;
    let limit = Page { limit: filter.limit }.limit();
    let before = filter.before;
    let take = move |entry: &Entry| match entry {
        Entry::Record(record) => wanted.has(record),
        Entry::Unreadable { .. } => wanted.ours,
    };
    let found = app.log(move |reader, _| newest(reader, &take, 0, before, limit)).await;
    let (events, next) = found.ok_or_else(|| Wrong::busy("it is stopping"))?.map_err(|why| unreadable(&why))?;
    Ok(ok(&json!({"events": events, "next": next})))
}

/// Records that are wanted, from the end on back to the position `after`; and the position before which to go on, if there is more.
pub(crate) fn newest(
    reader: &Reader<Drive>,
    wanted: &dyn Fn(&Entry) -> bool,
    after: u64,
    before: Option<u64>,
    limit: usize,
) -> Result<(Vec<Value>, Option<u64>), ensue_log::Error> {
    let (first, end) = (reader.first().0.max(after), reader.end().0);
    let mut until = before.unwrap_or(end).min(end);
    let stop = until.saturating_sub(BUDGET).max(first);
    let mut out = Vec::new();
    while until > stop {
        let from = until.saturating_sub(CHUNK).max(stop);
        let entries = chunk(reader, from, until)?;
        for entry in entries.iter().rev() {
            if wanted(entry) {
                out.push(entry_json(entry));
                if out.len() == limit {
                    let at = entry.position().0;
                    return Ok((out, (at > first).then_some(at)));
                }
            }
        }
        until = from;
    }
    Ok((out, (until > first).then_some(until)))
}

fn chunk(reader: &Reader<Drive>, from: u64, until: u64) -> Result<Vec<Entry>, ensue_log::Error> {
    let mut out = Vec::new();
    let mut at = from;
    while at < until {
        let count = usize::try_from(until - at).unwrap_or(usize::MAX);
        let entries = reader.read(Position(at), count, 8 << 20)?;
        let Some(last) = entries.last() else { break };
        at = last.position().0 + 1;
        out.extend(entries);
    }
    Ok(out)
}

pub(crate) fn unreadable(why: &ensue_log::Error) -> Wrong {
    Wrong::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "log", why.to_string())
}

/// `GET /api/v1/events/{id}`
pub(crate) async fn one(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Wrong> {
    let asked = id.clone();
    let found = app.log(move |reader, blobs| {
        let mut records = by_id(reader, &asked);
        for record in &mut records {
            // What cannot be resolved is shown as the reference that it is.
            let _ = blobs.resolve(record);
        }
        let fired = records.first().map(|record| firings(reader, record)).unwrap_or_default();
        (records, fired)
    });
    let (records, fired) = found.await.ok_or_else(|| Wrong::busy("it is stopping"))?;
    let Some(record) = records.first().cloned() else {
        return Err(Wrong::not_found(format!("no event has the id or position `{id}`, or it was trimmed")));
    };
    let position = record.position;
    let decisions = app.read(move |pump| super::rules::of_position(pump.engine().state(), position)).await;
    let more: Vec<Position> = records.iter().skip(1).map(|record| record.position).collect();
    let mut out = entry_json(&Entry::Record(record));
    if let Some(object) = out.as_object_mut() {
        object.insert("decisions".into(), json!(decisions.unwrap_or_default()));
        object.insert("firings".into(), json!(fired));
        if !more.is_empty() {
            object.insert("sameId".into(), json!(more));
        }
    }
    Ok(ok(&out))
}

/// Records with this event id, or the one at this position.
pub(crate) fn by_id(reader: &Reader<Drive>, id: &str) -> Vec<Record> {
    let number = id.strip_prefix('#').unwrap_or(id);
    if let Ok(position) = number.parse::<u64>()
        && let Ok(entries) = reader.read(Position(position), 1, 1)
        && let Some(Entry::Record(record)) = entries.into_iter().next()
    {
        return vec![record];
    }
    reader.find_by(By::Id(id), 10).unwrap_or_default()
}

/// The firings that took this record.
pub(crate) fn firings(reader: &Reader<Drive>, record: &Record) -> Vec<Value> {
    let tie = correlation(&record.event);
    let mut chain = reader.find_by(By::Correlation(&tie), 1_000).unwrap_or_default();
    chain.reverse();
    let fired = chain.iter().filter_map(|other| match Ours::of(&other.event) {
        Ok(Ours::RuleFired(fired)) if fired.events.iter().any(|took| took.position == record.position) => {
            Some(json!({"position": other.position, "at": other.at, "firing": fired.firing, "rule": fired.rule, "mode": fired.mode}))
        }
        _ => None,
    });
    fired.collect()
}

/// What to export.
#[derive(Debug, Deserialize)]
pub(crate) struct Range {
    /// From this position on.
    #[serde(default)]
    from: u64,
    /// Up to this position, not included.
    until: Option<u64>,
}

/// `GET /api/v1/log`: JSON lines, as `ensue log cat` prints them.
pub(crate) async fn export(State(app): State<App>, Query(range): Query<Range>) -> Response {
    let (lines, taken) = mpsc::channel::<Result<bytes::Bytes, std::io::Error>>(8);
    let reader = app.reader.clone();
    tokio::task::spawn_blocking(move || {
        let until = range.until.map_or(reader.end(), Position);
        let mut block = Vec::with_capacity(128 << 10);
        for entry in reader.cat(Position(range.from), until) {
            match entry {
                Ok(entry) => {
                    // Writing to a Vec does not fail.
                    let _ = serde_json::to_writer(&mut block, &entry_json(&entry));
                    block.push(b'\n');
                    if block.len() >= 64 << 10 && lines.blocking_send(Ok(std::mem::take(&mut block).into())).is_err() {
                        return;
                    }
                }
                Err(why) => {
                    // A broken answer must not look like a whole one.
                    let _ = lines.blocking_send(Err(std::io::Error::other(why.to_string())));
                    return;
                }
            }
        }
        let _ = lines.blocking_send(Ok(block.into()));
    });
    let mut response = Body::from_stream(ReceiverStream::new(taken)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
    response
}

/// `GET /api/v1/log/verify`: reads the whole log, one request at a time.
pub(crate) async fn verify(State(app): State<App>) -> Result<Response, Wrong> {
    let _one = app.verifying.try_lock().map_err(|_| Wrong::busy("the log is being verified already").retry(10))?;
    let verified = app.log(|reader, _| reader.verify()).await.ok_or_else(|| Wrong::busy("it is stopping"))?;
    Ok(ok(&verified.map_err(|why| unreadable(&why))?.json()))
}
