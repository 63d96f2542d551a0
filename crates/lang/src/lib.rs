//! How automations are written: YAML in, typed resources or messages with a place out.
//!
//! This crate **is** the manifest language: its YAML, its kinds of documents and their fields, what names an expression
//! may use where, which connections, actions and sources there are ([`catalog`]), and every message about a mistake.
//!
//! It **is not** a reader of files (callers pass paths and texts), a matcher (patterns are kept as they are; the crate
//! `rule` compiles them and answers for their shape through [`Checks`]), or an evaluator.
//!
//! Invariants:
//! - [`load()`] takes any text and never panics; it reports the mistakes of all files in one pass, each with its place.
//! - A document's digest depends on what it says, not on how it is written.
//! - [`Rule::from_canonical`] of a canonical form gives the same rule with the same digest: definitions are pinned so.
//! - A field is described once, in [`shape`] tables: reading, messages and the JSON Schema come from them.
//! - Secrets are names here, never contents.
//!
//! Map, in the order in which a text meets it: [`mod@env`] (the environment is filled in) → [`span`] (files and places) → [`tree`] (YAML with places) → `check`
//! (against the tables in `fields` and [`catalog`]) → `read` (into [`model`], expressions compiled, their names checked
//! by `scope`) → `refs` (what documents say of each other) → [`Config`]. Beside it: [`diagnostic`], [`schema`], [`crd`],
//! [`mod@cron`] (when the clock says so).

/// The version of the language that documents name.
pub const API_VERSION: &str = "ensue.dev/v1";

pub mod env;

pub mod span;

pub mod tree;

pub mod cron;

pub mod shape;

mod fields;

pub mod catalog;

mod check;
mod secret;

pub mod model;

mod read;
mod scope;

mod refs;

mod load;

pub mod diagnostic;

pub mod schema;

pub mod crd;

pub use diagnostic::{Diagnostic, Label, Severity, render};
pub use load::{Checks, Loaded, NotCanonical, PatternChecker, RegoChecker, load, load_with};
pub use model::*;
pub use span::{FileId, SourceFile, Span};
