//! The world: one folder for each outside system, with its sources and its actions.
//!
//! This crate **is** the only place where ensue speaks to other systems: it turns what arrives into events
//! ([`Webhook`], [`Schedule`]) and does what the fold decided ([`Action`], one try a call). It **is not** where anything
//! is decided: it keeps no position, retries nothing, and knows neither rules nor runs.
//!
//! Invariants:
//! - A delivery is verified over its raw bytes, in constant time, before a byte of it is parsed.
//! - A call is one try. Whatever goes wrong is an [`ensue_event::ours::Answer`]; nothing panics, nothing is retried here.
//! - A secret's value exists between the moment of acting and its end. Configurations hold handles, answers are redacted.
//! - The address that was checked is the address that is dialled, on redirects too.
//! - No program is run through a shell. When its call is dropped its whole process group is asked to end and, after a
//!   grace, killed; [`Silence`] says when nothing is left of it.
//! - What a call says while it goes on is redacted before it leaves this crate, also where a secret is cut in two.
//!
//! Map, in the order in which data meets it: [`source`] (what a delivery becomes) and [`mod@pull`] (what
//! ensue reads itself) → `github`, `registry`, `webhook`, the
//! source half of `http`, and [`schedule`] → [`secrets`] → [`Log`] (what a call says meanwhile) → [`action`] and [`world`] (a call becomes an answer) → [`net`]
//! (going out over HTTP) and `process` (running programs) → `http`, [`git`],
//! [`kubernetes`], `slack`, `exec`.
//!
//! Each system is a cargo feature of its name; all are on by default.

// What systems share is not all used by fewer of them.
#![cfg_attr(
    not(all(
        feature = "exec",
        feature = "git",
        feature = "github",
        feature = "http",
        feature = "kubernetes",
        feature = "registry",
        feature = "slack",
        feature = "webhook"
    )),
    allow(dead_code, unused_imports)
)]

pub mod secrets;

pub mod source;

pub mod pull;

#[cfg(any(feature = "kubernetes", feature = "schedule"))]
mod duration;
#[cfg(any(feature = "github", feature = "slack", feature = "webhook"))]
mod signature;
#[cfg(any(feature = "github", feature = "slack"))]
mod text;
#[cfg(any(feature = "http", feature = "registry"))]
mod token;

#[cfg(feature = "github")]
mod github;
#[cfg(feature = "registry")]
mod registry;
#[cfg(feature = "schedule")]
pub mod schedule;
#[cfg(feature = "webhook")]
mod webhook;

mod log;
pub mod outputs;

pub mod action;
pub mod world;

#[cfg(any(feature = "http", feature = "kubernetes", feature = "slack"))]
pub mod net;
#[cfg(any(feature = "exec", feature = "git"))]
mod process;

#[cfg(feature = "exec")]
mod exec;
#[cfg(feature = "git")]
pub mod git;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
#[cfg(feature = "slack")]
mod slack;

pub use action::{Action, Call, Connection, actions};
pub use log::{Log, Silence, Sink};
pub use outputs::Outputs;
pub use pull::{Pull, pull};
#[cfg(feature = "schedule")]
pub use schedule::Schedule;
pub use secrets::{MissingSecret, Provider, Resolved, Secrets};
pub use source::{Delivery, Received, Refusal, Reply, Webhook, Word, webhook};
pub use world::World;
