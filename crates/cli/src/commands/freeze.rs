//! `ensue freeze` and `ensue thaw`: the red button.

use serde_json::{Value, json};

use super::connections::moment;
use super::run::done;
use crate::args::Freeze;
use crate::client::Client;
use crate::errors::Error;
use crate::output::{Output, cell, one_line};

pub(crate) async fn freeze(freeze: Freeze, output: Output) -> Result<(), Error> {
    let client = Client::new(&freeze.engine)?;
    if freeze.list {
        return list(&client, output).await;
    }
    let answer = client.post(&["freeze"], &body(&freeze, false)).await?;
    done(&answer, &format!("frozen: {}; decisions go on, effects are held", what(&freeze)), output);
    Ok(())
}

pub(crate) async fn thaw(freeze: Freeze, discard: bool, output: Output) -> Result<(), Error> {
    let client = Client::new(&freeze.engine)?;
    if freeze.list {
        return list(&client, output).await;
    }
    let answer = client.post(&["thaw"], &body(&freeze, discard)).await?;
    let then = if discard { "what was held is discarded" } else { "what was held goes" };
    done(&answer, &format!("thawed: {}; {then}", what(&freeze)), output);
    Ok(())
}

fn what(freeze: &Freeze) -> String {
    match (&freeze.connection, &freeze.rule) {
        (None, None) => "everything".to_owned(),
        (Some(connection), None) => format!("connection {connection}"),
        (None, Some(rule)) => format!("rule {rule}"),
        (Some(connection), Some(rule)) => format!("rule {rule} on connection {connection}"),
    }
}

fn body(freeze: &Freeze, discard: bool) -> Value {
    json!({
        "reason": freeze.reason, "connection": freeze.connection, "rule": freeze.rule, "discard": discard,
    })
}

async fn list(client: &Client, output: Output) -> Result<(), Error> {
    let answer = client.get(&["freezes"], &[]).await?;
    if !output.for_people() {
        output.value(&answer);
        return Ok(());
    }
    let freezes = answer.get("freezes").and_then(Value::as_array).cloned().unwrap_or_default();
    if freezes.is_empty() {
        output.line("nothing is frozen");
    } else {
        let rows: Vec<Vec<String>> = freezes.iter().map(row).collect();
        output.table(&["FROZEN", "WHO", "SINCE (UTC)", "UNTIL (UTC)", "WHY"], &rows);
    }
    output.line(format!("{} effects are held", cell(answer.get("held"))));
    Ok(())
}

fn row(one: &Value) -> Vec<String> {
    let time = |name: &str| one.pointer(name).and_then(Value::as_str).map(moment);
    let thawed = one.pointer("/freeze/thawed").filter(|thawed| !thawed.is_null());
    let why = cell(one.pointer("/freeze/reason"));
    let why = match thawed {
        Some(by) => format!("{why}; thawed by {}: {}", cell(by.get("actor")), cell(by.get("reason"))),
        None => why,
    };
    let until = time("/freeze/until").unwrap_or_else(|| "a thaw".to_owned());
    vec![
        cell(one.get("name")),
        cell(one.pointer("/freeze/actor")),
        time("/freeze/since").unwrap_or_default(),
        until,
        one_line(why),
    ]
}
