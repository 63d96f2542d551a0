//! Flow control: how often a rule's matches become firings.

use ensue_event::Key;
use serde::{Deserialize, Serialize};

use crate::config::Decider;
use crate::decide::Match;
use crate::fold::Engine;

/// What flow control keeps for a rule and key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowRow {}

impl Engine {
    /// A match whose conditions hold: `dedupe`, then `debounce` or `batch`, then `throttle`, then the storm breaker.
    pub(crate) fn flow(&mut self, decider: &Decider, found: Match) {
        self.fire(decider, found);
    }

    /// A timer of flow control is due.
    pub(crate) fn flow_due(&mut self, _rule: Key, _id: Key) {}
}
