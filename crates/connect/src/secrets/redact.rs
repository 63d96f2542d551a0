//! Taking secrets out of text again.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::memmem::Finder;
use serde_json::Value;

/// What a secret becomes.
const MASK: &[u8] = b"***";
/// Shorter values would take ordinary words with them.
const SHORTEST: usize = 6;
/// How many values are remembered: rotation must not grow memory for ever, and every text is searched for each of them.
const MOST: usize = 512;

/// All forms of all values that were handed out.
#[derive(Default)]
pub(super) struct Known {
    values: VecDeque<String>,
    /// The forms, ready to be looked for.
    forms: Vec<Finder<'static>>,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Known({} secrets)", self.values.len())
    }
}

impl Known {
    pub(super) fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    pub(super) fn learn(&mut self, value: &str) {
        if value.chars().count() < SHORTEST || self.values.iter().any(|known| known == value) {
            return;
        }
        self.values.push_back(value.to_owned());
        if self.values.len() > MOST {
            self.values.pop_front();
        }
        let all: BTreeSet<String> = self.values.iter().flat_map(|value| forms(value)).collect();
        self.forms = all.iter().map(|form| Finder::new(form).into_owned()).collect();
    }

    pub(super) fn redact(&self, text: &str) -> String {
        // A form is whole characters, and so is what lies between two of them.
        String::from_utf8_lossy(&self.redact_bytes(text.as_bytes())).into_owned()
    }

    pub(super) fn redact_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut from = 0;
        for found in self.spans(bytes) {
            out.extend_from_slice(bytes.get(from..found.start).unwrap_or_default());
            out.extend_from_slice(MASK);
            from = found.end;
        }
        out.extend_from_slice(bytes.get(from..).unwrap_or_default());
        out
    }

    /// Whether a form stands anywhere in these bytes.
    pub(super) fn is_in(&self, bytes: &[u8]) -> bool {
        self.forms.iter().any(|form| form.find(bytes).is_some())
    }

    /// How many of these bytes, the beginning of more to come, can be redacted and let go now: at their end a form may
    /// have begun, and a longer one may hold what looks like a whole one.
    pub(super) fn settled(&self, bytes: &[u8]) -> usize {
        let begun = |form: &Finder<'_>| {
            let form = form.needle();
            let longest = form.len().saturating_sub(1).min(bytes.len());
            (1..=longest).rev().find(|len| bytes.ends_with(form.get(..*len).unwrap_or_default())).unwrap_or(0)
        };
        let mut until = bytes.len() - self.forms.iter().map(begun).max().unwrap_or(0);
        for found in self.spans(bytes).iter().rev() {
            if found.start < until && until < found.end {
                until = found.start;
            }
        }
        until
    }

    /// Where forms stand, in order; those that overlap are one.
    fn spans(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut all: Vec<Range<usize>> = Vec::new();
        for form in &self.forms {
            let mut from = 0;
            while let Some(at) = bytes.get(from..).and_then(|rest| form.find(rest)) {
                all.push(from + at..from + at + form.needle().len());
                from += at + 1;
            }
        }
        all.sort_by_key(|span| (span.start, span.end));
        let mut merged: Vec<Range<usize>> = Vec::new();
        for span in all {
            match merged.last_mut() {
                Some(last) if span.start < last.end => last.end = last.end.max(span.end),
                _ => merged.push(span),
            }
        }
        merged
    }

    pub(super) fn redact_value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.redact(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.redact_value(item)).collect(),
            Value::Object(object) => {
                object.into_iter().map(|(key, value)| (self.redact(&key), self.redact_value(value))).collect()
            }
            Value::Number(number) => {
                let text = number.to_string();
                if self.is_in(text.as_bytes()) {
                    Value::String(String::from_utf8_lossy(MASK).into_owned())
                } else {
                    Value::Number(number)
                }
            }
            other => other,
        }
    }
}

/// The value as it is, escaped in JSON, URL-encoded, and in base64 at each of the three places that it can have within
/// a longer text (as the password in `user:password` has).
fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned()];
    let quoted = Value::from(value).to_string();
    forms.push(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned());
    for lower in [false, true] {
        forms.push(encoded(value, b"-._~", false, lower));
        forms.push(encoded(value, b"-._*", true, lower));
    }
    // A value over several lines is also printed line by line.
    forms.extend(value.lines().map(str::trim).filter(|line| line.len() >= 16).map(str::to_owned));
    for before in 0..3 {
        let bytes: Vec<u8> = std::iter::repeat_n(0, before).chain(value.bytes()).collect();
        // Characters that a neighbouring byte has a part in are left out.
        let from = (before * 8).div_ceil(6);
        let to = bytes.len() * 8 / 6;
        for text in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            forms.extend(text.get(from..to).map(str::to_owned));
        }
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

fn encoded(value: &str, plain: &[u8], plus: bool, lower: bool) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        match byte {
            b' ' if plus => out.push('+'),
            byte if byte.is_ascii_alphanumeric() || plain.contains(&byte) => out.push(char::from(byte)),
            byte if lower => out.push_str(&format!("%{byte:02x}")),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
