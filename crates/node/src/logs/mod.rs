//! Logs of actions, and what else their tries leave: artifacts.
//!
//! While a try goes on its log grows in `logs/`, and is served from there. When it ends the log becomes part of the
//! record that says so: a short one as text, a longer one as a blob in `outputs/`, durable before the record that names
//! it. What a kill leaves in `logs/` is found at the next start, and a record says which try it belongs to.
//!
//! Bounds: 4 MiB from the beginning of a log and 4 MiB from its end, a line between them that says how much is left out.

mod files;
mod live;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use ensue_connect::Outputs;
use ensue_engine::Outboxed;
use ensue_event::ours::Logged;
use ensue_event::{Digest, Key, Time};
use ensue_log::disk::Disk as _;
use ensue_log::{Blobs, Error as LogError};

use crate::drive::Drive;
use crate::error::Error;
use files::Files;
pub(crate) use live::{Live, Reading, SOON, Whose};

/// A log of so many bytes stands in the record itself.
const SHORT: usize = 4 << 10;

/// All logs that are under way, and the blobs of those that are over.
pub(crate) struct Logs {
    folder: PathBuf,
    drive: Arc<Drive>,
    outputs: Blobs<Drive>,
    live: Mutex<BTreeMap<(Key, u32), Arc<Live>>>,
}

/// A log that a kill has left.
pub(crate) struct Left {
    pub(crate) whose: Whose,
    files: Files,
}

impl Logs {
    /// Opens the folders in the data folder, and what the last stop has left there.
    pub(crate) fn open(drive: Arc<Drive>, data: &Path) -> Result<(Logs, Vec<Left>), Error> {
        let outputs = Blobs::open(Arc::clone(&drive), &data.join("outputs"))?;
        let folder = data.join("logs");
        drive.create_dir(&folder).map_err(Error::io("create", &folder))?;
        let mut left = Vec::new();
        for name in drive.list(&folder).map_err(Error::io("list", &folder))? {
            // `EFFECT.ATTEMPT.BEGAN`, with a further part for the end of a long one.
            if name.matches('.').count() != 2 {
                continue;
            }
            let path = folder.join(&name);
            let opened = Files::open(Arc::clone(&drive), &path).map_err(Error::io("open", &path))?;
            match opened.map(|(files, line)| (files, serde_json::from_str::<Whose>(&line))) {
                Some((files, Ok(whose))) => left.push(Left { whose, files }),
                // Not even its first line was written; a power cut can do that.
                _ => drive.remove(&path).map_err(Error::io("remove", &path))?,
            }
        }
        Ok((Logs { folder, drive, outputs, live: Mutex::default() }, left))
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<(Key, u32), Arc<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A try begins.
    pub(crate) fn begin(&self, row: &Outboxed, began: Time) -> Arc<Live> {
        let (of, effect) = (row.attempt(), &row.effect);
        let path = self.folder.join(format!("{}.{}.{}", of.effect, of.attempt, began.micros()));
        let place = (of.effect, of.attempt);
        let whose = Whose { of, began, correlation: effect.correlation.clone(), depth: effect.depth };
        let (drive, line) = (Arc::clone(&self.drive), serde_json::to_string(&whose).unwrap_or_default());
        let live = Arc::new(Live::new(whose, move || Files::create(Arc::clone(&drive), &path, &line)));
        self.live().insert(place, Arc::clone(&live));
        live
    }

    /// What the record says of a log that is over: nothing where nothing was said.
    pub(crate) async fn close(self: &Arc<Logs>, live: &Arc<Live>) -> Option<Logged> {
        if live.is_short() {
            return self.kept(live.whole());
        }
        // Its blob is made durable.
        let (logs, live) = (Arc::clone(self), Arc::clone(live));
        tokio::task::spawn_blocking(move || logs.kept(live.whole())).await.ok().flatten()
    }

    /// The record is durable.
    pub(crate) fn done(&self, live: &Live) {
        let place = (live.whose.of.effect, live.whose.of.attempt);
        self.live().retain(|at, known| *at != place || known.whose.began != live.whose.began);
        live.end();
    }

    /// The same two for what a kill has left.
    pub(crate) fn found(&self, left: &Left) -> Option<Logged> {
        self.kept(left.files.whole())
    }

    fn kept(&self, whole: std::io::Result<(Vec<u8>, u64)>) -> Option<Logged> {
        let (bytes, cut) = whole.unwrap_or_else(|why| {
            tracing::warn!(%why, "the log of an action cannot be read");
            (format!("the log cannot be read: {why}\n").into_bytes(), 0)
        });
        if bytes.is_empty() {
            return None;
        }
        let size = bytes.len() as u64;
        if bytes.len() <= SHORT
            && let Ok(text) = std::str::from_utf8(&bytes)
        {
            return Some(Logged { size, cut, text: Some(text.to_owned()), digest: None });
        }
        match self.outputs.put(&bytes) {
            Ok(digest) => Some(Logged { size, cut, text: None, digest: Some(digest) }),
            Err(why) => {
                // What it said last is worth most.
                tracing::warn!(%why, "the log of an action cannot be kept; its end stands in the record");
                let end = bytes.get(bytes.len().saturating_sub(SHORT)..).unwrap_or_default();
                let text = String::from_utf8_lossy(end).into_owned();
                let left_out = size - end.len() as u64;
                Some(Logged { size: text.len() as u64, cut: cut + left_out, text: Some(text), digest: None })
            }
        }
    }

    /// Tries of a run that are under way, the oldest first.
    pub(crate) fn of_run(&self, run: Key) -> Vec<Arc<Live>> {
        let mut found: Vec<_> = self.live().values().filter(|live| live.whose.of.run == run).cloned().collect();
        found.sort_by_key(|live| live.whose.began);
        found
    }

    /// What an action has left, by its digest.
    pub(crate) fn output(&self, digest: &Digest) -> Result<Bytes, LogError> {
        self.outputs.get(digest)
    }

    /// The blobs of logs and artifacts.
    pub(crate) fn outputs(&self) -> &Blobs<Drive> {
        &self.outputs
    }
}

impl Outputs for Logs {
    fn put(&self, bytes: &[u8]) -> Result<Digest, String> {
        self.outputs.put(bytes).map_err(|why| why.to_string())
    }

    fn get(&self, digest: &Digest) -> Result<Bytes, String> {
        self.output(digest).map_err(|why| match why {
            LogError::NoBlob { .. } => {
                format!("no run has left anything with the digest {digest}, or retention has taken it")
            }
            why => why.to_string(),
        })
    }
}

impl Left {
    pub(crate) fn remove(&self) {
        self.files.remove();
    }
}
