//! `ensue log` and `ensue audit --verify`: the log itself. Where its engine runs, the engine reads it; else we do, with
//! the data folder locked.

use std::sync::Arc;

use ensue_event::Position;
use ensue_log::disk::RealDisk;
use ensue_log::{FileLog, Options, Reader, entry_json};
use ensue_pump::Pump;
use ensue_state::{Lock, Sqlite, State as _};
use serde_json::Value;

use crate::args::{Engine, LogCommand};
use crate::client::Client;
use crate::errors::Error;
use crate::output::{Output, cell};

pub(crate) async fn log(what: LogCommand, output: Output) -> Result<(), Error> {
    match what {
        LogCommand::Cat { engine, from, limit } => cat(engine, from, limit, output).await,
        LogCommand::Verify { engine } => verify(engine, output).await,
    }
}

/// A log that nobody else has open, or nothing where its engine runs and is to be asked.
pub(super) fn open(engine: &Engine) -> Result<Option<(Lock, FileLog<RealDisk>)>, Error> {
    let data = &engine.data;
    if engine.server.is_some() {
        return Ok(None);
    }
    if !data.join("log").is_dir() {
        let why = "no log is here; name the data folder of the engine with --data".to_owned();
        return Err(Error::File { path: data.display().to_string(), why });
    }
    let lock = match Lock::take(data) {
        Ok(lock) => lock,
        Err(ensue_state::Error::Locked { .. }) => return Ok(None),
        Err(why) => return Err(Error::Other(why.to_string())),
    };
    // What the state has folded was durable: a tail below it is damage, not a torn write.
    let state = data.join("state.db");
    let opened = if state.is_file() { Sqlite::open(&state, Pump::<Sqlite>::tables()).ok() } else { None };
    let known = opened.and_then(|state| state.applied().ok().flatten()).and_then(|applied| applied.position);
    let known = known.map(Position::next);
    let log = FileLog::open(Arc::new(RealDisk), &data.join("log"), Options::default(), known);
    let (log, _) = log.map_err(|why| Error::Other(why.to_string()))?;
    Ok(Some((lock, log)))
}

async fn cat(engine: Engine, from: u64, limit: Option<u64>, output: Output) -> Result<(), Error> {
    let until = limit.map(|limit| from.saturating_add(limit));
    let Some((_lock, log)) = open(&engine)? else {
        let client = Client::new(&engine)?;
        let mut query = vec![("from", from.to_string())];
        query.extend(until.map(|until| ("until", until.to_string())));
        let mut response = client.open(client.request(reqwest::Method::GET, &["api", "v1", "log"], &query)).await?;
        let mut waiting = Vec::new();
        loop {
            let chunk = response.chunk().await;
            let chunk =
                chunk.map_err(|why| Error::Other(format!("the log ends early: {}", crate::client::cause(&why))))?;
            let Some(chunk) = chunk else { return Ok(()) };
            waiting.extend_from_slice(&chunk);
            while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = waiting.drain(..=end).collect();
                output.line(String::from_utf8_lossy(&line).trim_end());
            }
        }
    };
    let reader: Reader<RealDisk> = log.reader();
    let until = until.map_or(reader.end(), Position);
    for entry in reader.cat(Position(from), until) {
        let entry = entry.map_err(|why| Error::Other(why.to_string()))?;
        output.line(entry_json(&entry));
    }
    Ok(())
}

pub(crate) async fn verify(engine: Engine, output: Output) -> Result<(), Error> {
    let found = match open(&engine)? {
        Some((_lock, log)) => log.reader().verify().map_err(|why| Error::Other(why.to_string()))?.json(),
        None => Client::new(&engine)?.get(&["log", "verify"], &[]).await?,
    };
    if output.for_people() {
        show(&found, output);
    } else {
        output.value(&found);
    }
    if found.get("whole").and_then(Value::as_bool).unwrap_or(false) { Ok(()) } else { Err(Error::Found) }
}

fn show(found: &Value, output: Output) {
    let list = |name: &str| found.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let whole = found.get("whole").and_then(Value::as_bool).unwrap_or(false);
    let verdict = if whole { "as it was written" } else { "NOT as it was written" };
    output.line(format!(
        "{verdict}: {} records, #{} up to #{}",
        cell(found.get("good")),
        cell(found.get("first")),
        cell(found.get("end"))
    ));
    output.line(format!("  trimmed  {} before that", cell(found.get("first"))));
    output.line(format!("  purged   {}", list("purged").len()));
    let damage = list("damage");
    output.line(format!("  damaged  {}", damage.len()));
    for one in &damage {
        output.line(format!(
            "    {} at byte {}: {} (#{} up to #{})",
            cell(one.get("file")),
            cell(one.get("offset")),
            cell(one.get("why")),
            cell(one.get("first")),
            cell(one.get("until"))
        ));
    }
    let changed = list("changed");
    output.line(format!("  changed  {}", changed.len()));
    for position in &changed {
        output.line(format!("    #{position}"));
    }
    output.line(format!("  chain    {}", cell(found.get("chain"))));
    if whole {
        output.line("a chain alone proves nothing against somebody who could write the whole log anew: keep its value elsewhere");
    }
}
