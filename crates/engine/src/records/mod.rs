//! One file per kind of record that changes something.

mod answer;
mod configuration;
mod operator;
mod quarantine;
pub(crate) mod source;

use ensue_event::{Ours, Record};

use crate::backfill::Past;
use crate::fold::{Engine, Poison};

impl Engine {
    /// What a record of our own changes. Records that only tell something change nothing.
    pub(crate) fn record(&mut self, record: &Record, ours: Ours, past: &dyn Past) -> Result<(), Poison> {
        match ours {
            Ours::NodeStarted(started) => {
                self.node_started(started);
                Ok(())
            }
            Ours::ConfigApplied(applied) => self.configuration(applied),
            Ours::RuleFired(fired) => self.start(record, fired),
            Ours::ActionStarted(started) => {
                self.action_started(&started.of);
                Ok(())
            }
            Ours::ActionAnswered(answered) => self.answered(answered),
            Ours::ActionUncertain(uncertain) => self.uncertain(uncertain),
            Ours::Operator(operator) => self.operator(operator, &record.event),
            Ours::RecordQuarantined(quarantined) => self.quarantined(quarantined),
            Ours::Backfill(told) => self.fill(&told, past),
            Ours::SourceDisconnected(told) => {
                self.source_disconnected(&told.source);
                Ok(())
            }
            Ours::SourceCaughtUp(told) => {
                self.source_caught_up(&told.source);
                Ok(())
            }
            Ours::NodeStopped(_)
            | Ours::ClockStepped(_)
            | Ours::Tick(_)
            | Ours::ActionStopped(_)
            | Ours::SourceGap(_)
            | Ours::EventConflict(_)
            | Ours::LogTrimmed(_)
            | Ours::LogPurged(_)
            | Ours::StateSnapshot(_)
            | Ours::RuleParked(_)
            | Ours::RunStarted(_)
            | Ours::RunFinished(_)
            | Ours::RunFailed(_)
            | Ours::ApprovalAsked(_)
            | Ours::ChainCut(_)
            | Ours::KeyRefused(_)
            | Ours::FreezeBegan(_)
            | Ours::FreezeEnded(_)
            | Ours::EventDiverted(_)
            | Ours::PolicyDecided(_) => Ok(()),
        }
    }
}
