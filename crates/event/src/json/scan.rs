//! The scan: one pass, no recursion, no allocation once its buffers have grown.

use std::ops::Range;

use super::error::{Error, Fault, What, fail};
use super::keys::{Keys, Mark};
use super::text::{key as read_key, scan as read_string};
use super::{Kind, MAX_DEPTH, byte, space};

/// Checks JSON texts; its buffers are kept from one to the next.
pub struct Scanner {
    depth: usize,
    open: Vec<Open>,
    keys: Keys,
}

/// An array or object that has not closed yet.
struct Open {
    start: usize,
    object: bool,
    keys: Mark,
}

/// A part of a batch, in the order of the text.
#[derive(Debug, PartialEq)]
pub enum Part<'a> {
    /// A member of the element that is open.
    Member {
        /// Its key, escapes resolved.
        key: &'a str,
        /// Where its value stands.
        value: Range<usize>,
        /// What it is.
        kind: Kind,
    },
    /// An element has ended.
    Element {
        /// Where it stands.
        value: Range<usize>,
        /// What it is; only an object has members.
        kind: Kind,
    },
}

/// Who is told of values that have ended, down to a depth.
trait Visit {
    /// The depth: 0 tells nothing, 1 of the members or elements of the outermost value, 2 of theirs too.
    const DEPTH: usize;
    /// A value at this depth has ended; `key` is `None` in an array.
    fn value(&mut self, depth: usize, key: Option<&[u8]>, value: Range<usize>, kind: Kind);
}

struct Nothing;

impl Visit for Nothing {
    const DEPTH: usize = 0;
    fn value(&mut self, _: usize, _: Option<&[u8]>, _: Range<usize>, _: Kind) {}
}

struct Members<F>(F);

impl<F: FnMut(&str, Range<usize>, Kind)> Visit for Members<F> {
    const DEPTH: usize = 1;
    fn value(&mut self, _: usize, key: Option<&[u8]>, value: Range<usize>, kind: Kind) {
        if let Some(key) = key {
            (self.0)(text(key), value, kind);
        }
    }
}

struct Elements<F>(F);

impl<F: FnMut(Part<'_>)> Visit for Elements<F> {
    const DEPTH: usize = 2;
    fn value(&mut self, depth: usize, key: Option<&[u8]>, value: Range<usize>, kind: Kind) {
        match (depth, key) {
            (1, _) => (self.0)(Part::Element { value, kind }),
            (_, Some(key)) => (self.0)(Part::Member { key: text(key), value, kind }),
            // Of an element that is an array; it is told of as a whole.
            (_, None) => {}
        }
    }
}

/// A key as text; it was checked with the rest.
fn text(key: &[u8]) -> &str {
    std::str::from_utf8(key).unwrap_or_default()
}

impl Default for Scanner {
    fn default() -> Scanner {
        Scanner::new()
    }
}

impl Scanner {
    /// A scanner with the usual limit, [`MAX_DEPTH`].
    #[must_use]
    pub fn new() -> Scanner {
        Scanner::with_depth(MAX_DEPTH)
    }

    /// A scanner that lets so many arrays and objects stand in one another.
    #[must_use]
    pub fn with_depth(depth: usize) -> Scanner {
        Scanner { depth, open: Vec::new(), keys: Keys::default() }
    }

    /// Checks that the bytes are one JSON text; says what its value is.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Kind, Error> {
        self.run(bytes, None, &mut Nothing)
    }

    /// Checks that the bytes are one JSON object and hands out its members, each when it has ended: the key with its
    /// escapes resolved, where its value stands, what it is. What was handed out counts only if the scan succeeds.
    /// The outer object is an envelope: it does not count for the limit of depth.
    pub fn scan_object(&mut self, bytes: &[u8], visit: impl FnMut(&str, Range<usize>, Kind)) -> Result<(), Error> {
        self.run(bytes, Some((b'{', "an object")), &mut Members(visit)).map(drop)
    }

    /// The same for an array of objects: hands out their members and says when one has ended. An element that is no
    /// object has no members. Neither the array nor its elements count for the limit of depth.
    pub fn scan_batch(&mut self, bytes: &[u8], visit: impl FnMut(Part<'_>)) -> Result<(), Error> {
        self.run(bytes, Some((b'[', "an array")), &mut Elements(visit)).map(drop)
    }

    fn run<V: Visit>(&mut self, bytes: &[u8], first: Option<(u8, &'static str)>, visit: &mut V) -> Result<Kind, Error> {
        self.open.clear();
        self.keys.clear();
        // All of it is checked to be UTF-8 at once, which is far quicker than string by string. What is scanned if it is
        // not is the part before: a mistake in there is the first one.
        let (text, rest) = match std::str::from_utf8(bytes) {
            Ok(_) => (bytes, false),
            Err(wrong) => (bytes.get(..wrong.valid_up_to()).unwrap_or_default(), true),
        };
        let fault = match self.walk(text, first, visit) {
            Ok(kind) if !rest => return Ok(kind),
            Ok(_) => (text.len(), What::Utf8),
            Err(fault) if rest && fault.0 >= text.len() => (text.len(), What::Utf8),
            Err(fault) => *fault,
        };
        Err(Error::new(bytes, fault.0, fault.1))
    }

    fn walk<V: Visit>(
        &mut self,
        bytes: &[u8],
        first: Option<(u8, &'static str)>,
        visit: &mut V,
    ) -> Result<Kind, Fault> {
        let limit = self.depth + V::DEPTH;
        let mut at = space(bytes, 0);
        if let Some((wanted, name)) = first
            && byte(bytes, at) != wanted
            && !bytes.starts_with(b"\xef\xbb\xbf")
        {
            return fail(at, What::Expected(name));
        }
        'value: loop {
            let mut start = at;
            let mut kind = match byte(bytes, at) {
                b'"' => {
                    at = read_string(bytes, at)?.0;
                    Kind::Text
                }
                b'{' => {
                    self.open(at, true, limit)?;
                    at = space(bytes, at + 1);
                    match byte(bytes, at) {
                        b'"' => {
                            at = self.key(bytes, at)?;
                            continue 'value;
                        }
                        b'}' => {
                            at += 1;
                            self.open.pop();
                            Kind::Object
                        }
                        _ => return fail(at, What::Expected("a key in quotes or `}`")),
                    }
                }
                b'[' => {
                    self.open(at, false, limit)?;
                    at = space(bytes, at + 1);
                    if byte(bytes, at) != b']' {
                        continue 'value;
                    }
                    at += 1;
                    self.open.pop();
                    Kind::Array
                }
                b'-' | b'0'..=b'9' => {
                    at = number(bytes, at)?;
                    Kind::Number
                }
                b't' => {
                    at = literal(bytes, at, b"true", "`true`")?;
                    Kind::Bool
                }
                b'f' => {
                    at = literal(bytes, at, b"false", "`false`")?;
                    Kind::Bool
                }
                b'n' => {
                    at = literal(bytes, at, b"null", "`null`")?;
                    Kind::Null
                }
                _ => return no_value(bytes, at),
            };
            // A value has ended, and with it perhaps those around it.
            loop {
                let depth = self.open.len();
                if depth <= V::DEPTH
                    && let Some(around) = self.open.last()
                {
                    let key = around.object.then(|| self.keys.last(bytes));
                    visit.value(depth, key, start..at, kind);
                }
                at = space(bytes, at);
                let Some(around) = self.open.last() else {
                    return if at == bytes.len() { Ok(kind) } else { fail(at, What::Expected("the end of the text")) };
                };
                match (byte(bytes, at), around.object) {
                    (b',', true) => {
                        at = space(bytes, at + 1);
                        if byte(bytes, at) != b'"' {
                            return fail(at, What::Expected("a key in quotes after `,`"));
                        }
                        at = self.key(bytes, at)?;
                        continue 'value;
                    }
                    (b',', false) => {
                        at = space(bytes, at + 1);
                        continue 'value;
                    }
                    (b'}', true) => {
                        at += 1;
                        start = around.start;
                        kind = Kind::Object;
                        self.keys.close(bytes, around.keys)?;
                    }
                    (b']', false) => {
                        at += 1;
                        start = around.start;
                        kind = Kind::Array;
                    }
                    (_, true) => return fail(at, What::Expected("`,` or `}`")),
                    (_, false) => return fail(at, What::Expected("`,` or `]`")),
                }
                self.open.pop();
            }
        }
    }

    #[inline(always)]
    fn open(&mut self, start: usize, object: bool, limit: usize) -> Result<(), Fault> {
        if self.open.len() >= limit {
            return fail(start, What::Depth(self.depth));
        }
        self.open.push(Open { start, object, keys: self.keys.mark() });
        Ok(())
    }

    /// Reads a key and its colon; returns where the value begins.
    #[inline(always)]
    fn key(&mut self, bytes: &[u8], at: usize) -> Result<usize, Fault> {
        let key = read_key(bytes, at)?;
        let at = space(bytes, key.end + 1);
        if let Some(around) = self.open.last_mut() {
            self.keys.add(bytes, key, &mut around.keys)?;
        }
        if byte(bytes, at) != b':' {
            return fail(at, What::Expected("`:` after the key"));
        }
        Ok(space(bytes, at + 1))
    }
}

#[inline(always)]
fn literal(bytes: &[u8], at: usize, word: &'static [u8], name: &'static str) -> Result<usize, Fault> {
    let end = at + word.len();
    if bytes.get(at..end) == Some(word) {
        return Ok(end);
    }
    let same = word.iter().zip(bytes.get(at..).unwrap_or_default()).take_while(|(a, b)| a == b).count();
    fail(at + same, What::Expected(name))
}

#[inline(always)]
fn digits(bytes: &[u8], mut at: usize) -> usize {
    while byte(bytes, at).is_ascii_digit() {
        at += 1;
    }
    at
}

#[inline(always)]
fn number(bytes: &[u8], start: usize) -> Result<usize, Fault> {
    let first = if byte(bytes, start) == b'-' { start + 1 } else { start };
    let mut at = digits(bytes, first);
    if at == first {
        return fail(at, What::Expected("a digit"));
    }
    if byte(bytes, first) == b'0' && at > first + 1 {
        return fail(first, What::Zeros);
    }
    if byte(bytes, at) == b'.' {
        let fraction = at + 1;
        at = digits(bytes, fraction);
        if at == fraction {
            return fail(at, What::Expected("a digit after the decimal point"));
        }
    }
    let exponent = matches!(byte(bytes, at), b'e' | b'E');
    if exponent {
        at += 1;
        if matches!(byte(bytes, at), b'+' | b'-') {
            at += 1;
        }
        let first = at;
        at = digits(bytes, at);
        if at == first {
            return fail(at, What::Expected("a digit in the exponent"));
        }
    }
    // 10^308 is the largest power of ten that an f64 holds: nothing shorter can be too large.
    if exponent || at - start > 308 { in_range(bytes, start, at) } else { Ok(at) }
}

#[cold]
fn in_range(bytes: &[u8], start: usize, end: usize) -> Result<usize, Fault> {
    let text = bytes.get(start..end).and_then(|bytes| std::str::from_utf8(bytes).ok());
    match text.and_then(|text| text.parse::<f64>().ok()) {
        Some(value) if value.is_finite() => Ok(end),
        _ => fail(start, What::Range),
    }
}

#[cold]
fn no_value(bytes: &[u8], at: usize) -> Result<Kind, Fault> {
    if at == 0 && bytes.starts_with(b"\xef\xbb\xbf") {
        return fail(at, What::Bom);
    }
    fail(at, What::Expected("a value"))
}
