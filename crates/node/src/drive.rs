//! The disk of the machine, with a place for tests and benchmarks to slow it down or let it fail.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use ensue_event::Time;
use ensue_log::disk::{Disk, RealDisk};

/// A call that is about to be made for the log or its blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskCall {
    /// So many bytes are written.
    Write(usize),
    /// Space is set aside.
    Reserve(u64),
    /// A file is made durable.
    Sync,
}

/// Called before each of these calls; an error is what the call gives then.
pub type DiskHook = Arc<dyn Fn(DiskCall) -> io::Result<()> + Send + Sync>;

/// The disk.
#[derive(Clone, Default)]
pub(crate) struct Drive {
    hook: Option<DiskHook>,
}

impl Drive {
    pub(crate) fn new(hook: Option<DiskHook>) -> Drive {
        Drive { hook }
    }

    fn about_to(&self, call: DiskCall) -> io::Result<()> {
        self.hook.as_ref().map_or(Ok(()), |hook| hook(call))
    }
}

impl Disk for Drive {
    type File = File;

    fn create(&self, path: &Path) -> io::Result<File> {
        RealDisk.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        RealDisk.open(path)
    }

    fn read_at(&self, file: &File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        RealDisk.read_at(file, offset, into)
    }

    fn write_at(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.about_to(DiskCall::Write(bytes.len()))?;
        RealDisk.write_at(file, offset, bytes)
    }

    fn len(&self, file: &File) -> io::Result<u64> {
        RealDisk.len(file)
    }

    fn set_len(&self, file: &File, len: u64) -> io::Result<()> {
        RealDisk.set_len(file, len)
    }

    fn preallocate(&self, file: &File, len: u64) -> io::Result<()> {
        self.about_to(DiskCall::Reserve(len))?;
        RealDisk.preallocate(file, len)
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        self.about_to(DiskCall::Sync)?;
        RealDisk.sync_data(file)
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        RealDisk.sync_dir(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        RealDisk.create_dir(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(folder)
    }

    fn modified(&self, path: &Path) -> io::Result<Time> {
        RealDisk.modified(path)
    }

    fn free(&self, folder: &Path) -> io::Result<u64> {
        RealDisk.free(folder)
    }
}
