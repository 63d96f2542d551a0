//! Sources that ensue reads itself: watches, queues, files. The counterpart of [`crate::source`], where others call us.
//!
//! A source gets a [`Feed`] and reads until its future is dropped. What it promises is the order: events are appended
//! and durable ([`Feed::append`]) before the [`Store`] says that they were read, so after a crash some are read twice and
//! none is missed; ids that are the same each time let the log drop those. Whoever waits in `append` reads no more:
//! that is the backpressure.

mod backoff;
mod status;
mod store;

use std::sync::Arc;

use ensue_event::ours::Failure;
use ensue_event::{Event, Time};
use serde_json::Value;

use crate::action::Connection;
use crate::world::World;

pub use backoff::Backoff;
pub(crate) use backoff::chance;
pub use status::{Problem, Status, View};
pub use store::{Memory, Row, Rows, Store, StoreError};

/// A kind of source that ensue reads itself. What becomes of its events while we are down stands in the catalog.
#[async_trait::async_trait]
pub trait Pull: Send + Sync {
    /// Reads until the future is dropped. Returns early only where it cannot go on as it is set up: it is begun again
    /// after a pause, and the failure is shown.
    async fn run(&self, feed: &Feed) -> Result<Ended, Failure>;

    /// What is wrong with it as far as can be asked now, for `ensue doctor`.
    async fn check(&self, feed: &Feed) -> Vec<Problem>;
}

/// The kind of source of this name, if it is one that ensue reads.
#[must_use]
pub fn pull(type_name: &str) -> Option<&'static dyn Pull> {
    match type_name {
        #[cfg(feature = "kubernetes")]
        "kubernetes" => Some(&crate::kubernetes::source::Watcher),
        _ => None,
    }
}

/// Nothing more is taken: the node stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node stops")]
pub struct Ended;

/// What a source says of itself, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Events may be late from here on.
    Disconnected {
        /// What was seen.
        reason: String,
    },
    /// All that was missed is delivered.
    CaughtUp,
    /// Something may be missing, and cannot be asked for again.
    Gap {
        /// From when.
        from: Time,
        /// Until when.
        to: Time,
    },
}

/// Where a source's events go: the node.
#[async_trait::async_trait]
pub trait Intake: Send + Sync {
    /// Makes events durable in their order, and says of each whether it is new. Waits while the node is behind or has no
    /// room. Two events of one source and id are the same event, whatever else is in them.
    async fn append(&self, events: Vec<Event>) -> Result<Vec<bool>, Ended>;
    /// Writes a record about the source.
    async fn tell(&self, told: Told) -> Result<(), Ended>;
    /// The time of the log.
    fn now(&self) -> Time;
}

/// What a source has to work with.
pub struct Feed {
    /// The name of the source, with its namespace.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its settings; secrets are handles.
    pub config: Value,
    /// The connection that it names.
    pub connection: Option<Connection>,
    /// Clients and secrets.
    pub world: Arc<World>,
    /// What it remembers.
    pub store: Arc<dyn Store>,
    /// What is known of it.
    pub status: Arc<Status>,
    /// Where its events go.
    pub intake: Arc<dyn Intake>,
}

impl Feed {
    /// Makes events durable, in order, and counts them: how many are new.
    pub async fn append(&self, events: Vec<Event>) -> Result<usize, Ended> {
        if events.is_empty() {
            return Ok(0);
        }
        let _waits = self.status.waits();
        let taken = self.intake.append(events).await?;
        let new = taken.iter().filter(|new| **new).count();
        self.status.delivered(new, taken.len() - new, self.intake.now());
        Ok(new)
    }

    /// Says once that the source lost its connection.
    pub async fn disconnected(&self, reason: &str) -> Result<(), Ended> {
        if self.status.disconnected(reason, self.intake.now()) {
            self.intake.tell(Told::Disconnected { reason: reason.to_owned() }).await?;
        }
        Ok(())
    }

    /// Says once that the source is connected and has delivered all that it had missed.
    pub async fn caught_up(&self) -> Result<(), Ended> {
        if self.status.connected(self.intake.now()) {
            self.intake.tell(Told::CaughtUp).await?;
        }
        Ok(())
    }

    /// Says that something may be missing from then to now.
    pub async fn gap(&self, from: Time) -> Result<(), Ended> {
        let to = self.intake.now();
        self.status.gap(from, to);
        self.intake.tell(Told::Gap { from, to }).await
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("name", &self.name).finish_non_exhaustive()
    }
}
