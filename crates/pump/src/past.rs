//! The log before the record at hand, for rules that start in the past.

use ensue_engine::Past;
use ensue_event::{Position, Record, Time};
use ensue_log::disk::Disk;
use ensue_log::{Blobs, Entry, Reader};

/// Records read at once.
const CHUNK: usize = 500;
/// Bytes read at once.
const CHUNK_BYTES: usize = 8 << 20;

/// A log that the fold may look back into.
pub struct LogPast<D: Disk> {
    reader: Reader<D>,
    blobs: Option<Blobs<D>>,
}

impl<D: Disk> LogPast<D> {
    /// The past of this log; large events are read whole from `blobs`.
    #[must_use]
    pub fn new(reader: Reader<D>, blobs: Option<Blobs<D>>) -> LogPast<D> {
        LogPast { reader, blobs }
    }

    /// The position after the last record.
    #[must_use]
    pub fn end(&self) -> Position {
        self.reader.end()
    }

    /// Hands over, of the records in this range, those that no source received: the node's, the fold's, and events of
    /// `emit` steps.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn own(&self, from: Position, to: Position, each: &mut dyn FnMut(&Record)) -> Result<(), String> {
        let mut at = from.max(self.reader.first());
        while at < to {
            let wanted = usize::try_from(to.0 - at.0).unwrap_or(CHUNK).min(CHUNK);
            let (entries, next) = self.reader.read_own(at, wanted, CHUNK_BYTES).map_err(text)?;
            if next == at {
                return Ok(());
            }
            self.whole(entries, each);
            at = next;
        }
        Ok(())
    }

    /// All records of a type, whole, oldest first, by the index.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn of_type(&self, kind: &str) -> Result<Vec<Record>, String> {
        let found = self.reader.find_by(ensue_log::By::Type(kind), usize::MAX).map_err(text)?;
        let mut out = Vec::with_capacity(found.len());
        let entries = found.into_iter().rev().map(Entry::Record).collect();
        self.whole(entries, &mut |record| out.push(record.clone()));
        Ok(out)
    }

    /// Hands over what can be read, with its data whole.
    fn whole(&self, entries: Vec<Entry>, each: &mut dyn FnMut(&Record)) {
        for entry in entries {
            let Entry::Record(mut record) = entry else { continue };
            if let Some(Err(why)) = self.blobs.as_ref().map(|blobs| blobs.resolve(&mut record)) {
                tracing::warn!(position = %record.position, %why, "a record of the past is passed over");
                continue;
            }
            each(&record);
        }
    }

    /// The append time of the first record from here on that can be read, before a position.
    fn time(&self, from: Position, to: Position) -> Result<Option<Time>, String> {
        let mut at = from;
        while at < to {
            let entries = self.reader.read(at, CHUNK, CHUNK_BYTES).map_err(text)?;
            let Some(last) = entries.last().map(Entry::position) else { return Ok(None) };
            if let Some(record) = entries.iter().find_map(Entry::record) {
                return Ok(Some(record.at));
            }
            at = last.next();
        }
        Ok(None)
    }
}

impl<D: Disk> Past for LogPast<D> {
    fn first(&self) -> Position {
        self.reader.first()
    }

    fn since(&self, time: Time) -> Result<Position, String> {
        // Append times never go back.
        let (mut low, mut high) = (self.reader.first(), self.reader.end());
        while low < high {
            let middle = Position(low.0 + (high.0 - low.0) / 2);
            match self.time(middle, high)? {
                Some(at) if at < time => low = middle.next(),
                _ => high = middle,
            }
        }
        Ok(low)
    }

    fn read(&self, from: Position, to: Position, each: &mut dyn FnMut(&Record)) -> Result<(), String> {
        let mut at = from.max(self.reader.first());
        while at < to {
            let wanted = usize::try_from(to.0 - at.0).unwrap_or(CHUNK).min(CHUNK);
            let entries = self.reader.read(at, wanted, CHUNK_BYTES).map_err(text)?;
            let Some(last) = entries.last().map(Entry::position) else { return Ok(()) };
            self.whole(entries, each);
            at = last.next();
        }
        Ok(())
    }
}

fn text(why: ensue_log::Error) -> String {
    why.to_string()
}
