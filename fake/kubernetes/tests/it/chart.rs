//! The chart of `deploy/`: linted and rendered by Helm as a library, and applied to a cluster.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use fake_kubernetes::Server;
use serde_json::{Value, json};

use crate::kit::{call, get, post};

/// What the plain manifests begin with.
const MADE: &str = "# What the chart renders with its defaults; deploy/README.md says how this is made anew.\n---\n";

/// A Python that has Helm.
fn python(test: &str) -> Option<PathBuf> {
    let found = std::env::var_os("ENSUE_SERVER_HELM").map(PathBuf::from);
    if found.is_none() {
        println!("skipped: {test}: no helm-python-sdk; `cargo xtask test` installs it");
    }
    found
}

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path)
}

/// Renders the chart with each set of values.
fn render(python: &Path, sets: &Value) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/render.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the Python that ENSUE_SERVER_HELM names starts");
    let asked = json!({ "chart": deploy("chart/ensue"), "sets": sets });
    child.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let said = child.wait_with_output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
    serde_json::from_slice(&said.stdout).unwrap()
}

/// Values that are used together.
fn sets() -> Value {
    json!({
        "defaults": {},
        "files": {
            "configuration": { "from": "files", "files": { "rules.yaml": "kind: Rule\n" } },
            "rbac": { "namespaceRules": { "shop": [{ "apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"] }] } },
            "observe": true, "retention": { "age": "30d", "bytes": "8GiB" },
        },
        "all namespaces": {
            "configuration": { "allNamespaces": true },
            "rbac": { "clusterRules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"] }] },
            "fullnameOverride": "events", "image": { "repository": "registry.example/ensue", "digest": format!("sha256:{:064}", 0) },
        },
        "elsewhere": { "configuration": { "namespace": "shop" } },
        "everything": {
            "secrets": { "existingSecret": "tokens" }, "adminToken": { "existingSecret": "admin" },
            "ingress": { "enabled": true, "host": "hooks.example.com", "tlsSecret": "tls", "className": "nginx", "annotations": { "a": "b" } },
            "networkPolicy": {
                "enabled": true, "from": [{ "namespaceSelector": {} }],
                "egress": [{ "ports": [{ "port": 443, "protocol": "TCP" }] }],
            },
            "persistence": { "storageClass": "fast", "size": "50Gi" }, "service": { "type": "LoadBalancer", "port": 80 },
            "extraArgs": ["--hook-rate=10"], "extraEnv": [{ "name": "REGION", "value": "on" }], "log": "debug",
            "extraVolumes": [{ "name": "extra", "emptyDir": {} }], "extraVolumeMounts": [{ "name": "extra", "mountPath": "/extra" }],
            "podAnnotations": { "c": "d" }, "podLabels": { "team": "platform" }, "nodeSelector": { "disk": "ssd" },
            "tolerations": [{ "key": "dedicated", "operator": "Exists" }], "priorityClassName": "high",
            "affinity": { "nodeAffinity": {} }, "imagePullSecrets": [{ "name": "pull" }],
        },
        "what is there": {
            "serviceAccount": { "create": false, "name": "operator" }, "rbac": { "create": false },
            "persistence": { "existingClaim": "old" }, "configuration": { "from": "files", "existingConfigMap": "manifests" },
            "metrics": { "annotations": false }, "resources": {},
        },
    })
}

/// Where objects of a kind are.
fn path(object: &Value) -> String {
    let (group, plural) = match object["kind"].as_str().unwrap() {
        "ConfigMap" => ("/api/v1", "configmaps"),
        "Service" => ("/api/v1", "services"),
        "ServiceAccount" => ("/api/v1", "serviceaccounts"),
        "StatefulSet" => ("/apis/apps/v1", "statefulsets"),
        "Ingress" => ("/apis/networking.k8s.io/v1", "ingresses"),
        "NetworkPolicy" => ("/apis/networking.k8s.io/v1", "networkpolicies"),
        "Role" => ("/apis/rbac.authorization.k8s.io/v1", "roles"),
        "RoleBinding" => ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
        "ClusterRole" => ("/apis/rbac.authorization.k8s.io/v1", "clusterroles"),
        "ClusterRoleBinding" => ("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings"),
        "CustomResourceDefinition" => ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
        other => panic!("{other}: where is it?"),
    };
    let name = object["metadata"]["name"].as_str().unwrap();
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{group}/namespaces/{namespace}/{plural}/{name}"),
        None => format!("{group}/{plural}/{name}"),
    }
}

/// As `kubectl apply --server-side` does, to whom an unknown field is a mistake.
async fn apply(server: &Server, object: &Value) -> (u16, Value) {
    let path = format!("{}?fieldManager=test&fieldValidation=Strict", path(object));
    call(server, "PATCH", &path, object.clone(), &[("content-type", "application/apply-patch+yaml")]).await
}

fn of_kind<'o>(objects: &'o Value, kind: &str) -> Vec<&'o Value> {
    objects.as_array().unwrap().iter().filter(|one| one["kind"] == kind).collect()
}

/// What holds for the pod whatever the values are: it passes the standard `restricted`.
fn safe(set: &str, objects: &Value) {
    let sets = of_kind(objects, "StatefulSet");
    assert_eq!(sets.len(), 1, "{set}");
    let spec = &sets[0]["spec"];
    assert_eq!(spec["replicas"], 1, "{set}");
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{set}");
    assert_eq!(pod["securityContext"]["runAsUser"], 65532, "{set}");
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{set}");
    for host in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(pod[host].is_null(), "{set}");
    }
    let container = &pod["containers"][0];
    let wanted = json!({ "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] } });
    assert_eq!(container["securityContext"], wanted, "{set}");
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz", "{set}");
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/healthz", "{set}");
    // What is written to is a volume, and each mount has one.
    let volumes = [&pod["volumes"], &spec["volumeClaimTemplates"]];
    let volumes = volumes.iter().filter_map(|all| all.as_array()).flatten();
    let named: Vec<&str> =
        volumes.map(|one| one["name"].as_str().or(one["metadata"]["name"].as_str()).unwrap()).collect();
    for mount in container["volumeMounts"].as_array().unwrap() {
        let name = mount["name"].as_str().unwrap();
        assert_eq!(named.iter().filter(|known| **known == name).count(), 1, "{set}: {name}");
    }
    for rule in ["Role", "ClusterRole"].iter().flat_map(|kind| of_kind(objects, kind)) {
        assert!(!rule["rules"].to_string().contains('*'), "{set}: {rule}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chart_is_rendered_and_a_cluster_takes_it() {
    let Some(python) = python("chart::the_chart_is_rendered_and_a_cluster_takes_it") else { return };
    let rendered = render(&python, &sets());
    // An icon is for catalogs of charts.
    let found =
        rendered["lint"]["messages"].as_array().unwrap().iter().filter(|one| one["error"] != "icon is recommended");
    assert_eq!((found.collect::<Vec<_>>(), &rendered["lint"]["errors"]), (Vec::new(), &json!([])));

    let server = Server::start().await.unwrap();
    for definition in rendered["definitions"].as_array().unwrap() {
        let (status, said) = apply(&server, definition).await;
        assert_eq!(status, 201, "{said}");
        let path = path(definition);
        let established = async {
            loop {
                let conditions = get(&server, &path).await.1["status"]["conditions"].clone();
                let mut conditions = conditions.as_array().into_iter().flatten();
                if conditions.any(|one| one["type"] == "Established" && one["status"] == "True") {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), established).await.expect(&path);
    }
    assert_eq!(rendered["definitions"].as_array().unwrap().len(), 7);
    for namespace in ["ensue", "shop"] {
        post(&server, "/api/v1/namespaces", json!({ "metadata": { "name": namespace } })).await;
    }
    for (set, made) in rendered["sets"].as_object().unwrap() {
        assert!(made["error"].is_null(), "{set}: {made}");
        for object in made["objects"].as_array().unwrap() {
            let (status, said) = apply(&server, object).await;
            assert!(status == 200 || status == 201, "{set}: {said}\n{object:#}");
        }
        safe(set, &made["objects"]);
        // The next set begins with nothing.
        for object in made["objects"].as_array().unwrap() {
            assert_eq!(call(&server, "DELETE", &path(object), Value::Null, &[]).await.0, 200, "{set}");
        }
    }

    let role = of_kind(&rendered["sets"]["elsewhere"]["objects"], "RoleBinding")[0];
    assert_eq!((&role["metadata"]["namespace"], &role["subjects"][0]["namespace"]), (&json!("shop"), &json!("ensue")));
    let set = |name: &str| &rendered["sets"][name];
    let args = |name: &str| {
        of_kind(&set(name)["objects"], "StatefulSet")[0]["spec"]["template"]["spec"]["containers"][0]["args"].clone()
    };
    assert_eq!(args("defaults"), json!(["up", "--kubernetes", "--kube-namespace=ensue", "--json-logs"]));
    assert_eq!(args("files"), json!(["up", "/config", "--json-logs", "--observe", "--keep=30d", "--keep-bytes=8GiB"]));
    assert_eq!(args("all namespaces"), json!(["up", "--kubernetes", "--all-namespaces", "--json-logs"]));
    assert!(set("defaults")["notes"].as_str().unwrap().contains("exec ensue-0 -- /ensue doctor"));
    let kinds = |name: &str| -> Vec<String> {
        let objects = set(name)["objects"].as_array().unwrap();
        objects.iter().map(|one| one["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds("what is there"), ["Service", "StatefulSet"]);
    assert!(
        kinds("everything").contains(&"Ingress".to_owned())
            && kinds("everything").contains(&"NetworkPolicy".to_owned())
    );

    let plain = deploy("kubernetes/ensue.yaml");
    // Nobody's release: what only Helm reads goes.
    let text = set("defaults")["text"].as_str().unwrap();
    let text: String = text
        .split_inclusive('\n')
        .filter(|line| !line.contains("managed-by: Helm") && !line.contains("helm.sh/chart:"))
        .collect();
    let text = format!("{MADE}{text}");
    if std::env::var_os("ENSUE_WRITE_FIXTURE").is_some() {
        std::fs::write(&plain, &text).unwrap();
    }
    assert!(
        std::fs::read_to_string(&plain).unwrap_or_default() == text,
        "deploy/kubernetes/ensue.yaml is old: deploy/README.md says how it is made anew"
    );
}

#[test]
fn values_that_do_not_fit_are_refused_by_name() {
    let Some(python) = python("chart::values_that_do_not_fit_are_refused_by_name") else { return };
    let cases = [
        (json!({ "replicas": 2 }), "replicas"),
        (json!({ "configuration": { "from": "git" } }), "from"),
        (json!({ "configuration": { "files": { "rules.txt": "" } } }), "rules.txt"),
        (json!({ "image": { "digest": "latest" } }), "digest"),
        (json!({ "ingress": { "enabled": true, "paths": ["hooks"] } }), "paths"),
        (json!({ "ingress": { "enabled": true, "tlsSecret": "tls" } }), "ingress.host is needed for TLS"),
        (json!({ "serviceAccount": { "create": false } }), "serviceAccount.name must name one"),
        (json!({ "retention": { "age": "a month" } }), "age"),
        (json!({ "terminationGracePeriodSeconds": 1 }), "terminationGracePeriodSeconds"),
    ];
    let sets: serde_json::Map<String, Value> =
        cases.iter().enumerate().map(|(nth, (values, _))| (nth.to_string(), values.clone())).collect();
    let rendered = render(&python, &sets.into());
    for (nth, (values, word)) in cases.iter().enumerate() {
        let said = &rendered["sets"][nth.to_string()]["error"];
        assert!(said.as_str().is_some_and(|text| text.contains(word)), "{values}: {said}");
    }
}
