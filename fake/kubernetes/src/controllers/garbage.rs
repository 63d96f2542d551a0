//! Garbage: what has lost its owners goes, and what an owner waits for goes first.

use serde_json::{Value, json};

use super::text;
use crate::delete::Deletion;
use crate::store::Key;
use crate::world::World;
use crate::write::Options;

/// The keys of the owners that an object names, whether they are there or not.
pub(super) fn owners(world: &World, object: &Value) -> Vec<Key> {
    let namespace = text(object, "/metadata/namespace");
    let references = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    references.filter_map(|one| key_of(world, one, namespace)).collect()
}

fn key_of(world: &World, reference: &Value, namespace: &str) -> Option<Key> {
    let kind = world.kind_of(text(reference, "/apiVersion"), text(reference, "/kind"))?;
    let namespace = if kind.namespaced { namespace.to_owned() } else { String::new() };
    Some(Key { storage: kind.storage.clone(), namespace, name: text(reference, "/name").to_owned() })
}

pub(super) fn reconcile(world: &mut World, key: &Key) {
    let Some(object) = world.store.get(key).cloned() else { return };
    if object["metadata"].get("deletionTimestamp").is_some() {
        let finalizers = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        let uid = text(&object, "/metadata/uid").to_owned();
        if finalizers.contains(&json!("orphan")) {
            if world.store.owned_by(&uid).is_empty() {
                release(world, key, "orphan");
            } else {
                orphan(world, &uid);
            }
        } else if finalizers.contains(&json!("foregroundDeletion")) {
            foreground(world, key, &uid);
        }
        return;
    }
    collect(world, key, &object);
}

/// Deletes an object none of whose owners is left.
fn collect(world: &mut World, key: &Key, object: &Value) {
    let Some(references) = object["metadata"]["ownerReferences"].as_array().filter(|list| !list.is_empty()) else {
        return;
    };
    let gone = references.iter().all(|one| {
        // The owner of an unknown kind cannot be looked for.
        let Some(owner) = key_of(world, one, &key.namespace) else { return false };
        world.store.get(&owner).is_none_or(|owner| owner["metadata"]["uid"] != one["uid"])
    });
    if gone {
        delete(world, key, "Background");
    }
}

fn delete(world: &mut World, key: &Key, policy: &str) {
    let Some(kind) = world.storage_kind(&key.storage) else { return };
    let deletion = Deletion { policy: policy.to_owned(), ..Deletion::default() };
    // It may be gone meanwhile, which is what was wanted.
    let _ = world.delete(&kind, &key.namespace, &key.name, &deletion);
}

/// Takes the reference to this owner out of all that it owns.
fn orphan(world: &mut World, uid: &str) {
    for owned in world.store.owned_by(uid) {
        let Some(kind) = world.storage_kind(&owned.storage) else { continue };
        let mut options = Options::of("kube-controller-manager", "");
        let _ = world.patch(&kind, &owned.namespace, &owned.name, &mut options, |object| {
            if let Some(list) = object["metadata"]["ownerReferences"].as_array_mut() {
                list.retain(|one| one["uid"] != uid);
            }
            Ok(())
        });
    }
}

/// Deletes what is owned; the owner goes when nothing that blocks it is left.
fn foreground(world: &mut World, key: &Key, uid: &str) {
    let owned = world.store.owned_by(uid);
    let mut blocked = false;
    for one in owned {
        let Some(object) = world.store.get(&one).cloned() else { continue };
        let references = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        blocked |=
            references.into_iter().any(|reference| reference["uid"] == uid && reference["blockOwnerDeletion"] == true);
        if object["metadata"].get("deletionTimestamp").is_none() {
            delete(world, &one, "Foreground");
        }
    }
    if !blocked {
        release(world, key, "foregroundDeletion");
    }
}

/// Takes a finalizer off; the last one lets the object go.
fn release(world: &mut World, key: &Key, finalizer: &str) {
    let Some(object) = world.store.get(key) else { return };
    let mut object = (**object).clone();
    let Some(list) = object["metadata"]["finalizers"].as_array_mut() else { return };
    list.retain(|one| one != finalizer);
    if list.is_empty() {
        world.store.remove(key.clone());
    } else {
        world.store.put(key.clone(), object);
    }
}
