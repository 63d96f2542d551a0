//! The order in which things may happen, at each point where a process can die.
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

mod kit;

mod aside;
mod backfill;
mod clock;
mod crash;
mod limits;
mod matrix;
mod recovery;
