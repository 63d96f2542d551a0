//! What of a test fits beside its question, so that most answers need no look further into memory.

use super::question::{Class, key};
use super::scratch::NO;
use crate::pattern::{Kind, Test, Value};

/// The bytes of a text that are kept here.
const ROOM: usize = 24;
/// The most texts that an exclusion keeps here.
pub(super) const EXCLUDED: usize = ROOM / 4;
/// The bytes kept of what a wildcard begins and ends with.
const ANCHOR: usize = 8;

/// A test, or the part of it that is decided at a glance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glance {
    /// The text of the key, or its beginning; of others what [`What`] says.
    bytes: [u8; ROOM],
    /// The length of the key; of a wildcard the least length of a value.
    length: u32,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    /// A key of this class.
    Key(Class),
    /// An exclusion of a few texts, by the questions for them.
    Not,
    /// Any value.
    Present,
    /// A wildcard: the bytes that a value must begin with, and those that it must end with.
    Wildcard { first: u8, last: u8, all: bool },
    /// Asked of the whole field.
    Field,
    /// Anything else.
    Other,
}

impl Glance {
    pub(super) fn of(test: &Test) -> Glance {
        let mut glance = Glance { bytes: [0; ROOM], length: 0, what: What::Other };
        if let Some((class, bytes)) = key(test) {
            glance.fill(0, bytes);
            glance.length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            glance.what = What::Key(class);
            return glance;
        }
        match test {
            Test::Absent | Test::Odd(_) => glance.what = What::Field,
            Test::Present => glance.what = What::Present,
            Test::Wildcard(wildcard) => {
                let (first, last) = wildcard.anchors();
                let (begin, end) = (first.as_bytes(), last.as_bytes());
                let begin = begin.get(..ANCHOR).unwrap_or(begin);
                let end = end.get(end.len().saturating_sub(ANCHOR)..).unwrap_or(end);
                glance.fill(0, begin);
                glance.fill(ANCHOR, end);
                glance.length = u32::try_from(first.len() + last.len()).unwrap_or(u32::MAX);
                let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap_or(0);
                let all = wildcard.pieces() == 2 && begin.len() == first.len() && end.len() == last.len();
                glance.what = What::Wildcard { first: length(begin), last: length(end), all };
            }
            _ => {}
        }
        glance
    }

    /// An exclusion of what these questions ask for.
    pub(super) fn not(questions: &[u32]) -> Glance {
        let mut glance = Glance { bytes: [0xff; ROOM], length: 0, what: What::Not };
        for (at, question) in questions.iter().enumerate() {
            glance.fill(at * 4, &question.to_le_bytes());
        }
        glance
    }

    /// The questions for what is excluded.
    pub(super) fn excluded(&self) -> impl Iterator<Item = u32> {
        let words = if self.what == What::Not { self.bytes.as_chunks::<4>().0 } else { &[] };
        words.iter().map(|word| u32::from_le_bytes(*word)).take_while(|question| *question != NO)
    }

    fn fill(&mut self, from: usize, bytes: &[u8]) {
        if let Some(room) = self.bytes.get_mut(from..) {
            room.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
        }
    }

    #[inline]
    fn begins(&self, bytes: &[u8]) -> bool {
        let length = (self.length as usize).min(ROOM);
        bytes.get(..length) == self.bytes.get(..length)
    }

    /// Whether it is this key; nothing if that takes a look at the test.
    #[inline]
    pub(super) fn is(&self, class: Class, bytes: &[u8]) -> Option<bool> {
        if self.what != What::Key(class) || self.length as usize != bytes.len() || !self.begins(bytes) {
            return Some(false);
        }
        (bytes.len() <= ROOM).then_some(true)
    }

    /// Whether the field is asked as a whole, not each of its values.
    pub(super) fn is_of_field(&self) -> bool {
        self.what == What::Field
    }

    /// Whether the test holds for a value, a text that this question asks for; nothing if that takes a look at the test.
    #[inline]
    pub(super) fn holds(&self, value: Value<'_>, answered: u32) -> Option<bool> {
        let text = value.kind == Kind::Text;
        let bytes = value.bytes;
        let part = match self.what {
            What::Present => return Some(true),
            // Another text than any that a question is there for is none of the excluded ones.
            What::Not => return Some(!text || !self.excluded().any(|question| question == answered)),
            What::Key(Class::Prefix) => bytes.get(..self.length as usize),
            What::Key(Class::Suffix) => {
                bytes.len().checked_sub(self.length as usize).and_then(|from| bytes.get(from..))
            }
            What::Wildcard { first, last, all } => {
                let (first, last) = (usize::from(first), usize::from(last));
                let end = bytes.len().checked_sub(last).and_then(|from| bytes.get(from..));
                let anchored = text
                    && bytes.len() >= self.length as usize
                    && bytes.get(..first) == self.bytes.get(..first)
                    && end == self.bytes.get(ANCHOR..ANCHOR + last);
                return if !anchored {
                    Some(false)
                } else if all {
                    Some(true)
                } else {
                    None
                };
            }
            _ => return None,
        };
        match part {
            Some(part) if text && self.begins(part) => (part.len() <= ROOM).then_some(true),
            _ => Some(false),
        }
    }
}
