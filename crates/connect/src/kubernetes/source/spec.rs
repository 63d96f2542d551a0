//! The settings of a source.

use std::time::Duration;

use ensue_event::Key;
use serde_json::Value;

use crate::kubernetes::kind::Written;

/// What facts are made of.
const DEFAULT: [&str; 6] =
    ["v1/Pod", "apps/v1/Deployment", "apps/v1/ReplicaSet", "batch/v1/Job", "v1/Node", "policy/v1/PodDisruptionBudget"];

/// What a source watches.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::kubernetes) struct Spec {
    pub(in crate::kubernetes) resources: Vec<Resource>,
    pub(in crate::kubernetes) events: bool,
    /// Whose Events; all if empty.
    pub(in crate::kubernetes) namespaces: Vec<String>,
    pub(in crate::kubernetes) resync: Option<Duration>,
    pub(in crate::kubernetes) paged: bool,
    pub(in crate::kubernetes) keep: Keep,
}

/// What is not dropped of objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::kubernetes) struct Keep {
    pub(in crate::kubernetes) secret_data: bool,
    pub(in crate::kubernetes) managed_fields: bool,
}

/// One kind.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::kubernetes) struct Resource {
    /// As it is written.
    pub(in crate::kubernetes) kind: String,
    /// All if empty.
    pub(in crate::kubernetes) namespaces: Vec<String>,
    pub(in crate::kubernetes) labels: Option<String>,
    pub(in crate::kubernetes) fields: Option<String>,
}

impl Spec {
    /// Reads checked settings; errors are for who wrote them.
    pub(in crate::kubernetes) fn read(config: &Value) -> Result<Spec, String> {
        let namespaces = texts(config, "namespaces");
        let resources = match config.get("resources").and_then(Value::as_array) {
            Some(list) => list.iter().map(|one| Resource::read(one, &namespaces)).collect::<Result<_, _>>()?,
            None => DEFAULT.iter().map(|kind| Resource::of(kind, &namespaces)).collect(),
        };
        let resync = match config.get("resync") {
            None | Some(Value::Null) => None,
            Some(value) => Some(
                crate::duration::read(value)
                    .filter(|every| *every >= Duration::from_secs(10))
                    .ok_or("`resync` must be a duration of at least 10s")?,
            ),
        };
        let is = |name: &str| config.get(name) == Some(&Value::Bool(true));
        Ok(Spec {
            resources,
            events: config.get("events") != Some(&Value::Bool(false)),
            namespaces,
            resync,
            paged: config.get("streamingLists") == Some(&Value::Bool(false)),
            keep: Keep { secret_data: is("keepSecretData"), managed_fields: is("keepManagedFields") },
        })
    }
}

impl Resource {
    pub(in crate::kubernetes) fn of(kind: &str, namespaces: &[String]) -> Resource {
        Resource { kind: kind.to_owned(), namespaces: namespaces.to_vec(), labels: None, fields: None }
    }

    fn read(written: &Value, namespaces: &[String]) -> Result<Resource, String> {
        let text = |name: &str| written.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let kind = written.as_str().or_else(|| text("kind")).ok_or("a resource needs its `kind`")?;
        kind.parse::<Written>()?;
        let own = texts(written, "namespaces");
        Ok(Resource {
            kind: kind.to_owned(),
            namespaces: if own.is_empty() { namespaces.to_vec() } else { own },
            labels: text("labelSelector").map(str::to_owned),
            fields: text("fieldSelector").map(str::to_owned),
        })
    }

    /// Whether objects can come and go without being made or deleted.
    pub(in crate::kubernetes) fn selects(&self) -> bool {
        self.labels.is_some() || self.fields.is_some()
    }

    /// Names what is known of this kind in a namespace, as it is selected: another selection knows nothing of it.
    pub(in crate::kubernetes) fn key(&self, resource: &str, namespace: Option<&str>) -> String {
        let parts = [Some(resource), namespace, self.labels.as_deref(), self.fields.as_deref()];
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.unwrap_or_default().as_bytes()).collect();
        Key::of("kubernetes/watch", &parts).to_string()
    }
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    let items = value.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
