//! Kubernetes: a cluster's API, as JSON.
//!
//! Requests are built here and sent by kube's client, which knows kubeconfigs, exec plugins, proxies and TLS; answers
//! are JSON values, since most of what is read and written are kinds that no library knows.
//!
//! Map: [`config`] (settings of a connection → client, and for whom it asks) → [`client`] (one request, one answer) →
//! [`failure`] (what a refusal means) → [`kind`] (from a name to a path).

mod config;

pub mod client;
pub mod failure;
pub mod kind;

pub(crate) use client::Clusters;
pub use client::{Ask, Cluster, Incoming};
pub use kind::Kind;
