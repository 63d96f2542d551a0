//! `ensue events`: what came in, and what followed, as it happens.

use serde_json::{Value, json};

use crate::args::{Events, EventsCommand};
use crate::client::Client;
use crate::errors::Error;
use crate::output::{Output, cell, cut};

/// Columns of a list of records.
const TYPE: usize = 36;
const SUBJECT: usize = 28;

pub(crate) async fn events(events: Events, output: Output) -> Result<(), Error> {
    match events.what {
        Some(EventsCommand::Purge { engine, positions, reason }) => {
            let body = json!({"positions": positions, "reason": reason});
            let answer = Client::new(&engine)?.post(&["events", "purge"], &body).await?;
            purged(&answer, output);
            return Ok(());
        }
        Some(EventsCommand::ReEmit { engine, events }) => return again(&Client::new(&engine)?, &events, output).await,
        None => {}
    }
    let client = Client::new(&events.engine)?;
    if let Some(id) = &events.id {
        let event = client.get(&["events", id.trim_start_matches('#')], &[]).await?;
        output.value(&event);
        return Ok(());
    }
    let mut query = vec![("ours", events.all.to_string())];
    query.extend(events.kind.clone().map(|kind| ("type", format!("{}*", kind.trim_end_matches('*')))));
    query.extend(events.source.clone().map(|source| ("source", source)));
    let listed = [query.clone(), vec![("limit", events.limit.max(1).to_string())]].concat();
    let page = client.get(&["events"], &listed).await?;
    let found = page.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
    // Newest last: what follows goes on below.
    let found: Vec<Value> = found.into_iter().rev().take(events.limit).collect();
    if output.for_people() {
        if found.is_empty() && !events.follow {
            output.line("no events yet; `ensue emit` sends one, `ensue events --all` shows our own records too");
        } else {
            head(output);
        }
    }
    for record in &found {
        row(record, output);
    }
    if !events.follow {
        return Ok(());
    }
    let from = found.last().and_then(position).map(|last| last + 1);
    let source = events.source;
    let mut each = |record: &Value| {
        let wanted =
            source.as_deref().is_none_or(|source| record.pointer("/event/source").is_some_and(|s| s == source));
        if wanted {
            row(record, output);
        }
    };
    client.follow(&query, from, &mut each).await
}

/// Sends each event once more under a new id. All are looked up before the first is sent.
async fn again(client: &Client, ids: &[String], output: Output) -> Result<(), Error> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let record = client.get(&["events", id.trim_start_matches('#')], &[]).await?;
        let Some(Value::Object(mut event)) = record.get("event").cloned() else {
            return Err(Error::Usage(format!("`{id}` is no event any more: it was purged, or its bytes are damaged")));
        };
        let kind = event.get("type").and_then(Value::as_str).unwrap_or("").to_owned();
        if kind.starts_with("dev.ensue.") {
            return Err(Error::Usage(format!("`{id}` is a record of ours ({kind}); only events are sent again")));
        }
        let old = event.get("id").and_then(Value::as_str).unwrap_or("").to_owned();
        event.insert("id".into(), format!("{old}.{}", uuid::Uuid::now_v7().simple()).into());
        // How long its chain is was said by us; from outside it is not believed.
        event.remove("ensuedepth");
        found.push(Value::Object(event));
    }
    for event in &found {
        let told = client.send(super::emit::structured(client, event)).await?;
        super::emit::say(&told, output);
    }
    Ok(())
}

fn purged(answer: &Value, output: Output) {
    if !output.for_people() {
        output.value(answer);
        return;
    }
    let list = |name: &str| answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let (events, copies) = (list("purged").len(), list("copies").len());
    output.line(format!(
        "purged: {events} events and {copies} firings that carried them, recorded in #{}",
        cell(answer.get("position"))
    ));
    for (name, what) in [("runs", "run"), ("parked", "parked firing")] {
        for id in list(name) {
            output.line(format!("  {what} {} still holds one", cell(Some(&id))));
        }
    }
}

fn position(record: &Value) -> Option<u64> {
    record.get("position").and_then(Value::as_u64)
}

fn head(output: Output) {
    let bold = anstyle::Style::new().bold();
    output.line(format!(
        "{bold}{:>7}  {:12}  {:TYPE$}  {:SUBJECT$}  SOURCE{bold:#}",
        "#", "TIME (UTC)", "TYPE", "SUBJECT"
    ));
}

fn row(record: &Value, output: Output) {
    if !output.for_people() {
        output.value(record);
        return;
    }
    let text = |pointer: &str| cell(record.pointer(pointer));
    let kind = text("/event/type");
    let dim = anstyle::Style::new().dimmed();
    let style = if kind.starts_with(ensue_event::ours::PREFIX) { dim } else { anstyle::Style::new() };
    let line = format!(
        "{:>7}  {:12}  {:TYPE$}  {:SUBJECT$}  {}",
        text("/position"),
        clock(&text("/at")),
        cut(&kind, TYPE),
        cut(&text("/event/subject"), SUBJECT),
        text("/event/source"),
    );
    output.line(format!("{style}{}{style:#}", line.trim_end()));
}

/// The time of day of a timestamp, to the millisecond.
pub(crate) fn clock(at: &str) -> String {
    let time = at.split_once('T').map_or(at, |(_, time)| time).trim_end_matches('Z');
    match time.split_once('.') {
        Some((seconds, rest)) => format!("{seconds}.{:0<3}", rest.chars().take(3).collect::<String>()),
        None => format!("{time}.000"),
    }
}
