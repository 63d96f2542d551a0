//! What is read here: records by position, id and chain for `why`, and from first to last.

use ensue_engine::Past;
use ensue_event::{Position, Record, Time};
use ensue_log::disk::Disk;
use ensue_log::{Blobs, By, Entry, Reader};

/// Records that can be looked up.
pub trait History {
    /// The record at a position, if it is still there and readable.
    fn at(&self, position: Position) -> Option<Record>;
    /// Records whose event has this id, by position.
    fn by_id(&self, id: &str) -> Vec<Record>;
    /// Records that carry this `correlationid`, by position.
    fn by_correlation(&self, correlation: &str) -> Vec<Record>;
    /// The newest records of a type, by position; not all where there are very many.
    fn by_type(&self, kind: &str) -> Vec<Record>;
}

/// Records of one chain that are looked at.
const CHAIN: usize = 10_000;
/// Records of a type that are looked through: operators' commands, and firings of which only the log knows.
const NEWEST: usize = 500;

/// The records of a log.
pub struct Kept<D: Disk> {
    reader: Reader<D>,
    blobs: Blobs<D>,
    chain: usize,
}

impl<D: Disk> Kept<D> {
    /// Those of this log; large ones are read whole from `blobs`.
    #[must_use]
    pub fn new(reader: Reader<D>, blobs: Blobs<D>) -> Kept<D> {
        Kept { reader, blobs, chain: CHAIN }
    }

    /// The same, with so many records of one chain at most.
    #[must_use]
    pub fn reaching(self, chain: usize) -> Kept<D> {
        Kept { chain, ..self }
    }

    fn found(&self, by: By<'_>, most: usize) -> Vec<Record> {
        let mut records = self.reader.find_by(by, most).unwrap_or_default();
        records.reverse();
        for record in &mut records {
            // What cannot be resolved is shown without its data.
            let _ = self.blobs.resolve(record);
        }
        records
    }
}

impl<D: Disk> History for Kept<D> {
    fn at(&self, position: Position) -> Option<Record> {
        match self.reader.read(position, 1, 1).ok()?.into_iter().next()? {
            Entry::Record(mut record) => {
                let _ = self.blobs.resolve(&mut record);
                Some(record)
            }
            Entry::Unreadable { .. } => None,
        }
    }

    fn by_id(&self, id: &str) -> Vec<Record> {
        self.found(By::Id(id), CHAIN)
    }

    fn by_correlation(&self, correlation: &str) -> Vec<Record> {
        self.found(By::Correlation(correlation), self.chain)
    }

    fn by_type(&self, kind: &str) -> Vec<Record> {
        self.found(By::Type(kind), NEWEST)
    }
}

/// Records in memory: for scenarios and tests.
impl History for Vec<Record> {
    fn at(&self, position: Position) -> Option<Record> {
        self.iter().find(|record| record.position == position).cloned()
    }

    fn by_id(&self, id: &str) -> Vec<Record> {
        self.iter().filter(|record| &*record.event.id == id).cloned().collect()
    }

    fn by_correlation(&self, correlation: &str) -> Vec<Record> {
        self.iter()
            .filter(|record| record.event.extension_text("correlationid") == Some(correlation))
            .cloned()
            .collect()
    }

    fn by_type(&self, kind: &str) -> Vec<Record> {
        self.iter().filter(|record| &*record.event.kind == kind).cloned().collect()
    }
}

/// Records in memory, in order: for scenarios and tests.
#[derive(Debug, Clone, Copy)]
pub struct Records<'a>(pub &'a [Record]);

impl Records<'_> {
    fn from(&self, place: usize) -> Position {
        let after = || self.0.last().map_or(Position(0), |record| record.position.next());
        self.0.get(place).map_or_else(after, |record| record.position)
    }
}

impl Past for Records<'_> {
    fn first(&self) -> Position {
        self.from(0)
    }

    fn since(&self, time: Time) -> Result<Position, String> {
        Ok(self.from(self.0.partition_point(|record| record.at < time)))
    }

    fn read(&self, from: Position, to: Position, each: &mut dyn FnMut(&Record)) -> Result<(), String> {
        let first = self.0.partition_point(|record| record.position < from);
        self.0.iter().skip(first).take_while(|record| record.position < to).for_each(each);
        Ok(())
    }
}
