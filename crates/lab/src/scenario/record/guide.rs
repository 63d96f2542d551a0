//! The same once more: a stage whose actions answer what they answered then, when they answered then.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

use ensue_event::{Key, Span};
use ensue_lang::Retry;
use ensue_lang::catalog;
use ensue_run::graph::NodeKind;
use ensue_run::{Effect, retry};

use super::past::{Answered, Past, millis};
use crate::scenario::Configuration;
use crate::scenario::answers::{Answering, Told};

/// An answer as it was given again.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) rule: String,
    pub(super) step: String,
    pub(super) action: String,
    pub(super) after: Span,
    pub(super) told: Told,
}

/// Gives the answers of then, and notes how long each took.
pub(super) struct Guide<'a> {
    of: &'a Configuration,
    left: BTreeMap<(String, String), VecDeque<&'a Answered>>,
    /// Of each run: when its answers come here, and when they came then.
    met: BTreeMap<Key, Vec<(Span, Span)>>,
    /// The last answer of each effect, and how many of its tries failed.
    last: BTreeMap<Key, (&'a Answered, u32)>,
    notes: &'a RefCell<Vec<Note>>,
}

impl<'a> Guide<'a> {
    pub(super) fn new(of: &'a Configuration, past: &'a Past, notes: &'a RefCell<Vec<Note>>) -> Guide<'a> {
        let left = past.answers.iter().map(|(step, all)| (step.clone(), all.iter().collect())).collect();
        Guide { of, left, met: BTreeMap::new(), last: BTreeMap::new(), notes }
    }

    /// When an attempt was decided then: what leads to it here led to it then, after as much time as the answers before
    /// it leave. A retry came when its wait was over, which is not as long here, since the wait hangs on the effect's key.
    fn then(&self, effect: &Effect, now: Span) -> Span {
        if effect.attempt > 1
            && let Some((before, failed)) = self.last.get(&effect.key)
            && let Some(failure) = Past::failure(before)
        {
            let policy = self.policy(effect);
            let wait = policy.and_then(|policy| retry::delay(&policy, failure, before.effect, *failed));
            if let Some(wait) = wait {
                return Span(before.at.micros() + wait.micros());
            }
        }
        let met = self.met.get(&effect.run).into_iter().flatten().filter(|(here, _)| *here <= now);
        let drift = met.max_by_key(|(here, _)| *here).map_or(0, |(here, then)| then.micros() - here.micros());
        Span(now.micros() + drift)
    }

    fn policy(&self, effect: &Effect) -> Option<Retry> {
        let decider = self.of.compiled().rule(&effect.rule)?;
        let node = decider.graph.nodes.iter().find(|node| {
            matches!(node.kind, NodeKind::Task(_)) && crate::scenario::same_step(&node.path, &effect.step)
        })?;
        match &node.kind {
            NodeKind::Task(task) => {
                task.retry.clone().or_else(|| catalog::default_retry(&effect.action).then(retry::default_policy))
            }
            _ => None,
        }
    }
}

impl Answering for Guide<'_> {
    fn to(&mut self, effect: &Effect, now: Span) -> Option<(Span, Told)> {
        let step = (effect.rule.clone(), effect.step.clone());
        let then = self.then(effect, now);
        let answered = self.left.get_mut(&step)?.pop_front()?;
        let after = millis(Span((answered.at.micros() - then.micros()).max(0)));
        self.met.entry(effect.run).or_default().push((Span(now.micros() + after.micros()), answered.at));
        let failed = self.last.get(&effect.key).map_or(0, |(_, failed)| *failed);
        self.last.insert(effect.key, (answered, failed + u32::from(Past::failure(answered).is_some())));
        let (rule, step) = step;
        let (action, told) = (effect.action.clone(), answered.told.clone());
        self.notes.borrow_mut().push(Note { rule, step, action, after, told: told.clone() });
        Some((after, told))
    }
}
