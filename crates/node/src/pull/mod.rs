//! Sources that ensue reads itself: one task for each, begun anew when what its document or connection says changes.

mod store;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use ensue_connect::Connection;
use ensue_connect::pull::{Backoff, Ended, Feed, Intake, Problem, Status, Told, pull};
use ensue_event::ours::{Ours, SourceCaughtUp, SourceDisconnected, SourceGap};
use ensue_event::{Digest, Event, Time};
use ensue_lang::{Name, Source};
use ensue_pump::pump;
use tokio::task::JoinHandle;

use crate::ingest::{Compared, Events};
use crate::node::Core;
use crate::queue::Refused;

use store::File;

/// How soon a changed configuration is noticed.
const LOOK_AROUND: Duration = Duration::from_millis(250);
/// How long a source waits before it asks again whether the node takes events.
const BEHIND: Duration = Duration::from_millis(20);
/// The same while the disk is full.
const FULL: Duration = Duration::from_secs(1);
/// The folder of what sources remember, below the data folder.
const FOLDER: &str = "sources";

/// A source that is being read.
struct Reading {
    /// Of its document and of its connection's.
    digest: (Digest, Option<Digest>),
    task: JoinHandle<()>,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads all such sources until the node stops.
pub(crate) async fn run(core: Arc<Core>) {
    let mut reading: BTreeMap<Name, Reading> = BTreeMap::new();
    let mut stop = core.stop.subscribe();
    loop {
        refresh(&core, &mut reading).await;
        tokio::select! {
            () = tokio::time::sleep(LOOK_AROUND) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Takes over what the configuration says now: only sources that changed are begun anew.
async fn refresh(core: &Arc<Core>, reading: &mut BTreeMap<Name, Reading>) {
    let config = core.config();
    let sources = &config.config.sources;
    let digest = |source: &Source| (source.digest, connection(core, source).map(|(_, digest)| digest));
    let gone: Vec<Name> = reading
        .iter()
        .filter(|(name, reading)| sources.get(*name).is_none_or(|source| digest(source) != reading.digest))
        .map(|(name, _)| name.clone())
        .collect();
    for name in gone {
        if let Some(mut old) = reading.remove(&name) {
            old.task.abort();
            // Its file is free when it is over.
            let _ = (&mut old.task).await;
            core.sources.lock().unwrap_or_else(PoisonError::into_inner).remove(&name.to_string());
        }
    }
    for (name, source) in sources {
        let Some(kind) = pull(&source.type_name) else { continue };
        if reading.contains_key(name) {
            continue;
        }
        let path = core.options.data.join(FOLDER).join(format!("{}_{}.db", name.namespace, name.name));
        let store = match tokio::task::spawn_blocking(move || File::open(&path)).await {
            Ok(Ok(store)) => store,
            Ok(Err(why)) => {
                tracing::error!(source = %name, %why, "what the source remembers cannot be opened; it is not read");
                continue;
            }
            Err(_) => return,
        };
        let status = Arc::new(Status::default());
        let intake = Taking { core: Arc::clone(core), source: name.to_string(), status: Arc::clone(&status) };
        let feed = Arc::new(Feed {
            name: name.to_string(),
            namespace: name.namespace.clone(),
            config: source.config.clone(),
            connection: connection(core, source).map(|(connection, _)| connection),
            world: Arc::clone(&core.world),
            store: Arc::new(store),
            status,
            intake: Arc::new(intake),
        });
        core.sources.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_string(), Arc::clone(&feed));
        let task = tokio::spawn(async move {
            let mut backoff = Backoff::default();
            loop {
                let failure = match kind.run(&feed).await {
                    Ok(Ended) => return,
                    Err(failure) => failure,
                };
                tracing::warn!(source = feed.name, why = failure.message, "the source cannot be read");
                let now = feed.intake.now();
                feed.status.problem(Problem::of("", &failure), now);
                if feed.disconnected(&failure.message).await.is_err() {
                    return;
                }
                tokio::time::sleep(backoff.next(failure.retry_after.map(|span| span.to_std()))).await;
            }
        });
        reading.insert(name.clone(), Reading { digest: digest(source), task });
    }
}

/// The connection that a source names, and its digest.
fn connection(core: &Core, source: &Source) -> Option<(Connection, Digest)> {
    let written = source.config.get("connection")?.as_str()?;
    let name = Name::resolve(written, &source.name.namespace);
    let config = core.config();
    let known = config.config.connections.get(&name)?;
    let (type_name, config) = (known.type_name.clone(), known.config.clone());
    Some((Connection { name: name.to_string(), type_name, config }, known.digest))
}

/// Where the events of a source go.
struct Taking {
    core: Arc<Core>,
    source: String,
    status: Arc<Status>,
}

impl Taking {
    fn ends(&self) -> bool {
        *self.core.stop.borrow() || self.core.broken().is_some()
    }
}

#[async_trait::async_trait]
impl Intake for Taking {
    async fn append(&self, events: Vec<Event>) -> Result<Vec<bool>, Ended> {
        loop {
            let pause = match self.core.takes_events() {
                Err(_) if self.ends() => return Err(Ended),
                Err(_) => BEHIND,
                Ok(()) => {
                    let events = events.clone();
                    let events = Events { events, dedupe: true, compared: Compared::Nothing, second: None };
                    match self.core.ingest(&self.source, events, Instant::now()).await {
                        Ok(told) => {
                            self.status.behind(false);
                            return Ok(told.iter().map(|told| !told.duplicate && !told.conflict).collect());
                        }
                        Err(Refused::Busy) => BEHIND,
                        Err(Refused::Full) => FULL,
                        Err(Refused::Closed(_)) => return Err(Ended),
                    }
                }
            };
            self.status.behind(true);
            tokio::time::sleep(pause).await;
        }
    }

    async fn tell(&self, told: Told) -> Result<(), Ended> {
        let source = self.source.clone();
        let told: Ours = match told {
            Told::Disconnected { reason } => SourceDisconnected { source, reason }.into(),
            Told::CaughtUp => SourceCaughtUp { source }.into(),
            Told::Gap { from, to } => SourceGap { source, from, to }.into(),
        };
        loop {
            let out = pump::node(uuid::Uuid::now_v7().to_string(), &told);
            match self.core.tell(out).await {
                Ok(_) => return Ok(()),
                Err(Refused::Closed(_)) => return Err(Ended),
                Err(why) => {
                    tracing::warn!(source = self.source, %why, "what happened to the source is not recorded yet");
                    tokio::time::sleep(FULL).await;
                }
            }
        }
    }

    fn now(&self) -> Time {
        self.core.clock.now()
    }
}
