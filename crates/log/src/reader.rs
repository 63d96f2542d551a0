//! Reading the log while it is written: everything durable, from any thread.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use ensue_event::{Digest, Key, Position, Record, Time};

use crate::disk::Disk;
use crate::index::{id_key, ref_hash, second_key};
use crate::scan::Why;
use crate::segment::{Segment, Wanted};
use crate::{Agreement, By, Entry, Error, Extent, Found, Options, Unreadable};

/// What writer and readers share.
pub(crate) struct Shared<D: Disk> {
    pub(crate) disk: Arc<D>,
    pub(crate) folder: PathBuf,
    pub(crate) options: Options,
    view: RwLock<View<D>>,
    /// The durable end once more, for those who wait for it to move.
    moved: (Mutex<u64>, Condvar),
}

/// What is durable.
pub(crate) struct View<D: Disk> {
    /// In the order of positions; those that were trimmed and of which only ids are left come first.
    pub(crate) segments: Vec<Arc<Segment<D>>>,
    pub(crate) first: u64,
    pub(crate) end: u64,
    pub(crate) last_at: Option<Time>,
    /// The chain after each of the last records, the newest last.
    pub(crate) recent: VecDeque<Digest>,
}

/// How many of the last records' chains are at hand: a checkpoint lies close to the end.
pub(crate) const RECENT: usize = 16_384;

/// Reads the log. Cheap to clone; sees every record as soon as it is durable.
pub struct Reader<D: Disk> {
    pub(crate) shared: Arc<Shared<D>>,
}

impl<D: Disk> Clone for Reader<D> {
    fn clone(&self) -> Self {
        Reader { shared: Arc::clone(&self.shared) }
    }
}

impl<D: Disk> Shared<D> {
    pub(crate) fn new(disk: Arc<D>, folder: PathBuf, options: Options, view: View<D>) -> Shared<D> {
        let end = view.end;
        Shared { disk, folder, options, view: RwLock::new(view), moved: (Mutex::new(end), Condvar::new()) }
    }

    pub(crate) fn view(&self) -> RwLockReadGuard<'_, View<D>> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn view_mut(&self) -> RwLockWriteGuard<'_, View<D>> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn announce(&self, end: u64) {
        *self.moved.0.lock().unwrap_or_else(PoisonError::into_inner) = end;
        self.moved.1.notify_all();
    }
}

impl<D: Disk> Reader<D> {
    /// See [`crate::Log::first`].
    #[must_use]
    pub fn first(&self) -> Position {
        Position(self.shared.view().first)
    }

    /// See [`crate::Log::end`].
    #[must_use]
    pub fn end(&self) -> Position {
        Position(self.shared.view().end)
    }

    /// See [`crate::Log::last_at`].
    #[must_use]
    pub fn last_at(&self) -> Option<Time> {
        self.shared.view().last_at
    }

    /// The files of the log in order; records are appended to the last one. What retention is planned by.
    #[must_use]
    pub fn extents(&self) -> Vec<Extent> {
        let segments = self.shared.view().segments.clone();
        let extent = |segment: &Arc<Segment<D>>| {
            let summary = segment.summary();
            Extent {
                first: Position(summary.first),
                end: Position(summary.first + summary.count),
                bytes: summary.len,
                last_at: summary.last_at,
            }
        };
        segments.iter().filter(|segment| segment.file.is_some()).map(extent).collect()
    }

    /// Waits until the log reaches past a position, or until the time is up. Returns the end.
    #[must_use]
    pub fn wait_past(&self, position: Position, timeout: Duration) -> Position {
        let until = Instant::now() + timeout;
        let (lock, moved) = &self.shared.moved;
        let mut end = lock.lock().unwrap_or_else(PoisonError::into_inner);
        while *end <= position.0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            end = moved.wait_timeout(end, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Position(*end)
    }

    /// See [`crate::Log::read`].
    pub fn read(&self, from: Position, max_records: usize, max_bytes: usize) -> Result<Vec<Entry>, Error> {
        self.scan(from, max_records, max_bytes, Wanted::All).map(|(out, _)| out)
    }

    /// The same of so many positions, but only what no source received: the node's records, the fold's, and events of
    /// `emit` steps. Of the rest only the checksum is looked at. Also the position to go on from; at the end of the log
    /// that is `from`.
    pub fn read_own(
        &self,
        from: Position,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<(Vec<Entry>, Position), Error> {
        self.scan(from, max_records, max_bytes, Wanted::Own)
    }

    fn scan(
        &self,
        from: Position,
        max_records: usize,
        max_bytes: usize,
        wanted: Wanted,
    ) -> Result<(Vec<Entry>, Position), Error> {
        let mut out = Vec::new();
        let (mut at, mut left) = (from.0, max_bytes);
        loop {
            let met = usize::try_from(at - from.0).unwrap_or(usize::MAX);
            if met >= max_records {
                break;
            }
            let (segment, count) = {
                let view = self.shared.view();
                self.check(&view, at, true)?;
                // The index of the open segment moves a moment before the end does: the end is what counts.
                let there = usize::try_from(view.end.saturating_sub(at)).unwrap_or(usize::MAX);
                let count = there.min(max_records - met);
                if count == 0 {
                    break;
                }
                let after = view.segments.partition_point(|segment| segment.tag.segment <= at);
                let segment = after.checked_sub(1).and_then(|index| view.segments.get(index)).filter(|s| s.end() > at);
                match segment {
                    Some(segment) => (Arc::clone(segment), count),
                    None => {
                        let until = view.segments.get(after).map_or(view.end, |segment| segment.tag.segment);
                        let before = after.checked_sub(1).and_then(|index| view.segments.get(index));
                        let path = before.map_or_else(|| self.shared.folder.clone(), |segment| segment.path.clone());
                        let until = until.min(at.saturating_add(count as u64));
                        out.extend((at..until).map(|position| missing(position, &path)));
                        at = until;
                        continue;
                    }
                }
            };
            let (met, bytes) = segment.read(&self.shared.disk, at, (count, left), wanted, &mut out)?;
            if met == 0 {
                break;
            }
            at += met as u64;
            if bytes >= left {
                break;
            }
            left -= bytes;
        }
        Ok((out, Position(at)))
    }

    fn check(&self, view: &View<D>, at: u64, or_end: bool) -> Result<(), Error> {
        if at < view.first {
            return Err(Error::Trimmed { position: Position(at), first: Position(view.first) });
        }
        if at > view.end || (at == view.end && !or_end) {
            return Err(Error::Beyond { position: Position(at), end: Position(view.end) });
        }
        Ok(())
    }

    /// See [`crate::Log::chain`].
    pub fn chain(&self, position: Position) -> Result<Digest, Error> {
        let segment = {
            let view = self.shared.view();
            self.check(&view, position.0, false)?;
            let back = usize::try_from(view.end - position.0).unwrap_or(usize::MAX);
            let recent = view.recent.len().checked_sub(back).and_then(|index| view.recent.get(index));
            if let Some(chain) = recent {
                return Ok(*chain);
            }
            let after = view.segments.partition_point(|segment| segment.tag.segment <= position.0);
            after.checked_sub(1).and_then(|index| view.segments.get(index)).map(Arc::clone)
        };
        match segment {
            Some(segment) if segment.end() > position.0 => segment.chain(&self.shared.disk, position.0),
            _ => {
                let path = crate::segment::path(&self.shared.folder, position.0);
                Err(Error::Damaged { path, offset: 0, why: Why::Missing.text() })
            }
        }
    }

    /// See [`crate::Log::agrees`].
    #[must_use]
    pub fn agrees(&self, position: Position, chain: &Digest) -> Agreement {
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

    /// See [`crate::Log::find`].
    #[must_use]
    pub fn find(&self, source: &str, id: &str) -> Option<Found> {
        self.find_key(id_key(source, id))
    }

    /// See [`crate::Log::find_second`].
    #[must_use]
    pub fn find_second(&self, key: &Key) -> Option<Found> {
        self.find_key(second_key(key))
    }

    fn find_key(&self, key: u128) -> Option<Found> {
        let view = self.shared.view();
        let oldest = view.last_at.map_or(Time::MIN, |at| at - self.shared.options.dedupe_window);
        let mut ids = 0;
        for segment in view.segments.iter().rev() {
            let (summary, entry) = {
                let index = segment.index();
                (index.summary(), index.id(key))
            };
            if ids > self.shared.options.dedupe_max || summary.last_at.is_some_and(|at| at < oldest) {
                break;
            }
            ids += summary.ids;
            // An index that is wrong and cannot be made anew is one whose segment was trimmed: reported when opened.
            let entry = match entry {
                Ok(entry) => entry,
                Err(_) => segment.ask(&self.shared.disk, |index| index.id(key)).ok().flatten().flatten(),
            };
            if let Some(entry) = entry {
                let at = Time::from_secs(i64::from(entry.seconds) + 1);
                return (at >= oldest).then_some(Found {
                    position: Position(segment.tag.segment + u64::from(entry.nth)),
                    digest: entry.digest,
                });
            }
        }
        None
    }

    /// See [`crate::Log::find_by`].
    pub fn find_by(&self, by: By<'_>, limit: usize) -> Result<Vec<Record>, Error> {
        let hash = ref_hash(by);
        let segments = self.shared.view().segments.clone();
        let mut found = Vec::new();
        for segment in segments.iter().rev().filter(|segment| segment.file.is_some()) {
            let nths = segment.ask(&self.shared.disk, |index| index.refs(hash))?.unwrap_or_default();
            for nth in nths.into_iter().rev() {
                if found.len() >= limit {
                    return Ok(found);
                }
                let mut entries = Vec::with_capacity(1);
                let at = segment.tag.segment + u64::from(nth);
                segment.read(&self.shared.disk, at, (1, 1), Wanted::All, &mut entries)?;
                if let Some(Entry::Record(record)) = entries.pop()
                    && matches(&record, by)
                {
                    found.push(record);
                }
            }
        }
        Ok(found)
    }
}

/// A position behind the last record that is left in a segment and before the next segment.
fn missing(position: u64, path: &Path) -> Entry {
    let why = Unreadable::Damaged { path: path.to_path_buf(), offset: 0, why: Why::Missing.text() };
    Entry::Unreadable { position: Position(position), why }
}

fn matches(record: &Record, by: By<'_>) -> bool {
    let event = &record.event;
    match by {
        By::Id(id) => &*event.id == id,
        By::Subject(subject) => event.subject.as_deref() == Some(subject),
        By::Correlation(id) => event.extension_text("correlationid") == Some(id),
        By::Type(kind) => &*event.kind == kind,
    }
}
