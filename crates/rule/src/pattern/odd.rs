//! What no pattern can say and a condition can mean: the ways in which a value is not simply there.
//!
//! CEL errs where a pattern is just not met: a path that ends early, one that goes through a list, a value of another
//! type. An error in a condition is a decision, so an event for which it errs must stay a candidate.

use super::{Kind, Value};
use crate::fields::{Fields, Found, OUTSIDE};

/// A set of such ways. Only lifted conditions ([`crate::lift()`]) ask for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Odd(u16);

impl Odd {
    /// No scalar is found at the path: there is none, or an object, or an empty list.
    pub(crate) const ABSENT: Odd = Odd(1);
    /// A value lies within an element of an array, or was reached by a key with a dot in it, which CEL does not split.
    pub(crate) const WITHIN: Odd = Odd(1 << 1);
    /// A value is an item of a list.
    pub(crate) const LISTED: Odd = Odd(1 << 2);
    /// A value is a text; and so on.
    pub(crate) const TEXT: Odd = Odd(1 << 3);
    pub(crate) const NUMBER: Odd = Odd(1 << 4);
    pub(crate) const BOOL: Odd = Odd(1 << 5);
    pub(crate) const NULL: Odd = Odd(1 << 6);
    /// A number of more digits than are sure to be the same as decimals and as binary floating point.
    pub(crate) const ROUGH: Odd = Odd(1 << 7);
    /// A value is not an item of a list.
    pub(crate) const SINGLE: Odd = Odd(1 << 9);
    /// The event's data is so large that reading it in a condition may spend the budget, which is an error too.
    pub(crate) const LARGE: Odd = Odd(1 << 8);

    pub(crate) const fn and(self, other: Odd) -> Odd {
        Odd(self.0 | other.0)
    }

    pub(crate) const fn has(self, other: Odd) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether one of these ways is that of the values at a node.
    pub(crate) fn holds(self, node: u32, fields: &Fields, data: &[u8], large: bool) -> bool {
        if large && self.has(Odd::LARGE) {
            return true;
        }
        let mut values = fields.at(node).peekable();
        if values.peek().is_none() {
            return self.has(Odd::ABSENT);
        }
        values.any(|found| self.is(found, fields.value(found, data)))
    }

    fn is(self, found: &Found, value: Value<'_>) -> bool {
        let kind = match value.kind {
            Kind::Text => Odd::TEXT,
            Kind::Number => Odd::NUMBER,
            Kind::True | Kind::False => Odd::BOOL,
            Kind::Null => Odd::NULL,
        };
        self.has(kind)
            || (self.has(Odd::WITHIN) && (found.element != OUTSIDE || found.is_dotted()))
            || (self.has(Odd::LISTED) && found.is_listed())
            || (self.has(Odd::SINGLE) && !found.is_listed())
            || (self.has(Odd::ROUGH) && value.kind == Kind::Number && is_rough(value.bytes))
    }
}

/// Whether two numbers may be one as a double and two as decimals, or the other way round. Up to fifteen digits they
/// cannot; integers are read as integers, of which eighteen digits always fit.
fn is_rough(text: &[u8]) -> bool {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let exponent = text.iter().any(|byte| matches!(byte, b'e' | b'E'));
    exponent || digits > 18 || (digits > 15 && text.contains(&b'.'))
}
