//! Ordering: in which order a rule looks at events.

use std::rc::Rc;

use ensue_event::Key;
use serde::{Deserialize, Serialize};

use crate::config::Decider;
use crate::decide::Seen;
use crate::fold::Engine;

/// What ordering keeps for a rule and key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderRow {}

impl Engine {
    /// An event of a rule with `order` or `time: event`: looked at now, later, or not.
    pub(crate) fn ordered(&mut self, decider: &Decider, seen: &Rc<Seen>, items: &[u16]) {
        self.correlate(decider, seen, items);
    }

    /// A timer of ordering is due.
    pub(crate) fn order_due(&mut self, _rule: Key, _id: Key) {}
}
