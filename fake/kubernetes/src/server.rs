//! The listener: connections, bodies, what was seen, faults, and the life of the server.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::auth;
use crate::clock;
use crate::controllers;
use crate::faults::{Fault, Faults};
use crate::handle::{self, Answer};
use crate::request::Call;
use crate::status::Failure;
use crate::store::Key;
use crate::world::{Mode, World};

/// A request that the server got.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `GET`, `PATCH` and so on.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Decoded, in the order of the request.
    pub query: Vec<(String, String)>,
    /// Who asked: `admin`, `dev`, a service account; `system:anonymous` without a token, empty with a bad one.
    pub user: String,
    /// `Impersonate-User`, if given.
    pub impersonated: Option<String>,
    /// Content-Type of the body.
    pub content_type: String,
    /// As JSON if it is JSON, else as a text; `null` if there is none.
    pub body: Value,
}

/// What requests, watches and controllers share.
pub(crate) struct Shared {
    world: Mutex<World>,
    /// The version of the last write, for all who wait for one.
    pub(crate) changed: watch::Sender<u64>,
    pub(crate) faults: Faults,
    seen: Mutex<Vec<Seen>>,
}

impl Shared {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the world and wakes who waits for changes.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let (result, version) = {
            let mut world = self.world();
            let result = work(&mut world);
            (result, world.store.version())
        };
        self.changed.send_if_modified(|known| std::mem::replace(known, version) != version);
        result
    }
}

/// A fake Kubernetes API server on a free port of 127.0.0.1. It is stopped when this is dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Server {
    /// Starts a server with the namespaces of a new cluster and a node, `node-1`.
    ///
    /// # Errors
    /// If no port can be opened.
    pub async fn start() -> io::Result<Server> {
        Server::start_on(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts on a given address.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub async fn start_on(address: SocketAddr) -> io::Result<Server> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let mut world = World::new();
        // The cluster has been up for a while: its controllers have seen what is there.
        while controllers::step(&mut world) {}
        let shared = Arc::new(Shared {
            world: Mutex::new(world),
            changed: watch::Sender::new(0),
            faults: Faults::new(),
            seen: Mutex::default(),
        });
        let tasks = vec![
            tokio::spawn(listen(listener, address, shared.clone())),
            tokio::spawn(controllers::run(shared.clone())),
        ];
        Ok(Server { address, shared, tasks })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A kubeconfig of the user `admin`, who may everything. Its one context is `fake`.
    pub fn kubeconfig(&self) -> String {
        self.kubeconfig_for("admin")
    }

    /// A kubeconfig with another token: `dev` has no rights but those that RBAC objects grant, any other token that the
    /// server did not issue is 401; an empty one is left out, which is 403 as `system:anonymous`.
    pub fn kubeconfig_for(&self, token: &str) -> String {
        let user = if token.is_empty() { "{}".to_owned() } else { json!({ "token": token }).to_string() };
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: fake\nclusters:\n- name: fake\n  cluster: {{server: \"{}\"}}\n\
             users:\n- name: fake\n  user: {user}\ncontexts:\n- name: fake\n  context: {{cluster: fake, user: fake}}\n",
            self.url()
        )
    }

    /// Faults to inject.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// All requests so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Stores objects as they are, without HTTP, checks or controllers' haste; uid, creation time and version are set.
    /// For many objects at once. Objects of unknown kinds are skipped; the number stored is returned. While the controllers
    /// are on they act on what is stored: a pod without a node is bound, an object whose owners are not there goes.
    pub async fn put_objects(&self, objects: impl IntoIterator<Item = Value>) -> usize {
        self.shared.with(|world| {
            let mut stored = 0;
            for mut object in objects {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let Some(kind) = world.kind_of(&text(&object["apiVersion"]), &text(&object["kind"])) else { continue };
                let (mut namespace, name) = (text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
                if kind.namespaced && namespace.is_empty() {
                    namespace = "default".to_owned();
                }
                let metadata = &mut object["metadata"];
                if kind.namespaced {
                    metadata["namespace"] = json!(namespace);
                }
                if metadata["uid"].is_null() {
                    metadata["uid"] = json!(clock::uid());
                }
                if metadata["creationTimestamp"].is_null() {
                    metadata["creationTimestamp"] = json!(clock::time(clock::now()));
                }
                let object = crate::views::to_storage(&kind, object);
                world.store.put(Key { storage: kind.storage.clone(), namespace, name }, object);
                stored += 1;
            }
            stored
        })
    }

    /// Removes an object at once, whatever its finalizers say. Tells whether it was there.
    pub fn remove_object(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> bool {
        self.shared.with(|world| {
            let Some(kind) = world.kind_of(api_version, kind) else { return false };
            let key = Key { storage: kind.storage.clone(), namespace: namespace.to_owned(), name: name.to_owned() };
            world.store.remove(key).is_some()
        })
    }

    /// Forgets all history: lists and watches from older resource versions get 410.
    pub fn compact(&self) {
        self.shared.with(|world| world.store.compact());
    }

    /// The resource version of the last write.
    pub fn version(&self) -> u64 {
        self.shared.world().store.version()
    }

    /// Turns the controllers (Deployments, ReplicaSets, Jobs, budgets, garbage, namespaces, scheduler) on or off.
    pub fn controllers(&self, on: bool) {
        self.shared.with(|world| {
            world.settings.controllers = on;
            world.look_again = true;
        });
        self.shared.changed.send_modify(|_| {});
    }

    /// What the stand-in kubelet does.
    pub fn kubelet(&self, mode: Mode) {
        self.shared.with(|world| {
            world.settings.kubelet = mode;
            world.look_again = true;
        });
        self.shared.changed.send_modify(|_| {});
    }

    /// The kubelet of a node falls silent: its conditions become unknown at once, its pods not ready, and it is tainted.
    pub fn lose_node(&self, name: &str) {
        self.shared.with(|world| {
            world.lost.insert(name.to_owned());
            world.look_again = true;
        });
        self.shared.changed.send_modify(|_| {});
    }

    /// The kubelet of a lost node speaks again.
    pub fn find_node(&self, name: &str) {
        self.shared.with(|world| {
            world.lost.remove(name);
            controllers::nodes::find(world, name);
            world.look_again = true;
        });
    }

    /// Whether the controllers and the kubelet act only in [`Server::step`]: a test then meets every state between.
    pub fn by_step(&self, on: bool) {
        self.shared.with(|world| world.settings.stepped = on);
        self.shared.changed.send_modify(|_| {});
    }

    /// Lets the controllers look at one object, or at the one whose time would come next, now. Tells whether there was one.
    pub fn step(&self) -> bool {
        self.shared.with(controllers::step)
    }

    /// How long the controllers wait before they look at the next object; nothing, if never set. Between two looks a
    /// client sees the states that it only sees by chance in a real cluster.
    pub fn controllers_pace(&self, pace: Duration) {
        self.shared.with(|world| world.settings.pace = pace);
    }

    /// How long the stand-in kubelet takes to start, end or stop a pod; 30 ms, if never set.
    pub fn kubelet_pace(&self, step: Duration) {
        self.shared.with(|world| world.step = step);
    }

    /// How often a HorizontalPodAutoscaler is synced; every 15 s, if never set.
    pub fn autoscale_every(&self, period: Duration) {
        self.shared.with(|world| world.settings.autoscale = period);
    }

    /// How often idle watches get a bookmark, if they asked for bookmarks; one minute, if never set.
    pub fn bookmarks_every(&self, period: Duration) {
        self.shared.with(|world| world.settings.bookmarks = period);
    }

    /// How long a definition takes until it is established, and from there until its objects can be asked for; 20 ms.
    pub fn crd_delay(&self, delay: Duration) {
        self.shared.with(|world| world.settings.crd_delay = delay);
    }

    /// What `log` of a container answers.
    pub fn set_log(&self, namespace: &str, pod: &str, container: &str, text: &str) {
        let key = (namespace.to_owned(), pod.to_owned(), container.to_owned());
        self.shared.with(|world| world.logs.insert(key, text.to_owned()));
    }
}

/// Accepts connections; while the server is down there is no listener and no connection.
async fn listen(listener: TcpListener, address: SocketAddr, shared: Arc<Shared>) {
    let mut down = shared.faults.is_down();
    let mut listener = Some(listener);
    let mut connections: JoinSet<()> = JoinSet::new();
    loop {
        if *down.borrow_and_update() {
            listener = None;
            connections.shutdown().await;
        }
        let Some(open) = &listener else {
            let _ = down.wait_for(|down| !down).await;
            listener = TcpListener::bind(address).await.ok();
            if listener.is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            continue;
        };
        tokio::select! {
            _ = down.changed() => {}
            Some(_) = connections.join_next() => {}
            accepted = open.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                let shared = shared.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| serve(shared.clone(), request));
                    // A client that goes away is no error of the server.
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        }
    }
}

/// A body: all at once, or lines as they come.
pub(crate) enum Reply {
    Full(Option<Bytes>),
    Lines(mpsc::Receiver<io::Result<Bytes>>),
}

impl Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Reply::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Reply::Lines(lines) => lines.poll_recv(context).map(|next| next.map(|bytes| bytes.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Reply::Full(None))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Reply::Full(bytes) => {
                hyper::body::SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Reply::Lines(_) => hyper::body::SizeHint::default(),
        }
    }
}

/// The largest body that is read.
const MAX_BODY: usize = 3 * 1024 * 1024;

/// Lines that wait for a slow client before the watch does.
const LINES: usize = 256;

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                if let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) {
                    bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
                }
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn serve(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<Reply>> {
    let (parts, body) = request.into_parts();
    let pairs = parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let query: Vec<(String, String)> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect();
    let path = decode(&parts.uri.path().replace('+', "%2B"));
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let user = auth::authenticate(&shared.world(), &parts.headers);
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let seen = Seen {
        method: parts.method.to_string(),
        path: path.clone(),
        query: query.clone(),
        user: user.as_ref().map(|user| user.name.clone()).unwrap_or_default(),
        impersonated: header("impersonate-user"),
        content_type: header("content-type").unwrap_or_default(),
        body: match serde_json::from_slice(&body) {
            Ok(value) => value,
            Err(_) if body.is_empty() => Value::Null,
            Err(_) => json!(String::from_utf8_lossy(&body)),
        },
    };
    shared.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    let is_watch = handle::is_watch(&parts.method, &path, &query);
    let mut expired = false;
    let mut cut = false;
    match shared.faults.take(parts.method.as_str(), &path, is_watch) {
        None => {}
        Some(Fault::Close) => return Err(io::Error::other("closed")),
        Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
        Some(Fault::Expire) => expired = true,
        Some(Fault::Cut) => cut = true,
        Some(Fault::TooManyRequests(seconds)) => return Ok(refuse(&too_many(seconds))),
        Some(Fault::Internal) => {
            return Ok(refuse(&Failure::new(500, "InternalError", "Internal error occurred: injected")));
        }
        Some(Fault::Unavailable) => {
            let message = "the server is currently unable to handle the request";
            return Ok(refuse(&Failure::new(503, "ServiceUnavailable", message)));
        }
    }
    let said = match user {
        Err(failure) => Err(failure),
        Ok(_) if body.len() > MAX_BODY => {
            let message = format!("Request entity too large: limit is {MAX_BODY}");
            Err(Failure::new(413, "RequestEntityTooLarge", message))
        }
        Ok(user) => {
            let call =
                Call { method: parts.method.clone(), path: path.clone(), query, headers: parts.headers, body, user };
            shared.with(|world| handle::handle(world, &call, expired))
        }
    };
    let said = match said {
        Ok(said) => said,
        Err(failure) => return Ok(refuse(&failure)),
    };
    let mut response = match said.answer {
        Answer::Json(code, value) => full(code, "application/json", value.to_string()),
        Answer::Typed(code, media, text) => full(code, media, text),
        Answer::Empty(code) => full(code, "application/json", String::new()),
        Answer::Watch(_) if expired || cut => {
            let (sender, lines) = mpsc::channel(LINES);
            let line = if expired {
                let gone = Failure::new(410, "Expired", "too old resource version: 1 (2)");
                format!("{}\n", json!({ "type": "ERROR", "object": gone.body() }))
            } else {
                "{\"type\":\"ADDED\",\"object\":{\"kind\":".to_owned()
            };
            break_off(sender, line, cut);
            respond(200, "application/json", Reply::Lines(lines))
        }
        Answer::Watch(watch) => {
            let (sender, lines) = mpsc::channel(LINES);
            tokio::spawn(watch.run(shared.clone(), path, sender));
            respond(200, "application/json", Reply::Lines(lines))
        }
    };
    for warning in said.warnings {
        let text = format!("299 - \"{}\"", warning.replace('\\', "\\\\").replace('"', "\\\""));
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().append("warning", value);
        }
    }
    if cut && let Reply::Full(Some(bytes)) = response.body() {
        let half = String::from_utf8_lossy(bytes.get(..bytes.len() / 2).unwrap_or_default()).into_owned();
        let (sender, lines) = mpsc::channel(LINES);
        break_off(sender, half, true);
        *response.body_mut() = Reply::Lines(lines);
    }
    if parts.method == Method::HEAD {
        *response.body_mut() = Reply::Full(None);
    }
    Ok(response)
}

/// Sends a text and ends the body, cleanly or by breaking the connection.
fn break_off(sender: mpsc::Sender<io::Result<Bytes>>, text: String, broken: bool) {
    tokio::spawn(async move {
        let _ = sender.send(Ok(text.into())).await;
        if broken {
            // Let the half reach the client before the connection breaks.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let _ = sender.send(Err(io::Error::other("cut"))).await;
        }
    });
}

fn too_many(seconds: u32) -> Failure {
    let message = "too many requests, please try again later";
    Failure::new(429, "TooManyRequests", message).details(json!({ "retryAfterSeconds": seconds })).retry(seconds)
}

fn respond(code: u16, media: &'static str, body: Reply) -> Response<Reply> {
    let mut response = Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(media));
    let cache = if media.contains("apidiscovery") { "public" } else { "no-cache, private" };
    headers.insert("cache-control", HeaderValue::from_static(cache));
    if media.starts_with("text/plain;") {
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    }
    response
}

fn full(code: u16, media: &'static str, text: String) -> Response<Reply> {
    respond(code, media, Reply::Full(Some(text.into())))
}

fn refuse(failure: &Failure) -> Response<Reply> {
    if failure.plain {
        return full(failure.code, "text/plain; charset=utf-8", failure.message.clone());
    }
    let mut response = full(failure.code, "application/json", failure.body().to_string());
    if failure.early {
        response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    }
    if let Some(seconds) = failure.retry_after {
        response.headers_mut().insert("retry-after", HeaderValue::from(seconds));
    }
    response
}

/// Runs one server until the process ends, for a look by hand.
///
/// # Errors
/// If the address cannot be opened.
pub async fn serve_by_hand(address: SocketAddr) -> io::Result<Infallible> {
    let server = Server::start_on(address).await?;
    println!("{}", server.kubeconfig());
    std::future::pending::<()>().await;
    Err(io::Error::other("ended"))
}
