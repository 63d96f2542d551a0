//! A request as the server understands it: the call, and what its path means.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::auth::User;
use crate::kinds::Kind;
use crate::status::Failure;
use crate::world::World;

/// A request with its whole body.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) user: User,
}

impl Call {
    /// The first value of a query parameter, empty if it is not given.
    pub(crate) fn query(&self, name: &str) -> &str {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.query(name), "true" | "1" | "True")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The media type of the body, without parameters.
    pub(crate) fn content_type(&self) -> &str {
        self.header("content-type").split(';').next().unwrap_or_default().trim()
    }

    /// `fieldManager`, else the name of the program that asks.
    pub(crate) fn manager(&self) -> String {
        let given = self.query("fieldManager");
        let agent = self.header("user-agent").split('/').next().unwrap_or_default();
        let manager = if given.is_empty() { agent } else { given };
        if manager.is_empty() { "unknown".to_owned() } else { manager.to_owned() }
    }

    pub(crate) fn dry_run(&self) -> bool {
        !self.query("dryRun").is_empty()
    }
}

/// What a path names.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) kind: Arc<Kind>,
    /// Empty for cluster scope and for all namespaces.
    pub(crate) namespace: String,
    /// Empty for the collection.
    pub(crate) name: String,
    /// Empty for the object itself.
    pub(crate) subresource: String,
    /// The deprecated `/watch/` path.
    pub(crate) watch: bool,
}

/// Where a path leads.
#[derive(Clone, Debug)]
pub(crate) enum Route {
    Target(Target),
    /// Group and version, for discovery.
    GroupVersion(String, String),
    /// A resource of a group and version that are served, which is not.
    UnknownResource,
    /// `/`, `/version`, `/healthz` and so on.
    Other,
}

/// Reads a path.
pub(crate) fn route(world: &World, path: &str) -> Result<Route, Failure> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, version, rest) = match parts.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Ok(Route::Other),
    };
    let known = |one: &Arc<Kind>| one.group == group && one.version == version;
    if !world.kinds().any(known) {
        return Err(Failure::no_page());
    }
    if rest.is_empty() {
        return Ok(Route::GroupVersion(group.to_owned(), version.to_owned()));
    }
    let (watch, rest) = match rest {
        ["watch", rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let target = |plural: &str, namespace: &str, more: &[&str]| {
        let Some(kind) = world.kind(group, version, plural) else {
            let custom = !world.built_in_group(group);
            return if custom { Err(Failure::no_page()) } else { Ok(Route::UnknownResource) };
        };
        let (name, subresource) = match more {
            [] => ("", String::new()),
            [name] => (*name, String::new()),
            [name, rest @ ..] => (*name, rest.join("/")),
        };
        Ok(Route::Target(Target { kind, namespace: namespace.to_owned(), name: name.to_owned(), subresource, watch }))
    };
    match rest {
        ["namespaces", namespace, plural, more @ ..] if !matches!(*plural, "status" | "finalize") => {
            target(plural, namespace, more)
        }
        [plural, more @ ..] => target(plural, "", more),
        [] => Ok(Route::UnknownResource),
    }
}

impl World {
    fn built_in_group(&self, group: &str) -> bool {
        self.kinds().any(|one| one.group == group && one.custom.is_none())
    }
}
