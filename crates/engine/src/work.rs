//! Runs: from an input to what their machine commands.

use std::sync::Arc;

use ensue_event::ours::{ApprovalAsked, Failure, Mode, RuleFired, RunFailed, RunFinished, RunStarted};
use ensue_event::{Attr, Digest, Event, Key, Ours, Record, Time};
use ensue_run::branch::Failed;
use ensue_run::machine::{Refused, Said};
use ensue_run::step::Ask;
use ensue_run::{Alarm, Branch, Branches, BranchesMut, Command, Effect, Input, Machine, Run, Status, World};

use crate::emit::Chain;
use crate::fold::{Engine, Pinned, Poison};
use crate::state::{KEPT_OUTPUTS, KEPT_RUNS, Kept, MAX_OUTBOX, Mark, Outboxed, Timer};
use crate::table::Table;

impl Engine {
    /// A firing's record is here: its run begins, or it is noted as a shadow.
    pub(crate) fn start(&mut self, record: &Record, fired: RuleFired) -> Result<(), Poison> {
        let correlation = crate::emit::correlation(&record.event);
        self.go(fired, correlation, record.event.depth())
    }

    /// What a firing means: now, or when a person lets it go.
    pub(crate) fn go(&mut self, fired: RuleFired, correlation: String, depth: u32) -> Result<(), Poison> {
        if fired.mode == Mode::Shadow {
            self.state.meta.counts.shadow += 1;
            return Ok(());
        }
        self.state.meta.counts.fired += 1;
        if self.state.outbox.len() >= MAX_OUTBOX {
            self.park_excess(fired, correlation, depth);
            return Ok(());
        }
        self.seat(fired, correlation, depth)
    }

    /// Begins the run of a firing, in this slot of its rule's `concurrency`.
    pub(crate) fn begin(
        &mut self,
        fired: RuleFired,
        correlation: String,
        depth: u32,
        slot: Option<Key>,
    ) -> Result<(), Poison> {
        let run = Run {
            id: fired.firing,
            rule: fired.rule,
            definition: fired.definition,
            key: fired.key,
            events: fired.events,
            timed: fired.timed,
            count: fired.count,
            batch: fired.batch,
            lets: fired.lets,
            correlation,
            cause: fired.firing.to_string(),
            depth,
            generation: 0,
            status: Status::Running,
            started: self.now,
            finished: None,
            cancelled: None,
            slot,
            starter: None,
            uncertain: 0,
            branches: 0,
            due: None,
            trunk: Branch::default(),
        };
        // The definition must be there before anything is said about the run.
        self.pinned(run.definition)?;
        self.tell_started(&run);
        self.drive(run, Input::Start).map(|_| ())
    }

    fn tell_started(&mut self, run: &Run) {
        let told = RunStarted { run: run.id, rule: run.rule.clone(), definition: run.definition, key: run.key.clone() };
        let id = Key::of("run.started", &[&run.id.0, &run.generation.to_be_bytes()]);
        let chain = Self::chain(run);
        self.emit_ours(id, &Ours::from(told), &chain);
    }

    pub(crate) fn chain(run: &Run) -> Chain {
        Chain { correlation: run.correlation.clone(), cause: run.cause.clone(), depth: run.depth }
    }

    /// The graph of a pinned definition.
    pub(crate) fn pinned(&mut self, digest: Digest) -> Result<Arc<Pinned>, Poison> {
        if let Some(known) = self.graphs.get(&digest) {
            return Ok(Arc::clone(known));
        }
        let pinned = if let Some(decider) = self.config.defined(digest) {
            Pinned {
                graph: Arc::clone(&decider.graph),
                namespace: decider.rule.name.namespace.clone(),
                concurrency: decider.rule.concurrency.clone(),
            }
        } else {
            let definition = self.state.definitions.get(&digest).ok_or(Poison::NoDefinition(digest))?;
            let wrong = |why: ensue_run::compile::Error| Poison::Definition { digest, why: why.to_string() };
            let (rule, workflows) = definition.read().map_err(wrong)?;
            let graph = ensue_run::compile(&rule, &workflows).map_err(wrong)?;
            Pinned {
                graph: Arc::new(graph),
                namespace: rule.name.namespace.clone(),
                concurrency: rule.concurrency.clone(),
            }
        };
        let pinned = Arc::new(pinned);
        self.graphs.insert(digest, Arc::clone(&pinned));
        Ok(pinned)
    }

    /// Gives a run that is kept one input. A run that is not there (any more) is left alone.
    pub(crate) fn input(&mut self, run: Key, input: Input) -> Result<Option<Refused>, Poison> {
        match self.state.runs.get(&run).map(|run| run.as_ref().clone()) {
            Some(run) => self.drive(run, input),
            None => Ok(None),
        }
    }

    /// A timer of a run is due. A run that cannot go on fails: the record that its timer precedes has nothing to do
    /// with it, nor have all the records after that.
    pub(crate) fn run_due(&mut self, run: Key, branch: u32, step: &str, due: Time) {
        let came = self.input(run, Input::Due { branch, step: step.to_owned(), due }).map(|_| ());
        self.or_fails(run, step, came);
    }

    /// Ends a run that could not take what a timer brought.
    pub(crate) fn or_fails(&mut self, run: Key, step: &str, came: Result<(), Poison>) {
        let Err(why) = came else { return };
        let Some(mut run) = self.state.runs.get(&run).map(|run| run.as_ref().clone()) else { return };
        let error = Failure::new("StepFailed", why.to_string());
        run.trunk.failed = Some(Failed { step: step.to_owned(), error });
        (run.status, run.finished) = (Status::Failed, Some(self.now));
        self.over(&run);
        self.state.runs.put(run.id, run.clone());
        self.stands(&run);
        self.under_way(&run, false);
    }

    /// Takes a run from an input to what it waits for next, and carries its commands out. A refused operator's command
    /// changes nothing.
    pub(crate) fn drive(&mut self, mut run: Run, input: Input) -> Result<Option<Refused>, Poison> {
        let pinned = self.pinned(run.definition)?;
        let was_over = run.status.over().then_some(run.finished).flatten();
        let was_under_way = self.state.runs.get(&run.id).is_some_and(|known| !known.status.over());
        let config = Arc::clone(self.next_config.as_ref().unwrap_or(&self.config));
        let tables = config.tables(&pinned.namespace);
        let idempotency = |action: &str, with: &serde_json::Value, connection: Option<&str>| {
            config.idempotency(action, with, connection)
        };
        let connection = |written: &str| config.connection(written, &pinned.namespace);
        let (kept, now) = (&self.state.cache, self.now);
        let cache = |key: Key| {
            kept.get(&key).filter(|row| row.until.is_none_or(|until| now < until)).map(|row| row.outputs.clone())
        };
        let world = World { now, tables: &tables, connection: &connection, idempotency: &idempotency, cache: &cache };
        let mut branches = BranchRows { run: run.id, rows: &mut self.state.branches };
        let commands = match Machine::new(&pinned.graph, &world, &mut run, &mut branches).step(input) {
            Ok(commands) => commands,
            Err(refused) => return Ok(Some(refused)),
        };
        if let Some(ended) = was_over {
            self.state.ended.delete(&(ended, run.id));
        }
        if !was_under_way {
            self.under_way(&run, true);
        }
        for command in commands {
            self.carry_out(&run, command);
        }
        self.state.runs.put(run.id, run.clone());
        self.stands(&run);
        if run.status.over() {
            self.under_way(&run, false);
        }
        self.refusals()?;
        self.look_back();
        Ok(None)
    }

    fn carry_out(&mut self, run: &Run, command: Command) {
        match command {
            Command::Do(effect) => self.outbox(run, *effect),
            Command::Rest(effect) => {
                self.state.outbox.delete(&effect);
            }
            Command::Wake(alarm) => {
                let key = (alarm.due, alarm_key(run.id, &alarm));
                let Alarm { branch, step, due } = alarm;
                self.state.timers.put(key, Timer::Run { run: run.id, branch, step, due });
            }
            Command::Calm(alarm) => {
                self.state.timers.delete(&(alarm.due, alarm_key(run.id, &alarm)));
            }
            Command::Await { branch, step, since } => self.look_for(run, branch, step, since),
            Command::Unawait { branch, step } => self.look_no_more(run, branch, &step),
            Command::Ask { step, from, min, ask, until } => self.tell_asked(run, step, from, min, &ask, until),
            Command::Keep { key, outputs, until } => self.keep_outputs(key, outputs, until),
            Command::Forget(effect) => {
                self.forget_asks(run.id, effect);
                self.state.outbox.delete(&effect);
                self.cancelled.push(effect);
            }
            Command::Emit(said) => self.say(run, *said),
            Command::Over => self.over(run),
        }
    }

    fn outbox(&mut self, run: &Run, effect: Effect) {
        let Some(asks) = self.may(run, &effect) else { return };
        let held = self.state.freezes.iter().any(|(_, freeze)| freeze.holds(&effect));
        let key = effect.key;
        let target = self.config.target(&effect);
        let (decided, at) = (self.position, self.at);
        let row = Outboxed { effect, decided, at, started: false, held, asks, may_have_left: false, target };
        let ready = row.may_leave();
        self.state.outbox.put(key, row);
        if ready {
            self.ready.push(key);
        }
    }

    fn say(&mut self, run: &Run, said: Said) {
        let source = said.source.unwrap_or_else(|| format!("/ensue/{}", run.rule));
        let mut event = Event::new(said.id.to_string(), source, said.kind);
        event.subject = said.subject.filter(|subject| !subject.is_empty()).map(Into::into);
        if let Some(data) = said.data {
            event = event.with_json(&data);
        }
        for (name, value) in said.extensions {
            event.set_extension(&name, Attr::Text(value.into()));
        }
        let chain = Chain { depth: run.depth + 1, ..Self::chain(run) };
        self.emit(event, &chain);
    }

    fn over(&mut self, run: &Run) {
        let id = Key::of("run.over", &[&run.id.0, &run.generation.to_be_bytes()]);
        let counts = &mut self.state.meta.counts;
        let told = match (run.status, &run.trunk.failed) {
            (Status::Failed, Some(failed)) => {
                counts.failed += 1;
                Ours::from(RunFailed {
                    run: run.id,
                    rule: run.rule.clone(),
                    step: Some(failed.step.clone()).filter(|step| !step.is_empty()),
                    error: failed.error.clone(),
                    started: run.started,
                })
            }
            (status, _) => {
                if status == Status::Cancelled {
                    counts.cancelled += 1;
                } else {
                    counts.succeeded += 1;
                }
                let status = status.as_str().to_owned();
                Ours::from(RunFinished { run: run.id, rule: run.rule.clone(), status, started: run.started })
            }
        };
        // One more than the firing: a rule that starts on its own run's end is cut as any other loop is.
        let chain = Chain { depth: run.depth + 1, ..Self::chain(run) };
        self.emit_ours(id, &told, &chain);
        self.state.ended.put((self.now, run.id), Mark {});
        if self.state.ended.len() >= KEPT_RUNS
            && let Some(oldest) = self.state.ended.first().map(|(key, _)| *key)
        {
            self.state.ended.delete(&oldest);
            self.forget_run(oldest.1);
        }
    }

    /// A run that is over is kept no longer.
    fn forget_run(&mut self, run: Key) {
        self.state.runs.delete(&run);
        self.forget_branches(run);
        self.drop_asks(run);
    }

    pub(crate) fn forget_branches(&mut self, run: Key) {
        for id in branch_ids(&self.state.branches, run) {
            self.state.branches.delete(&(run, id));
        }
    }

    fn tell_asked(&mut self, run: &Run, step: String, from: Vec<String>, min: u32, ask: &Ask, until: Option<Time>) {
        let shown = serde_json::to_value(&ask.shown).unwrap_or_default();
        let id = Key::of("asked", &[&run.id.0, step.as_bytes(), &run.generation.to_be_bytes(), &ask.digest.0]);
        let told =
            ApprovalAsked { run: run.id, rule: run.rule.clone(), step, from, min, shown, digest: ask.digest, until };
        let chain = Chain { depth: run.depth + 1, ..Self::chain(run) };
        self.emit_ours(id, &told.into(), &chain);
    }

    fn keep_outputs(&mut self, key: Key, outputs: serde_json::Value, until: Option<Time>) {
        if self.state.cache.len() >= KEPT_OUTPUTS
            && let Some(oldest) =
                self.state.cache.iter().min_by_key(|(key, row)| (row.kept, **key)).map(|(key, _)| *key)
        {
            self.state.cache.delete(&oldest);
        }
        self.state.cache.put(key, Kept { outputs, kept: self.now, until });
    }
}

/// The id of a run's timer: one for each step of each branch.
fn alarm_key(run: Key, alarm: &Alarm) -> Key {
    Key::of("alarm", &[&run.0, &alarm.branch.to_be_bytes(), alarm.step.as_bytes()])
}

/// The branches of one run.
pub(crate) struct BranchRows<'a> {
    pub(crate) run: Key,
    pub(crate) rows: &'a mut Table<(Key, u32), Branch>,
}

impl Branches for BranchRows<'_> {
    fn get(&self, id: u32) -> Option<Arc<Branch>> {
        self.rows.get(&(self.run, id)).cloned()
    }
    fn ids(&self) -> Vec<u32> {
        branch_ids(self.rows, self.run)
    }
}

impl BranchesMut for BranchRows<'_> {
    fn put(&mut self, id: u32, branch: Arc<Branch>) {
        self.rows.share((self.run, id), branch);
    }
    fn delete(&mut self, id: u32) {
        self.rows.delete(&(self.run, id));
    }
}

/// The same, for who only looks.
pub struct Kin<'a> {
    /// The run.
    pub run: Key,
    /// All branches.
    pub rows: &'a Table<(Key, u32), Branch>,
}

impl Branches for Kin<'_> {
    fn get(&self, id: u32) -> Option<Arc<Branch>> {
        self.rows.get(&(self.run, id)).cloned()
    }
    fn ids(&self) -> Vec<u32> {
        branch_ids(self.rows, self.run)
    }
}

fn branch_ids(rows: &Table<(Key, u32), Branch>, run: Key) -> Vec<u32> {
    rows.keys_from((run, 0)..).take_while(|(of, _)| *of == run).map(|(_, id)| *id).collect()
}
