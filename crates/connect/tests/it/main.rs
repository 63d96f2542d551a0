//! One binary, one file for each thing that is tested.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    missing_docs
)]

mod support;

mod secrets;

mod github;
mod registry;
mod schedule;
mod sources;
mod webhook;

mod address;
mod edit;
mod exec;
mod git;
mod http;
mod log;
mod matrix;
mod roles;
mod slack;

mod catalog;
