//! What is kept of an object: not the bookkeeping of servers, and not what is in Secrets.

use serde_json::Value;

use super::spec::Keep;
use crate::kubernetes::object::{LAST_APPLIED, hide};

/// A field of an object at a path of names.
pub(super) fn at<'v>(object: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(object, |value, name| value.get(name))
}

/// A text at a path of names; empty where there is none.
pub(super) fn text<'v>(object: &'v Value, path: &[&str]) -> &'v str {
    at(object, path).and_then(Value::as_str).unwrap_or_default()
}

/// A whole number at a path of names.
pub(super) fn number(object: &Value, path: &[&str]) -> Option<i64> {
    at(object, path).and_then(Value::as_i64)
}

/// The items of a list at a path of names.
pub(super) fn list<'v>(object: &'v Value, path: &[&str]) -> &'v [Value] {
    at(object, path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// When the object was changed last, as far as it says.
pub(super) fn changed_at(object: &Value) -> Option<String> {
    // RFC 3339 in UTC and seconds: the order of texts is the order of times.
    let managed = list(object, &["metadata", "managedFields"]).iter().map(|one| text(one, &["time"]));
    let newest = managed.max().filter(|time| !time.is_empty());
    newest.or_else(|| at(object, &["metadata", "creationTimestamp"])?.as_str()).map(str::to_owned)
}

/// Takes out what is not to be kept.
pub(super) fn clean(object: &mut Value, keep: Keep) {
    let secret = text(object, &["kind"]) == "Secret" && text(object, &["apiVersion"]) == "v1";
    let Some(fields) = object.as_object_mut() else { return };
    let metadata = fields.get_mut("metadata").and_then(Value::as_object_mut);
    if let Some(metadata) = metadata {
        if !keep.managed_fields {
            metadata.remove("managedFields");
        }
        if (!keep.managed_fields || (secret && !keep.secret_data))
            && let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
        {
            annotations.remove(LAST_APPLIED);
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    if secret && !keep.secret_data {
        hide(fields);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_in_a_secret_does_not_leave_the_cluster() {
        let mut secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "s", "managedFields": [{"time": "2026-01-01T00:00:00Z"}], "annotations": {LAST_APPLIED: "hunter2"}},
            "data": {"password": "aHVudGVyMg=="},
        });
        let whole = secret.clone();
        assert_eq!(changed_at(&secret).as_deref(), Some("2026-01-01T00:00:00Z"));
        clean(&mut secret, Keep::default());
        assert_eq!(
            secret,
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"password": null}})
        );
        let mut kept = whole.clone();
        clean(&mut kept, Keep { secret_data: true, managed_fields: true });
        assert_eq!(kept, whole);
        let mut half = whole;
        clean(&mut half, Keep { secret_data: false, managed_fields: true });
        assert!(!half.to_string().contains("hunter2") && !half.to_string().contains("aHVudGVyMg"));
    }
}
