//! The index in memory: of the open segment, and of a sealed one until its file is written.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use ensue_event::{Digest, Event, Key, Time};

use super::{IdEntry, NOWHERE, Summary, id_key, ref_hash, second_key, seconds};
use crate::By;
use crate::format::{BatchHeader, chain_over_loss};
use crate::scan::Hole;

/// Keys are hashes already: their low half is as good as any other.
#[derive(Default)]
pub(crate) struct Low(u64);

impl Hasher for Low {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, value: u128) {
        let [_, _, _, _, _, _, _, _, low @ ..] = value.to_be_bytes();
        self.0 = u64::from_be_bytes(low);
    }
}

type Ids = HashMap<u128, IdEntry, BuildHasherDefault<Low>>;

pub(crate) struct MemoryIndex {
    pub(crate) first: u64,
    pub(crate) len: u64,
    pub(crate) offsets: Vec<u32>,
    /// For each batch its first record and the offset of its header.
    pub(crate) batches: Vec<(u32, u32)>,
    pub(crate) holes: Vec<Hole>,
    pub(crate) ids: Ids,
    pub(crate) refs: Vec<(u64, u32)>,
    pub(crate) last_at: Option<Time>,
    pub(crate) chain: Digest,
}

/// What the index needs to know of a record; made before anything is locked.
pub(crate) struct Entries {
    pub(crate) offset: u32,
    pub(crate) at: Time,
    pub(crate) id: u128,
    pub(crate) second: Option<u128>,
    pub(crate) digest: [u8; 8],
    pub(crate) refs: [Option<u64>; 4],
}

impl Entries {
    pub(crate) fn of(offset: u32, at: Time, event: &Event, second: Option<&Key>, identity: &[u8; 16]) -> Entries {
        Entries {
            offset,
            at,
            id: id_key(&event.source, &event.id),
            second: second.map(second_key),
            digest: *identity.first_chunk().unwrap_or(&[0; 8]),
            refs: [
                Some(ref_hash(By::Id(&event.id))),
                Some(ref_hash(By::Type(&event.kind))),
                event.subject.as_deref().map(|subject| ref_hash(By::Subject(subject))),
                event.extension_text("correlationid").map(|id| ref_hash(By::Correlation(id))),
            ],
        }
    }
}

impl MemoryIndex {
    pub(crate) fn new(first: u64, chain: Digest) -> MemoryIndex {
        MemoryIndex {
            first,
            len: 0,
            offsets: Vec::new(),
            batches: Vec::new(),
            holes: Vec::new(),
            ids: Ids::default(),
            refs: Vec::new(),
            last_at: None,
            chain,
        }
    }

    fn nth(&self) -> u32 {
        u32::try_from(self.offsets.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn push_batch(&mut self, offset: u32) {
        self.batches.push((self.nth(), offset));
    }

    pub(crate) fn push_header(&mut self, offset: u32, header: &BatchHeader) {
        self.push_batch(offset);
        self.chain = header.chain;
    }

    pub(crate) fn push(&mut self, entries: &Entries) {
        let nth = self.nth();
        let entry = IdEntry { nth, seconds: seconds(entries.at), digest: entries.digest };
        self.offsets.push(entries.offset);
        self.last_at = Some(entries.at);
        // The newest arrival: an older one with the same id may be past the window.
        self.ids.insert(entries.id, entry);
        if let Some(second) = entries.second {
            self.ids.insert(second, entry);
        }
        self.refs.extend(entries.refs.iter().flatten().map(|hash| (*hash, nth)));
    }

    /// A record of which only the place, the time and the keys are left.
    pub(crate) fn push_bare(&mut self, offset: u32, at: Time, keys: [Option<u128>; 2], identity: &[u8; 16]) {
        let digest = *identity.first_chunk().unwrap_or(&[0; 8]);
        let entry = IdEntry { nth: self.nth(), seconds: seconds(at), digest };
        self.offsets.push(offset);
        self.last_at = Some(at);
        for key in keys.into_iter().flatten() {
            self.ids.insert(key, entry);
        }
    }

    /// A hole to the end of the segment: what stands after it is in the next one.
    pub(crate) fn push_lost(&mut self, hole: Hole) {
        self.chain = chain_over_loss(&self.chain, hole.until);
        self.holes.push(hole);
    }

    pub(crate) fn push_hole(&mut self, hole: Hole) {
        if hole.until > hole.first {
            self.chain = chain_over_loss(&self.chain, hole.until);
            let count = usize::try_from(hole.until - self.first).unwrap_or(usize::MAX);
            self.offsets.resize(count, NOWHERE);
        }
        self.holes.push(hole);
    }

    pub(crate) fn summary(&self) -> Summary {
        Summary {
            first: self.first,
            count: self.offsets.len() as u64,
            len: self.len,
            last_at: self.last_at,
            chain: self.chain,
            ids: self.ids.len() as u64,
        }
    }

    pub(crate) fn offsets(&self, nth: u64, count: usize) -> Vec<u32> {
        let skip = usize::try_from(nth).unwrap_or(usize::MAX);
        self.offsets.iter().skip(skip).take(count).copied().collect()
    }

    pub(crate) fn batch_of(&self, nth: u32) -> Option<(u32, u32)> {
        let after = self.batches.partition_point(|(first, _)| *first <= nth);
        self.batches.get(after.checked_sub(1)?).copied()
    }

    pub(crate) fn id(&self, key: u128) -> Option<IdEntry> {
        self.ids.get(&key).copied()
    }

    pub(crate) fn refs(&self, hash: u64) -> Vec<u32> {
        self.refs.iter().filter(|(known, _)| *known == hash).map(|(_, nth)| *nth).collect()
    }
}
