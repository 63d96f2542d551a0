//! Binary mode: attributes in `ce-` headers, the data as the body (CloudEvents 1.0.2, HTTP binding, 3.1).

use super::{Error, Message, body};
use crate::json::Scanner;
use crate::{Attr, Event, Invalid};

/// Extension attributes that are integers wherever they are documented; a header cannot say so.
const INTEGERS: [&str; 3] = ["ensuedepth", "sampledrate", "severitynumber"];

pub(super) fn decode<'a, H>(message: Message<'a, H>, scanner: &mut Scanner) -> Result<Event, Error>
where
    H: IntoIterator<Item = (&'a str, &'a [u8])>,
{
    let mut event = Event::new("", "", "");
    let mut version = None;
    let mut any = false;
    for (header, raw) in message.headers {
        let Some(name) = attribute(header) else { continue };
        any = true;
        let value = value(header, raw)?;
        let twice = match name.as_str() {
            "specversion" => version.replace(value).is_some(),
            "id" => !std::mem::replace(&mut event.id, value).is_empty(),
            "source" => !std::mem::replace(&mut event.source, value).is_empty(),
            "type" => !std::mem::replace(&mut event.kind, value).is_empty(),
            "subject" => event.subject.replace(value).is_some(),
            "time" => event.time.replace(value).is_some(),
            "dataschema" => event.schema.replace(value).is_some(),
            "datacontenttype" if message.content_type == Some(&*value) => false,
            "datacontenttype" => return Err(wrong(header, "is not sent in binary mode: Content-Type says it")),
            "data" => return Err(wrong(header, "is no attribute: the body is the data")),
            _ => {
                let twice = event.extension(&name).is_some();
                event.set_extension(&name, extension(&name, value)?);
                twice
            }
        };
        if twice {
            return Err(wrong(header, "is there twice"));
        }
    }
    if !any {
        return Err(Error::NoEvent(message.content_type.map(|kind| kind.chars().take(80).collect())));
    }
    check_version(version.as_deref())?;
    event.content_type = message.content_type.map(Box::from);
    event.validate()?;
    event.data = body(message.body, message.content_type, scanner)?;
    Ok(event)
}

/// Checks `specversion`.
pub(super) fn check_version(version: Option<&str>) -> Result<(), Invalid> {
    match version {
        Some("1.0") => Ok(()),
        None | Some("") => Err(Invalid::Missing("specversion")),
        Some(other) => Err(Invalid::Version(other.chars().take(80).collect())),
    }
}

/// The attribute that a header carries, in lower case: header names have no case.
fn attribute(header: &str) -> Option<String> {
    let prefix = header.get(..3)?;
    prefix.eq_ignore_ascii_case("ce-").then(|| header.get(3..).unwrap_or_default().to_ascii_lowercase())
}

fn extension(name: &str, value: Box<str>) -> Result<Attr, Invalid> {
    if !INTEGERS.contains(&name) {
        return Ok(Attr::Text(value));
    }
    value.parse().map(Attr::Int).map_err(|_| Invalid::Value {
        name: name.to_owned(),
        why: "must be an integer of 32 bits",
        value: value.chars().take(80).collect(),
    })
}

fn wrong(header: &str, why: &'static str) -> Error {
    Error::Header { name: header.chars().take(80).collect(), why }
}

/// Decodes a header's value: double quotes first, as older versions of the specification wrote them, then one round of
/// percent-decoding (3.1.3.2). What comes out must be UTF-8.
fn value(header: &str, raw: &[u8]) -> Result<Box<str>, Error> {
    let raw = raw.trim_ascii();
    let bytes = match raw.iter().any(|byte| matches!(byte, b'"' | b'%')) {
        false => raw.to_vec(),
        true => percent(&unquote(raw).ok_or_else(|| wrong(header, "has a double quote that does not close"))?)
            .ok_or_else(|| wrong(header, "has a `%` without two hexadecimal digits; write a percent sign as %25"))?,
    };
    let text = String::from_utf8(bytes).map_err(|_| wrong(header, "is not UTF-8 once it is percent-decoded"))?;
    Ok(text.into_boxed_str())
}

fn unquote(raw: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(raw.len());
    let mut quoted = false;
    let mut bytes = raw.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => out.push(*bytes.next()?),
            byte => out.push(byte),
        }
    }
    (!quoted).then_some(out)
}

fn percent(value: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'%' => out.push(digit(*bytes.next()?)? << 4 | digit(*bytes.next()?)?),
            byte => out.push(byte),
        }
    }
    Some(out)
}
