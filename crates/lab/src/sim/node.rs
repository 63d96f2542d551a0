//! The node as the simulator runs it: the same log, pump and fold as the real one, one step at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use ensue_engine::Outboxed;
use ensue_event::ours::{Answer, Command, ConfigApplied, ConfigFile, NodeStarted, NodeStopped, Operator, Ours};
use ensue_event::{Digest, Key, Origin, Position, Span};
use ensue_log::disk::{FaultDisk, Rng};
use ensue_log::{By, Draft, Entry, FileLog, Log, Options};
use ensue_pump::pump::{self, answered, node, operator, tick};
use ensue_pump::{AppendClock, LogPast, Outgoing, Pump, start};
use ensue_run::{Status, StepStatus};
use ensue_state::{Memory, State};

use super::outside::Outside;

/// What the simulator runs: every kind of step, retries, catches, chains of rules, and a loop that must be cut.
const MANIFEST: &str = include_str!("sim.yaml");
/// And a rule with every other kind of step.
const STEPS: &str = include_str!("steps.yaml");
/// And rules that remember: correlation, flow control, ordering.
const REMEMBER: &str = include_str!("remember.yaml");

/// How long an effect may lie undone before a start calls it uncertain.
const HORIZON: Span = Span::hours(1);

pub(super) struct Node {
    pub(super) log: FileLog<FaultDisk>,
    pub(super) pump: Pump<Memory>,
    clock: AppendClock,
    outbound: VecDeque<Outgoing>,
    ticked: bool,
}

impl Node {
    /// Recovery as the real node does it: fold to the end first, then say what is uncertain, then go live.
    pub(super) fn start(outside: &mut Outside, violations: &mut Vec<String>) -> Result<Node, String> {
        let position = outside.store.applied().map_err(text)?.and_then(|applied| applied.position);
        // One thread: whatever happens, happens in the order of the seed.
        let options =
            Options { segment_bytes: 32 << 10, reserve_bytes: 64 << 10, background: false, ..Options::default() };
        let (log, _) = FileLog::open(std::sync::Arc::new(outside.disk.clone()), Path::new("/log"), options, position)
            .map_err(text)?;
        let aside = quarantined(&log)?;
        let chain = |position| log.chain(position).ok();
        let (mut pump, found) = match start::open(outside.store.clone(), log.end(), &chain, aside.clone()) {
            Ok(opened) => opened,
            Err((_, _)) => {
                outside.store.set_aside();
                start::open(outside.store.clone(), log.end(), &chain, aside).map_err(|(_, why)| text(why))?
            }
        };
        pump.look_back(Box::new(LogPast::new(log.reader(), None)));
        let clock = AppendClock::after(log.last_at());
        let mut node = Node { log, pump, clock, outbound: VecDeque::new(), ticked: false };
        node.fold_all(violations)?;
        let started = NodeStarted {
            version: "sim".into(),
            fold: ensue_engine::FOLD,
            boot: outside.boot.to_string(),
            stopped_at: node.log.last_at(),
            clean: found.clean,
        };
        let id = outside.next_id();
        node.send(outside, vec![pump::node_started(started, format!("start-{id}"))])?;
        if node.pump.engine().state().config.is_empty() {
            let mut files = vec![ConfigFile { path: "sim.yaml".into(), text: MANIFEST.into() }];
            if outside.remembers {
                files.push(ConfigFile { path: "remember.yaml".into(), text: REMEMBER.into() });
            }
            if outside.branches {
                files.push(ConfigFile { path: "steps.yaml".into(), text: STEPS.into() });
            }
            let applied = Ours::from(ConfigApplied { documents: Vec::new(), files, observe: false });
            node.send(outside, vec![pump::node(format!("config-{id}"), &applied)])?;
        }
        node.fold_all(violations)?;
        let uncertain = node.pump.uncertain(node.clock.last(), HORIZON);
        node.send(outside, uncertain)?;
        node.fold_all(violations)?;
        node.pump.go_live();
        node.checkpoint()?;
        node.pump.alive();
        Ok(node)
    }

    pub(super) fn end(&self) -> Position {
        self.log.end()
    }

    pub(super) fn runs(&self) -> usize {
        let counts = self.pump.engine().state().meta.counts;
        usize::try_from(counts.succeeded + counts.failed + counts.cancelled).unwrap_or(0)
    }

    pub(super) fn fired(&self) -> BTreeMap<String, u64> {
        self.pump.engine().state().rules.iter().map(|(rule, known)| (rule.clone(), known.fired)).collect()
    }

    fn send(&mut self, outside: &mut Outside, batch: Vec<Outgoing>) -> Result<(), String> {
        if batch.is_empty() {
            return Ok(());
        }
        let (at, step) = self.clock.read(outside.wall, outside.mono);
        let mut drafts = Vec::new();
        if let Some(step) = step {
            let id = outside.next_id();
            let told = node(format!("clock-{id}"), &Ours::from(step));
            drafts.push(Draft::new(told.origin, told.event));
        }
        drafts.extend(batch.iter().map(|out| Draft::new(out.origin.clone(), out.event.clone())));
        self.log.append_urgent(at, &drafts).map_err(text)?;
        for out in batch {
            match Ours::of(&out.event) {
                Ok(Ours::ActionAnswered(answered)) if matches!(answered.answer, Answer::Ok(_)) => {
                    outside.ledger.answered.insert(answered.of.effect);
                }
                // An answer that was set aside is none: a person decides whether it is done again (seed 999).
                Ok(Ours::RecordQuarantined(quarantined)) => {
                    if let Some(of) = quarantined.answer {
                        outside.ledger.answered.remove(&of.effect);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn ingest(&mut self, outside: &mut Outside, rng: &mut Rng) -> Result<String, String> {
        let mut drafts: Vec<Draft> = Vec::new();
        let mut said = String::new();
        for _ in 0..=rng.below(4) {
            let event = outside.event(rng);
            let draft = Draft::new(Origin::Source("default/sim".into()), event);
            let (source, id) = (draft.event.source.clone(), draft.event.id.clone());
            if let Some(found) = self.log.find(&source, &id) {
                said.push_str(&format!(" {id} again"));
                outside.acked.entry(id.to_string()).or_insert(found.position);
                continue;
            }
            if drafts.iter().all(|known| known.event.id != id) {
                drafts.push(draft);
            }
        }
        if drafts.is_empty() {
            return Ok(said);
        }
        let (at, _) = self.clock.read(outside.wall, outside.mono);
        match self.log.append(at, &drafts) {
            Ok(first) => {
                for (n, draft) in drafts.iter().enumerate() {
                    let position = first.plus(n as u64);
                    said.push_str(&format!(" {}@{position}", draft.event.id));
                    outside.acked.insert(draft.event.id.to_string(), position);
                }
                Ok(said)
            }
            Err(ensue_log::Error::Full { .. }) => Ok("507".to_owned()),
            Err(why) => Err(text(why)),
        }
    }

    /// Folds at most so many records; after each, no run may be stuck.
    pub(super) fn fold(&mut self, most: u64, violations: &mut Vec<String>) -> Result<String, String> {
        let from = self.pump.wants();
        let entries = self.log.read(from, usize::try_from(most).unwrap_or(1), usize::MAX).map_err(text)?;
        let count = entries.len();
        for entry in entries {
            match entry {
                Entry::Record(record) => self.pump.fold(&record).map_err(text)?,
                Entry::Unreadable { position, why } => self.pump.unreadable(position, &format!("{why:?}")),
            }
            self.ticked = false;
            for stuck in self.pump.engine().stuck() {
                violations.push(format!("run {} of {} is stuck at {:?}", stuck.id, stuck.rule, stuck.trunk.steps));
            }
            for line in self.pump.engine().unseated() {
                violations.push(line);
            }
            super::check::concurrency(self.pump.engine(), violations);
        }
        Ok(format!("folded {count} from {from}"))
    }

    fn fold_all(&mut self, violations: &mut Vec<String>) -> Result<(), String> {
        while self.pump.wants() < self.log.end() {
            self.fold(64, violations)?;
        }
        Ok(())
    }

    /// Appends what waits to be appended. The order of emissions is kept across failures: what could not be appended
    /// stays first.
    pub(super) fn flush(&mut self, outside: &mut Outside) -> Result<String, String> {
        self.outbound.extend(self.pump.outgoing());
        let batch: Vec<Outgoing> = self.outbound.drain(..).collect();
        let count = batch.len();
        self.send(outside, batch)?;
        Ok(format!("appended {count}"))
    }

    pub(super) fn checkpoint(&mut self) -> Result<String, String> {
        let Some(last) = self.pump.engine().state().meta.folded else { return Ok("nothing folded".into()) };
        let chain: Digest = self.log.chain(last).map_err(text)?;
        let done = self.pump.checkpoint(chain).map_err(text)?;
        if done {
            self.log.set_checkpoint(last, chain);
        }
        Ok(format!("checkpoint at {last}: {done}"))
    }

    pub(super) fn work(&mut self, outside: &mut Outside, _rng: &mut Rng) -> Result<String, String> {
        for stopped in self.pump.cancelled() {
            outside.under_way.retain(|row| row.effect.key != stopped);
        }
        let (announce, perform) = self.pump.work(self.clock.last());
        let what = format!("{} announced, {} to do", announce.len(), perform.len());
        self.outbound.extend(announce);
        outside.under_way.extend(perform);
        Ok(what)
    }

    /// One action is done, and its answer appended: or the answer waits in front of a crash.
    pub(super) fn perform(
        &mut self,
        outside: &mut Outside,
        rng: &mut Rng,
        violations: &mut Vec<String>,
    ) -> Result<String, String> {
        if outside.under_way.is_empty() {
            return Ok("nothing to do".into());
        }
        let at = usize::try_from(rng.below(outside.under_way.len() as u64)).unwrap_or(0);
        let row: Outboxed = outside.under_way.swap_remove(at);
        let answer = outside.act(&row, rng, violations);
        let what = format!("{}.{} {}", row.effect.step, row.effect.attempt, matches!(answer, Answer::Ok(_)));
        self.send(outside, vec![answered(&row, answer, None, None)])?;
        Ok(what)
    }

    pub(super) fn tick(&mut self, outside: &mut Outside) -> Result<String, String> {
        let (now, _) = self.clock.clone().read(outside.wall, outside.mono);
        if self.ticked || self.pump.engine().due().is_none_or(|due| due > now) {
            return Ok("nothing due".into());
        }
        self.ticked = true;
        let id = outside.next_id();
        self.send(outside, vec![tick(format!("tick-{id}"))])?;
        Ok("tick".into())
    }

    pub(super) fn operate(&mut self, outside: &mut Outside, rng: &mut Rng) -> Result<String, String> {
        let state = self.pump.engine().state();
        let failed = state.runs.iter().find(|(_, run)| run.status == Status::Failed).map(|(id, _)| *id);
        let going = state.runs.iter().find(|(_, run)| !run.status.over()).map(|(id, _)| *id);
        let command = match (rng.below(6), failed, going) {
            (0, Some(run), _) => Command::ResumeRun { run, from: None },
            (1, Some(run), _) => Command::RetryRun { run },
            (2, _, Some(run)) => Command::CancelRun { run },
            (3, ..) => Command::Freeze { connection: None, rule: None },
            (5, ..) if rng.below(2) == 0 => return self.answer(outside, rng),
            (2, ..) => {
                let over = state.runs.iter().find(|(_, run)| run.status.over() && !run.trunk.undos.is_empty());
                let Some((run, _)) = over else { return Ok("nothing to take back".into()) };
                Command::Rollback { run: *run }
            }
            (4, ..) => Command::Thaw { connection: None, rule: None, discard: rng.below(2) == 0 },
            _ => return self.settle(outside, if rng.below(2) == 0 { "done" } else { "retry" }),
        };
        self.command(outside, command)
    }

    fn command(&mut self, outside: &mut Outside, command: Command) -> Result<String, String> {
        self.command_of(outside, command, "sim")
    }

    fn command_of(&mut self, outside: &mut Outside, command: Command, actor: &str) -> Result<String, String> {
        let what = format!("{command:?}");
        let id = outside.next_id();
        let reason = "the simulator says so".to_owned();
        let asked = Operator { command, actor: actor.into(), roles: vec!["sre".into()], reason };
        self.send(outside, vec![operator(format!("operator-{id}"), asked)])?;
        Ok(what)
    }

    /// A person decides about an uncertain step.
    fn settle(&mut self, outside: &mut Outside, verdict: &str) -> Result<String, String> {
        let Some((run, step)) = self.step_that(StepStatus::Uncertain) else { return Ok("nothing uncertain".into()) };
        self.command(outside, Command::Settle { run, step, verdict: verdict.into() })
    }

    /// A person says yes or no where a step asks.
    fn answer(&mut self, outside: &mut Outside, rng: &mut Rng) -> Result<String, String> {
        let Some((run, step)) = self.step_that(StepStatus::Asking) else { return Ok("nobody is asked".into()) };
        let (actor, refuse) = (if rng.below(2) == 0 { "ann" } else { "bob" }, rng.below(6) == 0);
        self.command_of(outside, Command::Approve { run, step, refuse, shown: None }, actor)
    }

    /// The first step that stands so, of a run that is under way.
    fn step_that(&self, stands: StepStatus) -> Option<(Key, String)> {
        let state = self.pump.engine().state();
        let going = state.runs.iter().filter(|(_, run)| !run.status.over());
        going.into_iter().find_map(|(id, run)| {
            let steps = run.steps(&state.branches_of(*id));
            steps.into_iter().find(|(_, step)| step.status == stands).map(|(name, _)| (*id, name))
        })
    }

    pub(super) fn stop(mut self, outside: &mut Outside) -> Result<String, String> {
        // What is under way is given time to answer; here it never does.
        let reason = "the simulator stops it".to_owned();
        let id = outside.next_id();
        let told = node(format!("stop-{id}"), &Ours::from(NodeStopped { reason }));
        self.send(outside, vec![told])?;
        let mut nothing = Vec::new();
        self.fold_all(&mut nothing)?;
        self.checkpoint()?;
        self.pump.store_mut().sync().map_err(text)?;
        if outside.under_way.is_empty() {
            self.pump.stopped();
        }
        outside.under_way.clear();
        outside.disk.kill();
        Ok("stopped".into())
    }

    /// Turns everything once; true when nothing is left to do.
    pub(super) fn settle_down(
        &mut self,
        outside: &mut Outside,
        rng: &mut Rng,
        violations: &mut Vec<String>,
    ) -> Result<bool, String> {
        let before = self.log.end();
        self.fold_all(violations)?;
        self.flush(outside)?;
        self.fold_all(violations)?;
        self.checkpoint()?;
        self.work(outside, rng)?;
        self.flush(outside)?;
        let mut worked = false;
        while !outside.under_way.is_empty() {
            self.perform(outside, rng, violations)?;
            worked = true;
        }
        if !self.pump.engine().state().freezes.is_empty() {
            self.command(outside, Command::Thaw { connection: None, rule: None, discard: false })?;
        }
        self.settle(outside, "done")?;
        if self.log.end() == before && !worked && self.pump.wants() == self.log.end() {
            let due = self.pump.engine().due();
            if due.is_none() && self.pump.dispatch().waiting() == 0 {
                return Ok(true);
            }
            // Nothing but time is waited for: the wall clock may be behind the log's.
            let ahead = self.clock.last().since(outside.wall).micros().max(0);
            outside.advance(Span(ahead + Span::secs(61).micros()));
            self.tick(outside)?;
        }
        Ok(false)
    }
}

/// The positions that quarantine records name.
pub(super) fn quarantined(log: &FileLog<FaultDisk>) -> Result<BTreeSet<Position>, String> {
    let found = log.find_by(By::Type("dev.ensue.record.quarantined"), usize::MAX).map_err(text)?;
    Ok(found
        .iter()
        .filter_map(|record| match Ours::of(&record.event) {
            Ok(Ours::RecordQuarantined(quarantined)) => Some(quarantined.position),
            _ => None,
        })
        .collect())
}

pub(super) fn text(why: impl std::fmt::Display) -> String {
    why.to_string()
}
