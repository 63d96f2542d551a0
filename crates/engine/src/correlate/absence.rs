//! Absences that no event arms, and what becomes of deadlines while nobody could see what came.

use std::sync::Arc;

use ensue_event::{Key, Span, Time};
use ensue_lang::WhenKind;
use ensue_rule::correlate::Silence;

use super::{Body, HalfRow, Keeps, KeyText, lateness, row_id};
use crate::config::Decider;
use crate::fold::Engine;
use crate::records::source::AFTER_THE_GAP;

/// How long a key that was seen is expected again, if the rule does not say.
const REMEMBER: Span = Span::hours(7 * 24);

/// How long a key that was seen is expected again.
pub(super) fn remember(decider: &Decider) -> Span {
    match &decider.rule.when.kind {
        WhenKind::Absence { remember: Some(remember), .. } => Span(*remember),
        _ => REMEMBER,
    }
}

impl Engine {
    /// A rule starts: one that is new, or whose `when` was changed. An `absence` without `after` waits from now on for
    /// the keys in `expect`, and without a key for its one. Keys that are known already are left as they are.
    pub(crate) fn arm_expected(&mut self, decider: &Decider) {
        let WhenKind::Absence { after: None, wait, expect, .. } = &decider.rule.when.kind else { return };
        let keyless = decider.rule.when.key.is_none() && decider.watches.iter().all(|watch| watch.item.key.is_none());
        let keys = expect.iter().map(|key| Some(key.as_str())).chain(keyless.then_some(None));
        for key in keys {
            let id = row_id(decider.id, key);
            if self.state.halves.get(&(decider.id, id)).is_some() || !self.admit(decider, Keeps::Halves, key) {
                continue;
            }
            let silence = Silence { due: Some(self.now + Span(*wait)), seen: None, expected: true };
            let row = HalfRow { key: KeyText::of(key), timer: Time::MAX, body: Body::Silence(silence.into()) };
            self.keep(decider, id, row);
        }
    }

    /// Nothing could be seen from `gap.0` to `gap.1`: the node was stopped (`node.started` says since when), or a source
    /// that recovers what it missed was disconnected. Deadlines of absences that lie in the gap, both ends included, move
    /// to `to`: its end plus the time that catching up may take. To be called before the timers of the record run.
    pub(crate) fn shift_absences(&mut self, gap: (Time, Time), to: Time) {
        let config = Arc::clone(&self.config);
        for decider in &config.rules {
            if !matches!(decider.rule.when.kind, WhenKind::Absence { .. }) {
                continue;
            }
            // Where events are looked at later, so are deadlines.
            let late = lateness(decider);
            let moves = |due: Time| (gap.0..=gap.1).contains(&(due + late)) && due + late != to;
            let shifted: Vec<(Key, HalfRow)> = self
                .rows_of(decider.id)
                .filter_map(|(id, row)| {
                    let mut row = row.clone();
                    moved(&mut row.body, moves, to - late).then_some((id, row))
                })
                .collect();
            for (id, row) in shifted {
                self.keep(decider, id, row);
            }
        }
    }

    /// What is due of this row waits until it is known when the gap that is open ends.
    pub(crate) fn postpone(&mut self, rule: Key, id: Key) {
        let config = Arc::clone(&self.config);
        let Some(decider) = config.owner(rule) else { return };
        let Some(row) = self.state.halves.get(&(rule, id)) else { return };
        let (mut row, late, now) = (row.as_ref().clone(), lateness(decider), self.now);
        if moved(&mut row.body, |due| due + late <= now, AFTER_THE_GAP - late) {
            self.state.halves.put((rule, id), row);
        }
    }
}

/// Moves deadlines; true if there were any to be moved.
fn moved(body: &mut Body, moves: impl Fn(Time) -> bool, to: Time) -> bool {
    let mut dues: Vec<&mut Time> = match body {
        Body::Armed(armed) => armed.0.iter_mut().map(|(due, _)| due).collect(),
        Body::Silence(silence) => silence.due.iter_mut().collect(),
        Body::Halves(_) | Body::Window(_) => Vec::new(),
    };
    dues.retain(|due| moves(**due));
    let any = !dues.is_empty();
    dues.into_iter().for_each(|due| *due = to);
    any
}
