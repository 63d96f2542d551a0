//! The client of the API: one address, one token, one way to fail.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Url, header};
use serde_json::Value;

use crate::args::Engine;
use crate::errors::Error;
use crate::output::closed;

/// The address of an engine that is started without one.
const USUAL: &str = "http://127.0.0.1:4310";
/// The file in the data folder that says where its engine listens.
pub(crate) const ADDRESS: &str = "address";
/// How long an engine may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long to wait before a stream that was cut is taken up again.
const AGAIN: Duration = Duration::from_secs(1);

/// An HTTP client for this address: one on this machine is never asked for through a proxy.
pub(crate) fn http(url: &Url) -> Result<reqwest::Client, Error> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let own = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let mut builder = reqwest::Client::builder().connect_timeout(CONNECT);
    if own {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|why| Error::Other(format!("no HTTP client can be made: {}", cause(&why))))
}

/// An engine, and who we are to it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<String>,
}

impl Client {
    /// The engine that the flags name; else the one of the data folder; else the usual address.
    pub(crate) fn new(engine: &Engine) -> Result<Client, Error> {
        let kept = || std::fs::read_to_string(engine.data.join(ADDRESS)).ok().map(|text| text.trim().to_owned());
        let written = engine.server.clone().or_else(kept).unwrap_or_else(|| USUAL.to_owned());
        let full = if written.contains("://") { written.clone() } else { format!("http://{written}") };
        let base = Url::parse(&full).ok().filter(|url| url.host_str().is_some());
        let base = base
            .ok_or_else(|| Error::Usage(format!("`{written}` is not the address of an engine; write it as {USUAL}")))?;
        let token = engine.token.clone().or_else(|| ensue_node::token::local(&engine.data));
        Ok(Client { http: http(&base)?, base, token })
    }

    /// A request to a path below the address.
    pub(crate) fn request(&self, method: Method, path: &[&str], query: &[(&str, String)]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// What stands at a path of the API.
    pub(crate) async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value, Error> {
        let whole = [&["api", "v1"], path].concat();
        self.send(self.request(Method::GET, &whole, query)).await
    }

    /// Asks the API to do something.
    pub(crate) async fn post(&self, path: &[&str], body: &Value) -> Result<Value, Error> {
        let whole = [&["api", "v1"], path].concat();
        self.send(self.request(Method::POST, &whole, &[]).json(body)).await
    }

    /// Sends a request; the answer's JSON where it is a good one.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Value, Error> {
        let response = self.open(request).await?;
        let bytes = response.bytes().await.map_err(|why| self.not_reached(&why))?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|_| self.no_ensue("what answers there does not speak its language"))
    }

    /// Sends a request; the answer, still to be read, where it is a good one.
    pub(crate) async fn open(&self, request: RequestBuilder) -> Result<reqwest::Response, Error> {
        let response = request.send().await.map_err(|why| self.not_reached(&why))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        let said: Value = serde_json::from_str(&text).unwrap_or_default();
        let message = said.pointer("/error/message").and_then(Value::as_str).map(str::to_owned);
        let excerpt = said.pointer("/error/excerpt").and_then(Value::as_str);
        match message {
            Some(message) => {
                let message = excerpt.map_or(message.clone(), |excerpt| format!("{message}\n{}", excerpt.trim_end()));
                let code = said.pointer("/error/code").and_then(Value::as_str).unwrap_or_default().to_owned();
                Err(Error::Refused { status: status.as_u16(), code, message })
            }
            None => Err(self.no_ensue(&format!("what answers there says {status}"))),
        }
    }

    /// Records as they become durable, from a position on or from now on, for as long as somebody reads what is printed:
    /// a stream that is cut is taken up where it was.
    pub(crate) async fn follow(
        &self,
        query: &[(&str, String)],
        from: Option<u64>,
        each: &mut (dyn FnMut(&Value) + Send),
    ) -> Result<(), Error> {
        tokio::select! {
            ended = self.stream(query, from, each) => ended,
            () = closed() => Ok(()),
        }
    }

    async fn stream(
        &self,
        query: &[(&str, String)],
        from: Option<u64>,
        each: &mut (dyn FnMut(&Value) + Send),
    ) -> Result<(), Error> {
        let mut next = from;
        let mut reached = false;
        loop {
            let mut query = query.to_vec();
            query.extend(next.map(|next| ("from", next.to_string())));
            let request = self.request(Method::GET, &["api", "v1", "stream"], &query);
            match self.open(request.header(header::ACCEPT, "text/event-stream")).await {
                Ok(response) => {
                    reached = true;
                    self.read(response, &mut next, each).await;
                    anstream::eprintln!("the stream was cut; it is taken up again");
                }
                // Whoever was there once is waited for; whoever never was is an error.
                Err(Error::NotReached { .. } | Error::Refused { status: 503, .. }) if reached => {}
                Err(why) => return Err(why),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Reads server-sent events until the stream ends.
    async fn read(
        &self,
        mut response: reqwest::Response,
        next: &mut Option<u64>,
        each: &mut (dyn FnMut(&Value) + Send),
    ) {
        let mut waiting: Vec<u8> = Vec::new();
        let mut data = String::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            waiting.extend_from_slice(&chunk);
            while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = waiting.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                let line = line.trim_end_matches(['\n', '\r']);
                if let Some(part) = line.strip_prefix("data:") {
                    data.push_str(part.strip_prefix(' ').unwrap_or(part));
                } else if line.is_empty()
                    && let Ok(record) = serde_json::from_str::<Value>(&std::mem::take(&mut data))
                {
                    let position = record.get("position").and_then(Value::as_u64);
                    *next = position.map(|position| position + 1).or(*next);
                    each(&record);
                }
            }
        }
    }

    fn not_reached(&self, why: &reqwest::Error) -> Error {
        self.no_ensue(&cause(why))
    }

    fn no_ensue(&self, why: &str) -> Error {
        let url = self.base.as_str().trim_end_matches('/').to_owned();
        Error::NotReached { url, why: why.to_owned() }
    }
}

/// The innermost reason: what the system said.
pub(crate) fn cause(why: &dyn std::error::Error) -> String {
    let mut last = why;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
