//! A node small enough to be stopped anywhere: the real file log on a disk of the test's, a state in memory, the pump.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use ensue_engine::Outboxed;
use ensue_event::ours::{Answer, Command, ConfigApplied, ConfigFile, NodeStarted, Operator, Ours};
use ensue_event::{Digest, Event, Origin, Position, Record, Span, Time};
use ensue_log::disk::FaultDisk;
use ensue_log::{By, Draft, Entry, FileLog, Log, Options};
use ensue_pump::pump::{self, answered, node, node_started, operator};
use ensue_pump::{AppendClock, LogPast, Outgoing, Pump, Rebuild, Start, start};
use ensue_run::Run;
use ensue_state::{Memory, State};
use serde_json::json;

/// One rule for each way in which an action can be repeated.
pub(crate) const MANIFEST: &str = r#"
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: api }
spec: { http: { url: "https://api.example.com" } }
---
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: keyed }
spec: { http: { url: "https://api.example.com", idempotencyHeader: Idempotency-Key } }
---
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: team }
spec: { slack: { webhook: "${{ secrets.SLACK }}" } }
---
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: narrow }
spec: { http: { url: "https://api.example.com" }, limits: { concurrent: 2, perMinute: 3 } }
---
apiVersion: ensue.dev/v1
kind: Connection
metadata: { name: careful }
spec: { http: { url: "https://API.example.com/v1/" }, limits: { distinctTargetsPerHour: 2 } }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: careful }
spec:
  when: { event: { type: [careful] } }
  steps: [ { id: a, uses: http/request, connection: careful, with: { method: PUT, path: "/${{ event.data.of }}?q=${{ event.id }}" } } ]
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: get }
spec:
  when: { event: { type: [natural, both] } }
  steps: [ { id: a, uses: http/request, connection: api, with: { path: "/${{ event.id }}" }, retry: { max: 1, backoff: constant, initial: 10s, jitter: none } } ]
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: keyed }
spec:
  when: { event: { type: [keyed, both] } }
  steps: [ { id: a, uses: http/request, connection: keyed, with: { method: POST, path: "/${{ event.id }}" } } ]
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: post }
spec:
  when: { event: { type: [once] } }
  steps:
    - { id: a, uses: http/request, connection: api, with: { method: POST, path: "/${{ event.id }}" } }
    - { id: b, emit: { type: posted, data: { of: "${{ event.id }}" } } }
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: say }
spec:
  when: { event: { type: [notice] } }
  steps: [ { id: a, uses: slack/post, connection: team, with: { text: hi } } ]
---
apiVersion: ensue.dev/v1
kind: Rule
metadata: { name: narrow }
spec:
  when: { event: { type: [narrow] } }
  steps: [ { id: a, uses: http/request, connection: narrow, with: { path: "/${{ event.id }}" } } ]
"#;

/// What outlives a process.
pub(crate) struct World {
    pub(crate) disk: FaultDisk,
    pub(crate) store: Memory,
    pub(crate) wall: Time,
    pub(crate) boot: u32,
    manifest: String,
    starts: u32,
}

impl World {
    pub(crate) fn new() -> World {
        World::with(MANIFEST.into())
    }

    /// A world whose first start applies this configuration.
    pub(crate) fn with(manifest: String) -> World {
        let store = Memory::lagging(Pump::<Memory>::tables()).unwrap();
        World { disk: FaultDisk::new(), store, wall: Time::from_secs(1_767_225_600), boot: 1, manifest, starts: 0 }
    }

    pub(crate) fn log(&self) -> FileLog<FaultDisk> {
        let options =
            Options { segment_bytes: 64 << 10, reserve_bytes: 64 << 10, background: false, ..Options::default() };
        let position = self.store.applied().unwrap().and_then(|applied| applied.position);
        FileLog::open(Arc::new(self.disk.clone()), Path::new("/log"), options, position).unwrap().0
    }

    /// Opens the pump as a start does, without folding anything.
    pub(crate) fn open(&self, log: &FileLog<FaultDisk>) -> Result<(Pump<Memory>, Start), Rebuild> {
        let chain = |position| log.chain(position).ok();
        start::open(self.store.clone(), log.end(), &chain, quarantined(log)).map_err(|(_, why)| why)
    }

    /// A start that goes well: it folds to the end, says that it runs and what is uncertain, and is live.
    pub(crate) fn start(&mut self) -> Node {
        let log = self.log();
        let (mut pump, found) = match self.open(&log) {
            Ok(opened) => opened,
            Err(_) => {
                self.store.set_aside();
                self.open(&log).unwrap()
            }
        };
        pump.look_back(Box::new(LogPast::new(log.reader(), None)));
        self.starts += 1;
        let clock = AppendClock::after(log.last_at());
        let mut node = Node { log, pump, clock, wall: self.wall, found, told: BTreeMap::new() };
        node.catch_up();
        let started = NodeStarted {
            version: "test".into(),
            fold: ensue_engine::FOLD,
            boot: self.boot.to_string(),
            stopped_at: node.log.last_at(),
            clean: node.found.clean,
        };
        let mut out = vec![node_started(started, format!("start-{}", self.starts))];
        if node.pump.engine().state().config.is_empty() {
            let files = vec![ConfigFile { path: "t.yaml".into(), text: self.manifest.clone() }];
            let applied = ConfigApplied { documents: Vec::new(), files, observe: false };
            out.push(pump::node("config".into(), &applied.into()));
        }
        node.send(out);
        node.catch_up();
        let uncertain = node.pump.uncertain(self.wall, Span::hours(1));
        node.send(uncertain);
        node.catch_up();
        node.pump.go_live();
        node.checkpoint();
        node.pump.alive();
        node
    }

    /// The process dies: the disk and what was written to it stay.
    pub(crate) fn kill(&mut self, node: Node) {
        drop(node);
        self.disk.kill();
    }

    /// The power is cut: what was not synced is lost, commits of the state as well.
    pub(crate) fn cut_power(&mut self, node: Node, commits_kept: usize) {
        drop(node);
        self.disk.crash(7);
        self.store.crash(commits_kept);
        self.boot += 1;
    }

    /// The rows as a fold from the first record makes them.
    pub(crate) fn rebuilt(&self, log: &FileLog<FaultDisk>) -> String {
        let store = Memory::new(Pump::<Memory>::tables()).unwrap();
        let opened = start::open(store, log.end(), &|_| None, quarantined(log));
        let (mut pump, _) = opened.map_err(|(_, why)| why).unwrap();
        pump.look_back(Box::new(LogPast::new(log.reader(), None)));
        for entry in entries(log, Position(0)) {
            match entry {
                Entry::Record(record) => pump.fold(&record).unwrap(),
                Entry::Unreadable { position, why } => pump.unreadable(position, &format!("{why:?}")),
            }
        }
        let last = Position(log.end().0 - 1);
        assert!(pump.checkpoint(log.chain(last).unwrap()).unwrap());
        pump.store().dump().unwrap()
    }
}

pub(crate) fn quarantined(log: &FileLog<FaultDisk>) -> BTreeSet<Position> {
    let found = log.find_by(By::Type("dev.ensue.record.quarantined"), usize::MAX).unwrap();
    found
        .iter()
        .filter_map(|record| match Ours::of(&record.event) {
            Ok(Ours::RecordQuarantined(quarantined)) => Some(quarantined.position),
            _ => None,
        })
        .collect()
}

fn entries(log: &FileLog<FaultDisk>, from: Position) -> Vec<Entry> {
    log.read(from, usize::MAX, usize::MAX).unwrap()
}

/// One process.
pub(crate) struct Node {
    pub(crate) log: FileLog<FaultDisk>,
    pub(crate) pump: Pump<Memory>,
    clock: AppendClock,
    pub(crate) wall: Time,
    pub(crate) found: Start,
    told: BTreeMap<String, u32>,
}

impl Node {
    pub(crate) fn send(&mut self, batch: Vec<Outgoing>) {
        if batch.is_empty() {
            return;
        }
        let drafts: Vec<Draft> = batch.into_iter().map(|out| Draft::new(out.origin, out.event)).collect();
        let (at, _) = self.clock.read(self.wall, Span(self.wall.0));
        self.log.append_urgent(at, &drafts).unwrap();
    }

    /// An event from outside, durable. Its position.
    pub(crate) fn event(&mut self, kind: &str, id: &str) -> Position {
        self.said(kind, id, json!({}))
    }

    /// The same, with something in it.
    pub(crate) fn said(&mut self, kind: &str, id: &str, data: serde_json::Value) -> Position {
        let event = Event::new(id, "/test", kind).with_json(&data);
        let (at, _) = self.clock.read(self.wall, Span(self.wall.0));
        self.log.append(at, &[Draft::new(Origin::Source("default/test".into()), event)]).unwrap()
    }

    pub(crate) fn operator(&mut self, command: Command) {
        self.asks("ada", &[], command);
    }

    /// A person with these roles asks for something.
    pub(crate) fn asks(&mut self, actor: &str, roles: &[&str], command: Command) {
        let count = self.told.entry("operator".into()).or_default();
        *count += 1;
        let id = format!("operator-{}-{count}", self.log.end());
        let asked = Operator {
            command,
            actor: actor.into(),
            roles: roles.iter().map(ToString::to_string).collect(),
            reason: "a test".into(),
        };
        self.send(vec![operator(id, asked)]);
    }

    pub(crate) fn record(&self, position: Position) -> Record {
        match self.log.read(position, 1, usize::MAX).unwrap().pop() {
            Some(Entry::Record(record)) => record,
            other => panic!("{position}: {other:?}"),
        }
    }

    /// Folds what is durable, and nothing else.
    pub(crate) fn fold(&mut self) {
        for entry in entries(&self.log, self.pump.wants()) {
            match entry {
                Entry::Record(record) => self.pump.fold(&record).unwrap(),
                Entry::Unreadable { position, why } => self.pump.unreadable(position, &format!("{why:?}")),
            }
            assert_eq!(self.pump.engine().stuck().count(), 0);
        }
    }

    /// Folds all but one record, which cannot be folded.
    pub(crate) fn fold_but(&mut self, bad: Position) {
        // The panic is meant: its message would only frighten the reader of the test's output.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        for entry in entries(&self.log, self.pump.wants()) {
            let Entry::Record(record) = entry else { continue };
            let break_it = |record: &Record| assert_ne!(record.position, bad, "broken on purpose");
            self.pump.fold_after(&record, &break_it).unwrap();
        }
        std::panic::set_hook(hook);
    }

    /// Appends what the pump hands out: quarantines and emissions.
    pub(crate) fn flush(&mut self) {
        let out = self.pump.outgoing();
        self.send(out);
    }

    pub(crate) fn checkpoint(&mut self) -> bool {
        let last = self.pump.engine().state().meta.folded.unwrap();
        let chain: Digest = self.log.chain(last).unwrap();
        let done = self.pump.checkpoint(chain).unwrap();
        if done {
            self.log.set_checkpoint(last, chain);
        }
        done
    }

    pub(crate) fn catch_up(&mut self) {
        self.fold();
        loop {
            let out = self.pump.outgoing();
            if out.is_empty() {
                return;
            }
            self.send(out);
            self.fold();
        }
    }

    /// What may leave now: announcements are appended, folded and checkpointed until only actions are left.
    pub(crate) fn work(&mut self) -> Vec<Outboxed> {
        let mut all = Vec::new();
        loop {
            self.catch_up();
            self.checkpoint();
            let (announce, perform) = self.pump.work(self.wall);
            all.extend(perform);
            if announce.is_empty() {
                return all;
            }
            self.send(announce);
        }
    }

    pub(crate) fn answer(&mut self, row: &Outboxed, answer: Answer) -> Position {
        let at = self.log.end();
        self.send(vec![answered(row, answer, None, None)]);
        at
    }

    pub(crate) fn ok(&mut self, row: &Outboxed) -> Position {
        self.answer(row, Answer::Ok(json!({"status": 200})))
    }

    pub(crate) fn tick(&mut self) {
        let id = format!("tick-{}", self.log.end());
        self.send(vec![pump::tick(id)]);
    }

    pub(crate) fn say(&mut self, ours: &Ours) {
        let id = format!("said-{}", self.log.end());
        self.send(vec![node(id, ours)]);
    }

    /// How many records of this type there are.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.log.find_by(By::Type(kind), usize::MAX).unwrap().len()
    }

    pub(crate) fn runs(&self) -> Vec<Run> {
        self.pump.engine().state().runs.iter().map(|(_, run)| run.as_ref().clone()).collect()
    }

    pub(crate) fn statuses(&self) -> Vec<&'static str> {
        self.runs().iter().map(|run| run.status.as_str()).collect()
    }

    /// No firing is there twice, every emission is in order, and a rebuild gives the same rows.
    pub(crate) fn check(&mut self, world: &World) {
        self.catch_up();
        let (mut fired, mut last) = (BTreeSet::new(), None);
        for entry in entries(&self.log, Position(0)) {
            let Entry::Record(record) = entry else { continue };
            if let Ok(Ours::RuleFired(firing)) = Ours::of(&record.event) {
                assert!(fired.insert(firing.firing), "decided twice: {}", firing.firing);
            }
            if let Origin::Emitted(place) = record.origin {
                assert!(last.is_none_or(|last| place > last), "{place} after {last:?}");
                last = Some(place);
            }
        }
        self.is_what_the_log_says(world);
    }

    /// A rebuild gives the same rows.
    pub(crate) fn is_what_the_log_says(&mut self, world: &World) {
        assert!(self.checkpoint());
        assert_eq!(self.pump.store().dump().unwrap(), world.rebuilt(&self.log));
    }
}
