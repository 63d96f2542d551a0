//! `apply`, `create`, `get`, `list`, `patch`, `delete`, `annotate`, `label`, `logs`.

use ensue_connect::kubernetes::Ask;
use ensue_event::Key;
use serde_json::{Value, json};

use crate::cluster::{Kit, with};

fn map(name: &str, data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": data })
}

fn cause(object: &Value) -> &str {
    object["metadata"]["annotations"]["ensue.dev/cause"].as_str().unwrap_or_default()
}

async fn data(kit: &Kit, name: &str) -> Value {
    kit.get(&format!("{}/{name}", kit.at("configmaps"))).await["data"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_applied_is_applied_once_and_says_why() {
    with("what_is_applied_is_applied_once", |kit| async move {
        let with = json!({ "manifest": map("m", json!({ "a": "1" })) });
        let outputs = kit.ok(1, "apply", with.clone()).await;
        assert_eq!((&outputs["changed"], &outputs["name"]), (&json!(true), &json!("m")));
        let path = format!("{}/m", kit.at("configmaps"));
        let object = kit.get(&path).await;
        let mark = format!("{} {} depth=2", Key([1; 16]), Key([200; 16]));
        assert_eq!(cause(&object), mark);
        assert_eq!(object["metadata"]["managedFields"][0]["manager"], "ensue");
        assert_eq!(object["metadata"]["managedFields"][0]["operation"], "Apply");
        // The same effect, and another one that finds nothing to change.
        assert_eq!(kit.ok(1, "apply", with.clone()).await["changed"], true);
        assert_eq!(kit.ok(2, "apply", with).await["changed"], false);
        assert_eq!(kit.get(&path).await, object);
        // A field that is no longer applied goes.
        kit.ok(3, "apply", json!({ "manifest": map("m", json!({ "b": "2" })) })).await;
        assert_eq!(data(&kit, "m").await, json!({ "b": "2" }));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_names_the_owner_and_force_takes_the_field_over() {
    with("a_conflict_names_the_owner", |kit| async move {
        let path = format!("{}/m", kit.at("configmaps"));
        kit.apply(&path, map("m", json!({ "a": "theirs", "b": "theirs" }))).await.unwrap();
        let with = json!({ "manifest": map("m", json!({ "a": "ours" })) });
        let failure = kit.err(1, "apply", with.clone()).await;
        assert_eq!((failure.name.as_str(), failure.retryable), ("Conflict", false));
        assert!(failure.message.contains("belongs to \"test\""), "{}", failure.message);
        assert!(failure.message.contains("`force: true` takes it over"), "{}", failure.message);
        assert_eq!(data(&kit, "m").await["a"], "theirs");
        let forced = json!({ "manifest": with["manifest"], "force": true });
        assert_eq!(kit.ok(2, "apply", forced).await["changed"], true);
        assert_eq!(data(&kit, "m").await, json!({ "a": "ours", "b": "theirs" }));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_are_applied_in_their_order() {
    with("several_are_applied", |kit| async move {
        let all = json!({ "manifests": [map("one", json!({})), map("two", json!({ "a": "1" }))] });
        let outputs = kit.ok(1, "apply", all.clone()).await;
        let names: Vec<&Value> = outputs["objects"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names, ["one", "two"]);
        assert_eq!(outputs["changed"], true);
        assert_eq!(kit.ok(2, "apply", all).await["changed"], false);
        let nameless = json!({ "manifest": { "apiVersion": "v1", "kind": "ConfigMap", "metadata": {} } });
        assert_eq!(
            kit.err(3, "apply", nameless).await.message,
            "a manifest of kubernetes/apply has no `metadata.name`"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_creates_one_object_whatever_its_name() {
    with("an_effect_creates_one_object", |kit| async move {
        let mut manifest = map("", json!({ "a": "1" }));
        manifest["metadata"] = json!({ "generateName": "note-" });
        let with = json!({ "manifest": manifest });
        let (first, again) = (kit.ok(1, "create", with.clone()).await, kit.ok(1, "create", with.clone()).await);
        assert_eq!(first["uid"], again["uid"]);
        let name = first["name"].as_str().unwrap();
        assert!(name.starts_with("note-") && name.len() > 10, "{name}");
        let other = kit.ok(2, "create", with).await;
        assert_ne!(other["name"], first["name"]);
        let all = kit.ok(3, "list", json!({ "kind": "ConfigMap" })).await;
        let ours = all["items"].as_array().unwrap().iter();
        let ours = ours.filter(|one| one["metadata"]["name"].as_str().unwrap().starts_with("note-")).count();
        assert_eq!(ours, 2);
        // A name that somebody else has.
        kit.config_map("taken", json!({}), json!({})).await;
        let failure = kit.err(4, "create", json!({ "manifest": map("taken", json!({})) })).await;
        assert_eq!((failure.name.as_str(), failure.retryable), ("AlreadyExists", false));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn patches_of_three_kinds_are_applied_once() {
    with("patches_of_three_kinds", |kit| async move {
        kit.config_map("m", json!({}), json!({ "a": "1" })).await;
        let of = |patch: Value, kind: &str| json!({ "kind": "cm", "name": "m", "type": kind, "patch": patch });
        kit.ok(1, "patch", of(json!({ "data": { "b": "2" } }), "merge")).await;
        assert_eq!(data(&kit, "m").await, json!({ "a": "1", "b": "2" }));
        // A list of operations is not the same twice, and is done once.
        let operations = json!([{ "op": "copy", "from": "/data/b", "path": "/data/c" }, { "op": "replace", "path": "/data/b", "value": "3" }]);
        let copy = of(operations, "json");
        for _ in 0..2 {
            assert_eq!(kit.ok(2, "patch", copy.clone()).await["changed"], true);
            assert_eq!(data(&kit, "m").await, json!({ "a": "1", "b": "3", "c": "2" }));
        }
        let path = kit.deployment("web", json!({})).await;
        let image = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "side", "image": "side:1" }] } } } });
        kit.ok(3, "patch", json!({ "deployment": "web", "type": "strategic", "patch": image })).await;
        let containers = kit.get(&path).await["spec"]["template"]["spec"]["containers"].clone();
        assert_eq!(containers.as_array().unwrap().len(), 2, "{containers}");
        // What does not fit is said before anything is written.
        let failure = kit.err(4, "patch", of(json!([{ "op": "test", "path": "/data/a", "value": "9" }]), "json")).await;
        assert!(!failure.retryable && ["Invalid", "StepFailed"].contains(&failure.name.as_str()), "{failure:?}");
        let mut stale = of(json!({ "data": { "a": "5" } }), "merge");
        stale["resourceVersion"] = json!("1");
        assert_eq!(kit.err(5, "patch", stale).await.name, "Conflict");
        assert_eq!(data(&kit, "m").await["a"], "1");
        let status = json!({ "deployment": "web", "subresource": "status", "patch": { "status": { "observedGeneration": 1 } } });
        kit.ok(6, "patch", status).await;
        let scale = |kind: &str, patch: Value| json!({ "deployment": "web", "subresource": "scale", "type": kind, "patch": patch });
        kit.ok(7, "patch", scale("merge", json!({ "spec": { "replicas": 4 } }))).await;
        assert_eq!(kit.get(&path).await["spec"]["replicas"], 4);
        let twice = scale("json", json!([{ "op": "replace", "path": "/spec/replicas", "value": 5 }]));
        assert!(kit.err(8, "patch", twice).await.message.contains("could be done twice"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_counts_as_deleted() {
    with("what_is_not_there_counts", |kit| async move {
        let with = |more: Value| {
            let mut with = json!({ "kind": "ConfigMap", "name": "m", "wait": true });
            with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            with
        };
        let owner = kit.config_map("m", json!({}), json!({})).await;
        let owned = |uid: &Value| {
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "owned", "ownerReferences": [
                { "apiVersion": "v1", "kind": "ConfigMap", "name": "m", "uid": uid }] } })
        };
        kit.create(&kit.at("configmaps"), owned(&owner["metadata"]["uid"])).await;
        let outputs = kit.ok(1, "delete", with(json!({ "propagation": "Orphan" }))).await;
        assert_eq!((&outputs["deleted"], &outputs["uid"]), (&json!(true), &owner["metadata"]["uid"]));
        let path = format!("{}/owned", kit.at("configmaps"));
        assert!(kit.get(&path).await["metadata"]["ownerReferences"].is_null());
        assert_eq!(kit.ok(1, "delete", with(json!({}))).await["deleted"], false);
        assert_eq!(kit.err(2, "delete", with(json!({ "missingOk": false }))).await.name, "NotFound");
        // What it owns goes before it.
        kit.delete(&path).await;
        let owner = kit.config_map("m", json!({}), json!({})).await;
        let mut blocked = owned(&owner["metadata"]["uid"]);
        blocked["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] = json!(true);
        kit.create(&kit.at("configmaps"), blocked).await;
        kit.ok(3, "delete", with(json!({ "propagation": "Foreground" }))).await;
        assert!(!kit.is_there(&path).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_something_holds_is_waited_for_and_named() {
    with("an_object_that_something_holds", |kit| async move {
        let mut held = map("m", json!({}));
        held["metadata"]["finalizers"] = json!(["example.com/holds"]);
        kit.create(&kit.at("configmaps"), held).await;
        let with = json!({ "kind": "ConfigMap", "name": "m", "wait": true });
        let failure = kit.effect(1, "delete", with.clone()).timeout(2).err().await;
        assert_eq!((failure.name.as_str(), failure.retryable), ("Timeout", false));
        assert!(failure.message.contains("held by example.com/holds"), "{}", failure.message);
        kit.patch(&format!("{}/m", kit.at("configmaps")), json!({ "metadata": { "finalizers": null } })).await;
        assert_eq!(kit.ok(1, "delete", with).await["deleted"], false);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_and_labels_are_set_and_removed() {
    with("annotations_and_labels", |kit| async move {
        kit.config_map("m", json!({ "old": "1" }), json!({})).await;
        let with = json!({ "kind": "ConfigMap", "name": "m", "labels": { "old": null, "new": 2 } });
        kit.ok(1, "label", with.clone()).await;
        let outputs =
            kit.ok(2, "annotate", json!({ "kind": "ConfigMap", "name": "m", "annotations": { "why": "so" } })).await;
        let metadata = &outputs["object"]["metadata"];
        assert_eq!(metadata["labels"], json!({ "new": "2" }));
        assert_eq!(metadata["annotations"]["why"], "so");
        assert!(cause(&outputs["object"]).starts_with(&Key([2; 16]).to_string()));
        assert_eq!(kit.ok(3, "label", with).await["changed"], false);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_says_nothing_of_secrets() {
    with("what_is_read_says_nothing", |kit| async move {
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" }, "stringData": { "password": "hunter2" } });
        kit.create(&kit.at("secrets"), secret).await;
        let read = kit.ok(1, "get", json!({ "kind": "Secret", "name": "s" })).await;
        assert_eq!(read["object"]["data"], json!({ "password": null }));
        let listed = kit.ok(2, "list", json!({ "kind": "secrets" })).await;
        assert!(!format!("{read}{listed}").contains("aHVudGVyMg"), "{listed}");
        let missing = json!({ "kind": "Secret", "name": "none", "missingOk": true });
        assert_eq!(kit.ok(3, "get", missing).await["found"], false);
        assert_eq!(kit.err(4, "get", json!({ "kind": "Secret", "name": "none" })).await.name, "NotFound");
        for nth in 0..5 {
            kit.config_map(&format!("m{nth}"), json!({ "many": "yes" }), json!({})).await;
        }
        let few = kit.ok(5, "list", json!({ "kind": "ConfigMap", "labels": "many=yes", "limit": 3 })).await;
        assert_eq!((&few["count"], &few["more"]), (&json!(3), &json!(true)));
        assert_eq!(few["items"][0]["kind"], "ConfigMap");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_read_by_pod_and_by_label() {
    with("logs_are_read", |kit| async move {
        let Some(fake) = &kit.fake else { return };
        for name in ["a", "b"] {
            let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "labels": { "tier": "web" } },
                "spec": { "containers": [{ "name": "app", "image": "i" }] } });
            kit.create(&kit.at("pods"), pod).await;
            fake.set_log(&kit.namespace, name, "app", &format!("first\nlast of {name}\n"));
        }
        assert_eq!(kit.ok(1, "logs", json!({ "pod": "a" })).await["text"], "first\nlast of a\n");
        let all = kit.ok(2, "logs", json!({ "labels": "tier=web", "tail": 1 })).await;
        assert_eq!(all, json!({ "text": "a: last of a\nb: last of b\n", "pods": ["a", "b"] }));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_more_than_a_megabyte_is_read_and_changed() {
    with("an_object_of_more_than_a_megabyte", |kit| async move {
        // What etcd takes of an object is 1.5 MiB, of which a ConfigMap's data may be 1 MiB; a custom kind has no such bound.
        let group = format!("{}.example.com", kit.namespace);
        let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let crd = kit.definition(&group, "Big", "bigs").await;
        let big = json!({ "apiVersion": format!("{group}/v1"), "kind": "Big", "metadata": { "name": "b" },
            "spec": { "text": "x".repeat(1_400_000) } });
        let path = format!("/apis/{group}/v1/namespaces/{}/bigs", kit.namespace);
        kit.create(&path, big).await;
        let with = json!({ "kind": format!("{group}/v1/Big"), "name": "b", "labels": { "a": "b" } });
        let outputs = kit.ok(1, "label", with.clone()).await;
        assert_eq!(outputs["object"]["spec"]["text"].as_str().unwrap().len(), 1_400_000);
        assert_eq!(kit.ok(1, "label", with).await["changed"], true);
        kit.cluster.send(Ask::delete(format!("{crds}/{crd}"), &Value::Null)).await.unwrap();
    })
    .await;
}
