//! The thread that folds: durable records in; emissions, checkpoints and effects out. The order between them is the
//! pump's; here are only the waiting and the doing.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ensue_engine::{Compiled, Poison};
use ensue_event::{Key, Origin, Position, Record, Time, json};
use ensue_log::{Blobs, Entry, Reader, Unreadable};
use ensue_pump::{Outgoing, Pump, pump};
use ensue_state::{Room, Sqlite, State};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::dispatch::{Answered, Order};
use crate::drive::Drive;
use crate::feed::Feed;
use crate::metrics::{Metrics, Stage};
use crate::options::{Fatal, FoldHook};
use crate::queue::Queue;

/// How long changes wait for a checkpoint, at most.
const CHECKPOINT_AFTER: Duration = Duration::from_millis(5);
/// After a checkpoint there is none for so many times its own time: under load it takes no more than a part of the
/// thread, and what is written and gone again in between is never written at all.
const REST: u32 = 3;
/// How long the fold sleeps when nothing is due: something may have been forgotten.
const LOOK_AROUND: Duration = Duration::from_secs(1);
/// Records folded before others may look at the state.
const AT_ONCE: usize = 256;
/// What is read from the log at once when the fold is behind.
const READ_BYTES: usize = 4 << 20;
/// A tick that did not come back within this time is sent again; a second one is harmless.
const TICK_AGAIN: Duration = Duration::from_secs(2);

/// The fold, shared with those who look at its state.
pub(crate) struct Fold {
    pump: Mutex<Pump<Sqlite>>,
    /// Readers that wait for the lock: the fold lets them in between two batches.
    waiting: AtomicUsize,
    /// The configuration in force, for those who must not wait.
    config: RwLock<Arc<Compiled>>,
}

impl Fold {
    pub(crate) fn new(pump: Pump<Sqlite>) -> Fold {
        let config = RwLock::new(Arc::clone(pump.engine().config()));
        Fold { pump: Mutex::new(pump), waiting: AtomicUsize::new(0), config }
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> Arc<Compiled> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn configured(&self, pump: &Pump<Sqlite>) {
        let now = pump.engine().config();
        let known = self.config.read().is_ok_and(|known| Arc::ptr_eq(&known, now));
        if !known {
            *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pump<Sqlite>> {
        self.pump.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the state, between two batches.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Pump<Sqlite>) -> T) -> T {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let pump = self.lock();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        look(&pump)
    }

    /// Changes something about the pump itself, between two batches.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Pump<Sqlite>) -> T) -> T {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let mut pump = self.lock();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        change(&mut pump)
    }

    fn let_readers_in(&self) {
        // Without this the thread that folds would take its own lock again before anybody else wakes.
        let mut tries = 0;
        while self.waiting.load(Ordering::Relaxed) > 0 && tries < 100 {
            std::thread::yield_now();
            tries += 1;
        }
    }
}

/// Why the fold cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    /// A configuration that cannot be folded.
    #[error(transparent)]
    Poison(#[from] Poison),
    /// The state is broken.
    #[error(transparent)]
    State(#[from] ensue_state::Error),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] ensue_log::Error),
    /// The blob of a configuration is gone.
    #[error("the configuration in record {0} lies in a blob that cannot be read ({1}); restore the blob from a backup")]
    Configuration(Position, ensue_log::Error),
}

/// All that is durable is to be folded and committed, and the thread to end.
pub(crate) const END: u8 = 1;
/// The thread is to end where it is, as a crash would.
pub(crate) const ABANDON: u8 = 2;

/// What the thread owns.
pub(crate) struct Folder {
    pub(crate) fold: Arc<Fold>,
    pub(crate) reader: Reader<Drive>,
    pub(crate) blobs: Blobs<Drive>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) orders: mpsc::UnboundedSender<Order>,
    pub(crate) fatal: Fatal,
    /// Set when the node stops: no new effect leaves.
    pub(crate) stopping: Arc<AtomicBool>,
    /// The file `FREEZE` is there: no new effect leaves, whether or not its record could be written.
    pub(crate) frozen: Arc<AtomicBool>,
    /// Answers that are durable.
    pub(crate) answered: Arc<Answered>,
    /// How the thread is to end, when it is: [`END`] or [`ABANDON`].
    pub(crate) ending: Arc<AtomicU8>,
    pub(crate) before: Option<FoldHook>,
}

/// What the loop remembers.
struct Turn {
    wants: Position,
    /// When the oldest change that is not committed was made.
    dirty: Option<Instant>,
    /// An effect waits for a checkpoint, or much was folded.
    due: bool,
    /// When the last checkpoint was made, and how long it took.
    committed: Option<(Instant, Duration)>,
    /// The due time that a tick was sent for, and when.
    ticked: Option<(Time, Instant)>,
    alive: bool,
    /// Append times by position, for the histograms by rule: the first one's position, and the times.
    times: (u64, VecDeque<Time>),
}

/// Append times kept for the histograms.
const TIMES: usize = 1 << 16;

impl Folder {
    /// Folds until the node ends. The fold is live: recovery is over.
    pub(crate) fn run(self) {
        if let Err(why) = self.turn() {
            let why = why.to_string();
            self.queue.close(&why);
            (self.fatal)(&why);
        }
    }

    fn turn(&self) -> Result<(), Stopped> {
        let wants = self.fold.read(Pump::wants);
        let mut turn = Turn {
            wants,
            dirty: Some(Instant::now()),
            due: false,
            committed: None,
            ticked: None,
            alive: false,
            times: (0, VecDeque::new()),
        };
        // What was decided before the start and is not in the log: no record may ever come that would call for it.
        self.send(self.fold.with(Pump::outgoing));
        loop {
            let batches = self.feed.take(turn.wants, self.patience(&turn));
            for batch in batches {
                if let Some(first) = batch.first() {
                    self.catch_up(&mut turn, first.position)?;
                }
                for chunk in batch.chunks(AT_ONCE) {
                    self.fold(&mut turn, chunk)?;
                }
            }
            self.catch_up(&mut turn, self.feed.end())?;
            self.after(&mut turn)?;
            match self.ending.load(Ordering::Acquire) {
                ABANDON => return Ok(()),
                END if self.feed.end() <= turn.wants => return self.checkpoint(&mut turn, true),
                _ => {}
            }
        }
    }

    /// Until when there is nothing to do without a record.
    fn patience(&self, turn: &Turn) -> Duration {
        let due = self.fold.read(|pump| {
            let timer = pump.engine().due().filter(|due| turn.ticked.is_none_or(|(sent, _)| sent != *due));
            [timer, pump.dispatch().wake(pump.engine())].into_iter().flatten().min()
        });
        let due = due.map_or(LOOK_AROUND, |due| due.since(self.clock.now()).to_std());
        let checkpoint = turn.dirty.map_or(LOOK_AROUND, |since| CHECKPOINT_AFTER.saturating_sub(since.elapsed()));
        let checkpoint = if turn.due { checkpoint.min(turn.rest()) } else { checkpoint };
        due.min(checkpoint).min(LOOK_AROUND)
    }

    /// Reads what did not fit into memory, up to this position.
    fn catch_up(&self, turn: &mut Turn, until: Position) -> Result<(), Stopped> {
        while turn.wants < until {
            let wanted = usize::try_from(until.0 - turn.wants.0).unwrap_or(usize::MAX).min(4 * AT_ONCE);
            let entries = self.reader.read(turn.wants, wanted, READ_BYTES)?;
            if entries.is_empty() {
                return Ok(());
            }
            for chunk in entries.chunks(AT_ONCE) {
                self.fold_entries(turn, chunk)?;
            }
        }
        Ok(())
    }

    fn fold_entries(&self, turn: &mut Turn, entries: &[Entry]) -> Result<(), Stopped> {
        let mut pump = self.fold.lock();
        for entry in entries {
            one(&mut pump, entry, &self.blobs, self.before.as_ref())?;
            if let Entry::Record(record) = entry {
                turn.time(record);
            }
        }
        self.folded(turn, pump)
    }

    fn fold(&self, turn: &mut Turn, records: &[Record]) -> Result<(), Stopped> {
        let mut pump = self.fold.lock();
        let now = self.clock.now();
        for record in records {
            if record.position < turn.wants {
                continue;
            }
            turn.time(record);
            self.measure(turn, record, now);
            durable(&mut pump, record, self.before.as_ref())?;
        }
        self.folded(turn, pump)
    }

    fn folded(&self, turn: &mut Turn, mut pump: MutexGuard<'_, Pump<Sqlite>>) -> Result<(), Stopped> {
        turn.wants = pump.wants();
        let out = pump.outgoing();
        turn.due = pump.checkpoint_due();
        self.fold.configured(&pump);
        drop(pump);
        self.feed.folded_to(turn.wants);
        turn.dirty.get_or_insert_with(Instant::now);
        self.send(out);
        if turn.due && turn.rest().is_zero() {
            self.checkpoint(turn, false)?;
        }
        self.work();
        self.fold.let_readers_in();
        Ok(())
    }

    fn send(&self, out: Vec<Outgoing>) {
        let aside = out.iter().filter(|out| &*out.event.kind == "dev.ensue.record.quarantined");
        for quarantine in aside {
            self.metrics.quarantined.inc();
            tracing::error!(record = ?quarantine.event.json(), "a record is set aside");
        }
        self.queue.push_urgent(out);
    }

    /// What is due without a record: a checkpoint, effects that wait for a minute to pass, a tick.
    fn after(&self, turn: &mut Turn) -> Result<(), Stopped> {
        let waits = turn.due && turn.rest().is_zero();
        if waits || turn.dirty.is_some_and(|since| since.elapsed() >= CHECKPOINT_AFTER) {
            self.checkpoint(turn, false)?;
        }
        self.work();
        let Some(due) = self.fold.read(|pump| pump.engine().due()) else { return Ok(()) };
        let sent = turn.ticked.is_some_and(|(time, sent)| time == due && sent.elapsed() < TICK_AGAIN);
        if due <= self.clock.now() && !sent && self.ending.load(Ordering::Acquire) == 0 {
            turn.ticked = Some((due, Instant::now()));
            let id = Key::of("tick", &[&turn.wants.bytes(), &due.micros().to_be_bytes()]);
            self.queue.push_urgent(vec![pump::tick(id.to_string())]);
        }
        Ok(())
    }

    fn checkpoint(&self, turn: &mut Turn, last: bool) -> Result<(), Stopped> {
        let began = Instant::now();
        let mut pump = self.fold.lock();
        let Some(position) = pump.engine().state().meta.folded else { return Ok(()) };
        let chain = self.reader.chain(position)?;
        let done = match pump.checkpoint(chain) {
            Ok(done) => done,
            Err(why @ ensue_state::Error::Full { .. }) if !last => {
                // Nothing is lost: the log has it. It is tried again with the next records.
                tracing::warn!(%why, "the checkpoint waits");
                turn.dirty = Some(Instant::now() + Duration::from_millis(500));
                turn.due = false;
                return Ok(());
            }
            Err(why) => return Err(why.into()),
        };
        if last {
            pump.store_mut().sync()?;
        }
        if done {
            turn.dirty = None;
            turn.due = false;
            turn.committed = Some((Instant::now(), began.elapsed()));
            if !turn.alive {
                turn.alive = true;
                pump.alive();
            }
        }
        drop(pump);
        if done {
            self.metrics.checkpoints.observe(began.elapsed().as_secs_f64());
            self.queue.checkpointed(position, chain);
        }
        Ok(())
    }

    /// Effects that may leave: announcements to the log, the rest to be performed.
    fn work(&self) {
        let mut pump = self.fold.lock();
        let critical = self.queue.critical.load(Ordering::Relaxed) || pump.store().room() == Room::Critical;
        pump.hold(critical || self.stopping.load(Ordering::Acquire) || self.frozen.load(Ordering::Acquire));
        for of in self.answered.take() {
            pump.answered(&of);
        }
        let now = self.clock.now();
        let mut orders: Vec<Order> = pump.cancelled().into_iter().map(Order::Stop).collect();
        let (announce, perform) = pump.work(now);
        orders.extend(perform.into_iter().map(|row| Order::of(row, &pump)));
        drop(pump);
        self.queue.push_urgent(announce);
        for order in orders {
            if let Order::Do(job) = &order {
                let took = now.since(job.row.at).to_std();
                self.metrics.stage(Stage::Acted, took);
                self.metrics.rule(&job.row.effect.rule, Stage::Acted, took);
            }
            // The receiver goes when the node stops; then the effect waits in the outbox.
            let _ = self.orders.send(order);
        }
    }

    fn measure(&self, turn: &Turn, record: &Record, now: Time) {
        match record.origin {
            Origin::Source(_) => self.metrics.stage(Stage::Decided, now.since(record.at).to_std()),
            Origin::Emitted(place) if &*record.event.kind == "dev.ensue.rule.fired" => {
                let rule = record.event.json().and_then(|data| json::get(data, &["rule"])).and_then(json::string);
                if let (Some(rule), Some(at)) = (rule, turn.time_of(place.position)) {
                    self.metrics.rule(&rule, Stage::Decided, record.at.since(at).to_std());
                }
            }
            _ => {}
        }
    }
}

impl Turn {
    /// How long until there may be a checkpoint again. A start that is not yet through makes one whenever it is due.
    fn rest(&self) -> Duration {
        let rest = |(at, took): (Instant, Duration)| (took * REST).min(CHECKPOINT_AFTER).saturating_sub(at.elapsed());
        self.committed.filter(|_| self.alive).map_or(Duration::ZERO, rest)
    }

    fn time(&mut self, record: &Record) {
        let (first, times) = &mut self.times;
        if *first + times.len() as u64 != record.position.0 {
            (*first, *times) = (record.position.0, VecDeque::new());
        }
        if times.len() == TIMES {
            times.pop_front();
            *first += 1;
        }
        times.push_back(record.at);
    }

    fn time_of(&self, position: Position) -> Option<Time> {
        let nth = position.0.checked_sub(self.times.0)?;
        self.times.1.get(usize::try_from(nth).ok()?).copied()
    }
}

/// Folds what stands at a position of the log, its blob resolved.
pub(crate) fn one(
    pump: &mut Pump<Sqlite>,
    entry: &Entry,
    blobs: &Blobs<Drive>,
    before: Option<&FoldHook>,
) -> Result<(), Stopped> {
    match entry {
        Entry::Record(record) => {
            let mut record = record.clone();
            if let Err(why) = blobs.resolve(&mut record) {
                if &*record.event.kind == "dev.ensue.config.applied" && record.origin == Origin::Node {
                    return Err(Stopped::Configuration(record.position, why));
                }
                pump.unreadable(record.position, &why.to_string());
                return Ok(());
            }
            durable(pump, &record, before)
        }
        Entry::Unreadable { position, why: Unreadable::Purged } => {
            pump.purged(*position);
            Ok(())
        }
        Entry::Unreadable { position, why: Unreadable::Damaged { path, offset, why } } => {
            pump.unreadable(*position, &format!("{} at byte {offset}: {why}", path.display()));
            Ok(())
        }
    }
}

fn durable(pump: &mut Pump<Sqlite>, record: &Record, before: Option<&FoldHook>) -> Result<(), Stopped> {
    match before {
        None => pump.fold(record)?,
        Some(before) => pump.fold_after(record, &|record| before(record))?,
    }
    Ok(())
}
