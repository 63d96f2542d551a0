//! `dev.ensue.action.started`, `answered` and `uncertain`: what became of effects.

use ensue_event::ours::{ActionAnswered, ActionUncertain, Attempt};
use ensue_event::{Key, Span, Time};
use ensue_run::Input;

use crate::config::Compiled;
use crate::fold::{Engine, Poison};
use crate::state::{Outboxed, Targeted, Used};
use crate::work::Kin;

impl Engine {
    /// From here on the attempt may have been made: without an answer it is uncertain.
    pub(crate) fn action_started(&mut self, of: &Attempt) {
        if let Some(row) = self.state.outbox.get(&of.effect)
            && row.effect.attempt == of.attempt
        {
            let mut row = row.as_ref().clone();
            // It has left: a freeze that came in between does not hold it.
            (row.started, row.held) = (true, false);
            self.uses(&row);
            self.state.outbox.put(of.effect, row);
        }
    }

    /// An answer: its effect is done with, and its run goes on. A second answer finds nothing and changes nothing.
    pub(crate) fn answered(&mut self, answered: ActionAnswered) -> Result<(), Poison> {
        let ActionAnswered { of, answer, .. } = answered;
        if let Some(row) = self.state.outbox.get(&of.effect).filter(|row| !row.started).cloned() {
            self.uses(&row);
        }
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

    /// Another configuration: what counts against limits that are no longer there goes.
    pub(crate) fn unlimited(&mut self, compiled: &Compiled) {
        let limits = |name: &str| compiled.connected(name).map(|found| found.limits).unwrap_or_default();
        let uses = self.state.uses.iter().filter(|(_, used)| limits(&used.connection).per_minute.is_none());
        let uses: Vec<(Time, Key)> = uses.map(|(key, _)| *key).collect();
        for key in uses {
            self.state.uses.delete(&key);
        }
        let targets = self.state.targets.iter();
        let targets = targets.filter(|(_, used)| limits(&used.connection).distinct_targets_per_hour.is_none());
        let targets: Vec<(Key, Key)> = targets.map(|(key, _)| *key).collect();
        for key in targets {
            self.state.targets.delete(&key);
        }
    }

    /// Counts an effect against the limits of its connection, at the time of the record that says that it left or was
    /// done: a start takes the counts from here. What no longer counts goes.
    fn uses(&mut self, row: &Outboxed) {
        let Some(connection) = &row.effect.connection else { return };
        let Some(limits) = self.config.connected(connection).map(|found| found.limits) else { return };
        let now = self.now;
        if limits.per_minute.is_some() {
            while let Some((at, key)) = self.state.uses.first().map(|(key, _)| *key)
                && now.since(at) >= Span::mins(1)
            {
                self.state.uses.delete(&(at, key));
            }
            let attempt = row.effect.attempt.to_be_bytes();
            let key = Key::of("use", &[&row.effect.key.0, &attempt]);
            self.state.uses.put((now, key), Used { connection: connection.clone() });
        }
        if let (Some(_), Some(target)) = (limits.distinct_targets_per_hour, &row.target) {
            let of = Key::of("connection", &[connection.as_bytes()]);
            let old = self.state.targets.of(of).filter(|(_, known)| now.since(known.at) >= Span::mins(60));
            let old: Vec<Key> = old.map(|(key, _)| key).collect();
            for key in old {
                self.state.targets.delete(&(of, key));
            }
            let used = Targeted { connection: connection.clone(), target: target.clone(), at: now };
            self.state.targets.put((of, Key::of("target", &[target.as_bytes()])), used);
        }
    }
}
