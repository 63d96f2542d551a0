//! What tests share: deliveries, worlds, calls, and the shared data where it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ensue_connect::{Call, Connection, Delivery, Log, Provider, Received, Refusal, Resolved, Secrets, World, webhook};
use ensue_event::ours::{Answer, Failure};
use ensue_event::{Key, Span, Time};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

pub(crate) fn headers(list: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// A delivery to a source of this kind, through `verify` and `receive`.
pub(crate) fn deliver(
    kind: &str,
    config: Value,
    list: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Received, Refusal> {
    let (config, headers) = (Resolved::new(config), headers(list));
    let delivery = Delivery {
        source: "test",
        config: &config,
        headers: &headers,
        path: "/hooks/test",
        query: None,
        body: body.into(),
        now: Time::parse("2026-03-02T09:15:31Z").unwrap(),
    };
    let source = webhook(kind).unwrap();
    source.verify(&delivery)?;
    source.receive(&delivery)
}

pub(crate) struct Fixture {
    pub(crate) world: World,
    pub(crate) dir: tempfile::TempDir,
}

/// A world of its own, with secrets from a folder.
pub(crate) fn world(secrets: &[(&str, &str)]) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("secrets");
    std::fs::create_dir(&folder).unwrap();
    for (name, value) in secrets {
        std::fs::write(folder.join(name), value).unwrap();
    }
    let secrets = Arc::new(Secrets::new(vec![Provider::Folder(folder)]));
    Fixture { world: World::new(secrets, dir.path().join("cache")), dir }
}

pub(crate) fn call(action: &str, connection: Option<Value>, with: Value) -> Call {
    let type_name = action.split('/').next().unwrap().to_owned();
    Call {
        effect: Key([7; 16]),
        attempt: 1,
        run: Key([9; 16]),
        step: "step".to_owned(),
        namespace: "default".to_owned(),
        action: action.to_owned(),
        connection: connection.map(|config| Connection { name: "it".to_owned(), type_name, config }),
        with,
        timeout: Span::secs(20),
        cause: String::new(),
        log: Log::default(),
    }
}

pub(crate) fn ok(answer: Answer) -> Value {
    match answer {
        Answer::Ok(outputs) => outputs,
        Answer::Err(failure) => panic!("{failure:?}"),
    }
}

pub(crate) fn err(answer: Answer) -> Failure {
    match answer {
        Answer::Err(failure) => failure,
        Answer::Ok(outputs) => panic!("no failure: {outputs}"),
    }
}

pub(crate) fn fixture(path: &str) -> Bytes {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)).unwrap().into()
}

/// A file or folder of the shared data, where it is there.
pub(crate) fn shared(test: &str, path: &str) -> Option<PathBuf> {
    let root = match std::env::var_os("ENSUE_SHARED") {
        Some(root) => PathBuf::from(root),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    };
    let path = root.join(path);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {test}: no shared data");
    None
}

pub(crate) fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
