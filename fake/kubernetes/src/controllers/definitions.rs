//! Definitions: names accepted, established, served; and taken away with their objects.

use serde_json::{Value, json};

use super::Queue;
use crate::clock;
use crate::store::Key;
use crate::world::World;
use crate::write::Options;

pub(super) const STORAGE: &str = "customresourcedefinitions.apiextensions.k8s.io";

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": kind,
        "status": status,
        "lastTransitionTime": clock::time(clock::now()),
        "reason": reason,
        "message": message,
    })
}

fn has(definition: &Value, kind: &str, status: &str) -> bool {
    let conditions = definition["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|one| one["type"] == kind && one["status"] == status)
}

pub(super) fn reconcile(world: &mut World, queue: &mut Queue, key: &Key) {
    let Some(definition) = world.store.get(key).cloned() else {
        if world.served.remove(&key.name).is_some() {
            world.refresh_custom();
        }
        return;
    };
    if definition["metadata"].get("deletionTimestamp").is_some() {
        remove(world, queue, key, &definition);
        return;
    }
    let delay = world.settings.crd_delay;
    if !has(&definition, "NamesAccepted", "True") {
        let names = definition["spec"]["names"].clone();
        set(world, key, |status| {
            status["acceptedNames"] = names;
            status["conditions"] = json!([
                condition("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
                condition("Established", "False", "Installing", "the initial names have been accepted"),
            ]);
        });
        world.establish.insert(key.name.clone(), clock::now() + delay);
    } else if !has(&definition, "Established", "True") {
        let now = clock::now();
        let due = world.establish.get(&key.name).copied().unwrap_or(now);
        if due > now {
            queue.after(due - now, key);
            return;
        }
        world.establish.remove(&key.name);
        set(world, key, |status| {
            let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            let mut conditions: Vec<Value> =
                conditions.into_iter().filter(|one| one["type"] != "Established").collect();
            conditions.push(condition(
                "Established",
                "True",
                "InitialNamesAccepted",
                "the initial names have been accepted",
            ));
            status["conditions"] = json!(conditions);
        });
        world.served.insert(key.name.clone(), clock::now() + delay);
        world.refresh_custom();
    } else {
        world.served.entry(key.name.clone()).or_insert_with(clock::now);
        world.refresh_custom();
    }
}

fn set(world: &mut World, key: &Key, change: impl FnOnce(&mut Value)) {
    let Some(kind) = world.storage_kind(STORAGE) else { return };
    let mut options = Options::of("kube-apiserver", "status");
    let _ = world.patch(&kind, "", &key.name, &mut options, |definition| {
        change(&mut definition["status"]);
        Ok(())
    });
}

/// Takes the objects away, then the definition.
fn remove(world: &mut World, queue: &mut Queue, key: &Key, definition: &Value) {
    let storage = key.name.clone();
    let begun = definition["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|one| one["reason"] == "InstanceDeletionInProgress");
    if !begun {
        set(world, key, |status| {
            let mut conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            conditions.retain(|one| one["type"] != "Terminating");
            let message = "CustomResource deletion is in progress";
            conditions.push(condition("Terminating", "True", "InstanceDeletionInProgress", message));
            status["conditions"] = json!(conditions);
        });
        return;
    }
    let objects: Vec<Key> = world
        .store
        .list(&storage, None)
        .map(|object| Key {
            storage: storage.as_str().into(),
            namespace: super::text(object, "/metadata/namespace").to_owned(),
            name: super::text(object, "/metadata/name").to_owned(),
        })
        .collect();
    for object in objects {
        world.store.remove(object);
    }
    world.served.remove(&key.name);
    world.store.remove(key.clone());
    world.refresh_custom();
    queue.after(std::time::Duration::ZERO, key);
}
