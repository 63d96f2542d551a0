//! Looking at it: scenarios, why, why not, and the simulator.
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

mod graph;
mod past;
mod replay;

mod example;
mod fuzz;
mod scenarios;
mod simulator;
mod spec;
mod why;
mod why_not;
