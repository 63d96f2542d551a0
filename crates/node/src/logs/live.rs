//! The log of a try that is under way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ensue_connect::Sink;
use ensue_event::Time;
use ensue_event::ours::Attempt;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::files::{Files, left_out};

/// So long a log stays in memory: most tries are over by then, and never see a file.
pub(crate) const SOON: Duration = Duration::from_millis(100);
/// So much of it stays in memory.
const SHORT: usize = 16 << 10;

/// Whose log it is: the first line of its file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Whose {
    #[serde(flatten)]
    pub(crate) of: Attempt,
    /// When the try left: another one of the same number, after a crash, has another time.
    pub(crate) began: Time,
    pub(crate) correlation: String,
    pub(crate) depth: u32,
}

/// How far a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    /// How many bytes were said.
    pub(crate) len: u64,
    /// Nothing more will be said.
    pub(crate) over: bool,
}

/// The log of a try that is under way: in memory at first, then a file that grows.
pub(crate) struct Live {
    pub(crate) whose: Whose,
    began: Instant,
    kept: Mutex<Kept>,
    pub(crate) reached: watch::Sender<Reached>,
    make: Box<dyn Fn() -> std::io::Result<Files> + Send + Sync>,
}

struct Kept {
    place: Place,
    /// The last sign of life.
    last: Instant,
}

enum Place {
    Memory(Vec<u8>),
    Files(Files),
    /// It could not be written any further, and why.
    Broken(Option<Files>, String),
}

impl Live {
    pub(super) fn new(whose: Whose, make: impl Fn() -> std::io::Result<Files> + Send + Sync + 'static) -> Live {
        let now = Instant::now();
        let kept = Mutex::new(Kept { place: Place::Memory(Vec::new()), last: now });
        let reached = watch::Sender::new(Reached { len: 0, over: false });
        Live { whose, began: now, kept, reached, make: Box::new(make) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on it is a file, if anything was said.
    pub(crate) fn file(&self) {
        let mut kept = self.kept();
        if let Place::Memory(said) = &kept.place
            && !said.is_empty()
        {
            let made = (self.make)().and_then(|mut files| files.append(said).map(|()| files));
            kept.place = match made {
                Ok(files) => Place::Files(files),
                Err(why) => self.broken(None, &why),
            };
        }
    }

    fn broken(&self, files: Option<Files>, why: &std::io::Error) -> Place {
        tracing::warn!(effect = %self.whose.of.effect, %why, "the log of an action cannot be kept");
        Place::Broken(files, why.to_string())
    }

    /// How long ago it gave the last sign of life.
    pub(crate) fn quiet(&self) -> Duration {
        self.kept().last.elapsed()
    }

    /// At most so many bytes from a place on, and the place where they really begin.
    pub(crate) fn read(&self, from: u64, most: usize) -> std::io::Result<(u64, Vec<u8>)> {
        match &self.kept().place {
            Place::Memory(said) => {
                let rest = usize::try_from(from).ok().and_then(|from| said.get(from..)).unwrap_or_default();
                Ok((from, rest.get(..most).unwrap_or(rest).to_vec()))
            }
            Place::Files(files) | Place::Broken(Some(files), _) => files.read(from, most),
            Place::Broken(None, _) => Ok((from, Vec::new())),
        }
    }

    /// All that is kept, how many bytes are left out, and whether there is a file.
    pub(super) fn whole(&self) -> std::io::Result<(Vec<u8>, u64)> {
        match &self.kept().place {
            Place::Memory(said) => Ok((said.clone(), 0)),
            Place::Files(files) => files.whole(),
            Place::Broken(files, why) => {
                let (mut said, cut) = files.as_ref().map_or(Ok((Vec::new(), 0)), Files::whole)?;
                said.extend_from_slice(format!("\n… the rest could not be kept: {why} …\n").as_bytes());
                Ok((said, cut))
            }
        }
    }

    /// Whether it is all in memory.
    pub(super) fn is_short(&self) -> bool {
        matches!(self.kept().place, Place::Memory(_))
    }

    /// Nobody will ask for it any more: what it is from now on stands in a record.
    pub(super) fn end(&self) {
        self.reached.send_modify(|reached| reached.over = true);
        if let Place::Files(files) | Place::Broken(Some(files), _) = &self.kept().place {
            files.remove();
        }
    }
}

impl Sink for Live {
    fn write(&self, bytes: &[u8]) {
        let mut kept = self.kept();
        kept.last = Instant::now();
        let mut long = false;
        let failed = match &mut kept.place {
            Place::Memory(said) => {
                said.extend_from_slice(bytes);
                long = said.len() > SHORT || self.began.elapsed() > SOON;
                None
            }
            Place::Files(files) => files.append(bytes).err(),
            Place::Broken(..) => return,
        };
        if let Some(why) = failed {
            if let Place::Files(files) = std::mem::replace(&mut kept.place, Place::Memory(Vec::new())) {
                kept.place = self.broken(Some(files), &why);
            }
            return;
        }
        self.reached.send_modify(|reached| reached.len += bytes.len() as u64);
        drop(kept);
        if long {
            self.file();
        }
    }
}

/// The text of a log from a place on, as somebody reads it while it grows: what is gone by then is said.
pub(crate) struct Reading {
    live: Arc<Live>,
    at: u64,
}

impl Reading {
    pub(crate) fn new(live: Arc<Live>) -> Reading {
        Reading { live, at: 0 }
    }

    /// The next bytes; none where there are no more for now.
    pub(crate) fn next(&mut self, most: usize) -> std::io::Result<Vec<u8>> {
        let (from, bytes) = self.live.read(self.at, most)?;
        let mut out = if from > self.at { left_out(from - self.at).into_bytes() } else { Vec::new() };
        self.at = from + bytes.len() as u64;
        out.extend_from_slice(&bytes);
        Ok(out)
    }
}
