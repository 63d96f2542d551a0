//! What operators ask of a run. A command that does not fit is refused and changes nothing.

use std::sync::Arc;

use ensue_event::ours::Failure;

use super::{CANCELLED, Command, Machine, Refused};
use crate::graph::{Node, NodeKind};
use crate::run::{Place, Status, StepStatus};

impl<'a> Machine<'a> {
    pub(super) fn cancel(&mut self, reason: String) -> Result<(), Refused> {
        self.not_over("it cannot be cancelled")?;
        // A call of a workflow is under way too, but only what it calls has an effect.
        let waiting = self.run.steps.values().find_map(|state| match state.status {
            StepStatus::Running | StepStatus::Backoff | StepStatus::Uncertain => state.effect,
            _ => None,
        });
        if let Some(effect) = waiting {
            self.out.push(Command::Forget(effect));
        }
        self.run.cancelled = Some(reason.clone());
        self.run.status = Status::Running;
        if let Some(node) = self.graph.node(self.run.at.node) {
            self.go_failed(node, Failure::new(CANCELLED, reason));
        }
        Ok(())
    }

    pub(super) fn resume(&mut self, from: Option<String>) -> Result<(), Refused> {
        let mut place = self.failed_place("only a failed or cancelled run can be resumed")?;
        if let Some(path) = from {
            let node = self.graph.find(&path).filter(|node| self.graph.reaches(place.node, *node));
            let node = node.ok_or(Refused::Step(path))?;
            let region = self.graph.node(node).and_then(|node| self.graph.regions.get(node.region));
            let (frames, held) = region.map_or((0, 0), |region| (region.frames, region.held));
            place.frames.truncate(frames);
            place.held.truncate(held);
            place.node = node;
        }
        self.anew(place);
        self.walk();
        Ok(())
    }

    pub(super) fn skip(&mut self, step: &str) -> Result<(), Refused> {
        let not_here = || Refused::Step(step.to_owned());
        if self.run.status.over() {
            let place = self.failed_place("there is no failed step to skip")?;
            let node = self.graph.node(place.node).filter(|node| node.path == step).ok_or_else(not_here)?;
            self.anew(place);
            self.mark(node, StepStatus::Skipped);
            let next = match &node.kind {
                NodeKind::Guard { otherwise, .. } => *otherwise,
                NodeKind::Enter(enter) => enter.after,
                NodeKind::Leave(_) => {
                    self.run.at.frames.pop();
                    node.next
                }
                _ => node.next,
            };
            self.go(next);
            return Ok(());
        }
        let node = self.held_up(step)?;
        if let Some(effect) = self.state(node).effect {
            self.out.push(Command::Forget(effect));
        }
        self.run.status = Status::Running;
        self.mark(node, StepStatus::Skipped);
        self.go(node.next);
        Ok(())
    }

    pub(super) fn settle(&mut self, step: &str, verdict: &str) -> Result<(), Refused> {
        let node = self.held_up(step)?;
        let state = self.run.steps.get(step).filter(|state| state.status == StepStatus::Uncertain);
        let effect = state.ok_or_else(|| Refused::Step(step.to_owned()))?.effect;
        let NodeKind::Task(task) = &node.kind else { return Err(Refused::Step(step.to_owned())) };
        let task = Arc::clone(task);
        let forget = effect.map(Command::Forget);
        match verdict {
            "done" => {
                self.out.extend(forget);
                self.run.status = Status::Running;
                match self.done(node, serde_json::json!({})) {
                    Ok(_) => self.go(node.next),
                    Err(failure) => self.go_failed(node, failure),
                }
            }
            "failed" => {
                self.out.extend(forget);
                self.run.status = Status::Running;
                self.go_failed(node, Failure::new("Uncertain", "an operator says that it was not done"));
            }
            "retry" => self.again(node, &task),
            other => return Err(Refused::Verdict(other.to_owned())),
        }
        Ok(())
    }

    /// Where a run that failed or was cancelled stood then.
    fn failed_place(&self, wanted: &'static str) -> Result<Place, Refused> {
        if !matches!(self.run.status, Status::Failed | Status::Cancelled) {
            return Err(self.refused(wanted));
        }
        self.run.failed_at.clone().ok_or_else(|| self.refused("it has no step to go on from"))
    }

    /// Goes on from there in a new generation: new effects have new keys.
    fn anew(&mut self, place: Place) {
        self.run.generation += 1;
        self.run.at = place;
        (self.run.failed, self.run.failed_at, self.run.cancelled) = (None, None, None);
        (self.run.status, self.run.finished) = (Status::Running, None);
    }

    /// The node of the step that the run waits at.
    fn held_up(&self, step: &str) -> Result<&'a Node, Refused> {
        self.not_over("only a step of a run that is not over can be decided")?;
        let here = self.graph.node(self.run.at.node);
        here.filter(|node| node.path == step).ok_or_else(|| Refused::Step(step.to_owned()))
    }

    fn not_over(&self, wanted: &'static str) -> Result<(), Refused> {
        if self.run.status.over() { Err(self.refused(wanted)) } else { Ok(()) }
    }

    fn refused(&self, wanted: &'static str) -> Refused {
        Refused::Status { run: self.run.id, status: self.run.status.as_str(), wanted }
    }
}
