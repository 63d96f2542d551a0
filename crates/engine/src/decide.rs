//! Rules: what an event means to them.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use ensue_event::ours::{Batched, ChainCut, Mode, RuleFired, Took};
use ensue_event::{Event, Key, Ours, Position, Record, Time};
use ensue_expr::{Budget, Program, Scope, Value};
use ensue_lang::{RuleMode, TimeBy};
use ensue_rule::View;
use ensue_run::scope;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::config::{Decider, Watch};
use crate::emit::{Chain, MAX_DEPTH, correlation};
use crate::fold::Engine;
use crate::state::{Decision, KEPT_DECISIONS, Verdict};

/// The record that tells that a chain was cut.
const CUT: &str = "dev.ensue.chain.cut";

/// Whom the decision about an operator's command is kept for, beside the rules.
pub const OPERATOR: &str = "operator";

/// An event on its way to rules: that of the record at hand, or one that was held back.
#[derive(Debug)]
pub struct Seen {
    /// Where it stands in the log.
    pub position: Position,
    /// When it was appended.
    pub at: Time,
    /// The event.
    pub event: Arc<Event>,
    tree: OnceCell<Value>,
    value: OnceCell<Arc<Event>>,
}

impl Seen {
    /// An event with its place.
    #[must_use]
    pub const fn new(position: Position, at: Time, event: Arc<Event>) -> Seen {
        Seen { position, at, event, tree: OnceCell::new(), value: OnceCell::new() }
    }

    /// The event of a record.
    #[must_use]
    pub fn of(record: &Record) -> Seen {
        Seen::new(record.position, record.at, Arc::new(record.event.clone()))
    }

    /// The event as expressions see it; made once.
    #[must_use]
    pub fn tree(&self) -> &Value {
        self.tree.get_or_init(|| value_of(&self.event))
    }

    /// The event for a row: by value, in memory of its own; made once.
    #[must_use]
    pub fn by_value(&self) -> Arc<Event> {
        Arc::clone(self.value.get_or_init(|| crate::correlate::by_value(&self.event)))
    }
}

/// An event that takes part in a match, and the item that it met.
#[derive(Debug, Clone)]
pub struct Part {
    /// The event.
    pub seen: Rc<Seen>,
    /// The name of its item.
    pub item: Option<String>,
}

/// Events that together are what a rule waits for; its own conditions are still to be weighed.
#[derive(Debug, Clone)]
pub struct Completed {
    /// The key.
    pub key: Option<String>,
    /// The events in the order in which they were taken.
    pub parts: Vec<Part>,
    /// Time completed it: there is no `event`.
    pub timed: bool,
    /// When it was due, where a timer decided it.
    pub due: Option<Time>,
    /// How many events a `count` saw.
    pub count: Option<u64>,
}

/// A match whose conditions hold: by value, since flow control may keep it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// The correlation key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its events.
    pub events: Vec<Took>,
    /// Time completed it: there is no `event`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timed: bool,
    /// When it was due, where a timer decided it, or released it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
    /// How many events a `count` saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The matches that a batch put together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub batch: Vec<Batched>,
    /// The values of `let`.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub lets: serde_json::Map<String, serde_json::Value>,
    /// What ties its events together with all that follows.
    pub correlation: String,
    /// The id of its last event.
    pub cause: String,
    /// The length of the longest chain behind its events.
    pub depth: u32,
}

/// The names that a rule's conditions see.
pub struct Names<'a> {
    event: Option<&'a Seen>,
    parts: &'a [Part],
    key: Option<&'a str>,
    count: Option<u64>,
    lets: IndexMap<String, Value>,
    tables: Value,
    now: Time,
}

impl<'a> Names<'a> {
    /// The names for one event: those of an item's `if` and `key`, and of `order`.
    #[must_use]
    pub fn of_event(event: &'a Seen, tables: Value, now: Time) -> Names<'a> {
        Names { event: Some(event), parts: &[], key: None, count: None, lets: IndexMap::new(), tables, now }
    }

    /// The names for a match: those of `let` and of the rule's `if`.
    #[must_use]
    pub fn of_match(found: &'a Completed, tables: Value, now: Time) -> Names<'a> {
        let event = found.parts.last().filter(|_| !found.timed).map(|part| &*part.seen);
        let (parts, key) = (found.parts.as_slice(), found.key.as_deref());
        Names { event, parts, key, count: found.count, lets: IndexMap::new(), tables, now }
    }

    /// Adds a value of `let`.
    pub fn name(&mut self, name: &str, value: Value) {
        self.lets.insert(name.to_owned(), value);
    }
}

impl Scope for Names<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        match name {
            "event" => self.event.map(|seen| seen.tree().clone()),
            "events" => {
                let took: Vec<Took> = self.parts.iter().map(took).collect();
                Some(scope::events(&took, self.count))
            }
            "key" => self.key.map(scope::key),
            "count" => self.count.map(Value::from),
            "let" => Some(Value::map(self.lets.clone())),
            "tables" => Some(self.tables.clone()),
            "now" => Some(Value::Timestamp(self.now.micros())),
            _ => None,
        }
    }
}

/// An event as expressions see it: its attributes, and `data` where it is JSON or text.
#[must_use]
pub fn value_of(event: &Event) -> Value {
    event.to_json().into()
}

fn took(part: &Part) -> Took {
    Took { position: part.seen.position, item: part.item.clone(), event: part.seen.event.to_json() }
}

/// What came of a rule's own conditions.
#[derive(Debug, Clone, PartialEq)]
pub enum Weighed {
    /// It fires, with these values of `let`.
    Fires(serde_json::Map<String, serde_json::Value>),
    /// It does not fire, and this is recorded.
    Not(Verdict),
}

/// Whether an event meets an item's own condition.
///
/// # Errors
/// The decision that is recorded: it could not be computed.
pub fn meets(watch: &Watch, names: &Names<'_>) -> Result<bool, Verdict> {
    watch.item.cond.as_ref().map_or(Ok(true), |cond| holds(cond, names))
}

/// Weighs a match: `let` in written order, then the rule's `if`.
#[must_use]
pub fn weigh(decider: &Decider, found: &Completed, tables: Value, now: Time) -> Weighed {
    let rule = &decider.rule;
    let mut names = Names::of_match(found, tables, now);
    for (name, program) in &rule.lets {
        match program.eval_opt(&names, &mut Budget::new()) {
            Ok(Some(value)) => names.name(name, value),
            Ok(None) => {}
            Err(why) => return Weighed::Not(error(&format!("let.{name}: {}", program.source()), &why)),
        }
    }
    if let Some(cond) = &rule.cond {
        match holds(cond, &names) {
            Ok(true) => {}
            Ok(false) => return Weighed::Not(Verdict::NotIf { condition: cond.source().to_owned() }),
            Err(verdict) => return Weighed::Not(verdict),
        }
    }
    Weighed::Fires(names.lets.iter().map(|(name, value)| (name.clone(), value.to_json())).collect())
}

fn holds(cond: &Program, names: &dyn Scope) -> Result<bool, Verdict> {
    let value = cond.eval(names, &mut Budget::new()).map_err(|why| error(cond.source(), &why))?;
    value.as_bool().ok_or_else(|| {
        let why = format!("it gives a {}; a condition must give true or false", value.type_name());
        error(cond.source(), &why)
    })
}

/// The decision that an expression could not be computed.
pub(crate) fn error(expression: &str, why: &dyn std::fmt::Display) -> Verdict {
    Verdict::Error { expression: expression.to_owned(), why: why.to_string() }
}

impl Engine {
    /// Offers the event of the record at hand to every rule of which an item's pattern matches, in the order of their
    /// names.
    pub(crate) fn decide(&mut self, record: &Record) {
        let config = Arc::clone(&self.config);
        if config.rules.is_empty() {
            return;
        }
        let mut matched = Vec::new();
        config.index.matches(&View::new(&record.event), &mut matched);
        if matched.is_empty() {
            return;
        }
        let seen = Rc::new(Seen::of(record));
        let mut places = matched.into_iter().filter_map(|number| config.place(number)).peekable();
        while let Some((decider, item)) = places.next() {
            let mut items = vec![item];
            while let Some((_, more)) = places.next_if(|(next, _)| next.id == decider.id) {
                items.push(more);
            }
            self.offer(decider, &seen, &items);
        }
    }

    /// Offers an event to a rule, which it meets in these items.
    pub(crate) fn offer(&mut self, decider: &Decider, seen: &Rc<Seen>, items: &[u16]) {
        if self.in_the_past(decider) {
            return;
        }
        if self.mode(decider).is_none() {
            return self.not(&decider.name, None, Verdict::Paused);
        }
        if decider.rule.order.is_some() || decider.rule.when.time == TimeBy::Event {
            self.ordered(decider, seen, items);
        } else {
            self.correlate(decider, seen, items);
        }
    }

    /// How a rule's firings are meant now; nothing if it is paused.
    pub(crate) fn mode(&self, decider: &Decider) -> Option<Mode> {
        let known = self.state.rules.get(&*decider.name);
        match (known.and_then(|known| known.mode.as_deref()), decider.rule.mode) {
            (Some("paused"), _) | (None, RuleMode::Paused) => None,
            (Some("shadow"), _) | (None, RuleMode::Shadow) => Some(Mode::Shadow),
            // What is decided about the past acts only where the rule says so.
            _ if self.filling == Some(false) => Some(Mode::Shadow),
            _ => Some(self.state.acts(Mode::Live)),
        }
    }

    /// Events that together are what a rule waits for: weighs its conditions, and goes on to flow control.
    pub(crate) fn completed(&mut self, decider: &Decider, found: Completed) {
        let tables = self.config.tables(&decider.rule.name.namespace);
        let lets = match weigh(decider, &found, tables, self.now) {
            Weighed::Fires(lets) => lets,
            Weighed::Not(verdict) => return self.not(&decider.name, found.key, verdict),
        };
        let last = found.parts.last().map(|part| &*part.seen.event);
        let depth = found.parts.iter().map(|part| part.seen.event.depth()).max().unwrap_or(0);
        let found = Match {
            correlation: last.map_or_else(
                // An absence without an `after` has no event: what it ties together is its rule and key.
                || {
                    Key::of("correlation", &[decider.name.as_bytes(), found.key.as_deref().unwrap_or("").as_bytes()])
                        .to_string()
                },
                correlation,
            ),
            cause: last.map_or_else(|| decider.name.to_string(), |event| event.id.to_string()),
            depth,
            events: found.parts.iter().map(took).collect(),
            key: found.key,
            timed: found.timed,
            due: found.due,
            count: found.count,
            batch: Vec::new(),
            lets,
        };
        self.flow(decider, found);
    }

    /// A match becomes a firing, unless its chain is too long.
    pub(crate) fn fire(&mut self, decider: &Decider, found: Match) {
        let Some(mode) = self.mode(decider) else { return self.not(&decider.name, found.key, Verdict::Paused) };
        let firing = firing(decider, &found);
        let position = found.events.last().map_or(self.position, |took| took.position);
        let chain =
            Chain { correlation: found.correlation.clone(), cause: found.cause.clone(), depth: found.depth + 1 };
        if found.depth >= MAX_DEPTH {
            // A rule that listens to cuts would have each cut told by another one, for ever.
            let told = found.events.iter().any(|took| took.event.get("type").is_some_and(|kind| kind == CUT));
            if !told {
                let cut = ChainCut { rule: decider.name.to_string(), position, depth: found.depth };
                let id = Key::of("cut", &[decider.name.as_bytes(), &position.bytes(), &firing.0]);
                // It is told at the depth that it was cut at.
                self.emit_ours(id, &Ours::from(cut), &Chain { depth: found.depth, ..chain });
            }
            return self.not(&decider.name, found.key, Verdict::ChainCut { depth: found.depth });
        }
        self.emit_fired(fired(decider, mode, found), &chain);
    }

    /// Emits the record of a firing.
    pub(crate) fn emit_fired(&mut self, fired: RuleFired, chain: &Chain) {
        let mut known = self.known(&fired.rule);
        known.fired += 1;
        known.last = Some(self.now);
        self.state.rules.put(fired.rule.clone(), known);
        self.emit_ours(fired.firing, &Ours::from(fired), chain);
    }

    fn known(&self, rule: &str) -> crate::state::RuleState {
        self.state.rules.get(rule).map(|known| known.as_ref().clone()).unwrap_or_default()
    }

    /// Records a decision not to fire.
    pub(crate) fn not(&mut self, rule: &str, key: Option<String>, verdict: Verdict) {
        let name = rule.to_owned();
        let mut known = self.known(rule);
        if matches!(verdict, Verdict::Error { .. }) {
            known.errors += 1;
            self.state.meta.counts.errors += 1;
        } else {
            known.suppressed += 1;
            self.state.meta.counts.suppressed += 1;
        }
        self.state.rules.put(name.clone(), known);
        self.decided(name, key, verdict);
    }

    /// Keeps a decision, and lets the oldest go when there are too many.
    pub(crate) fn decided(&mut self, who: String, key: Option<String>, verdict: Verdict) {
        let place = (self.position, who);
        let mut decided = self.state.decisions.get(&place).map(|known| known.as_ref().clone()).unwrap_or_default();
        decided.add(Decision { at: self.now, key, verdict });
        self.state.decisions.put(place, decided);
        if self.state.decisions.len() >= KEPT_DECISIONS
            && let Some(oldest) = self.state.decisions.first().map(|(key, _)| key.clone())
        {
            self.state.decisions.delete(&oldest);
        }
    }
}

/// What a match becomes.
pub(crate) fn fired(decider: &Decider, mode: Mode, found: Match) -> RuleFired {
    RuleFired {
        firing: firing(decider, &found),
        rule: decider.name.to_string(),
        definition: decider.digest,
        mode,
        key: found.key,
        events: found.events,
        due: found.due,
        timed: found.timed,
        count: found.count,
        batch: found.batch,
        lets: found.lets,
    }
}

/// The id of a firing: what it was decided from. The events themselves are part of it, not only their positions: two
/// logs have the same positions, and the keys of effects go out into the world.
#[must_use]
pub fn firing(decider: &Decider, found: &Match) -> Key {
    let key = found.key.as_deref().unwrap_or("");
    let mut parts: Vec<Vec<u8>> =
        vec![decider.name.as_bytes().to_vec(), decider.digest.0.to_vec(), key.as_bytes().to_vec()];
    let batched = found.batch.iter().flat_map(|one| &one.events);
    let took: Vec<&Took> = if found.batch.is_empty() { found.events.iter().collect() } else { batched.collect() };
    for took in took {
        parts.push(took.position.0.to_be_bytes().to_vec());
        for name in ["source", "id"] {
            let text = took.event.get(name).and_then(serde_json::Value::as_str).unwrap_or("");
            parts.push(text.as_bytes().to_vec());
        }
    }
    if let Some(due) = found.due {
        parts.push(due.0.to_be_bytes().to_vec());
    }
    Key::of("fired", &parts.iter().map(Vec::as_slice).collect::<Vec<&[u8]>>())
}
