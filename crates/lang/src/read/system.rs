//! Connections, sources and tables.

use ensue_expr::Value;
use serde_json::Map;

use crate::catalog::{self, CONNECTIONS, SOURCES};
use crate::check::{self, Texts};
use crate::diagnostic::{Diagnostic, suggest};
use crate::fields;
use crate::model::{ConnectionSpec, FreezeWindow, Limits, SourceSpec, TableSpec};
use crate::read::{Cx, count, flag, micros, text};
use crate::refs::Ref;
use crate::scope::Scope;
use crate::secret;
use crate::shape::Shape;
use crate::tree::{Entry, Kind, Node};

pub(super) fn connection(cx: &mut Cx<'_>, spec: &Node) -> Option<ConnectionSpec> {
    let types: Vec<&'static str> = CONNECTIONS.iter().map(|spec| spec.name).collect();
    check::object_with(cx, spec, &fields::CONNECTION, "spec", Texts::Never, &types);
    let entry = typed(cx, spec, &types, "a connection")?;
    let known = catalog::connection(&entry.key)?;
    let config = settings(cx, entry, &known.config);
    let limits = spec.get("limits");
    let limit = |field| limits.and_then(|node| count(node, field));
    Some(ConnectionSpec {
        type_name: entry.key.clone(),
        config,
        limits: Limits {
            per_minute: limit("perMinute").or(known.limits.per_minute),
            concurrent: limit("concurrent").or(known.limits.concurrent),
            distinct_targets_per_hour: limit("distinctTargetsPerHour").or(known.limits.distinct_targets_per_hour),
        },
        freeze: freezes(cx, spec),
        dry_run: flag(spec, "dryRun"),
    })
}

/// Shorter than this a window is over before anybody has seen it.
const SHORTEST_WINDOW: i64 = 60_000_000;

/// The windows of `freeze`.
pub(super) fn freezes(cx: &mut Cx<'_>, spec: &Node) -> Vec<FreezeWindow> {
    let mut out: Vec<FreezeWindow> = Vec::new();
    for node in spec.get("freeze").map(Node::items).unwrap_or_default() {
        let (Some(cron), Some(length)) = (text(node, "cron"), micros(node, "for")) else { continue };
        if length < SHORTEST_WINDOW {
            let at = node.get("for").map_or(node.span, |node| node.span);
            cx.report.push(Diagnostic::error("type", at, "`for` must be at least 1m"));
        }
        let (zone, reason) = (text(node, "zone").unwrap_or("UTC").to_owned(), text(node, "reason").map(str::to_owned));
        out.push(FreezeWindow { cron: cron.to_owned(), length, zone, reason });
    }
    out
}

pub(super) fn source(cx: &mut Cx<'_>, spec: &Node) -> Option<SourceSpec> {
    let types: Vec<&'static str> = SOURCES.iter().map(|spec| spec.name).collect();
    check::object_with(cx, spec, &fields::SOURCE, "spec", Texts::Never, &types);
    let entry = typed(cx, spec, &types, "a source")?;
    let known = catalog::source(&entry.key)?;
    let config = settings(cx, entry, &known.config);
    let scope = Scope::new("a source", &["event", "headers"]);
    let inner = &entry.value;
    let id = spec.get("id").or_else(|| inner.get("id"));
    let id = id.and_then(|node| cx.program(node, &scope));
    if entry.key == "schedule" {
        schedule(cx, inner);
    }
    if entry.key == "webhook" {
        for field in ["type", "subject"] {
            if let Some(node) = inner.get(field) {
                cx.template(node, &scope);
            }
        }
    }
    if let (Some(node), false) = (inner.get("connection"), cx.pinned)
        && let Some(written) = node.text()
    {
        cx.refs.push(Ref::source_connection(written, node.span, &cx.namespace));
    }
    let dedupe_body = spec.get("dedupe").and_then(|node| micros(node, "body"));
    Some(SourceSpec { type_name: entry.key.clone(), config, id, dedupe_body })
}

/// Shorter than this a schedule is a loop.
const SHORTEST: i64 = 1_000_000;

fn schedule(cx: &mut Cx<'_>, node: &Node) {
    if let (Some(every), Some(length)) = (node.get("every"), micros(node, "every"))
        && length < SHORTEST
    {
        cx.report.push(Diagnostic::error("type", every.span, "`every` must be at least 1s"));
    }
    if let Some(kind) = node.get("type")
        && kind.text().is_some_and(|kind| kind.starts_with(ensue_event::ours::PREFIX))
    {
        let message = format!("types that begin with `{}` are ensue's own", ensue_event::ours::PREFIX);
        cx.report.push(Diagnostic::error("name", kind.span, message));
    }
}

/// The one entry that names the type.
fn typed<'n>(cx: &mut Cx<'_>, spec: &'n Node, types: &[&'static str], what: &str) -> Option<&'n Entry> {
    let mut found = spec.entries().iter().filter(|entry| types.contains(&entry.key.as_str()));
    let Some(first) = found.next() else {
        // An unknown field was reported already; it is the type, wrongly written.
        let own = |key: &str| matches!(key, "limits" | "freeze" | "dryRun" | "id" | "dedupe");
        if spec.entries().iter().all(|entry| own(&entry.key)) {
            let at = cx.mark(spec);
            let message = format!("{what} needs its type: one of {}", types.join(", "));
            cx.report.push(Diagnostic::error("missing-field", at, message).help("write its settings below that word"));
        }
        return None;
    };
    if let Some(second) = found.next() {
        let message = format!("{what} has one type, not `{}` and `{}`", first.key, second.key);
        let both = Diagnostic::error("exclusive", second.key_span, message).label(first.key_span, "first here");
        cx.report.push(both.help("write two documents"));
    }
    Some(first)
}

/// `http:` with nothing behind it is a map without settings.
fn settings(cx: &mut Cx<'_>, entry: &Entry, shape: &'static Shape) -> serde_json::Value {
    let empty = Node { span: entry.key_span, kind: Kind::Map(Vec::new()) };
    let node = if entry.value.is_null() { &empty } else { &entry.value };
    check::object(cx, node, shape, &entry.key, Texts::Never);
    secret::config(node, shape)
}

pub(super) fn table(cx: &mut Cx<'_>, spec: &Node) -> Option<TableSpec> {
    let column = spec.get("key")?.text()?.to_owned();
    let mut rows = Map::new();
    for row in spec.get("rows")?.items() {
        let Some(cell) = row.get(&column) else {
            if matches!(row.kind, Kind::Map(_)) {
                let at = cx.mark(row);
                let near = suggest(&column, row.entries().iter().map(|entry| entry.key.as_str()));
                let help = near.map(|near| format!("is `{near}` meant to be `{column}`?"));
                let message = format!("this row has no `{column}`, which is the key");
                cx.report.push(Diagnostic::error("missing-field", at, message).maybe_help(help));
            }
            continue;
        };
        // One rule for keys: the text that expressions compare by, so that 42 and "42" are one row.
        let Some(key) = Value::from(cell.to_json()).key_text() else {
            let message = format!("the key of a row must be a text or a number, not {}", cell.describe());
            cx.report.push(Diagnostic::error("type", cell.span, message));
            continue;
        };
        if rows.insert(key.clone(), row.to_json()).is_some() {
            cx.report.push(Diagnostic::error("duplicate", cell.span, format!("a second row with the key `{key}`")));
        }
    }
    Some(TableSpec { key: column, rows })
}
