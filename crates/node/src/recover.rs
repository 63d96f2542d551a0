//! A start, up to the moment at which the loop goes live: fold first, act afterwards.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use ensue_engine::FOLD;
use ensue_event::ours::{ActionStopped, ConfigApplied, NodeStarted, Ours, Stopped};
use ensue_event::{Digest, Key, Position};
use ensue_log::{Blobs, By, Draft, FileLog, Log, Reader};
use ensue_pump::{LogPast, Outgoing, Pump, Start, pump, start};
use ensue_state::{Lock, Sqlite, State};

use crate::clock::Clock;
use crate::config::{self, Applied};
use crate::drive::Drive;
use crate::error::Error;
use crate::folder::one;
use crate::logs::{Left, Logs, Whose};
use crate::options::{Configured, FoldHook, Options};
use crate::reload;
use crate::snapshot::{self, STATE};

/// How many quarantined records a start passes by at most; more than these are no longer single bad records.
const ASIDE: usize = 100_000;
/// Records read at once.
const CHUNK: usize = 1_000;
/// Bytes read at once.
const CHUNK_BYTES: usize = 8 << 20;

/// Everything that a start has opened, folded to the end of the log, and ready to go live.
pub(crate) struct Recovered {
    pub(crate) lock: Lock,
    pub(crate) log: FileLog<Drive>,
    pub(crate) blobs: Blobs<Drive>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) pump: Pump<Sqlite>,
}

/// Opens the data folder, folds the log to its end, says what has happened, and applies the configuration.
pub(crate) fn recover(options: &Options) -> Result<Recovered, Error> {
    let data = &options.data;
    create(data).map_err(Error::io("create", data))?;
    let lock = Lock::take(data)?;
    // A wrong configuration stops a start before anything is changed.
    let wanted = config::wanted(&options.config)?;
    let path = data.join(STATE);
    let store = open_state(&path)?;
    match open(options, wanted.clone(), store) {
        // A page that is broken may be met only when it is written to: the log has all that the state had.
        Err(Error::State(why)) if why.must_rebuild() => {
            let store = (anew(&path, &why.to_string())?, None);
            open(options, wanted, store)
        }
        opened => opened,
    }
    .map(|(log, blobs, logs, clock, pump)| Recovered { lock, log, blobs, logs, clock, pump })
}

type Opened = (FileLog<Drive>, Blobs<Drive>, Arc<Logs>, Arc<Clock>, Pump<Sqlite>);

fn open(
    options: &Options,
    wanted: Option<Applied>,
    (store, known): (Sqlite, Option<Position>),
) -> Result<Opened, Error> {
    let data = &options.data;
    let disk = Arc::new(Drive::new(options.disk.clone()));
    let (log, recovery) = FileLog::open(Arc::clone(&disk), &data.join("log"), options.log.clone(), known)?;
    tell(&recovery);
    let blobs = Blobs::open(Arc::clone(&disk), &data.join("blobs"))?;
    let (logs, left) = Logs::open(disk, data)?;
    let clock = Arc::new(Clock::after(log.last_at()));
    let (mut pump, start) = open_pump(store, data, &log.reader())?;
    pump.look_back(Box::new(LogPast::new(log.reader(), Some(blobs.clone()))));
    let mut recovery =
        Recovery { log, blobs, clock, pump, before: options.before_fold.clone(), checkpointed: start.from };
    recovery.fold_all()?;
    recovery.say(&start, wanted, options)?;
    recovery.tell_left(&logs, left)?;
    let Recovery { log, blobs, clock, pump, .. } = recovery;
    Ok((log, blobs, Arc::new(logs), clock, pump))
}

/// Makes the data folder, for its owner alone: events may hold what others must not read. One that is there is left as
/// it is.
fn create(data: &Path) -> std::io::Result<()> {
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder.create(data)
}

/// Opens the state; a broken one is set aside. Also the position after the last record that it holds.
fn open_state(path: &Path) -> Result<(Sqlite, Option<Position>), Error> {
    let tables = Pump::<Sqlite>::tables();
    let opened = Sqlite::open(path, tables).and_then(|store| Ok((store.applied()?, store)));
    match opened {
        Ok((applied, store)) => Ok((store, applied.and_then(|applied| applied.position).map(Position::next))),
        Err(why) if why.must_rebuild() => Ok((anew(path, &why.to_string())?, None)),
        Err(why) => Err(why.into()),
    }
}

/// Sets the state aside and opens a new one.
fn anew(path: &Path, why: &str) -> Result<Sqlite, Error> {
    let aside = ensue_state::sqlite::set_aside(path)?;
    tracing::warn!(why, aside = %aside.display(), "the state is set aside and folded anew from the log");
    Ok(Sqlite::open(path, Pump::<Sqlite>::tables())?)
}

fn tell(recovery: &ensue_log::Recovery) {
    if let Some(cut) = &recovery.cut {
        tracing::info!(file = %cut.path.display(), offset = cut.offset, bytes = cut.bytes, "a torn tail that nobody was told of was cut");
    }
    for damage in &recovery.damage {
        tracing::error!(file = %damage.path.display(), offset = damage.offset, first = damage.first.0, until = damage.until.0, why = damage.why, "records of the log are damaged");
    }
    if !recovery.rebuilt.is_empty() {
        tracing::info!(segments = recovery.rebuilt.len(), "indexes were made anew");
    }
    for (from, until) in &recovery.forgotten {
        tracing::warn!(from = from.0, until = until.0, "ids of trimmed records are no longer known");
    }
    if recovery.copied {
        tracing::warn!("a sync had failed: the last segment was copied before it was trusted");
    }
}

fn open_pump(store: Sqlite, data: &Path, reader: &Reader<Drive>) -> Result<(Pump<Sqlite>, Start), Error> {
    let aside: BTreeSet<Position> = reader
        .find_by(By::Type("dev.ensue.record.quarantined"), ASIDE)?
        .iter()
        .filter_map(|record| match Ours::of(&record.event) {
            Ok(Ours::RecordQuarantined(quarantined)) => Some(quarantined.position),
            _ => None,
        })
        .collect();
    let (path, first) = (data.join(STATE), reader.first());
    let chain = |position: Position| -> Option<Digest> { reader.chain(position).ok() };
    let open = |store: Sqlite| start::open(store, reader.end(), &chain, aside.clone()).map_err(|(_, why)| why);
    let is_new = store.applied().is_ok_and(|applied| applied.is_none());
    let why = match open(store) {
        Ok((pump, start)) if start.from >= first => return Ok((pump, start)),
        Ok(_) => format!("it has nothing, or ends before record {first}"),
        Err(why) => why.to_string(),
    };
    if first == Position(0) {
        return open(anew(&path, &why)?).map_err(|why| Error::Fold(why.to_string()));
    }
    // What it could be folded anew from is trimmed: a snapshot takes its place. Without one nothing is touched.
    let mut tried = Vec::new();
    let mut fits = Vec::new();
    for (position, from) in snapshot::list(data)? {
        match snapshot::fits(&from, reader) {
            Ok(()) => fits.push((position, from)),
            Err(why) => tried.push(format!("{position}: {why}")),
        }
    }
    if !fits.is_empty() && !is_new {
        let aside = ensue_state::sqlite::set_aside(&path)?;
        tracing::warn!(why, aside = %aside.display(), "the state is set aside");
    }
    for (position, from) in fits {
        ensue_state::sqlite::restore(&from, &path)?;
        let opened = Sqlite::open(&path, Pump::<Sqlite>::tables()).map_err(|why| why.to_string());
        match opened.and_then(|store| open(store).map_err(|why| why.to_string())) {
            Ok(opened) => {
                tracing::warn!(why, snapshot = %from.display(), "the state is restored from a snapshot and goes on from there");
                return Ok(opened);
            }
            Err(why) => tried.push(format!("{position}: {why}")),
        }
        // What was tried and is no use must not be taken for the state by the next start.
        snapshot::remove(&path)?;
    }
    let tried = if tried.is_empty() { "there is none".to_owned() } else { tried.join("; ") };
    Err(Error::NoSnapshot { why, first, folder: snapshot::folder(data), tried })
}

/// The loop before it is live: it folds and appends, and nothing leaves.
struct Recovery {
    log: FileLog<Drive>,
    blobs: Blobs<Drive>,
    clock: Arc<Clock>,
    pump: Pump<Sqlite>,
    before: Option<FoldHook>,
    checkpointed: Position,
}

impl Recovery {
    /// Folds to the end of the log; what is set aside on the way is said, and folded too.
    fn fold_all(&mut self) -> Result<(), Error> {
        loop {
            while self.pump.wants() < self.log.end() {
                let entries = self.log.read(self.pump.wants(), CHUNK, CHUNK_BYTES)?;
                for entry in &entries {
                    one(&mut self.pump, entry, &self.blobs, self.before.as_ref())
                        .map_err(|why| Error::Fold(why.to_string()))?;
                    if self.pump.much() {
                        self.checkpoint()?;
                    }
                }
            }
            let out = self.pump.outgoing();
            if out.is_empty() {
                return Ok(());
            }
            self.append(out)?;
        }
    }

    fn checkpoint(&mut self) -> Result<(), Error> {
        let Some(position) = self.pump.engine().state().meta.folded else { return Ok(()) };
        if position < self.checkpointed {
            return Ok(());
        }
        // The last records of a segment can be lost, and with them what their chain would be: the next record has one.
        let chain = match self.log.chain(position) {
            Err(ensue_log::Error::Damaged { .. }) => return Ok(()),
            chain => chain?,
        };
        if self.pump.checkpoint(chain)? {
            self.checkpointed = position.next();
            self.log.set_checkpoint(position, chain);
        }
        Ok(())
    }

    fn append(&mut self, records: Vec<Outgoing>) -> Result<(), Error> {
        let mut drafts = Vec::with_capacity(records.len() + 1);
        let at = self.clock.now();
        for step in self.clock.steps() {
            let id = Key::of("clock", &[&self.log.end().bytes(), &step.wall.micros().to_be_bytes()]);
            let out = pump::node(id.to_string(), &step.into());
            drafts.push(Draft::new(out.origin, out.event));
        }
        for mut out in records {
            self.blobs.put_large(&mut out.event)?;
            drafts.push(Draft::new(out.origin, out.event));
        }
        self.log.append_urgent(at, &drafts)?;
        Ok(())
    }

    /// Says that the node runs, by which configuration, and what it finds uncertain.
    fn say(&mut self, start: &Start, wanted: Option<Applied>, options: &Options) -> Result<(), Error> {
        let boot = boot();
        let started = NodeStarted {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            fold: FOLD,
            boot: boot.clone(),
            stopped_at: self.log.last_at(),
            clean: start.clean,
        };
        let id = Key::of("started", &[boot.as_bytes(), &self.log.end().bytes()]);
        let mut out = vec![pump::node_started(started, id.to_string())];
        out.extend(self.configuration(wanted, options));
        // Held before anything may leave, not two seconds later.
        if let Some(reason) = reload::frozen(&options.data).filter(|_| !reload::held(self.pump.engine().state())) {
            let id = Key::of("frozen", &[&self.log.end().bytes()]);
            out.push(pump::operator(id.to_string(), reload::by_file(reason)));
        }
        self.append(out)?;
        self.fold_all()?;
        let uncertain = self.pump.uncertain(self.clock.now(), options.limits.retry_horizon);
        if !uncertain.is_empty() {
            tracing::warn!(
                effects = uncertain.len(),
                "nobody can say whether these were done: their runs wait for a person or their policy"
            );
            self.append(uncertain)?;
            self.fold_all()?;
        }
        self.checkpoint()
    }

    /// Says whose the logs are that the last stop has cut off, unless the log says it already.
    fn tell_left(&mut self, logs: &Logs, left: Vec<Left>) -> Result<(), Error> {
        if left.is_empty() {
            return Ok(());
        }
        for left in left {
            let Whose { of, began, correlation, depth } = left.whose.clone();
            let known = |word: &str| self.log.find_by(By::Id(&format!("{}.{}.{word}", of.effect, of.attempt)), 10);
            let answered = known("answered")?.iter().any(|record| match Ours::of(&record.event) {
                Ok(Ours::ActionAnswered(answered)) => answered.began == Some(began),
                _ => false,
            });
            if !answered && known(&format!("stopped.{}", began.micros()))?.is_empty() {
                let log = logs.found(&left);
                let told = ActionStopped { of: of.clone(), began, why: Stopped::Interrupted, log };
                self.append(vec![pump::stopped(told, &correlation, depth)])?;
            }
            left.remove();
        }
        self.fold_all()?;
        self.checkpoint()
    }

    /// The configuration to apply, if it is not the one in force.
    fn configuration(&self, wanted: Option<Applied>, options: &Options) -> Option<Outgoing> {
        let current = self.pump.engine().state().config.get(&"current".to_owned());
        let wanted = match (wanted, &options.config) {
            (Some(wanted), _) => wanted.record(options.observe),
            (None, Configured::Kept | Configured::Kubernetes(_)) => {
                let kept = current?.config.clone();
                ConfigApplied { observe: options.observe, ..kept }
            }
            (None, _) => return None,
        };
        if current.is_some_and(|current| config::same(&current.config, &wanted)) {
            return None;
        }
        Some(config::record(wanted, self.log.end()))
    }
}

/// Names this boot of the machine; where the system does not say, each start counts as one.
fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_else(|_| uuid::Uuid::now_v7().to_string())
}
