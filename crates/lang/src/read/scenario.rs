//! Scenarios.

use indexmap::IndexMap;

use crate::catalog::ACTIONS;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::model::{Event, Expect, Given, Mock, ScenarioSpec, Subject};
use crate::read::{Cx, count, micros, text};
use crate::refs::Ref;
use crate::tree::{Kind, Node};

pub(super) fn scenario(cx: &mut Cx<'_>, spec: &Node) -> ScenarioSpec {
    let list = |field| spec.get(field).map(Node::items).unwrap_or_default();
    let given = list("given").iter().filter_map(given).collect();
    let mut actions = IndexMap::new();
    for entry in spec.get("actions").map(Node::entries).unwrap_or_default() {
        action(cx, &entry.key, entry.key_span);
        if let Some(list) =
            entry.value.get("sequence").filter(|list| matches!(&list.kind, Kind::Seq(items) if items.is_empty()))
        {
            cx.report.push(Diagnostic::error("empty", list.span, "`sequence` needs at least one answer"));
        }
        if let Some(mock) = mock(&entry.value) {
            actions.insert(entry.key.clone(), mock);
        }
    }
    actions.sort_unstable_keys();
    let expect = list("expect").iter().filter_map(|node| expect(cx, node)).collect();
    ScenarioSpec { given, actions, expect, until: micros(spec, "until") }
}

fn action(cx: &mut Cx<'_>, name: &str, at: crate::Span) {
    if !ACTIONS.iter().any(|spec| spec.name == name) {
        let help = did_you_mean(name, ACTIONS.iter().map(|spec| spec.name));
        let message = format!("there is no action `{name}`");
        cx.report.push(Diagnostic::error("unknown-action", at, message).maybe_help(help));
    }
}

fn given(node: &Node) -> Option<Given> {
    let event = node.get("event")?;
    let event = match &event.kind {
        Kind::Map(_) => Event::Inline(event.to_json()),
        _ => Event::File(event.text()?.to_owned()),
    };
    Some(Given {
        at: micros(node, "at").unwrap_or(0),
        event,
        times: count(node, "times").unwrap_or(1),
        every: micros(node, "every").unwrap_or(0),
        span: node.span,
    })
}

fn mock(node: &Node) -> Option<Mock> {
    if let Some(list) = node.get("sequence") {
        return Some(Mock::Sequence(list.items().iter().filter_map(mock).collect()));
    }
    if let Some(returns) = node.get("returns") {
        return Some(Mock::Returns(returns.to_json()));
    }
    let fails = node.get("fails")?;
    Some(Mock::Fails {
        name: text(fails, "name").unwrap_or("StepFailed").to_owned(),
        message: text(fails, "message").unwrap_or("the scenario says so").to_owned(),
    })
}

fn expect(cx: &mut Cx<'_>, node: &Node) -> Option<Expect> {
    let json = |field: &str| node.get(field).map(Node::to_json);
    let owned = |field: &str| text(node, field).map(str::to_owned);
    let subject = if let Some(rule) = owned("rule") {
        Subject::Rule { rule }
    } else if let Some(name) = owned("action") {
        let at = node.get("action").map_or(node.span, |node| node.span);
        action(cx, &name, at);
        Subject::Action { action: name, with: json("with") }
    } else if let Some(rule) = owned("run") {
        Subject::Run { rule, status: owned("status") }
    } else {
        Subject::Event { kind: owned("event")?, data: json("data") }
    };
    for field in ["rule", "run"] {
        if let Some(named) = node.get(field)
            && let Some(written) = named.text()
        {
            cx.refs.push(Ref::rule(written, named.span, &cx.namespace));
        }
    }
    for (field, with) in [("fires", "rule"), ("status", "run"), ("with", "action"), ("data", "event")] {
        if let Some(entry) = node.entry(field)
            && node.get(with).is_none()
        {
            let message = format!("`{field}` belongs to `{with}`");
            cx.report.push(Diagnostic::error("exclusive", entry.key_span, message));
        }
    }
    let times = count(node, "fires").or_else(|| count(node, "times"));
    Some(Expect { subject, times, span: node.span })
}
