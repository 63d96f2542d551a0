//! Space set aside for what must not stand still when the disk is full.
//!
//! It is a file without content whose blocks are allocated. When an urgent append finds no space, the file becomes the
//! next segment. Until there is space to set aside again, everything else is refused: so nobody but the urgent eats it.

use std::path::Path;
use std::sync::Arc;

use crate::Error;
use crate::disk::{Disk, is_full};

const NAME: &str = "reserve";

pub(crate) struct Reserve<D: Disk> {
    bytes: u64,
    /// The file, while it is whole.
    file: Option<D::File>,
    /// How many bytes were appended since it was whole; all of it where a start finds it used.
    used: u64,
}

impl<D: Disk> Reserve<D> {
    /// Finds the reserve, or sets it aside; on a full disk there is none.
    pub(crate) fn open(disk: &Arc<D>, folder: &Path, bytes: u64) -> Result<Reserve<D>, Error> {
        let mut reserve = Reserve { bytes, file: None, used: bytes };
        let path = folder.join(NAME);
        if bytes > 0
            && let Ok(file) = disk.open(&path)
        {
            match disk.preallocate(&file, bytes) {
                Ok(()) => reserve.file = Some(file),
                Err(error) if is_full(&error) => {
                    drop(file);
                    disk.remove(&path).map_err(Error::io("remove", &path))?;
                }
                Err(error) => return Err(Error::io("set space aside in", &path)(error)),
            }
        }
        reserve.refill(disk, folder)?;
        Ok(reserve)
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.bytes == 0 || self.file.is_some()
    }

    /// Sets the space aside again where it was used. Whether it is whole now.
    pub(crate) fn refill(&mut self, disk: &Arc<D>, folder: &Path) -> Result<bool, Error> {
        if self.is_whole() {
            return Ok(true);
        }
        let path = folder.join(NAME);
        let file = match disk.create(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                disk.open(&path).map_err(Error::io("open", &path))?
            }
            Err(error) if is_full(&error) => return Ok(false),
            created => created.map_err(Error::io("create", &path))?,
        };
        match disk.preallocate(&file, self.bytes) {
            Ok(()) => {
                self.file = Some(file);
                Ok(true)
            }
            Err(error) => {
                drop(file);
                disk.remove(&path).map_err(Error::io("remove", &path))?;
                if is_full(&error) { Ok(false) } else { Err(Error::io("set space aside in", &path)(error)) }
            }
        }
    }

    /// Gives the space back for a moment, so that a trim or a purge can do its work on a full disk. Whether there was any.
    pub(crate) fn release(&mut self, disk: &Arc<D>, folder: &Path) -> Result<bool, Error> {
        if self.file.take().is_none() {
            return Ok(false);
        }
        let path = folder.join(NAME);
        disk.remove(&path).map_err(Error::io("remove", &path))?;
        Ok(true)
    }

    /// Makes the reserve the segment at this path, durably.
    pub(crate) fn take(&mut self, disk: &Arc<D>, folder: &Path, to: &Path) -> Result<D::File, Error> {
        let file = self.file.take().ok_or_else(|| Error::Full { path: to.to_path_buf() })?;
        disk.rename(&folder.join(NAME), to).map_err(Error::io("rename the reserve to", to))?;
        disk.sync_dir(folder).map_err(|source| Error::Io { what: "sync", path: folder.to_path_buf(), source })?;
        self.used = 0;
        Ok(file)
    }

    /// Counts what is appended while it is not whole.
    pub(crate) fn note(&mut self, bytes: u64) {
        self.used = self.used.saturating_add(bytes);
    }

    /// How much of it is used, from 0 to 1.
    pub(crate) fn used(&self) -> f64 {
        if self.is_whole() {
            return 0.0;
        }
        let thousandths = self.used.min(self.bytes).saturating_mul(1000) / self.bytes.max(1);
        f64::from(u32::try_from(thousandths).unwrap_or(1000)) / 1000.0
    }
}
