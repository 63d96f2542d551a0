//! A client for tests: one connection for each request, bodies read as they come.

use fake_kubernetes::Server;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// An answer whose body is still coming.
pub(crate) struct Open {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    buffer: Vec<u8>,
}

impl Open {
    /// The next line, without its end; `None` after the last.
    pub(crate) async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.drain(..=at).collect::<Vec<u8>>();
                return Some(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            match self.body.frame().await?.ok()?.into_data() {
                Ok(data) => self.buffer.extend_from_slice(&data),
                Err(_) => continue,
            }
        }
    }

    /// All that still comes, up to the end or the break.
    pub(crate) async fn text(mut self) -> String {
        while let Some(Ok(frame)) = self.body.frame().await {
            if let Ok(data) = frame.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
        String::from_utf8_lossy(&self.buffer).into_owned()
    }
}

/// Sends a request and returns when the head of its answer is there.
pub(crate) async fn send(
    server: &Server,
    method: &str,
    path: &str,
    body: Vec<u8>,
    headers: &[(&str, &str)],
) -> std::io::Result<Open> {
    let address = server.url().replace("http://", "");
    let stream = TcpStream::connect(&address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", address);
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body))).unwrap();
    let answer = sender.send_request(request).await.map_err(std::io::Error::other)?;
    let (head, body) = answer.into_parts();
    Ok(Open { status: head.status.as_u16(), headers: head.headers, body, buffer: Vec::new() })
}

/// A request as admin, unless the headers say otherwise; the body of its answer as JSON or text.
pub(crate) async fn call(
    server: &Server,
    method: &str,
    path: &str,
    body: Value,
    headers: &[(&str, &str)],
) -> (u16, Value) {
    let mut all = headers.to_vec();
    let mut default = |name: &'static str, value: &'static str| {
        if !headers.iter().any(|(other, _)| *other == name) {
            all.push((name, value));
        }
    };
    default("authorization", "Bearer admin");
    default("user-agent", "test/1");
    default("content-type", "application/json");
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let answer = send(server, method, path, bytes, &all).await.unwrap();
    let status = answer.status;
    let text = answer.text().await;
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// GET as admin.
pub(crate) async fn get(server: &Server, path: &str) -> (u16, Value) {
    call(server, "GET", path, Value::Null, &[]).await
}

/// POST as admin.
pub(crate) async fn post(server: &Server, path: &str, body: Value) -> (u16, Value) {
    call(server, "POST", path, body, &[]).await
}
