//! Walking over the bytes of a segment, good or bad.
//!
//! What cannot be read is one of two things. A **torn tail**: bytes of a batch whose sync never returned, so nobody was
//! told about them; they are cut. Or **corruption**: bytes that were acknowledged; what is lost is a hole, and reading
//! goes on after it. It is corruption where something proves that the position was durable: the segment was sealed, a
//! later readable header says so (`synced`), or the state has folded it.

use crate::format::{BATCH_HEADER, BatchHeader, Frame, RECORD_HEADER, SEGMENT_HEADER, Tag};

/// What is wrong with a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Why {
    Record = 0,
    Header = 1,
    Missing = 2,
    Surplus = 3,
}

impl Why {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Why::Record => "the checksum of a record is wrong",
            Why::Header => "the checksum of a batch header is wrong",
            Why::Missing => "records are missing",
            Why::Surplus => "there are bytes past the beginning of the next segment",
        }
    }

    pub(crate) fn from_u32(value: u32) -> Why {
        match value {
            0 => Why::Record,
            1 => Why::Header,
            2 => Why::Missing,
            _ => Why::Surplus,
        }
    }
}

/// Positions that cannot be read; none where only a header is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) first: u64,
    pub(crate) until: u64,
    pub(crate) offset: u64,
    pub(crate) why: Why,
}

/// What the walk meets, in the order of positions.
pub(crate) enum Piece<'a> {
    Header {
        offset: usize,
        header: BatchHeader,
    },
    Record {
        offset: usize,
        position: u64,
        frame: Frame<'a>,
    },
    Hole(Hole),
    /// A hole that reaches to the end of the segment: there is nothing after it.
    Lost(Hole),
}

/// What proves that a position was durable, besides later headers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proof {
    /// The first position of the next segment, if there is one.
    pub(crate) sealed: Option<u64>,
    /// The position after the last one that the state has folded.
    pub(crate) state: u64,
}

/// Where the walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// The end of what can be used.
    pub(crate) offset: usize,
    /// The position after the last one.
    pub(crate) position: u64,
    /// Whether what follows was durable once, is lost, and must stay as it is.
    pub(crate) lost: bool,
}

struct Walk<'a> {
    tag: Tag,
    bytes: &'a [u8],
    proof: Proof,
    offset: usize,
    position: u64,
    /// The last header, while no record of it was met.
    bare: Option<usize>,
}

/// Walks over a segment, its header left out.
pub(crate) fn walk<'a>(tag: Tag, bytes: &'a [u8], proof: Proof, on: &mut impl FnMut(Piece<'a>)) -> End {
    let mut walk = Walk { tag, bytes, proof, offset: SEGMENT_HEADER, position: tag.segment, bare: None };
    // The end of the batch at hand: where it is reached, a header must follow.
    let mut batch_end = tag.segment;
    loop {
        if walk.offset >= bytes.len() || proof.sealed.is_some_and(|next| walk.position >= next) {
            return walk.finish(on);
        }
        if walk.position < batch_end
            && let Some(frame) = Frame::read(tag, walk.position, walk.rest(walk.offset))
        {
            on(Piece::Record { offset: walk.offset, position: walk.position, frame });
            walk.offset += frame.len;
            walk.position += 1;
            walk.bare = None;
            continue;
        }
        if let Some(header) = BatchHeader::read(tag, walk.rest(walk.offset))
            && header.first >= walk.position
        {
            if header.first > walk.position {
                if header.synced <= walk.position && !walk.is_proven() {
                    return walk.torn();
                }
                walk.hole(header.first, Why::Missing, on);
            }
            on(Piece::Header { offset: walk.offset, header });
            walk.bare = Some(walk.offset);
            batch_end = header.first.saturating_add(u64::from(header.count));
            walk.offset += BATCH_HEADER;
            continue;
        }
        if !walk.is_proven() {
            return walk.torn();
        }
        if walk.position >= batch_end
            && Frame::read(tag, walk.position, walk.rest(walk.offset + BATCH_HEADER)).is_some()
        {
            // Only the header is damaged: its records can be read without it.
            walk.hole(walk.position, Why::Header, on);
            walk.offset += BATCH_HEADER;
            batch_end = u64::MAX;
            continue;
        }
        let why = if walk.position >= batch_end { Why::Header } else { Why::Record };
        match walk.resume(batch_end) {
            Some(Resume::Record { offset, position }) => {
                walk.hole(position, why, on);
                walk.offset = offset;
                batch_end = batch_end.max(position + 1);
            }
            Some(Resume::Header { offset, first }) => {
                walk.hole(first, why, on);
                walk.offset = offset;
                batch_end = first;
            }
            None => {
                let until = proof.sealed.unwrap_or(proof.state).max(walk.position);
                on(Piece::Lost(Hole { first: walk.position, until, offset: walk.offset as u64, why }));
                return End { offset: walk.offset, position: until, lost: true };
            }
        }
    }
}

enum Resume {
    Record { offset: usize, position: u64 },
    Header { offset: usize, first: u64 },
}

impl<'a> Walk<'a> {
    fn rest(&self, offset: usize) -> &'a [u8] {
        self.bytes.get(offset..).unwrap_or_default()
    }

    /// The end of what can be used. A header of which no record is left goes with them.
    fn torn(&self) -> End {
        End { offset: self.bare.unwrap_or(self.offset), position: self.position, lost: false }
    }

    fn hole<'b>(&mut self, until: u64, why: Why, on: &mut impl FnMut(Piece<'b>)) {
        on(Piece::Hole(Hole { first: self.position, until, offset: self.offset as u64, why }));
        self.bare = None;
        self.position = until;
    }

    fn finish<'b>(&mut self, on: &mut impl FnMut(Piece<'b>)) -> End {
        if self.offset < self.bytes.len() {
            self.hole(self.position, Why::Surplus, on);
        }
        if let Some(next) = self.proof.sealed
            && self.position < next
        {
            on(Piece::Lost(Hole { first: self.position, until: next, offset: self.offset as u64, why: Why::Missing }));
        }
        self.torn()
    }

    /// Whether the position at hand was durable once.
    fn is_proven(&self) -> bool {
        self.proof.sealed.is_some()
            || self.proof.state > self.position
            || self.headers_after(self.offset + 1).any(|(_, header)| header.synced > self.position)
    }

    fn headers_after(&self, from: usize) -> impl Iterator<Item = (usize, BatchHeader)> {
        let salt = self.tag.salt.to_le_bytes();
        let starts = self.rest(from).windows(salt.len()).enumerate().filter(move |(_, window)| *window == salt);
        starts.filter_map(move |(at, _)| Some((from + at, BatchHeader::read(self.tag, self.rest(from + at))?)))
    }

    /// The next place after the damage from which reading can go on: a later record of the same batch (its position is
    /// in its checksum, so it cannot be mistaken), else the next header.
    fn resume(&self, batch_end: u64) -> Option<Resume> {
        /// How many records in a row are thought to be damaged: a page of small ones, and then some.
        const REACH: u64 = 256;
        /// A record has an id, a source and a type; this also passes over zeros quickly.
        const SHORTEST: usize = 16;
        let header = self.headers_after(self.offset + 1).find(|(_, header)| header.first > self.position);
        let limit = header.as_ref().map_or(self.bytes.len(), |(offset, _)| *offset);
        let last = batch_end.min(self.position.saturating_add(REACH));
        for offset in self.offset + 1..limit.saturating_sub(RECORD_HEADER) {
            let rest = self.rest(offset);
            let claimed = Frame::claimed(rest).unwrap_or(0);
            if claimed < SHORTEST || claimed + RECORD_HEADER > rest.len() {
                continue;
            }
            let found = (self.position + 1..last).find(|position| Frame::read(self.tag, *position, rest).is_some());
            if let Some(position) = found {
                return Some(Resume::Record { offset, position });
            }
        }
        header.map(|(offset, header)| Resume::Header { offset, first: header.first })
    }
}
