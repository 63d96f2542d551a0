//! What connections, actions and sources there are: their fields, and how each can be repeated.
//!
//! These are descriptions only; the crate `connect` does what they describe, and its tests hold the two together.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::Connection;
pub use crate::shape::{Field, Shape, Ty};

mod actions;
mod connections;
mod sources;

pub use actions::ACTIONS;
pub use connections::CONNECTIONS;
pub use sources::SOURCES;

/// What happens when an action is done twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Idempotency {
    /// The same as when it is done once.
    Natural,
    /// The same, because the other side knows our key.
    Keyed,
    /// It happens twice. Its start is recorded before it is dispatched.
    None,
    /// It depends on the HTTP method and the connection; only in the catalog, never an answer of [`idempotency`].
    ByMethod,
}

/// What becomes of a step of which nobody knows whether it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Uncertain {
    /// A person decides.
    Ask,
    /// It is done again: twice is better than never.
    Retry,
}

/// An operation of a connection.
#[derive(Debug)]
pub struct ActionSpec {
    /// `type/operation`.
    pub name: &'static str,
    /// The type of connection that it needs.
    pub connection: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// What `with` takes.
    pub with: Shape,
    /// What `steps.<id>.outputs` has afterwards.
    pub outputs: &'static [Field],
    /// What happens when it is done twice.
    pub idempotency: Idempotency,
    /// Without `retry`, definite network failures, 429 and 5xx are retried.
    pub default_retry: bool,
    /// What becomes of it after a crash in between.
    pub uncertain: Uncertain,
}

/// What happens to a source's events while we are down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Recovers {
    /// It goes on where it stopped.
    Resume,
    /// It asks for what it has missed.
    List,
    /// They are lost, unless the sender repeats them.
    None,
}

/// Where events come from.
#[derive(Debug)]
pub struct SourceSpec {
    /// The single key that names it in a `Source`.
    pub name: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// Its settings.
    pub config: Shape,
    /// What happens to its events while we are down.
    pub recovers: Recovers,
    /// The path that it listens on, `NAME` standing for the source's name; nothing if it does not listen.
    pub path: Option<&'static str>,
}

/// A kind of outside system.
#[derive(Debug)]
pub struct ConnectionSpec {
    /// The single key that names it in a `Connection`.
    pub name: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// Its settings.
    pub config: Shape,
}

/// The action of this name.
#[must_use]
pub fn action(name: &str) -> Option<&'static ActionSpec> {
    ACTIONS.iter().find(|spec| spec.name == name)
}

/// The kind of source of this name.
#[must_use]
pub fn source(name: &str) -> Option<&'static SourceSpec> {
    SOURCES.iter().find(|spec| spec.name == name)
}

/// The kind of connection of this name.
#[must_use]
pub fn connection(name: &str) -> Option<&'static ConnectionSpec> {
    CONNECTIONS.iter().find(|spec| spec.name == name)
}

/// What happens when this call is done twice. `with` is what the action is called with; an unknown action is assumed
/// to happen twice.
#[must_use]
pub fn idempotency(name: &str, with: &Value, connection: Option<&Connection>) -> Idempotency {
    match action(name).map(|spec| spec.idempotency) {
        Some(Idempotency::ByMethod) => {
            let method = with.get("method").and_then(Value::as_str).unwrap_or("GET");
            let header = connection.and_then(|connection| connection.config.get("idempotencyHeader"));
            match method.to_ascii_uppercase().as_str() {
                "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" => Idempotency::Natural,
                _ if header.is_some_and(Value::is_string) => Idempotency::Keyed,
                _ => Idempotency::None,
            }
        }
        Some(known) => known,
        None => Idempotency::None,
    }
}

/// Whether a step without `retry` is retried after a failure that may pass.
#[must_use]
pub fn default_retry(name: &str) -> bool {
    action(name).is_some_and(|spec| spec.default_retry)
}

/// What becomes of a step of this action of which nobody knows whether it was done.
#[must_use]
pub fn uncertain(name: &str) -> Uncertain {
    action(name).map_or(Uncertain::Ask, |spec| spec.uncertain)
}
