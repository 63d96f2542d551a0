//! A candidate asked: whether the event meets all fields of a branch.

use super::question::{ALL, Entry};
use super::scratch::Scratch;
use super::shelf::{Block, HASHED, MANY, Shelf};
use crate::fields::NONE;
use crate::join::{Join, Want};
use crate::pattern::Test;
use crate::view::View;

/// The fields of a branch, each as its questions.
#[derive(Clone, Copy)]
pub(super) struct Clauses<'a>(pub(super) &'a [u32]);

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
pub(super) struct Ask<'a, T> {
    pub(super) shelf: &'a Shelf<T>,
    pub(super) view: &'a View<'a>,
    /// The node of `type` if the event is one of our own, else `NO`.
    pub(super) kind: u32,
    /// All elements belong to one array outside of others, and there are few.
    pub(super) alone: bool,
}

impl<T: Copy> Ask<'_, T> {
    /// Whether the event meets a branch that was found by a question with this answer.
    #[inline]
    pub(super) fn found(&self, answer: u64, entry: &Entry<T>, scratch: &mut Scratch) -> bool {
        match self.weigh(Clauses(&entry.words), answer, scratch) {
            Some(false) => false,
            Some(true) if entry.block & ALL != 0 && !self.view.is_ours() => true,
            _ => self.meets(entry.block & !ALL, scratch).is_some(),
        }
    }

    /// The number of the branch if the event meets it.
    pub(super) fn meets(&self, block: u32, scratch: &mut Scratch) -> Option<u32> {
        let Block { number, own, fields, .. } = self.shelf.block(block)?;
        scratch.work.candidates += 1;
        if !own && self.view.is_ours() {
            return None;
        }
        let clauses = Clauses(fields);
        let met = self.weigh(clauses, Scratch::OUTSIDE, scratch).unwrap_or_else(|| self.join(clauses, scratch));
        met.then_some(number)
    }

    /// Whether fields are met, beside one that is met with this answer; nothing if it takes more than the answers.
    #[inline]
    fn weigh(&self, clauses: Clauses<'_>, answer: u64, scratch: &mut Scratch) -> Option<bool> {
        // The elements in which all fields met only within arrays are met.
        let mut within = u32::from(answer & Scratch::OUTSIDE == 0);
        let mut common = if within == 0 { u64::MAX } else { answer };
        let mut unsure = false;
        for clause in clauses {
            let mut elements = 0;
            for question in clause {
                elements |= self.answer(*question, scratch);
                if elements & Scratch::OUTSIDE != 0 {
                    break;
                }
            }
            if elements & Scratch::OUTSIDE != 0 {
                continue;
            }
            if elements & Scratch::MAYBE != 0 {
                unsure = true;
            } else if elements == 0 {
                return Some(false);
            } else {
                common &= elements;
                within += 1;
            }
        }
        if unsure {
            None
        } else if within <= 1 || common & !Scratch::BEYOND != 0 {
            Some(true)
        } else if self.alone {
            Some(false)
        } else {
            None
        }
    }

    /// The elements in which a question is answered by yes.
    #[inline]
    pub(super) fn answer(&self, number: u32, scratch: &mut Scratch) -> u64 {
        if let Some(answer) = scratch.known(number & !HASHED) {
            return answer;
        }
        if number & HASHED != 0 {
            return 0;
        }
        let questions = self.shelf.questions();
        let Some(question) = questions.get(number) else { return 0 };
        let test = || questions.test(number).unwrap_or(&Test::Absent);
        let answer = if question.glance.is_of_field() {
            match test() {
                Test::Odd(odd) => scratch.odd(question.node, *odd, self.view),
                _ => scratch.absence(question.node),
            }
        } else if question.node == self.kind && !test().names_ours() {
            0
        } else {
            scratch.ask(question.node, &question.glance, test, self.view.data())
        };
        scratch.note(number, answer);
        answer
    }

    /// The exact check, for the few that the masks leave open.
    fn join(&self, clauses: Clauses<'_>, scratch: &mut Scratch) -> bool {
        let questions = &self.shelf.questions();
        // Lifted conditions do not care within which element they are met, and they are met if this is asked.
        let lifted = |number: &u32| matches!(questions.test(*number & !HASHED), Some(Test::Odd(_)));
        let list: Vec<&[u32]> = clauses.filter(|clause| !clause.iter().any(lifted)).collect();
        let wants: Vec<Want> = list
            .iter()
            .map(|clause| Want {
                node: clause
                    .first()
                    .and_then(|number| questions.get(*number & !HASHED))
                    .map_or(NONE, |question| question.node),
                may_be_absent: clause.iter().any(|number| questions.test(*number & !HASHED) == Some(&Test::Absent)),
            })
            .collect();
        scratch.work.joined += scratch.fields.elements.len() * wants.len();
        let join = Join { trie: &questions.trie, fields: &scratch.fields, data: self.view.data(), wants: &wants };
        join.meets(|at, value| {
            list.get(at).is_some_and(|clause| {
                clause.iter().any(|number| {
                    let number = *number & !HASHED;
                    let (Some(question), Some(test)) = (questions.get(number), questions.test(number)) else {
                        return false;
                    };
                    test.holds(value) && (question.node != self.kind || test.names_ours())
                })
            })
        })
    }
}
