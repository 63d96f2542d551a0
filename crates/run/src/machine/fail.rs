//! Failures on their way out: who catches them, what is taken back, what runs in any case.

use ensue_event::ours::Failure;

use super::{CANCELLED, Machine};
use crate::branch::{Branch, Failed, Held, Of, Place, Stands, Undo, Undoing};
use crate::graph::{ArmKind, Node, NodeKind, RegionId};
use crate::step::StepStatus;

impl<'a> Machine<'a> {
    /// A node failed. True if the branch at hand goes on from where it is now.
    pub(super) fn failed(&mut self, node: &'a Node, failure: Failure) -> bool {
        let failed = Failed { step: self.name(&node.path), error: failure };
        self.fail(node, failed)
    }

    /// The same, with what failed within it.
    pub(super) fn fail(&mut self, node: &'a Node, failed: Failed) -> bool {
        self.state(&node.path).error = Some(failed.error.clone());
        self.mark(&node.path, how(&failed.error));
        self.raise(node.region, failed)
    }

    /// A failure begins its way outwards. True if the branch at hand goes on from where it is now.
    pub(super) fn raise(&mut self, from: RegionId, failed: Failed) -> bool {
        let at_rest = self.node().is_some_and(|node| !matches!(node.kind, NodeKind::Resume | NodeKind::Rethrow));
        if at_rest && !self.here().at.held.iter().any(|held| matches!(held, Held::Failure(_))) {
            let at = self.here().at.clone();
            self.here_mut().failed_at = Some(at);
        }
        self.carry(from, failed)
    }

    /// Carries a failure outwards.
    pub(super) fn carry(&mut self, from: RegionId, mut failed: Failed) -> bool {
        let mut next = Some(from);
        while let Some((id, region)) = next.and_then(|id| Some((id, self.graph.regions.get(id)?))) {
            let caught = self.catches(&failed, region.held);
            if let Some(arm) = region.arms.iter().find(|arm| caught && arm.takes(&failed.error)) {
                self.leave_calls(region.frames, &failed);
                let at = &mut self.here_mut().at;
                at.held.truncate(region.held);
                match arm.kind {
                    ArmKind::Catch => at.held.push(Held::Caught(failed)),
                    ArmKind::OnFailure => at.held.push(Held::Failure(failed)),
                    ArmKind::CarryOn => {}
                }
                at.node = arm.to;
                return true;
            }
            if let Some(finally) = region.finally {
                self.leave_calls(region.frames, &failed);
                let at = &mut self.here_mut().at;
                at.held.truncate(region.held);
                at.held.push(Held::Failure(failed));
                at.node = finally;
                return true;
            }
            if region.undoes && self.take_back(id, region.frames, region.held, &failed) {
                return false;
            }
            if region.sticky
                && failed.error.name != CANCELLED
                && let Some(Held::Failure(first)) =
                    region.held.checked_sub(1).and_then(|at| self.here().at.held.get(at))
            {
                failed = first.clone();
            }
            next = region.parent;
        }
        self.leave_calls(0, &failed);
        let cancelled = self.cancelled();
        self.here_mut().failed = Some(failed);
        self.end(if cancelled { Stands::Cancelled } else { Stands::Failed });
        false
    }

    /// Whether the branch at hand was told to end.
    pub(super) fn cancelled(&self) -> bool {
        match &self.here().of {
            Some(of) => of.cancelled,
            None => self.run.cancelled.is_some(),
        }
    }

    /// Whether a region with so much held may catch this failure. A cancellation is caught nowhere; but the finally
    /// steps that run because of it have catches of their own.
    fn catches(&self, failed: &Failed, held: usize) -> bool {
        let cancelled = |held: &Held| matches!(held, Held::Failure(failed) if failed.error.name == CANCELLED);
        !self.cancelled() || failed.error.name != CANCELLED && self.here().at.held.iter().take(held).any(cancelled)
    }

    /// A failure leaves called workflows: the calling steps have failed too.
    fn leave_calls(&mut self, keep: usize, failed: &Failed) {
        while self.here().at.frames.len() > keep
            && let Some(frame) = self.here_mut().at.frames.pop()
        {
            if let Some(state) = self.here_mut().steps.get_mut(&frame.path) {
                state.error = Some(failed.error.clone());
                self.mark(&frame.path, how(&failed.error));
            }
        }
    }

    /// Begins to take back the last thing that was done below a region, if there is one: a branch of its own does it.
    fn take_back(&mut self, region: RegionId, frames: usize, held: usize, failed: &Failed) -> bool {
        let outer = frames.checked_sub(1).and_then(|last| self.here().at.frames.get(last));
        let from = outer.map_or(0, |frame| frame.undos);
        if self.here().undos.len() <= from {
            return false;
        }
        self.leave_calls(frames, failed);
        let here = self.here_mut();
        here.at.held.truncate(held);
        let Some(undo) = here.undos.pop() else { return false };
        let parent = self.id();
        let branch = if undo.branch == 0 { self.undo_step(parent, undo, failed) } else { undo.branch };
        self.here_mut().undoing = Some(Box::new(Undoing { failed: failed.clone(), region, branch }));
        if let Some(of) = self.load(branch).and_then(|branch| branch.of.clone()).filter(|of| of.stands != Stands::Going)
        {
            // An item of a `foreach` that is done: it takes back what it did.
            self.turn_to(branch);
            self.here_mut().of = Some(Box::new(Of { stands: Stands::Going, ..*of }));
            if let Some(root) = self.node().map(|node| node.region) {
                self.carry(root, failed.clone());
            }
            self.turn_to(parent);
        } else {
            self.wake(branch);
        }
        true
    }

    fn undo_step(&mut self, parent: u32, undo: Undo, failed: &Failed) -> u32 {
        let entry = self.graph.undos.get(&undo.step).copied().unwrap_or_default();
        let index = self.here().index().to_vec();
        let item = self.here().of.as_ref().and_then(|of| of.item.clone());
        let at = Place { node: entry, frames: undo.frames, held: vec![Held::Failure(failed.clone())] };
        let of =
            Of { parent, step: undo.step, way: 0, index, item, stands: Stands::Going, cancelled: false, undo: true };
        self.adopt(Branch { at, of: Some(Box::new(of)), ..Branch::default() })
    }

    /// A branch of this number is new.
    pub(super) fn adopt(&mut self, branch: Branch) -> u32 {
        self.run.branches += 1;
        let id = self.run.branches;
        self.loaded.insert(id, std::sync::Arc::new(branch));
        self.changed.insert(id);
        id
    }

    /// A branch that took something back has ended: the next thing is taken back, or the failure goes on its way.
    pub(super) fn taken_back(&mut self, child: u32, undoing: Undoing) {
        let Undoing { mut failed, region, .. } = undoing;
        let ended = self.load(child).map(std::sync::Arc::clone);
        if let Some(branch) = ended
            && let Some(of) = &branch.of
        {
            let item = of.step.as_str();
            match &branch.failed {
                Some(why) if of.undo => {
                    let (step, why) = (self.name(item), format!("{}: {}", why.error.name, why.error.message));
                    failed.error.message = format!("{}; taking back `{step}` failed: {why}", failed.error.message);
                }
                // An item of a `foreach` ends with the failure that it was taken back for, and what it adds to it.
                Some(why) => failed = why.clone(),
                None if of.undo => self.state(item).undone = true,
                None => {}
            }
            if of.undo {
                let steps = branch.steps.clone();
                self.here_mut().steps.extend(steps);
                self.inherit(&branch);
                self.remove(child);
            } else if self.turn_to(child) {
                if let Some(of) = &mut self.here_mut().of {
                    of.stands = Stands::Undone;
                }
                let parent = of.parent;
                self.turn_to(parent);
            }
        }
        if self.carry(region, failed) {
            self.wake(self.id());
        }
    }
}

/// How a step stands that ended so.
pub(super) fn how(error: &Failure) -> StepStatus {
    if error.name == CANCELLED { StepStatus::Cancelled } else { StepStatus::Failed }
}
