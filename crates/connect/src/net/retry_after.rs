//! `Retry-After` (RFC 9110, 10.2.3).

use ensue_event::Span;
use http::HeaderMap;

/// When the other side asks to try again: seconds, or an HTTP date against our clock. Never negative; nothing if it
/// cannot be read.
pub(crate) fn retry_after(headers: &HeaderMap, now: jiff::Timestamp) -> Option<Span> {
    let value = headers.get("retry-after")?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit is a very long time.
        return Some(Span::secs(value.parse().unwrap_or(i64::MAX)));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?;
    let micros = date.timestamp().as_microsecond().saturating_sub(now.as_microsecond());
    Some(Span(micros.max(0)))
}
