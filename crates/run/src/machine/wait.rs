//! Waits: for a time, for an event; and what a timer finds when it is due.

use ensue_event::ours::{Failure, Took};
use ensue_event::{Span, Time};
use ensue_expr::{Budget, Value};
use serde_json::json;

use super::{Alarm, Command, Flow, Machine, expression, truth};
use crate::branch::Branches;
use crate::graph::{Graph, Node, NodeKind, Since, Until, WaitFor};
use crate::run::Run;
use crate::scope::{self, Names};
use crate::step::StepStatus;

use super::World;

impl<'a> Machine<'a> {
    pub(super) fn wait(&mut self, node: &'a Node, until: &Until) -> Result<Flow, Failure> {
        self.begin(node);
        let due = match until {
            Until::Duration(span) => self.world.now + Span(*span),
            Until::At(time) => *time,
            Until::Computed(template) => self.time(template)?,
        };
        self.state(&node.path).status = StepStatus::Waiting;
        self.rest(node, due);
        Ok(Flow::Wait)
    }

    /// The time that a template gives: a timestamp, or a text of RFC 3339.
    fn time(&self, template: &ensue_expr::Template) -> Result<Time, Failure> {
        let value = template.render(&self.names(), &mut Budget::new()).map_err(|why| expression("", &why))?;
        let time = match &value {
            Value::Timestamp(micros) => Some(Time(*micros)),
            other => other.as_str().and_then(|text| Time::parse(text).ok()),
        };
        time.ok_or_else(|| {
            let shown = value.to_json();
            Failure::new("Expression", format!("`wait.until` needs a time (RFC 3339); {shown} is none"))
        })
    }

    /// A step waits until then, at most.
    pub(super) fn rest(&mut self, node: &Node, due: Time) {
        let branch = self.id();
        self.state(&node.path).due = Some(due);
        self.out.push(Command::Wake(Alarm { branch, step: node.path.clone(), due }));
    }

    pub(super) fn wait_for(&mut self, node: &'a Node, wanted: &WaitFor) -> Result<Flow, Failure> {
        self.begin(node);
        if wanted.key.is_some() && self.run.key.is_none() {
            let why =
                "`wait.for.key` ties an event to the run's key, and the rule has none; write what ties it as `if`";
            return Err(Failure::new("Expression", why));
        }
        let since = match &wanted.since {
            Since::Now => self.world.now,
            Since::Run => self.run.started,
            Since::Step(path) => self.started(path).unwrap_or(self.run.started),
        };
        let state = self.state(&node.path);
        (state.status, state.since) = (StepStatus::Waiting, Some(since));
        if let Some(timeout) = wanted.timeout {
            self.rest(node, self.world.now + Span(timeout));
        }
        self.out.push(Command::Await { branch: self.id(), step: node.path.clone(), since });
        Ok(Flow::Wait)
    }

    /// When a step began, in this branch or in one that it came from.
    fn started(&self, path: &str) -> Option<Time> {
        let line = self.line.iter().filter_map(|id| self.loaded.get(id));
        line.filter_map(|branch| branch.steps.get(path)).map(|step| step.started).next()
    }

    pub(super) fn came(&mut self, branch: u32, step: &str, took: &Took) {
        let Some(node) = self.awaiting(branch, step) else { return };
        let flow = self.done(node, json!({"event": took.event, "position": took.position}));
        self.go_on(node, flow);
    }

    pub(super) fn overflowed(&mut self, branch: u32, step: &str, why: String) {
        if let Some(node) = self.awaiting(branch, step) {
            self.go_failed(node, Failure::new("StepFailed", why));
        }
    }

    /// Turns to the branch in which this step waits for an event.
    fn awaiting(&mut self, branch: u32, step: &str) -> Option<&'a Node> {
        if self.run.status.over() || !self.turn_to(branch) || !self.here().goes_on() {
            return None;
        }
        let node = self.node().filter(|node| node.path == step)?;
        let waits = self.here().steps.get(step).is_some_and(|step| step.since.is_some());
        waits.then_some(node)
    }

    /// A timer is due. One that was set anew or whose step moved on finds nothing.
    pub(super) fn due(&mut self, branch: u32, step: &str, due: Time) {
        if self.run.status.over() || !self.turn_to(branch) || !self.here().goes_on() {
            return;
        }
        if step.is_empty() {
            if self.run.due == Some(due) {
                self.run.due = None;
                self.run_out();
            }
            return;
        }
        let Some(state) = self.here().steps.get(step).filter(|state| state.due == Some(due)) else { return };
        let (status, since, begun) = (state.status, state.since, state.started);
        self.state(step).due = None;
        let took = || Span(due.0.saturating_sub(begun.0));
        match (status, self.node()) {
            (StepStatus::Backoff, Some(node)) if node.path == step => {
                if let NodeKind::Task(task) = &node.kind {
                    self.again(node, task);
                }
            }
            (StepStatus::Waiting, Some(node)) if node.path == step && since.is_none() => {
                let flow = self.done(node, json!({"until": due}));
                self.go_on(node, flow);
            }
            (StepStatus::Waiting, Some(node)) if node.path == step => {
                let why = format!("no such event came within {}", took());
                self.go_failed(node, Failure::new("Timeout", why));
            }
            (StepStatus::Asking, Some(node)) if node.path == step => self.nobody(node),
            (StepStatus::Running, _) => {
                let why = format!("the step was not done within {}", took());
                self.timed_out(step, Failure::new("Timeout", why));
            }
            _ => {}
        }
    }
}

/// Whether an event is the one that a step of a run waits for: its `if` holds, and its `key` is the run's. The pattern
/// was asked before.
///
/// # Errors
/// What could not be computed.
pub fn meets(
    graph: &Graph,
    world: &World<'_>,
    run: &Run,
    branches: &dyn Branches,
    (branch, step): (u32, &str),
    event: &Value,
) -> Result<bool, Failure> {
    let Some(wanted) = graph.waits.get(step) else { return Ok(false) };
    let kept = scope::line(branches, branch);
    let line = kept.iter().map(std::convert::AsRef::as_ref).chain([&run.trunk]).collect();
    let names = Names { run, line, world, event: Some(event) };
    if let Some(spec) = &wanted.key {
        let text = scope::key_text(spec, &names).map_err(|why| expression("", &why))?;
        if text.is_none() || text != run.key {
            return Ok(false);
        }
    }
    match &wanted.cond {
        Some(cond) => {
            let value = cond.eval(&names, &mut Budget::new()).map_err(|why| expression(cond.source(), &why))?;
            truth(cond, &value)
        }
        None => Ok(true),
    }
}
