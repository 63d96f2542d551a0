//! What the walk over an event found: the values asked for, and within which elements of arrays they lie.

use crate::pattern::{Kind, Value};

/// No value, no element.
pub(crate) const NONE: u32 = u32::MAX;
/// The event outside of all arrays.
pub(crate) const OUTSIDE: u32 = 0;

/// A value found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// The node of the trie.
    pub(crate) node: u32,
    /// The innermost object within an array that it lies in.
    pub(crate) element: u32,
    /// The value found before it at the same node, or [`NONE`].
    pub(crate) before: u32,
    kind: Kind,
    /// Marks of [`Found`].
    marks: u8,
    start: u32,
    end: u32,
}

impl Found {
    /// The bytes are in the arena (attributes; texts that had escapes), not in the data.
    const ARENA: u8 = 1;
    /// The value is an item of a list.
    pub(crate) const LISTED: u8 = 2;
    /// A key with a dot led here.
    pub(crate) const DOTTED: u8 = 4;

    pub(crate) fn is_listed(&self) -> bool {
        self.marks & Found::LISTED != 0
    }

    pub(crate) fn is_dotted(&self) -> bool {
        self.marks & Found::DOTTED != 0
    }
}

/// An object within an array. Elements stand in the order of their opening: what is inside of one follows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element {
    /// The node at which the array stands.
    pub(crate) node: u32,
    /// The element that the array lies in.
    pub(crate) parent: u32,
    /// The first element that is not inside of this one.
    pub(crate) end: u32,
}

/// The values and elements of one event.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(crate) found: Vec<Found>,
    pub(crate) elements: Vec<Element>,
    /// The last value at each node.
    last: Vec<u32>,
    arena: Vec<u8>,
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(NONE)
}

impl Fields {
    /// Makes it empty for a trie of so many nodes.
    pub(crate) fn clear(&mut self, nodes: usize) {
        for found in self.found.drain(..) {
            if let Some(last) = self.last.get_mut(found.node as usize) {
                *last = NONE;
            }
        }
        if self.last.len() < nodes {
            self.last.resize(nodes, NONE);
        }
        self.arena.clear();
        self.elements.clear();
        self.elements.push(Element { node: 0, parent: OUTSIDE, end: 1 });
    }

    /// The last value found at a node, or [`NONE`].
    #[inline]
    pub(crate) fn last(&self, node: u32) -> u32 {
        self.last.get(node as usize).copied().unwrap_or(NONE)
    }

    /// The values at a node, the last one first.
    pub(crate) fn at(&self, node: u32) -> impl Iterator<Item = &Found> {
        let mut next = self.last(node);
        std::iter::from_fn(move || {
            let found = self.found.get(next as usize)?;
            next = found.before;
            Some(found)
        })
    }

    /// A value with its bytes.
    #[inline]
    pub(crate) fn value<'a>(&'a self, found: &Found, data: &'a [u8]) -> Value<'a> {
        let from = if found.marks & Found::ARENA != 0 { self.arena.as_slice() } else { data };
        Value { kind: found.kind, bytes: from.get(found.start as usize..found.end as usize).unwrap_or_default() }
    }

    /// Adds a value that lies in the data, with [`Found::LISTED`] and [`Found::DOTTED`].
    #[inline]
    pub(crate) fn add(&mut self, node: u32, element: u32, kind: Kind, marks: u8, range: std::ops::Range<usize>) {
        self.push(node, element, kind, marks, range);
    }

    /// Adds a value of its own, which `write` appends.
    pub(crate) fn add_own(&mut self, node: u32, element: u32, kind: Kind, marks: u8, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.arena.len();
        write(&mut self.arena);
        self.push(node, element, kind, marks | Found::ARENA, start..self.arena.len());
    }

    #[inline]
    fn push(&mut self, node: u32, element: u32, kind: Kind, marks: u8, range: std::ops::Range<usize>) {
        let Some(last) = self.last.get_mut(node as usize) else { return };
        let before = std::mem::replace(last, number(self.found.len()));
        self.found.push(Found {
            node,
            element,
            before,
            kind,
            marks,
            start: number(range.start),
            end: number(range.end),
        });
    }

    /// Opens an element.
    pub(crate) fn open(&mut self, node: u32, parent: u32) -> u32 {
        let element = number(self.elements.len());
        self.elements.push(Element { node, parent, end: NONE });
        element
    }

    /// Closes an element; one in which nothing was found since there were `found` values is forgotten, since it can
    /// only be what an absent one is.
    pub(crate) fn close(&mut self, element: u32, found: usize) {
        if self.found.len() == found {
            self.elements.truncate(element as usize);
            return;
        }
        let end = number(self.elements.len());
        if let Some(element) = self.elements.get_mut(element as usize) {
            element.end = end;
        }
    }

    /// Whether all elements belong to one array that lies in no other, and there are few enough for a bit each.
    pub(crate) fn elements_are_alone(&self) -> bool {
        let mut elements = self.elements.iter().skip(1);
        let node = self.elements.get(1).map(|element| element.node);
        self.elements.len() <= 62 && elements.all(|element| Some(element.node) == node && element.parent == OUTSIDE)
    }

    /// Closes what is around all elements.
    pub(crate) fn finish(&mut self) {
        let end = number(self.elements.len());
        if let Some(outside) = self.elements.first_mut() {
            outside.end = end;
        }
        // Where the data broke off in the middle, elements stayed open.
        for element in self.elements.iter_mut().filter(|element| element.end == NONE) {
            element.end = end;
        }
    }
}
