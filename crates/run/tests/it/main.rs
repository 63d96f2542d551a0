//! The step machine as a specification: a rule, what happens to its run, and what is to be done after each of it.
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

mod catching;
mod compiling;
mod conditions;
mod finally;
mod keys;
mod names;
mod operators;
mod random;
mod retries;
mod sequence;
mod switches;
mod together;
mod undo;
mod waits;
mod workflows;
