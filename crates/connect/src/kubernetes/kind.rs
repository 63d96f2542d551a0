//! Kinds: from a name that people write to a path of the API, by asking the cluster what it serves.
//!
//! What it serves is kept, and asked for again when something is not in it: a custom kind may have been defined since.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use ensue_event::Span;
use ensue_event::ours::Failure;
use serde_json::Value;

use super::client::{Ask, Cluster, encoded};

/// All groups with their resources in one answer (since 1.26); older servers answer with the list of groups.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// A kind that the cluster serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its API group; empty for the core.
    pub group: String,
    /// Its version: `v1`.
    pub version: String,
    /// `Deployment`.
    pub kind: String,
    /// `deployments`: what stands in paths and permissions.
    pub plural: String,
    /// `deployment`.
    pub singular: String,
    /// `deploy`.
    pub short: Vec<String>,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
    /// What can be done with it: `get`, `list`, `watch` and so on.
    pub verbs: Vec<String>,
    /// `scale`, `status` and so on.
    pub subresources: Vec<String>,
}

impl Kind {
    /// `apps/v1`, or `v1` for the core: the `apiVersion` of its objects.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The plural with the group, as permissions name it: `deployments.apps`.
    #[must_use]
    pub fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// The path of its objects: in a namespace, or in all where there is none.
    #[must_use]
    pub fn path(&self, namespace: Option<&str>) -> String {
        let base = group_path(&self.group, &self.version);
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{base}/namespaces/{}/{}", encoded(namespace), self.plural),
            None => format!("{base}/{}", self.plural),
        }
    }

    /// The path of an object.
    #[must_use]
    pub fn object(&self, namespace: Option<&str>, name: &str) -> String {
        format!("{}/{}", self.path(namespace), encoded(name))
    }

    fn is_called(&self, name: &str) -> bool {
        let all = [&self.kind, &self.plural, &self.singular];
        all.into_iter().chain(&self.short).any(|known| known.eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.api_version(), self.kind)
    }
}

fn group_path(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
}

/// A kind as people write it: `apps/v1/Deployment`, `apps/v1 Deployment`, `v1/Pod`, `apps/Deployment`, `Deployment`,
/// `deployments`, `deploy`, `deployments.apps`, `deployments.v1.apps`. Upper and lower case are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The group, where it is said; empty for the core.
    pub group: Option<String>,
    /// The version, where it is said.
    pub version: Option<String>,
    /// The kind, plural, singular or a short name.
    pub name: String,
}

/// Whether a text is a version of an API: `v1`, `v1beta1`, `v2alpha3`.
fn is_version(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('v') else { return false };
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, stage) = rest.split_at(digits);
    let stage = stage.strip_prefix("alpha").or_else(|| stage.strip_prefix("beta")).unwrap_or(stage);
    !number.is_empty() && stage.bytes().all(|byte| byte.is_ascii_digit())
}

impl FromStr for Written {
    type Err = String;

    fn from_str(text: &str) -> Result<Written, String> {
        let text = text.trim();
        let (before, name) = match text.rsplit_once([' ', '/']) {
            Some((before, name)) => (Some(before.trim()), name),
            None => (None, text),
        };
        let (group, version, name) = match before {
            Some(before) => match before.split_once('/') {
                Some((group, version)) => (Some(group), Some(version), name),
                None if is_version(before) => (Some(""), Some(before), name),
                None => (Some(before), None, name),
            },
            None => match text.split_once('.') {
                Some((name, rest)) => match rest.split_once('.') {
                    Some((version, group)) if is_version(version) => (Some(group), Some(version), name),
                    _ if is_version(rest) => (Some(""), Some(rest), name),
                    _ => (Some(rest), None, name),
                },
                None => (None, None, text),
            },
        };
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
        if name.is_empty() || !plain(name) || !plain(group.unwrap_or_default()) || !version.is_none_or(is_version) {
            return Err(format!("`{text}` is no kind; write one such as `apps/v1/Deployment`, `Deployment` or `pods`"));
        }
        let (group, version) = (group.map(str::to_owned), version.map(str::to_owned));
        Ok(Written { group, version, name: name.to_owned() })
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.group, &self.version].into_iter().flatten().filter(|part| !part.is_empty()) {
            write!(f, "{part}/")?;
        }
        f.write_str(&self.name)
    }
}

/// What a cluster serves, as far as it was asked.
#[derive(Default)]
pub(super) struct Kinds {
    inner: Mutex<Served>,
}

#[derive(Default, Clone)]
struct Served {
    /// By group and version.
    versions: BTreeMap<(String, String), Vec<Arc<Kind>>>,
    /// All, in the cluster's order of preference, once they were asked for.
    all: Option<Vec<Arc<Kind>>>,
}

impl Served {
    fn find(&self, written: &Written) -> Option<Arc<Kind>> {
        let fits = |kind: &&Arc<Kind>| {
            kind.is_called(&written.name)
                && written.group.as_ref().is_none_or(|group| *group == kind.group)
                && written.version.as_ref().is_none_or(|version| *version == kind.version)
        };
        let named = match (&written.group, &written.version) {
            (Some(group), Some(version)) => self.versions.get(&(group.clone(), version.clone())),
            _ => None,
        };
        let found = named.into_iter().flatten().find(fits);
        found.or_else(|| self.all.iter().flatten().find(fits)).cloned()
    }
}

impl Kinds {
    fn lock(&self) -> std::sync::MutexGuard<'_, Served> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget(&self) {
        *self.lock() = Served::default();
    }

    /// The kind of this name, from what is known or else from the cluster. Where a name fits several, the core's goes
    /// first, then the order in which the cluster lists its groups.
    pub(super) async fn find(&self, cluster: &Cluster, written: &Written) -> Result<Arc<Kind>, Failure> {
        if let Some(kind) = self.lock().find(written) {
            return Ok(kind);
        }
        match (&written.group, &written.version) {
            (Some(group), Some(version)) => {
                let kinds = of_version(cluster, group, version).await?;
                self.lock().versions.insert((group.clone(), version.clone()), kinds);
            }
            _ => {
                let all = all(cluster).await?;
                self.lock().all = Some(all);
            }
        }
        self.lock().find(written).ok_or_else(|| {
            let message = format!(
                "the cluster serves no kind `{written}`: is its CRD installed there? One that was installed just now is served in a moment"
            );
            let mut failure = Failure::new("NotServed", message).retryable();
            failure.retry_after = Some(Span::secs(1));
            failure
        })
    }
}

/// The kinds of a version; none where the cluster does not serve it.
async fn of_version(cluster: &Cluster, group: &str, version: &str) -> Result<Vec<Arc<Kind>>, Failure> {
    match cluster.send(Ask::get(group_path(group, version))).await {
        Ok(list) => Ok(from_list(&list, group, version)),
        Err(failure) if failure.name == "NotServed" => Ok(Vec::new()),
        Err(failure) => Err(failure),
    }
}

/// All kinds in their preferred versions first.
async fn all(cluster: &Cluster) -> Result<Vec<Arc<Kind>>, Failure> {
    let (core, groups) = futures::try_join!(
        cluster.send(Ask::get("/api").accept(AGGREGATED)),
        cluster.send(Ask::get("/apis").accept(AGGREGATED)),
    )?;
    let mut kinds = Vec::new();
    for answer in [core, groups] {
        match answer.get("kind").and_then(Value::as_str) {
            Some("APIGroupDiscoveryList") => {
                for group in items(&answer, "items") {
                    let name = text(&group["metadata"], "name");
                    for version in items(group, "versions") {
                        kinds.extend(from_discovery(version, &name));
                    }
                }
            }
            Some("APIVersions") => {
                for version in items(&answer, "versions").iter().filter_map(Value::as_str) {
                    kinds.extend(of_version(cluster, "", version).await?);
                }
            }
            _ => {
                for group in items(&answer, "groups") {
                    let name = text(group, "name");
                    for version in items(group, "versions") {
                        // An aggregated API whose server is down must not hide all others.
                        let version = text(version, "version");
                        kinds.extend(of_version(cluster, &name, &version).await.unwrap_or_default());
                    }
                }
            }
        }
    }
    Ok(kinds)
}

fn items<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    items(value, name).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// From an `APIResourceList`, in which subresources stand beside their resource.
fn from_list(list: &Value, group: &str, version: &str) -> Vec<Arc<Kind>> {
    let all = items(list, "resources");
    let resources = all.iter().filter(|one| !text(one, "name").contains('/'));
    let kinds = resources.map(|one| {
        let plural = text(one, "name");
        let below = all.iter().filter_map(|sub| sub["name"].as_str()?.strip_prefix(&plural)?.strip_prefix('/'));
        Arc::new(Kind {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: text(one, "kind"),
            singular: text(one, "singularName"),
            short: texts(one, "shortNames"),
            namespaced: one["namespaced"] == true,
            verbs: texts(one, "verbs"),
            subresources: below.map(str::to_owned).collect(),
            plural,
        })
    });
    kinds.collect()
}

/// From a version in an `APIGroupDiscoveryList`.
fn from_discovery(version: &Value, group: &str) -> Vec<Arc<Kind>> {
    let kinds = items(version, "resources").iter().map(|one| {
        Arc::new(Kind {
            group: group.to_owned(),
            version: text(version, "version"),
            kind: text(&one["responseKind"], "kind"),
            plural: text(one, "resource"),
            singular: text(one, "singularResource"),
            short: texts(one, "shortNames"),
            namespaced: one["scope"] == "Namespaced",
            verbs: texts(one, "verbs"),
            subresources: items(one, "subresources").iter().map(|sub| text(sub, "subresource")).collect(),
        })
    });
    kinds.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_written_in_many_ways() {
        let cases = [
            ("apps/v1/Deployment", Some("apps"), Some("v1"), "Deployment"),
            ("apps/v1 Deployment", Some("apps"), Some("v1"), "Deployment"),
            ("v1/Pod", Some(""), Some("v1"), "Pod"),
            ("v1 Pod", Some(""), Some("v1"), "Pod"),
            ("apps/Deployment", Some("apps"), None, "Deployment"),
            ("Deployment", None, None, "Deployment"),
            ("deploy", None, None, "deploy"),
            ("deployments.apps", Some("apps"), None, "deployments"),
            ("deployments.v1.apps", Some("apps"), Some("v1"), "deployments"),
            ("widgets.ops.example.com", Some("ops.example.com"), None, "widgets"),
            ("ops.example.com/v1alpha1/Widget", Some("ops.example.com"), Some("v1alpha1"), "Widget"),
        ];
        for (text, group, version, name) in cases {
            let written: Written = text.parse().unwrap();
            assert_eq!(
                (written.group.as_deref(), written.version.as_deref(), written.name.as_str()),
                (group, version, name),
                "{text}"
            );
        }
        for wrong in ["", "apps/v1/", "a b/c?d", "pods/../secrets", "apps/one/Deployment"] {
            assert!(wrong.parse::<Written>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn paths_are_those_of_the_api() {
        let kind = |group: &str, plural: &str, namespaced| Kind {
            group: group.to_owned(),
            version: "v1".to_owned(),
            kind: "K".to_owned(),
            plural: plural.to_owned(),
            singular: String::new(),
            short: Vec::new(),
            namespaced,
            verbs: Vec::new(),
            subresources: Vec::new(),
        };
        assert_eq!(kind("", "pods", true).object(Some("a"), "b"), "/api/v1/namespaces/a/pods/b");
        assert_eq!(kind("apps", "deployments", true).path(None), "/apis/apps/v1/deployments");
        assert_eq!(kind("", "nodes", false).object(Some("a"), "n/1"), "/api/v1/nodes/n%2F1");
    }
}
