//! Actions: an attempt, its answer, another attempt.

use ensue_event::Key;
use ensue_event::Span;
use ensue_event::ours::{Answer, Failure};
use ensue_lang::catalog::{self, Uncertain};

use super::{Alarm, Command, DEFAULT_TIMEOUT, Effect, Flow, Machine, expression};
use crate::graph::{Node, NodeKind, Task};
use crate::retry;
use crate::run::Status;
use crate::scope;
use crate::step::StepStatus;

impl<'a> Machine<'a> {
    pub(super) fn task(&mut self, node: &'a Node, task: &Task) -> Result<Flow, Failure> {
        self.begin(node);
        if let Some(key) = self.cache_key(task)?
            && let Some(outputs) = (self.world.cache)(key)
        {
            self.state(&node.path).cached = true;
            return self.done(node, outputs);
        }
        let with = self.render(&task.with)?.to_json();
        fits(&task.action, &with)?;
        self.dispatch(node, task, with);
        Ok(Flow::Wait)
    }

    /// What the outputs of a step with a `cache` are kept under: the rule's namespace, the action, its connection, the key.
    fn cache_key(&self, task: &Task) -> Result<Option<Key>, Failure> {
        let Some((spec, _)) = &task.cache else { return Ok(None) };
        let text = scope::key_text(spec, &self.names())
            .map_err(|why| expression("", &why))?
            .ok_or_else(|| Failure::new("Expression", "`cache.key` gives nothing; a cache needs a key"))?;
        let namespace = self.run.rule.split_once('/').map_or("", |(namespace, _)| namespace);
        let connection = task.connection.as_deref().map(|name| (self.world.connection)(name)).unwrap_or_default();
        let parts = [namespace.as_bytes(), task.action.as_bytes(), connection.as_bytes(), text.as_bytes()];
        Ok(Some(Key::of("cache", &parts)))
    }

    fn dispatch(&mut self, node: &'a Node, task: &Task, with: serde_json::Value) {
        let key = self.run.effect_key(&node.path, self.here().index());
        let state = self.state(&node.path);
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
            branch: self.id(),
            step: self.name(&node.path),
            action: task.action.clone(),
            connection,
            with,
            timeout: task.timeout.map_or(DEFAULT_TIMEOUT, Span),
            idempotency,
            correlation: self.run.correlation.clone(),
            depth: 0,
        })));
    }

    pub(super) fn answered(&mut self, branch: u32, effect: Key, attempt: u32, answer: Answer) {
        let fits = [StepStatus::Running, StepStatus::Uncertain];
        let Some((node, task)) = self.waiting(branch, effect, attempt, &fits) else { return };
        self.settled(node);
        match answer {
            Answer::Ok(outputs) => {
                if let Ok(Some(key)) = self.cache_key(task) {
                    let keep = task.cache.as_ref().and_then(|(_, keep)| *keep);
                    let until = keep.map(|keep| self.world.now + Span(keep));
                    self.out.push(Command::Keep { key, outputs: outputs.clone(), until });
                }
                let flow = self.done(node, outputs);
                self.go_on(node, flow);
            }
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
                let failed = attempt.saturating_sub(self.state(&node.path).lost);
                match policy.and_then(|policy| retry::delay(policy, &failure, effect, failed)) {
                    Some(wait) => {
                        let due = self.world.now + wait;
                        let state = self.state(&node.path);
                        (state.status, state.due, state.error) = (StepStatus::Backoff, Some(due), Some(failure));
                        self.out.push(Command::Rest(effect));
                        self.out.push(Command::Wake(Alarm { branch, step: node.path.clone(), due }));
                    }
                    None => self.go_failed(node, failure),
                }
            }
        }
    }

    /// A step is uncertain no more.
    pub(super) fn settled(&mut self, node: &Node) {
        let state = self.state(&node.path);
        if state.status == StepStatus::Uncertain {
            state.status = StepStatus::Running;
            self.known();
        }
    }

    /// One more attempt with the same key. What it is called with is rendered again from the same values.
    pub(super) fn again(&mut self, node: &'a Node, task: &Task) {
        let state = self.state(&node.path);
        // Only a wait for the next try begins with an answer.
        state.lost += u32::from(state.status != StepStatus::Backoff);
        self.settled(node);
        match self.render(&task.with) {
            Ok(with) => self.dispatch(node, task, with.to_json()),
            Err(failure) => self.go_failed(node, failure),
        }
    }

    pub(super) fn unknown(&mut self, branch: u32, effect: Key, attempt: u32, reason: String) {
        let Some((node, task)) = self.waiting(branch, effect, attempt, &[StepStatus::Running]) else { return };
        match catalog::uncertain(&task.action) {
            Uncertain::Retry => self.again(node, task),
            Uncertain::Ask => {
                let state = self.state(&node.path);
                state.status = StepStatus::Uncertain;
                state.error = Some(Failure::new("Uncertain", reason));
                self.run.uncertain += 1;
                self.run.status = Status::Uncertain;
            }
        }
    }

    /// Turns to the branch that waits for this attempt of this effect, if it still does.
    fn waiting(
        &mut self,
        branch: u32,
        effect: Key,
        attempt: u32,
        wanted: &[StepStatus],
    ) -> Option<(&'a Node, &'a Task)> {
        if self.run.status.over() || !self.turn_to(branch) || !self.here().goes_on() {
            return None;
        }
        let node = self.node()?;
        let state = self.here().steps.get(&node.path)?;
        let fits = state.effect == Some(effect) && state.attempt == attempt && wanted.contains(&state.status);
        match &node.kind {
            NodeKind::Task(task) if fits => Some((node, task)),
            _ => None,
        }
    }
}

/// What templates gave must be of the types that the action takes: half of a call is another call.
fn fits(action: &str, with: &serde_json::Value) -> Result<(), Failure> {
    let fields = catalog::action(action).map(|spec| spec.with.fields).unwrap_or_default();
    for (field, value) in fields.iter().filter_map(|field| Some((field, with.get(field.name)?))) {
        if !field.ty.takes(value) {
            let (name, expected) = (field.name, field.ty.expected());
            let why = format!("`with.{name}` of {action} must be {expected}; it is {value}");
            return Err(Failure::new("Expression", why));
        }
    }
    Ok(())
}
