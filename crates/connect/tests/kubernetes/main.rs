//! Kubernetes: what is read from recordings of a real API server, and what happens with a server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    missing_docs
)]

mod recorded;

mod cluster;
mod reader;

mod act;
mod facts;
mod failures;
mod roles;
mod source;
