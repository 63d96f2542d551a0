//! Space kept for a full disk: a file of zeros that is cut shorter when the state must grow and cannot.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::{Error, Room};

/// The size of the state's reserve: enough to record the answers of everything that may be in flight.
pub const SIZE: u64 = 16 << 20;

/// What one full disk takes from the reserve: a few commits' worth, so that half of it is eight warnings away.
const STEP: u64 = 1 << 20;

/// A file that holds space until it is needed.
#[derive(Debug)]
pub struct Reserve {
    path: PathBuf,
    file: File,
    size: u64,
    left: u64,
}

impl Reserve {
    /// Holds `size` bytes in the file, or as many as there are. A disk that is already full is no error: the reserve is
    /// then short, [`Reserve::room`] says so.
    pub fn hold(path: &Path, size: u64) -> Result<Reserve, Error> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(Error::io("open the reserve", path))?;
        let left = file.metadata().map_err(Error::io("read the size of", path))?.len().min(size);
        let mut reserve = Reserve { path: path.into(), file, size, left };
        match reserve.refill() {
            Ok(_) | Err(Error::Full { .. }) => Ok(reserve),
            Err(error) => Err(error),
        }
    }

    /// Gives one step of the space back to the disk. False if nothing is left to give.
    pub fn give(&mut self) -> Result<bool, Error> {
        if self.left == 0 {
            return Ok(false);
        }
        let left = self.left.saturating_sub(STEP);
        self.file.set_len(left).map_err(Error::io("shorten the reserve", &self.path))?;
        self.left = left;
        Ok(true)
    }

    /// Takes space until the reserve is whole again; on a disk with too little, as many steps as there is room for.
    pub fn refill(&mut self) -> Result<Room, Error> {
        // All at once where that is possible, which is nearly always: one flush instead of sixteen.
        let mut step = self.size - self.left;
        while self.left < self.size {
            let Err(source) = self.take(step.min(self.size - self.left)) else {
                self.left += step.min(self.size - self.left);
                continue;
            };
            // What was written of it goes back: a reserve must not be what fills the disk.
            self.file.set_len(self.left).map_err(Error::io("shorten the reserve", &self.path))?;
            match source.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded if step > STEP => step = STEP,
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => break,
                _ => return Err(Error::Io { what: "fill the reserve", path: self.path.clone(), source }),
            }
        }
        Ok(self.room())
    }

    fn take(&mut self, bytes: u64) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start(self.left))?;
        // Written, not only declared: a sparse file holds no space.
        let zeros = vec![0; 1 << 16];
        let mut left = bytes;
        while left > 0 {
            let part = left.min(zeros.len() as u64);
            self.file.write_all(zeros.get(..usize::try_from(part).unwrap_or(0)).unwrap_or_default())?;
            left -= part;
        }
        // Some file systems find out that they are full only here.
        self.file.sync_data()
    }

    /// Bytes still held.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// What room this means.
    #[must_use]
    pub fn room(&self) -> Room {
        if self.left == self.size {
            Room::Ample
        } else if self.left > self.size / 2 {
            Room::Low
        } else {
            Room::Critical
        }
    }
}
