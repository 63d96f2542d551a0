//! `ensue why`: the chain of causes, both ways, as a tree.
//!
//! Every record of a chain carries the same `correlationid`; a firing names the events that it took, a run is its
//! firing, an answer names its run and step, and what a run emits names it as its cause. So the tree is built from the
//! log alone, for as long as retention keeps it, whatever became of the state.

use std::collections::{BTreeMap, BTreeSet};

use ensue_engine::emit::correlation;
use ensue_engine::{Engine, Verdict};
use ensue_event::ours::{Answer, Attempt, Mode, Ours, RuleFired};
use ensue_event::{Key, Origin, Position, Record, Span, ours};
use ensue_rule::{Pattern, View};

use crate::history::History;
use crate::tree::Tree;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing has this id.
    #[error(
        "nothing in the log has the id `{0}`; an event's id, a run's id, an effect's key or a position is expected (`ensue events` and `ensue runs` list them)"
    )]
    Unknown(String),
    /// No rule has this name.
    #[error("no rule {0} is in force; `ensue rules` lists them")]
    NoRule(String),
}

/// The chain that an event, a run, an effect or a position belongs to, from its first cause on.
pub fn why(what: &str, history: &dyn History, engine: &Engine) -> Result<Tree, Error> {
    let asked = find(what, history).ok_or_else(|| Error::Unknown(what.to_owned()))?;
    let tie = correlation(&asked.event);
    let mut records = history.by_correlation(&tie);
    // Events from outside carry no correlation of their own: the firings name them.
    let mut known: BTreeSet<Position> = records.iter().map(|record| record.position).collect();
    if known.insert(asked.position) {
        records.push(asked.clone());
    }
    let named: Vec<Position> = records
        .iter()
        .filter_map(|record| match Ours::of(&record.event) {
            Ok(Ours::RuleFired(fired)) => Some(fired.events.into_iter().map(|took| took.position)),
            _ => None,
        })
        .flatten()
        .collect();
    for position in named {
        if known.insert(position)
            && let Some(record) = history.at(position)
        {
            records.push(record);
        }
    }
    records.sort_by_key(|record| record.position);
    let chain = Chain::of(&records, engine, asked.position, what);
    Ok(chain.tree())
}

/// The record that a text means: a position, an event's id, a run, an effect.
pub(crate) fn find(what: &str, history: &dyn History) -> Option<Record> {
    let text = what.trim();
    let text = text.strip_prefix('#').unwrap_or(text);
    let by_id = history.by_id(text).into_iter().next();
    let by_effect = || {
        let (effect, attempt) = text.split_once('.').unwrap_or((text, "1"));
        ["answered", "started", "uncertain"]
            .iter()
            .find_map(|word| history.by_id(&format!("{effect}.{attempt}.{word}")).into_iter().next())
    };
    let by_position = || text.parse().ok().and_then(|position| history.at(Position(position)));
    by_id.or_else(by_effect).or_else(by_position)
}

struct Chain<'a> {
    records: &'a [Record],
    engine: &'a Engine,
    asked: Position,
    /// Firings by the last event that they took.
    fired: BTreeMap<Position, Vec<(&'a Record, RuleFired)>>,
    /// What is told about runs, by run.
    runs: BTreeMap<Key, Vec<(&'a Record, Ours)>>,
    /// Events that runs emitted, by run.
    said: BTreeMap<String, Vec<&'a Record>>,
}

impl<'a> Chain<'a> {
    fn of(records: &'a [Record], engine: &'a Engine, asked: Position, _what: &str) -> Chain<'a> {
        let (mut fired, mut runs, mut said) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for record in records {
            let own = !matches!(record.origin, Origin::Source(_)) && record.event.kind.starts_with(ours::PREFIX);
            if !own {
                if let (Origin::Emitted(_), Some(cause)) = (&record.origin, record.event.extension_text("causationid"))
                {
                    said.entry(cause.to_owned()).or_insert_with(Vec::new).push(record);
                }
                continue;
            }
            let Ok(ours) = Ours::of(&record.event) else { continue };
            match ours {
                Ours::RuleFired(firing) => {
                    if let Some(last) = firing.events.last() {
                        fired.entry(last.position).or_insert_with(Vec::new).push((record, firing));
                    }
                }
                other => {
                    if let Some(run) = run_of(&other) {
                        runs.entry(run).or_insert_with(Vec::new).push((record, other));
                    }
                }
            }
        }
        Chain { records, engine, asked, fired, runs, said }
    }

    /// The first cause: the earliest event that no run of this chain emitted. Chains with several are shown side by
    /// side under one heading.
    fn tree(&self) -> Tree {
        let taken: BTreeSet<Position> = self
            .fired
            .values()
            .flatten()
            .flat_map(|(_, fired)| fired.events.iter().map(|took| took.position))
            .collect();
        let emitted: BTreeSet<Position> = self.said.values().flatten().map(|record| record.position).collect();
        let roots: Vec<&Record> = self
            .records
            .iter()
            .filter(|record| {
                let own = !matches!(record.origin, Origin::Source(_)) && record.event.kind.starts_with(ours::PREFIX);
                let inside = own && !taken.contains(&record.position);
                !emitted.contains(&record.position) && !inside
                    || record.position == self.asked && !self.shown_in_a_run(record)
            })
            .filter(|record| !self.told_by_a_run(record))
            .collect();
        let mut trees: Vec<Tree> = roots.into_iter().map(|root| self.event(root)).collect();
        match trees.len() {
            1 => trees.remove(0),
            _ => {
                let mut top = Tree::new("chain", "what belongs together");
                top.then = trees;
                top
            }
        }
    }

    fn shown_in_a_run(&self, record: &Record) -> bool {
        let said = |run: &&str| self.runs.keys().any(|known| known.to_string() == **run);
        self.told_by_a_run(record)
            || self.said.iter().any(|(run, said_by)| {
                said(&run.as_str()) && said_by.iter().any(|said| said.position == record.position)
            })
            || self.fired.values().flatten().any(|(firing, _)| firing.position == record.position)
    }

    fn told_by_a_run(&self, record: &Record) -> bool {
        self.runs.values().flatten().any(|(told, _)| told.position == record.position)
    }

    fn mark(&self, tree: &mut Tree, record: &Record) {
        tree.position = Some(record.position);
        tree.at = Some(record.at);
        tree.asked |= record.position == self.asked;
    }

    fn event(&self, record: &Record) -> Tree {
        let event = &record.event;
        let subject = event.subject.as_deref().map(|subject| format!(" {subject}")).unwrap_or_default();
        let from = match &record.origin {
            Origin::Source(name) => format!(" from source {name}"),
            Origin::Node => " from the node".to_owned(),
            Origin::Emitted(_) => String::new(),
        };
        let mut tree = Tree::new("event", format!("{}{subject}{from}", event.kind));
        tree.id = Some(event.id.to_string());
        self.mark(&mut tree, record);
        tree.because.push(format!("id {}  source {}", event.id, event.source));
        for (firing, fired) in self.fired.get(&record.position).into_iter().flatten() {
            tree.then.push(self.firing(firing, fired, record));
        }
        let decisions = self.engine.state().decisions.from((record.position, String::new())..);
        for ((_, rule), decided) in decisions.take_while(|((position, _), _)| *position == record.position) {
            for decision in &decided.all {
                let key = decision.key.as_ref().map(|key| format!(" for {key}")).unwrap_or_default();
                let text = format!("rule {rule} did not fire{key}: {}", verdict(&decision.verdict));
                let mut tree_of = Tree::new("decision", text);
                tree_of.at = Some(decision.at);
                tree.then.push(tree_of);
            }
            if decided.more > 0 {
                tree.then.push(Tree::new("decision", format!("rule {rule} decided so for {} more keys", decided.more)));
            }
        }
        if tree.then.is_empty() {
            tree.then.push(Tree::new("decision", "no rule fired on this event"));
        }
        tree
    }

    fn firing(&self, record: &Record, fired: &RuleFired, event: &Record) -> Tree {
        let mode = if fired.mode == Mode::Shadow { " in shadow: nothing is done" } else { "" };
        let mut tree = Tree::new("fired", format!("rule {} fired{mode}", fired.rule));
        tree.id = Some(fired.firing.to_string());
        self.mark(&mut tree, record);
        tree.because = self.reasons(fired, event);
        if let Some(run) = self.run(fired.firing) {
            tree.then.push(run);
        }
        tree
    }

    /// The pattern's fields with the values that met them, and the conditions.
    fn reasons(&self, fired: &RuleFired, event: &Record) -> Vec<String> {
        let mut out = Vec::new();
        let state = self.engine.state();
        let definition = state.definitions.get(&fired.definition);
        let when = definition.and_then(|definition| definition.rule.pointer("/spec/when")).cloned().unwrap_or_default();
        let pattern = when.pointer("/event").and_then(|pattern| Pattern::compile(pattern).ok());
        if let Some(pattern) = pattern {
            for field in pattern.explain(&View::new(&event.event)).fields {
                let actual = field.actual.as_deref().unwrap_or("absent");
                // A value that is what it must be needs no second telling.
                let asked = if field.expected == actual { String::new() } else { format!("  as {}", field.expected) };
                out.push(format!("{} = {actual}{asked}", field.path));
            }
        }
        let conditions = [
            when.pointer("/if").or_else(|| when.pointer("/event/if")).cloned(),
            definition.and_then(|definition| definition.rule.pointer("/spec/if")).cloned(),
        ];
        for condition in conditions.into_iter().flatten() {
            if let Some(text) = condition.as_str() {
                out.push(format!("if {text}: true"));
            }
        }
        for (name, value) in &fired.lets {
            out.push(format!("let {name} = {}", short(value)));
        }
        if let Some(key) = &fired.key {
            out.push(format!("key {key}"));
        }
        out
    }

    fn run(&self, id: Key) -> Option<Tree> {
        let told = self.runs.get(&id)?;
        let state = self.engine.state().runs.get(&id);
        let status = state.map(|run| run.status.as_str());
        let mut tree = Tree::new("run", format!("run {id}"));
        tree.id = Some(id.to_string());
        let mut status = status.unwrap_or("under way").to_owned();
        let mut ends = Vec::new();
        for (record, ours) in told {
            match ours {
                Ours::RunStarted(_) => {
                    tree.position = Some(record.position);
                    tree.at = Some(record.at);
                    tree.asked |= record.position == self.asked;
                }
                Ours::ActionStarted(_) => tree.asked |= record.position == self.asked,
                Ours::ActionAnswered(answered) => tree.then.push(self.answer(record, &answered.of, &answered.answer)),
                Ours::ActionUncertain(uncertain) => {
                    let of = &uncertain.of;
                    let mut step = Tree::new("step", format!("step {} is uncertain: {}", of.step, uncertain.reason));
                    step.id = Some(of.effect.to_string());
                    self.mark(&mut step, record);
                    tree.then.push(step);
                }
                Ours::RunFinished(finished) => {
                    finished.status.clone_into(&mut status);
                    let took = whole(record.at.since(finished.started));
                    ends.push((record, format!("{} after {took}", finished.status)));
                }
                Ours::RunFailed(failed) => {
                    "failed".clone_into(&mut status);
                    let step = failed.step.as_deref().map(|step| format!(" at step {step}")).unwrap_or_default();
                    ends.push((record, format!("failed{step}: {}: {}", failed.error.name, failed.error.message)));
                }
                _ => {}
            }
        }
        for record in self.said.get(&id.to_string()).into_iter().flatten() {
            let mut said = self.event(record);
            said.text = format!("said {}", said.text);
            tree.then.push(said);
        }
        tree.then.sort_by_key(|child| child.position);
        if let Some(run) = state {
            for (path, step) in &run.steps {
                use ensue_run::StepStatus::{Backoff, Running, Skipped};
                let text = match step.status {
                    Running if self.held(id, path) => {
                        format!("step {path}: held by a freeze, see `ensue freeze --list`")
                    }
                    Running => format!("step {path}: attempt {} is under way", step.attempt),
                    Backoff => format!("step {path}: waits to be tried again"),
                    Skipped => format!("step {path}: skipped, its condition did not hold"),
                    _ => continue,
                };
                tree.then.push(Tree::new("step", text));
            }
        }
        for (record, text) in ends {
            let mut end = Tree::new("run", text);
            self.mark(&mut end, record);
            tree.then.push(end);
        }
        tree.text = format!("run {id} {status}");
        Some(tree)
    }

    /// Whether what a step of a run does is decided and may not leave.
    fn held(&self, run: Key, step: &str) -> bool {
        let mut rows = self.engine.state().outbox.iter().map(|(_, row)| row);
        rows.any(|row| row.held && row.effect.run == run && row.effect.step == step)
    }

    fn answer(&self, record: &Record, of: &Attempt, answer: &Answer) -> Tree {
        let try_of = if of.attempt > 1 { format!(", attempt {}", of.attempt) } else { String::new() };
        let (text, reason) = match answer {
            Answer::Ok(outputs) => (format!("step {}{try_of}: done", of.step), Some(short(outputs))),
            Answer::Err(failure) => (format!("step {}{try_of}: {}: {}", of.step, failure.name, failure.message), None),
        };
        let mut tree = Tree::new("step", text);
        tree.id = Some(of.effect.to_string());
        self.mark(&mut tree, record);
        tree.because.extend(reason.filter(|outputs| outputs != "{}" && outputs != "null"));
        tree
    }
}

fn run_of(ours: &Ours) -> Option<Key> {
    match ours {
        Ours::RunStarted(told) => Some(told.run),
        Ours::RunFinished(told) => Some(told.run),
        Ours::RunFailed(told) => Some(told.run),
        Ours::ActionStarted(told) => Some(told.of.run),
        Ours::ActionAnswered(told) => Some(told.of.run),
        Ours::ActionUncertain(told) => Some(told.of.run),
        _ => None,
    }
}

/// A decision in words.
#[must_use]
pub fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::NotIf { condition } => format!("if {condition}: false"),
        Verdict::Error { expression, why } => format!("error: `{expression}`: {why}"),
        Verdict::Paused => "it is paused".to_owned(),
        Verdict::NoKey { expression, why } => format!("no key: `{expression}`: {why}"),
        Verdict::KeyRefused { limit } => {
            format!("it holds {limit} keys already; raise `maxKeys` or let it forget sooner")
        }
        Verdict::Expired { missing, .. } => format!("it ran out of time waiting for {}", missing.join(", ")),
        Verdict::Unless { by, .. } => format!("record {by} met its `unless`"),
        Verdict::Full { limit } => format!("its key has {limit} half-matches already"),
        Verdict::Came { by, .. } => format!("record {by} came in time"),
        Verdict::Deduped { until } => format!("the same was done already; not again until {until}"),
        Verdict::Held { by, until: Some(until) } => format!("{by} holds it until {until}"),
        Verdict::Held { by, until: None } => format!("{by} holds it"),
        Verdict::Replaced { by, .. } => format!("a newer one took its place ({by})"),
        Verdict::Throttled { until } => format!("throttled until {until}"),
        Verdict::Skipped { running } => {
            let runs: Vec<String> = running.iter().map(ToString::to_string).collect();
            format!("skipped: as many runs as may go on: {}", runs.join(", "))
        }
        Verdict::Late { value, last, then } => format!("late: {value} came after {last} ({then})"),
        Verdict::Edited { halves, held } => {
            format!("the rule was changed: {halves} half-matches and {held} held matches were dropped")
        }
        Verdict::ChainCut { depth } => format!("the chain of causes is {depth} long and was cut"),
        Verdict::Done => "done".to_owned(),
        Verdict::Refused { why } => format!("refused: {why}"),
        Verdict::Parked { why } => format!("parked: {why}"),
        Verdict::Dropped { why } => format!("dropped: {why}"),
    }
}

/// JSON in a line, cut where it is long.
pub(crate) fn short(value: &serde_json::Value) -> String {
    cut(&value.to_string())
}

/// A text in a line, cut where it is long.
pub(crate) fn cut(text: &str) -> String {
    const MOST: usize = 160;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let cut: String = text.chars().take(MOST).collect();
    format!("{cut}…")
}

/// A duration in whole seconds, and shorter ones in milliseconds.
pub(crate) fn seconds(span: Span) -> Span {
    if span.micros() < 1_000_000 { whole(span) } else { Span(span.micros() - span.micros() % 1_000_000) }
}

/// A duration as people say it: in milliseconds, and shorter ones as they are.
fn whole(span: Span) -> Span {
    if span.micros() < 1_000 { span } else { Span(span.micros() - span.micros() % 1_000) }
}
