//! Connections and sources: outside systems, and where events come from.

use ensue_expr::Program;
use serde_json::Value;

use super::{Micros, Resource};

/// A connection.
pub type Connection = Resource<ConnectionSpec>;

/// What a connection says.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionSpec {
    /// `http`, `git`, `slack`, `exec` and so on: see [`crate::catalog::CONNECTIONS`].
    pub type_name: String,
    /// Its settings, a map; a secret is `{"$secret": NAME}`.
    pub config: Value,
    /// The most it can do.
    pub limits: Limits,
    /// When what goes through it is held back.
    pub freeze: Vec<FreezeWindow>,
    /// Actions are decided and recorded, and not done.
    pub dry_run: bool,
}

/// The most that a connection can do; nothing: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Actions a minute.
    pub per_minute: Option<u32>,
    /// Actions at once.
    pub concurrent: Option<u32>,
    /// Different targets an hour.
    pub distinct_targets_per_hour: Option<u32>,
}

impl Limits {
    /// No limit at all.
    pub const NONE: Limits = Limits { per_minute: None, concurrent: None, distinct_targets_per_hour: None };
}

/// A time, again and again, in which effects are held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreezeWindow {
    /// When it begins: a pattern that [`crate::cron::Cron`] reads.
    pub cron: String,
    /// How long it lasts.
    pub length: Micros,
    /// The name of the zone of `cron`.
    pub zone: String,
    /// Why.
    pub reason: Option<String>,
}

/// A source.
pub type Source = Resource<SourceSpec>;

/// What a source says.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceSpec {
    /// `http`, `github`, `webhook` and so on: see [`crate::catalog::SOURCES`].
    pub type_name: String,
    /// Its settings, a map; a secret is `{"$secret": NAME}`.
    pub config: Value,
    /// The event's id, where the provider's is not to be used; sees `event` and `headers`.
    pub id: Option<Program>,
    /// `dedupe: {body: 60s}`: the same body within this time is the same event.
    pub dedupe_body: Option<Micros>,
}
