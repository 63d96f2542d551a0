//! JSON patch (RFC 6902), JSON merge patch (RFC 7386) and Kubernetes' strategic merge patch.

use serde_json::{Map, Value, json};

use crate::schema::Type;

/// RFC 7386: `null` deletes, lists are replaced.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(map) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            map.remove(name);
        } else {
            merge(map.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// RFC 6902. The first operation that cannot be done ends it; nothing says which one, as in the real server.
pub(crate) fn json_patch(target: &mut Value, patch: &Value) -> Option<()> {
    for operation in patch.as_array()? {
        let path = operation["path"].as_str()?;
        match operation["op"].as_str()? {
            "test" => (target.pointer(path).unwrap_or(&Value::Null) == operation.get("value")?).then_some(())?,
            "replace" => *target.pointer_mut(path)? = operation.get("value")?.clone(),
            "remove" => {
                remove(target, path)?;
            }
            "add" => add(target, path, operation.get("value")?.clone())?,
            "copy" => {
                let value = target.pointer(operation["from"].as_str()?)?.clone();
                add(target, path, value)?;
            }
            "move" => {
                let value = remove(target, operation["from"].as_str()?)?;
                add(target, path, value)?;
            }
            _ => return None,
        }
    }
    Some(())
}

fn split(path: &str) -> Option<(&str, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    Some((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn add(target: &mut Value, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        *target = value;
        return Some(());
    }
    let (parent, last) = split(path)?;
    match target.pointer_mut(parent)? {
        Value::Object(map) => {
            map.insert(last, value);
        }
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => {
            let at = last.parse().ok().filter(|at| *at <= items.len())?;
            items.insert(at, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(target: &mut Value, path: &str) -> Option<Value> {
    let (parent, last) = split(path)?;
    match target.pointer_mut(parent)? {
        Value::Object(map) => map.remove(&last),
        Value::Array(items) => {
            let at = last.parse().ok().filter(|at| *at < items.len())?;
            Some(items.remove(at))
        }
        _ => None,
    }
}

/// Strategic merge: keyed lists are merged by key, sets joined, with `$patch`, `$retainKeys`,
/// `$deleteFromPrimitiveList/x` and `$setElementOrder/x`.
pub(crate) fn strategic(of: &Type, target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            let rest = patch.iter().filter(|(name, _)| *name != "$patch");
            *target = Value::Object(rest.map(|(name, value)| (name.clone(), value.clone())).collect());
            return;
        }
        Some("delete") => {
            *target = json!({});
            return;
        }
        _ => {}
    }
    if !target.is_object() {
        *target = json!({});
    }
    let Some(map) = target.as_object_mut() else { return };
    if let Some(keep) = patch.get("$retainKeys").and_then(Value::as_array) {
        map.retain(|name, _| keep.iter().any(|one| one == name));
    }
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            if let Some(items) = map.get_mut(list).and_then(Value::as_array_mut) {
                items.retain(|one| !value.as_array().is_some_and(|gone| gone.contains(one)));
            }
        } else if name.starts_with('$') {
        } else if value.is_null() {
            map.remove(name);
        } else {
            member(of, map, name, value);
        }
    }
    for (name, order) in patch {
        if let (Some(list), Some(order)) = (name.strip_prefix("$setElementOrder/"), order.as_array())
            && let Some(items) = map.get_mut(list).and_then(Value::as_array_mut)
        {
            set_order(&of.member(list), items, order);
        }
    }
}

fn member(of: &Type, map: &mut Map<String, Value>, name: &str, value: &Value) {
    let of = match of.member(name) {
        // Ownership as a whole does not matter here: parts of it are still merged.
        Type::Atomic(of) => *of,
        of => of,
    };
    match (&of, value) {
        (Type::Keyed(item, keys), Value::Array(patches)) => {
            let list = map.entry(name.to_owned()).or_insert_with(|| json!([]));
            if let (Some(items), Some(key)) = (list.as_array_mut(), keys.first()) {
                keyed(item, key, items, patches);
            }
        }
        (Type::Set(_), Value::Array(added)) => {
            let list = map.entry(name.to_owned()).or_insert_with(|| json!([]));
            if let Some(items) = list.as_array_mut() {
                for one in added {
                    if !items.contains(one) {
                        items.push(one.clone());
                    }
                }
            }
        }
        (_, Value::Object(_)) => strategic(&of, map.entry(name.to_owned()).or_insert_with(|| json!({})), value),
        _ => {
            map.insert(name.to_owned(), value.clone());
        }
    }
}

fn keyed(item: &Type, key: &str, items: &mut Vec<Value>, patches: &[Value]) {
    if patches.iter().any(|one| one["$patch"] == "replace" && one.get(key).is_none()) {
        items.clear();
    }
    // What is new stands before what was there, unless an order is asked for.
    let mut fresh = Vec::new();
    for patch in patches {
        let same = |one: &Value| one[key] == patch[key];
        match patch["$patch"].as_str() {
            Some("delete") => items.retain(|one| !same(one)),
            Some("replace") if patch.get(key).is_none() => {}
            _ => match items.iter_mut().find(|one| same(one)) {
                Some(one) => strategic(item, one, patch),
                None => {
                    let mut one = json!({});
                    strategic(item, &mut one, patch);
                    fresh.push(one);
                }
            },
        }
    }
    items.splice(0..0, fresh);
}

fn set_order(of: &Type, items: &mut [Value], order: &[Value]) {
    let place = |one: &Value| match of {
        Type::Keyed(_, keys) => {
            let key = keys.first().map(String::as_str).unwrap_or_default();
            order.iter().position(|other| other[key] == one[key])
        }
        _ => order.iter().position(|other| other == one),
    };
    items.sort_by_key(|one| place(one).unwrap_or(usize::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_patch_does_all_or_tells() {
        let mut value = json!({ "a": [1, 2], "m": { "x/y": 1 } });
        let patch = json!([
            { "op": "test", "path": "/a/0", "value": 1 },
            { "op": "add", "path": "/a/-", "value": 3 },
            { "op": "remove", "path": "/m/x~1y" },
            { "op": "move", "from": "/a/0", "path": "/m/first" },
        ]);
        assert_eq!(json_patch(&mut value, &patch), Some(()));
        assert_eq!(value, json!({ "a": [2, 3], "m": { "first": 1 } }));
        for bad in [
            json!([{ "op": "remove", "path": "/nope" }]),
            json!([{ "op": "add", "path": "/no/parent", "value": 1 }]),
            json!([{ "op": "test", "path": "/a/0", "value": 9 }]),
        ] {
            assert_eq!(json_patch(&mut value.clone(), &bad), None, "{bad}");
        }
    }

    #[test]
    fn strategic_merge_knows_the_keys() {
        let of = Type::Named("PodSpec".to_owned());
        let mut spec = json!({ "containers": [{ "name": "a", "image": "a:1" }, { "name": "b" }], "nodeName": "n" });
        let patch = json!({
            "$setElementOrder/containers": [{ "name": "c" }, { "name": "a" }],
            "containers": [{ "name": "a", "image": "a:2" }, { "name": "b", "$patch": "delete" }, { "name": "c" }],
            "nodeName": null
        });
        strategic(&of, &mut spec, &patch);
        assert_eq!(spec, json!({ "containers": [{ "name": "c" }, { "name": "a", "image": "a:2" }] }));
    }
}
