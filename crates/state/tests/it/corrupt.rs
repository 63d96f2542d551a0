//! A file that is not what was written is found out and set aside; it never answers wrongly.

use std::fs;
use std::path::Path;

use ensue_state::conformance::{TABLES, at, set};
use ensue_state::sqlite::set_aside;
use ensue_state::{Change, Error, Sqlite, State};

fn rows() -> Vec<Change> {
    (0..200_u32).map(|n| set("runs", n.to_be_bytes(), format!("the run of number {n} and its steps"))).collect()
}

fn written(path: &Path) {
    let mut state = Sqlite::open_with(path, TABLES, 0).unwrap();
    state.commit(&rows(), &at(41)).unwrap();
    state.sync().unwrap();
}

/// Reads all of a state as the node does when it starts.
fn read(path: &Path) -> Result<String, Error> {
    let state = Sqlite::open_with(path, TABLES, 0)?;
    let applied = state.applied()?.map(|applied| applied.position);
    Ok(format!("{applied:?}\n{}", state.dump()?))
}

#[test]
fn what_is_no_state_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    fs::write(&path, "This is a text of more than a hundred bytes and no database. ".repeat(20)).unwrap();
    assert!(matches!(Sqlite::open_with(&path, TABLES, 0), Err(Error::Corrupt { .. })));

    let foreign = folder.path().join("foreign");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE other (x)").unwrap();
    assert!(matches!(Sqlite::open_with(&foreign, TABLES, 0), Err(Error::Corrupt { .. })));

    let newer = folder.path().join("newer");
    written(&newer);
    rusqlite::Connection::open(&newer).unwrap().pragma_update(None, "user_version", 2).unwrap();
    assert!(matches!(Sqlite::open_with(&newer, TABLES, 0), Err(Error::Version { found: 2, known: 1, .. })));
}

#[test]
fn a_file_set_aside_is_kept_and_a_new_one_begins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    for count in 1..=2 {
        fs::write(&path, "broken ".repeat(100)).unwrap();
        let error = Sqlite::open_with(&path, TABLES, 0).unwrap_err();
        assert!(error.must_rebuild(), "{error}");
        let aside = set_aside(&path).unwrap();
        assert_eq!(aside, folder.path().join(format!("state-aside-{count}")));
        assert_eq!(fs::read_to_string(&aside).unwrap(), "broken ".repeat(100));
        let mut state = Sqlite::open_with(&path, TABLES, 0).unwrap();
        assert_eq!(state.applied().unwrap(), None);
        state.commit(&rows(), &at(1)).unwrap();
        drop(state);
    }
}

/// One flipped bit in each byte in turn: the rows are right or there is an error, never other rows.
#[test]
fn a_flipped_bit_never_gives_another_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    written(&path);
    let whole = fs::read(&path).unwrap();
    let expected = read(&path).unwrap();
    let (mut found, mut harmless) = (0, 0);
    // A prime step visits every kind of place in the pages in reasonable time.
    for at in (0..whole.len()).step_by(131) {
        let copy = folder.path().join("copy");
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&copy, &bytes).unwrap();
        match read(&copy) {
            Ok(dump) => {
                assert_eq!(dump, expected, "byte {at}");
                harmless += 1;
            }
            Err(error) => {
                // A flip in the header's format fields may read as another version or as a failure to open.
                let told = matches!(error, Error::Corrupt { .. } | Error::Version { .. } | Error::Sqlite { .. });
                assert!(told, "byte {at}: {error}");
                found += 1;
            }
        }
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(folder.path().join(format!("copy{suffix}")));
        }
    }
    // Free space and spare header bytes carry nothing; rows are most of this file.
    assert!(found > 50, "found {found}, harmless {harmless}");
}

/// The write-ahead log cut at any length leaves the rows of one commit.
#[test]
fn a_torn_write_ahead_log_leaves_whole_commits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let mut state = Sqlite::open_with(&path, TABLES, 0).unwrap();
    let mut dumps = vec![(None, String::new())];
    for n in 0..6_u64 {
        let changes = [set("runs", "newest", n.to_string()), set("outbox", n.to_be_bytes(), "x".repeat(3000))];
        state.commit(&changes, &at(n)).unwrap();
        dumps.push((Some(at(n)), state.dump().unwrap()));
    }
    let main = fs::read(&path).unwrap();
    let log = fs::read(folder.path().join("state-wal")).unwrap();
    drop(state);
    let mut last = 0;
    for length in (0..=log.len()).step_by(2_053).chain([log.len()]) {
        let copy = folder.path().join("copy");
        let _ = fs::remove_file(folder.path().join("copy-shm"));
        fs::write(&copy, &main).unwrap();
        fs::write(folder.path().join("copy-wal"), &log[..length]).unwrap();
        let state = Sqlite::open_with(&copy, TABLES, 0).unwrap();
        let now = (state.applied().unwrap(), state.dump().unwrap());
        let index = dumps.iter().position(|one| *one == now).expect("the rows of one commit");
        assert!(index >= last, "a longer log is never an older state");
        last = index;
    }
    assert_eq!(last, 6);
}
