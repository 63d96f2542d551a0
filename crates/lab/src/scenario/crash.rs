//! Scenarios with a crash in the middle.
//!
//! A crash throws the engine away, and with it everything that is not in the log or in rows that a checkpoint wrote. What
//! takes its place is made as a start makes it: from the rows of the last checkpoint and the log after it, or from the
//! whole log. Nothing that anybody can see may differ from the same scenario without the crash.

use std::collections::{BTreeMap, BTreeSet};

use ensue_engine::{Engine, Prepared};
use ensue_event::Record;

use super::{Error, Played};
use crate::history::Records;

/// Rows as a store holds them: table and key, and value.
pub type Rows = BTreeMap<(&'static str, Vec<u8>), Vec<u8>>;

/// From what the engine is made after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// From the rows of the last checkpoint and the log after it. A checkpoint is taken every so many records.
    Rows {
        /// How many; at least 1.
        every: usize,
    },
    /// From the log alone.
    Log,
}

/// When the engine is thrown away.
#[derive(Debug, Clone)]
pub struct Crashes {
    /// After how many records, each.
    pub after: BTreeSet<usize>,
    /// What it is made from again.
    pub from: From,
}

/// A scenario that was lived through, with what is left in the store.
#[derive(Debug, Clone)]
pub struct Lived {
    /// What happened.
    pub played: Played,
    /// All rows at the end.
    pub rows: Rows,
}

/// The store that an engine writes behind to.
#[derive(Debug, Default)]
pub(super) struct Store {
    rows: Rows,
    /// How many records it has seen.
    saved: usize,
}

impl Store {
    /// Takes what the engine has not written yet.
    pub(super) fn checkpoint(&mut self, engine: &mut Engine, records: usize) {
        for row in engine.drain() {
            match row.value {
                Some(value) => drop(self.rows.insert((row.table, row.key), value)),
                None => drop(self.rows.remove(&(row.table, row.key))),
            }
        }
        self.saved = records;
    }

    /// What a start makes of it and the log.
    pub(super) fn recover(&mut self, from: From, log: &[Record], known: &[Prepared]) -> Result<Engine, Error> {
        let failed = |why: String| Error::Fold(format!("after a crash: {why}"));
        let mut engine = Engine::new();
        known.iter().for_each(|known| engine.prepare(known.clone()));
        if from == From::Log {
            *self = Store::default();
        }
        for ((table, key), value) in &self.rows {
            engine.load(table, key, value).map_err(failed)?;
        }
        if self.saved > 0 {
            engine.loaded().map_err(|why| failed(why.to_string()))?;
        }
        for (at, record) in log.iter().enumerate().skip(self.saved) {
            let before = Records(log.get(..at).unwrap_or_default());
            engine.fold_with(record, &before).map_err(|why| failed(why.to_string()))?;
            engine.settle();
        }
        Ok(engine)
    }

    pub(super) fn into_rows(self) -> Rows {
        self.rows
    }
}

/// What is not the same in two lives of one scenario, a line each, at most a few.
#[must_use]
pub fn differences(plain: &Lived, other: &Lived) -> Vec<String> {
    let mut out = Vec::new();
    let (a, b) = (&plain.played, &other.played);
    each("firing", &a.fired, &b.fired, &mut out);
    each("decision", &a.decisions, &b.decisions, &mut out);
    each("call", &a.calls, &b.calls, &mut out);
    each("run", &a.runs, &b.runs, &mut out);
    each("event", &a.events, &b.events, &mut out);
    let row = |((table, key), value): (&(&'static str, Vec<u8>), &Vec<u8>)| {
        format!("{table} {} {}", String::from_utf8_lossy(key), String::from_utf8_lossy(value))
    };
    let rows = |rows: &Rows, others: &Rows| -> Vec<String> {
        rows.iter().filter(|(key, value)| others.get(*key) != Some(*value)).take(3).map(row).collect()
    };
    out.extend(rows(&plain.rows, &other.rows).into_iter().map(|row| format!("without the crash: row {row}")));
    out.extend(rows(&other.rows, &plain.rows).into_iter().map(|row| format!("with the crash:    row {row}")));
    out
}

fn each<T: PartialEq + std::fmt::Debug>(what: &str, plain: &[T], other: &[T], out: &mut Vec<String>) {
    let most = plain.len().max(other.len());
    let Some(at) = (0..most).find(|at| plain.get(*at) != other.get(*at)) else { return };
    let shown = |one: Option<&T>| one.map_or_else(|| "none".to_owned(), |one| format!("{one:?}"));
    out.push(format!("{what} {at} without the crash: {}", shown(plain.get(at))));
    out.push(format!("{what} {at} with the crash:    {}", shown(other.get(at))));
}
