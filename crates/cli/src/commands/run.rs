//! `ensue run`: one run, and a person's decision about it.

use serde_json::{Value, json};

use super::connections::moment;
use super::events::clock;
use crate::args::{Decide, DecideParked, RunCommand};
use crate::client::Client;
use crate::errors::Error;
use crate::output::{Output, cell};

pub(crate) async fn run(what: RunCommand, output: Output) -> Result<(), Error> {
    let (decide, verb, more) = match what {
        RunCommand::Show { engine, id } => {
            let run = Client::new(&engine)?.get(&["runs", &id], &[]).await?;
            show(&run, output);
            return Ok(());
        }
        RunCommand::Retry(decide) => (decide, "retry", json!({})),
        RunCommand::Resume { decide, from: None } => (decide, "resume", json!({})),
        RunCommand::Resume { decide, from: Some(step) } => (decide, "resume", json!({"step": step})),
        RunCommand::Skip { decide, step } => (decide, "skip", json!({"step": step})),
        RunCommand::Cancel(decide) => (decide, "cancel", json!({})),
        RunCommand::Rollback(decide) => (decide, "rollback", json!({})),
        RunCommand::Redrive(decide) => return parked(decide, "redrive", output).await,
        RunCommand::Discard(decide) => return parked(decide, "discard", output).await,
        RunCommand::Approve { decide, step, refuse } => (decide, "approve", json!({"step": step, "refuse": refuse})),
        RunCommand::Settle { decide, step, verdict } => (decide, "settle", json!({"step": step, "verdict": verdict})),
    };
    let Decide { engine, id, reason } = decide;
    let mut body = more;
    if let Some(object) = body.as_object_mut() {
        object.insert("reason".into(), reason.into());
    }
    let answer = Client::new(&engine)?.post(&["runs", &id, verb], &body).await?;
    done(&answer, &format!("{verb}: run {id}"), output);
    Ok(())
}

/// What is parked is no run yet.
async fn parked(decide: DecideParked, verb: &str, output: Output) -> Result<(), Error> {
    let DecideParked { engine, id, rule, reason } = decide;
    let client = Client::new(&engine)?;
    let (answer, what) = match (id, rule) {
        (Some(id), _) => {
            (client.post(&["parked", &id, verb], &json!({"reason": reason})).await?, format!("firing {id}"))
        }
        (None, rule) => {
            let body = json!({"reason": reason, "rule": rule});
            (client.post(&["parked", verb], &body).await?, format!("all of rule {}", rule.unwrap_or_default()))
        }
    };
    done(&answer, &format!("{verb}: {what}"), output);
    Ok(())
}

/// Prints that a command was carried out, and where its record stands.
pub(crate) fn done(answer: &Value, what: &str, output: Output) {
    if output.for_people() {
        output.line(format!("{what}, recorded in #{}", cell(answer.get("position"))));
    } else {
        output.value(answer);
    }
}

fn show(run: &Value, output: Output) {
    if !output.for_people() {
        output.value(run);
        return;
    }
    let bold = anstyle::Style::new().bold();
    output.line(format!(
        "run {bold}{}{bold:#} of {}: {bold}{}{bold:#}",
        cell(run.get("id")),
        cell(run.get("rule")),
        cell(run.get("status"))
    ));
    output.line(format!("started {}  finished {}", time(run.get("started")), time(run.get("finished"))));
    if let Some(message) = run.pointer("/failed/error/message") {
        // A rollback ends a run at no step of its own.
        let at = cell(run.pointer("/failed/step"));
        let at = if at.is_empty() { "ended".to_owned() } else { format!("failed at {at}") };
        output.line(format!("{at}: {}", cell(Some(message))));
    }
    for waits in run.get("waitsFor").and_then(Value::as_array).into_iter().flatten() {
        output.line(format!("waits for {}", awaited(waits, run)));
    }
    for (path, step) in steps(run) {
        let attempts = step.get("attempt").or_else(|| step.get("attempts")).and_then(Value::as_u64).unwrap_or(0);
        let tries = if attempts > 1 { format!(", attempt {attempts}") } else { String::new() };
        output.line(format!("\n  {bold}{path}{bold:#}  {}{tries}", cell(step.get("status"))));
        if let Some(error) = step.pointer("/error/message") {
            output.line(format!("    {}", cell(Some(error))));
        }
        let outputs = step.get("outputs").and_then(Value::as_object);
        for (name, value) in outputs.into_iter().flatten() {
            let text: String = cell(Some(value)).lines().take(12).collect::<Vec<_>>().join("\n      ");
            output.line(format!("    {name}: {text}"));
        }
    }
}

/// What a run waits for, and what its reader can do about it.
fn awaited(waits: &Value, run: &Value) -> String {
    let id = cell(run.get("id"));
    let step = cell(waits.get("step"));
    if let Some(shown) = waits.pointer("/ask/shown").and_then(Value::as_array) {
        let shown: String =
            shown.iter().map(|one| format!("\n    {}: {}", cell(one.get("what")), cell(one.get("value")))).collect();
        return format!("approval of step {step}:{shown}\n  ensue run approve {id} {step} [--refuse] --reason WHY");
    }
    if waits.get("event").is_some() {
        let until = waits.get("until").filter(|until| !until.is_null());
        let until = until.map_or_else(String::new, |until| format!(", until {}", time(Some(until))));
        return format!("an event, in step {step}{until}");
    }
    match (waits.get("person"), waits.get("until"), waits.get("answer")) {
        (Some(step), _, _) => {
            let step = cell(Some(step));
            format!(
                "a person: find out whether step {step} was done, then\n  \
                 ensue run settle {id} --step {step} --verdict done|failed|retry --reason WHY"
            )
        }
        (_, Some(until), _) => format!("a time: {}", time(Some(until))),
        (_, _, Some(effect)) => {
            let rows = run.get("outbox").and_then(Value::as_array).into_iter().flatten();
            let held = |row: &Value| row.get("held").and_then(Value::as_bool).unwrap_or(false);
            let row = rows.into_iter().find(|row| row.pointer("/effect/key") == Some(effect));
            let asks = run.get("asks").and_then(Value::as_array).into_iter().flatten();
            let open =
                |asks: &&Value| asks.get("open") == Some(&Value::Bool(true)) && asks.get("step") == waits.get("step");
            if let Some(asks) = asks.into_iter().find(open) {
                let wants = cell(asks.get("wants"));
                return format!("a person: {wants}\n  ensue run approve {id} {step} [--refuse] --reason WHY");
            }
            let limit = |row: &Value| {
                let until = row.pointer("/waits/0/until").and_then(Value::as_str).map(moment);
                let until = until.map(|until| format!(", until {until}")).unwrap_or_default();
                let limit = row.pointer("/waits/0/limit").map(|limit| cell(Some(limit)))?;
                Some(format!("`{limit}` of {}{until}", cell(row.pointer("/effect/connection"))))
            };
            match row.map(|row| (held(row), limit(row), cell(row.pointer("/effect/action")))) {
                Some((true, _, action)) => format!("a thaw: {action} is held, `ensue freeze --list` shows why"),
                Some((_, Some(limit), action)) => format!("{limit}: {action} is next, `ensue connections` shows more"),
                Some((_, None, action)) => format!("the answer of {action}"),
                None => "an answer".to_owned(),
            }
        }
        _ => waits.to_string(),
    }
}

/// Steps by path, in the order in which they began and ended.
fn steps(run: &Value) -> Vec<(String, Value)> {
    let mut steps = listed(run);
    let when = |step: &Value, name: &str| {
        step.get(name).and_then(Value::as_str).and_then(|text| ensue_event::Time::parse(text).ok())
    };
    steps.sort_by_key(|(_, step)| {
        let began = when(step, "started");
        (began.is_none(), began, when(step, "finished").is_none(), when(step, "finished"))
    });
    steps
}

/// Steps by path, whether they are kept as an object or as a list of pairs.
fn listed(run: &Value) -> Vec<(String, Value)> {
    match run.get("steps") {
        Some(Value::Object(steps)) => steps.iter().map(|(path, step)| (path.clone(), step.clone())).collect(),
        Some(Value::Array(steps)) => steps
            .iter()
            .map(|pair| (cell(pair.get(0).or_else(|| pair.get("path"))), pair.get(1).unwrap_or(pair).clone()))
            .collect(),
        _ => Vec::new(),
    }
}

fn time(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => clock(text),
        _ => "-".to_owned(),
    }
}
