//! What is wrong with a JSON text, and where.

use std::fmt;

/// Why some bytes are not JSON that is accepted here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not valid JSON: line {line}, column {column} (byte {offset}): {what}{}", instead(*.found, .what))]
pub struct Error {
    /// Where, in bytes from the start.
    pub offset: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub what: What,
    /// The character that stands there; `None` at the end, or where it is no character.
    pub found: Option<char>,
}

/// What is wrong at one place of a JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Something else should stand there.
    Expected(&'static str),
    /// The bytes are not UTF-8.
    Utf8,
    /// The text begins with a byte order mark.
    Bom,
    /// A control character stands in a string as it is.
    Control(u8),
    /// A backslash before something that is no escape.
    Escape,
    /// Half of a surrogate pair without the other: no text can hold it.
    Surrogate,
    /// A number that no `f64` can hold.
    Range,
    /// A number with zeros before it.
    Zeros,
    /// Too many arrays and objects in one another; the limit.
    Depth(usize),
    /// A key stands a second time in one object.
    Duplicate(String),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Expected(what) => write!(f, "expected {what}"),
            What::Utf8 => f.write_str("the bytes are not UTF-8"),
            What::Bom => f.write_str("JSON text begins without a byte order mark"),
            What::Control(byte) => {
                write!(f, "a string holds the control character U+{byte:04X}; write it as \\u{byte:04x}")
            }
            What::Escape => f.write_str("expected one of \" \\ / b f n r t u after `\\`"),
            What::Surrogate => f.write_str("half of a surrogate pair stands without its other half"),
            What::Range => f.write_str("the number is too large"),
            What::Zeros => f.write_str("a number does not begin with a 0 before other digits"),
            What::Depth(limit) => write!(f, "more than {limit} arrays and objects stand in one another"),
            What::Duplicate(key) => write!(f, "the key `{}` stands in this object already", key.escape_debug()),
        }
    }
}

fn instead(found: Option<char>, what: &What) -> String {
    match (what, found) {
        (What::Expected(_) | What::Escape, Some(c @ ('"' | '\''))) => format!(", found `{c}`"),
        (What::Expected(_) | What::Escape, Some(c)) => format!(", found `{}`", c.escape_debug()),
        (What::Expected(_) | What::Escape, None) => ", found the end".to_owned(),
        _ => String::new(),
    }
}

/// What a scan stops with; boxed, so that the way without errors stays narrow.
pub(super) type Fault = Box<(usize, What)>;

#[cold]
#[inline(never)]
pub(super) fn fail<T>(at: usize, what: What) -> Result<T, Fault> {
    Err(Box::new((at, what)))
}

impl Error {
    /// Places a fault in the bytes it was found in.
    #[cold]
    pub(super) fn new(bytes: &[u8], offset: usize, what: What) -> Error {
        let before = bytes.get(..offset).unwrap_or(bytes);
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = characters(before.get(start..).unwrap_or_default()) + 1;
        let found = bytes.get(offset..).and_then(first_character);
        Error { offset, line, column, what, found }
    }

    /// Whether the text ends before it is complete: more bytes might mend it.
    #[must_use]
    pub fn is_end(&self) -> bool {
        matches!(self.what, What::Expected(_) | What::Escape) && self.found.is_none()
    }
}

fn characters(bytes: &[u8]) -> usize {
    // The bytes before a fault are UTF-8: a character is counted at its first byte.
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

fn first_character(bytes: &[u8]) -> Option<char> {
    let bytes = bytes.get(..bytes.len().min(4))?;
    match std::str::from_utf8(bytes) {
        Ok(text) => text.chars().next(),
        Err(wrong) => std::str::from_utf8(bytes.get(..wrong.valid_up_to())?).ok()?.chars().next(),
    }
}

/// How much of a line is shown on each side of a mistake, in characters.
const AROUND: usize = 40;

/// The message, the line it is about (the part around the mistake, if it is long) and a mark under the place.
#[must_use]
pub fn pretty_error(bytes: &[u8], error: &Error) -> String {
    let offset = error.offset.min(bytes.len());
    let (before, after) = bytes.split_at(offset);
    let before = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let after = after.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let (before, after) = (String::from_utf8_lossy(before), String::from_utf8_lossy(after));
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    let cut = before.chars().count().saturating_sub(AROUND);
    let mut left: String = before.chars().skip(cut).map(shown).collect();
    if cut > 0 {
        left.insert(0, '…');
    }
    let mut right: String = after.chars().take(AROUND).map(shown).collect();
    if after.chars().nth(AROUND).is_some() {
        right.push('…');
    }
    let mark = " ".repeat(left.chars().count());
    let gutter = error.line.to_string();
    let blank = " ".repeat(gutter.len());
    format!("{error}\n{blank} |\n{gutter} | {left}{}\n{blank} | {mark}^\n", right.trim_end())
}
