//! The disk is full: nothing is lost, the urgent goes on for a while, and when there is space everything goes on.

use ensue_event::{Position, Time};
use ensue_log::disk::FaultDisk;
use ensue_log::{Error, FileLog, Log};

use crate::kit::{drafts, filled, open, readable};

fn is_full<T>(done: &Result<T, Error>) -> bool {
    matches!(done, Err(Error::Full { .. }))
}

fn append(log: &mut FileLog<FaultDisk>, urgent: bool) -> Result<Position, Error> {
    let batch = drafts(log.end().0, 1, 300);
    if urgent { log.append_urgent(Time(99), &batch) } else { log.append(Time(99), &batch) }
}

#[test]
fn disk_full_then_space() {
    let disk = FaultDisk::new();
    let mut log = filled(&disk, &[2; 8], 300);
    disk.set_capacity(Some(disk.used() + 700));
    while append(&mut log, false).is_ok() {}
    let end = log.end();
    for _ in 0..3 {
        assert!(is_full(&append(&mut log, false)));
        assert_eq!(log.end(), end);
    }
    assert!(!log.is_poisoned());
    assert_eq!(readable(&log, 300).len() as u64, end.0, "reading goes on");
    assert!(log.reserve_used() == 0.0);

    // The urgent goes on into the reserve, and nobody else does.
    let mut used = 0.0;
    let mut urgent = 0;
    while append(&mut log, true).is_ok() {
        urgent += 1;
        assert!(is_full(&append(&mut log, false)), "the reserve is not for everybody");
        assert!(log.reserve_used() > used);
        used = log.reserve_used();
    }
    assert!((5..10).contains(&urgent), "{urgent}");
    assert!(used > 0.8 && used <= 1.0, "{used}");
    assert_eq!(readable(&log, 300).len() as u64, log.end().0);

    // A start in this state changes nothing.
    let end = log.end();
    drop(log);
    disk.crash(5);
    let (mut log, recovery) = open(&disk);
    assert_eq!((log.end(), recovery.damage), (end, vec![]));
    assert!(is_full(&append(&mut log, false)));
    assert!(log.reserve_used() > 0.8);

    // Purge and trim work; trim makes space.
    let trimmed = log.trim(end).unwrap();
    assert!(trimmed.bytes > 4000);
    assert!(log.reserve_used() == 0.0, "the reserve is whole again");
    append(&mut log, false).unwrap();
    assert!(log.find("/source/1", "id-1").is_some(), "ids of what was trimmed are known");
}

#[test]
fn space_comes_back_by_itself() {
    let disk = FaultDisk::new();
    let mut log = filled(&disk, &[2; 8], 300);
    disk.set_capacity(Some(disk.used()));
    while append(&mut log, true).is_ok() {}
    disk.set_capacity(None);
    append(&mut log, false).unwrap();
    assert!(log.reserve_used() == 0.0);
    log.tidy().unwrap();
    let end = log.end().0;
    drop(log);
    let (log, recovery) = open(&disk);
    assert_eq!((readable(&log, 300).len() as u64, recovery.rebuilt.len()), (end, 0), "tidy wrote every index");
}

#[test]
fn a_purge_on_a_full_disk() {
    let disk = FaultDisk::new();
    let mut log = filled(&disk, &[2; 8], 300);
    disk.set_capacity(Some(disk.used()));
    log.purge(&[Position(1), Position(9)]).unwrap();
    assert_eq!(readable(&log, 300).len(), 14);
    assert!(log.reserve_used() == 0.0);
}

#[test]
fn a_new_log_on_a_full_disk() {
    let disk = FaultDisk::new();
    disk.set_capacity(Some(100));
    let (mut log, _) = open(&disk);
    assert!(is_full(&append(&mut log, false)));
    assert!(is_full(&append(&mut log, true)));
    disk.set_capacity(None);
    append(&mut log, false).unwrap();
    drop(log);
    assert_eq!(readable(&open(&disk).0, 300), [0]);
}
