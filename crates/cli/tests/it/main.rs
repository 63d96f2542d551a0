//! The real binary, as a person and a pipeline use it.
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

mod bench;
mod check;
mod demo;
mod explain;
mod images;
mod policies;
mod rbac;
mod record;
mod replay;
mod scenarios;
mod up;
