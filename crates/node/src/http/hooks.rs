//! `POST /hooks/…`: deliveries of webhooks. The checks stand in the order of what they cost an attacker's victim:
//! route, size while it arrives, rate, signature over the raw bytes, content type, and only then is anything parsed.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use ensue_connect::{Delivery, Refusal, Reply, Word, webhook};
use ensue_event::ours::Command;
use ensue_event::{Digest, Event, Key};
use ensue_expr::{Budget, Names, Value};
use ensue_lang::{Name, Source};
use serde_json::json;

use super::answer::{Wrong, ok};
use super::ingest::tell;
use super::{App, body};
use crate::clock::wall;
use crate::ingest::{Bucket, Compared, Events};
use crate::node::Commanded;

pub(crate) async fn of_default(State(app): State<App>, Path(source): Path<String>, request: Request) -> Reached {
    take(app, Name::new(Name::DEFAULT, source), request).await
}

pub(crate) async fn of(
    State(app): State<App>,
    Path((namespace, source)): Path<(String, String)>,
    request: Request,
) -> Reached {
    take(app, Name::new(namespace, source), request).await
}

type Reached = Result<Response, Wrong>;

async fn take(app: App, name: Name, request: Request) -> Reached {
    let began = Instant::now();
    let result = delivery(&app, &name, request, began).await;
    if let Err(wrong) = &result {
        app.metrics.refused(wrong.code);
        tracing::debug!(source = %name, code = wrong.code, message = wrong.message, "a delivery is refused");
    }
    result
}

async fn delivery(app: &App, name: &Name, request: Request, began: Instant) -> Reached {
    let config = app.config();
    let unknown = || Wrong::not_found(format!("no source `{name}` takes webhooks")).closing();
    let source = config.config.sources.get(name).ok_or_else(unknown)?;
    let kind = webhook(&source.type_name).ok_or_else(unknown)?;
    app.takes_events().map_err(|why| Wrong::busy(why).closing())?;
    let (parts, body) = request.into_parts();
    let limits = &app.options.limits;
    let body = body::read(body, &parts.headers, limits.hook_body, limits.body_timeout).await?;
    rate(app, name)?;
    let resolved = app.secrets.resolve_config(&source.config).map_err(|missing| {
        tracing::error!(source = %name, %missing, "deliveries are refused");
        let message = "this source is not set up here; its operator finds the reason in the log";
        Wrong::new(StatusCode::SERVICE_UNAVAILABLE, "no-secret", message).retry(60)
    })?;
    let text = name.to_string();
    let delivery = Delivery {
        source: &name.name,
        config: &resolved,
        headers: &parts.headers,
        path: parts.uri.path(),
        query: parts.uri.query(),
        body: body.clone(),
        now: wall(),
    };
    kind.verify(&delivery).map_err(refused)?;
    let received = kind.receive(&delivery).map_err(refused)?;
    if received.reply == Reply::Pong {
        return Ok(ok(&json!({"pong": true})));
    }
    let mut events = received.events;
    // A kind of source that has no id for an event calls it by its body. Two events may well be equal: which of them
    // are one is for the document to say (`id`, `dedupe`).
    for event in &mut events {
        if received.signed_body.is_some_and(|key| *event.id == *key.to_string()) {
            event.id = "".into();
        }
    }
    let named = identify(source, &mut events, &parts.headers, &body)?;
    for event in &events {
        ensue_event::http::refuse_reserved(event).map_err(|why| refused(Refusal::Invalid(why)))?;
    }
    let single = events.len() == 1;
    // A redelivery is the same body, and what is made of it (such as a time) need not be.
    let compared = if single && named { Compared::Body(Digest::of(&body)) } else { Compared::Events };
    let second = received.signed_body.filter(|_| single && named);
    let events = Events { events, dedupe: named, compared, second };
    let told = app.ingest(&text, events, began).await?;
    if received.words.is_empty() { Ok(tell(told, !single)) } else { answered(app, received.words).await }
}

/// People answered runs in another system, which vouches for them. It is told `200` whatever became of their answers:
/// what it sent is taken. Each answer is a record with its verdict.
async fn answered(app: &App, words: Vec<Word>) -> Reached {
    let mut became = Vec::new();
    for Word { run, step, shown, refuse, by, roles } in words {
        let approve = Command::Approve { run, step: step.clone(), refuse, shown: Some(shown) };
        let told = app.command(approve, &by, &roles, "pressed a button").await?;
        became.push(match told {
            Commanded::Done(position) => json!({"run": run, "step": step, "done": true, "position": position}),
            Commanded::Refused(position, why) => {
                json!({"run": run, "step": step, "done": false, "position": position, "why": why})
            }
        });
    }
    Ok(ok(&json!({"answers": became})))
}

/// Takes one from the budget of the source; 429 where there is none.
fn rate(app: &App, name: &Name) -> Result<(), Wrong> {
    let limits = &app.options.limits;
    let mut buckets = app.buckets.lock().unwrap_or_else(PoisonError::into_inner);
    // Only sources that exist come here: the map is as large as the configuration.
    let bucket = buckets.entry(name.to_string()).or_insert_with(|| Bucket::full(limits.hook_burst));
    bucket.take(limits.hook_rate, limits.hook_burst).map_err(|seconds| {
        let message = format!("the source `{name}` sends more than {} requests a second", limits.hook_rate);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole seconds, at least 1
        Wrong::new(StatusCode::TOO_MANY_REQUESTS, "rate", message).retry(seconds as u64)
    })
}

/// Gives events the id that the document asks for, and those without any one of ours. True if the ids are the sender's:
/// only then can a second arrival be known.
fn identify(source: &Arc<Source>, events: &mut [Event], headers: &HeaderMap, body: &Bytes) -> Result<bool, Wrong> {
    let mut named = true;
    for event in events.iter_mut() {
        if let Some(program) = &source.id {
            let names = Names::new()
                .with("event", Value::from(event.to_json()))
                .with("headers", Value::from(header_map(headers)));
            let id = program.eval(&names, &mut Budget::new()).map_err(|why| {
                Wrong::new(StatusCode::BAD_REQUEST, "no-id", format!("`id` of the source cannot be computed: {why}"))
            })?;
            event.id = match id.to_json() {
                serde_json::Value::String(text) => text.into(),
                other => other.to_string().into(),
            };
        } else if let Some(span) = source.dedupe_body {
            // The same body within this time is the same event: the window is a part of the id.
            let window = wall().micros().div_euclid(span.max(1)).to_be_bytes();
            event.id = Key::of("body", &[body, &window]).to_string().into();
        }
        if event.id.is_empty() {
            event.id = uuid::Uuid::now_v7().to_string().into();
            named = false;
        }
        event.validate().map_err(|why| refused(Refusal::Invalid(why)))?;
    }
    Ok(named)
}

/// Headers as expressions see them: names in lower case, values that are text.
fn header_map(headers: &HeaderMap) -> serde_json::Value {
    let pairs = headers.iter().filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.into())));
    serde_json::Value::Object(pairs.collect())
}

fn refused(why: Refusal) -> Wrong {
    let status = StatusCode::from_u16(why.status()).unwrap_or(StatusCode::BAD_REQUEST);
    Wrong::new(status, why.code(), why.to_string())
}
