//! Where facts are kept: one sequence of records, durable before anybody is told about them.
//!
//! This crate **is** the [`Log`] contract, the file log ([`FileLog`]: segments in a folder, one writer, readers on other
//! threads), its index and deduplication, the [`Blobs`] beside it, and the [`disk::Disk`] through which every file call
//! goes, so that tests can tear, lose, reorder and fail them.
//!
//! It **is not** a queue: nobody acknowledges or deletes single records. It does not decide what a duplicate is: it says
//! what it [`find`](Log::find)s. It does not batch: the caller appends what waits. It reads no clock.
//!
//! Invariants:
//! - An append returns a position only after one write and one `fdatasync` of all of it. A failed sync poisons the log:
//!   nothing more is acknowledged until it is opened again, and then the last segment is copied before it is trusted.
//! - What was acknowledged is read back, or reported as damaged with file and offset. Never is it silently left out.
//! - Only a torn tail is cut: the end of the last segment that nothing proves to have been durable.
//! - A checksum covers segment and position: bytes at a wrong place do not pass.
//! - Readers see durable records only.
//! - An index is an aid: it is made anew from its segment where it is missing or wrong.
//!
//! Map, in the order in which data meets it: `log` (the contract) → `format` (bytes) → `file` (the writer) →
//! `reserve`, `retain` → `segment`, `index`, `reader` → `scan`, `recover` (what is found when it is opened) → `purge`, `verify`,
//! `cat` → `blobs`; under all of them `disk`.

mod log;

mod error;
mod format;

mod file;
mod reserve;
mod retain;

mod index;
mod reader;
mod segment;

mod recover;
mod scan;

mod cat;
mod purge;
mod verify;

mod blobs;

pub mod disk;

pub use blobs::Blobs;
pub use cat::{Cat, entry_json};
pub use error::Error;
pub use file::{FileLog, Options};
pub use format::identity;
pub use log::{Agreement, By, Draft, Entry, Extent, Found, Log, Trimmed, Unreadable};
pub use reader::Reader;
pub use recover::{Cut, Damage, Recovery};
pub use verify::Verified;
