//! Rows that are kept as bytes while nothing touches them.

use std::sync::Arc;

use ensue_engine::shelf::Look;
use ensue_engine::table::Table;
use ensue_event::Key;
use ensue_run::Branch;

/// More than stay as they are.
const MANY: u32 = 3_000;

fn key(id: u32) -> (Key, u32) {
    (Key([7; 16]), id)
}

fn branch(step: u32) -> Branch {
    let text = format!(r#"{{"steps":{{"s{step}":{{"status":"running","started":"2026-03-04T05:06:07Z"}}}}}}"#);
    serde_json::from_str(&text).unwrap()
}

/// A table of many rows, all of them in the store.
fn many() -> Table<(Key, u32), Branch> {
    let mut table = Table::new("branches");
    for id in 0..MANY {
        table.put(key(id), branch(id));
    }
    table.settle();
    table.drain(&mut Vec::new());
    table
}

fn cold(table: &Table<(Key, u32), Branch>) -> usize {
    table.look().filter(|(_, row)| matches!(row, Look::Bytes(_))).count()
}

#[test]
fn the_oldest_are_kept_as_bytes_and_read_as_what_they_were() {
    let table = many();
    assert!(cold(&table) > 1_000, "{}", cold(&table));
    for id in 0..MANY {
        assert_eq!(*table.peek(&key(id)).unwrap(), branch(id));
    }
    let before = cold(&table);
    assert_eq!(**table.get(&key(0)).unwrap(), branch(0));
    assert_eq!(cold(&table), before - 1, "a row that is needed is there again");
    assert_eq!(table.look().count(), table.len());
}

#[test]
fn what_the_record_at_hand_changes_is_seen_and_can_be_undone() {
    let mut table = many();
    table.put(key(1), branch(99));
    table.delete(&key(2));
    table.put(key(MANY), branch(MANY));
    assert_eq!(*table.peek(&key(1)).unwrap(), branch(99));
    assert!(table.peek(&key(2)).is_none() && !table.has(&key(2)));
    assert!(table.has(&key(MANY)));
    let ids: Vec<u32> = table.keys_from(key(0)..).map(|(_, id)| *id).take(3).collect();
    assert_eq!(ids, [0, 1, 3]);
    assert_eq!(table.keys().count(), table.len());
    let looked: Vec<Arc<Branch>> = table.look().map(|(_, row)| row.read()).collect();
    assert_eq!(*looked[1], branch(99));
    table.undo();
    assert_eq!(*table.peek(&key(1)).unwrap(), branch(1));
    assert!(table.has(&key(2)) && !table.has(&key(MANY)));
}

#[test]
fn a_row_that_was_changed_goes_to_the_store_as_it_is_now() {
    let mut table = many();
    table.put(key(0), branch(5));
    table.settle();
    let mut rows = Vec::new();
    table.drain(&mut rows);
    assert_eq!(rows.len(), 1);
    let mut again: Table<(Key, u32), Branch> = Table::new("branches");
    again.load(&rows[0].key, rows[0].value.as_ref().unwrap()).unwrap();
    assert_eq!(*again.peek(&key(0)).unwrap(), branch(5));
    assert!(again.load(&rows[0].key, b"{").is_err(), "what cannot be read is refused at the start");
}

#[test]
fn many_that_were_looked_up_are_bytes_again_later() {
    let mut table = many();
    let before = cold(&table);
    assert_eq!(table.iter().count(), table.len());
    assert_eq!(cold(&table), 0);
    table.drain(&mut Vec::new());
    assert!(cold(&table) >= before, "{} of {before}", cold(&table));
}

#[test]
fn a_row_that_is_written_again_and_again_stays_as_it_is() {
    let mut table = many();
    for _ in 0..MANY {
        table.put(key(0), branch(0));
        table.settle();
        table.drain(&mut Vec::new());
    }
    let (_, row) = table.look().next().unwrap();
    assert!(matches!(row, Look::Row(_)), "{row:?}");
}
