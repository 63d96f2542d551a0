//! From the writer to the fold: durable records in memory, within a bound. What does not fit is read from the log.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ensue_event::{Position, Record};
use tokio::sync::watch;

/// Records kept in memory for the fold: about what it does in half a second.
const RECORDS: usize = 20_000;
/// Bytes of event data kept in memory for the fold.
const BYTES: usize = 64 << 20;
/// Samples of when the end of the log was where; they are taken at most every 100 ms.
const SAMPLE_EVERY: Duration = Duration::from_millis(100);

/// What waits for the fold, and how far log and fold are.
#[derive(Debug)]
pub(crate) struct Feed {
    inner: Mutex<Inner>,
    wake: Condvar,
    end: AtomicU64,
    folded: AtomicU64,
    ends: watch::Sender<u64>,
    folds: watch::Sender<u64>,
    ended: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Inner {
    batches: VecDeque<Vec<Record>>,
    records: usize,
    bytes: usize,
    /// Somebody asked the fold to look around: a stop, an answer that freed a limit.
    nudged: bool,
    /// When the log's end was where, oldest first.
    samples: VecDeque<(u64, Instant)>,
}

impl Feed {
    /// A feed of a log that ends here and is folded up to there.
    pub(crate) fn new(end: Position, folded: Position) -> Feed {
        Feed {
            inner: Mutex::default(),
            wake: Condvar::new(),
            end: AtomicU64::new(end.0),
            folded: AtomicU64::new(folded.0),
            ends: watch::Sender::new(end.0),
            folds: watch::Sender::new(folded.0),
            ended: watch::Sender::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands durable records over; without room they are left to be read from the log.
    pub(crate) fn push(&self, records: Vec<Record>, bytes: usize) {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
        let (first, end) = (first.position.0, last.position.next().0);
        let mut inner = self.lock();
        if inner.samples.back().is_none_or(|(_, taken)| taken.elapsed() >= SAMPLE_EVERY) {
            inner.samples.push_back((first, Instant::now()));
            let folded = self.folded.load(Ordering::Relaxed);
            // The one before the first unfolded record is all that is needed of what is folded.
            while inner.samples.get(1).is_some_and(|(position, _)| *position <= folded) {
                inner.samples.pop_front();
            }
        }
        if inner.records < RECORDS && inner.bytes < BYTES {
            inner.records += records.len();
            inner.bytes += bytes;
            inner.batches.push_back(records);
        }
        drop(inner);
        self.end.store(end, Ordering::Release);
        self.wake.notify_one();
        self.ends.send_replace(end);
    }

    /// Takes all that waits, or nothing after `patience` or a nudge.
    pub(crate) fn take(&self, wants: Position, patience: Duration) -> Vec<Vec<Record>> {
        let until = Instant::now() + patience;
        let mut inner = self.lock();
        while inner.batches.is_empty() && !inner.nudged && self.end.load(Ordering::Acquire) <= wants.0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            inner = self.wake.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        inner.nudged = false;
        (inner.records, inner.bytes) = (0, 0);
        inner.batches.drain(..).collect()
    }

    /// Makes the fold look around although no record came.
    pub(crate) fn nudge(&self) {
        self.lock().nudged = true;
        self.wake.notify_one();
    }

    /// The fold has come to here: the position of the next record.
    pub(crate) fn folded_to(&self, next: Position) {
        self.folded.store(next.0, Ordering::Release);
        self.folds.send_replace(next.0);
    }

    /// The position that the next record gets.
    pub(crate) fn end(&self) -> Position {
        Position(self.end.load(Ordering::Acquire))
    }

    /// The position of the next record to fold.
    pub(crate) fn folded(&self) -> Position {
        Position(self.folded.load(Ordering::Acquire))
    }

    /// How many durable records are not folded, and how long the oldest of them waits, to 100 ms.
    pub(crate) fn lag(&self) -> (u64, Duration) {
        let (end, folded) = (self.end().0, self.folded().0);
        let records = end.saturating_sub(folded);
        if records == 0 {
            return (0, Duration::ZERO);
        }
        let inner = self.lock();
        let oldest = inner.samples.iter().find(|(position, _)| *position >= folded);
        (records, oldest.map_or(Duration::ZERO, |(_, taken)| taken.elapsed()))
    }

    /// Sees the end of the log move.
    pub(crate) fn ends(&self) -> watch::Receiver<u64> {
        self.ends.subscribe()
    }

    /// Nothing will be folded any more: nobody is to wait for it.
    pub(crate) fn end_all(&self) {
        self.ended.send_replace(true);
    }

    /// Waits until the record at this position is folded. False if that will not happen in this life.
    pub(crate) async fn wait_folded(&self, position: Position) -> bool {
        let (mut folds, mut ended) = (self.folds.subscribe(), self.ended.subscribe());
        tokio::select! {
            folded = folds.wait_for(|folded| *folded > position.0) => folded.is_ok(),
            _ = ended.wait_for(|ended| *ended) => false,
        }
    }
}
