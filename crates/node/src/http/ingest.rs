//! `POST /events`: CloudEvents in all three forms.

use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use ensue_event::http::{Message, Mode, decode, refuse_reserved};
use ensue_event::json::{self, Scanner};
use serde_json::{Value, json};

use super::App;
use super::answer::{Wrong, answer};
use super::body;
use crate::ingest::{Compared, Events, Told};

/// Through which source these came, as the log says.
const THROUGH: &str = "events";

pub(crate) async fn events(State(app): State<App>, request: Request) -> Result<Response, Wrong> {
    let began = Instant::now();
    let result = take(&app, request, began).await;
    if let Err(wrong) = &result {
        app.metrics.refused(wrong.code);
    }
    result
}

async fn take(app: &App, request: Request, began: Instant) -> Result<Response, Wrong> {
    app.takes_events().map_err(|why| Wrong::busy(why).closing())?;
    let (parts, body) = request.into_parts();
    let limits = &app.options.limits;
    let body = body::read(body, &parts.headers, limits.event_body, limits.body_timeout).await?;
    let headers = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let message = Message { content_type, headers, body: body.clone() };
    let batch = decode(message, &mut Scanner::new()).map_err(|why| refused(&why, &body))?;
    for event in &batch.events {
        refuse_reserved(event).map_err(|why| Wrong::new(StatusCode::BAD_REQUEST, "reserved", why.to_string()))?;
    }
    let events = Events { events: batch.events, dedupe: true, compared: Compared::Events, second: None };
    let told = app.ingest(THROUGH, events, began).await?;
    Ok(tell(told, batch.mode == Mode::Batch))
}

fn refused(why: &ensue_event::http::Error, body: &[u8]) -> Wrong {
    let status = StatusCode::from_u16(why.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let code = match why {
        ensue_event::http::Error::Format(_) => "content-type",
        _ if why.json().is_some() => "not-json",
        _ => "invalid-event",
    };
    let details = why.json().map_or(Value::Null, |why| {
        json!({"at": {"line": why.line, "column": why.column, "offset": why.offset}, "excerpt": json::pretty_error(body, why)})
    });
    Wrong::new(status, code, why.to_string()).with(details)
}

/// The answer about events that are decided: 202 where one of them is new, 200 where all came before, 409 where one has
/// the id of another event.
pub(crate) fn tell(told: Vec<Told>, list: bool) -> Response {
    let status = if told.iter().any(|told| told.conflict) {
        StatusCode::CONFLICT
    } else if !told.is_empty() && told.iter().all(|told| told.duplicate) {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    match told.first() {
        Some(one) if !list && one.conflict => {
            let message = format!(
                "another event with the id `{}` and the source `{}` came before, with another body; it was kept, this one was refused",
                one.id, one.source
            );
            let details = json!({"id": one.id, "source": one.source, "position": one.position});
            axum::response::IntoResponse::into_response(Wrong::new(status, "conflict", message).with(details))
        }
        Some(one) if !list => answer(status, one),
        _ => answer(status, &told),
    }
}
