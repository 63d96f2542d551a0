//! `dev.ensue.action.started`, `answered` and `uncertain`: what became of effects.

use ensue_event::ours::{ActionAnswered, ActionUncertain, Attempt};
use ensue_run::Input;

use crate::fold::{Engine, Poison};
use crate::work::Kin;

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
        let Some(branch) = self.take(&of) else { return Ok(()) };
        let input = Input::Answer { branch, effect: of.effect, attempt: of.attempt, answer };
        self.input(of.run, input).map(|_| ())
    }

    pub(crate) fn uncertain(&mut self, uncertain: ActionUncertain) -> Result<(), Poison> {
        let ActionUncertain { of, reason } = uncertain;
        let Some(branch) = self.take(&of) else { return Ok(()) };
        self.input(of.run, Input::Unknown { branch, effect: of.effect, attempt: of.attempt, reason }).map(|_| ())
    }

    /// Takes the outbox row of this attempt, if it is still there; or the step is uncertain and a late answer settles it.
    /// The branch that has the effect.
    pub(crate) fn take(&mut self, of: &Attempt) -> Option<u32> {
        if let Some(row) = self.state.outbox.get(&of.effect) {
            let branch = row.effect.branch;
            let fits = row.effect.attempt == of.attempt && self.state.outbox.delete(&of.effect);
            return fits.then_some(branch);
        }
        let run = self.state.runs.get(&of.run).filter(|run| run.uncertain > 0)?;
        run.home(&Kin { run: of.run, rows: &self.state.branches }, of.effect)
    }
}
