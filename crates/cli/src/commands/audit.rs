//! `ensue audit`: who asked for what, and which configurations were in force.

use serde_json::Value;

use super::events::clock;
use crate::args::Engine;
use crate::client::Client;
use crate::errors::Error;
use crate::output::{Output, cell};

/// The records that say what people and programs asked for, and what changed without an event.
const TYPES: &str = "dev.ensue.operator,dev.ensue.policy.decided,dev.ensue.config.applied,dev.ensue.node.*,dev.ensue.log.*,dev.ensue.event.conflict,\
    dev.ensue.record.quarantined,dev.ensue.clock.stepped";

pub(crate) async fn audit(engine: Engine, limit: usize, output: Output) -> Result<(), Error> {
    let query = [("type", TYPES.to_owned()), ("limit", limit.max(1).to_string())];
    let page = Client::new(&engine)?.get(&["events"], &query).await?;
    let found: Vec<Value> = page.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
    if !output.for_people() {
        output.list(&found, &[], "");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = found.iter().rev().map(row).collect();
    output.table(&["#", "TIME (UTC)", "WHAT", "WHO", "DETAILS"], &rows);
    Ok(())
}

fn row(record: &Value) -> Vec<String> {
    let data = record.pointer("/event/data").cloned().unwrap_or_default();
    let kind = cell(record.pointer("/event/type"));
    let what = kind.trim_start_matches(ensue_event::ours::PREFIX).to_owned();
    let at = cell(record.get("at"));
    let day = at.split_once('T').map_or("", |(day, _)| day);
    let details = match what.as_str() {
        "config.applied" => {
            let documents = data.get("documents").and_then(Value::as_array).map_or(0, Vec::len);
            format!("{documents} documents")
        }
        _ => details(&data),
    };
    vec![cell(record.get("position")), format!("{day} {}", clock(&at)), what, cell(data.get("actor")), details]
}

/// The fields of a record in a line: the reason first.
fn details(data: &Value) -> String {
    let fields = data.as_object().into_iter().flatten();
    let shown = fields.filter(|(name, value)| !["v", "actor", "reason"].contains(&name.as_str()) && !value.is_null());
    let mut parts: Vec<String> = data.get("reason").map(|reason| cell(Some(reason))).into_iter().collect();
    parts.extend(shown.map(|(name, value)| format!("{name}={}", cell(Some(value)))));
    parts.join("  ")
}
