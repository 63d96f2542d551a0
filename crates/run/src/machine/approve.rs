//! Approvals: what is asked, whose word counts, and what follows.

use ensue_event::ours::Failure;
use ensue_event::{Digest, Span};
use ensue_expr::Budget;
use ensue_lang::{Approve, OnTimeout};
use serde_json::json;

use super::{Command, Flow, Machine, Refused, expression};
use crate::graph::{Node, NodeKind};
use crate::step::{Ask, Shown, StepStatus, Voice};

/// The role that may answer for every other: that of who runs the machine.
pub const ADMIN: &str = "admin";

/// What somebody says to what a step asks.
pub(super) struct Word {
    pub(super) actor: String,
    pub(super) roles: Vec<String>,
    pub(super) refuse: bool,
    pub(super) shown: Option<Digest>,
    pub(super) reason: String,
}

impl<'a> Machine<'a> {
    pub(super) fn ask(&mut self, node: &'a Node, approve: &Approve) -> Result<Flow, Failure> {
        self.begin(node);
        let ask = self.question(approve)?;
        self.state(&node.path).status = StepStatus::Asking;
        if let Some(timeout) = approve.timeout {
            self.rest(node, self.world.now + Span(timeout));
        }
        self.put_to_people(node, approve, ask);
        Ok(Flow::Wait)
    }

    fn put_to_people(&mut self, node: &Node, approve: &Approve, ask: Ask) {
        let state = self.state(&node.path);
        state.ask = Some(Box::new(ask.clone()));
        let until = state.due;
        let (step, from, min) = (self.name(&node.path), approve.from.clone(), approve.min.max(1));
        self.out.push(Command::Ask { step, from, min, ask: Box::new(ask), until });
    }

    /// What is shown, as it is now.
    fn question(&self, approve: &Approve) -> Result<Ask, Failure> {
        let mut shown = Vec::new();
        for program in &approve.show {
            let value = program.eval(&self.names(), &mut Budget::new());
            let value = value.map_err(|why| expression(program.source(), &why))?.to_json();
            shown.push(Shown { what: program.source().to_owned(), value });
        }
        let digest = Digest::of(&serde_json::to_vec(&shown).unwrap_or_default());
        Ok(Ask { shown, digest, yes: Vec::new() })
    }

    pub(super) fn approved(&mut self, name: &str, word: &Word) -> Result<(), Refused> {
        let refused = |why: String| Refused::Approval { step: name.to_owned(), why };
        self.not_over("nobody is asked any more")?;
        let node = self.find_step(name)?;
        let NodeKind::Approve(approve) = &node.kind else { return Err(Refused::Step(name.to_owned())) };
        let state = self.here().steps.get(&node.path).filter(|state| state.status == StepStatus::Asking);
        let ask = state.and_then(|state| state.ask.as_deref()).cloned();
        let mut ask = ask.ok_or_else(|| Refused::Step(name.to_owned()))?;
        if !word.roles.iter().any(|role| role == ADMIN || approve.from.contains(role)) {
            let (who, from) = (&word.actor, approve.from.join(", "));
            return Err(refused(format!("{who} may not answer: it takes the role {from}")));
        }
        if approve.not_starter && self.run.starter.as_ref() == Some(&word.actor) {
            return Err(refused(format!("{} made the run start, so somebody else must answer", word.actor)));
        }
        if word.shown.is_some_and(|shown| shown != ask.digest) {
            return Err(refused("what is asked has changed since it was shown; look again".to_owned()));
        }
        let now = self.world.now;
        if word.refuse {
            let why = format!("{} said no: {}", word.actor, word.reason);
            self.go_failed(node, Failure::new("Denied", why));
            return Ok(());
        }
        if let Some(voice) = ask.yes.iter().find(|voice| voice.by == word.actor) {
            return Err(refused(format!("{} has said yes already, at {}", word.actor, voice.at)));
        }
        ask.yes.push(Voice { by: word.actor.clone(), at: now, reason: word.reason.clone() });
        if ask.yes.len() < usize::try_from(approve.min).unwrap_or(usize::MAX) {
            self.state(&node.path).ask = Some(Box::new(ask));
            return Ok(());
        }
        match self.question(approve) {
            // What was approved is not what would be done now: it is asked again.
            Ok(anew) if anew.digest != ask.digest => self.put_to_people(node, approve, anew),
            Ok(_) => {
                let by: Vec<&str> = ask.yes.iter().map(|voice| voice.by.as_str()).collect();
                let outputs = json!({"approved": true, "by": by});
                self.state(&node.path).ask = Some(Box::new(ask));
                let flow = self.done(node, outputs);
                self.go_on(node, flow);
            }
            Err(failure) => self.go_failed(node, failure),
        }
        Ok(())
    }

    /// Nobody answered in time.
    pub(super) fn nobody(&mut self, node: &'a Node) {
        let NodeKind::Approve(approve) = &node.kind else { return };
        match approve.on_timeout {
            OnTimeout::Approve => {
                let flow = self.done(node, json!({"approved": true, "by": []}));
                self.go_on(node, flow);
            }
            OnTimeout::Refuse => {
                let span = approve.timeout.map_or_else(String::new, |span| format!(" within {}", Span(span)));
                let why = format!("too few of {} said yes{span}", approve.from.join(", "));
                self.go_failed(node, Failure::new("Timeout", why));
            }
        }
    }
}
