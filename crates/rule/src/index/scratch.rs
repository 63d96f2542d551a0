//! The work space of one event: what was found, and which questions are answered.

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
    /// The event for which each question was last answered, and the elements in which it was by yes, a bit each.
    answers: Vec<(u32, u64)>,
    event: u32,
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
        if self.answers.len() < questions {
            self.answers.resize(questions, (0, 0));
        }
        self.event = self.event.wrapping_add(1);
        if self.event == 0 {
            self.answers.fill((0, 0));
            self.event = 1;
        }
    }

    fn bit(element: u32) -> u64 {
        if element < 62 { 1 << element } else { Scratch::BEYOND }
    }

    #[inline]
    pub(super) fn known(&self, question: u32) -> Option<u64> {
        let (event, answer) = self.answers.get(question as usize)?;
        (*event == self.event).then_some(*answer)
    }

    #[inline]
    pub(super) fn note(&mut self, question: u32, answer: u64) {
        if let Some(known) = self.answers.get_mut(question as usize) {
            *known = (self.event, answer);
        }
    }

    /// A value in this element answers a question by yes.
    #[inline]
    pub(super) fn yes(&mut self, questions: &Questions, question: u32, element: u32) {
        let before = self.known(question);
        self.note(question, before.unwrap_or(0) | Scratch::bit(element));
        if before.is_none() && questions.get(question).is_some_and(|question| !question.entries.is_empty()) {
            self.hits.push(question);
        }
    }

    /// Asks each value at a node.
    pub(super) fn ask(&self, node: u32, test: &Test, data: &[u8]) -> u64 {
        let yes = self.fields.at(node).filter(|found| test.holds(self.fields.value(found, data)));
        yes.fold(0, |answer, found| answer | Scratch::bit(found.element))
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
