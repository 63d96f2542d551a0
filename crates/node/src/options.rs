//! What a node is told when it starts.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ensue_connect::Provider;
use ensue_event::ours::ConfigFile;
use ensue_event::{Position, Record, Span};
use ensue_log::Options as LogOptions;

use crate::drive::DiskHook;

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum Configured {
    /// A folder, watched: a new version is applied when its files change.
    Folder(PathBuf),
    /// Objects of a cluster, followed: what can be in force of them together is, and their status says what is not.
    Kubernetes(Objects),
    /// These files; they change only through the API.
    Files(Vec<ConfigFile>),
    /// What was applied last.
    Kept,
}

/// Which objects of which cluster are the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// The kubeconfig; what KUBECONFIG names, `~/.kube/config`, or in a pod its service account if left out.
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; its current one if left out.
    pub context: Option<String>,
    /// The namespace; that of the context or pod if left out.
    pub namespace: Option<String>,
    /// All namespaces.
    pub all: bool,
}

/// Called once when the node cannot go on: the text says why. The process should end with a status other than 0.
pub type Fatal = Arc<dyn Fn(&str) + Send + Sync>;

/// Called with a record before it is folded.
pub type FoldHook = Arc<dyn Fn(&Record) + Send + Sync>;

/// How a node runs.
#[derive(Clone)]
pub struct Options {
    /// Where log, state, blobs and tokens are.
    pub data: PathBuf,
    /// Where the configuration comes from.
    pub config: Configured,
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Every rule decides and records but never acts.
    pub observe: bool,
    /// `POST /events` needs no token: for demos and benchmarks on a loopback address.
    pub open_ingest: bool,
    /// A file with the administrator's token, instead of one that the node makes.
    pub admin_token: Option<PathBuf>,
    /// Where secrets are looked up, in this order.
    pub secrets: Vec<Provider>,
    /// Bounds.
    pub limits: Limits,
    /// How much of the log is kept.
    pub retention: Retention,
    /// Settings of the log; tests have small segments.
    pub log: LogOptions,
    /// What to do when the node cannot go on.
    pub fatal: Fatal,
    /// Called with each record before it is folded, where it may panic: for tests of what is set aside.
    pub before_fold: Option<FoldHook>,
    /// Called before the disk is: for tests and benchmarks.
    pub disk: Option<DiskHook>,
}

impl Options {
    /// The defaults: loopback, port 4310, nothing configured but what was applied last.
    #[must_use]
    pub fn new(data: impl Into<PathBuf>) -> Options {
        Options {
            data: data.into(),
            config: Configured::Kept,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4310)),
            observe: false,
            open_ingest: false,
            admin_token: None,
            secrets: vec![Provider::env()],
            limits: Limits::default(),
            retention: Retention::default(),
            log: LogOptions::default(),
            fatal: Arc::new(|why| tracing::error!(why, "the node cannot go on")),
            before_fold: None,
            disk: None,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("data", &self.data)
            .field("config", &self.config)
            .field("listen", &self.listen)
            .field("observe", &self.observe)
            .field("open_ingest", &self.open_ingest)
            .field("limits", &self.limits)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

/// How much of the log is kept: whole segments go that are past one of these. By default everything is kept.
///
/// Runs, windows and timers hold by value what they need, so what is not over outlives the records that it came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Records appended longer ago than this go.
    pub age: Option<Span>,
    /// The oldest records go while the log is longer than this, in bytes.
    pub bytes: Option<u64>,
}

/// Bounds of a node: each queue has one, and one rule.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest body of `POST /events`, in bytes.
    pub event_body: usize,
    /// The largest body of a webhook, in bytes.
    pub hook_body: usize,
    /// Requests a second that a source may send, in the long run.
    pub hook_rate: f64,
    /// Requests that a source may send at once.
    pub hook_burst: f64,
    /// Events that wait for the writer; more are answered 503.
    pub waiting_events: usize,
    /// Records that may be durable and not folded before ingest is answered 503.
    pub lag_records: u64,
    /// The age of the oldest record that is not folded, past which ingest is answered 503.
    pub lag_age: Duration,
    /// How long a client may take to send the head of a request.
    pub head_timeout: Duration,
    /// How long the body of a request may take; a slower one is cut.
    pub body_timeout: Duration,
    /// Connections at once; more wait to be accepted.
    pub connections: usize,
    /// How long a stop waits for actions that are in flight.
    pub grace: Duration,
    /// How long a stream may not take what it is sent before it is cut.
    pub stream_patience: Duration,
    /// How often the configuration's folder and the file `FREEZE` are looked at.
    pub poll: Duration,
    /// Effects decided longer ago than this and without an answer are uncertain after a restart.
    pub retry_horizon: Span,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            event_body: 1 << 20,
            hook_body: 25 << 20,
            hook_rate: 1_000.0,
            hook_burst: 2_000.0,
            waiting_events: 65_536,
            lag_records: 100_000,
            lag_age: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(60),
            connections: 4_096,
            grace: Duration::from_secs(10),
            stream_patience: Duration::from_secs(30),
            poll: Duration::from_secs(2),
            retry_horizon: Span::hours(1),
        }
    }
}

/// Where a node is, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The position that the next record gets.
    pub end: Position,
    /// The position of the next record to fold.
    pub folded: Position,
}
