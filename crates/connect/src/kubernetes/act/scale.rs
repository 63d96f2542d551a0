//! `kubernetes/scale`: the replicas of a workload, unless an autoscaler has them.

use ensue_event::ours::Failure;
use serde_json::{Value, json};

use super::change::Patch;
use super::target::Target;
use super::{Act, changed};
use crate::action::wrong;
use crate::kubernetes::client::Ask;
use crate::kubernetes::object::{number, outputs, set, text};

/// Kinds whose replicas stand at `spec.replicas`, so that the mark can be written with them. Others are asked by their
/// scale subresource, which carries no annotation.
const PLAIN: [&str; 4] = ["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"];

/// Scales it.
pub(super) async fn scale(act: &Act<'_>) -> Result<Value, Failure> {
    let target = act.target().await?;
    let wanted = act.number("replicas")?.filter(|wanted| *wanted >= 0);
    let wanted = wanted.ok_or_else(|| wrong("kubernetes/scale needs `replicas`, a whole number of at least 0"))?;
    let from = act.number("fromReplicas")?;
    if !target.kind.subresources.iter().any(|part| part == "scale") {
        return Err(wrong(format!("{} cannot be scaled: its kind has no replicas", target.title())));
    }
    if !act.is("force") {
        not_autoscaled(act, &target).await?;
    }
    let plain = matches!(target.kind.group.as_str(), "" | "apps") && PLAIN.contains(&target.kind.kind.as_str());
    if !plain {
        return by_subresource(act, &target, wanted, from).await;
    }
    let patch = Patch::Merge(json!({ "spec": { "replicas": wanted } }));
    let make = |before: &Value| {
        let is = number(before, "/spec/replicas").unwrap_or(1);
        Ok((is != wanted && from.is_none_or(|from| from == is)).then(|| patch.clone()))
    };
    let done = act.change(&target.path(), make).await?;
    let mut outputs = outputs(&done.object);
    outputs.insert("replicas".to_owned(), number(&done.object, "/spec/replicas").into());
    Ok(changed(done.changed, outputs))
}

/// As kubectl does it.
async fn by_subresource(act: &Act<'_>, target: &Target, wanted: i64, from: Option<i64>) -> Result<Value, Failure> {
    let path = format!("{}/scale", target.path());
    let mut scale = act.cluster.send(Ask::get(&path)).await?;
    let is = number(&scale, "/spec/replicas").unwrap_or(0);
    if is == wanted || from.is_some_and(|from| from != is) {
        return Ok(json!({ "changed": false, "replicas": is }));
    }
    set(&mut scale, &["spec", "replicas"], wanted.into());
    // With the version that was read: a second one with the same key finds it done.
    act.cluster.send(Ask::replace(&path, &scale).query("fieldManager", super::MANAGER)).await?;
    Ok(json!({ "changed": true, "replicas": wanted }))
}

/// Refuses what an autoscaler would take back within seconds.
async fn not_autoscaled(act: &Act<'_>, target: &Target) -> Result<(), Failure> {
    let kind = match act.cluster.kind("autoscaling/v2/HorizontalPodAutoscaler").await {
        Ok(kind) => kind,
        Err(failure) if failure.name == "NotServed" => return Ok(()),
        Err(failure) => return Err(failure),
    };
    let (all, _) = act.all(&kind, target.namespace.as_deref(), None, None, 10_000).await?;
    let aims = |scaler: &&Value| {
        let group = text(scaler, "/spec/scaleTargetRef/apiVersion").split_once('/').map_or("", |(group, _)| group);
        group == target.kind.group
            && text(scaler, "/spec/scaleTargetRef/kind") == target.kind.kind
            && text(scaler, "/spec/scaleTargetRef/name") == target.name
    };
    let Some(scaler) = all.iter().find(aims) else { return Ok(()) };
    let (least, most) =
        (number(scaler, "/spec/minReplicas").unwrap_or(1), number(scaler, "/spec/maxReplicas").unwrap_or(0));
    let mut failure = wrong(format!(
        "{} is scaled by the HorizontalPodAutoscaler {} ({least} to {most} replicas), which would take it back; change its \
         `minReplicas` or `maxReplicas`, or say `force: true`",
        target.title(),
        text(scaler, "/metadata/name"),
    ));
    failure.details = json!({ "reason": "Autoscaled", "autoscaler": text(scaler, "/metadata/name") });
    Err(failure)
}
