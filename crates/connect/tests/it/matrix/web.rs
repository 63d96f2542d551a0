//! A recorder of requests that does what it is asked: `PUT` sets, a key counts once, all else counts each time.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use ensue_connect::Call;
use serde_json::{Value, json};

use super::{Counterpart, How};
use crate::support::call;

struct Server {
    how: Mutex<How>,
    done: Mutex<BTreeSet<String>>,
    requests: AtomicUsize,
    open: AtomicUsize,
}

/// A request that is not answered yet; the server drops it when its sender hangs up.
struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn handle(State(server): State<Arc<Server>>, method: Method, uri: Uri, headers: HeaderMap) -> StatusCode {
    server.open.fetch_add(1, Ordering::SeqCst);
    let _open = Open(&server.open);
    let how = *server.how.lock().unwrap();
    if how == How::Refuses {
        return StatusCode::FORBIDDEN;
    }
    let number = server.requests.fetch_add(1, Ordering::SeqCst);
    let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
    let each = || if method == Method::PUT { uri.to_string() } else { format!("request {number}") };
    server.done.lock().unwrap().insert(key.unwrap_or_else(each));
    if how == How::Stalls {
        std::future::pending::<()>().await;
    }
    StatusCode::OK
}

struct Web {
    server: Arc<Server>,
    call: Call,
    secrets: Vec<(&'static str, String)>,
}

async fn serve() -> (u16, Arc<Server>) {
    let (requests, open) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let server = Arc::new(Server { how: Mutex::new(How::Well), done: Mutex::default(), requests, open });
    let app = Router::new().fallback(handle).with_state(Arc::clone(&server));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (port, server)
}

/// `http/request`.
pub(super) async fn request(method: &'static str, keyed: bool) -> Box<dyn Counterpart> {
    let (port, server) = serve().await;
    let mut config = json!({ "url": format!("http://127.0.0.1:{port}"), "allowNetworks": ["127.0.0.0/8"] });
    if keyed {
        config["idempotencyHeader"] = Value::from("Idempotency-Key");
    }
    let call = call("http/request", Some(config), json!({ "method": method, "path": "/thing", "body": { "a": 1 } }));
    Box::new(Web { server, call, secrets: Vec::new() })
}

/// `slack/post`.
pub(super) async fn slack() -> Box<dyn Counterpart> {
    let (port, server) = serve().await;
    let config = json!({ "webhook": { "$secret": "HOOK" }, "allowNetworks": ["127.0.0.1/32"] });
    let secrets = vec![("HOOK", format!("http://127.0.0.1:{port}/services/T0/B0/of-a-test"))];
    Box::new(Web { server, call: call("slack/post", Some(config), json!({ "text": "done" })), secrets })
}

impl Counterpart for Web {
    fn call(&self) -> Call {
        self.call.clone()
    }
    fn secrets(&self) -> Vec<(&'static str, String)> {
        self.secrets.clone()
    }
    fn behaves(&self, how: How) {
        *self.server.how.lock().unwrap() = how;
    }
    fn held(&self) -> usize {
        self.server.done.lock().unwrap().len()
    }
    fn goes_on(&self) -> usize {
        self.server.open.load(Ordering::SeqCst)
    }
}
