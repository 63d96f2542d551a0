//! A stand-in for Slack's incoming webhook: takes messages and hands them on.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::errors::Error;

type Taken = mpsc::UnboundedSender<Value>;

/// Listens on a free port: its address, and the messages that come.
pub(super) async fn start() -> Result<(String, mpsc::UnboundedReceiver<Value>), Error> {
    let (taken, messages) = mpsc::unbounded_channel();
    let router = Router::new().route("/services/demo", post(take)).with_state(taken);
    Ok((listen(router).await?, messages))
}

/// Serves on a free port of this machine until the program ends.
pub(super) async fn listen(router: Router) -> Result<String, Error> {
    let failed = |why: std::io::Error| Error::Other(format!("a stand-in cannot listen: {why}"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tokio::spawn(async move {
        if let Err(why) = axum::serve(listener, router).await {
            tracing::error!(%why, "a stand-in ended");
        }
    });
    Ok(format!("http://{address}"))
}

async fn take(State(taken): State<Taken>, body: Bytes) -> (StatusCode, &'static str) {
    match serde_json::from_slice::<Value>(&body) {
        Ok(message) if message.get("text").is_some() => {
            // Nobody listens any more only when the demo ends.
            let _ = taken.send(message);
            (StatusCode::OK, "ok")
        }
        _ => (StatusCode::BAD_REQUEST, "invalid_payload"),
    }
}
