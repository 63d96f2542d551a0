//! `ensue graph` and the loops in `ensue check`: which rule can set off which, found without running anything.
//!
//! An edge leads from a rule to a rule where something that the first does *can* make an event that an item of the
//! second meets: an `emit` step, one of our own records about its runs, or an action whose outside system is a source of
//! this configuration too. What is not known before anything has happened (a template, an answer) is taken as anything,
//! so an edge may be one that is never gone; an edge that is missing is one that cannot be gone.

mod loops;
mod made;
mod met;
mod warn;

use std::collections::BTreeMap;

use ensue_engine::Compiled;
use ensue_lang::WhenKind;
use ensue_rule::Known;
use serde::Serialize;

pub use loops::{Bound, Loop, loops};
pub use warn::{look, way};

use made::{Made, by_source, by_steps, records};
use met::could_meet;

/// Where an edge begins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum From {
    /// A source, by its full name.
    Source(String),
    /// A rule, by its full name.
    Rule(String),
    /// Every rule: the item hears of the runs of all of them.
    EveryRule,
}

/// What makes an edge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum By {
    /// A source brings it.
    Source,
    /// A step emits it.
    Emit {
        /// The step's id; within a workflow, after the id of the step that calls it.
        step: String,
    },
    /// It is our own record about the rule, or about a run of it.
    Record {
        /// Its type.
        kind: String,
    },
    /// A step acts on an outside system, and a source tells of it.
    Action {
        /// The step's id.
        step: String,
        /// The action.
        action: String,
        /// The source.
        source: String,
        /// The event carries our mark: the effect as `causationid`, and how long the chain is.
        marked: bool,
    },
}

/// What an event does to the rule that an edge leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Does {
    /// It may complete what the rule waits for, or be a part of it.
    Starts,
    /// It can only keep the rule from firing: `unless`, or the `of` of an absence.
    Stops,
}

/// One edge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    /// Where it begins.
    pub from: From,
    /// The rule that it leads to, by its full name.
    pub to: String,
    /// Which of its items is met: its name, else its number from 1; nothing where there is only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// What the event does there.
    pub does: Does,
    /// The event's type, with `*` for what is not known.
    pub kind: String,
    /// What makes it.
    pub by: By,
    /// The event carries how long its chain of causes is, so the chain is cut when it is too long.
    pub counted: bool,
    /// The places of both rules in [`Compiled::rules`], and of the item in its rule.
    #[serde(skip)]
    pub(crate) place: Place,
}

/// Where an edge leads from and to, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Nothing for a source and for every rule.
    pub(crate) from: Option<usize>,
    pub(crate) to: usize,
    pub(crate) item: usize,
}

/// The whole graph.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Graph {
    /// All edges: those from sources first, then in the order of the rules.
    pub edges: Vec<Edge>,
    /// Rules that nothing in the configuration feeds: only what is sent to `POST /events` does.
    pub unfed: Vec<String>,
    #[serde(skip)]
    looked: usize,
    /// There was too much to look at: edges may be missing.
    pub cut: bool,
}

/// Events held against items, at most: past that a configuration is so entangled that the rest tells nothing more.
const MOST: usize = 2_000_000;

/// A record of ours that is about a rule or its runs.
struct RecordKind {
    kind: &'static str,
    /// Its data names the rule.
    names_rule: bool,
    /// What `data.status` can be; empty where there is none.
    status: &'static [&'static str],
    /// Only steps that act make it.
    acts: bool,
}

const fn record(kind: &'static str) -> RecordKind {
    RecordKind { kind, names_rule: true, status: &[], acts: false }
}

const fn answer(kind: &'static str) -> RecordKind {
    RecordKind { kind, names_rule: false, status: &[], acts: true }
}

const RECORDS: &[RecordKind] = &[
    record("dev.ensue.rule.fired"),
    record("dev.ensue.rule.parked"),
    record("dev.ensue.run.started"),
    RecordKind { status: &["succeeded", "cancelled"], ..record("dev.ensue.run.finished") },
    record("dev.ensue.run.failed"),
    record("dev.ensue.chain.cut"),
    answer("dev.ensue.action.started"),
    answer("dev.ensue.action.answered"),
    answer("dev.ensue.action.uncertain"),
    RecordKind { acts: true, ..record("dev.ensue.policy.decided") },
];

/// An item of a rule, by their places.
type ItemAt = (usize, usize);

/// Items by the types that they name, so that a made event is held against few of them.
#[derive(Default)]
struct Items {
    named: BTreeMap<String, Vec<ItemAt>>,
    other: Vec<ItemAt>,
    ours: Vec<ItemAt>,
}

impl Items {
    fn of(config: &Compiled) -> Items {
        let mut items = Items::default();
        for (rule, decider) in config.rules.iter().enumerate() {
            for (item, watch) in decider.watches.iter().enumerate() {
                if watch.pattern.names_ours() {
                    items.ours.push((rule, item));
                }
                match watch.pattern.types() {
                    Some(types) => {
                        for kind in types {
                            items.named.entry(kind.to_owned()).or_default().push((rule, item));
                        }
                    }
                    None => items.other.push((rule, item)),
                }
            }
        }
        items
    }

    /// Items that an event of this type may meet, in order, each once.
    fn near(&self, kind: &Known) -> Vec<ItemAt> {
        let mut near = self.other.clone();
        match kind {
            Known::Is(serde_json::Value::String(kind)) => {
                near.extend(self.named.get(kind).into_iter().flatten());
            }
            Known::Text { first, .. } => {
                let from = self.named.range(first.clone()..);
                near.extend(from.take_while(|(kind, _)| kind.starts_with(first)).flat_map(|(_, items)| items));
            }
            _ => near.extend(self.named.values().flatten()),
        }
        near.sort_unstable();
        near.dedup();
        near
    }
}

impl Graph {
    /// The graph of a configuration.
    #[must_use]
    pub fn of(config: &Compiled) -> Graph {
        let items = Items::of(config);
        let mut graph = Graph::default();
        for (name, source) in &config.config.sources {
            for made in by_source(name, source) {
                graph.lead(
                    config,
                    &items.near(&made.shape.at(&["type"])),
                    &From::Source(name.to_string()),
                    None,
                    &made,
                );
            }
        }
        for (at, decider) in config.rules.iter().enumerate() {
            let from = From::Rule(decider.name.to_string());
            for made in by_steps(decider, &config.config) {
                graph.lead(config, &items.near(&made.shape.at(&["type"])), &from, Some(at), &made);
            }
        }
        graph.records(config, &items);
        graph.edges.sort_by(|a, b| (a.place.from, &a.from, a.place).cmp(&(b.place.from, &b.from, b.place)));
        graph.edges.dedup();
        let mut fed = vec![false; config.rules.len()];
        for edge in graph.edges.iter().filter(|edge| edge.does == Does::Starts) {
            if let Some(fed) = fed.get_mut(edge.place.to) {
                *fed = true;
            }
        }
        let unfed = config.rules.iter().zip(fed).filter(|(_, fed)| !fed);
        graph.unfed = unfed.map(|(decider, _)| decider.name.to_string()).collect();
        graph
    }

    /// Takes note of so many looks; false where they would be too many.
    fn looks(&mut self, count: usize) -> bool {
        self.looked = self.looked.saturating_add(count);
        self.cut |= self.looked > MOST;
        !self.cut
    }

    /// Edges for what is made to those of these items that can be met by it.
    fn lead(&mut self, config: &Compiled, items: &[ItemAt], from: &From, place: Option<usize>, made: &Made) {
        if !self.looks(items.len()) {
            return;
        }
        for (to, item) in items {
            let Some(decider) = config.rules.get(*to) else { continue };
            if could_meet(decider, *item, made) {
                self.edges.push(edge(config, from.clone(), place, (*to, *item), made));
            }
        }
    }

    /// Edges from rules to the items that hear of their runs.
    fn records(&mut self, config: &Compiled, items: &Items) {
        for at in &items.ours {
            let Some(decider) = config.rules.get(at.0) else { continue };
            let asks = met::asks_for_the_rule(decider, at.1);
            for (made, record) in records(None).zip(RECORDS).filter(|(made, _)| could_meet(decider, at.1, made)) {
                // Which rules it is about is asked only where the item asks it.
                if !asks && !record.acts {
                    self.edges.push(edge(config, From::EveryRule, None, *at, &made));
                    continue;
                }
                if !self.looks(config.rules.len()) {
                    return;
                }
                for (from, told) in config.rules.iter().enumerate() {
                    let made = records(Some(&told.name)).find(|made| made.kind == record.kind);
                    let Some(made) = made.filter(|_| !record.acts || acts(told)) else { continue };
                    if could_meet(decider, at.1, &made) {
                        self.edges.push(edge(config, From::Rule(told.name.to_string()), Some(from), *at, &made));
                    }
                }
            }
        }
    }
}

/// Whether a run of the rule has effects.
fn acts(decider: &ensue_engine::config::Decider) -> bool {
    let documents = std::iter::once(&decider.definition.rule).chain(decider.definition.workflows.values());
    documents.into_iter().any(|document| document.to_string().contains("\"uses\":"))
}

fn edge(config: &Compiled, from: From, place: Option<usize>, (to, item): ItemAt, made: &Made) -> Edge {
    let decider = config.rules.get(to);
    let watch = decider.and_then(|decider| decider.watches.get(item));
    let many = decider.is_some_and(|decider| decider.watches.len() > 1);
    let absent = matches!(decider.map(|decider| &decider.rule.when.kind), Some(WhenKind::Absence { .. }));
    let last = decider.map_or(0, |decider| decider.rule.when.kind.items().len()).saturating_sub(1);
    let stops = watch.is_some_and(|watch| watch.unless) || absent && item == last;
    let name = watch.and_then(|watch| match (&watch.item.name, watch.unless) {
        (Some(name), _) => Some(name.clone()),
        (None, true) => Some("unless".to_owned()),
        (None, false) => many.then(|| (item + 1).to_string()),
    });
    Edge {
        from,
        to: decider.map(|decider| decider.name.to_string()).unwrap_or_default(),
        item: name,
        does: if stops { Does::Stops } else { Does::Starts },
        kind: made.kind.clone(),
        by: made.by.clone(),
        counted: made.counted,
        place: Place { from: place, to, item },
    }
}
