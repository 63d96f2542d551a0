//! Paths into a document.

use super::Error;

/// The segments of a JSON Pointer (RFC 6901) or of a dotted path.
pub(super) fn parse(text: &str) -> Result<Vec<String>, Error> {
    let wrong = || Error::Path(text.chars().take(200).collect());
    if let Some(pointer) = text.strip_prefix('/') {
        return pointer.split('/').map(|segment| unescape(segment).ok_or_else(wrong)).collect();
    }
    let segments: Vec<String> = text.split('.').map(str::to_owned).collect();
    if segments.iter().any(String::is_empty) { Err(wrong()) } else { Ok(segments) }
}

fn unescape(segment: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = segment.chars();
    while let Some(c) = chars.next() {
        match c {
            '~' => match chars.next()? {
                '0' => out.push('~'),
                '1' => out.push('/'),
                _ => return None,
            },
            other => out.push(other),
        }
    }
    Some(out)
}

/// A segment as an index: digits without a leading zero.
pub(super) fn index(segment: &str) -> Option<usize> {
    let plain = segment == "0" || (!segment.starts_with('0') && segment.bytes().all(|byte| byte.is_ascii_digit()));
    if plain { segment.parse().ok() } else { None }
}

/// The path as a person reads it.
pub(super) fn shown(segments: &[String]) -> String {
    segments.join(".")
}
