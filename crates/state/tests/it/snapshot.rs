//! Copies: verified, whole or not there, restored.

use ensue_state::conformance::{TABLES, at, delete, set};
use ensue_state::sqlite::restore;
use ensue_state::{Change, Sqlite, State};

#[test]
fn a_snapshot_is_the_state_at_its_position() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("state"), folder.path().join("snapshot"));
    let mut state = Sqlite::open_with(&path, TABLES, 0).unwrap();
    let rows: Vec<Change> = (0..500_u32).map(|n| set("runs", n.to_be_bytes(), format!("run {n}"))).collect();
    state.commit(&rows, &at(3)).unwrap();
    state.note("boot", "1").unwrap();
    let digest = state.snapshot(&copy).unwrap();
    assert_eq!(digest, state.digest().unwrap());
    let names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!names.iter().any(|name| name.starts_with("snapshot-")), "one file, no companions: {names:?}");

    // The state goes on, a second snapshot replaces the first, and the first is restored over the state.
    let kept = folder.path().join("kept");
    std::fs::copy(&copy, &kept).unwrap();
    state.commit(&[delete("runs", 0_u32.to_be_bytes())], &at(4)).unwrap();
    assert_ne!(state.snapshot(&copy).unwrap(), digest);
    drop(state);
    restore(&kept, &path).unwrap();
    let mut state = Sqlite::open_with(&path, TABLES, 0).unwrap();
    assert_eq!((state.applied().unwrap(), state.digest().unwrap()), (Some(at(3)), digest));
    state.commit(&[], &at(4)).unwrap();
}

#[test]
fn a_reader_sees_commits_and_takes_snapshots_beside_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    assert!(Sqlite::reader(&path, TABLES).is_err(), "nothing there yet");
    let mut state = Sqlite::open_with(&path, TABLES, 0).unwrap();
    let mut reader = Sqlite::reader(&path, TABLES).unwrap();
    state.commit(&[set("runs", "a", "1")], &at(0)).unwrap();
    assert_eq!(reader.get("runs", b"a").unwrap(), Some(b"1".to_vec()));
    assert!(reader.commit(&[set("runs", "a", "2")], &at(1)).is_err());
    let digest = reader.snapshot(&folder.path().join("snapshot")).unwrap();
    assert_eq!(digest, state.digest().unwrap());
    state.commit(&[set("runs", "a", "2")], &at(1)).unwrap();
    assert_eq!(reader.applied().unwrap(), Some(at(1)));
}

#[test]
fn a_snapshot_that_cannot_be_written_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = Sqlite::open_with(&folder.path().join("state"), TABLES, 0).unwrap();
    let nowhere = folder.path().join("no folder").join("snapshot");
    assert!(state.snapshot(&nowhere).is_err());
    assert!(!nowhere.exists());
    state.commit(&[], &at(0)).unwrap();
}
