//! `ensue runs logs|export|artifact`: what the actions of a run said and left, and all that happened to it.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use reqwest::Method;
use serde_json::Value;

use crate::args::OutputsCommand;
use crate::client::Client;
use crate::errors::Error;
use crate::output::{Output, tame};

pub(crate) async fn outputs(what: OutputsCommand, output: Output) -> Result<(), Error> {
    match what {
        OutputsCommand::Logs { engine, run, step, attempt, follow } => {
            let mut query = vec![("follow", follow.to_string())];
            query.extend(step.map(|step| ("step", step)));
            query.extend(attempt.map(|attempt| ("attempt", attempt.to_string())));
            let client = Client::new(&engine)?;
            let request = client.request(Method::GET, &["api", "v1", "runs", &run, "logs"], &query);
            print(client.open(request).await?).await
        }
        OutputsCommand::Export { engine, run } => {
            let history = Client::new(&engine)?.get(&["runs", &run, "history"], &[]).await?;
            // It is for programs and for keeping, whoever looks.
            output.line(serde_json::to_string_pretty(&history).unwrap_or_default());
            Ok(())
        }
        OutputsCommand::Artifact { engine, run, step, name, out } => {
            let client = Client::new(&engine)?;
            let history = client.get(&["runs", &run, "history"], &[]).await?;
            let digest = digest(&history, &run, &step, &name)?;
            let response = client.open(client.request(Method::GET, &["api", "v1", "blobs", &digest], &[])).await?;
            let bytes = response.bytes().await.map_err(|why| cut_off(&why))?;
            match out {
                Some(path) => keep(&path, &bytes),
                None => write(&bytes),
            }
        }
    }
}

/// The digest of an artifact: that of the step's last good answer.
fn digest(history: &Value, run: &str, step: &str, name: &str) -> Result<String, Error> {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let steps = list(history.get("steps"));
    let of_step = steps.iter().find(|known| known.get("step").and_then(Value::as_str) == Some(step));
    let tries = list(of_step.and_then(|step| step.get("tries")));
    let kept = tries.iter().rev().find_map(|one| one.pointer("/answered/answer/ok/artifacts")?.as_object());
    let digest = kept.and_then(|kept| kept.get(name)?.get("digest")?.as_str());
    digest.map(str::to_owned).ok_or_else(|| {
        let has = kept.map(|kept| kept.keys().map(String::as_str).collect::<Vec<_>>().join(", "));
        let has = has.filter(|has| !has.is_empty()).map_or("it has none".to_owned(), |has| format!("it has {has}"));
        Error::Other(format!("step `{step}` of run {run} has left no artifact `{name}`: {has}"))
    })
}

fn keep(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    std::fs::write(path, bytes).map_err(|why| Error::Other(format!("{} cannot be written: {why}", path.display())))
}

/// Prints a text as it comes: a terminal gets it line by line, and tame.
async fn print(mut response: reqwest::Response) -> Result<(), Error> {
    let terminal = std::io::stdout().is_terminal();
    let mut held = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|why| cut_off(&why))? {
        if !terminal {
            write(&chunk)?;
            continue;
        }
        held.extend_from_slice(&chunk);
        let lines = held.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let rest = held.split_off(lines);
        write(tame(&String::from_utf8_lossy(&held)).as_bytes())?;
        held = rest;
    }
    write(tame(&String::from_utf8_lossy(&held)).as_bytes())
}

fn write(bytes: &[u8]) -> Result<(), Error> {
    let mut out = std::io::stdout();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // A closed pipe ends the program quietly, as it does everywhere.
        Err(why) if why.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        written => written.map_err(|why| Error::Other(format!("nothing can be printed: {why}"))),
    }
}

fn cut_off(why: &reqwest::Error) -> Error {
    Error::Other(format!("the engine broke off: {}", crate::client::cause(why)))
}
