//! The keys of the objects that are open, to find the one that stands twice.
//!
//! One list serves all levels: an object's keys stand above those of the object around it, and go when it closes. Keys
//! are compared by a hash first. In an object with few keys each is compared with those before it when it comes, if a
//! filter of 64 bits does not rule it out. An object with more is checked when it closes, with a table that all share;
//! should its keys be chosen to crowd the table, they are sorted instead, so that no choice of keys makes it slow.

use super::error::{Fault, What, fail};
use super::text;

/// Up to how many keys are compared one by one.
const FEW: usize = 20;

/// For how many keys the buffers are kept from one text to the next.
const KEEP: usize = 1 << 14;

#[derive(Clone, Copy)]
struct Key {
    hash: u64,
    /// Where its inside begins in the text; of a key with escapes, its place in `Keys::escaped`.
    start: usize,
    /// Where its inside ends; 0 says that it has escapes: no inside ends there.
    end: usize,
}

/// A key whose escapes were resolved.
struct Escaped {
    /// Where its inside begins in the text.
    start: usize,
    /// What it says.
    name: Box<[u8]>,
}

/// The keys of all objects that are open.
#[derive(Default)]
pub(super) struct Keys {
    list: Vec<Key>,
    escaped: Vec<Escaped>,
    table: Vec<Slot>,
    round: u32,
}

/// Which key of the object at hand stands in this place of the table; of no object any more, if the round is over.
#[derive(Clone, Copy, Default)]
struct Slot {
    round: u32,
    index: u32,
}

/// Where the keys of one object begin.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    list: usize,
    escaped: usize,
    filter: u64,
}

impl Keys {
    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.escaped.clear();
        // One huge text does not hold on to its memory.
        self.list.shrink_to(KEEP);
        self.escaped.shrink_to(KEEP);
        if self.table.len() > KEEP {
            self.table = Vec::new();
        }
    }

    #[inline(always)]
    pub(super) fn mark(&self) -> Mark {
        Mark { list: self.list.len(), escaped: self.escaped.len(), filter: 0 }
    }

    /// Adds the key that [`text::key`] read.
    #[inline(always)]
    pub(super) fn add(&mut self, bytes: &[u8], key: text::Key, mark: &mut Mark) -> Result<(), Fault> {
        let text::Key { start, end, hash, escaped } = key;
        if escaped {
            let key = self.resolve(bytes.get(start..end).unwrap_or_default(), start)?;
            return self.push(bytes, key.hash, key.start, key.end, mark);
        }
        self.push(bytes, hash, start, end, mark)
    }

    // Takes the fields apart, not a `Key`: as one value it went through memory, which took a fifth of the scan.
    #[inline(always)]
    fn push(&mut self, bytes: &[u8], hash: u64, start: usize, end: usize, mark: &mut Mark) -> Result<(), Fault> {
        let bit = 1 << (hash >> 58);
        if mark.filter & bit != 0 && self.list.len() - mark.list <= FEW {
            self.compare(bytes, Key { hash, start, end }, *mark)?;
        }
        mark.filter |= bit;
        self.list.push(Key { hash, start, end });
        Ok(())
    }

    #[cold]
    fn resolve(&mut self, inside: &[u8], start: usize) -> Result<Key, Fault> {
        let mut name = Vec::with_capacity(inside.len());
        text::unescape(inside, &mut name)?;
        let key = Key { hash: text::hash(&name), start: self.escaped.len(), end: 0 };
        self.escaped.push(Escaped { start, name: name.into_boxed_slice() });
        Ok(key)
    }

    #[inline(never)]
    fn compare(&self, bytes: &[u8], key: Key, mark: Mark) -> Result<(), Fault> {
        let known = self.list.get(mark.list..).unwrap_or_default();
        let same = |other: &Key| other.hash == key.hash && self.name(bytes, *other) == self.name(bytes, key);
        if known.iter().any(same) { self.duplicate(bytes, key) } else { Ok(()) }
    }

    fn name<'a>(&'a self, bytes: &'a [u8], key: Key) -> &'a [u8] {
        match key.end {
            0 => self.escaped.get(key.start).map_or(&[], |escaped| &escaped.name),
            end => bytes.get(key.start..end).unwrap_or_default(),
        }
    }

    /// Where a key's opening quote stands in the text.
    fn place(&self, key: Key) -> usize {
        let start = match key.end {
            0 => self.escaped.get(key.start).map_or(1, |escaped| escaped.start),
            _ => key.start,
        };
        start - 1
    }

    /// The key of the member that was read last.
    pub(super) fn last<'a>(&'a self, bytes: &'a [u8]) -> &'a [u8] {
        self.list.last().map_or(&[], |key| self.name(bytes, *key))
    }

    /// Ends an object.
    #[inline(always)]
    pub(super) fn close(&mut self, bytes: &[u8], mark: Mark) -> Result<(), Fault> {
        if self.list.len() - mark.list > FEW + 1 {
            self.check(bytes, mark)?;
        }
        self.list.truncate(mark.list);
        self.escaped.truncate(mark.escaped);
        Ok(())
    }

    /// Puts all keys of an object into the table.
    #[inline(never)]
    fn check(&mut self, bytes: &[u8], mark: Mark) -> Result<(), Fault> {
        let count = self.list.len() - mark.list;
        let size = (count * 2).next_power_of_two();
        // The highest bits of a hash are its best.
        let shift = 64 - size.trailing_zeros();
        if self.table.len() < size {
            self.table.resize(size, Slot::default());
        }
        if self.round == u32::MAX {
            self.table.fill(Slot::default());
            self.round = 0;
        }
        self.round += 1;
        let (round, list) = (self.round, self.list.get(mark.list..).unwrap_or_default());
        let mut steps = 16 * count;
        for (index, key) in (0_u32..).zip(list) {
            let mut at = usize::try_from(key.hash >> shift).unwrap_or(0);
            loop {
                let Some(slot) = self.table.get_mut(at) else { return self.sort(bytes, mark) };
                if slot.round != round {
                    *slot = Slot { round, index };
                    break;
                }
                let other = list.get(slot.index as usize).copied().unwrap_or(*key);
                if other.hash == key.hash && self.name(bytes, other) == self.name(bytes, *key) {
                    return self.duplicate(bytes, *key);
                }
                if steps == 0 {
                    return self.sort(bytes, mark);
                }
                steps -= 1;
                at = (at + 1) & (size - 1);
            }
        }
        Ok(())
    }

    #[cold]
    fn sort(&mut self, bytes: &[u8], mark: Mark) -> Result<(), Fault> {
        let mut list = self.list.get(mark.list..).unwrap_or_default().to_vec();
        list.sort_unstable_by_key(|key| (self.name(bytes, *key), self.place(*key)));
        let twice = list.windows(2).filter_map(|pair| match pair {
            [a, b] if self.name(bytes, *a) == self.name(bytes, *b) => Some(*b),
            _ => None,
        });
        match twice.min_by_key(|key| self.place(*key)) {
            None => Ok(()),
            Some(key) => self.duplicate(bytes, key),
        }
    }

    #[cold]
    fn duplicate(&self, bytes: &[u8], key: Key) -> Result<(), Fault> {
        let name = String::from_utf8_lossy(self.name(bytes, key));
        fail(self.place(key), What::Duplicate(name.chars().take(80).collect()))
    }
}
