//! A tree that reads well on a terminal and is plain JSON in a pipe.

use std::fmt::Write as _;

use ensue_event::{Position, Time};
use serde::Serialize;

/// One fact and what followed from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tree {
    /// `event`, `fired`, `run`, `step`, `decision`.
    pub kind: &'static str,
    /// The fact in a line.
    pub text: String,
    /// Its id, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where its record stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// How it is known: the pattern's fields, the condition's values, the error.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// This is what was asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub asked: bool,
    /// What followed, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<Tree>,
}

impl Tree {
    /// A fact.
    #[must_use]
    pub fn new(kind: &'static str, text: impl Into<String>) -> Tree {
        let text = text.into();
        Tree { kind, text, id: None, position: None, at: None, because: Vec::new(), asked: false, then: Vec::new() }
    }

    /// The tree as text, a line for each fact and each reason.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        self.line("", "", &mut out);
        out
    }

    fn line(&self, first: &str, rest: &str, out: &mut String) {
        out.push_str(first);
        out.push_str(&self.text);
        if let Some(position) = self.position {
            let _ = write!(out, "  #{position}");
        }
        if let Some(at) = self.at {
            let _ = write!(out, "  {}", clock(at));
        }
        if self.asked {
            out.push_str("  ◄ asked");
        }
        out.push('\n');
        let bar = if self.then.is_empty() { "  " } else { "│ " };
        for reason in &self.because {
            let _ = writeln!(out, "{rest}{bar}  {reason}");
        }
        for (at, child) in self.then.iter().enumerate() {
            let last = at + 1 == self.then.len();
            let (branch, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            child.line(&format!("{rest}{branch}"), &format!("{rest}{below}"), out);
        }
    }
}

/// The time of day to the millisecond, in UTC.
fn clock(at: Time) -> String {
    let text = Time(at.micros() - at.micros().rem_euclid(1_000)).to_string();
    let time = text.split_once('T').map_or(text.as_str(), |(_, time)| time).trim_end_matches('Z');
    // Columns of times are read better when all have three digits.
    let (seconds, rest) = time.split_once('.').unwrap_or((time, ""));
    format!("{seconds}.{rest:0<3}")
}
