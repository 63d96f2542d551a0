//! A closed loop: so many runs are under way, and when one has made its third call the next one is started.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::Result;
use crate::http::Client;
use crate::load::{Listener, micros, number, runtime, thread_cpu};
use crate::process::Process;

/// Connections of the sender: so many starts wait for their acknowledgement at most.
const CONNECTIONS: usize = 64;
/// How long runs that were started may still take when no more are started.
const DRAIN: Duration = Duration::from_secs(60);
/// How long a system is under load before anything is counted.
pub(crate) const WARM: Duration = Duration::from_secs(3);

/// An engine that makes runs of three calls.
pub(crate) struct System {
    pub(crate) name: &'static str,
    pub(crate) server: Process,
    /// Where its steps' code runs, if that is not in the server.
    pub(crate) worker: Option<Process>,
    /// Where runs are started.
    pub(crate) addr: SocketAddr,
    /// The request that starts the runs of these numbers.
    pub(crate) start: fn(&[usize]) -> Vec<u8>,
}

/// When each run was started and ended, by its number, in microseconds since 1970; 0 where it has not.
#[derive(Default)]
struct Times {
    started: Vec<u64>,
    ended: Vec<u64>,
    /// How many have ended.
    over: usize,
}

impl Times {
    fn under_way(&self) -> usize {
        self.started.len() - self.over
    }
}

/// The sink, and what it saw. It is the same for all systems.
pub(crate) struct Loop {
    sink: Listener,
    times: Arc<Mutex<Times>>,
    /// What the sender may start.
    room: Arc<Mutex<Arc<Semaphore>>>,
}

/// What a stretch of load did and cost.
pub(crate) struct Stretch {
    /// Runs ended in a second.
    pub(crate) rate: f64,
    /// Seconds from sending the start to the third call's arrival.
    pub(crate) latency: Vec<f64>,
    /// Milliseconds of CPU for each run: the server, the worker, sender and sink.
    pub(crate) server: f64,
    pub(crate) worker: f64,
    pub(crate) load: f64,
    /// Resident bytes at the end.
    pub(crate) server_resident: f64,
    pub(crate) worker_resident: f64,
    /// How many runs ended in all, before and after what was counted too.
    pub(crate) all: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Loop {
    pub(crate) fn start() -> Result<Loop> {
        let times = Arc::new(Mutex::new(Times::default()));
        let room = Arc::new(Mutex::new(Arc::new(Semaphore::new(0))));
        let (noted, given) = (Arc::clone(&times), Arc::clone(&room));
        let sink = Listener::start(move |message| {
            if message.word(1) != "/c" {
                return;
            }
            let at = usize::try_from(number(message)).unwrap_or(usize::MAX);
            let mut times = lock(&noted);
            // A call may come twice: the first one ends the run.
            if let Some(ended @ 0) = times.ended.get_mut(at) {
                *ended = micros();
                times.over += 1;
                drop(times);
                lock(&given).add_permits(1);
            }
        })?;
        Ok(Loop { sink, times, room })
    }

    pub(crate) fn sink(&self) -> SocketAddr {
        self.sink.addr
    }

    /// So many seconds with so many runs under way, started so many at once. Returns when all have ended.
    pub(crate) fn stretch(&self, system: &System, under_way: usize, batch: usize, seconds: f64) -> Result<Stretch> {
        let room = Arc::new(Semaphore::new(under_way));
        *lock(&self.room) = Arc::clone(&room);
        let over = Arc::new(AtomicBool::new(false));
        let (times, stop, addr, start) = (Arc::clone(&self.times), Arc::clone(&over), system.addr, system.start);
        let clients = CONNECTIONS.min(under_way / batch).max(1);
        let permits = Arc::clone(&room);
        let sender = std::thread::spawn(move || {
            runtime()?.block_on(async {
                let mut tasks = Vec::new();
                for _ in 0..clients {
                    let sender = Sender { times: Arc::clone(&times), room: Arc::clone(&permits), addr, start, batch };
                    tasks.push(tokio::spawn(sender.send(Arc::clone(&stop))));
                }
                for task in tasks {
                    task.await.map_err(|why| why.to_string())??;
                }
                Ok::<f64, String>(thread_cpu())
            })
        });
        let first = lock(&self.times).over;
        let taken = self.counted(system, seconds, &sender);
        over.store(true, Ordering::Relaxed);
        room.close();
        let sent = sender.join().map_err(|_| "the sender panicked".to_owned())?;
        let cpu = sent.map_err(|why| format!("{}: {why}\n{}", system.name, system.server.tail()))?;
        let last = Instant::now();
        loop {
            let left = lock(&self.times).under_way();
            match left {
                0 => break,
                _ if last.elapsed() < DRAIN => std::thread::sleep(Duration::from_millis(5)),
                left => return Err(format!("{left} runs of {} never made their third call", system.name)),
            }
        }
        let mut stretch = taken;
        stretch.all = lock(&self.times).over - first;
        stretch.load += cpu * 1e3 / stretch.all as f64;
        Ok(stretch)
    }

    /// What ends within so many seconds, after it is warm.
    fn counted<T>(&self, system: &System, seconds: f64, sender: &std::thread::JoinHandle<T>) -> Stretch {
        let wait = |time: Duration| {
            let began = Instant::now();
            while began.elapsed() < time && !sender.is_finished() {
                std::thread::sleep(Duration::from_millis(5).min(time.saturating_sub(began.elapsed())));
            }
        };
        wait(WARM);
        let cpu = || {
            let worker = system.worker.as_ref().map_or(0.0, Process::cpu);
            (system.server.cpu(), worker, self.sink.cpu())
        };
        let (from, before) = (micros(), cpu());
        wait(Duration::from_secs_f64(seconds));
        let (to, after) = (micros(), cpu());
        let times = lock(&self.times);
        let latency: Vec<f64> = times
            .started
            .iter()
            .zip(&times.ended)
            .filter(|(_, ended)| (from..to).contains(*ended))
            .map(|(started, ended)| ended.saturating_sub(*started) as f64 / 1e6)
            .collect();
        drop(times);
        let each = |seconds: f64| seconds * 1e3 / latency.len().max(1) as f64;
        Stretch {
            rate: latency.len() as f64 * 1e6 / (to - from) as f64,
            server: each(after.0 - before.0),
            worker: each(after.1 - before.1),
            load: each(after.2 - before.2),
            server_resident: system.server.resident() as f64,
            worker_resident: system.worker.as_ref().map_or(0.0, |worker| worker.resident() as f64),
            latency,
            all: 0,
        }
    }
}

/// One connection that starts runs while there is room.
struct Sender {
    times: Arc<Mutex<Times>>,
    room: Arc<Semaphore>,
    addr: SocketAddr,
    start: fn(&[usize]) -> Vec<u8>,
    batch: usize,
}

impl Sender {
    async fn send(self, stop: Arc<AtomicBool>) -> Result {
        let mut client = Client::new(self.addr);
        let many = u32::try_from(self.batch).unwrap_or(u32::MAX);
        loop {
            // It is closed when the time is over.
            let Ok(room) = self.room.acquire_many(many).await else { return Ok(()) };
            room.forget();
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let numbers: Vec<usize> = {
                let mut times = lock(&self.times);
                let first = times.started.len();
                let now = micros();
                times.started.extend(std::iter::repeat_n(now, self.batch));
                times.ended.extend(std::iter::repeat_n(0, self.batch));
                (first..first + self.batch).collect()
            };
            let answer = client.send(&(self.start)(&numbers)).await.map_err(|why| format!("a start: {why}"))?;
            if !(200..300).contains(&answer.status()) {
                return Err(format!("a start was answered {}: {}", answer.status(), answer.text()));
            }
        }
    }
}
