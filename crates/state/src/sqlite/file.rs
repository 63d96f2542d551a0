//! The file: opening, its format, its companions, setting it aside.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{corrupt, fault};
use crate::Error;

/// "ensu" in ASCII: tells our files from other SQLite files.
const APPLICATION: i64 = 0x656e_7375;

/// The format of the file itself (the tables named `ensue_`, the checksum), in SQLite's `user_version`.
const FORMAT: i64 = 1;

/// The longest that a reader's transaction may keep the writer from a checkpoint before it is an error.
const BUSY: Duration = Duration::from_secs(5);

/// How long the write-ahead log grows, and stays, in bytes.
const WAL: i64 = 16 << 20;

/// SQLite's page, in bytes.
const PAGE: i64 = 4096;

/// What every file has beside the tables of its owner.
const OWN_TABLES: &str = "
    CREATE TABLE ensue_applied (
        one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER, chain TEXT NOT NULL, fold INTEGER NOT NULL,
        extra TEXT NOT NULL, sum INTEGER NOT NULL
    );
    CREATE TABLE ensue_notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE ensue_syncs (count INTEGER NOT NULL);
    INSERT INTO ensue_syncs VALUES (0);
";

/// Opens the file for its one writer, making what is missing.
pub(super) fn open(path: &Path, tables: &[&'static str]) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|error| fault(path, error))?;
    let version = check(path, &connection)?;
    prepare(&mut connection, version, tables).map_err(|error| fault(path, error))?;
    connection.set_prepared_statement_cache_capacity(tables.len() * 4 + 8);
    Ok(connection)
}

fn prepare(connection: &mut Connection, version: i64, tables: &[&'static str]) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // What one burst made of the write-ahead log does not stay for ever.
    connection.pragma_update(None, "journal_size_limit", WAL)?;
    // Up to that size it is not moved into the file either: rows that change often are moved once for many changes.
    connection.pragma_update(None, "wal_autocheckpoint", WAL / PAGE)?;
    // Runs have random keys and come and go: their pages are to be found in memory, not read again for each (KiB, taken
    // only as it is needed).
    connection.pragma_update(None, "cache_size", -(16 << 10))?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    if version == 0 {
        transaction.execute_batch(OWN_TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
    }
    for table in tables {
        transaction.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS {table} (key BLOB PRIMARY KEY, value BLOB NOT NULL, sum INTEGER NOT NULL) WITHOUT ROWID"
        ))?;
    }
    transaction.commit()
}

/// Opens an existing file for reading only.
pub(super) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| fault(path, error))?;
    connection.busy_timeout(BUSY).map_err(|error| fault(path, error))?;
    match check(path, &connection)? {
        0 => Err(corrupt(path, "it is empty".into())),
        _ => Ok(connection),
    }
}

/// The format of the file: 0 if it is new.
fn check(path: &Path, connection: &Connection) -> Result<i64, Error> {
    let ask = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|error| fault(path, error));
    let application = ask("PRAGMA application_id")?;
    let version = ask("PRAGMA user_version")?;
    let tables = ask("SELECT count(*) FROM sqlite_schema")?;
    match (application, version) {
        (0, 0) if tables == 0 => Ok(0),
        (APPLICATION, 1..=FORMAT) => Ok(version),
        (APPLICATION, found) => Err(Error::Version { path: path.into(), found, known: FORMAT }),
        _ => Err(corrupt(path, "it is a SQLite file, but not one of ensue's".into())),
    }
}

/// The path of a companion: the file's name with a suffix.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push("-");
    name.push(suffix);
    path.with_file_name(name)
}

/// Moves a broken file, and its write-ahead log, out of the way under a name that is free, and returns that name. The
/// file is kept: somebody may want to know what happened to it.
pub fn set_aside(path: &Path) -> Result<PathBuf, Error> {
    let mut count = 1_u32;
    let aside = loop {
        let name = beside(path, &format!("aside-{count}"));
        if !name.exists() && !beside(&name, "wal").exists() {
            break name;
        }
        count += 1;
    };
    // The write-ahead log first: without its file it is nothing, but the file with a foreign one would be another state.
    for suffix in ["wal", "shm"] {
        let from = beside(path, suffix);
        if from.exists() {
            fs::rename(&from, beside(&aside, suffix)).map_err(Error::io("rename", &from))?;
        }
    }
    if path.exists() {
        fs::rename(path, &aside).map_err(Error::io("rename", path))?;
    }
    sync_folder(path)?;
    Ok(aside)
}

/// Makes the names in the file's folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), Error> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io("sync the folder", folder))
}
