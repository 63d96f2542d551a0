//! One process per data folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::Error;

/// The name of the file in the data folder; it holds the process id of the one that has the lock.
const NAME: &str = "LOCK";

/// The lock of a data folder, held until it is dropped. The system releases it when the process dies, however it dies.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock of the folder, which must exist. [`Error::Locked`], with the process, if another one has it.
    pub fn take(folder: &Path) -> Result<Lock, Error> {
        let path = folder.join(NAME);
        // Not truncated here: until the lock is ours, the process id in it is another's.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io("open the lock file", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(Error::Locked { path: folder.into(), pid });
            }
            Err(TryLockError::Error(source)) => {
                return Err(Error::Io { what: "lock", path, source });
            }
        }
        let mut lock = Lock { file };
        // A disk without room for the process id is no reason not to start: the lock itself needs no space.
        let _ = lock.write_pid();
        Ok(lock)
    }

    fn write_pid(&mut self) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        writeln!(self.file, "{}", std::process::id())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The file stays: removing it would let two processes lock two files of the same name.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}
