//! Rules: what an event means to them.

use std::cell::OnceCell;
use std::sync::Arc;

use ensue_event::ours::{ChainCut, Mode, RuleFired, Took};
use ensue_event::{Event, Key, Origin, Ours, Record, Time};
use ensue_expr::{Budget, Program, Scope, Value};
use ensue_lang::{RuleMode, WhenKind};
use ensue_rule::View;
use indexmap::IndexMap;

use crate::config::Decider;
use crate::emit::{Chain, MAX_DEPTH, correlation};
use crate::fold::Engine;
use crate::state::{Decision, KEPT_DECISIONS, Verdict};

/// The record that tells that a chain was cut.
const CUT: &str = "dev.ensue.chain.cut";

/// Whom the decision about an operator's command is kept for, beside the rules.
pub const OPERATOR: &str = "operator";

/// The names that a rule's conditions see.
pub struct Names<'a> {
    event: &'a Event,
    cell: OnceCell<Value>,
    lets: IndexMap<String, Value>,
    tables: Value,
    now: Time,
}

impl<'a> Names<'a> {
    /// The names for this event.
    #[must_use]
    pub fn new(event: &'a Event, tables: Value, now: Time) -> Names<'a> {
        Names { event, cell: OnceCell::new(), lets: IndexMap::new(), tables, now }
    }
}

impl Scope for Names<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        match name {
            "event" => Some(self.cell.get_or_init(|| value_of(self.event)).clone()),
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

/// What came of a rule's own conditions.
#[derive(Debug, Clone, PartialEq)]
pub enum Weighed {
    /// It fires, with these values of `let`.
    Fires(serde_json::Map<String, serde_json::Value>),
    /// The item's condition is false: a plain mismatch.
    Mismatch(String),
    /// It does not fire, and this is recorded.
    Not(Verdict),
}

/// Weighs an event that a rule's pattern matches: the item's `if`, `let` in written order, the rule's `if`.
#[must_use]
pub fn weigh(decider: &Decider, event: &Event, tables: Value, now: Time) -> Weighed {
    let rule = &decider.rule;
    let mut names = Names::new(event, tables, now);
    if let WhenKind::Event(item) = &rule.when.kind
        && let Some(cond) = &item.cond
    {
        match holds(cond, &names) {
            Ok(true) => {}
            Ok(false) => return Weighed::Mismatch(cond.source().to_owned()),
            Err(verdict) => return Weighed::Not(verdict),
        }
    }
    for (name, program) in &rule.lets {
        match program.eval_opt(&names, &mut Budget::new()) {
            Ok(Some(value)) => {
                names.lets.insert(name.clone(), value);
            }
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

fn holds(cond: &Program, names: &Names<'_>) -> Result<bool, Verdict> {
    let value = cond.eval(names, &mut Budget::new()).map_err(|why| error(cond.source(), &why))?;
    value.as_bool().ok_or_else(|| {
        let why = format!("it gives a {}; a condition must give true or false", value.type_name());
        error(cond.source(), &why)
    })
}

fn error(expression: &str, why: &dyn std::fmt::Display) -> Verdict {
    Verdict::Error { expression: expression.to_owned(), why: why.to_string() }
}

impl Engine {
    /// Asks every rule whose pattern matches, in the order of their names.
    pub(crate) fn decide(&mut self, record: &Record) {
        let config = Arc::clone(&self.config);
        if config.rules.is_empty() {
            return;
        }
        let mut matched = Vec::new();
        config.index.matches(&View::new(&record.event), &mut matched);
        for place in matched {
            if let Some(decider) = usize::try_from(place).ok().and_then(|place| config.rules.get(place)) {
                let tables = config.tables(&decider.rule.name.namespace);
                self.ask(decider, tables, record);
            }
        }
    }

    fn ask(&mut self, decider: &Decider, tables: Value, record: &Record) {
        let name = decider.rule.name.to_string();
        let known = self.state.rules.get(&name).cloned().unwrap_or_default();
        let mode = match (known.mode.as_deref(), decider.rule.mode) {
            (Some("paused"), _) | (None, RuleMode::Paused) => return self.not(&name, Verdict::Paused),
            (Some("shadow"), _) | (None, RuleMode::Shadow) => Mode::Shadow,
            _ => self.state.acts(Mode::Live),
        };
        let lets = match weigh(decider, &record.event, tables, self.now) {
            Weighed::Fires(lets) => lets,
            Weighed::Mismatch(_) => return,
            Weighed::Not(verdict) => return self.not(&name, verdict),
        };
        let event = &record.event;
        let chain = Chain { correlation: correlation(event), cause: event.id.to_string(), depth: event.depth() + 1 };
        let position = self.position.bytes();
        if event.depth() >= MAX_DEPTH {
            // A rule that listens to cuts would have each cut told by another one, for ever.
            if matches!(record.origin, Origin::Emitted(_)) && *event.kind == *CUT {
                return self.not(&name, Verdict::ChainCut { depth: event.depth() });
            }
            let cut = ChainCut { rule: name.clone(), position: self.position, depth: event.depth() };
            let id = Key::of("cut", &[name.as_bytes(), &position]);
            // It is told at the depth that it was cut at.
            self.emit_ours(id, &Ours::from(cut), &Chain { depth: event.depth(), ..chain });
            return self.not(&name, Verdict::ChainCut { depth: event.depth() });
        }
        // The events themselves are part of it, not only their positions: two logs have the same positions, and the keys
        // of effects go out into the world.
        let took: [&[u8]; 6] =
            [name.as_bytes(), &decider.digest.0, b"", &position, event.source.as_bytes(), event.id.as_bytes()];
        let firing = Key::of("fired", &took);
        let fired = RuleFired {
            firing,
            rule: name.clone(),
            definition: decider.digest,
            mode,
            key: None,
            events: vec![Took { position: self.position, item: None, event: event.to_json() }],
            due: None,
            lets,
        };
        let mut known = known.as_ref().clone();
        known.fired += 1;
        known.last = Some(self.now);
        self.state.rules.put(name, known);
        self.emit_ours(firing, &Ours::from(fired), &chain);
    }

    /// Records a decision not to fire.
    pub(crate) fn not(&mut self, rule: &str, verdict: Verdict) {
        let name = rule.to_owned();
        let mut known = self.state.rules.get(&name).map(|known| known.as_ref().clone()).unwrap_or_default();
        if matches!(verdict, Verdict::Error { .. }) {
            known.errors += 1;
            self.state.meta.counts.errors += 1;
        } else {
            known.suppressed += 1;
            self.state.meta.counts.suppressed += 1;
        }
        self.state.rules.put(name.clone(), known);
        self.decided(name, verdict);
    }

    /// Keeps a decision, and lets the oldest go when there are too many.
    pub(crate) fn decided(&mut self, who: String, verdict: Verdict) {
        self.state.decisions.put((self.position, who), Decision { at: self.now, verdict });
        if self.state.decisions.len() >= KEPT_DECISIONS
            && let Some(oldest) = self.state.decisions.first().map(|(key, _)| key.clone())
        {
            self.state.decisions.delete(&oldest);
        }
    }
}
