//! Policies.

use crate::catalog::ACTIONS;
use crate::diagnostic::{Diagnostic, suggest};
use crate::model::{Ask, Check, Decides, Kind, Matches, PolicySpec, Then, glob};
use crate::read::{Cx, count, flag, micros, text, texts};
use crate::refs::Ref;
use crate::scope::Scope;
use crate::tree::{Kind as Tree, Node};

/// What a policy about actions sees.
const OF_ACTIONS: &[&str] = &["action", "inputs", "item", "index"];
/// What a policy about operators' commands sees.
const OF_COMMANDS: &[&str] = &["command", "actor", "roles"];
/// What both see.
const OF_BOTH: &[&str] = &["rule", "run", "key", "let", "steps", "event", "events", "count", "batch", "tables", "now"];

pub(super) fn policy(cx: &mut Cx<'_>, spec: &Node) -> PolicySpec {
    let matches = matches(cx, spec.get("match"));
    let scope = match &matches.commands {
        Some(_) => Scope::new("a policy about commands", OF_COMMANDS),
        None => Scope::new("a policy about actions", OF_ACTIONS),
    };
    let mut scope = OF_BOTH.iter().fold(scope, |scope, name| scope.and(name));
    // It is asked about runs of many rules: what these have is known then.
    scope.open = true;
    let allows = text(spec, "default") != Some("deny");
    let decides = match spec.get("rego").and_then(|node| Some((node, node.text()?))) {
        Some((node, text)) => {
            rego(cx, node, text);
            Decides::Rego { text: text.to_owned(), span: node.span }
        }
        None => {
            let list = spec.get("checks");
            let checks: Vec<Check> =
                list.map(Node::items).unwrap_or_default().iter().filter_map(|node| check(cx, node, &scope)).collect();
            let empty = |list: &&Node| matches!(&list.kind, Tree::Seq(items) if items.is_empty());
            if let Some(list) = list.filter(|list| empty(list) && allows && !cx.pinned) {
                let message = "a policy without checks allows everything";
                let help = "add a check, or write `default: deny`";
                cx.report.push(Diagnostic::error("empty", list.span, message).help(help));
            }
            behind_the_rest(cx, list);
            Decides::Checks(checks)
        }
    };
    PolicySpec { everywhere: text(spec, "scope") == Some("all"), matches, decides, allows }
}

fn matches(cx: &mut Cx<'_>, node: Option<&Node>) -> Matches {
    let Some(node) = node else { return Matches::default() };
    let list = |field: &str| node.get(field).map(|_| texts(node, field));
    if let (Some(actions), Some(commands), false) = (node.entry("actions"), node.entry("commands"), cx.pinned) {
        let message = "`actions` and `commands` exclude each other in the `match` of a policy";
        let both = Diagnostic::error("exclusive", commands.key_span, message).label(actions.key_span, "first here");
        cx.report.push(both.help("write two policies: an action and a command have different names to look at"));
    }
    // A name that is mistyped here would be a policy that does not hold: nobody would see it before it is needed.
    if !cx.pinned {
        for item in node.get("actions").map(Node::items).unwrap_or_default() {
            let Some(pattern) = item.text() else { continue };
            if !ACTIONS.iter().any(|spec| glob(pattern, spec.name)) {
                let message = format!("no action of this version is called `{pattern}`");
                let near = suggest(pattern, ACTIONS.iter().map(|spec| spec.name));
                let help = near.map(|near| format!("did you mean `{near}`?"));
                cx.report.push(Diagnostic::error("unknown-action", item.span, message).maybe_help(help));
            }
        }
        for (field, kind) in [("connections", Kind::Connection), ("rules", Kind::Rule)] {
            for item in node.get(field).map(Node::items).unwrap_or_default() {
                if let Some(pattern) = item.text() {
                    cx.refs.push(Ref::some(kind, pattern, item.span, &cx.namespace));
                }
            }
        }
    }
    Matches {
        actions: list("actions"),
        connections: list("connections"),
        rules: list("rules"),
        commands: list("commands"),
    }
}

fn check(cx: &mut Cx<'_>, node: &Node, scope: &Scope) -> Option<Check> {
    let cond = node.get("if");
    let program = cond.and_then(|node| cx.program(node, scope));
    let then = if let Some(reason) = node.get("deny") {
        Then::Deny(cx.template(reason, scope)?)
    } else if let Some(ask) = node.get("approve") {
        let (from, min) = (texts(ask, "from"), count(ask, "min").unwrap_or(1));
        if let Some(list) = ask.get("from").filter(|_| from.is_empty() && !cx.pinned) {
            let help = "name a role that tokens have: `ensue token create --role sre`";
            cx.report.push(Diagnostic::error("empty", cx.mark(list), "nobody may answer this").help(help));
        }
        let reason = ask.get("reason").and_then(|node| cx.template(node, scope));
        Then::Approve(Ask { from, min, timeout: micros(ask, "timeout"), reason })
    } else {
        let allow = node.get("allow")?;
        if allow.scalar().is_some_and(|scalar| scalar.value.as_bool() == Some(false)) && !cx.pinned {
            let message = "a check allows, or says why it denies";
            cx.report.push(Diagnostic::error("type", allow.span, message).help("write deny: and the reason"));
        }
        flag(node, "allow").then_some(Then::Allow)?
    };
    // A condition that cannot be read was reported; the check must not hold always for that.
    (cond.is_none() || program.is_some()).then_some(Check { cond: program, then })
}

/// A check without `if` is the rest.
fn behind_the_rest(cx: &mut Cx<'_>, list: Option<&Node>) {
    let items = list.map(Node::items).unwrap_or_default();
    let rest = items.iter().position(|node| matches!(node.kind, Tree::Map(_)) && node.get("if").is_none());
    if let Some(behind) = rest.and_then(|at| items.get(at + 1)).filter(|_| !cx.pinned) {
        let message = "no check below one without `if` is ever asked";
        let at = cx.mark(behind);
        cx.report.push(Diagnostic::error("unreachable", at, message).help("move the one without `if` to the end"));
    }
}

fn rego(cx: &mut Cx<'_>, node: &Node, text: &str) {
    let Some(check) = cx.checks.rego.filter(|_| !cx.pinned) else { return };
    if let Err((line, column, message)) = check(text) {
        let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let here = text.get(before..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let start = here.char_indices().nth(column.saturating_sub(1)).map_or(here.len(), |(at, _)| at);
        let at = cx.within(node, before + start..before + here.len().max(start));
        cx.report.push(Diagnostic::error("rego", at, message));
    }
}
