//! Programs on our own machine. Off unless the connection says `enabled: true`.
//!
//! There is no shell: arguments are a list, values are never spliced into a command line. The environment is empty but
//! for `PATH`, `HOME`, `LANG`, what connection and step give, and why it runs (`ENSUE_RUN`, `ENSUE_EFFECT`). The program
//! and all that it starts are one process group, which ends with it. At its timeout, without a sign of life for longer
//! than `heartbeat`, or when its run goes on without it, the group gets SIGTERM, and SIGKILL five seconds later.
//!
//! `files` puts artifacts of earlier steps into its folder before it runs, `artifacts` keeps files of its folder after it
//! has ended well.

mod files;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use ensue_event::Span;
use ensue_event::ours::{Answer, Failure};
use ensue_expr::duration;
use serde_json::{Value, json};

use crate::action::{Action, Call, answer, denied, wrong};
use crate::process::{self, End, Ended, Program, Pulse};
use crate::secrets::{Resolved, handle, holds_handle, scalar};
use crate::world::World;

/// The action `exec/run`.
pub(crate) struct Run;

/// What is kept of each output unless `maxOutput` says otherwise: 64 KiB from its beginning and 64 KiB from its end.
const KEEP: usize = 128 << 10;
/// How much of the end of standard error goes into a failure's message.
const TAIL: usize = 2 << 10;

#[async_trait::async_trait]
impl Action for Run {
    fn name(&self) -> &'static str {
        "exec/run"
    }

    /// Nobody knows what a program does. A step that says `retry` says that it may be run again, and no other is.
    fn repeatable(&self, _: &Call) -> bool {
        true
    }

    async fn call(&self, call: Call, world: &World) -> Answer {
        answer(run(&call, world).await)
    }
}

async fn run(call: &Call, world: &World) -> Result<Value, Failure> {
    let config = world.connection(call, "exec")?;
    if !config.is_true("enabled") {
        return Err(denied("programs are not run here: the connection does not say `enabled: true`"));
    }
    let argv = argv(call)?;
    let mut env = environment(call, &config, world)?;
    // Live as long as the program: a fresh folder for each try.
    let mut keeps = Vec::new();
    let dir = match config.text("dir") {
        Some(dir) => PathBuf::from(dir),
        None => fresh(&mut keeps)?,
    };
    let pulse = match heartbeat(call)? {
        Some(within) => {
            let file = fresh(&mut keeps)?.join("heartbeat");
            env.insert("ENSUE_HEARTBEAT".into(), file.clone().into());
            Some(Pulse { within: within.to_std(), file })
        }
        None => None,
    };
    let (given, wanted) = (files::entries(call, "files")?, files::entries(call, "artifacts")?);
    if !given.is_empty() {
        let (dir, outputs) = (dir.clone(), Arc::clone(world.outputs()));
        blocking(move || files::put(&dir, &given, &*outputs)).await?;
    }
    let keep = config.get("maxOutput").and_then(Value::as_u64).and_then(|keep| usize::try_from(keep).ok());
    let stdin = call.text("stdin").unwrap_or_default().as_bytes().to_vec();
    let name = argv.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = dir.clone();
    let (out, err) = (call.log.clone(), call.log.clone());
    let program = Program { argv, env, dir, stdin, keep: keep.unwrap_or(KEEP), out, err, pulse, keeps };
    let ended = process::run(program)
        .await
        .map_err(|error| wrong(format!("`{name}` cannot be started in {}: {error}", folder.display())))?;
    let mut outputs = outcome(&name, &ended, call)?;
    if let (false, Some(object)) = (wanted.is_empty(), outputs.as_object_mut()) {
        let (store, secrets) = (Arc::clone(world.outputs()), Arc::clone(world.secrets()));
        let kept = blocking(move || files::take(&folder, &wanted, &*store, &secrets)).await?;
        object.insert("artifacts".to_owned(), kept);
    }
    Ok(outputs)
}

/// What waits for the disk, beside what does not.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|why| Err(wrong(why.to_string())))
}

fn fresh(keeps: &mut Vec<tempfile::TempDir>) -> Result<PathBuf, Failure> {
    let made = tempfile::Builder::new().prefix("ensue-exec-").tempdir();
    let made = made.map_err(|error| wrong(format!("no folder to run in can be made: {error}")))?;
    let path = made.path().to_owned();
    keeps.push(made);
    Ok(path)
}

/// How often the program must give a sign of life, if it must.
fn heartbeat(call: &Call) -> Result<Option<Span>, Failure> {
    let Some(written) = call.text("heartbeat") else { return Ok(None) };
    match duration::parse(written) {
        Ok(micros) if micros > 0 => Ok(Some(Span(micros))),
        _ => Err(wrong(format!("`heartbeat: {written}` is not a duration such as 30s or 5m"))),
    }
}

fn argv(call: &Call) -> Result<Vec<OsString>, Failure> {
    let items = call.field("argv").and_then(Value::as_array);
    let items = items.filter(|items| !items.is_empty()).ok_or_else(|| wrong("exec/run needs a list `argv`"))?;
    if items.iter().chain(call.field("stdin")).any(holds_handle) {
        return Err(denied(
            "a secret in `argv` or `stdin` could be seen by others; give it in `env` of the connection",
        ));
    }
    let argument = |item: &Value| match item {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => Ok(scalar(item)),
        _ => Err(wrong(format!("an argument is a text, not {item}"))),
    };
    let argv: Vec<String> = items.iter().map(argument).collect::<Result<_, _>>()?;
    if argv.iter().any(|argument| argument.contains('\0')) {
        return Err(wrong("an argument cannot hold a zero byte"));
    }
    Ok(argv.into_iter().map(OsString::from).collect())
}

fn environment(call: &Call, config: &Resolved, world: &World) -> Result<BTreeMap<OsString, OsString>, Failure> {
    let mut env = process::inherited(&["PATH", "HOME", "LANG"]);
    let mut set = |name: &str, value: String| {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(wrong(format!("`{name}` cannot be a variable of the environment")));
        }
        env.insert(name.into(), value.into());
        Ok(())
    };
    for (name, value) in config.entries("env") {
        set(name, value)?;
    }
    let given = call.field("env").and_then(Value::as_object);
    for (name, value) in given.into_iter().flatten() {
        let value = match handle(value) {
            Some(secret) => own_secret(call, config, world, secret)?,
            None if holds_handle(value) => return Err(denied(format!("`env.{name}` must be a text or a secret"))),
            None => scalar(value),
        };
        set(name, value)?;
    }
    set("ENSUE_RUN", call.run.to_string())?;
    set("ENSUE_EFFECT", call.effect.to_string())?;
    set("ENSUE_STEP", call.step.clone())?;
    set("ENSUE_ATTEMPT", call.attempt.to_string())?;
    Ok(env)
}

/// A secret that the step itself names: only where the connection lists its namespace.
fn own_secret(call: &Call, config: &Resolved, world: &World, name: &str) -> Result<String, Failure> {
    if !config.texts("secretsFor").contains(&call.namespace.as_str()) {
        let namespace = &call.namespace;
        return Err(denied(format!("steps of `{namespace}` may not use secrets: `secretsFor` does not list it")));
    }
    let one = world.secrets().resolve_config(&json!({ "value": { "$secret": name } }));
    let one = one.map_err(|missing| denied(missing.to_string()))?;
    Ok(one.text("value").unwrap_or_default().to_owned())
}

fn outcome(name: &str, ended: &Ended, call: &Call) -> Result<Value, Failure> {
    let (stdout, stderr, expect) = (ended.stdout.text(), ended.stderr.text(), call.numbers("expect"));
    let status = match ended.end {
        End::Exited(status) => status,
        End::Silent => {
            let within = call.text("heartbeat").unwrap_or_default();
            let what = format!("`{name}` gave no sign of life for {within}, its `heartbeat`, and was ended");
            return Err(Failure { name: "Timeout".to_owned(), ..failed(what, Value::Null, &stdout, &stderr) });
        }
    };
    let Some(code) = status.code() else {
        let signal = status.signal().unwrap_or(0);
        return Err(failed(format!("`{name}` was ended by signal {signal}"), Value::Null, &stdout, &stderr));
    };
    let good = if expect.is_empty() { code == 0 } else { expect.contains(&i64::from(code)) };
    if !good {
        return Err(failed(format!("`{name}` exited with {code}"), code.into(), &stdout, &stderr));
    }
    let mut outputs = json!({ "exitCode": code, "stdout": stdout, "stderr": stderr });
    if let (Some(json), Some(object)) = (said(&ended.stdout), outputs.as_object_mut()) {
        object.insert("json".to_owned(), json);
    }
    Ok(outputs)
}

/// What standard output says in JSON: the whole of it, or its last line.
fn said(stdout: &process::Output) -> Option<Value> {
    let text = stdout.text();
    if stdout.whole()
        && let Ok(value) = serde_json::from_str(text.trim())
    {
        return Some(value);
    }
    let last = text.lines().rev().find(|line| !line.trim().is_empty())?;
    serde_json::from_str(last.trim()).ok()
}

fn failed(what: String, code: Value, stdout: &str, stderr: &str) -> Failure {
    let shown = if stderr.trim().is_empty() { stdout } else { stderr };
    let end = end_of(shown.trim(), TAIL);
    let colon = if end.is_empty() { "" } else { ": " };
    // Retried only where the step says `retry`.
    let mut failure = Failure::new("StepFailed", format!("{what}{colon}{end}")).retryable();
    let (stdout, stderr) = (end_of(stdout, 8 << 10), end_of(stderr, 8 << 10));
    failure.details = json!({ "exitCode": code, "stdout": stdout, "stderr": stderr });
    failure
}

fn end_of(text: &str, most: usize) -> &str {
    let mut from = text.len().saturating_sub(most);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.get(from..).unwrap_or_default()
}
