//! `wait-for`, and the waits for kinds that people run as work.

use std::sync::Arc;
use std::time::Duration;

use ensue_connect::kubernetes::Ask;
use serde_json::{Value, json};

use crate::cluster::{Kit, with};

/// Patches an object a little later.
fn later(kit: &Arc<Kit>, path: &str, change: Value) {
    let (kit, path) = (Arc::clone(kit), path.to_owned());
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        kit.patch(&path, change).await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_or_an_expression_is_waited_for() {
    with("a_condition_or_an_expression", |kit| async move {
        let pod = kit.pod("p").await;
        let of = |more: Value| {
            let mut with = json!({ "kind": "Pod", "name": "p" });
            with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            with
        };
        let ready = |status: &str| {
            json!({ "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": status, "reason": "Test", "message": "so" }] } })
        };
        kit.patch(&format!("{pod}/status"), ready("False")).await;
        let waits = kit.effect(1, "wait-for", of(json!({ "condition": "Ready" })));
        later(&kit, &format!("{pod}/status"), ready("True"));
        assert_eq!(waits.ok().await["object"]["status"]["phase"], "Running");
        assert!(waits.said().contains("Ready is False: Test so"), "{}", waits.said());
        let other = kit.effect(2, "wait-for", of(json!({ "condition": "Ready=False" }))).timeout(2).err().await;
        assert!(other.message.contains("Ready is True"), "{}", other.message);
        later(&kit, &pod, json!({ "metadata": { "labels": { "tier": "web" } } }));
        kit.ok(3, "wait-for", of(json!({ "if": "object.metadata.labels.tier == \"web\"" }))).await;
        let unfit = kit.err(4, "wait-for", of(json!({ "if": "object." }))).await;
        assert_eq!((unfit.name.as_str(), unfit.retryable), ("Expression", false));
        let (there, at) = (Arc::clone(&kit), pod.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            there.delete(&at).await;
        });
        assert_eq!(kit.ok(5, "wait-for", of(json!({ "deleted": true }))).await["object"], Value::Null);
    })
    .await;
}

/// Per ready-made wait what the object is besides its name, what its status says while it goes on, when it has
/// succeeded, when it has failed, and what is told of that.
fn cases() -> Vec<(&'static str, Value, [Value; 3], &'static str)> {
    let condition = |kind: &str, status: &str, message: &str| json!({ "conditions": [{ "type": kind, "status": status, "message": message }] });
    let flux = |handled: &str, status: &str| {
        let mut status = condition("Ready", status, "no such branch");
        status["lastHandledReconcileAt"] = json!(handled);
        status
    };
    let sync = |phase: &str, message: &str, health: &str| json!({ "operationState": { "phase": phase, "message": message }, "sync": { "status": "Synced" }, "health": { "status": health } });
    vec![
        (
            "argo-workflow",
            json!({}),
            [
                json!({ "phase": "Running" }),
                json!({ "phase": "Succeeded" }),
                json!({ "phase": "Failed", "message": "child failed" }),
            ],
            "child failed",
        ),
        (
            "tekton-pipelinerun",
            json!({}),
            [
                condition("Succeeded", "Unknown", "running"),
                condition("Succeeded", "True", ""),
                condition("Succeeded", "False", "task build failed"),
            ],
            "task build failed",
        ),
        (
            "argocd-sync",
            json!({}),
            [
                sync("Running", "", "Progressing"),
                sync("Succeeded", "", "Healthy"),
                sync("Failed", "one or more objects failed", "Missing"),
            ],
            "one or more objects failed",
        ),
        (
            "argo-rollout",
            json!({}),
            [
                // Of the generation before.
                json!({ "phase": "Healthy", "observedGeneration": "0" }),
                json!({ "phase": "Healthy", "observedGeneration": "1" }),
                json!({ "phase": "Degraded", "observedGeneration": "1", "message": "analysis failed" }),
            ],
            "analysis failed",
        ),
        (
            "flux-reconcile",
            json!({ "reconcile.fluxcd.io/requestedAt": "now" }),
            [flux("before", "True"), flux("now", "True"), flux("now", "False")],
            "no such branch",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_waited_for_until_its_status_says_how_it_went() {
    with("work_is_waited_for", |kit| async move {
        let group = format!("{}.example.com", kit.namespace);
        let crd = kit.definition(&group, "Work", "works").await;
        let works = format!("/apis/{group}/v1/namespaces/{}/works", kit.namespace);
        for (nth, (wait, notes, [goes_on, succeeded, failed], why)) in cases().into_iter().enumerate() {
            let key = u8::try_from(nth * 2 + 1).unwrap();
            let manifest = |name: &str| {
                json!({ "apiVersion": format!("{group}/v1"), "kind": "Work", "spec": { "a": 1 },
                    "metadata": { "name": format!("{name}-{nth}"), "annotations": notes } })
            };
            for (name, key, end) in [("good", key, &succeeded), ("bad", key + 1, &failed)] {
                let create = kit.effect(key, "create", json!({ "manifest": manifest(name), "wait": wait }));
                let path = format!("{works}/{name}-{nth}");
                let tells = async {
                    kit.until(&path, |object| object["kind"] == "Work").await;
                    kit.patch(&format!("{path}/status"), json!({ "status": goes_on })).await;
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    kit.patch(&format!("{path}/status"), json!({ "status": end })).await;
                };
                if name == "good" {
                    let (outputs, ()) = tokio::join!(create.ok(), tells);
                    assert_eq!(outputs["object"]["status"], succeeded, "{wait}");
                } else {
                    let (failure, ()) = tokio::join!(create.err(), tells);
                    assert_eq!(failure.name, "StepFailed", "{wait}");
                    let said = format!("Work {}/bad-{nth} failed: {why}", kit.namespace);
                    assert_eq!(failure.message, said, "{wait}");
                    assert_eq!(failure.details, failed, "{wait}");
                }
            }
        }
        let definition = json!({ "kind": "CustomResourceDefinition", "name": crd, "wait": "established" });
        kit.ok(100, "wait-for", definition).await;
        let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        kit.cluster.send(Ask::delete(format!("{crds}/{crd}"), &Value::Null)).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_goes_on_when_the_connection_is_lost() {
    crate::cluster::with_faults("a_wait_goes_on", |kit| async move {
        kit.config_map("m", json!({}), json!({})).await;
        let waits =
            kit.effect(1, "wait-for", json!({ "kind": "ConfigMap", "name": "m", "if": "object.data.a == \"b\"" }));
        let path = format!("{}/m", kit.at("configmaps"));
        let breaks = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            kit.fake().faults().drop_watches("configmaps");
            kit.patch(&path, json!({ "data": { "a": "b" } })).await;
        };
        tokio::join!(waits.ok(), breaks);
        // Nothing to wait for any more, and nothing that would come.
        let gone = kit.effect(2, "wait-for", json!({ "kind": "ConfigMap", "name": "none", "condition": "Ready" }));
        let failure = gone.timeout(2).err().await;
        assert!(failure.message.contains("is not there yet"), "{}", failure.message);
    })
    .await;
}
