//! Doing what was decided: one task for each effect, its answer to the log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ensue_connect::{Call, Connection as Way, Log, Sink, World};
use ensue_engine::Outboxed;
use ensue_event::Key;
use ensue_event::ours::{ActionStopped, Answer, Attempt, Stopped};
use ensue_lang::{Connection, Name};
use ensue_pump::{Outgoing, Pump, pump};
use ensue_state::Sqlite;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::logs::{Logs, SOON};
use crate::metrics::Metrics;
use crate::queue::{Queue, Refused};

/// How long an answer waits before it is offered again to a disk that is full.
const AGAIN: Duration = Duration::from_millis(500);
/// How long what was cut off may take to be gone: a program has five seconds before it is killed.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// An effect with the connection that it goes through.
pub(crate) struct Job {
    pub(crate) row: Outboxed,
    connection: Option<Arc<Connection>>,
}

impl Job {
    /// The connection is that of the configuration in force: limits, endpoints and secrets are those of now, not those
    /// of when the run began.
    fn of(row: Outboxed, pump: &Pump<Sqlite>) -> Job {
        let name = row.effect.connection.as_deref().and_then(|name| name.split_once('/'));
        let connection = name.and_then(|(namespace, name)| {
            pump.engine().config().config.connections.get(&Name::new(namespace, name)).cloned()
        });
        Job { row, connection }
    }
}

/// Attempts whose answers are durable: told to the fold's thread, which may be far behind in folding them.
#[derive(Debug, Default)]
pub(crate) struct Answered(Mutex<Vec<Attempt>>);

impl Answered {
    fn add(&self, of: Attempt) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(of);
    }

    /// Takes all that came since the last time.
    pub(crate) fn take(&self) -> Vec<Attempt> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is asked of the dispatcher, in this order.
pub(crate) enum Order {
    /// Perform this.
    Do(Box<Job>),
    /// Stop what is under way for this effect: nothing waits for its answer.
    Stop(Key),
}

impl Order {
    pub(crate) fn of(row: Outboxed, pump: &Pump<Sqlite>) -> Order {
        Order::Do(Box::new(Job::of(row, pump)))
    }
}

/// What the tries share.
pub(crate) struct Dispatcher {
    pub(crate) world: Arc<World>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) answered: Arc<Answered>,
}

/// Performs effects until there are no more to come, and gives their answers to the log.
pub(crate) async fn run(mut orders: mpsc::UnboundedReceiver<Order>, shared: Arc<Dispatcher>) {
    // How many there are at once is the pump's: it counts by connection.
    let mut tries = JoinSet::new();
    let mut under_way: BTreeMap<Key, (u32, oneshot::Sender<()>)> = BTreeMap::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Do(job)) => {
                    let (stop, stopped) = oneshot::channel();
                    let (effect, attempt) = (job.row.effect.key, job.row.effect.attempt);
                    under_way.insert(effect, (attempt, stop));
                    let shared = Arc::clone(&shared);
                    tries.spawn(async move {
                        shared.attempt(&job, stopped).await;
                        (effect, attempt)
                    });
                }
                Some(Order::Stop(effect)) => {
                    if let Some((_, stop)) = under_way.remove(&effect) {
                        // One that has ended at this moment needs no stop.
                        let _ = stop.send(());
                    }
                }
                None => break,
            },
            Some(Ok((effect, attempt))) = tries.join_next() => {
                if under_way.get(&effect).is_some_and(|(known, _)| *known == attempt) {
                    under_way.remove(&effect);
                }
            }
        }
    }
    while tries.join_next().await.is_some() {}
}

impl Dispatcher {
    /// One try, unless it is stopped: then its programs are ended and its requests dropped.
    async fn attempt(&self, job: &Job, stopped: oneshot::Receiver<()>) {
        let (row, began) = (&job.row, self.clock.now());
        let live = self.logs.begin(row, began);
        let (log, mut silence) = Log::new(Arc::clone(&live) as Arc<dyn Sink>, Arc::clone(self.world.secrets()));
        let filed = async {
            tokio::time::sleep(SOON).await;
            live.file();
            std::future::pending().await
        };
        let answer = tokio::select! {
            answer = perform(job, log, &self.world) => Some(answer),
            Ok(()) = stopped => None,
            () = filed => None,
        };
        // What was cut off may still be ending, and must have ended before anything is done again.
        let _ = tokio::time::timeout(LAST_WORDS, &mut silence).await;
        let log = self.logs.close(&live).await;
        let has_answer = answer.is_some();
        let out = if let Some(answer) = answer {
            self.metrics.action(&row.effect.action, matches!(answer, Answer::Ok(_)));
            pump::answered(row, answer, Some(began), log)
        } else {
            tracing::info!(effect = %row.effect.key, step = row.effect.step, "stopped: its run goes on without it");
            let told = ActionStopped { of: row.attempt(), began, why: Stopped::Cancelled, log };
            pump::stopped(told, &row.effect.correlation, row.effect.depth)
        };
        if self.tell(row, out).await {
            self.logs.done(&live);
            if has_answer {
                self.answered.add(row.attempt());
            }
        }
    }

    /// An answer is what a run goes on by: it is offered until the log takes it or the node ends. Whether it was taken.
    async fn tell(&self, row: &Outboxed, out: Outgoing) -> bool {
        loop {
            match self.queue.append_urgent(vec![out.clone()]).await {
                Ok(_) => return true,
                Err(Refused::Full | Refused::Busy) => tokio::time::sleep(AGAIN).await,
                Err(why @ Refused::Closed(_)) => {
                    tracing::warn!(effect = %row.effect.key, %why, "what became of it came too late to be kept");
                    return false;
                }
            }
        }
    }
}

async fn perform(job: &Job, log: Log, world: &World) -> Answer {
    let effect = &job.row.effect;
    if job.connection.as_ref().is_some_and(|connection| connection.dry_run) {
        return Answer::Ok(serde_json::json!({"dryRun": true}));
    }
    let call = Call {
        effect: effect.key,
        attempt: effect.attempt,
        run: effect.run,
        step: effect.step.clone(),
        namespace: effect.rule.split_once('/').map_or("default", |(namespace, _)| namespace).to_owned(),
        action: effect.action.clone(),
        connection: job.connection.as_ref().map(|connection| Way {
            name: connection.name.to_string(),
            type_name: connection.type_name.clone(),
            config: connection.config.clone(),
        }),
        with: effect.with.clone(),
        timeout: effect.timeout,
        // What comes back of it is one longer, as an event that the run emits is.
        cause: format!("depth={} {} {}", effect.depth.saturating_add(1), effect.rule, effect.correlation),
        log,
    };
    tracing::debug!(action = effect.action, effect = %effect.key, attempt = effect.attempt, "performing");
    world.perform(call).await
}
