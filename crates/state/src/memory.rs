//! A state in memory: for scenarios, and for the simulator, which also crashes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ensue_event::Digest;

use crate::state::{Each, check_forward, sorted_tables};
use crate::{Applied, Change, Error, Room, Row, State};

/// A state in memory. A clone is a second handle on the same rows: the simulator keeps one, as the disk that stays when
/// the node dies.
#[derive(Clone, Debug)]
pub struct Memory {
    tables: Vec<&'static str>,
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug, Default)]
struct Disk {
    now: Image,
    /// What undoes the commits since the last durable point, oldest first; empty where every commit is durable.
    undo: Vec<Undo>,
    lags: bool,
    full: bool,
    snapshots: BTreeMap<PathBuf, Image>,
}

#[derive(Debug, Default, Clone)]
struct Image {
    rows: BTreeMap<&'static str, BTreeMap<Vec<u8>, Vec<u8>>>,
    applied: Option<Applied>,
    notes: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Undo {
    rows: Vec<Change>,
    applied: Option<Applied>,
}

impl Memory {
    /// An empty state whose every commit is durable.
    pub fn new(tables: &[&'static str]) -> Result<Memory, Error> {
        Memory::with(tables, false)
    }

    /// An empty state as SQLite's is: commits since the last [`State::sync`] or [`State::note`] may be lost in a crash.
    pub fn lagging(tables: &[&'static str]) -> Result<Memory, Error> {
        Memory::with(tables, true)
    }

    fn with(tables: &[&'static str], lags: bool) -> Result<Memory, Error> {
        let tables = sorted_tables(tables)?;
        let disk = Arc::new(Mutex::new(Disk { lags, ..Disk::default() }));
        Ok(Memory { tables, disk })
    }

    /// How many commits a power cut could lose now.
    #[must_use]
    pub fn at_risk(&self) -> usize {
        self.disk().undo.len()
    }

    /// A power cut that keeps the first `keep` of the commits at risk and loses the others; what is left is durable.
    pub fn crash(&self, keep: usize) {
        let disk = &mut *self.disk();
        while disk.undo.len() > keep {
            let Some(undo) = disk.undo.pop() else { break };
            for change in undo.rows.into_iter().rev() {
                disk.now.set(change);
            }
            disk.now.applied = undo.applied;
        }
        disk.undo.clear();
    }

    /// While true, every commit is refused with [`Error::Full`].
    pub fn set_full(&self, full: bool) {
        self.disk().full = full;
    }

    /// Loses everything, as when a broken file is set aside.
    pub fn set_aside(&self) {
        let disk = &mut *self.disk();
        disk.now = Image::default();
        disk.undo.clear();
    }

    /// Goes back to a snapshot; [`Error::Io`] if there is none of that name.
    pub fn restore(&self, from: &Path) -> Result<(), Error> {
        let disk = &mut *self.disk();
        let image = disk.snapshots.get(from).cloned().ok_or_else(|| Error::Io {
            what: "restore the snapshot",
            path: from.into(),
            source: std::io::ErrorKind::NotFound.into(),
        })?;
        disk.now = image;
        disk.undo.clear();
        Ok(())
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        // A panic while it is held cannot leave half a commit that matters: whoever panicked is being crashed.
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, table: &str) -> Result<&'static str, Error> {
        self.tables.iter().find(|known| **known == table).copied().ok_or_else(|| Error::Table(table.into()))
    }
}

impl Image {
    fn set(&mut self, change: Change) -> Option<Vec<u8>> {
        let rows = self.rows.entry(change.table).or_default();
        match change.value {
            Some(value) => rows.insert(change.key, value),
            None => rows.remove(&change.key),
        }
    }
}

impl State for Memory {
    fn tables(&self) -> &[&'static str] {
        &self.tables
    }

    fn applied(&self) -> Result<Option<Applied>, Error> {
        Ok(self.disk().now.applied.clone())
    }

    fn commit(&mut self, changes: &[Change], applied: &Applied) -> Result<(), Error> {
        for change in changes {
            self.known(change.table)?;
        }
        let disk = &mut *self.disk();
        check_forward(disk.now.applied.as_ref().and_then(|last| last.position), applied.position)?;
        if disk.full {
            return Err(Error::Full { path: "memory".into() });
        }
        let mut undo = Undo { rows: Vec::new(), applied: disk.now.applied.replace(applied.clone()) };
        for change in changes {
            let before = disk.now.set(change.clone());
            if disk.lags {
                undo.rows.push(Change { table: change.table, key: change.key.clone(), value: before });
            }
        }
        if disk.lags {
            disk.undo.push(undo);
        }
        Ok(())
    }

    fn load(&self, table: &str, each: Each<'_>) -> Result<(), Error> {
        self.known(table)?;
        let disk = self.disk();
        disk.now.rows.get(table).into_iter().flatten().try_for_each(|(key, value)| each(key, value))
    }

    fn get(&self, table: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.known(table)?;
        Ok(self.disk().now.rows.get(table).and_then(|rows| rows.get(key)).cloned())
    }

    fn scan(&self, table: &str, from: &[u8], limit: usize) -> Result<Vec<Row>, Error> {
        self.known(table)?;
        let disk = self.disk();
        let rows = disk.now.rows.get(table).into_iter().flat_map(|rows| rows.range(from.to_vec()..));
        Ok(rows.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.disk().undo.clear();
        Ok(())
    }

    fn note(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let disk = &mut *self.disk();
        disk.now.notes.insert(name.into(), value.into());
        disk.undo.clear();
        Ok(())
    }

    fn noted(&self, name: &str) -> Result<Option<String>, Error> {
        Ok(self.disk().now.notes.get(name).cloned())
    }

    fn snapshot(&mut self, to: &Path) -> Result<Digest, Error> {
        let digest = self.digest()?;
        let disk = &mut *self.disk();
        disk.snapshots.insert(to.into(), disk.now.clone());
        Ok(digest)
    }

    fn room(&self) -> Room {
        if self.disk().full { Room::Critical } else { Room::Ample }
    }

    fn refill(&mut self) -> Result<Room, Error> {
        Ok(self.room())
    }
}
