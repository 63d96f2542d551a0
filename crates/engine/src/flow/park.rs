//! Firings that flow control holds for a person: nothing is silently dropped.

use ensue_event::ours::{Ours, RuleFired, RuleParked};
use ensue_event::{Key, Position};
use ensue_rule::flow::MINUTE;

use super::MOST_WAIT;
use crate::config::{Decider, rule_id};
use crate::decide::{Match, fired};
use crate::emit::Chain;
use crate::fold::Engine;
use crate::state::{MAX_OUTBOX, Parked, Verdict};

impl Engine {
    /// Parks what a match would have become; `tell` is how many its breaker has stopped, where it is time to tell.
    pub(super) fn park_match(&mut self, decider: &Decider, found: Match, by: &str, why: &str, tell: Option<u64>) {
        let Some(mode) = self.mode(decider) else { return self.not(&decider.name, found.key, Verdict::Paused) };
        let (correlation, depth) = (found.correlation.clone(), found.depth + 1);
        self.park_firing(fired(decider, mode, found), correlation, depth, by, why, tell);
    }

    /// Parks a match for which a queue has no room.
    pub(super) fn park_full(&mut self, decider: &Decider, found: Match, why: &str) {
        let tell = self.time_to_tell(decider.id);
        self.park_match(decider, found, "throttle", why, tell);
    }

    /// Parks a firing while too many effects have no answer.
    pub(crate) fn park_excess(&mut self, fired: RuleFired, correlation: String, depth: u32) {
        let tell = self.time_to_tell(rule_id(&fired.rule));
        let why = format!("pressure: {MAX_OUTBOX} effects have no answer");
        self.park_firing(fired, correlation, depth, "outbox", &why, tell);
    }

    /// How many are parked of a rule, if it was not told within the last minute that a queue is full.
    pub(super) fn time_to_tell(&mut self, rule: Key) -> Option<u64> {
        let mut of = self.of_rule(rule);
        if of.told.is_some_and(|told| self.now < told + MINUTE) {
            return None;
        }
        of.told = Some(self.now);
        let many = of.parked + 1;
        self.keep_of_rule(rule, of);
        Some(many)
    }

    /// Parks a firing, by value. When too many of its rule are, it is dropped, and that is said.
    pub(super) fn park_firing(
        &mut self,
        fired: RuleFired,
        correlation: String,
        depth: u32,
        by: &str,
        why: &str,
        tell: Option<u64>,
    ) {
        let rule = rule_id(&fired.rule);
        let (firing, name, key) = (fired.firing, fired.rule.clone(), fired.key.clone());
        let mut of = self.of_rule(rule);
        let dropped = of.parked >= MOST_WAIT;
        if dropped {
            let why = format!("{why}; {MOST_WAIT} firings of the rule are parked already. {}", again(&fired));
            self.not(&name, key, Verdict::Dropped { why });
        } else {
            of.parked += 1;
            let (reason, since, by) = (why.to_owned(), self.now, Some(by.to_owned()));
            let parked = Parked { fired, reason, since, correlation: correlation.clone(), depth, by };
            self.state.parked.put(firing, parked);
            self.decided(name.clone(), key, Verdict::Parked { why: why.to_owned() });
        }
        if let Some(many) = tell {
            let then = if dropped { "more are dropped" } else { "`ensue run redrive` lets them go" };
            let reason = format!("{why}; {many} held back so far, {} parked; {then}", of.parked);
            let id = Key::of("parked", &[&firing.0, &self.position.bytes()]);
            let chain = Chain { correlation, cause: firing.to_string(), depth };
            self.emit_ours(id, &Ours::from(RuleParked { firing, rule: name, reason }), &chain);
        }
        self.keep_of_rule(rule, of);
    }

    /// A parked firing was let go or dropped.
    pub(crate) fn unparked(&mut self, parked: &Parked) {
        if parked.by.is_none() {
            return;
        }
        let rule = rule_id(&parked.fired.rule);
        let mut of = self.of_rule(rule);
        of.parked = of.parked.saturating_sub(1);
        self.keep_of_rule(rule, of);
        self.gone(rule);
    }
}

/// How the events of a firing are offered once more.
fn again(fired: &RuleFired) -> String {
    let batched = fired.batch.iter().flat_map(|one| &one.events);
    let all = if fired.batch.is_empty() { fired.events.iter().collect() } else { batched.collect::<Vec<_>>() };
    let mut positions: Vec<Position> = all.iter().map(|took| took.position).collect();
    positions.dedup();
    let named: Vec<String> = positions.iter().take(3).map(Position::to_string).collect();
    let more = if positions.len() > named.len() { " and so on" } else { "" };
    format!("`ensue events re-emit` offers its events again: {}{more}", named.join(", "))
}
