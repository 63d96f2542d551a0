//! What must happen.

use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;
use crate::model::{Item, Repeat, TimeBy, When, WhenKind};
use crate::read::{Cx, count, micros, number, text, texts};
use crate::scope::Scope;
use crate::tree::Node;

/// Names that `tables` and the root names share cannot hide: an item is only ever `events.<name>`.
pub(super) fn when(cx: &mut Cx<'_>, node: &Node) -> Option<When> {
    let names = item_names(cx, node);
    let mut scope = Scope::new("`when`", &["event", "tables", "now"]);
    if !names.is_empty() {
        scope = scope.and("events");
        scope.items = names;
    }
    let kind = kind(cx, node, &scope)?;
    if !matches!(kind, WhenKind::Event(_)) {
        for field in ["if", "name"] {
            if let Some(entry) = node.entry(field) {
                let message = format!("`{field}` stands beside `event`, or in an item");
                cx.report.push(Diagnostic::error("exclusive", entry.key_span, message));
            }
        }
    }
    Some(When {
        key: cx.key(node.get("key"), &scope),
        within: micros(node, "within"),
        unless: node.get("unless").and_then(|item| self::item(cx, item, &scope)),
        repeat: match text(node, "repeat") {
            Some("ignore") => Repeat::Ignore,
            Some("each") => Repeat::Each,
            _ => Repeat::Restart,
        },
        time: if text(node, "time") == Some("event") { TimeBy::Event } else { TimeBy::Position },
        lateness: micros(node, "lateness"),
        max_keys: number(node, "maxKeys"),
        kind,
    })
}

fn kind(cx: &mut Cx<'_>, node: &Node, scope: &Scope) -> Option<WhenKind> {
    if node.get("event").is_some() {
        let item = item(cx, node, scope)?;
        // The key of the whole and that of the only item are the same.
        return Some(WhenKind::Event(Box::new(Item { key: None, ..item })));
    }
    for (field, make) in
        [("any", WhenKind::Any as fn(Vec<Item>) -> WhenKind), ("all", WhenKind::All), ("sequence", WhenKind::Sequence)]
    {
        if let Some(list) = node.get(field) {
            let items: Vec<Item> = list.items().iter().filter_map(|node| item(cx, node, scope)).collect();
            if list.items().is_empty() {
                cx.report.push(Diagnostic::error("empty", list.span, format!("`{field}` needs at least one item")));
            }
            return Some(make(items));
        }
    }
    if let Some(of) = node.get("count") {
        return Some(WhenKind::Count {
            of: Box::new(item(cx, of.get("of")?, scope)?),
            at_least: count(of, "atLeast")?,
            distinct: cx.program_of(of, "distinct", scope),
        });
    }
    let absence = node.get("absence")?;
    let after = absence.get("after").and_then(|node| item(cx, node, scope)).map(Box::new);
    Some(WhenKind::Absence {
        after,
        of: Box::new(item(cx, absence.get("of")?, scope)?),
        wait: micros(absence, "for")?,
        expect: texts(absence, "expect"),
        remember: micros(absence, "remember"),
    })
}

fn item(cx: &mut Cx<'_>, node: &Node, scope: &Scope) -> Option<Item> {
    let event = cx.pattern(node.get("event")?);
    let scope = scope.at("the `if` of an item");
    Some(Item {
        name: text(node, "name").map(str::to_owned),
        event,
        cond: cx.program_of(node, "if", &scope),
        key: if node.get("count").is_none() { cx.key(node.get("key"), &scope) } else { None },
        span: node.span,
    })
}

/// The names of all items; each once.
fn item_names(cx: &mut Cx<'_>, node: &Node) -> BTreeSet<String> {
    let mut nodes: Vec<&Node> = Vec::new();
    if node.get("event").is_some() {
        nodes.push(node);
    }
    for field in ["any", "all", "sequence"] {
        nodes.extend(node.get(field).map(Node::items).unwrap_or_default());
    }
    nodes.extend(node.get("count").and_then(|of| of.get("of")));
    nodes.extend(["after", "of"].iter().filter_map(|field| node.get("absence")?.get(field)));
    let mut names = BTreeSet::new();
    for name in nodes.into_iter().filter_map(|node| node.get("name")) {
        if let Some(text) = name.text()
            && !names.insert(text.to_owned())
        {
            let message = format!("two items are called `{text}`");
            cx.report.push(Diagnostic::error("duplicate", name.span, message));
        }
    }
    names
}
