//! The work space of one event: what was found, and which questions are answered.

use super::glance::Glance;
use super::question::Questions;
use crate::fields::{Fields, NONE};
use crate::pattern::{Odd, Test};
use crate::view::View;

/// No question, no branch.
pub(super) const NO: u32 = u32::MAX;

/// Reused from event to event: nothing is cleared but what was touched.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) fields: Fields,
    /// Questions answered by yes that give access to branches.
    pub(super) hits: Vec<u32>,
    pub(super) room: Vec<u8>,
    /// Of each value found, the question that asks for this text, or [`NO`].
    pub(super) texts: Vec<u32>,
    /// The event for which each question was last answered, and how: [`NOWHERE`], [`BESIDE`] or [`WIDE`]. As short as
    /// it can be, since it is looked at in no order.
    answers: Vec<u32>,
    /// The elements in which a question is answered by yes, a bit each, where that is more than one word says.
    wide: Vec<u64>,
    event: u32,
    /// Rooms for lists.
    pub(super) more: Vec<u32>,
    pub(super) shelves: Vec<u32>,
    pub(super) work: Work,
}

/// How a question is answered: by no; by yes outside of arrays, and nowhere else; in the elements that `wide` says.
const NOWHERE: u32 = 0;
const BESIDE: u32 = 1;
const WIDE: u32 = 2;
/// The bits that say so.
const BITS: u32 = 2;

/// What an event took to be matched, counted: the same on every machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Values found at the paths that patterns mention.
    pub values: usize,
    /// Keys that these values were looked up by: themselves, and their prefixes and suffixes.
    pub lookups: usize,
    /// Branches looked at, each one field of them.
    pub entries: usize,
    /// Branches asked for all their fields.
    pub candidates: usize,
    /// Values asked one by one, for operators that no lookup answers.
    pub asked: usize,
    /// Pairs of an element of an array and a field, for fields that must be met within the same element.
    pub joined: usize,
}

impl Scratch {
    /// The bit of what lies outside of all arrays.
    pub(super) const OUTSIDE: u64 = 1;
    /// The bit for all elements that have none of their own.
    pub(super) const BEYOND: u64 = 1 << 63;
    /// The answer of an absence that depends on the element.
    pub(super) const MAYBE: u64 = 1 << 62;

    /// Begins with an event.
    pub(super) fn begin(&mut self, questions: usize) {
        self.hits.clear();
        self.texts.clear();
        if self.answers.len() < questions {
            self.answers.resize(questions, 0);
            self.wide.resize(questions, 0);
        }
        self.event = self.event.wrapping_add(1);
        if self.event >= 1 << (u32::BITS - BITS) {
            self.answers.fill(0);
            self.event = 1;
        }
    }

    fn bit(element: u32) -> u64 {
        if element < 62 { 1 << element } else { Scratch::BEYOND }
    }

    #[inline]
    pub(super) fn known(&self, question: u32) -> Option<u64> {
        let answer = *self.answers.get(question as usize)?;
        if answer >> BITS != self.event {
            return None;
        }
        Some(match answer & ((1 << BITS) - 1) {
            NOWHERE => 0,
            BESIDE => Scratch::OUTSIDE,
            _ => self.wide.get(question as usize).copied().unwrap_or(0),
        })
    }

    #[inline]
    pub(super) fn note(&mut self, question: u32, answer: u64) {
        let how = match answer {
            0 => NOWHERE,
            Scratch::OUTSIDE => BESIDE,
            _ => {
                if let Some(known) = self.wide.get_mut(question as usize) {
                    *known = answer;
                }
                WIDE
            }
        };
        if let Some(known) = self.answers.get_mut(question as usize) {
            *known = self.event << BITS | how;
        }
    }

    /// A value in this element answers a question by yes.
    #[inline]
    pub(super) fn yes<T>(&mut self, questions: &Questions<T>, question: u32, element: u32) {
        let before = self.known(question);
        self.note(question, before.unwrap_or(0) | Scratch::bit(element));
        if before.is_none() && questions.get(question).is_some_and(|question| !question.entries.is_empty()) {
            self.hits.push(question);
        }
    }

    /// Asks each value at a node.
    pub(super) fn ask<'a>(&mut self, node: u32, glance: &Glance, test: impl Fn() -> &'a Test, data: &[u8]) -> u64 {
        let mut answer = 0;
        let mut next = self.fields.last(node);
        while let Some(found) = self.fields.found.get(next as usize) {
            self.work.asked += 1;
            let value = self.fields.value(found, data);
            let text = self.texts.get(next as usize).copied().unwrap_or(NO);
            if glance.holds(value, text).unwrap_or_else(|| test().holds(value)) {
                answer |= Scratch::bit(found.element);
            }
            next = found.before;
        }
        answer
    }

    /// Whether the values at a node are odd: an answer that no element changes.
    pub(super) fn odd(&self, node: u32, odd: Odd, view: &View<'_>) -> u64 {
        if odd.holds(node, &self.fields, view.data(), view.is_large()) { Scratch::OUTSIDE } else { 0 }
    }

    /// Whether there is no value at a node, or none in some elements.
    pub(super) fn absence(&self, node: u32) -> u64 {
        if self.fields.last(node) == NONE {
            return Scratch::OUTSIDE;
        }
        if self.fields.at(node).any(|found| found.element == crate::fields::OUTSIDE) { 0 } else { Scratch::MAYBE }
    }
}
