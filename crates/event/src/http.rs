//! The HTTP protocol binding of CloudEvents 1.0.2, with its JSON format and JSON batch format: a request becomes
//! events, an event becomes a request. No HTTP library is named here: a request is its content type, headers and body.
//!
//! A body with attributes in headers is **binary** mode; `application/cloudevents+json` is **structured** mode;
//! `application/cloudevents-batch+json` is a **batch**. Structured bodies are scanned once, and data is a slice of
//! the body, not a copy, except where base64 or escapes had to be resolved.
//!
//! Where the specification leaves a choice:
//! - Without `datacontenttype`, `data` is JSON, and the bytes of a binary body or of `data_base64` are JSON if they are
//!   valid JSON, else bytes.
//! - With a content type of JSON the data must be valid JSON, in every mode.
//! - With another content type, `data` must be a string (its text is the data) or `null` (no data).
//! - An empty binary body is no data.
//! - Extension attributes come from headers as texts, but for those that are integers wherever they are documented.
//! - An attribute that is `null` is absent. Numbers are signed 32-bit integers. An `id` is not made up here.

mod binary;
mod encode;
mod media;
mod structured;

use bytes::Bytes;

use crate::json::{self, Scanner};
use crate::{Data, Event, Invalid, ours};

pub(crate) use encode::as_text;
pub use encode::{BATCH, STRUCTURED, to_batch, to_binary, to_structured};
pub use media::is_json;

/// A request, or an answer, as far as it says what its events are.
pub struct Message<'a, H> {
    /// The `Content-Type` header.
    pub content_type: Option<&'a str>,
    /// All headers; names in any case.
    pub headers: H,
    /// The body, whole.
    pub body: Bytes,
}

/// In which of the three forms events came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Attributes in headers, the data as the body.
    Binary,
    /// One event as a JSON object.
    Structured,
    /// A JSON array of events.
    Batch,
}

/// What a message held.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The events in their order; one, but for a batch.
    pub events: Vec<Event>,
    /// How they came.
    pub mode: Mode,
}

/// Why a message holds no events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing says that it is an event.
    #[error(
        "this is no CloudEvent{}: send headers `ce-id`, `ce-source`, `ce-type` and `ce-specversion: 1.0` with the data as \
         the body, or one event as `application/cloudevents+json`, or a list as `application/cloudevents-batch+json`",
        .0.as_ref().map(|kind| format!(" (its content type is `{kind}`)")).unwrap_or_default()
    )]
    NoEvent(Option<String>),
    /// An event format other than JSON.
    #[error("events as `{0}` are not read here; send `{STRUCTURED}` or `{BATCH}`")]
    Format(String),
    /// The body, or the data within it, is not JSON where it must be.
    #[error("{place}: {why}")]
    Json {
        /// What it is about, such as "the body".
        place: &'static str,
        /// What is wrong, and where in it.
        why: json::Error,
    },
    /// An attribute is missing or not as it should be.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A header that cannot be decoded.
    #[error("the header `{name}` {why}")]
    Header {
        /// Its name.
        name: String,
        /// What is wrong with it, and what to do.
        why: &'static str,
    },
    /// A member of the JSON form that is not of its type.
    #[error("the member `{name}` {why}, at byte {offset}")]
    Member {
        /// Its name.
        name: String,
        /// What it must be.
        why: &'static str,
        /// Where its value begins in the body.
        offset: usize,
    },
    /// One event of a batch is wrong, and with it the batch.
    #[error("event {index} of the batch (the first is 0): {why}")]
    InBatch {
        /// Which, from 0.
        index: usize,
        /// What is wrong with it.
        why: Box<Error>,
    },
}

impl Error {
    /// The HTTP status that says this: 415 for a format that is not read here, else 400.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Error::Format(_) => 415,
            Error::InBatch { why, .. } => why.status(),
            _ => 400,
        }
    }

    /// Where in the JSON it is, if it is a mistake of JSON.
    #[must_use]
    pub fn json(&self) -> Option<&json::Error> {
        match self {
            Error::Json { why, .. } => Some(why),
            Error::InBatch { why, .. } => why.json(),
            _ => None,
        }
    }
}

/// Reads the events of a message; each is valid by [`Event::validate`]. One that is not makes the whole message wrong.
pub fn decode<'a, H>(message: Message<'a, H>, scanner: &mut Scanner) -> Result<Batch, Error>
where
    H: IntoIterator<Item = (&'a str, &'a [u8])>,
{
    let kind = message.content_type.map(media::essence).unwrap_or_default();
    let (mode, events) = if kind == STRUCTURED {
        (Mode::Structured, vec![structured::one(&message.body, scanner)?])
    } else if kind == BATCH {
        (Mode::Batch, structured::batch(&message.body, scanner)?)
    } else if kind.starts_with("application/cloudevents") {
        return Err(Error::Format(kind));
    } else {
        (Mode::Binary, vec![binary::decode(message, scanner)?])
    };
    Ok(Batch { events, mode })
}

/// Refuses an event from outside that calls itself one of ours.
pub fn refuse_reserved(event: &Event) -> Result<(), Invalid> {
    if event.kind.starts_with(ours::PREFIX) {
        return Err(Invalid::Reserved(event.kind.chars().take(80).collect()));
    }
    Ok(())
}

/// What a body is as data of this content type: for sources whose bodies are no CloudEvents too. JSON is checked.
pub fn body(bytes: Bytes, content_type: Option<&str>, scanner: &mut Scanner) -> Result<Data, Error> {
    if bytes.is_empty() { Ok(Data::None) } else { data(bytes, content_type, scanner, "the body") }
}

/// What bytes are as data of this content type.
fn data(bytes: Bytes, content_type: Option<&str>, scanner: &mut Scanner, place: &'static str) -> Result<Data, Error> {
    match content_type {
        Some(kind) if !is_json(kind) => Ok(Data::Bytes(bytes)),
        kind => match scanner.scan(&bytes) {
            Ok(_) => Ok(Data::Json(bytes)),
            Err(_) if kind.is_none() => Ok(Data::Bytes(bytes)),
            Err(why) => Err(Error::Json { place, why }),
        },
    }
}
