//! Where events come from: what a webhook must do with a delivery.

use bytes::Bytes;
use ensue_event::json::{self, Scanner};
use ensue_event::{Digest, Event, Invalid, Key, Time};

use crate::secrets::Resolved;

/// One request at `/hooks/<source>`, its body whole and raw.
#[derive(Debug)]
pub struct Delivery<'a> {
    /// The name of the `Source` document.
    pub source: &'a str,
    /// Its settings, secrets filled in.
    pub config: &'a Resolved,
    /// The headers.
    pub headers: &'a http::HeaderMap,
    /// The path of the request.
    pub path: &'a str,
    /// The query string, without the question mark.
    pub query: Option<&'a str>,
    /// The body as it travelled.
    pub body: Bytes,
    /// When it was received.
    pub now: Time,
}

/// What a delivery turned out to be.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Received {
    /// Its events, in order.
    pub events: Vec<Event>,
    /// A second key for deduplication: the hash of the signed body, where the id is not covered by the signature.
    pub signed_body: Option<Key>,
    /// What somebody answered to a run, beside the events.
    pub words: Vec<Word>,
    /// What the sender is told.
    pub reply: Reply,
}

/// An answer to an `approve` step that a person gave in another system, which vouches for who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The run.
    pub run: Key,
    /// The step, with its place in a `foreach`.
    pub step: String,
    /// The digest of what was shown.
    pub shown: Digest,
    /// They say no.
    pub refuse: bool,
    /// What the log calls them: `slack:U012AB3CD`.
    pub by: String,
    /// What they may answer for.
    pub roles: Vec<String>,
}

/// What the sender is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reply {
    /// The usual: where its events are.
    #[default]
    Events,
    /// The sender only tries the line: `200`, nothing to keep.
    Pong,
}

/// Why a delivery is not taken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Nobody can know that it comes from where it says.
    #[error("{why}")]
    Signature {
        /// What is wrong, and what to look at; never the expected value.
        why: String,
    },
    /// The body is not JSON, or not JSON that everybody reads alike.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// Another media type than the source understands.
    #[error("the content type `{got}` is not understood here; send {expected}")]
    ContentType {
        /// What was sent.
        got: String,
        /// What is understood.
        expected: &'static str,
    },
    /// Something that must be there is not, or is not what it should be.
    #[error("{0}")]
    Malformed(String),
    /// It would be an event that CloudEvents does not allow.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl Refusal {
    /// The HTTP status to answer with.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Refusal::Signature { .. } => 401,
            Refusal::ContentType { .. } => 415,
            Refusal::NotJson(_) | Refusal::Malformed(_) | Refusal::Invalid(_) => 400,
        }
    }

    /// The code in the answer's body.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Signature { .. } => "signature",
            Refusal::ContentType { .. } => "content-type",
            Refusal::NotJson(_) => "not-json",
            Refusal::Malformed(_) => "malformed",
            Refusal::Invalid(_) => "invalid-event",
        }
    }

    pub(crate) fn signature(why: impl Into<String>) -> Refusal {
        Refusal::Signature { why: why.into() }
    }
}

/// A kind of source that is called over HTTP. `verify` comes first, over the raw bytes, before anything is parsed.
pub trait Webhook: Send + Sync {
    /// Whether the delivery comes from who knows the secret.
    fn verify(&self, delivery: &Delivery<'_>) -> Result<(), Refusal>;
    /// The events of a verified delivery.
    fn receive(&self, delivery: &Delivery<'_>) -> Result<Received, Refusal>;
}

/// The webhook of a kind of source, if there is one.
#[must_use]
pub fn webhook(type_name: &str) -> Option<&'static dyn Webhook> {
    match type_name {
        #[cfg(feature = "http")]
        "http" => Some(&crate::http::CloudEvents),
        #[cfg(feature = "github")]
        "github" => Some(&crate::github::GitHub),
        #[cfg(feature = "webhook")]
        "webhook" => Some(&crate::webhook::Signed),
        #[cfg(feature = "slack")]
        "slack" => Some(&crate::slack::Pressed),
        #[cfg(feature = "registry")]
        "registry" => Some(&crate::registry::Registry),
        _ => None,
    }
}

impl Delivery<'_> {
    /// A header's text; nothing where it is missing, not text, or there twice (which of the two was meant?).
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        if values.next().is_some() { None } else { Some(value) }
    }

    /// The JSON that many systems send either as the body or as the form field `payload`.
    #[cfg(any(feature = "github", feature = "slack"))]
    pub(crate) fn payload(&self, system: &str) -> Result<Bytes, Refusal> {
        match self.media_type().as_str() {
            "application/json" => Ok(self.body.clone()),
            "application/x-www-form-urlencoded" => {
                let field = self.body.split(|byte| *byte == b'&').find_map(|field| field.strip_prefix(b"payload="));
                let field = field.ok_or_else(|| Refusal::Malformed("the form has no field `payload`".to_owned()))?;
                crate::text::percent_decoded(field).map(Bytes::from).ok_or_else(|| {
                    Refusal::Malformed(format!(
                        "the form's field `payload` of {system} is not URL-encoded as forms are"
                    ))
                })
            }
            got => Err(Refusal::ContentType {
                got: shown(got),
                expected: "application/json or application/x-www-form-urlencoded, as the sender does",
            }),
        }
    }

    /// The media type, in lower case and without parameters; empty if there is none.
    pub(crate) fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

/// The beginning of a text that a sender chose, for messages.
#[cfg(any(feature = "github", feature = "slack"))]
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Checks that a body is JSON, in one scan.
pub(crate) fn scan(body: &[u8]) -> Result<json::Kind, Refusal> {
    Scanner::new().scan(body).map_err(|error| Refusal::NotJson(json::pretty_error(body, &error)))
}

/// A text, or a scalar as text, at a path of checked JSON; nothing if it is absent, null, empty or a container.
pub(crate) fn scalar_at(body: &[u8], path: &[&str]) -> Option<String> {
    let raw = json::get(body, path)?;
    match raw.first()? {
        b'"' => json::string(raw).map(|text| text.to_string()).filter(|text| !text.is_empty()),
        b'{' | b'[' | b'n' => None,
        _ => std::str::from_utf8(raw).ok().map(str::to_owned),
    }
}
