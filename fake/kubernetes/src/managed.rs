//! `metadata.managedFields`: who owns which field, after an update and by server-side apply.
//! The rules are those of `sigs.k8s.io/structured-merge-diff`.

use serde_json::{Value, json};

use crate::fields::{self, Fields};
use crate::schema::Type;

/// Who writes.
#[derive(Clone, Debug)]
pub(crate) struct Writer<'a> {
    pub(crate) manager: &'a str,
    pub(crate) api_version: &'a str,
    /// Empty for the object itself.
    pub(crate) subresource: &'a str,
    pub(crate) now: &'a str,
}

impl Writer<'_> {
    /// The time of an entry; those of `scale` have none.
    fn time(&self) -> Value {
        if self.subresource == "scale" { Value::Null } else { json!(self.now) }
    }
}

/// One entry of `managedFields`.
#[derive(Clone, Debug)]
struct Entry {
    manager: String,
    operation: String,
    api_version: String,
    time: Value,
    subresource: String,
    fields: Fields,
}

impl Entry {
    fn is(&self, writer: &Writer<'_>, operation: &str) -> bool {
        // What is applied belongs to the manager in any version; an update to the version it was written in.
        self.manager == writer.manager
            && self.operation == operation
            && self.subresource == writer.subresource
            && self.api_version == writer.api_version
    }

    fn describe(&self) -> String {
        let mut text = json!(self.manager).to_string();
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource \"{}\"", self.subresource));
        }
        if self.operation == "Update" {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }
}

fn read(object: &Value) -> Vec<Entry> {
    let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries
        .map(|one| Entry {
            manager: text(one, "manager"),
            operation: text(one, "operation"),
            api_version: text(one, "apiVersion"),
            time: one["time"].clone(),
            subresource: text(one, "subresource"),
            fields: Fields::from_json(&one["fieldsV1"]),
        })
        .collect()
}

fn write(object: &mut Value, mut entries: Vec<Entry>) {
    entries.retain(|entry| !entry.fields.is_empty());
    entries.sort_by(|a, b| {
        let key = |one: &Entry| {
            let time = one.time.as_str().unwrap_or_default().to_owned();
            (one.operation.clone(), time, one.manager.clone(), one.api_version.clone(), one.subresource.clone())
        };
        key(a).cmp(&key(b))
    });
    let list: Vec<Value> = entries
        .into_iter()
        .map(|entry| {
            let mut one = json!({
                "manager": entry.manager,
                "operation": entry.operation,
                "apiVersion": entry.api_version,
                "fieldsType": "FieldsV1",
                "fieldsV1": entry.fields.to_json(),
            });
            if !entry.time.is_null() {
                one["time"] = entry.time;
            }
            if !entry.subresource.is_empty() {
                one["subresource"] = json!(entry.subresource);
            }
            one
        })
        .collect();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        if list.is_empty() {
            metadata.remove("managedFields");
        } else {
            metadata.insert("managedFields".to_owned(), json!(list));
        }
    }
}

/// The entry of the writer, and where it stands; a new one at the end.
fn own<'a>(entries: &'a mut Vec<Entry>, writer: &Writer<'_>, operation: &str) -> Option<&'a mut Entry> {
    if !entries.iter().any(|entry| entry.is(writer, operation)) {
        entries.push(Entry {
            manager: writer.manager.to_owned(),
            operation: operation.to_owned(),
            api_version: writer.api_version.to_owned(),
            time: writer.time(),
            subresource: writer.subresource.to_owned(),
            fields: Fields::default(),
        });
    }
    entries.iter_mut().find(|entry| entry.is(writer, operation))
}

/// Notes a create or an update: what was changed now belongs to the writer, what was removed to nobody.
/// `old` is `{}` for a create.
pub(crate) fn update(of: &Type, old: &Value, new: &mut Value, writer: &Writer<'_>) {
    let given = new["metadata"]["managedFields"].as_array();
    let reset = given.is_some_and(|list| list.len() == 1 && list.first() == Some(&json!({})));
    let mut entries = match given {
        _ if reset => Vec::new(),
        Some(list) if !list.is_empty() => read(new),
        _ => read(old),
    };
    let (changed, removed) = fields::compare(of, old, new);
    for entry in entries.iter_mut().filter(|entry| !entry.is(writer, "Update")) {
        entry.fields.take(&changed);
        entry.fields.take(&removed);
    }
    if let Some(entry) = own(&mut entries, writer, "Update") {
        let before = entry.fields.clone();
        entry.fields.add(&changed);
        entry.fields.take(&removed);
        if entry.fields != before {
            entry.time = writer.time();
        }
    }
    write(new, entries);
}

/// Why an apply was refused: the other managers with the paths that are theirs.
#[derive(Debug)]
pub(crate) struct Conflicts(pub(crate) Vec<(String, Vec<String>)>);

/// Applies a configuration: the object with it merged in, what is no longer applied taken out.
/// `skip` is what this endpoint does not let anybody own, by top-level field.
pub(crate) fn apply(
    of: &Type,
    old: &Value,
    config: &Value,
    writer: &Writer<'_>,
    force: bool,
    skip: &[&str],
) -> Result<Value, Conflicts> {
    let mut entries = read(old);
    let mut set = fields::named(of, config);
    set.strip();
    for name in skip {
        set.children.remove(&format!("f:{name}"));
    }
    let last = entries.iter().find(|entry| entry.is(writer, "Apply")).map(|entry| entry.fields.clone());
    let mut new = old.clone();
    merge(of, &mut new, config);
    let mut gone = last.clone().unwrap_or_default();
    gone.take(&set);
    for other in entries.iter().filter(|entry| !entry.is(writer, "Apply")) {
        gone.take(&with_parents(&other.fields));
    }
    gone.take(&with_parents(&set));
    prune(of, &mut new, &gone);
    let (changed, removed) = fields::compare(of, old, &new);
    let mut conflicts: Vec<(String, Vec<String>)> = Vec::new();
    for entry in entries.iter_mut().filter(|entry| !entry.is(writer, "Apply")) {
        let common = entry.fields.common(&changed);
        if !common.is_empty() {
            conflicts.push((entry.describe(), common.paths()));
            entry.fields.take(&common);
        }
        entry.fields.take(&removed);
    }
    if !conflicts.is_empty() && !force {
        return Err(Conflicts(conflicts));
    }
    if let Some(entry) = own(&mut entries, writer, "Apply") {
        if entry.fields != set {
            entry.time = writer.time();
        }
        entry.fields = set;
    }
    write(&mut new, entries);
    Ok(new)
}

/// Takes the fields of a configuration from all managers but the one that applied it: what is set through a subresource
/// belongs to nobody else.
pub(crate) fn disown(of: &Type, object: &mut Value, config: &Value, writer: &Writer<'_>) {
    let mut set = fields::named(of, config);
    set.strip();
    let mut entries = read(object);
    for entry in entries.iter_mut().filter(|entry| !entry.is(writer, "Apply")) {
        entry.fields.take(&set);
    }
    write(object, entries);
}

/// The set with all containers of its members.
fn with_parents(fields: &Fields) -> Fields {
    let children = fields.children.iter().map(|(name, child)| (name.clone(), with_parents(child))).collect();
    Fields { member: fields.member || !fields.children.is_empty(), children }
}

/// Puts the applied values into the object.
fn merge(of: &Type, into: &mut Value, from: &Value) {
    match (of, from) {
        (Type::Leaf(_) | Type::Atomic(_) | Type::List(_), _) => *into = from.clone(),
        (Type::Set(_), Value::Array(items)) if into.is_array() => {
            let list = into.as_array_mut().map(std::mem::take).unwrap_or_default();
            let rest = items.iter().filter(|one| !list.contains(one)).cloned().collect::<Vec<_>>();
            *into = Value::Array(list.into_iter().chain(rest).collect());
        }
        (Type::Keyed(item, keys), Value::Array(items)) if into.is_array() => {
            let Some(list) = into.as_array_mut() else { return };
            for one in items {
                let key = fields::key_of(item, keys, one);
                match list.iter_mut().find(|other| fields::key_of(item, keys, other) == key) {
                    Some(other) => merge(item, other, one),
                    None => list.push(one.clone()),
                }
            }
        }
        (_, Value::Object(map)) if into.is_object() => {
            for (name, value) in map {
                match into.get_mut(name) {
                    Some(inner) => merge(&of.member(name), inner, value),
                    None => into[name] = value.clone(),
                }
            }
        }
        _ => *into = from.clone(),
    }
}

/// Takes the fields out of the object, and containers that are then empty.
fn prune(of: &Type, value: &mut Value, gone: &Fields) {
    for (name, child) in &gone.children {
        match (of, &mut *value) {
            (Type::Keyed(item, keys), Value::Array(items)) => {
                if child.member {
                    items.retain(|one| fields::key_of(item, keys, one) != *name);
                } else if let Some(one) = items.iter_mut().find(|one| fields::key_of(item, keys, one) == *name) {
                    prune(item, one, child);
                }
            }
            (Type::Set(_), Value::Array(items)) => items.retain(|one| format!("v:{one}") != *name),
            (_, Value::Object(map)) => {
                let field = name.strip_prefix("f:").unwrap_or(name);
                let empty = match map.get_mut(field) {
                    Some(inner) if !child.children.is_empty() => {
                        prune(&of.member(field), inner, child);
                        inner.as_object().is_some_and(serde_json::Map::is_empty)
                            || inner.as_array().is_some_and(Vec::is_empty)
                    }
                    _ => false,
                };
                if child.member && child.children.is_empty() || empty {
                    map.remove(field);
                }
            }
            _ => {}
        }
    }
}
