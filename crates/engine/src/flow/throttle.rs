//! `throttle`: so many firings within a time that slides.

use ensue_event::{Key, Span};
use ensue_lang::Excess;
use ensue_rule::flow::{Offer, Rate, Throttle};

use super::{Kept, MOST_HELD, MOST_WAIT, row_of};
use crate::config::Decider;
use crate::decide::Match;
use crate::fold::Engine;
use crate::state::Verdict;

fn rate(spec: &ensue_lang::Throttle) -> Rate {
    let queue = if spec.excess == Excess::Queue { MOST_WAIT } else { 0 };
    Rate { limit: spec.limit, per: Span(spec.per), queue }
}

impl Engine {
    /// Past the limit a match is dropped, or waits.
    pub(super) fn throttle(&mut self, decider: &Decider, found: Match) -> Option<Match> {
        let Some(spec) = &decider.rule.throttle else { return Some(found) };
        let (rate, rule) = (rate(spec), decider.id);
        let key = self.flow_key(decider, spec.key.as_ref(), &found)?;
        let id = row_of("throttle", rule, key.as_deref());
        if !self.room(decider, id, key.as_deref()) {
            return None;
        }
        let mut throttle = match self.kept(rule, id) {
            Some(Kept::Throttle(throttle)) => throttle.clone(),
            _ => Throttle::default(),
        };
        let mut passed = None;
        match throttle.offer(self.now, rate) {
            Offer::Pass => passed = Some(found),
            Offer::Drop { until } => {
                self.not(&decider.name, found.key, Verdict::Throttled { until });
                return None;
            }
            Offer::Wait { number, until } if self.of_rule(rule).held < MOST_HELD => {
                let verdict = Verdict::Held { by: "throttle".into(), until: Some(until) };
                self.decided(decider.name.to_string(), found.key.clone(), verdict);
                self.line_up(rule, id, number, found);
            }
            Offer::Wait { .. } | Offer::Full => {
                let why = format!("throttle: {} wait already", throttle.line().len());
                self.park_full(decider, found, &why);
                return None;
            }
        }
        let due = throttle.due(self.now, rate);
        self.keep_flow(rule, id, key, Kept::Throttle(throttle), due);
        passed
    }

    pub(super) fn throttle_due(&mut self, decider: &Decider, id: Key, mut throttle: Throttle) {
        let rule = decider.id;
        let Some(spec) = &decider.rule.throttle else {
            // An edit took the throttle away: nothing waits any longer.
            let all: Vec<Match> =
                throttle.line().numbers().filter_map(|number| self.take_out(rule, id, number)).collect();
            self.drop_flow(rule, id);
            for found in all {
                self.released(decider, found);
            }
            return;
        };
        let rate = rate(spec);
        let mut released = Vec::new();
        while let Some(number) = throttle.release(self.now, rate) {
            released.extend(self.take_out(rule, id, number));
        }
        if throttle.idle(self.now, rate.per) {
            self.drop_flow(rule, id);
        } else if let Some(row) = self.state.flows.get(&(rule, id)).cloned() {
            let due = throttle.due(self.now, rate);
            self.keep_flow(rule, id, row.key.clone(), Kept::Throttle(throttle), due);
        }
        for found in released {
            self.released(decider, found);
        }
    }

    fn released(&mut self, decider: &Decider, found: Match) {
        if let Some(found) = self.release(decider, found) {
            self.past_throttle(decider, found);
        }
    }
}
