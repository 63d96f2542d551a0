//! The one writer of the log: a thread that drains its queue batch by batch.
//!
//! Natural group commit: while one batch is being synced the next one gathers; there is no delay to tune. Several senders
//! that were answered together are waited for, a part of a flush's time at most, so that they share the next flush too.
//! When the disk is full, what is ours is written from the log's reserve.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use ensue_event::ours::{EventConflict, Ours};
use ensue_event::{Key, Origin, Position, Record};
use ensue_log::{Blobs, Draft, Error as LogError, FileLog, Log};

use crate::chore::Chore;
use crate::clock::Clock;
use crate::drive::Drive;
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::options::Fatal;
use crate::queue::{Fate, Job, Queue, Refused, size};

/// How long the writer waits before it tries again to write what must not be lost to a full disk.
const FULL_PAUSE: Duration = Duration::from_millis(500);

/// How often it is said at most that the disk is full.
const FULL_AGAIN: Duration = Duration::from_secs(10);

/// The longest that senders are waited for.
const GATHER: Duration = Duration::from_millis(2);

/// What the writer's thread owns.
pub(crate) struct Writer {
    pub(crate) log: FileLog<Drive>,
    pub(crate) blobs: Blobs<Drive>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) fatal: Fatal,
    pub(crate) chores: Receiver<Chore>,
    pub(crate) full: Full,
}

/// What is said of a full disk: once in a while, with how often it was so.
#[derive(Default)]
pub(crate) struct Full {
    said: Option<Instant>,
    since: u64,
}

impl Full {
    fn say(&mut self, why: &LogError) {
        self.since += 1;
        if self.said.is_none_or(|said| said.elapsed() >= FULL_AGAIN) {
            tracing::warn!(%why, batches = self.since, "the disk is full");
            *self = Full { said: Some(Instant::now()), since: 0 };
        }
    }
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
    /// Writes until the queue ends.
    pub(crate) fn run(mut self) {
        let (mut answered, mut patience) = (0, Duration::ZERO);
        while let Some((jobs, urgent)) = self.queue.take(answered, patience) {
            while let Ok(chore) = self.chores.try_recv() {
                chore.run(&mut self.log);
            }
            if jobs.is_empty() {
                self.tidy();
                continue;
            }
            let began = Instant::now();
            answered = jobs.len().saturating_sub(urgent);
            if let Err(why) = self.write(jobs, urgent) {
                // Acknowledge nothing more, say so, end: the log recovers when it is opened again.
                let why = why.to_string();
                self.queue.close(&why);
                self.queue.end();
                (self.fatal)(&why);
                while let Some((jobs, _)) = self.queue.take(0, Duration::ZERO) {
                    refuse(jobs, &Refused::Closed(why.clone()));
                }
                return;
            }
            // A part of what a flush takes, where one is saved by it.
            patience = (began.elapsed() / 2).min(GATHER);
        }
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
        if let Some((position, chain)) = self.queue.checkpoint() {
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
        self.full.say(&why);
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
                if self.queue.is_ending() {
                    // The fold has them in its state, or decides them again.
                    return Ok(());
                }
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
