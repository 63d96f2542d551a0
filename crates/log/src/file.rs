//! The file log: one writer, segments in a folder.
//!
//! ```text
//! 00000000000000000000.log   segment, named for its first position     ...0.idx   its index, once it is sealed
//! reserve                    space set aside for what must not stand still when the disk is full
//! purge                      journal of a purge under way              sync-failed   copy the last segment first
//! ```

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use ensue_event::{Digest, Key, Position, Record, Span, Time};

use crate::disk::{self, Disk, is_full};
use crate::format::{BATCH_HEADER, BatchHeader, SEGMENT_HEADER, Tag, put, segment_header};
use crate::index::{Entries, Index, MemoryIndex};
use crate::reader::{RECENT, Shared, View};
use crate::reserve::Reserve;
use crate::segment::{Segment, path};
use crate::{By, Draft, Entry, Error, Found, Log, Reader, Recovery, Trimmed, purge, recover};

/// Settings of a file log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// A segment is sealed before it grows past this; at most 1 GiB.
    pub segment_bytes: u64,
    /// How long an id is known at least, as far as [`Options::dedupe_max`] allows.
    pub dedupe_window: Span,
    /// About how many ids are known at most.
    pub dedupe_max: u64,
    /// How much space is kept for urgent records when the disk is full; 0 for none.
    pub reserve_bytes: u64,
    /// Whether index files are written on a thread of their own, so that no append waits for them.
    pub background: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            segment_bytes: 64 << 20,
            dedupe_window: Span::hours(72),
            dedupe_max: 20_000_000,
            reserve_bytes: 64 << 20,
            background: true,
        }
    }
}

/// Offsets within a segment are 32 bits.
const MAX_SEGMENT: u64 = 1 << 30;

/// A log in a folder. One process at a time: whoever opens it holds the lock of the data folder.
pub struct FileLog<D: Disk> {
    pub(crate) shared: Arc<Shared<D>>,
    segment: Arc<Segment<D>>,
    /// The length of the open segment; 0 until its header is written with the first batch.
    len: u64,
    /// Whether the next segment may have a name already, from an attempt that failed: then nothing more goes to this one.
    must_roll: bool,
    chain: Digest,
    checkpoint: Option<(Position, Digest)>,
    poisoned: Option<String>,
    pub(crate) reserve: Reserve<D>,
    buffer: Vec<u8>,
    link: Vec<u8>,
    entries: Vec<Entries>,
    chains: Vec<Digest>,
    writers: Vec<JoinHandle<()>>,
}

impl<D: Disk> FileLog<D> {
    /// Opens the log in a folder, or makes one. `state` is the position after the last record that the state has
    /// folded: what lies below it was durable, whatever the segment says.
    pub fn open(
        disk: Arc<D>,
        folder: &Path,
        mut options: Options,
        state: Option<Position>,
    ) -> Result<(FileLog<D>, Recovery), Error> {
        options.segment_bytes = options.segment_bytes.min(MAX_SEGMENT);
        let mut opened = recover::open(&disk, folder, state)?;
        let last = opened.segments.last().filter(|segment| segment.file.is_some()).map(Arc::clone);
        let (segment, len) = match (last, opened.lost_until) {
            (Some(segment), None) => (segment, opened.len),
            (_, lost) => {
                let after_ids = opened.segments.last().map_or(0, |segment| segment.end());
                let first = lost.unwrap_or(after_ids);
                let chain = recover::before(&opened, first);
                let segment = Arc::new(born(&disk, folder, Tag { salt: opened.salt, segment: first }, chain)?);
                opened.segments.push(Arc::clone(&segment));
                (segment, 0)
            }
        };
        let summary = segment.summary();
        let with_file = opened.segments.iter().find(|segment| segment.file.is_some());
        let view = View {
            first: with_file.map_or(summary.first, |segment| segment.tag.segment),
            end: summary.first + summary.count,
            last_at: opened.segments.iter().rev().find_map(|segment| segment.summary().last_at),
            recent: VecDeque::new(),
            segments: opened.segments,
        };
        let shared = Arc::new(Shared::new(Arc::clone(&disk), folder.to_path_buf(), options, view));
        let reserve = Reserve::open(&disk, folder, shared.options.reserve_bytes)?;
        let mut log = FileLog {
            shared,
            segment,
            len,
            must_roll: false,
            chain: summary.chain,
            checkpoint: opened.recovery.checkpoint,
            poisoned: None,
            reserve,
            buffer: Vec::new(),
            link: Vec::new(),
            entries: Vec::new(),
            chains: Vec::new(),
            writers: Vec::new(),
        };
        log.forget_old_ids()?;
        Ok((log, opened.recovery))
    }

    /// A reader of this log for another thread.
    #[must_use]
    pub fn reader(&self) -> Reader<D> {
        Reader { shared: Arc::clone(&self.shared) }
    }

    /// Whether a sync has failed: nothing is appended any more.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.is_some()
    }

    /// What can be done better later: fills the reserve up again, writes index files that found no space, forgets ids
    /// past their window. For a quiet moment; nothing depends on it.
    pub fn tidy(&mut self) -> Result<(), Error> {
        self.alive()?;
        self.join();
        self.reserve.refill(&self.shared.disk, &self.shared.folder)?;
        let segments = self.shared.view().segments.clone();
        for segment in segments.iter().filter(|segment| segment.tag != self.segment.tag && segment.file.is_some()) {
            segment.write_index(&self.shared.disk, &self.shared.folder)?;
        }
        self.forget_old_ids()
    }

    fn alive(&self) -> Result<(), Error> {
        self.poisoned.as_ref().map_or(Ok(()), |why| Err(Error::Poisoned { why: why.clone() }))
    }

    /// From here on nothing is certain but what was acknowledged before.
    fn poison(&mut self, what: &str, error: &Error) -> Error {
        let marked = recover::mark_suspect(&*self.shared.disk, &self.shared.folder);
        let marked = if marked { "" } else { " (and the mark for the next start could not be written)" };
        let why = format!("{what} failed: {error}{marked}");
        self.poisoned = Some(why.clone());
        Error::Poisoned { why }
    }

    fn append_all(&mut self, at: Time, batch: &[Draft], urgent: bool) -> Result<Position, Error> {
        self.alive()?;
        let (end, last_at) = {
            let view = self.shared.view();
            (view.end, view.last_at)
        };
        if batch.is_empty() {
            return Ok(Position(end));
        }
        if let Some(last) = last_at.filter(|last| at < *last) {
            return Err(Error::Backwards { at, last });
        }
        if !urgent && !self.reserve.is_whole() && !self.reserve.refill(&self.shared.disk, &self.shared.folder)? {
            return Err(Error::Full { path: self.segment.path.clone() });
        }
        self.encode(end, at, batch)?;
        let is_full = self.len + self.buffer.len() as u64 > self.shared.options.segment_bytes;
        if self.len > 0 && (is_full || self.must_roll) {
            self.roll(end, urgent)?;
            self.encode(end, at, batch)?;
        }
        if let Err(error) = self.write() {
            if !(urgent && matches!(error, Error::Full { .. }) && self.reserve.is_whole()) {
                return Err(error);
            }
            self.roll_into_reserve(end)?;
            self.encode(end, at, batch)?;
            self.write()?;
        }
        self.sync()?;
        self.publish(end, at);
        Ok(Position(end))
    }

    /// Puts the batch into the buffer as it is to stand in the open segment.
    fn encode(&mut self, first: u64, at: Time, batch: &[Draft]) -> Result<(), Error> {
        self.buffer.clear();
        self.entries.clear();
        self.chains.clear();
        let tag = self.segment.tag;
        if self.len == 0 {
            self.buffer.extend_from_slice(&segment_header(tag));
        }
        let header_at = self.buffer.len();
        self.buffer.resize(header_at + BATCH_HEADER, 0);
        let mut chain = self.chain;
        for (position, draft) in (first..).zip(batch) {
            let offset = self.narrow(self.len + self.buffer.len() as u64)?;
            let put = put(tag, position, at, draft, &chain, &mut self.buffer, &mut self.link)?;
            chain = put.chain;
            self.chains.push(chain);
            self.entries.push(Entries::of(offset, at, &draft.event, draft.second.as_ref(), &put.identity));
        }
        let bytes = self.narrow((self.buffer.len() - header_at - BATCH_HEADER) as u64)?;
        let count = self.narrow(batch.len() as u64)?;
        let header = BatchHeader { count, bytes, first, synced: first, checkpoint: self.checkpoint, chain: self.chain };
        if let Some(target) = self.buffer.get_mut(header_at..header_at + BATCH_HEADER) {
            target.copy_from_slice(&header.write(tag));
        }
        Ok(())
    }

    fn narrow(&self, offset: u64) -> Result<u32, Error> {
        let limit = 2 * MAX_SEGMENT;
        let size = usize::try_from(offset).unwrap_or(usize::MAX);
        u32::try_from(offset)
            .ok()
            .filter(|_| offset <= limit)
            .ok_or(Error::TooLarge { size, limit: usize::try_from(limit).unwrap_or(usize::MAX) })
    }

    /// Writes the buffer behind the open segment. Where that fails, what was written is cut off again.
    fn write(&mut self) -> Result<(), Error> {
        let segment = Arc::clone(&self.segment);
        let Some(file) = &segment.file else { return Ok(()) };
        let disk = Arc::clone(&self.shared.disk);
        let Err(error) = disk::write_all(&*disk, file, self.len, &self.buffer) else { return Ok(()) };
        let error = Error::io("append to", &segment.path)(error);
        if let Err(cut) = disk.set_len(file, self.len) {
            let cut = Error::io("cut", &segment.path)(cut);
            return Err(self.poison("an append, then the cut of its rest", &cut));
        }
        // Nothing was appended, also after a loss of power; and a sealed segment ends where its last record ends.
        self.sync()?;
        Err(error)
    }

    fn sync(&mut self) -> Result<(), Error> {
        let segment = Arc::clone(&self.segment);
        let Some(file) = &segment.file else { return Ok(()) };
        match self.shared.disk.sync_data(file) {
            Ok(()) => Ok(()),
            Err(error) => {
                let error = Error::Io { what: "sync", path: segment.path.clone(), source: error };
                Err(self.poison("a sync", &error))
            }
        }
    }

    /// What was written is durable: everybody may know.
    fn publish(&mut self, first: u64, at: Time) {
        let header_at = if self.len == 0 { SEGMENT_HEADER as u64 } else { self.len };
        self.len += self.buffer.len() as u64;
        self.reserve.note(self.buffer.len() as u64);
        self.chain = self.chains.last().copied().unwrap_or(self.chain);
        if let Index::Memory(index) = &mut *self.segment.index_mut() {
            index.push_batch(u32::try_from(header_at).unwrap_or(u32::MAX));
            self.entries.iter().for_each(|entries| index.push(entries));
            index.chain = self.chain;
            index.len = self.len;
        }
        let end = first + self.entries.len() as u64;
        {
            let view = &mut *self.shared.view_mut();
            view.end = end;
            view.last_at = Some(at);
            view.recent.extend(self.chains.iter());
            let surplus = view.recent.len().saturating_sub(RECENT);
            view.recent.drain(..surplus);
        }
        self.shared.announce(end);
    }

    /// Seals the open segment and begins the next one.
    fn roll(&mut self, first: u64, urgent: bool) -> Result<(), Error> {
        let tag = Tag { segment: first, ..self.segment.tag };
        self.must_roll = true;
        match born(&self.shared.disk, &self.shared.folder, tag, self.chain) {
            Ok(segment) => self.go_on_in(segment),
            Err(Error::Full { .. }) if urgent && self.reserve.is_whole() => self.roll_into_reserve(first),
            Err(error @ Error::Full { .. }) => Err(error),
            Err(error) => Err(self.poison("the birth of a segment", &error)),
        }
    }

    /// Like [`FileLog::roll`], into the space that was set aside.
    fn roll_into_reserve(&mut self, first: u64) -> Result<(), Error> {
        let tag = Tag { segment: first, ..self.segment.tag };
        let path = path(&self.shared.folder, first);
        // Where the open segment has no batch yet, the reserve takes its place under the same name.
        match self.reserve.take(&self.shared.disk, &self.shared.folder, &path) {
            Ok(file) => {
                let index = Index::Memory(Box::new(MemoryIndex::new(first, self.chain)));
                self.go_on_in(Segment::new(tag, path, Some(file), index))
            }
            Err(error) => Err(self.poison("the use of the reserve", &error)),
        }
    }

    fn go_on_in(&mut self, segment: Segment<D>) -> Result<(), Error> {
        let sealed = std::mem::replace(&mut self.segment, Arc::new(segment));
        self.len = 0;
        self.must_roll = false;
        {
            let view = &mut *self.shared.view_mut();
            if sealed.tag.segment == self.segment.tag.segment {
                view.segments.pop();
            }
            view.segments.push(Arc::clone(&self.segment));
        }
        if sealed.tag.segment == self.segment.tag.segment {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        // Where the index finds no space it stays in memory until `tidy`, or is made anew at the next start.
        let write = move || drop(sealed.write_index(&shared.disk, &shared.folder));
        self.writers.retain(|writer| !writer.is_finished());
        if self.shared.options.background {
            self.writers.push(std::thread::spawn(write));
        } else {
            write();
        }
        self.forget_old_ids()
    }

    pub(crate) fn join(&mut self) {
        for writer in self.writers.drain(..) {
            // A writer that panicked left an index to be made anew; the log itself is not touched by it.
            let _ = writer.join();
        }
    }
}

/// A new, empty segment whose name is durable.
fn born<D: Disk>(disk: &Arc<D>, folder: &Path, tag: Tag, chain: Digest) -> Result<Segment<D>, Error> {
    let path = path(folder, tag.segment);
    let file = match disk.create(&path) {
        // Left by an attempt that found no space; nothing was ever written to it.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let file = disk.open(&path).map_err(Error::io("open", &path))?;
            disk.set_len(&file, 0).map_err(Error::io("cut", &path))?;
            file
        }
        created => created.map_err(Error::io("create", &path))?,
    };
    if let Err(error) = disk.sync_dir(folder) {
        let full = is_full(&error);
        let error = Error::Io { what: "sync", path: folder.to_path_buf(), source: error };
        return Err(if full { Error::Full { path } } else { error });
    }
    let index = Index::Memory(Box::new(MemoryIndex::new(tag.segment, chain)));
    Ok(Segment::new(tag, path, Some(file), index))
}

impl<D: Disk> Log for FileLog<D> {
    fn first(&self) -> Position {
        self.reader().first()
    }

    fn end(&self) -> Position {
        self.reader().end()
    }

    fn append(&mut self, at: Time, batch: &[Draft]) -> Result<Position, Error> {
        self.append_all(at, batch, false)
    }

    fn append_urgent(&mut self, at: Time, batch: &[Draft]) -> Result<Position, Error> {
        self.append_all(at, batch, true)
    }

    fn read(&self, from: Position, max_records: usize, max_bytes: usize) -> Result<Vec<Entry>, Error> {
        self.reader().read(from, max_records, max_bytes)
    }

    fn last_at(&self) -> Option<Time> {
        self.reader().last_at()
    }

    fn chain(&self, position: Position) -> Result<Digest, Error> {
        self.reader().chain(position)
    }

    fn find(&self, source: &str, id: &str) -> Option<Found> {
        self.reader().find(source, id)
    }

    fn find_second(&self, key: &Key) -> Option<Found> {
        self.reader().find_second(key)
    }

    fn find_by(&self, by: By<'_>, limit: usize) -> Result<Vec<Record>, Error> {
        self.reader().find_by(by, limit)
    }

    fn trim(&mut self, before: Position) -> Result<Trimmed, Error> {
        self.alive()?;
        self.trim_before(before)
    }

    fn purge(&mut self, positions: &[Position]) -> Result<(), Error> {
        self.alive()?;
        let mut purged = purge::purge(&self.shared, positions);
        if matches!(purged, Err(Error::Full { .. })) && self.reserve.release(&self.shared.disk, &self.shared.folder)? {
            purged = purge::purge(&self.shared, positions);
        }
        match purged {
            Ok(()) => self.reserve.refill(&self.shared.disk, &self.shared.folder).map(drop),
            Err(error @ (Error::Trimmed { .. } | Error::Beyond { .. } | Error::Full { .. })) => Err(error),
            // Half done, with a journal: the next start finishes it.
            Err(error) => Err(self.poison("a purge", &error)),
        }
    }

    fn set_checkpoint(&mut self, position: Position, chain: Digest) {
        self.checkpoint = Some((position, chain));
    }

    fn reserve_used(&self) -> f64 {
        self.reserve.used()
    }
}

impl<D: Disk> Drop for FileLog<D> {
    fn drop(&mut self) {
        self.join();
    }
}
