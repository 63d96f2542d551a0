//! `debounce` and `batch`: a match waits for others.

use ensue_event::ours::Batched;
use ensue_event::{Key, Span};
use ensue_rule::flow::{Gather, Quiet};

use super::{Kept, MOST_HELD, positions, row_of};
use crate::config::Decider;
use crate::decide::Match;
use crate::fold::Engine;
use crate::state::Verdict;

impl Engine {
    /// The newest of a burst is held until nothing more comes.
    pub(super) fn debounce(&mut self, decider: &Decider, found: Match) -> Option<Match> {
        let Some(spec) = &decider.rule.debounce else { return Some(found) };
        let key = self.flow_key(decider, spec.key.as_ref(), &found)?;
        let id = row_of("debounce", decider.id, key.as_deref());
        let mut replaced = None;
        let quiet = match self.kept(decider.id, id) {
            Some(Kept::Debounce { quiet, held }) => {
                let mut quiet = *quiet;
                replaced = Some((held.key.clone(), positions(held)));
                quiet.again(self.now);
                quiet
            }
            _ => Quiet::new(self.now),
        };
        if !self.room(decider, id, key.as_deref()) {
            return None;
        }
        let due = quiet.due(Span(spec.quiet), spec.max.map(Span));
        let held = Verdict::Held { by: "debounce".into(), until: Some(due) };
        self.decided(decider.name.to_string(), found.key.clone(), held);
        if let Some((key, events)) = replaced {
            self.not(&decider.name, key, Verdict::Replaced { by: "debounce".into(), events });
        }
        self.keep_flow(decider.id, id, key, Kept::Debounce { quiet, held: Box::new(found) }, Some(due));
        None
    }

    pub(super) fn debounce_due(&mut self, decider: &Decider, id: Key, quiet: Quiet, held: &Match) {
        // An edit may have made it longer, or have taken it away.
        let spec = decider.rule.debounce.as_ref();
        let due = spec.map_or(self.now, |spec| quiet.due(Span(spec.quiet), spec.max.map(Span)));
        if due > self.now {
            return self.wake(decider.id, id, due);
        }
        self.drop_flow(decider.id, id);
        let Some(found) = self.release(decider, held.clone()) else { return };
        if let Some(found) = self.batch(decider, found) {
            self.gathered(decider, found);
        }
    }

    /// Matches are put together, until they are enough.
    pub(super) fn batch(&mut self, decider: &Decider, found: Match) -> Option<Match> {
        let Some(spec) = &decider.rule.batch else { return Some(found) };
        let key = self.flow_key(decider, spec.key.as_ref(), &found)?;
        let id = row_of("batch", decider.id, key.as_deref());
        if !self.room(decider, id, key.as_deref()) {
            return None;
        }
        let mut gather = match self.kept(decider.id, id) {
            Some(Kept::Batch(gather)) => *gather,
            _ => Gather::new(self.now),
        };
        let (of, number) = (found.key.clone(), gather.add());
        self.line_up(decider.id, id, number, found);
        let due = gather.due(spec.every.map(Span));
        let full = gather.full(spec.size) || self.of_rule(decider.id).held >= MOST_HELD;
        self.keep_flow(decider.id, id, key, Kept::Batch(gather), due);
        if full {
            return self.gather(decider, id, gather);
        }
        self.decided(decider.name.to_string(), of, Verdict::Held { by: "batch".into(), until: due });
        None
    }

    /// Takes a batch as it is.
    fn gather(&mut self, decider: &Decider, id: Key, gather: Gather) -> Option<Match> {
        let numbers = gather.line().numbers();
        let mut matches: Vec<Match> = numbers.filter_map(|number| self.take_out(decider.id, id, number)).collect();
        self.drop_flow(decider.id, id);
        let depth = matches.iter().map(|one| one.depth).max()?;
        let batched = |one: &Match| Batched { key: one.key.clone(), events: one.events.clone() };
        let batch = matches.iter().map(batched).collect();
        Some(Match { batch, depth, ..matches.pop()? })
    }

    pub(super) fn batch_due(&mut self, decider: &Decider, id: Key, gather: Gather) {
        if let Some(spec) = decider.rule.batch.as_ref() {
            match gather.due(spec.every.map(Span)) {
                _ if gather.full(spec.size) => {}
                Some(due) if due <= self.now => {}
                Some(due) => return self.wake(decider.id, id, due),
                None => return,
            }
        }
        let Some(found) = self.gather(decider, id, gather) else { return };
        if let Some(found) = self.release(decider, found) {
            self.gathered(decider, found);
        }
    }

    /// Sets the timer of a row.
    pub(super) fn wake(&mut self, rule: Key, id: Key, due: ensue_event::Time) {
        if let Some(row) = self.state.flows.get(&(rule, id)).cloned() {
            self.keep_flow(rule, id, row.key.clone(), row.kept.clone(), Some(due));
        }
    }
}
