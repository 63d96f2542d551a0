//! A full disk: refused whole, tried again when there is space.

use ensue_state::conformance::{TABLES, at, set};
use ensue_state::{Error, Room, Sqlite, State};

#[test]
fn a_full_disk_uses_the_reserve_and_then_refuses_the_commit_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = Sqlite::open(&folder.path().join("state"), TABLES).unwrap();
    state.commit(&[set("runs", "a", "1")], &at(0)).unwrap();
    let before = state.dump().unwrap();
    assert_eq!(state.room(), Room::Ample);

    state.limit_pages(12).unwrap();
    let large = vec![7; 1 << 20];
    let refused = state.commit(&[set("runs", "a", "2"), set("outbox", "b", &large)], &at(1));
    assert!(matches!(refused, Err(Error::Full { .. })), "{refused:?}");
    assert_eq!((state.dump().unwrap(), state.applied().unwrap()), (before, Some(at(0))));
    assert_eq!(state.room(), Room::Critical);
    // What needs no new page goes on.
    state.commit(&[set("runs", "a", "2")], &at(1)).unwrap();
    state.note("full", "yes").unwrap();

    state.limit_pages(u32::MAX - 1).unwrap();
    state.commit(&[set("outbox", "b", &large)], &at(2)).unwrap();
    assert_eq!(state.refill().unwrap(), Room::Ample);
    assert_eq!(state.get("outbox", b"b").unwrap(), Some(large));
}
