//! `ensue runs`: what is being done, and how it went.

use serde_json::Value;

use super::events::clock;
use crate::args::{Runs, Which};
use crate::client::Client;
use crate::errors::Error;
use crate::output::{Output, cell};

pub(crate) async fn runs(runs: Runs, output: Output) -> Result<(), Error> {
    if let Some(what) = runs.what {
        return super::bulk::bulk(what, output).await;
    }
    let client = Client::new(&runs.engine)?;
    let mut query = vec![("limit", runs.limit.max(1).to_string())];
    let mut which = runs.which.clone();
    if runs.failed {
        which.status = Some("failed,uncertain".to_owned());
    }
    query.extend(asked(&which));
    let page = client.get(&["runs"], &query).await?;
    let found = page.get("runs").and_then(Value::as_array).cloned().unwrap_or_default();
    // Newest last, as events are listed.
    let found = found.into_iter().rev();
    let found: Vec<Value> = if output.for_people() { found.map(shown).collect() } else { found.collect() };
    let columns = [
        ("RUN", "/id"),
        ("RULE", "/rule"),
        ("STATUS", "/status"),
        ("STARTED (UTC)", "/shown"),
        ("STEP", "/step"),
        ("WHY", "/why"),
    ];
    let empty = if runs.failed { "no run has failed, none is uncertain" } else { "no runs yet" };
    output.list(&found, &columns, empty);
    if runs.failed {
        let answer = client.get(&["parked"], &[("limit", runs.limit.max(1).to_string())]).await?;
        let parked = answer.get("parked").and_then(Value::as_array).cloned().unwrap_or_default();
        if output.for_people() && !parked.is_empty() {
            let total = answer.get("total").and_then(Value::as_u64).unwrap_or(0);
            let some = match parked.len() as u64 {
                shown if shown < total => format!(", {shown} of them here (-n shows more)"),
                _ => String::new(),
            };
            output.line(format!(
                "\n{total} parked{some}; `ensue run redrive FIRING` lets one go, with --rule all of a rule:"
            ));
            let columns =
                [("FIRING", "/fired/firing"), ("RULE", "/fired/rule"), ("KEY", "/fired/key"), ("WHY", "/reason")];
            output.list(&parked, &columns, "");
        } else if !output.for_people() {
            output.list(&parked, &[], "");
        }
    }
    if !runs.follow {
        return Ok(());
    }
    let query = [("type", "dev.ensue.run.*".to_owned()), ("ours", "true".to_owned())];
    let mut each = |record: &Value| follow(record, runs.which.rule.as_deref(), output);
    client.follow(&query, None, &mut each).await
}

/// What a query says, by the names that the API has.
pub(super) fn asked(which: &Which) -> impl Iterator<Item = (&'static str, String)> {
    let Which { status, rule, key, error, since } = which.clone();
    let all = [("status", status), ("rule", rule), ("key", key), ("error", error), ("since", since)];
    all.into_iter().filter_map(|(name, said)| said.map(|said| (name, said)))
}

/// A run with what its row shows beside what it has.
pub(super) fn shown(mut run: Value) -> Value {
    let told = |field: &str| run.get(field).filter(|value| !value.is_null()).cloned();
    let why = run.pointer("/failed/error/message").cloned().or_else(|| told("cancelled")).or_else(|| told("asks"));
    let started = clock(&cell(run.get("started")));
    if let Some(object) = run.as_object_mut() {
        object.insert("shown".into(), started.into());
        object.insert("why".into(), why.unwrap_or_default());
    }
    run
}

fn follow(record: &Value, rule: Option<&str>, output: Output) {
    let data = record.pointer("/event/data").cloned().unwrap_or_default();
    let name = cell(data.get("rule"));
    let wanted = rule.is_none_or(|rule| name == rule || name.ends_with(&format!("/{rule}")));
    if !wanted {
        return;
    }
    if !output.for_people() {
        output.value(record);
        return;
    }
    let kind = cell(record.pointer("/event/type"));
    let status = match kind.rsplit('.').next() {
        Some("finished") => cell(data.get("status")),
        Some("failed") => format!("failed: {}", cell(data.pointer("/error/message"))),
        other => other.unwrap_or_default().to_owned(),
    };
    output.line(format!("{}  {}  {name}  {status}", cell(data.get("run")), clock(&cell(record.get("at")))));
}
