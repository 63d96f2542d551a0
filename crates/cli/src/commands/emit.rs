//! `ensue emit`: an event from flags, from a file, from lines, or a ready-made one.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Method, RequestBuilder, header};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::args::Emit;
use crate::client::Client;
use crate::errors::Error;
use crate::output::{Output, cell};

/// Ready-made payloads: name, the event of GitHub or nothing, the type as a CloudEvent, the body.
const FIXTURES: &[(&str, Option<&str>, &str, &str)] = &[
    ("github/push", Some("push"), "com.github.push", include_str!("../../fixtures/github/push.json")),
    (
        "github/pull_request",
        Some("pull_request"),
        "com.github.pull_request.opened",
        include_str!("../../fixtures/github/pull_request.json"),
    ),
    ("registry/push", None, "com.docker.distribution.push", include_str!("../../fixtures/registry/push.json")),
];
/// The commit in the ready-made payloads.
const COMMIT: &str = "6f1d2c3b4a59687786a5b4c3d2e1f00112233445";
/// The media type of a registry's notifications (distribution, "Work with notifications").
pub(crate) const NOTIFICATION: &str = "application/vnd.docker.distribution.events.v2+json";
/// Events of a batch when lines are sent.
const BATCH: usize = 100;

pub(crate) async fn emit(emit: Emit, output: Output) -> Result<(), Error> {
    let client = Client::new(&emit.engine)?;
    if let Some(name) = &emit.fixture {
        return fixture(&client, name, &emit, output).await;
    }
    if let Some(path) = &emit.lines {
        return lines(&client, path, &emit, output).await;
    }
    if emit.to.is_some() || emit.sign_github.is_some() && emit.file.is_some() {
        return webhook(&client, &emit, output).await;
    }
    let event = match &emit.file {
        Some(path) => completed(parse(&read(path)?, &path.display().to_string())?, &emit)?,
        None => {
            let kind = emit.kind.as_ref().ok_or_else(|| {
                Error::Usage("what is to be sent? --type with --data-json, a file, --lines or --fixture".to_owned())
            })?;
            let mut event = json!({"type": kind});
            if let (Some(text), Some(object)) = (&emit.data_json, event.as_object_mut()) {
                object.insert("data".into(), data(text)?);
                object.insert("datacontenttype".into(), "application/json".into());
            }
            completed(event, &emit)?
        }
    };
    let told = client.send(structured(&client, &event)).await?;
    say(&told, output);
    Ok(())
}

/// A request that sends one event.
pub(super) fn structured(client: &Client, event: &Value) -> RequestBuilder {
    let request = client.request(Method::POST, &["events"], &[]);
    request.header(header::CONTENT_TYPE, "application/cloudevents+json").body(event.to_string())
}

/// An event with what must be there and was not given.
fn completed(event: Value, emit: &Emit) -> Result<Value, Error> {
    let Value::Object(mut event) = event else {
        return Err(Error::Usage(
            "an event is a JSON object with `type`, and `data` if there is something to say".into(),
        ));
    };
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            event.insert(name.to_owned(), value.into());
        }
    };
    set("type", emit.kind.clone());
    set("subject", emit.subject.clone());
    set("id", emit.id.clone());
    event.entry("specversion").or_insert_with(|| "1.0".into());
    event.entry("source").or_insert_with(|| emit.source.clone().into());
    if !event.contains_key("id") {
        event.insert("id".to_owned(), uuid::Uuid::now_v7().to_string().into());
        // With an id of the caller's, the same call once more is the same event: a new time would make it another.
        event.entry("time").or_insert_with(|| jiff::Timestamp::now().to_string().into());
    }
    if event.contains_key("data") {
        event.entry("datacontenttype").or_insert_with(|| "application/json".into());
    }
    Ok(Value::Object(event))
}

/// `--data-json`: JSON, or `@FILE`.
fn data(text: &str) -> Result<Value, Error> {
    match text.strip_prefix('@') {
        Some(path) => parse(&read(Path::new(path))?, path),
        None => parse(text.as_bytes(), "--data-json"),
    }
}

fn parse(bytes: &[u8], from: &str) -> Result<Value, Error> {
    serde_json::from_slice(bytes).map_err(|why| Error::Usage(format!("{from} is not JSON: {why}")))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).map_err(Error::file(path))?;
    } else {
        bytes = std::fs::read(path).map_err(Error::file(path))?;
    }
    Ok(bytes)
}

/// An event a line, sent in batches.
async fn lines(client: &Client, path: &Path, emit: &Emit, output: Output) -> Result<(), Error> {
    let reader: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        Box::new(BufReader::new(std::fs::File::open(path).map_err(Error::file(path))?))
    };
    let mut batch = Vec::new();
    for (at, line) in reader.lines().enumerate() {
        let line = line.map_err(Error::file(path))?;
        if !line.trim().is_empty() {
            let from = format!("{}:{}", path.display(), at + 1);
            batch.push(completed(parse(line.as_bytes(), &from)?, emit)?);
        }
        if batch.len() == BATCH {
            send(client, &mut batch, output).await?;
        }
    }
    send(client, &mut batch, output).await
}

async fn send(client: &Client, batch: &mut Vec<Value>, output: Output) -> Result<(), Error> {
    if batch.is_empty() {
        return Ok(());
    }
    let body = Value::Array(std::mem::take(batch)).to_string();
    let request = client.request(Method::POST, &["events"], &[]);
    let told =
        client.send(request.header(header::CONTENT_TYPE, "application/cloudevents-batch+json").body(body)).await?;
    say(&told, output);
    Ok(())
}

/// A ready-made payload: as the webhook that it is, or as the event that a source would make of it.
async fn fixture(client: &Client, name: &str, emit: &Emit, output: Output) -> Result<(), Error> {
    let found = FIXTURES.iter().find(|(known, ..)| *known == name);
    let Some((_, github, kind, text)) = found else {
        let all: Vec<&str> = FIXTURES.iter().map(|(name, ..)| *name).collect();
        return Err(Error::Usage(format!("there is no fixture `{name}`; there are: {}", all.join(", "))));
    };
    let body = fresh(text, emit);
    if emit.to.is_none() && emit.sign_github.is_none() && emit.bearer.is_none() {
        let data = parse(body.as_bytes(), name)?;
        // A notification is an envelope; the event that is made of it has its first event as data.
        let data = if github.is_some() { data } else { data.pointer("/events/0").cloned().unwrap_or_default() };
        let event = json!({"type": emit.kind.as_deref().unwrap_or(kind), "data": data});
        let told = client.send(structured(client, &completed(event, emit)?)).await?;
        say(&told, output);
        return Ok(());
    }
    let told = match github {
        Some(event) => {
            let to = emit.to.as_deref().unwrap_or("github");
            let secret = emit.sign_github.as_deref().ok_or_else(|| {
                Error::Usage("GitHub signs what it sends: give the webhook's secret with --sign-github".to_owned())
            })?;
            client.send(github_delivery(client, to, event, secret, body, emit.id.as_deref())).await?
        }
        None => {
            let to = emit.to.as_deref().unwrap_or("registry");
            client.send(hook(client, to, emit, NOTIFICATION, body.into_bytes())).await?
        }
    };
    say(&told, output);
    Ok(())
}

/// A fixture with a commit, ids and times of its own: the same delivery twice would be one event.
fn fresh(text: &str, emit: &Emit) -> String {
    if emit.id.is_some() {
        return text.to_owned();
    }
    let commit: String = format!("{}{}", uuid::Uuid::now_v7().simple(), uuid::Uuid::now_v7().simple());
    // The last digits of such an id are the random ones.
    let commit: String = commit.chars().rev().take(COMMIT.len()).collect();
    let short = |commit: &str| commit.chars().take(12).collect::<String>();
    text.replace(COMMIT, &commit)
        .replace(&short(COMMIT), &short(&commit))
        .replace("320678d8-ca14-430f-8bb6-4ca139cd83f7", &uuid::Uuid::now_v7().to_string())
}

/// A delivery as GitHub sends it.
pub(crate) fn github_delivery(
    client: &Client,
    to: &str,
    event: &str,
    secret: &str,
    body: String,
    id: Option<&str>,
) -> RequestBuilder {
    let id = id.map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned);
    let path: Vec<&str> = std::iter::once("hooks").chain(to.split('/')).collect();
    client
        .request(Method::POST, &path, &[])
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, "GitHub-Hookshot/ensue")
        .header("X-GitHub-Event", event)
        .header("X-GitHub-Delivery", id)
        .header("X-Hub-Signature-256", signature(secret, body.as_bytes()))
        .body(body)
}

/// `sha256=` and the HMAC of the body in hexadecimal digits (GitHub, "Validating webhook deliveries").
fn signature(secret: &str, body: &[u8]) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// The file as the body of a webhook.
async fn webhook(client: &Client, emit: &Emit, output: Output) -> Result<(), Error> {
    let body = match (&emit.file, &emit.data_json) {
        (Some(path), _) => read(path)?,
        (None, Some(text)) => data(text)?.to_string().into_bytes(),
        (None, None) => {
            return Err(Error::Usage("what is to be sent to the source? a file, --data-json or --fixture".into()));
        }
    };
    let told = match &emit.sign_github {
        Some(secret) => {
            let event = emit.kind.as_deref().unwrap_or("push");
            let event = event.strip_prefix("com.github.").unwrap_or(event).split('.').next().unwrap_or("push");
            let body = String::from_utf8(body).map_err(|_| Error::Usage("what GitHub sends is UTF-8".to_owned()))?;
            let to = emit.to.as_deref().unwrap_or("github");
            client.send(github_delivery(client, to, event, secret, body, emit.id.as_deref())).await?
        }
        None => {
            let to = emit.to.as_deref().unwrap_or_default();
            client.send(hook(client, to, emit, "application/json", body)).await?
        }
    };
    say(&told, output);
    Ok(())
}

fn hook(client: &Client, to: &str, emit: &Emit, media: &str, body: Vec<u8>) -> RequestBuilder {
    let path: Vec<&str> = std::iter::once("hooks").chain(to.split('/')).collect();
    let mut request = client.request(Method::POST, &path, &[]).header(header::CONTENT_TYPE, media).body(body);
    if let Some(token) = &emit.bearer {
        // The source's token stands where ours would.
        let mut headers = reqwest::header::HeaderMap::new();
        if let Ok(value) = format!("Bearer {token}").parse() {
            headers.insert(header::AUTHORIZATION, value);
        }
        request = request.headers(headers);
    }
    request
}

/// Says what became of each event: its id and its position.
pub(super) fn say(told: &Value, output: Output) {
    let one = [told.clone()];
    let list = told.as_array().map_or(one.as_slice(), Vec::as_slice);
    for told in list {
        if !output.for_people() {
            output.value(told);
            continue;
        }
        let is = |name: &str| told.get(name).and_then(Value::as_bool).unwrap_or(false);
        if is("pong") {
            output.line("pong");
            continue;
        }
        let (id, position) = (cell(told.get("id")), cell(told.get("position")));
        let word = match (is("conflict"), is("duplicate")) {
            (true, _) => "refused, another one with this id is there:",
            (_, true) => "came before:",
            _ => "durable:",
        };
        output.line(format!("{word} #{position}  {id}"));
    }
}
