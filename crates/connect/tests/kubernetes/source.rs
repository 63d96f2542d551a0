//! What comes of what happens in a cluster, with stops, crashes and lost connections in between.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ensue_connect::Connection;
use ensue_connect::kubernetes::Ask;
use ensue_connect::pull::{Memory, Told, pull};
use ensue_event::Key;
use fake_kubernetes::{Fault, Matcher};
use serde_json::{Value, json};

use crate::cluster::{Kit, with, with_faults};
use crate::reader::{Log, Reading, read, read_through, settings};

const TEN: Duration = Duration::from_millis(10);

/// A log and a memory, both empty.
pub(crate) fn begin() -> (Arc<Log>, Arc<Memory>) {
    (Arc::default(), Arc::default())
}

fn of<'l>(all: &'l [(String, Value)], kind: &str, name: &str) -> &'l Value {
    let found = all.iter().find(|(known, data)| known == &format!("io.k8s.{kind}") && data["name"] == name);
    &found.unwrap_or_else(|| panic!("no {kind} {name}")).1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_comes_fails_and_goes() {
    with("a_pod_comes_fails_and_goes", |kit| async move {
        let (log, store) = begin();
        let _reading = read(&kit, &log, &store, settings(&kit, &["pods"]));
        log.caught_up(1).await;
        let pod = kit.pod("web").await;
        log.has("pod.added web").await;
        let waiting = json!({"waiting": {"reason": "CrashLoopBackOff"}});
        kit.status(&pod, json!({"restartCount": 3, "state": waiting})).await;
        log.has("pod.crash-loop web").await;
        kit.delete(&pod).await;
        log.has("pod.deleted web").await;
        let all = log.all();
        let crash = of(&all, "pod.crash-loop", "web");
        assert_eq!((&crash["restarts"], &crash["namespace"]), (&json!(3), &json!(kit.namespace)));
        let added = of(&all, "pod.added", "web");
        assert_eq!((&added["kind"], &added["group"], &added["apiVersion"]), (&json!("Pod"), &json!(""), &json!("v1")));
        assert!(added["object"]["metadata"].get("managedFields").is_none() && added.get("existing").is_none());
        let modified = of(&all, "pod.modified", "web");
        let changed = modified["changed"].as_array().unwrap();
        assert!(changed.iter().any(|path| path.as_str().unwrap().starts_with("status.")), "{changed:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_pod_belongs_to_is_known_after_a_stop_too() {
    with("whom_a_pod_belongs_to", |kit| async move {
        let (log, store) = begin();
        let owned = |name: &str, kind: &str, owner: &Value| {
            let (owner, uid) = (&owner["metadata"]["name"], &owner["metadata"]["uid"]);
            let by = json!({"apiVersion": "v1", "kind": kind, "name": owner, "uid": uid, "controller": true});
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "ownerReferences": [by]}})
        };
        let top = kit.config_map("top", json!({}), json!({})).await;
        let middle = kit.create(&kit.at("configmaps"), owned("middle", "ConfigMap", &top)).await;
        let mut config = settings(&kit, &["configmaps"]);
        config["events"] = json!(true);
        let reading = read(&kit, &log, &store, config.clone());
        log.caught_up(1).await;
        reading.kill().await;
        let _reading = read(&kit, &log, &store, config);
        log.caught_up(2).await;
        kit.create(&kit.at("configmaps"), owned("bottom", "ConfigMap", &middle)).await;
        log.has("configmap.added bottom").await;
        let all = log.all();
        let owners = of(&all, "configmap.added", "bottom")["owners"].as_array().unwrap();
        let names: Vec<&Value> = owners.iter().map(|owner| &owner["name"]).collect();
        assert_eq!(names, ["middle", "top"]);
    })
    .await;
}

/// What a stop must not lose: changes of all sorts, made by this.
async fn changes(kit: &Kit) {
    kit.patch(&format!("{}/changed", kit.at("configmaps")), json!({"data": {"key": "two"}})).await;
    kit.delete(&format!("{}/deleted", kit.at("configmaps"))).await;
    kit.config_map("new", json!({}), json!({})).await;
}

async fn before(kit: &Kit, log: &Arc<Log>, store: &Arc<Memory>) -> Reading {
    for name in ["same", "changed", "deleted"] {
        kit.config_map(name, json!({}), json!({"key": "one"})).await;
    }
    let reading = read(kit, log, store, settings(kit, &["configmaps"]));
    log.caught_up(1).await;
    reading
}

const CHANGES: [&str; 3] = ["configmap.added new", "configmap.deleted deleted", "configmap.modified changed"];

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_while_it_is_stopped_is_told_once() {
    with("what_happens_while_it_is_stopped", |kit| async move {
        let (log, store) = begin();
        before(&kit, &log, &store).await.kill().await;
        let known = log.len();
        assert!(log.all().iter().all(|(_, data)| data["existing"] == true));
        changes(&kit).await;
        let reading = read(&kit, &log, &store, settings(&kit, &["configmaps"]));
        log.has(CHANGES[0]).await;
        assert_eq!(sorted(log.lines(known)), CHANGES);
        let all = log.all();
        let changed = of(&all, "configmap.modified", "changed");
        assert_eq!((&changed["changed"], &changed["previous"]), (&json!(["data.key"]), &json!({"data.key": "one"})));
        log.caught_up(2).await;
        reading.kill().await;
        // Nothing happens, and nothing is told.
        let _reading = read(&kit, &log, &store, settings(&kit, &["configmaps"]));
        log.caught_up(3).await;
        assert_eq!(sorted(log.lines(known)), CHANGES);
        assert!(!log.told().iter().any(|told| matches!(told, Told::Gap { .. } | Told::Disconnected { .. })));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_the_server_has_forgotten_is_made_up_for_by_the_difference() {
    with_faults("a_version_that_is_forgotten", |kit| async move {
        for paged in [false, true] {
            let (log, store) = begin();
            let mut config = settings(&kit, &["configmaps"]);
            config["streamingLists"] = json!(!paged);
            for name in ["same", "changed", "deleted"] {
                kit.config_map(name, json!({}), json!({"key": "one"})).await;
            }
            let reading = read(&kit, &log, &store, config.clone());
            log.caught_up(1).await;
            reading.kill().await;
            let known = log.len();
            changes(&kit).await;
            kit.fake().compact();
            let _reading = read(&kit, &log, &store, config);
            log.caught_up(2).await;
            assert_eq!(sorted(log.lines(known)), CHANGES, "paged: {paged}");
            let all = log.all();
            assert_eq!(of(&all, "configmap.deleted", "deleted")["object"]["data"]["key"], "one");
            assert!(log.told().iter().any(|told| matches!(told, Told::Gap { .. })), "{:?}", log.told());
            for name in ["same", "changed", "new"] {
                kit.delete(&format!("{}/{name}", kit.at("configmaps"))).await;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_durable_before_a_crash_is_not_told_again() {
    with_faults("what_was_durable_before_a_crash", |kit| async move {
        for forgotten in [false, true] {
            let (log, store) = begin();
            for name in ["same", "changed", "deleted"] {
                kit.config_map(name, json!({}), json!({"key": "one"})).await;
            }
            let reading = read(&kit, &log, &store, settings(&kit, &["configmaps"]));
            log.caught_up(1).await;
            reading.kill().await;
            // The store as it was when the log had less.
            let old = Arc::new((*store).clone());
            let reading = read(&kit, &log, &store, settings(&kit, &["configmaps"]));
            changes(&kit).await;
            log.has(CHANGES[0]).await;
            reading.kill().await;
            let known = log.len();
            if forgotten {
                kit.fake().compact();
            }
            let reading = read(&kit, &log, &old, settings(&kit, &["configmaps"]));
            kit.config_map("after", json!({}), json!({})).await;
            log.has("configmap.added after").await;
            assert_eq!(log.lines(known), ["configmap.added after"], "forgotten: {forgotten}");
            reading.kill().await;
            for name in ["same", "changed", "new", "after"] {
                kit.delete(&format!("{}/{name}", kit.at("configmaps"))).await;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leaves_a_selection_is_told_as_it_was() {
    with("what_leaves_a_selection", |kit| async move {
        let (log, store) = begin();
        let mut config = settings(&kit, &[]);
        config["resources"] = json!([{"kind": "v1/ConfigMap", "labelSelector": "env=prod"}]);
        let _reading = read(&kit, &log, &store, config);
        log.caught_up(1).await;
        let path = format!("{}/x", kit.at("configmaps"));
        kit.config_map("x", json!({"env": "prod"}), json!({"key": "one"})).await;
        kit.patch(&path, json!({"metadata": {"labels": {"env": "dev"}}, "data": {"key": "two"}})).await;
        log.has("configmap.deleted x").await;
        let all = log.all();
        let left = of(&all, "configmap.deleted", "x");
        assert_eq!((&left["labels"]["env"], &left["object"]["data"]["key"]), (&json!("prod"), &json!("one")));
        // It comes back, and leaves again: another event.
        kit.patch(&path, json!({"metadata": {"labels": {"env": "prod"}}})).await;
        kit.delete(&path).await;
        log.until("deleted twice", |log| {
            log.lines(0).iter().filter(|line| *line == "configmap.deleted x").count() == 2
        })
        .await;
    })
    .await;
}

/// A connection that asks for another user, who may list and watch these.
async fn as_other(kit: &Kit, user: &str, resources: &[&str]) -> Connection {
    let rbac = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}", kit.namespace);
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "some"},
        "rules": [{"apiGroups": [""], "resources": resources, "verbs": ["get", "list", "watch"]}]});
    kit.create(&format!("{rbac}/roles"), role).await;
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "some"}, "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "some"}});
    kit.create(&format!("{rbac}/rolebindings"), binding).await;
    let mut config = kit.connection.config.clone();
    config["impersonate"] = json!({"byNamespace": {"default": {"user": user}}});
    Connection { name: "default/other".to_owned(), config, ..kit.connection.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_kind_that_is_not_permitted_keeps_no_other_from_working() {
    with("one_kind_that_is_not_permitted", |kit| async move {
        let (log, store) = begin();
        let other = as_other(&kit, "ensue-test", &["configmaps", "pods", "services", "serviceaccounts"]).await;
        let config = settings(&kit, &["configmaps", "pods", "services", "serviceaccounts", "secrets"]);
        let reading = read_through(&kit.world, other, &store, &log, config);
        log.caught_up(1).await;
        kit.config_map("x", json!({}), json!({})).await;
        log.has("configmap.added x").await;
        let view = reading.feed.status.view();
        let problem = &view.problems[0];
        assert_eq!(view.problems.len(), 1, "{:?}", view.problems);
        assert_eq!(problem.part, format!("secrets in {}", kit.namespace));
        assert_eq!(problem.resource.as_deref(), Some("secrets"));
        assert!(matches!(problem.verb.as_deref(), Some("watch" | "list")), "{problem:?}");
        assert_eq!(view.disconnected_since, None);
        let found = pull("kubernetes").unwrap().check(&reading.feed).await;
        let found: Vec<(Option<&str>, Option<&str>)> =
            found.iter().map(|problem| (problem.verb.as_deref(), problem.resource.as_deref())).collect();
        assert_eq!(found, [(Some("list"), Some("secrets")), (Some("watch"), Some("secrets"))]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_vanishes_is_waited_for() {
    with("a_kind_that_vanishes", |kit| async move {
        let (log, store) = begin();
        let group = format!("{}.example.com", kit.namespace);
        let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("widgets.{group}")},
            "spec": {"group": group, "scope": "Namespaced",
                "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}});
        let widgets = format!("/apis/{group}/v1/namespaces/{}/widgets", kit.namespace);
        let widget = |name: &str| json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": name}});
        let kind = format!("{group}/v1/Widget");
        let reading = read(&kit, &log, &store, settings(&kit, &[&kind, "configmaps"]));
        log.caught_up(1).await;
        let part = format!("{kind} in {}", kit.namespace);
        let waits = |reading: &Reading| reading.feed.status.view().problems.iter().any(|one| one.part == part && one.message.contains("serve"));
        log.until("it waits", |_| waits(&reading)).await;
        kit.create(crds, crd.clone()).await;
        kit.create(&widgets, widget("one")).await;
        log.has("widget.added one").await;
        // The events of a list are there before the list is known to be whole.
        log.until("it waits no longer", |_| !waits(&reading)).await;
        assert_eq!(of(&log.all(), "widget.added", "one")["group"], json!(group));
        kit.delete(&format!("{crds}/widgets.{group}")).await;
        // A real server closes these watches by and by.
        if let Some(fake) = &kit.fake {
            fake.faults().drop_watches("widgets");
        }
        log.until("it waits again", |_| waits(&reading)).await;
        // The other kind does not notice.
        kit.config_map("x", json!({}), json!({})).await;
        log.has("configmap.added x").await;
        kit.create(crds, crd).await;
        kit.create(&widgets, widget("two")).await;
        log.has("widget.added two").await;
        log.has("widget.deleted one").await;
        kit.delete(&format!("{crds}/widgets.{group}")).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_gone_for_a_while_is_taken_up_where_it_was() {
    with_faults("a_cluster_that_is_gone", |kit| async move {
        let (log, store) = begin();
        let reading = before(&kit, &log, &store).await;
        let known = log.len();
        kit.fake().faults().down();
        log.until("disconnected", |log| log.told().iter().any(|told| matches!(told, Told::Disconnected { .. }))).await;
        assert!(reading.feed.status.view().disconnected_since.is_some());
        kit.fake().faults().up();
        log.caught_up(2).await;
        changes(&kit).await;
        log.has(CHANGES[0]).await;
        assert_eq!(sorted(log.lines(known)), CHANGES);
        let view = reading.feed.status.view();
        assert!(view.disconnected_since.is_none() && view.problems.is_empty(), "{view:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_on_the_way_each_change_is_told_once() {
    with_faults("whatever_goes_wrong_on_the_way", |kit| async move {
        let (log, store) = begin();
        let _reading = read(&kit, &log, &store, settings(&kit, &["configmaps"]));
        log.caught_up(1).await;
        let faults = kit.fake().faults();
        for nth in 0..60_u32 {
            match nth {
                5 | 50 => faults.cut_watches("configmaps"),
                10 => faults.drop_watches("configmaps"),
                15 => faults.next(1, Matcher::watches("configmaps"), Fault::TooManyRequests(0)),
                20 | 40 => faults.expire_watches("configmaps"),
                25 => faults.next(1, Matcher::watches("configmaps"), Fault::Internal),
                30 => faults.next(1, Matcher::watches("configmaps"), Fault::Close),
                35 => faults.next(1, Matcher::watches("configmaps"), Fault::Cut),
                45 => faults.next(1, Matcher::watches("configmaps"), Fault::Expire),
                _ => {}
            }
            let name = format!("c{nth}");
            kit.config_map(&name, json!({}), json!({"n": nth.to_string()})).await;
            tokio::time::sleep(TEN).await;
        }
        for nth in 0..60 {
            log.has(&format!("configmap.added c{nth}")).await;
        }
        let mut lines = log.lines(0);
        lines.sort();
        let all = lines.len();
        lines.dedup();
        assert_eq!(lines.len(), all);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_secrets_stays_there_and_marks_are_read_back() {
    with("what_is_in_secrets_stays_there", |kit| async move {
        let (log, store) = begin();
        let _reading = read(&kit, &log, &store, settings(&kit, &["secrets", "configmaps"]));
        log.caught_up(1).await;
        let mark = format!("{} {} depth=2", Key([7; 16]), Key([9; 16]));
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "hunter2"}});
        kit.create(&kit.at("secrets"), secret).await;
        let marked = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "annotations": {"ensue.dev/cause": mark}}});
        kit.apply(&format!("{}/m", kit.at("configmaps")), marked).await.unwrap();
        log.has("secret.added s").await;
        log.has("configmap.added m").await;
        let all = log.all();
        assert_eq!(of(&all, "secret.added", "s")["object"]["data"], json!({"password": null}));
        assert!(!format!("{all:?}").contains("aHVudGVyMg"));
        let nth = all.iter().position(|(_, data)| data["name"] == "m").unwrap();
        assert_eq!(log.extension(nth, "causationid"), Some(Key([7; 16]).to_string()));
        // Somebody else's change of it is not ours.
        kit.patch(&format!("{}/m", kit.at("configmaps")), json!({"data": {"a": "b"}})).await;
        log.has("configmap.modified m").await;
        let nth = log.all().iter().position(|(kind, _)| kind == "io.k8s.configmap.modified").unwrap();
        assert_eq!(log.extension(nth, "causationid"), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_both_apis_are_one_and_counts_are_told_as_they_grow() {
    with("events_of_both_apis_are_one", |kit| async move {
        let (log, store) = begin();
        let mut config = settings(&kit, &["configmaps"]);
        config["events"] = json!(true);
        let _reading = read(&kit, &log, &store, config);
        log.caught_up(1).await;
        let about = kit.config_map("x", json!({}), json!({})).await;
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "namespace": kit.namespace, "name": "x",
            "uid": about["metadata"]["uid"]});
        let old = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "x.1"}, "involvedObject": object,
            "reason": "BackOff", "message": "again", "type": "Warning", "count": 1, "source": {"component": "kubelet"},
            "firstTimestamp": "2026-11-21T20:27:19Z", "lastTimestamp": "2026-11-21T20:27:19Z"});
        kit.create(&kit.at("events"), old).await;
        log.has("event.BackOff x").await;
        kit.patch(&format!("{}/x.1", kit.at("events")), json!({"count": 5, "lastTimestamp": "2026-11-21T20:29:19Z"})).await;
        log.until("counted", |log| log.lines(0).iter().filter(|line| *line == "event.BackOff x").count() == 2).await;
        let new = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "x.2"}, "regarding": object,
            "reason": "FailedScheduling", "note": "no node", "type": "Warning", "action": "Scheduling",
            "reportingController": "default-scheduler", "reportingInstance": "s-1", "eventTime": "2026-11-21T20:27:20.118217Z"});
        kit.create(&format!("/apis/events.k8s.io/v1/namespaces/{}/events", kit.namespace), new).await;
        log.has("event.FailedScheduling x").await;
        let all = log.all();
        let told: Vec<(&Value, &Value, &Value)> = all
            .iter()
            .filter(|(kind, _)| kind.starts_with("io.k8s.event."))
            .map(|(_, data)| (&data["reason"], &data["count"], &data["delta"]))
            .collect();
        let (back, sched) = (json!("BackOff"), json!("FailedScheduling"));
        let (one, four, five) = (json!(1), json!(4), json!(5));
        assert_eq!(told, [(&back, &one, &one), (&back, &five, &four), (&sched, &one, &one)]);
        assert_eq!(of(&all, "event.FailedScheduling", "x")["reporter"], "default-scheduler");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_the_log_reads_no_more_and_loses_nothing() {
    with("who_waits_for_the_log", |kit| async move {
        let (log, store) = begin();
        let reading = read(&kit, &log, &store, settings(&kit, &["configmaps"]));
        log.caught_up(1).await;
        let known = log.len();
        log.shut.store(true, Ordering::Relaxed);
        for nth in 0..30 {
            kit.config_map(&format!("c{nth}"), json!({}), json!({"fill": "x".repeat(10_000)})).await;
        }
        assert_eq!(log.len(), known);
        // Killed while it waits: what it had read is read again.
        reading.kill().await;
        log.shut.store(false, Ordering::Relaxed);
        let _reading = read(&kit, &log, &store, settings(&kit, &["configmaps"]));
        log.until("all", |log| log.lines(known).len() == 30).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_objects_by_pages_whose_list_takes_too_long() {
    with_faults("many_objects_by_pages", |kit| async move {
        let (log, store) = begin();
        let objects = (0..1_300).map(|nth| {
            json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": format!("c{nth}"), "namespace": kit.namespace}, "data": {"n": nth.to_string()}})
        });
        kit.fake().put_objects(objects).await;
        kit.fake().faults().next(1, Matcher::new("GET", "configmaps"), Fault::Expire);
        let mut config = settings(&kit, &["configmaps"]);
        config["streamingLists"] = json!(false);
        let _reading = read(&kit, &log, &store, config);
        log.caught_up(1).await;
        assert_eq!(log.lines(0).len(), 1_300);
        let pages =
            kit.fake().requests().iter().filter(|seen| seen.query.iter().any(|(name, _)| name == "continue")).count();
        assert!(pages >= 2, "{pages}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn known_objects_are_sent_again_on_request() {
    with("known_objects_are_sent_again", |kit| async move {
        let (log, store) = begin();
        kit.config_map("x", json!({}), json!({})).await;
        let mut config = settings(&kit, &["configmaps"]);
        config["resync"] = json!("10s");
        let _reading = read(&kit, &log, &store, config);
        log.caught_up(1).await;
        log.has("configmap.modified x").await;
        let all = log.all();
        let again = of(&all, "configmap.modified", "x");
        assert_eq!(again["resync"], true);
        assert!(again.get("changed").is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_says_who_asks_it_and_which_version_it_has() {
    with("a_cluster_says_who_asks", |kit| async move {
        let says = kit.world.probe(&kit.connection, "default").await.unwrap().unwrap();
        assert!(says.starts_with("Kubernetes v1."), "{says}");
        let other = as_other(&kit, "ensue-other", &["pods"]).await;
        let says = kit.world.probe(&other, "default").await.unwrap().unwrap();
        assert!(says.ends_with("as ensue-other"), "{says}");
        let failure = kit.world.probe(&other, "shop").await.unwrap().unwrap_err();
        assert!(failure.message.contains("`shop` is none of those"), "{}", failure.message);
        let kinds = kit.world.cluster(&kit.connection, "default").await.unwrap();
        for (written, path) in [
            ("deploy", "/apis/apps/v1/namespaces/a/deployments"),
            ("Deployment", "/apis/apps/v1/namespaces/a/deployments"),
            ("apps/v1 Deployment", "/apis/apps/v1/namespaces/a/deployments"),
            ("events", "/api/v1/namespaces/a/events"),
            ("events.events.k8s.io", "/apis/events.k8s.io/v1/namespaces/a/events"),
            ("nodes", "/api/v1/nodes"),
        ] {
            assert_eq!(kinds.kind(written).await.unwrap().path(Some("a")), path, "{written}");
        }
        let unknown = kinds.kind("Gizmo").await.unwrap_err();
        assert_eq!((unknown.name.as_str(), unknown.retryable), ("NotServed", true));
        assert!(kinds.send(Ask::get("/api/v1/namespaces/default")).await.is_ok());
    })
    .await;
}
