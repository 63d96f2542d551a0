//! What holds for any input: a function for each kind, which panics where it does not.
//!
//! A fuzzer calls them with what it makes up (`fuzz_targets/`), a test of the lab crate with the corpus.

// A fuzzer's program has one of them.
#![allow(dead_code, unused_imports)]

mod cel;
mod event;
mod manifest;
mod pattern;

pub(crate) use cel::{cel, template};
pub(crate) use event::event;
pub(crate) use manifest::manifest;
pub(crate) use pattern::pattern;
