//! One request to a cluster: sent once, its answer whole or as it comes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use ensue_event::ours::Failure;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;
use tokio::time::timeout;

use super::failure::{self, Subject};
use super::kind::{Kind, Kinds};
use super::{config, kind};
use crate::action::{Call, Connection, wrong};
use crate::log::Log;
use crate::secrets::Resolved;
use crate::world::World;

/// How much of an answer is read that is wanted whole: an object is at most a few MiB, a page of 500 of them less.
const MAX_BODY: usize = 64 << 20;
/// An API server gives up on a request after a minute; one that is silent for longer is not there any more.
const PATIENCE: Duration = Duration::from_secs(65);
const NO_ANSWER: &str = "it did not answer for more than a minute";
/// How much of a refusal is read.
const MAX_REFUSAL: usize = 1 << 20;

/// What can be asked of a server that serves it as JSON.
pub const JSON: &str = "application/json";
/// RFC 6902.
pub const JSON_PATCH: &str = "application/json-patch+json";
/// RFC 7386.
pub const MERGE_PATCH: &str = "application/merge-patch+json";
/// Kubernetes' own, for kinds that are built in.
pub const STRATEGIC_MERGE_PATCH: &str = "application/strategic-merge-patch+json";
/// Server-side apply; JSON is YAML.
pub const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// The clients of clusters, one for each connection as it is set up now.
#[derive(Default)]
pub(crate) struct Clusters {
    known: Mutex<BTreeMap<String, Arc<Shared>>>,
}

impl Clusters {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Shared>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What all requests through a connection share.
struct Shared {
    name: String,
    config: Resolved,
    client: kube::Client,
    kinds: Kinds,
    /// A newer kubeconfig may help: the next call reads it.
    stale: AtomicBool,
}

impl Shared {
    fn usable(&self, config: &Resolved) -> bool {
        // Until when a certificate is good that an exec plugin gave; kube has a jiff of its own.
        let now = jiff::Timestamp::now().as_second();
        let expired = self.client.valid_until().is_some_and(|until| until.as_second() <= now);
        self.config == *config && !expired && !self.stale.load(Ordering::Relaxed)
    }
}

/// A cluster, as somebody of a namespace may ask it.
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
    identity: HeaderMap,
    log: Log,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("connection", &self.shared.name).finish_non_exhaustive()
    }
}

impl World {
    /// The cluster behind a connection of type `kubernetes`, asked for a rule or source of this namespace. Nothing is
    /// sent yet.
    pub async fn cluster(&self, connection: &Connection, namespace: &str) -> Result<Cluster, Failure> {
        let config = self.settings(connection)?;
        let identity = config::identity(&connection.name, &config, namespace)?;
        let known = self.clusters.lock().get(&connection.name).cloned();
        let shared = match known.filter(|shared| shared.usable(&config)) {
            Some(shared) => shared,
            None => {
                crate::net::install_provider();
                let settings = config::settings(&connection.name, &config, self.secrets()).await?;
                let client = kube::Client::try_from(settings)
                    .map_err(|why| wrong(format!("the connection `{}` cannot be used: {why}", connection.name)))?;
                let shared = Arc::new(Shared {
                    name: connection.name.clone(),
                    config,
                    client,
                    kinds: Kinds::default(),
                    stale: AtomicBool::new(false),
                });
                self.clusters.lock().insert(connection.name.clone(), Arc::clone(&shared));
                shared
            }
        };
        Ok(Cluster { shared, identity, log: Log::default() })
    }

    /// The cluster that a call goes to; its requests stand in the call's log.
    pub async fn cluster_of(&self, call: &Call) -> Result<Cluster, Failure> {
        let cluster = self.cluster(World::connected(call, "kubernetes")?, &call.namespace).await?;
        Ok(Cluster { log: call.log.clone(), ..cluster })
    }
}

/// A request.
#[derive(Clone, Debug)]
pub struct Ask {
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    accept: &'static str,
    content_type: Option<&'static str>,
    body: Bytes,
    repeatable: bool,
}

impl Ask {
    fn new(method: Method, path: impl Into<String>) -> Ask {
        let (query, body) = (Vec::new(), Bytes::new());
        Ask { method, path: path.into(), query, accept: JSON, content_type: None, body, repeatable: true }
    }

    /// Reads what is at a path.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Ask {
        Ask::new(Method::GET, path)
    }

    /// Creates an object, or asks a subresource for something. It may not be sent twice unless [`Ask::repeatable`].
    #[must_use]
    pub fn create(path: impl Into<String>, object: &Value) -> Ask {
        Ask { repeatable: false, ..Ask::new(Method::POST, path) }.with(JSON, object)
    }

    /// Replaces an object.
    #[must_use]
    pub fn replace(path: impl Into<String>, object: &Value) -> Ask {
        Ask::new(Method::PUT, path).with(JSON, object)
    }

    /// Patches an object; the kind of patch is its media type. One that may not be sent twice must say so.
    #[must_use]
    pub fn patch(path: impl Into<String>, kind: &'static str, patch: &Value) -> Ask {
        Ask::new(Method::PATCH, path).with(kind, patch)
    }

    /// Deletes an object, with `DeleteOptions` unless they are null.
    #[must_use]
    pub fn delete(path: impl Into<String>, options: &Value) -> Ask {
        let ask = Ask::new(Method::DELETE, path);
        if options.is_null() { ask } else { ask.with(JSON, options) }
    }

    fn with(mut self, content_type: &'static str, body: &Value) -> Ask {
        self.content_type = Some(content_type);
        self.body = body.to_string().into();
        self
    }

    /// With a parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl ToString) -> Ask {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// With another representation than JSON.
    #[must_use]
    pub fn accept(mut self, accept: &'static str) -> Ask {
        self.accept = accept;
        self
    }

    /// Says whether sending it twice is the same as once: then a try that broke off may be repeated.
    #[must_use]
    pub fn repeatable(mut self, repeatable: bool) -> Ask {
        self.repeatable = repeatable;
        self
    }

    /// What it does to what.
    #[must_use]
    pub fn subject(&self) -> Subject {
        let watch = self.query.iter().any(|(name, value)| name == "watch" && value == "true");
        Subject::of(&self.method, &self.path, watch)
    }

    fn uri(&self) -> String {
        let mut uri = self.path.clone();
        for (nth, (name, value)) in self.query.iter().enumerate() {
            uri.push(if nth == 0 { '?' } else { '&' });
            uri.push_str(&encoded(name));
            uri.push('=');
            uri.push_str(&encoded(value));
        }
        uri
    }
}

/// A text as it stands in a path or query: everything but unreserved characters (RFC 3986, 2.3) in percent.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// An answer that is read as it comes.
pub struct Incoming {
    body: Body,
    subject: Subject,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Incoming({})", self.subject)
    }
}

impl Incoming {
    /// The next bytes; nothing at the end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(why)) => return Err(failure::unanswered(&self.subject, &why, true)),
            }
        }
    }
}

impl Cluster {
    /// The name of the connection.
    #[must_use]
    pub fn connection(&self) -> &str {
        &self.shared.name
    }

    /// The namespace that the kubeconfig names; `default` if none.
    #[must_use]
    pub fn default_namespace(&self) -> &str {
        self.shared.client.default_namespace()
    }

    /// The kind that is written in one of the ways of [`kind::Written`].
    pub async fn kind(&self, written: &str) -> Result<Arc<Kind>, Failure> {
        let written: kind::Written = written.parse().map_err(wrong)?;
        self.shared.kinds.find(self, &written).await
    }

    /// What is known of kinds is asked for again when one is needed.
    pub fn forget_kinds(&self) {
        self.shared.kinds.forget();
    }

    /// Sends a request, once, and reads its answer, an object. The log gets a line for it and one for what came of it.
    pub async fn send(&self, ask: Ask) -> Result<Value, Failure> {
        let (subject, repeatable) = (ask.subject(), ask.repeatable);
        let body = self.send_bytes(ask).await?;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body)
            .map_err(|why| failure::broke_off(&subject, &format!("its answer is no JSON: {why}"), repeatable))
    }

    /// The same, with the answer as it is.
    pub async fn send_bytes(&self, ask: Ask) -> Result<Bytes, Failure> {
        let (subject, repeatable, began) = (ask.subject(), ask.repeatable, Instant::now());
        let came = async {
            let incoming = self.begin(ask).await?;
            read(incoming.body, &subject, MAX_BODY, repeatable).await
        };
        let came = came.await;
        let took = began.elapsed().as_millis();
        match &came {
            Ok(body) => self.log.line(&format!("< {} bytes after {took} ms", body.len())),
            Err(failure) => self.log.line(&format!("! {}: {} after {took} ms", failure.name, failure.message)),
        }
        came
    }

    /// Sends a request, once; what it answers is read as it comes, for watches and logs.
    pub async fn open(&self, ask: Ask) -> Result<Incoming, Failure> {
        let opened = self.begin(ask).await;
        if let Err(failure) = &opened {
            self.log.line(&format!("! {}: {}", failure.name, failure.message));
        }
        opened
    }

    async fn begin(&self, ask: Ask) -> Result<Incoming, Failure> {
        let (subject, uri) = (ask.subject(), ask.uri());
        self.log.line(&format!("> {} {uri}, {} bytes", ask.method, ask.body.len()));
        let mut request = http::Request::builder().method(ask.method).uri(uri).header(header::ACCEPT, ask.accept);
        if let Some(content_type) = ask.content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let mut request = request
            .header(header::USER_AGENT, HeaderValue::from_static(concat!("ensue/", env!("CARGO_PKG_VERSION"))))
            .body(Body::from(ask.body.to_vec()))
            .map_err(|why| wrong(format!("the request to {subject} cannot be sent: {why}")))?;
        for (name, value) in &self.identity {
            request.headers_mut().append(name, value.clone());
        }
        let Ok(response) = timeout(PATIENCE, self.shared.client.send(request)).await else {
            self.outdated();
            return Err(failure::broke_off(&subject, NO_ANSWER, ask.repeatable));
        };
        let response = response.map_err(|why| {
            self.outdated();
            failure::unanswered(&subject, &why, ask.repeatable)
        })?;
        let (parts, body) = response.into_parts();
        if parts.status.is_success() {
            return Ok(Incoming { body, subject });
        }
        let said = read(body, &subject, MAX_REFUSAL, true).await.unwrap_or_default();
        let failure = failure::refused(&subject, parts.status, &parts.headers, &said);
        if parts.status == StatusCode::UNAUTHORIZED {
            self.outdated();
        }
        if failure.name == "NotServed" {
            self.forget_kinds();
        }
        Err(failure)
    }

    /// The credentials or the address may have been replaced: the kubeconfig is read again for the next call.
    fn outdated(&self) {
        self.shared.stale.store(true, Ordering::Relaxed);
    }
}

async fn read(mut body: Body, subject: &Subject, most: usize, repeatable: bool) -> Result<Bytes, Failure> {
    let mut all = BytesMut::new();
    loop {
        let Ok(frame) = timeout(PATIENCE, body.frame()).await else {
            return Err(failure::broke_off(subject, NO_ANSWER, repeatable));
        };
        let Some(frame) = frame else { return Ok(all.freeze()) };
        let frame = frame.map_err(|why| failure::unanswered(subject, &why, repeatable))?;
        if let Ok(data) = frame.into_data() {
            if all.len() + data.len() > most {
                let message = format!("the answer to {subject} has more than {} MiB", most >> 20);
                return Err(Failure::new("TooLarge", message));
            }
            all.extend_from_slice(&data);
        }
    }
}
