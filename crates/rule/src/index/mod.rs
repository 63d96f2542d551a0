//! Many patterns at once: what an event costs grows with the patterns that could meet it, not with all there are.
//!
//! Patterns that name their types one by one stand on a shelf for each type, all others on one for every event
//! ([`shelf`]). An event is asked on the shelf of its type and on that one.

mod hash;

mod glance;
mod question;

mod access;
mod shelf;

mod ask;
mod scratch;

use std::collections::BTreeMap;
use std::hash::BuildHasherDefault;
use std::sync::{Mutex, PoisonError};

// Lookup only: shelves are asked by name, and counted in the order of their making.
use hashbrown::HashMap;

use self::scratch::Scratch;
pub use self::scratch::Work;
use self::shelf::Shelf;
use crate::fields::Fields;
use crate::pattern::{Branch, Kind, Pattern, Test};
use crate::trie::Trie;
use crate::view::View;

/// Fields that say what kind of event it is: CloudEvents' name, and EventBridge's for the same.
const KINDS: [&str; 2] = ["type", "detail-type"];
/// A pattern of more types than this stands on the shelf for every event.
const MAX_TYPES: usize = 16;
/// The most shelves: each costs some hundred bytes, and types without a shelf of their own share one.
const MAX_SHELVES: usize = 1_024;

/// An index over many patterns, each under an id of the caller's.
///
/// Adding and removing cost what that pattern costs. Matching takes `&self`: several threads may ask at once.
#[derive(Debug)]
pub struct Index<T> {
    /// Where the branches of each pattern stand: (shelf, number there).
    places: BTreeMap<T, Box<[(u32, u32)]>>,
    /// The first is the one for every event.
    shelves: Vec<Shelf<T>>,
    /// The shelf of each type, for each of [`KINDS`].
    by_kind: [Shelves; KINDS.len()],
    /// Work spaces that are not in use.
    scratch: Mutex<Vec<Scratch>>,
}

#[derive(Debug, Default)]
struct Shelves {
    shelf: HashMap<Box<str>, u32, BuildHasherDefault<hash::Mix>>,
    /// The one path of this kind, to find it in raw JSON.
    trie: Trie,
}

/// The size of an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Patterns held.
    pub patterns: usize,
    /// Branches of them, one for each way through `$or` and for each type.
    pub branches: usize,
    /// Distinct (path, operator, operand).
    pub questions: usize,
    /// Shelves: types with patterns of their own, and one for all others.
    pub shelves: usize,
    /// Branches that cannot be looked up: each event of their type pays for them.
    pub unindexed: usize,
}

impl<T> Default for Index<T> {
    fn default() -> Index<T> {
        Index {
            places: BTreeMap::new(),
            shelves: vec![Shelf::default()],
            by_kind: Default::default(),
            scratch: Mutex::default(),
        }
    }
}

impl<T: Copy + Ord> Index<T> {
    /// An empty index.
    #[must_use]
    pub fn new() -> Index<T> {
        Index::default()
    }

    /// Adds a pattern under this id; one that was there under it is replaced.
    pub fn add(&mut self, id: T, pattern: &Pattern) {
        self.remove(id);
        let mut places = Vec::with_capacity(pattern.branches().len());
        for branch in pattern.branches() {
            match kinds(branch) {
                Some((kind, at, names)) => {
                    let mut shelves: Vec<u32> = names.into_iter().map(|name| self.shelf(kind, name)).collect();
                    // Types without a shelf of their own share the first.
                    shelves.sort_unstable();
                    shelves.dedup();
                    for shelf in shelves {
                        let known = (shelf != 0).then_some(at);
                        places.extend(self.put(shelf, id, branch, known));
                    }
                }
                None => places.extend(self.put(0, id, branch, None)),
            }
        }
        self.places.insert(id, places.into());
    }

    fn put(&mut self, shelf: u32, id: T, branch: &Branch, known: Option<usize>) -> Option<(u32, u32)> {
        let number = self.shelves.get_mut(shelf as usize)?.add(id, branch, known);
        Some((shelf, number))
    }

    fn shelf(&mut self, kind: usize, name: &str) -> u32 {
        let Some(shelves) = self.by_kind.get_mut(kind) else { return 0 };
        if let Some(shelf) = shelves.shelf.get(name) {
            return *shelf;
        }
        if self.shelves.len() >= MAX_SHELVES {
            return 0;
        }
        if shelves.shelf.is_empty() {
            shelves.trie.ask(&[KINDS.get(kind).copied().unwrap_or_default().into()]);
        }
        let number = u32::try_from(self.shelves.len()).unwrap_or(0);
        self.shelves.push(Shelf::default());
        shelves.shelf.insert(name.into(), number);
        number
    }

    /// Removes the pattern of this id; false if there is none.
    pub fn remove(&mut self, id: T) -> bool {
        let Some(places) = self.places.remove(&id) else { return false };
        for (shelf, number) in places {
            if let Some(shelf) = self.shelves.get_mut(shelf as usize) {
                shelf.remove(number);
            }
        }
        true
    }

    /// The ids of all patterns that the event meets, in order, each once; `out` is cleared first.
    pub fn matches(&self, view: &View<'_>, out: &mut Vec<T>) {
        self.measure(view, out);
    }

    /// The same, and what it took.
    pub fn measure(&self, view: &View<'_>, out: &mut Vec<T>) -> Work {
        out.clear();
        let mut scratch = self.spaces().pop().unwrap_or_default();
        scratch.work = Work::default();
        let mut shelves = std::mem::take(&mut scratch.shelves);
        shelves.clear();
        shelves.push(0);
        for kind in &self.by_kind {
            if !kind.shelf.is_empty() {
                let found = &mut scratch.fields;
                view.collect(&kind.trie, found);
                kind.found(view, found, &mut shelves);
            }
        }
        shelves.sort_unstable();
        shelves.dedup();
        for shelf in &shelves {
            if let Some(shelf) = self.shelves.get(*shelf as usize).filter(|shelf| !shelf.is_empty()) {
                shelf.matches(view, &mut scratch, out);
            }
        }
        scratch.shelves = shelves;
        let work = scratch.work;
        self.spaces().push(scratch);
        out.sort_unstable();
        out.dedup();
        work
    }

    fn spaces(&self) -> std::sync::MutexGuard<'_, Vec<Scratch>> {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many patterns are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Its size.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            patterns: self.places.len(),
            branches: self.places.values().map(|places| places.len()).sum(),
            ..Stats::default()
        };
        for shelf in &self.shelves {
            let (questions, unindexed) = shelf.sizes();
            stats.shelves += usize::from(!shelf.is_empty());
            stats.questions += questions;
            stats.unindexed += unindexed;
        }
        stats
    }
}

impl Shelves {
    /// Adds the shelves of the types found.
    fn found(&self, view: &View<'_>, fields: &Fields, shelves: &mut Vec<u32>) {
        for found in &fields.found {
            let value = fields.value(found, view.data());
            if value.kind == Kind::Text
                && let Ok(name) = std::str::from_utf8(value.bytes)
            {
                shelves.extend(self.shelf.get(name));
            }
        }
    }
}

/// The types that a branch names one by one: of which of [`KINDS`], in which of its fields.
fn kinds(branch: &Branch) -> Option<(usize, usize, Vec<&str>)> {
    KINDS.iter().enumerate().find_map(|(kind, name)| {
        let is_kind = |path: &[Box<str>]| matches!(path, [only] if &**only == *name);
        let (at, field) = branch.fields.iter().enumerate().find(|(_, field)| is_kind(&field.path))?;
        let mut names = Vec::with_capacity(field.any.len());
        for test in &field.any {
            match test {
                Test::Text(text) if names.len() < MAX_TYPES => names.push(&**text),
                _ => return None,
            }
        }
        names.sort_unstable();
        names.dedup();
        Some((kind, at, names))
    })
}
