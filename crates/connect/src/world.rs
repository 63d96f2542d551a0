//! What actions share: secrets, HTTP clients, folders.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ensue_event::Span;
use ensue_event::ours::{Answer, Failure};
use futures::FutureExt as _;

use crate::action::{Action, Call, Connection, actions, denied, wrong};
use crate::outputs::{Nowhere, Outputs};
use crate::secrets::{Resolved, Secrets, holds_handle};

/// The world as actions see it. One for a node; calls may run at the same time.
pub struct World {
    secrets: Arc<Secrets>,
    cache: PathBuf,
    outputs: Arc<dyn Outputs>,
    actions: BTreeMap<&'static str, Arc<dyn Action>>,
    #[cfg(any(feature = "http", feature = "slack"))]
    pub(crate) clients: crate::net::Clients,
    #[cfg(feature = "git")]
    pub(crate) repositories: crate::git::Repositories,
    #[cfg(feature = "kubernetes")]
    pub(crate) clusters: crate::kubernetes::Clusters,
}

impl World {
    /// A world with these secrets; what may be kept between calls, and can be made anew, goes to `cache`.
    #[must_use]
    pub fn new(secrets: Arc<Secrets>, cache: impl Into<PathBuf>) -> World {
        let cache = cache.into();
        // Programs run in folders of their own: a relative path would mean another place to them.
        let cache = std::path::absolute(&cache).unwrap_or(cache);
        World {
            secrets,
            cache,
            outputs: Arc::new(Nowhere),
            actions: actions(),
            #[cfg(any(feature = "http", feature = "slack"))]
            clients: crate::net::Clients::default(),
            #[cfg(feature = "git")]
            repositories: crate::git::Repositories::default(),
            #[cfg(feature = "kubernetes")]
            clusters: crate::kubernetes::Clusters::default(),
        }
    }

    /// The same world with another way to look up the addresses of a host; the filter stands behind it all the same.
    #[cfg(any(feature = "http", feature = "slack"))]
    #[must_use]
    pub fn with_lookup(mut self, lookup: Arc<dyn crate::net::Lookup>) -> World {
        self.clients = crate::net::Clients::new(lookup);
        self
    }

    /// The same world, which keeps what actions leave here.
    #[must_use]
    pub fn with_outputs(mut self, outputs: Arc<dyn Outputs>) -> World {
        self.outputs = outputs;
        self
    }

    /// Where what actions leave is kept.
    #[must_use]
    pub fn outputs(&self) -> &Arc<dyn Outputs> {
        &self.outputs
    }

    /// The secrets.
    #[must_use]
    pub fn secrets(&self) -> &Arc<Secrets> {
        &self.secrets
    }

    /// The folder for what may be kept between calls.
    #[must_use]
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Does a call: one try, ended by its timeout, its answer without secrets. Whatever goes wrong is an answer.
    pub async fn perform(&self, call: Call) -> Answer {
        let Some(action) = self.actions.get(call.action.as_str()) else {
            let known: Vec<&str> = self.actions.keys().copied().collect();
            let known = known.join(", ");
            return Answer::Err(wrong(format!("there is no action `{}` in this build; it has {known}", call.action)));
        };
        let (name, timeout, repeatable) = (action.name(), call.timeout, action.repeatable(&call));
        let work = AssertUnwindSafe(action.call(call, self)).catch_unwind();
        let answer = match tokio::time::timeout(timeout.to_std(), work).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Answer::Err(Failure::new(
                "Uncertain",
                format!("{name} stopped at a fault of its own; whether it was done is not known. Please report this"),
            )),
            Err(_) => Answer::Err(timed_out(name, timeout, repeatable)),
        };
        self.secrets.redact_answer(answer)
    }

    /// Asks the other side of a connection who it is and whom it takes us for, in words, for `ensue doctor`; nothing
    /// where there is nothing to ask without doing something.
    pub async fn probe(&self, connection: &Connection, namespace: &str) -> Option<Result<String, Failure>> {
        match connection.type_name.as_str() {
            #[cfg(feature = "kubernetes")]
            "kubernetes" => Some(crate::kubernetes::probe(self, connection, namespace).await),
            _ => {
                let _ = namespace;
                None
            }
        }
    }

    /// A call's connection, which must be of this type.
    pub(crate) fn connected<'c>(call: &'c Call, type_name: &str) -> Result<&'c Connection, Failure> {
        let Some(connection) = &call.connection else {
            return Err(wrong(format!("{} needs a connection of type {type_name}; name one", call.action)));
        };
        if connection.type_name != type_name {
            let (name, found) = (&connection.name, &connection.type_name);
            return Err(wrong(format!("{} needs a connection of type {type_name}; `{name}` is {found}", call.action)));
        }
        Ok(connection)
    }

    /// The settings of a call's connection, which must be of this type, secrets filled in.
    pub(crate) fn connection(&self, call: &Call, type_name: &str) -> Result<Resolved, Failure> {
        self.settings(World::connected(call, type_name)?)
    }

    /// The settings of a connection, secrets filled in.
    pub(crate) fn settings(&self, connection: &Connection) -> Result<Resolved, Failure> {
        self.secrets
            .resolve_config(&connection.config)
            .map_err(|missing| denied(format!("the connection `{}` cannot be used: {missing}", connection.name)))
    }

    /// Refuses a call that would carry a secret: only a connection may.
    pub(crate) fn no_secrets(call: &Call) -> Result<(), Failure> {
        if holds_handle(&call.with) {
            return Err(denied(format!("`with` of {} holds a secret; secrets belong in the connection", call.action)));
        }
        Ok(())
    }
}

fn timed_out(name: &str, timeout: Span, repeatable: bool) -> Failure {
    let failure = Failure::new("Timeout", format!("{name} did not answer within {timeout}"));
    if repeatable { failure.retryable() } else { failure }
}
