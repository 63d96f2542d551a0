//! Correlation: which events of a key together are a match. See [`ensue_rule`] for the machine; here is where its rows
//! are kept, and its timers.

use std::rc::Rc;

use ensue_event::Key;
use ensue_lang::WhenKind;
use serde::{Deserialize, Serialize};

use crate::config::Decider;
use crate::decide::{Completed, Names, Part, Seen, meets};
use crate::fold::Engine;
use crate::keys::keys;

/// What a rule keeps of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HalfRow {}

/// How many keys a rule holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tally {}

impl Engine {
    /// An event that meets the patterns of these items of a rule; the items are in the order of [`Decider::watches`].
    pub(crate) fn correlate(&mut self, decider: &Decider, seen: &Rc<Seen>, items: &[u16]) {
        let config = std::sync::Arc::clone(&self.config);
        let tables = config.tables(&decider.rule.name.namespace);
        let watches = items.iter().filter_map(|item| decider.watches.get(usize::from(*item)));
        for watch in watches {
            let names = Names::of_event(seen, tables.clone(), self.now);
            match meets(watch, &names) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(verdict) => return self.not(&decider.name, None, verdict),
            }
            if let WhenKind::Event(_) = &decider.rule.when.kind {
                let found = match keys(decider.rule.when.key.as_ref(), &names) {
                    Ok(found) => found,
                    Err(verdict) => return self.not(&decider.name, None, verdict),
                };
                for key in found {
                    let part = Part { seen: Rc::clone(seen), item: watch.item.name.clone() };
                    self.completed(decider, Completed { key, parts: vec![part], timed: false, due: None, count: None });
                }
            }
        }
    }

    /// A timer of a half-match is due.
    pub(crate) fn half_due(&mut self, _rule: Key, _id: Key) {}
}
