//! A running node: what its threads and tasks share, its start and its stop.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ensue_connect::{Outputs, Secrets, World};
use ensue_engine::{Compiled, Decision, Verdict};
use ensue_event::ours::{Command, ConfigFile, NodeStopped, Operator};
use ensue_event::{Attr, Key, Position, Record};
use ensue_log::{Blobs, Entry, Reader};
use ensue_pump::{Outgoing, Pump, pump};
use ensue_state::{Lock, Sqlite};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle as Task;

use crate::chore::Chore;
use crate::clock::Clock;
use crate::config::{self, Wrong};
use crate::dispatch::Dispatcher;
use crate::drive::Drive;
use crate::error::Error;
use crate::feed::Feed;
use crate::folder::{ABANDON, END, Fold, Folder};
use crate::http;
use crate::ingest::Bucket;
use crate::logs::Logs;
use crate::metrics::Metrics;
use crate::options::{Options, Reached};
use crate::queue::{Fate, Queue, Refused};
use crate::recover::{self, Recovered};
use crate::token::Tokens;
use crate::writer::{Full, Writer};
use crate::{dispatch, operator, pull, reload, retain, schedule};

/// Whom the fold records the decision of a command for.
const OPERATOR: &str = "operator";

/// What threads, tasks and requests share.
pub(crate) struct Core {
    pub(crate) options: Options,
    pub(crate) queue: Arc<Queue>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) fold: Arc<Fold>,
    pub(crate) reader: Reader<Drive>,
    pub(crate) blobs: Blobs<Drive>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tokens: Tokens,
    pub(crate) chores: std::sync::mpsc::Sender<Chore>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) world: Arc<World>,
    /// Sources that are read, by name.
    pub(crate) sources: Mutex<BTreeMap<String, Arc<ensue_connect::pull::Feed>>>,
    pub(crate) buckets: Mutex<BTreeMap<String, Bucket>>,
    /// A version of the configuration that was refused, until one is taken.
    pub(crate) wrong: Mutex<Option<Wrong>>,
    /// One configuration at a time.
    applying: tokio::sync::Mutex<()>,
    /// One purge at a time.
    pub(crate) purging: tokio::sync::Mutex<()>,
    /// One verification of the whole log at a time.
    pub(crate) verifying: tokio::sync::Mutex<()>,
    /// The file `FREEZE` is there.
    pub(crate) frozen: Arc<AtomicBool>,
    /// The loop is live and takes events.
    ready: AtomicBool,
    /// Why the node cannot go on.
    broken: Mutex<Option<String>>,
    /// True from the moment at which the node stops.
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) started: Instant,
}

/// What came of an operator's command.
#[derive(Debug)]
pub(crate) enum Commanded {
    /// It was done; the record says so.
    Done(Position),
    /// It was refused.
    Refused(Position, String),
}

impl Core {
    /// Looks at the state without keeping a worker from its other requests.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Core>,
        look: impl FnOnce(&Pump<Sqlite>) -> T + Send + 'static,
    ) -> Option<T> {
        let fold = Arc::clone(&self.fold);
        tokio::task::spawn_blocking(move || fold.read(look)).await.ok()
    }

    /// Reads from the log without keeping a worker from its other requests.
    pub(crate) async fn log<T: Send + 'static>(
        self: &Arc<Core>,
        look: impl FnOnce(&Reader<Drive>, &Blobs<Drive>) -> T + Send + 'static,
    ) -> Option<T> {
        let (reader, blobs) = (self.reader.clone(), self.blobs.clone());
        tokio::task::spawn_blocking(move || look(&reader, &blobs)).await.ok()
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> Arc<Compiled> {
        self.fold.config()
    }

    /// Whether the loop is live and takes events, else why not.
    pub(crate) fn ready(&self) -> Result<(), String> {
        if let Some(why) = self.broken() {
            return Err(why);
        }
        if *self.stop.borrow() {
            return Err("it is stopping".into());
        }
        if !self.ready.load(Ordering::Acquire) {
            return Err("it is starting".into());
        }
        let (records, age) = self.feed.lag();
        let limits = &self.options.limits;
        if records > limits.lag_records || age > limits.lag_age {
            return Err(format!("the fold is {records} records and {} ms behind", age.as_millis()));
        }
        Ok(())
    }

    /// Why the node cannot go on, if it cannot.
    pub(crate) fn broken(&self) -> Option<String> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Appends a record of our own and waits until it is folded.
    pub(crate) async fn tell(&self, out: Outgoing) -> Result<Position, Refused> {
        let fates = self.queue.append_urgent(vec![out]).await?;
        let position = fates.first().map(|fate| match fate {
            Fate::Durable(position) | Fate::Duplicate(position) | Fate::Conflict(position) => *position,
        });
        let Some(position) = position else { return Err(Refused::Closed("nothing was appended".into())) };
        if !self.feed.wait_folded(position).await {
            return Err(Refused::Closed("it is stopping".into()));
        }
        Ok(position)
    }

    /// Carries a command out: its record is folded, and the fold has decided.
    pub(crate) async fn command(
        self: &Arc<Core>,
        command: Command,
        actor: &str,
        roles: &[String],
        reason: &str,
    ) -> Result<Commanded, Refused> {
        let (actor, roles, reason) = (actor.to_owned(), roles.to_vec(), reason.to_owned());
        let operator = Operator { command, actor, roles, reason };
        tracing::info!(?operator, "command");
        // A command about a run belongs to its chain.
        let run = operator.command.run();
        let chain = self.read(move |pump| run.and_then(|run| chain_of(pump, run))).await.flatten();
        let mut out = pump::operator(uuid::Uuid::now_v7().to_string(), operator);
        if let Some(chain) = chain {
            out.event.set_extension("correlationid", Attr::Text(chain.into()));
        }
        let position = self.tell(out).await?;
        let key = (position, OPERATOR.to_owned());
        let decision = self.read(move |pump| pump.engine().state().decisions.get(&key).cloned()).await.flatten();
        Ok(match decision.as_ref().and_then(|decided| decided.all.first()) {
            Some(Decision { verdict: Verdict::Refused { why }, .. }) => Commanded::Refused(position, why.clone()),
            _ => Commanded::Done(position),
        })
    }

    /// Puts a configuration in force: its position, or nothing where it means the same as the one in force.
    pub(crate) async fn apply(self: &Arc<Core>, files: Vec<ConfigFile>) -> Result<Option<Position>, NotApplied> {
        let _one = self.applying.lock().await;
        let checked = tokio::task::spawn_blocking(move || config::check(files)).await;
        let applied = match checked {
            Ok(Ok(applied)) => applied,
            Ok(Err(wrong)) => {
                *self.wrong.lock().unwrap_or_else(PoisonError::into_inner) = Some(wrong.clone());
                return Err(NotApplied::Wrong(wrong));
            }
            Err(why) => return Err(NotApplied::Refused(Refused::Closed(why.to_string()))),
        };
        *self.wrong.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let record = applied.record(self.options.observe);
        let current =
            self.read(|pump| pump.engine().state().config.get(&"current".to_owned()).cloned()).await.flatten();
        if current.is_some_and(|current| config::same(&current.config, &record)) {
            return Ok(None);
        }
        let position = self.tell(config::record(record, self.feed.end())).await.map_err(NotApplied::Refused)?;
        let dropped = self.dropped(position).await;
        tracing::info!(%position, half_matches = dropped.halves, held = dropped.held, "a configuration is in force");
        for (rule, what) in &dropped.rules {
            tracing::info!(rule, "{what}");
        }
        Ok(Some(position))
    }
}

/// The correlation of a run, or of a firing that is parked.
fn chain_of(pump: &Pump<Sqlite>, run: Key) -> Option<String> {
    let state = pump.engine().state();
    let known = state.runs.get(&run).map(|run| run.correlation.clone());
    known.or_else(|| state.parked.get(&run).map(|parked| parked.correlation.clone()))
}

/// Why a configuration is not in force.
#[derive(Debug)]
pub(crate) enum NotApplied {
    /// It has errors.
    Wrong(Wrong),
    /// It could not be appended.
    Refused(Refused),
}

/// The entry: see [`Node::start`].
#[derive(Debug)]
pub struct Node;

/// A node that runs. Dropping it without [`Running::stop`] is like a kill: nothing that was acknowledged is lost.
pub struct Running {
    /// The address that it listens on.
    pub addr: SocketAddr,
    /// The file with the token for the command line on this machine.
    pub admin_token: PathBuf,
    core: Arc<Core>,
    ending: Arc<AtomicU8>,
    stopping: Arc<AtomicBool>,
    writer: JoinHandle<()>,
    folder: JoinHandle<()>,
    server: Task<()>,
    tasks: Vec<Task<()>>,
    _lock: Lock,
}

impl Node {
    /// Starts a node: recovers, goes live, and listens. It is ready when this returns.
    pub async fn start(options: Options) -> Result<Running, Error> {
        let began = Instant::now();
        if options.open_ingest && !options.listen.ip().is_loopback() {
            return Err(Error::OpenIngest(options.listen));
        }
        let listener = tokio::net::TcpListener::bind(options.listen)
            .await
            .map_err(|source| Error::Listen { address: options.listen, source })?;
        let addr = listener.local_addr().map_err(|source| Error::Listen { address: options.listen, source })?;
        let (opened, options) = tokio::task::spawn_blocking(move || (recover::recover(&options), options))
            .await
            .map_err(|why| Error::Fold(why.to_string()))?;
        let Recovered { lock, log, blobs, logs, clock, mut pump } = opened?;
        let tokens = Tokens::open(&options.data)?;
        let admin_token = tokens.bootstrap(&options.data, options.admin_token.as_deref(), crate::clock::wall())?;
        pump.go_live();
        let metrics = Arc::new(Metrics::new());
        let queue = Arc::new(Queue::new(options.limits.waiting_events));
        let feed = Arc::new(Feed::new(ensue_log::Log::end(&log), pump.wants()));
        let secrets = Arc::new(Secrets::new(options.secrets.clone()));
        let world = Arc::new(
            World::new(Arc::clone(&secrets), options.data.join("cache"))
                .with_outputs(Arc::clone(&logs) as Arc<dyn Outputs>),
        );
        let reader = log.reader();
        let fold = Arc::new(Fold::new(pump));
        let (chores, to_do) = std::sync::mpsc::channel();
        let core = Arc::new(Core {
            queue: Arc::clone(&queue),
            feed: Arc::clone(&feed),
            fold: Arc::clone(&fold),
            reader: reader.clone(),
            blobs: blobs.clone(),
            logs: Arc::clone(&logs),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
            tokens,
            chores,
            secrets,
            world: Arc::clone(&world),
            sources: Mutex::default(),
            buckets: Mutex::default(),
            wrong: Mutex::new(None),
            applying: tokio::sync::Mutex::new(()),
            purging: tokio::sync::Mutex::new(()),
            verifying: tokio::sync::Mutex::new(()),
            frozen: Arc::new(AtomicBool::new(reload::frozen(&options.data).is_some())),
            ready: AtomicBool::new(true),
            broken: Mutex::new(None),
            stop: watch::Sender::new(false),
            started: Instant::now(),
            options,
        });
        let fatal: crate::options::Fatal = {
            let core = Arc::downgrade(&core);
            Arc::new(move |why| {
                tracing::error!(why, "the node cannot go on");
                if let Some(core) = core.upgrade() {
                    core.broken.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| why.to_owned());
                    core.feed.end_all();
                    (core.options.fatal)(why);
                }
            })
        };
        let (orders, ordered) = mpsc::unbounded_channel();
        let answered = Arc::new(dispatch::Answered::default());
        let (stopping, ending) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU8::new(0)));
        let writer = Writer {
            log,
            blobs: blobs.clone(),
            queue: Arc::clone(&queue),
            feed: Arc::clone(&feed),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
            fatal: Arc::clone(&fatal),
            chores: to_do,
            full: Full::default(),
        };
        let folder = Folder {
            fold,
            reader,
            blobs,
            feed,
            queue: Arc::clone(&queue),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
            orders,
            fatal: Arc::clone(&fatal),
            stopping: Arc::clone(&stopping),
            frozen: Arc::clone(&core.frozen),
            answered: Arc::clone(&answered),
            ending: Arc::clone(&ending),
            before: core.options.before_fold.clone(),
        };
        let died = Arc::clone(&fatal);
        let spawn = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let no_thread = Error::io("start a thread for", core.options.data.clone());
        let writer = spawn("ensue-writer")
            .spawn(move || ends_loudly("the log", &died, move || writer.run()))
            .map_err(no_thread)?;
        let no_thread = Error::io("start a thread for", core.options.data.clone());
        let folder = spawn("ensue-fold")
            .spawn(move || ends_loudly("the fold", &fatal, move || folder.run()))
            .map_err(no_thread)?;
        let tasks = vec![
            tokio::spawn(dispatch::run(ordered, Arc::new(Dispatcher { world, logs, clock, queue, metrics, answered }))),
            tokio::spawn(reload::watch(Arc::clone(&core))),
            tokio::spawn(operator::run(Arc::clone(&core))),
            tokio::spawn(reload::freeze(Arc::clone(&core))),
            tokio::spawn(schedule::run(Arc::clone(&core))),
            tokio::spawn(pull::run(Arc::clone(&core))),
            tokio::spawn(retain::run(Arc::clone(&core))),
        ];
        let server = tokio::spawn(http::serve(listener, Arc::clone(&core)));
        tracing::info!(%addr, took = ?began.elapsed(), "ready");
        Ok(Running { addr, admin_token, core, ending, stopping, writer, folder, server, tasks, _lock: lock })
    }
}

/// Runs a thread without which there is no node: a fault of our own in it must not look like a quiet day.
fn ends_loudly(name: &str, fatal: &crate::options::Fatal, run: impl FnOnce()) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err() {
        fatal(&format!("the thread of {name} stopped at a fault of its own; please report it, and start again"));
    }
}

impl Running {
    /// The base address for HTTP.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// How far log and fold are.
    #[must_use]
    pub fn reached(&self) -> Reached {
        Reached { end: self.core.feed.end(), folded: self.core.feed.folded() }
    }

    /// Waits until everything that is durable now is folded. False if the node cannot go on.
    pub async fn settled(&self) -> bool {
        let end = self.core.feed.end();
        end == Position(0) || self.core.feed.wait_folded(Position(end.0 - 1)).await
    }

    /// Records of the log from a position on, at most so many.
    pub fn records(&self, from: Position, limit: usize) -> Result<Vec<Record>, ensue_log::Error> {
        let entries = self.core.reader.read(from, limit, usize::MAX)?;
        Ok(entries
            .into_iter()
            .filter_map(|entry| if let Entry::Record(record) = entry { Some(record) } else { None })
            .collect())
    }

    /// Trims what is past retention, now: the first record that is left, where something went. Else why not.
    pub async fn retain(&self) -> Result<Option<Position>, String> {
        retain::now(&self.core).await
    }

    /// Reads the configuration's folder again, now: for a signal. The position at which a new version is in force,
    /// nothing where it means the same; else what is wrong.
    pub async fn reload(&self) -> Result<Option<Position>, String> {
        reload::now(&self.core).await
    }

    /// Stops in good order: takes no more events, waits for actions in flight up to the grace, writes a last checkpoint.
    /// True if nothing was in flight at the end.
    pub async fn stop(self, reason: &str) -> bool {
        let core = &self.core;
        tracing::info!(reason, "stopping");
        core.stop.send_replace(true);
        core.queue.close("it is stopping");
        self.stopping.store(true, Ordering::Release);
        let grace = Instant::now() + core.options.limits.grace;
        let clean = loop {
            if core.broken().is_some() {
                break false;
            }
            let flying = core.read(|pump| pump.dispatch().flying()).await.unwrap_or(0);
            if flying == 0 {
                break true;
            }
            if Instant::now() >= grace {
                tracing::warn!(flying, "actions are still in flight; their outcome is decided at the next start");
                break false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        if clean {
            let told = NodeStopped { reason: reason.to_owned() };
            let out = pump::node(uuid::Uuid::now_v7().to_string(), &told.into());
            if let Err(why) = core.tell(out).await {
                tracing::warn!(%why, "the stop could not be recorded");
            }
        }
        // The fold may wait for the writer, so it ends first.
        self.ending.store(END, Ordering::Release);
        core.feed.nudge();
        let (folder, writer, queue) = (self.folder, self.writer, Arc::clone(&core.queue));
        let fold = Arc::clone(&core.fold);
        let ended = tokio::task::spawn_blocking(move || {
            let folded = folder.join().is_ok();
            if folded && clean {
                fold.with(Pump::stopped);
            }
            queue.end();
            writer.join().is_ok()
        });
        let ended = ended.await.unwrap_or(false);
        core.feed.end_all();
        for task in &self.tasks {
            task.abort();
        }
        let mut server = self.server;
        if tokio::time::timeout(Duration::from_secs(2), &mut server).await.is_err() {
            server.abort();
        }
        tracing::info!(clean, "stopped");
        clean && ended
    }
}

impl Running {
    /// Ends as a crash would: nothing is finished, committed or said. What was acknowledged is in the log. For tests.
    pub async fn abandon(self) {
        self.core.stop.send_replace(true);
        self.ending.store(ABANDON, Ordering::Release);
        self.core.feed.nudge();
        for task in &self.tasks {
            task.abort();
        }
        self.server.abort();
        let queue = Arc::clone(&self.core.queue);
        queue.end();
        let (folder, writer) = (self.folder, self.writer);
        // Threads that panicked have said so already.
        let _ = tokio::task::spawn_blocking(move || (folder.join().is_ok(), writer.join().is_ok())).await;
        self.core.feed.end_all();
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("addr", &self.addr).finish_non_exhaustive()
    }
}
