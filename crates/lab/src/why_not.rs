//! `ensue why-not`: what kept a rule from firing on an event.
//!
//! Firings, suppressions and errors are recorded decisions and are shown as they are. A plain mismatch is not recorded:
//! it is computed again, by the same pattern and the same conditions, from the configuration that is in force now.

use std::rc::Rc;

use ensue_engine::config::Decider;
use ensue_engine::decide::{Completed, Names, Part, Seen, Weighed, meets, weigh};
use ensue_engine::emit::correlation;
use ensue_engine::{Engine, Verdict};
use ensue_event::ours::{Mode, Ours};
use ensue_event::{Key, Position, Record};
use ensue_expr::{Budget, Program, Scope};
use ensue_lang::Name;
use ensue_rule::View;

use crate::history::History;
use crate::tree::Tree;
use crate::why::{Error, find, short, verdict};

/// How many rules are shown where none is named.
const NEAREST: usize = 5;

/// Why a rule did not fire on an event; without a rule, what each of the nearest rules made of it, the nearest first.
/// `what` is the event's id or position.
///
/// # Errors
/// Nothing has this id, or no rule of this name is in force.
pub fn why_not(what: &str, rule: Option<&str>, history: &dyn History, engine: &Engine) -> Result<Tree, Error> {
    let record = find(what, history).ok_or_else(|| Error::Unknown(what.to_owned()))?;
    let mut tree = Tree::new("event", record.event.kind.to_string());
    tree.id = Some(record.event.id.to_string());
    (tree.position, tree.at, tree.asked) = (Some(record.position), Some(record.at), true);
    let applied = engine.state().config.get(&"current".to_owned()).map(|applied| applied.position);
    if let Some(applied) = applied.filter(|applied| *applied > record.position) {
        tree.because.push(format!(
            "the configuration was changed since, by record {applied}: what is not recorded is told of the rules of now"
        ));
    }
    let rules = &engine.config().rules;
    if let Some(written) = rule {
        let name = Name::resolve(written, Name::DEFAULT);
        let found = rules.iter().find(|decider| decider.rule.name == name);
        let decider = found.ok_or_else(|| Error::NoRule(name.to_string()))?;
        tree.then.push(one(decider, &record, history, engine).tree);
        return Ok(tree);
    }
    let mut all: Vec<Told> = rules.iter().map(|decider| one(decider, &record, history, engine)).collect();
    // Rules stand in the order of their names, and keep it where they are equally near.
    all.sort_by(|a, b| b.near.total_cmp(&a.near));
    let left = all.len().saturating_sub(NEAREST);
    tree.then.extend(all.into_iter().take(NEAREST).map(|told| told.tree));
    if left > 0 {
        tree.then.push(Tree::new("decision", format!("{left} more rules are further away; name one to ask for it")));
    }
    if rules.is_empty() {
        tree.then.push(Tree::new("decision", "no rule is in force"));
    }
    Ok(tree)
}

/// What is told of one rule, and how near it was: 2 for a rule that decided, else the share of fields that are met.
struct Told {
    near: f64,
    tree: Tree,
}

fn one(decider: &Decider, record: &Record, history: &dyn History, engine: &Engine) -> Told {
    let name = decider.rule.name.to_string();
    let told = |near, text: String| Told { near, tree: Tree::new("decision", text) };
    if let Some((firing, mode, position)) = fired(&name, record, history) {
        let shadow = if mode == Mode::Shadow { " in shadow" } else { "" };
        let mut told = told(2.0, format!("rule {name} fired{shadow}"));
        told.tree.id = Some(firing.to_string());
        told.tree.position = Some(position);
        return told;
    }
    let decided = engine.state().decisions.get(&(record.position, name.clone()));
    if let Some(decision) = decided.and_then(|decided| decided.all.first()) {
        let mut told = told(2.0, format!("rule {name} did not fire: {}", verdict(&decision.verdict)));
        told.tree.at = Some(decision.at);
        if let Verdict::NotIf { .. } = decision.verdict {
            told.tree.because =
                decider.rule.cond.iter().flat_map(|cond| values(cond, decider, record, engine)).collect();
        }
        return told;
    }
    let explained = decider.pattern().map(|pattern| pattern.explain(&View::new(&record.event)));
    let Some(explained) = explained else { return told(0.0, format!("rule {name} waits for no event")) };
    if !explained.matched {
        let why = explained.first_miss().map_or_else(
            || "its pattern does not name records of ours".to_owned(),
            |miss| format!("{} is {}; expected {}", miss.path, actual(miss.actual.as_deref()), miss.expected),
        );
        let mut told = told(explained.ratio(), format!("rule {name} does not match: {why}"));
        let others = explained.fields.iter().filter(|field| Some(*field) != explained.first_miss());
        told.tree.because = others
            .map(|field| {
                let word = if field.ok { "met" } else { "not met" };
                format!("{} is {}: {word} by {}", field.path, actual(field.actual.as_deref()), field.expected)
            })
            .collect();
        return told;
    }
    let tables = engine.config().tables(&decider.rule.name.namespace);
    let seen = Rc::new(Seen::of(record));
    let names = Names::of_event(&seen, tables.clone(), record.at);
    let item = decider.watches.first();
    match item.map_or(Ok(true), |watch| meets(watch, &names)) {
        Ok(true) => {}
        Ok(false) => {
            let cond = item.and_then(|watch| watch.item.cond.as_ref());
            let mut told = told(
                1.0,
                format!("rule {name} does not match: if {}: false", cond.map_or("", ensue_expr::Program::source)),
            );
            told.tree.because = cond.into_iter().flat_map(|cond| values(cond, decider, record, engine)).collect();
            return told;
        }
        Err(why) => {
            return told(
                1.5,
                format!("rule {name} would not fire now: {}; no decision of then is kept", verdict(&why)),
            );
        }
    }
    let part = Part { seen: Rc::clone(&seen), item: item.and_then(|watch| watch.item.name.clone()) };
    let found = Completed { key: None, parts: vec![part], timed: false, due: None, count: None };
    match weigh(decider, &found, tables, record.at) {
        Weighed::Not(why) => {
            told(1.5, format!("rule {name} would not fire now: {}; no decision of then is kept", verdict(&why)))
        }
        Weighed::Fires(_) => told(
            1.5,
            format!(
                "rule {name} would fire now; when the event came it was not there, was paused, or what it decided is no longer kept"
            ),
        ),
    }
}

/// The firing of this rule on this event, if there is one.
fn fired(rule: &str, record: &Record, history: &dyn History) -> Option<(Key, Mode, Position)> {
    history.by_correlation(&correlation(&record.event)).into_iter().find_map(|told| match Ours::of(&told.event) {
        Ok(Ours::RuleFired(fired))
            if fired.rule == rule && fired.events.iter().any(|took| took.position == record.position) =>
        {
            Some((fired.firing, fired.mode, told.position))
        }
        _ => None,
    })
}

/// What a condition reads, with the values that it has in this event.
fn values(cond: &Program, decider: &Decider, record: &Record, engine: &Engine) -> Vec<String> {
    let tables = engine.config().tables(&decider.rule.name.namespace);
    let event = Seen::of(record);
    let mut names = Names::of_event(&event, tables, record.at);
    for (name, program) in &decider.rule.lets {
        // One that cannot be computed is absent here; that it could not be is a decision of its own.
        if let Ok(Some(value)) = program.eval_opt(&names, &mut Budget::new()) {
            names.name(name, value);
        }
    }
    let line = |path: Vec<String>| {
        let value = path
            .split_first()
            .and_then(|(root, keys)| keys.iter().try_fold(names.get(root)?, |value, key| value.get(key).cloned()));
        let value = value.map_or_else(|| "absent".to_owned(), |value| short(&value.to_json()));
        format!("{} is {value}", path.join("."))
    };
    cond.paths().into_iter().map(line).collect()
}

fn actual(value: Option<&str>) -> &str {
    value.unwrap_or("absent")
}
