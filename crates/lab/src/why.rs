//! `ensue why`: the chain of causes, both ways, as a tree.
//!
//! Every record of a chain carries the same `correlationid`; a firing names the events that it took, a run is its
//! firing, an answer names its run and step, and what a run emits names it as its cause. So the tree is built from the
//! log alone, for as long as retention keeps it, whatever became of the state.

mod reasons;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use ensue_engine::decide::OPERATOR;
use ensue_engine::emit::correlation;
use ensue_engine::{Decision, Engine, Verdict};
use ensue_event::ours::{Answer, Attempt, Command, Mode, Operator, Ours, RuleFired};
use ensue_event::{Key, Origin, Position, Record, ours};

use crate::history::History;
use crate::tree::Tree;

pub use words::verdict;
pub(crate) use words::{aside, cut, decided_by, events_of, seconds, short};
use words::{asked_for, cut_off, whole};

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing has this id.
    #[error(
        "nothing in the log has the id `{0}`; an event's id, a run's id, an effect's key or a position is expected (`ensue events` and `ensue runs` list them)"
    )]
    Unknown(String),
    /// More than one run's id begins so.
    #[error("`{0}` is the beginning of several runs' ids: {1}")]
    Several(String, String),
    /// No rule has this name.
    #[error("no rule {0} is in force; `ensue rules` lists them")]
    NoRule(String),
}

/// The chain that an event, a run, an effect or a position belongs to, from its first cause on.
pub fn why(what: &str, history: &dyn History, engine: &Engine) -> Result<Tree, Error> {
    let asked = match find(what, history) {
        Some(asked) => asked,
        None => {
            let begins: Vec<Key> = beginning(what, engine).collect();
            match begins.as_slice() {
                [run] => find(&run.to_string(), history).ok_or_else(|| Error::Unknown(what.to_owned()))?,
                [] => return Err(Error::Unknown(what.to_owned())),
                several => {
                    let all: Vec<String> = several.iter().take(10).map(ToString::to_string).collect();
                    return Err(Error::Several(what.to_owned(), all.join(", ")));
                }
            }
        }
    };
    let mut ties: Vec<String> = taking(&asked, history, engine).iter().map(|told| correlation(&told.event)).collect();
    ties.push(correlation(&asked.event));
    ties.sort();
    ties.dedup();
    let mut records: Vec<Record> = ties.iter().flat_map(|tie| history.by_correlation(tie)).collect();
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
    let commands = history.by_type("dev.ensue.operator");
    let chain = Chain::of(&records, &commands, engine, asked.position);
    Ok(chain.tree())
}

/// The fewest digits that stand for a run.
const DIGITS: usize = 4;

/// The runs that are kept whose id begins so; none where the text is no beginning of an id, or too short for one.
pub fn beginning<'a>(text: &str, engine: &'a Engine) -> impl Iterator<Item = Key> + 'a {
    let hex = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let text = Some(text.to_owned()).filter(|text| hex && (DIGITS..32).contains(&text.len()));
    let runs = engine.state().runs.keys().copied();
    runs.filter(move |id| text.as_ref().is_some_and(|text| id.to_string().starts_with(text.as_str())))
}

/// Records of the firings that took this event and belong to the chain of another one: it was not the last of its match.
/// Runs and what is parked know theirs; of shadows, and of what is long over, only the newest are found.
pub(crate) fn taking(asked: &Record, history: &dyn History, engine: &Engine) -> Vec<Record> {
    let state = engine.state();
    let batch = |all: &[ensue_event::ours::Batched]| -> Vec<Position> {
        all.iter().flat_map(|one| &one.events).map(|took| took.position).collect()
    };
    let took = |events: &[ensue_event::ours::Took], all: &[ensue_event::ours::Batched]| {
        events.iter().any(|took| took.position == asked.position) || batch(all).contains(&asked.position)
    };
    let runs = state.runs.iter().filter(|(_, run)| took(&run.events, &run.batch)).map(|(id, _)| *id);
    let parked = state.parked.iter().filter(|(_, parked)| took(&parked.fired.events, &parked.fired.batch));
    let ids: BTreeSet<Key> = runs.chain(parked.map(|(id, _)| *id)).collect();
    let mut found: Vec<Record> = ids.iter().flat_map(|id| history.by_id(&id.to_string())).collect();
    let several = engine.config().rules.iter().any(|decider| decider.watches.len() > 1 || decider.rule.batch.is_some());
    if found.is_empty() && several {
        let fired = history.by_type("dev.ensue.rule.fired");
        found = fired
            .into_iter()
            .filter(|told| match Ours::of(&told.event) {
                Ok(Ours::RuleFired(fired)) => took(&fired.events, &fired.batch),
                _ => false,
            })
            .collect();
    }
    found
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
    /// Firings that are or were held for a person, and why.
    parked: BTreeMap<Key, (&'a Record, String)>,
    /// What operators asked for.
    commands: Vec<(&'a Record, Operator)>,
    /// Decisions that were made later about events of the chain, by event: where, and of which rule.
    later: BTreeMap<Position, Vec<(Position, &'a str, &'a Decision)>>,
}

impl<'a> Chain<'a> {
    fn of(records: &'a [Record], commands: &'a [Record], engine: &'a Engine, asked: Position) -> Chain<'a> {
        let (mut fired, mut runs, mut said) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut parked = BTreeMap::new();
        let commands = commands.iter().filter_map(|record| match Ours::of(&record.event) {
            Ok(Ours::Operator(operator)) => Some((record, operator)),
            _ => None,
        });
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
                    // Time alone made one that took no event.
                    let at = firing.events.last().map_or(record.position, |last| last.position);
                    fired.entry(at).or_insert_with(Vec::new).push((record, firing));
                }
                Ours::RuleParked(told) => drop(parked.insert(told.firing, (record, told.reason))),
                other => {
                    if let Some(run) = run_of(&other) {
                        runs.entry(run).or_insert_with(Vec::new).push((record, other));
                    }
                }
            }
        }
        let known: BTreeSet<Position> = records.iter().map(|record| record.position).collect();
        let mut later = BTreeMap::new();
        if let Some(first) = known.first() {
            for ((at, rule), decided) in engine.state().decisions.from((*first, String::new())..) {
                for decision in &decided.all {
                    for event in
                        events_of(&decision.verdict).iter().filter(|event| *event != at && known.contains(event))
                    {
                        later.entry(*event).or_insert_with(Vec::new).push((*at, rule.as_str(), decision));
                    }
                }
            }
        }
        Chain { records, engine, asked, fired, runs, said, parked, commands: commands.collect(), later }
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
                let inside = own && !taken.contains(&record.position) && self.alone(record).is_none();
                !emitted.contains(&record.position) && !inside
                    || record.position == self.asked && !self.shown_in_a_run(record)
            })
            .filter(|record| !self.told_by_a_run(record))
            .collect();
        let mut trees: Vec<Tree> = roots
            .into_iter()
            .map(|root| match self.alone(root) {
                Some(fired) => self.firing(root, fired, root),
                None => self.event(root),
            })
            .collect();
        match trees.len() {
            1 => trees.remove(0),
            _ => {
                let mut top = Tree::new("chain", "what belongs together");
                top.then = trees;
                top
            }
        }
    }

    /// The firing that this record tells of, if it took no event.
    fn alone(&self, record: &Record) -> Option<&RuleFired> {
        let mut told = self.fired.get(&record.position).into_iter().flatten();
        told.find(|(told, fired)| told.position == record.position && fired.events.is_empty()).map(|(_, fired)| fired)
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
        for (firing, fired) in self.fired.values().flatten() {
            let last = fired.events.last().is_some_and(|last| last.position == record.position);
            if !last && fired.events.iter().any(|took| took.position == record.position) {
                let text = format!("it is part of what rule {} fired on: #{}", fired.rule, firing.position);
                tree.then.push(Tree::new("decision", text));
            }
        }
        let decisions = self.engine.state().decisions.from((record.position, String::new())..);
        for ((_, rule), decided) in decisions.take_while(|((position, _), _)| *position == record.position) {
            for decision in &decided.all {
                let key = decision.key.as_ref().map(|key| format!(" for {key}")).unwrap_or_default();
                let at_once = if let Verdict::Held { .. } = decision.verdict { " at once" } else { "" };
                let text = match aside(&decision.verdict, record.position) {
                    Some(aside) => format!("rule {rule}{key} {aside}"),
                    None => format!("rule {rule} did not fire{at_once}{key}: {}", verdict(&decision.verdict)),
                };
                let mut tree_of = Tree::new("decision", text);
                tree_of.at = Some(decision.at);
                tree.then.push(tree_of);
            }
            if decided.more > 0 {
                tree.then.push(Tree::new("decision", format!("rule {rule} decided so for {} more keys", decided.more)));
            }
        }
        for (at, rule, decision) in self.later.get(&record.position).into_iter().flatten() {
            let key = decision.key.as_ref().map(|key| format!(" for {key}")).unwrap_or_default();
            let mut told =
                Tree::new("decision", format!("rule {rule} did not fire{key}: {}", verdict(&decision.verdict)));
            (told.position, told.at) = (Some(*at), Some(decision.at));
            tree.then.push(told);
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
        if let Some((record, why)) = self.parked.get(&fired.firing) {
            let mut parked = Tree::new("decision", format!("parked: {why}"));
            self.mark(&mut parked, record);
            tree.then.push(parked);
        }
        for (said, operator) in &self.commands {
            if of_a_firing(&operator.command) && operator.command.run() == Some(fired.firing) {
                tree.then.push(self.command(said, operator));
            }
        }
        // What became of it when its record was folded: it waits, or gave way.
        let decided = self.engine.state().decisions.get(&(record.position, fired.rule.clone()));
        for decision in decided.into_iter().flat_map(|decided| &decided.all) {
            let mut told = Tree::new("decision", verdict(&decision.verdict));
            told.at = Some(decision.at);
            tree.then.push(told);
        }
        if let Some(run) = self.run(fired.firing) {
            tree.then.push(run);
        }
        tree
    }

    /// What an operator asked for.
    fn command(&self, record: &Record, operator: &Operator) -> Tree {
        let why = if operator.reason.is_empty() { String::new() } else { format!(": {}", operator.reason) };
        let mut tree = Tree::new("operator", format!("{} by {}{why}", asked_for(&operator.command), operator.actor));
        self.mark(&mut tree, record);
        let decided = self.engine.state().decisions.get(&(record.position, OPERATOR.to_owned()));
        for decision in decided.into_iter().flat_map(|decided| &decided.all) {
            if let Verdict::Refused { .. } = decision.verdict {
                tree.because.push(verdict(&decision.verdict));
            }
        }
        tree
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
                Ours::PolicyDecided(decided) => {
                    let mut policy = Tree::new("policy", decided_by(decided));
                    policy.id = decided.effect.map(|effect| effect.to_string());
                    self.mark(&mut policy, record);
                    tree.then.push(policy);
                }
                Ours::ActionUncertain(uncertain) => {
                    let of = &uncertain.of;
                    let mut step = Tree::new("step", format!("step {} is uncertain: {}", of.step, uncertain.reason));
                    step.id = Some(of.effect.to_string());
                    self.mark(&mut step, record);
                    tree.then.push(step);
                }
                Ours::ActionStopped(stopped) => {
                    let (of, why) = (&stopped.of, cut_off(stopped.why));
                    let mut step = Tree::new("step", format!("step {}, attempt {}: {why}", of.step, of.attempt));
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
        for (said, operator) in &self.commands {
            if operator.command.run() == Some(id) && !of_a_firing(&operator.command) {
                tree.then.push(self.command(said, operator));
            }
        }
        for record in self.said.get(&id.to_string()).into_iter().flatten() {
            let mut said = self.event(record);
            said.text = format!("said {}", said.text);
            tree.then.push(said);
        }
        // A run that was taken up again has ended more than once.
        let last = ends.pop();
        for (record, text) in ends {
            let mut end = Tree::new("run", text);
            self.mark(&mut end, record);
            tree.then.push(end);
        }
        tree.then.sort_by_key(|child| child.position);
        if let Some(run) = state {
            for (path, step) in &run.steps(&self.engine.state().branches_of(run.id)) {
                use ensue_run::StepStatus::{Asking, Backoff, Running, Skipped, Uncertain, Waiting};
                let text = match step.status {
                    Running if step.effect.is_some() => match self.asks(id, path) {
                        Some(wants) => {
                            format!("step {path} waits for a person: {wants}; `ensue run approve {id} {path}` says yes")
                        }
                        None if self.held(id, path) => {
                            format!("step {path}: held by a freeze, see `ensue freeze --list`")
                        }
                        None => format!("step {path}: attempt {} is under way", step.attempt),
                    },
                    Waiting => match (step.since, step.due) {
                        (Some(since), Some(due)) => {
                            format!("step {path}: waits until {due} for an event that came since {since}")
                        }
                        (Some(since), None) => format!("step {path}: waits for an event that came since {since}"),
                        (None, due) => {
                            format!("step {path}: waits until {}", due.map_or_else(String::new, |due| due.to_string()))
                        }
                    },
                    Asking => format!("step {path}: asks; answer with `ensue run approve {id} {path}`"),
                    Uncertain => format!("step {path}: a person must say whether it was done, see `ensue run settle`"),
                    Backoff => format!("step {path}: waits to be tried again"),
                    Skipped => format!("step {path}: skipped, its condition did not hold"),
                    _ => continue,
                };
                tree.then.push(Tree::new("step", text));
            }
        }
        if let Some((record, text)) = last {
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

    /// What people are asked before a step of a run is done.
    fn asks(&self, run: Key, step: &str) -> Option<String> {
        let mut all = self.engine.state().asks.of(run);
        all.find(|(_, asks)| asks.open() && asks.step == step).map(|(_, asks)| asks.wants())
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

/// Whether it is about what is parked, and not yet a run.
const fn of_a_firing(command: &Command) -> bool {
    matches!(command, Command::Redrive { .. } | Command::Discard { .. })
}

fn run_of(ours: &Ours) -> Option<Key> {
    match ours {
        Ours::RunStarted(told) => Some(told.run),
        Ours::RunFinished(told) => Some(told.run),
        Ours::RunFailed(told) => Some(told.run),
        Ours::ActionStarted(told) => Some(told.of.run),
        Ours::ActionAnswered(told) => Some(told.of.run),
        Ours::ActionUncertain(told) => Some(told.of.run),
        Ours::PolicyDecided(told) => told.run,
        Ours::ActionStopped(told) => Some(told.of.run),
        _ => None,
    }
}
