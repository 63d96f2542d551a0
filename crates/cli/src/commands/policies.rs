//! `ensue policies`: which there are, what they are asked about, and how often they decided what.

use serde_json::Value;

use crate::args::Engine;
use crate::client::Client;
use crate::errors::Error;
use crate::output::{Output, cell};

pub(crate) async fn policies(engine: Engine, output: Output) -> Result<(), Error> {
    let page = Client::new(&engine)?.get(&["policies"], &[]).await?;
    let found = page.get("policies").and_then(Value::as_array).cloned().unwrap_or_default();
    let found: Vec<Value> = if output.for_people() { found.into_iter().map(shown).collect() } else { found };
    let columns = [
        ("POLICY", "/name"),
        ("ABOUT", "/shown"),
        ("ALLOWED", "/allowed"),
        ("DENIED", "/denied"),
        ("ASKED", "/asked"),
        ("FILE", "/file"),
    ];
    output.list(&found, &columns, "no policies are in force");
    Ok(())
}

/// A policy with its `match` in a line.
fn shown(mut policy: Value) -> Value {
    let named = |(what, list): (&String, &Value)| {
        let all: Vec<String> = list.as_array()?.iter().map(|one| cell(Some(one))).collect();
        Some(format!("{what} {}", all.join(" ")))
    };
    let fields = policy.get("match").and_then(Value::as_object).into_iter().flatten();
    let parts: Vec<String> = fields.filter_map(named).collect();
    let about = if parts.is_empty() { "every action".to_owned() } else { parts.join(", ") };
    if let Some(object) = policy.as_object_mut() {
        object.insert("shown".into(), about.into());
    }
    policy
}
