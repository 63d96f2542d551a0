//! The log as JSON lines, for people and their tools.

use ensue_event::{Emission, Origin, Position};
use serde_json::{Value, json};

use crate::disk::Disk;
use crate::{Entry, Error, Reader, Unreadable};

/// Everything from a position to an end, in order.
pub struct Cat<D: Disk> {
    reader: Reader<D>,
    next: Position,
    until: Position,
    chunk: std::vec::IntoIter<Entry>,
}

impl<D: Disk> Reader<D> {
    /// What stands from `from` up to `until` (not included), read piece by piece.
    #[must_use]
    pub fn cat(&self, from: Position, until: Position) -> Cat<D> {
        let until = until.min(self.end());
        Cat { reader: self.clone(), next: from.max(self.first()), until, chunk: Vec::new().into_iter() }
    }
}

impl<D: Disk> Iterator for Cat<D> {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.until {
            return None;
        }
        if self.chunk.len() == 0 {
            match self.reader.read(self.next, 1024, 1 << 20) {
                Ok(entries) => self.chunk = entries.into_iter(),
                Err(error) => {
                    self.next = self.until;
                    return Some(Err(error));
                }
            }
        }
        let entry = self.chunk.next()?;
        self.next = entry.position().next();
        Some(Ok(entry))
    }
}

/// One line of `ensue log cat`: position, time, origin, event; or what became of it.
#[must_use]
pub fn entry_json(entry: &Entry) -> Value {
    match entry {
        Entry::Record(record) => {
            let origin = match &record.origin {
                Origin::Source(name) => json!({"source": name}),
                Origin::Node => json!("node"),
                Origin::Emitted(Emission { position, index }) => {
                    json!({"emitted": {"position": position, "index": index}})
                }
            };
            json!({"position": record.position, "at": record.at, "origin": origin, "event": record.event.to_json()})
        }
        Entry::Unreadable { position, why: Unreadable::Purged } => json!({"position": position, "purged": true}),
        Entry::Unreadable { position, why: Unreadable::Damaged { path, offset, why } } => {
            json!({"position": position, "damaged": {"file": path, "offset": offset, "why": why}})
        }
    }
}
