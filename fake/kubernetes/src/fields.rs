//! Sets of fields of an object, as `managedFields` write them (FieldsV1), and what differs between two objects.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::schema::{Field, Type, is_zero};

/// A set of paths, as a tree: whether the node itself is in the set, and what is below it.
/// The names of the children are those of FieldsV1: `f:name`, `k:{keys}`, `v:value`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fields {
    pub(crate) member: bool,
    pub(crate) children: BTreeMap<String, Fields>,
}

impl Fields {
    pub(crate) fn is_empty(&self) -> bool {
        !self.member && self.children.values().all(Fields::is_empty)
    }

    fn child(&mut self, name: String) -> &mut Fields {
        self.children.entry(name).or_default()
    }

    fn tidy(&mut self) {
        self.children.values_mut().for_each(Fields::tidy);
        self.children.retain(|_, child| !child.is_empty());
    }

    pub(crate) fn add(&mut self, other: &Fields) {
        self.member |= other.member;
        for (name, child) in &other.children {
            self.child(name.clone()).add(child);
        }
    }

    /// Takes out exactly the paths of `other`.
    pub(crate) fn take(&mut self, other: &Fields) {
        self.member &= !other.member;
        for (name, child) in &other.children {
            if let Some(own) = self.children.get_mut(name) {
                own.take(child);
            }
        }
        self.tidy();
    }

    /// The paths that are in both.
    pub(crate) fn common(&self, other: &Fields) -> Fields {
        let mut common = Fields { member: self.member && other.member, children: BTreeMap::new() };
        for (name, child) in &self.children {
            if let Some(theirs) = other.children.get(name) {
                common.children.insert(name.clone(), child.common(theirs));
            }
        }
        common.tidy();
        common
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut map = Map::new();
        for (name, child) in &self.children {
            let mut inner = child.to_json();
            if child.member && !child.children.is_empty() {
                inner["."] = json!({});
            }
            map.insert(name.clone(), inner);
        }
        Value::Object(map)
    }

    pub(crate) fn from_json(value: &Value) -> Fields {
        let map = value.as_object();
        let member = map.is_some_and(|map| map.is_empty() || map.contains_key("."));
        let below = map.into_iter().flatten().filter(|(name, _)| *name != ".");
        Fields { member, children: below.map(|(name, one)| (name.clone(), Fields::from_json(one))).collect() }
    }

    /// The paths as messages write them: `.spec.containers[name="app"].image`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect(String::new(), &mut paths);
        paths
    }

    fn collect(&self, path: String, paths: &mut Vec<String>) {
        if self.member {
            paths.push(path.clone());
        }
        for (name, child) in &self.children {
            let next = match name.split_once(':') {
                Some(("f", field)) => format!("{path}.{field}"),
                Some(("k", keys)) => {
                    let keys: Value = serde_json::from_str(keys).unwrap_or_default();
                    let pairs: Vec<String> =
                        keys.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
                    format!("{path}[{}]", pairs.join(","))
                }
                Some((_, value)) => format!("{path}[={value}]"),
                None => path.clone(),
            };
            child.collect(next, paths);
        }
    }

    /// Takes out what nobody owns: identity, versions and the record of owners itself.
    pub(crate) fn strip(&mut self) {
        for name in ["f:apiVersion", "f:kind"] {
            self.children.remove(name);
        }
        if let Some(metadata) = self.children.get_mut("f:metadata") {
            metadata.member = false;
            for name in [
                "f:name",
                "f:namespace",
                "f:creationTimestamp",
                "f:selfLink",
                "f:uid",
                "f:generation",
                "f:managedFields",
                "f:resourceVersion",
            ] {
                metadata.children.remove(name);
            }
        }
        self.member = false;
        self.tidy();
    }
}

/// Whether a value of this type is owned as a whole.
fn is_leaf(of: &Type, value: &Value) -> bool {
    match of {
        Type::Leaf(_) | Type::Atomic(_) | Type::List(_) => true,
        Type::Any => !value.is_object(),
        Type::Set(_) | Type::Keyed(..) => !value.is_array(),
        _ => !value.is_object(),
    }
}

/// The name of an item of a keyed list.
pub(crate) fn key_of(item: &Type, keys: &[String], value: &Value) -> String {
    let mut map = Map::new();
    for key in keys {
        let given = value.get(key).cloned();
        let default = || item.fields().and_then(|of| of.fields.get(key).and_then(|field| field.default.clone()));
        if let Some(value) = given.or_else(default) {
            map.insert(key.clone(), value);
        }
    }
    format!("k:{}", Value::Object(map))
}

/// The parts of a value that are owned on their own: name, type, value and whether the part is always there.
fn parts<'a>(of: &Type, value: &'a Value) -> Vec<(String, Type, &'a Value, bool)> {
    match (of, value) {
        (Type::Set(item), Value::Array(items)) => {
            items.iter().map(|one| (format!("v:{one}"), (**item).clone(), one, false)).collect()
        }
        (Type::Keyed(item, keys), Value::Array(items)) => {
            items.iter().map(|one| (key_of(item, keys, one), (**item).clone(), one, false)).collect()
        }
        (_, Value::Object(map)) => {
            let fields = of.fields();
            let always = |name: &str| {
                fields.as_ref().and_then(|of| of.fields.get(name)).is_some_and(|field: &Field| field.always)
            };
            map.iter().map(|(name, one)| (format!("f:{name}"), of.member(name), one, always(name))).collect()
        }
        _ => Vec::new(),
    }
}

/// The fields that an applied object names.
pub(crate) fn named(of: &Type, value: &Value) -> Fields {
    let parts = if is_leaf(of, value) { Vec::new() } else { parts(of, value) };
    if parts.is_empty() {
        return Fields { member: true, children: BTreeMap::new() };
    }
    let mut fields = Fields::default();
    for (name, of, value, _) in parts {
        let mut child = named(&of, value);
        child.member |= name.starts_with("k:");
        fields.children.insert(name, child);
    }
    fields
}

/// Every field of a value, containers too, as those of a removed part.
fn everything(of: &Type, value: &Value) -> Fields {
    let parts = if is_leaf(of, value) { Vec::new() } else { parts(of, value) };
    let children = parts.into_iter().map(|(name, of, value, _)| (name, everything(&of, value))).collect();
    Fields { member: true, children }
}

/// What was added or modified, and what was removed, between two objects.
pub(crate) fn compare(of: &Type, old: &Value, new: &Value) -> (Fields, Fields) {
    let (mut changed, mut removed) = (Fields::default(), Fields::default());
    compare_at(of, Some(old), new, false, &mut changed, &mut removed);
    changed.strip();
    removed.strip();
    (changed, removed)
}

fn compare_at(of: &Type, old: Option<&Value>, new: &Value, always: bool, changed: &mut Fields, removed: &mut Fields) {
    // A field that is always written was there before, with its zero value.
    let nothing = json!({});
    let old = if always && old.is_none() { Some(&nothing) } else { old };
    let leaf = is_leaf(of, new) || old.is_some_and(|old| is_leaf(of, old) && !old.is_null() && *old != nothing);
    if leaf {
        changed.member = old != Some(new) && !(always && old == Some(&nothing) && is_zero(new));
        return;
    }
    let now = parts(of, new);
    if old.is_none() {
        changed.member = true;
    }
    let fresh = old.is_none();
    let before = old.map(|old| parts(of, old)).unwrap_or_default();
    for (name, of, value, always) in &now {
        let was = before.iter().find(|(other, ..)| other == name).map(|(_, _, value, _)| *value);
        compare_at(of, was, value, *always && !fresh, changed.child(name.clone()), removed.child(name.clone()));
    }
    for (name, of, value, _) in &before {
        if !now.iter().any(|(other, ..)| other == name) {
            removed.children.insert(name.clone(), everything(of, value));
        }
    }
    changed.tidy();
    removed.tidy();
}
