//! Who an object belongs to: the chain of its controllers, as far as it is known.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::clean::{list, text};

/// More than these have no chain: a loop in the data must end.
const DEEPEST: usize = 8;

/// An owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) uid: String,
}

/// The controllers of all objects that have one.
#[derive(Debug, Default)]
pub(super) struct Owners {
    known: Mutex<BTreeMap<String, Owner>>,
}

/// The controller that an object names.
pub(super) fn controller(object: &Value) -> Option<Owner> {
    let all = list(object, &["metadata", "ownerReferences"]);
    let one = all.iter().find(|one| one.get("controller") == Some(&Value::Bool(true)))?;
    let text = |name: &str| text(one, &[name]).to_owned();
    Some(Owner { api_version: text("apiVersion"), kind: text("kind"), name: text("name"), uid: text("uid") })
}

impl Owners {
    /// Takes note of whom an object belongs to.
    pub(super) fn note(&self, object: &Value) {
        if let Some(owner) = controller(object) {
            let uid = text(object, &["metadata", "uid"]).to_owned();
            self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(uid, owner);
        }
    }

    /// It is gone.
    pub(super) fn forget(&self, uid: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// The owners of an object, nearest first.
    pub(super) fn chain(&self, object: &Value) -> Vec<Owner> {
        self.follow(controller(object), Some(object))
    }

    /// The owners of what has this uid.
    pub(super) fn chain_of(&self, uid: &str) -> Vec<Owner> {
        let first = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(uid).cloned();
        self.follow(first, None)
    }

    fn follow(&self, mut next: Option<Owner>, object: Option<&Value>) -> Vec<Owner> {
        let mut chain = Vec::new();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(owner) = next.take().filter(|_| chain.len() < DEEPEST) {
            next = known.get(&owner.uid).cloned().or_else(|| by_hash(object?, &owner));
            chain.push(owner);
        }
        chain
    }
}

/// The deployment of a replica set that is not known itself: the deployment controller calls a set by the deployment
/// and the hash of the template, which stands in a label of the pod.
fn by_hash(object: &Value, owner: &Owner) -> Option<Owner> {
    if owner.kind != "ReplicaSet" {
        return None;
    }
    let hash = text(object, &["metadata", "labels", "pod-template-hash"]);
    let name = owner.name.strip_suffix(hash)?.strip_suffix('-').filter(|_| !hash.is_empty())?;
    let api_version = owner.api_version.clone();
    Some(Owner { api_version, kind: "Deployment".to_owned(), name: name.to_owned(), uid: String::new() })
}

/// Adds to an event's data who the object belongs to: `owners`, nearest first; `owner`, by kind in lower case, itself
/// included; and `deployment`.
pub(super) fn join(data: &mut Map<String, Value>, kind: &str, name: &str, chain: &[Owner]) {
    let mut names: BTreeMap<String, String> = BTreeMap::from([(kind.to_lowercase(), name.to_owned())]);
    let mut owners = Vec::with_capacity(chain.len());
    for owner in chain {
        names.entry(owner.kind.to_lowercase()).or_insert_with(|| owner.name.clone());
        let mut one = json!({"apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name});
        if let (false, Some(fields)) = (owner.uid.is_empty(), one.as_object_mut()) {
            fields.insert("uid".into(), owner.uid.clone().into());
        }
        owners.push(one);
    }
    if let Some(deployment) = names.get("deployment") {
        data.insert("deployment".into(), deployment.clone().into());
    }
    if !owners.is_empty() {
        data.insert("owners".into(), owners.into());
    }
    data.insert("owner".into(), json!(names));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_joined_with_its_deployment_by_its_set_or_by_the_hash_in_its_name() {
        let owned = |kind: &str, name: &str, uid: &str, by: (&str, &str, &str)| {
            json!({"kind": kind, "metadata": {"name": name, "uid": uid, "labels": {"pod-template-hash": "abc"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": by.0, "name": by.1, "uid": by.2, "controller": true}]}})
        };
        let owners = Owners::default();
        let pod = owned("Pod", "web-abc-x", "p", ("ReplicaSet", "web-abc", "r"));
        let mut data = Map::new();
        join(&mut data, "Pod", "web-abc-x", &owners.chain(&pod));
        assert_eq!(data["deployment"], "web");
        owners.note(&owned("ReplicaSet", "web-abc", "r", ("Deployment", "shop", "d")));
        let mut data = Map::new();
        join(&mut data, "Pod", "web-abc-x", &owners.chain(&pod));
        assert_eq!(data["deployment"], "shop");
        assert_eq!(data["owner"], json!({"pod": "web-abc-x", "replicaset": "web-abc", "deployment": "shop"}));
        assert_eq!(data["owners"][1]["uid"], "d");
        // A set that owns itself is no endless chain.
        owners.note(&owned("ReplicaSet", "web-abc", "r", ("ReplicaSet", "web-abc", "r")));
        assert_eq!(owners.chain(&pod).len(), DEEPEST);
    }
}
