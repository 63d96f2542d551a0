//! A fold with a log in memory, and everything appended that it emits.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ensue_engine::{Engine, Outboxed, Outcome, Past, Row, Verdict};
use ensue_event::ours::{
    ActionAnswered, ActionStarted, ActionUncertain, Answer, Command, ConfigApplied, ConfigFile, Failure, Operator,
    Ours, Tick,
};
use ensue_event::{Emission, Event, Key, Origin, Position, Record, Span, Time};
use ensue_run::Run;
use serde_json::{Value, json};

pub(crate) const START: Time = Time::from_secs(1_767_225_600);

/// Connections for rules to name.
pub(crate) const CONNECTIONS: &str = r#"
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: api }
spec: { http: { url: "https://api.example.com" } }
---
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: team }
spec: { slack: { webhook: "${{ secrets.SLACK }}" } }
"#;

/// A rule: its name and its `spec`, as flow YAML.
pub(crate) fn rule(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: ensue.dev/v1\nkind: Rule\nmetadata: {{ name: {name} }}\nspec:\n  {}\n",
        spec.trim().replace('\n', "\n  ")
    )
}

pub(crate) fn files(rules: &[String]) -> Vec<ConfigFile> {
    vec![ConfigFile { path: "t.yaml".into(), text: format!("{CONNECTIONS}{}", rules.concat()) }]
}

/// The log before the record at hand.
pub(crate) struct Before<'a>(pub(crate) &'a [Record]);

impl Past for Before<'_> {
    fn first(&self) -> Position {
        Position(0)
    }
    fn since(&self, time: Time) -> Result<Position, String> {
        Ok(Position(self.0.partition_point(|record| record.at < time) as u64))
    }
    fn read(&self, from: Position, to: Position, each: &mut dyn FnMut(&Record)) -> Result<(), String> {
        self.0.iter().filter(|record| (from..to).contains(&record.position)).for_each(each);
        Ok(())
    }
}

pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) log: Vec<Record>,
    pub(crate) now: Time,
    /// Emissions are appended as they are decided.
    pub(crate) appends: bool,
    handed: Option<Emission>,
    /// What the store holds.
    pub(crate) store: BTreeMap<(&'static str, Vec<u8>), Vec<u8>>,
}

impl Bench {
    pub(crate) fn empty() -> Bench {
        let (engine, store) = (Engine::new(), BTreeMap::new());
        Bench { engine, log: Vec::new(), now: START, appends: true, handed: None, store }
    }

    /// A fold that goes by these rules; their configuration is the first record.
    pub(crate) fn new(rules: &[String]) -> Bench {
        let mut bench = Bench::empty();
        bench.configure(rules, false);
        bench
    }

    pub(crate) fn configure(&mut self, rules: &[String], observe: bool) -> Position {
        self.ours(ConfigApplied { documents: Vec::new(), files: files(rules), observe })
    }

    /// Appends a record and folds it, and whatever it emits.
    pub(crate) fn append(&mut self, origin: Origin, event: Event) -> Position {
        let position = Position(self.log.len() as u64);
        let record = Record { position, at: self.now, origin, event };
        self.log.push(record.clone());
        self.fold(&record);
        if self.appends {
            self.flush();
        }
        position
    }

    pub(crate) fn fold(&mut self, record: &Record) -> Outcome {
        let outcome = self.engine.fold_with(record, &Before(&self.log)).unwrap();
        self.engine.settle();
        // Looking at thousands of runs after every record would make the tests of bounds slow.
        if self.engine.state().runs.len().max(self.engine.state().flows.len()) > 500 {
            return outcome;
        }
        let stuck: Vec<_> = self.engine.stuck().map(|run| format!("{run:?}")).collect();
        assert_eq!(stuck, Vec::<String>::new(), "a run that waits for nothing");
        assert_eq!(self.engine.unseated().next(), None, "a firing that waits for nothing");
        outcome
    }

    /// What is emitted and not appended yet.
    pub(crate) fn outgoing(&mut self) -> Vec<(Emission, Event)> {
        let out: Vec<_> = self.engine.emissions(self.handed).map(|(place, event)| (place, event.clone())).collect();
        if let Some((place, _)) = out.last() {
            self.handed = Some(*place);
        }
        out
    }

    pub(crate) fn flush(&mut self) {
        while let Some(out) = Some(self.outgoing()).filter(|out| !out.is_empty()) {
            for (place, event) in out {
                let position = Position(self.log.len() as u64);
                let record = Record { position, at: self.now, origin: Origin::Emitted(place), event };
                self.log.push(record.clone());
                self.fold(&record);
            }
        }
    }

    pub(crate) fn ours(&mut self, ours: impl Into<Ours>) -> Position {
        let id = format!("node-{}", self.log.len());
        self.append(Origin::Node, ours.into().event(id, "/ensue/node"))
    }

    pub(crate) fn event(&mut self, kind: &str, id: &str, data: Value) -> Position {
        self.append(Origin::Source("default/test".into()), Event::new(id, "/test", kind).with_json(&data))
    }

    pub(crate) fn tick(&mut self) -> Position {
        self.ours(Tick {})
    }

    pub(crate) fn pass(&mut self, span: Span) {
        self.now = self.now + span;
    }

    /// The outbox row of a step.
    pub(crate) fn row(&self, step: &str) -> Outboxed {
        let outbox = &self.engine.state().outbox;
        let row = outbox.iter().find(|(_, row)| row.effect.step == step).map(|(_, row)| row.as_ref().clone());
        row.unwrap_or_else(|| panic!("no effect of {step}"))
    }

    pub(crate) fn answer(&mut self, row: &Outboxed, answer: Answer) -> Position {
        self.ours(ActionAnswered { of: row.attempt(), answer, began: None, log: None })
    }

    pub(crate) fn ok(&mut self, step: &str) -> Position {
        let row = self.row(step);
        self.answer(&row, Answer::Ok(json!({"status": 200})))
    }

    pub(crate) fn fails(&mut self, step: &str, name: &str) -> Position {
        let row = self.row(step);
        self.answer(&row, Answer::Err(Failure::new(name, "it says so")))
    }

    /// It fails, and another try may help.
    pub(crate) fn passes(&mut self, step: &str, name: &str) -> Position {
        let row = self.row(step);
        self.answer(&row, Answer::Err(Failure::new(name, "it says so").retryable()))
    }

    pub(crate) fn started(&mut self, step: &str) -> Position {
        let row = self.row(step);
        let (action, connection) = (row.effect.action.clone(), row.effect.connection.clone());
        self.ours(ActionStarted { of: row.attempt(), action, connection })
    }

    pub(crate) fn uncertain(&mut self, step: &str) -> Position {
        let of = self.row(step).attempt();
        self.ours(ActionUncertain { of, reason: "nobody knows".into() })
    }

    /// What came of an operator's command.
    pub(crate) fn operator(&mut self, command: Command) -> String {
        self.operator_as("ada", &[], command)
    }

    pub(crate) fn operator_as(&mut self, actor: &str, roles: &[&str], command: Command) -> String {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        let position = self.ours(Operator { command, actor: actor.into(), roles, reason: "a test".into() });
        match self.decision(position, "operator") {
            Some(Verdict::Done) => "done".to_owned(),
            Some(Verdict::Refused { why }) => format!("refused: {why}"),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn decision(&self, position: Position, who: &str) -> Option<Verdict> {
        let found = self.engine.state().decisions.get(&(position, who.to_owned()));
        found.and_then(|decided| decided.all.first()).map(|decision| decision.verdict.clone())
    }

    pub(crate) fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = self.engine.state().runs.iter().map(|(_, run)| run.as_ref().clone()).collect();
        runs.sort_by_key(|run| run.events.first().map(|took| took.position));
        runs
    }

    /// The records from a position on, a line each.
    pub(crate) fn told(&self, from: Position) -> String {
        let mut out = String::new();
        for record in self.log.iter().filter(|record| record.position >= from) {
            let place = match &record.origin {
                Origin::Emitted(place) => format!(" emitted {place}"),
                Origin::Node => " node".to_owned(),
                Origin::Source(_) => String::new(),
            };
            let what = match Ours::of(&record.event) {
                Ok(Ours::RuleFired(fired)) => format!(" {} {:?}", fired.rule, fired.mode),
                Ok(Ours::RunStarted(told)) => format!(" {}", told.rule),
                Ok(Ours::RunFinished(told)) => format!(" {} {}", told.rule, told.status),
                Ok(Ours::RunFailed(told)) => format!(" {} {}", told.rule, told.error.name),
                _ => String::new(),
            };
            let _ = writeln!(out, "{}{place} {}{what}", record.position, record.event.kind);
        }
        out
    }

    /// Writes what the store has not seen.
    pub(crate) fn checkpoint(&mut self) {
        for Row { table, key, value } in self.engine.drain() {
            match value {
                Some(value) => drop(self.store.insert((table, key), value)),
                None => drop(self.store.remove(&(table, key))),
            }
        }
    }

    /// All rows as text, sorted.
    pub(crate) fn dump(&mut self) -> String {
        self.checkpoint();
        dump(&self.store)
    }

    /// A fold that begins with what the store holds.
    pub(crate) fn reloaded(&self) -> Engine {
        let mut engine = Engine::new();
        for ((table, key), value) in &self.store {
            engine.load(table, key, value).unwrap();
        }
        engine.loaded().unwrap();
        engine
    }
}

pub(crate) fn dump(store: &BTreeMap<(&'static str, Vec<u8>), Vec<u8>>) -> String {
    let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(char::is_control) => text.to_owned(),
        _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    store.iter().map(|((table, key), value)| format!("{table}\t{}\t{}\n", text(key), text(value))).collect()
}

/// The log folded from its first record, by a fold that emits and appends nothing.
pub(crate) fn fold_anew(log: &[Record]) -> Bench {
    let mut bench = Bench::empty();
    bench.appends = false;
    for record in log {
        bench.log.push(record.clone());
        bench.fold(record);
    }
    bench
}

pub(crate) fn key_of(event: &Event) -> Key {
    event.id.parse().unwrap_or_else(|_| panic!("{} is no key", event.id))
}
