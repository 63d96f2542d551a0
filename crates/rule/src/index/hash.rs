//! A short hash for tables that events can only read: what stands in them comes from patterns.

use std::hash::Hasher;

const K: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline]
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the product")]
    let halves = (product as u64, (product >> 64) as u64);
    halves.0 ^ halves.1
}

/// The hash of bytes, beginning from a number.
#[inline]
pub(super) fn bytes(start: u64, bytes: &[u8]) -> u64 {
    Prefixes::new(start, bytes).hash(bytes.len())
}

/// The hash of a suffix, which is not that of the same bytes as a prefix.
pub(super) fn suffix(start: u64, bytes: &[u8]) -> u64 {
    Suffixes::new(start, bytes).hash(bytes.len())
}

/// The hashes of several prefixes of a text, shorter ones first: it is read once for all of them.
pub(super) struct Prefixes<'a> {
    bytes: &'a [u8],
    hash: u64,
    /// How many chunks of eight bytes are in the hash.
    chunks: usize,
}

impl<'a> Prefixes<'a> {
    #[inline]
    pub(super) fn new(start: u64, bytes: &'a [u8]) -> Prefixes<'a> {
        Prefixes { bytes, hash: start ^ K, chunks: 0 }
    }

    /// The hash of so many bytes, at least as many as before.
    #[inline]
    pub(super) fn hash(&mut self, length: usize) -> u64 {
        let rest = loop {
            let from = self.chunks * 8;
            let rest = self.bytes.get(from..).unwrap_or_default();
            match rest.first_chunk::<8>() {
                Some(chunk) if from + 8 <= length => self.hash = mix(self.hash ^ u64::from_le_bytes(*chunk), K),
                Some(chunk) => break u64::from_le_bytes(*chunk) & low(length.saturating_sub(from)),
                None => break rest.iter().take(length.saturating_sub(from)).rev().fold(0, push),
            }
            self.chunks += 1;
        };
        mix(self.hash ^ rest, K ^ length as u64)
    }
}

/// The same for suffixes: the chunks are counted from the end.
pub(super) struct Suffixes<'a>(Prefixes<'a>);

impl<'a> Suffixes<'a> {
    #[inline]
    pub(super) fn new(start: u64, bytes: &'a [u8]) -> Suffixes<'a> {
        Suffixes(Prefixes::new(start, bytes))
    }

    /// The hash of so many bytes, at least as many as before.
    #[inline]
    pub(super) fn hash(&mut self, length: usize) -> u64 {
        let known = &mut self.0;
        let rest = loop {
            let from = known.chunks * 8;
            let rest = known.bytes.get(..known.bytes.len().saturating_sub(from)).unwrap_or_default();
            match rest.last_chunk::<8>() {
                Some(chunk) if from + 8 <= length => known.hash = mix(known.hash ^ u64::from_be_bytes(*chunk), K),
                Some(chunk) => break u64::from_be_bytes(*chunk) & low(length.saturating_sub(from)),
                None => {
                    let skipped = rest.len().saturating_sub(length.saturating_sub(from));
                    break rest.iter().skip(skipped).fold(0, push);
                }
            }
            known.chunks += 1;
        };
        mix(known.hash ^ rest, K ^ length as u64)
    }
}

fn push(word: u64, byte: &u8) -> u64 {
    (word << 8) | u64::from(*byte)
}

/// A mask of so many bytes, fewer than eight.
fn low(bytes: usize) -> u64 {
    (1 << (bytes * 8)) - 1
}

/// The same as a [`Hasher`], for keys that are more than bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, more: &[u8]) {
        self.0 = bytes(self.0, more);
    }
}
