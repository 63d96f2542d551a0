//! By which field a branch is looked up: the one that is expected to bring the fewest other branches along.

use std::cmp::Reverse;

use super::question::{Questions, WORDS, is_hashed};
use super::scratch::NO;
use super::shelf::{HASHED, MANY};
use crate::pattern::{Field, Test};

/// Questions that values are looked up for, with the lengths of their texts.
pub(super) type Keys = Vec<(u32, usize)>;

/// What a branch's field would cost as its access: the branches that an event then looks at, times 2^20.
fn cost<T>(questions: &Questions<T>, keys: &Keys) -> u64 {
    let mut cost = 0;
    for (number, length) in keys {
        let (Some(known), Some(test)) = (questions.get(*number), questions.test(*number)) else { continue };
        let distinct = questions.lookups(known.node).map_or(1, |lookups| lookups.distinct.max(1));
        let listed = known.entries.len() as u64 + 1;
        cost += (listed << 20) / u64::from(rarity(test, *length).min(distinct));
    }
    cost
}

/// Of how many values one is met at most, as far as the text's length says. A whole text tells values apart. Names
/// begin alike, `refs/heads/`, `team-`, and are told apart by their ends.
fn rarity(test: &Test, length: usize) -> u32 {
    let bits = match test {
        Test::True | Test::False | Test::Null => 1,
        Test::Prefix(_) => length.saturating_sub(3) * 2,
        Test::Suffix(_) => length * 2,
        _ => return u32::MAX,
    };
    1 << bits.min(31)
}

/// How a branch is found.
pub(super) struct Choice {
    /// The field that is its access, if there is one.
    pub(super) access: usize,
    /// The questions of that field that values are looked up for, with the lengths of their texts.
    pub(super) keys: Keys,
    /// Other fields, to look at first.
    pub(super) words: [u32; WORDS],
    /// They are all other fields.
    pub(super) all: bool,
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
pub(super) fn effort(field: &Field) -> u32 {
    let effort = |test: &Test| match test {
        test if is_hashed(test) => 0,
        Test::Present | Test::Absent => 1,
        Test::Prefix(_) | Test::Suffix(_) => 2,
        Test::Wildcard(_) | Test::Cidr(_) => 4,
        _ => 3,
    };
    field.any.iter().map(effort).max().unwrap_or(0)
}

impl<T> Questions<T> {
    /// Chooses by which field a branch is looked up, and which other field is looked at first.
    pub(super) fn choose(&mut self, fields: &[&Field], asked: &[Vec<u32>]) -> Choice {
        let mut access: Option<(u64, Reverse<usize>, usize, Keys)> = None;
        let mut order: Vec<(bool, u64, usize)> = Vec::with_capacity(fields.len());
        for (at, (field, numbers)) in fields.iter().zip(asked).enumerate() {
            let keys = self.keys(field, numbers);
            let cost = keys.as_ref().map(|keys| cost(self, keys));
            // What is answered already comes before what must be computed.
            let computed = effort(field) > 0;
            order.push((computed, cost.unwrap_or_else(|| field.any.iter().map(guess).sum()), at));
            let (Some(keys), Some(cost)) = (keys, cost) else { continue };
            // Of two that cost the same, the one with the longer texts.
            let length = Reverse(keys.iter().map(|(_, length)| length).sum());
            if access.as_ref().is_none_or(|(least, longest, ..)| (cost, length) < (*least, *longest)) {
                if let Some((.., worse)) = access.replace((cost, length, at, keys)) {
                    self.drop_keys(&worse);
                }
            } else {
                self.drop_keys(&keys);
            }
        }
        let (access, keys) = access.map_or((usize::MAX, Vec::new()), |(.., at, keys)| (at, keys));
        // Being found by a part of a wildcard is not yet meeting it.
        let proven =
            fields.get(access).is_some_and(|field| !field.any.iter().any(|test| matches!(test, Test::Wildcard(_))));
        order.retain(|(.., at)| *at != access || !proven);
        order.sort_unstable();
        let size =
            |at: usize| asked.get(at).map_or(0, |numbers| if numbers.len() == 1 { 1 } else { numbers.len() + 1 });
        let all = order.iter().map(|(.., at)| size(*at)).sum::<usize>() <= WORDS;
        let mut words = [NO; WORDS];
        let mut used = 0;
        for (computed, _, at) in order {
            // Where the block is looked at anyway, what must be computed waits for the rest of it.
            if (computed && !all) || used + size(at) > WORDS {
                continue;
            }
            let numbers = asked.get(at).map_or(&[][..], Vec::as_slice);
            let many = (numbers.len() != 1).then(|| MANY | u32::try_from(numbers.len()).unwrap_or(0));
            for word in many.into_iter().chain(numbers.iter().map(|number| self.marked(*number))) {
                if let Some(place) = words.get_mut(used) {
                    *place = word;
                }
                used += 1;
            }
        }
        Choice { access, keys, words, all }
    }

    /// The questions by which a branch is found through this field, with the lengths of their texts; none if some
    /// alternative cannot be looked up. Each counts one user more.
    fn keys(&mut self, field: &Field, numbers: &[u32]) -> Option<Keys> {
        if !field.is_access() {
            return None;
        }
        let mut keys = Vec::with_capacity(numbers.len());
        for (test, number) in field.any.iter().zip(numbers) {
            if let Some((test, length)) = test.access() {
                keys.push((self.take_beside(*number, &test), length));
            }
        }
        // Two alternatives may have one key: `ab*c` and `ab*d`.
        keys.sort_unstable();
        let mut unique: Keys = Vec::with_capacity(keys.len());
        for key in keys {
            if unique.last().is_some_and(|(last, _)| *last == key.0) {
                self.release(key.0);
            } else {
                unique.push(key);
            }
        }
        Some(unique)
    }

    fn drop_keys(&mut self, keys: &[(u32, usize)]) {
        for (question, _) in keys {
            self.release(*question);
        }
    }

    /// A question as a word of a block.
    pub(super) fn marked(&self, number: u32) -> u32 {
        let hashed = self.test(number).is_some_and(is_hashed);
        if hashed { number | HASHED } else { number }
    }
}
