//! Copies of the state, named for the last record that they hold: what a start goes on from when the state is lost and
//! the beginning of the log is trimmed.

use std::path::{Path, PathBuf};

use ensue_engine::FOLD;
use ensue_event::{Digest, Position};
use ensue_log::{Agreement, Reader};
use ensue_pump::Pump;
use ensue_state::{Error as StateError, Sqlite, State as _};

use crate::drive::Drive;
use crate::error::Error;

/// The name of the state's file in the data folder.
pub(crate) const STATE: &str = "state.db";
/// How many snapshots are kept.
const KEPT: usize = 2;

/// Where snapshots are.
pub(crate) fn folder(data: &Path) -> PathBuf {
    data.join("snapshots")
}

/// Snapshots with the last record that each holds, the newest first.
pub(crate) fn list(data: &Path) -> Result<Vec<(Position, PathBuf)>, Error> {
    let folder = folder(data);
    let entries = match std::fs::read_dir(&folder) {
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("list", &folder))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io("list", &folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".db"));
        if let Some(position) = name.and_then(|name| name.parse().ok()) {
            found.push((Position(position), path));
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// Takes a snapshot of the state while the fold goes on: the last record that it holds, and the digest of its dump.
/// Nothing where the state has folded nothing yet. Older ones than the newest two go.
pub(crate) fn take(data: &Path) -> Result<Option<(Position, Digest)>, Error> {
    let folder = folder(data);
    std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let new = folder.join("new.db");
    let tables = Pump::<Sqlite>::tables();
    let digest = Sqlite::reader(&data.join(STATE), tables)?.snapshot(&new)?;
    let applied = Sqlite::reader(&new, tables)?.applied()?;
    let Some(position) = applied.and_then(|applied| applied.position) else { return Ok(None) };
    let named = folder.join(format!("{:020}.db", position.0));
    std::fs::rename(&new, &named).map_err(Error::io("rename", &new))?;
    std::fs::File::open(&folder).and_then(|folder| folder.sync_all()).map_err(Error::io("sync", &folder))?;
    for (_, old) in list(data)?.into_iter().skip(KEPT) {
        std::fs::remove_file(&old).map_err(Error::io("remove", &old))?;
    }
    Ok(Some((position, digest)))
}

/// Whether a start can go on from a snapshot: it is of this version of the fold and of this log, and the log goes on
/// where it ends. Else why not.
pub(crate) fn fits(path: &Path, log: &Reader<Drive>) -> Result<(), String> {
    let applied = Sqlite::reader(path, Pump::<Sqlite>::tables()).and_then(|copy| copy.applied());
    let applied = applied.map_err(|why| why.to_string())?.ok_or("it is empty")?;
    let position = applied.position.ok_or("it is empty")?;
    if applied.fold != FOLD {
        return Err(format!("it was made by version {} of the fold; this is version {FOLD}", applied.fold));
    }
    match log.agrees(position, &applied.chain) {
        Agreement::Same => Ok(()),
        Agreement::Ahead => Err("it ends after the log".into()),
        Agreement::Different => Err("it belongs to another log".into()),
        Agreement::Trimmed => Err("it ends before the log begins".into()),
    }
}

/// Removes a state that no other start may take up.
pub(crate) fn remove(state: &Path) -> Result<(), Error> {
    for suffix in ["-wal", "-shm", ""] {
        let mut path = state.as_os_str().to_owned();
        path.push(suffix);
        match std::fs::remove_file(&path) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("remove", path)(why)),
            _ => {}
        }
    }
    Ok(())
}

/// Whether there was no space for it.
pub(crate) fn is_full(error: &Error) -> bool {
    match error {
        Error::State(StateError::Full { .. }) => true,
        Error::Io { source, .. } => source.kind() == std::io::ErrorKind::StorageFull,
        _ => false,
    }
}
