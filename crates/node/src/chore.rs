//! What the writer does beside appending, since the log is its own: trimming and purging.

use ensue_event::Position;
use ensue_log::{Error as LogError, Log as _, Trimmed};
use tokio::sync::oneshot;

use crate::drive::Drive;
use crate::node::Core;
use crate::queue::Refused;

type Reply<T> = oneshot::Sender<Result<T, LogError>>;

/// Something to be done to the log between two batches.
pub(crate) enum Chore {
    /// Delete whole segments below a position.
    Trim(Position, Reply<Trimmed>),
    /// Destroy the events at these positions.
    Purge(Vec<Position>, Reply<()>),
}

impl Chore {
    /// Does it and answers. Who asked may be gone; it is done all the same.
    pub(crate) fn run(self, log: &mut ensue_log::FileLog<Drive>) {
        match self {
            Chore::Trim(before, reply) => drop(reply.send(log.trim(before))),
            Chore::Purge(positions, reply) => drop(reply.send(log.purge(&positions))),
        }
    }
}

/// Why a chore was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Undone {
    /// The node takes nothing more.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The log says why.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Core {
    /// Deletes whole segments below a position.
    pub(crate) async fn trim(&self, before: Position) -> Result<Trimmed, Undone> {
        self.chore(|reply| Chore::Trim(before, reply)).await
    }

    /// Destroys the events at these positions.
    pub(crate) async fn purge(&self, positions: Vec<Position>) -> Result<(), Undone> {
        self.chore(|reply| Chore::Purge(positions, reply)).await
    }

    async fn chore<T>(&self, make: impl FnOnce(Reply<T>) -> Chore) -> Result<T, Undone> {
        let (reply, answer) = oneshot::channel();
        let closed = || Refused::Closed("it is stopping".into());
        self.chores.send(make(reply)).map_err(|_| closed())?;
        // An empty job wakes the writer, which looks for chores before each batch.
        self.queue.append_urgent(Vec::new()).await?;
        Ok(answer.await.map_err(|_| closed())??)
    }
}
