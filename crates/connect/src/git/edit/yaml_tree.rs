//! YAML as a tree with places.

use std::collections::BTreeSet;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Value};

use super::Error;
use super::yaml_scalar::resolve;

/// How deep a file may nest: what walks the tree recurses.
const MAX_DEPTH: usize = 64;

/// A value and where it stands, in bytes.
#[derive(Debug)]
pub(super) struct Node {
    /// From its first byte to its last: of a block, from its first child's first to its last child's last.
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
    /// Not 0: it has a name that aliases use.
    pub(super) anchor: usize,
    tag: Option<String>,
}

#[derive(Debug)]
pub(super) enum Kind {
    Scalar { text: String, style: ScalarStyle },
    Alias(usize),
    Seq { items: Vec<Node>, flow: bool },
    Map { entries: Vec<(Node, Node)>, flow: bool },
}

/// One document, and the anchors that aliases use.
#[derive(Debug)]
pub(super) struct Document {
    /// Nothing in an empty file.
    pub(super) root: Option<Node>,
    pub(super) used: BTreeSet<usize>,
}

struct Frame {
    node: Node,
    key: Option<Node>,
}

pub(super) fn parse(text: &str) -> Result<Document, Error> {
    let wrong = |why: String| Error::Parse { kind: "YAML", why };
    let chars: Option<Vec<usize>> = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect());
    let byte = |index: usize| match &chars {
        None => index.min(text.len()),
        Some(chars) => chars.get(index).copied().unwrap_or(text.len()),
    };
    let range = |span: &Span| byte(span.start.index())..byte(span.end.index()).max(byte(span.start.index()));
    let (mut stack, mut root, mut used): (Vec<Frame>, Option<Node>, BTreeSet<usize>) =
        (Vec::new(), None, BTreeSet::new());
    let mut documents = 0;
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| wrong(error.to_string()))?;
        let span = range(&span);
        let leaf = |kind, anchor, tag: Option<String>, span| Node { span, kind, anchor, tag };
        let done = match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return Err(wrong("it holds several documents; give each a file of its own".to_owned()));
                }
                continue;
            }
            Event::Scalar(value, style, anchor, tag) => {
                let span = match style {
                    ScalarStyle::Literal | ScalarStyle::Folded => trimmed(text, span),
                    ScalarStyle::SingleQuoted => quoted(text, span, b'\''),
                    ScalarStyle::DoubleQuoted => quoted(text, span, b'"'),
                    ScalarStyle::Plain => span,
                };
                let kind = Kind::Scalar { text: value.into_owned(), style };
                leaf(kind, anchor, tag.map(|tag| tag.to_string()), span)
            }
            Event::Alias(anchor) => {
                used.insert(anchor);
                leaf(Kind::Alias(anchor), 0, None, span)
            }
            Event::SequenceStart(anchor, tag) => {
                let flow = opens(text, &span, b'[');
                let kind = Kind::Seq { items: Vec::new(), flow };
                push(&mut stack, leaf(kind, anchor, tag.map(|tag| tag.to_string()), span)).map_err(wrong)?;
                continue;
            }
            Event::MappingStart(anchor, tag) => {
                let flow = opens(text, &span, b'{');
                let kind = Kind::Map { entries: Vec::new(), flow };
                push(&mut stack, leaf(kind, anchor, tag.map(|tag| tag.to_string()), span)).map_err(wrong)?;
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(frame) = stack.pop() else { continue };
                closed(frame.node, &span)
            }
            _ => continue,
        };
        place(&mut stack, &mut root, done);
    }
    Ok(Document { root, used })
}

/// Whether a collection begins with this bracket; an anchor or a tag may stand before it.
fn opens(text: &str, span: &Range<usize>, bracket: u8) -> bool {
    text.get(span.clone()).is_some_and(|opening| opening.as_bytes().last() == Some(&bracket))
}

fn push(stack: &mut Vec<Frame>, node: Node) -> Result<(), String> {
    if stack.len() >= MAX_DEPTH {
        return Err(format!("values lie more than {MAX_DEPTH} deep in each other"));
    }
    stack.push(Frame { node, key: None });
    Ok(())
}

/// A collection with its span, now that its end is known. The parser's own end of a block lies on a later line, and that
/// of a flow collection behind the comment that follows it.
fn closed(mut node: Node, end: &Range<usize>) -> Node {
    let inner = match &node.kind {
        Kind::Seq { items, flow: false } => items.first().map(start).zip(items.last().map(|item| item.span.end)),
        Kind::Map { entries, flow: false } => {
            entries.first().map(|(key, _)| key.span.start).zip(entries.last().map(last_byte))
        }
        // The bracket.
        _ => Some((node.span.start, end.start + 1)),
    };
    if let Some((start, end)) = inner {
        node.span = start..end.max(start);
    }
    node
}

fn start(node: &Node) -> usize {
    node.span.start
}

/// An absent value stands nowhere: then the entry ends with its key.
fn last_byte((key, value): &(Node, Node)) -> usize {
    value.span.end.max(key.span.end)
}

fn place(stack: &mut [Frame], root: &mut Option<Node>, node: Node) {
    let Some(frame) = stack.last_mut() else {
        root.get_or_insert(node);
        return;
    };
    match &mut frame.node.kind {
        Kind::Seq { items, .. } => items.push(node),
        Kind::Map { entries, .. } => match frame.key.take() {
            None => frame.key = Some(node),
            Some(key) => entries.push((key, node)),
        },
        _ => {}
    }
}

/// A block scalar's place without the line breaks after it.
fn trimmed(text: &str, span: Range<usize>) -> Range<usize> {
    let kept = text.get(span.clone()).unwrap_or_default().trim_end().len();
    span.start..span.start + kept
}

/// A quoted scalar's place up to its closing quote: the parser's own end can lie behind a comment.
fn quoted(text: &str, span: Range<usize>, quote: u8) -> Range<usize> {
    let bytes = text.as_bytes();
    let at = |index: usize| bytes.get(index).copied();
    let Some(open) = bytes.get(span.start..).and_then(|rest| rest.iter().position(|byte| *byte == quote)) else {
        return span;
    };
    let mut index = span.start + open + 1;
    while let Some(byte) = at(index) {
        match byte {
            b'\\' if quote == b'"' => index += 2,
            // Within single quotes, two stand for one.
            b'\'' if quote == b'\'' && at(index + 1) == Some(b'\'') => index += 2,
            byte if byte == quote => return span.start..index + 1,
            _ => index += 1,
        }
    }
    span
}

impl Node {
    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Nothing is written where it stands.
    pub(super) fn is_empty(&self, source: &str) -> bool {
        matches!(&self.kind, Kind::Scalar { style: ScalarStyle::Plain, .. })
            && source.get(self.span.clone()).is_none_or(|written| written.trim().is_empty())
    }

    /// What it says, with anchors, aliases and tags as members of their own: two trees are the same file if these are equal.
    pub(super) fn value(&self) -> Result<Value, Error> {
        let wrong = |why: &str| Error::Parse { kind: "YAML", why: why.to_owned() };
        let value = match &self.kind {
            Kind::Scalar { text, style } => match style {
                ScalarStyle::Plain => resolve(text),
                _ => Value::from(text.as_str()),
            },
            Kind::Alias(anchor) => serde_json::json!({ "*": anchor }),
            Kind::Seq { items, .. } => items.iter().map(Node::value).collect::<Result<_, _>>()?,
            Kind::Map { entries, .. } => {
                let mut object = Map::new();
                for (key, value) in entries {
                    let key = key.text().ok_or_else(|| wrong("a key is not a text"))?;
                    if object.insert(key.to_owned(), value.value()?).is_some() {
                        return Err(wrong(&format!("the key `{key}` stands twice in one map")));
                    }
                }
                Value::Object(object)
            }
        };
        Ok(match (&self.tag, self.anchor) {
            (None, 0) => value,
            (tag, anchor) => serde_json::json!({ "!": tag, "&": anchor, "=": value }),
        })
    }
}
