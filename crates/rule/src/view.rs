//! An event as patterns see it: `{id, source, type, subject, time, <extensions>, data: {…}}`, read where asked.

use std::cell::RefCell;

use ensue_event::{Attr, Data, Event};

use crate::fields::Fields;
use crate::pattern::{Kind, OURS};
use crate::scan::Scan;
use crate::trie::{ROOT, Trie};
use crate::walk::Walk;

/// Data of more bytes is not decided by a lifted condition that reads whole texts or lists: a few of them may then spend
/// the budget of an evaluation.
pub(crate) const LARGE: usize = 64 << 10;

/// An event, flattened lazily: the envelope costs nothing, the data is read as far as a pattern asks for it.
///
/// One view serves many patterns: what was scanned of the data once is not scanned again.
#[derive(Debug)]
pub struct View<'a> {
    source: Source<'a>,
    ours: bool,
    scan: RefCell<Scan>,
}

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    Event(&'a Event),
    Json(&'a [u8]),
}

impl<'a> View<'a> {
    /// A view of an event.
    #[must_use]
    pub fn new(event: &'a Event) -> View<'a> {
        View { source: Source::Event(event), ours: event.kind.starts_with(OURS), scan: RefCell::default() }
    }

    /// A view of any JSON object, for patterns over other shapes than CloudEvents. Bytes that are not JSON have no
    /// fields, or those before the place where they break.
    #[must_use]
    pub fn of_json(bytes: &'a [u8]) -> View<'a> {
        View { source: Source::Json(bytes), ours: false, scan: RefCell::default() }
    }

    /// Whether it is an event that ensue wrote: only patterns that name the prefix see it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.ours
    }

    /// How many blocks of 64 bytes were scanned so far: the work done, counted.
    #[must_use]
    pub fn scanned(&self) -> usize {
        self.scan.try_borrow().map_or(0, |scan| scan.work())
    }

    /// Whether the data is so large that reading it in a condition may spend the budget.
    pub(crate) fn is_large(&self) -> bool {
        let length = match self.source {
            Source::Json(bytes) => bytes.len(),
            Source::Event(event) => match &event.data {
                Data::Json(bytes) | Data::Bytes(bytes) | Data::Blob { whole: Some(bytes), .. } => bytes.len(),
                Data::None | Data::Blob { whole: None, .. } => 0,
            },
        };
        length > LARGE
    }

    /// The raw bytes that found values lie in.
    pub(crate) fn data(&self) -> &'a [u8] {
        match self.source {
            Source::Json(bytes) => bytes,
            Source::Event(event) => event.json().map_or(&[], |bytes| bytes),
        }
    }

    /// Finds the values that a trie asks for.
    pub(crate) fn collect(&self, trie: &Trie, fields: &mut Fields) {
        fields.clear(trie.len());
        if trie.is_empty() {
            return;
        }
        // The scan is in use only while a walk runs, and a walk starts no other.
        let Ok(mut scan) = self.scan.try_borrow_mut() else { return };
        let bytes = self.data();
        // Places in the data are kept in 32 bits.
        let fits = u32::try_from(bytes.len()).is_ok();
        match self.source {
            Source::Json(_) if fits => Walk::new(trie, bytes, &mut scan, fields).run(ROOT),
            Source::Json(_) => {}
            Source::Event(event) => {
                envelope(event, trie, fields);
                if let Some(node) = trie.find(ROOT, b"data") {
                    match &event.data {
                        Data::Bytes(text)
                            if trie.node(node).is_some_and(|node| node.is_asked())
                                && std::str::from_utf8(text).is_ok() =>
                        {
                            fields.add_own(node, 0, Kind::Text, 0, |arena| arena.extend_from_slice(text));
                        }
                        _ if fits && !bytes.is_empty() => Walk::new(trie, bytes, &mut scan, fields).run(node),
                        _ => {}
                    }
                }
            }
        }
        fields.finish();
    }
}

fn envelope(event: &Event, trie: &Trie, fields: &mut Fields) {
    let mut add = |name: &str, kind: Kind, text: &str| {
        if let Some(node) = trie.find(ROOT, name.as_bytes())
            && trie.node(node).is_some_and(|node| node.is_asked())
        {
            fields.add_own(node, 0, kind, 0, |arena| arena.extend_from_slice(text.as_bytes()));
        }
    };
    add("id", Kind::Text, &event.id);
    add("source", Kind::Text, &event.source);
    add("type", Kind::Text, &event.kind);
    let optional = [
        ("subject", &event.subject),
        ("time", &event.time),
        ("datacontenttype", &event.content_type),
        ("dataschema", &event.schema),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            add(name, Kind::Text, value);
        }
    }
    for (name, value) in &event.extensions {
        match value {
            Attr::Text(text) => add(name, Kind::Text, text),
            Attr::Bool(true) => add(name, Kind::True, "true"),
            Attr::Bool(false) => add(name, Kind::False, "false"),
            Attr::Int(number) => add(name, Kind::Number, &number.to_string()),
        }
    }
}
