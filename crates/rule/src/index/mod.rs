//! Many patterns at once.

use std::collections::BTreeMap;

use crate::pattern::Pattern;
use crate::view::View;

/// An index over many patterns.
#[derive(Debug)]
pub struct Index<T> {
    patterns: BTreeMap<T, Pattern>,
}

impl<T> Default for Index<T> {
    fn default() -> Index<T> {
        Index { patterns: BTreeMap::new() }
    }
}

/// The size of an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Patterns held.
    pub patterns: usize,
}

impl<T: Copy + Ord> Index<T> {
    /// Adds a pattern under this id; one that was there under it is replaced.
    pub fn add(&mut self, id: T, pattern: &Pattern) {
        self.patterns.insert(id, pattern.clone());
    }

    /// Removes the pattern of this id; false if there is none.
    pub fn remove(&mut self, id: T) -> bool {
        self.patterns.remove(&id).is_some()
    }

    /// The ids of all patterns that the event meets, in order, each once; `out` is cleared first.
    pub fn matches(&self, view: &View<'_>, out: &mut Vec<T>) {
        out.clear();
        out.extend(self.patterns.iter().filter(|(_, pattern)| pattern.matches(view)).map(|(id, _)| *id));
    }

    /// How many patterns are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Its size.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats { patterns: self.patterns.len() }
    }
}
