//! What is given on the command line.

use std::str::FromStr;

use crate::Result;

/// The words that are not yet taken.
pub(crate) struct Arguments(Vec<String>);

impl Arguments {
    pub(crate) fn new(words: impl Iterator<Item = String>) -> Arguments {
        Arguments(words.collect())
    }

    /// The first word, if it is no option.
    pub(crate) fn command(&mut self) -> Option<String> {
        self.0.first().is_some_and(|word| !word.starts_with('-')).then(|| self.0.remove(0))
    }

    /// The value after an option such as `--seed`.
    pub(crate) fn option<T: FromStr>(&mut self, name: &str) -> Result<Option<T>> {
        let Some(at) = self.0.iter().position(|word| word == name) else { return Ok(None) };
        if at + 1 >= self.0.len() {
            return Err(format!("{name} needs a value"));
        }
        self.0.remove(at);
        let value = self.0.remove(at);
        value.parse().map(Some).map_err(|_| format!("{name} does not take `{value}`"))
    }

    /// The value of an option that must be there.
    pub(crate) fn needed<T: FromStr>(&mut self, name: &str) -> Result<T> {
        self.option(name)?.ok_or_else(|| format!("{name} is needed"))
    }

    /// Whether a flag is there.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|word| word != name);
        self.0.len() < before
    }

    /// Nothing may be left that was not understood.
    pub(crate) fn end(self) -> Result {
        match self.0.first() {
            None => Ok(()),
            Some(word) => Err(format!("`{word}` is not understood here")),
        }
    }
}
