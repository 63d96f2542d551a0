//! `ensue why-not`: what kept a rule from firing on an event.
//!
//! Firings, suppressions and errors are recorded decisions and are shown as they are, those too that were made later
//! about this event: it ran out of time, or a newer one took its place. What waits is shown from the state. A plain
//! mismatch is not recorded: it is computed again, by the same pattern and the same conditions, from the configuration
//! that is in force now.
//!
//! In three steps, so that the fold waits only for the second: [`WhyNot::of`] asks all patterns, [`WhyNot::facts`]
//! copies what the state knows, [`WhyNot::tell`] makes the tree.

mod facts;
mod items;
mod tell;

use std::rc::Rc;

use ensue_engine::config::Decider;
use ensue_engine::decide::Seen;
use ensue_engine::emit::correlation;
use ensue_engine::{Compiled, Decision, Engine, Waiting};
use ensue_event::{Key, Ours, Position, Record, Time};
use ensue_lang::Name;
use ensue_rule::View;

pub use facts::Facts;
use facts::Fired;

use crate::history::History;
use crate::tree::Tree;
use crate::why::{Error, decided_by, find};

/// How many rules are shown where none is named.
const NEAREST: usize = 5;

/// Why a rule did not fire on an event; without a rule, what each of the nearest rules made of it, the nearest first.
/// `what` is the event's id or position.
///
/// # Errors
/// Nothing has this id, or no rule of this name is in force.
pub fn why_not(what: &str, rule: Option<&str>, history: &dyn History, engine: &Engine) -> Result<Tree, Error> {
    let asked = WhyNot::of(what, rule, history, engine.config())?;
    let facts = asked.facts(engine, engine.state().meta.at);
    Ok(asked.tell(&facts, history, engine.config()))
}

/// What a rule made of an event, from decisions that are at hand, each with where it was made if that was later, and from
/// the half-matches under the event's key. Also whether the event meets an item of the rule at all.
pub(crate) fn not(
    record: &Record,
    decider: &Decider,
    decided: impl Iterator<Item = (Option<Position>, Decision)>,
    waiting: Vec<Waiting>,
    now: Time,
    config: &Compiled,
) -> (Tree, bool) {
    let asked = WhyNot { record: record.clone(), near: Vec::new(), fired: Vec::new(), policies: Vec::new() };
    let decided = decided.map(|(later, decision)| facts::Told { later, of_firing: false, decision }).collect();
    let known = facts::OfRule { decided, waiting, ..facts::OfRule::default() };
    let met = items::items(&asked, decider, config).iter().any(items::ItemTold::met);
    (asked.one(decider, &known, now, config), met)
}

/// Of these records the one that came nearest to an item of the rule by its patterns; of several the first.
pub fn nearest<'r>(rule: &str, records: impl Iterator<Item = &'r Record>, config: &Compiled) -> Option<&'r Record> {
    let decider = config.rule(rule)?;
    let mut best: Option<(f64, &Record)> = None;
    for record in records {
        let ratio = near(decider, &View::new(&record.event));
        if best.is_none_or(|(most, _)| ratio > most) {
            best = Some((ratio, record));
        }
    }
    best.map(|(_, record)| record)
}

/// The largest share of fields of one of its items that an event meets.
fn near(decider: &Decider, view: &View<'_>) -> f64 {
    decider.watches.iter().map(|watch| watch.pattern.explain(view).ratio()).fold(0.0, f64::max)
}

/// A question: an event, and how near each rule is to it by its patterns.
#[derive(Debug)]
pub struct WhyNot {
    record: Record,
    near: Vec<Near>,
    /// Firings that took it, from the records of its chain, with the rule.
    fired: Vec<(String, Fired)>,
    /// What policies decided about the runs of its chain, in words, and where.
    policies: Vec<(Key, Position, String)>,
}

/// How near a rule is.
#[derive(Debug, Clone)]
struct Near {
    /// Its full name.
    rule: String,
    /// The largest share of fields of one of its items that are met: 1 where an item's pattern is.
    ratio: f64,
}

impl WhyNot {
    /// Finds the event and asks the patterns of the rule, or of all.
    ///
    /// # Errors
    /// Nothing has this id, or no rule of this name is in force.
    pub fn of(what: &str, rule: Option<&str>, history: &dyn History, config: &Compiled) -> Result<WhyNot, Error> {
        let record = find(what, history).ok_or_else(|| Error::Unknown(what.to_owned()))?;
        let view = View::new(&record.event);
        let near = |decider: &Decider| Near { rule: decider.name.to_string(), ratio: near(decider, &view) };
        let near = match rule {
            None => config.rules.iter().map(near).collect(),
            Some(written) => {
                let name = Name::resolve(written, Name::DEFAULT).to_string();
                vec![near(config.rule(&name).ok_or(Error::NoRule(name))?)]
            }
        };
        let chain = history.by_correlation(&correlation(&record.event));
        let fired = chain.iter().filter_map(|told| Fired::told(told, record.position)).collect();
        let policies = chain.iter().filter_map(|told| match Ours::of(&told.event) {
            Ok(Ours::PolicyDecided(decided)) => Some((decided.run?, told.position, decided_by(&decided))),
            _ => None,
        });
        let policies = policies.collect();
        Ok(WhyNot { record, near, fired, policies })
    }

    fn seen(&self) -> Rc<Seen> {
        Rc::new(Seen::of(&self.record))
    }
}
