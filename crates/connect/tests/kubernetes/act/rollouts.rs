//! `scale`, `rollout-*` and `set-image`.

use std::sync::Arc;

use ensue_event::Key;
use serde_json::{Value, json};

use super::kubelet;
use crate::cluster::{Kit, with};
use crate::reader::{read, settings};

fn images(object: &Value) -> &Value {
    &object["spec"]["template"]["spec"]["containers"][0]["image"]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_autoscaler_scales_is_left_to_it() {
    with("what_an_autoscaler_scales", |kit| async move {
        let path = kit.deployment("web", json!({})).await;
        let to = |replicas: u8| json!({ "deployment": "web", "replicas": replicas });
        let outputs = kit.ok(1, "scale", to(3)).await;
        assert_eq!((&outputs["changed"], &outputs["replicas"]), (&json!(true), &json!(3)));
        assert_eq!(kit.ok(2, "scale", to(3)).await["changed"], false);
        let from = json!({ "deployment": "web", "replicas": 9, "fromReplicas": 2 });
        assert_eq!(kit.ok(3, "scale", from).await["changed"], false);
        let scaler = json!({ "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "web-load" }, "spec": {
            "minReplicas": 2, "maxReplicas": 5, "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
            "metrics": [{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } } }] } });
        let scalers = format!("/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers", kit.namespace);
        kit.create(&scalers, scaler).await;
        let failure = kit.err(4, "scale", to(4)).await;
        assert_eq!((failure.name.as_str(), failure.retryable), ("StepFailed", false));
        let said = format!(
            "Deployment {}/web is scaled by the HorizontalPodAutoscaler web-load (2 to 5 replicas), which would take it back; \
             change its `minReplicas` or `maxReplicas`, or say `force: true`",
            kit.namespace
        );
        assert_eq!(failure.message, said);
        assert_eq!(kit.get(&path).await["spec"]["replicas"], 3);
        let mut forced = to(4);
        forced["force"] = json!(true);
        assert_eq!(kit.ok(5, "scale", forced).await["changed"], true);
        let failure = kit.err(6, "scale", json!({ "kind": "ConfigMap", "name": "m", "replicas": 1 })).await;
        assert!(failure.message.contains("its kind has no replicas"), "{}", failure.message);
    })
    .await;
}

/// A deployment `web` with image 2 at revision 2, which was image 1 before.
async fn twice_rolled(kit: &Arc<Kit>) -> String {
    let path = kit.deployment("web", json!({})).await;
    kit.rolled(&path, 1).await;
    let with = json!({ "deployment": "web", "images": { "app": "registry.example.com/app:2" } });
    let outputs = kit.ok(100, "set-image", with).await;
    assert_eq!(outputs["images"], json!(["registry.example.com/app:2"]));
    kit.rolled(&path, 2).await;
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_happens_once_and_only_from_the_revision_it_names() {
    with("a_rollback_happens_once", |kit| async move {
        let _kubelet = kubelet(&kit);
        let path = twice_rolled(&kit).await;
        let undo = json!({ "deployment": "web", "fromRevision": 2 });
        let outputs = kit.ok(1, "rollout-undo", undo.clone()).await;
        assert_eq!((&outputs["changed"], &outputs["toRevision"]), (&json!(true), &json!(1)));
        assert_eq!(outputs["revision"], 3);
        let back = kit.rolled(&path, 3).await;
        assert_eq!(images(&back), "registry.example.com/app:1");
        // Again, by the same effect: it is not undone a second time.
        assert_eq!(kit.ok(1, "rollout-undo", undo.clone()).await["changed"], true);
        // By another: revision 2 is not current any more.
        let late = kit.ok(2, "rollout-undo", undo).await;
        assert_eq!(late["changed"], false);
        let said = format!("Deployment {}/web is at revision 3, no longer at 2", kit.namespace);
        assert_eq!(late["reason"], said);
        assert_eq!(kit.get(&path).await["metadata"]["generation"], back["metadata"]["generation"]);
        let none = kit.err(3, "rollout-undo", json!({ "deployment": "web", "fromRevision": 3, "toRevision": 9 })).await;
        assert!(none.message.contains("has no revision 9 in its history; there are 2, 3"), "{}", none.message);
        let needs = kit.err(4, "rollout-undo", json!({ "deployment": "web" })).await;
        assert!(needs.message.contains("needs `fromRevision`"), "{}", needs.message);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_no_revision_has_yet_is_not_undone() {
    with("a_template_that_no_revision", |kit| async move {
        let _kubelet = kubelet(&kit);
        let path = twice_rolled(&kit).await;
        // Held, the newest template has no replica set.
        kit.ok(1, "rollout-pause", json!({ "deployment": "web" })).await;
        kit.ok(2, "set-image", json!({ "deployment": "web", "images": { "*": "registry.example.com/app:3" } })).await;
        kit.until(&path, |one| one["metadata"]["generation"] == one["status"]["observedGeneration"]).await;
        let undo = json!({ "deployment": "web", "fromRevision": 2 });
        let failure = kit.err(3, "rollout-undo", undo.clone()).await;
        assert!(failure.message.contains("is paused and cannot go back"), "{}", failure.message);
        if let Some(fake) = &kit.fake {
            // A controller that has not seen it yet: the annotation names the old revision still.
            fake.controllers(false);
            kit.ok(4, "rollout-resume", json!({ "deployment": "web" })).await;
            let outputs = kit.ok(5, "rollout-undo", undo).await;
            assert_eq!(outputs["changed"], false);
            assert!(outputs["reason"].as_str().unwrap().ends_with("has a newer template than that of revision 2"));
        }
        assert_eq!(images(&kit.get(&path).await), "registry.example.com/app:3");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_read_back_has_its_cause_and_no_other_has() {
    with("a_change_that_is_read_back", |kit| async move {
        let path = kit.deployment("web", json!({})).await;
        let (log, store) = (Arc::default(), Arc::default());
        let _reading = read(&kit, &log, &store, settings(&kit, &["deployments"]));
        log.caught_up(1).await;
        // What counts as a generation and what does not, but for the mark.
        let changes = [
            (1, "scale", json!({ "deployment": "web", "replicas": 0 })),
            (2, "label", json!({ "deployment": "web", "labels": { "a": "b" } })),
            (3, "annotate", json!({ "deployment": "web", "annotations": { "a": "b" } })),
            (4, "set-image", json!({ "deployment": "web", "images": { "app": "registry.example.com/app:2" } })),
        ];
        for (key, action, with) in changes {
            let outputs = kit.ok(key, action, with).await;
            let version = &outputs["object"]["metadata"]["resourceVersion"];
            let nth = log.nth("deployment.modified", version).await;
            assert_eq!(log.extension(nth, "causationid"), Some(Key([key; 16]).to_string()), "{action}");
        }
        // Somebody brings an old mark back with a change of their own.
        let old = kit.get(&path).await["metadata"]["annotations"]["ensue.dev/cause"].clone();
        kit.patch(&path, json!({ "metadata": { "annotations": { "ensue.dev/cause": null } } })).await;
        let back = json!({ "spec": { "replicas": 1 }, "metadata": { "annotations": { "ensue.dev/cause": old } } });
        let back = kit.patch(&path, back).await;
        let nth = log.nth("deployment.modified", &back["metadata"]["resourceVersion"]).await;
        assert_eq!(log.extension(nth, "causationid"), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_one_for_an_effect() {
    with("a_restart_is_one", |kit| async move {
        let _kubelet = kubelet(&kit);
        let path = kit.deployment("web", json!({})).await;
        kit.rolled(&path, 1).await;
        let with = json!({ "deployment": "web" });
        kit.ok(1, "rollout-restart", with.clone()).await;
        let after = kit.rolled(&path, 2).await;
        let notes = &after["spec"]["template"]["metadata"]["annotations"];
        assert!(notes["kubectl.kubernetes.io/restartedAt"].as_str().unwrap().ends_with('Z'));
        // Another effect has marked it since; the template knows who restarted it.
        kit.ok(2, "annotate", json!({ "deployment": "web", "annotations": { "a": "b" } })).await;
        assert_eq!(kit.ok(1, "rollout-restart", with.clone()).await["changed"], false);
        kit.ok(3, "rollout-restart", with.clone()).await;
        kit.rolled(&path, 3).await;
        kit.ok(4, "rollout-pause", with.clone()).await;
        let failure = kit.err(5, "rollout-restart", with).await;
        assert!(failure.message.contains("is paused; kubernetes/rollout-resume it first"), "{}", failure.message);
        let unfit = kit.err(6, "rollout-restart", json!({ "kind": "ConfigMap", "name": "m" })).await;
        assert!(unfit.message.contains("is for Deployments, StatefulSets and DaemonSets"), "{}", unfit.message);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_held_let_go_and_waited_for() {
    with("a_rollout_is_held", |kit| async move {
        let _kubelet = kubelet(&kit);
        let path = kit.deployment("web", json!({ "replicas": 2 })).await;
        let web = json!({ "deployment": "web" });
        let outputs = kit.ok(1, "rollout-wait", web.clone()).await;
        assert_eq!((&outputs["message"], &outputs["revision"]), (&json!("successfully rolled out"), &json!(1)));
        assert_eq!(kit.ok(2, "rollout-pause", web.clone()).await["changed"], true);
        assert_eq!(kit.ok(3, "rollout-pause", web.clone()).await["changed"], false);
        kit.ok(4, "set-image", json!({ "deployment": "web", "images": { "app": "registry.example.com/app:2" } })).await;
        kit.until(&path, |one| one["metadata"]["generation"] == one["status"]["observedGeneration"]).await;
        let failure = kit.err(5, "rollout-wait", web.clone()).await;
        assert_eq!(
            failure.message,
            "deployment web is paused: waiting for 0 of 2 updated replicas; kubernetes/rollout-resume lets it go on"
        );
        kit.ok(6, "rollout-resume", web.clone()).await;
        kit.rolled(&path, 2).await;
        let outputs = kit.ok(7, "rollout-wait", json!({ "deployment": "web", "revision": 2 })).await;
        assert_eq!(outputs["images"], json!(["registry.example.com/app:2"]));
        let other = kit.err(8, "rollout-wait", json!({ "deployment": "web", "revision": 1 })).await;
        assert!(other.message.contains("at revision 2, not at 1: another rollout took over"), "{}", other.message);
        let unknown = kit.err(9, "set-image", json!({ "deployment": "web", "images": { "db": "x" } })).await;
        assert!(unknown.message.contains("has no container db; it has app"), "{}", unknown.message);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_past_its_deadline_fails_with_the_reason() {
    with("a_rollout_past_its_deadline", |kit| async move {
        let labels = json!({ "app": "web", "ends": "never" });
        let template = json!({ "metadata": { "labels": labels }, "spec": { "nodeSelector": { "ensue.dev/test": "none" },
            "containers": [{ "name": "app", "image": "registry.example.com/app:1" }] } });
        kit.deployment("web", json!({ "progressDeadlineSeconds": 1, "template": template })).await;
        let wait = kit.effect(1, "rollout-wait", json!({ "deployment": "web" }));
        let failure = wait.err().await;
        assert_eq!(
            failure.message,
            "deployment web exceeded its progress deadline: 0 of 1 updated replicas are available"
        );
        assert!(!failure.retryable);
        assert_eq!(failure.details["reason"], "ProgressDeadlineExceeded");
        assert!(failure.details["message"].as_str().unwrap().contains("has timed out progressing"));
        assert!(wait.said().contains("0 of 1 updated replicas"), "{}", wait.said());
    })
    .await;
}
