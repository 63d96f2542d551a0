//! `ensue runs retry|resume|cancel|rollback`: a person's decision about many runs.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use serde_json::{Value, json};

use super::runs::{asked, shown};
use crate::args::RunsCommand;
use crate::client::Client;
use crate::errors::Error;
use crate::output::{Output, cell};

const COLUMNS: [(&str, &str); 6] = [
    ("RUN", "/id"),
    ("RULE", "/rule"),
    ("KEY", "/key"),
    ("STATUS", "/status"),
    ("STARTED (UTC)", "/shown"),
    ("WHY", "/why"),
];

pub(crate) async fn bulk(what: RunsCommand, output: Output) -> Result<(), Error> {
    let (verb, bulk) = match what {
        RunsCommand::Retry(bulk) => ("retry", bulk),
        RunsCommand::Resume(bulk) => ("resume", bulk),
        RunsCommand::Cancel(bulk) => ("cancel", bulk),
        RunsCommand::Rollback(bulk) => ("rollback", bulk),
        RunsCommand::Outputs(what) => return super::outputs::outputs(what, output).await,
    };
    let client = Client::new(&bulk.engine)?;
    let query: serde_json::Map<String, Value> =
        asked(&bulk.which).map(|(name, said)| (name.to_owned(), said.into())).collect();
    let mut body = json!({"verb": verb, "query": query, "limit": bulk.limit, "dryRun": true});
    let found = client.post(&["runs", "bulk"], &body).await?;
    let runs = found.get("runs").and_then(Value::as_array).cloned().unwrap_or_default();
    if bulk.dry_run || runs.is_empty() {
        list(&found, &runs, verb, output);
        return Ok(());
    }
    if !bulk.yes {
        list(&found, &runs, verb, output);
        confirm(verb, runs.len())?;
    }
    // What was shown, and nothing that came since.
    let ids: Vec<&Value> = runs.iter().filter_map(|run| run.get("id")).collect();
    if let Some(body) = body.as_object_mut() {
        body.extend([
            ("runs".to_owned(), json!(ids)),
            ("query".to_owned(), json!({})),
            ("reason".to_owned(), json!(bulk.reason)),
            ("dryRun".to_owned(), json!(false)),
        ]);
    }
    let answer = client.post(&["runs", "bulk"], &body).await?;
    told(&answer, verb, output);
    match answer.get("refused").and_then(Value::as_u64) {
        None | Some(0) => Ok(()),
        Some(refused) => Err(Error::Other(format!("{refused} of them could not be done: see why above"))),
    }
}

fn list(found: &Value, runs: &[Value], verb: &str, output: Output) {
    if !output.for_people() {
        output.value(found);
        return;
    }
    output.list(&runs.iter().cloned().map(shown).collect::<Vec<_>>(), &COLUMNS, "no run is found");
    let total = found.get("found").and_then(Value::as_u64).unwrap_or(0);
    let more = total.saturating_sub(runs.len() as u64);
    if more > 0 {
        output.line(format!("{more} more are found (--limit takes more at once)"));
    }
    if !runs.is_empty() {
        output.line(format!("{} would be asked to {verb}", runs.len()));
    }
}

/// Asks on a terminal; elsewhere nobody could answer.
fn confirm(verb: &str, many: usize) -> Result<(), Error> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::Usage(format!("say --yes to {verb} {many} runs without being asked, or --dry-run")));
    }
    let mut err = anstream::stderr();
    let asked = write!(err, "{verb} {many} runs? [y/N] ").and_then(|()| err.flush());
    let mut line = String::new();
    let read = asked.and_then(|()| std::io::stdin().lock().read_line(&mut line));
    match read {
        Ok(_) if ["y", "yes"].contains(&line.trim().to_lowercase().as_str()) => Ok(()),
        _ => Err(Error::Other("nothing was done".into())),
    }
}

fn told(answer: &Value, verb: &str, output: Output) {
    if !output.for_people() {
        output.value(answer);
        return;
    }
    let runs = answer.get("runs").and_then(Value::as_array).cloned().unwrap_or_default();
    let row = |run: &Value| {
        let done = run.get("done").and_then(Value::as_bool).unwrap_or(false);
        let became = if done { "done".to_owned() } else { format!("refused: {}", cell(run.get("why"))) };
        vec![cell(run.get("id")), cell(run.get("rule")), format!("#{}", cell(run.get("position"))), became]
    };
    output.table(&["RUN", "RULE", "RECORD", "BECAME"], &runs.iter().map(row).collect::<Vec<_>>());
    output.line(format!("{verb}: {} done, {} refused", cell(answer.get("done")), cell(answer.get("refused"))));
}
