//! What a configuration needs of a cluster: what is printed, and that it is enough and not too much.

use std::sync::Arc;

use ensue_connect::kubernetes::roles::{Asker, Rule, list, of};
use ensue_connect::{Call, Provider, Secrets, World, actions};
use ensue_event::ours::Answer;
use ensue_lang::{Config, SourceFile, load};
use fake_kubernetes::Server;
use serde_json::{Value, json};

use crate::matrix::kubernetes::{furnish, table};
use crate::support::call;

fn document(kind: &str, name: &str, spec: Value) -> Value {
    json!({ "apiVersion": "ensue.dev/v1", "kind": kind, "metadata": { "name": name, "namespace": "shop" }, "spec": spec })
}

fn config(documents: &[Value]) -> Config {
    let texts: Vec<String> = documents.iter().map(Value::to_string).collect();
    let loaded = load(&[SourceFile { path: "a.yaml".to_owned(), text: texts.join("\n---\n") }]);
    assert!(loaded.ok(), "{}", loaded.render(false));
    loaded.config
}

fn connection(spec: Value) -> Value {
    document("Connection", "prod", json!({ "kubernetes": spec }))
}

fn rule(action: &str, with: &Value) -> Value {
    let step = json!({ "id": "act", "uses": action, "connection": "prod", "with": with });
    document("Rule", "r", json!({ "when": { "event": { "type": ["x"] } }, "steps": [step] }))
}

/// What is said of calls that name no namespace, which the tables show by its name.
const TAKEN: &str = "no namespace is named: own is taken";

/// Each rule in a line: where, what, which verbs, of which names; and after `#` what was not known.
fn lines(all: &[Asker]) -> Vec<String> {
    let mut lines = Vec::new();
    for asker in all {
        for role in &asker.roles {
            for Rule { group, resource, names, verbs, why } in &role.rules {
                let whom = asker.user.as_ref().map(|user| format!("{user}: ")).unwrap_or_default();
                let place = role.namespace.as_deref().unwrap_or("*");
                let names = if names.is_empty() { String::new() } else { format!(" {}", names.join(",")) };
                let notes = why.iter().filter_map(|why| Some(why.split_once("; ")?.1));
                let notes: Vec<&str> = notes
                    .filter_map(|note| match note.strip_prefix(TAKEN) {
                        Some(rest) => rest.strip_prefix("; "),
                        None => Some(note),
                    })
                    .collect();
                let notes = if notes.is_empty() { String::new() } else { format!(" # {}", notes.join(" # ")) };
                lines.push(format!("{whom}{place} {group}/{resource} {}{names}{notes}", verbs.join(",")));
            }
        }
    }
    lines
}

#[test]
fn calls_ask_for_what_they_do_and_no_more() {
    let computed = "its namespace is computed: all namespaces";
    let anything = "every kind in all namespaces; narrow it to those that come";
    let guess = "`widgets` is a guess for example.com/v1/Widget: compare `kubectl api-resources`";
    let job = json!({ "metadata": { "namespace": "jobs" }, "spec": { "template": { "spec": {} } } });
    let map = |namespace: &str| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m", "namespace": namespace } });
    let cases: Vec<(&str, Value, Vec<String>)> = vec![
        ("get", json!({ "deployment": "web" }), vec!["own apps/deployments get web".into()]),
        ("get", json!({ "kind": "no", "name": "n1", "namespace": "a" }), vec!["* /nodes get n1".into()]),
        ("get", json!({ "kind": "pods", "name": "${{ event.data.k }}", "namespace": "a" }), vec!["a /pods get".into()]),
        (
            "get",
            json!({ "kind": "pods", "name": "p", "namespace": "${{ event.data.k }}" }),
            vec![format!("* /pods get p # {computed}")],
        ),
        (
            "get",
            json!({ "kind": "${{ event.data.k }}", "name": "p" }),
            vec![format!("* */* get # its kind is computed: {anything}")],
        ),
        ("list", json!({ "kind": "Pod", "namespace": "a" }), vec!["a /pods list".into()]),
        ("list", json!({ "kind": "Pod", "allNamespaces": true }), vec!["* /pods list".into()]),
        (
            "apply",
            json!({ "manifest": map("a") }),
            vec!["a /configmaps create".into(), "a /configmaps get,patch m".into()],
        ),
        (
            "apply",
            json!({ "manifests": [map("a"), map("b")], "wait": "ready" }),
            ["a", "b"]
                .iter()
                .flat_map(|at| [format!("{at} /configmaps create"), format!("{at} /configmaps get,watch,patch m")])
                .collect(),
        ),
        (
            "apply",
            json!({ "manifest": "${{ event.data }}" }),
            vec![format!("* */* get,create,patch # its kind is computed: {anything}")],
        ),
        (
            "create",
            json!({ "manifest": { "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "generateName": "w-" } } }),
            vec![format!("own example.com/widgets get,create # {guess}")],
        ),
        (
            "patch",
            json!({ "kind": "Pod", "name": "p", "subresource": "status", "patch": {} }),
            vec!["own /pods get p".into(), "own /pods/status patch p".into()],
        ),
        ("delete", json!({ "kind": "Pod", "name": "p" }), vec!["own /pods get,delete p".into()]),
        ("delete", json!({ "kind": "Pod", "name": "p", "wait": true }), vec!["own /pods get,watch,delete p".into()]),
        (
            "scale",
            json!({ "statefulSet": "db", "replicas": 1 }),
            vec!["own apps/statefulsets get,patch db".into(), "own autoscaling/horizontalpodautoscalers list".into()],
        ),
        (
            "scale",
            json!({ "deployment": "web", "replicas": 1, "force": true }),
            vec!["own apps/deployments get,patch web".into()],
        ),
        (
            "scale",
            json!({ "kind": "example.com/v1/Widget", "name": "w", "replicas": 1, "force": true }),
            vec![format!("own example.com/widgets/scale get,update w # {guess}")],
        ),
        (
            "rollout-undo",
            json!({ "deployment": "web", "namespace": "a", "fromRevision": 3 }),
            vec!["a apps/deployments get,patch web".into(), "a apps/replicasets list".into()],
        ),
        ("rollout-wait", json!({ "daemonSet": "agent" }), vec!["own apps/daemonsets get,watch agent".into()]),
        (
            "run-job",
            json!({ "cronJob": "nightly" }),
            vec![
                "own /pods list".into(),
                "own /pods/log get".into(),
                "own batch/cronjobs get".into(),
                "own batch/jobs get,watch,create,patch,delete".into(),
            ],
        ),
        (
            "run-job",
            json!({ "manifest": job }),
            vec![
                "jobs /pods list".into(),
                "jobs /pods/log get".into(),
                "jobs batch/jobs get,watch,create,patch,delete".into(),
            ],
        ),
        ("logs", json!({ "pod": "p" }), vec!["own /pods/log get".into()]),
        ("logs", json!({ "labels": "app=a" }), vec!["own /pods list".into(), "own /pods/log get".into()]),
        (
            "drain",
            json!({ "node": "${{ event.data.k }}" }),
            vec!["* /nodes get,patch".into(), "* /pods get,list,watch".into(), "* /pods/eviction create".into()],
        ),
    ];
    for (action, with, wanted) in cases {
        let found = of(&config(&[connection(json!({})), rule(&format!("kubernetes/{action}"), &with)]), "own");
        assert_eq!(lines(&found), wanted, "{action} {with}");
    }
}

#[test]
fn sources_and_steps_of_workflows_and_of_others_are_asked_for_too() {
    let source = |spec: Value| document("Source", "s", json!({ "kubernetes": spec }));
    let kinds =
        ["apps/deployments", "apps/replicasets", "batch/jobs", "events.k8s.io/events", "policy/poddisruptionbudgets"];
    let mut whole = vec!["* /nodes list,watch".to_owned(), "* /pods list,watch".to_owned()];
    whole.extend(kinds.map(|kind| format!("* {kind} list,watch")));
    let act = json!({ "id": "act", "uses": "kubernetes/cordon", "connection": "prod", "with": { "node": "n" } });
    let workflow = document(
        "Workflow",
        "w",
        json!({ "steps": [{ "id": "each", "foreach": { "items": "${{ [1] }}", "steps": [act] } }] }),
    );
    let calls = |steps: Value| document("Rule", "r", json!({ "when": { "event": { "type": ["x"] } }, "steps": steps }));
    let undo = json!({ "id": "up", "uses": "kubernetes/uncordon", "connection": "prod", "with": { "node": "m" } });
    let pods =
        json!({ "connection": "prod", "resources": ["pods", "nodes"], "namespaces": ["a", "b"], "events": false });
    let get = json!({ "kind": "Pod", "name": "p", "namespace": "a" });
    let as_other = json!({ "impersonate": { "byNamespace": { "shop": { "user": "system:serviceaccount:a:doer", "groups": ["ops"] } } } });
    let as_user = json!({ "impersonate": { "user": "jane" } });
    let nobody = json!({ "impersonate": { "byNamespace": { "play": { "user": "jane" } } } });
    let cases: Vec<(&str, Vec<Value>, Vec<String>)> = vec![
        ("by default", vec![connection(json!({})), source(json!({ "connection": "prod" }))], whole),
        (
            "by namespace",
            vec![connection(json!({})), source(pods)],
            vec!["* /nodes list,watch".into(), "a /pods list,watch".into(), "b /pods list,watch".into()],
        ),
        (
            "in workflows, loops and undo",
            vec![connection(json!({})), workflow, calls(json!([{ "id": "call", "workflow": "w", "undo": undo }]))],
            vec!["* /nodes get,patch m,n".into()],
        ),
        (
            "for another",
            vec![connection(as_other), rule("kubernetes/get", &get)],
            vec![
                "* /groups impersonate ops".into(),
                "a /serviceaccounts impersonate doer".into(),
                "system:serviceaccount:a:doer: a /pods get p".into(),
            ],
        ),
        (
            "for a user",
            vec![connection(as_user), rule("kubernetes/get", &get)],
            vec!["* /users impersonate jane".into(), "jane: a /pods get p".into()],
        ),
        ("for nobody", vec![connection(nobody), rule("kubernetes/get", &get)], vec![]),
        ("without clusters", vec![], vec![]),
    ];
    for (what, documents, wanted) in cases {
        assert_eq!(lines(&of(&config(&documents), "own")), wanted, "{what}");
    }
    let mut dry = connection(json!({}));
    dry["spec"]["dryRun"] = json!(true);
    assert_eq!(lines(&of(&config(&[dry, rule("kubernetes/get", &get)]), "own")), Vec::<String>::new());
}

#[test]
fn what_a_wider_rule_grants_is_not_granted_again() {
    let steps = json!([
        { "id": "a", "uses": "kubernetes/list", "connection": "prod", "with": { "kind": "Pod", "allNamespaces": true } },
        { "id": "b", "uses": "kubernetes/list", "connection": "prod", "with": { "kind": "Pod", "namespace": "a" } },
        { "id": "c", "uses": "kubernetes/get", "connection": "prod", "with": { "kind": "Pod", "name": "p", "namespace": "a" } },
        { "id": "d", "uses": "kubernetes/get", "connection": "prod", "with": { "kind": "Pod", "name": "${{ event.data.k }}", "namespace": "a" } },
    ]);
    let rule = document("Rule", "r", json!({ "when": { "event": { "type": ["x"] } }, "steps": steps }));
    let found = of(&config(&[connection(json!({})), rule]), "own");
    assert_eq!(lines(&found), ["* /pods list", "a /pods get"]);
    let why: Vec<&String> = found[0].roles[0].rules[0].why.iter().collect();
    assert_eq!(why, ["rule shop/r, step a: kubernetes/list", "rule shop/r, step b: kubernetes/list"]);
}

/// A cluster with what the matrix of actions has, and a service account that may nothing.
struct Cluster {
    fake: Server,
    client: reqwest::Client,
    world: World,
    _dir: tempfile::TempDir,
}

impl Cluster {
    async fn new() -> Cluster {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (fake, client) = (Server::start().await.unwrap(), reqwest::Client::new());
        furnish(&client, &fake).await;
        let dir = tempfile::tempdir().unwrap();
        let secrets = Arc::new(Secrets::new(vec![Provider::Folder(dir.path().to_owned())]));
        let cluster = Cluster { world: World::new(secrets, dir.path().join("cache")), fake, client, _dir: dir };
        let accounts = "/api/v1/namespaces/default/serviceaccounts";
        cluster.send("POST", accounts, json!({ "metadata": { "name": "ensue" } })).await;
        let token = cluster.send("POST", &format!("{accounts}/ensue/token"), json!({ "spec": {} })).await;
        let token = token["status"]["token"].as_str().unwrap();
        std::fs::write(cluster._dir.path().join("KUBECONFIG"), cluster.fake.kubeconfig_for(token)).unwrap();
        cluster
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Value {
        let media = if method == "PATCH" { "application/apply-patch+yaml" } else { "application/json" };
        let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.fake.url()));
        let request = request.bearer_auth("admin").header("content-type", media).body(body.to_string());
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Puts these objects in force.
    async fn grant(&self, objects: &Value) {
        for object in objects["items"].as_array().unwrap() {
            let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
            let name = object["metadata"]["name"].as_str().unwrap();
            let group = "/apis/rbac.authorization.k8s.io/v1";
            let path = match object["metadata"]["namespace"].as_str() {
                Some(namespace) => format!("{group}/namespaces/{namespace}/{plural}/{name}"),
                None => format!("{group}/{plural}/{name}"),
            };
            self.send("PATCH", &format!("{path}?fieldManager=test&force=true"), object.clone()).await;
        }
    }

    /// A call of a rule in the namespace `shop`.
    async fn once(&self, action: &str, with: &Value, mut config: Value) -> Answer {
        config["kubeconfig"] = json!({ "$secret": "KUBECONFIG" });
        let call = Call { namespace: "shop".to_owned(), ..call(action, Some(config), with.clone()) };
        actions()[action].call(call, &self.world).await
    }

    /// Does it twice, as after a crash, so that what is there already is met too.
    async fn twice(&self, action: &str, with: &Value, settings: &Value) -> Answer {
        match self.once(action, with, settings.clone()).await {
            Answer::Ok(_) => self.once(action, with, settings.clone()).await,
            failed => failed,
        }
    }
}

async fn enough_and_not_too_much(action: &'static str, with: Value, settings: Value) {
    let cluster = Cluster::new().await;
    let askers = of(&config(&[connection(settings.clone()), rule(action, &with)]), "default");
    let whole = list(&askers, "ensue", Some("default/ensue"));
    let rules = whole["items"].as_array().unwrap().iter().enumerate();
    let rules =
        rules.flat_map(|(nth, one)| (0..one["rules"].as_array().map_or(0, Vec::len)).map(move |rule| (nth, rule)));
    for (nth, rule) in rules {
        let mut less = whole.clone();
        let gone = less["items"][nth]["rules"].as_array_mut().unwrap().remove(rule);
        cluster.grant(&less).await;
        let resource = gone["resources"][0].as_str().unwrap();
        match cluster.twice(action, &with, &settings).await {
            Answer::Err(failure) => {
                let mut verbs = gone["verbs"].as_array().unwrap().iter().filter_map(Value::as_str);
                let named = verbs.any(|verb| match verb {
                    // The server names what was to be done for the other.
                    "impersonate" => failure.message.contains("cannot impersonate-on:"),
                    verb => failure.message.contains(&format!("cannot {verb} resource \"{resource}\"")),
                });
                assert!(failure.name == "Denied" && named, "{action} without {gone}: {failure:?}");
            }
            // The result of a job counts, with or without its log.
            Answer::Ok(outputs) => assert!(
                action == "kubernetes/run-job" && resource == "pods/log" && outputs.get("log").is_none(),
                "{action} needs no {gone}: {outputs}"
            ),
        }
    }
    cluster.grant(&whole).await;
    let done = cluster.twice(action, &with, &settings).await;
    assert!(matches!(done, Answer::Ok(_)), "{action} with all that is printed: {done:?}\n{whole:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_action_can_do_its_work_with_its_roles_and_without_any_of_their_rules_it_cannot() {
    let mut all = tokio::task::JoinSet::new();
    for (action, with, _) in table() {
        all.spawn(enough_and_not_too_much(action, with, json!({})));
    }
    // For others, too: then the right to ask for them is one of the rules.
    for whom in [
        json!({ "user": "system:serviceaccount:default:doer" }),
        json!({ "byNamespace": { "shop": { "user": "jane", "groups": ["ops"] } } }),
    ] {
        let with = json!({ "deployment": "web" });
        all.spawn(enough_and_not_too_much("kubernetes/rollout-restart", with, json!({ "impersonate": whom })));
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
}
