//! The keys of the objects that are open, to find the one that stands twice.
//!
//! One list serves all levels: an object's keys stand above those of the object around it, and go when it closes. A
//! key is compared by a hash first. In an object with few keys each key is compared with those before it when it comes,
//! if a filter of 64 bits does not rule it out; an object with more is sorted when it closes, so that no choice of keys
//! makes it slow.

use super::error::{Fault, What, fail};
use super::text;

/// Up to how many keys are compared one by one.
const FEW: usize = 24;

/// Where a key stands: in the text, or with its escapes resolved in `Keys::resolved`.
#[derive(Clone, Copy)]
struct Key {
    hash: u64,
    start: usize,
    end: usize,
    /// Where it stands in the text, its opening quote included.
    at: usize,
    escaped: bool,
}

/// The keys of all objects that are open.
#[derive(Default)]
pub(super) struct Keys {
    list: Vec<Key>,
    resolved: Vec<u8>,
}

/// Where the keys of one object begin.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    list: usize,
    resolved: usize,
    filter: u64,
}

impl Keys {
    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.resolved.clear();
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { list: self.list.len(), resolved: self.resolved.len(), filter: 0 }
    }

    /// Adds the key whose quotes stand at `at` and before `end`.
    #[inline(always)]
    pub(super) fn add(
        &mut self,
        bytes: &[u8],
        at: usize,
        end: usize,
        escaped: bool,
        mark: &mut Mark,
    ) -> Result<(), Fault> {
        let (start, end) = (at + 1, end - 1);
        let inside = bytes.get(start..end).unwrap_or_default();
        let key = if escaped { self.resolve(inside, at)? } else { Key { hash: hash(inside), start, end, at, escaped } };
        let bit = 1 << (key.hash >> 58);
        if mark.filter & bit != 0 && self.list.len() - mark.list <= FEW && self.holds(bytes, *mark, key) {
            return self.duplicate(bytes, key);
        }
        mark.filter |= bit;
        self.list.push(key);
        Ok(())
    }

    #[cold]
    fn resolve(&mut self, inside: &[u8], at: usize) -> Result<Key, Fault> {
        let start = self.resolved.len();
        text::unescape(inside, &mut self.resolved)?;
        let end = self.resolved.len();
        let hash = hash(self.resolved.get(start..end).unwrap_or_default());
        Ok(Key { hash, start, end, at, escaped: true })
    }

    fn holds(&self, bytes: &[u8], mark: Mark, key: Key) -> bool {
        let known = self.list.get(mark.list..).unwrap_or_default();
        known.iter().any(|other| other.hash == key.hash && self.name(bytes, *other) == self.name(bytes, key))
    }

    fn name<'a>(&'a self, bytes: &'a [u8], key: Key) -> &'a [u8] {
        let within = if key.escaped { &self.resolved } else { bytes };
        within.get(key.start..key.end).unwrap_or_default()
    }

    /// The key of the member that was read last.
    pub(super) fn last<'a>(&'a self, bytes: &'a [u8]) -> &'a [u8] {
        self.list.last().map_or(&[], |key| self.name(bytes, *key))
    }

    /// Ends an object.
    #[inline(always)]
    pub(super) fn close(&mut self, bytes: &[u8], mark: Mark) -> Result<(), Fault> {
        if self.list.len() - mark.list > FEW + 1 {
            self.sort(bytes, mark)?;
        }
        self.list.truncate(mark.list);
        self.resolved.truncate(mark.resolved);
        Ok(())
    }

    #[inline(never)]
    fn sort(&mut self, bytes: &[u8], mark: Mark) -> Result<(), Fault> {
        let Keys { list, resolved } = self;
        let name = |key: &Key| {
            let within = if key.escaped { resolved.as_slice() } else { bytes };
            within.get(key.start..key.end).unwrap_or_default()
        };
        let list = list.get_mut(mark.list..).unwrap_or_default();
        list.sort_unstable_by(|a, b| {
            a.hash.cmp(&b.hash).then_with(|| name(a).cmp(name(b))).then_with(|| a.at.cmp(&b.at))
        });
        let twice = list
            .windows(2)
            .filter_map(|pair| match pair {
                [a, b] if a.hash == b.hash && name(a) == name(b) => Some(*b),
                _ => None,
            })
            .min_by_key(|key| key.at);
        match twice {
            None => Ok(()),
            Some(key) => self.duplicate(bytes, key),
        }
    }

    #[cold]
    fn duplicate(&self, bytes: &[u8], key: Key) -> Result<(), Fault> {
        let name = String::from_utf8_lossy(self.name(bytes, key));
        fail(key.at, What::Duplicate(name.chars().take(80).collect()))
    }
}

/// A hash for comparing keys within one object: quick, not strong. Two keys with one hash are compared as bytes.
#[inline(always)]
fn hash(key: &[u8]) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash.rotate_left(23) ^ word).wrapping_mul(K);
    let mut state = key.len() as u64;
    if let Some(last) = key.last_chunk::<8>() {
        let (chunks, _) = key.as_chunks::<8>();
        for chunk in chunks {
            state = mix(state, u64::from_le_bytes(*chunk));
        }
        mix(state, u64::from_le_bytes(*last))
    } else if let (Some(first), Some(last)) = (key.first_chunk::<4>(), key.last_chunk::<4>()) {
        mix(state, u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)))
    } else {
        mix(state, key.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)))
    }
}
