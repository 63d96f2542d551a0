//! `dev.ensue.record.quarantined`: what the record would have meant is held for a person.

use ensue_event::ours::{Ours, RecordQuarantined, RuleParked};
use ensue_event::{Emission, Key};
use ensue_run::Input;

use crate::emit::{Chain, correlation};
use crate::fold::{Engine, Poison};
use crate::state::{Parked, Verdict};

impl Engine {
    pub(crate) fn quarantined(&mut self, quarantined: RecordQuarantined) -> Result<(), Poison> {
        if let Some(of) = quarantined.answer {
            // An answer of an attempt that is over says nothing about the one that is under way.
            if let Some(branch) = self.take(&of) {
                let reason =
                    format!("its answer, record {}, could not be folded: {}", quarantined.position, quarantined.reason);
                self.input(of.run, Input::Unknown { branch, effect: of.effect, attempt: of.attempt, reason })?;
            }
        }
        if let Some(firing) = quarantined.firing {
            self.parked(firing, quarantined.reason);
        }
        Ok(())
    }

    /// Holds the firing of this emission, if it is one: it is among the emissions until its record is folded.
    pub(crate) fn park(&mut self, place: Emission, reason: &str) {
        let Some(pending) = self.state.emissions.get(&place) else { return };
        let Ok(Ours::RuleFired(fired)) = Ours::of(&pending.event) else { return };
        let (correlation, depth) = (correlation(&pending.event), pending.event.depth());
        let parked = Parked { reason: reason.to_owned(), since: self.now, correlation, depth, fired, by: None };
        self.state.parked.put(parked.fired.firing, parked);
    }

    /// Says that a firing is held, and why.
    fn parked(&mut self, firing: Key, reason: String) {
        let Some(parked) = self.state.parked.get(&firing) else { return };
        let parked = Parked { reason: reason.clone(), ..parked.as_ref().clone() };
        let (rule, key) = (parked.fired.rule.clone(), parked.fired.key.clone());
        let told = RuleParked { firing, rule: rule.clone(), reason: reason.clone() };
        let id = Key::of("parked", &[&firing.0, &self.position.bytes()]);
        let (correlation, cause) = (parked.correlation.clone(), firing.to_string());
        self.emit_ours(id, &Ours::from(told), &Chain { correlation, cause, depth: parked.depth });
        self.state.parked.put(firing, parked);
        self.decided(rule, key, Verdict::Parked { why: reason });
    }
}
