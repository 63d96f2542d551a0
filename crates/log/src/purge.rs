//! Destroying events in place, so that a loss of power leaves each either whole or destroyed.
//!
//! What is to be written is first written to a journal and synced; then the records are overwritten and synced; then
//! the journal is removed. A journal found at the start is carried out (again).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use ensue_event::Position;

use crate::Error;
use crate::disk::{self, Disk};
use crate::format::{Frame, RECORD_HEADER, u32_at, u64_at};
use crate::index::NOWHERE;
use crate::reader::Shared;
use crate::recover::id_of;
use crate::segment::{Segment, path};

const JOURNAL: &str = "purge";

/// Bytes to be put in place of a record, and how many zeros after them.
struct Write {
    segment: u64,
    offset: u64,
    bytes: Vec<u8>,
    zeros: usize,
}

/// Destroys the events at these positions; those that are purged or unreadable already are left as they are.
pub(crate) fn purge<D: Disk>(shared: &Shared<D>, positions: &[Position]) -> Result<(), Error> {
    let mut by_segment: BTreeMap<u64, (Arc<Segment<D>>, Vec<u64>)> = BTreeMap::new();
    {
        let view = shared.view();
        for position in positions {
            if position.0 < view.first {
                return Err(Error::Trimmed { position: *position, first: Position(view.first) });
            }
            if position.0 >= view.end {
                return Err(Error::Beyond { position: *position, end: Position(view.end) });
            }
            let after = view.segments.partition_point(|segment| segment.tag.segment <= position.0);
            let segment = after.checked_sub(1).and_then(|index| view.segments.get(index));
            if let Some(segment) = segment.filter(|segment| segment.end() > position.0) {
                let entry = by_segment.entry(segment.tag.segment);
                entry.or_insert_with(|| (Arc::clone(segment), Vec::new())).1.push(position.0);
            }
        }
    }
    let mut writes = Vec::new();
    for (segment, positions) in by_segment.values() {
        for position in positions {
            writes.extend(plan(&shared.disk, segment, *position)?);
        }
    }
    if writes.is_empty() {
        return Ok(());
    }
    let disk = &*shared.disk;
    let journal = shared.folder.join(JOURNAL);
    disk::replace(disk, &shared.folder, JOURNAL, &encode(&writes)).map_err(Error::io("write", &journal))?;
    let gates: Vec<_> = by_segment.values().map(|(segment, _)| segment).collect();
    let _gates: Vec<_> =
        gates.iter().map(|segment| segment.gate.write().unwrap_or_else(PoisonError::into_inner)).collect();
    carry_out(disk, &shared.folder, &writes)
}

fn plan<D: Disk>(disk: &Arc<D>, segment: &Segment<D>, position: u64) -> Result<Option<Write>, Error> {
    let Some(file) = &segment.file else { return Ok(None) };
    let nth = position - segment.tag.segment;
    let offset = segment.ask(disk, |index| index.offsets(nth, 1))?.and_then(|offsets| offsets.first().copied());
    let Some(offset) = offset.filter(|offset| *offset != NOWHERE).map(u64::from) else { return Ok(None) };
    let read = |len| disk::read_up_to(&**disk, file, offset, len).map_err(Error::io("read", &segment.path));
    let Some(rest) = Frame::claimed(&read(RECORD_HEADER)?) else { return Ok(None) };
    let bytes = read(RECORD_HEADER + rest)?;
    let Some(frame) = Frame::read(segment.tag, position, &bytes).filter(|frame| !frame.purged) else {
        return Ok(None);
    };
    let mut bytes = frame.purged_bytes(segment.tag, position, &bytes, id_of(&frame));
    // The journal must be small: it is also written on a disk that is nearly full.
    let whole = bytes.len();
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(end);
    Ok(Some(Write { segment: segment.tag.segment, offset, bytes, zeros: whole - end }))
}

/// Overwrites, syncs, removes the journal.
fn carry_out<D: Disk>(disk: &D, folder: &Path, writes: &[Write]) -> Result<(), Error> {
    let mut files = BTreeMap::new();
    for write in writes {
        let path = path(folder, write.segment);
        let file = match files.entry(write.segment) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => match disk.open(&path) {
                Ok(file) => entry.insert(file),
                // Trimmed since: what was to be destroyed is gone.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io("open", &path)(error)),
            },
        };
        let mut bytes = write.bytes.clone();
        bytes.resize(bytes.len() + write.zeros, 0);
        disk::write_all(disk, file, write.offset, &bytes).map_err(Error::io("overwrite", &path))?;
    }
    for (segment, file) in &files {
        disk.sync_data(file).map_err(Error::io("sync", &path(folder, *segment)))?;
    }
    let journal = folder.join(JOURNAL);
    disk.remove(&journal).map_err(Error::io("remove", &journal))?;
    disk.sync_dir(folder).map_err(Error::io("sync", folder))
}

/// Carries out a purge that was begun.
pub(crate) fn finish<D: Disk>(disk: &D, folder: &Path, names: &[String]) -> Result<(), Error> {
    if !names.iter().any(|name| name == JOURNAL) {
        return Ok(());
    }
    let journal = folder.join(JOURNAL);
    let file = disk.open(&journal).map_err(Error::io("open", &journal))?;
    let bytes = disk::read_whole(disk, &file).map_err(Error::io("read", &journal))?;
    let damaged = Error::Damaged { path: journal, offset: 0, why: "the journal of a purge is not what was written" };
    carry_out(disk, folder, &decode(&bytes).ok_or(damaged)?)
}

fn encode(writes: &[Write]) -> Vec<u8> {
    let mut out = vec![0; 4];
    for write in writes {
        out.extend_from_slice(&write.segment.to_le_bytes());
        out.extend_from_slice(&write.offset.to_le_bytes());
        out.extend_from_slice(&(write.bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(&(write.zeros as u64).to_le_bytes());
        out.extend_from_slice(&write.bytes);
    }
    let crc = crc32c::crc32c(out.get(4..).unwrap_or_default());
    if let Some(head) = out.first_chunk_mut() {
        *head = crc.to_le_bytes();
    }
    out
}

fn decode(bytes: &[u8]) -> Option<Vec<Write>> {
    let mut rest = bytes.get(4..)?;
    if u32_at(bytes, 0)? != crc32c::crc32c(rest) {
        return None;
    }
    let mut writes = Vec::new();
    while !rest.is_empty() {
        let len = usize::try_from(u64_at(rest, 16)?).ok()?;
        let zeros = usize::try_from(u64_at(rest, 24)?).ok()?;
        let bytes = rest.get(32..)?.get(..len)?.to_vec();
        writes.push(Write { segment: u64_at(rest, 0)?, offset: u64_at(rest, 8)?, bytes, zeros });
        rest = rest.get(32 + len..)?;
    }
    Some(writes)
}
