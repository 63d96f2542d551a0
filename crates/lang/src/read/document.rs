//! One document: its head, and its body by kind.

use std::collections::BTreeMap;

use crate::API_VERSION;
use crate::check::{self, Texts};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::fields;
use crate::model::{Connection, Kind, Name, Policy, Resource, Rule, Scenario, Source, Table, Workflow};
use crate::read::{Cx, canonical, policy, rule, scenario, system, workflow};
use crate::secret;
use crate::tree::{self, Node};

/// A document of any kind.
#[derive(Debug)]
pub(crate) enum Any {
    Connection(Connection),
    Source(Source),
    Rule(Box<Rule>),
    Workflow(Workflow),
    Table(Table),
    Policy(Policy),
    Scenario(Scenario),
}

const HEAD: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];
/// Kinds that the language has and this version has not.
const LATER: [&str; 3] = ["Detector", "Scaler", "Rollout"];

/// Reads a document, as far as it can be read.
pub(crate) fn document(cx: &mut Cx<'_>, root: &Node) -> Option<Any> {
    if !matches!(root.kind, tree::Kind::Map(_)) {
        let message = format!("a document is a map with {}, not {}", HEAD.join(", "), root.describe());
        cx.report.push(Diagnostic::error("document", root.span, message));
        return None;
    }
    let version = head(cx, root, "apiVersion")?;
    if version.text() != Some(API_VERSION) {
        let message = format!("`apiVersion` must be {API_VERSION}, not {}", version.describe());
        let help = "only documents of ensue belong into this folder";
        cx.report.push(Diagnostic::error("document", version.span, message).help(help));
        return None;
    }
    let kind_node = head(cx, root, "kind")?;
    let word = kind_node.text().unwrap_or_default();
    let Some(kind) = Kind::parse(word) else {
        let (code, message, help) = if LATER.contains(&word) {
            ("unsupported", format!("`{word}` is part of the language but not of this version"), None)
        } else {
            let known = Kind::ALL.into_iter().map(Kind::as_str).chain(LATER);
            ("document", format!("there is no kind `{}`", tree::short(word)), did_you_mean(word, known))
        };
        cx.report.push(Diagnostic::error(code, kind_node.span, message).maybe_help(help));
        return None;
    };
    outside(cx, root, kind);
    let metadata = head(cx, root, "metadata");
    let spec = head(cx, root, "spec");
    let name = metadata.and_then(|node| name(cx, node, kind));
    cx.namespace = name.as_ref().map_or(Name::DEFAULT, |name| &name.namespace).to_owned();
    cx.head = name.clone().map(|name| (kind, name));
    if !cx.pinned {
        secret::look_for_tokens(cx, root);
    }
    let (metadata, spec) = (metadata?, spec?);
    let unnamed = || Name::new(Name::DEFAULT, "");
    let name = name.unwrap_or_else(unnamed);

    let canonical = canonical::canonical(kind, &name, metadata, spec);
    let head = Head { name, metadata, canonical, span: cx.mark(root) };
    let literal = Texts::Literal;
    match kind {
        Kind::Rule => {
            check::object(cx, spec, &fields::RULE, "spec", literal);
            let body = rule::rule(cx, spec)?;
            Some(Any::Rule(Box::new(head.with(cx, body))))
        }
        Kind::Workflow => {
            check::object(cx, spec, &fields::WORKFLOW, "spec", literal);
            let body = workflow::workflow(cx, spec, &head.name);
            Some(Any::Workflow(head.with(cx, body)))
        }
        Kind::Table => {
            check::object(cx, spec, &fields::TABLE, "spec", Texts::Never);
            let body = system::table(cx, spec)?;
            Some(Any::Table(head.with(cx, body)))
        }
        Kind::Connection => {
            let body = system::connection(cx, spec)?;
            Some(Any::Connection(head.with(cx, body)))
        }
        Kind::Source => {
            let body = system::source(cx, spec)?;
            Some(Any::Source(head.with(cx, body)))
        }
        Kind::Policy => {
            check::object(cx, spec, &fields::POLICY, "spec", literal);
            let body = policy::policy(cx, spec);
            Some(Any::Policy(head.with(cx, body)))
        }
        Kind::Scenario => {
            check::object(cx, spec, &fields::SCENARIO, "spec", Texts::Never);
            let body = scenario::scenario(cx, spec);
            Some(Any::Scenario(head.with(cx, body)))
        }
    }
}

/// What a document has beside its body.
struct Head<'n> {
    name: Name,
    metadata: &'n Node,
    canonical: serde_json::Value,
    span: crate::Span,
}

impl Head<'_> {
    fn with<T>(self, cx: &Cx<'_>, body: T) -> Resource<T> {
        Resource {
            digest: canonical::digest(&self.canonical),
            canonical: self.canonical,
            file: cx.file.to_owned(),
            span: self.span,
            labels: notes(self.metadata, "labels"),
            annotations: notes(self.metadata, "annotations"),
            name: self.name,
            body,
        }
    }
}

fn notes(metadata: &Node, field: &str) -> BTreeMap<String, String> {
    let entries = metadata.get(field).map(Node::entries).unwrap_or_default();
    entries.iter().filter_map(|entry| Some((entry.key.clone(), entry.value.text()?.to_owned()))).collect()
}

fn head<'n>(cx: &mut Cx<'_>, root: &'n Node, field: &'static str) -> Option<&'n Node> {
    let found = root.get(field);
    if found.is_none() {
        let at = cx.mark(root);
        let help = match field {
            "apiVersion" => format!("write apiVersion: {API_VERSION}"),
            "kind" => format!("write kind: one of {}", Kind::ALL.map(Kind::as_str).join(", ")),
            _ => format!("write {field}: and its fields below it"),
        };
        let near = root.entries().iter().find(|entry| strsim::damerau_levenshtein(&entry.key, field) <= 2);
        if let Some(near) = near {
            let message = format!("`{}` is not a field of a document", near.key);
            let help = format!("did you mean `{field}`?");
            cx.report.push(Diagnostic::error("unknown-field", near.key_span, message).help(help));
        } else {
            cx.report.push(Diagnostic::error("missing-field", at, format!("a document needs `{field}`")).help(help));
        }
    }
    found
}

/// Fields beside the four of a document's head.
fn outside(cx: &mut Cx<'_>, root: &Node, kind: Kind) {
    let shape = match kind {
        Kind::Rule => &fields::RULE,
        Kind::Workflow => &fields::WORKFLOW,
        Kind::Table => &fields::TABLE,
        Kind::Connection => &fields::CONNECTION,
        Kind::Source => &fields::SOURCE,
        Kind::Policy => &fields::POLICY,
        Kind::Scenario => &fields::SCENARIO,
    };
    for entry in root.entries().iter().filter(|entry| !HEAD.contains(&entry.key.as_str())) {
        // `head` has told of those that were meant to be one of the four.
        let near = |field: &str| strsim::damerau_levenshtein(&entry.key, field) <= 2;
        if HEAD.iter().any(|field| root.get(field).is_none() && near(field)) {
            continue;
        }
        let message = format!("`{}` is not a field of a document", entry.key);
        let help = if fields::METADATA.field(&entry.key).is_some() {
            format!("`{}` belongs under `metadata`", entry.key)
        } else if shape.field(&entry.key).is_some() || shape.habits.iter().any(|(habit, _)| *habit == entry.key) {
            format!("`{}` belongs under `spec`", entry.key)
        } else {
            format!("a document has {}", HEAD.join(", "))
        };
        cx.report.push(Diagnostic::error("unknown-field", entry.key_span, message).help(help));
    }
}

fn name(cx: &mut Cx<'_>, metadata: &Node, kind: Kind) -> Option<Name> {
    check::object(cx, metadata, &fields::METADATA, "metadata", Texts::Never);
    let node = metadata.get("name")?;
    let name = node.text()?;
    // A scenario is never referred to: its name is its title.
    let good = if kind == Kind::Scenario {
        !name.trim().is_empty() && name.len() <= 253 && !name.contains(['/', '\n'])
    } else {
        check::label(name)
    };
    if !good {
        let message = format!("the name `{}` must be lower-case letters, digits, `-` and `.`", tree::short(name));
        let help = suggestion(name).map(|better| format!("write {better}"));
        cx.report.push(Diagnostic::error("name", node.span, message).maybe_help(help));
    }
    let namespace = metadata.get("namespace").and_then(Node::text).unwrap_or(Name::DEFAULT);
    Some(Name::new(namespace, name))
}

fn suggestion(name: &str) -> Option<String> {
    let lower = name.trim().to_lowercase();
    let better: String = lower.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    let better = better.trim_matches(['-', '.']).to_owned();
    check::label(&better).then_some(better)
}
