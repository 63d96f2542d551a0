//! Structured mode and batches: events as JSON objects (CloudEvents 1.0.2, JSON event format, 3 and 4).

use std::ops::Range;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use super::binary::check_version;
use super::{Error, data, is_json};
use crate::event::MAX_EXTENSIONS;
use crate::json::{self, Kind, Part, Scanner};
use crate::{Attr, Data, Event, Invalid};

/// Base64 with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads one event.
pub(super) fn one(body: &Bytes, scanner: &mut Scanner) -> Result<Event, Error> {
    let mut draft = Draft::new();
    scanner
        .scan_object(body, |key, value, kind| draft.member(body, key, value, kind))
        .map_err(|why| Error::Json { place: "the body", why })?;
    draft.check()?;
    draft.finish(body, scanner)
}

/// Reads a list of events; the first mistake is an error that names its event.
pub(super) fn batch(body: &Bytes, scanner: &mut Scanner) -> Result<Vec<Event>, Error> {
    let mut done = Vec::new();
    let mut count = 0;
    // After a mistake nothing is kept: a body of a million `{}` must not become a million drafts.
    let mut wrong: Option<(usize, Error)> = None;
    let mut draft = Draft::new();
    let scanned = scanner.scan_batch(body, |part| {
        match part {
            Part::Element { .. } if wrong.is_some() => {}
            Part::Member { key, value, kind } if wrong.is_none() => return draft.member(body, key, value, kind),
            Part::Member { .. } => return,
            Part::Element { value, kind } => {
                let mut ended = std::mem::replace(&mut draft, Draft::new());
                if kind != Kind::Object {
                    ended.refuse(Error::Member {
                        name: "event".into(),
                        why: "must be a JSON object",
                        offset: value.start,
                    });
                }
                match ended.check() {
                    Ok(()) => done.push(ended),
                    Err(why) => wrong = Some((count, why)),
                }
            }
        }
        count += 1;
    });
    let in_batch = |index, why| Error::InBatch { index, why: Box::new(why) };
    if let Err(why) = scanned {
        let why = Error::Json { place: "the body", why };
        // A body that is no list is not about one event.
        return Err(if body.trim_ascii_start().starts_with(b"[") { in_batch(count, why) } else { why });
    }
    if let Some((index, why)) = wrong {
        return Err(in_batch(index, why));
    }
    let finish = |(index, draft): (usize, Draft)| draft.finish(body, scanner).map_err(|why| in_batch(index, why));
    done.into_iter().enumerate().map(finish).collect()
}

/// An event of which not all members may have come. Data waits for the content type, which may stand after it.
struct Draft {
    event: Event,
    version: Option<Box<str>>,
    data: Option<(Range<usize>, Kind)>,
    base64: Option<Range<usize>>,
    /// The first mistake; told only when the syntax is known to be right.
    wrong: Option<Error>,
}

impl Draft {
    fn new() -> Draft {
        Draft { event: Event::new("", "", ""), version: None, data: None, base64: None, wrong: None }
    }

    fn refuse(&mut self, why: Error) {
        self.wrong.get_or_insert(why);
    }

    fn member(&mut self, body: &Bytes, key: &str, at: Range<usize>, kind: Kind) {
        let offset = at.start;
        if self.event.extensions.len() > MAX_EXTENSIONS {
            return self.refuse(Invalid::Extensions.into());
        }
        let refuse = |why| Error::Member { name: key.chars().take(80).collect(), why, offset };
        match (key, kind) {
            ("data", kind) => self.data = Some((at, kind)),
            (_, Kind::Null) => {}
            ("data_base64", Kind::Text) => self.base64 = Some(at),
            ("data_base64", _) => self.refuse(refuse("must be a string of base64")),
            (_, Kind::Object | Kind::Array) => {
                self.refuse(refuse("must be a string, a boolean or an integer: only `data` may hold more"));
            }
            (_, Kind::Text) => match body.get(at).and_then(json::string) {
                Some(value) => self.text(key, value.into()),
                None => self.refuse(refuse("cannot be read as a string")),
            },
            (
                "id" | "source" | "type" | "specversion" | "subject" | "time" | "datacontenttype" | "dataschema",
                Kind::Bool | Kind::Number,
            ) => self.refuse(refuse("must be a string")),
            (_, Kind::Bool) => self.event.set_extension(key, Attr::Bool(body.get(offset) == Some(&b't'))),
            (_, Kind::Number) => {
                let digits = body.get(at).and_then(|raw| std::str::from_utf8(raw).ok());
                match digits.and_then(|digits| digits.parse().ok()) {
                    Some(value) => self.event.set_extension(key, Attr::Int(value)),
                    None => self.refuse(refuse("must be an integer of 32 bits; send other numbers as strings")),
                }
            }
        }
    }

    fn text(&mut self, key: &str, value: Box<str>) {
        let event = &mut self.event;
        match key {
            "id" => event.id = value,
            "source" => event.source = value,
            "type" => event.kind = value,
            "specversion" => self.version = Some(value),
            "subject" => event.subject = Some(value),
            "time" => event.time = Some(value),
            "datacontenttype" => event.content_type = Some(value),
            "dataschema" => event.schema = Some(value),
            _ => event.set_extension(key, Attr::Text(value)),
        }
    }

    /// Checks the attributes, once all members have come.
    fn check(&mut self) -> Result<(), Error> {
        if let Some(wrong) = self.wrong.take() {
            return Err(wrong);
        }
        check_version(self.version.as_deref())?;
        Ok(self.event.validate()?)
    }

    /// Makes the event whole, once its attributes are known to be right: its data takes another scan if it was base64.
    fn finish(self, body: &Bytes, scanner: &mut Scanner) -> Result<Event, Error> {
        let Draft { mut event, data: json, base64, .. } = self;
        event.data = match (json, base64) {
            (None, None) => Data::None,
            (Some((at, kind)), None) => member_data(body, at, kind, event.content_type.as_deref())?,
            (None, Some(at)) => {
                let bytes = decode_base64(body, at)?;
                data(bytes, event.content_type.as_deref(), scanner, "what `data_base64` holds")?
            }
            (Some(_), Some(at)) => {
                return Err(Error::Member {
                    name: "data_base64".into(),
                    why: "must not stand beside `data`",
                    offset: at.start,
                });
            }
        };
        Ok(event)
    }
}

fn member_data(body: &Bytes, at: Range<usize>, kind: Kind, content_type: Option<&str>) -> Result<Data, Error> {
    if content_type.is_none_or(is_json) {
        return Ok(Data::Json(body.slice(at)));
    }
    let offset = at.start;
    let text = body.get(at.clone()).and_then(json::string);
    match (kind, text) {
        (Kind::Null, _) => Ok(Data::None),
        // Without escapes the text is a slice of the body.
        (_, Some(std::borrow::Cow::Borrowed(_))) => Ok(Data::Bytes(body.slice(at.start + 1..at.end - 1))),
        (_, Some(std::borrow::Cow::Owned(text))) => Ok(Data::Bytes(Bytes::from(text))),
        (_, None) => Err(Error::Member {
            name: "data".into(),
            why: "must be a string, or be sent as `data_base64`, since `datacontenttype` is not JSON",
            offset,
        }),
    }
}

fn decode_base64(body: &Bytes, at: Range<usize>) -> Result<Bytes, Error> {
    let offset = at.start;
    let text = body.get(at).and_then(json::string);
    match text.and_then(|text| BASE64.decode(text.as_bytes()).ok()) {
        Some(bytes) => Ok(Bytes::from(bytes)),
        None => Err(Error::Member { name: "data_base64".into(), why: "is not base64", offset }),
    }
}
