//! `ensue audit`: who asked for what, and which configurations were in force.

use serde_json::Value;

use super::events::clock;
use crate::args::Engine;
use crate::client::Client;
use crate::errors::Error;
use crate::output::{Output, cell, one_line};

pub(crate) async fn audit(
    engine: Engine,
    which: [(&'static str, Option<String>); 3],
    limit: usize,
    output: Output,
) -> Result<(), Error> {
    let mut query = vec![("limit", limit.max(1).to_string())];
    query.extend(which.into_iter().filter_map(|(name, said)| said.map(|said| (name, said))));
    let page = Client::new(&engine)?.get(&["audit"], &query).await?;
    let found: Vec<Value> = page.get("records").and_then(Value::as_array).cloned().unwrap_or_default();
    if !output.for_people() {
        output.list(&found, &[], "");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = found.iter().rev().map(row).collect();
    output.table(&["#", "TIME (UTC)", "WHAT", "WHO", "BECAME", "DETAILS"], &rows);
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
        "operator" => {
            let command = data.get("command").cloned().unwrap_or_default();
            let verb = cell(command.get("verb"));
            let mut asked = command;
            if let Some(asked) = asked.as_object_mut() {
                asked.remove("verb");
            }
            let rest = [details(&asked), cell(data.get("reason"))].join("  ");
            format!("{verb} {}", rest.trim())
        }
        _ => details(&data),
    };
    // A command of long ago, of which nobody knows any more, stands without.
    let became = cell(record.get("says"));
    let time = format!("{day} {}", clock(&at));
    vec![cell(record.get("position")), time, what, cell(data.get("actor")), one_line(became), details]
}

/// The fields of a record in a line: the reason first.
fn details(data: &Value) -> String {
    let fields = data.as_object().into_iter().flatten();
    let shown = fields.filter(|(name, value)| {
        !(["v", "actor", "reason"].contains(&name.as_str()) || value.is_null() || **value == Value::Bool(false))
    });
    let mut parts: Vec<String> = data.get("reason").map(|reason| cell(Some(reason))).into_iter().collect();
    parts.extend(shown.map(|(name, value)| format!("{name}={}", cell(Some(value)))));
    parts.join("  ")
}
