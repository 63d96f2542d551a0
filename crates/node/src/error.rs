//! Why a node does not start.

use std::net::SocketAddr;
use std::path::PathBuf;

use ensue_event::Position;
use ensue_lang::Diagnostic;

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data folder cannot be used.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Lock, state or snapshot.
    #[error(transparent)]
    State(#[from] ensue_state::Error),
    /// The log.
    #[error(transparent)]
    Log(#[from] ensue_log::Error),
    /// Tokens.
    #[error(transparent)]
    Token(#[from] crate::token::Error),
    /// The configuration has errors.
    #[error("the configuration has errors; nothing was started\n\n{rendered}")]
    Config {
        /// Each of them.
        diagnostics: Vec<Diagnostic>,
        /// All of them with excerpts, for a person.
        rendered: String,
    },
    /// The configuration names variables that are not set.
    #[error("{0}")]
    Environment(String),
    /// A folder in which no manifest is, where some had been.
    #[error("no manifest is in {} any more (*.yaml, *.yml)", .0.display())]
    Empty(PathBuf),
    /// The fold cannot go on.
    #[error("the log cannot be folded: {0}")]
    Fold(String),
    /// The state is lost, and so is the beginning of the log that it could be folded anew from.
    #[error(
        "the state cannot be used ({why}), the log begins at record {first}, and no snapshot in {} goes on from there ({tried}); start the version of ensue that ran here last, restore the data folder from a backup, or begin with a new one", folder.display()
    )]
    NoSnapshot {
        /// What is wrong with the state.
        why: String,
        /// The first record of the log.
        first: Position,
        /// Where snapshots were looked for.
        folder: PathBuf,
        /// Why each of them could not be taken.
        tried: String,
    },
    /// Everybody could send events.
    #[error(
        "events without a token are only taken on a loopback address, not on {0}; leave open ingest out, or listen on 127.0.0.1"
    )]
    OpenIngest(SocketAddr),
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}; choose another one with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    /// For `map_err`: names the call and the file.
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { what, path, source }
    }
}
