//! `ensue token`: who may ask for what. Works on the data folder, whether its engine runs or not.

use std::path::Path;

use ensue_event::{Span, Time};
use ensue_node::{Scope, Tokens};
use serde_json::{Value, json};

use crate::args::TokenCommand;
use crate::errors::Error;
use crate::output::Output;

pub(crate) fn token(data: &Path, what: TokenCommand, output: Output) -> Result<(), Error> {
    if !data.is_dir() {
        let why = "there is no such data folder; `ensue up --data` makes it".to_owned();
        return Err(Error::File { path: data.display().to_string(), why });
    }
    let other = |why: ensue_node::token::Error| Error::Other(why.to_string());
    let tokens = Tokens::open(data).map_err(other)?;
    match what {
        TokenCommand::Create { name, scopes, roles, expires } => {
            let scopes: Vec<Scope> = scopes
                .iter()
                .map(|word| {
                    Scope::parse(word).ok_or_else(|| {
                        Error::Usage(format!("`{word}` is no scope; there are: ingest, read, operate, admin"))
                    })
                })
                .collect::<Result<_, _>>()?;
            let lifetime = expires.map(|text| {
                let parsed = ensue_expr::duration::parse(&text);
                parsed.map(Span).map_err(|why| Error::Usage(format!("--expires {text}: {why}")))
            });
            let text = tokens.create(&name, &scopes, &roles, lifetime.transpose()?, now()).map_err(other)?;
            if output.for_people() {
                output.line(text);
                anstream::eprintln!("it is shown this once; only its hash is kept");
            } else {
                output.value(&json!({"name": name, "token": text}));
            }
        }
        TokenCommand::List => {
            let listed: Vec<Value> = tokens
                .list()
                .map_err(other)?
                .iter()
                .map(|token| {
                    let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
                    let (scopes, roles) = match output.for_people() {
                        true => (json!(scopes.join(",")), json!(token.roles().join(","))),
                        false => (json!(scopes), json!(token.roles())),
                    };
                    let (created, expires) = (token.created, token.expires);
                    json!({"name": token.name, "scopes": scopes, "roles": roles, "created": created, "expires": expires})
                })
                .collect();
            let columns = [
                ("NAME", "/name"),
                ("SCOPES", "/scopes"),
                ("ROLES", "/roles"),
                ("CREATED", "/created"),
                ("EXPIRES", "/expires"),
            ];
            output.list(&listed, &columns, "no tokens; the engine makes one for this machine at its first start");
        }
        TokenCommand::Revoke { name } => {
            tokens.revoke(&name).map_err(other)?;
            if output.for_people() {
                output.line(format!("{name} is refused from now on"));
            } else {
                output.value(&json!({"name": name, "revoked": true}));
            }
        }
    }
    Ok(())
}

fn now() -> Time {
    Time(jiff::Timestamp::now().as_microsecond())
}
