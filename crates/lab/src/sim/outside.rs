//! The outside: disk, clocks, senders, and the systems that actions talk to.

use std::collections::{BTreeMap, BTreeSet};

use ensue_engine::Outboxed;
use ensue_engine::state::TABLES;
use ensue_event::ours::{Answer, Failure};
use ensue_event::{Event, Key, Position, Span, Time};
use ensue_lang::catalog::Idempotency;
use ensue_log::disk::{Fault, FaultDisk, Rng};
use ensue_state::Memory;
use serde_json::json;

pub(super) struct Outside {
    pub(super) disk: FaultDisk,
    pub(super) store: Memory,
    pub(super) wall: Time,
    pub(super) mono: Span,
    pub(super) boot: u64,
    pub(super) well: bool,
    pub(super) sent: Vec<Event>,
    pub(super) acked: BTreeMap<String, Position>,
    pub(super) ledger: Ledger,
    /// Actions that are under way.
    pub(super) under_way: Vec<Outboxed>,
    pub(super) ids: u64,
    /// Rules that remember run too.
    pub(super) remembers: bool,
    /// Rules with every kind of step run too.
    pub(super) branches: bool,
    /// The log is replayed at the end.
    pub(super) replayed: bool,
}

/// What the systems that actions talk to saw.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) performed: Vec<(Key, u32)>,
    pub(super) once: BTreeSet<(Key, u32)>,
    /// Effects whose good answer is durable.
    pub(super) answered: BTreeSet<Key>,
}

impl Outside {
    pub(super) fn new(remembers: bool, branches: bool, replayed: bool) -> Outside {
        let store = Memory::lagging(TABLES).unwrap_or_else(|why| unreachable!("the tables' names are ours: {why}"));
        Outside {
            disk: FaultDisk::new(),
            store,
            wall: Time::from_secs(1_700_000_000),
            mono: Span::ZERO,
            boot: 1,
            well: false,
            sent: Vec::new(),
            acked: BTreeMap::new(),
            ledger: Ledger::default(),
            under_way: Vec::new(),
            ids: 0,
            remembers,
            branches,
            replayed,
        }
    }

    pub(super) fn pass_time(&mut self, rng: &mut Rng) {
        let step = match rng.below(20) {
            0 => Span::secs(40),
            1..5 => Span::secs(1),
            _ => Span::millis(i64::try_from(rng.below(50)).unwrap_or(0)),
        };
        self.advance(step);
    }

    pub(super) fn advance(&mut self, step: Span) {
        self.wall = self.wall + step;
        self.mono = Span(self.mono.micros() + step.micros());
        self.disk.set_now(self.wall);
    }

    /// An hour back, ten minutes on, a year ahead and back.
    pub(super) fn step_clock(&mut self, rng: &mut Rng) {
        let year = Span::hours(24 * 365);
        self.wall = match rng.below(4) {
            0 => self.wall - Span::hours(1),
            1 => self.wall + Span::mins(10),
            2 => self.wall + year,
            _ => self.wall - year,
        };
    }

    pub(super) fn break_disk(&mut self, rng: &mut Rng) {
        let n = 1 + rng.below(12);
        match rng.below(5) {
            0 => self.disk.fail(n, Fault::Eio),
            1 => self.disk.fail(n, Fault::Enospc),
            2 => self.disk.fail(n, Fault::Short),
            3 => self.disk.stop_after(n),
            _ => self.disk.set_capacity(Some(self.disk.used() + rng.below(4_096))),
        }
    }

    pub(super) fn heal(&mut self) {
        self.disk.heal();
        self.disk.set_capacity(None);
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// An event of a sender: mostly new, sometimes sent again.
    pub(super) fn event(&mut self, rng: &mut Rng) -> Event {
        if rng.below(5) == 0 && !self.sent.is_empty() {
            let at = rng.below(self.sent.len() as u64);
            if let Some(again) = usize::try_from(at).ok().and_then(|at| self.sent.get(at)) {
                return again.clone();
            }
        }
        let id = self.next_id();
        let kind = ["sim.push", "sim.push", "sim.alert", "sim.noise"].get(usize::try_from(rng.below(4)).unwrap_or(0));
        let event = Event::new(format!("e{id}"), "/sim", *kind.unwrap_or(&"sim.push")).with_json(&json!({
            "number": id, "lane": id % 3, "branch": if rng.below(3) == 0 { "main" } else { "topic" }, "bad": rng.below(7) == 0,
        }));
        self.sent.push(event.clone());
        event
    }

    /// The process died with actions under way: each was done or not, and nobody will say.
    pub(super) fn orphan(&mut self, rng: &mut Rng) {
        for row in std::mem::take(&mut self.under_way) {
            if rng.below(2) == 0 {
                self.ledger.performed.push((row.effect.key, row.effect.attempt));
            }
        }
    }

    /// The system that the action talks to does it, or does not.
    pub(super) fn act(&mut self, row: &Outboxed, rng: &mut Rng, violations: &mut Vec<String>) -> Answer {
        let (key, attempt) = (row.effect.key, row.effect.attempt);
        if self.ledger.answered.contains(&key) {
            violations
                .push(format!("step {} of run {} was done again after its answer", row.effect.step, row.effect.run));
        }
        if row.effect.idempotency == Idempotency::None && !self.ledger.once.insert((key, attempt)) {
            violations.push(format!(
                "attempt {attempt} of {} in run {} was made twice, and it cannot be repeated",
                row.effect.step, row.effect.run
            ));
        }
        self.ledger.performed.push((key, attempt));
        if self.well {
            return Answer::Ok(json!({"status": 200, "body": {"ok": true}}));
        }
        match rng.below(10) {
            0..6 => Answer::Ok(json!({"status": 200, "body": {"ok": true}})),
            6 => Answer::Err(Failure::new("Status", "404: not found")),
            7 => {
                let mut failure = Failure::new("Status", "429: slow down").retryable();
                failure.retry_after = Some(Span::secs(2));
                Answer::Err(failure)
            }
            8 => Answer::Err(Failure::new("Timeout", "no answer within 5m")),
            _ => Answer::Err(Failure::new("Connect", "connection refused").retryable()),
        }
    }
}
