//! One request out: its address checked, and the checked address dialled; answers bounded; redirects one by one.
//!
//! Names are looked up by a resolver of our own that lets through only what may be called, so there is no moment
//! between check and use; literal addresses are checked in the URL (which writes `2130706433` and `0x7f.1` as what they
//! are). No proxy is used: it would resolve names itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ensue_event::ours::Failure;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode, header};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde_json::json;

use super::address::{Cidr, is_public};
use crate::action::{denied, wrong};
use crate::log::Log;

/// How much of an answer is read. More is no answer to an automation, but a download.
const MAX_BODY: usize = 1 << 20;
/// How many redirects are followed.
const MAX_REDIRECTS: usize = 3;
/// How long a connection may take to come about; the call's own timeout may end it sooner.
const CONNECT: Duration = Duration::from_secs(10);
/// How many different `allowNetworks` have a client of their own; past that they are made anew.
const MAX_CLIENTS: usize = 64;

/// Looks up the addresses of a host.
pub trait Lookup: Send + Sync {
    /// All its addresses.
    fn lookup(&self, host: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>>;
}

/// The system's own resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Lookup for System {
    fn lookup(&self, host: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// A host that may not be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{host} is {address}, which is not a public address; name its range in `allowNetworks` of the connection")]
struct Blocked {
    host: String,
    address: IpAddr,
}

struct Filter {
    lookup: Arc<dyn Lookup>,
    allowed: Vec<Cidr>,
}

fn may_call(address: IpAddr, allowed: &[Cidr]) -> bool {
    is_public(address) || allowed.iter().any(|range| range.contains(address))
}

impl reqwest::dns::Resolve for Filter {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let (host, allowed) = (name.as_str().to_owned(), self.allowed.clone());
        let found = self.lookup.lookup(host.clone());
        Box::pin(async move {
            let found = found.await?;
            let (good, bad): (Vec<IpAddr>, Vec<IpAddr>) =
                found.into_iter().partition(|address| may_call(*address, &allowed));
            match (good.is_empty(), bad.first()) {
                (true, Some(address)) => Err(Blocked { host, address: *address }.into()),
                _ => Ok(Box::new(good.into_iter().map(|ip| SocketAddr::new(ip, 0))) as reqwest::dns::Addrs),
            }
        })
    }
}

/// Clients, one for each set of allowed ranges, since a connection once opened is used again.
pub(crate) struct Clients {
    lookup: Arc<dyn Lookup>,
    clients: Mutex<BTreeMap<Vec<Cidr>, Client>>,
}

impl Default for Clients {
    fn default() -> Clients {
        Clients::new(Arc::new(System))
    }
}

/// A request to be sent.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// Headers that go wherever the request goes.
    pub(crate) headers: HeaderMap,
    /// Headers that only the first origin may see: credentials and what the connection adds.
    pub(crate) private: HeaderMap,
    pub(crate) body: Option<Bytes>,
    pub(crate) allowed: Vec<Cidr>,
    /// Whether sending it twice is the same as once.
    pub(crate) repeatable: bool,
    /// Whether the URL may be shown; a Slack webhook's is a secret.
    pub(crate) shown: String,
}

/// An answer, whatever its status.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Clients {
    pub(crate) fn new(lookup: Arc<dyn Lookup>) -> Clients {
        Clients { lookup, clients: Mutex::default() }
    }

    /// Sends a request, once; a redirect is followed unless its status is `wanted` by the caller. The log gets a line
    /// for it and one for what came of it.
    pub(crate) async fn send(
        &self,
        request: Request,
        log: &Log,
        wanted: impl Fn(StatusCode) -> bool,
    ) -> Result<Response, Failure> {
        let size = |body: &Bytes| format!(", {} bytes", body.len());
        log.line(&format!("> {}{}", request.shown, request.body.as_ref().map(size).unwrap_or_default()));
        let began = Instant::now();
        let came = self.follow(request, log, wanted).await;
        let took = began.elapsed().as_millis();
        match &came {
            Ok(response) => log.line(&format!("< {}{} after {took} ms", response.status, size(&response.body))),
            Err(failure) => log.line(&format!("! {}: {} after {took} ms", failure.name, failure.message)),
        }
        came
    }

    async fn follow(
        &self,
        mut request: Request,
        log: &Log,
        wanted: impl Fn(StatusCode) -> bool,
    ) -> Result<Response, Failure> {
        let client = self.client(&request.allowed)?;
        let mut redirects = 0;
        loop {
            check(&request.url, &request.allowed)?;
            let mut headers = request.headers.clone();
            for (name, value) in &request.private {
                headers.insert(name, value.clone());
            }
            let mut builder = client.request(request.method.clone(), request.url.clone()).headers(headers);
            if let Some(body) = &request.body {
                builder = builder.body(body.clone());
            }
            let response = builder.send().await.map_err(|error| failed(error, &request))?;
            let next = location(&response, &request.url);
            match next {
                Some(next) if response.status().is_redirection() && !wanted(response.status()) => {
                    redirects += 1;
                    if redirects > MAX_REDIRECTS {
                        return Err(wrong(format!("{} was redirected more than {MAX_REDIRECTS} times", request.shown)));
                    }
                    log.line(&format!("< {}, and on to {}", response.status(), next.origin().ascii_serialization()));
                    follow(&mut request, next, response.status())?;
                }
                _ => return read(response, &request).await,
            }
        }
    }

    fn client(&self, allowed: &[Cidr]) -> Result<Client, Failure> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(allowed) {
            return Ok(client.clone());
        }
        install_provider();
        let build = |certificates: bool| {
            let filter = Filter { lookup: Arc::clone(&self.lookup), allowed: allowed.to_vec() };
            let builder = Client::builder()
                .user_agent(concat!("ensue/", env!("CARGO_PKG_VERSION")))
                .redirect(Policy::none())
                // One try: what is done again is the fold's to say.
                .retry(reqwest::retry::never())
                .no_proxy()
                .connect_timeout(CONNECT)
                .dns_resolver(Arc::new(filter));
            // A machine without any certificate authority can still speak plain HTTP.
            if certificates { builder.build() } else { builder.tls_certs_only([]).build() }
        };
        let client = build(true).or_else(|_| build(false));
        let client = client.map_err(|error| wrong(format!("no HTTP client can be made here: {error}")))?;
        if clients.len() >= MAX_CLIENTS {
            clients.clear();
        }
        clients.insert(allowed.to_vec(), client.clone());
        Ok(client)
    }
}

/// Makes ring the provider of cryptography for TLS. Harmless when it is done again, or was done by the program.
pub fn install_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may have been faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// Refuses what no resolver is asked about: other schemes, credentials in the URL, literal addresses.
fn check(url: &Url, allowed: &[Cidr]) -> Result<(), Failure> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(denied(format!("only http:// and https:// are called, not {}://", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(denied("a user or password in an address is not sent; use `basic` of the connection"));
    }
    let Some(host) = url.host_str() else {
        return Err(wrong("the address names no host"));
    };
    // Brackets stand around IPv6 in a URL.
    let literal: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    match literal.filter(|address| !may_call(*address, allowed)) {
        Some(address) => Err(denied(Blocked { host: host.to_owned(), address }.to_string())),
        None => Ok(()),
    }
}

fn location(response: &reqwest::Response, from: &Url) -> Option<Url> {
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    from.join(location).ok()
}

/// Turns the request into the one that a redirect asks for (RFC 9110, 15.4).
fn follow(request: &mut Request, next: Url, status: StatusCode) -> Result<(), Failure> {
    if request.url.scheme() == "https" && next.scheme() != "https" {
        return Err(denied(format!(
            "{} redirects from https to {}; that is not followed",
            request.shown,
            next.scheme()
        )));
    }
    if next.origin() != request.url.origin() {
        request.private.clear();
        for name in [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION] {
            request.headers.remove(name);
        }
    }
    let becomes_get = match status.as_u16() {
        301 | 302 => request.method == Method::POST,
        303 => request.method != Method::HEAD,
        _ => false,
    };
    if becomes_get {
        request.method = Method::GET;
        request.body = None;
        request.headers.remove(header::CONTENT_TYPE);
    }
    request.url = next;
    Ok(())
}

async fn read(mut response: reqwest::Response, request: &Request) -> Result<Response, Failure> {
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(error, request))? {
        if body.len() + chunk.len() > MAX_BODY {
            let mut failure = Failure::new(
                "TooLarge",
                format!("{} answered {status} with more than 1 MiB; the request was sent", request.shown),
            );
            failure.details = json!({ "status": status.as_u16() });
            return Err(failure);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Response { status, headers, body: body.into() })
}

/// Which failure an error is. Before a connection stands nothing was sent: another try is safe. After that, only a
/// request that may be sent twice is sent again; of any other nobody knows whether it was done.
fn failed(error: reqwest::Error, request: &Request) -> Failure {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    let mut last = String::new();
    while let Some(at) = cause {
        if let Some(blocked) = at.downcast_ref::<Blocked>() {
            return denied(blocked.to_string());
        }
        last = at.to_string();
        cause = at.source();
    }
    let shown = &request.shown;
    if error.is_connect() {
        return Failure::new("Connect", format!("{shown} cannot be reached: {last}")).retryable();
    }
    if error.is_builder() || error.is_request() && last.contains("invalid") {
        return wrong(format!("the request to {shown} cannot be sent: {last}"));
    }
    if request.repeatable {
        return Failure::new("Connect", format!("{shown} broke off: {last}")).retryable();
    }
    Failure::new("Uncertain", format!("{shown} broke off, and may or may not have done it: {last}"))
}
