//! A YAML document as a tree in which every value and every key knows its place.

use serde_json::{Map, Value};

use crate::span::Span;

mod build;
mod place;
mod scalar;

pub(crate) use build::{parse, too_deep};
pub(crate) use place::source_offset;

/// A value with its place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Where it stands; of a list or a map, all of it.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// The three kinds of YAML values.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// One value.
    Scalar(Scalar),
    /// A list.
    Seq(Vec<Node>),
    /// A map; keys are unique, in written order.
    Map(Vec<Entry>),
}

/// One key of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key; always text.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// What it leads to.
    pub value: Node,
}

/// One value: null, Boolean, number or text, by the core schema of YAML 1.2.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// The text after unquoting and unfolding.
    pub text: String,
    /// How it was written.
    pub style: Style,
    /// What it means; never a list or a map.
    pub value: Value,
    /// It was refused as ambiguous already: its type is nobody's business any more.
    pub refused: bool,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    #[default]
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes.
    Double,
    /// A `|` or `>` block.
    Block,
    /// Not written at all: read from JSON.
    Json,
}

impl Default for Kind {
    fn default() -> Kind {
        Kind::Scalar(Scalar { text: String::new(), style: Style::Json, value: Value::Null, refused: false })
    }
}

impl Node {
    /// The tree of a JSON value, without places.
    #[must_use]
    pub fn from_json(json: &Value) -> Node {
        let kind = match json {
            Value::Array(items) => Kind::Seq(items.iter().map(Node::from_json).collect()),
            Value::Object(map) => Kind::Map(
                map.iter()
                    .map(|(key, value)| Entry {
                        key: key.clone(),
                        key_span: Span::default(),
                        value: Node::from_json(value),
                    })
                    .collect(),
            ),
            scalar => Kind::Scalar(Scalar {
                text: scalar.as_str().map_or_else(|| scalar.to_string(), str::to_owned),
                style: Style::Json,
                value: scalar.clone(),
                refused: false,
            }),
        };
        Node { span: Span::default(), kind }
    }

    /// The value without its places.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Scalar(scalar) => scalar.value.clone(),
            Kind::Seq(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Kind::Map(entries) => {
                Value::Object(entries.iter().map(|e| (e.key.clone(), e.value.to_json())).collect::<Map<_, _>>())
            }
        }
    }

    /// What a JSON pointer (RFC 6901) leads to; `""` is the node itself.
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<&Node> {
        let mut node = self;
        if pointer.is_empty() {
            return Some(node);
        }
        for part in pointer.strip_prefix('/')?.split('/') {
            node = match &node.kind {
                Kind::Map(_) => node.get(&part.replace("~1", "/").replace("~0", "~"))?,
                Kind::Seq(items) => items.get(part.parse::<usize>().ok()?)?,
                Kind::Scalar(_) => return None,
            };
        }
        Some(node)
    }

    /// As [`Node::at`]; where the pointer leads nowhere, the last value on the way.
    #[must_use]
    pub fn nearest(&self, pointer: &str) -> &Node {
        let mut pointer = pointer;
        loop {
            if let Some(node) = self.at(pointer) {
                return node;
            }
            match pointer.rsplit_once('/') {
                Some((shorter, _)) => pointer = shorter,
                None => return self,
            }
        }
    }

    /// The value of a key of a map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of a key of a map.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The entries of a map; of anything else, none.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; of anything else, none.
    #[must_use]
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::Seq(items) => items,
            _ => &[],
        }
    }

    /// The scalar, if it is one.
    #[must_use]
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.scalar().and_then(|scalar| scalar.value.as_str())
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.scalar().is_some_and(|scalar| scalar.value.is_null())
    }

    /// What it is, in words for a message: `the text "abc"`, `a list`.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Seq(_) => "a list".to_owned(),
            Kind::Map(_) => "a map".to_owned(),
            Kind::Scalar(scalar) => match &scalar.value {
                Value::Null => "nothing".to_owned(),
                Value::String(text) => format!("the text \"{}\"", short(text)),
                Value::Number(number) => format!("the number {number}"),
                other => other.to_string(),
            },
        }
    }
}

/// At most forty characters of a text, for a message.
pub(crate) fn short(text: &str) -> String {
    let mut out: String = text.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(40).is_some() {
        out.push('…');
    }
    out
}
