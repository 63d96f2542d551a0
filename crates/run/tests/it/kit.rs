//! Runs a rule's steps by a script and writes down what the machine commands.
//!
//! A line of a script is one input: `start`, `STEP ok [OUTPUTS]`, `STEP fails NAME` (another try will not help),
//! `STEP passes NAME [AFTER_MS]` (it may pass: another try may help), `STEP lost`, `wait` (until the timer is due),
//! `cancel`, `resume [STEP]`, `skip STEP`, `settle STEP VERDICT`, `rollback`, `STEP comes DATA` (an event that it waits
//! for), `STEP yes|no WHO[:ROLE]`. `STEP.2` is the second attempt, whatever the run is at.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ensue_event::ours::{Answer, Failure, Took};
use ensue_event::{Digest, Key, Position, Span, Time};
use ensue_expr::Value;
use ensue_lang::catalog;
use ensue_lang::{Loaded, SourceFile};
use ensue_run::branch::named;
use ensue_run::{Alarm, Branch, Command, Effect, Graph, Input, Machine, Run, Status, Waits, World, compile};
use serde_json::json;
use std::sync::Arc;

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
    pub(crate) now: Time,
    pub(crate) branches: BTreeMap<u32, Arc<Branch>>,
    cache: BTreeMap<Key, serde_json::Value>,
    /// Steps that wait for an event.
    awaits: BTreeSet<(u32, String)>,
    /// Effects that were decided and have no answer: what the engine's outbox would hold.
    pub(crate) outbox: BTreeMap<Key, Effect>,
    timers: BTreeSet<(Time, u32, String)>,
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
            cancelled: None,
            slot: None,
            starter: None,
            uncertain: 0,
            branches: 0,
            due: None,
            trunk: Branch::default(),
        };
        Play {
            graph: graph(text),
            run,
            now: START,
            branches: BTreeMap::new(),
            cache: BTreeMap::new(),
            awaits: BTreeSet::new(),
            outbox: BTreeMap::new(),
            timers: BTreeSet::new(),
            effects: BTreeMap::new(),
            told: String::new(),
        }
    }

    /// Gives the run one input and checks what must hold after each: the run is over with nothing left behind, or it
    /// waits for something that will come. A refused command changes nothing.
    pub(crate) fn input(&mut self, input: Input) -> Result<Vec<Command>, String> {
        let before = (self.run.clone(), self.branches.clone());
        let tables = Value::from(json!({"owners": {"shop": {"channel": "shop-alerts"}}}));
        let connection = |name: &str| format!("default/{name}");
        let idempotency =
            |action: &str, with: &serde_json::Value, _: Option<&str>| catalog::idempotency(action, with, None);
        let kept = self.cache.clone();
        let cache = |key: Key| kept.get(&key).cloned();
        let world =
            World { now: self.now, tables: &tables, connection: &connection, idempotency: &idempotency, cache: &cache };
        let (mut again, mut others) = before.clone();
        let result = Machine::new(&self.graph, &world, &mut self.run, &mut self.branches).step(input.clone());
        let second = Machine::new(&self.graph, &world, &mut again, &mut others).step(input);
        assert_eq!(
            (&result, &self.run, &self.branches),
            (&second, &again, &others),
            "the same input gives the same commands and the same run"
        );
        let commands = match result {
            Ok(commands) => commands,
            Err(refused) => {
                assert_eq!((&self.run, &self.branches), (&before.0, &before.1), "a refused command changes nothing");
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
                Command::Wake(Alarm { branch, step, due }) => {
                    self.timers.insert((*due, *branch, step.clone()));
                }
                Command::Calm(Alarm { branch, step, due }) => {
                    self.timers.remove(&(*due, *branch, step.clone()));
                }
                Command::Forget(effect) | Command::Rest(effect) => {
                    self.outbox.remove(effect);
                }
                Command::Await { branch, step, .. } => {
                    self.awaits.insert((*branch, step.clone()));
                }
                Command::Unawait { branch, step } => {
                    self.awaits.remove(&(*branch, step.clone()));
                }
                Command::Keep { key, outputs, .. } => {
                    self.cache.insert(*key, outputs.clone());
                }
                Command::Emit(_) | Command::Over | Command::Ask { .. } => {}
            }
        }
        self.check();
        Ok(commands)
    }

    fn check(&self) {
        let run = &self.run;
        let read: Run = serde_json::from_str(&serde_json::to_string(run).unwrap()).unwrap();
        assert_eq!(read, *run, "a run is the same after it was stored");
        for branch in self.branches.values() {
            let read: Branch = serde_json::from_str(&serde_json::to_string(branch.as_ref()).unwrap()).unwrap();
            assert_eq!(read, **branch, "a branch is the same after it was stored");
        }
        let waits = run.waits(&self.branches);
        if waits.is_empty() {
            assert!(run.status.over(), "the run is {:?} and waits for nothing:\n{}", run.status, self.told);
            assert!(self.outbox.is_empty(), "the run is over and an effect is left: {:?}", self.outbox);
            assert!(self.timers.is_empty(), "the run is over and a timer is left: {:?}", self.timers);
            assert!(self.awaits.is_empty(), "the run is over and looks for an event: {:?}", self.awaits);
            assert!(run.finished.is_some());
            let going: Vec<_> = self.branches.iter().filter(|(_, branch)| branch.goes_on()).collect();
            assert!(going.is_empty(), "the run is over and a branch goes on: {going:?}");
        }
        let mut answers = 0;
        for (id, waits) in &waits {
            match waits {
                None => panic!("branch {id} waits for nothing: {run:#?}\n{}", self.told),
                Some(Waits::Answer(effect)) => {
                    answers += 1;
                    assert!(self.outbox.contains_key(effect), "no such effect:\n{}", self.told);
                }
                Some(Waits::Until(due)) => assert!(self.timers.iter().any(|(at, of, _)| (at, of) == (due, id))),
                Some(Waits::Event(step, _)) => assert!(self.awaits.contains(&(*id, step.clone()))),
                Some(Waits::Person(_)) => {}
                Some(Waits::Branches) => {
                    let child = |branch: &Branch| branch.of.as_ref().is_some_and(|of| of.parent == *id);
                    let mut live = self.branches.values().filter(|branch| child(branch) && branch.goes_on());
                    assert!(live.next().is_some(), "branch {id} waits for branches that have ended:\n{}", self.told);
                }
            }
        }
        assert_eq!(self.outbox.len(), answers, "an effect that nobody waits for:\n{}", self.told);
        let uncertain = waits.iter().filter(|(id, waits)| match waits {
            Some(Waits::Person(step)) => {
                let branch = self.branches.get(id).map_or(&run.trunk, |branch| branch);
                serde_json::to_value(branch.steps[step].status).unwrap() == "uncertain"
            }
            _ => false,
        });
        assert_eq!(uncertain.count(), run.uncertain as usize);
        assert!(run.status.over() || (run.status == Status::Uncertain) == (run.uncertain > 0));
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
        self.input(Input::Answer { branch: effect.branch, effect: effect.key, attempt: effect.attempt, answer })
    }

    pub(crate) fn lost(&mut self, effect: &Effect) -> Result<Vec<Command>, String> {
        self.outbox.remove(&effect.key);
        let reason = "the process died".to_owned();
        self.input(Input::Unknown { branch: effect.branch, effect: effect.key, attempt: effect.attempt, reason })
    }

    pub(crate) fn due(&mut self) -> Option<Result<Vec<Command>, String>> {
        let (due, branch, step) = self.timers.pop_first()?;
        self.now = self.now.max(due);
        Some(self.input(Input::Due { branch, step, due }))
    }

    /// Whether a timer is set.
    pub(crate) fn timed(&self) -> bool {
        !self.timers.is_empty()
    }

    /// Whether a step asks for an approval.
    pub(crate) fn asks(&self, branch: u32, step: &str) -> bool {
        let branch = self.branches.get(&branch).map_or(&self.run.trunk, |branch| branch);
        branch.steps.get(step).is_some_and(|step| step.status == ensue_run::StepStatus::Asking)
    }

    /// The branch and path of a step's name.
    fn place(&self, name: &str) -> (u32, String) {
        let (path, index) = ensue_run::branch::parse(name);
        let found = self.branches.iter().find(|(_, one)| one.index() == index && one.steps.contains_key(path));
        (found.map_or(0, |(id, _)| *id), path.to_owned())
    }

    fn comes(&mut self, name: &str, data: &str) -> Result<Vec<Command>, String> {
        let (branch, step) = self.place(name);
        self.comes_at(branch, step, data)
    }

    pub(crate) fn comes_at(&mut self, branch: u32, step: String, data: &str) -> Result<Vec<Command>, String> {
        assert!(self.awaits.remove(&(branch, step.clone())), "{step} does not wait for an event: {}", self.told);
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        let event = json!({"id": "e2", "source": "/test", "type": "came", "data": data});
        let took = Box::new(Took { position: Position(9), item: None, event });
        self.input(Input::Came { branch, step, took })
    }

    pub(crate) fn word(&mut self, step: &str, who: &str, refuse: bool) -> Result<Vec<Command>, String> {
        let (actor, role) = who.split_once(':').unwrap_or((who, "sre"));
        let (actor, roles) = (actor.to_owned(), vec![role.to_owned()]);
        let reason = "a test".to_owned();
        self.input(Input::Approve { step: step.to_owned(), actor, roles, refuse, shown: None, reason })
    }

    pub(crate) fn say(&mut self, line: &str) {
        self.now = self.now + Span::secs(1);
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        let failure = |name: &str| Failure::new(name, format!("it says {name}"));
        let result = match words[..] {
            ["start"] => self.input(Input::Start),
            ["wait"] => self.due().unwrap_or(Ok(Vec::new())),
            ["cancel"] => self.input(Input::Cancel { reason: "ada: enough".into() }),
            ["resume"] => self.input(Input::Resume { from: None }),
            ["resume", step] => self.input(Input::Resume { from: Some(step.into()) }),
            ["rollback"] => self.input(Input::Rollback { reason: "ada: back".into() }),
            [step, "comes", data] => self.comes(step, data),
            [step, "yes", who] => self.word(step, who, false),
            [step, "no", who] => self.word(step, who, true),
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
                let told = |command: &Command| !matches!(command, Command::Rest(_));
                for command in commands.into_iter().filter(told) {
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
            Command::Wake(Alarm { branch, step, due }) => {
                let index = self.branches.get(branch).map(|branch| branch.index().to_vec()).unwrap_or_default();
                format!("wake {} in {}", named(step, &index), due.since(self.now))
            }
            Command::Calm(Alarm { step, .. }) => format!("calm {step}"),
            Command::Rest(effect) => format!("rest {}", self.step_of(effect)),
            Command::Forget(effect) => format!("forget {}", self.step_of(effect)),
            Command::Await { step, since, .. } => format!("await {step} since {}", since.since(START)),
            Command::Unawait { step, .. } => format!("unawait {step}"),
            Command::Ask { step, from, min, ask, until } => {
                let shown: Vec<String> = ask.shown.iter().map(|one| format!("{}={}", one.what, one.value)).collect();
                let until = until.map_or_else(String::new, |until| format!(" within {}", until.since(self.now)));
                format!("ask {step} {min} of {from:?} {}{until}", shown.join(" "))
            }
            Command::Keep { outputs, .. } => format!("keep {outputs}"),
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
        if let Some(failed) = &run.trunk.failed {
            let _ = write!(out, " at {}: {}: {}", failed.step, failed.error.name, failed.error.message);
        }
        out.push('\n');
        for (path, step) in &run.trunk.steps {
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
