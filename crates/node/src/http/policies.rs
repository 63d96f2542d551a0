//! Policies, and how often each decided what.

use axum::extract::State;
use axum::response::Response;
use ensue_engine::policy::Judge;
use ensue_lang::Decides;
use serde_json::{Value, json};

use super::App;
use super::answer::{Wrong, ok};

/// `GET /api/v1/policies`
pub(crate) async fn list(State(app): State<App>) -> Result<Response, Wrong> {
    let policies = app.read(|pump| {
        let (state, config) = (pump.engine().state(), pump.engine().config());
        let counts = |judge: &Judge| state.policies.get(&judge.name).map(|known| **known).unwrap_or_default();
        config.policies.iter().map(|judge| summary(judge, &json!(counts(judge)))).collect::<Vec<Value>>()
    });
    Ok(ok(&json!({"policies": policies.await.ok_or_else(|| Wrong::busy("it is stopping"))?})))
}

fn summary(judge: &Judge, counts: &Value) -> Value {
    let (policy, matches) = (&judge.policy, &judge.policy.matches);
    json!({
        "name": judge.name, "scope": if policy.everywhere { "all" } else { "namespace" },
        "about": if matches.commands.is_some() { "commands" } else { "actions" },
        "match": {
            "actions": matches.actions, "connections": matches.connections, "rules": matches.rules,
            "commands": matches.commands,
        },
        "by": match policy.decides { Decides::Checks(_) => "checks", Decides::Rego { .. } => "rego" },
        "default": if policy.allows { "allow" } else { "deny" },
        "allowed": counts["allowed"], "denied": counts["denied"], "asked": counts["asked"],
        "digest": policy.digest, "file": policy.file, "labels": policy.labels,
    })
}
