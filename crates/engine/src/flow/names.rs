//! The names that the keys of flow control see.

use ensue_event::Time;
use ensue_event::ours::{Batched, RuleFired, Took};
use ensue_expr::{Scope, Value};
use ensue_run::scope;
use serde_json::Map;

use crate::decide::Match;

/// Those of a match, or of a firing.
pub(super) struct Names<'a> {
    events: &'a [Took],
    timed: bool,
    count: Option<u64>,
    batch: &'a [Batched],
    key: Option<&'a str>,
    lets: &'a Map<String, serde_json::Value>,
    tables: Value,
    now: Time,
}

impl<'a> Names<'a> {
    pub(super) fn of_match(found: &'a Match, tables: Value, now: Time) -> Names<'a> {
        let Match { events, timed, count, batch, key, lets, .. } = found;
        Names { events, timed: *timed, count: *count, batch, key: key.as_deref(), lets, tables, now }
    }

    pub(super) fn of_firing(fired: &'a RuleFired, tables: Value, now: Time) -> Names<'a> {
        let RuleFired { events, timed, count, batch, key, lets, .. } = fired;
        Names { events, timed: *timed, count: *count, batch, key: key.as_deref(), lets, tables, now }
    }
}

impl Scope for Names<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        match name {
            "event" if self.timed => None,
            "event" => self.events.last().map(|took| took.event.clone().into()),
            "events" => Some(scope::events(self.events, self.count)),
            "key" => self.key.map(scope::key),
            "count" => self.count.map(Value::from),
            "batch" => (!self.batch.is_empty()).then(|| scope::batch(self.batch)),
            "let" => Some(serde_json::Value::Object(self.lets.clone()).into()),
            "tables" => Some(self.tables.clone()),
            "now" => Some(Value::Timestamp(self.now.micros())),
            _ => None,
        }
    }
}
