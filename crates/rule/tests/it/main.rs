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

mod conformance;
mod refused;

mod events;
mod lifted;

mod order;

mod bounds;
mod correlate;
mod naive;
mod property;

mod flow;
