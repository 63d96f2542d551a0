//! Files of events and of patterns: one JSON object a line. What is wrong in them is told with its line.

use std::path::Path;

use ensue_rule::{Pattern, Problem};
use serde_json::Value;

use crate::Result;

/// The lines of a file that hold something, with their numbers from 0.
pub(crate) struct Lines {
    name: String,
    bytes: Vec<u8>,
    lines: Vec<(u32, std::ops::Range<usize>)>,
}

impl Lines {
    /// Reads a file; of at most `limit` lines, empty ones counted.
    pub(crate) fn read(path: &Path, limit: usize) -> Result<Lines> {
        let bytes = std::fs::read(path).map_err(|why| format!("cannot read {}: {why}", path.display()))?;
        Lines::new(path.display().to_string(), bytes, limit)
    }

    /// Of text that was made here.
    pub(crate) fn of(name: &str, lines: &[String]) -> Result<Lines> {
        Lines::new(name.into(), lines.join("\n").into_bytes(), lines.len())
    }

    fn new(name: String, bytes: Vec<u8>, limit: usize) -> Result<Lines> {
        let mut lines = Vec::new();
        let mut from = 0;
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate().take(limit) {
            if !line.trim_ascii().is_empty() {
                let number = u32::try_from(number).map_err(|_| format!("{name} has too many lines"))?;
                lines.push((number, from..from + line.len()));
            }
            from += line.len() + 1;
        }
        Ok(Lines { name, bytes, lines })
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Each line with its number from 0.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.lines.iter().map(|(number, range)| (*number, self.bytes.get(range.clone()).unwrap_or_default()))
    }

    /// Where a line stands, as editors count: from 1.
    pub(crate) fn place(&self, number: u32) -> String {
        format!("{}:{}", self.name, number + 1)
    }

    /// An error for the first line that is no JSON object.
    pub(crate) fn check(&self, what: &str) -> Result {
        if self.lines.is_empty() {
            return Err(format!("{} holds no {what}s", self.name));
        }
        for (number, line) in self.iter() {
            let wrong = match serde_json::from_slice::<serde::de::IgnoredAny>(line) {
                Err(why) => told(&why),
                Ok(_) if line.trim_ascii_start().first() != Some(&b'{') => "it is no JSON object".into(),
                Ok(_) => continue,
            };
            return Err(format!("{}: {wrong}: each line must be one {what}", self.place(number)));
        }
        Ok(())
    }

    /// The pattern of each line, or why it is none.
    ///
    /// # Errors
    /// For the first line that is no JSON.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = Result<(u32, std::result::Result<Pattern, Vec<Problem>>)>> {
        self.iter().map(|(number, line)| {
            let json: Value = serde_json::from_slice(line)
                .map_err(|why| format!("{}: {}: each line must be one pattern", self.place(number), told(&why)))?;
            Ok((number, Pattern::compile(&json)))
        })
    }
}

/// What serde_json says, without its line: that is always 1 here.
fn told(why: &serde_json::Error) -> String {
    let text = why.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    format!("{text} at column {}", why.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Lines {
        Lines::new("some.jsonl".into(), text.as_bytes().to_vec(), 100).unwrap()
    }

    #[test]
    fn numbers_are_those_of_the_file() {
        let found: Vec<(u32, String)> = lines("{}\n\r\n{\"a\":1}\r\n")
            .iter()
            .map(|(number, line)| (number, String::from_utf8_lossy(line).trim().to_owned()))
            .collect();
        assert_eq!(found, [(0, "{}".to_owned()), (2, "{\"a\":1}".to_owned())]);
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, says) in [
            ("{}\n{\"a\":}\n", "some.jsonl:2: expected value at column 6: each line must be one event"),
            ("[1]\n", "some.jsonl:1: it is no JSON object"),
            ("", "some.jsonl holds no events"),
        ] {
            let error = lines(text).check("event").unwrap_err();
            assert!(error.starts_with(says), "{error}");
        }
        let found: Vec<_> = lines("{\"a\":[1]}\n{\"a\":1}\nx\n").patterns().collect();
        assert!(matches!(found.first(), Some(Ok((0, Ok(_))))));
        assert!(matches!(found.get(1), Some(Ok((1, Err(_))))));
        assert!(matches!(found.get(2), Some(Err(why)) if why.starts_with("some.jsonl:3: ")));
    }
}
