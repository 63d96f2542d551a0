//! A configuration in a few lines: what there is, and what becomes of events while the engine is down.

use std::collections::BTreeSet;

use ensue_lang::catalog::{self, Recovers};
use ensue_lang::{Config, Name};
use serde_json::{Value, json};

use crate::output::Output;

/// How many names of a kind are listed.
const LISTED: usize = 24;

/// The lines that `check` and `up` show.
pub(crate) fn show(config: &Config, output: Output) {
    let bold = anstyle::Style::new().bold();
    let head = |count: usize, one: &str, rest: String| {
        let word = match (count, one.strip_suffix('y')) {
            (1, _) => one.to_owned(),
            (_, Some(polic)) => format!("{polic}ies"),
            (_, None) => format!("{one}s"),
        };
        output.line(format!("  {bold}{:<14}{bold:#} {rest}", format!("{count} {word}")));
    };
    if !config.sources.is_empty() {
        let rows: Vec<[String; 3]> = config
            .sources
            .iter()
            .map(|(name, source)| {
                let spec = catalog::source(&source.type_name);
                let path = spec.and_then(|spec| spec.path).map(|_| path(name)).unwrap_or_default();
                let recovers = spec.map_or("", |spec| says(spec.recovers));
                [short(name), path, recovers.to_owned()]
            })
            .collect();
        let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
        let (first, second) = (width(0), width(1));
        for (at, [name, path, recovers]) in rows.iter().enumerate() {
            let row = format!("{name:first$}  {path:second$}  {recovers}");
            match at {
                0 => head(rows.len(), "source", row),
                _ => output.line(format!("  {:<14} {row}", "")),
            }
        }
    }
    let list = |names: Vec<String>| match names.get(..LISTED) {
        Some(first) if names.len() > LISTED => format!("{} and {} more", first.join(", "), names.len() - LISTED),
        _ => names.join(", "),
    };
    if !config.rules.is_empty() {
        head(config.rules.len(), "rule", list(config.rules.keys().map(short).collect()));
    }
    if !config.workflows.is_empty() {
        head(config.workflows.len(), "workflow", list(config.workflows.keys().map(short).collect()));
    }
    if !config.connections.is_empty() {
        let named = config.connections.iter().map(|(name, one)| format!("{} ({})", short(name), one.type_name));
        head(config.connections.len(), "connection", list(named.collect()));
    }
    let secrets: Vec<String> = secrets(config).into_iter().collect();
    if !secrets.is_empty() {
        head(secrets.len(), "secret", list(secrets));
    }
    if !config.policies.is_empty() {
        head(config.policies.len(), "policy", list(config.policies.keys().map(short).collect()));
    }
    if !config.tables.is_empty() {
        head(config.tables.len(), "table", list(config.tables.keys().map(short).collect()));
    }
    if !config.scenarios.is_empty() {
        head(config.scenarios.len(), "scenario", "`ensue test` plays them".to_owned());
    }
}

/// The names of the secrets that connections and sources use.
pub(crate) fn secrets(config: &Config) -> BTreeSet<String> {
    fn look(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => match object.get("$secret").and_then(Value::as_str) {
                Some(name) => drop(found.insert(name.to_owned())),
                None => object.values().for_each(|value| look(value, found)),
            },
            Value::Array(items) => items.iter().for_each(|value| look(value, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    config.connections.values().for_each(|one| look(&one.config, &mut found));
    config.sources.values().for_each(|one| look(&one.config, &mut found));
    found
}

/// The same for programs.
pub(crate) fn json(config: &Config) -> Value {
    let sources: Vec<Value> = config
        .sources
        .iter()
        .map(|(name, source)| {
            let spec = catalog::source(&source.type_name);
            json!({
                "name": name.to_string(), "type": source.type_name,
                "path": spec.and_then(|spec| spec.path).map(|_| path(name)),
                "recovers": spec.map(|spec| spec.recovers),
            })
        })
        .collect();
    let names = |names: Vec<&Name>| -> Vec<String> { names.into_iter().map(ToString::to_string).collect() };
    json!({
        "sources": sources, "rules": names(config.rules.keys().collect()),
        "workflows": names(config.workflows.keys().collect()),
        "connections": names(config.connections.keys().collect()), "tables": names(config.tables.keys().collect()),
        "policies": names(config.policies.keys().collect()),
        "scenarios": names(config.scenarios.keys().collect()), "secrets": secrets(config),
    })
}

/// Where a webhook goes.
fn path(name: &Name) -> String {
    match name.namespace.as_str() {
        Name::DEFAULT => format!("POST /hooks/{}", name.name),
        _ => format!("POST /hooks/{name}"),
    }
}

fn short(name: &Name) -> String {
    if name.namespace == Name::DEFAULT { name.name.clone() } else { name.to_string() }
}

fn says(recovers: Recovers) -> &'static str {
    match recovers {
        Recovers::Resume => "while it is down: goes on where it stopped",
        Recovers::List => "while it is down: asks for what it has missed",
        Recovers::None => "while it is down: lost, unless the sender repeats",
    }
}
