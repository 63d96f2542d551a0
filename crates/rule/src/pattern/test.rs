//! One alternative of a field: what a single value is asked.

use std::fmt::{self, Write as _};

use super::cidr::Cidr;
use super::odd::Odd;
use super::wildcard::Wildcard;
use super::{fold, number};

/// A scalar of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value<'a> {
    pub(crate) kind: Kind,
    /// A text without its quotes and escapes; a number or literal as written.
    pub(crate) bytes: &'a [u8],
}

/// What a scalar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    True,
    False,
    Null,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    Text(Box<str>),
    Number(Number),
    True,
    False,
    Null,
    Prefix(Box<str>),
    Suffix(Box<str>),
    /// The three below hold folded texts.
    Fold(Box<str>),
    PrefixFold(Box<str>),
    SuffixFold(Box<str>),
    Wildcard(Wildcard),
    Range(Box<Range>),
    Cidr(Box<Cidr>),
    /// There is a value, and it is none of these.
    Not(Box<Not>),
    /// There is a value.
    Present,
    /// There is no value: asked of the whole field, never of a value.
    Absent,
    /// A value is not simply there: asked of the whole field too.
    Odd(Odd),
}

/// A number of a pattern: its key ([`number`]); how it was written is kept for messages.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    pub(crate) key: Box<[u8]>,
    pub(crate) text: Box<str>,
}

impl Number {
    pub(crate) fn new(text: &str) -> Option<Number> {
        let mut key = Vec::with_capacity(24);
        number::key(text.as_bytes(), &mut key).then(|| Number { key: key.into(), text: text.into() })
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.key == other.key
    }
}

impl Eq for Number {}

impl std::hash::Hash for Number {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

/// A range of numbers; `true` beside a bound means that the bound itself is in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Range {
    pub(crate) low: Option<(Number, bool)>,
    pub(crate) high: Option<(Number, bool)>,
}

impl Range {
    /// Nothing can be in it.
    pub(crate) fn is_empty(&self) -> bool {
        match (&self.low, &self.high) {
            (Some((low, with_low)), Some((high, with_high))) => {
                low.key > high.key || (low.key == high.key && !(*with_low && *with_high))
            }
            _ => false,
        }
    }

    fn contains(&self, key: &[u8]) -> bool {
        let above = self.low.as_ref().is_none_or(|(low, with)| key > &*low.key || (*with && key == &*low.key));
        let below = self.high.as_ref().is_none_or(|(high, with)| key < &*high.key || (*with && key == &*high.key));
        above && below
    }
}

/// What `anything-but` excludes. Texts, by length first, and numbers are sorted: a list of thousands costs a binary
/// search, and a text is only read where one of the same length is excluded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Not {
    pub(crate) texts: Box<[Box<str>]>,
    pub(crate) numbers: Box<[Number]>,
    pub(crate) tests: Box<[Test]>,
}

impl Not {
    /// An exclusion of texts and numbers.
    pub(crate) fn new(mut texts: Vec<Box<str>>, mut numbers: Vec<Number>) -> Not {
        texts.sort_unstable_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        texts.dedup();
        numbers.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        numbers.dedup();
        Not { texts: texts.into(), numbers: numbers.into(), tests: Box::default() }
    }

    fn excludes(&self, value: Value<'_>) -> bool {
        let listed = match value.kind {
            Kind::Text => {
                let key = (value.bytes.len(), value.bytes);
                self.texts.binary_search_by(|text| (text.len(), text.as_bytes()).cmp(&key)).is_ok()
            }
            Kind::Number if !self.numbers.is_empty() => {
                let mut key = Vec::new();
                number::key(value.bytes, &mut key)
                    && self.numbers.binary_search_by(|number| number.key.as_ref().cmp(key.as_slice())).is_ok()
            }
            _ => false,
        };
        listed || self.tests.iter().any(|test| test.holds(value))
    }
}

impl Test {
    /// Whether it holds for this value. [`Test::Absent`] and [`Test::Odd`] hold for none.
    pub(crate) fn holds(&self, value: Value<'_>) -> bool {
        let text = value.kind == Kind::Text;
        match self {
            Test::Text(want) => text && value.bytes == want.as_bytes(),
            Test::Number(want) => {
                let mut key = Vec::new();
                value.kind == Kind::Number && number::key(value.bytes, &mut key) && *key == *want.key
            }
            Test::True => value.kind == Kind::True,
            Test::False => value.kind == Kind::False,
            Test::Null => value.kind == Kind::Null,
            Test::Prefix(want) => text && value.bytes.starts_with(want.as_bytes()),
            Test::Suffix(want) => text && value.bytes.ends_with(want.as_bytes()),
            Test::Fold(want) => text && fold::equals(value.bytes, want),
            Test::PrefixFold(want) => text && fold::starts(value.bytes, want),
            Test::SuffixFold(want) => text && fold::ends(value.bytes, want),
            Test::Wildcard(want) => text && want.matches(value.bytes),
            Test::Range(want) => {
                let mut key = Vec::new();
                value.kind == Kind::Number && number::key(value.bytes, &mut key) && want.contains(&key)
            }
            Test::Cidr(want) => text && want.contains(value.bytes),
            Test::Not(want) => !want.excludes(value),
            Test::Present => true,
            Test::Absent | Test::Odd(_) => false,
        }
    }

    /// What values are looked up for to find the branches with this alternative, and how long its text is: the longer,
    /// the rarer. None if a value must be asked.
    pub(crate) fn access(&self) -> Option<(Test, usize)> {
        match self {
            Test::Text(text) | Test::Fold(text) => Some((self.clone(), text.len())),
            Test::Number(number) => Some((self.clone(), number.text.len())),
            Test::True | Test::False | Test::Null => Some((self.clone(), 1)),
            Test::Prefix(text) | Test::Suffix(text) if !text.is_empty() => Some((self.clone(), text.len())),
            Test::Wildcard(wildcard) => {
                let (first, last) = wildcard.anchors();
                match first.len().max(last.len()) {
                    0 => None,
                    length if last.len() == length => Some((Test::Suffix(last.into()), length)),
                    length => Some((Test::Prefix(first.into()), length)),
                }
            }
            // Beside others it is looked up as they are; see `Field::is_access`.
            Test::Odd(_) => Some((self.clone(), 64)),
            _ => None,
        }
    }

    /// How many tests a value is put to that no lookup answers.
    pub(crate) fn computed(&self) -> usize {
        match self {
            Test::Range(_) | Test::Cidr(_) | Test::Wildcard(_) | Test::PrefixFold(_) | Test::SuffixFold(_) => 1,
            Test::Not(not) => not.tests.len(),
            _ => 0,
        }
    }

    /// Whether it names the prefix that only ensue itself writes.
    pub(crate) fn names_ours(&self) -> bool {
        match self {
            Test::Text(text) | Test::Prefix(text) | Test::Fold(text) | Test::PrefixFold(text) => {
                text.starts_with(super::OURS)
            }
            Test::Wildcard(wildcard) => wildcard.anchors().0.starts_with(super::OURS),
            _ => false,
        }
    }
}

/// As it would be written in a pattern.
impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Test::Text(text) => quoted(f, text),
            Test::Number(number) => f.write_str(&number.text),
            Test::True => f.write_str("true"),
            Test::False => f.write_str("false"),
            Test::Null => f.write_str("null"),
            Test::Prefix(text) => operator(f, "prefix", text),
            Test::Suffix(text) => operator(f, "suffix", text),
            Test::Fold(text) => operator(f, "equals-ignore-case", text),
            Test::PrefixFold(text) => nested(f, "prefix", text),
            Test::SuffixFold(text) => nested(f, "suffix", text),
            Test::Wildcard(wildcard) => operator(f, "wildcard", &wildcard.to_string()),
            Test::Range(range) => range.fmt(f),
            Test::Cidr(cidr) => operator(f, "cidr", &cidr.to_string()),
            Test::Not(not) => not.fmt(f),
            Test::Present => f.write_str(r#"{"exists": true}"#),
            Test::Absent => f.write_str(r#"{"exists": false}"#),
            Test::Odd(_) => f.write_str("anything that the condition cannot decide"),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"{"numeric": ["#)?;
        if let (Some(low), Some(high)) = (&self.low, &self.high)
            && low == high
        {
            return write!(f, r#""=", {}]}}"#, low.0.text);
        }
        let mut comma = "";
        if let Some((number, with)) = &self.low {
            write!(f, r#"">{}", {}"#, if *with { "=" } else { "" }, number.text)?;
            comma = ", ";
        }
        if let Some((number, with)) = &self.high {
            write!(f, r#"{comma}"<{}", {}"#, if *with { "=" } else { "" }, number.text)?;
        }
        f.write_str("]}")
    }
}

impl fmt::Display for Not {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"{"anything-but": ["#)?;
        let mut comma = "";
        for text in &self.texts {
            f.write_str(comma)?;
            quoted(f, text)?;
            comma = ", ";
        }
        for number in &self.numbers {
            write!(f, "{comma}{}", number.text)?;
            comma = ", ";
        }
        for test in &self.tests {
            write!(f, "{comma}{test}")?;
            comma = ", ";
        }
        f.write_str("]}")
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str(&serde_json::Value::from(text).to_string())
}

fn operator(f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    write!(f, r#"{{"{name}": "#)?;
    quoted(f, text)?;
    f.write_char('}')
}

fn nested(f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    write!(f, r#"{{"{name}": {{"equals-ignore-case": "#)?;
    quoted(f, text)?;
    f.write_str("}}")
}
