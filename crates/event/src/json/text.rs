//! JSON strings: where one ends, and what it says.

use std::borrow::Cow;

use super::error::{Fault, What, fail};
use super::{byte, word};

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Marks the bytes of a word that a string cannot hold as they are: a quote, a backslash, a control character. Only the
/// lowest mark is sure: in each test a borrow begins only at a byte that meets it. The flip of one bit puts the quote
/// (0x22) to the control characters (0x00 to 0x1f) and leaves those among themselves, so that one test finds both.
#[inline(always)]
fn marks(word: u64) -> u64 {
    let low = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
    let slash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    (low | slash) & !word & HIGH
}

/// The number of the byte with the lowest mark.
#[inline(always)]
fn first(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

/// The position of the first byte from `at` on that a string cannot hold as it is; the length of the bytes if there is
/// none.
#[inline(always)]
pub(super) fn special(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = word(bytes, at) {
        let marks = marks(word);
        if marks != 0 {
            return at + first(marks);
        }
        at += 8;
    }
    while at < bytes.len() && !matches!(byte(bytes, at), b'"' | b'\\' | 0..0x20) {
        at += 1;
    }
    at
}

/// Reads the string that opens at `at`: the position after its closing quote, and whether it holds escapes.
#[inline(always)]
pub(super) fn scan(bytes: &[u8], at: usize) -> Result<(usize, bool), Fault> {
    let end = special(bytes, at + 1);
    if byte(bytes, end) == b'"' { Ok((end + 1, false)) } else { scan_escaped(bytes, end) }
}

fn scan_escaped(bytes: &[u8], mut at: usize) -> Result<(usize, bool), Fault> {
    loop {
        at = special(bytes, at);
        match byte(bytes, at) {
            b'"' => return Ok((at + 1, true)),
            b'\\' => at = escape(bytes, at)?.1,
            _ if at >= bytes.len() => return fail(at, What::Expected("`\"` at the end of the string")),
            control => return fail(at, What::Control(control)),
        }
    }
}

/// A key as it stands in the text.
pub(super) struct Key {
    /// Where its inside begins.
    pub(super) start: usize,
    /// Where its inside ends: its closing quote.
    pub(super) end: usize,
    /// The [`hash`] of its inside, if it has no escapes.
    pub(super) hash: u64,
    /// Whether it has escapes.
    pub(super) escaped: bool,
}

/// Reads the key that opens at `at`. The words that its end was found in give the hash of a short one on the way.
#[inline(always)]
pub(super) fn key(bytes: &[u8], at: usize) -> Result<Key, Fault> {
    let start = at + 1;
    // What is before the lowest mark: the bytes below it.
    let before = |word: u64, marks: u64| word & (((marks & marks.wrapping_neg()) >> 7).wrapping_sub(1));
    if let (Some(low), Some(high)) = (word(bytes, start), word(bytes, start + 8)) {
        let in_low = marks(low);
        let in_high = marks(high);
        let (end, hash) = if in_low != 0 {
            (start + first(in_low), mix(before(low, in_low), 0))
        } else {
            (start + 8 + first(in_high), mix(low, before(high, in_high)))
        };
        if in_low | in_high == 0 {
            return long_key(bytes, start, start + 16);
        }
        if byte(bytes, end) == b'"' {
            return Ok(Key { start, end, hash, escaped: false });
        }
    }
    long_key(bytes, start, start)
}

/// Reads a key from where nothing special was found in it yet.
fn long_key(bytes: &[u8], start: usize, from: usize) -> Result<Key, Fault> {
    let end = special(bytes, from);
    if byte(bytes, end) == b'"' {
        let hash = hash(bytes.get(start..end).unwrap_or_default());
        return Ok(Key { start, end, hash, escaped: false });
    }
    let (end, _) = scan_escaped(bytes, end)?;
    Ok(Key { start, end: end - 1, hash: 0, escaped: true })
}

#[inline(always)]
fn mix(low: u64, high: u64) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let low = low.wrapping_mul(K);
    (low ^ (low >> 32) ^ high).wrapping_mul(K)
}

/// A hash for comparing keys within one object: quick, not strong. Two keys with one hash are compared as bytes.
pub(super) fn hash(key: &[u8]) -> u64 {
    if let Some(last) = key.last_chunk::<8>()
        && key.len() >= 16
    {
        let (chunks, _) = key.as_chunks::<8>();
        let state = chunks.iter().fold(0, |state, chunk| mix(state, u64::from_le_bytes(*chunk)));
        return mix(state, u64::from_le_bytes(*last));
    }
    // As `key` does it.
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let (low, high) = key.split_at(key.len().min(8));
    mix(word(low), word(high))
}

/// Reads the escape at `at`: what it stands for and the position after it.
fn escape(bytes: &[u8], at: usize) -> Result<(char, usize), Fault> {
    let simple = match byte(bytes, at + 1) {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(bytes, at),
        _ => return fail(at + 1, What::Escape),
    };
    Ok((simple, at + 2))
}

fn unicode(bytes: &[u8], at: usize) -> Result<(char, usize), Fault> {
    let first = hex4(bytes, at + 2)?;
    if let Some(c) = char::from_u32(first) {
        return Ok((c, at + 6));
    }
    // What is no character is one half of a surrogate pair: the second half must follow.
    if first < 0xdc00 && byte(bytes, at + 6) == b'\\' && byte(bytes, at + 7) == b'u' {
        let second = hex4(bytes, at + 8)?;
        if (0xdc00..0xe000).contains(&second)
            && let Some(c) = char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
        {
            return Ok((c, at + 12));
        }
    }
    fail(at, What::Surrogate)
}

fn hex4(bytes: &[u8], at: usize) -> Result<u32, Fault> {
    let mut value = 0;
    for at in at..at + 4 {
        match char::from(byte(bytes, at)).to_digit(16) {
            Some(digit) => value = value << 4 | digit,
            None => return fail(at, What::Expected("four hexadecimal digits after `\\u`")),
        }
    }
    Ok(value)
}

/// Appends what the inside of a string (without its quotes) says; what is before it was checked by [`scan`].
pub(super) fn unescape(inside: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut at = 0;
    while at < inside.len() {
        let end = special(inside, at);
        out.extend_from_slice(inside.get(at..end).unwrap_or_default());
        at = end;
        match byte(inside, at) {
            b'\\' => {
                let (c, after) = escape(inside, at)?;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                at = after;
            }
            _ if at >= inside.len() => {}
            other => return fail(at, What::Control(other)),
        }
    }
    Ok(())
}

/// What a JSON string says: `raw` is the string with its quotes, as a scan hands it out. `None` if it is no string.
#[must_use]
pub fn string(raw: &[u8]) -> Option<Cow<'_, str>> {
    let inside = raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if special(inside, 0) == inside.len() {
        return std::str::from_utf8(inside).ok().map(Cow::Borrowed);
    }
    let mut out = Vec::with_capacity(inside.len());
    unescape(inside, &mut out).ok()?;
    String::from_utf8(out).ok().map(Cow::Owned)
}

/// Appends a text as a JSON string, with its quotes; only what must be escaped is.
pub fn quote(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.push(b'"');
    let mut at = 0;
    loop {
        let end = special(bytes, at);
        out.extend_from_slice(bytes.get(at..end).unwrap_or_default());
        let Some(&found) = bytes.get(end) else { break };
        match found {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => out.extend_from_slice(format!("\\u{other:04x}").as_bytes()),
        }
        at = end + 1;
    }
    out.push(b'"');
}
