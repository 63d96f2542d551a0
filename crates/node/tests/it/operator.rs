//! The configuration as objects of a cluster: a fake one, whole nodes.

use std::time::Duration;

use ensue_lang::crd;
use ensue_node::{Configured, Objects};
use fake_kubernetes::{Fault, Matcher, Server};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Place, Sink, client, order};

/// A cluster with the definitions, and a folder for its kubeconfig.
struct Cluster {
    fake: Server,
    folder: tempfile::TempDir,
}

impl Cluster {
    async fn new() -> Cluster {
        let cluster = Cluster { fake: Server::start().await.unwrap(), folder: tempfile::TempDir::new().unwrap() };
        std::fs::write(cluster.folder.path().join("config"), cluster.fake.kubeconfig()).unwrap();
        cluster
    }

    async fn define(&self) {
        for definition in crd::definitions() {
            let (status, said) =
                self.ask(Method::POST, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition).await;
            assert_eq!(status, 201, "{said}");
        }
        self.until("the kinds are served", "/apis/ensue.dev/v1/scenarios", |said| said["items"].is_array()).await;
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let request = client().request(method, format!("{}{path}", self.fake.url())).bearer_auth("admin");
        crate::support::read(request.header("content-type", kind).body(body.to_string()).send().await.unwrap()).await
    }

    async fn create(&self, plural: &str, object: Value) -> (u16, Value) {
        self.ask(Method::POST, &format!("/apis/ensue.dev/v1/namespaces/default/{plural}"), object).await
    }

    async fn until(&self, what: &str, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..3_000 {
            last = self.ask(Method::GET, path, json!({})).await.1;
            if holds(&last) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what}: it never came: {last:#}");
    }

    /// Waits until the status of an object is about this generation and says this.
    async fn status(&self, plural: &str, name: &str, generation: i64, accepted: bool) -> Value {
        let path = format!("/apis/ensue.dev/v1/namespaces/default/{plural}/{name}");
        let holds =
            |said: &Value| said["status"]["observedGeneration"] == generation && said["status"]["accepted"] == accepted;
        self.until(&format!("{plural}/{name} {generation} {accepted}"), &path, holds).await["status"].clone()
    }

    async fn node(&self) -> Place {
        let kubeconfig = Some(self.folder.path().join("config"));
        Place::with(|options| {
            options.config = Configured::Kubernetes(Objects { kubeconfig, all: true, ..Objects::default() });
        })
        .await
    }
}

fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "ensue.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn rule(name: &str, path: &str) -> Value {
    let step =
        json!({"id": "send", "uses": "http/request", "connection": "sink", "with": {"method": "POST", "path": path}});
    object("Rule", name, json!({"when": {"event": {"type": ["shop.order.placed"]}}, "steps": [step]}))
}

fn sink_of(sink: &Sink) -> Value {
    let http = json!({"url": format!("http://{}", sink.addr), "allowNetworks": ["127.0.0.0/8"], "idempotencyHeader": "Idempotency-Key"});
    object("Connection", "sink", json!({ "http": http }))
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_in_force_and_their_status_says_so() {
    let (sink, cluster) = (Sink::new().await, Cluster::new().await);
    // It waits for the definitions, too.
    let place = cluster.node().await;
    cluster.define().await;
    assert_eq!(cluster.create("connections", sink_of(&sink)).await.0, 201);
    assert_eq!(cluster.create("rules", rule("forward", "/first")).await.0, 201);
    let status = cluster.status("rules", "forward", 1, true).await;
    assert_eq!((&status["mode"], &status["conditions"][0]["status"]), (&json!("live"), &json!("True")), "{status}");
    place.send(order("a", 100)).await;
    assert_eq!(sink.wait(1).await[0].path, "/first");
    let path = "/apis/ensue.dev/v1/namespaces/default/rules/forward";
    cluster.until("its last firing", path, |said| said["status"]["lastFired"].is_string()).await;

    // A wrong edit: the version before goes on, and the object says what is wrong where.
    let wrong = json!({"spec": {"steps": [{"id": "send", "uses": "http/request", "connection": "sonk"}]}});
    assert_eq!(cluster.ask(Method::PATCH, path, wrong).await.0, 200);
    let status = cluster.status("rules", "forward", 2, false).await;
    assert_eq!(status["errors"][0]["path"], "spec.steps[0].connection", "{status}");
    assert!(status["errors"][0]["message"].as_str().unwrap().contains("no connection `sonk`"), "{status}");
    let message = status["conditions"][0]["message"].as_str().unwrap();
    assert!(message.ends_with("; the last good version stays in force"), "{message}");
    place.send(order("b", 100)).await;
    assert_eq!(sink.wait(2).await[1].path, "/first");

    // Nor does a document that is wrong from the start stop the others.
    assert_eq!(cluster.create("rules", rule("other", "/${{ nothing.here }}")).await.0, 201);
    let right = json!({"spec": {"steps": [{"id": "send", "uses": "http/request", "connection": "sink", "with": {"method": "POST", "path": "/third"}}]}});
    assert_eq!(cluster.ask(Method::PATCH, path, right).await.0, 200);
    cluster.status("rules", "other", 1, false).await;
    let status = cluster.status("rules", "forward", 3, true).await;
    assert_eq!(status["errors"], json!([]), "{status}");
    place.send(order("c", 100)).await;
    assert_eq!(sink.wait(3).await[2].path, "/third");

    // One that is deleted is not in force any more.
    assert_eq!(cluster.ask(Method::DELETE, path, json!({})).await.0, 200);
    let applied = place.of_type("dev.ensue.config.applied").len();
    place.wait_for("dev.ensue.config.applied", applied).await;
    let gone = async {
        while place.get("/api/v1/rules").await.1["rules"] != json!([]) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_the_schema_never_gets_there() {
    let cluster = Cluster::new().await;
    cluster.define().await;
    let mut wrong = rule("a", "/a");
    wrong["spec"]["mode"] = json!("lively");
    let (status, said) = cluster.create("rules", wrong).await;
    assert!(status == 422 && said["message"].as_str().unwrap().contains("spec.mode"), "{said}");
    let bare = object("Connection", "token", json!({"slack": {"webhook": "https://hooks.example.com/T/secret"}}));
    let (status, said) = cluster.create("connections", bare).await;
    assert!(status == 422 && said["message"].as_str().unwrap().contains("spec.slack.webhook"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_policy_with_mistakes_holds_what_it_may_forbid() {
    let (sink, cluster) = (Sink::new().await, Cluster::new().await);
    cluster.define().await;
    cluster.create("connections", sink_of(&sink)).await;
    let place = cluster.node().await;
    cluster.status("connections", "sink", 1, true).await;
    let policy = |check: &str| object("Policy", "careful", json!({"checks": [{"if": check, "deny": "no"}]}));
    assert_eq!(cluster.create("policies", policy("with.path ==")).await.0, 201);
    cluster.status("policies", "careful", 1, false).await;
    assert_eq!(cluster.create("rules", rule("forward", "/first")).await.0, 201);
    let status = cluster.status("rules", "forward", 1, false).await;
    assert_eq!(status["conditions"][0]["reason"], "Held", "{status}");
    let spec = json!({"spec": {"checks": [{"if": "false", "deny": "no"}]}});
    let path = "/apis/ensue.dev/v1/namespaces/default/policies/careful";
    assert_eq!(cluster.ask(Method::PATCH, path, spec).await.0, 200);
    cluster.status("rules", "forward", 1, true).await;
    place.send(order("a", 100)).await;
    sink.wait(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_does_to_its_clients_misses_no_change_and_conflicts_are_retried() {
    let (sink, cluster) = (Sink::new().await, Cluster::new().await);
    cluster.define().await;
    cluster.create("connections", sink_of(&sink)).await;
    cluster.create("rules", rule("forward", "/0")).await;
    let _place = cluster.node().await;
    cluster.status("rules", "forward", 1, true).await;
    let path = "/apis/ensue.dev/v1/namespaces/default/rules/forward";
    let faults = cluster.fake.faults();
    for (nth, fault) in ["drop", "expire", "cut", "503", "conflict"].into_iter().enumerate() {
        match fault {
            "drop" => faults.drop_watches("/rules"),
            "expire" => {
                cluster.fake.compact();
                faults.expire_watches("/rules");
            }
            "cut" => faults.cut_watches("/rules"),
            "503" => {
                faults.next(2, Matcher::watches("/rules"), Fault::Unavailable);
                faults.drop_watches("/rules");
            }
            // The first status was written by somebody else in between.
            _ => drop(cluster.ask(Method::PATCH, path, json!({"metadata": {"labels": {"by": "others"}}})).await),
        }
        let spec = json!({"spec": {"timeout": format!("{}m", nth + 1)}});
        assert_eq!(cluster.ask(Method::PATCH, path, spec).await.0, 200, "{fault}");
        cluster.status("rules", "forward", nth as i64 + 2, true).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_the_last_good_version_of_what_is_wrong_now() {
    let (sink, cluster) = (Sink::new().await, Cluster::new().await);
    cluster.define().await;
    cluster.create("connections", sink_of(&sink)).await;
    cluster.create("rules", rule("forward", "/first")).await;
    let place = cluster.node().await;
    cluster.status("rules", "forward", 1, true).await;
    let (_, folder) = place.stop().await;
    let path = "/apis/ensue.dev/v1/namespaces/default/rules/forward";
    let spec = json!({"spec": {"steps": [{"id": "send", "uses": "http/request", "connection": "sonk"}]}});
    assert_eq!(cluster.ask(Method::PATCH, path, spec).await.0, 200);
    let kubeconfig = Some(cluster.folder.path().join("config"));
    let place = Place::at(folder, |options| {
        options.config = Configured::Kubernetes(Objects { kubeconfig, all: true, ..Objects::default() });
    })
    .await;
    cluster.status("rules", "forward", 2, false).await;
    place.send(order("a", 100)).await;
    assert_eq!(sink.wait(1).await[0].path, "/first");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_that_is_deployed_is_enough() {
    let (sink, cluster) = (Sink::new().await, Cluster::new().await);
    cluster.define().await;
    cluster.ask(Method::POST, "/api/v1/namespaces", json!({ "metadata": { "name": "ensue" } })).await;
    let deployed = include_str!("../../../../deploy/kubernetes/ensue.yaml");
    for (kind, path) in [
        ("ServiceAccount", "/api/v1/namespaces/ensue/serviceaccounts/ensue"),
        ("Role", "/apis/rbac.authorization.k8s.io/v1/namespaces/ensue/roles/ensue-configuration"),
        ("RoleBinding", "/apis/rbac.authorization.k8s.io/v1/namespaces/ensue/rolebindings/ensue-configuration"),
    ] {
        let document = deployed.split("---\n").find(|text| text.contains(&format!("\nkind: {kind}\n"))).unwrap();
        let request = client().patch(format!("{}{path}?fieldManager=test", cluster.fake.url())).bearer_auth("admin");
        let request = request.header("content-type", "application/apply-patch+yaml").body(document);
        assert_eq!(request.send().await.unwrap().status(), 201, "{kind}");
    }
    let token = "/api/v1/namespaces/ensue/serviceaccounts/ensue/token";
    let (_, token) = cluster.ask(Method::POST, token, json!({ "spec": {} })).await;
    let kubeconfig = cluster.folder.path().join("of-ensue");
    std::fs::write(&kubeconfig, cluster.fake.kubeconfig_for(token["status"]["token"].as_str().unwrap())).unwrap();
    let _place = Place::with(|options| {
        let namespace = Some("ensue".to_owned());
        options.config =
            Configured::Kubernetes(Objects { kubeconfig: Some(kubeconfig), namespace, ..Objects::default() });
    })
    .await;
    let base = "/apis/ensue.dev/v1/namespaces/ensue";
    for (plural, object) in [("connections", sink_of(&sink)), ("rules", rule("forward", "/0"))] {
        assert_eq!(cluster.ask(Method::POST, &format!("{base}/{plural}"), object).await.0, 201);
    }
    let path = format!("{base}/rules/forward");
    for generation in 1..4 {
        let holds =
            |said: &Value| said["status"]["observedGeneration"] == generation && said["status"]["accepted"] == true;
        cluster.until(&format!("generation {generation}"), &path, holds).await;
        // Somebody else writes in between: then it is read again.
        cluster.ask(Method::PATCH, &path, json!({ "metadata": { "labels": { "by": generation.to_string() } } })).await;
        cluster.ask(Method::PATCH, &path, json!({ "spec": { "timeout": format!("{generation}m") } })).await;
    }
}
