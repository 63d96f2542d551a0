//! The tree: what each rule made of the event.

use std::rc::Rc;

use ensue_engine::config::Decider;
use ensue_engine::correlate::Waiting;
use ensue_engine::decide::{Completed, Names, Part, Seen, Weighed, weigh};
use ensue_engine::{Compiled, Verdict};
use ensue_event::ours::Mode;
use ensue_event::{Position, Span, Time};
use ensue_expr::{Budget, Program, Scope};
use ensue_lang::{Repeat, TimeBy, WhenKind};

use super::WhyNot;
use super::facts::{Facts, Fired, OfRule, Told};
use super::items::{ItemTold, items, miss, others};
use crate::history::History;
use crate::tree::Tree;
use crate::why::{aside, cut, seconds, short, verdict};

impl WhyNot {
    /// The tree.
    #[must_use]
    pub fn tell(&self, facts: &Facts, history: &dyn History, config: &Compiled) -> Tree {
        let record = &self.record;
        let mut tree = Tree::new("event", record.event.kind.to_string());
        tree.id = Some(record.event.id.to_string());
        (tree.position, tree.at, tree.asked) = (Some(record.position), Some(record.at), true);
        if let Some(applied) = facts.applied.filter(|applied| *applied > record.position) {
            tree.because.push(format!(
                "the configuration was changed since, by record {applied}: what is not recorded is told of the rules of now"
            ));
        }
        for (rule, _) in &facts.rules {
            // One that left the configuration between the two looks is not asked for.
            let Some(decider) = config.rule(rule) else { continue };
            let mut known = facts.known.get(rule).cloned().unwrap_or_default();
            for fired in known.fired.iter_mut().filter(|fired| fired.position.is_none()) {
                fired.position = history.by_id(&fired.firing.to_string()).first().map(|record| record.position);
            }
            if known.fired.is_empty() && decider.watches.len() > 1 {
                known.fired.extend(later(history, rule, record.position));
            }
            tree.then.push(self.one(decider, &known, facts.now, config));
        }
        // Firings are nearest of all; they may be known from the log only.
        tree.then.sort_by_key(|one| one.kind != "fired");
        if facts.left > 0 {
            let text = format!("{} more rules are further away; name one to ask for it", facts.left);
            tree.then.push(Tree::new("decision", text));
        }
        if config.rules.is_empty() {
            tree.then.push(Tree::new("decision", "no rule is in force"));
        }
        tree
    }

    pub(super) fn one(&self, decider: &Decider, known: &OfRule, now: Time, config: &Compiled) -> Tree {
        let name = &decider.name;
        let mut lines: Vec<Tree> = known.fired.iter().map(|fired| self.firing(name, fired)).collect();
        let parked = known.fired.iter().any(|fired| fired.parked.is_some());
        let decided = known.decided.iter();
        // What is parked says so already.
        for told in decided.filter(|told| !parked || !matches!(told.decision.verdict, Verdict::Parked { .. })) {
            lines.push(self.decision(decider, told, config));
        }
        let items = items(self, decider, config);
        let position = self.record.position;
        for half in known.waiting.iter().filter(|half| half.events.iter().any(|(_, at, _)| *at == position)) {
            lines.push(waits(decider, half, now, &items));
        }
        if known.more > 0 {
            let text = format!("rule {name} decided so for {} more keys", known.more);
            lines.push(Tree::new("decision", text));
        }
        let mut lines = lines.into_iter();
        match lines.next() {
            Some(mut first) => {
                // The same rule, so its name once.
                let own = format!("rule {name} ");
                first.then.extend(lines.map(|mut line| {
                    line.text = line.text.strip_prefix(&own).map_or(line.text.clone(), str::to_owned);
                    line
                }));
                first
            }
            None => match known.past {
                Some(next) => Tree::new(
                    "waiting",
                    format!(
                        "rule {name} has not looked at it yet: it is on its way through the past, at record {next}"
                    ),
                ),
                None => self.unrecorded(decider, known, &items, now, config),
            },
        }
    }

    fn decision(&self, decider: &Decider, told: &Told, config: &Compiled) -> Tree {
        let Told { later, of_firing, decision } = told;
        let key = decision.key.as_ref().map(|key| format!(" for {}", cut(key))).unwrap_or_default();
        let did = match (of_firing, &decision.verdict) {
            (true, _) => "its firing",
            (false, Verdict::Held { .. }) => "did not fire at once",
            (false, _) => "did not fire",
        };
        let text = match aside(&decision.verdict, self.record.position) {
            Some(aside) if !of_firing => format!("rule {}{key} {aside}", decider.name),
            _ => format!("rule {} {did}{key}: {}", decider.name, verdict(&decision.verdict)),
        };
        let mut tree = Tree::new("decision", text);
        (tree.at, tree.position) = (Some(decision.at), *later);
        if let Verdict::NotIf { .. } = decision.verdict {
            tree.because = decider.rule.cond.iter().flat_map(|cond| self.values(cond, decider, config)).collect();
        }
        tree
    }

    /// A firing, and what policies decided about its run.
    fn firing(&self, rule: &str, fired: &Fired) -> Tree {
        let mut tree = firing(rule, fired);
        for (_, position, said) in self.policies.iter().filter(|(run, ..)| *run == fired.firing) {
            let mut policy = Tree::new("policy", said.clone());
            policy.position = Some(*position);
            tree.then.push(policy);
        }
        tree
    }

    /// What is found again, since nothing is recorded.
    fn unrecorded(&self, decider: &Decider, known: &OfRule, items: &[ItemTold], now: Time, config: &Compiled) -> Tree {
        let name = &decider.name;
        let many = items.len() > 1;
        let Some((at, nearest)) = nearest(items) else {
            return Tree::new("decision", format!("rule {name} waits for no event"));
        };
        let of = if many { format!("its {} was met; ", nearest.name) } else { String::new() };
        let mut tree = if !nearest.explained.matched {
            let whose = if many { format!("nearest is its {}: ", nearest.name) } else { String::new() };
            let text = format!("rule {name} does not match: {whose}{}", miss(&nearest.explained));
            let mut tree = Tree::new("decision", text);
            tree.because = others(&nearest.explained);
            tree
        } else if let Some(but) = &nearest.but {
            let whose = if many { format!("{}: ", nearest.name) } else { String::new() };
            let mut tree = Tree::new("decision", format!("rule {name} does not match: {whose}{but}"));
            let cond = decider.watches.get(at).and_then(|watch| watch.item.cond.as_ref());
            tree.because = cond.into_iter().flat_map(|cond| self.values(cond, decider, config)).collect();
            tree
        } else {
            match &decider.rule.when.kind {
                WhenKind::Event(_) | WhenKind::Any(_) => {
                    Tree::new("decision", format!("rule {name} {}", self.again(decider, at, now, config)))
                }
                _ => Tree::new(
                    "decision",
                    format!("rule {name} did not keep it: {of}{}", lost(decider, known, items, self)),
                ),
            }
        };
        if many {
            let rest = items.iter().enumerate().filter(|(place, _)| *place != at || nearest.met());
            tree.then.extend(rest.map(|(_, item)| item.line()));
        }
        tree
    }

    /// What the rule would decide now on this event alone.
    fn again(&self, decider: &Decider, item: usize, now: Time, config: &Compiled) -> String {
        let order = decider.rule.order.as_ref().map(|order| order.lateness.unwrap_or(0));
        let by_time = (decider.rule.when.time == TimeBy::Event).then(|| decider.rule.when.lateness.unwrap_or(0));
        if let Some(due) = order.or(by_time).map(|lateness| self.record.at + Span(lateness)).filter(|due| *due > now) {
            return format!("has not looked at it yet: its turn in the order comes by {due}");
        }
        let seen = self.seen();
        let watch = decider.watches.get(item);
        let part = Part { seen: Rc::clone(&seen), item: watch.and_then(|watch| watch.item.name.clone()) };
        let names = Names::of_event(&seen, config.tables(&decider.rule.name.namespace), self.record.at);
        let key = ensue_engine::keys::keys(decider.rule.when.key.as_ref(), &names);
        let key = key.ok().and_then(|keys| keys.into_iter().next()).flatten();
        let found = Completed { key, parts: vec![part], timed: false, due: None, count: None };
        match weigh(decider, &found, config.tables(&decider.rule.name.namespace), self.record.at) {
            Weighed::Not(why) => format!("would not fire now: {}; no decision of then is kept", verdict(&why)),
            Weighed::Fires(_) => {
                "would fire now; when the event came it was not there, was paused, or what it decided \
                                  is no longer kept"
                    .to_owned()
            }
        }
    }

    /// What a condition reads, with the values that it has in this event.
    fn values(&self, cond: &Program, decider: &Decider, config: &Compiled) -> Vec<String> {
        let event = Seen::of(&self.record);
        let mut names = Names::of_event(&event, config.tables(&decider.rule.name.namespace), self.record.at);
        let alone = matches!(decider.rule.when.kind, WhenKind::Event(_) | WhenKind::Any(_));
        for (name, program) in &decider.rule.lets {
            // One that cannot be computed is absent here; that it could not be is a decision of its own.
            if let Ok(Some(value)) = program.eval_opt(&names, &mut Budget::new()) {
                names.name(name, value);
            }
        }
        let line = |path: Vec<String>| {
            let (root, keys) = path.split_first()?;
            // The other events of a match are not at hand here.
            if !(root == "event" || root == "tables" || alone && root == "let") {
                return None;
            }
            let value = keys.iter().try_fold(names.get(root)?, |value, key| value.get(key).cloned());
            let value = value.map_or_else(|| "absent".to_owned(), |value| short(&value.to_json()));
            Some(format!("{} is {value}", path.join(".")))
        };
        cond.paths().into_iter().filter_map(line).collect()
    }
}

/// A firing that nothing but the log knows of: the event was not the last of its match, and it is long over or was a
/// shadow.
fn later(history: &dyn History, rule: &str, event: Position) -> Option<Fired> {
    let mut told = history.by_type("dev.ensue.rule.fired").into_iter().rev();
    told.find_map(|told| Fired::told(&told, event).filter(|(of, _)| of == rule)).map(|(_, fired)| fired)
}

fn firing(rule: &str, fired: &Fired) -> Tree {
    let shadow = if fired.mode == Mode::Shadow { " in shadow" } else { "" };
    let with: Vec<String> = fired.with.iter().take(5).map(|position| format!("#{position}")).collect();
    let more = if fired.with.len() > with.len() { ", …" } else { "" };
    let with = if with.is_empty() { String::new() } else { format!(", together with {}{more}", with.join(", ")) };
    let parked = fired.parked.as_ref().map(|why| format!(" and is parked: {why}")).unwrap_or_default();
    let mut tree = Tree::new("fired", format!("rule {rule} fired{shadow}{with}{parked}"));
    tree.id = Some(fired.firing.to_string());
    tree.position = fired.position;
    tree
}

/// The item that came nearest, and its place: the first that is met, else the one with the most fields met.
fn nearest(items: &[ItemTold]) -> Option<(usize, &ItemTold)> {
    let rank = |item: &ItemTold| if item.met() { 2.0 } else { item.explained.ratio() };
    let mut best: Option<(usize, &ItemTold)> = None;
    for (at, item) in items.iter().enumerate() {
        if best.is_none_or(|(_, known)| rank(item) > rank(known)) {
            best = Some((at, item));
        }
    }
    best
}

/// A half-match that holds the event.
fn waits(decider: &Decider, half: &Waiting, now: Time, items: &[ItemTold]) -> Tree {
    let left = half.until.map(|until| {
        if until > now { format!("{} left", seconds(until.since(now))) } else { "its time is over".to_owned() }
    });
    let seen: Vec<&str> = half.events.iter().map(|(item, _, _)| item.as_str()).collect();
    let missing = half.waits_for.join(", ");
    let text = match &decider.rule.when.kind {
        WhenKind::Count { at_least, .. } => {
            let so_far = half.count.unwrap_or(half.events.len() as u64);
            format!("{so_far} of {at_least} so far")
        }
        WhenKind::Absence { .. } => format!("{} seen; it fires unless {missing} comes", seen.join(", ")),
        _ => format!("{} seen, {missing} missing", seen.join(", ")),
    };
    let left = left.map(|left| format!(", {left}")).unwrap_or_default();
    let key = half.key.as_ref().map(|key| format!(" for {}", cut(key))).unwrap_or_default();
    let mut tree = Tree::new("waiting", format!("rule {} waits{key}: {text}{left}", decider.name));
    if let Some(until) = half.until {
        tree.because.push(format!("until {until}"));
    }
    if items.len() > 1 {
        tree.then.extend(items.iter().map(ItemTold::line));
    }
    tree
}

/// Why a rule of several events does not hold an event that meets one of its items, as far as it can be told.
fn lost(decider: &Decider, known: &OfRule, items: &[ItemTold], asked: &WhyNot) -> String {
    let met: Vec<&ItemTold> = items.iter().filter(|item| item.met()).collect();
    if met.iter().all(|item| item.unless) {
        return "there was nothing to drop".to_owned();
    }
    let names: Vec<&str> = met.iter().map(|item| item.name.trim_matches('`')).collect();
    let position = asked.record.position;
    for half in &known.waiting {
        let same = half.events.iter().find(|(item, _, _)| names.contains(&item.as_str()));
        match same {
            Some((_, other, _)) if *other > position => {
                return format!("a newer one took its place, #{other}");
            }
            Some((_, other, _)) if decider.rule.when.repeat == Repeat::Ignore => {
                return format!("the first one is kept, #{other} (`repeat: ignore`)");
            }
            _ => {}
        }
    }
    match &decider.rule.when.kind {
        WhenKind::Sequence(all) => {
            let first_met = items.iter().position(ItemTold::met).unwrap_or(0);
            if first_met > 0 {
                let before: Vec<&str> =
                    items.iter().take(first_met.min(all.len())).map(|item| item.name.as_str()).collect();
                return format!("nothing waited for it: {} must come before it", before.join(", "));
            }
            "what became of it is no longer kept".to_owned()
        }
        WhenKind::Absence { .. } => "nothing waited for it".to_owned(),
        WhenKind::Count { .. } => "it is too long ago to count, or was counted in a firing".to_owned(),
        _ => "what became of it is no longer kept".to_owned(),
    }
}
