//! What connections, actions and sources there are: their fields, and how each can be repeated.
//!
//! These are descriptions only; the crate `connect` does what they describe, and its tests hold the two together.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{Connection, Limits};
pub use crate::shape::{Field, Shape, Ty};

mod actions;
mod connections;
mod kubernetes;
mod objects;
mod sources;

pub use actions::ACTIONS;
pub use connections::CONNECTIONS;
pub use objects::{Object, objects};
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
    /// What it changes.
    pub target: Target,
    /// What it must be allowed to do on the other side, where that has roles such as Kubernetes'.
    pub permissions: &'static [Permission],
}

/// Something that an action must be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// `get`, `patch` and so on.
    pub verbs: &'static [&'static str],
    /// On what.
    pub on: On,
}

/// What a permission is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// The objects that the call names ([`objects()`]), or this subresource of theirs.
    Object(&'static str),
    /// This resource in the namespace of the call, such as `pods/log`; the group is empty for the core.
    Beside {
        /// The API group.
        group: &'static str,
        /// The plural, with a subresource behind a slash.
        resource: &'static str,
    },
    /// This resource in all namespaces.
    Everywhere {
        /// The API group.
        group: &'static str,
        /// The plural, with a subresource behind a slash.
        resource: &'static str,
    },
}

/// How the thing that an action changes is named: what `distinctTargetsPerHour` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// It names none.
    None,
    /// By these fields, each of `with`, else of the connection's settings; one that is not there is left out.
    Fields(&'static [&'static str]),
    /// By method, host and path, where the method may change something.
    Request,
    /// By kind, namespace and name of the objects that it names: [`objects()`].
    Object,
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
    /// Its limits where a connection says nothing.
    pub limits: Limits,
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

/// What this call changes, in words: the same words for the same thing. Nothing where it changes nothing, or where the
/// action does not say.
#[must_use]
pub fn target(name: &str, with: &Value, connection: Option<&Connection>) -> Option<String> {
    let setting = |field: &str| {
        let own = with.get(field).filter(|value| !value.is_null());
        own.or_else(|| connection.and_then(|connection| connection.config.get(field)))
    };
    match action(name)?.target {
        Target::None => None,
        Target::Fields(fields) => {
            let said = fields.iter().filter_map(|field| setting(field)).map(|value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            let said: Vec<String> = said.collect();
            Some(if said.is_empty() { format!("what {name} changes") } else { said.join(" ") })
        }
        Target::Object => {
            let said: Vec<String> = objects(with).iter().map(ToString::to_string).collect();
            Some(if said.is_empty() { format!("what {name} changes") } else { said.join(", ") })
        }
        Target::Request => {
            let method = with.get("method").and_then(Value::as_str).unwrap_or("GET").to_ascii_uppercase();
            if matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS") {
                return None;
            }
            let url = setting("url").and_then(Value::as_str).unwrap_or_default();
            let path = with.get("path").and_then(Value::as_str).filter(|_| with.get("url").is_none());
            let whole = match path {
                Some(path) => format!("{}/{}", url.trim_end_matches('/'), path.trim_start_matches('/')),
                None => url.to_owned(),
            };
            let whole = whole.split_once("://").map_or(whole.as_str(), |(_, rest)| rest);
            let place = whole.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
            let place = place.split_once('@').map_or(place, |(_, rest)| rest);
            let (host, path) = place.find('/').map_or((place, ""), |at| place.split_at(at));
            Some(format!("{method} {}{path}", host.to_ascii_lowercase()))
        }
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
