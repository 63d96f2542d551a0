//! What a configuration needs of its clusters, as roles: nothing is asked, so that they can be there before ensue is.
//!
//! Map: `kinds` (a kind's resource, without a cluster) and `calls` (what a call of an action asks for) → `needs` (what all
//! documents ask for, by whom and where) → `print` (as objects for `kubectl apply`).

mod calls;
mod kinds;
mod needs;
mod print;

use std::collections::BTreeSet;

use ensue_lang::Name;

pub use needs::of;
pub use print::{list, values, yaml};

/// All that is asked of a cluster by one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The connection.
    pub connection: Name,
    /// For whom it asks, where it asks for another: `impersonate`.
    pub user: Option<String>,
    /// What it asks for, by namespace; the whole cluster first.
    pub roles: Vec<Role>,
}

/// What is asked for in a namespace, or in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The namespace; nothing: all, and objects that are in none.
    pub namespace: Option<String>,
    /// What.
    pub rules: Vec<Rule>,
}

/// A rule of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The API group; empty for the core.
    pub group: String,
    /// The plural, with a subresource behind a slash.
    pub resource: String,
    /// Only objects of these names; empty: all.
    pub names: Vec<String>,
    /// In the order in which kubectl documents them.
    pub verbs: Vec<&'static str>,
    /// Which document and step needs it, and what of it is not known before it runs.
    pub why: BTreeSet<String>,
}

/// What verbs there are.
const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "impersonate"];
