//! What is asked for in the query string: parsed at the edge.

use serde::Deserialize;

/// How many rows an answer has where nobody says.
const USUAL: usize = 50;
/// How many rows an answer has at most.
pub(crate) const MOST: usize = 1_000;

/// A page of a list.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Page {
    /// At most so many rows.
    pub(crate) limit: Option<usize>,
}

impl Page {
    /// The number of rows to answer with.
    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(USUAL).clamp(1, MOST)
    }
}

/// A type as a filter writes it: whole, or a prefix that ends with `*`.
#[derive(Debug, Clone)]
pub(crate) struct Types(Vec<(String, bool)>);

impl Types {
    /// A list of them, separated by commas.
    pub(crate) fn parse(text: &str) -> Types {
        let one = |text: &str| match text.strip_suffix('*') {
            Some(prefix) => (prefix.to_owned(), true),
            None => (text.to_owned(), false),
        };
        Types(text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(one).collect())
    }

    /// Whether this type is one of them.
    pub(crate) fn has(&self, kind: &str) -> bool {
        self.0.iter().any(|(text, prefix)| if *prefix { kind.starts_with(text) } else { kind == text })
    }
}
