//! The state: what both implementations do, and what happens to a file when the world is unkind.
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

mod both;
mod corrupt;
mod crash;
mod folder;
mod full;
mod kill;
mod snapshot;
