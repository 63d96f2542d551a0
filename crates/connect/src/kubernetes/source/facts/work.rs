//! Facts about jobs and disruption budgets.

use serde_json::Value;

use super::super::clean::{number, text};
use super::{Fact, condition, said, turned};

pub(super) fn job(old: &Value, new: &Value) -> Vec<Fact> {
    let mut facts = Vec::new();
    let name = || said(new, &["metadata", "name"]);
    let count = |field: &str| Value::from(number(new, &["status", field]).unwrap_or(0));
    if turned(old, new, "Complete", "True").is_some() {
        let data = [("job", name()), ("succeeded", count("succeeded")), ("failed", count("failed"))];
        facts.push(Fact::new("job.completed", "completed", data));
    }
    if let Some(failed) = turned(old, new, "Failed", "True") {
        let data = [
            ("job", name()),
            ("reason", said(failed, &["reason"])),
            ("message", said(failed, &["message"])),
            ("succeeded", count("succeeded")),
            ("failed", count("failed")),
        ];
        facts.push(Fact::new("job.failed", "failed", data));
    }
    facts
}

pub(super) fn budget(old: &Value, new: &Value) -> Vec<Fact> {
    let status = |object: &Value, field: &str| number(object, &["status", field]);
    let generation = |object: &Value| number(object, &["metadata", "generation"]).unwrap_or(0);
    // Before the controller has looked, 0 says nothing.
    let seen = status(new, "observedGeneration").unwrap_or(0) >= generation(new);
    let blocked = |object: &Value| {
        status(object, "disruptionsAllowed") == Some(0) && status(object, "expectedPods").unwrap_or(0) > 0
    };
    if !seen || !blocked(new) || blocked(old) {
        return Vec::new();
    }
    let allowed = condition(new, "DisruptionAllowed").unwrap_or(&Value::Null);
    let since = text(allowed, &["lastTransitionTime"]);
    let data = [
        ("currentHealthy", status(new, "currentHealthy").into()),
        ("desiredHealthy", status(new, "desiredHealthy").into()),
        ("expectedPods", status(new, "expectedPods").into()),
        ("reason", said(allowed, &["reason"])),
    ];
    vec![Fact::new("poddisruptionbudget.blocked", format!("blocked:{since}"), data)]
}
