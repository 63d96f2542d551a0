//! Runs: from an input to what their machine commands.

use std::sync::Arc;

use ensue_event::ours::{Failure, Mode, RuleFired, RunFailed, RunFinished, RunStarted};
use ensue_event::{Attr, Digest, Event, Key, Ours, Record};
use ensue_run::machine::{Refused, Said};
use ensue_run::run::Failed;
use ensue_run::{Command, Effect, Input, Machine, Run, Status, World};

use crate::emit::Chain;
use crate::fold::{Engine, Pinned, Poison};
use crate::state::{KEPT_RUNS, MAX_OUTBOX, Mark, Outboxed, Timer};

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
            at: ensue_run::run::Place::default(),
            steps: std::collections::BTreeMap::new(),
            failed: None,
            failed_at: None,
            cancelled: None,
            slot,
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

    /// A backoff is over. A run that cannot go on fails: the record that its timer precedes has nothing to do with it,
    /// nor have all the records after that.
    pub(crate) fn retry(&mut self, run: Key, effect: Key) {
        let came = self.input(run, Input::Due { effect }).map(|_| ());
        self.or_fails(run, effect, came);
    }

    /// Ends a run that could not take what a timer brought.
    pub(crate) fn or_fails(&mut self, run: Key, effect: Key, came: Result<(), Poison>) {
        let Err(why) = came else { return };
        let Some(mut run) = self.state.runs.get(&run).map(|run| run.as_ref().clone()) else { return };
        let step = run.step_of(effect).map_or_else(String::new, |(path, _)| path.to_owned());
        run.failed = Some(Failed { step, error: Failure::new("StepFailed", why.to_string()) });
        (run.status, run.finished) = (Status::Failed, Some(self.now));
        self.over(&run);
        self.state.runs.put(run.id, run.clone());
        self.stands(&run);
    }

    /// Takes a run from an input to what it waits for next, and carries its commands out. A refused operator's command
    /// changes nothing.
    pub(crate) fn drive(&mut self, mut run: Run, input: Input) -> Result<Option<Refused>, Poison> {
        let pinned = self.pinned(run.definition)?;
        let was_over = run.status.over().then_some(run.finished).flatten();
        let config = Arc::clone(self.next_config.as_ref().unwrap_or(&self.config));
        let tables = config.tables(&pinned.namespace);
        let idempotency = |action: &str, with: &serde_json::Value, connection: Option<&str>| {
            config.idempotency(action, with, connection)
        };
        let connection = |written: &str| config.connection(written, &pinned.namespace);
        let world = World { now: self.now, tables: &tables, connection: &connection, idempotency: &idempotency };
        let commands = match Machine::new(&pinned.graph, &world, &mut run).step(input) {
            Ok(commands) => commands,
            Err(refused) => return Ok(Some(refused)),
        };
        if let Some(ended) = was_over {
            self.state.ended.delete(&(ended, run.id));
        }
        for command in commands {
            self.carry_out(&run, command);
        }
        self.state.runs.put(run.id, run.clone());
        self.stands(&run);
        self.refusals()?;
        Ok(None)
    }

    fn carry_out(&mut self, run: &Run, command: Command) {
        match command {
            Command::Do(effect) => self.outbox(run, *effect),
            Command::Wake { effect, due } => {
                self.state.outbox.delete(&effect);
                self.state.timers.put((due, effect), Timer::Retry { run: run.id, effect });
            }
            Command::Forget(effect) => {
                self.forget_asks(run.id, effect);
                self.state.outbox.delete(&effect);
            }
            Command::Emit(said) => self.say(run, *said),
            Command::Over => self.over(run),
        }
    }

    fn outbox(&mut self, run: &Run, effect: Effect) {
        let Some(asks) = self.may(run, &effect) else { return };
        let held = self.state.freezes.iter().any(|(_, freeze)| freeze.holds(&effect));
        let key = effect.key;
        let row = Outboxed { effect, decided: self.position, at: self.at, started: false, held, asks };
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
        let told = match (run.status, &run.failed) {
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
            self.state.runs.delete(&oldest.1);
            self.drop_asks(oldest.1);
        }
    }
}
