//! The conformance suite, and a property: any history leaves both with the same rows.

use ensue_state::conformance::{self, TABLES, at};
use ensue_state::{Change, Memory, Sqlite, State};
use proptest::prelude::*;

#[test]
fn memory_conforms() {
    assert!(conformance::run(|| Ok(Box::new(Memory::new(TABLES)?))).is_empty());
    assert!(conformance::run(|| Ok(Box::new(Memory::lagging(TABLES)?))).is_empty());
}

#[test]
fn sqlite_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    let failures = conformance::run(|| {
        count += 1;
        Ok(Box::new(Sqlite::open_with(&folder.path().join(format!("state-{count}")), TABLES, 0)?))
    });
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
fn tables_have_plain_names() {
    for name in ["", "Runs", "runs;", "1runs", "sqlite_runs", "ensue_runs", "r-uns"] {
        assert!(Memory::new(&[name]).is_err(), "{name}");
    }
}

fn histories() -> impl Strategy<Value = Vec<Vec<(usize, u8, Option<u8>)>>> {
    prop::collection::vec(prop::collection::vec((0..TABLES.len(), 0..6_u8, prop::option::of(any::<u8>())), 0..8), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_leaves_both_with_the_same_rows(history in histories()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut sqlite = Sqlite::open_with(&path, TABLES, 0).unwrap();
        let mut memory = Memory::new(TABLES).unwrap();
        for (position, commit) in history.iter().enumerate() {
            let changes: Vec<Change> = commit
                .iter()
                .map(|(table, key, value)| Change { table: TABLES[*table], key: vec![*key], value: value.map(|v| vec![v]) })
                .collect();
            sqlite.commit(&changes, &at(position as u64)).unwrap();
            memory.commit(&changes, &at(position as u64)).unwrap();
        }
        prop_assert_eq!(sqlite.dump().unwrap(), memory.dump().unwrap());
        drop(sqlite);
        let opened = Sqlite::open_with(&path, TABLES, 0).unwrap();
        prop_assert_eq!(opened.dump().unwrap(), memory.dump().unwrap());
        prop_assert_eq!(opened.applied().unwrap(), memory.applied().unwrap());
    }
}
