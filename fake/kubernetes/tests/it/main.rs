//! The fake as its clients meet it, and against the recordings.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod basics;
mod chart;
mod faults;
mod kit;
mod replay;
mod workloads;
