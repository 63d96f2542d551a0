//! From trees to typed resources.
//!
//! `check` has already said what is wrong with the shape; here a value of the wrong shape is passed over in silence, and
//! what can only be said with understanding is said: expressions, the names in them, ids, actions.

use std::ops::Range;

use ensue_expr::{Program, Template, TemplateValue, duration};
use indexmap::IndexMap;
use serde_json::Value;

use crate::Checks;
use crate::diagnostic::{Diagnostic, Report, suggest};
use crate::model::{KeySpec, Micros, PatternSpec};
use crate::refs::Ref;
use crate::scope::{Scope, Wrong};
use crate::span::{Places, Span};
use crate::tree::{Kind, Node, source_offset};

mod action;
mod canonical;
mod document;
mod policy;
mod rule;
mod scenario;
mod steps;
mod system;
mod when;
mod workflow;

pub(crate) use document::{Any, document};

/// What reading has at hand.
pub(crate) struct Cx<'a> {
    pub(crate) report: &'a mut Report,
    /// The text of the file; empty for canonical JSON.
    pub(crate) text: &'a str,
    pub(crate) places: &'a Places<'a>,
    pub(crate) checks: &'a Checks<'a>,
    /// A pinned definition: it was checked when it came into force, by the version of then.
    pub(crate) pinned: bool,
    /// The path of the file.
    pub(crate) file: &'a str,
    /// The namespace of the document.
    pub(crate) namespace: String,
    /// Its kind and name, known even if its body cannot be read.
    pub(crate) head: Option<(crate::Kind, crate::Name)>,
    /// What the document says of others.
    pub(crate) refs: Vec<Ref>,
}

impl Cx<'_> {
    /// The place to show for a value: of a map or a list that begins on the line of its first part, that part.
    pub(crate) fn mark(&self, node: &Node) -> Span {
        match &node.kind {
            Kind::Map(entries) => match entries.first() {
                Some(entry) if !self.text.get(node.span.range()).is_some_and(|text| text.starts_with('{')) => {
                    entry.key_span
                }
                _ => node.span,
            },
            _ => node.span,
        }
    }

    /// The place of a part of a scalar's text.
    pub(crate) fn within(&self, node: &Node, part: Range<usize>) -> Span {
        let Some(scalar) = node.scalar().filter(|_| node.span.line > 0) else { return node.span };
        let raw = self.text.get(node.span.range()).unwrap_or_default();
        let indent = usize::try_from(node.span.column).unwrap_or(1).saturating_sub(1);
        let offset = |at| node.span.start + source_offset(raw, scalar.style, indent, &scalar.text, at);
        let start = offset(part.start);
        self.places.span(start..offset(part.end).max(start))
    }

    fn wrong(&mut self, at: Span, wrong: Wrong) {
        self.report.push(Diagnostic::error(wrong.code, at, wrong.message).maybe_help(wrong.help));
    }

    fn expression_error(&mut self, node: &Node, error: &ensue_expr::Error) {
        let at = self.within(node, error.span.range());
        self.report.push(Diagnostic::error("expression", at, error.message.clone()).maybe_help(error.hint.clone()));
    }

    /// Checks the names and functions of a program that begins at byte `offset` of the scalar's text.
    fn names(&mut self, node: &Node, program: &Program, offset: usize, scope: &Scope) {
        if self.pinned {
            return;
        }
        let shift = |span: ensue_expr::Span| span.start + offset..span.end + offset;
        for read in program.reads() {
            let at = self.within(node, shift(read.span));
            if let Some(wrong) = scope.check(read) {
                self.wrong(at, wrong);
            } else if let [root, table, ..] = read.path.as_slice()
                && root == "tables"
            {
                self.refs.push(Ref::table(table, at, &self.namespace));
            }
        }
        for (function, span) in program.calls() {
            if let Some(wrong) = scope.check_call(&function) {
                let at = self.within(node, shift(span));
                self.wrong(at, wrong);
            }
        }
    }

    /// An expression.
    pub(crate) fn program(&mut self, node: &Node, scope: &Scope) -> Option<Program> {
        let scalar = node.scalar().filter(|scalar| !scalar.value.is_null())?;
        let text = scalar.text.trim();
        if text.starts_with("${{") && text.ends_with("}}") {
            let inner = text.trim_start_matches("${{").trim_end_matches("}}").trim();
            let message = "an expression stands here without `${{ }}`";
            self.report.push(Diagnostic::error("expression", node.span, message).help(format!("write {inner}")));
            return None;
        }
        match Program::compile(&scalar.text) {
            Ok(program) => {
                self.names(node, &program, 0, scope);
                Some(program)
            }
            Err(error) => {
                self.expression_error(node, &error);
                None
            }
        }
    }

    /// An expression of a field that may be left out.
    pub(crate) fn program_of(&mut self, node: &Node, field: &str, scope: &Scope) -> Option<Program> {
        node.get(field).and_then(|node| self.program(node, scope))
    }

    /// A text with expressions in it.
    pub(crate) fn template(&mut self, node: &Node, scope: &Scope) -> Option<Template> {
        let text = node.text()?;
        match Template::compile(text) {
            Ok(template) => {
                for (program, offset) in template.programs() {
                    self.names(node, program, offset, scope);
                }
                Some(template)
            }
            Err(error) => {
                self.expression_error(node, &error);
                None
            }
        }
    }

    /// A tree whose texts are templates; `json` is what to compile where that is not the tree itself.
    pub(crate) fn tree(&mut self, node: &Node, json: &Value, scope: &Scope) -> Option<TemplateValue> {
        if !self.pinned {
            self.leaves(node, scope);
        }
        match TemplateValue::compile(json) {
            Ok(tree) => Some(tree),
            Err(error) => {
                // Elsewhere wrong leaves were reported one by one.
                if self.pinned {
                    self.report.push(Diagnostic::error("expression", node.span, error.to_string()));
                }
                None
            }
        }
    }

    pub(crate) fn leaves(&mut self, node: &Node, scope: &Scope) {
        match &node.kind {
            Kind::Seq(items) => items.iter().for_each(|item| self.leaves(item, scope)),
            Kind::Map(entries) => entries.iter().for_each(|entry| self.leaves(&entry.value, scope)),
            Kind::Scalar(_) => {
                self.template(node, scope);
            }
        }
    }

    /// Named trees, in the order of their names: that of the canonical form.
    pub(crate) fn trees(&mut self, node: Option<&Node>, scope: &Scope) -> IndexMap<String, TemplateValue> {
        let mut out = IndexMap::new();
        for entry in node.map(Node::entries).unwrap_or_default() {
            if let Some(tree) = self.tree(&entry.value, &entry.value.to_json(), scope) {
                out.insert(entry.key.clone(), tree);
            }
        }
        out.sort_unstable_keys();
        out
    }

    /// A key: an expression, several, or `none`.
    pub(crate) fn key(&mut self, node: Option<&Node>, scope: &Scope) -> Option<KeySpec> {
        let node = node?;
        if node.text() == Some("none") {
            return Some(KeySpec::None);
        }
        match &node.kind {
            Kind::Seq(items) => {
                if items.is_empty() {
                    self.report.push(Diagnostic::error("empty", node.span, "a key needs at least one expression"));
                }
                Some(KeySpec::Many(items.iter().filter_map(|item| self.program(item, scope)).collect()))
            }
            _ => self.program(node, scope).map(KeySpec::One),
        }
    }

    /// A pattern, with what the checker of patterns says about it.
    pub(crate) fn pattern(&mut self, node: &Node) -> PatternSpec {
        let json = node.to_json();
        if !self.pinned {
            self.heads(node);
        }
        if let Some(check) = self.checks.pattern.filter(|_| !self.pinned && matches!(node.kind, Kind::Map(_))) {
            for (pointer, message) in check(&json) {
                let found = node.nearest(&pointer);
                let at = self.mark(found);
                self.report.push(Diagnostic::error("pattern", at, message));
            }
        }
        PatternSpec { json, span: node.span }
    }

    /// The names that a pattern begins with: attributes of events, and extensions, which are letters and digits and hold
    /// no maps. Anything else would be a pattern that no event can ever meet.
    fn heads(&mut self, node: &Node) {
        for entry in node.entries() {
            let key = entry.key.as_str();
            if key == "$or" {
                entry.value.items().iter().for_each(|branch| self.heads(branch));
                continue;
            }
            if key == "data" || key.starts_with('$') {
                continue;
            }
            let at = entry.key_span;
            let deep = matches!(entry.value.kind, Kind::Map(_));
            if let Some(here) = habit_of_events(key) {
                let message = format!("`{key}` is not a field of an event");
                self.report.push(Diagnostic::error("habit", at, message).help(format!("here it is `{here}`")));
            } else if deep || !key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
                let message = format!("`{key}` is not a field of an event: only `data` has fields of its own");
                let help = format!("is it data: {{{key}: …}}?");
                self.report.push(Diagnostic::error("unknown-field", at, message).help(help));
            } else if !ATTRIBUTES.contains(&key)
                && let Some(meant) = suggest(key, ATTRIBUTES.iter().copied())
            {
                let message = format!("`{key}` can only be an extension of an event, and is almost `{meant}`");
                self.report.push(Diagnostic::warning("unknown-field", at, message));
            }
        }
    }
}

/// What every event may have, beside `data` and extensions of others.
const ATTRIBUTES: [&str; 18] = [
    "id",
    "source",
    "type",
    "subject",
    "time",
    "specversion",
    "datacontenttype",
    "dataschema",
    "partitionkey",
    "sequence",
    "correlationid",
    "causationid",
    "traceparent",
    "tracestate",
    "severitytext",
    "severitynumber",
    "recordedtime",
    "ensuedepth",
];

/// What EventBridge and Argo Events call it.
fn habit_of_events(key: &str) -> Option<&'static str> {
    match key {
        "detail-type" | "eventName" => Some("type"),
        "detail" | "body" => Some("data"),
        _ => None,
    }
}

/// A length of time.
pub(crate) fn micros(node: &Node, field: &str) -> Option<Micros> {
    duration::parse(&node.get(field)?.scalar()?.text).ok()
}

/// A count.
pub(crate) fn count(node: &Node, field: &str) -> Option<u32> {
    number(node, field).and_then(|n| u32::try_from(n).ok())
}

/// A whole number of zero or more.
pub(crate) fn number(node: &Node, field: &str) -> Option<u64> {
    node.get(field)?.scalar()?.value.as_u64()
}

/// True or false.
pub(crate) fn flag(node: &Node, field: &str) -> bool {
    node.get(field).and_then(Node::scalar).and_then(|scalar| scalar.value.as_bool()).unwrap_or(false)
}

/// A text.
pub(crate) fn text<'n>(node: &'n Node, field: &str) -> Option<&'n str> {
    node.get(field)?.text()
}

/// The texts of a list.
pub(crate) fn texts(node: &Node, field: &str) -> Vec<String> {
    node.get(field).map(Node::items).unwrap_or_default().iter().filter_map(|n| n.text().map(str::to_owned)).collect()
}
