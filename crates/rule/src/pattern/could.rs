//! Whether a pattern could meet an event of which only a part is known yet.

use super::{Field, Kind, Pattern, Test, Value};

/// What is known of a field of an event that is still to be written.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// This scalar.
    Is(serde_json::Value),
    /// A text that begins and ends so, with anything in between.
    Text {
        /// How it begins.
        first: String,
        /// How it ends.
        last: String,
    },
    /// Some value.
    Present,
    /// Some value, or none.
    Anything,
    /// No value.
    Absent,
    /// One of these, or all of them, as in a list.
    Some(Vec<Known>),
}

impl Pattern {
    /// Whether an event could meet it: false only where none of which this is known can. That fields below one list
    /// must be met within one element is not looked at.
    ///
    /// `ours` says that ensue itself writes the event; what `known` says of `type` must agree.
    #[must_use]
    pub fn could_match(&self, ours: bool, known: &dyn Fn(&[Box<str>]) -> Known) -> bool {
        self.branches().iter().any(|branch| {
            (!ours || branch.names_ours())
                && branch.fields.iter().all(|field| field_could(field, ours, &known(&field.path)))
        })
    }
}

fn field_could(field: &Field, ours: bool, known: &Known) -> bool {
    // Ours meet only alternatives that name the prefix, and those meet only ours.
    let asked = field.any.iter().filter(|test| !field.is_type() || test.names_ours() == ours);
    asked.into_iter().any(|test| could(test, known))
}

fn could(test: &Test, known: &Known) -> bool {
    match known {
        Known::Anything => true,
        Known::Absent => *test == Test::Absent,
        Known::Present => *test != Test::Absent,
        Known::Some(all) => all.iter().any(|one| could(test, one)),
        Known::Is(value) => is(test, value),
        Known::Text { first, last } => text(test, first, last),
    }
}

fn is(test: &Test, value: &serde_json::Value) -> bool {
    use serde_json::Value as Json;
    let number;
    let (kind, bytes) = match value {
        Json::String(text) => (Kind::Text, text.as_bytes()),
        Json::Number(of) => {
            number = of.to_string();
            (Kind::Number, number.as_bytes())
        }
        Json::Bool(true) => (Kind::True, "true".as_bytes()),
        Json::Bool(false) => (Kind::False, "false".as_bytes()),
        Json::Null => (Kind::Null, "null".as_bytes()),
        // No scalar: the field has no value of its own.
        Json::Array(_) | Json::Object(_) => return *test == Test::Absent,
    };
    test.holds(Value { kind, bytes })
}

/// Whether some text that begins and ends so is met.
fn text(test: &Test, first: &str, last: &str) -> bool {
    let begins = |other: &str| other.starts_with(first) || first.starts_with(other);
    let ends = |other: &str| other.ends_with(last) || last.ends_with(other);
    match test {
        Test::Text(text) => text.len() >= first.len() + last.len() && text.starts_with(first) && text.ends_with(last),
        Test::Prefix(text) => begins(text),
        Test::Suffix(text) => ends(text),
        Test::Wildcard(wildcard) => {
            let (before, after) = wildcard.anchors();
            begins(before) && ends(after)
        }
        Test::Number(_) | Test::True | Test::False | Test::Null | Test::Range(_) | Test::Absent => false,
        // Case, addresses and exclusions: there is some such text, or so it must be taken.
        Test::Fold(_)
        | Test::PrefixFold(_)
        | Test::SuffixFold(_)
        | Test::Cidr(_)
        | Test::Not(_)
        | Test::Odd(_)
        | Test::Present => true,
    }
}
