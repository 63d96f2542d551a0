//! What every state must do, as checks that the tests of each implementation run.
//!
//! Each check gets a new, empty state with the tables of [`TABLES`].

use std::fmt::Debug;

use ensue_event::{Digest, Position};
use serde_json::json;

use crate::{Applied, Change, Error, State};

/// The tables of the states that are checked.
pub const TABLES: &[&str] = &["runs", "outbox", "timers"];

/// A check: its name says what holds.
pub type Check = (&'static str, fn(&mut dyn State) -> Result<(), Failed>);

/// All checks.
pub const CHECKS: &[Check] = &[
    ("a new state is empty", new_is_empty),
    ("rows and position arrive together", together),
    ("the last change of a row counts", last_change_counts),
    ("an unknown table changes nothing", unknown_table),
    ("a position never goes back", never_back),
    ("rows come in the order of their keys", in_order),
    ("a scan begins where it is told and ends at its limit", scans),
    ("any bytes are a key and a value", any_bytes),
    ("notes are apart from rows", notes),
    ("equal rows have equal dumps", equal_dumps),
    ("an error of the reader ends the load", load_ends),
    ("what stands beside the position is kept", extra),
];

/// What did not hold.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// A value differs.
    #[error("{what}: expected {expected}, got {got}")]
    Differs {
        /// Which one.
        what: &'static str,
        /// As it should be.
        expected: String,
        /// As it is.
        got: String,
    },
    /// A call failed that should not.
    #[error(transparent)]
    State(#[from] Error),
}

/// Runs every check, each on a state of its own, and returns the failures with their checks' names.
pub fn run(mut make: impl FnMut() -> Result<Box<dyn State>, Error>) -> Vec<(&'static str, Failed)> {
    let mut failures = Vec::new();
    for (name, check) in CHECKS {
        if let Err(failed) = make().map_err(Failed::from).and_then(|mut state| check(&mut *state)) {
            failures.push((*name, failed));
        }
    }
    failures
}

/// A row to be set.
#[must_use]
pub fn set(table: &'static str, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Change {
    Change { table, key: key.as_ref().into(), value: Some(value.as_ref().into()) }
}

/// A row to be deleted.
#[must_use]
pub fn delete(table: &'static str, key: impl AsRef<[u8]>) -> Change {
    Change { table, key: key.as_ref().into(), value: None }
}

/// A position with a chain of its own.
#[must_use]
pub fn at(position: u64) -> Applied {
    let chain = Digest::of(&position.to_be_bytes());
    Applied { position: Some(Position(position)), chain, fold: 1, extra: json!(null) }
}

fn same<T: PartialEq + Debug>(what: &'static str, got: T, expected: T) -> Result<(), Failed> {
    if got == expected {
        return Ok(());
    }
    Err(Failed::Differs { what, expected: format!("{expected:?}"), got: format!("{got:?}") })
}

fn new_is_empty(state: &mut dyn State) -> Result<(), Failed> {
    same("applied", state.applied()?, None)?;
    same("dump", state.dump()?, String::new())?;
    same("digest", state.digest()?, Digest::of(b""))?;
    same("tables", state.tables().to_vec(), vec!["outbox", "runs", "timers"])
}

fn together(state: &mut dyn State) -> Result<(), Failed> {
    state.commit(&[set("runs", "a", "1"), set("outbox", "a", "2")], &at(0))?;
    same("applied", state.applied()?, Some(at(0)))?;
    same("runs", state.get("runs", b"a")?, Some(b"1".to_vec()))?;
    same("outbox", state.get("outbox", b"a")?, Some(b"2".to_vec()))?;
    same("timers", state.get("timers", b"a")?, None)?;
    state.commit(&[delete("outbox", "a"), delete("outbox", "never there")], &at(5))?;
    same("applied", state.applied()?, Some(at(5)))?;
    same("outbox", state.get("outbox", b"a")?, None)?;
    state.commit(&[], &at(6))?;
    same("dump", state.dump()?, "runs\ta\t1\n".into())
}

fn last_change_counts(state: &mut dyn State) -> Result<(), Failed> {
    let changes = [
        set("runs", "a", "1"),
        set("runs", "a", "2"),
        set("runs", "b", "1"),
        set("timers", "a", "1"),
        delete("runs", "b"),
        delete("timers", "a"),
        set("timers", "a", "3"),
    ];
    state.commit(&changes, &at(0))?;
    same("dump", state.dump()?, "runs\ta\t2\ntimers\ta\t3\n".into())
}

fn unknown_table(state: &mut dyn State) -> Result<(), Failed> {
    let refused = state.commit(&[set("runs", "a", "1"), set("nowhere", "a", "1")], &at(0));
    same("refused", matches!(refused, Err(Error::Table(_))), true)?;
    same("applied", state.applied()?, None)?;
    same("dump", state.dump()?, String::new())?;
    same("get", matches!(state.get("nowhere", b"a"), Err(Error::Table(_))), true)?;
    same("scan", matches!(state.scan("nowhere", b"", 1), Err(Error::Table(_))), true)?;
    same("load", matches!(state.load("nowhere", &mut |_, _| Ok(())), Err(Error::Table(_))), true)
}

fn never_back(state: &mut dyn State) -> Result<(), Failed> {
    state.commit(&[], &Applied { position: None, ..at(0) })?;
    state.commit(&[set("runs", "a", "1")], &at(7))?;
    state.commit(&[set("runs", "a", "2")], &at(7))?;
    let back = state.commit(&[set("runs", "a", "3")], &at(6));
    same("refused", matches!(back, Err(Error::Backwards { .. })), true)?;
    let before_all = state.commit(&[], &Applied { position: None, ..at(0) });
    same("refused", matches!(before_all, Err(Error::Backwards { .. })), true)?;
    same("row", state.get("runs", b"a")?, Some(b"2".to_vec()))
}

fn in_order(state: &mut dyn State) -> Result<(), Failed> {
    let keys: [&[u8]; 6] = [b"b", b"a", b"", b"aa", &[0xff], &[0]];
    let changes: Vec<Change> = keys.iter().map(|key| set("timers", key, "")).collect();
    state.commit(&changes, &at(0))?;
    let mut seen = Vec::new();
    state.load("timers", &mut |key, _| {
        seen.push(key.to_vec());
        Ok(())
    })?;
    same("order", seen, vec![b"".to_vec(), vec![0], b"a".to_vec(), b"aa".to_vec(), b"b".to_vec(), vec![0xff]])
}

fn scans(state: &mut dyn State) -> Result<(), Failed> {
    let changes: Vec<Change> = (0..10_u8).map(|n| set("outbox", [n], [n])).collect();
    state.commit(&changes, &at(0))?;
    for (from, limit, expected) in [
        (vec![], 3, vec![0, 1, 2]),
        (vec![4], 2, vec![4, 5]),
        (vec![4, 0], 2, vec![5, 6]),
        (vec![8], usize::MAX, vec![8, 9]),
        (vec![10], 5, vec![]),
        (vec![0], 0, vec![]),
    ] {
        let rows = state.scan("outbox", &from, limit)?;
        let expected: Vec<_> = expected.into_iter().map(|n| (vec![n], vec![n])).collect();
        same("scan", rows, expected)?;
    }
    Ok(())
}

fn any_bytes(state: &mut dyn State) -> Result<(), Failed> {
    let every: Vec<u8> = (0..=255).collect();
    let large = vec![0xa5; 3 << 20];
    state.commit(&[set("runs", &every, &every), set("runs", "", ""), set("runs", "large", &large)], &at(u64::MAX))?;
    same("every byte", state.get("runs", &every)?, Some(every))?;
    same("empty", state.get("runs", b"")?, Some(vec![]))?;
    same("large", state.get("runs", b"large")?, Some(large))?;
    same("the largest position", state.applied()?, Some(at(u64::MAX)))
}

fn notes(state: &mut dyn State) -> Result<(), Failed> {
    same("before", state.noted("boot")?, None)?;
    state.note("boot", "1")?;
    state.note("boot", "2")?;
    state.note("boot", "2")?;
    state.note("quote's", "\u{1f600}\n")?;
    same("boot", state.noted("boot")?, Some("2".into()))?;
    same("quote's", state.noted("quote's")?, Some("\u{1f600}\n".into()))?;
    state.sync()?;
    same("dump", state.dump()?, String::new())?;
    same("applied", state.applied()?, None)
}

fn equal_dumps(state: &mut dyn State) -> Result<(), Failed> {
    state.commit(&[set("timers", "x", "1"), set("runs", [0, 1], "{}"), set("runs", "gone", "")], &at(0))?;
    state.commit(&[delete("runs", "gone"), set("timers", "x", "2")], &at(1))?;
    let mut other = crate::Memory::new(TABLES)?;
    other.commit(&[set("runs", [0, 1], "{}"), set("timers", "x", "2")], &at(9))?;
    same("dump", state.dump()?, other.dump()?)?;
    same("digest", state.digest()?, other.digest()?)?;
    same("digest of the dump", state.digest()?, Digest::of(state.dump()?.as_bytes()))
}

fn load_ends(state: &mut dyn State) -> Result<(), Failed> {
    state.commit(&[set("runs", "a", "1"), set("runs", "b", "not a run"), set("runs", "c", "3")], &at(0))?;
    let mut seen = 0;
    let ended = state.load("runs", &mut |key, value| {
        seen += 1;
        if value == b"not a run" { Err(Error::row("runs", key, "not a run")) } else { Ok(()) }
    });
    let rebuild = matches!(ended, Err(error) if error.must_rebuild());
    same("seen and must be rebuilt", (seen, rebuild), (2, true))
}

fn extra(state: &mut dyn State) -> Result<(), Failed> {
    let applied = Applied { extra: json!({ "emission": [3, 1], "text": "ü" }), fold: 7, ..at(3) };
    state.commit(&[], &applied)?;
    same("applied", state.applied()?, Some(applied))
}
