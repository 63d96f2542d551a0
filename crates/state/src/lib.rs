//! Where the fold keeps its place: rows, committed together with the position up to which they are true.
//!
//! This crate **is** the [`State`] trait, its two implementations ([`Sqlite`] on disk, [`Memory`] for the simulator and
//! for scenarios), the [`conformance`] suite that both run, and what stands around a data folder: its [`Lock`], the
//! [`Reserve`] of space for a full disk, snapshots, and setting a broken file aside.
//!
//! It **is not** the truth. The log is: a state that is lost, corrupt or of another fold version is thrown away and
//! folded anew. Nor does it know what the rows mean: keys and values are bytes.
//!
//! Invariants:
//! - Rows and position are one transaction: after a crash of any kind the rows are those of exactly one committed
//!   position, and all commits before it are in them.
//! - A commit may be lost to a power cut (the log is the durable copy), together with all later ones and never alone.
//!   [`State::sync`] and [`State::note`] make everything committed before them durable.
//! - The position never goes back.
//! - Two states with equal rows have equal dumps, whatever their implementation and history.
//! - A row that is not what was written (a flipped bit) is [`Error::Corrupt`], never a value.
//!
//! Map, in reading order: [`lock`] (whose folder is it) → [`reserve`] (room to finish) → [`state`] (the contract) →
//! [`dump`] (what is compared) → [`sqlite`] and [`memory`] → [`conformance`].

pub mod lock;
pub mod reserve;

pub mod dump;
pub mod error;
pub mod state;

pub mod memory;
pub mod sqlite;

pub mod conformance;

pub use error::Error;
pub use lock::Lock;
pub use memory::Memory;
pub use reserve::Reserve;
pub use sqlite::Sqlite;
pub use state::{Applied, Change, Each, Room, Row, State};
