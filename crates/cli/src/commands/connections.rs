//! `ensue connections`: what may go through them, what does now, and what waits.

use serde_json::Value;

use super::events::clock;
use crate::args::Engine;
use crate::client::Client;
use crate::errors::Error;
use crate::output::{Output, cell};

const LIMITS: [(&str, &str); 3] =
    [("concurrent", "at once"), ("perMinute", "a minute"), ("distinctTargetsPerHour", "targets an hour")];

pub(crate) async fn connections(engine: Engine, output: Output) -> Result<(), Error> {
    let answer = Client::new(&engine)?.get(&["connections"], &[]).await?;
    let all = answer.get("connections").and_then(Value::as_array).cloned().unwrap_or_default();
    if !output.for_people() || all.is_empty() {
        output.list(&all, &[], "there are no connections");
        return Ok(());
    }
    let columns = ["CONNECTION", "TYPE", "USED OF ITS LIMITS", "WAIT", "HELD", "SINCE (UTC)", "BY"];
    output.table(&columns, &all.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

fn row(one: &Value) -> Vec<String> {
    let used = LIMITS.iter().filter_map(|(name, words)| {
        let used = one.pointer(&format!("/used/{name}")).and_then(Value::as_u64).unwrap_or(0);
        match one.pointer(&format!("/limits/{name}")).and_then(Value::as_u64) {
            Some(limit) => Some(format!("{used} of {limit} {words}")),
            None if *name == "concurrent" && used > 0 => Some(format!("{used} {words}")),
            None => None,
        }
    });
    let used: Vec<String> = used.collect();
    let list = |name: &str, what: &str| {
        let all = one.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let said = all.into_iter().map(move |by| {
            let until = by.get("until").and_then(Value::as_str).map(|until| format!(" until {}", moment(until)));
            format!("{}{}", cell(by.get(what)), until.unwrap_or_default())
        });
        said.collect::<Vec<String>>()
    };
    let by = [list("by", "limit"), list("freezes", "name")].concat();
    let dry = if one.get("dryRun").and_then(Value::as_bool) == Some(true) { ", dry run" } else { "" };
    vec![
        cell(one.get("name")),
        format!("{}{dry}", cell(one.get("type"))),
        if used.is_empty() { "-".to_owned() } else { used.join(", ") },
        cell(one.get("waiting")),
        cell(one.get("held")),
        one.get("since").and_then(Value::as_str).map(moment).unwrap_or_default(),
        by.join("; "),
    ]
}

/// A moment: the day and the time to the second.
pub(super) fn moment(at: &str) -> String {
    let day = at.split_once('T').map_or("", |(day, _)| day);
    let time = clock(at);
    format!("{day} {}", time.split('.').next().unwrap_or(&time))
}
