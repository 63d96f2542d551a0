//! A disk in memory that loses power, fails and fills up: the model that the log is tested against.
//!
//! Power loss ([`FaultDisk::crash`]): for each file, any subset of what was written since the last `fdatasync` is kept,
//! in sectors of 512 bytes, in any order; its length is any one that it has had since; for each folder, any subset of
//! the names made, changed and removed since its last sync is kept. A failed `fdatasync` keeps some of the bytes and
//! calls all of them clean, as Linux does: reads go on to show them, a later sync does not save them.
//!
//! Failures ([`FaultDisk::fail`]): the N-th call answers EIO, ENOSPC (after half of a write), or writes half.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ensue_event::Time;

use super::Disk;
use super::media::{Change, NameOp, Node, Rng};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// EIO; a failed sync loses what it was to save.
    Eio,
    /// ENOSPC; a write writes half before it.
    Enospc,
    /// A write writes half and says so, a read reads half; other calls are well.
    Short,
}

/// A disk in memory with faults. Clones share it.
#[derive(Clone, Default)]
pub struct FaultDisk {
    inner: Arc<Mutex<Inner>>,
}

/// A file of a [`FaultDisk`]; dead after a crash.
#[derive(Clone, Copy, Debug)]
pub struct FaultFile {
    node: usize,
    boot: u64,
}

#[derive(Default)]
struct Inner {
    nodes: Vec<Node>,
    /// The names as the process sees them.
    names: BTreeMap<PathBuf, usize>,
    /// The names as the disk has them.
    durable: BTreeMap<PathBuf, usize>,
    pending: Vec<NameOp>,
    boot: u64,
    calls: u64,
    fail_at: Option<(u64, Fault)>,
    capacity: Option<u64>,
    delay: Duration,
    now: Time,
    syncs: u64,
    cut_at: Option<u64>,
}

impl FaultDisk {
    /// An empty disk without faults and without bounds.
    #[must_use]
    pub fn new() -> FaultDisk {
        FaultDisk::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Power is lost and comes back: files that were open are dead, what was not durable is kept in part.
    pub fn crash(&self, seed: u64) {
        let mut rng = Rng(seed);
        let inner = &mut *self.lock();
        inner.boot += 1;
        inner.fail_at = None;
        inner.cut_at = None;
        let odds = rng.below(5);
        for op in std::mem::take(&mut inner.pending) {
            if rng.below(4) < odds {
                op.apply(&mut inner.durable);
            }
        }
        inner.names = inner.durable.clone();
        for node in &mut inner.nodes {
            node.tear(&mut rng);
            node.seen = node.kept.clone();
            node.space = node.space.min(node.seen.len() as u64);
        }
    }

    /// The process is killed: files that were open are dead, but the system still has what was written.
    pub fn kill(&self) {
        let mut inner = self.lock();
        inner.boot += 1;
        inner.fail_at = None;
        inner.cut_at = None;
    }

    /// The `n`-th call from now on (from 1) fails.
    pub fn fail(&self, n: u64, fault: Fault) {
        let mut inner = self.lock();
        inner.fail_at = Some((inner.calls + n, fault));
    }

    /// After `n` more calls every call fails, as when power is lost in the middle of something: [`FaultDisk::crash`]
    /// follows.
    pub fn stop_after(&self, n: u64) {
        let mut inner = self.lock();
        inner.cut_at = Some(inner.calls + n);
    }

    /// No call fails any more.
    pub fn heal(&self) {
        let mut inner = self.lock();
        inner.fail_at = None;
        inner.cut_at = None;
    }

    /// How many calls there have been.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// How many times data was synced.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Bounds the space for the content of files, or frees it.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity = bytes;
    }

    /// Whether the space is bounded.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.lock().capacity.is_some()
    }

    /// How many bytes files hold or have set aside.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.lock().used()
    }

    /// How long a sync of data takes.
    pub fn set_sync_delay(&self, delay: Duration) {
        self.lock().delay = delay;
    }

    /// The time that files get when they are written.
    pub fn set_now(&self, now: Time) {
        self.lock().now = now;
    }

    /// The bytes of a file as a process sees them.
    #[must_use]
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let inner = self.lock();
        inner.names.get(path).and_then(|node| inner.nodes.get(*node)).map(|node| node.seen.clone())
    }

    /// Puts these bytes in a file, durably, past all faults: what bit rot or a person would do.
    pub fn plant(&self, path: &Path, bytes: Vec<u8>) {
        let inner = &mut *self.lock();
        let node = match inner.names.get(path) {
            Some(node) => *node,
            None => {
                inner.nodes.push(Node::default());
                inner.nodes.len() - 1
            }
        };
        inner.names.insert(path.to_path_buf(), node);
        inner.durable.insert(path.to_path_buf(), node);
        let now = inner.now;
        if let Some(node) = inner.nodes.get_mut(node) {
            *node = Node { seen: bytes.clone(), kept: bytes, pending: Vec::new(), space: 0, modified: now };
        }
    }

    /// Removes a file, durably, past all faults.
    pub fn lose(&self, path: &Path) {
        let inner = &mut *self.lock();
        inner.names.remove(path);
        inner.durable.remove(path);
    }

    /// All files that a process sees, sorted.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        self.lock().names.keys().cloned().collect()
    }
}

fn no_space() -> io::Error {
    io::Error::from(io::ErrorKind::StorageFull)
}

fn eio() -> io::Error {
    io::Error::other("input/output error (injected)")
}

impl Inner {
    /// Counts a call and says how it is to fail.
    fn call(&mut self) -> io::Result<Option<Fault>> {
        self.calls += 1;
        if self.cut_at.is_some_and(|at| self.calls > at) {
            return Err(eio());
        }
        match self.fail_at {
            Some((at, fault)) if at == self.calls => {
                self.fail_at = None;
                Ok(Some(fault))
            }
            _ => Ok(None),
        }
    }

    /// A call that does all or nothing.
    fn whole(&mut self) -> io::Result<()> {
        match self.call()? {
            None | Some(Fault::Short) => Ok(()),
            Some(Fault::Eio) => Err(eio()),
            Some(Fault::Enospc) => Err(no_space()),
        }
    }

    fn used(&self) -> u64 {
        self.names.values().filter_map(|node| self.nodes.get(*node)).map(Node::size).sum()
    }

    fn node(&mut self, file: &FaultFile) -> io::Result<&mut Node> {
        if file.boot != self.boot {
            return Err(io::Error::other("the file was open before the crash"));
        }
        self.nodes.get_mut(file.node).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// How many bytes this file may still grow to.
    fn room(&self, node: usize) -> u64 {
        let size = self.nodes.get(node).map_or(0, Node::size);
        self.capacity.map_or(u64::MAX, |capacity| size + capacity.saturating_sub(self.used()))
    }
}

impl Disk for FaultDisk {
    type File = FaultFile;

    fn create(&self, path: &Path) -> io::Result<FaultFile> {
        let inner = &mut *self.lock();
        inner.whole()?;
        if inner.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let modified = inner.now;
        inner.nodes.push(Node { modified, ..Node::default() });
        let node = inner.nodes.len() - 1;
        let op = NameOp::Create(path.to_path_buf(), node);
        op.apply(&mut inner.names);
        inner.pending.push(op);
        Ok(FaultFile { node, boot: inner.boot })
    }

    fn open(&self, path: &Path) -> io::Result<FaultFile> {
        let mut inner = self.lock();
        inner.whole()?;
        Ok(FaultFile { node: inner.find(path)?, boot: inner.boot })
    }

    fn read_at(&self, file: &FaultFile, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut inner = self.lock();
        let fault = inner.call()?;
        let wanted = match fault {
            Some(Fault::Eio) => return Err(eio()),
            Some(Fault::Short) => into.len().div_ceil(2),
            _ => into.len(),
        };
        let node = inner.node(file)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let available = node.seen.get(start..).unwrap_or_default();
        let count = available.len().min(wanted);
        if let (Some(target), Some(source)) = (into.get_mut(..count), available.get(..count)) {
            target.copy_from_slice(source);
        }
        Ok(count)
    }

    fn write_at(&self, file: &FaultFile, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let inner = &mut *self.lock();
        let fault = inner.call()?;
        inner.node(file)?;
        if fault == Some(Fault::Eio) {
            return Err(eio());
        }
        let room = inner.room(file.node).saturating_sub(offset);
        let mut count = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        if fault.is_some() {
            count = count.min(bytes.len() / 2);
        }
        let full = count < bytes.len() && fault != Some(Fault::Short);
        let modified = inner.now;
        let node = inner.node(file)?;
        if count > 0 {
            let start = usize::try_from(offset).map_err(|_| no_space())?;
            let change = Change::Write(start, bytes.get(..count).unwrap_or_default().to_vec());
            change.apply(&mut node.seen);
            node.pending.push(change);
            node.modified = modified;
        }
        // A real disk says so in the next write; that the bytes before it stay is what matters.
        if full && (fault.is_some() || count == 0) { Err(no_space()) } else { Ok(count) }
    }

    fn len(&self, file: &FaultFile) -> io::Result<u64> {
        let mut inner = self.lock();
        inner.whole()?;
        Ok(inner.node(file)?.seen.len() as u64)
    }

    fn set_len(&self, file: &FaultFile, len: u64) -> io::Result<()> {
        let mut inner = self.lock();
        inner.whole()?;
        let node = inner.node(file)?;
        let change = Change::Len(usize::try_from(len).map_err(|_| no_space())?);
        change.apply(&mut node.seen);
        node.pending.push(change);
        node.space = node.space.min(len);
        Ok(())
    }

    fn preallocate(&self, file: &FaultFile, len: u64) -> io::Result<()> {
        let mut inner = self.lock();
        inner.whole()?;
        inner.node(file)?;
        if inner.room(file.node) < len {
            return Err(no_space());
        }
        let node = inner.node(file)?;
        node.space = node.space.max(len);
        Ok(())
    }

    fn sync_data(&self, file: &FaultFile) -> io::Result<()> {
        let mut inner = self.lock();
        let delay = inner.delay;
        let fault = inner.call()?;
        let seed = inner.calls;
        inner.syncs += 1;
        let node = inner.node(file)?;
        if matches!(fault, Some(Fault::Eio | Fault::Enospc)) {
            node.tear(&mut Rng(seed));
            return Err(if fault == Some(Fault::Eio) { eio() } else { no_space() });
        }
        for change in std::mem::take(&mut node.pending) {
            change.apply(&mut node.kept);
        }
        drop(inner);
        if !delay.is_zero() {
            std::thread::sleep(delay);
        }
        Ok(())
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        let inner = &mut *self.lock();
        inner.whole()?;
        for op in std::mem::take(&mut inner.pending) {
            if op.folder() == Some(folder) {
                op.apply(&mut inner.durable);
            } else {
                inner.pending.push(op);
            }
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let inner = &mut *self.lock();
        inner.whole()?;
        let node = inner.find(from)?;
        let op = NameOp::Rename(from.to_path_buf(), to.to_path_buf(), node);
        op.apply(&mut inner.names);
        inner.pending.push(op);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let inner = &mut *self.lock();
        inner.whole()?;
        inner.find(path)?;
        let op = NameOp::Remove(path.to_path_buf());
        op.apply(&mut inner.names);
        inner.pending.push(op);
        Ok(())
    }

    fn create_dir(&self, _folder: &Path) -> io::Result<()> {
        self.lock().whole()
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut inner = self.lock();
        inner.whole()?;
        let mut names: Vec<String> = Vec::new();
        for path in inner.names.keys() {
            let Ok(rest) = path.strip_prefix(folder) else { continue };
            if let Some(name) = rest.iter().next().and_then(|name| name.to_str())
                && names.last().is_none_or(|last| last != name)
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn modified(&self, path: &Path) -> io::Result<Time> {
        let mut inner = self.lock();
        inner.whole()?;
        let node = inner.find(path)?;
        Ok(inner.nodes.get(node).map_or(Time::MIN, |node| node.modified))
    }

    fn free(&self, _folder: &Path) -> io::Result<u64> {
        let mut inner = self.lock();
        inner.whole()?;
        Ok(inner.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(inner.used())))
    }
}
