//! The log, whatever happens to it.
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

mod beside;
mod conform;
mod dedupe;
mod threads;

mod blobs;

mod crash;
mod damage;
mod faults;
mod format;
mod full;
mod power;

mod kit;
mod model;
