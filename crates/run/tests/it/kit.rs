//! Runs a rule's steps by a script and writes down what the machine commands.
//!
//! A line of a script is one input: `start`, `STEP ok [OUTPUTS]`, `STEP fails NAME` (another try will not help),
//! `STEP passes NAME [AFTER_MS]` (it may pass: another try may help), `STEP lost`, `wait` (until the timer is due),
//! `cancel`, `resume [STEP]`, `skip STEP`, `settle STEP VERDICT`. `STEP.2` is the second attempt, whatever the run is at.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ensue_event::ours::{Answer, Failure, Took};
use ensue_event::{Digest, Key, Position, Span, Time};
use ensue_expr::Value;
use ensue_lang::catalog;
use ensue_lang::{Loaded, SourceFile};
use ensue_run::run::{Place, Waits};
use ensue_run::{Command, Effect, Graph, Input, Machine, Run, Status, World, compile};
use serde_json::json;

const START: Time = Time::from_secs(1_767_225_600);

const CONNECTIONS: &str = r#"
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: api }
spec: { http: { url: "https://api.example.com" } }
---
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: team }
spec: { slack: { webhook: "${{ secrets.SLACK }}" } }
---
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: shell }
spec: { exec: { enabled: true } }
---
apiVersion: ensue.dev/v1
kind: Table
metadata: { name: owners }
spec: { key: name, rows: [ { name: shop, channel: shop-alerts } ] }
---
"#;

/// A rule with these fields of `spec` beside `when`, and other documents.
pub(crate) fn documents(spec: &str, more: &str) -> String {
    let mut out = CONNECTIONS.to_owned();
    out.push_str("apiVersion: ensue.dev/v1\nkind: Rule\nmetadata: { name: r }\nspec:\n");
    out.push_str("  when: { event: { type: [go] } }\n");
    for line in spec.trim_matches('\n').lines() {
        let _ = writeln!(out, "  {line}");
    }
    for document in more.split("---").filter(|text| !text.trim().is_empty()) {
        let _ = write!(out, "---\napiVersion: ensue.dev/v1\n{}\n", document.trim());
    }
    out
}

pub(crate) fn load(text: &str) -> Loaded {
    let loaded = ensue_lang::load(&[SourceFile { path: "t.yaml".into(), text: text.into() }]);
    assert!(loaded.ok(), "{}", loaded.render(false));
    loaded
}

pub(crate) fn graph(text: &str) -> Graph {
    let loaded = load(text);
    let rule = loaded.config.rules.values().next().unwrap();
    compile(rule, &loaded.config.workflows).unwrap()
}

/// One run under way.
pub(crate) struct Play {
    graph: Graph,
    pub(crate) run: Run,
    now: Time,
    /// Effects that were decided and have no answer: what the engine's outbox would hold.
    outbox: BTreeMap<Key, Effect>,
    timers: BTreeSet<(Time, Key)>,
    /// All effects that ever were, by `step.attempt`; of several generations, the last.
    pub(crate) effects: BTreeMap<String, Effect>,
    pub(crate) told: String,
}

impl Play {
    pub(crate) fn new(text: &str) -> Play {
        let event = json!({"id": "e1", "source": "/test", "type": "go", "data": {"n": 7, "list": [1, 2]}});
        let run = Run {
            timed: false,
            count: None,
            batch: Vec::new(),
            id: Key::of("run", &[b"1"]),
            rule: "default/r".into(),
            definition: Digest::of(b"definition"),
            key: None,
            events: vec![Took { position: Position(1), item: None, event }],
            lets: serde_json::Map::from_iter([("who".to_owned(), json!("ada"))]),
            correlation: "c1".into(),
            cause: "f1".into(),
            depth: 1,
            generation: 0,
            status: Status::Running,
            started: START,
            finished: None,
            at: Place::default(),
            steps: BTreeMap::new(),
            failed: None,
            failed_at: None,
            cancelled: None,
            slot: None,
        };
        Play {
            graph: graph(text),
            run,
            now: START,
            outbox: BTreeMap::new(),
            timers: BTreeSet::new(),
            effects: BTreeMap::new(),
            told: String::new(),
        }
    }

    /// Gives the run one input and checks what must hold after each: the run is over with nothing left behind, or it
    /// waits for something that will come. A refused command changes nothing.
    pub(crate) fn input(&mut self, input: Input) -> Result<Vec<Command>, String> {
        let before = self.run.clone();
        let tables = Value::from(json!({"owners": {"shop": {"channel": "shop-alerts"}}}));
        let connection = |name: &str| format!("default/{name}");
        let idempotency =
            |action: &str, with: &serde_json::Value, _: Option<&str>| catalog::idempotency(action, with, None);
        let world = World { now: self.now, tables: &tables, connection: &connection, idempotency: &idempotency };
        let mut again = self.run.clone();
        let result = Machine::new(&self.graph, &world, &mut self.run).step(input.clone());
        let second = Machine::new(&self.graph, &world, &mut again).step(input);
        assert_eq!((&result, &self.run), (&second, &again), "the same input gives the same commands and the same run");
        let commands = match result {
            Ok(commands) => commands,
            Err(refused) => {
                assert_eq!(self.run, before, "a refused command changes nothing");
                return Err(refused.to_string());
            }
        };
        for command in &commands {
            match command {
                Command::Do(effect) => {
                    let old = self.outbox.insert(effect.key, (**effect).clone());
                    assert_eq!(old, None, "an effect is decided while it is under way");
                    self.effects.insert(format!("{}.{}", effect.step, effect.attempt), (**effect).clone());
                }
                Command::Wake { effect, due } => {
                    self.timers.insert((*due, *effect));
                }
                Command::Forget(effect) => {
                    self.outbox.remove(effect);
                }
                Command::Emit(_) | Command::Over => {}
            }
        }
        self.check();
        Ok(commands)
    }

    fn check(&self) {
        let run = &self.run;
        let read: Run = serde_json::from_str(&serde_json::to_string(run).unwrap()).unwrap();
        assert_eq!(read, *run, "a run is the same after it was stored");
        match run.waits_for() {
            None => {
                assert!(run.status.over(), "the run is {:?} and waits for nothing:\n{}", run.status, self.told);
                assert!(self.outbox.is_empty(), "the run is over and an effect is left: {:?}", self.outbox);
                assert!(run.finished.is_some());
            }
            Some(Waits::Answer(effect)) => assert!(self.outbox.contains_key(&effect), "no such effect:\n{}", self.told),
            Some(Waits::Until(due)) => assert!(self.timers.iter().any(|(at, _)| *at == due)),
            Some(Waits::Person(_)) => assert_eq!(run.status, Status::Uncertain),
        }
        assert!(self.outbox.len() <= 1, "steps are sequential");
    }

    /// What an answer of this step is for: the attempt under way, or the one that is named.
    fn attempt(&self, step: &str) -> Effect {
        let known = self.effects.get(step).cloned();
        let under_way = || self.outbox.values().find(|effect| effect.step == step).cloned();
        // A step without an effect under way has its last attempt answered once more.
        let last = || self.effects.values().filter(|effect| effect.step == step).max_by_key(|effect| effect.attempt);
        known
            .or_else(under_way)
            .or_else(|| last().cloned())
            .unwrap_or_else(|| panic!("no effect of {step}: {}", self.told))
    }

    pub(crate) fn answer(&mut self, effect: &Effect, answer: Answer) -> Result<Vec<Command>, String> {
        // As the engine does: an answer takes its row, if it is that attempt's.
        if self.outbox.get(&effect.key).is_some_and(|row| row.attempt == effect.attempt) {
            self.outbox.remove(&effect.key);
        }
        self.input(Input::Answer { effect: effect.key, attempt: effect.attempt, answer })
    }

    pub(crate) fn lost(&mut self, effect: &Effect) -> Result<Vec<Command>, String> {
        self.outbox.remove(&effect.key);
        let reason = "the process died".to_owned();
        self.input(Input::Unknown { effect: effect.key, attempt: effect.attempt, reason })
    }

    pub(crate) fn due(&mut self) -> Option<Result<Vec<Command>, String>> {
        let (due, effect) = self.timers.pop_first()?;
        self.now = self.now.max(due);
        Some(self.input(Input::Due { effect }))
    }

    pub(crate) fn say(&mut self, line: &str) {
        self.now = self.now + Span::secs(1);
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        let failure = |name: &str| Failure::new(name, format!("it says {name}"));
        let result = match words[..] {
            ["start"] => self.input(Input::Start),
            ["wait"] => self.due().expect("a timer"),
            ["cancel"] => self.input(Input::Cancel { reason: "ada: enough".into() }),
            ["resume"] => self.input(Input::Resume { from: None }),
            ["resume", step] => self.input(Input::Resume { from: Some(step.into()) }),
            ["skip", step] => self.input(Input::Skip { step: step.into() }),
            ["settle", step, verdict] => self.input(Input::Settle { step: step.into(), verdict: verdict.into() }),
            [step, "ok"] => self.answer(&self.attempt(step), Answer::Ok(json!({}))),
            [step, "ok", outputs] => {
                self.answer(&self.attempt(step), Answer::Ok(serde_json::from_str(outputs).unwrap()))
            }
            [step, "fails", name] => self.answer(&self.attempt(step), Answer::Err(failure(name))),
            [step, "passes", rest] => {
                let (name, after) = rest.split_once(' ').unwrap_or((rest, ""));
                let mut failure = failure(name).retryable();
                failure.retry_after = after.parse().ok().map(Span::millis);
                self.answer(&self.attempt(step), Answer::Err(failure))
            }
            [step, "lost"] => self.lost(&self.attempt(step)),
            _ => panic!("no such line: {line}"),
        };
        let _ = writeln!(self.told, "> {line}");
        match result {
            Ok(commands) => {
                if commands.is_empty() {
                    self.told.push_str("  nothing\n");
                }
                for command in commands {
                    let text = self.command(&command);
                    let _ = writeln!(self.told, "  {text}");
                }
            }
            Err(why) => {
                let _ = writeln!(self.told, "  refused: {}", why.replace(&self.run.id.to_string(), "RUN"));
            }
        }
    }

    fn step_of(&self, key: &Key) -> String {
        self.effects.values().find(|effect| effect.key == *key).map_or_else(|| "?".into(), |effect| effect.step.clone())
    }

    fn command(&self, command: &Command) -> String {
        match command {
            Command::Do(effect) => format!("do {}.{} {} {}", effect.step, effect.attempt, effect.action, effect.with),
            Command::Wake { effect, due } => format!("wake {} in {}", self.step_of(effect), due.since(self.now)),
            Command::Forget(effect) => format!("forget {}", self.step_of(effect)),
            Command::Emit(said) => {
                let mut out = format!("emit {}", said.kind);
                for (name, value) in [("source", &said.source), ("subject", &said.subject)] {
                    if let Some(value) = value {
                        let _ = write!(out, " {name} {value}");
                    }
                }
                for (name, value) in &said.extensions {
                    let _ = write!(out, " {name} {value}");
                }
                if let Some(data) = &said.data {
                    let _ = write!(out, " {data}");
                }
                out
            }
            Command::Over => "over".to_owned(),
        }
    }

    /// How the run and its steps stand.
    pub(crate) fn standing(&self) -> String {
        let run = &self.run;
        let mut out = format!("= {}", run.status.as_str());
        if let Some(failed) = &run.failed {
            let _ = write!(out, " at {}: {}: {}", failed.step, failed.error.name, failed.error.message);
        }
        out.push('\n');
        for (path, step) in &run.steps {
            let status = serde_json::to_value(step.status).unwrap();
            let _ = write!(out, "  {path} {}", status.as_str().unwrap());
            if step.attempt > 1 {
                let _ = write!(out, " attempt {}", step.attempt);
            }
            if !step.outputs.is_null() {
                let _ = write!(out, " {}", step.outputs);
            }
            if let Some(error) = &step.error {
                let _ = write!(out, " {}: {}", error.name, error.message);
            }
            out.push('\n');
        }
        out
    }
}

/// Plays a script, one input a line, and gives all that was commanded and how the run stands then.
pub(crate) fn play_with(spec: &str, more: &str, script: &str) -> String {
    let mut play = Play::new(&documents(spec, more));
    play.say("start");
    for line in script.split(';').map(str::trim).filter(|line| !line.is_empty()) {
        play.say(line);
    }
    format!("{}{}", play.told, play.standing())
}

pub(crate) fn play(spec: &str, script: &str) -> String {
    play_with(spec, "", script)
}
