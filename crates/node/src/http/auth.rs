//! Who asks, and whether they may.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::answer::Wrong;
use super::{App, Needs};
use crate::clock::wall;
use crate::token::Scope;

/// Who asks: the name of the token, and what it may answer for.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) name: String,
    pub(crate) roles: Vec<String>,
}

/// Lets a request through to its handler if what the route needs is met.
pub(crate) async fn check(State((app, needs)): State<(App, Needs)>, mut request: Request, next: Next) -> Response {
    let scope = match needs {
        Needs::Open => return next.run(request).await,
        Needs::Ingest if app.options.open_ingest => return next.run(request).await,
        Needs::Ingest => Scope::Ingest,
        Needs::Scope(scope) => scope,
    };
    match actor(&app, request.headers(), scope) {
        Ok(actor) => {
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        Err(wrong) => {
            app.metrics.refused(wrong.code);
            // The body was not read.
            wrong.closing().into_response()
        }
    }
}

fn actor(app: &App, headers: &HeaderMap, scope: Scope) -> Result<Actor, Wrong> {
    let no = |message: &str| Err(Wrong::new(StatusCode::UNAUTHORIZED, "no-token", message));
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return no("a token is needed: `Authorization: Bearer ensue_…`; `ensue token create` makes one");
    };
    let text = value.to_str().ok().and_then(|text| text.split_once(' '));
    let Some((_, text)) = text.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
        return no("the header `Authorization` must be `Bearer` and a token");
    };
    let Some(token) = app.tokens.find(text.trim()) else {
        return no("the token is not known here, or was revoked");
    };
    if token.expires.is_some_and(|end| wall() >= end) {
        return no("the token has expired; `ensue token create` makes a new one");
    }
    if !token.allows(scope, wall()) {
        let message = format!("the token `{}` does not allow `{}`", token.name, scope.as_str());
        return Err(Wrong::new(StatusCode::FORBIDDEN, "scope", message));
    }
    Ok(Actor { roles: token.roles(), name: token.name })
}
