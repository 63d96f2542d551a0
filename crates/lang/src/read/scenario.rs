//! Scenarios.

use indexmap::IndexMap;

use crate::catalog::ACTIONS;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::model::{
    Answers, Asks, Calls, Event, Expect, Given, Happening, Manifests, Mock, ScenarioSpec, Subject, Verb,
};
use crate::read::{Cx, count, flag, micros, text, texts};
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
        let one = std::slice::from_ref(&entry.value);
        let all = if matches!(entry.value.kind, Kind::Seq(_)) { entry.value.items() } else { one };
        let all: Vec<Answers> = all.iter().filter_map(|node| answers(cx, node, later)).collect();
        if !all.is_empty() {
            actions.insert(entry.key.clone(), all);
        }
    }
    actions.sort_unstable_keys();
    let expect = list("expect").iter().filter_map(|node| expect(cx, node, later)).collect();
    let env = spec.get("env").map(Node::entries).unwrap_or_default().iter();
    let env = env.filter_map(|entry| Some((entry.key.clone(), entry.value.text()?.to_owned()))).collect();
    ScenarioSpec { env, given, actions, expect, until: micros(spec, "until") }
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
        Happening::Operator {
            asks: asks(cx, operator, later)?,
            by: owned(operator, "by"),
            roles: texts(operator, "roles"),
            reason: owned(operator, "reason"),
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

/// Verbs that are about the runs of the rule that they name.
const OF_RUNS: [&str; 7] = ["approve", "cancel", "retry", "resume", "skip", "settle", "rollback"];

fn asks(cx: &mut Cx<'_>, node: &Node, later: bool) -> Option<Asks> {
    belong(
        cx,
        node,
        &[
            ("mode", &["rule"]),
            ("refuse", &["approve"]),
            ("from", &["resume"]),
            ("verdict", &["settle"]),
            ("step", &["approve", "skip", "settle"]),
            ("key", &OF_RUNS),
        ],
    );
    for field in ["rule", "redrive", "discard"].into_iter().chain(OF_RUNS) {
        rule_named(cx, node, field, later);
    }
    let owned = |field: &str| text(node, field).map(str::to_owned);
    let only = |node: &Node| ["connection", "rule"].map(|field| text(node, field).map(str::to_owned));
    if let Some(rule) = owned("rule") {
        return Some(Asks::Mode { rule, mode: with(cx, node, "rule", "mode", "live, shadow or paused")? });
    }
    if let Some(freeze) = node.get("freeze") {
        let [connection, rule] = only(freeze);
        return Some(Asks::Freeze { connection, rule });
    }
    if let Some(thaw) = node.get("thaw") {
        let [connection, rule] = only(thaw);
        return Some(Asks::Thaw { connection, rule, discard: flag(thaw, "discard") });
    }
    if let Some(rule) = owned("redrive") {
        return Some(Asks::Redrive { rule });
    }
    if let Some(rule) = owned("discard") {
        return Some(Asks::Discard { rule });
    }
    let (verb, rule) = OF_RUNS.into_iter().find_map(|verb| Some((verb, owned(verb)?)))?;
    let mut step = || with(cx, node, verb, "step", "the path of the step");
    let verb = match verb {
        "approve" => Verb::Approve { step: step()?, refuse: flag(node, "refuse") },
        "skip" => Verb::Skip { step: step()? },
        "settle" => {
            let step = step()?;
            Verb::Settle { step, verdict: with(cx, node, verb, "verdict", "done, failed or retry")? }
        }
        "resume" => Verb::Resume { from: owned("from") },
        "retry" => Verb::Retry,
        "cancel" => Verb::Cancel,
        _ => Verb::Rollback,
    };
    Some(Asks::Runs { rule, key: key(node), verb })
}

/// A field that another one needs beside it.
fn with(cx: &mut Cx<'_>, node: &Node, of: &str, field: &str, help: &str) -> Option<String> {
    if let Some(text) = text(node, field) {
        return Some(text.to_owned());
    }
    if node.get(field).is_none() {
        let message = format!("`operator` with `{of}` needs `{field}`");
        let missing = Diagnostic::error("missing-field", cx.mark(node), message);
        cx.report.push(missing.help(format!("write {field}: {help}")));
    }
    None
}

/// A key as it is compared: a composite one as canonical JSON.
fn key(node: &Node) -> Option<String> {
    node.get("key").map(|key| match &key.kind {
        Kind::Seq(_) => key.to_json().to_string(),
        _ => key.text().unwrap_or_default().to_owned(),
    })
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

fn answers(cx: &mut Cx<'_>, node: &Node, later: bool) -> Option<Answers> {
    if let Some(list) = node.get("sequence").filter(|list| matches!(&list.kind, Kind::Seq(items) if items.is_empty())) {
        cx.report.push(Diagnostic::error("empty", list.span, "`sequence` needs at least one answer"));
    }
    let when = node.get("when").map_or_else(Calls::default, |when| {
        rule_named(cx, when, "rule", later);
        let [rule, step] = ["rule", "step"].map(|field| text(when, field).map(str::to_owned));
        Calls { rule, step, with: when.get("with").map(Node::to_json) }
    });
    Some(Answers { when, mock: mock(node)? })
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
    if let Some(why) = text(node, "uncertain") {
        return Some(Mock::Uncertain(why.to_owned()));
    }
    let fails = node.get("fails")?;
    Some(Mock::Fails {
        name: text(fails, "name").unwrap_or("StepFailed").to_owned(),
        message: text(fails, "message").unwrap_or("the scenario says so").to_owned(),
        retryable: fails.get("retryable").map(|_| flag(fails, "retryable")),
        retry_after: micros(fails, "retryAfter"),
        details: fails.get("details").map(Node::to_json).unwrap_or_default(),
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
        Subject::Action { action: name, step: owned("step"), with: json("with") }
    } else if let Some(rule) = owned("run") {
        Subject::Run { rule, step: owned("step"), status: owned("status"), error: owned("error") }
    } else if let Some(rule) = owned("decision") {
        Subject::Decision { rule, verdict: owned("verdict"), with: json("with") }
    } else if let Some(text) = owned("refused") {
        Subject::Refused { text }
    } else if let Some(list) = node.get("order") {
        // `call/build` is a step of a called workflow, and no action: none begins so.
        let begins = |text: &str| ACTIONS.iter().any(|spec| text.split('/').next() == Some(spec.connection));
        for item in list.items() {
            if let Some(name) = item.text().filter(|text| text.contains('/') && begins(text)) {
                action(cx, name, item.span);
            }
        }
        Subject::Order(texts(node, "order"))
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
            ("step", &["run", "action"]),
            ("status", &["run"]),
            ("error", &["run"]),
            ("verdict", &["decision"]),
            ("with", &["action", "decision"]),
            ("data", &["event"]),
            ("key", &["rule", "run", "decision"]),
            ("times", &["rule", "action", "run", "event", "decision", "refused"]),
            ("at", &["rule", "action", "event", "decision"]),
        ],
    );
    let times = count(node, "fires").or_else(|| count(node, "times"));
    Some(Expect { subject, times, at: micros(node, "at"), key: key(node), span: node.span })
}
