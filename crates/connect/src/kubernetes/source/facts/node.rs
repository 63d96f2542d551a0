//! Facts about nodes.

use serde_json::Value;

use super::super::clean::text;
use super::{Fact, condition, holds, said};

pub(super) fn facts(old: &Value, new: &Value) -> Vec<Fact> {
    let Some(ready) = condition(new, "Ready") else { return Vec::new() };
    // A node that is new and not ready yet has not lost anything.
    if holds(old, "Ready") != "True" || text(ready, &["status"]) == "True" {
        return Vec::new();
    }
    let id = format!("not-ready:{}", text(ready, &["lastTransitionTime"]));
    let data = [
        ("node", said(new, &["metadata", "name"])),
        ("status", said(ready, &["status"])),
        ("reason", said(ready, &["reason"])),
        ("message", said(ready, &["message"])),
    ];
    vec![Fact::new("node.not-ready", id, data)]
}
