//! What a rule keeps of a key: the row, and its bytes in the store. Version 1.
//!
//! ```text
//! u8 version = 1
//! key: u8 0 none · 1 a text          timer: u8 0 none · 1 i64
//! u8 body, then a u32 count and so many of
//!   0 half-matches: i64 start, u16 first item, u32 count of events, events
//!   1 times that count; then a u32 count of values, none or one for each, 16 bytes each; then a u32 count of the
//!     newest events: position and append time. Times and positions: a variable-length integer, the difference to the
//!     one before, doubled, and less than zero its complement. The events are rows of the table `counted`
//!   2 armed absences: i64 due, event
//!   3 a silence (no count): due and seen as `timer`, u8 expected
//! an event: u16 item, u64 position, i64 append time, u32 length, the bytes of its record
//! ```
//! A text is a u32 length and UTF-8; integers are little-endian.

use std::sync::Arc;

use ensue_event::{Data, Event, Key, Position, Time};
use ensue_rule::correlate::{Armed, Half, Halves, Kept, Silence, Window};

use crate::table::RowValue;

const VERSION: u8 = 1;

/// What a rule keeps of a key.
#[derive(Clone, Debug, PartialEq)]
pub struct HalfRow {
    /// The key.
    pub key: KeyText,
    /// When its timer is due; [`Time::MAX`] without one. It may be earlier than the next deadline: a timer that finds nothing due goes on to that.
    pub timer: Time,
    /// What is kept.
    pub body: Body,
}

/// An event that counts. It has a row of its own, so that one more costs nothing for those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Where it stands in the log.
    pub position: Position,
    /// When it was appended.
    pub at: Time,
}

impl Counted {
    /// The key of its row: by half-match, then by position.
    pub(super) fn place(self, id: Key) -> (Key, Key) {
        let mut bytes = [0; 16];
        if let Some((first, _)) = bytes.split_first_chunk_mut() {
            *first = self.position.0.to_be_bytes();
        }
        (id, Key(bytes))
    }
}

/// The text of a key. Most are short, and there are many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyText {
    /// There is none: the rule has no key.
    None,
    /// The first so many bytes.
    Short(u8, [u8; SHORT]),
    /// Any.
    Long(Box<str>),
}

/// How long a short key is at most: with it, a [`KeyText`] is as large as a `String`.
const SHORT: usize = 22;

impl KeyText {
    /// The text of a key, if it has one.
    #[must_use]
    pub fn of(key: Option<&str>) -> KeyText {
        let Some(text) = key else { return KeyText::None };
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(first), Ok(length)) => {
                first.copy_from_slice(text.as_bytes());
                KeyText::Short(length, bytes)
            }
            _ => KeyText::Long(text.into()),
        }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            KeyText::None => None,
            KeyText::Short(length, bytes) => {
                let bytes = bytes.get(..usize::from(*length)).unwrap_or_default();
                Some(std::str::from_utf8(bytes).unwrap_or_default())
            }
            KeyText::Long(text) => Some(text),
        }
    }
}

/// What is kept of a key, by the shape of the rule's `when`. There are many half-matches: what is larger lies elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Of `all` and `sequence`.
    Halves(Halves),
    /// Of `count`.
    Window(Window<Counted>),
    /// Of `absence` with `after`.
    Armed(Box<Armed>),
    /// Of `absence` without.
    Silence(Box<Silence>),
}

impl Body {
    /// How many half-matches it is.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Body::Halves(halves) => halves.as_slice().len() as u64,
            Body::Window(window) => u64::from(!window.is_empty()),
            Body::Armed(armed) => armed.0.len() as u64,
            Body::Silence(silence) => u64::from(silence.expected || silence.due.is_some() || silence.seen.is_some()),
        }
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The positions of its events.
    #[must_use]
    pub fn positions(&self) -> Vec<Position> {
        match self {
            Body::Halves(halves) => halves.as_slice().iter().flat_map(Half::positions).collect(),
            Body::Window(window) => window.kept().map(|kept| kept.position).collect(),
            Body::Armed(armed) => armed.0.iter().map(|(_, kept)| kept.position).collect(),
            Body::Silence(_) => Vec::new(),
        }
    }
}

impl RowValue for HalfRow {
    type Slot = std::sync::Arc<HalfRow>;
    fn bytes(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        match self.key.text() {
            None => out.push(0),
            Some(text) => {
                out.push(1);
                count(text.len(), &mut out);
                out.extend_from_slice(text.as_bytes());
            }
        }
        time(Some(self.timer).filter(|timer| *timer != Time::MAX), &mut out);
        match &self.body {
            Body::Halves(halves) => {
                out.push(0);
                count(halves.as_slice().len(), &mut out);
                for half in halves.as_slice() {
                    out.extend_from_slice(&half.start.0.to_le_bytes());
                    out.extend_from_slice(&half.first.to_le_bytes());
                    count(half.kept.len(), &mut out);
                    half.kept.iter().for_each(|kept| event(kept, &mut out));
                }
            }
            Body::Window(window) => {
                out.push(1);
                count(window.clocks().len(), &mut out);
                let mut last = 0;
                window.clocks().for_each(|clock| difference(clock.0, &mut last, &mut out));
                count(window.values().len(), &mut out);
                window.values().iter().for_each(|value| out.extend_from_slice(&value.0));
                count(window.kept().len(), &mut out);
                let (mut position, mut at) = (0, 0);
                for counted in window.kept() {
                    difference(counted.position.0.cast_signed(), &mut position, &mut out);
                    difference(counted.at.0, &mut at, &mut out);
                }
            }
            Body::Armed(armed) => {
                out.push(2);
                count(armed.0.len(), &mut out);
                for (due, kept) in &armed.0 {
                    out.extend_from_slice(&due.0.to_le_bytes());
                    event(kept, &mut out);
                }
            }
            Body::Silence(silence) => {
                out.push(3);
                time(silence.due, &mut out);
                time(silence.seen, &mut out);
                out.push(u8::from(silence.expected));
            }
        }
        out
    }

    fn read(bytes: &[u8]) -> Result<HalfRow, String> {
        let mut from = Reader(bytes);
        let version = from.u8()?;
        if version != VERSION {
            return Err(format!("a half-match of format {version}; this version reads format {VERSION}"));
        }
        let key = match from.u8()? {
            0 => KeyText::None,
            _ => {
                let length = from.count()?;
                let text = std::str::from_utf8(from.bytes(length)?).map_err(|_| "a key is not UTF-8")?;
                KeyText::of(Some(text))
            }
        };
        let timer = from.time()?.unwrap_or(Time::MAX);
        let body = match from.u8()? {
            0 => {
                let half = |from: &mut Reader<'_>| {
                    Ok(Half { start: Time(from.i64()?), first: from.u16()?, kept: from.several(Reader::event)?.into() })
                };
                Body::Halves(from.several(half)?.into())
            }
            1 => {
                let mut last = 0;
                let clocks: Vec<Time> = from.several(|from| Ok(Time(from.difference(&mut last)?)))?;
                let values: Vec<Key> = from.several(|from| Ok(Key(from.array()?)))?;
                let (mut position, mut at) = (0, 0);
                let kept = from.several(|from| {
                    let position = Position(from.difference(&mut position)?.cast_unsigned());
                    Ok(Counted { position, at: Time(from.difference(&mut at)?) })
                })?;
                let window = Window::of(clocks, values, kept);
                Body::Window(window.ok_or("a window of which the parts do not fit")?)
            }
            2 => Body::Armed(Armed(from.several(|from| Ok((Time(from.i64()?), from.event()?)))?).into()),
            3 => {
                let (due, seen, expected) = (from.time()?, from.time()?, from.u8()? != 0);
                Body::Silence(Silence { due, seen, expected }.into())
            }
            other => return Err(format!("a half-match of kind {other}")),
        };
        Ok(HalfRow { key, timer, body })
    }
}

fn count(number: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

fn time(time: Option<Time>, out: &mut Vec<u8>) {
    out.push(u8::from(time.is_some()));
    out.extend(time.iter().flat_map(|time| time.0.to_le_bytes()));
}

/// Appends a number as the difference to the last one.
fn difference(number: i64, last: &mut i64, out: &mut Vec<u8>) {
    let by = number.wrapping_sub(*last);
    *last = number;
    let mut folded = ((by << 1) ^ (by >> 63)).cast_unsigned();
    loop {
        let [byte, ..] = folded.to_le_bytes();
        folded >>= 7;
        if folded == 0 {
            return out.push(byte);
        }
        out.push(byte | 0x80);
    }
}

fn event(kept: &Kept, out: &mut Vec<u8>) {
    out.extend_from_slice(&kept.item.to_le_bytes());
    out.extend_from_slice(&kept.position.0.to_le_bytes());
    out.extend_from_slice(&kept.at.0.to_le_bytes());
    let mut bytes = kept.event.bytes();
    count(bytes.len(), out);
    out.append(&mut bytes);
}

/// The event by value, in memory of its own: one that was read may be a slice of a whole batch, and the blob that it
/// names may be gone when it is needed.
#[must_use]
pub(crate) fn by_value(event: &Event) -> Arc<Event> {
    let mut event = event.clone();
    let own = |bytes: &[u8]| bytes.to_vec().into();
    event.data = match event.data {
        Data::Json(bytes) => Data::Json(own(&bytes)),
        Data::Bytes(bytes) => Data::Bytes(own(&bytes)),
        Data::Blob { blob, whole: Some(bytes) } if blob.json => Data::Json(own(&bytes)),
        Data::Blob { whole: Some(bytes), .. } => Data::Bytes(own(&bytes)),
        other => other,
    };
    Arc::new(event)
}

/// Bytes that may end too early.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or("a half-match ends too early")?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.bytes(N)?.try_into().map_err(|_| "a half-match ends too early".to_owned())
    }

    fn u8(&mut self) -> Result<u8, String> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16, String> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn i64(&mut self) -> Result<i64, String> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    fn count(&mut self) -> Result<usize, String> {
        usize::try_from(u32::from_le_bytes(self.array()?)).map_err(|why| why.to_string())
    }

    fn time(&mut self) -> Result<Option<Time>, String> {
        Ok(if self.u8()? == 0 { None } else { Some(Time(self.i64()?)) })
    }

    fn event(&mut self) -> Result<Kept, String> {
        let (item, position, at) = (self.u16()?, Position(u64::from_le_bytes(self.array()?)), Time(self.i64()?));
        let length = self.count()?;
        let event = Arc::new(Event::read(self.bytes(length)?)?);
        Ok(Kept { item, position, at, event })
    }

    fn difference(&mut self, last: &mut i64) -> Result<i64, String> {
        let (mut folded, mut shift) = (0_u64, 0);
        loop {
            let byte = self.u8()?;
            folded |= u64::from(byte & 0x7f).checked_shl(shift).ok_or("a number of too many bytes")?;
            if byte < 0x80 {
                break;
            }
            shift += 7;
        }
        let by = (folded >> 1).cast_signed();
        *last = last.wrapping_add(if folded & 1 == 0 { by } else { !by });
        Ok(*last)
    }

    fn several<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T, String>) -> Result<Vec<T>, String> {
        (0..self.count()?).map(|_| one(self)).collect()
    }
}
