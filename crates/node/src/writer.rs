//! The one writer of the log: a queue, and a thread that drains it batch by batch.
//!
//! Natural group commit: while one batch is being synced the next one gathers; there is no delay to tune. What must not
//! stand still (emissions, answers, ticks, operators) goes before events from outside, and may use the log's reserve
//! when the disk is full.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ensue_event::ours::{EventConflict, Ours};
use ensue_event::{Data, Digest, Key, Origin, Position, Record};
use ensue_log::{Blobs, Draft, Error as LogError, FileLog, Log};
use ensue_pump::Outgoing;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::drive::Drive;
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::options::Fatal;

/// The most that one batch takes: what a disk writes in the time of an fsync.
const BATCH: usize = 4 << 20;
/// Records of our own that may wait before the fold waits for the writer.
const URGENT: usize = 16_384;
/// After so long without anything to write the log is tidied.
const QUIET: Duration = Duration::from_secs(2);
/// How long the writer waits before it tries again to write what must not be lost to a full disk.
const FULL_PAUSE: Duration = Duration::from_millis(500);

/// Something to be appended.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// The event with its keys.
    pub(crate) draft: Draft,
    /// Whether an earlier arrival with the same source and id is looked for.
    pub(crate) dedupe: bool,
}

/// What became of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is durable, here.
    Durable(Position),
    /// The same event came before; it is here.
    Duplicate(Position),
    /// Another event with its source and id is here; this one was refused.
    Conflict(Position),
}

/// Why nothing was appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// The queue is at its bound.
    #[error("too many events wait to be written; send it again in a second")]
    Busy,
    /// The disk is full.
    #[error("the disk is full; events are taken again as soon as there is space")]
    Full,
    /// The node stops, or can write no more.
    #[error("the node takes nothing more: {0}")]
    Closed(String),
}

type Answer = Result<Vec<Fate>, Refused>;

#[derive(Debug)]
struct Job {
    arrivals: Vec<Arrival>,
    /// Nobody waits for the fate of what the node itself says: it is tried until it is written.
    reply: Option<oneshot::Sender<Answer>>,
    bytes: usize,
}

/// The queue of the writer.
#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Waiting>,
    wake: Condvar,
    room: Condvar,
    bound: usize,
    /// Half of the reserve is used: no new effect may leave.
    pub(crate) critical: AtomicBool,
    /// The share of the reserve that is used, in thousandths.
    pub(crate) reserve: std::sync::atomic::AtomicU64,
    /// The last committed checkpoint, for the headers of the batches to come.
    checkpoint: Mutex<Option<(Position, Digest)>>,
}

#[derive(Debug, Default)]
struct Waiting {
    urgent: VecDeque<Job>,
    ordinary: VecDeque<Job>,
    events: usize,
    /// Events are refused, with this reason.
    closed: Option<String>,
    /// The writer ends when nothing waits any more.
    ending: bool,
}

impl Queue {
    /// A queue that holds so many events from outside.
    pub(crate) fn new(bound: usize) -> Queue {
        Queue {
            inner: Mutex::default(),
            wake: Condvar::new(),
            room: Condvar::new(),
            bound,
            critical: AtomicBool::new(false),
            reserve: std::sync::atomic::AtomicU64::new(0),
            checkpoint: Mutex::new(None),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends events from outside; answers when they are durable, or at once when there is no room.
    pub(crate) async fn append(&self, arrivals: Vec<Arrival>) -> Answer {
        let (job, answer) = job(arrivals);
        {
            let mut inner = self.lock();
            if let Some(why) = &inner.closed {
                return Err(Refused::Closed(why.clone()));
            }
            let count = job.arrivals.len();
            if inner.events + count > self.bound && inner.events > 0 {
                return Err(Refused::Busy);
            }
            inner.events += count;
            inner.ordinary.push_back(job);
        }
        self.wake.notify_one();
        wait(answer).await
    }

    /// Appends records of our own before all events, and answers when they are durable.
    pub(crate) async fn append_urgent(&self, records: Vec<Outgoing>) -> Answer {
        let (job, answer) = job(arrivals(records));
        {
            let mut inner = self.lock();
            if inner.ending {
                return Err(Refused::Closed("it is stopping".into()));
            }
            inner.urgent.push_back(job);
        }
        self.wake.notify_one();
        wait(answer).await
    }

    /// Appends records of our own before all events, in this order, whatever it takes. Waits while too many wait.
    pub(crate) fn push_urgent(&self, records: Vec<Outgoing>) {
        if records.is_empty() {
            return;
        }
        let arrivals = arrivals(records);
        let bytes = arrivals.iter().map(|arrival| size(&arrival.draft)).sum();
        let mut inner = self.lock();
        while inner.urgent.len() >= URGENT && !inner.ending {
            inner = self.room.wait_timeout(inner, Duration::from_secs(1)).unwrap_or_else(PoisonError::into_inner).0;
        }
        inner.urgent.push_back(Job { arrivals, reply: None, bytes });
        drop(inner);
        self.wake.notify_one();
    }

    /// Later batches name this checkpoint.
    pub(crate) fn checkpointed(&self, position: Position, chain: Digest) {
        *self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner) = Some((position, chain));
    }

    /// Events from outside are refused from here on.
    pub(crate) fn close(&self, why: &str) {
        self.lock().closed.get_or_insert_with(|| why.to_owned());
    }

    /// The writer ends when all that waits is written.
    pub(crate) fn end(&self) {
        let mut inner = self.lock();
        inner.closed.get_or_insert_with(|| "it is stopping".to_owned());
        inner.ending = true;
        drop(inner);
        self.wake.notify_all();
        self.room.notify_all();
    }

    /// The next batch: what is urgent first. An empty one where nothing came for a while; nothing when it is over.
    fn take(&self) -> Option<(Vec<Job>, usize)> {
        let mut inner = self.lock();
        while inner.urgent.is_empty() && inner.ordinary.is_empty() {
            if inner.ending {
                return None;
            }
            let (waited, quiet) = self.wake.wait_timeout(inner, QUIET).unwrap_or_else(PoisonError::into_inner);
            if quiet.timed_out() {
                return Some((Vec::new(), 0));
            }
            inner = waited;
        }
        let (mut jobs, mut bytes) = (Vec::new(), 0);
        let more = |job: &Job, bytes: usize| bytes == 0 || bytes + job.bytes <= BATCH;
        while inner.urgent.front().is_some_and(|job| more(job, bytes)) {
            let Some(job) = inner.urgent.pop_front() else { break };
            bytes += job.bytes;
            jobs.push(job);
        }
        let urgent = jobs.len();
        while inner.urgent.is_empty() && inner.ordinary.front().is_some_and(|job| more(job, bytes)) {
            let Some(job) = inner.ordinary.pop_front() else { break };
            bytes += job.bytes;
            inner.events = inner.events.saturating_sub(job.arrivals.len());
            jobs.push(job);
        }
        drop(inner);
        self.room.notify_all();
        Some((jobs, urgent))
    }

    /// What could not be written and must be goes back to the front.
    fn put_back(&self, jobs: Vec<Job>) {
        let mut inner = self.lock();
        for job in jobs.into_iter().rev() {
            inner.urgent.push_front(job);
        }
    }
}

fn arrivals(records: Vec<Outgoing>) -> Vec<Arrival> {
    let draft = |out: Outgoing| Arrival { draft: Draft::new(out.origin, out.event), dedupe: false };
    records.into_iter().map(draft).collect()
}

fn job(arrivals: Vec<Arrival>) -> (Job, oneshot::Receiver<Answer>) {
    let (reply, answer) = oneshot::channel();
    let bytes = arrivals.iter().map(|arrival| size(&arrival.draft)).sum();
    (Job { arrivals, reply: Some(reply), bytes }, answer)
}

async fn wait(answer: oneshot::Receiver<Answer>) -> Answer {
    answer.await.unwrap_or_else(|_| Err(Refused::Closed("it is stopping".into())))
}

/// About how long a record becomes.
fn size(draft: &Draft) -> usize {
    let data = match &draft.event.data {
        Data::None => 0,
        Data::Json(bytes) | Data::Bytes(bytes) => bytes.len(),
        Data::Blob { blob, .. } => blob.head.len() + 64,
    };
    data + 256
}

/// What the writer's thread owns.
pub(crate) struct Writer {
    pub(crate) log: FileLog<Drive>,
    pub(crate) blobs: Blobs<Drive>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) fatal: Fatal,
}

/// Where an arrival of a batch ends up.
#[derive(Clone, Copy)]
enum Place {
    /// It is the n-th draft of the batch.
    New(usize),
    /// It is the same as the n-th draft.
    SameAs(usize),
    /// It has the id of the n-th draft and another body.
    Against(usize),
    /// It was decided without the batch.
    Known(Fate),
}

/// Drafts to append, and where the arrivals of each job end up.
#[derive(Default)]
struct Batch {
    drafts: Vec<Draft>,
    places: Vec<Vec<Place>>,
    conflicts: usize,
}

impl Writer {
    /// Writes until the queue ends. Gives the log back.
    pub(crate) fn run(mut self) -> FileLog<Drive> {
        while let Some((jobs, urgent)) = self.queue.take() {
            if jobs.is_empty() {
                self.tidy();
                continue;
            }
            if let Err(why) = self.write(jobs, urgent) {
                // Acknowledge nothing more, say so, end: the log recovers when it is opened again.
                let why = why.to_string();
                self.queue.close(&why);
                self.queue.end();
                (self.fatal)(&why);
                while let Some((jobs, _)) = self.queue.take() {
                    refuse(jobs, &Refused::Closed(why.clone()));
                }
                break;
            }
        }
        self.log
    }

    /// Nothing to do: the reserve is filled up again, indexes are written that found no space.
    fn tidy(&mut self) {
        match self.log.tidy() {
            Ok(()) | Err(LogError::Full { .. }) => self.reserve(),
            Err(why) => tracing::warn!(%why, "the log is not tidied"),
        }
    }

    /// Appends a batch and answers all that wait for it. The first `urgent` jobs are ours.
    fn write(&mut self, mut jobs: Vec<Job>, urgent: usize) -> Result<(), LogError> {
        let checkpoint = self.queue.checkpoint.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((position, chain)) = checkpoint {
            self.log.set_checkpoint(position, chain);
        }
        if let Err(why) = self.spill(&mut jobs) {
            return self.without_room(jobs, urgent, why);
        }
        let batch = self.assemble(&jobs);
        match self.append(batch, urgent == jobs.len()) {
            Ok(answers) => {
                self.reserve();
                answer(jobs, answers);
                Ok(())
            }
            Err(why) => self.without_room(jobs, urgent, why),
        }
    }

    /// Large data goes to a blob before the record that names it.
    fn spill(&self, jobs: &mut [Job]) -> Result<(), LogError> {
        for arrival in jobs.iter_mut().flat_map(|job| &mut job.arrivals) {
            self.blobs.put_large(&mut arrival.draft.event)?;
        }
        Ok(())
    }

    /// A full disk: events are refused; what is ours is written from the reserve, or waits.
    fn without_room(&mut self, mut jobs: Vec<Job>, urgent: usize, why: LogError) -> Result<(), LogError> {
        if !matches!(why, LogError::Full { .. }) {
            let refused = Refused::Closed(why.to_string());
            refuse(jobs, &refused);
            return Err(why);
        }
        tracing::warn!(%why, "the disk is full");
        refuse(jobs.split_off(urgent.min(jobs.len())), &Refused::Full);
        if jobs.is_empty() {
            return Ok(());
        }
        let batch = self.assemble(&jobs);
        match self.append(batch, true) {
            Ok(answers) => {
                self.reserve();
                answer(jobs, answers);
                Ok(())
            }
            Err(why @ LogError::Full { .. }) => {
                self.reserve();
                let (asked, ours): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|job| job.reply.is_some());
                refuse(asked, &Refused::Full);
                tracing::error!(%why, "the reserve is used up; nothing can be written until there is space");
                self.queue.put_back(ours);
                std::thread::sleep(FULL_PAUSE);
                Ok(())
            }
            Err(why) => {
                refuse(jobs, &Refused::Closed(why.to_string()));
                Err(why)
            }
        }
    }

    fn reserve(&self) {
        let used = self.log.reserve_used();
        self.queue.critical.store(used > 0.5, Ordering::Relaxed);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 0 to 1000
        self.queue.reserve.store((used.clamp(0.0, 1.0) * 1000.0) as u64, Ordering::Relaxed);
    }

    /// Decides for each arrival whether it is new: against the log, and against what is in the same batch.
    fn assemble(&self, jobs: &[Job]) -> Batch {
        let mut batch = Batch::default();
        let mut ids: HashMap<(&str, &str), usize> = HashMap::new();
        let mut seconds: HashMap<Key, usize> = HashMap::new();
        // There is one writer: the batch begins at the end of the log.
        let first = self.log.end();
        for step in self.clock.steps() {
            let id = Key::of("clock", &[&first.bytes(), &step.wall.micros().to_be_bytes()]);
            let event = Ours::from(step).event(id.to_string(), ensue_pump::pump::SOURCE);
            batch.drafts.push(Draft::new(Origin::Node, event));
        }
        for job in jobs {
            let mut places = Vec::with_capacity(job.arrivals.len());
            for arrival in &job.arrivals {
                let draft = &arrival.draft;
                let place = if arrival.dedupe { self.known(draft, &ids, &seconds, &batch) } else { None };
                let place = place.unwrap_or_else(|| {
                    let nth = batch.drafts.len();
                    if arrival.dedupe {
                        ids.insert((&draft.event.source, &draft.event.id), nth);
                        if let Some(second) = draft.second {
                            seconds.insert(second, nth);
                        }
                    }
                    batch.drafts.push(draft.clone());
                    Place::New(nth)
                });
                let kept = match place {
                    Place::Against(nth) => Some(first.plus(nth as u64)),
                    Place::Known(Fate::Conflict(position)) => Some(position),
                    _ => None,
                };
                if let Some(kept) = kept {
                    batch.conflicts += 1;
                    batch.drafts.push(conflict(draft, kept));
                }
                places.push(place);
            }
            batch.places.push(places);
        }
        batch
    }

    fn known(
        &self,
        draft: &Draft,
        ids: &HashMap<(&str, &str), usize>,
        seconds: &HashMap<Key, usize>,
        batch: &Batch,
    ) -> Option<Place> {
        let event = &draft.event;
        if let Some(nth) = ids.get(&(&*event.source, &*event.id)) {
            let same = batch.drafts.get(*nth).is_some_and(|first| first.identity() == draft.identity());
            return Some(if same { Place::SameAs(*nth) } else { Place::Against(*nth) });
        }
        if let Some(found) = self.log.find(&event.source, &event.id) {
            let same = found.is_same(&draft.identity());
            let position = found.position;
            return Some(Place::Known(if same { Fate::Duplicate(position) } else { Fate::Conflict(position) }));
        }
        let second = draft.second.as_ref()?;
        if let Some(nth) = seconds.get(second) {
            return Some(Place::SameAs(*nth));
        }
        self.log.find_second(second).map(|found| Place::Known(Fate::Duplicate(found.position)))
    }

    /// One append, and the records to the fold.
    fn append(&mut self, batch: Batch, urgent: bool) -> Result<Vec<Vec<Fate>>, LogError> {
        let Batch { drafts, places, conflicts } = batch;
        let began = Instant::now();
        let at = self.clock.now();
        let first = if drafts.is_empty() {
            self.log.end()
        } else if urgent {
            self.log.append_urgent(at, &drafts)?
        } else {
            self.log.append(at, &drafts)?
        };
        if !drafts.is_empty() {
            self.metrics.appends.observe(began.elapsed().as_secs_f64());
        }
        self.metrics.conflicts.inc_by(conflicts as u64);
        let bytes = drafts.iter().map(size).sum();
        let records = drafts.into_iter().zip(0_u64..).map(|(draft, nth)| Record {
            position: first.plus(nth),
            at,
            origin: draft.origin,
            event: draft.event,
        });
        self.feed.push(records.collect(), bytes);
        let fate = |place: Place| match place {
            Place::New(nth) => Fate::Durable(first.plus(nth as u64)),
            Place::SameAs(nth) => Fate::Duplicate(first.plus(nth as u64)),
            Place::Against(nth) => Fate::Conflict(first.plus(nth as u64)),
            Place::Known(fate) => fate,
        };
        let mut answers = Vec::with_capacity(places.len());
        for places in places {
            answers.push(places.into_iter().map(fate).collect::<Vec<Fate>>());
        }
        for fate in answers.iter().flatten() {
            if matches!(fate, Fate::Duplicate(_)) {
                self.metrics.duplicates.inc();
            }
        }
        Ok(answers)
    }
}

/// The record that says that an event was refused, since another one with its id is kept there.
fn conflict(draft: &Draft, kept: Position) -> Draft {
    let event = &draft.event;
    let (source, id) = (event.source.to_string(), event.id.to_string());
    let refused = draft.identity();
    let key = Key::of("conflict", &[source.as_bytes(), id.as_bytes(), &refused.0]);
    let told = EventConflict { source, id, kept, refused };
    Draft::new(Origin::Node, Ours::from(told).event(key.to_string(), ensue_pump::pump::SOURCE))
}

fn answer(jobs: Vec<Job>, answers: Vec<Vec<Fate>>) {
    for (job, fates) in jobs.into_iter().zip(answers) {
        if let Some(reply) = job.reply {
            // Who asked may be gone; the event is durable all the same.
            let _ = reply.send(Ok(fates));
        }
    }
}

fn refuse(jobs: Vec<Job>, why: &Refused) {
    for job in jobs {
        if let Some(reply) = job.reply {
            let _ = reply.send(Err(why.clone()));
        }
    }
}
