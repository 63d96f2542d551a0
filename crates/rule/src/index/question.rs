//! Questions: each distinct (path, operator, operand) is held once, and answered at most once for an event.

use std::collections::BTreeSet;
use std::hash::{Hash as _, Hasher as _};

use hashbrown::HashTable;

use super::glance::{EXCLUDED, Glance};
use super::hash;
use crate::pattern::{Not, Test};
use crate::trie::Trie;

/// The operators that are found by hashing a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    Text = 1,
    Number,
    Literal,
    Prefix,
    Suffix,
    Fold,
}

/// A question and the branches that are looked up by it; in one line of memory.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Question<T> {
    pub(super) node: u32,
    users: u32,
    pub(super) glance: Glance,
    /// The branches that this question is the access to.
    pub(super) entries: Vec<Entry<T>>,
}

/// How many words of a branch's fields stand in the lists where it is looked up.
pub(super) const WORDS: usize = 6;

/// A branch in a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<T> {
    /// Whose it is.
    pub(super) id: T,
    /// Where its block begins; with [`ALL`] if the words are all of its fields.
    pub(super) block: u32,
    /// Other fields than that which led here, as in a block, as far as there is room; then [`super::scratch::NO`]. Most branches fail
    /// by the first of them, and most others are met without a look into their block.
    pub(super) words: [u32; WORDS],
}

/// Marks an entry that holds all that is asked of its branch.
pub(super) const ALL: u32 = 1 << 31;

/// What the values at a node are looked up for.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    /// Distinct questions here: the more there are, the rarer one is met.
    pub(super) distinct: u32,
    pub(super) texts: u32,
    pub(super) numbers: u32,
    pub(super) literals: u32,
    pub(super) folds: u32,
    /// The prefixes and suffixes that give access to branches; others are asked when a branch needs the answer.
    pub(super) prefixes: Lengths,
    pub(super) suffixes: Lengths,
}

/// The lengths of the prefixes looked up, with how many there are of each.
pub(super) type Lengths = Vec<(u32, u32)>;

/// All questions of a shelf.
#[derive(Debug)]
pub(super) struct Questions<T> {
    pub(super) trie: Trie,
    all: Vec<Question<T>>,
    /// The test of each question.
    tests: Vec<Test>,
    free: Vec<u32>,
    table: HashTable<u32>,
    lookups: Vec<Lookups>,
    /// The questions that give access to branches where a value is odd: no value leads to them.
    pub(super) odds: BTreeSet<u32>,
}

impl<T> Default for Questions<T> {
    fn default() -> Questions<T> {
        Questions {
            trie: Trie::default(),
            all: Vec::new(),
            tests: Vec::new(),
            free: Vec::new(),
            table: HashTable::new(),
            lookups: Vec::new(),
            odds: BTreeSet::new(),
        }
    }
}

pub(super) fn key(test: &Test) -> Option<(Class, &[u8])> {
    Some(match test {
        Test::Text(text) => (Class::Text, text.as_bytes()),
        Test::Number(number) => (Class::Number, &number.key),
        Test::True => (Class::Literal, b"true"),
        Test::False => (Class::Literal, b"false"),
        Test::Null => (Class::Literal, b"null"),
        Test::Prefix(text) => (Class::Prefix, text.as_bytes()),
        Test::Suffix(text) => (Class::Suffix, text.as_bytes()),
        Test::Fold(text) => (Class::Fold, text.as_bytes()),
        _ => return None,
    })
}

fn seed(node: u32, class: u64) -> u64 {
    (u64::from(node) << 8) | class
}

fn hash_of(node: u32, test: &Test) -> u64 {
    match key(test) {
        Some((Class::Suffix, bytes)) => hash::suffix(seed(node, Class::Suffix as u64), bytes),
        Some((class, bytes)) => hash::bytes(seed(node, class as u64), bytes),
        None => {
            let mut mix = hash::Mix::default();
            mix.write_u64(seed(node, 0));
            test.hash(&mut mix);
            mix.finish()
        }
    }
}

/// Whether all values are looked up for such a question, so that it is answered, or not met, before it is asked.
pub(super) fn is_hashed(test: &Test) -> bool {
    !matches!(key(test), None | Some((Class::Prefix | Class::Suffix, _)))
}

impl<T> Questions<T> {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// How many are in use.
    pub(super) fn used(&self) -> usize {
        self.all.len() - self.free.len()
    }

    #[inline]
    pub(super) fn get(&self, number: u32) -> Option<&Question<T>> {
        self.all.get(number as usize)
    }

    #[inline]
    pub(super) fn test(&self, number: u32) -> Option<&Test> {
        self.tests.get(number as usize)
    }

    #[inline]
    pub(super) fn lookups(&self, node: u32) -> Option<&Lookups> {
        self.lookups.get(node as usize)
    }

    /// The question that a value at a node answers by yes, if anybody asks it.
    #[inline]
    pub(super) fn find(&self, node: u32, class: Class, bytes: &[u8]) -> Option<u32> {
        self.find_hash(hash::bytes(seed(node, class as u64), bytes), node, class, bytes)
    }

    #[inline]
    fn find_hash(&self, hash: u64, node: u32, class: Class, bytes: &[u8]) -> Option<u32> {
        let same = |number: &u32| {
            self.get(*number).is_some_and(|question| {
                question.node == node
                    && question
                        .glance
                        .is(class, bytes)
                        .unwrap_or_else(|| self.test(*number).and_then(key) == Some((class, bytes)))
            })
        };
        self.table.find(hash, same).copied()
    }

    /// The questions that a value's prefixes and suffixes answer by yes; how many were looked up.
    pub(super) fn find_parts(&self, node: u32, lookups: &Lookups, bytes: &[u8], out: &mut Vec<u32>) -> usize {
        let mut count = 0;
        let mut hashes = hash::Prefixes::new(seed(node, Class::Prefix as u64), bytes);
        for (length, _) in &lookups.prefixes {
            let Some(part) = bytes.get(..*length as usize) else { break };
            out.extend(self.find_hash(hashes.hash(part.len()), node, Class::Prefix, part));
            count += 1;
        }
        let mut hashes = hash::Suffixes::new(seed(node, Class::Suffix as u64), bytes);
        for (length, _) in &lookups.suffixes {
            let Some(from) = bytes.len().checked_sub(*length as usize) else { break };
            let part = bytes.get(from..).unwrap_or_default();
            out.extend(self.find_hash(hashes.hash(part.len()), node, Class::Suffix, part));
            count += 1;
        }
        count
    }

    /// One more user for a question, made where it is new.
    pub(super) fn take(&mut self, path: &[Box<str>], test: &Test) -> u32 {
        let node = self.trie.ask(path);
        self.take_at(node, test)
    }

    /// The same for a node that was asked for on behalf of this question.
    fn take_at(&mut self, node: u32, test: &Test) -> u32 {
        let hash = hash_of(node, test);
        let same = |number: &u32| {
            self.get(*number).is_some_and(|known| known.node == node) && self.test(*number) == Some(test)
        };
        if let Some(number) = self.table.find(hash, same).copied() {
            // The node is counted once for each question.
            self.trie.release(node);
            if let Some(known) = self.all.get_mut(number as usize) {
                known.users += 1;
            }
            return number;
        }
        let glance = match test {
            Test::Not(not) => self.not(node, not),
            test => Glance::of(test),
        };
        let fresh = Question { node, users: 1, glance, entries: Vec::new() };
        let number = self.free.pop().unwrap_or_else(|| u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        match (self.all.get_mut(number as usize), self.tests.get_mut(number as usize)) {
            (Some(slot), Some(known)) => {
                *slot = fresh;
                *known = test.clone();
            }
            _ => {
                self.all.push(fresh);
                self.tests.push(test.clone());
            }
        }
        let (all, tests) = (&self.all, &self.tests);
        let rehash = |number: &u32| match (all.get(*number as usize), tests.get(*number as usize)) {
            (Some(known), Some(test)) => hash_of(known.node, test),
            _ => 0,
        };
        self.table.insert_unique(hash, number, rehash);
        self.count(node, test, true);
        number
    }

    /// A few excluded texts are questions of their own: a value is looked up once, whatever excludes it.
    fn not(&mut self, node: u32, not: &Not) -> Glance {
        if not.texts.len() > EXCLUDED || !not.numbers.is_empty() || !not.tests.is_empty() {
            return Glance::of(&Test::Not(Box::new(not.clone())));
        }
        let mut take = |text: &str| {
            self.trie.ask_again(node);
            self.take_at(node, &Test::Text(text.into()))
        };
        let questions: Vec<u32> = not.texts.iter().map(|text| take(text)).collect();
        Glance::not(&questions)
    }

    /// A helper question on the same field as another.
    pub(super) fn take_beside(&mut self, number: u32, test: &Test) -> u32 {
        let node = self.get(number).map_or(0, |known| known.node);
        self.trie.ask_again(node);
        self.take_at(node, test)
    }

    /// One user less; the last one takes the question away.
    pub(super) fn release(&mut self, number: u32) {
        let Some(question) = self.all.get_mut(number as usize) else { return };
        question.users = question.users.saturating_sub(1);
        if question.users > 0 {
            return;
        }
        let node = question.node;
        let glance = question.glance;
        question.entries = Vec::new();
        let test =
            self.tests.get_mut(number as usize).map_or(Test::Absent, |test| std::mem::replace(test, Test::Absent));
        let hash = hash_of(node, &test);
        if let Ok(entry) = self.table.find_entry(hash, |known| *known == number) {
            entry.remove();
        }
        self.free.push(number);
        self.count(node, &test, false);
        self.trie.release(node);
        glance.excluded().for_each(|excluded| self.release(excluded));
    }

    fn count(&mut self, node: u32, test: &Test, more: bool) {
        let at = self.lookups_mut(node);
        let by = |count: &mut u32| *count = if more { *count + 1 } else { count.saturating_sub(1) };
        by(&mut at.distinct);
        match key(test) {
            Some((Class::Text, _)) => by(&mut at.texts),
            Some((Class::Number, _)) => by(&mut at.numbers),
            Some((Class::Literal, _)) => by(&mut at.literals),
            Some((Class::Fold, _)) => by(&mut at.folds),
            _ => {}
        }
    }

    fn lookups_mut(&mut self, node: u32) -> &mut Lookups {
        let at = node as usize;
        if self.lookups.len() <= at {
            self.lookups.resize_with(at + 1, Lookups::default);
        }
        // The line above made room; the first one is only there because indexing is not allowed to fail.
        let at = at.min(self.lookups.len() - 1);
        #[expect(clippy::indexing_slicing, reason = "within the length, which is not zero")]
        &mut self.lookups[at]
    }

    /// Adds a branch to a question's list; its place there.
    pub(super) fn enlist(&mut self, number: u32, entry: Entry<T>) -> u32 {
        let Some(question) = self.all.get_mut(number as usize) else { return 0 };
        let place = u32::try_from(question.entries.len()).unwrap_or(u32::MAX);
        if question.entries.len() == question.entries.capacity() {
            // Most lists have one branch or two: room for four would be most of what a pattern takes.
            question.entries.reserve_exact((question.entries.len() / 2).max(1));
        }
        question.entries.push(entry);
        if place == 0 {
            self.access(number, true);
        }
        place
    }

    /// Takes the branch at this place off a question's list; the one that stands there now, if another moved.
    pub(super) fn delist(&mut self, number: u32, place: u32) -> Option<u32> {
        let question = self.all.get_mut(number as usize)?;
        if (place as usize) < question.entries.len() {
            question.entries.swap_remove(place as usize);
        }
        let moved = question.entries.get(place as usize).map(|entry| entry.block & !ALL);
        if question.entries.is_empty() {
            self.access(number, false);
        }
        moved
    }

    /// Notes that values must be looked up for this question from now on, or no more.
    fn access(&mut self, number: u32, more: bool) {
        let (Some(question), Some(test)) = (self.get(number), self.test(number)) else { return };
        if matches!(test, Test::Odd(_)) {
            if more {
                self.odds.insert(number);
            } else {
                self.odds.remove(&number);
            }
            return;
        }
        let Some((class, bytes)) = key(test) else { return };
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let at = self.lookups_mut(question.node);
        match class {
            Class::Prefix => lengths(&mut at.prefixes, length, more),
            Class::Suffix => lengths(&mut at.suffixes, length, more),
            _ => {}
        }
    }
}

fn lengths(known: &mut Lengths, length: u32, more: bool) {
    match known.binary_search_by_key(&length, |(length, _)| *length) {
        Ok(at) => {
            if let Some((_, count)) = known.get_mut(at) {
                *count = if more { *count + 1 } else { count.saturating_sub(1) };
                if *count == 0 {
                    known.remove(at);
                }
            }
        }
        Err(at) if more => known.insert(at, (length, 1)),
        Err(_) => {}
    }
}
