//! What a policy sees.

use std::collections::BTreeMap;

use ensue_event::Time;
use ensue_expr::{Scope, Value};
use ensue_run::{Branch, Effect, Run, scope};
use serde_json::{Map, Value as Json, json};

/// What a policy is asked about.
pub(super) enum Subject<'a> {
    /// An action that is about to be done.
    Action(&'a Effect),
    /// A command: its fields, who asks, and what that one may answer for.
    Command { fields: &'a Json, actor: &'a str, roles: &'a [String] },
}

/// The names of one question.
pub(super) struct Names<'a> {
    pub(super) subject: Subject<'a>,
    /// `namespace/name` of the rule that it is about, and its labels.
    pub(super) rule: Option<(&'a str, &'a BTreeMap<String, String>)>,
    pub(super) run: Option<&'a Run>,
    /// Where in it: the branch and those that it came from.
    pub(super) line: Vec<&'a Branch>,
    pub(super) tables: Value,
    pub(super) now: Time,
}

/// All of them, in the order in which they are documented.
const ALL: [&str; 18] = [
    "action", "command", "actor", "roles", "rule", "run", "key", "let", "inputs", "item", "index", "steps", "event",
    "events", "count", "batch", "tables", "now",
];

impl Names<'_> {
    /// All that are there, as one value: what a module of Rego is asked.
    pub(super) fn all(&self) -> Json {
        let there = ALL.iter().filter_map(|name| Some(((*name).to_owned(), self.get(name)?.to_json())));
        Json::Object(there.collect::<Map<_, _>>())
    }

    fn action(&self) -> Option<Json> {
        let Subject::Action(effect) = self.subject else { return None };
        Some(json!({
            "name": effect.action, "connection": effect.connection, "with": effect.with, "step": effect.step,
            "attempt": effect.attempt,
        }))
    }
}

impl Scope for Names<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        let run = self.run;
        match (name, &self.subject) {
            ("action", _) => self.action().map(Value::from),
            ("command", Subject::Command { fields, .. }) => Some((*fields).clone().into()),
            ("actor", Subject::Command { actor, .. }) => Some(Value::str(*actor)),
            ("roles", Subject::Command { roles, .. }) => Some(json!(roles).into()),
            ("rule", _) => self.rule.map(|(name, labels)| {
                let (namespace, alone) = name.split_once('/').unwrap_or(("", name));
                json!({"name": alone, "namespace": namespace, "labels": labels}).into()
            }),
            ("run", _) => run.map(|run| {
                json!({
                    "id": run.id, "rule": run.rule, "status": run.status.as_str(), "generation": run.generation,
                    "started": run.started, "key": run.key,
                })
                .into()
            }),
            ("key", _) => run?.key.as_deref().map(scope::key),
            ("let", _) => run.map(|run| Json::Object(run.lets.clone()).into()),
            ("inputs" | "item" | "index" | "steps", _) => scope::of_place(&self.line, name),
            ("event", _) => run.filter(|run| !run.timed)?.events.last().map(|took| took.event.clone().into()),
            ("events", _) => run.map(|run| scope::events(&run.events, run.count)),
            ("count", _) => run?.count.map(Value::from),
            ("batch", _) => run.filter(|run| !run.batch.is_empty()).map(|run| scope::batch(&run.batch)),
            ("tables", _) => Some(self.tables.clone()),
            ("now", _) => Some(Value::Timestamp(self.now.micros())),
            _ => None,
        }
    }
}
