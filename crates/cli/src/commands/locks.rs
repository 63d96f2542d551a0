//! `ensue locks`: which runs hold slots of `concurrency`, and what waits for them.

use serde_json::Value;

use super::events::clock;
use crate::args::Engine;
use crate::client::Client;
use crate::errors::Error;
use crate::output::{Output, cell};

pub(crate) async fn locks(engine: Engine, output: Output) -> Result<(), Error> {
    let answer = Client::new(&engine)?.get(&["locks"], &[]).await?;
    let locks = answer.get("locks").and_then(Value::as_array).cloned().unwrap_or_default();
    if !output.for_people() || locks.is_empty() {
        output.list(&locks, &[], "no run holds a slot");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = locks.iter().flat_map(rows).collect();
    output.table(&["SLOTS OF", "KEY", "HELD", "RUN OR FIRING", "RULE", "SINCE (UTC)"], &rows);
    Ok(())
}

/// A row for each holder and each that waits; what they share stands in the first.
fn rows(lock: &Value) -> Vec<Vec<String>> {
    let list = |name: &str| lock.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let of = lock.get("of").and_then(Value::as_object).and_then(|of| of.iter().next());
    let of = of.map_or_else(String::new, |(what, name)| format!("{what} {}", cell(Some(name))));
    let (holders, next) = (list("holders"), list("next"));
    let row = |id: &str, state: String, one: &Value| {
        let since = clock(&cell(one.get("since")));
        vec![String::new(), String::new(), state, cell(one.get(id)), cell(one.get("rule")), since]
    };
    let held = format!("{} of {}", holders.len(), cell(lock.get("limit")));
    let waits = holders.iter().map(|one| row("run", held.clone(), one));
    let mut rows: Vec<Vec<String>> = waits.chain(next.iter().map(|one| row("firing", "waits".into(), one))).collect();
    let more = lock.get("waiting").and_then(Value::as_u64).unwrap_or(0).saturating_sub(next.len() as u64);
    if more > 0 {
        let state = format!("{more} more wait");
        rows.push(vec![String::new(), String::new(), state]);
    }
    if let Some([first, key, ..]) = rows.first_mut().map(Vec::as_mut_slice) {
        (*first, *key) = (of, cell(lock.get("key")));
    }
    rows
}
