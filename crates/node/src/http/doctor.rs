//! `GET /api/v1/doctor`: what is wrong, asked now.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use ensue_connect::Connection;
use ensue_connect::pull::{Feed, pull};
use serde::Serialize;
use serde_json::json;

use super::App;
use super::answer::{Wrong, ok};

/// How long one part may take; more is an answer too.
const PATIENCE: Duration = Duration::from_secs(10);

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Level {
    Ok,
    Warning,
    Error,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    /// `connection default/prod`.
    about: String,
    level: Level,
    says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    verb: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
}

impl Finding {
    fn new(about: &str, level: Level, says: impl Into<String>) -> Finding {
        Finding { about: about.to_owned(), level, says: says.into(), verb: None, resource: None }
    }
}

/// `GET /api/v1/doctor`
pub(crate) async fn doctor(State(app): State<App>) -> Result<Response, Wrong> {
    let mut findings = Vec::new();
    if let Err(why) = app.ready() {
        findings.push(Finding::new("engine", Level::Error, why));
    }
    let config = app.config();
    for (name, connection) in &config.config.connections {
        let about = format!("connection {name}");
        let connection = Connection {
            name: name.to_string(),
            type_name: connection.type_name.clone(),
            config: connection.config.clone(),
        };
        // As its own namespace would be answered.
        match tokio::time::timeout(PATIENCE, app.world.probe(&connection, &name.namespace)).await {
            Ok(None) => {}
            Ok(Some(Ok(says))) => findings.push(Finding::new(&about, Level::Ok, says)),
            Ok(Some(Err(failure))) => findings.push(Finding::new(&about, Level::Error, failure.message)),
            Err(_) => findings.push(Finding::new(&about, Level::Error, "no answer within 10 s")),
        }
    }
    let feeds: Vec<Arc<Feed>> =
        app.sources.lock().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect();
    for feed in feeds {
        let about = format!("source {}", feed.name);
        let kind = config.config.sources.iter().find(|(name, _)| name.to_string() == feed.name);
        let Some(kind) = kind.and_then(|(_, source)| pull(&source.type_name)) else { continue };
        let before = findings.len();
        let asked = tokio::time::timeout(PATIENCE, kind.check(&feed)).await;
        let view = feed.status.view();
        let problems = match asked {
            Ok(problems) if !problems.is_empty() => problems,
            _ => view.problems,
        };
        for problem in problems {
            let says = if problem.part.is_empty() {
                problem.message
            } else {
                format!("{}: {}", problem.part, problem.message)
            };
            let (verb, resource) = (problem.verb, problem.resource);
            findings.push(Finding { verb, resource, ..Finding::new(&about, Level::Error, says) });
        }
        if let Some(since) = view.disconnected_since {
            let why = view.reason.unwrap_or_default();
            findings.push(Finding::new(&about, Level::Error, format!("disconnected since {since}: {why}")));
        }
        if let Some((from, to)) = view.gap {
            let says =
                format!("what happened from {from} to {to} may be missing in part: only the difference was seen");
            findings.push(Finding::new(&about, Level::Warning, says));
        }
        if view.behind {
            findings.push(Finding::new(&about, Level::Warning, "it waits for the engine, which is behind"));
        }
        if findings.len() == before {
            let says = match view.connected_since {
                Some(since) => format!("connected since {since}, {} events", view.events),
                None => "connecting".to_owned(),
            };
            findings.push(Finding::new(&about, Level::Ok, says));
        }
    }
    let healthy = findings.iter().all(|finding| finding.level != Level::Error);
    Ok(ok(&json!({"healthy": healthy, "findings": findings})))
}
