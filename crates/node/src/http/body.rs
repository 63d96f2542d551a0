//! Bodies: read whole, within a size and a time, and not one byte more.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;

use super::answer::Wrong;

/// Reads a body; 413 as soon as it is known to be larger than `limit` bytes, 408 when it takes too long.
pub(crate) async fn read(body: Body, headers: &HeaderMap, limit: usize, within: Duration) -> Result<Bytes, Wrong> {
    let told = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|length| length > limit as u64) {
        tokio::spawn(drain(body));
        return Err(too_large(limit));
    }
    match tokio::time::timeout(within, collect(body, limit)).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => Err(too_large(limit)),
        Ok(Err(why)) => Err(Wrong::bad(format!("the body could not be read: {why}")).closing()),
        Err(_) => {
            let message = format!("the body did not arrive within {} s", within.as_secs());
            Err(Wrong::new(StatusCode::REQUEST_TIMEOUT, "slow", message).closing())
        }
    }
}

/// The whole body; nothing as soon as it is too large.
async fn collect(mut body: Body, limit: usize) -> Result<Option<Bytes>, axum::Error> {
    let (mut first, mut rest) = (Bytes::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if first.len() + rest.len() + data.len() > limit {
            tokio::spawn(drain(body));
            return Ok(None);
        }
        // Most bodies come in one piece: it is not copied.
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&std::mem::take(&mut first));
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok(Some(if rest.is_empty() { first } else { rest.into() }))
}

/// Takes a little more of a body that was refused and throws it away: a connection that is closed on a sender in the
/// middle of a word shows the sender an error of the network instead of the answer.
async fn drain(mut body: Body) {
    const LITTLE: usize = 4 << 20;
    const SHORTLY: Duration = Duration::from_secs(1);
    let _ = tokio::time::timeout(SHORTLY, async {
        let mut left = LITTLE;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    })
    .await;
}

fn too_large(limit: usize) -> Wrong {
    let message = format!("the body is larger than {limit} bytes, which is the most that is taken here");
    Wrong::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", message).closing()
}

/// Reads a JSON body of a command; an empty one is `{}`.
pub(crate) async fn json<T: serde::de::DeserializeOwned>(body: Body, headers: &HeaderMap) -> Result<T, Wrong> {
    /// Commands are small; a configuration is the largest.
    const LIMIT: usize = 16 << 20;
    let bytes = read(body, headers, LIMIT, Duration::from_secs(30)).await?;
    let bytes: &[u8] = if bytes.iter().all(u8::is_ascii_whitespace) { b"{}" } else { &bytes };
    serde_json::from_slice(bytes).map_err(|why| Wrong::bad(format!("the body is not what is expected here: {why}")))
}
