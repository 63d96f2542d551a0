//! Looking one path up in a JSON text, without reading the rest into anything.

use super::{byte, space, string, text};

/// The value at a path of keys and, in arrays, indexes in decimal digits; the first one where a key stands twice. For
/// bytes that a [`super::Scanner`] has accepted; others give `None` or some part of them, never a panic.
#[must_use]
pub fn get<'a>(bytes: &'a [u8], path: &[&str]) -> Option<&'a [u8]> {
    let mut at = space(bytes, 0);
    for name in path {
        at = match byte(bytes, at) {
            b'{' => member(bytes, at + 1, name)?,
            b'[' => element(bytes, at + 1, index(name)?)?,
            _ => return None,
        };
    }
    bytes.get(at..skip(bytes, at)?)
}

fn index(name: &str) -> Option<usize> {
    // `01` and `+1` are no indexes: one place has one name.
    let plain = name == "0" || (!name.starts_with(['0', '+']) && !name.is_empty());
    if plain { name.parse().ok() } else { None }
}

fn member(bytes: &[u8], at: usize, name: &str) -> Option<usize> {
    let mut at = space(bytes, at);
    while byte(bytes, at) == b'"' {
        let (end, escaped) = text::scan(bytes, at).ok()?;
        let key = bytes.get(at..end)?;
        let same = if escaped {
            string(key).as_deref() == Some(name)
        } else {
            key.get(1..key.len() - 1) == Some(name.as_bytes())
        };
        at = space(bytes, end);
        if byte(bytes, at) != b':' {
            return None;
        }
        at = space(bytes, at + 1);
        if same {
            return Some(at);
        }
        at = space(bytes, skip(bytes, at)?);
        if byte(bytes, at) != b',' {
            return None;
        }
        at = space(bytes, at + 1);
    }
    None
}

fn element(bytes: &[u8], at: usize, index: usize) -> Option<usize> {
    let mut at = space(bytes, at);
    if byte(bytes, at) == b']' {
        return None;
    }
    for _ in 0..index {
        at = space(bytes, skip(bytes, at)?);
        if byte(bytes, at) != b',' {
            return None;
        }
        at = space(bytes, at + 1);
    }
    Some(at)
}

/// The position after the value that begins at `at`.
fn skip(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match byte(bytes, at) {
            b'"' => at = text::scan(bytes, at).ok()?.0,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' if depth > 0 => at += 1,
            _ => {
                let start = at;
                while matches!(byte(bytes, at), b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E') {
                    at += 1;
                }
                if at == start {
                    return None;
                }
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}
