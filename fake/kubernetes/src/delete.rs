//! Deletion: grace of pods, finalizers, propagation, namespaces, definitions, collections.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock;
use crate::kinds::Kind;
use crate::selector::Selector;
use crate::status::{Failure, named, success, unsupported_value};
use crate::store::Key;
use crate::strategy;
use crate::world::World;

/// `DeleteOptions` from body and query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deletion {
    pub(crate) grace: Option<u64>,
    /// `Foreground`, `Background` or `Orphan`; empty for the default of the kind.
    pub(crate) policy: String,
    pub(crate) dry_run: bool,
    pub(crate) uid: String,
    pub(crate) version: String,
}

impl Deletion {
    pub(crate) fn read(options: &Value) -> Result<Deletion, Failure> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let policy = text(&options["propagationPolicy"]);
        if !policy.is_empty() && !["Foreground", "Background", "Orphan"].contains(&policy.as_str()) {
            let of = ["Foreground", "Background", "Orphan", "nil"];
            let cause = unsupported_value("propagationPolicy", &json!(policy), &of);
            return Err(Failure::invalid_kind("meta.k8s.io", "DeleteOptions", "", vec![cause]));
        }
        Ok(Deletion {
            grace: options["gracePeriodSeconds"].as_u64(),
            policy,
            dry_run: options["dryRun"].as_array().is_some_and(|list| !list.is_empty()),
            uid: text(&options["preconditions"]["uid"]),
            version: text(&options["preconditions"]["resourceVersion"]),
        })
    }
}

/// What a deletion left.
pub(crate) enum Left {
    /// The object is there, or gone but shown as its kind does.
    Object(Arc<Value>),
    /// Gone at once; the answer is a `Status`.
    Status(Value),
}

fn is_finished(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

impl World {
    pub(crate) fn delete(
        &mut self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        deletion: &Deletion,
    ) -> Result<Left, Failure> {
        let at = if kind.namespaced { namespace } else { "" };
        let key = Key { storage: kind.storage.clone(), namespace: at.to_owned(), name: name.to_owned() };
        let old = self.store.get(&key).cloned().ok_or_else(|| Failure::not_found(kind, name))?;
        precondition(kind, name, &old, deletion)?;
        let details = || {
            let mut details = named(name, &kind.group, &kind.plural);
            details["uid"] = old["metadata"]["uid"].clone();
            details
        };
        let now = clock::now();
        let deleting = old["metadata"].get("deletionTimestamp").is_some();
        let mut object = (*old).clone();
        let mark = |object: &mut Value, grace: u64| {
            object["metadata"]["deletionTimestamp"] = json!(clock::time(now + Duration::from_secs(grace)));
            object["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
            if !deleting && strategy::has_generation(kind) {
                object["metadata"]["generation"] = json!(object["metadata"]["generation"].as_u64().unwrap_or(0) + 1);
            }
        };
        if kind.is("namespaces") || kind.is("customresourcedefinitions.apiextensions.k8s.io") {
            if deleting || deletion.dry_run {
                return Ok(Left::Object(old));
            }
            object["metadata"]["deletionTimestamp"] = json!(clock::time(now));
            if kind.is("namespaces") {
                object["status"]["phase"] = json!("Terminating");
            } else {
                object["metadata"]["finalizers"] = json!(["customresourcecleanup.apiextensions.k8s.io"]);
                let mut conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
                conditions.push(json!({
                    "type": "Terminating",
                    "status": "True",
                    "lastTransitionTime": clock::time(now),
                    "reason": "InstanceDeletionPending",
                    "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
                }));
                object["status"]["conditions"] = json!(conditions);
            }
            return Ok(Left::Object(self.store.put(key, object)));
        }
        let mut finalizers: Vec<Value> = old["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        if kind.is("pods") {
            let asked = deletion.grace.or(old["spec"]["terminationGracePeriodSeconds"].as_u64()).unwrap_or(30);
            let bound = !old["spec"]["nodeName"].is_null() && !is_finished(&old);
            let grace = if bound { asked } else { 0 };
            let before = old["metadata"]["deletionGracePeriodSeconds"].as_u64();
            if deleting && before.is_some_and(|before| grace >= before) && (grace > 0 || !finalizers.is_empty()) {
                return Ok(Left::Object(old));
            }
            mark(&mut object, grace);
            if deletion.dry_run {
                return Ok(Left::Object(Arc::new(object)));
            }
            if grace > 0 || !finalizers.is_empty() {
                return Ok(Left::Object(self.store.put(key, object)));
            }
            // A pod is marked before it goes, also when it goes at once.
            let marked = self.store.put(key.clone(), object);
            return Ok(Left::Object(self.store.remove(key).unwrap_or(marked)));
        }
        let default = if kind.plural == "jobs" && kind.group == "batch" { "Orphan" } else { "Background" };
        let policy = if deletion.policy.is_empty() { default } else { &deletion.policy };
        let own = |one: &Value| one == "foregroundDeletion" || one == "orphan";
        match policy {
            _ if deleting && deletion.policy.is_empty() => {}
            "Foreground" | "Orphan" => {
                finalizers.retain(|one| !own(one));
                finalizers.push(json!(if policy == "Orphan" { "orphan" } else { "foregroundDeletion" }));
            }
            _ => finalizers.retain(|one| !own(one)),
        }
        if !finalizers.is_empty() {
            if deleting && old["metadata"]["finalizers"] == json!(finalizers) {
                return Ok(Left::Object(old));
            }
            mark(&mut object, 0);
            object["metadata"]["finalizers"] = json!(finalizers);
            if deletion.dry_run {
                return Ok(Left::Object(Arc::new(object)));
            }
            return Ok(Left::Object(self.store.put(key, object)));
        }
        if !deletion.dry_run {
            self.store.remove(key);
        }
        Ok(Left::Status(success(Some(details()))))
    }

    /// DELETE on a collection: the objects that were selected, as they were left.
    pub(crate) fn delete_collection(
        &mut self,
        kind: &Kind,
        namespace: &str,
        selector: &Selector,
        deletion: &Deletion,
    ) -> Result<Vec<Arc<Value>>, Failure> {
        let at = Some(namespace).filter(|namespace| !namespace.is_empty());
        let found: Vec<Arc<Value>> =
            self.store.list(&kind.storage, at).filter(|object| selector.matches(kind, object)).cloned().collect();
        let mut left = Vec::new();
        for object in found {
            let place = object["metadata"]["namespace"].as_str().unwrap_or_default();
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            match self.delete(kind, place, name, deletion)? {
                Left::Object(object) => left.push(object),
                Left::Status(_) => left.push(object.clone()),
            }
        }
        Ok(left)
    }
}

fn precondition(kind: &Kind, name: &str, old: &Value, deletion: &Deletion) -> Result<(), Failure> {
    let text = |field: &str| old["metadata"][field].as_str().unwrap_or_default().to_owned();
    let (uid, version) = (text("uid"), text("resourceVersion"));
    let why = if !deletion.uid.is_empty() && deletion.uid != uid {
        format!(
            "the UID in the precondition ({}) does not match the UID in record ({uid}). The object might have been deleted and then recreated",
            deletion.uid
        )
    } else if !deletion.version.is_empty() && deletion.version != version {
        format!(
            "the ResourceVersion in the precondition ({}) does not match the ResourceVersion in record ({version}). The object might have been modified",
            deletion.version
        )
    } else {
        return Ok(());
    };
    let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.kind);
    Err(Failure::new(409, "Conflict", message).details(named(name, &kind.group, &kind.kind)))
}
