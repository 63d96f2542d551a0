//! Taking secrets out of text again.

use std::cmp::Reverse;
use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;

/// What a secret becomes.
const MASK: &str = "***";
/// Shorter values would take ordinary words with them.
const SHORTEST: usize = 6;
/// How many values are remembered: rotation must not grow memory for ever, and every text is searched for each of them.
const MOST: usize = 512;

/// All forms of all values that were handed out.
#[derive(Default)]
pub(super) struct Known {
    values: VecDeque<String>,
    /// The forms, the longest first: one value may be a part of another.
    forms: Vec<String>,
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
        let all: BTreeSet<(Reverse<usize>, String)> =
            self.values.iter().flat_map(|value| forms(value)).map(|form| (Reverse(form.len()), form)).collect();
        self.forms = all.into_iter().map(|(_, form)| form).collect();
    }

    pub(super) fn redact(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for form in &self.forms {
            if out.contains(form.as_str()) {
                out = out.replace(form.as_str(), MASK);
            }
        }
        out
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
                if self.redact(&text) == text { Value::Number(number) } else { Value::String(MASK.to_owned()) }
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
