//! What waits for the writer. What must not stand still (emissions, answers, ticks, commands) goes before events from
//! outside, which are refused when too many wait.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ensue_event::{Data, Digest, Position};
use ensue_log::Draft;
use ensue_pump::Outgoing;
use tokio::sync::oneshot;

/// The most that one batch takes: what a disk writes in the time of an fsync.
const BATCH: usize = 4 << 20;
/// Records of our own that may wait before the fold waits for the writer.
const URGENT: usize = 16_384;
/// So many senders at least wait at once, or were answered just now, before one is waited for.
const SEVERAL: usize = 8;
/// After so long without anything to write the log is tidied.
const QUIET: Duration = Duration::from_secs(2);

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

pub(crate) type Answer = Result<Vec<Fate>, Refused>;

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) arrivals: Vec<Arrival>,
    /// Nobody waits for the fate of what the node itself says: it is tried until it is written.
    pub(crate) reply: Option<oneshot::Sender<Answer>>,
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
    pub(crate) reserve: AtomicU64,
    /// The last committed checkpoint, for the headers of the batches to come.
    checkpoint: Mutex<Option<(Position, Digest)>>,
}

#[derive(Debug, Default)]
struct Waiting {
    urgent: VecDeque<Job>,
    ordinary: VecDeque<Job>,
    events: usize,
    /// The writer waits for so many: what comes before is nothing to wake it for.
    wanted: usize,
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
            reserve: AtomicU64::new(0),
            checkpoint: Mutex::new(None),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends events from outside; answers when they are durable, or at once when there is no room.
    pub(crate) async fn append(&self, arrivals: Vec<Arrival>) -> Answer {
        let (job, answer) = job(arrivals);
        let wake = {
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
            inner.ordinary.len() >= inner.wanted
        };
        if wake {
            self.wake.notify_one();
        }
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

    /// The checkpoint that later batches are to name, if there is a new one.
    pub(crate) fn checkpoint(&self) -> Option<(Position, Digest)> {
        self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Later batches name this checkpoint.
    pub(crate) fn checkpointed(&self, position: Position, chain: Digest) {
        *self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner) = Some((position, chain));
    }

    /// Events from outside are refused from here on.
    pub(crate) fn close(&self, why: &str) {
        self.lock().closed.get_or_insert_with(|| why.to_owned());
    }

    /// Whether the writer is to end.
    pub(crate) fn is_ending(&self) -> bool {
        self.lock().ending
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
    ///
    /// `answered` senders have their answer since the last batch, and many send again at once. Where they are several,
    /// they are waited for, `patience` at most: else the first of them would take a flush of its own, and all others
    /// the next one.
    pub(crate) fn take(&self, answered: usize, patience: Duration) -> Option<(Vec<Job>, usize)> {
        let mut inner = self.lock();
        let expected = answered + inner.ordinary.len();
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
        if expected >= SEVERAL {
            let until = Instant::now() + patience;
            inner.wanted = expected;
            while inner.urgent.is_empty() && inner.ordinary.len() < expected && !inner.ending {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                inner = self.wake.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            inner.wanted = 0;
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
    pub(crate) fn put_back(&self, jobs: Vec<Job>) {
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
pub(crate) fn size(draft: &Draft) -> usize {
    let data = match &draft.event.data {
        Data::None => 0,
        Data::Json(bytes) | Data::Bytes(bytes) => bytes.len(),
        Data::Blob { blob, .. } => blob.head.len() + 64,
    };
    data + 256
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ensue_event::{Event, Origin};

    use super::*;

    const LONG: Duration = Duration::from_secs(2);

    fn arrival(id: &str) -> Vec<Arrival> {
        vec![Arrival {
            draft: Draft::new(Origin::Source("test".into()), Event::new(id, "/test", "test")),
            dedupe: true,
        }]
    }

    fn queue(waiting: usize) -> Arc<Queue> {
        let queue = Queue::new(1_000);
        for nth in 0..waiting {
            queue.lock().ordinary.push_back(job(arrival(&nth.to_string())).0);
        }
        Arc::new(queue)
    }

    #[tokio::test]
    async fn those_who_were_answered_are_waited_for() {
        let queue = queue(3);
        let writer = Arc::clone(&queue);
        let taken = std::thread::spawn(move || writer.take(5, LONG).map_or(0, |(jobs, _)| jobs.len()));
        for nth in 3..8 {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { queue.append(arrival(&nth.to_string())).await });
        }
        assert_eq!(tokio::task::spawn_blocking(move || taken.join()).await.unwrap().unwrap(), 8);
    }

    #[test]
    fn a_few_are_not_waited_for() {
        assert_eq!(queue(3).take(4, LONG).map(|(jobs, _)| jobs.len()), Some(3));
        assert_eq!(queue(3).take(5, Duration::ZERO).map(|(jobs, _)| jobs.len()), Some(3));
    }

    #[test]
    fn what_is_urgent_waits_for_nobody() {
        let queue = queue(3);
        queue.lock().urgent.push_back(job(arrival("ours")).0);
        assert_eq!(queue.take(100, LONG).map(|(jobs, urgent)| (jobs.len(), urgent)), Some((4, 1)));
    }
}
