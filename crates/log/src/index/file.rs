//! The index file of a sealed segment: written once, read by offset, every block with its checksum.
//!
//! ```text
//! blocks of 4096 bytes: 4092 bytes, CRC32C over (salt, segment, number of the block, bytes)
//! their bytes in one: header (256): magic, salt, first, count, length of the segment, last time, chain [32],
//!                                   count of batches, holes, ids, buckets, refs, buckets, lines of the filter: u32
//!   offset of each record u32 · first record u32 and offset u32 of each batch · holes (24)
//!   ids (32), sorted: key [16], record u32, seconds u32, digest [8]; before them where each bucket of keys begins u32
//!   refs (12), sorted: hash u64, record u32; before them where each bucket begins u32
//!   filter: a Bloom filter in lines of 64 bytes; it is kept in memory (2 bytes an id)
//! ```
//! A bucket holds about 16 entries whose keys begin with the same bits: a lookup reads one block or two.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ensue_event::{Digest, Time};

use super::{IdEntry, MemoryIndex, Summary, Wrong};
use crate::disk::{Disk, read_up_to};
use crate::format::{Tag, u32_at, u64_at};
use crate::scan::{Hole, Why};

const MAGIC: &[u8; 8] = b"ensueix1";
const BLOCK: usize = 4096;
const PAYLOAD: usize = BLOCK - 4;
const HEADER: usize = 256;
const ID: usize = 32;
const REF: usize = 12;
const HOLE: usize = 24;
const LINE: usize = 64;
/// Entries of a bucket, on average.
const PER_BUCKET: usize = 16;
/// Bits of a filter's line that are set for each key; with 16 bits a key about 1 in 1,000 is let through wrongly.
const PROBES: u32 = 7;
/// No time: the segment holds no readable record.
const NO_TIME: i64 = i64::MIN;

pub(crate) struct FileIndex<D: Disk> {
    disk: Arc<D>,
    file: D::File,
    tag: Tag,
    summary: Summary,
    pub(crate) holes: Vec<Hole>,
    filter: Box<[u64]>,
    batches: usize,
    id_bits: u32,
    ref_bits: u32,
    at: Places,
}

/// Where the sections begin.
#[derive(Clone, Copy)]
struct Places {
    batches: usize,
    id_buckets: usize,
    ids: usize,
    ref_buckets: usize,
    refs: usize,
}

fn bits(count: usize) -> u32 {
    (count / PER_BUCKET).max(1).ilog2()
}

fn narrow(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Line and bits of a key in a filter of so many lines.
fn filter_bits(key: u128, lines: usize) -> (usize, u64) {
    let [a, b, c, d, e, f, g, h, low @ ..] = key.to_be_bytes();
    let high = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let line = (u128::from(u64::from_be_bytes(low)) * lines as u128) >> 64;
    // The high bits choose the bucket; these are mixed so that they do not depend on it.
    (usize::try_from(line).unwrap_or(0), high.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn probes(key: u128, lines: usize) -> impl Iterator<Item = (usize, u64)> {
    let (line, mixed) = filter_bits(key, lines);
    (0..PROBES).map(move |probe| {
        let bit = (mixed >> (probe * 9)) & 511;
        (line * (LINE / 8) + usize::try_from(bit / 64).unwrap_or(0), 1 << (bit % 64))
    })
}

fn bucket_of(high: u64, bits: u32) -> usize {
    if bits == 0 { 0 } else { usize::try_from(high >> (64 - bits)).unwrap_or(0) }
}

fn high(key: u128) -> u64 {
    u64::try_from(key >> 64).unwrap_or(0)
}

/// Where each bucket begins, and after the last one where it ends.
fn buckets(keys: impl Iterator<Item = u64>, bits: u32, out: &mut Vec<u8>) {
    let mut next = 0;
    let mut count = 0;
    for key in keys {
        while next <= bucket_of(key, bits) {
            out.extend_from_slice(&narrow(count).to_le_bytes());
            next += 1;
        }
        count += 1;
    }
    while next <= 1 << bits {
        out.extend_from_slice(&narrow(count).to_le_bytes());
        next += 1;
    }
}

/// The bytes of the file.
pub(crate) fn encode(tag: Tag, index: &MemoryIndex) -> Vec<u8> {
    let mut ids: Vec<_> = index.ids.iter().collect();
    ids.sort_unstable_by_key(|(key, _)| **key);
    let mut refs = index.refs.clone();
    refs.sort_unstable();
    let lines = ids.len() / 32 + 1;
    let (id_bits, ref_bits) = (bits(ids.len()), bits(refs.len()));

    let mut out = Vec::with_capacity(HEADER + index.offsets.len() * 4 + ids.len() * (ID + 4) + refs.len() * REF * 2);
    out.extend_from_slice(MAGIC);
    let last_at = index.last_at.map_or(NO_TIME, |at| at.0);
    for value in [tag.salt, index.first, index.offsets.len() as u64, index.len] {
        out.extend_from_slice(&value.to_le_bytes());
    }
    out.extend_from_slice(&last_at.to_le_bytes());
    out.extend_from_slice(&index.chain.0);
    let counts = [index.batches.len(), index.holes.len(), ids.len(), 0, refs.len(), 0, lines];
    let counts = counts.map(narrow);
    let [batches, holes, id_count, _, ref_count, _, lines_count] = counts;
    for value in [batches, holes, id_count, id_bits, ref_count, ref_bits, lines_count] {
        out.extend_from_slice(&value.to_le_bytes());
    }
    out.resize(HEADER, 0);
    for offset in &index.offsets {
        out.extend_from_slice(&offset.to_le_bytes());
    }
    for (first, offset) in &index.batches {
        out.extend_from_slice(&first.to_le_bytes());
        out.extend_from_slice(&offset.to_le_bytes());
    }
    for hole in &index.holes {
        out.extend_from_slice(&narrow(usize::try_from(hole.first - index.first).unwrap_or(usize::MAX)).to_le_bytes());
        out.extend_from_slice(&narrow(usize::try_from(hole.until - index.first).unwrap_or(usize::MAX)).to_le_bytes());
        out.extend_from_slice(&hole.offset.to_le_bytes());
        out.extend_from_slice(&u32::from(hole.why as u8).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
    }
    buckets(ids.iter().map(|(key, _)| high(**key)), id_bits, &mut out);
    let mut filter = vec![0_u64; lines * (LINE / 8)];
    for (key, entry) in ids {
        out.extend_from_slice(&key.to_be_bytes());
        out.extend_from_slice(&entry.nth.to_le_bytes());
        out.extend_from_slice(&entry.seconds.to_le_bytes());
        out.extend_from_slice(&entry.digest);
        for (word, bit) in probes(*key, lines) {
            if let Some(word) = filter.get_mut(word) {
                *word |= bit;
            }
        }
    }
    buckets(refs.iter().map(|(hash, _)| *hash), ref_bits, &mut out);
    for (hash, nth) in refs {
        out.extend_from_slice(&hash.to_le_bytes());
        out.extend_from_slice(&nth.to_le_bytes());
    }
    for word in filter {
        out.extend_from_slice(&word.to_le_bytes());
    }
    blocks(tag, &out)
}

fn blocks(tag: Tag, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / PAYLOAD * BLOCK + BLOCK);
    for (number, payload) in bytes.chunks(PAYLOAD).enumerate() {
        let start = out.len();
        out.extend_from_slice(payload);
        out.resize(start + PAYLOAD, 0);
        let crc = block_crc(tag, number, out.get(start..).unwrap_or_default());
        out.extend_from_slice(&crc.to_le_bytes());
    }
    out
}

fn block_crc(tag: Tag, number: usize, payload: &[u8]) -> u32 {
    let mut seed = [0; 24];
    let (parts, _) = seed.as_chunks_mut::<8>();
    for (part, value) in parts.iter_mut().zip([tag.salt, tag.segment, number as u64]) {
        *part = value.to_le_bytes();
    }
    crc32c::crc32c_append(crc32c::crc32c(&seed), payload)
}

/// `len` bytes at `at` of the bytes in one.
fn read<D: Disk>(disk: &D, file: &D::File, tag: Tag, at: usize, len: usize) -> Result<Vec<u8>, Wrong> {
    let (first, skip) = (at / PAYLOAD, at % PAYLOAD);
    let count = (skip + len).div_ceil(PAYLOAD);
    let raw = read_up_to(disk, file, (first * BLOCK) as u64, count * BLOCK)?;
    let mut out = Vec::with_capacity(count * PAYLOAD);
    for (number, block) in (first..).zip(raw.chunks(BLOCK)) {
        let payload = block.get(..PAYLOAD).ok_or(Wrong::Content)?;
        if u32_at(block, PAYLOAD) != Some(block_crc(tag, number, payload)) {
            return Err(Wrong::Content);
        }
        out.extend_from_slice(payload);
    }
    out.drain(..skip.min(out.len()));
    out.truncate(len);
    if out.len() == len { Ok(out) } else { Err(Wrong::Content) }
}

impl<D: Disk> FileIndex<D> {
    /// The path of the index file of the segment that begins at this position.
    pub(crate) fn path(folder: &Path, first: u64) -> PathBuf {
        folder.join(format!("{first:020}.idx"))
    }

    /// Opens an index file: reads its header and its filter. `salt` is that of the log.
    pub(crate) fn open(disk: Arc<D>, folder: &Path, tag: Tag) -> Result<FileIndex<D>, Wrong> {
        let file = disk.open(&Self::path(folder, tag.segment))?;
        let header = read(&*disk, &file, tag, 0, HEADER)?;
        let long = |at: usize| u64_at(&header, at).ok_or(Wrong::Content);
        let short = |at: usize| u32_at(&header, at).ok_or(Wrong::Content).map(|value| value as usize);
        if header.get(..8) != Some(MAGIC) || long(8)? != tag.salt || long(16)? != tag.segment {
            return Err(Wrong::Content);
        }
        let count = usize::try_from(long(24)?).map_err(|_| Wrong::Content)?;
        let last_at = Time(long(40)?.cast_signed());
        let chain = Digest(*header.get(48..).and_then(|rest| rest.first_chunk()).ok_or(Wrong::Content)?);
        let (batches, holes, ids) = (short(80)?, short(84)?, short(88)?);
        let (id_bits, refs, ref_bits, lines) = (narrow(short(92)?), short(96)?, narrow(short(100)?), short(104)?);
        if id_bits > 31 || ref_bits > 31 {
            return Err(Wrong::Content);
        }
        let batches_at = HEADER + count * 4;
        let holes_at = batches_at + batches * 8;
        let id_buckets = holes_at + holes * HOLE;
        let ids_at = id_buckets + ((1 << id_bits) + 1) * 4;
        let ref_buckets = ids_at + ids * ID;
        let refs_at = ref_buckets + ((1 << ref_bits) + 1) * 4;
        let filter_at = refs_at + refs * REF;
        let end = filter_at + lines * LINE;
        if disk.len(&file)? != (end.div_ceil(PAYLOAD) * BLOCK) as u64 {
            return Err(Wrong::Content);
        }
        let first = tag.segment;
        let mut list = Vec::new();
        for hole in read(&*disk, &file, tag, holes_at, holes * HOLE)?.chunks(HOLE) {
            let short = |at: usize| u32_at(hole, at).ok_or(Wrong::Content);
            list.push(Hole {
                first: first + u64::from(short(0)?),
                until: first + u64::from(short(4)?),
                offset: u64_at(hole, 8).ok_or(Wrong::Content)?,
                why: Why::from_u32(short(16)?),
            });
        }
        let filter = read(&*disk, &file, tag, filter_at, lines * LINE)?;
        Ok(FileIndex {
            tag,
            summary: Summary {
                first,
                count: count as u64,
                len: long(32)?,
                last_at: (last_at.0 != NO_TIME).then_some(last_at),
                chain,
                ids: ids as u64,
            },
            holes: list,
            filter: filter.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect(),
            batches,
            id_bits,
            ref_bits,
            at: Places { batches: batches_at, id_buckets, ids: ids_at, ref_buckets, refs: refs_at },
            disk,
            file,
        })
    }

    /// The salt that an index file names. It is the log's if the file opens with it.
    pub(crate) fn salt(disk: &D, folder: &Path, first: u64) -> Result<u64, Wrong> {
        let file = disk.open(&Self::path(folder, first))?;
        u64_at(&read_up_to(disk, &file, 0, 16)?, 8).ok_or(Wrong::Content)
    }

    fn read(&self, at: usize, len: usize) -> Result<Vec<u8>, Wrong> {
        read(&*self.disk, &self.file, self.tag, at, len)
    }

    pub(crate) fn summary(&self) -> Summary {
        self.summary
    }

    pub(crate) fn offsets(&self, nth: u64, count: usize) -> Result<Vec<u32>, Wrong> {
        let left = self.summary.count.saturating_sub(nth);
        let count = count.min(usize::try_from(left).unwrap_or(usize::MAX));
        let start = HEADER + usize::try_from(nth).map_err(|_| Wrong::Content)? * 4;
        let bytes = self.read(start, count * 4)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|offset| u32::from_le_bytes(*offset)).collect())
    }

    pub(crate) fn batch_of(&self, nth: u32) -> Result<Option<(u32, u32)>, Wrong> {
        let bytes = self.read(self.at.batches, self.batches * 8)?;
        let mut found = None;
        for batch in bytes.chunks(8) {
            let (first, offset) = (u32_at(batch, 0).ok_or(Wrong::Content)?, u32_at(batch, 4).ok_or(Wrong::Content)?);
            if first > nth {
                break;
            }
            found = Some((first, offset));
        }
        Ok(found)
    }

    /// The entries of one bucket.
    fn bucket(&self, buckets: usize, number: usize, entries: usize, size: usize) -> Result<Vec<u8>, Wrong> {
        let bounds = self.read(buckets + number * 4, 8)?;
        let start = u32_at(&bounds, 0).ok_or(Wrong::Content)? as usize;
        let end = u32_at(&bounds, 4).ok_or(Wrong::Content)? as usize;
        self.read(entries + start * size, end.checked_sub(start).ok_or(Wrong::Content)? * size)
    }

    pub(crate) fn id(&self, key: u128) -> Result<Option<IdEntry>, Wrong> {
        let lines = self.filter.len() / (LINE / 8);
        if !probes(key, lines).all(|(word, bit)| self.filter.get(word).is_some_and(|word| word & bit != 0)) {
            return Ok(None);
        }
        let bytes = self.bucket(self.at.id_buckets, bucket_of(high(key), self.id_bits), self.at.ids, ID)?;
        let wanted = key.to_be_bytes();
        let Some(entry) = bytes.chunks(ID).find(|entry| entry.first_chunk() == Some(&wanted)) else {
            return Ok(None);
        };
        Ok(Some(IdEntry {
            nth: u32_at(entry, 16).ok_or(Wrong::Content)?,
            seconds: u32_at(entry, 20).ok_or(Wrong::Content)?,
            digest: *entry.get(24..).and_then(|digest| digest.first_chunk()).ok_or(Wrong::Content)?,
        }))
    }

    pub(crate) fn refs(&self, hash: u64) -> Result<Vec<u32>, Wrong> {
        let bytes = self.bucket(self.at.ref_buckets, bucket_of(hash, self.ref_bits), self.at.refs, REF)?;
        let mine = bytes.chunks(REF).filter(|entry| u64_at(entry, 0) == Some(hash));
        mine.map(|entry| u32_at(entry, 8).ok_or(Wrong::Content)).collect()
    }
}
