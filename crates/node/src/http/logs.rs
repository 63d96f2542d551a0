//! What is known of a run beyond its state: what its actions said, what they left, and its whole history.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use ensue_event::ours::Logged;
use ensue_event::{Digest, Key};
use ensue_lab::export::Export;
use ensue_lab::history::Kept;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::App;
use super::answer::{Wrong, ok};
use super::runs::run;
use crate::logs::{Live, Reading};

/// Bytes of a log that are sent at once.
const CHUNK: usize = 64 << 10;
/// Chunks that wait for a reader.
const WAITING: usize = 4;
/// Records of one chain that are looked through.
const RECORDS: usize = 1_000_000;

/// Which logs.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    /// Of this step only, and of its last attempt unless another is named; else of all.
    step: Option<String>,
    /// Of this attempt.
    attempt: Option<u32>,
    /// What is under way is followed until it ends.
    #[serde(default)]
    follow: bool,
}

/// The log of one try.
struct Piece {
    step: String,
    attempt: u32,
    from: From,
}

enum From {
    Kept(Logged),
    Live(Arc<Live>),
}

/// `GET /api/v1/runs/{id}/history`
pub(crate) async fn history(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Wrong> {
    let key = run(&app, &id).await?;
    Ok(ok(&export(&app, key).await?))
}

async fn export(app: &App, key: Key) -> Result<Export, Wrong> {
    let kept = app.read(move |pump| pump.engine().state().runs.get(&key).map(|run| run.as_ref().clone()));
    let kept = kept.await.ok_or_else(|| Wrong::busy("it is stopping"))?;
    let past = Kept::new(app.reader.clone(), app.blobs.clone()).reaching(RECORDS);
    let found = tokio::task::spawn_blocking(move || Export::of(key, kept.as_ref(), &past)).await;
    let found = found.map_err(|why| Wrong::busy(why.to_string()))?;
    found.ok_or_else(|| Wrong::not_found(format!("no run {key} is in the log; `ensue runs` lists runs")))
}

/// `GET /api/v1/runs/{id}/logs`
pub(crate) async fn logs(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Wrong> {
    let key = run(&app, &id).await?;
    // What ends meanwhile is in both, and seen once.
    let live = app.logs.of_run(key);
    let export = export(&app, key).await?;
    let mut pieces = Vec::new();
    for step in export.steps {
        for one in step.tries {
            let under_way = live.iter().any(|live| {
                live.whose.of.effect == one.effect
                    && live.whose.of.attempt == one.attempt
                    && one.began == Some(live.whose.began)
            });
            if let Some(logged) = one.log.filter(|_| !under_way) {
                pieces.push(Piece { step: step.step.clone(), attempt: one.attempt, from: From::Kept(logged) });
            }
        }
    }
    pieces.extend(live.into_iter().map(|live| {
        let of = &live.whose.of;
        Piece { step: of.step.clone(), attempt: of.attempt, from: From::Live(Arc::clone(&live)) }
    }));
    let steps: Vec<String> = pieces.iter().map(|piece| format!("`{}`", piece.step)).collect();
    pieces.retain(|piece| asked.step.as_ref().is_none_or(|step| *step == piece.step));
    pieces.retain(|piece| asked.attempt.is_none_or(|attempt| attempt == piece.attempt));
    if asked.step.is_some() && asked.attempt.is_none() {
        pieces.drain(..pieces.len().saturating_sub(1));
    }
    if pieces.is_empty() {
        let has = if steps.is_empty() {
            "nothing was said yet".to_owned()
        } else {
            format!("there are logs of {}", steps.join(", "))
        };
        return Err(Wrong::not_found(format!("run {id} has no such log; {has}")));
    }
    let (chunks, taken) = mpsc::channel(WAITING);
    tokio::spawn(send(app, pieces, asked.follow, chunks));
    let mut response = Body::from_stream(ReceiverStream::new(taken)).into_response();
    plain(&mut response, "text/plain; charset=utf-8");
    Ok(response)
}

fn plain(response: &mut Response, kind: &'static str) {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

type Chunks = mpsc::Sender<Result<Bytes, std::io::Error>>;

async fn send(app: App, pieces: Vec<Piece>, follow: bool, chunks: Chunks) {
    let several = pieces.len() > 1;
    for piece in pieces {
        let heading = format!("==> {}, attempt {} <==\n", piece.step, piece.attempt);
        if several && chunks.send(Ok(heading.into())).await.is_err() {
            return;
        }
        let sent = match piece.from {
            From::Kept(logged) => chunks.send(kept(&app, &logged).await).await.is_ok(),
            From::Live(live) => grow(&app, live, follow, &chunks).await,
        };
        if !sent {
            return;
        }
    }
}

/// What a record says of a log, or the blob that it names.
async fn kept(app: &App, logged: &Logged) -> Result<Bytes, std::io::Error> {
    let Some(digest) = logged.digest else { return Ok(logged.text.clone().unwrap_or_default().into()) };
    let logs = Arc::clone(&app.logs);
    let read = tokio::task::spawn_blocking(move || logs.output(&digest)).await;
    read.map_err(std::io::Error::other)?.map_err(std::io::Error::other)
}

/// What is said as it is said, until it is over or, if it is not followed, until now. Whether somebody still reads.
async fn grow(app: &App, live: Arc<Live>, follow: bool, chunks: &Chunks) -> bool {
    let (mut reached, mut stop) = (live.reached.subscribe(), app.stop.subscribe());
    let mut reading = Reading::new(live);
    loop {
        let over = reached.borrow_and_update().over;
        match reading.next(CHUNK) {
            Ok(bytes) if !bytes.is_empty() => {
                // A reader that does not take what it is sent is cut.
                let sent = chunks.send(Ok(bytes.into()));
                match tokio::time::timeout(app.options.limits.stream_patience, sent).await {
                    Ok(Ok(())) => continue,
                    _ => return false,
                }
            }
            Ok(_) if over || !follow => return true,
            Ok(_) => {}
            Err(why) => return chunks.send(Err(why)).await.is_ok(),
        }
        tokio::select! {
            moved = reached.changed() => if moved.is_err() { return true },
            () = chunks.closed() => return false,
            _ = stop.wait_for(|stop| *stop) => return false,
        }
    }
}

/// `GET /api/v1/blobs/{digest}`: only what an action of a run has left; bodies of events are no business of this route.
pub(crate) async fn blob(State(app): State<App>, Path(digest): Path<String>) -> Result<Response, Wrong> {
    let digest: Digest = digest.parse().map_err(|why: ensue_event::key::NotHex| Wrong::bad(why.to_string()))?;
    let logs = Arc::clone(&app.logs);
    let read = tokio::task::spawn_blocking(move || logs.output(&digest)).await;
    match read.map_err(|why| Wrong::busy(why.to_string()))? {
        Ok(bytes) => {
            let mut response = bytes.into_response();
            // Whatever it is, no browser is to show it as a page of ours.
            plain(&mut response, "application/octet-stream");
            let attachment = HeaderValue::from_static("attachment");
            response.headers_mut().insert(header::CONTENT_DISPOSITION, attachment);
            Ok(response)
        }
        Err(ensue_log::Error::NoBlob { .. }) => Err(Wrong::not_found(format!(
            "no run has left anything with the digest {digest}, or retention has taken it"
        ))),
        Err(why) => Err(Wrong::busy(why.to_string())),
    }
}
