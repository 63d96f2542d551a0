//! One pass over raw JSON along a trie: follows the keys asked for, passes everything else by.

use crate::fields::{Fields, Found};
use crate::pattern::Kind;
use crate::scan::Scan;
use crate::trie::{Node, Trie};

/// Arrays directly in arrays deeper than this are passed by; ingest lets in 64 levels of everything.
const MAX_DEPTH: u32 = 128;

/// A walk. A `None` on the way means that the bytes broke off: what was found until then stays.
pub(crate) struct Walk<'a> {
    trie: &'a Trie,
    bytes: &'a [u8],
    scan: &'a mut Scan,
    fields: &'a mut Fields,
    /// How the walk got to where it is: within a list, by a key with a dot.
    marks: u8,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(trie: &'a Trie, bytes: &'a [u8], scan: &'a mut Scan, fields: &'a mut Fields) -> Walk<'a> {
        Walk { trie, bytes, scan, fields, marks: 0 }
    }

    /// Walks the whole text as the value of this node.
    pub(crate) fn run(mut self, node: u32) {
        let start = self.space(0);
        self.value(node, start, 0, 0);
    }

    #[inline]
    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// The place of the next byte that is not white space.
    #[inline]
    fn space(&self, mut at: usize) -> usize {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte(at) {
            at += 1;
        }
        at
    }

    /// Reads the value at `at` for `number`; the place behind it.
    fn value(&mut self, number: u32, at: usize, element: u32, depth: u32) -> Option<usize> {
        let node = self.trie.node(number)?;
        match self.byte(at)? {
            b'"' => {
                let end = self.scan.text_end(self.bytes, at + 1)?;
                if node.is_asked() {
                    self.text(number, element, at + 1, end);
                }
                Some(end + 1)
            }
            b'{' if node.has_kids() && depth < MAX_DEPTH => self.object(number, node, at, element, depth),
            b'[' if depth < MAX_DEPTH => self.array(number, node, at, element, depth),
            b'{' | b'[' => self.scan.container_end(self.bytes, at),
            _ => {
                let end = self.scalar_end(at)?;
                if node.is_asked() {
                    self.scalar(number, element, at, end);
                }
                Some(end)
            }
        }
    }

    fn object(&mut self, number: u32, node: &Node, at: usize, element: u32, depth: u32) -> Option<usize> {
        let mut left = node.enough();
        let mut at = self.space(at + 1);
        if self.byte(at)? == b'}' {
            return Some(at + 1);
        }
        loop {
            if self.byte(at)? != b'"' {
                return None;
            }
            let end = self.scan.text_end(self.bytes, at + 1)?;
            let kid = match self.byte(at + 1) {
                Some(first) if self.trie.may_hold(number, first) => self.key(number, at + 1, end),
                _ => None,
            };
            at = self.space(end + 1);
            if self.byte(at)? != b':' {
                return None;
            }
            at = self.space(at + 1);
            at = match kid {
                Some(kid) => {
                    let marks = self.marks;
                    // Keys of nodes have no dots: one that leads further than to a kid has.
                    if self.trie.node(kid).is_some_and(|node| node.parent != number) {
                        self.marks |= Found::DOTTED;
                    }
                    let end = self.value(kid, at, element, depth + 1)?;
                    self.marks = marks;
                    left -= 1;
                    if left == 0 {
                        // All that is asked for was seen, and keys do not come twice. Around it nothing more comes.
                        return if depth == 0 { None } else { self.scan.close(self.bytes, end, 1) };
                    }
                    end
                }
                None => self.pass(at)?,
            };
            at = self.space(at);
            match self.byte(at)? {
                b',' => at = self.space(at + 1),
                b'}' => return Some(at + 1),
                _ => return None,
            }
        }
    }

    fn array(&mut self, number: u32, node: &Node, at: usize, element: u32, depth: u32) -> Option<usize> {
        let mut at = self.space(at + 1);
        if self.byte(at)? == b']' {
            return Some(at + 1);
        }
        let marks = self.marks;
        self.marks |= Found::LISTED;
        loop {
            at = match self.byte(at)? {
                b'{' if node.has_kids() => {
                    let found = self.fields.found.len();
                    let inner = self.fields.open(number, element);
                    let end = self.object(number, node, at, inner, depth + 1);
                    self.fields.close(inner, found);
                    end?
                }
                _ => self.value(number, at, element, depth + 1)?,
            };
            at = self.space(at);
            match self.byte(at)? {
                b',' => at = self.space(at + 1),
                b']' => {
                    self.marks = marks;
                    return Some(at + 1);
                }
                _ => return None,
            }
        }
    }

    fn key(&self, number: u32, start: usize, end: usize) -> Option<u32> {
        let raw = self.bytes.get(start..end)?;
        match self.trie.find(number, raw) {
            None if raw.contains(&b'\\') => {
                let mut key = Vec::new();
                unescape(raw, &mut key);
                self.trie.find(number, &key)
            }
            found => found,
        }
    }

    /// The place behind a value that nobody asks for.
    #[inline]
    fn pass(&mut self, at: usize) -> Option<usize> {
        match self.byte(at)? {
            b'"' => Some(self.scan.text_end(self.bytes, at + 1)? + 1),
            b'{' | b'[' => self.scan.container_end(self.bytes, at),
            _ => self.scalar_end(at),
        }
    }

    /// The place behind a number or literal.
    fn scalar_end(&self, at: usize) -> Option<usize> {
        let rest = self.bytes.get(at..)?;
        let length = rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'));
        match length.unwrap_or(rest.len()) {
            0 => None,
            length => Some(at + length),
        }
    }

    fn text(&mut self, number: u32, element: u32, start: usize, end: usize) {
        let raw = self.bytes.get(start..end).unwrap_or_default();
        if memchr::memchr(b'\\', raw).is_some() {
            self.fields.add_own(number, element, Kind::Text, self.marks, |arena| unescape(raw, arena));
        } else {
            self.fields.add(number, element, Kind::Text, self.marks, start..end);
        }
    }

    fn scalar(&mut self, number: u32, element: u32, start: usize, end: usize) {
        let kind = match self.bytes.get(start..end).unwrap_or_default() {
            b"true" => Kind::True,
            b"false" => Kind::False,
            b"null" => Kind::Null,
            [b'-' | b'0'..=b'9', ..] => Kind::Number,
            _ => return,
        };
        self.fields.add(number, element, kind, self.marks, start..end);
    }
}

/// Appends a text without its escapes. A lone surrogate becomes U+FFFD, as what is no character.
fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let mut length = 2;
        match escape.get(1) {
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'r') => out.push(b'\r'),
            Some(b'b') => out.push(8),
            Some(b'f') => out.push(12),
            Some(b'u') => {
                length = 6;
                let mut c = unit(escape).and_then(char::from_u32);
                if let (Some(high @ 0xd800..=0xdbff), Some(low @ 0xdc00..=0xdfff)) =
                    (unit(escape), escape.get(6..).and_then(unit))
                {
                    c = char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
                    length = 12;
                }
                let mut room = [0; 4];
                out.extend_from_slice(c.unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut room).as_bytes());
            }
            Some(other) => out.push(*other),
            None => length = 1,
        }
        rest = escape.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// The number in `\uXXXX`.
fn unit(escape: &[u8]) -> Option<u32> {
    let digits = escape.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}
