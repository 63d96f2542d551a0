//! The actions of clusters, in front of the fake API server: a proxy knows which request is the deed, and can keep its
//! answer back.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, Response, StatusCode, Uri};
use ensue_connect::Call;
use fake_kubernetes::Server;
use serde_json::{Value, json};

use super::{Counterpart, How};
use crate::support::call;

const PATCH: (&str, &str) = ("PATCH", "");
const WEB: &str = "/apis/apps/v1/namespaces/default/deployments/web";

/// Per action what it is called with, and the request that does it: its method and the end of its path.
pub(crate) fn table() -> Vec<(&'static str, Value, (&'static str, &'static str))> {
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "new" }, "data": { "a": "b" } });
    let job = json!({ "metadata": { "labels": { "kubelet": "complete" } },
        "spec": { "restartPolicy": "Never", "containers": [{ "name": "main", "image": "task:1" }] } });
    let web = || json!({ "deployment": "web" });
    let of = |more: Value| {
        let mut with = web();
        with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        with
    };
    let map_of = |more: Value| {
        let mut with = json!({ "kind": "ConfigMap", "name": "old" });
        with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        with
    };
    vec![
        ("kubernetes/apply", json!({ "manifest": map }), PATCH),
        ("kubernetes/create", json!({ "manifest": map }), ("POST", "/configmaps")),
        ("kubernetes/get", web(), ("GET", "/deployments/web")),
        ("kubernetes/list", json!({ "kind": "Deployment" }), ("GET", "/deployments")),
        ("kubernetes/patch", map_of(json!({ "patch": { "data": { "c": "d" } } })), PATCH),
        ("kubernetes/delete", map_of(json!({})), ("DELETE", "")),
        ("kubernetes/scale", of(json!({ "replicas": 3 })), PATCH),
        ("kubernetes/rollout-restart", web(), PATCH),
        ("kubernetes/rollout-undo", of(json!({ "fromRevision": 2 })), PATCH),
        ("kubernetes/rollout-pause", web(), PATCH),
        ("kubernetes/rollout-resume", json!({ "deployment": "held" }), PATCH),
        ("kubernetes/rollout-wait", web(), ("GET", "/deployments/web")),
        ("kubernetes/set-image", of(json!({ "images": { "app": "web:3" } })), PATCH),
        ("kubernetes/run-job", json!({ "manifest": { "spec": { "template": job } } }), ("POST", "/jobs")),
        ("kubernetes/logs", json!({ "pod": "bare" }), ("GET", "/log")),
        ("kubernetes/cordon", json!({ "node": "node-1" }), PATCH),
        ("kubernetes/uncordon", json!({ "node": "node-2" }), PATCH),
        ("kubernetes/drain", json!({ "node": "node-1", "labels": "app=bare", "force": true }), ("POST", "/eviction")),
        ("kubernetes/annotate", map_of(json!({ "annotations": { "a": "b" } })), PATCH),
        ("kubernetes/label", map_of(json!({ "labels": { "a": "b" } })), PATCH),
        ("kubernetes/wait-for", of(json!({ "condition": "Available" })), ("GET", "/deployments/web")),
    ]
}

struct Shared {
    fake: Server,
    client: reqwest::Client,
    how: Mutex<How>,
    deed: (&'static str, &'static str),
    done: Mutex<BTreeSet<String>>,
    open: AtomicUsize,
}

/// A request that is not answered yet; the server drops it when its sender hangs up.
struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    shared.open.fetch_add(1, Ordering::SeqCst);
    let _open = Open(&shared.open);
    let how = *shared.how.lock().unwrap();
    if how == How::Refuses {
        let said = json!({ "kind": "Status", "reason": "Forbidden", "message": "\"x\" cannot do it", "code": 403 });
        return Response::builder().status(StatusCode::FORBIDDEN).body(said.to_string().into()).unwrap();
    }
    let named = serde_json::from_slice::<Value>(&body).unwrap_or_default()["metadata"]["name"].clone();
    let mut request = shared.client.request(method.clone(), format!("{}{uri}", shared.fake.url())).body(body);
    for name in ["authorization", "accept", "content-type"].map(HeaderName::from_static) {
        if let Some(value) = headers.get(&name) {
            request = request.header(name, value);
        }
    }
    let answer = request.send().await.unwrap();
    let query = uri.query().unwrap_or_default();
    let (wanted, end) = shared.deed;
    let deed = method.as_str() == wanted
        && uri.path().ends_with(end)
        && !query.contains("dryRun")
        && !query.contains("watch")
        && answer.status().is_success();
    if deed {
        let mut done = shared.done.lock().unwrap();
        let nth = done.len();
        // Reading twice is reading; a name that is made of the key is made once; all else counts each time.
        done.insert(match wanted {
            "GET" => String::new(),
            "POST" => named.to_string(),
            _ => format!("{nth}"),
        });
    }
    if deed && how == How::Stalls {
        std::future::pending::<()>().await;
    }
    let mut response = Response::builder().status(answer.status());
    if let Some(kind) = answer.headers().get("content-type") {
        response = response.header("content-type", kind);
    }
    response.body(Body::from_stream(answer.bytes_stream())).unwrap()
}

struct Proxy {
    shared: Arc<Shared>,
    call: Call,
    kubeconfig: String,
}

fn deployment(name: &str, image: &str, paused: bool) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name }, "spec": {
        "replicas": 1, "paused": paused, "selector": { "matchLabels": { "app": name } },
        "template": { "metadata": { "labels": { "app": name } }, "spec": { "containers": [{ "name": "app", "image": image }] } } } })
}

/// What is there before.
pub(crate) async fn furnish(client: &reqwest::Client, fake: &Server) {
    let send = async |method: Method, path: &str, body: Value| {
        let media = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let request = client.request(method, format!("{}{path}", fake.url())).bearer_auth("admin");
        let answer = request.header("content-type", media).body(body.to_string()).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {text}");
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let core = "/api/v1/namespaces/default";
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "old" }, "data": { "a": "b" } });
    send(Method::POST, &format!("{core}/configmaps"), map).await;
    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "node-2" }, "spec": { "unschedulable": true } });
    send(Method::POST, "/api/v1/nodes", node).await;
    let bare = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "bare", "labels": { "app": "bare" } },
        "spec": { "containers": [{ "name": "app", "image": "bare:1" }] } });
    send(Method::POST, &format!("{core}/pods"), bare).await;
    fake.set_log("default", "bare", "app", "one line\n");
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    send(Method::POST, deployments, deployment("held", "held:1", true)).await;
    send(Method::POST, deployments, deployment("web", "web:1", false)).await;
    let rolled = async |revision: &str| loop {
        let is = send(Method::GET, WEB, Value::Null).await;
        let done = is["status"]["availableReplicas"] == 1 && is["status"]["replicas"] == 1;
        if done && is["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == revision {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    rolled("1").await;
    let image = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "app", "image": "web:2" }] } } } });
    send(Method::PATCH, WEB, image).await;
    rolled("2").await;
}

/// The counterpart of an action of the table.
pub(super) async fn cluster(action: &'static str) -> Box<dyn Counterpart> {
    let (_, with, deed) = table().into_iter().find(|(name, ..)| *name == action).unwrap();
    // Another test may have been faster.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (fake, client) = (Server::start().await.unwrap(), reqwest::Client::new());
    furnish(&client, &fake).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let kubeconfig = fake.kubeconfig().replace(&fake.url(), &format!("http://127.0.0.1:{port}"));
    let (how, done, open) = (Mutex::new(How::Well), Mutex::default(), AtomicUsize::new(0));
    let shared = Arc::new(Shared { fake, client, how, deed, done, open });
    let app = Router::new().fallback(handle).with_state(Arc::clone(&shared));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let config = json!({ "kubeconfig": { "$secret": "KUBECONFIG" } });
    Box::new(Proxy { shared, call: call(action, Some(config), with), kubeconfig })
}

impl Counterpart for Proxy {
    fn call(&self) -> Call {
        self.call.clone()
    }
    fn secrets(&self) -> Vec<(&'static str, String)> {
        vec![("KUBECONFIG", self.kubeconfig.clone())]
    }
    fn behaves(&self, how: How) {
        *self.shared.how.lock().unwrap() = how;
    }
    fn held(&self) -> usize {
        self.shared.done.lock().unwrap().len()
    }
    fn goes_on(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }
}
