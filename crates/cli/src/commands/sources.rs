//! `ensue sources`: what comes from where, and how those stand that the engine reads itself; and `ensue doctor`.

use serde_json::Value;

use super::connections::moment;
use crate::args::Engine;
use crate::client::Client;
use crate::errors::Error;
use crate::output::{Output, cell};

pub(crate) async fn sources(engine: Engine, output: Output) -> Result<(), Error> {
    let answer = Client::new(&engine)?.get(&["sources"], &[]).await?;
    let all = answer.get("sources").and_then(Value::as_array).cloned().unwrap_or_default();
    if !output.for_people() || all.is_empty() {
        output.list(&all, &[], "there are no sources");
        return Ok(());
    }
    let columns = ["SOURCE", "TYPE", "EVENTS", "LAST (UTC)", "STATE"];
    output.table(&columns, &all.iter().map(row).collect::<Vec<_>>());
    for one in &all {
        for problem in one.pointer("/reading/problems").and_then(Value::as_array).into_iter().flatten() {
            let part = cell(problem.get("part"));
            let part = if part.is_empty() { String::new() } else { format!(" {part}:") };
            output.line(format!("{}:{part} {}", cell(one.get("name")), cell(problem.get("message"))));
        }
    }
    Ok(())
}

fn row(one: &Value) -> Vec<String> {
    let time = |path: &str| one.pointer(path).and_then(Value::as_str).map(moment);
    let state = match one.get("reading") {
        Some(reading) => {
            let behind = if reading.get("behind") == Some(&Value::Bool(true)) { ", waits for the engine" } else { "" };
            match (time("/reading/connectedSince"), time("/reading/disconnectedSince")) {
                (_, Some(since)) => format!("disconnected since {since}"),
                (Some(since), None) => format!("connected since {since}{behind}"),
                (None, None) => format!("connecting{behind}"),
            }
        }
        None => cell(one.get("path")),
    };
    vec![
        cell(one.get("name")),
        cell(one.get("type")),
        one.pointer("/known/events").map_or_else(|| "0".to_owned(), |events| cell(Some(events))),
        time("/known/last").unwrap_or_default(),
        state,
    ]
}

/// Exits with an error where something is wrong.
pub(crate) async fn doctor(engine: Engine, output: Output) -> Result<(), Error> {
    let answer = Client::new(&engine)?.get(&["doctor"], &[]).await?;
    let found = answer.get("findings").and_then(Value::as_array).cloned().unwrap_or_default();
    if output.for_people() {
        for finding in &found {
            let level = cell(finding.get("level"));
            output.line(format!("{level:<8}{}: {}", cell(finding.get("about")), cell(finding.get("says"))));
        }
        if found.is_empty() {
            output.line("nothing to look at: no connection or source can be asked");
        }
    } else {
        output.list(&found, &[], "");
    }
    let wrong = found.iter().filter(|finding| finding.get("level") == Some(&Value::from("error"))).count();
    match wrong {
        0 => Ok(()),
        1 => Err(Error::Other("1 thing is wrong".into())),
        wrong => Err(Error::Other(format!("{wrong} things are wrong"))),
    }
}
