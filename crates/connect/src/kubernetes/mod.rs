//! Kubernetes: a cluster's API, as JSON.
//!
//! Requests are built here and sent by kube's client, which knows kubeconfigs, exec plugins, proxies and TLS; answers
//! are JSON values, since most of what is read and written are kinds that no library knows.
//!
//! Map: `config` (settings of a connection → client, and for whom it asks) → `client` (one request, one answer) →
//! `failure` (what a refusal means) → `kind` (from a name to a path) → `object` (what is read of an object) → `act`
//! (the actions). Beside these stand `source`, `follow` for ensue's own objects, and `roles` (what a
//! configuration asks for).

mod config;
mod object;

pub mod client;
pub mod failure;
pub mod follow;
pub mod kind;
pub mod roles;
pub mod source;

pub(crate) mod act;

pub(crate) use client::Clusters;
pub use client::{Ask, Cluster, Incoming};
pub use kind::Kind;

use ensue_event::ours::Failure;
use serde_json::{Value, json};

use crate::action::Connection;
use crate::world::World;

/// Which version the cluster has, and whom it takes us for.
pub(crate) async fn probe(world: &World, connection: &Connection, namespace: &str) -> Result<String, Failure> {
    let cluster = world.cluster(connection, namespace).await?;
    let version = cluster.send(Ask::get("/version")).await?;
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let ask = Ask::create("/apis/authentication.k8s.io/v1/selfsubjectreviews", &review).repeatable(true);
    // Servers before 1.28 cannot say it.
    let user = match cluster.send(ask).await {
        Ok(answer) => answer.pointer("/status/userInfo/username").and_then(Value::as_str).map(str::to_owned),
        Err(failure) if failure.name == "NotServed" || failure::status(&failure) == Some(403) => None,
        Err(failure) => return Err(failure),
    };
    let version = version.get("gitVersion").and_then(Value::as_str).unwrap_or("of an unknown version");
    Ok(match user {
        Some(user) => format!("Kubernetes {version}, as {user}"),
        None => format!("Kubernetes {version}"),
    })
}
