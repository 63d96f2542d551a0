//! The fact, as a specification: tables first, properties against a naive model after them.

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

mod codec;
mod event;
mod http;
mod json;
mod json_model;
mod ours;
mod shared;
