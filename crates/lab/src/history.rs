//! What `why` reads: records by position, id and chain.

use ensue_event::{Position, Record};

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
