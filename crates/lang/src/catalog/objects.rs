//! Which objects of a cluster a call names, for limits and permissions.

use std::fmt;

use serde_json::Value;

/// An object that a call names. Before a run its parts may be templates still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object<'w> {
    /// The kind as it is written: `apps/v1/Deployment`, `deploy`.
    pub kind: String,
    /// Its namespace, where the call says one.
    pub namespace: Option<&'w str>,
    /// Its name, where the call says it.
    pub name: Option<&'w str>,
}

/// Fields that name an object of a kind, instead of `kind` and `name`.
const SHORT: [(&str, &str); 6] = [
    ("deployment", "apps/v1/Deployment"),
    ("statefulSet", "apps/v1/StatefulSet"),
    ("daemonSet", "apps/v1/DaemonSet"),
    ("job", "batch/v1/Job"),
    ("pod", "v1/Pod"),
    ("node", "v1/Node"),
];

/// What people write instead of these kinds.
const SAME: [(&str, &[&str]); 12] = [
    ("deployment", &["deployments", "deploy"]),
    ("statefulset", &["statefulsets", "sts"]),
    ("daemonset", &["daemonsets", "ds"]),
    ("replicaset", &["replicasets", "rs"]),
    ("pod", &["pods", "po"]),
    ("node", &["nodes", "no"]),
    ("namespace", &["namespaces", "ns"]),
    ("service", &["services", "svc"]),
    ("configmap", &["configmaps", "cm"]),
    ("secret", &["secrets"]),
    ("job", &["jobs"]),
    ("cronjob", &["cronjobs", "cj"]),
];

/// The objects that `with` of a kubernetes action names.
#[must_use]
pub fn objects(with: &Value) -> Vec<Object<'_>> {
    let text =
        |value: &'_ Value, pointer: &str| -> Option<String> { value.pointer(pointer)?.as_str().map(str::to_owned) };
    let namespace = with.get("namespace").and_then(Value::as_str);
    let one = with.get("manifest").into_iter();
    let all = one.chain(with.get("manifests").and_then(Value::as_array).into_iter().flatten());
    let mut objects: Vec<Object<'_>> = all
        .map(|manifest| {
            let kind = text(manifest, "/kind").unwrap_or_default();
            let kind = text(manifest, "/apiVersion").map_or(kind.clone(), |version| format!("{version}/{kind}"));
            let part = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str);
            let name = part("/metadata/name").or_else(|| part("/metadata/generateName"));
            Object { kind, namespace: part("/metadata/namespace").or(namespace), name }
        })
        .collect();
    if objects.is_empty() {
        let short = SHORT.iter().find_map(|(field, kind)| Some((*kind, with.get(*field)?.as_str())));
        let (kind, name) = match (short, with.get("kind").and_then(Value::as_str)) {
            (Some((kind, name)), _) => (kind.to_owned(), name),
            (None, Some(kind)) => (kind.to_owned(), with.get("name").and_then(Value::as_str)),
            (None, None) => return objects,
        };
        objects.push(Object { kind, namespace, name });
    }
    objects
}

impl fmt::Display for Object<'_> {
    /// The same for the same object, however its kind is written: `deployment shop/web`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.rsplit(['/', ' ']).next().unwrap_or_default();
        let kind = kind.split('.').next().unwrap_or_default().to_ascii_lowercase();
        let same = SAME.iter().find(|(_, others)| others.contains(&kind.as_str()));
        f.write_str(same.map_or(kind.as_str(), |(kind, _)| kind))?;
        match (self.namespace, self.name.unwrap_or("*")) {
            (Some(namespace), name) => write!(f, " {namespace}/{name}"),
            (None, name) => write!(f, " {name}"),
        }
    }
}
