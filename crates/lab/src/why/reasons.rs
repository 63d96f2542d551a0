//! How a firing is known: what each of its events met, and the conditions.

use ensue_event::Record;
use ensue_event::ours::RuleFired;
use ensue_rule::{Pattern, View};
use serde_json::Value;

use super::{Chain, cut, short};

/// How many events of a firing are shown one by one.
const SHOWN: usize = 5;

impl Chain<'_> {
    /// The patterns' fields with the values that met them, and the conditions.
    pub(super) fn reasons(&self, fired: &RuleFired, event: &Record) -> Vec<String> {
        let mut out = Vec::new();
        let state = self.engine.state();
        let definition = state.definitions.get(&fired.definition);
        let when = definition.and_then(|definition| definition.rule.pointer("/spec/when")).cloned().unwrap_or_default();
        let items = items(&when);
        let many = when.get("event").is_none();
        for took in fired.events.iter().take(SHOWN) {
            let json = took.event.to_string();
            let last = took.position == event.position;
            let view = if last { View::new(&event.event) } else { View::of_json(json.as_bytes()) };
            let named = |item: &&Value| item.get("name").and_then(Value::as_str) == took.item.as_deref();
            let patterns = items
                .iter()
                .copied()
                .filter(named)
                .filter_map(|item| Some((item, Pattern::compile(item.get("event")?).ok()?)));
            let met = patterns.into_iter().find(|(_, pattern)| pattern.matches(&view));
            if many {
                let text = |field: &str| took.event.get(field).and_then(Value::as_str).unwrap_or("(purged)");
                let name = took.item.as_ref().map(|item| format!("`{item}` ")).unwrap_or_default();
                out.push(format!("{name}#{} {} {}", took.position, text("type"), text("id")));
            }
            let indent = if many { "  " } else { "" };
            let Some((item, pattern)) = met else { continue };
            for field in pattern.explain(&view).fields {
                let actual = field.actual.as_deref().unwrap_or("absent");
                // A value that is what it must be needs no second telling.
                let asked =
                    if field.expected == actual { String::new() } else { format!("  as {}", cut(&field.expected)) };
                out.push(format!("{indent}{} = {actual}{asked}", field.path));
            }
            if let Some(condition) = item.get("if").and_then(Value::as_str) {
                out.push(format!("{indent}if {condition}: true"));
            }
        }
        if fired.events.len() > SHOWN {
            out.push(format!("and {} events more", fired.events.len() - SHOWN));
        }
        if !fired.batch.is_empty() {
            out.push(format!("a batch of {}", fired.batch.len()));
        }
        if let (true, Some(due)) = (fired.timed, fired.due) {
            out.push(format!("time decided it: due {due}"));
        }
        if let Some(text) =
            definition.and_then(|definition| definition.rule.pointer("/spec/if")).and_then(Value::as_str)
        {
            out.push(format!("if {text}: true"));
        }
        for (name, value) in &fired.lets {
            out.push(format!("let {name} = {}", short(value)));
        }
        if let Some(key) = &fired.key {
            out.push(format!("key {key}"));
        }
        if let Some(count) = fired.count {
            out.push(format!("count {count}"));
        }
        out
    }
}

/// The items of a `when` as it is written, in their order.
fn items(when: &Value) -> Vec<&Value> {
    if when.get("event").is_some() {
        return vec![when];
    }
    let lists = ["any", "all", "sequence"].iter().filter_map(|field| when.get(field)?.as_array()).flatten();
    let single = ["/count/of", "/absence/after", "/absence/of"].iter().filter_map(|place| when.pointer(place));
    lists.chain(single).collect()
}
