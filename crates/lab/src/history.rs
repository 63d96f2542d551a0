//! What is read here: records by position, id and chain for `why`, and from first to last.

use ensue_engine::Past;
use ensue_event::{Position, Record, Time};

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
