//! What can go wrong with the state, and what to do about it.

use std::path::PathBuf;

use ensue_event::Position;

/// A failure of the state or of its folder.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not what was written. The caller sets it aside and folds the log anew.
    #[error("the state in {path} is corrupt: {reason}; set it aside, it is rebuilt from the log")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The disk is full and so is the reserve. Nothing was changed; the commit may be tried again when there is space.
    #[error("no space left for the state in {path}: free some space; what was acknowledged is in the log")]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Another process works in the folder.
    #[error("{path} is in use by {}: stop that process, or choose another data folder", pid_text(*pid))]
    Locked {
        /// The data folder.
        path: PathBuf,
        /// The process that holds the lock, if it could be read.
        pid: Option<u32>,
    },
    /// The file was written by a newer ensue.
    #[error("the state in {path} has format {found}, this program knows {known}: use a newer ensue, or set it aside")]
    Version {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// A table that was not named when the state was opened, or whose name cannot be one.
    #[error("`{0}` is not a table of this state: name it when opening; names are of a-z, 0-9 and _")]
    Table(String),
    /// A row whose bytes its owner cannot read.
    #[error("the row {key} of table {table} cannot be read: {reason}; set the state aside, it is rebuilt from the log")]
    Row {
        /// The table.
        table: String,
        /// The key, as in a dump.
        key: String,
        /// Why not.
        reason: String,
    },
    /// A commit at a position before the one committed last.
    #[error("a commit at position {to} after one at {from}: the position of a state never goes back")]
    Backwards {
        /// The position committed last.
        from: Position,
        /// The position of the refused commit.
        to: Position,
    },
    /// A snapshot that, when opened again, is not what was to be copied.
    #[error("the snapshot {path} differs from the state it was made of ({reason}); it was removed, try again")]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// How it differs.
        reason: String,
    },
    /// A file operation failed.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried: `create`, `rename`.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("the state in {path}: {source}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

impl Error {
    /// A row that its owner cannot read, for use in [`crate::State::load`].
    pub fn row(table: &str, key: &[u8], reason: impl std::fmt::Display) -> Error {
        Error::Row { table: table.into(), key: crate::dump::text(key), reason: reason.to_string() }
    }

    /// True if the state cannot be used any more and must be rebuilt from the log.
    #[must_use]
    pub fn must_rebuild(&self) -> bool {
        matches!(self, Error::Corrupt { .. } | Error::Row { .. })
    }

    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| match source.kind() {
            std::io::ErrorKind::StorageFull => Error::Full { path },
            _ => Error::Io { what, path, source },
        }
    }
}

fn pid_text(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".into(), |pid| format!("process {pid}"))
}
