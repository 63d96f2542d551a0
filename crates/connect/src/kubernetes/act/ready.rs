//! Ready-made waits: for kinds that people run as work, what their status says when it is over.

use ensue_event::ours::Failure;
use serde_json::Value;

use super::Act;
use super::follow::Look;
use super::target::Target;
use crate::action::wrong;
use crate::kubernetes::object::{annotation, condition, number, text};

/// What a status says.
enum Sign {
    /// The text at this pointer is one of these.
    Is(&'static str, &'static [&'static str]),
    /// The condition of this type has this status.
    Condition(&'static str, &'static str),
    /// All of these.
    All(&'static [Sign]),
}

/// How a status is known to be about what was asked last.
enum Fresh {
    /// It always is: the object is one piece of work.
    Always,
    /// `status.observedGeneration` is that of the object.
    Observed,
    /// The controller takes `operation` away when it has done it.
    Operation,
    /// As observed, and the last request by annotation is the one that was handled.
    Requested,
}

struct Ready {
    name: &'static str,
    fresh: Fresh,
    succeeded: &'static [Sign],
    failed: &'static [Sign],
    /// Where it says why.
    why: &'static [&'static str],
}

use Sign::{All, Condition, Is};

/// Flux: what the annotation asks for, and what the status says was handled (fluxcd.io, "Triggering a reconcile").
const REQUESTED: &str = "reconcile.fluxcd.io/requestedAt";

/// All of them.
const READY: [Ready; 9] = [
    Ready {
        name: "job",
        fresh: Fresh::Always,
        succeeded: &[Condition("Complete", "True")],
        failed: &[Condition("Failed", "True")],
        why: &[],
    },
    Ready {
        name: "argo-workflow",
        fresh: Fresh::Always,
        succeeded: &[Is("/status/phase", &["Succeeded"])],
        failed: &[Is("/status/phase", &["Failed", "Error"])],
        why: &["/status/message"],
    },
    Ready {
        name: "tekton-pipelinerun",
        fresh: Fresh::Always,
        succeeded: &[Condition("Succeeded", "True")],
        failed: &[Condition("Succeeded", "False")],
        why: &[],
    },
    Ready {
        name: "tekton-taskrun",
        fresh: Fresh::Always,
        succeeded: &[Condition("Succeeded", "True")],
        failed: &[Condition("Succeeded", "False")],
        why: &[],
    },
    Ready {
        name: "argocd-sync",
        fresh: Fresh::Operation,
        succeeded: &[All(&[
            Is("/status/operationState/phase", &["Succeeded"]),
            Is("/status/sync/status", &["Synced"]),
            Is("/status/health/status", &["Healthy"]),
        ])],
        failed: &[
            Is("/status/operationState/phase", &["Failed", "Error"]),
            All(&[Is("/status/operationState/phase", &["Succeeded"]), Is("/status/health/status", &["Degraded"])]),
        ],
        why: &["/status/operationState/message", "/status/health/message"],
    },
    Ready {
        name: "argo-rollout",
        fresh: Fresh::Observed,
        succeeded: &[Is("/status/phase", &["Healthy"])],
        failed: &[Is("/status/phase", &["Degraded"])],
        why: &["/status/message"],
    },
    Ready {
        name: "flux-reconcile",
        fresh: Fresh::Requested,
        succeeded: &[Condition("Ready", "True")],
        failed: &[Condition("Ready", "False"), Condition("Stalled", "True")],
        why: &[],
    },
    Ready {
        name: "established",
        fresh: Fresh::Always,
        succeeded: &[Condition("Established", "True")],
        failed: &[Condition("NamesAccepted", "False")],
        why: &[],
    },
    Ready {
        name: "ready",
        fresh: Fresh::Observed,
        succeeded: &[Condition("Ready", "True"), Condition("Available", "True")],
        failed: &[],
        why: &[],
    },
];

impl Sign {
    fn shows(&self, object: &Value) -> bool {
        match self {
            Is(pointer, values) => values.contains(&text(object, pointer)),
            Condition(kind, status) => condition(object, kind).is_some_and(|one| text(one, "/status") == *status),
            All(signs) => signs.iter().all(|sign| sign.shows(object)),
        }
    }

    /// What the condition of this sign says.
    fn told<'v>(&self, object: &'v Value) -> Option<&'v str> {
        match self {
            Condition(kind, _) => condition(object, kind).map(|one| match text(one, "/message") {
                "" => text(one, "/reason"),
                message => message,
            }),
            _ => None,
        }
    }
}

impl Fresh {
    fn holds(&self, object: &Value) -> bool {
        // Argo Rollouts writes the number as a text.
        let observed = number(object, "/status/observedGeneration")
            .or_else(|| text(object, "/status/observedGeneration").parse().ok());
        let seen = observed.is_none() || observed >= number(object, "/metadata/generation");
        match self {
            Fresh::Always => true,
            Fresh::Observed => seen,
            Fresh::Operation => object.get("operation").is_none_or(Value::is_null),
            Fresh::Requested => {
                let asked = annotation(object, REQUESTED);
                seen && (asked.is_empty() || asked == text(object, "/status/lastHandledReconcileAt"))
            }
        }
    }
}

fn look(row: &Ready, title: &str, object: &Value) -> Result<Look<Value>, Failure> {
    let shown = |signs: &'static [Sign]| signs.iter().find(|sign| row.fresh.holds(object) && sign.shows(object));
    if shown(row.succeeded).is_some() {
        return Ok(Look::Done(object.clone()));
    }
    let told = row.why.iter().map(|pointer| text(object, pointer)).find(|text| !text.is_empty());
    if let Some(sign) = shown(row.failed) {
        let why = told.or_else(|| sign.told(object)).unwrap_or("it does not say why");
        let mut failure = wrong(format!("{title} failed: {why}"));
        failure.details = object.get("status").cloned().unwrap_or_default();
        return Err(failure);
    }
    let told = told.or_else(|| row.succeeded.iter().find_map(|sign| sign.told(object)));
    let phase = text(object, "/status/phase");
    Ok(Look::Waits(match (phase, told) {
        ("", None) => format!("{title} has no result yet"),
        ("", Some(told)) => format!("{title}: {told}"),
        (phase, told) => format!("{title} is {phase}: {}", told.unwrap_or("no message")),
    }))
}

/// Waits for an object in a ready-made way.
pub(super) async fn wait(act: &Act<'_>, target: &Target, name: &str) -> Result<Value, Failure> {
    let Some(row) = READY.iter().find(|row| row.name == name) else {
        let known: Vec<&str> = READY.iter().map(|row| row.name).collect();
        return Err(wrong(format!("there is no ready-made wait `{name}`; there are {}", known.join(", "))));
    };
    let title = target.title();
    act.follow(target, |object| match object {
        Some(object) => look(row, &title, object),
        None => Err(Failure::new("NotFound", format!("{title} was deleted while it was waited for"))),
    })
    .await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_wait_knows_success_and_failure() {
        let told =
            |name: &str, object: Value| match look(READY.iter().find(|row| row.name == name).unwrap(), "it", &object) {
                Ok(Look::Done(_)) => "done".to_owned(),
                Ok(Look::Waits(reason)) => reason,
                Err(failure) => format!("! {}", failure.message),
            };
        let is = |kind: &str, status: &str| json!({ "status": { "conditions": [{ "type": kind, "status": status, "message": "m" }] } });
        let cases = [
            ("job", is("Complete", "True"), "done"),
            ("job", is("Failed", "True"), "! it failed: m"),
            ("job", json!({}), "it has no result yet"),
            ("argo-workflow", json!({ "status": { "phase": "Running" } }), "it is Running: no message"),
            (
                "argo-workflow",
                json!({ "status": { "phase": "Error", "message": "pod gone" } }),
                "! it failed: pod gone",
            ),
            ("tekton-pipelinerun", is("Succeeded", "Unknown"), "it: m"),
            ("tekton-pipelinerun", is("Succeeded", "True"), "done"),
            ("tekton-taskrun", is("Succeeded", "False"), "! it failed: m"),
            (
                // Of the sync before this one.
                "argocd-sync",
                json!({ "operation": {}, "status": { "operationState": { "phase": "Failed" } } }),
                "it has no result yet",
            ),
            (
                "argocd-sync",
                json!({ "status": { "operationState": { "phase": "Succeeded" }, "sync": { "status": "Synced" }, "health": { "status": "Progressing" } } }),
                "it has no result yet",
            ),
            (
                "argocd-sync",
                json!({ "status": { "operationState": { "phase": "Failed", "message": "no such branch" } } }),
                "! it failed: no such branch",
            ),
            (
                "argo-rollout",
                json!({ "metadata": { "generation": 3 }, "status": { "phase": "Healthy", "observedGeneration": "2" } }),
                "it is Healthy: no message",
            ),
            (
                "argo-rollout",
                json!({ "metadata": { "generation": 3 }, "status": { "phase": "Healthy", "observedGeneration": "3" } }),
                "done",
            ),
            (
                "flux-reconcile",
                json!({ "metadata": { "annotations": { REQUESTED: "b" } }, "status": { "lastHandledReconcileAt": "a", "conditions": [{ "type": "Ready", "status": "True" }] } }),
                "it: ",
            ),
            ("flux-reconcile", is("Ready", "False"), "! it failed: m"),
            ("established", is("Established", "True"), "done"),
            ("ready", is("Available", "True"), "done"),
        ];
        for (name, object, expected) in cases {
            assert_eq!(told(name, object.clone()), expected, "{name} {object}");
        }
    }
}
