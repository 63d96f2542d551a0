//! The contract of a state.

use std::path::Path;

use ensue_event::{Digest, Position};
use serde_json::Value;

use crate::Error;

/// One row set or deleted. Where a commit names a row twice, the last one counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// One of the tables given when the state was opened.
    pub table: &'static str,
    /// The row's key; rows are kept in the order of its bytes.
    pub key: Vec<u8>,
    /// The row's value; `None` deletes it.
    pub value: Option<Vec<u8>>,
}

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// What is called with the key and the value of each row that is loaded.
pub type Each<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), Error>;

/// What the rows are true for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The last record folded; `None` before the first.
    pub position: Option<Position>,
    /// The log's chain at that record: a log with another one is not the log these rows came from.
    pub chain: Digest,
    /// The version of the fold that made the rows.
    pub fold: u32,
    /// What else its owner keeps beside the position. Not part of a dump.
    pub extra: Value,
}

/// How much room is left on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// The reserve is whole.
    Ample,
    /// The disk is full and the reserve is being used: no new events, only answers, emissions, ticks and operators.
    Low,
    /// Half of the reserve is used: no new effect is dispatched either.
    Critical,
}

/// Rows in named tables, committed together with the position that they are true for.
///
/// One thread owns a state. The names of the tables are given when it is opened and checked at every call.
pub trait State: Send {
    /// The tables, sorted.
    fn tables(&self) -> &[&'static str];

    /// What the rows are true for; `None` if nothing was ever committed.
    fn applied(&self) -> Result<Option<Applied>, Error>;

    /// Makes all changes, and `applied` with them, or none. On return they are visible and survive the death of the
    /// process; a power cut may lose them together with all that follow, unless [`State::sync`] came after them.
    /// [`Error::Full`] may be tried again; [`Error::Backwards`] if the position is before the last one.
    fn commit(&mut self, changes: &[Change], applied: &Applied) -> Result<(), Error>;

    /// Calls `each` with every row of the table, in the order of the keys, until it fails.
    fn load(&self, table: &str, each: Each<'_>) -> Result<(), Error>;

    /// The value of one row.
    fn get(&self, table: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;

    /// At most `limit` rows from the key `from` (itself included) on, in the order of the keys.
    fn scan(&self, table: &str, from: &[u8], limit: usize) -> Result<Vec<Row>, Error>;

    /// Makes every commit so far durable, also against a power cut.
    fn sync(&mut self) -> Result<(), Error>;

    /// Keeps a small fact that is not the fold's: a count of crashes, the boot id, the position about to be folded.
    /// Durable on return, with every commit before it; not part of a dump.
    fn note(&mut self, name: &str, value: &str) -> Result<(), Error>;

    /// A fact that was noted.
    fn noted(&self, name: &str) -> Result<Option<String>, Error>;

    /// Copies the state to a new file and verifies the copy by opening it and comparing its rows and position. Returns
    /// the digest of its dump. The file appears whole or not at all.
    fn snapshot(&mut self, to: &Path) -> Result<Digest, Error>;

    /// The room left on the disk.
    fn room(&self) -> Room;

    /// Tries to make the reserve whole again, and says what room there is then.
    fn refill(&mut self) -> Result<Room, Error>;

    /// All rows as text: one line each, sorted by table and key. Equal rows, equal dumps.
    fn dump(&self) -> Result<String, Error> {
        let mut out = String::new();
        for table in self.tables() {
            self.load(table, &mut |key, value| {
                crate::dump::line(table, key, value, &mut out);
                Ok(())
            })?;
        }
        Ok(out)
    }

    /// The digest of the dump, made without holding it in memory.
    fn digest(&self) -> Result<Digest, Error> {
        let mut hasher = blake3::Hasher::new();
        let mut line = String::new();
        for table in self.tables() {
            self.load(table, &mut |key, value| {
                line.clear();
                crate::dump::line(table, key, value, &mut line);
                hasher.update(line.as_bytes());
                Ok(())
            })?;
        }
        Ok(Digest(*hasher.finalize().as_bytes()))
    }
}

/// Checks and sorts the names of tables.
pub(crate) fn sorted_tables(tables: &[&'static str]) -> Result<Vec<&'static str>, Error> {
    let mut sorted = tables.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    for table in &sorted {
        let plain = table.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        let begins = table.starts_with(|c: char| c.is_ascii_lowercase());
        if !plain || !begins || table.starts_with("ensue_") || table.starts_with("sqlite_") {
            return Err(Error::Table((*table).into()));
        }
    }
    Ok(sorted)
}

/// The position of a state never goes back.
pub(crate) fn check_forward(last: Option<Position>, next: Option<Position>) -> Result<(), Error> {
    match (last, next) {
        (Some(from), Some(to)) if to < from => Err(Error::Backwards { from, to }),
        (Some(from), None) => Err(Error::Backwards { from, to: Position(0) }),
        _ => Ok(()),
    }
}
