//! Setting a value in YAML text.

use std::ops::Range;

use saphyr_parser::ScalarStyle;
use serde_json::Value;

use super::yaml_scalar::written;
use super::yaml_tree::{self, Document, Kind, Node};
use super::{Error, nested, path, same, set_in_tree};

pub(super) fn set(text: &str, segments: &[String], value: &Value) -> Result<String, Error> {
    let document = yaml_tree::parse(text)?;
    let before = document.root.as_ref().map(Node::value).transpose()?.unwrap_or(Value::Null);
    let out = splice(text, &document, segments, value)?;
    let place =
        || Error::Place { at: path::shown(segments), why: "the file is written in a way that this would break" };
    let mut wanted = before;
    set_in_tree(&mut wanted, segments, value.clone()).ok_or_else(place)?;
    let after = yaml_tree::parse(&out).map_err(|_| place())?;
    let found = after.root.as_ref().map(Node::value).transpose()?.unwrap_or(Value::Null);
    if same(&found, &wanted) { Ok(out) } else { Err(place()) }
}

fn splice(text: &str, document: &Document, segments: &[String], value: &Value) -> Result<String, Error> {
    let Some(root) = document.root.as_ref().filter(|root| !root.is_empty(text)) else {
        let at = text.len();
        let start = if text.is_empty() || text.ends_with('\n') { "" } else { line_break(text) };
        return Ok(replaced(text, at..at, &format!("{start}{}{}", block(segments, value, 0, text), line_break(text))));
    };
    let mut node = root;
    let mut parent: Option<(&Node, &Node)> = None;
    let mut flow = false;
    for (depth, segment) in segments.iter().enumerate() {
        shared(document, node, segments, depth)?;
        let so_far = || path::shown(segments.get(..depth).unwrap_or_default());
        let through = |what| Error::Through { at: so_far(), what, next: segment.clone() };
        match &node.kind {
            Kind::Map { entries, flow: within } => {
                flow |= within;
                match entries.iter().find(|(key, _)| key.text() == Some(segment)) {
                    Some((key, found)) => {
                        parent = Some((key, found));
                        node = found;
                    }
                    None => {
                        let rest = segments.get(depth..).unwrap_or_default();
                        return Ok(added(text, node, entries, *within, rest, value));
                    }
                }
            }
            Kind::Seq { items, flow: within } => {
                flow |= within;
                let found = path::index(segment).and_then(|index| items.get(index));
                node = found.ok_or_else(|| through("a list without that element"))?;
                parent = None;
            }
            Kind::Alias(_) => return Err(through("an alias, whose value stands elsewhere")),
            Kind::Scalar { .. } if node.is_empty(text) || is_null(node) => {
                // Nothing there yet: what is missing becomes its value.
                let rest = segments.get(depth..).unwrap_or_default();
                return replace(text, node, parent, flow, &nested(rest, value));
            }
            Kind::Scalar { .. } => return Err(through("a single value")),
        }
    }
    shared(document, node, segments, segments.len())?;
    replace(text, node, parent, flow, value)
}

fn is_null(node: &Node) -> bool {
    matches!(&node.kind, Kind::Scalar { style: ScalarStyle::Plain, text } if matches!(text.as_str(), "~" | "null"))
}

/// A value with an anchor that an alias uses stands in several places.
fn shared(document: &Document, node: &Node, segments: &[String], depth: usize) -> Result<(), Error> {
    if document.used.contains(&node.anchor) && node.anchor != 0 {
        let at = path::shown(segments.get(..depth).unwrap_or_default());
        return Err(Error::Place { at, why: "an alias elsewhere in the file uses it; write that value out first" });
    }
    Ok(())
}

fn replace(
    text: &str,
    node: &Node,
    parent: Option<(&Node, &Node)>,
    flow: bool,
    value: &Value,
) -> Result<String, Error> {
    let style = match &node.kind {
        Kind::Scalar { style, .. } => Some(*style),
        _ => None,
    };
    let new = written(value, style, flow);
    let below = match &node.kind {
        Kind::Map { flow, .. } | Kind::Seq { flow, .. } => !flow,
        Kind::Scalar { style, .. } => matches!(style, ScalarStyle::Literal | ScalarStyle::Folded),
        Kind::Alias(_) => false,
    };
    let range = match parent {
        // Written on the lines below its key, or not at all: the new value follows the colon.
        Some((key, _)) if below || node.is_empty(text) => {
            let colon = colon(text, key.span.end);
            let old = if below { text.get(colon..node.span.end).unwrap_or_default().trim_end() } else { "" };
            return Ok(replaced(text, colon..colon + old.len(), &format!(" {new}")));
        }
        None if matches!(style, Some(ScalarStyle::Literal | ScalarStyle::Folded)) => {
            header(text, node.span.start)..node.span.end
        }
        _ => node.span.clone(),
    };
    // A dash and nothing behind it.
    let space = if node.is_empty(text) && text.get(..range.start).is_some_and(|before| before.ends_with('-')) {
        " "
    } else {
        ""
    };
    Ok(replaced(text, range, &format!("{space}{new}")))
}

/// Where the `|` or `>` stands whose block begins at this byte.
fn header(text: &str, content: usize) -> usize {
    let before = text.get(..content).unwrap_or_default().trim_end();
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    let code = before.get(line..).unwrap_or_default();
    let code = code.split(" #").next().unwrap_or_default();
    code.rfind(['|', '>']).map_or(content, |at| line + at)
}

/// The byte after the colon that follows a key.
fn colon(text: &str, key_end: usize) -> usize {
    let rest = text.get(key_end..).unwrap_or_default();
    rest.find(':').map_or(key_end, |at| key_end + at + 1)
}

/// The text with an entry more at the end of a map.
fn added(text: &str, map: &Node, entries: &[(Node, Node)], flow: bool, rest: &[String], value: &Value) -> String {
    let (first, tail) = rest.split_first().map_or(("", rest), |(first, tail)| (first.as_str(), tail));
    if flow {
        let entry = format!("{}: {}", key_text(first, true), written(&nested(tail, value), None, true));
        return match entries.last() {
            Some((key, last)) => {
                let at = last.span.end.max(key.span.end);
                replaced(text, at..at, &format!(", {entry}"))
            }
            None => replaced(text, map.span.clone(), &format!("{{{entry}}}")),
        };
    }
    let column = map.span.start - line_start(text, map.span.start);
    // After the last entry's line, so that a comment behind it stays with it.
    let from = text.get(map.span.end..).unwrap_or_default();
    let at = from.find('\n').map_or(text.len(), |at| map.span.end + at);
    let at = if text.get(..at).is_some_and(|before| before.ends_with('\r')) { at - 1 } else { at };
    let line = line_break(text);
    replaced(text, at..at, &format!("{line}{}", block(rest, value, column, text)))
}

/// Keys one below the other, and the value behind the last.
fn block(segments: &[String], value: &Value, column: usize, text: &str) -> String {
    let mut out = String::new();
    for (depth, segment) in segments.iter().enumerate() {
        if depth > 0 {
            out.push_str(line_break(text));
        }
        out.push_str(&" ".repeat(column + depth * 2));
        out.push_str(&key_text(segment, false));
        out.push(':');
    }
    out.push(' ');
    out.push_str(&written(value, None, false));
    out
}

fn key_text(key: &str, flow: bool) -> String {
    written(&Value::from(key), None, flow)
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1)
}

fn line_break(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

fn replaced(text: &str, range: Range<usize>, with: &str) -> String {
    let mut out = text.to_owned();
    out.replace_range(range, with);
    out
}
