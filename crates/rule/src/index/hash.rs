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
    let mut hash = start ^ K;
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        hash = mix(hash ^ u64::from_le_bytes(*chunk), K);
    }
    let rest = rest.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte));
    mix(hash ^ rest, K ^ bytes.len() as u64)
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
