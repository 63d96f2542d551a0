//! The branches of one partition, looked up by the rarest of their fields.
//!
//! ```text
//!   event ── walk along the trie ──► values ── hash (path, value) ──► questions answered by yes
//!                                                                        │ entries
//!                                                                        ▼
//!                          id ◄── all other fields met? ◄── candidate branches
//! ```
//!
//! Invariant: a branch is in the lists of all alternatives of one of its fields, its access, or in `rest` if no field
//! can be an access. So an event that meets it finds it, and one that does not mostly never sees it.

use std::collections::BTreeMap;

use super::access::{Choice, effort};
use super::ask::{Ask, Clauses};
use super::question::{ALL, Class, Entry, Question, Questions};
use super::scratch::{NO, Scratch};
use crate::fields::OUTSIDE;
use crate::pattern::{Branch, Field, Kind, Test, fold, number};
use crate::trie::ROOT;
use crate::view::View;

/// Marks a word of a block that counts alternatives; the questions follow.
pub(super) const MANY: u32 = 1 << 31;
/// Marks a question that is answered when the values are looked up, or else not met: no need to look at it.
pub(super) const HASHED: u32 = 1 << 30;

/// The branches of a partition.
///
/// What is asked of a branch lies in one block of [`words`](Shelf::words), so that a candidate costs one look into
/// memory: `number, lists (and whether it may see ensue's own events), fields`, then the pairs of (question, place in
/// its list) where it is listed, then the fields: a question, or [`MANY`] and the number of alternatives that follow.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    questions: Questions<T>,
    /// Whose each branch is, and where its block begins.
    slots: Vec<Option<(T, u32)>>,
    free: Vec<u32>,
    words: Vec<u32>,
    /// Blocks that are free, by their length.
    holes: BTreeMap<usize, Vec<u32>>,
    /// Branches without an access: each event of the partition pays for them.
    rest: Vec<u32>,
}

/// The words before the pairs.
const HEAD: usize = 3;
/// Marks in the second word a branch that may see the events that ensue writes.
const OWN: u32 = 1 << 31;

/// A block, read.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) number: u32,
    pub(super) own: bool,
    lists: &'a [u32],
    pub(super) fields: &'a [u32],
}

impl<T> Default for Shelf<T> {
    fn default() -> Shelf<T> {
        Shelf {
            questions: Questions::default(),
            slots: Vec::new(),
            free: Vec::new(),
            words: Vec::new(),
            holes: BTreeMap::new(),
            rest: Vec::new(),
        }
    }
}

/// A length as a word; patterns are bounded far below what would not fit.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(NO)
}

impl<T: Copy> Shelf<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.len() == self.free.len()
    }

    pub(super) fn questions(&self) -> &Questions<T> {
        &self.questions
    }

    /// Questions in use, and branches without an access.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.questions.used(), self.rest.len())
    }

    /// Adds a branch; its number here. The cost is that of the branch, whatever else is on the shelf.
    /// `known` is the field that brings events to this shelf: it is met by all of them, and not asked again.
    pub(super) fn add(&mut self, id: T, branch: &Branch, known: Option<usize>) -> u32 {
        let other = |at: &usize| Some(*at) != known || branch.fields.len() == 1;
        let fields: Vec<&Field> =
            (0..branch.fields.len()).filter(other).filter_map(|at| Some(&**branch.fields.get(at)?)).collect();
        let asked: Vec<Vec<u32>> = fields
            .iter()
            .map(|field| field.any.iter().map(|test| self.questions.take(&field.path, test)).collect())
            .collect();
        let Choice { access, keys, words: beside, all } = self.questions.choose(&fields, &asked);
        let number = self.free.pop().unwrap_or_else(|| count(self.slots.len()));
        let pairs = keys.len().max(1) * 2;
        let length: usize = asked.iter().map(|numbers| if numbers.len() == 1 { 1 } else { numbers.len() + 1 }).sum();
        let start = self.room(HEAD + pairs + length);
        let mut words = Vec::with_capacity(HEAD + pairs + length);
        words.push(number);
        words.push(count(pairs) | if branch.names_ours() { OWN } else { 0 });
        words.push(count(length));
        for (question, _) in &keys {
            words.push(*question);
            words.push(
                self.questions.enlist(*question, Entry { id, block: start | if all { ALL } else { 0 }, words: beside }),
            );
        }
        if keys.is_empty() {
            words.push(NO);
            words.push(count(self.rest.len()));
            self.rest.push(start);
        }
        // What is answered by a hash comes before what must be computed, and the access, mostly met already, last.
        let mut order: Vec<usize> = (0..asked.len()).collect();
        order.sort_by_key(|at| (*at == access, fields.get(*at).map_or(0, |field| effort(field))));
        for numbers in order.into_iter().filter_map(|at| asked.get(at)) {
            if numbers.len() != 1 {
                words.push(MANY | count(numbers.len()));
            }
            words.extend(numbers.iter().map(|number| self.questions.marked(*number)));
        }
        if let Some(room) = self.words.get_mut(start as usize..start as usize + words.len()) {
            room.copy_from_slice(&words);
        }
        let fresh = Some((id, start));
        match self.slots.get_mut(number as usize) {
            Some(place) => *place = fresh,
            None => self.slots.push(fresh),
        }
        number
    }

    /// Room for a block: one of the same length that was freed, or at the end.
    fn room(&mut self, length: usize) -> u32 {
        if let Some(holes) = self.holes.get_mut(&length)
            && let Some(start) = holes.pop()
        {
            return start;
        }
        let start = count(self.words.len());
        self.words.resize(self.words.len() + length, 0);
        start
    }

    #[inline]
    pub(super) fn block(&self, start: u32) -> Option<Block<'_>> {
        let (head, rest) = self.words.get(start as usize..)?.split_first_chunk::<HEAD>()?;
        let [number, lists, fields] = *head;
        let (lists_, rest) = rest.split_at_checked((lists & !OWN) as usize)?;
        Some(Block { number, own: lists & OWN != 0, lists: lists_, fields: rest.get(..fields as usize)? })
    }

    /// Takes a branch away.
    pub(super) fn remove(&mut self, number: u32) {
        let Some((_, start)) = self.slots.get_mut(number as usize).and_then(Option::take) else { return };
        let Some(block) = self.block(start) else { return };
        let (lists, fields) = (block.lists.to_vec(), block.fields.to_vec());
        for pair in lists.as_chunks::<2>().0 {
            let [question, place] = *pair;
            let moved = if question == NO {
                if (place as usize) < self.rest.len() {
                    self.rest.swap_remove(place as usize);
                }
                self.rest.get(place as usize).copied()
            } else {
                self.questions.delist(question, place)
            };
            if let Some(moved) = moved {
                self.moved(moved, question, place);
            }
            if question != NO {
                self.questions.release(question);
            }
        }
        for clause in Clauses(&fields) {
            for question in clause {
                self.questions.release(question & !HASHED);
            }
        }
        self.holes.entry(HEAD + lists.len() + fields.len()).or_default().push(start);
        self.free.push(number);
    }

    /// Notes the new place of a branch in a list.
    fn moved(&mut self, block: u32, question: u32, place: u32) {
        let Some(pairs) = self.block(block).map(|block| block.lists.len()) else { return };
        let from = block as usize + HEAD;
        let Some(lists) = self.words.get_mut(from..from + pairs) else { return };
        if let Some([_, known]) = lists.as_chunks_mut::<2>().0.iter_mut().find(|[known, _]| *known == question) {
            *known = place;
        }
    }

    /// Appends the ids of the branches that the event meets; an id may come more than once.
    pub(super) fn matches(&self, view: &View<'_>, scratch: &mut Scratch, out: &mut Vec<T>) {
        view.collect(&self.questions.trie, &mut scratch.fields);
        scratch.begin(self.questions.len());
        self.answer(view, scratch);
        let kind = if view.is_ours() { self.questions.trie.find(ROOT, b"type").unwrap_or(NO) } else { NO };
        let ask = Ask { shelf: self, view, kind, alone: scratch.fields.elements_are_alone() };
        let hits = std::mem::take(&mut scratch.hits);
        for hit in &hits {
            let Some(question) = self.questions.get(*hit) else { continue };
            scratch.work.entries += question.entries.len();
            let answer = scratch.known(*hit).unwrap_or(0);
            for entry in &question.entries {
                if ask.found(answer, entry, scratch) {
                    out.push(entry.id);
                }
            }
        }
        for block in &self.rest {
            if let Some(number) = ask.meets(*block, scratch) {
                out.extend(self.id(number));
            }
        }
        scratch.hits = hits;
    }

    fn id(&self, number: u32) -> Option<T> {
        self.slots.get(number as usize)?.map(|(id, _)| id)
    }

    /// Looks each value up.
    fn answer(&self, view: &View<'_>, scratch: &mut Scratch) {
        let questions = &self.questions;
        let data = view.data();
        let mut more = std::mem::take(&mut scratch.more);
        scratch.work.values += scratch.fields.found.len();
        for at in 0..scratch.fields.found.len() {
            scratch.texts.push(NO);
            let Some(found) = scratch.fields.found.get(at).copied() else { continue };
            let Some(lookups) = questions.lookups(found.node) else { continue };
            let value = scratch.fields.value(&found, data);
            let mut yes = None;
            match value.kind {
                Kind::Text => {
                    if lookups.texts > 0 {
                        scratch.work.lookups += 1;
                        yes = questions.find(found.node, Class::Text, value.bytes);
                        if let (Some(question), Some(text)) = (yes, scratch.texts.last_mut()) {
                            *text = question;
                        }
                    }
                    if lookups.folds == 0 && lookups.prefixes.is_empty() && lookups.suffixes.is_empty() {
                        if let Some(question) = yes {
                            scratch.yes(questions, question, found.element);
                        }
                        continue;
                    }
                    scratch.work.lookups += questions.find_parts(found.node, lookups, value.bytes, &mut more);
                    if lookups.folds > 0 && fold::fold_into(value.bytes, &mut scratch.room) {
                        more.extend(questions.find(found.node, Class::Fold, &scratch.room));
                    }
                    for question in more.drain(..) {
                        scratch.yes(questions, question, found.element);
                    }
                }
                Kind::Number if lookups.numbers > 0 && number::key(value.bytes, &mut scratch.room) => {
                    yes = questions.find(found.node, Class::Number, &scratch.room);
                }
                Kind::True | Kind::False | Kind::Null if lookups.literals > 0 => {
                    yes = questions.find(found.node, Class::Literal, value.bytes);
                }
                _ => {}
            }
            if let Some(question) = yes {
                scratch.yes(questions, question, found.element);
            }
        }
        scratch.more = more;
        for number in &questions.odds {
            if let (Some(Question { node, .. }), Some(Test::Odd(odd))) =
                (questions.get(*number), questions.test(*number))
                && scratch.odd(*node, *odd, view) != 0
            {
                scratch.yes(questions, *number, OUTSIDE);
            }
        }
    }
}
