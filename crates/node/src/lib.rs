//! The loop with the world: ingest, the log's writer, the fold, effects, HTTP.
//!
//! This crate **is** everything of a running node that has a thread, a socket or a clock: it turns the loop that
//! `ensue-pump` is, and speaks HTTP. It **is not** where anything is decided: what an event means, when an effect may
//! leave and what is appended in which order is the fold's and the pump's.
//!
//! ```text
//!   POST /events, /hooks ─► ingest ─► writer ─► feed ─► folder ─► dispatch ─► the world
//!   API, FREEZE, reload, schedule ────▲ ▲──────── emissions ──┘       │
//!                                     └───────────── answers ─────────┘
//! ```
//! Invariants:
//! - An event is acknowledged after the `fdatasync` of its record, never before.
//! - The log has one writer, a thread; the state has one, the thread that folds. Neither ever waits for a request.
//! - Every queue has a bound and one rule for what happens at it; answers, emissions, ticks and commands go before events.
//! - A route that is not in [`http::ROUTES`] does not exist; each says what it needs, and the default is a token.
//! - A start folds the log to its end before any effect leaves.
//!
//! Map, in the order in which an event meets it: [`options`] → `recover` (a start) → [`http`] (its `ingest` and `hooks`)
//! → `ingest` → `queue` → `writer` → `feed` → `folder` → `dispatch` → `logs`; beside them `clock`, `drive`, `schedule`, `pull`, `retain`, `snapshot`, `chore`, `reload`, `operator`, `config`,
//! [`token`], `metrics`; all held by [`node`].

pub mod options;

mod error;

mod snapshot;

mod recover;

pub mod http;

mod ingest;

mod queue;

mod chore;

mod writer;

mod feed;

mod folder;

mod dispatch;

mod logs;

mod clock;

mod drive;

mod schedule;

mod pull;

mod retain;

mod config;

mod reload;

mod operator;

pub mod token;

mod metrics;

pub mod node;

pub use config::{read_folder, read_folder_with};
pub use drive::{DiskCall, DiskHook};
pub use error::Error;
pub use node::{Node, Running};
pub use options::{Configured, Fatal, FoldHook, Limits, Objects, Options, Reached, Retention};
pub use token::{Scope, Token, Tokens};
