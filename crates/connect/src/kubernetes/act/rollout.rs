//! `kubernetes/rollout-restart`, `rollout-pause`, `rollout-resume` and `set-image`: what starts, holds and lets go a
//! rollout, with kubectl's patches.

use ensue_event::ours::Failure;
use serde_json::{Value, json};

use super::change::Patch;
use super::{Act, changed};
use crate::action::wrong;
use crate::kubernetes::object::{list, outputs, text};

/// The effect that restarted a workload last, on its template.
const RESTART: &str = "ensue.dev/restart";

/// Whether a deployment is paused.
pub(super) fn is_paused(object: &Value) -> bool {
    object.pointer("/spec/paused") == Some(&Value::Bool(true))
}

/// Replaces all pods, as kubectl does: the template gets the time of the restart, and which effect it was.
pub(super) async fn restart(act: &Act<'_>) -> Result<Value, Failure> {
    let target = act.workload().await?;
    let (now, effect) = (jiff::Timestamp::now(), act.call.effect.to_string());
    let restarted = format!("{}Z", now.strftime("%Y-%m-%dT%H:%M:%S"));
    let annotations = json!({ "kubectl.kubernetes.io/restartedAt": restarted, RESTART: effect });
    let patch = Patch::Strategic(json!({ "spec": { "template": { "metadata": { "annotations": annotations } } } }));
    let path = target.path();
    let done = act.change(&path, |before| {
        // Another effect may have marked it since.
        let ours = before.pointer("/spec/template/metadata/annotations").and_then(|all| all.get(RESTART)?.as_str());
        if ours == Some(effect.as_str()) {
            return Ok(None);
        }
        if is_paused(before) {
            return Err(wrong(format!("{} is paused; kubernetes/rollout-resume it first", target.title())));
        }
        Ok(Some(patch.clone()))
    });
    let done = done.await?;
    let mut outputs = outputs(&done.object);
    outputs.insert("restartedAt".to_owned(), json!(restarted));
    Ok(changed(done.changed, outputs))
}

/// Holds the rollout of a deployment.
pub(super) async fn pause(act: &Act<'_>) -> Result<Value, Failure> {
    paused(act, true).await
}

/// Lets it go on.
pub(super) async fn resume(act: &Act<'_>) -> Result<Value, Failure> {
    paused(act, false).await
}

async fn paused(act: &Act<'_>, pause: bool) -> Result<Value, Failure> {
    let target = act.deployment().await?;
    let value = if pause { Value::Bool(true) } else { Value::Null };
    let patch = Patch::Strategic(json!({ "spec": { "paused": value } }));
    let make = |before: &Value| Ok((is_paused(before) != pause).then(|| patch.clone()));
    let done = act.change(&target.path(), make).await?;
    Ok(changed(done.changed, outputs(&done.object)))
}

/// Sets the images of containers.
pub(super) async fn set_image(act: &Act<'_>) -> Result<Value, Failure> {
    let target = act.workload().await?;
    let images = act.call.field("images").and_then(Value::as_object).filter(|map| !map.is_empty());
    let images = images.ok_or_else(|| wrong("kubernetes/set-image needs `images`: { CONTAINER: IMAGE }"))?;
    let make = |before: &Value| {
        let mut patch = serde_json::Map::new();
        let mut missing: Vec<&str> = images.keys().map(String::as_str).filter(|name| *name != "*").collect();
        for part in ["containers", "initContainers"] {
            let containers = list(before, &format!("/spec/template/spec/{part}"));
            let names: Vec<&str> = containers.iter().map(|one| text(one, "/name")).collect();
            let all = images.get("*").filter(|_| part == "containers");
            let set = names.iter().filter_map(|name| {
                let image = images.get(*name).or(all)?;
                Some(json!({ "name": name, "image": image }))
            });
            let set: Vec<Value> = set.collect();
            missing.retain(|name| !names.contains(name));
            if !set.is_empty() {
                // kubectl sends the order along, so that containers stay where they are.
                let order: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
                patch.insert(format!("$setElementOrder/{part}"), order.into());
                patch.insert(part.to_owned(), set.into());
            }
        }
        match missing.as_slice() {
            [] => Ok(Some(Patch::Strategic(json!({ "spec": { "template": { "spec": patch } } })))),
            some => {
                let known = list(before, "/spec/template/spec/containers").iter().map(|one| text(one, "/name"));
                let known: Vec<&str> = known.collect();
                let (some, known) = (some.join(", "), known.join(", "));
                Err(wrong(format!("{} has no container {some}; it has {known}", target.title())))
            }
        }
    };
    let done = act.change(&target.path(), make).await?;
    Ok(changed(done.changed, outputs(&done.object)))
}
