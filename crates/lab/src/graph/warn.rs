//! Loops as warnings of `ensue check`.

use ensue_engine::Compiled;
use ensue_engine::config::{Checked, Decider};
use ensue_lang::Diagnostic;

use super::loops::{Bound, Loop, loops};
use super::{By, Edge, Graph};

/// Loops that are told one by one.
const MOST: usize = 20;
/// Rules of a loop that are shown.
const SHOWN: usize = 8;

/// Adds what the graph of a checked configuration shows to its messages; the graph, where nothing is wrong.
pub fn look(checked: &mut Checked) -> Option<Graph> {
    let config = checked.compiled.as_ref()?;
    let graph = Graph::of(config);
    let found = loops(&graph, config);
    let all = &mut checked.loaded.diagnostics;
    all.extend(found.iter().take(MOST).filter_map(|one| warning(one, config)));
    if let Some(next) = found.get(MOST).and_then(|one| one.places.first()).and_then(|place| config.rules.get(*place)) {
        let message = format!("{} more loops; `ensue graph` lists them all", found.len() - MOST);
        all.push(Diagnostic::warning("loop", place(next, 0), message).of(&next.rule.file));
    }
    let order = |file: &str| config.config.files.iter().position(|known| known.path == file);
    all.sort_by_key(|one| (order(&one.file), one.span.start, one.span.end));
    Some(graph)
}

/// Where an item's pattern stands.
fn place(decider: &Decider, item: usize) -> ensue_lang::Span {
    decider.watches.get(item).map_or(decider.rule.span, |watch| watch.item.event.span)
}

/// One loop, at the item of its first rule that closes it.
fn warning(one: &Loop, config: &Compiled) -> Option<Diagnostic> {
    let first = config.rules.get(*one.places.first()?)?;
    let closing = one.edges.last()?;
    let item = closing.place.item;
    let name = &first.name;
    let strong = one.every_rule || one.unbounded();
    let message = if one.every_rule {
        format!("rule {name} fires on its own runs: it hears `{}` of every rule, itself included", closing.kind)
    } else if one.rules.len() == 1 {
        format!("rule {name} can set itself off")
    } else {
        format!("rules can set each other off: {}", way(one))
    };
    let message = if strong && one.unbounded() { format!("{message}, and nothing ends it") } else { message };
    let mut found = Diagnostic::warning(if strong { "loop-unbounded" } else { "loop" }, place(first, item), message);
    found = found.of(&first.rule.file);
    for edge in one.edges.iter().take((one.edges.len() - 1).min(SHOWN)) {
        if let Some(next) = config.rules.get(edge.place.to) {
            found = found.label(place(next, edge.place.item), format!("{} is set off here", next.name));
        }
    }
    Some(found.help(help(one, name)))
}

/// `a → b → a`; a long way without its middle.
#[must_use]
pub fn way(one: &Loop) -> String {
    let mut names: Vec<&str> = one.rules.iter().take(SHOWN).map(String::as_str).collect();
    let left = one.rules.len() - names.len();
    let more = format!("… {left} more …");
    if left > 0 {
        names.push(&more);
    }
    names.extend(one.rules.first().map(String::as_str));
    names.join(" → ")
}

fn help(one: &Loop, name: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let rules = one.rules.iter().zip(one.rules.iter().skip(1).chain(one.rules.first()));
    for ((from, to), edge) in rules.zip(&one.edges).take(SHOWN) {
        lines.push(format!("{from} → {to}: {}", says(edge)));
    }
    let bounds: Vec<String> = one.bounds.iter().map(ToString::to_string).collect();
    lines.push(format!("what bounds it: {}", bounds.join("; ")));
    if let Some(out) = way_out(one, name) {
        lines.push(out);
    }
    lines.join("\n")
}

/// What makes an edge, in words.
pub(super) fn says(edge: &Edge) -> String {
    let at = edge.item.as_deref().map(|item| format!(", which is its `{item}`")).unwrap_or_default();
    match &edge.by {
        By::Source => format!("it brings {}{at}", edge.kind),
        By::Emit { step } => format!("step `{step}` emits {}{at}", edge.kind),
        By::Record { kind } => format!("its runs are told as {kind}{at}"),
        By::Action { step, action, source, marked } => {
            let mark = if *marked {
                "our mark comes back with it, and where nothing changes nothing comes back"
            } else {
                "no mark of ours comes back with it"
            };
            format!("step `{step}` ({action}) comes back through source {source} as {}{at}; {mark}", edge.kind)
        }
    }
}

fn way_out(one: &Loop, name: &str) -> Option<String> {
    if one.every_rule {
        return Some(format!(
            "name the rules that it is about, `data: {{ rule: [NAMESPACE/NAME] }}`, or leave it out itself: \
             `data: {{ rule: [{{ anything-but: [{name}] }}] }}`"
        ));
    }
    let conditioned = one.bounds.iter().any(|bound| matches!(bound, Bound::Condition { .. } | Bound::Outside { .. }));
    if conditioned {
        return None;
    }
    let closing = one.edges.last()?;
    match &closing.by {
        By::Action { marked: false, .. } => Some(
            "to end it, ask in the rule's `if` whether there is something left to do, or give it a `throttle`"
                .to_owned(),
        ),
        By::Record { .. } => Some("to end it, give the rule a `throttle` or a `dedupe`".to_owned()),
        _ => Some(
            "to end it, let the rule pass over what is a consequence of our own: `if: \"!has(event.causationid)\"`"
                .to_owned(),
        ),
    }
}
