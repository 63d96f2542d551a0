//! The contract: what every log does. `tests/it/conform.rs` holds each implementation to it.

use std::path::PathBuf;

use ensue_event::{Digest, Event, Key, Origin, Position, Record, Time};

use crate::Error;

/// An event on its way into the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Where it comes from.
    pub origin: Origin,
    /// The event. Data too large for a record is in a blob already ([`crate::Blobs::put_large`]).
    pub event: Event,
    /// BLAKE3 of what two arrivals of the same id are compared by: the body as received. Without one it is
    /// [`crate::identity`] of the event.
    pub digest: Option<Digest>,
    /// A second key for deduplication: hash of the signed body where the id is not covered by the signature.
    pub second: Option<Key>,
}

impl Draft {
    /// A draft without keys of its own.
    #[must_use]
    pub fn new(origin: Origin, event: Event) -> Draft {
        Draft { origin, event, digest: None, second: None }
    }

    /// Whether it is small enough for a record. One that is not fails the whole batch: whoever takes events in asks
    /// before, after [`crate::Blobs::put_large`] has moved what can be moved.
    #[must_use]
    pub fn fits(&self) -> bool {
        crate::format::size_bound(&self.origin, &self.event) <= crate::format::MAX_BODY
    }

    /// What a second arrival is compared by with [`Found::is_same`].
    #[must_use]
    pub fn identity(&self) -> Digest {
        self.digest.unwrap_or_else(|| crate::identity(&self.event))
    }
}

/// What stands at a position. Every position from [`Log::first`] to [`Log::end`] has exactly one.
// Nearly every entry is a record: a box would cost an allocation for each, to save space in none.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// A record.
    Record(Record),
    /// A record that cannot be read any more.
    Unreadable {
        /// Its position.
        position: Position,
        /// What became of it.
        why: Unreadable,
    },
}

impl Entry {
    /// The position at which it stands.
    #[must_use]
    pub fn position(&self) -> Position {
        match self {
            Entry::Record(record) => record.position,
            Entry::Unreadable { position, .. } => *position,
        }
    }

    /// The record, if it can be read.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        match self {
            Entry::Record(record) => Some(record),
            Entry::Unreadable { .. } => None,
        }
    }
}

/// Why a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Its event was destroyed on request.
    Purged,
    /// Its bytes are not what was written.
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// An earlier arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it stands.
    pub position: Position,
    /// The first 8 bytes of its [`Draft::identity`].
    pub digest: [u8; 8],
}

impl Found {
    /// Whether it had this [`Draft::identity`]: the same body.
    #[must_use]
    pub fn is_same(&self, identity: &Digest) -> bool {
        identity.0.first_chunk() == Some(&self.digest)
    }
}

/// What to look a record up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By<'a> {
    /// The event's id, whatever its source.
    Id(&'a str),
    /// Its subject.
    Subject(&'a str),
    /// Its `correlationid`.
    Correlation(&'a str),
    /// Its type.
    Type(&'a str),
}

/// What a trim did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// The first record that is still there.
    pub first: Position,
    /// How many records went.
    pub records: u64,
    /// How many bytes were freed.
    pub bytes: u64,
}

/// One file of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its first record.
    pub first: Position,
    /// The position after its last record.
    pub end: Position,
    /// Its length.
    pub bytes: u64,
    /// The append time of its last record.
    pub last_at: Option<Time>,
}

/// Whether a state was made from this log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// It was: the chain at its position is the log's.
    Same,
    /// Its position lies past the end of the log: the log lost records, or is an older copy.
    Ahead,
    /// Another log, or a changed one: the chain differs.
    Different,
    /// The log begins after its position: it can neither be checked nor continued.
    Trimmed,
}

/// A sequence of records: append only, durable before anything is said about it.
///
/// One writer. The log itself does not deduplicate: whoever appends asks [`Log::find`] first.
pub trait Log: Send {
    /// The first record that is still there; [`Log::end`] where there is none.
    fn first(&self) -> Position;

    /// The position that the next record will get. All below it are durable.
    fn end(&self) -> Position;

    /// Appends a batch, in order, with one write and one sync. Returns the position of its first record once all of
    /// them are durable. `at` must not lie before [`Log::last_at`].
    fn append(&mut self, at: Time, batch: &[Draft]) -> Result<Position, Error>;

    /// Like [`Log::append`], for what must not stand still when the disk is full: answers, emissions, ticks and
    /// operators. It may use the reserve.
    fn append_urgent(&mut self, at: Time, batch: &[Draft]) -> Result<Position, Error>;

    /// What stands from a position on: at most so many records, and no more after so many bytes of them (one at
    /// least). Empty at the end of the log.
    fn read(&self, from: Position, max_records: usize, max_bytes: usize) -> Result<Vec<Entry>, Error>;

    /// The append time of the last record.
    fn last_at(&self) -> Option<Time>;

    /// The chain up to and including this position.
    fn chain(&self, position: Position) -> Result<Digest, Error>;

    /// An event with this source and id within the window of deduplication.
    fn find(&self, source: &str, id: &str) -> Option<Found>;

    /// An event with this second key within the window of deduplication.
    fn find_second(&self, key: &Key) -> Option<Found>;

    /// Records by a key, the newest first; those purged are left out.
    fn find_by(&self, by: By<'_>, limit: usize) -> Result<Vec<Record>, Error>;

    /// Deletes whole segments of records below a position. The ids in them stay known for the window of deduplication.
    fn trim(&mut self, before: Position) -> Result<Trimmed, Error>;

    /// Destroys the events at these positions. Their positions, times, origins and digests stay: the chain can still be
    /// verified.
    fn purge(&mut self, positions: &[Position]) -> Result<(), Error>;

    /// The last committed checkpoint of the state: the last record in it, and the chain there. Later batches name it.
    fn set_checkpoint(&mut self, position: Position, chain: Digest);

    /// How much of the reserve is used, from 0 to 1. Past a half no new effect is to be dispatched.
    fn reserve_used(&self) -> f64;

    /// Whether a state whose last record is at this position, with this chain, was made from this log.
    fn agrees(&self, position: Position, chain: &Digest) -> Agreement {
        if position >= self.end() {
            return Agreement::Ahead;
        }
        if position < self.first() {
            return Agreement::Trimmed;
        }
        match self.chain(position) {
            Ok(ours) if ours == *chain => Agreement::Same,
            _ => Agreement::Different,
        }
    }
}
