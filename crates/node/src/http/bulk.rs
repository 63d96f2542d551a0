//! One command for many runs: those that a query finds. Each is a record of its own, and each is answered for.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use ensue_event::Key;
use ensue_event::ours::Command;
use ensue_run::Run;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Wrong, ok};
use super::auth::Actor;
use super::query::MOST;
use super::runs::{Asked, Wanted, found, summary};
use super::{App, body};
use crate::node::Commanded;

/// How many runs one request is for where nobody says.
const USUAL: usize = 100;

/// What is to become of runs.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Verb {
    Retry,
    Resume,
    Cancel,
    Rollback,
}

impl Verb {
    /// The runs that it is for, where the query does not say.
    const fn status(self) -> &'static str {
        match self {
            Verb::Retry | Verb::Resume => "failed",
            Verb::Cancel => "running,uncertain",
            Verb::Rollback => "succeeded,failed,cancelled",
        }
    }

    fn command(self, run: Key) -> Command {
        match self {
            Verb::Retry => Command::RetryRun { run },
            Verb::Resume => Command::ResumeRun { run, from: None },
            Verb::Cancel => Command::CancelRun { run },
            Verb::Rollback => Command::Rollback { run },
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Bulk {
    verb: Verb,
    /// Why; it stands in each record.
    #[serde(default)]
    reason: String,
    /// As in the list of runs; `limit` and `before` are none of it.
    #[serde(default)]
    query: Asked,
    /// Only these of them: what a person was shown.
    runs: Option<Vec<Key>>,
    /// At most so many, the oldest first.
    limit: Option<usize>,
    /// Nothing is done.
    #[serde(default)]
    dry_run: bool,
}

/// `POST /api/v1/runs/bulk`
pub(crate) async fn bulk(
    State(app): State<App>,
    Extension(who): Extension<Actor>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Wrong> {
    let Bulk { verb, reason, mut query, runs, limit, dry_run } = body::json(body, &headers).await?;
    if !dry_run && reason.trim().is_empty() {
        return Err(Wrong::bad("a command for many runs needs a `reason`: somebody will ask for it"));
    }
    if runs.is_none() && !query.narrows() {
        return Err(Wrong::bad(
            "this would be for every run: say which, by `query` (rule, status, key, error, since, q) or `runs`",
        ));
    }
    // Runs that are named are asked for whatever became of them since: the fold says what it refuses, and why.
    if runs.is_none() {
        query.status.get_or_insert_with(|| verb.status().to_owned());
    }
    let wanted = Wanted::of(query, app.clock.now())?;
    let named = |run: &Run| runs.as_ref().is_none_or(|runs| runs.contains(&run.id));
    let (mut all, _) = found(&app, |run| named(run) && wanted.has(run)).await?;
    all.reverse();
    let (total, limit) = (all.len(), limit.unwrap_or(USUAL).clamp(1, MOST));
    let (mut rows, mut done) = (Vec::new(), 0_usize);
    for (_, id, run) in all.iter().take(limit) {
        let mut row = summary(&run.read(), None);
        if !dry_run {
            let (told, carried) = one(&app, verb, *id, &who, &reason).await?;
            done += usize::from(carried);
            if let (Some(row), Value::Object(told)) = (row.as_object_mut(), told) {
                row.extend(told);
            }
        }
        rows.push(row);
    }
    let refused = if dry_run { 0 } else { rows.len() - done };
    Ok(ok(&json!({"found": total, "runs": rows, "done": done, "refused": refused, "dryRun": dry_run})))
}

async fn one(app: &App, verb: Verb, run: Key, who: &Actor, reason: &str) -> Result<(Value, bool), Wrong> {
    Ok(match app.command(verb.command(run), &who.name, &who.roles, reason).await? {
        Commanded::Done(position) => (json!({"done": true, "position": position}), true),
        Commanded::Refused(position, why) => (json!({"done": false, "position": position, "why": why}), false),
    })
}
