//! What operators ask of a run. A command that does not fit is refused and changes nothing.

use ensue_event::ours::Failure;

use super::{CANCELLED, Command, Machine, Refused};
use crate::branch::{Failed, Place, TRUNK, parse};
use crate::graph::{Node, NodeKind};
use crate::run::Status;
use crate::step::StepStatus;

impl<'a> Machine<'a> {
    pub(super) fn cancel(&mut self, reason: String) -> Result<(), Refused> {
        self.not_over("it cannot be cancelled")?;
        // The first cancel ends what goes on; a branch that lost and takes back what it did does so to the end. Where the
        // run itself is on its way out, by a failure or an earlier cancel, it goes no further.
        let on_its_way_out = self.run.cancelled.is_some() || self.here().undoing.is_some();
        self.run.cancelled = Some(reason.clone());
        let failure = Failure::new(CANCELLED, reason);
        if !on_its_way_out || !self.stop_taking_back(&failure) {
            self.interrupt(TRUNK, &failure);
        }
        Ok(())
    }

    /// Takes back what a run that is over did: its undo steps run, and nothing else.
    pub(super) fn rollback(&mut self, reason: String) -> Result<(), Refused> {
        if !self.run.status.over() {
            return Err(self.refused("it is not over yet; cancel it, and what it did is taken back"));
        }
        if self.here().undos.is_empty() {
            return Err(Refused::NoUndo(self.run.id));
        }
        let node = self.here().at.node;
        self.anew(Place { node, ..Place::default() });
        self.run.cancelled = Some(reason.clone());
        let failed = Failed { step: String::new(), error: Failure::new(CANCELLED, reason) };
        if self.carry(self.graph.rollback, failed) {
            self.wake(TRUNK);
        }
        Ok(())
    }

    pub(super) fn resume(&mut self, from: Option<String>) -> Result<(), Refused> {
        let mut place = self.failed_place("only a failed or cancelled run can be resumed")?;
        if let Some((path, _)) = self.here().steps.iter().find(|(_, step)| step.undone) {
            return Err(Refused::TakenBack(path.clone()));
        }
        if let Some(path) = from {
            let node = self.graph.find(&path).filter(|node| self.graph.reaches(place.node, *node));
            let node = node.ok_or(Refused::Step(path))?;
            let region = self.graph.node(node).and_then(|node| self.graph.regions.get(node.region));
            let (frames, held) = region.map_or((0, 0), |region| (region.frames, region.held));
            place.frames.truncate(frames);
            place.held.truncate(held);
            place.node = node;
        } else {
            self.resumed.insert((TRUNK, place.node));
        }
        self.anew(place);
        self.wake(TRUNK);
        Ok(())
    }

    pub(super) fn skip(&mut self, step: &str) -> Result<(), Refused> {
        if self.run.status.over() {
            let place = self.failed_place("there is no failed step to skip")?;
            let node = self.graph.node(place.node).filter(|node| node.path == step);
            let node = node.ok_or_else(|| Refused::Step(step.to_owned()))?;
            self.anew(place);
            self.mark(&node.path, StepStatus::Skipped);
            let next = match &node.kind {
                NodeKind::Guard { otherwise, .. } => *otherwise,
                NodeKind::Enter(enter) => enter.after,
                NodeKind::Leave(_) => {
                    self.here_mut().at.frames.pop();
                    node.next
                }
                _ => node.next,
            };
            self.go(next);
            return Ok(());
        }
        let node = self.find_step(step)?;
        if super::fork::forks(&node.kind) {
            return Err(Refused::Step(step.to_owned()));
        }
        let effect = self.state(&node.path).effect;
        self.out.extend(effect.map(Command::Forget));
        self.mark(&node.path, StepStatus::Skipped);
        self.go(node.next);
        Ok(())
    }

    pub(super) fn settle(&mut self, step: &str, verdict: &str) -> Result<(), Refused> {
        let node = self.find_step(step)?;
        let state = self.here().steps.get(&node.path).filter(|state| state.status == StepStatus::Uncertain);
        let effect = state.ok_or_else(|| Refused::Step(step.to_owned()))?.effect;
        let NodeKind::Task(task) = &node.kind else { return Err(Refused::Step(step.to_owned())) };
        let forget = effect.map(Command::Forget);
        match verdict {
            "done" => {
                self.out.extend(forget);
                self.settled(node);
                let flow = self.done(node, serde_json::json!({}));
                self.go_on(node, flow);
            }
            "failed" => {
                self.out.extend(forget);
                self.settled(node);
                self.go_failed(node, Failure::new("Uncertain", "an operator says that it was not done"));
            }
            "retry" => self.again(node, task),
            other => return Err(Refused::Verdict(other.to_owned())),
        }
        Ok(())
    }

    /// Where a run that failed or was cancelled stood then.
    fn failed_place(&self, wanted: &'static str) -> Result<Place, Refused> {
        if !matches!(self.run.status, Status::Failed | Status::Cancelled) {
            return Err(self.refused(wanted));
        }
        self.here().failed_at.clone().ok_or_else(|| self.refused("it has no step to go on from"))
    }

    /// Goes on from there in a new generation: new effects have new keys.
    fn anew(&mut self, place: Place) {
        self.run.generation += 1;
        self.run.cancelled = None;
        (self.run.status, self.run.finished) = (Status::Running, None);
        let here = self.here_mut();
        here.at = place;
        (here.failed, here.failed_at) = (None, None);
    }

    /// Turns to the branch that waits at this step.
    pub(super) fn find_step(&mut self, name: &str) -> Result<&'a Node, Refused> {
        self.not_over("only a step of a run that is not over can be decided")?;
        let (path, index) = parse(name);
        for id in std::iter::once(TRUNK).chain(self.branches.ids()).collect::<Vec<_>>() {
            let fits = self.load(id).is_some_and(|branch| branch.goes_on() && branch.index() == index);
            if fits
                && self.turn_to(id)
                && self.here().undoing.is_none()
                && let Some(node) = self.node().filter(|node| node.path == path)
            {
                return Ok(node);
            }
        }
        self.turn_to(TRUNK);
        Err(Refused::Step(name.to_owned()))
    }

    pub(super) fn not_over(&self, wanted: &'static str) -> Result<(), Refused> {
        if self.run.status.over() { Err(self.refused(wanted)) } else { Ok(()) }
    }

    fn refused(&self, wanted: &'static str) -> Refused {
        Refused::Status { run: self.run.id, status: self.run.status.as_str(), wanted }
    }
}
