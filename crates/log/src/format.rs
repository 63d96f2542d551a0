//! The bytes of a segment. Version 1; integers are little-endian.
//!
//! ```text
//! segment   header (32): magic, first position u64, salt u64, CRC32C u32, zero u32      then batches
//! batch     header (112): salt u64, CRC32C u32, count u32, bytes u32, version u32,
//!                         first u64, synced u64, checkpoint u64 and chain [32], chain before first [32]
//!           then its records
//! record    length u32 of what follows the fixed part, CRC32C u32, append time i64, flags u32, length of origin u32,
//!           BLAKE3 of the event's bytes [32]
//!           then, by flags: second key [16], identity [16]; origin; event
//! ```
//! A record's CRC32C covers salt, segment, position, then everything but itself: bytes that stand at a wrong place
//! do not pass. The salt is drawn once per log: bytes inside an event cannot pass for a header.
//!
//! The chain is BLAKE3(chain before, position, time, keys, origin, BLAKE3(event)). It leaves out the event itself, so
//! it can be verified after a purge has destroyed one.

use ensue_event::{Attr, Data, Digest, Event, Key, Origin, Position, Time, codec};

use crate::{Draft, Error};

pub(crate) const SEGMENT_HEADER: usize = 32;
pub(crate) const BATCH_HEADER: usize = 112;
pub(crate) const RECORD_HEADER: usize = 56;
/// Two keys beside the body.
const MAX_EXTRA: usize = 32;
/// The longest record, header and keys with it. The origin's name and the attributes stand beside 1 MiB of data.
pub(crate) const MAX_BODY: usize = ensue_event::event::MAX_RECORD + (64 << 10);
const MAGIC: &[u8; 8] = b"ensuelg1";
const VERSION: u32 = 1;
const NONE: u64 = u64::MAX;

const PURGED: u32 = 1;
const SECOND: u32 = 2;
const IDENTITY: u32 = 4;

/// What the checksums of a segment begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) salt: u64,
    pub(crate) segment: u64,
}

impl Tag {
    fn seed(self, position: u64) -> u32 {
        let mut bytes = [0; 24];
        let (parts, _) = bytes.as_chunks_mut::<8>();
        for (part, value) in parts.iter_mut().zip([self.salt, self.segment, position]) {
            *part = value.to_le_bytes();
        }
        crc32c::crc32c(&bytes)
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

fn set<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(target) = bytes.get_mut(at..at + N) {
        target.copy_from_slice(&value);
    }
}

pub(crate) fn segment_header(tag: Tag) -> [u8; SEGMENT_HEADER] {
    let mut bytes = [0; SEGMENT_HEADER];
    set(&mut bytes, 0, *MAGIC);
    set(&mut bytes, 8, tag.segment.to_le_bytes());
    set(&mut bytes, 16, tag.salt.to_le_bytes());
    let crc = crc32c::crc32c(bytes.get(..24).unwrap_or_default());
    set(&mut bytes, 24, crc.to_le_bytes());
    bytes
}

/// The tag of the segment that begins with these bytes, if its header is whole.
pub(crate) fn read_segment_header(bytes: &[u8]) -> Option<Tag> {
    let body = bytes.get(..24)?;
    if array::<8>(bytes, 0)? != *MAGIC || u32_at(bytes, 24)? != crc32c::crc32c(body) || u32_at(bytes, 28)? != 0 {
        return None;
    }
    Some(Tag { segment: u64_at(bytes, 8)?, salt: u64_at(bytes, 16)? })
}

/// What stands before the records of one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) count: u32,
    pub(crate) bytes: u32,
    pub(crate) first: u64,
    /// Up to where a sync had returned when this was written: every position below it was acknowledged.
    pub(crate) synced: u64,
    pub(crate) checkpoint: Option<(Position, Digest)>,
    /// The chain before the first record of this batch.
    pub(crate) chain: Digest,
}

impl BatchHeader {
    pub(crate) fn write(&self, tag: Tag) -> [u8; BATCH_HEADER] {
        let mut bytes = [0; BATCH_HEADER];
        let (position, chain) = self.checkpoint.map_or((NONE, Digest::ZERO), |(position, chain)| (position.0, chain));
        set(&mut bytes, 0, tag.salt.to_le_bytes());
        set(&mut bytes, 12, self.count.to_le_bytes());
        set(&mut bytes, 16, self.bytes.to_le_bytes());
        set(&mut bytes, 20, VERSION.to_le_bytes());
        set(&mut bytes, 24, self.first.to_le_bytes());
        set(&mut bytes, 32, self.synced.to_le_bytes());
        set(&mut bytes, 40, position.to_le_bytes());
        set(&mut bytes, 48, chain.0);
        set(&mut bytes, 80, self.chain.0);
        let crc = crc32c::crc32c_append(tag.seed(NONE), bytes.get(12..).unwrap_or_default());
        set(&mut bytes, 8, crc.to_le_bytes());
        bytes
    }

    /// The header at the beginning of these bytes, if it is one of this segment.
    pub(crate) fn read(tag: Tag, bytes: &[u8]) -> Option<BatchHeader> {
        let bytes = bytes.get(..BATCH_HEADER)?;
        if u64_at(bytes, 0)? != tag.salt
            || u32_at(bytes, 8)? != crc32c::crc32c_append(tag.seed(NONE), bytes.get(12..)?)
            || u32_at(bytes, 20)? != VERSION
        {
            return None;
        }
        let position = u64_at(bytes, 40)?;
        let chain = Digest(array(bytes, 48)?);
        Some(BatchHeader {
            count: u32_at(bytes, 12)?,
            bytes: u32_at(bytes, 16)?,
            first: u64_at(bytes, 24)?,
            synced: u64_at(bytes, 32)?,
            checkpoint: (position != NONE).then_some((Position(position), chain)),
            chain: Digest(array(bytes, 80)?),
        })
    }
}

/// One record as it lies in a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) at: Time,
    pub(crate) purged: bool,
    pub(crate) digest: Digest,
    /// What two arrivals of the same id are compared by.
    pub(crate) identity: [u8; 16],
    pub(crate) second: Option<Key>,
    /// Header and keys, as they count for the chain.
    keys: &'a [u8],
    origin: &'a [u8],
    /// Origin and event: what the codec reads.
    pub(crate) body: &'a [u8],
    event: &'a [u8],
    /// Where the event begins within the frame: what a purge destroys.
    event_at: usize,
    /// The whole frame.
    pub(crate) len: usize,
}

impl<'a> Frame<'a> {
    /// The record at this position at the beginning of these bytes, if its checksum is right.
    pub(crate) fn read(tag: Tag, position: u64, bytes: &'a [u8]) -> Option<Frame<'a>> {
        let rest = Frame::claimed(bytes)?;
        let frame = bytes.get(..RECORD_HEADER + rest)?;
        let crc = crc32c::crc32c_append(tag.seed(position), frame.get(..4)?);
        if crc32c::crc32c_append(crc, frame.get(8..)?) != u32_at(frame, 4)? {
            return None;
        }
        let flags = u32_at(frame, 16)?;
        let digest = Digest(array(frame, 24)?);
        let mut at = RECORD_HEADER;
        let mut key = |flag: u32| -> Option<Option<[u8; 16]>> {
            if flags & flag == 0 {
                return Some(None);
            }
            let key = array(frame, at)?;
            at += 16;
            Some(Some(key))
        };
        let second = key(SECOND)?.map(Key);
        let identity = key(IDENTITY)?;
        let body = frame.get(at..)?;
        let origin_len = u32_at(frame, 20)? as usize;
        Some(Frame {
            at: Time(i64::from_le_bytes(array(frame, 8)?)),
            purged: flags & PURGED != 0,
            digest,
            identity: match identity {
                Some(identity) => identity,
                None => array(&digest.0, 0)?,
            },
            second,
            keys: frame.get(RECORD_HEADER..at)?,
            origin: body.get(..origin_len)?,
            body,
            event: body.get(origin_len..)?,
            event_at: at + origin_len,
            len: frame.len(),
        })
    }

    /// How many bytes the record here says it has after its fixed part, if that is possible.
    pub(crate) fn claimed(bytes: &[u8]) -> Option<usize> {
        usize::try_from(u32_at(bytes, 0)?).ok().filter(|rest| *rest <= MAX_BODY + MAX_EXTRA)
    }

    /// Whether a source received it: what the codec writes of the origin begins with its version and its kind.
    pub(crate) fn is_received(&self) -> bool {
        self.origin.get(1) == Some(&0)
    }

    /// Whether the event is the one that was appended; true for a purged one, whose digest is all that is left.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.purged || Digest::of(self.event) == self.digest
    }

    pub(crate) fn chain(&self, before: &Digest, position: u64) -> Digest {
        let mut link = Vec::with_capacity(128 + self.origin.len());
        chain(before, position, self.at, self.keys, self.origin, &self.digest, &mut link)
    }

    /// This record once its event is purged: where it stood is the key of its id, then zeros.
    pub(crate) fn purged_bytes(&self, tag: Tag, position: u64, bytes: &[u8], id: u128) -> Vec<u8> {
        let mut frame = bytes.get(..self.len).unwrap_or_default().to_vec();
        let flags = u32_at(&frame, 16).unwrap_or(0) | PURGED;
        set(&mut frame, 16, flags.to_le_bytes());
        if let Some(event) = frame.get_mut(self.event_at..) {
            event.fill(0);
            set(event, 0, id.to_be_bytes());
        }
        seal(tag, position, &mut frame);
        frame
    }

    /// The key of the id of a purged record; too short an event leaves none.
    pub(crate) fn purged_id(&self) -> Option<u128> {
        array(self.event, 0).map(u128::from_be_bytes)
    }
}

fn seal(tag: Tag, position: u64, frame: &mut [u8]) {
    let crc = crc32c::crc32c_append(tag.seed(position), frame.get(..4).unwrap_or_default());
    let crc = crc32c::crc32c_append(crc, frame.get(8..).unwrap_or_default());
    set(frame, 4, crc.to_le_bytes());
}

fn chain(
    before: &Digest,
    position: u64,
    at: Time,
    keys: &[u8],
    origin: &[u8],
    digest: &Digest,
    link: &mut Vec<u8>,
) -> Digest {
    link.clear();
    link.extend_from_slice(&before.0);
    link.extend_from_slice(&position.to_le_bytes());
    link.extend_from_slice(&at.0.to_le_bytes());
    // Lengths, so that no two lists of parts run together.
    link.push(u8::try_from(keys.len()).unwrap_or(u8::MAX));
    link.extend_from_slice(keys);
    link.extend_from_slice(&(origin.len() as u64).to_le_bytes());
    link.extend_from_slice(origin);
    link.extend_from_slice(&digest.0);
    Digest::of(link)
}

/// The chain after positions that are lost for good.
pub(crate) fn chain_over_loss(before: &Digest, until: u64) -> Digest {
    let mut link = before.0.to_vec();
    link.extend_from_slice(b"lost until");
    link.extend_from_slice(&until.to_le_bytes());
    Digest::of(&link)
}

/// How many bytes version and origin take at the beginning of a record's bytes (`ensue_event::codec`).
fn origin_len(origin: &Origin) -> usize {
    2 + match origin {
        Origin::Source(name) => 4 + name.len(),
        Origin::Node => 0,
        Origin::Emitted(_) => 12,
    }
}

/// An upper bound of the bytes of a record, without writing them.
pub(crate) fn size_bound(origin: &Origin, event: &Event) -> usize {
    /// Length, name, kind and value of an attribute that is not text; more than any fixed part.
    const FIXED: usize = 16;
    let texts = [Some(&event.id), Some(&event.source), Some(&event.kind), event.subject.as_ref(), event.time.as_ref()];
    let texts = texts.into_iter().chain([event.content_type.as_ref(), event.schema.as_ref()]).flatten();
    let texts: usize = texts.map(|text| FIXED + text.len()).sum();
    let extension = |(name, value): &(Box<str>, Attr)| {
        let text = if let Attr::Text(text) = value { text.len() } else { 0 };
        2 * FIXED + name.len() + text
    };
    let data = match &event.data {
        Data::None => 0,
        Data::Json(bytes) | Data::Bytes(bytes) => bytes.len(),
        Data::Blob { blob, .. } => 40 + blob.head.len(),
    };
    origin_len(origin) + texts + event.extensions.iter().map(extension).sum::<usize>() + data + FIXED
}

/// What two arrivals with the same id are compared by where the caller gives no digest of the body as received: the
/// event, not the source through which it came.
#[must_use]
pub fn identity(event: &Event) -> Digest {
    let mut bytes = Vec::with_capacity(1024);
    codec::encode(&Origin::Node, event, &mut bytes);
    Digest::of(bytes.get(origin_len(&Origin::Node)..).unwrap_or_default())
}

/// Where a record was put, and what its index entries need.
pub(crate) struct Put {
    pub(crate) identity: [u8; 16],
    pub(crate) chain: Digest,
}

/// Appends a record to `out`.
pub(crate) fn put(
    tag: Tag,
    position: u64,
    at: Time,
    draft: &Draft,
    before: &Digest,
    out: &mut Vec<u8>,
    link: &mut Vec<u8>,
) -> Result<Put, Error> {
    let start = out.len();
    out.resize(start + RECORD_HEADER, 0);
    let mut flags = 0;
    if let Some(second) = &draft.second {
        flags |= SECOND;
        out.extend_from_slice(&second.0);
    }
    if let Some(digest) = &draft.digest {
        flags |= IDENTITY;
        out.extend_from_slice(digest.0.first_chunk::<16>().unwrap_or(&[0; 16]));
    }
    let body = out.len();
    codec::encode(&draft.origin, &draft.event, out);
    let size = out.len() - body;
    if size > MAX_BODY {
        return Err(Error::TooLarge { size, limit: MAX_BODY });
    }
    let event_at = body + origin_len(&draft.origin);
    let digest = Digest::of(out.get(event_at..).unwrap_or_default());
    let keys = out.get(start + RECORD_HEADER..body).unwrap_or_default();
    let origin = out.get(body..event_at).unwrap_or_default();
    let chain = chain(before, position, at, keys, origin, &digest, link);
    let frame = out.get_mut(start..).unwrap_or_default();
    let narrow = |size: usize| u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes();
    set(frame, 0, narrow(frame.len() - RECORD_HEADER));
    set(frame, 8, at.0.to_le_bytes());
    set(frame, 16, flags.to_le_bytes());
    set(frame, 20, narrow(event_at - body));
    set(frame, 24, digest.0);
    seal(tag, position, frame);
    let identity = draft.digest.unwrap_or(digest);
    Ok(Put { identity: *identity.0.first_chunk().unwrap_or(&[0; 16]), chain })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ensue_event::{BlobRef, Emission};

    #[test]
    fn the_origin_is_what_stands_before_the_event() {
        let mut event = Event::new("1", "/s", "t").with_json(&serde_json::json!({"a": 1}));
        event.set_extension("correlationid", Attr::Text("c".into()));
        let emitted = Origin::Emitted(Emission { position: Position(7), index: 3 });
        for origin in [Origin::Node, Origin::Source("github".into()), emitted] {
            let mut bytes = Vec::new();
            codec::encode(&origin, &event, &mut bytes);
            assert_eq!(Digest::of(&bytes[origin_len(&origin)..]), identity(&event), "{origin:?}");
        }
    }

    #[test]
    fn the_bound_of_the_size_is_close_and_never_too_small() {
        let mut events = vec![Event::new("1", "/s", "t")];
        let mut full = Event::new("i".repeat(100), "/s", "t").with_json(&serde_json::json!("x".repeat(2000)));
        full.subject = Some("s".into());
        full.time = Some("2026-01-01T00:00:00Z".into());
        full.content_type = Some("application/json".into());
        full.schema = Some("https://example.com/s".into());
        for (name, value) in [("a", Attr::Bool(true)), ("b", Attr::Int(1)), ("c", Attr::Text("c".repeat(300).into()))] {
            full.set_extension(name, value);
        }
        events.push(full.clone());
        let head = vec![0; 500].into();
        full.data = Data::Blob { blob: BlobRef { digest: Digest::ZERO, size: 9, json: true, head }, whole: None };
        events.push(full);
        for event in &events {
            for origin in [Origin::Node, Origin::Source("github".into())] {
                let mut bytes = Vec::new();
                codec::encode(&origin, event, &mut bytes);
                let bound = size_bound(&origin, event);
                assert!(bound >= bytes.len() && bound < bytes.len() + 300, "{bound} {}", bytes.len());
            }
        }
    }

    #[test]
    fn a_record_passes_only_at_its_place() {
        let draft = Draft::new(Origin::Node, Event::new("1", "/s", "t"));
        let tag = Tag { salt: 9, segment: 5 };
        let (mut out, mut link) = (Vec::new(), Vec::new());
        put(tag, 6, Time(1), &draft, &Digest::ZERO, &mut out, &mut link).unwrap();
        assert!(Frame::read(tag, 6, &out).is_some_and(|frame| frame.is_unchanged()));
        assert!(Frame::read(tag, 7, &out).is_none());
        assert!(Frame::read(Tag { segment: 6, ..tag }, 6, &out).is_none());
        assert!(Frame::read(Tag { salt: 8, ..tag }, 6, &out).is_none());
    }
}
