//! Ordering: by what events are ordered, and whether an event's turn has come.
//!
//! A [`Rank`] is where an event stands among those of its line. Ranks of one type compare as CEL compares values: numbers
//! numerically, times by time, texts by code point. Ranks of different types compare by type; what has no order of its
//! own (lists, maps) compares by its text.

use std::cmp::Ordering;

use ensue_event::{Attr, Time};
use ensue_expr::Value;
use serde::{Deserialize, Serialize};

/// Where an event stands among those of its line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rank {
    /// By a value.
    Value(Value),
    /// By when it happened; where that is the same, by who says so and under which id.
    Moment {
        /// When.
        time: Time,
        /// The event's source.
        source: String,
        /// The event's id.
        id: String,
    },
}

impl Rank {
    /// The rank of a value; nothing where it gives no order: null, NaN, a list with a null in it, a secret.
    #[must_use]
    pub fn of(value: Value) -> Option<Rank> {
        match value {
            Value::Double(f) if f.is_nan() => None,
            Value::Bool(_)
            | Value::Int(_)
            | Value::Uint(_)
            | Value::Double(_)
            | Value::String(_)
            | Value::Bytes(_)
            | Value::Timestamp(_)
            | Value::Duration(_) => Some(Rank::Value(value)),
            other => other.key_text().map(|text| Rank::Value(Value::from(text))),
        }
    }

    /// The rank of the CloudEvents extension `sequence`: a text that is an integer counts as the number.
    #[must_use]
    pub fn of_sequence(value: &Attr) -> Rank {
        Rank::Value(match value {
            Attr::Bool(value) => Value::Bool(*value),
            Attr::Int(value) => Value::from(*value),
            Attr::Text(text) => match (text.parse::<i64>(), text.parse::<u64>()) {
                (Ok(number), _) => Value::Int(number),
                (_, Ok(number)) => Value::Uint(number),
                _ => Value::from(&**text),
            },
        })
    }

    /// Whether it is the whole number after that one: then nothing can stand between them.
    #[must_use]
    pub fn follows(&self, last: &Rank) -> bool {
        match (self.whole(), last.whole()) {
            (Some(this), Some(last)) => last.checked_add(1) == Some(this),
            _ => false,
        }
    }

    fn whole(&self) -> Option<i128> {
        match self {
            Rank::Value(Value::Uint(n)) => Some((*n).into()),
            Rank::Value(value) => value.as_i64().map(Into::into),
            Rank::Moment { .. } => None,
        }
    }

    /// Bytes that sort as ranks do; none is the beginning of another's.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Rank::Value(Value::Bool(value)) => out.extend([1, u8::from(*value)]),
            Rank::Value(Value::Timestamp(micros)) => signed(3, *micros, &mut out),
            Rank::Value(Value::Duration(micros)) => signed(4, *micros, &mut out),
            Rank::Value(Value::Bytes(bytes)) => ended(5, bytes, &mut out),
            Rank::Value(value) => match number(value) {
                Some(bytes) => {
                    out.push(2);
                    out.extend(bytes);
                }
                None => ended(6, value.key_text().unwrap_or_default().as_bytes(), &mut out),
            },
            Rank::Moment { time, source, id } => {
                signed(7, time.0, &mut out);
                ended(0, source.as_bytes(), &mut out);
                ended(0, id.as_bytes(), &mut out);
            }
        }
        out
    }

    /// For a person.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Rank::Value(value) => value.key_text().unwrap_or_default(),
            Rank::Moment { time, .. } => time.to_string(),
        }
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Rank) -> Ordering {
        self.bytes().cmp(&other.bytes())
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Rank) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Rank {
    fn eq(&self, other: &Rank) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Rank {}

fn signed(kind: u8, value: i64, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend((value ^ i64::MIN).to_be_bytes());
}

/// A text of any length with its end: 0 is written as 0 255, the end as 0 0.
fn ended(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(u8::MAX);
        }
    }
    out.extend([0, 0]);
}

/// A number by its exact value, whatever its type: the nearest double, and how far the number is from that.
fn number(value: &Value) -> Option<[u8; 16]> {
    const SIGN: u64 = 1 << 63;
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "what is lost is written beside it"
    )]
    let exact = |whole: i128| (whole as f64, whole - (whole as f64) as i128);
    let (double, rest) = match value {
        Value::Int(n) => exact((*n).into()),
        Value::Uint(n) => exact((*n).into()),
        // -0.0 is 0.0.
        Value::Double(f) => (f + 0.0, 0),
        _ => return None,
    };
    let bits = double.to_bits();
    let bits = if bits & SIGN == 0 { bits | SIGN } else { !bits };
    let rest = i64::try_from(rest).unwrap_or_default() ^ i64::MIN;
    let mut out = [0; 16];
    let (left, right) = out.split_at_mut(8);
    left.copy_from_slice(&bits.to_be_bytes());
    right.copy_from_slice(&rest.to_be_bytes());
    Some(out)
}

/// How long an event waits for those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all: they are looked at as they come.
    None,
    /// As long as lateness allows, if one before it is missing: whole numbers are counted.
    Gap,
    /// As long as lateness allows, always: nobody knows what is missing.
    Always,
}

/// What becomes of an event that comes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is looked at.
    Now,
    /// It waits.
    Later,
    /// One that comes after it was looked at already.
    Late,
}

/// Whether it is an event's turn, after `last` as the last one that was looked at.
#[must_use]
pub fn turn(rank: &Rank, last: Option<&Rank>, wait: Wait) -> Turn {
    match (last, wait) {
        (Some(last), _) if rank < last => Turn::Late,
        (_, Wait::None) => Turn::Now,
        (Some(last), Wait::Gap) if rank == last || rank.follows(last) => Turn::Now,
        _ => Turn::Later,
    }
}
