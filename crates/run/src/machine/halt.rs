//! Ending what goes on: an operator's cancel, a timeout, a branch that lost.

use ensue_event::ours::Failure;

use super::fail::how;
use super::fork::forks;
use super::{Command, Machine};
use crate::branch::{Failed, TRUNK};
use crate::graph::{NodeKind, RegionId};
use crate::step::{Closing, StepStatus};

impl<'a> Machine<'a> {
    /// A branch is told to end. What it does is given up; what it did is taken back, and its finally steps run.
    pub(super) fn interrupt(&mut self, branch: u32, failure: &Failure) {
        if !self.turn_to(branch) {
            return;
        }
        match &mut self.here_mut().of {
            Some(of) if of.cancelled => return,
            Some(of) => of.cancelled = true,
            None => {}
        }
        if self.here().undoing.is_some() {
            // It has failed already and is on its way out.
            return;
        }
        if let Some(node) = self.node() {
            let failed = Failed { step: self.name(&node.path), error: failure.clone() };
            self.give_up(failed, node.region);
        }
    }

    /// The branch at hand gives up what it does and goes on with this failure from this region, at once or when its
    /// own branches have ended.
    fn give_up(&mut self, failed: Failed, region: RegionId) {
        let Some(node) = self.node() else { return };
        let id = self.id();
        let state = self.here_mut().steps.get_mut(&node.path);
        let fork =
            state.filter(|state| state.status == StepStatus::Running).and_then(|state| state.fork.as_deref_mut());
        if let Some(fork) = fork.filter(|_| forks(&node.kind)) {
            fork.closing = Some(Closing::Left(failed.clone(), region));
            self.state(&node.path).error = Some(failed.error);
            self.end_others(node, "its step was told to end");
            return;
        }
        if matches!(node.kind, NodeKind::Task(_)) {
            let effect = self.state(&node.path).effect;
            self.out.extend(effect.map(Command::Forget));
        }
        self.state(&node.path).error = Some(failed.error.clone());
        self.mark(&node.path, how(&failed.error));
        if self.raise(region, failed) {
            self.wake(id);
        }
    }

    /// The time of a step that is more than one action is over.
    pub(super) fn timed_out(&mut self, step: &str, failure: Failure) {
        let Some(region) = self.graph.find(step).and_then(|node| self.graph.node(node)).map(|node| node.region) else {
            return;
        };
        let failed = Failed { step: self.name(step), error: failure };
        self.state(step).error = Some(failed.error.clone());
        if self.here().undoing.is_none() {
            self.give_up(failed, region);
        }
    }

    /// The run's own time is over: its steps end, and its `onFailure` and `finally` steps run.
    pub(super) fn run_out(&mut self) {
        if !self.turn_to(TRUNK) || self.here().undoing.is_some() {
            return;
        }
        let Some(node) = self.node() else { return };
        let within = |region: RegionId| {
            let parents = std::iter::successors(Some(region), |region| self.graph.regions.get(*region)?.parent);
            parents.into_iter().any(|region| region == self.graph.body)
        };
        // What runs in any case runs to its end.
        if !within(node.region) {
            return;
        }
        let span = self.graph.timeout.map_or_else(String::new, |span| format!(" within {}", ensue_event::Span(span)));
        let failed = Failed {
            step: self.name(&node.path),
            error: Failure::new("Timeout", format!("the run was not done{span}")),
        };
        self.give_up(failed, self.graph.body);
    }

    /// What is being taken back anywhere is not taken back any further.
    pub(super) fn stop_taking_back(&mut self, failure: &Failure) -> bool {
        let mut stopped = false;
        for id in std::iter::once(TRUNK).chain(self.branches.ids()).collect::<Vec<_>>() {
            if !self.turn_to(id) || !self.here().goes_on() {
                continue;
            }
            if let Some(undoing) = self.here().undoing.clone() {
                self.here_mut().undos.clear();
                stopped = true;
                self.interrupt(undoing.branch, failure);
            }
        }
        self.turn_to(TRUNK);
        stopped
    }
}
