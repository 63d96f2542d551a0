//! Connections: what may go through them, what does now, and what waits.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use ensue_engine::Outboxed;
use ensue_lang::Connection;
use ensue_pump::Pump;
use ensue_state::Sqlite;
use serde_json::{Value, json};

use super::App;
use super::answer::{Wrong, ok};

/// The most targets that are listed of one connection.
const LISTED: usize = 100;

/// `GET /api/v1/connections`
pub(crate) async fn list(State(app): State<App>) -> Result<Response, Wrong> {
    let now = app.clock.now();
    let all = app.read(move |pump| {
        let rows: Vec<Arc<Outboxed>> = pump.engine().state().outbox.look().map(|(_, row)| row.read()).collect();
        let connections = pump.engine().config().config.connections.values();
        connections.map(|connection| one(connection, &rows, pump, now)).collect::<Vec<Value>>()
    });
    Ok(ok(&json!({"connections": all.await.ok_or_else(|| Wrong::busy("it is stopping"))?})))
}

fn one(connection: &Connection, rows: &[Arc<Outboxed>], pump: &Pump<Sqlite>, now: ensue_event::Time) -> Value {
    let (name, state) = (connection.name.to_string(), pump.engine().state());
    let load = pump.dispatch().load(&name, pump.engine(), now);
    let of_it =
        rows.iter().filter(|row| row.effect.connection.as_deref() == Some(&name) && !pump.dispatch().flies(row));
    let (mut held, mut waiting, mut since) = (0_u64, 0_u64, None);
    let mut holding = std::collections::BTreeSet::new();
    for row in of_it {
        if row.held {
            held += 1;
            let by = state.freezes.iter().filter(|(_, freeze)| freeze.holds(&row.effect));
            holding.extend(by.map(|(name, _)| name.as_str()));
        } else if row.asks {
            continue;
        } else {
            waiting += 1;
        }
        since = since.map_or(Some(row.at), |since: ensue_event::Time| Some(since.min(row.at)));
    }
    // A freeze of the whole connection is shown also while it holds nothing yet.
    let whole = state.freezes.iter().filter(|(_, freeze)| {
        freeze.thawed.is_none()
            && freeze.rule.is_none()
            && freeze.connection.as_deref().is_none_or(|frozen| frozen == name)
    });
    holding.extend(whole.map(|(name, _)| name.as_str()));
    let until = |name: &str| state.freezes.get(name).and_then(|freeze| freeze.until);
    let freezes: Vec<Value> = holding.iter().map(|name| json!({"name": name, "until": until(name)})).collect();
    let by: Vec<Value> =
        load.by.iter().map(|(limit, until)| json!({"limit": limit.as_str(), "until": until})).collect();
    let limits = connection.limits;
    json!({
        "name": name, "type": connection.type_name, "dryRun": connection.dry_run,
        "limits": {
            "perMinute": limits.per_minute, "concurrent": limits.concurrent,
            "distinctTargetsPerHour": limits.distinct_targets_per_hour,
        },
        "used": {
            "perMinute": load.per_minute, "concurrent": load.concurrent, "distinctTargetsPerHour": load.targets.len(),
        },
        "targets": load.targets.iter().take(LISTED).collect::<Vec<_>>(),
        "waiting": waiting, "held": held, "since": since, "by": by, "freezes": freezes,
    })
}
