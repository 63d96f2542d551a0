//! Bodies: read whole, within a size and a time, and not one byte more.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::answer::Wrong;

/// Reads a body; 413 as soon as it is known to be larger than `limit` bytes, 408 when it takes too long.
pub(crate) async fn read(body: Body, headers: &HeaderMap, limit: usize, within: Duration) -> Result<Bytes, Wrong> {
    let told = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    match tokio::time::timeout(within, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(why)) if why.downcast_ref::<LengthLimitError>().is_some() => Err(too_large(limit)),
        Ok(Err(why)) => Err(Wrong::bad(format!("the body could not be read: {why}")).closing()),
        Err(_) => {
            let message = format!("the body did not arrive within {} s", within.as_secs());
            Err(Wrong::new(StatusCode::REQUEST_TIMEOUT, "slow", message).closing())
        }
    }
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
