//! The state in a SQLite file.
//!
//! WAL with `synchronous = NORMAL`: a commit is one write without a flush, a death of the process loses nothing, a
//! power cut loses at most the newest commits. That is enough, because the log is the durable copy. What must be
//! durable at once ([`State::sync`], [`State::note`]) is committed under `FULL`.
//!
//! Every row carries a CRC32C over its table, key and value: SQLite finds a broken page, but not a flipped bit in a
//! value.

mod file;
mod snapshot;

use std::path::{Path, PathBuf};

use ensue_event::{Digest, Position};
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, ErrorCode, OptionalExtension};

use crate::state::{Each, check_forward, sorted_tables};
use crate::{Applied, Change, Error, Reserve, Room, Row, State};

pub use file::set_aside;
pub use snapshot::restore;

/// The state in a SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    tables: Vec<&'static str>,
    connection: Connection,
    /// What was committed last, so that a commit need not ask.
    last: Option<Position>,
    /// Space for a full disk; a reader has none.
    reserve: Option<Reserve>,
}

impl Sqlite {
    /// Opens the file, makes what is missing of it, and holds a reserve of space beside it.
    ///
    /// [`Error::Corrupt`] if it is not a state of ours or broken: [`set_aside`] it and open a new one;
    /// [`Error::Version`] if a newer ensue wrote it.
    pub fn open(path: &Path, tables: &[&'static str]) -> Result<Sqlite, Error> {
        Sqlite::open_with(path, tables, crate::reserve::SIZE)
    }

    /// As [`Sqlite::open`], with a reserve of so many bytes: tests that open many states need none.
    pub fn open_with(path: &Path, tables: &[&'static str], reserve: u64) -> Result<Sqlite, Error> {
        let tables = sorted_tables(tables)?;
        let connection = file::open(path, &tables)?;
        let reserve = Some(Reserve::hold(&file::beside(path, "reserve"), reserve)?);
        let mut state = Sqlite { path: path.into(), tables, connection, last: None, reserve };
        state.last = state.applied()?.and_then(|applied| applied.position);
        Ok(state)
    }

    /// Opens an existing file for reading, beside the one who writes: each call sees the commits made before it.
    /// Its commits fail. A snapshot may be taken of it without stopping the writer.
    pub fn reader(path: &Path, tables: &[&'static str]) -> Result<Sqlite, Error> {
        let tables = sorted_tables(tables)?;
        let connection = file::open_reader(path)?;
        Ok(Sqlite { path: path.into(), tables, connection, last: None, reserve: None })
    }

    /// Lets the file grow to this many pages and no further: a full disk, for tests.
    pub fn limit_pages(&mut self, pages: u32) -> Result<(), Error> {
        self.connection
            .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
            .map_err(|error| fault(&self.path, error))
    }

    fn known(&self, table: &str) -> Result<&'static str, Error> {
        self.tables.iter().find(|known| **known == table).copied().ok_or_else(|| Error::Table(table.into()))
    }

    fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>, Error> {
        self.connection.prepare_cached(sql).map_err(|error| fault(&self.path, error))
    }

    fn try_commit(&mut self, changes: &[Change], applied: &Applied) -> Result<(), rusqlite::Error> {
        let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let mut at = 0;
        while let Some(first) = changes.get(at) {
            // Neighbours in the same table share their statements.
            let run = changes.iter().skip(at).take_while(|change| change.table == first.table);
            let table = first.table;
            let mut set = transaction
                .prepare_cached(&format!("INSERT OR REPLACE INTO {table} (key, value, sum) VALUES (?, ?, ?)"))?;
            let mut delete = transaction.prepare_cached(&format!("DELETE FROM {table} WHERE key = ?"))?;
            for change in run {
                match &change.value {
                    Some(value) => set.execute((&change.key, value, sum(table, &change.key, value)))?,
                    None => delete.execute((&change.key,))?,
                };
                at += 1;
            }
        }
        let (chain, extra) = (applied.chain.to_string(), applied.extra.to_string());
        let position = applied.position.map(|position| position.0.cast_signed());
        let sum = applied_sum(position, &chain, applied.fold, &extra);
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO ensue_applied (one, position, chain, fold, extra, sum) VALUES (1, ?, ?, ?, ?, ?)",
            )?
            .execute((position, chain, applied.fold, extra, sum))?;
        transaction.commit()
    }

    /// A transaction under `FULL`: it and all commits before it are on the disk afterwards.
    fn try_durably(&mut self, note: Option<(&str, &str)>) -> Result<(), rusqlite::Error> {
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        let done = (|| {
            let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            if let Some(note) = note {
                let sql = "INSERT OR REPLACE INTO ensue_notes (name, value) VALUES (?, ?)";
                transaction.prepare_cached(sql)?.execute(note)?;
            }
            // Writing the same bytes writes nothing, and a commit of nothing flushes nothing: so there is a count.
            transaction.prepare_cached("UPDATE ensue_syncs SET count = count + 1")?.execute([])?;
            transaction.commit()
        })();
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        done
    }

    /// Moves the write-ahead log into the file and gives its space back. Without that a full disk is filled further by
    /// a log that grows because there is no room to empty it. If there is too little room for it, there is more next time.
    fn shrink(&self) {
        let _ = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }

    /// Does it, and where the disk is full does it again with space from the reserve.
    fn with_reserve(&mut self, mut go: impl FnMut(&mut Sqlite) -> Result<(), rusqlite::Error>) -> Result<(), Error> {
        loop {
            match go(self).map_err(|error| fault(&self.path, error)) {
                Err(Error::Full { path }) => {
                    let given = self.reserve.as_mut().map_or(Ok(false), Reserve::give)?;
                    if !given {
                        return Err(Error::Full { path });
                    }
                    self.shrink();
                }
                other => return other,
            }
        }
    }

    /// A row as it was written, or [`Error::Corrupt`].
    fn checked<'row>(&self, table: &str, row: &'row rusqlite::Row<'_>) -> Result<(&'row [u8], &'row [u8]), Error> {
        let bytes = |column| match row.get_ref(column) {
            Ok(ValueRef::Blob(bytes)) => Ok(bytes),
            Ok(other) => Err(corrupt(&self.path, format!("a {} where bytes belong in {table}", other.data_type()))),
            Err(error) => Err(fault(&self.path, error)),
        };
        let (key, value) = (bytes(0)?, bytes(1)?);
        let kept: i64 = row.get(2).map_err(|error| fault(&self.path, error))?;
        if kept != sum(table, key, value) {
            let key = crate::dump::text(key);
            return Err(corrupt(&self.path, format!("the row {key} of table {table} has a wrong checksum")));
        }
        Ok((key, value))
    }
}

impl State for Sqlite {
    fn tables(&self) -> &[&'static str] {
        &self.tables
    }

    fn applied(&self) -> Result<Option<Applied>, Error> {
        let row = self
            .prepare("SELECT position, chain, fold, extra, sum FROM ensue_applied WHERE one = 1")?
            .query_row([], |row| {
                let (position, chain): (Option<i64>, String) = (row.get(0)?, row.get(1)?);
                let (fold, extra, sum): (u32, String, i64) = (row.get(2)?, row.get(3)?, row.get(4)?);
                Ok((position, chain, fold, extra, sum))
            })
            .optional()
            .map_err(|error| fault(&self.path, error))?;
        let Some((position, chain, fold, extra, sum)) = row else { return Ok(None) };
        if sum != applied_sum(position, &chain, fold, &extra) {
            return Err(corrupt(&self.path, "the position has a wrong checksum".into()));
        }
        Ok(Some(Applied {
            position: position.map(|position| Position(position.cast_unsigned())),
            chain: chain.parse().map_err(|error| corrupt(&self.path, format!("the chain of the position: {error}")))?,
            fold,
            extra: serde_json::from_str(&extra)
                .map_err(|error| corrupt(&self.path, format!("what stands beside the position: {error}")))?,
        }))
    }

    fn commit(&mut self, changes: &[Change], applied: &Applied) -> Result<(), Error> {
        for change in changes {
            self.known(change.table)?;
        }
        check_forward(self.last, applied.position)?;
        self.with_reserve(|state| state.try_commit(changes, applied))?;
        self.last = applied.position;
        Ok(())
    }

    fn load(&self, table: &str, each: Each<'_>) -> Result<(), Error> {
        let table = self.known(table)?;
        let mut statement = self.prepare(&format!("SELECT key, value, sum FROM {table} ORDER BY key"))?;
        let mut rows = statement.query([]).map_err(|error| fault(&self.path, error))?;
        while let Some(row) = rows.next().map_err(|error| fault(&self.path, error))? {
            let (key, value) = self.checked(table, row)?;
            each(key, value)?;
        }
        drop(rows);
        // Whoever loads a table holds its rows from here on: the pages are not read again.
        self.connection.execute_batch("PRAGMA shrink_memory").map_err(|error| fault(&self.path, error))
    }

    fn get(&self, table: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let table = self.known(table)?;
        let mut statement = self.prepare(&format!("SELECT key, value, sum FROM {table} WHERE key = ?"))?;
        let mut rows = statement.query([key]).map_err(|error| fault(&self.path, error))?;
        let row = rows.next().map_err(|error| fault(&self.path, error))?;
        row.map(|row| self.checked(table, row).map(|(_, value)| value.to_vec())).transpose()
    }

    fn scan(&self, table: &str, from: &[u8], limit: usize) -> Result<Vec<Row>, Error> {
        let table = self.known(table)?;
        let sql = format!("SELECT key, value, sum FROM {table} WHERE key >= ? ORDER BY key LIMIT ?");
        let mut statement = self.prepare(&sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = statement.query((from, limit)).map_err(|error| fault(&self.path, error))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(|error| fault(&self.path, error))? {
            let (key, value) = self.checked(table, row)?;
            found.push((key.to_vec(), value.to_vec()));
        }
        Ok(found)
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.with_reserve(|state| state.try_durably(None))
    }

    fn note(&mut self, name: &str, value: &str) -> Result<(), Error> {
        self.with_reserve(|state| state.try_durably(Some((name, value))))
    }

    fn noted(&self, name: &str) -> Result<Option<String>, Error> {
        self.prepare("SELECT value FROM ensue_notes WHERE name = ?")?
            .query_row([name], |row| row.get(0))
            .optional()
            .map_err(|error| fault(&self.path, error))
    }

    fn snapshot(&mut self, to: &Path) -> Result<Digest, Error> {
        snapshot::take(self, to)
    }

    fn room(&self) -> Room {
        self.reserve.as_ref().map_or(Room::Ample, Reserve::room)
    }

    fn refill(&mut self) -> Result<Room, Error> {
        if self.room() > Room::Ample {
            self.shrink();
        }
        self.reserve.as_mut().map_or(Ok(Room::Ample), Reserve::refill)
    }
}

/// The checksum of a row: over the table too, so that a row in the wrong place is found.
fn sum(table: &str, key: &[u8], value: &[u8]) -> i64 {
    let head = crc32c::crc32c_append(crc32c::crc32c(table.as_bytes()), &(key.len() as u64).to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(head, key), value).into()
}

/// The checksum of the position and what stands beside it.
fn applied_sum(position: Option<i64>, chain: &str, fold: u32, extra: &str) -> i64 {
    let fixed = format!("{position:?} {chain} {fold}");
    sum("ensue_applied", fixed.as_bytes(), extra.as_bytes())
}

fn corrupt(path: &Path, reason: String) -> Error {
    Error::Corrupt { path: path.into(), reason }
}

/// What SQLite's error means for us.
fn fault(path: &Path, error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Full { path: path.into() },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => corrupt(path, error.to_string()),
        // A column of another type than we ever write: something else wrote it.
        None => match error {
            rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::Utf8Error(..) => corrupt(path, error.to_string()),
            source => Error::Sqlite { path: path.into(), source },
        },
        Some(_) => Error::Sqlite { path: path.into(), source: error },
    }
}
