//! Copies of a state: taken, verified, restored.

use std::fs;
use std::path::Path;

use ensue_event::Digest;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::file::{beside, sync_folder};
use super::{Sqlite, fault};
use crate::{Error, State};

/// Copies the state to `to`. The copy is made under another name, opened again, compared, flushed, and only then named.
pub(super) fn take(state: &Sqlite, to: &Path) -> Result<Digest, Error> {
    let unfinished = beside(to, "unfinished");
    remove(&unfinished)?;
    let result = copy(state, &unfinished).and_then(|digest| {
        fs::rename(&unfinished, to).map_err(Error::io("rename", &unfinished))?;
        sync_folder(to)?;
        Ok(digest)
    });
    if result.is_err() {
        // The error that is told is the first one.
        let _ = remove(&unfinished);
    }
    result
}

fn copy(state: &Sqlite, to: &Path) -> Result<Digest, Error> {
    let sqlite = |error| fault(to, error);
    // One view of the file for the digest and for the copy, also while another connection writes.
    let view = state.connection.unchecked_transaction().map_err(|error| fault(&state.path, error))?;
    let (applied, digest) = (state.applied()?, state.digest()?);
    let mut target = Connection::open(to).map_err(sqlite)?;
    {
        let backup = Backup::new(&state.connection, &mut target).map_err(sqlite)?;
        // All pages in one step: a copy that is overtaken by a writer would begin anew.
        match backup.step(-1).map_err(sqlite)? {
            StepResult::Done => {}
            step => return Err(Error::Snapshot { path: to.into(), reason: format!("the copy stopped: {step:?}") }),
        }
    }
    view.finish().map_err(|error| fault(&state.path, error))?;
    // One file, without companions.
    target.pragma_update(None, "journal_mode", "DELETE").map_err(sqlite)?;
    target.close().map_err(|(_, error)| sqlite(error))?;
    fs::File::open(to).and_then(|file| file.sync_all()).map_err(Error::io("sync", to))?;

    let copy = Sqlite {
        path: to.into(),
        tables: state.tables.clone(),
        connection: Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(sqlite)?,
        last: None,
        reserve: None,
    };
    let differs = |reason: String| Error::Snapshot { path: to.into(), reason };
    let verdict: String =
        copy.connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(sqlite)?;
    if verdict != "ok" {
        return Err(differs(verdict));
    }
    if copy.applied()? != applied {
        return Err(differs("another position".into()));
    }
    if copy.digest()? != digest {
        return Err(differs("other rows".into()));
    }
    Ok(digest)
}

/// Puts a snapshot in the place of the state at `to`, which must not be open.
pub fn restore(from: &Path, to: &Path) -> Result<(), Error> {
    let unfinished = beside(to, "unfinished");
    fs::copy(from, &unfinished).map_err(Error::io("copy the snapshot", from))?;
    fs::File::open(&unfinished).and_then(|file| file.sync_all()).map_err(Error::io("sync", &unfinished))?;
    // A write-ahead log of the state that was here would be applied to the snapshot.
    for suffix in ["wal", "shm"] {
        remove(&beside(to, suffix))?;
    }
    fs::rename(&unfinished, to).map_err(Error::io("rename", &unfinished))?;
    sync_folder(to)
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}
