//! The bytes of a record in the log: origin, attributes, data. Version 1.
//!
//! ```text
//! u8 version = 1
//! u8 origin: 0 source, then text · 1 node · 2 emitted, then u64 position, u32 index
//! text id, source, type
//! u8 flags: 1 subject · 2 time · 4 datacontenttype · 8 dataschema, then a text for each that is set
//! u16 count of extensions, for each: text name, u8 kind: 0 false · 1 true · 2 i32 · 3 text
//! u8 data: 0 none · 1 JSON · 2 bytes · 3 blob of JSON · 4 blob of bytes
//!   1, 2: the rest of the record     3, 4: 32 bytes digest, u64 size, then the head: the rest of the record
//! ```
//! A text is a u32 length and UTF-8; integers are little-endian. Bytes are stored as bytes: base64 exists only at the
//! edges that speak JSON.

use bytes::{Buf, Bytes};

use crate::{Attr, BlobRef, Data, Digest, Emission, Event, Origin, Position};

/// The version that this build writes.
pub const VERSION: u8 = 1;

/// Why stored bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Written by a newer build.
    #[error("record format {0} is not known to this version of ensue, which reads format {VERSION}")]
    Version(u8),
    /// The bytes end too early or say something impossible.
    #[error("the record is damaged: {0}")]
    Damaged(&'static str),
}

/// Appends the bytes of a record to `out`.
pub fn encode(origin: &Origin, event: &Event, out: &mut Vec<u8>) {
    out.push(VERSION);
    match origin {
        Origin::Source(name) => {
            out.push(0);
            text(name, out);
        }
        Origin::Node => out.push(1),
        Origin::Emitted(Emission { position, index }) => {
            out.push(2);
            out.extend_from_slice(&position.0.to_le_bytes());
            out.extend_from_slice(&index.to_le_bytes());
        }
    }
    text(&event.id, out);
    text(&event.source, out);
    text(&event.kind, out);
    let optional = [&event.subject, &event.time, &event.content_type, &event.schema];
    let flags =
        optional.iter().enumerate().fold(0_u8, |flags, (bit, value)| flags | (u8::from(value.is_some()) << bit));
    out.push(flags);
    optional.into_iter().flatten().for_each(|value| text(value, out));
    let count = u16::try_from(event.extensions.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&count.to_le_bytes());
    for (name, value) in event.extensions.iter().take(usize::from(count)) {
        text(name, out);
        match value {
            Attr::Bool(value) => out.push(u8::from(*value)),
            Attr::Int(value) => {
                out.push(2);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Attr::Text(value) => {
                out.push(3);
                text(value, out);
            }
        }
    }
    match &event.data {
        Data::None => out.push(0),
        Data::Json(bytes) => {
            out.push(1);
            out.extend_from_slice(bytes);
        }
        Data::Bytes(bytes) => {
            out.push(2);
            out.extend_from_slice(bytes);
        }
        Data::Blob { blob, .. } => {
            out.push(if blob.json { 3 } else { 4 });
            out.extend_from_slice(&blob.digest.0);
            out.extend_from_slice(&blob.size.to_le_bytes());
            out.extend_from_slice(&blob.head);
        }
    }
}

/// Reads a record's bytes. The data is a slice of `bytes`, not a copy; a blob is not resolved.
pub fn decode(mut bytes: Bytes) -> Result<(Origin, Event), Error> {
    let version = byte(&mut bytes)?;
    if version != VERSION {
        return Err(Error::Version(version));
    }
    let origin = match byte(&mut bytes)? {
        0 => Origin::Source(read(&mut bytes)?),
        1 => Origin::Node,
        2 => {
            need(&bytes, 12)?;
            Origin::Emitted(Emission { position: Position(bytes.get_u64_le()), index: bytes.get_u32_le() })
        }
        _ => return Err(Error::Damaged("unknown origin")),
    };
    let mut event = Event::new(read(&mut bytes)?, read(&mut bytes)?, read(&mut bytes)?);
    let flags = byte(&mut bytes)?;
    let optional = [&mut event.subject, &mut event.time, &mut event.content_type, &mut event.schema];
    for (bit, slot) in optional.into_iter().enumerate() {
        if flags & (1 << bit) != 0 {
            *slot = Some(read(&mut bytes)?);
        }
    }
    need(&bytes, 2)?;
    for _ in 0..bytes.get_u16_le() {
        let name = read(&mut bytes)?;
        let value = match byte(&mut bytes)? {
            0 => Attr::Bool(false),
            1 => Attr::Bool(true),
            2 => {
                need(&bytes, 4)?;
                Attr::Int(bytes.get_i32_le())
            }
            3 => Attr::Text(read(&mut bytes)?),
            _ => return Err(Error::Damaged("unknown kind of attribute")),
        };
        event.extensions.push((name, value));
    }
    event.data = match byte(&mut bytes)? {
        0 => Data::None,
        1 => Data::Json(bytes),
        2 => Data::Bytes(bytes),
        kind @ (3 | 4) => {
            need(&bytes, 40)?;
            let mut digest = [0; 32];
            bytes.copy_to_slice(&mut digest);
            let size = bytes.get_u64_le();
            Data::Blob { blob: BlobRef { digest: Digest(digest), size, json: kind == 3, head: bytes }, whole: None }
        }
        _ => return Err(Error::Damaged("unknown kind of data")),
    };
    Ok((origin, event))
}

fn text(value: &str, out: &mut Vec<u8>) {
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(value.as_bytes());
}

fn need(bytes: &Bytes, count: usize) -> Result<(), Error> {
    if bytes.len() < count { Err(Error::Damaged("it ends too early")) } else { Ok(()) }
}

fn byte(bytes: &mut Bytes) -> Result<u8, Error> {
    need(bytes, 1)?;
    Ok(bytes.get_u8())
}

fn read(bytes: &mut Bytes) -> Result<Box<str>, Error> {
    need(bytes, 4)?;
    let length = bytes.get_u32_le() as usize;
    need(bytes, length)?;
    let value = bytes.split_to(length);
    std::str::from_utf8(&value).map(Box::from).map_err(|_| Error::Damaged("a text is not UTF-8"))
}
