//! Scenarios.

use indexmap::IndexMap;

use crate::catalog::ACTIONS;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::model::{Event, Expect, Given, Happening, Manifests, Mock, ScenarioSpec, Subject};
use crate::read::{Cx, count, micros, text};
use crate::refs::Ref;
use crate::scope::Scope;
use crate::tree::{Kind, Node};

pub(super) fn scenario(cx: &mut Cx<'_>, spec: &Node) -> ScenarioSpec {
    let list = |field| spec.get(field).map(Node::items).unwrap_or_default();
    // A rule may come with a configuration that is applied later: then its name is not known here.
    let later = list("given").iter().any(|item| item.get("apply").is_some());
    let given = list("given").iter().filter_map(|node| given(cx, node, later)).collect();
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
    let expect = list("expect").iter().filter_map(|node| expect(cx, node, later)).collect();
    ScenarioSpec { given, actions, expect, until: micros(spec, "until") }
}

fn action(cx: &mut Cx<'_>, name: &str, at: crate::Span) {
    if !ACTIONS.iter().any(|spec| spec.name == name) {
        let help = did_you_mean(name, ACTIONS.iter().map(|spec| spec.name));
        let message = format!("there is no action `{name}`");
        cx.report.push(Diagnostic::error("unknown-action", at, message).maybe_help(help));
    }
}

fn given(cx: &mut Cx<'_>, node: &Node, later: bool) -> Option<Given> {
    belong(cx, node, &[("via", &["event"]), ("times", &["event"]), ("every", &["event"])]);
    let owned = |node: &Node, field: &str| text(node, field).map(str::to_owned);
    let what = if let Some(event) = node.get("event") {
        let event = match &event.kind {
            Kind::Map(_) => Event::Inline(cx.tree(event, &event.to_json(), &Scope::new("an event", &["index"]))?),
            _ => Event::File(event.text()?.to_owned()),
        };
        let (times, every) = (count(node, "times").unwrap_or(1), micros(node, "every").unwrap_or(0));
        Happening::Event { event, via: owned(node, "via"), times, every }
    } else if let Some(apply) = text(node, "apply") {
        let documents = apply.trim_end().contains('\n');
        let apply = apply.to_owned();
        Happening::Apply(if documents { Manifests::Text(apply) } else { Manifests::Beside(apply) })
    } else if let Some(restart) = node.get("restart") {
        Happening::Restart { down: micros(restart, "down")? }
    } else if let Some(operator) = node.get("operator") {
        belong(cx, operator, &[("mode", &["rule"])]);
        for field in ["rule", "redrive", "discard"] {
            rule_named(cx, operator, field, later);
        }
        if let Some(rule) = owned(operator, "rule") {
            let Some(mode) = owned(operator, "mode") else {
                let help = "write mode: live, shadow or paused";
                let message = "`operator` with `rule` needs `mode`";
                cx.report.push(Diagnostic::error("missing-field", cx.mark(operator), message).help(help));
                return None;
            };
            Happening::Mode { rule, mode }
        } else if let Some(rule) = owned(operator, "redrive") {
            Happening::Redrive { rule }
        } else {
            Happening::Discard { rule: owned(operator, "discard")? }
        }
    } else {
        let source = node.get("source")?;
        match owned(source, "disconnected") {
            Some(source) => Happening::Disconnected { source },
            None => Happening::CaughtUp { source: owned(source, "caughtUp")? },
        }
    };
    Some(Given { at: micros(node, "at").unwrap_or(0), what, span: node.span })
}

/// Fields that mean something only beside others.
fn belong(cx: &mut Cx<'_>, node: &Node, pairs: &[(&str, &[&str])]) {
    for (field, with) in pairs {
        if let Some(entry) = node.entry(field)
            && !with.iter().any(|with| node.get(with).is_some())
        {
            let with: Vec<String> = with.iter().map(|with| format!("`{with}`")).collect();
            let message = format!("`{field}` belongs to {}", with.join(" or "));
            cx.report.push(Diagnostic::error("exclusive", entry.key_span, message));
        }
    }
}

fn rule_named(cx: &mut Cx<'_>, node: &Node, field: &str, later: bool) {
    if let Some(named) = node.get(field)
        && let Some(written) = named.text()
        && !later
    {
        cx.refs.push(Ref::rule(written, named.span, &cx.namespace));
    }
}

fn mock(node: &Node) -> Option<Mock> {
    let answer = outcome(node)?;
    Some(match micros(node, "after") {
        Some(after) => Mock::After(after, Box::new(answer)),
        None => answer,
    })
}

fn outcome(node: &Node) -> Option<Mock> {
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

fn expect(cx: &mut Cx<'_>, node: &Node, later: bool) -> Option<Expect> {
    let json = |field: &str| node.get(field).map(Node::to_json);
    let owned = |field: &str| text(node, field).map(str::to_owned);
    let subject = if let Some(rule) = owned("rule") {
        let [shadow, parked, waiting] = ["shadow", "parked", "waiting"].map(|field| count(node, field));
        Subject::Rule { rule, shadow, parked, waiting }
    } else if let Some(name) = owned("action") {
        let at = node.get("action").map_or(node.span, |node| node.span);
        action(cx, &name, at);
        Subject::Action { action: name, with: json("with") }
    } else if let Some(rule) = owned("run") {
        Subject::Run { rule, status: owned("status") }
    } else if let Some(rule) = owned("decision") {
        Subject::Decision { rule, verdict: owned("verdict"), with: json("with") }
    } else if let Some(text) = owned("refused") {
        Subject::Refused { text }
    } else {
        Subject::Event { kind: owned("event")?, data: json("data") }
    };
    for field in ["rule", "run", "decision"] {
        rule_named(cx, node, field, later);
    }
    belong(
        cx,
        node,
        &[
            ("fires", &["rule"]),
            ("shadow", &["rule"]),
            ("parked", &["rule"]),
            ("waiting", &["rule"]),
            ("status", &["run"]),
            ("verdict", &["decision"]),
            ("with", &["action", "decision"]),
            ("data", &["event"]),
            ("key", &["rule", "decision"]),
            ("at", &["rule", "action", "event", "decision"]),
        ],
    );
    let key = node.get("key").map(|key| match &key.kind {
        Kind::Seq(_) => key.to_json().to_string(),
        _ => key.text().unwrap_or_default().to_owned(),
    });
    let times = count(node, "fires").or_else(|| count(node, "times"));
    Some(Expect { subject, times, at: micros(node, "at"), key, span: node.span })
}
