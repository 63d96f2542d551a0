//! `dev.ensue.operator`: what a person or program with a token asked for, and whether it was done.

use ensue_event::ours::{Command, Operator};
use ensue_event::{Event, Key, Position, Time};
use ensue_run::machine::Refused;
use ensue_run::{Input, Status};

use crate::emit::Chain;
use crate::fold::{Engine, Poison};
use crate::policy::asks::Answer;
use crate::state::{Decision, Freeze, KEPT_VERDICTS, Parked, Verdict};

impl Engine {
    pub(crate) fn operator(&mut self, operator: Operator, event: &Event) -> Result<(), Poison> {
        let refused = match self.command_denied(&operator, event) {
            Some(why) => Some(why),
            None => self.carried(operator)?,
        };
        let verdict = refused.map_or(Verdict::Done, |why| Verdict::Refused { why });
        self.state.verdicts.put(self.position, Decision { at: self.now, key: None, verdict: verdict.clone() });
        if self.state.verdicts.len() >= KEPT_VERDICTS
            && let Some(oldest) = self.state.verdicts.first().map(|(position, _)| *position)
        {
            self.state.verdicts.delete(&oldest);
        }
        self.decided(crate::decide::OPERATOR.to_owned(), None, verdict);
        Ok(())
    }

    /// Carries a command out; why it was not, where it does not fit.
    fn carried(&mut self, operator: Operator) -> Result<Option<String>, Poison> {
        let Operator { command, actor, roles, reason } = operator;
        Ok(match command {
            Command::Freeze { connection, rule } => {
                let (since, until, window, thawed) = (self.now, None, None, None);
                self.freeze(Freeze { connection, rule, actor, reason, since, until, window, thawed });
                None
            }
            Command::Thaw { connection, rule, discard } => self.thaw(connection, rule, discard, &actor, &reason)?,
            Command::SetMode { rule, mode } => self.set_mode(rule, mode),
            Command::RetryRun { run } => self.retry_run(run, actor)?,
            Command::ResumeRun { run, from } => self.command(run, Input::Resume { from })?,
            Command::SkipStep { run, step } => self.command(run, Input::Skip { step })?,
            Command::CancelRun { run } => self.command(run, Input::Cancel { reason: format!("{actor}: {reason}") })?,
            Command::Settle { run, step, verdict } => self.command(run, Input::Settle { step, verdict })?,
            Command::Approve { run, step, refuse, shown } => {
                let (by, as_roles) = (actor.clone(), roles.clone());
                let answer = Answer { step: &step, refuse, shown, actor, roles, reason: reason.clone() };
                match self.answer_asks(run, answer)? {
                    Some(refused) => refused,
                    None => {
                        let (actor, roles) = (by, as_roles);
                        self.command(run, Input::Approve { step, actor, roles, refuse, shown, reason })?
                    }
                }
            }
            Command::Rollback { run } => self.command(run, Input::Rollback { reason: format!("{actor}: {reason}") })?,
            Command::Redrive { firing } => self.redrive(firing)?,
            Command::Discard { firing } => self.discard(firing),
            Command::RedriveAll { rule } => {
                let all = self.parked_of(&rule);
                for firing in &all {
                    self.redrive(*firing)?;
                }
                none_parked(&all, &rule)
            }
            Command::DiscardAll { rule } => {
                let all = self.parked_of(&rule);
                for firing in &all {
                    self.discard(*firing);
                }
                none_parked(&all, &rule)
            }
        })
    }

    fn command(&mut self, run: Key, input: Input) -> Result<Option<String>, Poison> {
        if self.state.runs.get(&run).is_none() {
            return Ok(Some(format!("run {run} is not kept; `ensue runs` lists those that are")));
        }
        Ok(self.input(run, input)?.map(|refused: Refused| refused.to_string()))
    }

    fn set_mode(&mut self, rule: String, mode: String) -> Option<String> {
        if self.config.rule(&rule).is_none() {
            return Some(format!("no rule {rule} is in force; `ensue rules` lists them"));
        }
        if !["live", "shadow", "paused"].contains(&mode.as_str()) {
            return Some(format!("`{mode}` is not a mode; say live, shadow or paused"));
        }
        let mut known = self.state.rules.get(&rule).map(|known| known.as_ref().clone()).unwrap_or_default();
        known.mode = Some(mode);
        self.state.rules.put(rule, known);
        None
    }

    fn retry_run(&mut self, run: Key, actor: String) -> Result<Option<String>, Poison> {
        let Some(known) = self.state.runs.get(&run) else {
            return Ok(Some(format!("run {run} is not kept; `ensue runs` lists those that are")));
        };
        if !matches!(known.status, Status::Failed | Status::Cancelled) {
            return Ok(Some(format!(
                "run {run} is {}; only a failed or cancelled run can be retried",
                known.status.as_str()
            )));
        }
        let mut run = known.as_ref().clone();
        if let Some(ended) = run.finished.take() {
            self.state.ended.delete(&(ended, run.id));
        }
        run.generation += 1;
        (run.status, run.cancelled) = (Status::Running, None);
        run.trunk = ensue_run::Branch::default();
        run.starter = Some(actor);
        self.forget_branches(run.id);
        self.drive(run, Input::Start)?;
        Ok(None)
    }

    fn redrive(&mut self, firing: Key) -> Result<Option<String>, Poison> {
        let Some(parked) = self.state.parked.get(&firing).map(|parked| parked.as_ref().clone()) else {
            return Ok(Some(format!("no firing {firing} is parked")));
        };
        self.state.parked.delete(&firing);
        self.unparked(&parked);
        let cause = parked.fired.events.last().and_then(|took| took.event.get("id")?.as_str().map(str::to_owned));
        let Parked { fired, correlation, depth, by, .. } = parked;
        match by.as_deref() {
            // Its record was folded and counted.
            Some("concurrency" | "outbox") => self.seat(fired, correlation, depth)?,
            // It has no record yet. It fires now, past the breaker that stopped it.
            Some(_) => {
                let cause = cause.unwrap_or_else(|| fired.rule.clone());
                self.emit_fired(fired, &Chain { correlation, cause, depth });
            }
            None => self.go(fired, correlation, depth)?,
        }
        Ok(None)
    }

    fn discard(&mut self, firing: Key) -> Option<String> {
        let Some(parked) = self.state.parked.get(&firing).cloned() else {
            return Some(format!("no firing {firing} is parked"));
        };
        self.state.parked.delete(&firing);
        self.unparked(&parked);
        None
    }

    /// The parked firings of a rule, in the order in which they were parked.
    fn parked_of(&self, rule: &str) -> Vec<Key> {
        let rows = self.state.parked.iter().filter(|(_, parked)| parked.fired.rule == rule);
        let mut all: Vec<(Time, Option<Position>, Key)> = rows
            .map(|(key, parked)| (parked.since, parked.fired.events.last().map(|took| took.position), *key))
            .collect();
        all.sort_unstable();
        all.into_iter().map(|(.., key)| key).collect()
    }
}

fn none_parked(all: &[Key], rule: &str) -> Option<String> {
    all.is_empty().then(|| format!("no firing of the rule {rule} is parked; `ensue runs` lists those that are"))
}
