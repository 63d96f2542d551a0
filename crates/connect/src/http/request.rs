//! The action `http/request`: one request, one answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ensue_event::ours::{Answer, Failure};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use reqwest::Url;
use serde_json::{Map, Value, json};

use crate::action::{Action, Call, answer, denied, wrong};
use crate::net::{self, Response, networks, retry_after};
use crate::secrets::{Resolved, scalar};
use crate::world::World;

/// The header that says why a request was made.
pub(crate) const MARK: HeaderName = HeaderName::from_static("ensue-cause");
/// How much of a wrong answer's body goes into the failure.
const EXCERPT: usize = 4 << 10;

pub(crate) struct Request;

#[async_trait::async_trait]
impl Action for Request {
    fn name(&self) -> &'static str {
        "http/request"
    }

    fn repeatable(&self, call: &Call) -> bool {
        let keyed = call.connection.as_ref().and_then(|connection| connection.config.get("idempotencyHeader"));
        keyed.is_some_and(Value::is_string) || method(call).is_ok_and(|method| method.is_idempotent())
    }

    async fn call(&self, call: Call, world: &World) -> Answer {
        answer(send(self.repeatable(&call), &call, world).await)
    }
}

async fn send(repeatable: bool, call: &Call, world: &World) -> Result<Value, Failure> {
    World::no_secrets(call)?;
    let config = match &call.connection {
        Some(_) => world.connection(call, "http")?,
        None => Resolved::new(Value::Null),
    };
    let url = url(call, &config)?;
    let method = method(call)?;
    let (headers, private) = (headers(call)?, private(call, &config)?);
    let body = body(call)?;
    let shown = format!("{method} {}", without_query(&url));
    let mut request = net::Request {
        method,
        url,
        headers,
        private,
        body: body.as_ref().map(|(body, _)| body.clone()),
        allowed: networks(&config)?,
        repeatable,
        shown: shown.clone(),
    };
    if let Some((_, kind)) = body
        && !request.headers.contains_key(header::CONTENT_TYPE)
    {
        request.headers.insert(header::CONTENT_TYPE, kind);
    }
    let expect = call.numbers("expect");
    let good = |status: StatusCode| match expect.as_slice() {
        [] => status.is_success(),
        some => some.contains(&i64::from(status.as_u16())),
    };
    let response = world.clients.send(request, &call.log, good).await?;
    if good(response.status) { Ok(outputs(&response)) } else { Err(status_failure(&shown, &response)) }
}

fn method(call: &Call) -> Result<Method, Failure> {
    let name = call.text("method").unwrap_or("GET").to_ascii_uppercase();
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    if !known.contains(&name.as_str()) {
        return Err(wrong(format!(
            "`{name}` is not a method that http/request sends; it is one of {}",
            known.join(", ")
        )));
    }
    Method::from_bytes(name.as_bytes()).map_err(|_| wrong(format!("`{name}` is not a method")))
}

/// Where it goes. With a connection's address, `path` stays below it and `url` within its origin: what the connection
/// holds is for nobody else.
fn url(call: &Call, config: &Resolved) -> Result<Url, Failure> {
    let parsed = |text: &str| Url::parse(text).map_err(|error| wrong(format!("`{text}` is not an address: {error}")));
    let base = config.text("url").map(parsed).transpose()?;
    let credentials = ["bearer", "basic", "headers"].iter().any(|name| config.get(name).is_some());
    let mut url = match (call.text("url"), base) {
        (Some(text), Some(base)) => {
            let url = parsed(text)?;
            if url.origin() != base.origin() {
                let wanted = base.origin().ascii_serialization();
                return Err(denied(format!("`url` leaves the connection, which is for {wanted} only; give `path`")));
            }
            url
        }
        (Some(_), None) if credentials => {
            return Err(denied("the connection has credentials and no `url`; without it they could be sent anywhere"));
        }
        (Some(text), None) => parsed(text)?,
        (None, Some(base)) => below(base, call.text("path").unwrap_or_default())?,
        (None, None) => return Err(wrong("http/request needs `url`, or a connection with one")),
    };
    if let Some(query) = call.field("query").and_then(Value::as_object) {
        let mut pairs = url.query_pairs_mut();
        for (name, value) in query {
            match value {
                Value::Array(items) => {
                    for item in items {
                        pairs.append_pair(name, &scalar(item));
                    }
                }
                Value::Null => {}
                other => {
                    pairs.append_pair(name, &scalar(other));
                }
            }
        }
    }
    url.set_fragment(None);
    Ok(url)
}

fn below(base: Url, path: &str) -> Result<Url, Failure> {
    if path.is_empty() {
        return Ok(base);
    }
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let root = base.path().trim_end_matches('/').to_owned();
    let mut url = base;
    url.set_path(&format!("{root}/{}", path.trim_start_matches('/')));
    if let Some(query) = query {
        url.set_query(Some(query));
    }
    // `..` was resolved when the path was set, `%2e%2e` too.
    let stays = url.path().strip_prefix(root.as_str()).is_some_and(|rest| rest.starts_with('/'));
    if stays { Ok(url) } else { Err(denied(format!("`path` {path} leaves the connection's address"))) }
}

fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}

fn headers(call: &Call) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    let given = call.field("headers").and_then(Value::as_object);
    for (name, value) in given.into_iter().flatten() {
        insert(&mut headers, name, &scalar(value))?;
    }
    // A key of a correlation may hold any character; a header may not.
    let mark = call.mark().replace(|c: char| !c.is_ascii_graphic() && c != ' ', "?");
    insert(&mut headers, MARK.as_str(), &mark)?;
    Ok(headers)
}

fn private(call: &Call, config: &Resolved) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for (name, value) in config.entries("headers") {
        insert(&mut headers, name, &value)?;
    }
    if let Some(token) = config.text("bearer") {
        insert(&mut headers, "authorization", &format!("Bearer {token}"))?;
    } else if let Some(basic) = config.get("basic") {
        let part = |name: &str| basic.get(name).and_then(Value::as_str).unwrap_or_default();
        let pair = STANDARD.encode(format!("{}:{}", part("user"), part("password")));
        insert(&mut headers, "authorization", &format!("Basic {pair}"))?;
    }
    if let Some(name) = config.text("idempotencyHeader") {
        insert(&mut headers, name, &call.effect.to_string())?;
    }
    for (_, value) in &mut headers {
        value.set_sensitive(true);
    }
    Ok(headers)
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), Failure> {
    // What frames a message is the client's to say.
    const FRAMING: [&str; 6] = ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te"];
    let wrong_name = || wrong(format!("`{name}` is not the name of a header that can be sent"));
    let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong_name())?;
    if FRAMING.contains(&key.as_str()) {
        return Err(wrong_name());
    }
    let text =
        HeaderValue::from_str(value).map_err(|_| wrong(format!("the value of the header `{name}` is not one line")))?;
    headers.insert(key, text);
    Ok(())
}

fn body(call: &Call) -> Result<Option<(Bytes, HeaderValue)>, Failure> {
    match (call.field("body"), call.text("text")) {
        (Some(_), Some(_)) => Err(wrong("http/request takes `body` or `text`, not both")),
        (Some(body), None) => Ok(Some((body.to_string().into(), HeaderValue::from_static("application/json")))),
        (None, Some(text)) => Ok(Some((text.to_owned().into(), HeaderValue::from_static("text/plain; charset=utf-8")))),
        (None, None) => Ok(None),
    }
}

fn outputs(response: &Response) -> Value {
    let mut headers = Map::new();
    for name in response.headers.keys() {
        let values: Vec<_> =
            response.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        headers.insert(name.as_str().to_owned(), values.join(", ").into());
    }
    json!({ "status": response.status.as_u16(), "headers": headers, "body": read_body(response) })
}

/// What the body says: JSON where the type says so and it is, else text.
fn read_body(response: &Response) -> Value {
    if response.body.is_empty() {
        return Value::Null;
    }
    let kind = response.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if (kind.ends_with("/json") || kind.ends_with("+json"))
        && let Ok(value) = serde_json::from_slice(&response.body)
    {
        return value;
    }
    String::from_utf8_lossy(&response.body).into_owned().into()
}

/// The failure that a status is: another try may help after 408, 425, 429 and 5xx.
pub(crate) fn status_failure(shown: &str, response: &Response) -> Failure {
    let status = response.status;
    let text = String::from_utf8_lossy(&response.body);
    let excerpt: String = text.chars().take(200).collect();
    let colon = if excerpt.trim().is_empty() { "" } else { ": " };
    let mut failure = Failure::new("Status", format!("{shown} answered {status}{colon}{}", excerpt.trim()));
    failure.retryable = matches!(status.as_u16(), 408 | 425 | 429 | 500..=599);
    if failure.retryable {
        failure.retry_after = retry_after(&response.headers, jiff::Timestamp::now());
    }
    let short: String = text.chars().take(EXCERPT).collect();
    let body = if short.len() == text.len() { read_body(response) } else { short.into() };
    failure.details = json!({ "status": status.as_u16(), "body": body });
    failure
}
