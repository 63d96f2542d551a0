//! The content of text and bytes literals.

use crate::error::{Error, Span};
use crate::value::Value;

/// Decodes the literal at `span` of `source`, which the lexer has found closed.
pub(crate) fn decode(source: &str, span: Span, raw: bool, bytes: bool, triple: bool) -> Result<Value, Error> {
    let quotes = if triple { 3 } else { 1 };
    let begin = span.start + usize::from(raw) + usize::from(bytes) + quotes;
    let content = Span::new(begin, span.end.saturating_sub(quotes)).of(source);
    if raw {
        return Ok(if bytes { Value::Bytes(content.as_bytes().into()) } else { Value::from(content) });
    }
    let mut out = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = rest.find('\\') {
        let (plain, escape) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.extend_from_slice(plain.as_bytes());
        let place = begin + (content.len() - escape.len());
        rest = one(escape, bytes, &mut out).ok_or_else(|| {
            let shown: String = escape.chars().take(2).collect();
            Error::new(Span::new(place, place + shown.len()), format!("`{shown}` is no escape here"))
                .hint("write \\\\ for a backslash, or r\"…\" for a text without escapes")
        })?;
    }
    out.extend_from_slice(rest.as_bytes());
    if bytes {
        return Ok(Value::Bytes(out.into()));
    }
    String::from_utf8(out).map(Value::from).map_err(|_| Error::new(span, "the escapes of this text are not UTF-8"))
}

/// Reads one escape at the start of `text`, adds what it stands for, returns what follows it.
fn one<'t>(text: &'t str, bytes: bool, out: &mut Vec<u8>) -> Option<&'t str> {
    let mut chars = text.chars();
    chars.next()?;
    let letter = chars.next()?;
    let after = chars.as_str();
    let plain = match letter {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' | '?' | '"' | '\'' | '`' => u8::try_from(letter).ok()?,
        'x' | 'X' => return number(after, 2, 16, bytes, out),
        'u' if !bytes => return number(after, 4, 16, false, out),
        'U' if !bytes => return number(after, 8, 16, false, out),
        '0'..='3' => return number(text.get(1..)?, 3, 8, bytes, out),
        _ => return None,
    };
    out.push(plain);
    Some(after)
}

fn number<'t>(text: &'t str, digits: usize, radix: u32, byte: bool, out: &mut Vec<u8>) -> Option<&'t str> {
    let (number, after) = text.split_at_checked(digits)?;
    if !number.bytes().all(|b| char::from(b).is_digit(radix)) {
        return None;
    }
    let code = u32::from_str_radix(number, radix).ok()?;
    if byte {
        out.push(u8::try_from(code).ok()?);
    } else {
        let mut utf8 = [0; 4];
        out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut utf8).as_bytes());
    }
    Some(after)
}
