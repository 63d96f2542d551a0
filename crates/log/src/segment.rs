//! One segment: its file, its index, and the reading of both.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use ensue_event::{Digest, Position, Record, codec};

use crate::disk::{self, Disk};
use crate::format::{BATCH_HEADER, BatchHeader, Frame, Tag, chain_over_loss};
use crate::index::{FileIndex, Index, NOWHERE, Summary, Wrong, encode};
use crate::recover;
use crate::scan::Why;
use crate::{Entry, Error, Unreadable};

/// Which records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    All,
    /// Those that no source received: the node's and the fold's.
    Own,
}

/// What is durable and readable of one segment. Without a file it is one that was trimmed and whose ids are still
/// within the window of deduplication.
pub(crate) struct Segment<D: Disk> {
    pub(crate) tag: Tag,
    pub(crate) path: PathBuf,
    pub(crate) file: Option<D::File>,
    /// Held for reading while records are read, for writing while a purge changes them.
    pub(crate) gate: RwLock<()>,
    index: RwLock<Index<D>>,
}

/// The path of the segment that begins at this position.
pub(crate) fn path(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}.log"))
}

/// The position in the name of a file with this ending.
pub(crate) fn first_of(name: &str, ending: &str) -> Option<u64> {
    let digits = name.strip_suffix(ending)?;
    if digits.len() == 20 { digits.parse().ok() } else { None }
}

impl<D: Disk> Segment<D> {
    pub(crate) fn new(tag: Tag, path: PathBuf, file: Option<D::File>, index: Index<D>) -> Segment<D> {
        Segment { tag, path, file, gate: RwLock::new(()), index: RwLock::new(index) }
    }

    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index<D>> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index_mut(&self) -> RwLockWriteGuard<'_, Index<D>> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn summary(&self) -> Summary {
        self.index().summary()
    }

    pub(crate) fn end(&self) -> u64 {
        let summary = self.summary();
        summary.first + summary.count
    }

    /// Asks the index; where its file turns out to be wrong it is made anew, in memory, and asked again. `None` where
    /// the segment is gone too.
    pub(crate) fn ask<T>(
        &self,
        disk: &Arc<D>,
        what: impl Fn(&Index<D>) -> Result<T, Wrong>,
    ) -> Result<Option<T>, Error> {
        if let Ok(answer) = what(&self.index()) {
            return Ok(Some(answer));
        }
        let Some(file) = &self.file else { return Ok(None) };
        let sealed = self.end();
        let index = recover::rebuild(&**disk, file, &self.path, self.tag, sealed)?;
        let mut slot = self.index_mut();
        *slot = Index::Memory(Box::new(index));
        Ok(what(&slot).ok())
    }

    /// Writes the index file of a sealed segment and goes on with it in place of the one in memory.
    pub(crate) fn write_index(&self, disk: &Arc<D>, folder: &Path) -> Result<(), Error> {
        let bytes = match &*self.index() {
            Index::Memory(index) => encode(self.tag, index),
            Index::File(_) => return Ok(()),
        };
        let path = FileIndex::<D>::path(folder, self.tag.segment);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        disk::replace(&**disk, folder, name, &bytes).map_err(Error::io("write", &path))?;
        match FileIndex::open(Arc::clone(disk), folder, self.tag) {
            Ok(index) => *self.index_mut() = Index::File(Box::new(index)),
            Err(Wrong::Content) => return Err(Error::Damaged { path, offset: 0, why: "the index reads back wrong" }),
            Err(Wrong::Io(kind)) => return Err(Error::Io { what: "read back", path, source: kind.into() }),
        }
        Ok(())
    }

    fn lost(&self, position: u64) -> Entry {
        let index = self.index();
        let hole = index.holes().iter().find(|hole| hole.first <= position && position < hole.until);
        let (offset, why) = hole.map_or((0, Why::Missing), |hole| (hole.offset, hole.why));
        Entry::Unreadable {
            position: Position(position),
            why: Unreadable::Damaged { path: self.path.clone(), offset, why: why.text() },
        }
    }

    /// What stands from a position on, up to the end of the segment; of records only those that are wanted. Returns how
    /// many positions it came by, and how many bytes were read.
    pub(crate) fn read(
        &self,
        disk: &Arc<D>,
        from: u64,
        (max_records, max_bytes): (usize, usize),
        wanted: Wanted,
        out: &mut Vec<Entry>,
    ) -> Result<(usize, usize), Error> {
        /// How many offsets are asked for at once.
        const STEP: usize = 1024;
        let Some(file) = &self.file else { return Ok((0, 0)) };
        let nth = from - self.tag.segment;
        let count = max_records.min(STEP);
        let offsets = self.ask(disk, |index| index.offsets(nth, count.saturating_add(1)))?;
        let Some(offsets) = offsets else { return Ok((0, 0)) };
        let place = |offset: &u32| (*offset != NOWHERE).then_some(u64::from(*offset));
        let Some(start) = offsets.iter().take(count).find_map(place) else {
            let lost = count.min(offsets.len());
            out.extend((from..).take(lost).map(|position| self.lost(position)));
            return Ok((lost, 0));
        };
        // As many as the bytes allow, one at least; the last one ends where the next begins, or the segment.
        let limit = start.saturating_add(max_bytes as u64);
        let fits = offsets.iter().take(count).take_while(|offset| place(offset).is_none_or(|at| at <= limit)).count();
        let after = offsets.get(fits..).unwrap_or_default().iter().find_map(place);
        let end = match after {
            Some(end) => end,
            None => self.end_of_last(disk, nth + fits as u64)?,
        };
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let len = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
        let bytes = disk::read_up_to(&**disk, file, start, len).map_err(Error::io("read", &self.path))?;
        let mut met = 0;
        for (position, offset) in (from..).zip(offsets.iter().take(fits)) {
            met += 1;
            let Some(offset) = place(offset) else {
                out.push(self.lost(position));
                continue;
            };
            let at = usize::try_from(offset - start).unwrap_or(usize::MAX);
            out.extend(self.entry(position, offset, bytes.get(at..).unwrap_or_default(), wanted));
        }
        Ok((met, len))
    }

    /// An upper bound for the end of the records before the `nth`: the next record that can be read, or the end.
    fn end_of_last(&self, disk: &Arc<D>, nth: u64) -> Result<u64, Error> {
        let summary = self.summary();
        if nth < summary.count {
            let rest = self.ask(disk, |index| index.offsets(nth, 1))?;
            if let Some(offset) = rest.and_then(|rest| rest.first().copied()).filter(|offset| *offset != NOWHERE) {
                return Ok(u64::from(offset));
            }
        }
        Ok(summary.len)
    }

    /// What stands at a position; nothing where it is not wanted.
    fn entry(&self, position: u64, offset: u64, bytes: &[u8], wanted: Wanted) -> Option<Entry> {
        let damaged = |why| {
            let why = Unreadable::Damaged { path: self.path.clone(), offset, why };
            Some(Entry::Unreadable { position: Position(position), why })
        };
        let Some(frame) = Frame::read(self.tag, position, bytes) else { return damaged(Why::Record.text()) };
        if wanted == Wanted::Own && frame.is_received() {
            return None;
        }
        if frame.purged {
            return Some(Entry::Unreadable { position: Position(position), why: Unreadable::Purged });
        }
        // A copy for each record: whoever keeps one keeps its bytes, not those of its neighbours.
        match codec::decode(Bytes::copy_from_slice(frame.body)) {
            Ok((origin, event)) => {
                Some(Entry::Record(Record { position: Position(position), at: frame.at, origin, event }))
            }
            Err(codec::Error::Version(_)) => damaged("it was written by a newer version of ensue"),
            Err(codec::Error::Damaged(why)) => damaged(why),
        }
    }

    /// The chain up to and including a position, from the header of its batch.
    pub(crate) fn chain(&self, disk: &Arc<D>, position: u64) -> Result<Digest, Error> {
        let damaged = |offset, why| Error::Damaged { path: self.path.clone(), offset, why };
        let file = self.file.as_ref().ok_or_else(|| damaged(0, Why::Missing.text()))?;
        let nth = u32::try_from(position - self.tag.segment).map_err(|_| damaged(0, Why::Missing.text()))?;
        let batch = self.ask(disk, |index| index.batch_of(nth))?.flatten();
        let (first, header_at) = batch.ok_or_else(|| damaged(0, Why::Header.text()))?;
        let count = usize::try_from(nth - first).unwrap_or(usize::MAX).saturating_add(1);
        let offsets = self.ask(disk, |index| index.offsets(u64::from(first), count))?.unwrap_or_default();
        let end = self.end_of_last(disk, u64::from(nth) + 1)?;
        let start = u64::from(header_at);
        let len = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let bytes = disk::read_up_to(&**disk, file, start, len).map_err(Error::io("read", &self.path))?;
        let header = BatchHeader::read(self.tag, bytes.get(..BATCH_HEADER).unwrap_or_default())
            .ok_or_else(|| damaged(start, Why::Header.text()))?;
        let mut chain = header.chain;
        let index = self.index();
        for (position, offset) in (self.tag.segment + u64::from(first)..).zip(offsets) {
            let hole = index.holes().iter().find(|hole| hole.first <= position && position < hole.until);
            if let Some(hole) = hole {
                // The chain goes over a hole once, at its end.
                if position + 1 == hole.until {
                    chain = chain_over_loss(&chain, hole.until);
                }
            } else {
                let at = usize::try_from(u64::from(offset) - start).unwrap_or(usize::MAX);
                let frame = Frame::read(self.tag, position, bytes.get(at..).unwrap_or_default());
                chain = frame.ok_or_else(|| damaged(u64::from(offset), Why::Record.text()))?.chain(&chain, position);
            }
        }
        Ok(chain)
    }
}
