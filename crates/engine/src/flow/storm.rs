//! The storm breaker: past a rate, firings are parked.

use ensue_event::Key;
use ensue_rule::flow::{Breaker, MINUTE};

use super::{FlowRow, Kept, OfRule, row_of};
use crate::config::Decider;
use crate::decide::Match;
use crate::emit::MAX_DEPTH;
use crate::fold::Engine;

/// Breakers of a rule stand by themselves, so that looking through them costs nothing of its other rows.
fn space(rule: Key) -> Key {
    Key::of("storms", &[&rule.0])
}

impl Engine {
    /// What is kept of a rule as a whole.
    pub(super) fn of_rule(&self, rule: Key) -> OfRule {
        let place = (space(rule), row_of("storm", rule, None));
        match self.state.flows.get(&place).map(|row| &row.kept) {
            Some(Kept::Rule(known)) => known.clone(),
            _ => OfRule { breaker: Breaker::default(), held: 0, parked: 0, swept: self.now, told: None },
        }
    }

    pub(super) fn keep_of_rule(&mut self, rule: Key, of: OfRule) {
        let place = (space(rule), row_of("storm", rule, None));
        self.state.flows.put(place, FlowRow { key: None, wake: None, kept: Kept::Rule(of) });
    }

    /// Past so many a minute, of its key or of its rule, a match is parked.
    pub(super) fn storm(&mut self, decider: &Decider, found: Match) -> Option<Match> {
        if found.depth >= MAX_DEPTH {
            // Its chain is cut, and it does not fire.
            return Some(found);
        }
        let (rule, now, limit) = (decider.id, self.now, decider.rule.storm.unwrap_or_default());
        let mut of = self.of_rule(rule);
        if now >= of.swept + MINUTE {
            self.sweep(rule);
            of.swept = now;
        }
        let place = found.key.as_deref().map(|key| (space(rule), row_of("storm", rule, Some(key))));
        let known = place.and_then(|place| match self.state.flows.get(&place).map(|row| &row.kept) {
            Some(Kept::Storm(breaker)) => Some(breaker.clone()),
            _ => None,
        });
        let mut of_key = known.unwrap_or_default();
        if let Some(place) = place
            && !of_key.passes(now, limit.per_key)
        {
            let tell = of_key.stop(now);
            let (key, many) = (found.key.clone(), of_key.stopped(now).unwrap_or(0));
            let named = key.as_deref().map(short).unwrap_or_default();
            let why = format!("storm: more than {} firings in a minute of key {named}", limit.per_key);
            self.state.flows.put(place, FlowRow { key, wake: None, kept: Kept::Storm(of_key) });
            self.keep_of_rule(rule, of);
            self.park_match(decider, found, "storm", &why, tell.then_some(many));
            return None;
        }
        if !of.breaker.passes(now, limit.per_rule) {
            let tell = of.breaker.stop(now);
            let many = of.breaker.stopped(now).unwrap_or(0);
            let why = format!("storm: more than {} firings in a minute of the rule", limit.per_rule);
            self.keep_of_rule(rule, of);
            self.park_match(decider, found, "storm", &why, tell.then_some(many));
            return None;
        }
        if let Some(place) = place {
            of_key.pass(now, limit.per_key);
            let kept = Kept::Storm(of_key);
            self.state.flows.put(place, FlowRow { key: found.key.clone(), wake: None, kept });
        }
        of.breaker.pass(now, limit.per_rule);
        self.keep_of_rule(rule, of);
        Some(found)
    }

    /// Forgets the breakers of keys that are quiet. Each was looked at once a minute at most, and there are no more of
    /// them than firings passed since.
    fn sweep(&mut self, rule: Key) {
        let space = space(rule);
        let quiet = self
            .state
            .flows
            .of(space)
            .filter(|(_, row)| matches!(&row.kept, Kept::Storm(breaker) if breaker.idle(self.now)));
        let quiet: Vec<(Key, Key)> = quiet.map(|(id, _)| (space, id)).collect();
        for place in quiet {
            self.state.flows.delete(&place);
        }
    }

    /// Forgets the breakers of a rule; how many of its firings are parked is known as long as one is.
    pub(super) fn forget_breakers(&mut self, rule: Key) {
        let space = space(rule);
        let gone = self
            .state
            .flows
            .of(space)
            .filter(|(_, row)| !matches!(&row.kept, Kept::Rule(of) if of.parked + of.held > 0));
        let gone: Vec<(Key, Key)> = gone.map(|(id, _)| (space, id)).collect();
        for place in gone {
            self.state.flows.delete(&place);
        }
        if self.state.flows.get(&(space, row_of("storm", rule, None))).is_some() {
            let of = OfRule { breaker: Breaker::default(), ..self.of_rule(rule) };
            self.keep_of_rule(rule, of);
        }
    }

    /// Of a rule that is gone nothing is kept once nothing of it waits and nothing is parked.
    pub(super) fn gone(&mut self, rule: Key) {
        let of = self.of_rule(rule);
        if of.parked + of.held == 0 && self.config.owner(rule).is_none() {
            self.forget_breakers(rule);
        }
    }

    /// The breakers of a rule.
    pub(super) fn breakers(&self, rule: Key) -> impl Iterator<Item = &FlowRow> {
        self.state.flows.of(space(rule)).map(|(_, row)| row.as_ref())
    }
}

/// A key for a message.
fn short(key: &str) -> String {
    let mut out: String = key.chars().take(80).collect();
    if out.len() < key.len() {
        out.push('…');
    }
    format!("`{out}`")
}
