//! The fold: records in; rows, emissions and effects out.
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

mod backfill;

mod configuration;
mod correlate;
mod decisions;
mod emissions;
mod flow;
mod freezes;
mod groups;
mod life;
mod operators;
mod order;
mod poison;
mod policy;
mod rebuild;
mod shelf;
mod timers;
