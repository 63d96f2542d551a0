//! What documents say of each other, looked at once all of them are there.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::ActionSpec;
use crate::diagnostic::{Diagnostic, Report, did_you_mean, suggest};
use crate::model::{Config, Input, Kind, Name, fits};
use crate::span::Span;
use crate::tree::Node;

/// One mention of another document.
#[derive(Debug)]
pub(crate) struct Ref {
    at: Span,
    namespace: String,
    to: To,
}

#[derive(Debug)]
enum To {
    /// The connection of an action.
    Connection { written: Option<String>, action: &'static ActionSpec },
    /// The connection of a source.
    SourceConnection(String),
    /// A secret in the environment of a step.
    ExecSecret { name: String, connection: Option<String> },
    /// A call of a workflow, from a workflow or a rule.
    Workflow { written: String, from: Option<Name>, given: Vec<(String, Span, Node)> },
    /// A table in an expression.
    Table(String),
    /// Names with `*` in a policy.
    Some(Kind, String),
    /// A rule in a scenario.
    Rule(String),
}

impl Ref {
    pub(crate) fn connection(written: Option<&str>, at: Span, namespace: &str, action: &'static ActionSpec) -> Ref {
        Ref { at, namespace: namespace.into(), to: To::Connection { written: written.map(str::to_owned), action } }
    }

    pub(crate) fn source_connection(written: &str, at: Span, namespace: &str) -> Ref {
        Ref { at, namespace: namespace.into(), to: To::SourceConnection(written.into()) }
    }

    pub(crate) fn exec_secret(name: &str, connection: Option<&str>, at: Span, namespace: &str) -> Ref {
        let to = To::ExecSecret { name: name.into(), connection: connection.map(str::to_owned) };
        Ref { at, namespace: namespace.into(), to }
    }

    pub(crate) fn workflow(
        written: &str,
        at: Span,
        namespace: &str,
        from: Option<Name>,
        given: Vec<(String, Span, Node)>,
    ) -> Ref {
        Ref { at, namespace: namespace.into(), to: To::Workflow { written: written.into(), from, given } }
    }

    pub(crate) fn table(written: &str, at: Span, namespace: &str) -> Ref {
        Ref { at, namespace: namespace.into(), to: To::Table(written.into()) }
    }

    pub(crate) fn some(kind: Kind, pattern: &str, at: Span, namespace: &str) -> Ref {
        Ref { at, namespace: namespace.into(), to: To::Some(kind, pattern.into()) }
    }

    pub(crate) fn rule(written: &str, at: Span, namespace: &str) -> Ref {
        Ref { at, namespace: namespace.into(), to: To::Rule(written.into()) }
    }
}

/// Every document that was met, readable or not.
type Known = BTreeSet<(Kind, Name)>;

/// Checks all of them.
pub(crate) fn check(refs: &[Ref], config: &Config, known: &Known, report: &mut Report) {
    let mut calls: BTreeMap<Name, Vec<(Name, Span)>> = BTreeMap::new();
    for found in refs {
        let diagnostic = match &found.to {
            To::Connection { written, action } => connection(found, written.as_deref(), action, config, known),
            To::SourceConnection(written) => absent(found, Kind::Connection, written, known, |_| true),
            To::ExecSecret { name, connection } => exec_secret(found, name, connection.as_deref(), config),
            To::Workflow { written, from, given } => {
                if let (Some(from), Some((to, _))) = (from, config.workflow(written, &found.namespace)) {
                    calls.entry(from.clone()).or_default().push((to.clone(), found.at));
                }
                workflow(found, written, given, config, known, report)
            }
            To::Table(written) => absent(found, Kind::Table, written, known, |_| true),
            To::Some(kind, pattern) => nothing(found, *kind, pattern, known),
            To::Rule(written) => absent(found, Kind::Rule, written, known, |_| true),
        };
        if let Some(diagnostic) = diagnostic {
            report.push(diagnostic);
        }
    }
    loops(&calls, report);
}

/// Says that there is no such document, unless there is one. Connections and tables are found in `default` too.
fn absent(found: &Ref, kind: Kind, written: &str, known: &Known, fits: impl Fn(&Name) -> bool) -> Option<Diagnostic> {
    let shared = matches!(kind, Kind::Connection | Kind::Table);
    let there = |namespace: &str| known.contains(&(kind, Name::resolve(written, namespace)));
    if there(&found.namespace) || (shared && there(Name::DEFAULT)) {
        return None;
    }
    let here = |name: &Name| name.namespace == found.namespace || (shared && name.namespace == Name::DEFAULT);
    let names = known.iter().filter(|(of, name)| *of == kind && fits(name));
    let names: Vec<String> =
        names.map(|(_, name)| if here(name) { name.name.clone() } else { name.to_string() }).collect();
    let help = did_you_mean(written, names.iter().map(String::as_str));
    let message = format!("there is no {} `{written}` in this configuration", kind.as_str().to_lowercase());
    Some(Diagnostic::error("unknown-reference", found.at, message).maybe_help(help))
}

/// Says that a pattern of a policy fits nothing that is there; what it is for may come yet.
fn nothing(found: &Ref, kind: Kind, pattern: &str, known: &Known) -> Option<Diagnostic> {
    let names: Vec<String> = known.iter().filter(|(of, _)| *of == kind).map(|(_, name)| name.to_string()).collect();
    let pattern = [pattern.to_owned()];
    if names.iter().any(|name| fits(&pattern, name)) {
        return None;
    }
    let [pattern] = pattern;
    let near = suggest(&pattern, names.iter().map(|name| name.split_once('/').map_or(name.as_str(), |(_, name)| name)));
    let message = format!("no {} of this configuration is called `{pattern}`", kind.as_str().to_lowercase());
    let help = near.map(|near| format!("did you mean `{near}`?"));
    Some(Diagnostic::warning("unknown-reference", found.at, message).maybe_help(help))
}

fn connection(
    found: &Ref,
    written: Option<&str>,
    action: &ActionSpec,
    config: &Config,
    known: &Known,
) -> Option<Diagnostic> {
    let fitting = || {
        let fits = config.connections.iter().filter(|(_, connection)| connection.type_name == action.connection);
        fits.map(|(name, _)| name)
    };
    let Some(written) = written else {
        let message = format!("`{}` needs a connection of the type {}", action.name, action.connection);
        let help = match fitting().next() {
            Some(name) => format!("write connection: {}", name.name),
            None => format!("add a Connection with `{}:`, and its name here as `connection`", action.connection),
        };
        return Some(Diagnostic::error("missing-field", found.at, message).help(help));
    };
    let Some((name, connection)) = config.connection(written, &found.namespace) else {
        // One that is there and cannot be read may well be of this type.
        let fits = |name: &Name| {
            config.connections.get(name).is_none_or(|connection| connection.type_name == action.connection)
        };
        return absent(found, Kind::Connection, written, known, fits);
    };
    (connection.type_name != action.connection).then(|| {
        let message = format!(
            "`{}` needs a connection of the type {}; `{}` is of the type {}",
            action.name, action.connection, name.name, connection.type_name
        );
        let help = fitting().next().map(|name| format!("there is `{}`", name.name));
        Diagnostic::error("connection-type", found.at, message).maybe_help(help)
    })
}

fn exec_secret(found: &Ref, name: &str, connection: Option<&str>, config: &Config) -> Option<Diagnostic> {
    // A missing connection is told of elsewhere.
    let (full, connection) = config.connection(connection?, &found.namespace)?;
    let allowed = connection.config.get("secretsFor").and_then(serde_json::Value::as_array);
    let allowed = allowed.is_some_and(|list| list.iter().any(|item| item.as_str() == Some(&found.namespace)));
    (!allowed).then(|| {
        let message = format!("steps of the namespace `{}` may not name secrets, here {name}", found.namespace);
        let help = format!("add it to `secretsFor` of the connection `{}`", full.name);
        Diagnostic::error("secret", found.at, message).help(help)
    })
}

fn workflow(
    found: &Ref,
    written: &str,
    given: &[(String, Span, Node)],
    config: &Config,
    known: &Known,
    report: &mut Report,
) -> Option<Diagnostic> {
    let Some((name, workflow)) = config.workflow(written, &found.namespace) else {
        return absent(found, Kind::Workflow, written, known, |_| true);
    };
    for (input, at, value) in given {
        let Some(Input { ty, .. }) = workflow.inputs.get(input) else {
            let message = format!("the workflow `{}` has no input `{input}`", name.name);
            let help = did_you_mean(input, workflow.inputs.keys().map(String::as_str));
            report.push(Diagnostic::error("unknown-field", *at, message).maybe_help(help));
            continue;
        };
        let json = value.to_json();
        let evaluated = value.text().is_some_and(|text| text.contains("${{"));
        if !evaluated && !ty.accepts(&json) {
            let message = format!("the input `{input}` is of the type {}, not {}", ty.as_str(), value.describe());
            report.push(Diagnostic::error("type", value.span, message));
        }
    }
    let missing = workflow
        .inputs
        .iter()
        .filter(|(name, input)| input.default.is_none() && !given.iter().any(|(given, _, _)| given == *name));
    let missing: Vec<&str> = missing.map(|(name, _)| name.as_str()).collect();
    (!missing.is_empty()).then(|| {
        let message = format!("the workflow `{}` needs {} under `with`", name.name, missing.join(", "));
        Diagnostic::error("missing-field", found.at, message)
    })
}

/// Every call that is part of a circle.
fn loops(calls: &BTreeMap<Name, Vec<(Name, Span)>>, report: &mut Report) {
    for (from, targets) in calls {
        for (to, at) in targets {
            let mut seen = BTreeSet::new();
            let mut open = vec![to];
            while let Some(next) = open.pop() {
                if seen.insert(next) {
                    open.extend(calls.get(next).into_iter().flatten().map(|(name, _)| name));
                }
            }
            if seen.contains(from) {
                let message = if to == from {
                    format!("the workflow `{}` calls itself", from.name)
                } else {
                    format!("the workflow `{}` calls `{}`, which comes back to it", from.name, to.name)
                };
                report.push(Diagnostic::error("workflow-loop", *at, message).help("a run must end: break the circle"));
            }
        }
    }
}
