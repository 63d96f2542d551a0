//! `kubernetes/rollout-wait`: how far a rollout is, in the words of `kubectl rollout status`.

use ensue_event::ours::Failure;
use serde_json::{Value, json};

use super::Act;
use super::follow::Look;
use crate::action::wrong;
use crate::kubernetes::object::{condition, images, number, revision, text};

/// Waits until the rollout of a workload is over.
pub(super) async fn wait(act: &Act<'_>) -> Result<Value, Failure> {
    let target = act.workload().await?;
    let wanted = act.number("revision")?;
    let title = target.title();
    let done = act.follow(&target, |object| {
        let Some(object) = object else { return Err(Failure::new("NotFound", format!("{title} is not there"))) };
        if let Some(is) = revision(object).filter(|is| wanted.is_some_and(|wanted| wanted != *is)) {
            let wanted = wanted.unwrap_or_default();
            return Err(wrong(format!("{title} is at revision {is}, not at {wanted}: another rollout took over")));
        }
        let look = match target.kind.kind.as_str() {
            "Deployment" => deployment(object)?,
            "StatefulSet" => stateful_set(object)?,
            _ => daemon_set(object),
        };
        Ok(match look {
            Look::Done(message) => Look::Done((object.clone(), message)),
            Look::Waits(reason) => Look::Waits(format!("{title}: {reason}")),
        })
    });
    let (object, message) = done.await?;
    act.call.log.line(&format!("{title}: {message}"));
    Ok(json!({ "message": message, "revision": revision(&object), "images": images(&object),
        "replicas": number(&object, "/status/replicas").or_else(|| number(&object, "/status/numberAvailable")) }))
}

/// Whether the controller has seen the newest specification.
fn observed(object: &Value) -> bool {
    let generation = number(object, "/metadata/generation").unwrap_or(0);
    number(object, "/status/observedGeneration").is_some_and(|observed| observed >= generation)
}

fn waits(reason: String) -> Look<String> {
    Look::Waits(reason)
}

fn deployment(object: &Value) -> Result<Look<String>, Failure> {
    let status = |name: &str| number(object, &format!("/status/{name}")).unwrap_or(0);
    if !observed(object) {
        return Ok(waits("waiting for its specification to be observed".to_owned()));
    }
    let progressing = condition(object, "Progressing");
    if let Some(progressing) = progressing.filter(|one| text(one, "/reason") == "ProgressDeadlineExceeded") {
        let name = text(object, "/metadata/name");
        let mut failure = wrong(format!(
            "deployment {name} exceeded its progress deadline: {} of {} updated replicas are available",
            status("availableReplicas").min(status("updatedReplicas")),
            number(object, "/spec/replicas").unwrap_or(1),
        ));
        failure.details = json!({ "reason": "ProgressDeadlineExceeded", "message": text(progressing, "/message"),
            "revision": revision(object) });
        return Err(failure);
    }
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let (replicas, updated, available) = (status("replicas"), status("updatedReplicas"), status("availableReplicas"));
    let reason = if updated < wanted {
        format!("waiting for {updated} of {wanted} updated replicas")
    } else if replicas > updated {
        format!("{} old replicas are pending termination", replicas - updated)
    } else if available < updated {
        format!("{available} of {updated} updated replicas are available")
    } else {
        return Ok(Look::Done("successfully rolled out".to_owned()));
    };
    if object.pointer("/spec/paused") == Some(&Value::Bool(true)) {
        let name = text(object, "/metadata/name");
        return Err(wrong(format!("deployment {name} is paused: {reason}; kubernetes/rollout-resume lets it go on")));
    }
    Ok(waits(reason))
}

fn stateful_set(object: &Value) -> Result<Look<String>, Failure> {
    let status = |name: &str| number(object, &format!("/status/{name}")).unwrap_or(0);
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return Err(wrong("a rollout can be waited for only with the update strategy RollingUpdate, not OnDelete"));
    }
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
    let (ready, updated) = (status("readyReplicas"), status("updatedReplicas"));
    Ok(if !observed(object) {
        waits("waiting for its specification to be observed".to_owned())
    } else if ready < wanted {
        waits(format!("waiting for {} pods to be ready", wanted - ready))
    } else if updated < wanted - partition {
        waits(format!("waiting for {updated} of {} new pods", wanted - partition))
    } else {
        Look::Done(format!("rolled out, {updated} new pods"))
    })
}

fn daemon_set(object: &Value) -> Look<String> {
    let status = |name: &str| number(object, &format!("/status/{name}")).unwrap_or(0);
    let (wanted, updated, available) =
        (status("desiredNumberScheduled"), status("updatedNumberScheduled"), status("numberAvailable"));
    if !observed(object) {
        waits("waiting for its specification to be observed".to_owned())
    } else if updated < wanted {
        waits(format!("waiting for {updated} of {wanted} new pods"))
    } else if available < wanted {
        waits(format!("{available} of {wanted} updated pods are available"))
    } else {
        Look::Done("successfully rolled out".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(look: Result<Look<String>, Failure>) -> String {
        match look {
            Ok(Look::Done(message)) => format!("done: {message}"),
            Ok(Look::Waits(reason)) => reason,
            Err(failure) => format!("! {}", failure.message),
        }
    }

    #[test]
    fn a_rollout_is_told_as_kubectl_does() {
        let case = |paused: bool, observed: i64, [replicas, updated, available]: [i64; 3], reason: &str| {
            let object = json!({
                "metadata": { "name": "web", "generation": 2 }, "spec": { "replicas": 3, "paused": paused },
                "status": { "observedGeneration": observed, "replicas": replicas, "updatedReplicas": updated,
                    "availableReplicas": available, "conditions": [{ "type": "Progressing", "reason": reason }] },
            });
            told(deployment(&object))
        };
        let fine = "ReplicaSetUpdated";
        assert_eq!(case(false, 1, [3, 3, 3], fine), "waiting for its specification to be observed");
        assert_eq!(case(false, 2, [3, 1, 3], fine), "waiting for 1 of 3 updated replicas");
        assert_eq!(case(false, 2, [4, 3, 3], fine), "1 old replicas are pending termination");
        assert_eq!(case(false, 2, [3, 3, 2], fine), "2 of 3 updated replicas are available");
        assert_eq!(case(false, 2, [3, 3, 3], fine), "done: successfully rolled out");
        assert_eq!(
            case(false, 2, [4, 1, 3], "ProgressDeadlineExceeded"),
            "! deployment web exceeded its progress deadline: 1 of 3 updated replicas are available"
        );
        assert!(case(true, 2, [3, 0, 3], fine).starts_with("! deployment web is paused: waiting for 0 of 3"));
    }

    #[test]
    fn sets_are_told_too() {
        let set = |observed: i64, ready: i64, updated: i64| {
            told(stateful_set(&json!({
                "metadata": { "generation": 1 },
                "spec": { "replicas": 3, "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 1 } } },
                "status": { "observedGeneration": observed, "readyReplicas": ready, "updatedReplicas": updated },
            })))
        };
        assert_eq!(set(0, 3, 3), "waiting for its specification to be observed");
        assert_eq!(set(1, 1, 0), "waiting for 2 pods to be ready");
        assert_eq!(set(1, 3, 1), "waiting for 1 of 2 new pods");
        assert_eq!(set(1, 3, 2), "done: rolled out, 2 new pods");
        let on_nodes = json!({ "metadata": { "generation": 1 }, "status": { "observedGeneration": 1,
            "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1 } });
        assert_eq!(told(Ok(daemon_set(&on_nodes))), "1 of 2 updated pods are available");
    }
}
