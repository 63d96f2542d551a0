//! All file calls of this crate, behind one trait, so that tests can tear, lose, reorder and fail them.
//!
//! What an implementation promises is what Linux file systems do, and no more: a write may be short; what was written
//! is durable only after [`Disk::sync_data`] returned; a file's name is durable only after [`Disk::sync_dir`] of its
//! folder returned; a rename is atomic.

mod fault;
mod media;
mod read_only;
mod real;

use std::io;
use std::path::Path;

use ensue_event::Time;

pub use fault::{Fault, FaultDisk};
pub use media::Rng;
pub use read_only::ReadOnly;
pub use real::RealDisk;

/// The file calls that the log makes.
pub trait Disk: Send + Sync + 'static {
    /// An open file.
    type File: Send + Sync + 'static;

    /// Creates a file that must not exist yet, for reading and writing.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Self::File>;
    /// Reads at an offset; fewer bytes than asked for where the file ends or as the system likes, 0 at the end.
    fn read_at(&self, file: &Self::File, offset: u64, into: &mut [u8]) -> io::Result<usize>;
    /// Writes at an offset; the number of bytes written may be smaller than asked for.
    fn write_at(&self, file: &Self::File, offset: u64, bytes: &[u8]) -> io::Result<usize>;
    /// The length of a file in bytes.
    fn len(&self, file: &Self::File) -> io::Result<u64>;
    /// Cuts a file, or lengthens it with zeros.
    fn set_len(&self, file: &Self::File, len: u64) -> io::Result<()>;
    /// Sets `len` bytes of space aside for a file without changing its length. Where the system has no such call it
    /// does nothing.
    fn preallocate(&self, file: &Self::File, len: u64) -> io::Result<()>;
    /// `fdatasync`: what was written to the file is durable when it returns.
    fn sync_data(&self, file: &Self::File) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, folder: &Path) -> io::Result<()>;
    /// Renames a file, in place of another one if there is one.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Creates a folder and those above it; well if it exists.
    fn create_dir(&self, folder: &Path) -> io::Result<()>;
    /// The names of the files and folders in a folder, sorted.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// When a file was last written.
    fn modified(&self, path: &Path) -> io::Result<Time>;
    /// How many bytes are free for us on the file system of this folder.
    fn free(&self, folder: &Path) -> io::Result<u64>;
}

/// Writes all of `bytes`, going on after short and interrupted writes.
pub fn write_all<D: Disk>(disk: &D, file: &D::File, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match disk.write_at(file, offset, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes = bytes.get(count..).unwrap_or_default();
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads up to `len` bytes; fewer only where the file ends.
pub fn read_up_to<D: Disk>(disk: &D, file: &D::File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut out = vec![0; len];
    let mut done = 0;
    while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match disk.read_at(file, offset + done as u64, rest) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    out.truncate(done);
    Ok(out)
}

/// Reads a whole file.
pub fn read_whole<D: Disk>(disk: &D, file: &D::File) -> io::Result<Vec<u8>> {
    let len = usize::try_from(disk.len(file)?).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    read_up_to(disk, file, 0, len)
}

/// Makes the name of a folder itself durable.
pub(crate) fn sync_parent<D: Disk>(disk: &D, folder: &Path) -> io::Result<()> {
    match folder.parent() {
        Some(parent) if parent.as_os_str().is_empty() => disk.sync_dir(Path::new(".")),
        Some(parent) => disk.sync_dir(parent),
        None => Ok(()),
    }
}

/// Whether an error says that no space is left.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Gives a file its content in one step: a temporary file beside it, made durable, then renamed, then the folder made
/// durable. Either the old content is there afterwards, or the new one.
pub fn replace<D: Disk>(disk: &D, folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = folder.join(format!("{name}.tmp"));
    let written = disk.create(&temporary).or_else(|error| {
        if error.kind() != io::ErrorKind::AlreadyExists {
            return Err(error);
        }
        disk.remove(&temporary)?;
        disk.create(&temporary)
    });
    let written = written.and_then(|file| {
        write_all(disk, &file, 0, bytes)?;
        disk.sync_data(&file)?;
        disk.rename(&temporary, &folder.join(name))?;
        disk.sync_dir(folder)
    });
    if written.is_err() {
        // Best effort: what is left under this name is removed at the next start.
        let _ = disk.remove(&temporary);
    }
    written
}
