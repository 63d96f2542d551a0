//! Where in a segment things are: positions, ids, subjects, types, correlations.
//!
//! The index of the open segment is in memory; a sealed segment gets an index file that never changes. Both hold only
//! hashes: what a purge destroys is not in them. An index can always be made anew from its segment.

mod file;
mod memory;

use ensue_event::{Digest, Key, Time};

pub(crate) use file::{FileIndex, encode};
pub(crate) use memory::{Entries, MemoryIndex};

use crate::By;
use crate::disk::Disk;
use crate::scan::Hole;

/// An offset that says: this record is in a hole.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// What is known of an id: where, when (seconds), and what body it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IdEntry {
    pub(crate) nth: u32,
    pub(crate) seconds: u32,
    pub(crate) digest: [u8; 8],
}

/// Why an index file gives no answer; its segment has the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It is missing, or not what was written.
    Content,
    /// It could not be read this time.
    Io(std::io::ErrorKind),
}

impl From<std::io::Error> for Wrong {
    fn from(error: std::io::Error) -> Wrong {
        match error.kind() {
            std::io::ErrorKind::NotFound => Wrong::Content,
            kind => Wrong::Io(kind),
        }
    }
}

/// The index of one segment.
pub(crate) enum Index<D: Disk> {
    Memory(Box<MemoryIndex>),
    File(Box<FileIndex<D>>),
}

/// What an index says about its segment as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The first position.
    pub(crate) first: u64,
    /// How many positions there are, holes with them.
    pub(crate) count: u64,
    /// The length of the segment in bytes.
    pub(crate) len: u64,
    /// The append time of its last record.
    pub(crate) last_at: Option<Time>,
    /// The chain after its last record.
    pub(crate) chain: Digest,
    /// How many ids it knows.
    pub(crate) ids: u64,
}

impl<D: Disk> Index<D> {
    pub(crate) fn summary(&self) -> Summary {
        match self {
            Index::Memory(index) => index.summary(),
            Index::File(index) => index.summary(),
        }
    }

    /// The offsets of `count` records from the `nth` on; fewer at the end.
    pub(crate) fn offsets(&self, nth: u64, count: usize) -> Result<Vec<u32>, Wrong> {
        match self {
            Index::Memory(index) => Ok(index.offsets(nth, count)),
            Index::File(index) => index.offsets(nth, count),
        }
    }

    /// The batch that holds the `nth` record: its own first one and its header's offset.
    pub(crate) fn batch_of(&self, nth: u32) -> Result<Option<(u32, u32)>, Wrong> {
        match self {
            Index::Memory(index) => Ok(index.batch_of(nth)),
            Index::File(index) => index.batch_of(nth),
        }
    }

    pub(crate) fn holes(&self) -> &[Hole] {
        match self {
            Index::Memory(index) => &index.holes,
            Index::File(index) => &index.holes,
        }
    }

    pub(crate) fn id(&self, key: u128) -> Result<Option<IdEntry>, Wrong> {
        match self {
            Index::Memory(index) => Ok(index.id(key)),
            Index::File(index) => index.id(key),
        }
    }

    /// The records with this hash of an attribute, in the order of positions. Some may have another value of the same
    /// hash.
    pub(crate) fn refs(&self, hash: u64) -> Result<Vec<u32>, Wrong> {
        match self {
            Index::Memory(index) => Ok(index.refs(hash)),
            Index::File(index) => index.refs(hash),
        }
    }
}

/// The key under which an id is known.
pub(crate) fn id_key(source: &str, id: &str) -> u128 {
    u128::from_be_bytes(Key::of("id", &[source.as_bytes(), id.as_bytes()]).0)
}

/// The key under which a second key is known: hashed again, so that nobody outside chooses it.
pub(crate) fn second_key(key: &Key) -> u128 {
    u128::from_be_bytes(Key::of("second", &[&key.0]).0)
}

/// FNV-1a (64 bits) of an attribute's value. Lookups compare the values themselves afterwards: two values with the same
/// hash cost a read, no more.
pub(crate) fn ref_hash(by: By<'_>) -> u64 {
    let (kind, value) = match by {
        By::Id(value) => (1, value),
        By::Subject(value) => (2, value),
        By::Correlation(value) => (3, value),
        By::Type(value) => (4, value),
    };
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    value.bytes().fold(step(0xcbf2_9ce4_8422_2325, kind), step)
}

/// Seconds since 1970, as index entries hold them (until 2106).
pub(crate) fn seconds(at: Time) -> u32 {
    u32::try_from(at.0.div_euclid(1_000_000).max(0)).unwrap_or(u32::MAX)
}
