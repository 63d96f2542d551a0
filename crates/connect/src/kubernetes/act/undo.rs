//! `kubernetes/rollout-undo`: a deployment back to an earlier template, as kubectl does it: the server has no operation
//! for it, the template of the older replica set is written into the deployment.

use ensue_event::ours::Failure;
use serde_json::{Map, Value, json};

use super::change::Patch;
use super::rollout::is_paused;
use super::{Act, changed};
use crate::action::wrong;
use crate::kubernetes::client::Ask;
use crate::kubernetes::kind::Kind;
use crate::kubernetes::object::{CAUSE, LAST_APPLIED, REVISION, list, number, outputs, revision, set, text};

/// Annotations that a deployment keeps when it goes back; all others are those of the replica set (kubectl's
/// `annotationsToSkip`).
const KEPT: [&str; 7] = [
    LAST_APPLIED,
    REVISION,
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
    CAUSE,
];

/// What replica sets have in addition to the labels of their template.
const HASH: &str = "pod-template-hash";

/// Goes back to `toRevision`, or the one before, if `fromRevision` is current still; else nothing happens, and the
/// outputs say so: somebody was faster, and what they did is not undone.
pub(super) async fn undo(act: &Act<'_>) -> Result<Value, Failure> {
    let target = act.deployment().await?;
    let from = act.number("fromRevision")?;
    let from = from.ok_or_else(|| {
        wrong("kubernetes/rollout-undo needs `fromRevision`: the revision that is to be undone, as the event or kubernetes/get told it")
    })?;
    let to = act.number("toRevision")?;
    let sets = act.cluster.kind("apps/v1/ReplicaSet").await?;
    let deployment = act.cluster.send(Ask::get(target.path())).await?;
    let history = history(act, &sets, &deployment).await?;
    let (mut reason, mut old) = (String::new(), None);
    let path = target.path();
    let done = act.change(&path, |before| match back(&target.title(), before, &history, from, to)? {
        Back::To { revision, patch } => {
            old = Some(revision);
            Ok(Some(Patch::Json(patch)))
        }
        Back::Nothing(why) => {
            reason = why;
            Ok(None)
        }
    });
    let done = done.await?;
    let mut outputs = outputs(&done.object);
    if done.changed {
        // What the controller will call it, unless it has done so already.
        let next = history.iter().filter_map(revision).max().unwrap_or(from) + 1;
        let next = revision(&done.object).filter(|is| *is > from).unwrap_or(next);
        outputs.insert("revision".to_owned(), next.into());
        outputs.insert("toRevision".to_owned(), old.into());
    } else {
        outputs.insert("reason".to_owned(), reason.clone().into());
    }
    act.call.log.line(&match old {
        Some(old) if done.changed => {
            format!("{} goes back from revision {from} to the template of {old}", target.title())
        }
        _ if done.changed => format!("{} went back already", target.title()),
        _ => format!("nothing is undone: {reason}"),
    });
    Ok(changed(done.changed, outputs))
}

/// The replica sets of a deployment.
async fn history(act: &Act<'_>, sets: &Kind, deployment: &Value) -> Result<Vec<Value>, Failure> {
    let labels = deployment.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let labels = labels.into_iter().flatten().filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)));
    let labels = labels.collect::<Vec<_>>().join(",");
    let namespace = Some(text(deployment, "/metadata/namespace"));
    let (all, _) = act.all(sets, namespace, Some(&labels), None, 10_000).await?;
    let uid = text(deployment, "/metadata/uid");
    let ours = |set: &Value| list(set, "/metadata/ownerReferences").iter().any(|owner| text(owner, "/uid") == uid);
    Ok(all.into_iter().filter(ours).collect())
}

enum Back {
    /// To the template of this revision.
    To { revision: i64, patch: Vec<Value> },
    /// Why not.
    Nothing(String),
}

/// What is to be done.
fn back(title: &str, deployment: &Value, history: &[Value], from: i64, to: Option<i64>) -> Result<Back, Failure> {
    let Some(current) = revision(deployment) else {
        return Ok(Back::Nothing(format!("{title} has no revision yet")));
    };
    if current != from {
        return Ok(Back::Nothing(format!("{title} is at revision {current}, no longer at {from}")));
    }
    // The controller has not seen the newest template, which is the one of a revision to come.
    let (generation, observed) =
        (number(deployment, "/metadata/generation"), number(deployment, "/status/observedGeneration"));
    let template = bare(deployment);
    if generation > observed && !history.iter().any(|set| revision(set) == Some(from) && bare(set) == template) {
        return Ok(Back::Nothing(format!("{title} has a newer template than that of revision {from}")));
    }
    if is_paused(deployment) {
        return Err(wrong(format!("{title} is paused and cannot go back; kubernetes/rollout-resume it first")));
    }
    let mut revisions: Vec<(i64, &Value)> = history.iter().filter_map(|set| Some((revision(set)?, set))).collect();
    revisions.sort_by_key(|(revision, _)| *revision);
    let known: Vec<String> = revisions.iter().map(|(revision, _)| revision.to_string()).collect();
    let found = match to {
        Some(to) => revisions.iter().find(|(revision, _)| *revision == to),
        None => revisions.iter().rev().find(|(revision, _)| *revision < current),
    };
    let Some((revision, set)) = found else {
        let wanted =
            to.map_or_else(|| "no revision before the current one".to_owned(), |to| format!("no revision {to}"));
        return Err(wrong(format!("{title} has {wanted} in its history; there are {}", known.join(", "))));
    };
    if bare(set) == template {
        return Ok(Back::Nothing(format!("{title} has the template of revision {revision} already")));
    }
    Ok(Back::To { revision: *revision, patch: patch(deployment, set) })
}

/// A template without what only replica sets have.
fn bare(object: &Value) -> Value {
    let mut template = object.pointer("/spec/template").cloned().unwrap_or_default();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(HASH);
    }
    set(&mut template, &["metadata", "creationTimestamp"], Value::Null);
    template
}

/// kubectl's patch: the whole template, and the annotations of the replica set beside those that are kept.
fn patch(deployment: &Value, set: &Value) -> Vec<Value> {
    let all = |object: &Value| {
        object.pointer("/metadata/annotations").and_then(Value::as_object).cloned().unwrap_or_default()
    };
    let mut annotations: Map<String, Value> = all(deployment);
    annotations.retain(|name, _| KEPT.contains(&name.as_str()));
    annotations.extend(all(set).into_iter().filter(|(name, _)| !KEPT.contains(&name.as_str())));
    vec![
        json!({ "op": "replace", "path": "/spec/template", "value": bare(set) }),
        json!({ "op": "replace", "path": "/metadata/annotations", "value": annotations }),
    ]
}
