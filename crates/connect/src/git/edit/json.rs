//! Setting a value in JSON text.

use ensue_event::json::{self, Scanner};
use serde_json::Value;

use super::{Error, nested, path, same, set_in_tree};

pub(super) fn set(text: &str, segments: &[String], value: &Value) -> Result<String, Error> {
    let bytes = text.as_bytes();
    Scanner::new()
        .scan(bytes)
        .map_err(|error| Error::Parse { kind: "JSON", why: json::pretty_error(bytes, &error) })?;
    let out = splice(text, segments, value)?;
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    let mut wanted = read(text).unwrap_or_default();
    let place = || Error::Place { at: path::shown(segments), why: "the result would not be what was asked for" };
    set_in_tree(&mut wanted, segments, value.clone()).ok_or_else(place)?;
    match read(&out) {
        Some(found) if same(&found, &wanted) => Ok(out),
        _ => Err(place()),
    }
}

fn splice(text: &str, segments: &[String], value: &Value) -> Result<String, Error> {
    let bytes = text.as_bytes();
    let names: Vec<&str> = segments.iter().map(String::as_str).collect();
    if let Some(old) = json::get(bytes, &names) {
        return Ok(replaced(text, place(text, old), &value.to_string()));
    }
    // The deepest part of the path that is there, and what is missing from it.
    let mut depth = names.len();
    while depth > 0 {
        depth -= 1;
        let Some((known, missing)) = names.split_at_checked(depth) else { continue };
        let Some(parent) = json::get(bytes, known) else { continue };
        let next = missing.first().copied().unwrap_or_default();
        let tail = segments.get(depth + 1..).unwrap_or_default();
        if parent.first() != Some(&b'{') {
            return Err(through(segments, depth, next, parent));
        }
        return Ok(added(text, place(text, parent), next, &nested(tail, value)));
    }
    Err(Error::Path(path::shown(segments)))
}

fn through(segments: &[String], depth: usize, next: &str, parent: &[u8]) -> Error {
    let what = match parent.first() {
        Some(b'[') => "a list without that element",
        _ => "a single value",
    };
    Error::Through { at: path::shown(segments.get(..depth).unwrap_or_default()), what, next: next.to_owned() }
}

/// Where a part of the text stands in it.
fn place(text: &str, part: &[u8]) -> std::ops::Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    start..start + part.len()
}

fn replaced(text: &str, range: std::ops::Range<usize>, with: &str) -> String {
    let mut out = text.to_owned();
    out.replace_range(range, with);
    out
}

/// The text with a member more at the end of the object that stands at `range`, indented as the first one is.
fn added(text: &str, range: std::ops::Range<usize>, key: &str, value: &Value) -> String {
    let object = text.get(range.clone()).unwrap_or_default();
    let member = format!("{}: {value}", Value::from(key));
    let inner = object.get(1..object.len().saturating_sub(1)).unwrap_or_default();
    let trimmed = inner.trim_end();
    if trimmed.is_empty() {
        return replaced(text, range, &format!("{{{member}}}"));
    }
    let lead = inner.get(..inner.len() - inner.trim_start().len()).unwrap_or_default();
    let lead = if lead.is_empty() && trimmed.contains(", ") { " " } else { lead };
    let tight = if lead.is_empty() { format!("{}:{value}", Value::from(key)) } else { member };
    let at = range.start + 1 + trimmed.len();
    replaced(text, at..at, &format!(",{lead}{tight}"))
}
