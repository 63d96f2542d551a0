//! Opening a log: what is there, what of it can be used, what is lost.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ensue_event::{Digest, Position, codec};

use crate::disk::{self, Disk};
use crate::format::{
    BATCH_HEADER, BatchHeader, Frame, SEGMENT_HEADER, Tag, chain_over_loss, read_segment_header, u64_at,
};
use crate::index::{Entries, FileIndex, Index, MemoryIndex, Wrong, id_key, second_key};
use crate::scan::{End, Hole, Piece, Proof, Why, walk};
use crate::segment::{Segment, first_of, path};
use crate::{Error, purge};

/// A file of this name says that a sync failed: what the system shows of the last segment may not be on the disk.
const SUSPECT: &str = "sync-failed";

/// What opening a log found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// The torn tail that was cut: bytes of a batch that nobody was told about.
    pub cut: Option<Cut>,
    /// Damage found while segments were read; what opened by its index file was not read (see `verify`).
    pub damage: Vec<Damage>,
    /// Segments whose index file was missing or wrong and was made anew.
    pub rebuilt: Vec<PathBuf>,
    /// Trimmed segments whose index is wrong: the ids at these positions, from and up to, are no longer known.
    pub forgotten: Vec<(Position, Position)>,
    /// Whether the last segment was copied, since a sync had failed.
    pub copied: bool,
    /// The last checkpoint that the log names: its position and the chain there.
    pub checkpoint: Option<(Position, Digest)>,
}

/// A torn tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The segment.
    pub path: PathBuf,
    /// Where it was cut.
    pub offset: u64,
    /// How many bytes went.
    pub bytes: u64,
}

/// Acknowledged bytes that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub path: PathBuf,
    /// Where in it.
    pub offset: u64,
    /// The first position that is lost.
    pub first: Position,
    /// The position after the last one that is lost; the first one where only a header is damaged and nothing is lost.
    pub until: Position,
    /// What is wrong.
    pub why: &'static str,
}

impl Damage {
    pub(crate) fn new(path: &Path, hole: Hole) -> Damage {
        Damage {
            path: path.to_path_buf(),
            offset: hole.offset,
            first: Position(hole.first),
            until: Position(hole.until),
            why: hole.why.text(),
        }
    }
}

/// What was found in a folder.
pub(crate) struct Opened<D: Disk> {
    pub(crate) segments: Vec<Arc<Segment<D>>>,
    pub(crate) salt: u64,
    /// Whether the last segment is lost from some place on: the next record goes to a new one, at this position.
    pub(crate) lost_until: Option<u64>,
    /// The length of the last segment; 0 where it has no batch.
    pub(crate) len: u64,
    pub(crate) recovery: Recovery,
}

/// The index of a segment, from its bytes.
pub(crate) fn load(tag: Tag, bytes: &[u8], proof: Proof) -> (MemoryIndex, End, Option<(Position, Digest)>) {
    let mut index = MemoryIndex::new(tag.segment, Digest::ZERO);
    let mut checkpoint = None;
    let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    if read_segment_header(bytes) != Some(tag) && bytes.len() > SEGMENT_HEADER {
        index.holes.push(Hole { first: tag.segment, until: tag.segment, offset: 0, why: Why::Header });
    }
    let end = walk(tag, bytes, proof, &mut |piece| match piece {
        Piece::Header { offset, header } => {
            index.push_header(narrow(offset), &header);
            checkpoint = header.checkpoint.or(checkpoint);
        }
        Piece::Record { offset, position, frame } => {
            index.chain = frame.chain(&index.chain, position);
            let second = frame.second.as_ref();
            if frame.purged {
                let keys = [frame.purged_id(), second.map(second_key)];
                index.push_bare(narrow(offset), frame.at, keys, &frame.identity);
            } else if let Ok((_, event)) = codec::decode(Bytes::copy_from_slice(frame.body)) {
                index.push(&Entries::of(narrow(offset), frame.at, &event, second, &frame.identity));
            } else {
                index.push_bare(narrow(offset), frame.at, [second.map(second_key), None], &frame.identity);
            }
        }
        Piece::Hole(hole) => index.push_hole(hole),
        Piece::Lost(hole) => index.push_lost(hole),
    });
    index.batches.retain(|(_, offset)| (*offset as usize) < end.offset || end.lost);
    index.len = bytes.len() as u64;
    (index, end, checkpoint)
}

/// The index of a sealed segment, made anew.
pub(crate) fn rebuild<D: Disk>(
    disk: &D,
    file: &D::File,
    path: &Path,
    tag: Tag,
    sealed: u64,
) -> Result<MemoryIndex, Error> {
    let bytes = disk::read_whole(disk, file).map_err(Error::io("read", path))?;
    Ok(load(tag, &bytes, Proof { sealed: Some(sealed), state: 0 }).0)
}

/// Leaves a mark for the next start. It need not be durable: after a loss of power only the disk is read.
pub(crate) fn mark_suspect<D: Disk>(disk: &D, folder: &Path) -> bool {
    disk.create(&folder.join(SUSPECT)).map_or_else(|error| error.kind() == std::io::ErrorKind::AlreadyExists, |_| true)
}

/// Copies the last segment to a new file where a sync of it failed: its pages pass for clean, so a later sync would save
/// nothing (Linux; "fsyncgate").
fn copy_suspect<D: Disk>(disk: &D, folder: &Path, last: Option<u64>) -> Result<(), Error> {
    if let Some(first) = last {
        let path = path(folder, first);
        let file = disk.open(&path).map_err(Error::io("open", &path))?;
        let bytes = disk::read_whole(disk, &file).map_err(Error::io("read", &path))?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        disk::replace(disk, folder, name, &bytes).map_err(Error::io("copy", &path))?;
    }
    let mark = folder.join(SUSPECT);
    disk.remove(&mark).map_err(Error::io("remove", &mark))
}

/// The salt of this log: from any segment header, else from a batch header, else from an index file (all segments may be
/// trimmed but one that is empty yet); a new log draws one.
fn find_salt<D: Disk>(disk: &Arc<D>, folder: &Path, firsts: &[u64], names: &[String]) -> Result<u64, Error> {
    let mut guess = None;
    for first in firsts {
        let path = path(folder, *first);
        let file = disk.open(&path).map_err(Error::io("open", &path))?;
        let bytes =
            disk::read_up_to(&**disk, &file, 0, SEGMENT_HEADER + BATCH_HEADER).map_err(Error::io("read", &path))?;
        if let Some(tag) = read_segment_header(&bytes) {
            return Ok(tag.salt);
        }
        if let Some(salt) = u64_at(&bytes, SEGMENT_HEADER)
            && BatchHeader::read(Tag { salt, segment: *first }, bytes.get(SEGMENT_HEADER..).unwrap_or_default())
                .is_some()
        {
            guess = Some(salt);
        }
    }
    let indexes = names.iter().filter_map(|name| first_of(name, ".idx"));
    let mut of_indexes = indexes.filter_map(|segment| {
        let salt = FileIndex::salt(&**disk, folder, segment).ok()?;
        FileIndex::open(Arc::clone(disk), folder, Tag { salt, segment }).ok().map(|_| salt)
    });
    Ok(guess.or_else(|| of_indexes.next()).unwrap_or_else(draw_salt))
}

/// Any number that nobody outside knows: the standard library's own random seed of a process.
fn draw_salt() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

/// Opens all there is. `state` is the position after the last record that the state has folded.
pub(crate) fn open<D: Disk>(disk: &Arc<D>, folder: &Path, state: Option<Position>) -> Result<Opened<D>, Error> {
    let mut recovery = Recovery::default();
    disk.create_dir(folder).map_err(Error::io("create", folder))?;
    disk::sync_parent(&**disk, folder).map_err(Error::io("sync the parent of", folder))?;
    let names = disk.list(folder).map_err(Error::io("list", folder))?;
    for name in names.iter().filter(|name| name.ends_with(".tmp")) {
        let path = folder.join(name);
        disk.remove(&path).map_err(Error::io("remove", &path))?;
    }
    let firsts: Vec<u64> = names.iter().filter_map(|name| first_of(name, ".log")).collect();
    if names.iter().any(|name| name == SUSPECT) {
        copy_suspect(&**disk, folder, firsts.last().copied())?;
        recovery.copied = true;
    }
    let salt = find_salt(disk, folder, &firsts, &names)?;
    purge::finish(&**disk, folder, &names)?;

    let mut segments = Vec::new();
    let begin = firsts.first().copied().unwrap_or(u64::MAX);
    for first in names.iter().filter_map(|name| first_of(name, ".idx")).filter(|first| !firsts.contains(first)) {
        let tag = Tag { salt, segment: first };
        match FileIndex::open(Arc::clone(disk), folder, tag) {
            Ok(index) if first < begin => {
                let path = path(folder, first);
                segments.push(Arc::new(Segment::new(tag, path, None, Index::File(Box::new(index)))));
            }
            // A segment in the middle is gone: those beside it say so.
            Ok(_) => {}
            Err(Wrong::Io(kind)) => {
                let path = FileIndex::<D>::path(folder, first);
                return Err(Error::Io { what: "read", path, source: kind.into() });
            }
            Err(Wrong::Content) => {
                let until = names.iter().filter_map(|name| first_of(name, ".idx")).chain(firsts.iter().copied());
                let until = until.filter(|next| *next > first).min().unwrap_or(first);
                recovery.forgotten.push((Position(first), Position(until)));
                let path = FileIndex::<D>::path(folder, first);
                disk.remove(&path).map_err(Error::io("remove", &path))?;
            }
        }
    }
    for (first, next) in firsts.iter().zip(firsts.iter().skip(1)) {
        segments.push(Arc::new(open_sealed(disk, folder, Tag { salt, segment: *first }, *next, &mut recovery)?));
    }
    let mut opened = Opened { segments, salt, lost_until: None, len: 0, recovery };
    if let Some(first) = firsts.last() {
        open_last(disk, folder, Tag { salt, segment: *first }, state, &mut opened)?;
    }
    Ok(opened)
}

/// A sealed segment: by its index file if that fits, else by its bytes.
fn open_sealed<D: Disk>(
    disk: &Arc<D>,
    folder: &Path,
    tag: Tag,
    next: u64,
    recovery: &mut Recovery,
) -> Result<Segment<D>, Error> {
    let path = path(folder, tag.segment);
    let file = disk.open(&path).map_err(Error::io("open", &path))?;
    let len = disk.len(&file).map_err(Error::io("measure", &path))?;
    if let Ok(index) = FileIndex::open(Arc::clone(disk), folder, tag) {
        let summary = index.summary();
        if summary.len == len && summary.first + summary.count <= next {
            return Ok(Segment::new(tag, path, Some(file), Index::File(Box::new(index))));
        }
    }
    let index = rebuild(&**disk, &file, &path, tag, next)?;
    recovery.damage.extend(index.holes.iter().map(|hole| Damage::new(&path, *hole)));
    let segment = Segment::new(tag, path.clone(), Some(file), Index::Memory(Box::new(index)));
    // On a full disk it stays in memory; it is written when there is space.
    match segment.write_index(disk, folder) {
        Ok(()) | Err(Error::Full { .. }) => recovery.rebuilt.push(path),
        Err(error) => return Err(error),
    }
    Ok(segment)
}

/// The last segment: read to its end, a torn tail cut, what is left made durable before anyone reads it.
fn open_last<D: Disk>(
    disk: &Arc<D>,
    folder: &Path,
    tag: Tag,
    state: Option<Position>,
    opened: &mut Opened<D>,
) -> Result<(), Error> {
    let path = path(folder, tag.segment);
    let file = disk.open(&path).map_err(Error::io("open", &path))?;
    let bytes = disk::read_whole(&**disk, &file).map_err(Error::io("read", &path))?;
    let proof = Proof { sealed: None, state: state.map_or(0, |state| state.0) };
    let (mut index, end, checkpoint) = load(tag, &bytes, proof);
    if index.batches.is_empty() && !end.lost {
        // Born, and nothing came of it. Its chain is that of the segment before.
        index = MemoryIndex::new(tag.segment, before(opened, tag.segment));
    }
    let keep = if index.batches.is_empty() && !end.lost { 0 } else { end.offset as u64 };
    if !end.lost && keep < bytes.len() as u64 {
        disk.set_len(&file, keep).map_err(Error::io("cut", &path))?;
        opened.recovery.cut = Some(Cut { path: path.clone(), offset: keep, bytes: bytes.len() as u64 - keep });
        index.len = keep;
    }
    // A sync that failed before a kill may have left pages that read well and count as clean, and no mark: the last batch
    // is written once more, so that this sync really saves it. Its own header proves that those before it were synced.
    // The first batch was written with the segment's header before it.
    if let Some((nth, offset)) = index.batches.last() {
        let from = if *nth == 0 { 0 } else { *offset as usize };
        let to = usize::try_from(keep).unwrap_or(bytes.len());
        let last = bytes.get(from..to).unwrap_or_default();
        disk::write_all(&**disk, &file, from as u64, last).map_err(Error::io("write again", &path))?;
    }
    let synced = disk.sync_data(&file).map_err(Error::io("sync", &path));
    let synced = synced.and_then(|()| disk.sync_dir(folder).map_err(Error::io("sync", folder)));
    if let Err(error) = synced {
        mark_suspect(&**disk, folder);
        return Err(error);
    }
    opened.recovery.damage.extend(index.holes.iter().map(|hole| Damage::new(&path, *hole)));
    opened.recovery.checkpoint = match checkpoint {
        Some(checkpoint) => Some(checkpoint),
        None => last_checkpoint(disk, opened)?,
    };
    opened.lost_until = end.lost.then_some(end.position);
    opened.len = index.len;
    opened.segments.push(Arc::new(Segment::new(tag, path, Some(file), Index::Memory(Box::new(index)))));
    Ok(())
}

/// The chain before the segment that begins at `first`.
pub(crate) fn before<D: Disk>(opened: &Opened<D>, first: u64) -> Digest {
    match opened.segments.last().map(|segment| segment.summary()) {
        None => Digest::ZERO,
        Some(summary) if summary.first + summary.count >= first => summary.chain,
        // An index file whose segment ends early, or whose successor is gone.
        Some(summary) => chain_over_loss(&summary.chain, first),
    }
}

/// The checkpoint in the last batch of the sealed segments, for a last one that has no batch.
fn last_checkpoint<D: Disk>(disk: &Arc<D>, opened: &Opened<D>) -> Result<Option<(Position, Digest)>, Error> {
    let Some(segment) = opened.segments.last() else { return Ok(None) };
    let Some(file) = &segment.file else { return Ok(None) };
    let batch = segment.ask(disk, |index| index.batch_of(u32::MAX))?.flatten();
    let Some((_, offset)) = batch else { return Ok(None) };
    let bytes = disk::read_up_to(&**disk, file, u64::from(offset), BATCH_HEADER);
    let bytes = bytes.map_err(Error::io("read", &segment.path))?;
    Ok(BatchHeader::read(segment.tag, &bytes).and_then(|header| header.checkpoint))
}

/// The key of the id of the event in a record.
pub(crate) fn id_of(frame: &Frame<'_>) -> u128 {
    codec::decode(Bytes::copy_from_slice(frame.body)).map_or(0, |(_, event)| id_key(&event.source, &event.id))
}
