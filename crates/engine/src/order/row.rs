//! What ordering keeps: lines, and the events that wait in them.

use std::sync::Arc;

use ensue_event::{Event, Key, Position, Time};
use ensue_rule::order::Rank;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::table::{RowKey, RowValue, json_bytes, json_read};

/// A row of ordering: of a line (`tail` is empty), or of an event that waits in it (`tail` sorts as the line goes).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The rule's id.
    pub rule: Key,
    /// The line's.
    pub line: Key,
    /// Rank and position.
    pub tail: Vec<u8>,
}

impl RowKey for Place {
    fn bytes(&self) -> Vec<u8> {
        [self.rule.0.as_slice(), &self.line.0, &self.tail].concat()
    }
    fn read(bytes: &[u8]) -> Option<Place> {
        let (rule, rest) = bytes.split_at_checked(16)?;
        let (line, tail) = rest.split_at_checked(16)?;
        Some(Place { rule: Key::read(rule)?, line: Key::read(line)?, tail: tail.to_vec() })
    }
}

/// In hexadecimal digits.
impl Serialize for Place {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        use std::fmt::Write as _;
        let mut text = String::new();
        for byte in self.bytes() {
            let _ = write!(text, "{byte:02x}");
        }
        out.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Place, D::Error> {
        use serde::de::Error as _;
        let text = String::deserialize(from)?;
        let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
        let digits = digits.ok_or_else(|| D::Error::custom("not hexadecimal digits"))?;
        let bytes: Vec<u8> = digits
            .chunks_exact(2)
            .map(|pair| u8::try_from(pair.iter().fold(0, |byte, digit| byte * 16 + digit)).unwrap_or_default())
            .collect();
        Place::read(&bytes).ok_or_else(|| D::Error::custom("too short"))
    }
}

/// What ordering keeps.
#[derive(Clone, Debug, PartialEq)]
pub enum OrderRow {
    /// A line.
    Line(Line),
    /// An event that waits in it.
    Held(Box<Held>),
}

/// A line of events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The rank that was looked at last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Rank>,
    /// When that was.
    pub at: Time,
    /// How many events wait.
    pub held: u64,
    /// When it is looked at whether the last rank is still to be remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer: Option<Time>,
}

/// An event that waits for those before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// What is kept beside the event.
    pub head: HeldHead,
    /// The event by value, blobs included.
    pub event: Arc<Event>,
}

/// What is kept of a waiting event beside itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldHead {
    /// Where it stands in the log.
    pub position: Position,
    /// When it was appended.
    pub at: Time,
    /// Until when it waits.
    pub due: Time,
    /// The items that its pattern meets.
    pub items: Vec<u16>,
    /// Its rank.
    pub rank: Rank,
}

/// A line is JSON behind a 0; an event that waits is a 1, the length of its head, the head as JSON, and the event's bytes.
impl RowValue for OrderRow {
    type Slot = std::sync::Arc<OrderRow>;
    fn bytes(&self) -> Vec<u8> {
        match self {
            OrderRow::Line(line) => [&[0], json_bytes(line).as_slice()].concat(),
            OrderRow::Held(held) => {
                let head = json_bytes(&held.head);
                let length = u32::try_from(head.len()).unwrap_or(u32::MAX);
                [&[1], length.to_be_bytes().as_slice(), &head, &held.event.bytes()].concat()
            }
        }
    }
    fn read(bytes: &[u8]) -> Result<OrderRow, String> {
        fn held(rest: &[u8]) -> Option<(&[u8], &[u8])> {
            let (length, rest) = rest.split_at_checked(4)?;
            let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
            rest.split_at_checked(length)
        }
        match bytes.split_first() {
            Some((0, rest)) => json_read(rest).map(OrderRow::Line),
            Some((1, rest)) => {
                let (head, event) = held(rest).ok_or("a waiting event ends too early")?;
                let event = Arc::new(Event::read(event)?);
                Ok(OrderRow::Held(Box::new(Held { head: json_read(head)?, event })))
            }
            _ => Err("not a row of ordering".to_owned()),
        }
    }
}
