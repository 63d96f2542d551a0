//! One process per folder, and the reserve beside the file.

use std::process::{Command, Stdio};

use ensue_state::{Error, Lock, Reserve, Room};

const CHILD: &str = "ENSUE_STATE_TEST_LOCK";

#[test]
fn a_second_lock_is_refused_with_the_process_that_has_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let lock = Lock::take(folder.path()).unwrap();
    let Err(Error::Locked { pid, .. }) = Lock::take(folder.path()) else { panic!("taken twice") };
    assert_eq!(pid, Some(std::process::id()));
    drop(lock);
    drop(Lock::take(folder.path()).unwrap());
    assert!(matches!(Lock::take(&folder.path().join("nowhere")), Err(Error::Io { .. })));
}

/// Not a test of its own: the process that dies with the lock in its hands.
#[test]
fn child_that_takes_the_lock() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let _lock = Lock::take(folder.as_ref()).unwrap();
    std::process::abort();
}

#[test]
fn a_process_that_dies_leaves_the_folder_free() {
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "folder::child_that_takes_the_lock"])
        .env(CHILD, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success());
    assert!(std::fs::read_to_string(folder.path().join("LOCK")).unwrap().trim().parse::<u32>().is_ok());
    Lock::take(folder.path()).unwrap();
}

#[test]
fn a_reserve_holds_space_and_gives_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reserve");
    let mut reserve = Reserve::hold(&path, 4 << 20).unwrap();
    assert_eq!((reserve.room(), std::fs::metadata(&path).unwrap().len()), (Room::Ample, 4 << 20));
    let mut seen = Vec::new();
    while reserve.give().unwrap() {
        seen.push((reserve.left() >> 20, reserve.room()));
    }
    assert_eq!(seen, [(3, Room::Low), (2, Room::Critical), (1, Room::Critical), (0, Room::Critical)]);
    drop(reserve);
    // A restart makes it whole again where there is space.
    let reserve = Reserve::hold(&path, 4 << 20).unwrap();
    assert_eq!((reserve.left(), reserve.room()), (4 << 20, Room::Ample));
}
