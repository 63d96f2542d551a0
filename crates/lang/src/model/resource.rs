//! What all documents have.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use ensue_event::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Name;
use crate::span::Span;

/// The kinds of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// An outside system.
    Connection,
    /// Where events come from.
    Source,
    /// What must happen, and what follows.
    Rule,
    /// Steps that rules share.
    Workflow,
    /// Rows to look things up in.
    Table,
    /// What is looked at before an action is done or a command carried out.
    Policy,
    /// A test in virtual time.
    Scenario,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 7] =
        [Kind::Connection, Kind::Source, Kind::Rule, Kind::Workflow, Kind::Table, Kind::Policy, Kind::Scenario];

    /// The word after `kind:`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Connection => "Connection",
            Kind::Source => "Source",
            Kind::Rule => "Rule",
            Kind::Workflow => "Workflow",
            Kind::Table => "Table",
            Kind::Policy => "Policy",
            Kind::Scenario => "Scenario",
        }
    }

    /// The kind of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A document: its name and text, and what it means.
#[derive(Clone, Debug)]
pub struct Resource<T> {
    /// Its name.
    pub name: Name,
    /// BLAKE3 of its canonical form: comments, order of fields and formatting do not change it.
    pub digest: Digest,
    /// The whole document as JSON; `from_canonical` reads it back.
    pub canonical: Value,
    /// The path of its file; empty where it was read from canonical JSON.
    pub file: String,
    /// Where it stands there.
    pub span: Span,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// What it means.
    pub body: T,
}

impl<T> Deref for Resource<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.body
    }
}
