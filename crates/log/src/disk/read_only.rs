//! The disk of this machine, on which nothing is ever changed.

use std::fs::File;
use std::io;
use std::path::Path;

use ensue_event::Time;

use super::{Disk, RealDisk};

/// The disk of this machine, read only: a log can be opened through it while another process writes it.
///
/// It is a full disk: nothing can be created. What a start would cut, rename or remove stays as it is, and only the
/// reader goes by it: bytes of an append that is under way are a torn tail that is left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadOnly;

impl Disk for ReadOnly {
    type File = File;

    fn create(&self, _: &Path) -> io::Result<File> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    fn read_at(&self, file: &File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        RealDisk.read_at(file, offset, into)
    }

    fn write_at(&self, _: &File, _: u64, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn len(&self, file: &File) -> io::Result<u64> {
        RealDisk.len(file)
    }

    fn set_len(&self, _: &File, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn preallocate(&self, _: &File, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync_data(&self, _: &File) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(folder)
    }

    fn modified(&self, path: &Path) -> io::Result<Time> {
        RealDisk.modified(path)
    }

    fn free(&self, _: &Path) -> io::Result<u64> {
        Ok(0)
    }
}
