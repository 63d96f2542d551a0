//! `dev.ensue.action.started`, `answered` and `uncertain`: what became of effects.

use ensue_event::ours::{ActionAnswered, ActionUncertain, Attempt};
use ensue_run::Input;

use crate::fold::{Engine, Poison};

impl Engine {
    /// From here on the attempt may have been made: without an answer it is uncertain.
    pub(crate) fn action_started(&mut self, of: &Attempt) {
        if let Some(row) = self.state.outbox.get(&of.effect)
            && row.effect.attempt == of.attempt
        {
            let mut row = row.as_ref().clone();
            row.started = true;
            self.state.outbox.put(of.effect, row);
        }
    }

    /// An answer: its effect is done with, and its run goes on. A second answer finds nothing and changes nothing.
    pub(crate) fn answered(&mut self, answered: ActionAnswered) -> Result<(), Poison> {
        let ActionAnswered { of, answer } = answered;
        if !self.take(&of) {
            return Ok(());
        }
        let input = Input::Answer { effect: of.effect, attempt: of.attempt, answer };
        self.input(of.run, input).map(|_| ())
    }

    pub(crate) fn uncertain(&mut self, uncertain: ActionUncertain) -> Result<(), Poison> {
        let ActionUncertain { of, reason } = uncertain;
        if !self.take(&of) {
            return Ok(());
        }
        self.input(of.run, Input::Unknown { effect: of.effect, attempt: of.attempt, reason }).map(|_| ())
    }

    /// Takes the outbox row of this attempt, if it is still there; or the step is uncertain and a late answer settles it.
    pub(crate) fn take(&mut self, of: &Attempt) -> bool {
        match self.state.outbox.get(&of.effect) {
            Some(row) if row.effect.attempt == of.attempt => self.state.outbox.delete(&of.effect),
            Some(_) => false,
            None => self.state.runs.get(&of.run).is_some_and(|run| {
                run.steps.get(&of.step).is_some_and(|step| {
                    step.effect == Some(of.effect)
                        && step.attempt == of.attempt
                        && step.status == ensue_run::StepStatus::Uncertain
                })
            }),
        }
    }
}
