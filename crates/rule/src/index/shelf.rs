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

use super::question::{Class, Entry, Questions};
use super::scratch::{NO, Scratch};
use crate::fields::NONE;
use crate::join::{Join, Want};
use crate::pattern::{Branch, Field, Kind, Test, fold, number};
use crate::trie::ROOT;
use crate::view::View;

/// Marks a word of a branch that counts alternatives; the questions follow.
const MANY: u32 = 1 << 31;

/// A branch: whose it is, where it is listed, what it asks.
#[derive(Debug)]
struct Slot<T> {
    id: T,
    /// It may see the events that ensue writes.
    ours: bool,
    /// How many of the words are pairs of (question, place in its list).
    lists: u32,
    /// Those pairs; then the fields: a question, or [`MANY`] and the number of alternatives that follow.
    words: Box<[u32]>,
}

/// The branches of a partition.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    questions: Questions,
    slots: Vec<Option<Slot<T>>>,
    free: Vec<u32>,
    /// Branches without an access: each event of the partition pays for them.
    rest: Vec<u32>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Shelf<T> {
        Shelf { questions: Questions::default(), slots: Vec::new(), free: Vec::new(), rest: Vec::new() }
    }
}

/// What a branch's field would cost as its access: the branches that an event then looks at, times 2^20.
fn cost(questions: &Questions, asked: &[u32], keys: &[(u32, usize)]) -> u64 {
    let mut cost = 0;
    for (question, length) in keys {
        let Some(known) = questions.get(*question) else { continue };
        let distinct = questions.lookups(known.node).map_or(1, |lookups| lookups.distinct.max(1));
        let listed = known.entries.len() as u64 + 1;
        // A short prefix is met by more values than a long one.
        let short = if asked.contains(question) && matches!(known.test, Test::Text(_) | Test::Number(_)) {
            0
        } else {
            (8 << 20) / (*length as u64).max(1)
        };
        cost += listed * ((1 << 20) + short) / u64::from(distinct);
    }
    cost
}

/// How a branch is found.
struct Choice {
    /// The field that is its access, if there is one.
    access: usize,
    /// The questions of that field that values are looked up for, with the lengths of their texts.
    keys: Vec<(u32, usize)>,
    /// A question of another field to look at first, or [`NO`].
    guard: u32,
}

/// The same for what cannot be looked up, so that it is only a guess how often it is met: an exclusion mostly is.
fn guess(test: &Test) -> u64 {
    match test {
        Test::Range(_) => 1 << 19,
        Test::Wildcard(_) | Test::Cidr(_) | Test::PrefixFold(_) | Test::SuffixFold(_) => 1 << 17,
        _ => 1 << 21,
    }
}

/// How much it takes to answer for a field: 0 if the values were hashed anyway.
fn effort(field: &Field) -> u32 {
    let effort = |test: &Test| match test {
        Test::Text(_) | Test::Number(_) | Test::True | Test::False | Test::Null => 0,
        Test::Present | Test::Absent => 1,
        Test::Prefix(_) | Test::Suffix(_) => 2,
        Test::Wildcard(_) | Test::Cidr(_) => 4,
        _ => 3,
    };
    field.any.iter().map(effort).max().unwrap_or(0)
}

impl<T: Copy> Shelf<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.len() == self.free.len()
    }

    /// Questions in use, and branches without an access.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.questions.used(), self.rest.len())
    }

    /// Adds a branch; its number here. The cost is that of the branch, whatever else is on the shelf.
    pub(super) fn add(&mut self, id: T, branch: &Branch) -> u32 {
        let asked: Vec<Vec<u32>> = branch
            .fields
            .iter()
            .map(|field| field.any.iter().map(|test| self.questions.take(&field.path, test)).collect())
            .collect();
        let Choice { access, keys, guard } = self.choose(branch, &asked);
        let slot = self.free.pop().unwrap_or_else(|| u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        let mut words = Vec::with_capacity(keys.len() * 2 + 2 + asked.len() * 2);
        for (question, _) in &keys {
            words.push(*question);
            words.push(self.questions.enlist(*question, Entry { slot, guard }));
        }
        if keys.is_empty() {
            words.push(NO);
            words.push(u32::try_from(self.rest.len()).unwrap_or(u32::MAX));
            self.rest.push(slot);
        }
        let lists = u32::try_from(words.len() / 2).unwrap_or(0);
        // What is answered by a hash comes before what must be computed, and the access, mostly met already, last.
        let mut order: Vec<usize> = (0..asked.len()).collect();
        order.sort_by_key(|at| (*at == access, branch.fields.get(*at).map_or(0, |field| effort(field))));
        for numbers in order.into_iter().filter_map(|at| asked.get(at)) {
            match numbers.as_slice() {
                [single] => words.push(*single),
                many => {
                    words.push(MANY | u32::try_from(many.len()).unwrap_or(0));
                    words.extend_from_slice(many);
                }
            }
        }
        let fresh = Some(Slot { id, ours: branch.names_ours(), lists, words: words.into() });
        match self.slots.get_mut(slot as usize) {
            Some(place) => *place = fresh,
            None => self.slots.push(fresh),
        }
        slot
    }

    /// Chooses by which field a branch is looked up, and which other field is looked at first.
    fn choose(&mut self, branch: &Branch, asked: &[Vec<u32>]) -> Choice {
        let mut access: Option<(u64, std::cmp::Reverse<usize>, usize, Vec<(u32, usize)>)> = None;
        let mut guards: Vec<(u64, u32, usize)> = Vec::new();
        for (at, (field, numbers)) in branch.fields.iter().zip(asked).enumerate() {
            let keys = self.keys(field, numbers);
            let cost = keys.as_ref().map(|keys| cost(&self.questions, numbers, keys));
            if let ([single], Some(test)) = (numbers.as_slice(), field.any.first()) {
                guards.push((cost.unwrap_or_else(|| guess(test)), *single, at));
            }
            let (Some(keys), Some(cost)) = (keys, cost) else { continue };
            // Of two that cost the same, the one with the longer texts.
            let length = std::cmp::Reverse(keys.iter().map(|(_, length)| length).sum());
            if access.as_ref().is_none_or(|(least, longest, ..)| (cost, length) < (*least, *longest)) {
                if let Some((.., worse)) = access.replace((cost, length, at, keys)) {
                    self.drop_keys(&worse);
                }
            } else {
                self.drop_keys(&keys);
            }
        }
        let (access, keys) = access.map_or((usize::MAX, Vec::new()), |(.., at, keys)| (at, keys));
        let guard = guards.into_iter().filter(|(.., at)| *at != access).min();
        Choice { access, keys, guard: guard.map_or(NO, |(_, question, _)| question) }
    }

    /// The questions by which a branch is found through this field, with the lengths of their texts; none if some
    /// alternative cannot be looked up. Each counts one user more.
    fn keys(&mut self, field: &Field, numbers: &[u32]) -> Option<Vec<(u32, usize)>> {
        let mut keys = Vec::with_capacity(numbers.len());
        for (test, number) in field.any.iter().zip(numbers) {
            let key = match test {
                Test::Text(text) | Test::Fold(text) => Some((test.clone(), text.len())),
                Test::Number(number) => Some((test.clone(), number.text.len())),
                Test::True | Test::False | Test::Null => Some((test.clone(), 1)),
                Test::Prefix(text) | Test::Suffix(text) if !text.is_empty() => Some((test.clone(), text.len())),
                Test::Wildcard(wildcard) => {
                    let (first, last) = wildcard.anchors();
                    match first.len().max(last.len()) {
                        0 => None,
                        length if last.len() == length => Some((Test::Suffix(last.into()), length)),
                        length => Some((Test::Prefix(first.into()), length)),
                    }
                }
                _ => None,
            };
            match key {
                Some((test, length)) => keys.push((self.questions.take_beside(*number, &test), length)),
                None => {
                    self.drop_keys(&keys);
                    return None;
                }
            }
        }
        // Two alternatives may have one key: `ab*c` and `ab*d`.
        keys.sort_unstable();
        let mut unique: Vec<(u32, usize)> = Vec::with_capacity(keys.len());
        for key in keys {
            if unique.last().is_some_and(|(last, _)| *last == key.0) {
                self.questions.release(key.0);
            } else {
                unique.push(key);
            }
        }
        Some(unique)
    }

    fn drop_keys(&mut self, keys: &[(u32, usize)]) {
        for (question, _) in keys {
            self.questions.release(*question);
        }
    }

    /// Takes a branch away.
    pub(super) fn remove(&mut self, number: u32) {
        let Some(slot) = self.slots.get_mut(number as usize).and_then(Option::take) else { return };
        let (lists, fields) = slot.words.split_at_checked(slot.lists as usize * 2).unwrap_or((&slot.words, &[]));
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
            if let Some(moved) = moved.filter(|moved| *moved != number) {
                self.moved(moved, question, place);
            }
            if question != NO {
                self.questions.release(question);
            }
        }
        for clause in Clauses(fields) {
            for question in clause {
                self.questions.release(*question);
            }
        }
        self.free.push(number);
    }

    /// Notes the new place of a branch in a list.
    fn moved(&mut self, slot: u32, question: u32, place: u32) {
        let Some(Some(slot)) = self.slots.get_mut(slot as usize) else { return };
        let lists = slot.lists as usize;
        if let Some(pair) = slot.words.as_chunks_mut::<2>().0.iter_mut().take(lists).find(|pair| pair[0] == question) {
            pair[1] = place;
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
            for entry in &question.entries {
                if (entry.guard == NO || ask.answer(entry.guard, scratch) != 0) && ask.meets(entry.slot, scratch) {
                    out.extend(self.id(entry.slot));
                }
            }
        }
        for slot in &self.rest {
            if ask.meets(*slot, scratch) {
                out.extend(self.id(*slot));
            }
        }
        scratch.hits = hits;
    }

    fn id(&self, slot: u32) -> Option<T> {
        self.slots.get(slot as usize)?.as_ref().map(|slot| slot.id)
    }

    /// Looks each value up.
    fn answer(&self, view: &View<'_>, scratch: &mut Scratch) {
        let questions = &self.questions;
        let data = view.data();
        let mut more: Vec<u32> = Vec::new();
        for at in 0..scratch.fields.found.len() {
            let Some(found) = scratch.fields.found.get(at).copied() else { continue };
            let Some(lookups) = questions.lookups(found.node) else { continue };
            let value = scratch.fields.value(&found, data);
            let mut yes = None;
            match value.kind {
                Kind::Text => {
                    if lookups.texts > 0 {
                        yes = questions.find(found.node, Class::Text, value.bytes);
                    }
                    if lookups.folds == 0 && lookups.prefixes.is_empty() && lookups.suffixes.is_empty() {
                        if let Some(question) = yes {
                            scratch.yes(questions, question, found.element);
                        }
                        continue;
                    }
                    for (length, _) in &lookups.prefixes {
                        let Some(part) = value.bytes.get(..*length as usize) else { break };
                        more.extend(questions.find(found.node, Class::Prefix, part));
                    }
                    for (length, _) in &lookups.suffixes {
                        let Some(from) = value.bytes.len().checked_sub(*length as usize) else { break };
                        more.extend(questions.find(
                            found.node,
                            Class::Suffix,
                            value.bytes.get(from..).unwrap_or_default(),
                        ));
                    }
                    if lookups.folds > 0 && fold::fold_into(value.bytes, &mut scratch.room) {
                        more.extend(questions.find(found.node, Class::Fold, &scratch.room));
                    }
                    for question in more.drain(..) {
                        scratch.yes(questions, question, found.element);
                    }
                }
                Kind::Number if lookups.numbers > 0 => {
                    if number::key(value.bytes, &mut scratch.room) {
                        yes = questions.find(found.node, Class::Number, &scratch.room);
                    }
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
    }
}

/// The fields of a branch, each as its questions.
#[derive(Clone, Copy)]
struct Clauses<'a>(&'a [u32]);

impl<'a> Iterator for Clauses<'a> {
    type Item = &'a [u32];

    #[inline]
    fn next(&mut self) -> Option<&'a [u32]> {
        let (first, rest) = self.0.split_first()?;
        if first & MANY == 0 {
            self.0 = rest;
            return Some(std::slice::from_ref(first));
        }
        let (clause, rest) = rest.split_at_checked((first & !MANY) as usize)?;
        self.0 = rest;
        Some(clause)
    }
}

/// What stays the same while the candidates of one event are asked.
struct Ask<'a, T> {
    shelf: &'a Shelf<T>,
    view: &'a View<'a>,
    /// The node of `type` if the event is one of our own, else [`NO`].
    kind: u32,
    /// All elements belong to one array outside of others, and there are few.
    alone: bool,
}

impl<T> Ask<'_, T> {
    /// Whether the event meets the branch.
    fn meets(&self, slot: u32, scratch: &mut Scratch) -> bool {
        let Some(Some(slot)) = self.shelf.slots.get(slot as usize) else { return false };
        if self.view.is_ours() && !slot.ours {
            return false;
        }
        let clauses = Clauses(slot.words.get(slot.lists as usize * 2..).unwrap_or_default());
        // The elements in which all fields met only within arrays are met.
        let mut common = u64::MAX;
        let mut within = 0;
        let mut unsure = false;
        for clause in clauses {
            let mut elements = 0;
            let mut maybe = false;
            for question in clause {
                let answer = self.answer(*question, scratch);
                elements |= answer & !Scratch::MAYBE;
                maybe |= answer & Scratch::MAYBE != 0;
            }
            if elements & Scratch::OUTSIDE != 0 {
                continue;
            }
            if maybe {
                unsure = true;
            } else if elements == 0 {
                return false;
            } else {
                common &= elements;
                within += 1;
            }
        }
        if !unsure {
            if within <= 1 || common & !Scratch::BEYOND != 0 {
                return true;
            }
            if self.alone {
                return false;
            }
        }
        self.join(clauses, scratch)
    }

    /// The elements in which a question is answered by yes.
    #[inline]
    fn answer(&self, number: u32, scratch: &mut Scratch) -> u64 {
        if let Some(answer) = scratch.known(number) {
            return answer;
        }
        let Some(question) = self.shelf.questions.get(number) else { return 0 };
        let answer = match &question.test {
            // Found by hashing, or not met.
            Test::Text(_) | Test::Number(_) | Test::True | Test::False | Test::Null => return 0,
            Test::Absent => scratch.absence(question.node),
            test if question.node == self.kind && !test.names_ours() => 0,
            test => scratch.ask(question.node, test, self.view.data()),
        };
        scratch.note(number, answer);
        answer
    }

    /// The exact check, for the few that the masks leave open.
    fn join(&self, clauses: Clauses<'_>, scratch: &Scratch) -> bool {
        let questions = &self.shelf.questions;
        let list: Vec<&[u32]> = clauses.collect();
        let wants: Vec<Want> = list
            .iter()
            .map(|clause| Want {
                node: clause.first().and_then(|number| questions.get(*number)).map_or(NONE, |question| question.node),
                may_be_absent: clause
                    .iter()
                    .any(|number| questions.get(*number).is_some_and(|question| question.test == Test::Absent)),
            })
            .collect();
        let join = Join { trie: &questions.trie, fields: &scratch.fields, data: self.view.data(), wants: &wants };
        join.meets(|at, value| {
            list.get(at).is_some_and(|clause| {
                clause.iter().filter_map(|number| questions.get(*number)).any(|question| {
                    question.test.holds(value) && (question.node != self.kind || question.test.names_ours())
                })
            })
        })
    }
}
