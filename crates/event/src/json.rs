//! One scan over JSON text: syntax, UTF-8, depth, duplicate keys. No tree is built.
//!
//! What is accepted is RFC 8259, and within it what every reader can agree on (RFC 7493, I-JSON): no duplicate keys in
//! any object, no lone surrogate escapes, no number beyond the range of an `f64`, no byte order mark. So what passed
//! here is read by `serde_json` into a `Value` without an error, and two readers never see two different documents.
//!
//! [`Scanner`] checks and, in the same scan, hands out the members of an envelope as ranges of the bytes. [`get()`] looks
//! a path up in bytes that were checked before; [`string`] decodes a JSON string; [`pretty_error`] shows a mistake.

mod error;
mod get;
mod keys;
mod scan;
mod text;

pub use error::{Error, What, pretty_error};
pub use get::get;
pub use scan::{Part, Scanner};
pub use text::{quote, string};

/// How many arrays and objects may stand in one another in one event's data.
pub const MAX_DEPTH: usize = 64;

/// What a JSON value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string, quotes included in its range.
    Text,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// The byte at `at`; 0 past the end, which is not valid anywhere in JSON, so that it ends every loop.
#[inline(always)]
fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// The eight bytes from `at` on as a little-endian word, if there are as many.
#[inline(always)]
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

/// The position of the first byte from `at` on that is no white space.
#[inline(always)]
fn space(bytes: &[u8], at: usize) -> usize {
    // Compact text has none: one comparison.
    if byte(bytes, at) > b' ' { at } else { spaces(bytes, at) }
}

fn spaces(bytes: &[u8], mut at: usize) -> usize {
    const SPACES: u64 = 0x2020_2020_2020_2020;
    loop {
        match byte(bytes, at) {
            // Indented text has long runs of them.
            b' ' => match word(bytes, at) {
                Some(next) => at += ((next ^ SPACES).trailing_zeros() / 8) as usize,
                None => at += 1,
            },
            b'\n' | b'\r' | b'\t' => at += 1,
            _ => return at,
        }
    }
}
