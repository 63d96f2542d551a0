//! All files at once: documents, what they say of each other, and every mistake.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Report, Severity};
use crate::model::{Config, Kind, Name, Resource};
use crate::read::{Any, Cx, document};
use crate::refs;
use crate::span::{FileId, Places, SourceFile, Span};
use crate::tree::{self, Node};

/// Answers for patterns: for a pattern, what is wrong with it and where, as JSON pointers into it.
pub type PatternChecker = dyn Fn(&Value) -> Vec<(String, String)>;

/// Answers for Rego: the line and column of a mistake, from 1, and what it is.
pub type RegoChecker = dyn Fn(&str) -> Result<(), (usize, usize, String)>;

/// Checks that other crates know how to do.
#[derive(Clone, Copy, Default)]
pub struct Checks<'a> {
    /// The shape of patterns.
    pub pattern: Option<&'a PatternChecker>,
    /// Modules of Rego.
    pub rego: Option<&'a RegoChecker>,
}

/// What was read, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// All documents that could be read.
    pub config: Config,
    /// All messages, in the order of the files and places.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// Whether the configuration can be used: there may be warnings, but no errors.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.diagnostics.iter().all(|diagnostic| diagnostic.severity != Severity::Error)
    }

    /// Adds a warning of another crate, in its place among the messages of this one.
    pub fn warn(&mut self, code: &'static str, at: Span, message: impl Into<String>, help: impl Into<String>) {
        let mut report = Report::default();
        self.diagnostics.drain(..).for_each(|known| report.push(known));
        report.push(Diagnostic::warning(code, at, message).help(help));
        self.diagnostics = report.finish(&self.config.files);
    }

    /// All messages with excerpts of the files; `styled` with colours.
    #[must_use]
    pub fn render(&self, styled: bool) -> String {
        crate::diagnostic::render(&self.diagnostics, &self.config.files, styled)
    }
}

/// Reads a configuration without looking into its patterns.
#[must_use]
pub fn load(files: &[SourceFile]) -> Loaded {
    load_with(files, &Checks::default())
}

/// Reads a configuration.
#[must_use]
pub fn load_with(files: &[SourceFile], checks: &Checks<'_>) -> Loaded {
    let mut report = Report::default();
    let mut config = Config { files: files.to_vec(), ..Config::default() };
    let mut all_refs = Vec::new();
    let mut places: BTreeMap<(Kind, Name), Span> = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        let id = FileId(u32::try_from(index).unwrap_or(u32::MAX));
        let lines = Places::new(id, &file.text);
        for root in tree::parse(file, id, &mut report) {
            let mut cx = Cx {
                report: &mut report,
                text: &file.text,
                places: &lines,
                checks,
                pinned: false,
                file: &file.path,
                namespace: String::new(),
                head: None,
                refs: Vec::new(),
            };
            let read = document(&mut cx, &root);
            all_refs.append(&mut cx.refs);
            let Some((kind, name)) = cx.head.take() else { continue };
            let at = root.get("metadata").and_then(|node| node.get("name")).map_or(root.span, |node| node.span);
            if let Some(first) = places.get(&(kind, name.clone())) {
                let other = files.get(usize::try_from(first.file.0).unwrap_or(usize::MAX));
                let there = other.map_or_else(String::new, |file| format!("{}:{first}", file.path));
                let message = format!("there are two documents {kind} {name}");
                let twice = Diagnostic::error("duplicate", at, message).label(*first, "first here");
                report.push(twice.help(format!("the first is at {there}")));
                continue;
            }
            places.insert((kind, name), at);
            if let Some(any) = read {
                any.insert(&mut config);
            }
        }
    }
    let known: BTreeSet<(Kind, Name)> = places.into_keys().collect();
    refs::check(&all_refs, &config, &known, &mut report);
    groups(&config, &mut report);
    Loaded { config, diagnostics: report.finish(files) }
}

/// Rules that share slots must agree on how many there are.
fn groups(config: &Config, report: &mut Report) {
    let mut first: BTreeMap<(&str, &str), (&Name, u32, Span)> = BTreeMap::new();
    for (name, rule) in &config.rules {
        let Some((spec, group)) = rule.concurrency.as_ref().and_then(|spec| Some((spec, spec.group.as_ref()?))) else {
            continue;
        };
        let here = (name, spec.limit, group.span);
        let (other, limit, span) = *first.entry((&name.namespace, &group.name)).or_insert(here);
        if limit == spec.limit {
            continue;
        }
        let message = format!(
            "the group `{}` has `limit: {}` in rule {name} and `limit: {limit}` in rule {other}",
            group.name, spec.limit
        );
        let there = config.files.get(usize::try_from(span.file.0).unwrap_or(usize::MAX));
        let there = there.map_or_else(String::new, |file| format!("{}:{span}", file.path));
        let differs = Diagnostic::error("group", group.span, message).label(span, "the other one");
        report.push(differs.help(format!("a group has one limit; the other one is at {there}")));
    }
}

impl Any {
    fn key(&self) -> (Kind, Name) {
        match self {
            Any::Connection(found) => (Kind::Connection, found.name.clone()),
            Any::Source(found) => (Kind::Source, found.name.clone()),
            Any::Rule(found) => (Kind::Rule, found.name.clone()),
            Any::Workflow(found) => (Kind::Workflow, found.name.clone()),
            Any::Table(found) => (Kind::Table, found.name.clone()),
            Any::Policy(found) => (Kind::Policy, found.name.clone()),
            Any::Scenario(found) => (Kind::Scenario, found.name.clone()),
        }
    }

    fn insert(self, config: &mut Config) {
        let (_, name) = self.key();
        match self {
            Any::Connection(found) => drop(config.connections.insert(name, Arc::new(found))),
            Any::Source(found) => drop(config.sources.insert(name, Arc::new(found))),
            Any::Rule(found) => drop(config.rules.insert(name, Arc::new(*found))),
            Any::Workflow(found) => drop(config.workflows.insert(name, Arc::new(found))),
            Any::Table(found) => drop(config.tables.insert(name, Arc::new(found))),
            Any::Policy(found) => drop(config.policies.insert(name, Arc::new(found))),
            Any::Scenario(found) => drop(config.scenarios.insert(name, Arc::new(found))),
        }
    }
}

/// Canonical JSON that is no document of the expected kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no canonical {kind}: {why}")]
pub struct NotCanonical {
    kind: Kind,
    why: String,
}

/// Reads one document of canonical form, as it was pinned: what it says of others is not looked at.
fn one(kind: Kind, canonical: &Value) -> Result<Any, NotCanonical> {
    let mut report = Report::default();
    let root = Node::from_json(canonical);
    let checks = Checks::default();
    let mut cx = Cx {
        report: &mut report,
        text: "",
        places: &Places::new(FileId(0), ""),
        checks: &checks,
        pinned: true,
        file: "",
        namespace: String::new(),
        head: None,
        refs: Vec::new(),
    };
    let read = if tree::too_deep(canonical) { None } else { document(&mut cx, &root) };
    let why = report.finish(&[]).into_iter().find(|diagnostic| diagnostic.severity == Severity::Error);
    match (why, read) {
        (None, Some(any)) if any.key().0 == kind => Ok(any),
        (why, _) => {
            let why = why.map_or_else(|| "it is of another kind, or too deep".to_owned(), |why| why.to_string());
            Err(NotCanonical { kind, why })
        }
    }
}

macro_rules! from_canonical {
    ($($body:ident, $kind:ident, $any:pat => $out:expr;)+) => {
        $(impl Resource<crate::model::$body> {
            /// Reads the canonical form back: the same digest, the same meaning, without places. What was pinned is
            /// not checked again, beyond what its reading needs.
            ///
            /// # Errors
            /// JSON that is no such document.
            pub fn from_canonical(canonical: &Value) -> Result<Self, NotCanonical> {
                match one(Kind::$kind, canonical)? {
                    $any => Ok($out),
                    _ => Err(NotCanonical { kind: Kind::$kind, why: "it is of another kind".to_owned() }),
                }
            }
        })+
    };
}

from_canonical! {
    ConnectionSpec, Connection, Any::Connection(found) => found;
    SourceSpec, Source, Any::Source(found) => found;
    RuleSpec, Rule, Any::Rule(found) => *found;
    WorkflowSpec, Workflow, Any::Workflow(found) => found;
    TableSpec, Table, Any::Table(found) => found;
    PolicySpec, Policy, Any::Policy(found) => found;
    ScenarioSpec, Scenario, Any::Scenario(found) => found;
}

impl Config {
    /// Adds a document of canonical form, in place of one of the same kind and name: how a configuration is put
    /// together again from what was recorded.
    ///
    /// # Errors
    /// JSON that is no such document.
    pub fn add_canonical(&mut self, kind: Kind, canonical: &Value) -> Result<(), NotCanonical> {
        one(kind, canonical)?.insert(self);
        Ok(())
    }
}
