//! Loops: rules that can set themselves off, and what bounds each.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ensue_engine::Compiled;
use ensue_engine::config::Decider;
use ensue_engine::emit::MAX_DEPTH;
use ensue_expr::duration;
use ensue_lang::{Excess, RuleMode, WhenKind};
use serde::Serialize;

use super::met::{ORIGINS, conditions};
use super::{By, Does, Edge, From, Graph};

/// A loop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Loop {
    /// The rules by their full names; the first follows on the last.
    pub rules: Vec<String>,
    /// One edge for each step of the way, from the first rule on.
    pub edges: Vec<Edge>,
    /// What bounds it.
    pub bounds: Vec<Bound>,
    /// The item hears of the runs of every rule, the rule's own too.
    pub every_rule: bool,
    /// The places of the rules in [`Compiled::rules`].
    #[serde(skip)]
    pub(crate) places: Vec<usize>,
}

/// What bounds a loop.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Bound {
    /// The chain of causes is cut.
    Depth,
    /// A rule of the loop has a condition on where its event comes from.
    Condition {
        /// The rule.
        rule: String,
        /// What it reads: `causationid`, `ensuedepth`, `data.rule`.
        reads: String,
    },
    /// A rule of the loop also needs an event that nothing in the loop makes.
    Outside {
        /// The rule.
        rule: String,
        /// The item.
        item: String,
    },
    /// Flow control of a rule: how often it fires at most.
    Flow {
        /// The rule.
        rule: String,
        /// In words, as it is written.
        says: String,
        /// It stops the loop, or makes it slow; else only so many runs go on at once.
        slows: bool,
    },
    /// A rule of the loop does not act.
    Mode {
        /// The rule.
        rule: String,
        /// `shadow`, `paused`.
        mode: &'static str,
    },
    /// Past so many firings a minute they are parked.
    Storm {
        /// The rule.
        rule: String,
        /// Of one key.
        per_key: u32,
        /// Of the rule.
        per_rule: u32,
    },
}

impl Loop {
    /// Nothing but the storm breaker, or how many runs go on at once, holds it.
    #[must_use]
    pub fn unbounded(&self) -> bool {
        let holds = |bound: &Bound| match bound {
            Bound::Storm { .. } => false,
            Bound::Flow { slows, .. } => *slows,
            _ => true,
        };
        !self.bounds.iter().any(holds)
    }
}

/// The loops of a configuration: each rule that sets itself off, and for each other rule in a loop a shortest one.
#[must_use]
pub fn loops(graph: &Graph, config: &Compiled) -> Vec<Loop> {
    let starts: Vec<&Edge> = graph.edges.iter().filter(|edge| edge.does == Does::Starts).collect();
    let mut found = Vec::new();
    let mut told = BTreeSet::new();
    let mut next: BTreeMap<usize, BTreeMap<usize, &Edge>> = BTreeMap::new();
    for edge in &starts {
        let (to, item) = (edge.place.to, edge.place.item);
        let every = edge.from == From::EveryRule;
        if every || edge.place.from == Some(to) {
            if told.insert((to, item, every)) {
                found.push(close(vec![to], vec![edge], &starts, config, every));
            }
        } else if let Some(from) = edge.place.from {
            // The first edge between two rules stands for all of them.
            next.entry(from).or_default().entry(to).or_insert(edge);
        }
    }
    let mut covered = BTreeSet::new();
    for part in parts(&next, config.rules.len()) {
        for rule in &part {
            if covered.contains(rule) {
                continue;
            }
            if let Some(edges) = shortest(*rule, &next, &part) {
                let places: Vec<usize> = edges.iter().filter_map(|edge| edge.place.from).collect();
                covered.extend(places.iter().copied());
                found.push(close(places, edges, &starts, config, false));
            }
        }
    }
    found.sort_by(|a, b| a.places.cmp(&b.places));
    found
}

/// A loop with its bounds.
fn close(places: Vec<usize>, edges: Vec<&Edge>, starts: &[&Edge], config: &Compiled, every_rule: bool) -> Loop {
    let deciders: Vec<&Decider> = places.iter().filter_map(|place| config.rules.get(*place)).collect();
    let mut bounds = BTreeSet::new();
    if edges.iter().all(|edge| edge.counted) {
        bounds.insert(Bound::Depth);
    }
    for edge in &edges {
        let Some(decider) = config.rules.get(edge.place.to) else { continue };
        let about_rule = matches!(edge.by, By::Record { .. });
        for path in conditions(decider, edge.place.item).iter().flat_map(|condition| condition.paths()) {
            let reads = match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["event", name] if ORIGINS.contains(name) => (*name).to_owned(),
                ["event", "data", "rule"] if about_rule => "data.rule".to_owned(),
                _ => continue,
            };
            bounds.insert(Bound::Condition { rule: edge.to.clone(), reads });
        }
        let pattern = decider.watches.get(edge.place.item).map(|watch| watch.pattern.paths()).unwrap_or_default();
        for path in pattern.into_iter().filter(|path| ORIGINS.contains(&path.as_str())) {
            bounds.insert(Bound::Condition { rule: edge.to.clone(), reads: path });
        }
    }
    for decider in &deciders {
        of_rule(decider, &mut bounds);
        outside(decider, &places, starts, config, &mut bounds);
    }
    if let Some(first) = deciders.first() {
        let storm = first.rule.storm.unwrap_or_default();
        let rule = first.name.to_string();
        bounds.insert(Bound::Storm { rule, per_key: storm.per_key, per_rule: storm.per_rule });
    }
    Loop {
        rules: deciders.iter().map(|decider| decider.name.to_string()).collect(),
        edges: edges.into_iter().cloned().collect(),
        bounds: bounds.into_iter().collect(),
        every_rule,
        places,
    }
}

/// What a rule says of how often it fires.
fn of_rule(decider: &Decider, bounds: &mut BTreeSet<Bound>) {
    let rule = &decider.rule;
    let mut flow = |says: String, slows: bool| {
        bounds.insert(Bound::Flow { rule: decider.name.to_string(), says, slows });
    };
    let text = duration::format;
    if let Some(dedupe) = &rule.dedupe {
        flow(format!("dedupe: the same once in {}", text(dedupe.window)), true);
    }
    if let Some(debounce) = &rule.debounce {
        flow(format!("debounce: after {} of quiet", text(debounce.quiet)), false);
    }
    if let Some(batch) = &rule.batch {
        let size = batch.size.map(|size| format!("of {size}"));
        let every = batch.every.map(|every| format!("every {}", text(every)));
        let parts: Vec<String> = size.into_iter().chain(every).collect();
        flow(format!("batch: {}", parts.join(", ")), batch.every.is_some());
    }
    if let Some(throttle) = &rule.throttle {
        let excess = if throttle.excess == Excess::Queue { ", more wait" } else { "" };
        flow(format!("throttle: {} in {}{excess}", throttle.limit, text(throttle.per)), true);
    }
    if let Some(concurrency) = &rule.concurrency {
        flow(format!("concurrency: {} at once", concurrency.limit), false);
    }
    if let WhenKind::Absence { wait, .. } = &rule.when.kind {
        flow(format!("absence: after {}", text(*wait)), true);
    }
    if rule.mode != RuleMode::Live {
        bounds.insert(Bound::Mode { rule: decider.name.to_string(), mode: rule.mode.as_str() });
    }
}

/// Items that the rule needs and that nothing in the loop makes: each round needs an event from outside of it.
fn outside(decider: &Decider, places: &[usize], starts: &[&Edge], config: &Compiled, bounds: &mut BTreeSet<Bound>) {
    let needed = match &decider.rule.when.kind {
        WhenKind::All(items) | WhenKind::Sequence(items) => items.len(),
        _ => return,
    };
    let fed: BTreeSet<usize> = starts
        .iter()
        .filter(|edge| config.rules.get(edge.place.to).is_some_and(|to| to.id == decider.id))
        .filter(|edge| match edge.from {
            From::EveryRule => true,
            From::Rule(_) => edge.place.from.is_some_and(|from| places.contains(&from)),
            From::Source(_) => false,
        })
        .map(|edge| edge.place.item)
        .collect();
    for at in (0..needed).filter(|at| !fed.contains(at)) {
        let name = decider.watches.get(at).and_then(|watch| watch.item.name.clone());
        let item = name.unwrap_or_else(|| format!("item {}", at + 1));
        bounds.insert(Bound::Outside { rule: decider.name.to_string(), item });
    }
}

type Next<'a> = BTreeMap<usize, BTreeMap<usize, &'a Edge>>;

/// The shortest way from a rule back to itself within a part.
fn shortest<'a>(rule: usize, next: &Next<'a>, part: &BTreeSet<usize>) -> Option<Vec<&'a Edge>> {
    let mut came: BTreeMap<usize, &'a Edge> = BTreeMap::new();
    let mut queue = VecDeque::from([rule]);
    while let Some(at) = queue.pop_front() {
        for (to, edge) in next.get(&at).into_iter().flatten().filter(|(to, _)| part.contains(to)) {
            if *to == rule {
                let mut way = vec![*edge];
                let mut back = at;
                while back != rule {
                    let edge = came.get(&back)?;
                    way.push(edge);
                    back = edge.place.from?;
                }
                way.reverse();
                return Some(way);
            }
            if let std::collections::btree_map::Entry::Vacant(place) = came.entry(*to) {
                place.insert(edge);
                queue.push_back(*to);
            }
        }
    }
    None
}

/// Sets of rules of which each leads to each other (strongly connected components), in the order of their first rule;
/// those of one rule are left out. Two walks, each without recursion: the rules in the order in which the first is done
/// with them, then backwards against the edges (Kosaraju).
fn parts(next: &Next<'_>, rules: usize) -> Vec<BTreeSet<usize>> {
    let after =
        |rule: usize| -> Vec<usize> { next.get(&rule).map(|to| to.keys().copied().collect()).unwrap_or_default() };
    let mut done = Vec::new();
    let mut seen = BTreeSet::new();
    for root in 0..rules {
        if !next.contains_key(&root) || !seen.insert(root) {
            continue;
        }
        let mut stack = vec![(root, after(root))];
        while let Some((at, left)) = stack.last_mut() {
            match left.pop() {
                Some(to) if seen.insert(to) => {
                    stack.push((to, after(to)));
                }
                Some(_) => {}
                None => {
                    done.push(*at);
                    stack.pop();
                }
            }
        }
    }
    let mut back: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (from, to) in next {
        for to in to.keys() {
            back.entry(*to).or_default().push(*from);
        }
    }
    let mut seen = BTreeSet::new();
    let mut parts = Vec::new();
    for root in done.into_iter().rev() {
        if !seen.insert(root) {
            continue;
        }
        let mut part = BTreeSet::from([root]);
        let mut stack = vec![root];
        while let Some(at) = stack.pop() {
            for from in back.get(&at).into_iter().flatten() {
                if seen.insert(*from) {
                    part.insert(*from);
                    stack.push(*from);
                }
            }
        }
        if part.len() > 1 {
            parts.push(part);
        }
    }
    parts.sort_by_key(|part| part.first().copied());
    parts
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Bound::Depth => write!(f, "a chain of causes is cut when it is {MAX_DEPTH} long"),
            Bound::Condition { rule, reads } => write!(f, "{rule} has a condition on {reads}"),
            Bound::Outside { rule, item } => {
                write!(f, "{rule} needs `{item}` too each time, and nothing in the loop makes it")
            }
            Bound::Flow { rule, says, .. } => write!(f, "{rule} has {says}"),
            Bound::Mode { rule, mode } => write!(f, "{rule} is {mode}: it does nothing yet"),
            Bound::Storm { rule, per_key, per_rule } => write!(
                f,
                "the storm breaker parks firings of {rule} past {per_key} a minute of a key, {per_rule} in all"
            ),
        }
    }
}
