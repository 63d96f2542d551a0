//! Facts about deployments.

use serde_json::Value;

use super::super::clean::{at, list, number, text};
use super::{Fact, condition, said, turned};

const REVISION: &str = "deployment.kubernetes.io/revision";
const AVAILABLE: &str = "NewReplicaSetAvailable";

pub(super) fn facts(old: &Value, new: &Value) -> Vec<Fact> {
    let mut facts = Vec::new();
    images(old, new, &mut facts);
    let revision = revision(new);
    if rolled_out(new) && rolling(old, new) {
        let id = format!("rolled-out:{}", revision.unwrap_or_default());
        let data = [
            ("revision", revision.into()),
            ("images", image_list(new)),
            ("replicas", number(new, &["status", "replicas"]).into()),
        ];
        facts.push(Fact::new("deployment.rolled-out", id, data));
    }
    if let Some(progress) = turned(old, new, "Progressing", "False")
        && text(progress, &["reason"]) == "ProgressDeadlineExceeded"
    {
        let id = format!("stalled:{}:{}", revision.unwrap_or_default(), text(progress, &["lastTransitionTime"]));
        let data = [
            ("revision", revision.into()),
            ("images", image_list(new)),
            ("message", said(progress, &["message"])),
            ("available", (super::holds(new, "Available") == "True").into()),
        ];
        facts.push(Fact::new("deployment.stalled", id, data));
    }
    if let Some(available) = turned(old, new, "Available", "True") {
        let id = format!("available:{}", text(available, &["lastTransitionTime"]));
        let data = [("revision", revision.into()), ("replicas", number(new, &["status", "availableReplicas"]).into())];
        facts.push(Fact::new("deployment.available", id, data));
    }
    facts
}

fn revision(object: &Value) -> Option<i64> {
    text(object, &["metadata", "annotations", REVISION]).parse().ok()
}

fn count(object: &Value, name: &str) -> i64 {
    number(object, &["status", name]).unwrap_or(0)
}

fn progress(object: &Value) -> &str {
    condition(object, "Progressing").map_or("", |one| text(one, &["reason"]))
}

/// Whether all replicas are of the newest revision and available, as `kubectl rollout status` has it.
fn rolled_out(object: &Value) -> bool {
    let generation = number(object, &["metadata", "generation"]).unwrap_or(0);
    let wanted = number(object, &["spec", "replicas"]).unwrap_or(1);
    let seen = count(object, "observedGeneration") >= generation;
    let updated = count(object, "updatedReplicas");
    let paused = at(object, &["spec", "paused"]) == Some(&Value::Bool(true));
    // Without a deadline the controller keeps no such condition.
    let said = matches!(progress(object), AVAILABLE | "");
    seen && !paused
        && said
        && updated == wanted
        && count(object, "replicas") == updated
        && count(object, "availableReplicas") == updated
}

/// Whether a rollout was under way in the version before: of another revision, or with replicas of an older one. While
/// a deployment is only scaled, all replicas are of one revision and the condition stays as it is.
fn rolling(old: &Value, new: &Value) -> bool {
    let before = progress(old);
    revision(old) != revision(new)
        || (before != AVAILABLE && !(before.is_empty() && progress(new).is_empty()))
        || count(old, "replicas") != count(old, "updatedReplicas")
}

fn containers(object: &Value) -> impl Iterator<Item = &Value> {
    let of = |name| list(object, &["spec", "template", "spec", name]);
    of("initContainers").iter().chain(of("containers"))
}

fn image_list(object: &Value) -> Value {
    containers(object).map(|one| said(one, &["image"])).collect::<Vec<Value>>().into()
}

fn images(old: &Value, new: &Value, facts: &mut Vec<Fact>) {
    for container in containers(new) {
        let name = text(container, &["name"]);
        let Some(before) = containers(old).find(|one| text(one, &["name"]) == name) else { continue };
        if text(before, &["image"]) == text(container, &["image"]) {
            continue;
        }
        let generation = number(new, &["metadata", "generation"]);
        let data = [
            ("container", name.into()),
            ("image", said(container, &["image"])),
            ("previous", said(before, &["image"])),
            ("images", image_list(new)),
            ("generation", generation.into()),
        ];
        let id = format!("image-changed:{}:{name}", generation.unwrap_or_default());
        facts.push(Fact::new("deployment.image-changed", id, data));
    }
}
