//! Effects that policies let go only when people say so: who is asked, who has answered, how it ended.

use ensue_event::ours::{PolicyDecided, Ruled};
use ensue_event::{Digest, Key, Time};
use ensue_run::machine::ADMIN;
use ensue_run::{Effect, Run};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Wanted;
use crate::fold::{Engine, Poison};
use crate::state::Timer;

/// What people are asked before an effect is done. An approval is for all tries of the effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asks {
    /// The step.
    pub step: String,
    /// What is wanted, policy by policy: all of it.
    pub of: Vec<Wanted>,
    /// BLAKE3 of the action, its connection and what it is called with: an answer to something else is none.
    pub shown: Digest,
    /// Since when.
    pub since: Time,
    /// When it is refused if it is not answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
    /// Who said yes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub yes: Vec<Yes>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// Somebody who said yes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Yes {
    /// The name of the token.
    pub by: String,
    /// What it may answer for.
    pub roles: Vec<String>,
    /// When.
    pub at: Time,
    /// The reason that was given.
    pub reason: String,
}

/// How an ask ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Time,
    /// How.
    pub how: How,
}

/// How an ask can end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum How {
    /// Enough people said yes.
    Approved,
    /// Somebody said no.
    Refused {
        /// Who.
        by: String,
    },
    /// Nobody answered in time.
    Late,
    /// Its run went on without it.
    Void,
}

impl Asks {
    /// How many answers a policy still wants.
    #[must_use]
    pub fn missing(&self, want: &Wanted) -> usize {
        let yes = self.yes.iter().filter(|yes| may_answer(&want.from, &yes.roles)).count();
        usize::try_from(want.min).unwrap_or(usize::MAX).saturating_sub(yes)
    }

    /// Whether it still waits.
    #[must_use]
    pub const fn open(&self) -> bool {
        self.ended.is_none()
    }

    /// What is asked of whom, in words.
    #[must_use]
    pub fn wants(&self) -> String {
        let open = self.of.iter().filter(|want| self.missing(want) > 0);
        let one = |want: &Wanted| {
            let reason = want.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("policy {} asks {} of {}{reason}", want.policy, self.missing(want), want.from.join(" or "))
        };
        open.map(one).collect::<Vec<_>>().join("; ")
    }
}

fn may_answer(from: &[String], roles: &[String]) -> bool {
    roles.iter().any(|role| role == ADMIN || from.contains(role))
}

/// An answer.
pub(crate) struct Answer<'a> {
    pub(crate) step: &'a str,
    pub(crate) refuse: bool,
    pub(crate) shown: Option<Digest>,
    pub(crate) actor: String,
    pub(crate) roles: Vec<String>,
    pub(crate) reason: String,
}

fn timer(effect: Key) -> Key {
    Key::of("policy.asks", &[&effect.0])
}

impl Engine {
    /// Asks people about an effect, if they have not said yes to it before. True: it waits for them.
    pub(super) fn ask(&mut self, run: &Run, effect: &Effect, of: Vec<Wanted>) -> bool {
        let what = json!({"action": effect.action, "connection": effect.connection, "with": effect.with});
        let shown = Digest::of(what.to_string().as_bytes());
        let place = (run.id, effect.key);
        let approved = |known: &Asks| {
            let same = known.shown == shown && of.iter().all(|want| known.of.contains(want));
            same && known.ended.as_ref().is_some_and(|ended| ended.how == How::Approved)
        };
        if self.state.asks.get(&place).is_some_and(|known| approved(known)) {
            return false;
        }
        let due = self.patience(&of);
        let asks = Asks { step: effect.step.clone(), of, shown, since: self.now, due, yes: Vec::new(), ended: None };
        for want in &asks.of {
            let reason = want.reason.clone().unwrap_or_else(|| format!("{} is asked first", want.from.join(" or ")));
            let told = PolicyDecided { due, ..PolicyDecided::of(&want.policy, Ruled::Asked, &reason) };
            self.tell_about(run, effect, told);
        }
        if let Some(due) = due {
            self.state.timers.put((due, timer(effect.key)), Timer::Asks { run: run.id, effect: effect.key });
        }
        self.state.asks.put(place, asks);
        true
    }

    /// What people are asked about this step of a run: what is open, else what was asked last.
    fn asked(&self, run: Key, step: &str) -> Option<(Key, Asks)> {
        let all = self.state.asks.of(run).filter(|(_, asks)| asks.step == step);
        all.max_by_key(|(effect, asks)| (asks.open(), asks.since, *effect)).map(|(key, asks)| (key, (**asks).clone()))
    }

    /// An answer of a person; why it is none, where it is not. Nothing: the step of this run asks nothing here.
    pub(crate) fn answer_asks(&mut self, run: Key, answer: Answer<'_>) -> Result<Option<Option<String>>, Poison> {
        let Some((effect, mut asks)) = self.asked(run, answer.step) else { return Ok(None) };
        let Answer { step, refuse, shown, actor, roles, reason } = answer;
        let refused = |why: String| Ok(Some(Some(format!("step `{step}` of run {run} {why}"))));
        if let Some(Ended { at, how }) = &asks.ended {
            return refused(match how {
                How::Approved => {
                    let by: Vec<&str> = asks.yes.iter().map(|yes| yes.by.as_str()).collect();
                    format!("was approved by {} at {at}; there is nothing left to answer", by.join(", "))
                }
                How::Refused { by } => format!("was refused by {by} at {at}; there is nothing left to answer"),
                How::Late => format!("was waited for until {at} and is refused since; the run can be retried"),
                How::Void => format!("does not ask any more: its run went on without it at {at}"),
            });
        }
        if shown.is_some_and(|shown| shown != asks.shown) {
            return refused("asks about something else than what was shown; look at it again".to_owned());
        }
        if !asks.of.iter().any(|want| may_answer(&want.from, &roles)) {
            let has = if roles.is_empty() { "no role".to_owned() } else { format!("the roles {}", roles.join(", ")) };
            return refused(format!("cannot be answered by {actor}, who has {has}: {}", asks.wants()));
        }
        if asks.yes.iter().any(|yes| yes.by == actor) {
            return refused(format!("was answered by {actor} already: {}", asks.wants()));
        }
        if refuse {
            let why = format!("refused by {actor}: {reason}");
            self.end_asks(run, effect, asks, How::Refused { by: actor }, &why);
            self.refusals()?;
            return Ok(Some(None));
        }
        asks.yes.push(Yes { by: actor, roles, at: self.now, reason });
        if asks.of.iter().any(|want| asks.missing(want) > 0) {
            self.state.asks.put((run, effect), asks);
            return Ok(Some(None));
        }
        let by = asks.yes.iter().map(|yes| format!("{}: {}", yes.by, yes.reason)).collect::<Vec<_>>().join("; ");
        self.end_asks(run, effect, asks, How::Approved, &by);
        self.approved(run, effect);
        self.refusals()?;
        Ok(Some(None))
    }

    /// An ask is over. What is not approved fails.
    fn end_asks(&mut self, run: Key, effect: Key, asks: Asks, how: How, why: &str) {
        if let Some(due) = asks.due {
            self.state.timers.delete(&(due, timer(effect)));
        }
        let row = self.state.outbox.get(&effect).cloned();
        let kept = self.state.runs.get(&run).cloned();
        if let (Some(row), Some(kept)) = (&row, &kept)
            && how != How::Void
        {
            let verdict = if how == How::Approved { Ruled::Approved } else { Ruled::Refused };
            for want in &asks.of {
                let mut told = PolicyDecided::of(&want.policy, verdict, why);
                told.by = match &how {
                    How::Refused { by } => vec![by.clone()],
                    _ => asks.yes.iter().map(|yes| yes.by.clone()).collect(),
                };
                self.tell_about(kept, &row.effect, told);
            }
            if how != How::Approved {
                self.state.outbox.delete(&effect);
                self.deny(&row.effect, format!("{} ({why})", asks.wants()));
            }
        }
        self.state.asks.put((run, effect), Asks { ended: Some(Ended { at: self.now, how }), ..asks });
    }

    /// What was approved is done, if no policy denies it by now. From here on it counts as decided.
    fn approved(&mut self, run: Key, effect: Key) {
        let (Some(row), Some(run)) = (self.state.outbox.get(&effect).cloned(), self.state.runs.get(&run).cloned())
        else {
            return;
        };
        match self.may(&run, &row.effect) {
            None => drop(self.state.outbox.delete(&effect)),
            Some(true) => {}
            Some(false) => {
                let mut row = row.as_ref().clone();
                (row.asks, row.decided, row.at) = (false, self.position, self.at);
                let ready = row.may_leave();
                self.state.outbox.put(effect, row);
                if ready {
                    self.ready.push(effect);
                }
            }
        }
    }

    /// Nobody answered in time.
    pub(crate) fn asks_due(&mut self, run: Key, effect: Key) -> Result<(), Poison> {
        let Some(asks) = self.state.asks.get(&(run, effect)).filter(|asks| asks.open()).map(|asks| (**asks).clone())
        else {
            return Ok(());
        };
        let why = format!("nobody answered within {}", self.now.since(asks.since));
        self.end_asks(run, effect, asks, How::Late, &why);
        self.refusals()
    }

    /// A run went on without an effect.
    pub(crate) fn forget_asks(&mut self, run: Key, effect: Key) {
        if let Some(asks) = self.state.asks.get(&(run, effect)).filter(|asks| asks.open()).map(|asks| (**asks).clone())
        {
            self.end_asks(run, effect, asks, How::Void, "");
        }
    }

    /// A run is not kept any more.
    pub(crate) fn drop_asks(&mut self, run: Key) {
        let all: Vec<Key> = self.state.asks.of(run).map(|(effect, _)| effect).collect();
        for effect in all {
            self.forget_asks(run, effect);
            self.state.asks.delete(&(run, effect));
        }
    }

    /// Tells runs of what was denied at the record at hand: after they were kept, one after the other, so that a run
    /// whose every step is denied needs no stack for it.
    pub(crate) fn refusals(&mut self) -> Result<(), Poison> {
        if self.refusing {
            return Ok(());
        }
        self.refusing = true;
        let mut told = Ok(());
        while let Some((run, effect, attempt, failure)) = self.denied.pop_front() {
            let answer = ensue_event::ours::Answer::Err(failure);
            let known = self.state.runs.get(&run);
            let Some(branch) = known.and_then(|known| known.home(&self.state.branches_of(run), effect)) else {
                continue;
            };
            told = self.input(run, ensue_run::Input::Answer { branch, effect, attempt, answer }).map(|_| ());
            if told.is_err() {
                break;
            }
        }
        self.refusing = false;
        told
    }
}
