//! What can go wrong with the log, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use ensue_event::{Position, Time};

/// Why the log did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No space is left: nothing was appended, the log goes on as soon as there is space.
    #[error("the disk under {} is full: nothing was appended; free space there, or trim the log", path.display())]
    Full {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// A sync failed earlier: nobody knows what is on the disk until the log is opened again.
    #[error("the log takes nothing more since {why}; check the disk, then restart: the log recovers when it is opened")]
    Poisoned {
        /// What failed, at which file.
        why: String,
    },
    /// A record, or a batch, that is larger than the log keeps.
    #[error("a record of {size} bytes is larger than the {limit} that the log keeps: put its data in a blob")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The append time lies before the last one.
    #[error("the time {at} lies before that of the last record, {last}: the caller must keep time from going back")]
    Backwards {
        /// The time given.
        at: Time,
        /// The time of the last record.
        last: Time,
    },
    /// The position was trimmed.
    #[error("position {position} was trimmed: the log begins at {first}")]
    Trimmed {
        /// The position asked for.
        position: Position,
        /// The first record that is still there.
        first: Position,
    },
    /// The position does not exist yet.
    #[error("position {position} is not in the log, which ends at {end}")]
    Beyond {
        /// The position asked for.
        position: Position,
        /// The position that the next record will get.
        end: Position,
    },
    /// Stored bytes are not what was written.
    #[error("{} is damaged at byte {offset}: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in the file, in bytes from its beginning.
        offset: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// A blob is not there.
    #[error("the blob {} is missing", path.display())]
    NoBlob {
        /// Where it should be.
        path: PathBuf,
    },
    /// A file call failed.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: names the call and the file; a full disk becomes [`Error::Full`].
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |source| {
            if crate::disk::is_full(&source) {
                Error::Full { path: path.to_path_buf() }
            } else {
                Error::Io { what, path: path.to_path_buf(), source }
            }
        }
    }
}
