//! What an event is to each item of a rule.

use ensue_engine::config::{Decider, Watch};
use ensue_engine::decide::{Names, meets};
use ensue_engine::keys::keys;
use ensue_lang::WhenKind;
use ensue_rule::{Explanation, FieldVerdict, View};

use super::WhyNot;
use crate::tree::Tree;
use crate::why::{cut, verdict};

/// An item, and how far the event came with it.
pub(super) struct ItemTold {
    /// Its name as people read it: `rollout`, item 2, `unless`.
    pub(super) name: String,
    pub(super) unless: bool,
    pub(super) explained: Explanation,
    /// Why the event does not count although its pattern is met.
    pub(super) but: Option<String>,
}

impl ItemTold {
    pub(super) fn met(&self) -> bool {
        self.explained.matched && self.but.is_none()
    }

    /// The first thing that is not met.
    pub(super) fn why(&self) -> String {
        match (&self.but, self.explained.matched) {
            (Some(but), _) => but.clone(),
            (None, true) => "met".to_owned(),
            (None, false) => miss(&self.explained),
        }
    }

    pub(super) fn line(&self) -> Tree {
        Tree::new("item", format!("{}: {}", self.name, self.why()))
    }
}

/// The field that tells most of those that are not met: the type, else the first.
fn missed(explained: &Explanation) -> Option<&FieldVerdict> {
    explained.fields.iter().find(|field| !field.ok && field.path == "type").or_else(|| explained.first_miss())
}

/// The field that is not met, with what it is and what was expected.
pub(super) fn miss(explained: &Explanation) -> String {
    missed(explained).map_or_else(
        || "its pattern does not name records of ours".to_owned(),
        |miss| format!("{} is {}; expected {}", miss.path, actual(miss), cut(&miss.expected)),
    )
}

/// The fields beside it.
pub(super) fn others(explained: &Explanation) -> Vec<String> {
    let others = explained.fields.iter().filter(|field| Some(*field) != missed(explained));
    let line = |field: &FieldVerdict| {
        let word = if field.ok { "met" } else { "not met" };
        format!("{} is {}: {word} by {}", field.path, actual(field), cut(&field.expected))
    };
    others.map(line).collect()
}

fn actual(field: &FieldVerdict) -> &str {
    field.actual.as_deref().unwrap_or("absent")
}

/// All items of a rule, in their order, `unless` last.
pub(super) fn items(asked: &WhyNot, decider: &Decider, config: &ensue_engine::Compiled) -> Vec<ItemTold> {
    let view = View::new(&asked.record.event);
    let seen = asked.seen();
    let names = Names::of_event(&seen, config.tables(&decider.rule.name.namespace), asked.record.at);
    let told = |(at, watch): (usize, &Watch)| {
        let explained = watch.pattern.explain(&view);
        let spec = watch.item.key.as_ref().or(decider.rule.when.key.as_ref());
        let but = match (explained.matched, meets(watch, &names)) {
            (false, _) => None,
            (true, Err(why)) => Some(verdict(&why)),
            (true, Ok(false)) => {
                let cond = watch.item.cond.as_ref().map_or("", ensue_expr::Program::source);
                Some(format!("if {cond}: false"))
            }
            (true, Ok(true)) => keys(spec, &names).err().map(|why| verdict(&why)),
        };
        ItemTold { name: name(decider, at), unless: watch.unless, explained, but }
    };
    decider.watches.iter().enumerate().map(told).collect()
}

/// The name of an item as people read it.
fn name(decider: &Decider, at: usize) -> String {
    let watch = decider.watches.get(at);
    let role = match (&decider.rule.when.kind, at) {
        (WhenKind::Absence { after: Some(_), .. }, 0) => "after",
        (WhenKind::Absence { .. } | WhenKind::Count { .. }, _) => "of",
        _ => "",
    };
    match watch.and_then(|watch| watch.item.name.as_deref()) {
        _ if watch.is_some_and(|watch| watch.unless) => "`unless`".to_owned(),
        Some(name) => format!("`{name}`"),
        None if role.is_empty() => format!("item {}", at + 1),
        None => format!("`{role}`"),
    }
}
