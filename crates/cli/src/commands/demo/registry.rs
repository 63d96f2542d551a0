//! A stand-in for a container registry: the part of the distribution API that a push needs, in memory, and the
//! notifications that docker distribution sends, in their order and envelope (distribution specification, "Push";
//! distribution, "Work with notifications").

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use reqwest::Url;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, watch};

use super::messages::listen;
use crate::client::http;
use crate::commands::emit::NOTIFICATION;
use crate::errors::Error;

/// The largest blob that is taken.
const LARGEST: usize = 64 << 20;
/// How long to wait before a notification is sent again.
const AGAIN: Duration = Duration::from_millis(200);

/// Where notifications go, as soon as it is known, and the token that they carry.
#[derive(Clone)]
pub(super) struct Hook {
    token: Arc<str>,
    url: watch::Sender<Option<String>>,
}

impl Hook {
    pub(super) fn new(token: String) -> Hook {
        Hook { token: token.into(), url: watch::Sender::new(None) }
    }

    /// Says where notifications go.
    pub(super) fn point(&self, url: &str) {
        self.url.send_replace(Some(url.to_owned()));
    }
}

/// What it keeps.
struct Kept {
    blobs: Mutex<BTreeMap<String, Bytes>>,
    notify: mpsc::UnboundedSender<Value>,
}

/// Starts it on a free port; its address.
pub(super) async fn start(hook: Hook) -> Result<String, Error> {
    let (notify, waiting) = mpsc::unbounded_channel();
    let kept = Arc::new(Kept { blobs: Mutex::default(), notify });
    let router = Router::new().fallback(answer).layer(DefaultBodyLimit::max(LARGEST)).with_state(kept);
    tokio::spawn(tell(hook, waiting));
    listen(router).await
}

/// Sends notifications in their order, each until it is taken, as distribution does.
async fn tell(hook: Hook, mut waiting: mpsc::UnboundedReceiver<Value>) {
    let mut known = hook.url.subscribe();
    let Ok(url) = known.wait_for(Option::is_some).await.map(|url| url.clone().unwrap_or_default()) else { return };
    let Some(client) = Url::parse(&url).ok().and_then(|url| http(&url).ok()) else { return };
    while let Some(event) = waiting.recv().await {
        let body = json!({"events": [event]}).to_string();
        loop {
            let request = client.post(&url).header(header::CONTENT_TYPE, NOTIFICATION).bearer_auth(&hook.token);
            match request.body(body.clone()).send().await {
                Ok(response) if response.status().is_success() => break,
                Ok(response) => tracing::warn!(status = %response.status(), "a notification was not taken"),
                Err(why) => tracing::warn!(%why, "a notification was not taken"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

async fn answer(State(kept): State<Arc<Kept>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path();
    if path == "/v2/" || path == "/v2" {
        return (StatusCode::OK, "{}").into_response();
    }
    let Some(rest) = path.strip_prefix("/v2/") else { return refuse(StatusCode::NOT_FOUND, "NAME_UNKNOWN") };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let request = Request { kept: &kept, host, headers: &headers, body };
    if let Some((repository, _)) = rest.split_once("/blobs/uploads/") {
        return match method {
            Method::POST => {
                let place = format!("/v2/{repository}/blobs/uploads/{}", uuid::Uuid::now_v7());
                (StatusCode::ACCEPTED, [(header::LOCATION, place)]).into_response()
            }
            Method::PUT => request.blob(repository, uri.query().unwrap_or_default()),
            _ => refuse(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED"),
        };
    }
    if let Some((_, digest)) = rest.split_once("/blobs/") {
        return request.find(digest, method == Method::HEAD);
    }
    match rest.split_once("/manifests/") {
        Some((repository, tag)) if method == Method::PUT => request.manifest(repository, tag),
        _ => refuse(StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
    }
}

struct Request<'a> {
    kept: &'a Kept,
    host: &'a str,
    headers: &'a HeaderMap,
    body: Bytes,
}

impl Request<'_> {
    fn find(&self, digest: &str, head: bool) -> Response {
        let blobs = self.kept.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        match blobs.get(digest) {
            Some(_) if head => StatusCode::OK.into_response(),
            Some(blob) => Body::from(blob.clone()).into_response(),
            None => refuse(StatusCode::NOT_FOUND, "BLOB_UNKNOWN"),
        }
    }

    /// The end of an upload: the digest that the client names must be that of what came.
    fn blob(self, repository: &str, query: &str) -> Response {
        let named = query.split('&').find_map(|pair| pair.strip_prefix("digest="));
        let named = named.map(|digest| digest.replace("%3A", ":").replace("%3a", ":"));
        let digest = digest(&self.body);
        if named.as_deref() != Some(digest.as_str()) {
            return refuse(StatusCode::BAD_REQUEST, "DIGEST_INVALID");
        }
        self.notify("application/octet-stream", repository, &digest, "blobs", None);
        self.kept.blobs.lock().unwrap_or_else(PoisonError::into_inner).insert(digest.clone(), self.body);
        created(&digest)
    }

    fn manifest(self, repository: &str, tag: &str) -> Response {
        let media = self.headers.get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
        let Ok(manifest) = serde_json::from_slice::<Value>(&self.body) else {
            return refuse(StatusCode::BAD_REQUEST, "MANIFEST_INVALID");
        };
        let layers = manifest.get("layers").and_then(Value::as_array).into_iter().flatten();
        let mut named = layers.chain(manifest.get("config")).filter_map(|one| one.get("digest")?.as_str());
        let known = {
            let blobs = self.kept.blobs.lock().unwrap_or_else(PoisonError::into_inner);
            named.all(|digest| blobs.contains_key(digest))
        };
        if !known {
            return refuse(StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN");
        }
        let digest = digest(&self.body);
        self.notify(media, repository, &digest, "manifests", Some(tag));
        created(&digest)
    }

    fn notify(&self, media: &str, repository: &str, digest: &str, kind: &str, tag: Option<&str>) {
        let agent = self.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or("ensue");
        let mut target = json!({
            "mediaType": media, "size": self.body.len(), "digest": digest, "length": self.body.len(),
            "repository": repository, "url": format!("http://{}/v2/{repository}/{kind}/{digest}", self.host),
        });
        if let (Some(tag), Some(object)) = (tag, target.as_object_mut()) {
            object.insert("tag".into(), tag.into());
        }
        let event = json!({
            "id": uuid::Uuid::now_v7().to_string(), "timestamp": jiff::Timestamp::now().to_string(), "action": "push",
            "target": target,
            "request": {
                "id": uuid::Uuid::now_v7().to_string(), "addr": "127.0.0.1", "host": self.host, "method": "PUT", "useragent": agent,
            },
            "actor": {}, "source": {"addr": self.host, "instanceID": "ensue-demo"},
        });
        // The task that sends lives as long as the program.
        let _ = self.kept.notify.send(event);
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn created(digest: &str) -> Response {
    (StatusCode::CREATED, [(HeaderName::from_static("docker-content-digest"), digest.to_owned())]).into_response()
}

fn refuse(status: StatusCode, code: &str) -> Response {
    let body = json!({"errors": [{"code": code, "message": "see the distribution specification"}]}).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
