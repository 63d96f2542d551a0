//! A fake Kubernetes API server for tests and benchmarks, built against recordings of kube-apiserver 1.36.2.
//!
//! It **is** one process without etcd, over plain HTTP: CRUD, lists, watches, patches, server-side apply, subresources,
//! custom resources, RBAC, and small controllers with a stand-in kubelet. `tests/it/replay` replays the recordings and
//! names each answer that differs, with the reason.
//!
//! Users are told by their token: `admin` may everything; `dev` what RBAC objects grant; a service account's token is
//! issued by its `token` subresource. Any other token is 401, none is `system:anonymous`, 403. A client that sends no
//! token over plain HTTP (kubectl does not) is the latter.
//!
//! It is **not** a place to run anything: no pods run, nothing is kept after the process, and what no client here uses
//! is left out (admission webhooks, protobuf, API Priority and Fairness, conversion between versions of definitions).
//!
//! ```text
//!   server ─► handle ─► request, auth, views        a call becomes an answer
//!                 ├───► list, watch, discovery       reading
//!                 └───► write, delete, subresources  writing: schema, strategy, validate, managed, patch
//!                          └─► store                 objects, one counter, changes
//!   controllers ───────────────┘                     what a cluster does by itself
//! ```

// Members of JSON values are read by index: what is not there is null, and does not panic.
#![allow(clippy::indexing_slicing)]

mod auth;
mod cel;
mod clock;
mod controllers;
mod crd;
mod delete;
mod discovery;
mod faults;
mod fields;
mod handle;
mod kinds;
mod list;
mod managed;
mod patch;
mod request;
mod reviews;
mod schema;
mod selector;
mod server;
mod status;
mod store;
mod strategy;
mod subresources;
mod validate;
mod views;
mod watch;
mod world;
mod write;
mod yaml;

pub use faults::{Fault, Faults, Matcher};
pub use server::{Seen, Server, serve_by_hand};
pub use world::Mode;
