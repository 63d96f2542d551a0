//! A whole node over real HTTP, real files and real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    missing_docs,
    unreachable_pub
)]

mod support;

mod auth;
mod backfill;
mod cancel;
mod chain;
mod explain;
mod hooks;
mod ingest;
mod kubernetes;
mod logs;
mod operate;
mod operator;
mod policy;
mod pressure;
mod purge;
mod quarantine;
mod recovery;
mod reload;
mod retention;
mod stream;
