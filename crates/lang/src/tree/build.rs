//! From the parser's events to trees, with every limit and every refusal that is about YAML itself.

// Lookup only: anchors by their number, keys that were seen.
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span as Mark};

use super::{Entry, Kind, Node, Scalar, Style, scalar};
use crate::diagnostic::{Diagnostic, Report};
use crate::span::{Places, SourceFile, Span};

/// How deep values may lie in each other: real manifests stay under twenty, and everything that walks a tree recurses.
const MAX_DEPTH: usize = 48;
/// How many values aliases may add to a file: enough to share a few blocks, too few for a "billion laughs" file.
const MAX_EXPANDED: usize = 1_000;
/// How many values a file may hold: ten thousand rules' worth, and a bound on memory.
const MAX_NODES: usize = 1_000_000;

/// How often reading is taken up again in a file: each time costs a pass over the rest.
const MAX_RESTARTS: usize = 100;

/// Reads all documents of a file. After an error in one document, reading goes on at the next `---`.
pub(crate) fn parse(file: &SourceFile, id: crate::FileId, report: &mut Report) -> Vec<Node> {
    let places = Places::new(id, &file.text);
    let mut documents = Vec::new();
    let mut base = 0;
    for _ in 0..MAX_RESTARTS {
        let Some(rest) = file.text.get(base..) else { break };
        let mut builder = Builder::new(&places, rest, base, report);
        let stopped = builder.run();
        documents.append(&mut builder.documents);
        match stopped.and_then(|at| next_document(&file.text, at, base)) {
            Some(next) => base = next,
            None => break,
        }
    }
    documents
}

/// Where the next document after the one at `base` begins, looking from the line of `at`.
fn next_document(text: &str, at: usize, base: usize) -> Option<usize> {
    let line = text.get(..at).and_then(|before| before.rfind('\n')).unwrap_or(0);
    let mut from = line.max(base);
    loop {
        from += text.get(from..)?.find("\n---")? + 1;
        let after = text.get(from + 3..).unwrap_or_default();
        if from > base && (after.is_empty() || after.starts_with([' ', '\t', '\n', '\r'])) {
            return Some(from);
        }
    }
}

struct Builder<'a> {
    places: &'a Places<'a>,
    text: &'a str,
    base: usize,
    /// Byte offset of each character where the text is not ASCII: the parser counts characters.
    chars: Option<Vec<usize>>,
    report: &'a mut Report,
    stack: Vec<Frame>,
    documents: Vec<Node>,
    anchors: HashMap<usize, (Node, usize)>,
    open_anchors: Vec<usize>,
    expanded: usize,
    nodes: usize,
}

enum Frame {
    Seq {
        start: usize,
        anchor: usize,
        items: Vec<Node>,
        size: usize,
    },
    Map {
        start: usize,
        anchor: usize,
        entries: Vec<Entry>,
        /// Where each key stood first.
        seen: HashMap<String, Span>,
        key: Option<(String, Span, bool)>,
        size: usize,
    },
}

/// Reading this part of the file cannot go on.
struct Stop;

impl<'a> Builder<'a> {
    fn new(places: &'a Places<'a>, text: &'a str, base: usize, report: &'a mut Report) -> Builder<'a> {
        let chars = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect());
        Builder {
            places,
            text,
            base,
            chars,
            report,
            stack: Vec::new(),
            documents: Vec::new(),
            anchors: HashMap::new(),
            open_anchors: Vec::new(),
            expanded: 0,
            nodes: 0,
        }
    }

    /// The byte in the part of the text that is being read.
    fn byte(&self, index: usize) -> usize {
        match &self.chars {
            None => index.min(self.text.len()),
            Some(chars) => chars.get(index).copied().unwrap_or(self.text.len()),
        }
    }

    fn span(&self, mark: &Mark) -> Span {
        let (start, end) = (self.byte(mark.start.index()), self.byte(mark.end.index()));
        let kept = self.text.get(start..end).unwrap_or_default().trim_end().len();
        self.places.span(self.base + start..self.base + start + kept)
    }

    /// Reads until the end (nothing) or until it cannot go on: the byte of the file where that was.
    fn run(&mut self) -> Option<usize> {
        let mut parser = Parser::new_from_str(self.text);
        let mut reached = self.base;
        while let Some(event) = parser.next_event() {
            match event {
                Ok((event, mark)) => {
                    reached = reached.max(self.base + self.byte(mark.start.index()));
                    if self.event(event, &mark).is_err() {
                        return Some(reached);
                    }
                }
                Err(error) => {
                    let at = self.base + self.byte(error.marker().index());
                    let span = self.places.span(at..at + 1);
                    self.report.push(
                        Diagnostic::error("yaml", span, format!("this is not YAML: {}", error.info()))
                            .help("the rest of this document was not read"),
                    );
                    return Some(at.max(reached));
                }
            }
        }
        None
    }

    fn refuse(&mut self, code: &'static str, span: Span, message: impl Into<String>, help: &str) {
        self.report.push(Diagnostic::error(code, span, message).help(help));
    }

    fn event(&mut self, event: Event<'_>, mark: &Mark) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let span = self.span(mark);
            self.refuse("yaml-limit", span, format!("more than {MAX_NODES} values in one file"), "split the file");
            return Err(Stop);
        }
        match event {
            Event::DocumentStart(_) => self.anchors.clear(),
            Event::Scalar(text, style, anchor, tag) => {
                if tag.is_some() {
                    self.tag(mark);
                }
                let node = self.scalar(&text, style, mark);
                self.anchor(anchor, &node, 1);
                return self.value(node, 1);
            }
            Event::SequenceStart(anchor, tag) => {
                if tag.is_some() {
                    self.tag(mark);
                }
                self.open(anchor, mark)?;
                let start = self.byte(mark.start.index());
                self.stack.push(Frame::Seq { start, anchor, items: Vec::new(), size: 1 });
            }
            Event::MappingStart(anchor, tag) => {
                if tag.is_some() {
                    self.tag(mark);
                }
                self.open(anchor, mark)?;
                let start = self.byte(mark.start.index());
                let (entries, seen) = (Vec::new(), HashMap::new());
                self.stack.push(Frame::Map { start, anchor, entries, seen, key: None, size: 1 });
            }
            Event::SequenceEnd | Event::MappingEnd => return self.close(mark),
            Event::Alias(anchor) => return self.alias(anchor, mark),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn tag(&mut self, mark: &Mark) {
        let span = self.span(mark);
        self.refuse(
            "yaml-tag",
            span,
            "tags such as `!!str` are not part of manifests",
            "write the value without a tag",
        );
    }

    fn open(&mut self, anchor: usize, mark: &Mark) -> Result<(), Stop> {
        if self.stack.len() >= MAX_DEPTH {
            let span = self.span(mark);
            let message = format!("values lie more than {MAX_DEPTH} deep in each other");
            self.refuse("yaml-limit", span, message, "the rest of this document was not read");
            return Err(Stop);
        }
        if anchor > 0 {
            self.open_anchors.push(anchor);
        }
        Ok(())
    }

    fn anchor(&mut self, anchor: usize, node: &Node, size: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, mark: &Mark) -> Node {
        let span = self.span(mark);
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::Single,
            ScalarStyle::DoubleQuoted => Style::Double,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        };
        let mut refused = false;
        let value = match style {
            Style::Plain => scalar::resolve(text).unwrap_or_else(|why| {
                refused = true;
                // A merge key is refused as such where keys are read.
                let message = format!("`{text}` without quotes {why}");
                let help = match why {
                    scalar::TRUE => format!("write true, or \"{text}\" if you mean the text"),
                    scalar::FALSE => format!("write false, or \"{text}\" if you mean the text"),
                    _ => format!("write \"{text}\" if you mean the text"),
                };
                self.refuse("yaml-ambiguous", span, message, &help);
                text.into()
            }),
            _ => text.into(),
        };
        Node { span, kind: Kind::Scalar(Scalar { text: text.to_owned(), style, value, refused }) }
    }

    fn alias(&mut self, anchor: usize, mark: &Mark) -> Result<(), Stop> {
        let span = self.span(mark);
        let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
            self.refuse("yaml-alias", span, "this alias is part of what it stands for", "write the value out");
            return Err(Stop);
        };
        self.expanded += size;
        if self.expanded > MAX_EXPANDED {
            let message = format!("aliases add more than {MAX_EXPANDED} values to this file");
            self.refuse("yaml-limit", span, message, "write the values out, or use a Table or a Workflow");
            return Err(Stop);
        }
        if self.stack.len() + depth(&node) > MAX_DEPTH {
            let message = format!("values lie more than {MAX_DEPTH} deep in each other");
            self.refuse("yaml-limit", span, message, "write the values out");
            return Err(Stop);
        }
        self.value(node, size)
    }

    fn close(&mut self, mark: &Mark) -> Result<(), Stop> {
        let end = self.byte(mark.end.index());
        let (start, anchor, kind, size) = match self.stack.pop() {
            Some(Frame::Seq { start, anchor, items, size }) => (start, anchor, Kind::Seq(items), size),
            Some(Frame::Map { start, anchor, entries, size, .. }) => (start, anchor, Kind::Map(entries), size),
            None => return Ok(()),
        };
        let kept = self.text.get(start..end.max(start)).unwrap_or_default().trim_end().len();
        let span = self.places.span(self.base + start..self.base + start + kept);
        let node = Node { span, kind };
        if anchor > 0 {
            self.open_anchors.pop();
        }
        self.anchor(anchor, &node, size);
        self.value(node, size)
    }

    /// A finished value goes where it belongs.
    fn value(&mut self, node: Node, size: usize) -> Result<(), Stop> {
        match self.stack.last_mut() {
            None => {
                if !node.is_null() {
                    self.documents.push(node);
                }
            }
            Some(Frame::Seq { items, size: total, .. }) => {
                *total += size;
                items.push(node);
            }
            Some(Frame::Map { key: slot, entries, seen, size: total, .. }) => {
                *total += size;
                match slot.take() {
                    Some((key, key_span, keep)) => {
                        if keep {
                            entries.push(Entry { key, key_span, value: node });
                        }
                    }
                    None => {
                        let first = node.scalar().and_then(|scalar| {
                            let first = seen.get(&scalar.text).copied();
                            if first.is_none() {
                                seen.insert(scalar.text.clone(), node.span);
                            }
                            first
                        });
                        let key = self.key(&node, first);
                        if let Some(Frame::Map { key: slot, .. }) = self.stack.last_mut() {
                            *slot = Some(key);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// A key: its text, its place, and whether its value is kept.
    fn key(&mut self, node: &Node, first: Option<Span>) -> (String, Span, bool) {
        let span = node.span;
        let Some(scalar) = node.scalar() else {
            self.refuse("yaml-key", span, "a key must be a text", "write a text before the colon");
            return (String::new(), span, false);
        };
        let text = scalar.text.clone();
        if text == "<<" && scalar.style == Style::Plain {
            let help = "repeat the fields, or make a Workflow of what is shared";
            self.refuse("yaml-merge", span, "merge keys are not part of YAML 1.2", help);
            return (text, span, false);
        }
        if !scalar.refused && !scalar.value.is_string() {
            let message = format!("the key `{text}` is not a text");
            self.refuse("yaml-key", span, message, &format!("write \"{text}\" with quotes"));
        }
        if let Some(first) = first {
            let diagnostic = Diagnostic::error("yaml-duplicate", span, format!("`{text}` stands twice in this map"))
                .label(first, "first here")
                .help("remove one of them");
            self.report.push(diagnostic);
            return (text, span, false);
        }
        (text, span, true)
    }
}

fn depth(node: &Node) -> usize {
    let below = match &node.kind {
        Kind::Scalar(_) => return 0,
        Kind::Seq(items) => items.iter().map(depth).max(),
        Kind::Map(entries) => entries.iter().map(|entry| depth(&entry.value)).max(),
    };
    below.unwrap_or(0) + 1
}

/// Whether JSON lies deeper than any document that was ever read.
pub(crate) fn too_deep(json: &serde_json::Value) -> bool {
    use serde_json::Value;
    let mut open = vec![(json, 0)];
    while let Some((value, level)) = open.pop() {
        if level > MAX_DEPTH {
            return true;
        }
        match value {
            Value::Array(items) => open.extend(items.iter().map(|item| (item, level + 1))),
            Value::Object(map) => open.extend(map.values().map(|item| (item, level + 1))),
            _ => {}
        }
    }
    false
}
