//! Rules.

use ensue_event::{Position, Time};
use ensue_expr::Program;
use indexmap::IndexMap;

use crate::diagnostic::Diagnostic;
use crate::model::{
    Backfill, Batch, Concurrency, Debounce, Dedupe, Excess, Group, Late, Order, OrderBy, RuleMode, RuleSpec, Running,
    Start, Storm, Throttle, WhenKind,
};
use crate::read::steps::Body;
use crate::read::system::freezes;
use crate::read::when::when;
use crate::read::{Cx, count, flag, micros, text};
use crate::scope::Scope;
use crate::tree::{Entry, Node};

/// Late events are told from the last value that is remembered; a month covers any upstream's redelivery.
const REMEMBER: i64 = 30 * 24 * 3_600 * 1_000_000;

pub(super) fn rule(cx: &mut Cx<'_>, spec: &Node) -> Option<RuleSpec> {
    let when = spec.get("when").and_then(|node| when(cx, node));
    let mut scope = Scope::new("`let`", &["event", "tables", "now"]);
    if let Some(when) = &when {
        scope.items = when.kind.items().iter().filter_map(|item| item.name.clone()).collect();
        if when.key.is_some() || when.kind.items().iter().any(|item| item.key.is_some()) {
            scope = scope.and("key");
        }
        if matches!(when.kind, WhenKind::Count { .. }) {
            scope = scope.and("count");
        }
    }
    if !scope.items.is_empty() {
        scope = scope.and("events");
    }
    scope = scope.and("let");
    let order = spec.get("order").and_then(|node| order(cx, node));
    let lets = lets(cx, spec.get("let"), &mut scope);
    scope.place = "the `if` of a rule";
    let cond = cx.program_of(spec, "if", &scope);

    scope.place = "a `key`";
    let dedupe = part(spec, "dedupe", |node| {
        Some(Dedupe { key: cx.key(node.get("key"), &scope), window: micros(node, "window")? })
    });
    let debounce = part(spec, "debounce", |node| {
        let key = cx.key(node.get("key"), &scope);
        Some(Debounce { key, quiet: micros(node, "quiet")?, max: micros(node, "max") })
    });
    let batch = part(spec, "batch", |node| {
        let key = cx.key(node.get("key"), &scope);
        if node.get("size").is_none() && node.get("every").is_none() {
            let help = "write size: 100, every: 1m, or both: it goes at whichever comes first";
            let at = cx.mark(node);
            cx.report.push(Diagnostic::error("missing-field", at, "`batch` needs `size` or `every`").help(help));
        }
        Some(Batch { key, size: count(node, "size"), every: micros(node, "every") })
    });
    // From here on the matches are together.
    if batch.is_some() {
        scope = scope.and("batch");
    }
    if let (Some(first), Some(second), false) = (spec.entry("debounce"), spec.entry("batch"), cx.pinned) {
        let message = "`debounce` and `batch` exclude each other in a rule";
        let both = Diagnostic::error("exclusive", second.key_span, message).label(first.key_span, "first here");
        cx.report.push(both.help("a batch waits too: with `every` it is done at the latest after that time"));
    }
    let throttle = part(spec, "throttle", |node| {
        Some(Throttle {
            key: cx.key(node.get("key"), &scope),
            limit: count(node, "limit")?,
            per: micros(node, "per")?,
            excess: if text(node, "excess") == Some("queue") { Excess::Queue } else { Excess::Drop },
        })
    });
    let concurrency = part(spec, "concurrency", |node| {
        let name = node.get("group").and_then(|node| Some((node.text()?, node.span)));
        Some(Concurrency {
            group: name.map(|(name, span)| Group { name: name.to_owned(), span }),
            key: cx.key(node.get("key"), &scope),
            limit: count(node, "limit")?,
            excess: match text(node, "excess") {
                Some("latest") => Running::Latest,
                Some("skip") => Running::Skip,
                Some("cancelRunning") => Running::CancelRunning,
                _ => Running::Queue,
            },
        })
    });
    let start = start(cx, spec.get("start"));
    let mode = match text(spec, "mode") {
        Some("shadow") => RuleMode::Shadow,
        Some("paused") => RuleMode::Paused,
        _ => RuleMode::Live,
    };
    let backfill =
        part(spec, "backfill", |node| Some(Backfill { act: flag(node, "act"), max_age: micros(node, "maxAge") }));
    no_surprise(cx, spec, start, mode, backfill);

    let mut body = Body::new(cx, spec, scope.and("steps").and("run"));
    let steps = body.list(spec.get("steps"), "/steps");
    let on_failure = body.failing(spec.get("onFailure"), "/onFailure");
    let finally = body.failing(spec.get("finally"), "/finally");
    Some(RuleSpec {
        when: when?,
        lets,
        cond,
        dedupe,
        debounce,
        batch,
        throttle,
        concurrency,
        order,
        storm: part(spec, "storm", |node| {
            let default = Storm::default();
            Some(Storm {
                per_key: count(node, "perKey").unwrap_or(default.per_key),
                per_rule: count(node, "perRule").unwrap_or(default.per_rule),
            })
        }),
        mode,
        start,
        backfill,
        freeze: freezes(cx, spec),
        timeout: micros(spec, "timeout"),
        steps,
        on_failure,
        finally,
    })
}

fn part<T>(spec: &Node, field: &str, read: impl FnOnce(&Node) -> Option<T>) -> Option<T> {
    spec.get(field).and_then(read)
}

/// Each sees those before it. A map as written, or a list of maps, as the canonical form has it.
fn lets(cx: &mut Cx<'_>, node: Option<&Node>, scope: &mut Scope) -> IndexMap<String, Program> {
    let mut out = IndexMap::new();
    let Some(node) = node else { return out };
    let entries: Vec<&Entry> = node.entries().iter().chain(node.items().iter().flat_map(Node::entries)).collect();
    for entry in entries {
        if !crate::check::ident_or_camel(&entry.key) {
            let message = format!("`{}` cannot be used as `let.{}`", entry.key, entry.key);
            let help = "write a name of letters, digits and `_`";
            cx.report.push(Diagnostic::error("name", entry.key_span, message).help(help));
        }
        if let Some(program) = cx.program(&entry.value, scope)
            && out.insert(entry.key.clone(), program).is_some()
        {
            let message = format!("`let.{}` is there twice", entry.key);
            cx.report.push(Diagnostic::error("duplicate", entry.key_span, message));
        }
        scope.lets.insert(entry.key.clone());
    }
    out
}

fn order(cx: &mut Cx<'_>, node: &Node) -> Option<Order> {
    let scope = Scope::new("`order`", &["event", "tables"]);
    let by = match text(node, "by") {
        Some("sequence") => OrderBy::Sequence,
        _ => OrderBy::Value(cx.program_of(node, "by", &scope)?),
    };
    Some(Order {
        key: cx.key(node.get("key"), &scope)?,
        by,
        lateness: micros(node, "lateness"),
        late: match text(node, "late") {
            Some("divert") => Late::Divert,
            Some("drop") => Late::Drop,
            _ => Late::Deliver,
        },
        remember: micros(node, "remember").unwrap_or(REMEMBER),
    })
}

/// Nobody acts on all that has ever happened by leaving a word out.
fn no_surprise(cx: &mut Cx<'_>, spec: &Node, start: Start, mode: RuleMode, backfill: Option<Backfill>) {
    let (Some(node), RuleMode::Live) = (spec.get("start"), mode) else { return };
    if start != Start::Now && !backfill.is_some_and(|backfill| backfill.act) {
        let message = "a rule that starts in the past would act on what happened then";
        let help = "write `mode: shadow`; or, if it is to act, `backfill: { act: true, maxAge: 7d }`";
        cx.report.push(Diagnostic::error("backfill", node.span, message).help(help));
    }
}

fn start(cx: &mut Cx<'_>, node: Option<&Node>) -> Start {
    let Some(scalar) = node.and_then(Node::scalar) else { return Start::Now };
    if let Some(position) = scalar.value.as_u64() {
        return Start::Position(Position(position));
    }
    match scalar.text.as_str() {
        "now" => Start::Now,
        "beginning" => Start::Beginning,
        other => match Time::parse(other) {
            Ok(time) => Start::Time(time),
            Err(error) => {
                let at = node.map(|node| node.span).unwrap_or_default();
                let message = format!("`start` is now, beginning, a time or a position: {error}");
                cx.report.push(Diagnostic::error("type", at, message));
                Start::Now
            }
        },
    }
}
