//! Gaps: times in which nobody could see what came, so that nothing can be said of what did not come.
//!
//! A gap opens when the node starts (`node.started`: since it stopped) or a source of the configuration that recovers
//! what it missed is disconnected; it closes when all such sources have caught up, after a start at the latest
//! [`GRACE`] later. A deadline of an absence that comes while it is open waits for its end. Deadlines of other kinds,
//! and the windows of flow control, do not move; nor does anything when the clock is set (`clock.stepped`): append time
//! is what counts, and it goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use ensue_event::ours::NodeStarted;
use ensue_event::{Key, Span, Time};
use ensue_lang::catalog::{self, Recovers};
use ensue_lang::{Name, WhenKind};
use serde::{Deserialize, Serialize};

use crate::Compiled;
use crate::fold::Engine;
use crate::state::Timer;

/// How long after a start sources are waited for.
pub const GRACE: Span = Span::mins(10);
/// When a deadline is due that waits for the end of a gap: 9999-12-31T00:00:00Z.
pub(crate) const AFTER_THE_GAP: Time = Time::from_secs(253_402_214_400);

/// A gap that is open.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// Sources that have not caught up, and until when each is waited for at most.
    pub waiting: BTreeMap<String, Option<Time>>,
    /// When the first of these limits is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer: Option<Time>,
}

/// The one row of `gaps`.
const NOW: &str = "now";

/// The full names of the sources that recover what they missed.
fn recovering(config: &Compiled) -> impl Iterator<Item = String> {
    let recovers = |kind: &str| catalog::source(kind).is_some_and(|spec| spec.recovers != Recovers::None);
    config
        .config
        .sources
        .iter()
        .filter(move |(_, source)| recovers(&source.type_name))
        .map(|(name, _)| name.to_string())
}

impl Engine {
    /// The gap that is open.
    #[must_use]
    pub fn gap(&self) -> Option<&Gap> {
        self.state.gaps.get(NOW).map(std::convert::AsRef::as_ref)
    }

    fn open_gap(&self) -> Gap {
        self.gap().cloned().unwrap_or_default()
    }

    pub(crate) fn node_started(&mut self, started: NodeStarted) {
        self.state.meta.boot = Some(started.boot);
        let Some(stopped) = started.stopped_at else { return };
        let limit = self.now + GRACE;
        let waiting: BTreeMap<_, _> = recovering(&self.config).map(|name| (name, Some(limit))).collect();
        if waiting.is_empty() {
            self.shift_absences((stopped, self.now), self.now);
        }
        self.set_gap(Gap { waiting, ..self.open_gap() });
    }

    pub(crate) fn source_disconnected(&mut self, source: &str) {
        let source = Name::resolve(source, Name::DEFAULT).to_string();
        if recovering(&self.config).any(|name| name == source) {
            let mut gap = self.open_gap();
            gap.waiting.insert(source, None);
            self.set_gap(gap);
        }
    }

    pub(crate) fn source_caught_up(&mut self, source: &str) {
        let source = Name::resolve(source, Name::DEFAULT).to_string();
        let mut gap = self.open_gap();
        if gap.waiting.remove(&source).is_some() {
            self.set_gap(gap);
        }
    }

    /// Nobody waits for a source that is gone.
    pub(crate) fn sources_of(&mut self, config: &Compiled) {
        let mut gap = self.open_gap();
        let before = gap.waiting.len();
        let there: Vec<String> = recovering(config).collect();
        gap.waiting.retain(|name, _| there.contains(name));
        if gap.waiting.len() < before {
            self.set_gap(gap);
        }
    }

    /// Sources were waited for long enough.
    pub(crate) fn gap_due(&mut self) {
        let mut gap = self.open_gap();
        gap.timer = None;
        let now = self.now;
        gap.waiting.retain(|_, limit| limit.is_none_or(|limit| limit > now));
        self.set_gap(gap);
    }

    /// Keeps a gap, or closes it if nobody is waited for any more.
    fn set_gap(&mut self, mut gap: Gap) {
        let id = Key::of("gap", &[]);
        let limit = gap.waiting.values().flatten().min().copied();
        if gap.timer != limit {
            if let Some(timer) = gap.timer {
                self.state.timers.delete(&(timer, id));
            }
            if let Some(limit) = limit {
                self.state.timers.put((limit, id), Timer::Gap);
            }
            gap.timer = limit;
        }
        if !gap.waiting.is_empty() {
            self.state.gaps.put(NOW.to_owned(), gap);
        } else if self.state.gaps.delete(&NOW.to_owned()) {
            self.shift_absences((AFTER_THE_GAP, AFTER_THE_GAP), self.now);
        }
    }

    /// Whether a deadline of this rule waits because a gap is open. A rule on its way through the past has gaps of its
    /// own.
    pub(crate) fn waits_for_the_gap(&self, rule: Key) -> bool {
        let config = Arc::clone(&self.config);
        let absence = |decider: &crate::config::Decider| matches!(decider.rule.when.kind, WhenKind::Absence { .. });
        self.filling.is_none() && self.gap().is_some() && config.owner(rule).is_some_and(absence)
    }
}
