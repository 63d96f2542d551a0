//! The objects, one counter of resource versions over all of them, and the changes that watches read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use serde_json::{Value, json};

/// Where an object is: its storage, namespace (empty for cluster scope) and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) storage: Arc<str>,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// One write.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The resource version of the write.
    pub(crate) version: u64,
    pub(crate) key: Key,
    pub(crate) old: Option<Arc<Value>>,
    /// The new object; of a deletion, the last one, with the version of the deletion.
    pub(crate) new: Arc<Value>,
    pub(crate) deleted: bool,
}

/// Changes kept for watches and old lists. A watch that falls further behind gets 410.
const KEPT: usize = 50_000;

type Names = BTreeMap<(String, String), Arc<Value>>;

#[derive(Default)]
pub(crate) struct Store {
    kinds: BTreeMap<Arc<str>, Names>,
    version: u64,
    changes: VecDeque<Change>,
    /// Versions below are forgotten.
    compacted: u64,
    /// Who is owned, by the uid of the owner.
    owned: BTreeMap<String, BTreeSet<Key>>,
}

impl Store {
    /// The version of the last write.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.kinds.get(&key.storage)?.get(&(key.namespace.clone(), key.name.clone()))
    }

    /// The objects of a storage in the order of namespace and name; of all namespaces if none is given.
    pub(crate) fn list<'a>(
        &'a self,
        storage: &str,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<Value>> + use<'a> {
        let from = Bound::Included((namespace.unwrap_or_default().to_owned(), String::new()));
        let kinds = self.kinds.get(storage).into_iter();
        let objects = kinds.flat_map(move |names| names.range((from.clone(), Bound::Unbounded)));
        objects.take_while(move |((at, _), _)| namespace.is_none_or(|one| one == at)).map(|(_, object)| object)
    }

    /// The objects that name this uid as an owner.
    pub(crate) fn owned_by(&self, uid: &str) -> Vec<Key> {
        self.owned.get(uid).into_iter().flatten().cloned().collect()
    }

    /// The keys of all objects.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        self.kinds.iter().flat_map(|(storage, names)| {
            names.keys().map(|(namespace, name)| Key {
                storage: storage.clone(),
                namespace: namespace.clone(),
                name: name.clone(),
            })
        })
    }

    /// What a namespace holds.
    pub(crate) fn within(&self, namespace: &str) -> Vec<Key> {
        self.keys().filter(|key| key.namespace == namespace).collect()
    }

    /// Writes an object; its `resourceVersion` becomes that of the write.
    pub(crate) fn put(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let new = Arc::new(object);
        let names = self.kinds.entry(key.storage.clone()).or_default();
        let old = names.insert((key.namespace.clone(), key.name.clone()), new.clone());
        self.index(&key, old.as_deref(), Some(&new));
        self.record(Change { version: self.version, key, old, new: new.clone(), deleted: false });
        new
    }

    /// Removes an object and returns it as it was, with the version of the deletion.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Arc<Value>> {
        let names = self.kinds.get_mut(&key.storage)?;
        let old = names.remove(&(key.namespace.clone(), key.name.clone()))?;
        self.version += 1;
        let mut last = (*old).clone();
        last["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let new = Arc::new(last);
        self.index(&key, Some(&old), None);
        self.record(Change { version: self.version, key, old: Some(old), new: new.clone(), deleted: true });
        Some(new)
    }

    fn index(&mut self, key: &Key, old: Option<&Value>, new: Option<&Value>) {
        let owners = |object: Option<&Value>| -> BTreeSet<String> {
            let references = object.and_then(|object| object["metadata"]["ownerReferences"].as_array());
            references.into_iter().flatten().filter_map(|one| one["uid"].as_str().map(str::to_owned)).collect()
        };
        let (before, after) = (owners(old), owners(new));
        for uid in before.difference(&after) {
            if let Some(keys) = self.owned.get_mut(uid) {
                keys.remove(key);
                if keys.is_empty() {
                    self.owned.remove(uid);
                }
            }
        }
        for uid in after.difference(&before) {
            self.owned.entry(uid.clone()).or_default().insert(key.clone());
        }
    }

    fn record(&mut self, change: Change) {
        self.changes.push_back(change);
        if self.changes.len() > KEPT
            && let Some(first) = self.changes.pop_front()
        {
            self.compacted = first.version;
        }
    }

    /// Forgets all changes: older versions can no longer be listed or watched from.
    pub(crate) fn compact(&mut self) {
        self.compacted = self.version;
        self.changes.clear();
    }

    /// The oldest version that can be watched from.
    pub(crate) fn oldest(&self) -> u64 {
        self.compacted
    }

    /// The changes after a version, at most `limit`; `None` if some of them are forgotten.
    pub(crate) fn since(&self, version: u64, limit: usize) -> Option<Vec<Change>> {
        if version < self.compacted {
            return None;
        }
        let from = self.changes.partition_point(|change| change.version <= version);
        Some(self.changes.range(from..).take(limit).cloned().collect())
    }

    /// The objects of a storage as they were at a version; `None` if that is forgotten.
    pub(crate) fn list_at(&self, storage: &str, namespace: Option<&str>, version: u64) -> Option<Vec<Arc<Value>>> {
        if version < self.compacted {
            return None;
        }
        let mut then: Names = self.kinds.get(storage).cloned().unwrap_or_default();
        let from = self.changes.partition_point(|change| change.version <= version);
        for change in self.changes.range(from..).rev().filter(|change| &*change.key.storage == storage) {
            let at = (change.key.namespace.clone(), change.key.name.clone());
            match &change.old {
                Some(old) => then.insert(at, old.clone()),
                None => then.remove(&at),
            };
        }
        let here = then.into_iter().filter(|((at, _), _)| namespace.is_none_or(|one| one == at));
        Some(here.map(|(_, object)| object).collect())
    }
}
