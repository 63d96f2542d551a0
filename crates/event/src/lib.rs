//! The fact: a CloudEvent, as it was received, and what the log keeps of it.
//!
//! This crate **is** the shape of everything that passes through ensue: the [`Event`] (CloudEvents 1.0.2 with the
//! official extensions), the [`Record`] (an event with its position, the time of its append and where it came from),
//! the ids and keys derived from them, and the list of records that ensue writes itself ([`ours`]).
//!
//! It **is not** a matcher, a store or a client: nothing here reads a clock, a socket or a file.
//!
//! Invariants:
//! - `id`, `source`, `type` and `time` are never made anew: what was received is what is kept.
//! - An event's data stays raw bytes until somebody asks for a field.
//! - What [`json`] has accepted is read by `serde_json` without an error, and means the same to every reader.
//! - Ids of what we decide are hashes of what they were decided from ([`key`]): the same log gives the same ids.
//! - A record of our own is known by its [`Origin`], never by its type: nobody outside can forge one.
//!
//! Map, in the order in which data meets it: [`http`] (a request becomes events) → [`json`] (one scan, no tree) →
//! [`event`] → [`codec`] (bytes in the log) → [`record`] → [`ours`] → [`key`] and [`time`].

pub mod http;
pub mod json;

pub mod event;

pub mod codec;
pub mod record;

pub mod ours;

pub mod key;
pub mod time;

pub use event::{Attr, BlobRef, Data, Event, Invalid};
pub use key::{Digest, Key};
pub use ours::Ours;
pub use record::{Emission, Origin, Position, Record};
pub use time::{Span, Time};
