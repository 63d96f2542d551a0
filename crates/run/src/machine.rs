//! The step machine: one input in, commands out.

mod operate;

use std::sync::Arc;

use ensue_event::ours::{Answer, Failure};
use ensue_event::{Key, Span, Time};
use ensue_expr::{Budget, Program, Template, TemplateValue, Value};
use ensue_lang::catalog::{self, Idempotency, Uncertain};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::graph::{ArmKind, Emit, Enter, Graph, Node, NodeId, NodeKind, RegionId, Task};
use crate::retry;
use crate::run::{Failed, Frame, Held, Run, Status, StepState, StepStatus};
use crate::scope::Names;

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
}

/// What can happen to a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Its firing was folded.
    Start,
    /// An attempt was answered.
    Answer {
        /// The effect.
        effect: Key,
        /// Which attempt.
        attempt: u32,
        /// What came back.
        answer: Answer,
    },
    /// A backoff is over.
    Due {
        /// The effect to try again.
        effect: Key,
    },
    /// Nobody knows whether an attempt was made.
    Unknown {
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
    /// Wake the run then.
    Wake {
        /// The effect that will be tried again.
        effect: Key,
        /// When.
        due: Time,
    },
    /// Forget an effect that has no answer: its run goes on without it.
    Forget(Key),
    /// Say that something happened.
    Emit(Box<Said>),
    /// The run is over.
    Over,
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
    /// The path of the step.
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
    /// Not one of the three verdicts.
    #[error("`{0}` is not a verdict; say done, failed or retry")]
    Verdict(String),
}

/// Walks one run through its graph.
pub struct Machine<'a> {
    graph: &'a Graph,
    world: &'a World<'a>,
    run: &'a mut Run,
    out: Vec<Command>,
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
    /// A machine for this run.
    pub fn new(graph: &'a Graph, world: &'a World<'a>, run: &'a mut Run) -> Machine<'a> {
        Machine { graph, world, run, out: Vec::new() }
    }

    /// Takes one input and goes on as far as possible. An input that does not fit where the run is (an answer that
    /// came twice, a timer of a step that moved on) changes nothing; only operators are told.
    pub fn step(mut self, input: Input) -> Result<Vec<Command>, Refused> {
        match input {
            Input::Start => {
                self.run.at.node = self.graph.entry;
                self.walk();
            }
            Input::Answer { effect, attempt, answer } => self.answered(effect, attempt, answer),
            Input::Due { effect } => self.due(effect),
            Input::Unknown { effect, attempt, reason } => self.unknown(effect, attempt, reason),
            Input::Cancel { reason } => self.cancel(reason)?,
            Input::Resume { from } => self.resume(from)?,
            Input::Skip { step } => self.skip(&step)?,
            Input::Settle { step, verdict } => self.settle(&step, &verdict)?,
        }
        Ok(self.out)
    }

    /// Goes on from the present node until something must be waited for. A graph has no loops, so this ends.
    fn walk(&mut self) {
        while let Some(node) = self.graph.node(self.run.at.node) {
            match self.visit(node) {
                Flow::Go(next) => self.run.at.node = next,
                Flow::Wait => return,
                Flow::End => break,
                Flow::Fail(failure) => {
                    if let Some(next) = self.failed(node, failure) {
                        self.run.at.node = next;
                    } else {
                        break;
                    }
                }
                Flow::Raise(failed) => {
                    if !self.raise(node.region, failed) {
                        break;
                    }
                }
            }
        }
        self.over();
    }

    fn over(&mut self) {
        self.run.status = match (&self.run.cancelled, &self.run.failed) {
            (Some(_), _) => Status::Cancelled,
            (None, Some(_)) => Status::Failed,
            (None, None) => Status::Succeeded,
        };
        self.run.finished = Some(self.world.now);
        self.out.push(Command::Over);
    }

    fn visit(&mut self, node: &Node) -> Flow {
        if let Some(cond) = &node.cond {
            match self.holds(cond) {
                Ok(true) => {}
                Ok(false) => {
                    self.mark(node, StepStatus::Skipped);
                    return Flow::Go(node.next);
                }
                Err(failure) => return Flow::Fail(failure),
            }
        }
        let done = match &node.kind {
            NodeKind::Task(task) => self.task(node, &Arc::clone(task)),
            NodeKind::Pass(values) => self.pass(node, values),
            NodeKind::Choice(cases) => self.choice(node, cases),
            NodeKind::Guard { cond, otherwise } => match self.holds(cond) {
                Ok(true) => Ok(Flow::Go(node.next)),
                Ok(false) => {
                    self.mark(node, StepStatus::Skipped);
                    Ok(Flow::Go(*otherwise))
                }
                Err(failure) => Err(failure),
            },
            NodeKind::Emit(emit) => self.emit(node, &Arc::clone(emit)),
            NodeKind::Enter(enter) => self.enter(node, &Arc::clone(enter)),
            NodeKind::Leave(outputs) => self.leave(node, outputs),
            NodeKind::Fail(message) => {
                self.begin(node);
                self.text(message).and_then(|message| Err(Failure::new("StepFailed", message)))
            }
            NodeKind::Close(finally) => {
                self.run.at.held.push(Held::Next);
                Ok(Flow::Go(*finally))
            }
            NodeKind::Resume | NodeKind::Rethrow => Ok(match self.run.at.held.pop() {
                Some(Held::Failure(failed)) => Flow::Raise(failed),
                Some(Held::Next | Held::Caught(_)) | None => Flow::Go(node.next),
            }),
            NodeKind::Caught => {
                self.run.at.held.pop();
                self.mark(node, StepStatus::Succeeded);
                Ok(Flow::Go(node.next))
            }
            NodeKind::End => Ok(Flow::End),
        };
        done.unwrap_or_else(Flow::Fail)
    }

    fn task(&mut self, node: &Node, task: &Task) -> Result<Flow, Failure> {
        self.begin(node);
        let with = self.render(&task.with)?.to_json();
        self.dispatch(node, task, with);
        Ok(Flow::Wait)
    }

    fn dispatch(&mut self, node: &Node, task: &Task, with: serde_json::Value) {
        let key = self.run.effect_key(&node.path);
        let state = self.state(node);
        (state.status, state.effect, state.due) = (StepStatus::Running, Some(key), None);
        state.attempt += 1;
        let attempt = state.attempt;
        let connection = task.connection.as_deref().map(|name| (self.world.connection)(name));
        let idempotency = (self.world.idempotency)(&task.action, &with, connection.as_deref());
        self.out.push(Command::Do(Box::new(Effect {
            key,
            attempt,
            run: self.run.id,
            rule: self.run.rule.clone(),
            step: node.path.clone(),
            action: task.action.clone(),
            connection,
            with,
            timeout: task.timeout.map_or(DEFAULT_TIMEOUT, Span),
            idempotency,
            correlation: self.run.correlation.clone(),
            depth: 0,
        })));
    }

    fn pass(&mut self, node: &Node, values: &IndexMap<String, TemplateValue>) -> Result<Flow, Failure> {
        self.begin(node);
        let outputs = self.render_all(values)?;
        self.done(node, outputs)
    }

    fn choice(&mut self, node: &Node, cases: &[(Option<Program>, NodeId)]) -> Result<Flow, Failure> {
        self.begin(node);
        for (cond, to) in cases {
            let holds = match cond {
                Some(cond) => self.holds(cond)?,
                None => true,
            };
            if holds {
                self.mark(node, StepStatus::Succeeded);
                return Ok(Flow::Go(*to));
            }
        }
        self.mark(node, StepStatus::Succeeded);
        Ok(Flow::Go(node.next))
    }

    fn emit(&mut self, node: &Node, emit: &Emit) -> Result<Flow, Failure> {
        self.begin(node);
        let kind = self.text(&emit.kind)?;
        if kind.is_empty() || kind.starts_with(ensue_event::ours::PREFIX) {
            let why = format!("`emit` of type `{kind}`: a type of your own is needed; `dev.ensue.` belongs to ensue");
            return Err(Failure::new("Expression", why));
        }
        let source = emit.source.as_ref().map(|source| self.text(source)).transpose()?;
        let subject = emit.subject.as_ref().map(|subject| self.text(subject)).transpose()?;
        let data = emit.data.as_ref().map(|data| self.render(data)).transpose()?.map(|value| value.to_json());
        let mut extensions = Vec::new();
        for (name, value) in &emit.extensions {
            extensions.push((name.clone(), self.text(value)?));
        }
        let id = self.run.effect_key(&node.path);
        self.out.push(Command::Emit(Box::new(Said { id, kind, source, subject, data, extensions })));
        self.done(node, serde_json::json!({"id": id}))
    }

    fn enter(&mut self, node: &Node, enter: &Enter) -> Result<Flow, Failure> {
        self.begin(node);
        let given = self.render(&enter.with)?;
        let mut inputs = serde_json::Map::new();
        for (name, input) in &enter.inputs {
            let given = given.get(name).map(Value::to_json).or_else(|| input.default.clone());
            let (workflow, wanted) = (&enter.workflow, input.ty.as_str());
            let value = given.ok_or_else(|| {
                let why = format!("the workflow {workflow} needs the input `{name}`; give it under `with`");
                Failure::new("Expression", why)
            })?;
            if !input.ty.accepts(&value) {
                let why =
                    format!("the input `{name}` of the workflow {workflow} must be of type {wanted}; {value} is not");
                return Err(Failure::new("Expression", why));
            }
            inputs.insert(name.clone(), value);
        }
        self.run.at.frames.push(Frame { path: node.path.clone(), inputs: inputs.into() });
        Ok(Flow::Go(node.next))
    }

    fn leave(&mut self, node: &Node, outputs: &IndexMap<String, TemplateValue>) -> Result<Flow, Failure> {
        let outputs = self.render_all(outputs)?;
        self.run.at.frames.pop();
        self.done(node, outputs)
    }

    /// A step is done: its outputs are what the definition says, computed from the raw ones.
    fn done(&mut self, node: &Node, raw: serde_json::Value) -> Result<Flow, Failure> {
        let state = self.state(node);
        (state.outputs, state.error) = (raw, None);
        if !node.outputs.is_empty() {
            let shown = self.render_all(&node.outputs)?;
            self.state(node).outputs = shown;
        }
        self.mark(node, StepStatus::Succeeded);
        Ok(Flow::Go(node.next))
    }

    /// A node failed: where the run goes on, if anywhere.
    fn failed(&mut self, node: &Node, failure: Failure) -> Option<NodeId> {
        let now = self.world.now;
        let state = self.state(node);
        state.error = Some(failure.clone());
        state.end(StepStatus::Failed, now);
        let failed = Failed { step: node.path.clone(), error: failure };
        self.raise(node.region, failed).then_some(self.run.at.node)
    }

    /// Carries a failure outwards; false when it leaves the run.
    fn raise(&mut self, from: RegionId, mut failed: Failed) -> bool {
        let on_the_way_out = self.run.at.held.iter().any(|held| matches!(held, Held::Failure(_)));
        if !on_the_way_out
            && self
                .graph
                .node(self.run.at.node)
                .is_some_and(|node| !matches!(node.kind, NodeKind::Resume | NodeKind::Rethrow))
        {
            self.run.failed_at = Some(self.run.at.clone());
        }
        let mut next = Some(from);
        while let Some(region) = next.and_then(|id| self.graph.regions.get(id)) {
            let arm =
                self.catches(&failed, region.held).then(|| region.arms.iter().find(|arm| arm.takes(&failed.error)));
            let arm = arm.flatten();
            if let Some(arm) = arm {
                self.leave_calls(region.frames, &failed);
                self.run.at.held.truncate(region.held);
                match arm.kind {
                    ArmKind::Catch => self.run.at.held.push(Held::Caught(failed)),
                    ArmKind::OnFailure => self.run.at.held.push(Held::Failure(failed)),
                    ArmKind::CarryOn => {}
                }
                self.run.at.node = arm.to;
                return true;
            }
            if let Some(finally) = region.finally {
                self.leave_calls(region.frames, &failed);
                self.run.at.held.truncate(region.held);
                self.run.at.held.push(Held::Failure(failed));
                self.run.at.node = finally;
                return true;
            }
            if region.sticky
                && failed.error.name != CANCELLED
                && let Some(Held::Failure(first)) = region.held.checked_sub(1).and_then(|at| self.run.at.held.get(at))
            {
                failed = first.clone();
            }
            next = region.parent;
        }
        self.leave_calls(0, &failed);
        self.run.failed = Some(failed);
        false
    }

    /// Whether a region with so much held may catch this failure. A cancellation is caught nowhere; but the finally
    /// steps that run because of it have catches of their own.
    fn catches(&self, failed: &Failed, held: usize) -> bool {
        let cancelled = |held: &Held| matches!(held, Held::Failure(failed) if failed.error.name == CANCELLED);
        self.run.cancelled.is_none()
            || failed.error.name != CANCELLED && self.run.at.held.iter().take(held).any(cancelled)
    }

    /// A failure leaves called workflows: the calling steps have failed too.
    fn leave_calls(&mut self, keep: usize, failed: &Failed) {
        let now = self.world.now;
        while self.run.at.frames.len() > keep
            && let Some(frame) = self.run.at.frames.pop()
        {
            if let Some(state) = self.run.steps.get_mut(&frame.path) {
                state.error = Some(failed.error.clone());
                state.end(StepStatus::Failed, now);
            }
        }
    }

    fn answered(&mut self, effect: Key, attempt: u32, answer: Answer) {
        let Some((node, task)) = self.waiting(effect, attempt, &[StepStatus::Running, StepStatus::Uncertain]) else {
            return;
        };
        self.run.status = Status::Running;
        match answer {
            Answer::Ok(outputs) => match self.done(node, outputs) {
                Ok(_) => self.go(node.next),
                Err(failure) => self.go_failed(node, failure),
            },
            Answer::Err(failure) => {
                let default;
                let policy = match &task.retry {
                    Some(policy) => Some(policy),
                    None if catalog::default_retry(&task.action) => {
                        default = retry::default_policy();
                        Some(&default)
                    }
                    None => None,
                };
                match policy.and_then(|policy| retry::delay(policy, &failure, effect, attempt)) {
                    Some(wait) => {
                        let due = self.world.now + wait;
                        let state = self.state(node);
                        (state.status, state.due, state.error) = (StepStatus::Backoff, Some(due), Some(failure));
                        self.out.push(Command::Wake { effect, due });
                    }
                    None => self.go_failed(node, failure),
                }
            }
        }
    }

    fn due(&mut self, effect: Key) {
        let Some(attempt) = self.run.step_of(effect).map(|(_, state)| state.attempt) else { return };
        if let Some((node, task)) = self.waiting(effect, attempt, &[StepStatus::Backoff]) {
            self.again(node, &task);
        }
    }

    /// One more attempt with the same key. What it is called with is rendered again from the same values.
    fn again(&mut self, node: &Node, task: &Task) {
        self.run.status = Status::Running;
        match self.render(&task.with) {
            Ok(with) => self.dispatch(node, task, with.to_json()),
            Err(failure) => self.go_failed(node, failure),
        }
    }

    fn unknown(&mut self, effect: Key, attempt: u32, reason: String) {
        let Some((node, task)) = self.waiting(effect, attempt, &[StepStatus::Running]) else { return };
        match catalog::uncertain(&task.action) {
            Uncertain::Retry => self.again(node, &task),
            Uncertain::Ask => {
                let state = self.state(node);
                state.status = StepStatus::Uncertain;
                state.error = Some(Failure::new("Uncertain", reason));
                self.run.status = Status::Uncertain;
            }
        }
    }

    /// The node that waits for this attempt of this effect, if the run still is there.
    fn waiting(&self, effect: Key, attempt: u32, wanted: &[StepStatus]) -> Option<(&'a Node, Arc<Task>)> {
        if self.run.status.over() {
            return None;
        }
        let node = self.graph.node(self.run.at.node)?;
        let state = self.run.steps.get(&node.path)?;
        let fits = state.effect == Some(effect) && state.attempt == attempt && wanted.contains(&state.status);
        match &node.kind {
            NodeKind::Task(task) if fits => Some((node, Arc::clone(task))),
            _ => None,
        }
    }

    fn go(&mut self, next: NodeId) {
        self.run.at.node = next;
        self.walk();
    }

    fn go_failed(&mut self, node: &Node, failure: Failure) {
        match self.failed(node, failure) {
            Some(next) => self.go(next),
            None => self.over(),
        }
    }

    /// The state of a node's step, made if it is new.
    fn state(&mut self, node: &Node) -> &mut StepState {
        let now = self.world.now;
        self.run.steps.entry(node.path.clone()).or_insert_with(|| StepState::begun(now))
    }

    /// A step begins, or begins again in a new generation.
    fn begin(&mut self, node: &Node) {
        let now = self.world.now;
        self.run.steps.insert(node.path.clone(), StepState::begun(now));
    }

    fn mark(&mut self, node: &Node, status: StepStatus) {
        let now = self.world.now;
        self.state(node).end(status, now);
    }

    fn names(&self) -> Names<'_> {
        Names { run: self.run, world: self.world }
    }

    fn holds(&self, cond: &Program) -> Result<bool, Failure> {
        let value = cond.eval(&self.names(), &mut Budget::new()).map_err(|why| expression(cond.source(), &why))?;
        value.as_bool().ok_or_else(|| {
            let (source, got) = (cond.source(), value.type_name());
            Failure::new("Expression", format!("`if: {source}` gives a {got}; a condition must give true or false"))
        })
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

fn expression(source: &str, why: &dyn std::fmt::Display) -> Failure {
    let message = if source.is_empty() { why.to_string() } else { format!("`{source}`: {why}") };
    Failure::new("Expression", message)
}
