//! Commands: each is a record, and the answer is what the fold decided when it came to it.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use ensue_event::ours::Command;
use ensue_event::{Digest, Key};
use ensue_lang::Name;
use serde::Deserialize;
use serde_json::json;

use super::answer::{Wrong, answer, ok};
use super::auth::Actor;
use super::{App, body};
use crate::node::Commanded;

type Reached = Result<Response, Wrong>;
type Who = Extension<Actor>;

/// What a command's body may say beside what its address says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    #[serde(default)]
    reason: String,
    connection: Option<String>,
    rule: Option<String>,
    #[serde(default)]
    discard: bool,
    step: Option<String>,
    verdict: Option<String>,
    mode: Option<String>,
    #[serde(default)]
    refuse: bool,
    shown: Option<Digest>,
}

async fn command(app: &App, who: &Actor, command: Command, reason: &str) -> Reached {
    match app.command(command, &who.name, &who.roles, reason).await? {
        Commanded::Done(position) => Ok(ok(&json!({"done": true, "position": position}))),
        Commanded::Refused(position, why) => {
            let error = json!({"code": "refused", "message": why, "position": position});
            Ok(answer(StatusCode::CONFLICT, &json!({"error": error})))
        }
    }
}

/// A name as people write it, with its namespace.
fn full(name: Option<String>) -> Option<String> {
    name.map(|name| Name::resolve(&name, Name::DEFAULT).to_string())
}

fn needed(text: Option<String>, name: &str) -> Result<String, Wrong> {
    text.ok_or_else(|| Wrong::bad(format!("`{name}` is needed in the body")))
}

fn key(text: &str) -> Result<Key, Wrong> {
    text.parse().map_err(|why| Wrong::bad(format!("{why}")))
}

pub(crate) async fn freeze(State(app): State<App>, Extension(who): Who, headers: HeaderMap, body: Body) -> Reached {
    let said: Said = body::json(body, &headers).await?;
    if said.reason.trim().is_empty() {
        return Err(Wrong::bad("a freeze needs a `reason`: somebody will ask for it"));
    }
    let (connection, rule) = (full(said.connection), full(said.rule));
    known(&app, connection.clone(), rule.clone()).await?;
    let freeze = Command::Freeze { connection, rule };
    command(&app, &who, freeze, &said.reason).await
}

/// A freeze of a name that nothing has would hold nothing, and whoever mistyped it in a hurry would believe it did.
async fn known(app: &App, connection: Option<String>, rule: Option<String>) -> Result<(), Wrong> {
    let unknown = app.read(move |pump| {
        let (config, outbox) = (&pump.engine().config().config, &pump.engine().state().outbox);
        let missing = |what: &str, name: &str, all: Vec<String>| {
            let there = if all.is_empty() { "none is".to_owned() } else { format!("there are: {}", all.join(", ")) };
            format!("no {what} {name} is in the configuration or in a run; {there}")
        };
        // What runs still use may have left the configuration.
        let in_connection = |name: &str| {
            config.connections.keys().any(|known| known.to_string() == name)
                || outbox.look().any(|(_, row)| row.read().effect.connection.as_deref() == Some(name))
        };
        let in_rule = |name: &str| {
            config.rules.keys().any(|known| known.to_string() == name)
                || outbox.look().any(|(_, row)| row.read().effect.rule == name)
        };
        let all = |names: &mut dyn Iterator<Item = &Name>| names.map(ToString::to_string).collect();
        match (connection, rule) {
            (Some(name), _) if !in_connection(&name) => {
                Some(missing("connection", &name, all(&mut config.connections.keys())))
            }
            (_, Some(name)) if !in_rule(&name) => Some(missing("rule", &name, all(&mut config.rules.keys()))),
            _ => None,
        }
    });
    match unknown.await.ok_or_else(|| Wrong::busy("it is stopping"))? {
        Some(why) => Err(Wrong::not_found(why)),
        None => Ok(()),
    }
}

pub(crate) async fn thaw(State(app): State<App>, Extension(who): Who, headers: HeaderMap, body: Body) -> Reached {
    let said: Said = body::json(body, &headers).await?;
    let thaw = Command::Thaw { connection: full(said.connection), rule: full(said.rule), discard: said.discard };
    command(&app, &who, thaw, &said.reason).await
}

/// `GET /api/v1/locks`
pub(crate) async fn locks(State(app): State<App>) -> Reached {
    let locks = app.read(|pump| ensue_engine::flow::locks(pump.engine())).await;
    Ok(ok(&json!({"locks": locks.ok_or_else(|| Wrong::busy("it is stopping"))?})))
}

pub(crate) async fn retry(
    State(app): State<App>,
    Extension(who): Who,
    Path(run): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Reached {
    let said: Said = body::json(body, &headers).await?;
    command(&app, &who, Command::RetryRun { run: super::runs::run(&app, &run).await? }, &said.reason).await
}

pub(crate) async fn resume(
    State(app): State<App>,
    Extension(who): Who,
    Path(run): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Reached {
    let said: Said = body::json(body, &headers).await?;
    command(&app, &who, Command::ResumeRun { run: super::runs::run(&app, &run).await?, from: said.step }, &said.reason)
        .await
}

pub(crate) async fn skip(
    State(app): State<App>,
    Extension(who): Who,
    Path(run): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Reached {
    let said: Said = body::json(body, &headers).await?;
    let skip = Command::SkipStep { run: super::runs::run(&app, &run).await?, step: needed(said.step, "step")? };
    command(&app, &who, skip, &said.reason).await
}

pub(crate) async fn cancel(
    State(app): State<App>,
    Extension(who): Who,
    Path(run): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Reached {
    let said: Said = body::json(body, &headers).await?;
    command(&app, &who, Command::CancelRun { run: super::runs::run(&app, &run).await? }, &said.reason).await
}

pub(crate) async fn rollback(
    State(app): State<App>,
    Extension(who): Who,
    Path(run): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Reached {
    let said: Said = body::json(body, &headers).await?;
    command(&app, &who, Command::Rollback { run: super::runs::run(&app, &run).await? }, &said.reason).await
}

pub(crate) async fn settle(
    State(app): State<App>,
    Extension(who): Who,
    Path(run): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Reached {
    let said: Said = body::json(body, &headers).await?;
    let (step, verdict) = (needed(said.step, "step")?, needed(said.verdict, "verdict")?);
    command(&app, &who, Command::Settle { run: super::runs::run(&app, &run).await?, step, verdict }, &said.reason).await
}

pub(crate) async fn approve(
    State(app): State<App>,
    Extension(who): Who,
    Path(run): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Reached {
    let said: Said = body::json(body, &headers).await?;
    let (run, step) = (super::runs::run(&app, &run).await?, needed(said.step, "step")?);
    let approve = Command::Approve { run, step, refuse: said.refuse, shown: said.shown };
    command(&app, &who, approve, &said.reason).await
}

pub(crate) async fn mode_of_default(
    app: State<App>,
    who: Who,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Reached {
    mode(app, who, Path((Name::DEFAULT.to_owned(), name)), headers, body).await
}

pub(crate) async fn mode(
    State(app): State<App>,
    Extension(who): Who,
    Path((namespace, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Reached {
    let said: Said = body::json(body, &headers).await?;
    let rule = Name::new(namespace, name).to_string();
    let set = Command::SetMode { rule, mode: needed(said.mode, "mode")? };
    command(&app, &who, set, &said.reason).await
}

pub(crate) async fn redrive(
    State(app): State<App>,
    Extension(who): Who,
    Path(firing): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Reached {
    let said: Said = body::json(body, &headers).await?;
    command(&app, &who, Command::Redrive { firing: key(&firing)? }, &said.reason).await
}

pub(crate) async fn discard(
    State(app): State<App>,
    Extension(who): Who,
    Path(firing): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Reached {
    let said: Said = body::json(body, &headers).await?;
    command(&app, &who, Command::Discard { firing: key(&firing)? }, &said.reason).await
}

pub(crate) async fn redrive_all(
    State(app): State<App>,
    Extension(who): Who,
    headers: HeaderMap,
    body: Body,
) -> Reached {
    let said: Said = body::json(body, &headers).await?;
    let rule = needed(full(said.rule), "rule")?;
    command(&app, &who, Command::RedriveAll { rule }, &said.reason).await
}

pub(crate) async fn discard_all(
    State(app): State<App>,
    Extension(who): Who,
    headers: HeaderMap,
    body: Body,
) -> Reached {
    let said: Said = body::json(body, &headers).await?;
    let rule = needed(full(said.rule), "rule")?;
    command(&app, &who, Command::DiscardAll { rule }, &said.reason).await
}
