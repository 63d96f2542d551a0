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
            self.state.outbox.delete(&of.effect);
            let reason =
                format!("its answer, record {}, could not be folded: {}", quarantined.position, quarantined.reason);
            self.input(of.run, Input::Unknown { effect: of.effect, attempt: of.attempt, reason })?;
        }
        if let Some(firing) = quarantined.firing {
            self.park(firing, &quarantined.reason);
        }
        Ok(())
    }

    /// The firing is still among the emissions, since its record was never folded.
    fn park(&mut self, firing: Key, reason: &str) {
        let text = firing.to_string();
        let found = self.state.emissions.iter().find(|(_, pending)| *pending.event.id == *text);
        let Some((place, pending)) = found.map(|(place, pending)| (*place, pending.clone())) else { return };
        let Ok(Ours::RuleFired(fired)) = Ours::of(&pending.event) else { return };
        let event = &pending.event;
        let (tie, depth) = (correlation(event), event.depth());
        let rule = fired.rule.clone();
        let parked = Parked { fired, reason: reason.to_owned(), since: self.now, correlation: tie.clone(), depth };
        self.state.parked.put(firing, parked);
        self.passed(place);
        let told = RuleParked { firing, rule: rule.clone(), reason: reason.to_owned() };
        let id = Key::of("parked", &[&firing.0, &self.position.bytes()]);
        self.emit_ours(id, &Ours::from(told), &Chain { correlation: tie, cause: text, depth });
        self.decided(rule, Verdict::Parked { why: reason.to_owned() });
    }

    fn passed(&mut self, place: Emission) {
        if self.state.meta.emission.is_none_or(|last| place > last) {
            self.state.meta.emission = Some(place);
        }
        self.state.emissions.delete(&place);
    }
}
