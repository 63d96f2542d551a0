//! The step machine: one input in, commands out.

mod approve;
mod fail;
mod fork;
mod halt;
mod operate;
mod step;
mod task;
mod wait;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ensue_event::ours::{Answer, Failure, Took};
use ensue_event::{Digest, Key, Span, Time};
use ensue_expr::{Budget, Program, Template, TemplateValue, Value};
use ensue_lang::catalog::Idempotency;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::branch::{Branch, BranchesMut, Failed, Frame, Held, Stands, TRUNK, Undo, named};
use crate::graph::{Graph, Node, NodeId, NodeKind};
use crate::run::{Run, Status};
use crate::scope::{self, Names};
use crate::step::{Ask, StepState, StepStatus};

pub use approve::ADMIN;
pub use fork::MAX_ITEMS;
pub use wait::meets;

/// How long an attempt may take where its step does not say.
pub const DEFAULT_TIMEOUT: Span = Span::mins(5);

/// The name of the failure that a cancelled step ends with.
const CANCELLED: &str = "Cancelled";

/// What the machine needs to know of the world outside the run.
pub struct World<'a> {
    /// The time of the record that is folded.
    pub now: Time,
    /// All tables by name.
    pub tables: &'a Value,
    /// The full name of the connection that a document of the namespace means.
    pub connection: &'a dyn Fn(&str) -> String,
    /// How an action can be repeated, given what it is called with and the full name of its connection.
    pub idempotency: &'a dyn Fn(&str, &serde_json::Value, Option<&str>) -> Idempotency,
    /// The outputs that are kept under this key of a `cache`, if there are any.
    pub cache: &'a dyn Fn(Key) -> Option<serde_json::Value>,
}

/// What can happen to a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Its firing was folded.
    Start,
    /// An attempt was answered.
    Answer {
        /// The branch that has the effect.
        branch: u32,
        /// The effect.
        effect: Key,
        /// Which attempt.
        attempt: u32,
        /// What came back.
        answer: Answer,
    },
    /// A timer is due: a backoff or wait is over, or the time of a step.
    Due {
        /// The branch.
        branch: u32,
        /// The path of the step; empty: of the run.
        step: String,
        /// When it was to be due: one that was set anew since is another.
        due: Time,
    },
    /// An event came that a step waits for.
    Came {
        /// The branch.
        branch: u32,
        /// The path of the step.
        step: String,
        /// The event.
        took: Box<Took>,
    },
    /// The event that a step waits for may have come and is not kept.
    Overflowed {
        /// The branch.
        branch: u32,
        /// The path of the step.
        step: String,
        /// Why, and what to do.
        why: String,
    },
    /// Somebody says yes or no to what a step asks.
    Approve {
        /// The name of the step.
        step: String,
        /// Who.
        actor: String,
        /// For whom they may speak.
        roles: Vec<String>,
        /// No.
        refuse: bool,
        /// What they were shown.
        shown: Option<Digest>,
        /// Why.
        reason: String,
    },
    /// An operator takes back what a run that is over did.
    Rollback {
        /// Why.
        reason: String,
    },
    /// Nobody knows whether an attempt was made.
    Unknown {
        /// The branch that has the effect.
        branch: u32,
        /// The effect.
        effect: Key,
        /// Which attempt.
        attempt: u32,
        /// Why.
        reason: String,
    },
    /// An operator ends it.
    Cancel {
        /// Why.
        reason: String,
    },
    /// An operator lets a failed run go on, at the step that failed or at another.
    Resume {
        /// The step; the failed one if absent.
        from: Option<String>,
    },
    /// An operator takes a step as done, with no outputs.
    Skip {
        /// The step.
        step: String,
    },
    /// An operator says what became of an uncertain step.
    Settle {
        /// The step.
        step: String,
        /// `done`, `failed` or `retry`.
        verdict: String,
    },
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Do this.
    Do(Box<Effect>),
    /// The attempt failed, and there will be another one.
    Rest(Key),
    /// Wake the run then.
    Wake(Alarm),
    /// Do not: the step is past it.
    Calm(Alarm),
    /// Forget an effect that has no answer: its run goes on without it.
    Forget(Key),
    /// Look for an event, among those that were kept and those that will come.
    Await {
        /// The branch.
        branch: u32,
        /// The path of the step.
        step: String,
        /// One that came at this time or later.
        since: Time,
    },
    /// Look no more.
    Unawait {
        /// The branch.
        branch: u32,
        /// The path of the step.
        step: String,
    },
    /// Tell people that they are asked.
    Ask {
        /// The name of the step.
        step: String,
        /// Who may answer.
        from: Vec<String>,
        /// How many must say yes.
        min: u32,
        /// What is shown.
        ask: Box<Ask>,
        /// When it is too late.
        until: Option<Time>,
    },
    /// Keep these outputs for later runs.
    Keep {
        /// For what.
        key: Key,
        /// The outputs.
        outputs: serde_json::Value,
        /// Until when.
        until: Option<Time>,
    },
    /// Say that something happened.
    Emit(Box<Said>),
    /// The run is over.
    Over,
}

/// When a run is to be woken, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// The branch.
    pub branch: u32,
    /// The path of the step; empty: the run's own `timeout`.
    pub step: String,
    /// When.
    pub due: Time,
}

/// An attempt to be made by an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// The idempotency key: shared by all automatic retries of the step.
    pub key: Key,
    /// The number of the try, from 1.
    pub attempt: u32,
    /// The run.
    pub run: Key,
    /// `namespace/name` of the rule.
    pub rule: String,
    /// The branch of the run.
    #[serde(default, skip_serializing_if = "crate::run::is_zero")]
    pub branch: u32,
    /// The name of the step: its path, with its place in a `foreach`.
    pub step: String,
    /// The action.
    pub action: String,
    /// `namespace/name` of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// What it is called with; no secret is ever in it.
    pub with: serde_json::Value,
    /// How long the attempt may take.
    pub timeout: Span,
    /// How it can be repeated.
    pub idempotency: Idempotency,
    /// Ties it to the chain that it belongs to.
    pub correlation: String,
    /// How long the chain behind it is: that of its run, which knows it. So it is not kept with the effect; it is filled
    /// in for whoever acts, and 0 before.
    #[serde(skip)]
    pub depth: u32,
}

/// An event that an `emit` step decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Its id: the step's effect key.
    pub id: Key,
    /// Its type.
    pub kind: String,
    /// Its source.
    pub source: Option<String>,
    /// Its subject.
    pub subject: Option<String>,
    /// Its data.
    pub data: Option<serde_json::Value>,
    /// Its extension attributes.
    pub extensions: Vec<(String, String)>,
}

/// Why an operator's command does not fit a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The run is over, or is not.
    #[error("run {run} is {status}; {wanted}")]
    Status {
        /// The run.
        run: Key,
        /// How it stands.
        status: &'static str,
        /// What would fit.
        wanted: &'static str,
    },
    /// No such step, or not in that state.
    #[error("step `{0}` is not waiting for this; `ensue run show` lists the steps of a run and how they stand")]
    Step(String),
    /// An approval that does not count.
    #[error("step `{step}`: {why}")]
    Approval {
        /// The step.
        step: String,
        /// Why not.
        why: String,
    },
    /// A run that cannot go on where it stopped.
    #[error("step `{0}` was taken back when the run failed; start it anew with `ensue run retry`")]
    TakenBack(String),
    /// Nothing that it did has an undo.
    #[error("run {0} has nothing to take back: no step that it finished has an `undo`")]
    NoUndo(Key),
    /// Not one of the three verdicts.
    #[error("`{0}` is not a verdict; say done, failed or retry")]
    Verdict(String),
}

/// Walks one run through its graph.
pub struct Machine<'a> {
    graph: &'a Graph,
    world: &'a World<'a>,
    run: &'a mut Run,
    branches: &'a mut dyn BranchesMut,
    /// The branch that is walked, and those that it came from, the trunk last.
    line: Vec<u32>,
    /// Branches at hand.
    loaded: BTreeMap<u32, Arc<Branch>>,
    changed: BTreeSet<u32>,
    gone: BTreeSet<u32>,
    turns: VecDeque<Turn>,
    /// Branches whose turn to go on will come.
    awake: BTreeSet<u32>,
    /// Steps with branches at which branches go on that had failed.
    resumed: BTreeSet<(u32, NodeId)>,
    out: Vec<Command>,
}

/// What is still to be done about a branch before the machine rests.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// Go on from where it is.
    Walk(u32),
    /// It has ended: whose it is goes on.
    Ended(u32),
}

enum Flow {
    Go(NodeId),
    Wait,
    Fail(Failure),
    /// A failure that comes out of what was held: its step is marked already.
    Raise(Failed),
    End,
}

impl<'a> Machine<'a> {
    /// A machine for this run and its branches.
    pub fn new(
        graph: &'a Graph,
        world: &'a World<'a>,
        run: &'a mut Run,
        branches: &'a mut dyn BranchesMut,
    ) -> Machine<'a> {
        let loaded = BTreeMap::from([(TRUNK, Arc::new(std::mem::take(&mut run.trunk)))]);
        Machine {
            graph,
            world,
            run,
            branches,
            line: vec![TRUNK],
            loaded,
            changed: BTreeSet::new(),
            gone: BTreeSet::new(),
            turns: VecDeque::new(),
            awake: BTreeSet::new(),
            resumed: BTreeSet::new(),
            out: Vec::new(),
        }
    }

    /// Takes one input and goes on as far as possible. An input that does not fit where the run is (an answer that
    /// came twice, a timer of a step that moved on) changes nothing; only operators are told.
    pub fn step(mut self, input: Input) -> Result<Vec<Command>, Refused> {
        let result = self.take(input);
        while let (Ok(()), Some(turn)) = (&result, self.turns.pop_front()) {
            match turn {
                Turn::Walk(branch) => {
                    self.awake.remove(&branch);
                    self.walk(branch);
                }
                Turn::Ended(branch) => self.ended(branch),
            }
        }
        if let Some(trunk) = self.loaded.remove(&TRUNK) {
            self.run.trunk = Arc::unwrap_or_clone(trunk);
        }
        result?;
        for id in self.gone {
            self.branches.delete(id);
        }
        for id in self.changed {
            if let Some(branch) = self.loaded.remove(&id) {
                self.branches.put(id, branch);
            }
        }
        Ok(self.out)
    }

    fn take(&mut self, input: Input) -> Result<(), Refused> {
        match input {
            Input::Start => self.start(),
            Input::Answer { branch, effect, attempt, answer } => self.answered(branch, effect, attempt, answer),
            Input::Due { branch, step, due } => self.due(branch, &step, due),
            Input::Came { branch, step, took } => self.came(branch, &step, &took),
            Input::Overflowed { branch, step, why } => self.overflowed(branch, &step, why),
            Input::Unknown { branch, effect, attempt, reason } => self.unknown(branch, effect, attempt, reason),
            Input::Approve { step, actor, roles, refuse, shown, reason } => {
                self.approved(&step, &approve::Word { actor, roles, refuse, shown, reason })?;
            }
            Input::Cancel { reason } => self.cancel(reason)?,
            Input::Resume { from } => self.resume(from)?,
            Input::Rollback { reason } => self.rollback(reason)?,
            Input::Skip { step } => self.skip(&step)?,
            Input::Settle { step, verdict } => self.settle(&step, &verdict)?,
        }
        Ok(())
    }

    fn start(&mut self) {
        self.here_mut().at.node = self.graph.entry;
        if let Some(timeout) = self.graph.timeout {
            let due = self.world.now + Span(timeout);
            self.run.due = Some(due);
            self.out.push(Command::Wake(Alarm { branch: TRUNK, step: String::new(), due }));
        }
        self.wake(TRUNK);
    }

    /// The branch of this number, at hand from now on.
    fn load(&mut self, id: u32) -> Option<&Arc<Branch>> {
        if !self.loaded.contains_key(&id) {
            let branch = if self.gone.contains(&id) { None } else { self.branches.get(id) };
            self.loaded.insert(id, branch?);
        }
        self.loaded.get(&id)
    }

    /// Turns to a branch; false if there is none of this number.
    fn turn_to(&mut self, id: u32) -> bool {
        let mut line = Vec::new();
        let mut next = Some(id);
        while let Some(id) = next {
            let Some(branch) = self.load(id) else { return false };
            next = branch.of.as_ref().map(|of| of.parent);
            line.push(id);
        }
        self.line = line;
        true
    }

    /// The number of the branch at hand.
    fn id(&self) -> u32 {
        self.line.first().copied().unwrap_or(TRUNK)
    }

    /// The branch at hand.
    fn here(&self) -> &Branch {
        static NOWHERE: std::sync::LazyLock<Branch> = std::sync::LazyLock::new(Branch::default);
        self.loaded.get(&self.id()).map_or(&NOWHERE, Arc::as_ref)
    }

    fn here_mut(&mut self) -> &mut Branch {
        let id = self.id();
        self.changed.insert(id);
        Arc::make_mut(self.loaded.entry(id).or_default())
    }

    fn remove(&mut self, id: u32) {
        self.loaded.remove(&id);
        self.changed.remove(&id);
        self.gone.insert(id);
    }

    /// What a step of the branch at hand is called.
    fn name(&self, path: &str) -> String {
        named(path, self.here().index())
    }

    /// The node that the branch at hand is at.
    fn node(&self) -> Option<&'a Node> {
        self.graph.node(self.here().at.node)
    }

    /// A branch goes on when its turn comes: once, however often it is asked to.
    fn wake(&mut self, branch: u32) {
        if self.awake.insert(branch) {
            self.turns.push_back(Turn::Walk(branch));
        }
    }

    /// Goes on from where a branch is until something must be waited for. A graph has no loops, so this ends.
    fn walk(&mut self, branch: u32) {
        // It may have been told to end before its turn came.
        if self.run.status.over() || !self.turn_to(branch) || !self.here().goes_on() || self.here().undoing.is_some() {
            return;
        }
        while let Some(node) = self.node() {
            let goes_on = match self.visit(node) {
                Flow::Go(next) => {
                    self.here_mut().at.node = next;
                    true
                }
                Flow::Wait => return,
                Flow::End => break,
                Flow::Fail(failure) => self.failed(node, failure),
                Flow::Raise(failed) => self.raise(node.region, failed),
            };
            if !goes_on {
                return;
            }
        }
        self.end(Stands::Succeeded);
    }

    /// The branch at hand is done with.
    fn end(&mut self, stands: Stands) {
        let id = self.id();
        if id == TRUNK {
            self.over();
            return;
        }
        if let Some(of) = &mut self.here_mut().of {
            of.stands = stands;
        }
        self.turns.push_back(Turn::Ended(id));
    }

    fn over(&mut self) {
        self.run.status = match (&self.run.cancelled, &self.here().failed) {
            (Some(_), _) => Status::Cancelled,
            (None, Some(_)) => Status::Failed,
            (None, None) => Status::Succeeded,
        };
        self.run.finished = Some(self.world.now);
        if let Some(due) = self.run.due.take() {
            self.out.push(Command::Calm(Alarm { branch: TRUNK, step: String::new(), due }));
        }
        self.out.push(Command::Over);
    }

    fn visit(&mut self, node: &'a Node) -> Flow {
        if let Some(cond) = &node.cond {
            match self.holds(cond) {
                Ok(true) => {}
                Ok(false) => {
                    self.mark(&node.path, StepStatus::Skipped);
                    return Flow::Go(node.next);
                }
                Err(failure) => return Flow::Fail(failure),
            }
        }
        let done = match &node.kind {
            NodeKind::Task(task) => self.task(node, task),
            NodeKind::Pass(values) => self.pass(node, values),
            NodeKind::Choice(cases) => self.choice(node, cases),
            NodeKind::Guard { cond, otherwise } => match self.holds(cond) {
                Ok(true) => Ok(Flow::Go(node.next)),
                Ok(false) => {
                    self.mark(&node.path, StepStatus::Skipped);
                    Ok(Flow::Go(*otherwise))
                }
                Err(failure) => Err(failure),
            },
            NodeKind::Emit(emit) => self.emit(node, emit),
            NodeKind::Enter(enter) => self.enter(node, enter),
            NodeKind::Leave(outputs) => self.leave(node, outputs),
            NodeKind::Fail(message) => {
                self.begin(node);
                self.text(message).and_then(|message| Err(Failure::new("StepFailed", message)))
            }
            NodeKind::Wait(until) => self.wait(node, until),
            NodeKind::WaitFor(wanted) => self.wait_for(node, wanted),
            NodeKind::Approve(approve) => self.ask(node, approve),
            NodeKind::Parallel(ways) => self.parallel(node, ways),
            NodeKind::Map(map) => self.map(node, map),
            NodeKind::Dag(dag) => self.dag(node, dag),
            NodeKind::Close(finally) => {
                self.here_mut().at.held.push(Held::Next);
                Ok(Flow::Go(*finally))
            }
            NodeKind::Resume | NodeKind::Rethrow => Ok(match self.here_mut().at.held.pop() {
                Some(Held::Failure(failed)) => Flow::Raise(failed),
                Some(Held::Next | Held::Caught(_)) | None => Flow::Go(node.next),
            }),
            NodeKind::Caught => {
                self.here_mut().at.held.pop();
                self.mark(&node.path, StepStatus::Succeeded);
                Ok(Flow::Go(node.next))
            }
            NodeKind::End => Ok(Flow::End),
        };
        done.unwrap_or_else(Flow::Fail)
    }

    /// A step is done: its outputs are what the definition says, computed from the raw ones.
    fn done(&mut self, node: &'a Node, raw: serde_json::Value) -> Result<Flow, Failure> {
        let state = self.state(&node.path);
        (state.outputs, state.error) = (raw, None);
        if !node.outputs.is_empty() {
            let shown = self.render_all(&node.outputs)?;
            self.state(&node.path).outputs = shown;
        }
        self.mark(&node.path, StepStatus::Succeeded);
        self.undoable(&node.path);
        Ok(Flow::Go(node.next))
    }

    /// A step that has an `undo` is done.
    fn undoable(&mut self, path: &str) {
        if self.graph.undos.contains_key(path) {
            // It may be taken back when the branches that this one came from have left the workflow.
            let within = scope::frame(&self.names().line).map(|frame| Frame { undos: 0, ..frame.clone() });
            let here = self.here_mut();
            here.undos.retain(|undo| undo.step != path || undo.branch != 0);
            here.undos.push(Undo { step: path.to_owned(), frames: within.into_iter().collect(), branch: 0 });
        }
    }

    /// A step is done, or failed to be: the branch at hand goes on.
    fn go_on(&mut self, node: &'a Node, flow: Result<Flow, Failure>) {
        match flow {
            Ok(Flow::Go(next)) => self.go(next),
            Ok(_) => self.go(node.next),
            Err(failure) => self.go_failed(node, failure),
        }
    }

    fn go(&mut self, next: NodeId) {
        self.here_mut().at.node = next;
        self.wake(self.id());
    }

    fn go_failed(&mut self, node: &'a Node, failure: Failure) {
        if self.failed(node, failure) {
            self.wake(self.id());
        }
    }

    /// The state of a step of the branch at hand, made if it is new.
    fn state(&mut self, path: &str) -> &mut StepState {
        let now = self.world.now;
        self.here_mut().steps.entry(path.to_owned()).or_insert_with(|| StepState::begun(now))
    }

    /// A step begins, or begins again in a new generation.
    fn begin(&mut self, node: &Node) {
        let now = self.world.now;
        let mut state = StepState::begun(now);
        if let Some(timeout) = node.timeout {
            let due = now + Span(timeout);
            state.due = Some(due);
            self.out.push(Command::Wake(Alarm { branch: self.id(), step: node.path.clone(), due }));
        }
        self.here_mut().steps.insert(node.path.clone(), state);
    }

    /// A step ends so, and its timer with it.
    fn mark(&mut self, path: &str, status: StepStatus) {
        let now = self.world.now;
        let state = self.state(path);
        let (due, since) = (state.due.take(), state.since.take());
        let unknown = state.status == StepStatus::Uncertain;
        (state.status, state.finished) = (status, Some(now));
        if since.is_some() {
            self.out.push(Command::Unawait { branch: self.id(), step: path.to_owned() });
        }
        if let Some(due) = due {
            self.out.push(Command::Calm(Alarm { branch: self.id(), step: path.to_owned(), due }));
        }
        if unknown {
            self.known();
        }
    }

    /// One uncertain step fewer.
    fn known(&mut self) {
        self.run.uncertain = self.run.uncertain.saturating_sub(1);
        if self.run.uncertain == 0 && self.run.status == Status::Uncertain {
            self.run.status = Status::Running;
        }
    }

    fn names(&self) -> Names<'_> {
        let line = self.line.iter().filter_map(|id| self.loaded.get(id)).map(Arc::as_ref).collect();
        Names { run: self.run, line, world: self.world, event: None }
    }

    fn holds(&self, cond: &Program) -> Result<bool, Failure> {
        let value = cond.eval(&self.names(), &mut Budget::new()).map_err(|why| expression(cond.source(), &why))?;
        truth(cond, &value)
    }

    fn text(&self, template: &Template) -> Result<String, Failure> {
        let value = template.render(&self.names(), &mut Budget::new()).map_err(|why| expression("", &why))?;
        Ok(value.as_str().map_or_else(|| value.to_json().to_string(), str::to_owned))
    }

    fn render(&self, template: &TemplateValue) -> Result<Value, Failure> {
        template.render(&self.names(), &mut Budget::new()).map_err(|why| expression("", &why))
    }

    fn render_all(&self, values: &IndexMap<String, TemplateValue>) -> Result<serde_json::Value, Failure> {
        let mut out = serde_json::Map::new();
        for (name, template) in values {
            out.insert(name.clone(), self.render(template)?.to_json());
        }
        Ok(out.into())
    }
}

fn truth(cond: &Program, value: &Value) -> Result<bool, Failure> {
    value.as_bool().ok_or_else(|| {
        let (source, got) = (cond.source(), value.type_name());
        Failure::new("Expression", format!("`if: {source}` gives a {got}; a condition must give true or false"))
    })
}

fn expression(source: &str, why: &dyn std::fmt::Display) -> Failure {
    let message = if source.is_empty() { why.to_string() } else { format!("`{source}`: {why}") };
    Failure::new("Expression", message)
}
