//! Doing what was decided: one task for each effect, its answer to the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ensue_connect::{Call, Connection as Way, World};
use ensue_engine::Outboxed;
use ensue_event::ours::{Answer, Attempt};
use ensue_lang::{Connection, Name};
use ensue_pump::{Pump, pump};
use ensue_state::Sqlite;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::metrics::Metrics;
use crate::queue::{Queue, Refused};

/// How long an answer waits before it is offered again to a disk that is full.
const AGAIN: Duration = Duration::from_millis(500);

/// An effect with the connection that it goes through.
pub(crate) struct Job {
    pub(crate) row: Outboxed,
    connection: Option<Arc<Connection>>,
}

impl Job {
    /// The connection is that of the configuration in force: limits, endpoints and secrets are those of now, not those
    /// of when the run began.
    pub(crate) fn of(row: Outboxed, pump: &Pump<Sqlite>) -> Job {
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

/// Performs effects until there are no more to come, and gives their answers to the log.
pub(crate) async fn run(
    mut jobs: mpsc::UnboundedReceiver<Job>,
    world: Arc<World>,
    queue: Arc<Queue>,
    metrics: Arc<Metrics>,
    answered: Arc<Answered>,
) {
    // How many there are at once is the pump's: it counts by connection.
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            job = jobs.recv() => match job {
                Some(job) => {
                    let (world, queue, metrics) = (Arc::clone(&world), Arc::clone(&queue), Arc::clone(&metrics));
                    let answered = Arc::clone(&answered);
                    tasks.spawn(async move {
                        let answer = perform(&job, &world).await;
                        metrics.action(&job.row.effect.action, matches!(answer, Answer::Ok(_)));
                        if tell(&job.row, answer, &queue).await {
                            answered.add(job.row.attempt());
                        }
                    });
                }
                None => break,
            },
            Some(_) = tasks.join_next() => {}
        }
    }
    while tasks.join_next().await.is_some() {}
}

async fn perform(job: &Job, world: &World) -> Answer {
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
    };
    tracing::debug!(action = effect.action, effect = %effect.key, attempt = effect.attempt, "performing");
    world.perform(call).await
}

/// An answer is what a run goes on by: it is offered until the log takes it or the node ends. True if it is durable.
async fn tell(row: &Outboxed, answer: Answer, queue: &Queue) -> bool {
    loop {
        match queue.append_urgent(vec![pump::answered(row, answer.clone())]).await {
            Ok(_) => return true,
            Err(Refused::Full | Refused::Busy) => tokio::time::sleep(AGAIN).await,
            Err(why @ Refused::Closed(_)) => {
                tracing::warn!(effect = %row.effect.key, %why, "an answer came too late to be kept");
                return false;
            }
        }
    }
}
