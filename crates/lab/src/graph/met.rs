//! Whether an item of a rule can be met by an event of which only a part is known.

use ensue_engine::config::Decider;
use ensue_expr::{Budget, Program, Scope, Value};
use ensue_lang::WhenKind;
use ensue_rule::Known;

use super::made::Made;

/// What a rule's conditions read of an event that tells them where it comes from.
pub(super) const ORIGINS: [&str; 3] = ["causationid", "ensuedepth", "correlationid"];

/// Whether the event could meet the item. A condition says no only where all that it reads is known.
pub(super) fn could_meet(decider: &Decider, item: usize, made: &Made) -> bool {
    let Some(watch) = decider.watches.get(item) else { return false };
    watch.pattern.could_match(made.ours, &|path| made.shape.at(path))
        && !conditions(decider, item).iter().any(|condition| refuses(condition, made))
}

/// The conditions that are asked of the event itself: the item's, and the rule's where the event is all that there is.
pub(super) fn conditions(decider: &Decider, item: usize) -> Vec<&Program> {
    let own = decider.watches.get(item).and_then(|watch| watch.item.cond.as_ref());
    let alone = matches!(decider.rule.when.kind, WhenKind::Event(_) | WhenKind::Any(_));
    own.into_iter().chain(decider.rule.cond.as_ref().filter(|_| alone)).collect()
}

/// Whether the item asks which rule a record is about.
pub(super) fn asks_for_the_rule(decider: &Decider, item: usize) -> bool {
    let Some(watch) = decider.watches.get(item) else { return false };
    let rule = ["event", "data", "rule"];
    watch.pattern.paths().iter().any(|path| path == "data.rule")
        || conditions(decider, item).iter().any(|condition| condition.paths().iter().any(|path| *path == rule))
}

/// Whether one of the condition's conjuncts is false, whatever is not known.
fn refuses(condition: &Program, made: &Made) -> bool {
    condition.ast().conjuncts().iter().any(|conjunct| {
        let text = condition.source().get(conjunct.span.start..conjunct.span.end).unwrap_or_default();
        Program::compile(text).is_ok_and(|program| is_false(&program, made))
    })
}

fn is_false(program: &Program, made: &Made) -> bool {
    // Presence is all that `has(path)` asks for.
    let text = program.source().trim();
    let text = text.strip_prefix('!').unwrap_or(text).trim();
    let presence = text.strip_prefix("has(").and_then(|rest| rest.strip_suffix(')')).map(str::trim);
    let mut known = serde_json::Map::new();
    for path in program.paths() {
        let Some((root, keys)) = path.split_first() else { return false };
        if root != "event" || keys.is_empty() {
            return false;
        }
        let value = match made.shape.at(keys) {
            Known::Is(value) => value,
            Known::Absent => continue,
            Known::Text { .. } | Known::Present if presence == Some(path.join(".").as_str()) => "?".into(),
            _ => return false,
        };
        if !put(&mut known, keys, value) {
            return false;
        }
    }
    let event = Value::from(serde_json::Value::Object(known));
    program.test(&Only(event), &mut Budget::new()) == Ok(false)
}

fn put(map: &mut serde_json::Map<String, serde_json::Value>, path: &[String], value: serde_json::Value) -> bool {
    match path {
        [] => false,
        [last] => {
            map.insert(last.clone(), value);
            true
        }
        [first, rest @ ..] => {
            let inner = map.entry(first.clone()).or_insert_with(|| serde_json::Value::Object(serde_json::Map::new()));
            inner.as_object_mut().is_some_and(|inner| put(inner, rest, value))
        }
    }
}

/// An event, and nothing else.
struct Only(Value);

impl Scope for Only {
    fn get(&self, name: &str) -> Option<Value> {
        (name == "event").then(|| self.0.clone())
    }
}
