//! How many keys a rule holds, and what happens past `maxKeys`.

use ensue_event::ours::KeyRefused;
use ensue_event::{Key, Ours, Span, Time};
use serde::{Deserialize, Serialize};

use crate::config::Decider;
use crate::emit::Chain;
use crate::fold::Engine;
use crate::state::Verdict;

/// How many keys a rule holds of each kind, if it does not say.
pub const MAX_KEYS: u64 = 100_000;
/// How often at most it is told that keys are refused.
const TOLD_EVERY: Span = Span::mins(1);

/// How many keys a rule holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// With half-matches.
    pub halves: u64,
    /// With something in flow control.
    pub flows: u64,
    /// With something in ordering.
    pub orders: u64,
    /// Refused since that was last told.
    pub refused: u64,
    /// When it was last told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Time>,
}

/// What a key has rows in: each may hold `maxKeys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// The table `halves`.
    Halves,
    /// The table `flows`.
    Flows,
    /// The table `orders`.
    Orders,
}

impl Tally {
    fn of(&mut self, keeps: Keeps) -> &mut u64 {
        match keeps {
            Keeps::Halves => &mut self.halves,
            Keeps::Flows => &mut self.flows,
            Keeps::Orders => &mut self.orders,
        }
    }
}

impl Engine {
    /// Counts a new key of a rule, before its row is put. False if there are as many as may be: then nothing of the key
    /// may be kept; the decision is recorded, and told once a minute.
    pub(crate) fn admit(&mut self, decider: &Decider, keeps: Keeps, key: Option<&str>) -> bool {
        let limit = decider.rule.when.max_keys.unwrap_or(MAX_KEYS);
        let mut tally = self.state.tallies.get(&decider.id).map(|known| known.as_ref().clone()).unwrap_or_default();
        let keys = tally.of(keeps);
        let admitted = *keys < limit;
        if admitted {
            *keys += 1;
        } else {
            self.not(&decider.name, key.map(str::to_owned), Verdict::KeyRefused { limit });
            tally.refused += 1;
            if tally.told.is_none_or(|told| told + TOLD_EVERY <= self.now) {
                let (rule, refused) = (decider.name.to_string(), std::mem::take(&mut tally.refused));
                tally.told = Some(self.now);
                let id = Key::of("refused", &[rule.as_bytes(), &self.position.bytes(), &self.now.0.to_be_bytes()]);
                // It is about the rule, not about the event that happened to be the next one.
                let correlation = Key::of("correlation", &[rule.as_bytes()]).to_string();
                let chain = Chain { correlation, cause: rule.clone(), depth: 1 };
                self.emit_ours(id, &Ours::from(KeyRefused { rule, limit, refused }), &chain);
            }
        }
        self.state.tallies.put(decider.id, tally);
        admitted
    }

    /// Takes so many keys of a rule off the count, when their rows go.
    pub(crate) fn forget(&mut self, rule: Key, keeps: Keeps, keys: u64) {
        let Some(mut tally) = self.state.tallies.get(&rule).map(|known| known.as_ref().clone()) else { return };
        let known = tally.of(keeps);
        *known = known.saturating_sub(keys);
        if (tally.halves, tally.flows, tally.orders, tally.told) == (0, 0, 0, None) {
            self.state.tallies.delete(&rule);
        } else {
            self.state.tallies.put(rule, tally);
        }
    }
}
