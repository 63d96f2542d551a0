//! One test for each point at which a crash leaves its own mark.

use std::path::PathBuf;

use ensue_event::{Digest, Position, Time};
use ensue_log::disk::{Disk, Fault, FaultDisk};
use ensue_log::{Agreement, Error, Log};

use crate::kit::{drafts, filled, folder, last_segment, open, readable, small, try_open};

/// The number of the next call of a kind is found by trying: the call at which the log answers this way.
fn fail_append_at(fault: Fault, wanted: impl Fn(&Error) -> bool) -> (FaultDisk, ensue_log::FileLog<FaultDisk>) {
    for n in 1.. {
        let disk = FaultDisk::new();
        let mut log = filled(&disk, &[3, 3], 60);
        disk.fail(n, fault);
        match log.append(Time(9), &drafts(6, 3, 60)) {
            Err(error) if wanted(&error) => return (disk, log),
            Err(_) => {}
            Ok(_) => break,
        }
    }
    panic!("no call of an append fails like this");
}

#[test]
fn between_write_and_fsync() {
    for seed in 0..200 {
        let disk = FaultDisk::new();
        let mut log = filled(&disk, &[3, 3], 600);
        // One call more: the write is done, its sync is not.
        disk.stop_after(1);
        assert!(matches!(log.append(Time(9), &drafts(6, 3, 600)), Err(Error::Poisoned { .. })));
        assert!(matches!(log.append(Time(9), &drafts(6, 3, 600)), Err(Error::Poisoned { .. })));
        drop(log);
        disk.crash(seed);
        let (log, recovery) = open(&disk);
        let there = readable(&log, 600);
        assert!(there.len() >= 6 && there.len() <= 9, "{there:?}");
        assert_eq!(recovery.damage, []);
    }
}

#[test]
fn killed_between_write_and_fsync() {
    let disk = FaultDisk::new();
    let mut log = filled(&disk, &[3, 3], 60);
    disk.stop_after(1);
    log.append(Time(9), &drafts(6, 3, 60)).unwrap_err();
    drop(log);
    // The system lives: what was written is there, and is durable before anyone reads it.
    disk.kill();
    let (log, _) = open(&disk);
    assert_eq!(readable(&log, 60).len(), 9);
    drop(log);
    disk.crash(7);
    assert_eq!(readable(&open(&disk).0, 60).len(), 9);
}

#[test]
fn a_failed_sync_is_not_trusted() {
    let (disk, mut log) = fail_append_at(Fault::Eio, |error| matches!(error, Error::Poisoned { .. }));
    assert!(log.is_poisoned());
    assert_eq!(log.end(), Position(6));
    assert_eq!(readable(&log, 60).len(), 6, "what is not durable is not shown");
    for refused in [log.append(Time(9), &drafts(6, 1, 60)), log.append_urgent(Time(9), &drafts(6, 1, 60))] {
        assert!(matches!(refused, Err(Error::Poisoned { .. })));
    }
    drop(log);
    disk.kill();
    let (log, recovery) = open(&disk);
    assert!(recovery.copied, "the system shows pages that the disk may not have");
    let shown = readable(&log, 60);
    drop(log);
    disk.crash(3);
    let (log, recovery) = open(&disk);
    assert_eq!(readable(&log, 60), shown);
    assert!(!recovery.copied);
}

#[test]
fn hole_in_an_unsynced_batch() {
    let disk = FaultDisk::new();
    drop(filled(&disk, &[3, 5], 600));
    let path = last_segment(&disk);
    let mut bytes = disk.content(&path).unwrap();
    // The sector in the middle of the third record of the last batch never reached the disk, those after it did.
    let at = bytes.len() - 2 * 760 - 300;
    bytes[at..at + 512].fill(0);
    disk.plant(&path, bytes.clone());
    let (log, recovery) = open(&disk);
    let there = readable(&log, 600);
    assert_eq!(there, (0..there.len() as u64).collect::<Vec<_>>());
    assert!(there.len() > 3 && there.len() < 8, "{there:?}");
    assert!(recovery.cut.is_some() && recovery.damage.is_empty());
    drop(log);
    // The same bytes, when the state has folded all of them: now it is corruption, and what can be read is kept.
    disk.plant(&path, bytes);
    let (log, recovery) = try_open(&disk, Some(8)).unwrap();
    let kept = readable(&log, 600);
    assert_eq!((log.end().0, recovery.cut), (8, None));
    assert!(kept.contains(&7) && kept.len() < 8, "{kept:?}");
    assert_eq!(recovery.damage[0].first.0, there.len() as u64);
}

#[test]
fn seal_without_index() {
    let disk = FaultDisk::new();
    let mut log = filled(&disk, &[3; 4], 200);
    let first = last_segment(&disk);
    // Fill the segment; the start of the next one is the last thing that happens.
    while last_segment(&disk) == first {
        log.append(Time(9), &drafts(log.end().0, 1, 200)).unwrap();
    }
    let (end, sealed) = (log.end().0, first.with_extension("idx"));
    drop(log);
    disk.lose(&sealed);
    let (log, recovery) = open(&disk);
    assert_eq!(recovery.rebuilt, [first]);
    assert_eq!(readable(&log, 200), (0..end).collect::<Vec<_>>());
    assert!(disk.content(&sealed).is_some());
}

#[test]
fn born_and_nothing_came_of_it() {
    let disk = FaultDisk::new();
    let mut log = filled(&disk, &[3; 4], 60);
    log.set_checkpoint(Position(2), Digest::of(b"there"));
    log.append(Time(9), &drafts(12, 1, 60)).unwrap();
    let chain = log.chain(Position(12)).unwrap();
    drop(log);
    disk.plant(&folder().join(format!("{:020}.log", 13)), vec![]);
    let (mut log, recovery) = open(&disk);
    assert_eq!(recovery.checkpoint, Some((Position(2), Digest::of(b"there"))));
    assert_eq!((log.end().0, log.last_at()), (13, Some(Time(9))));
    assert_eq!(log.chain(Position(12)).unwrap(), chain);
    log.append(Time(9), &drafts(13, 1, 60)).unwrap();
    assert!(log.reader().verify().unwrap().is_whole());
}

#[test]
fn the_checkpoint_is_named_by_the_batches_after_it() {
    let disk = FaultDisk::new();
    let mut log = filled(&disk, &[3], 60);
    let chain = log.chain(Position(1)).unwrap();
    log.set_checkpoint(Position(1), chain);
    drop(log);
    assert_eq!(open(&disk).1.checkpoint, None, "no batch came after it");
    let (mut log, _) = open(&disk);
    log.set_checkpoint(Position(1), chain);
    log.append(Time(9), &drafts(3, 1, 60)).unwrap();
    drop(log);
    let (mut log, recovery) = open(&disk);
    assert_eq!(recovery.checkpoint, Some((Position(1), chain)));
    // It stays named until there is a later one.
    log.append(Time(9), &drafts(4, 1, 60)).unwrap();
    drop(log);
    assert_eq!(open(&disk).1.checkpoint, Some((Position(1), chain)));
}

#[test]
fn a_state_ahead_of_the_log() {
    let disk = FaultDisk::new();
    let mut log = filled(&disk, &[3, 3], 60);
    let chain = log.chain(Position(5)).unwrap();
    let older: Vec<(PathBuf, Vec<u8>)> =
        disk.files().into_iter().map(|path| (path.clone(), disk.content(&path).unwrap())).collect();
    log.append(Time(9), &drafts(6, 3, 60)).unwrap();
    let ahead = log.chain(Position(8)).unwrap();
    drop(log);
    // The log comes back from a backup that is older than the state.
    let disk = FaultDisk::new();
    older.into_iter().for_each(|(path, bytes)| disk.plant(&path, bytes));
    let (mut log, recovery) = try_open(&disk, Some(9)).unwrap();
    assert_eq!((log.end().0, recovery.damage.len()), (6, 0));
    assert_eq!(log.agrees(Position(8), &ahead), Agreement::Ahead);
    assert_eq!(log.agrees(Position(5), &chain), Agreement::Same);
    // It goes on with other records: the state's chain does not match.
    log.append(Time(9), &drafts(106, 3, 60)).unwrap();
    assert_eq!(log.agrees(Position(8), &ahead), Agreement::Different);
}

#[test]
fn a_purge_is_done_or_not_done_at_every_call() {
    for n in 1..20 {
        for seed in 0..20 {
            let disk = FaultDisk::new();
            let mut log = filled(&disk, &[3, 3], 900);
            let before = log.chain(Position(5)).unwrap();
            disk.stop_after(n);
            let done = log.purge(&[Position(1), Position(4)]);
            drop(log);
            disk.crash(seed);
            let (log, recovery) = open(&disk);
            assert_eq!((recovery.damage.len(), recovery.cut), (0, None), "call {n}, seed {seed}");
            let verified = log.reader().verify().unwrap();
            assert!(verified.is_whole(), "call {n}, seed {seed}");
            let purged: Vec<u64> = verified.purged.iter().map(|position| position.0).collect();
            assert!(purged == [1, 4] || (purged.is_empty() && done.is_err()), "call {n}, seed {seed}: {purged:?}");
            assert_eq!(verified.chain, Some(before));
            let bytes = disk.content(&last_segment(&disk)).unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert_eq!(text.contains("\"n\":4"), purged.is_empty(), "nothing of it is left in the file");
        }
    }
}

#[test]
fn what_a_stop_left_half_written_is_removed() {
    let disk = FaultDisk::new();
    drop(filled(&disk, &[3], 60));
    let path = folder().join("00000000000000000000.idx.tmp");
    disk.plant(&path, vec![1, 2, 3]);
    drop(open(&disk));
    assert_eq!(disk.content(&path), None);
    assert!(disk.list(folder()).unwrap().len() <= 2);
    assert!(!small().background);
}

/// Found by seed 831 of the loss of power: the salt of the log stood only in what was trimmed.
#[test]
fn all_is_trimmed_but_an_empty_segment() {
    let disk = FaultDisk::new();
    let mut log = filled(&disk, &[3; 20], 200);
    let (end, chain) = (log.end(), log.chain(Position(59)).unwrap());
    // A birth whose first batch finds no space.
    let newborn = folder().join(format!("{:020}.log", end.0));
    log.trim(end).unwrap();
    let last = last_segment(&disk);
    drop(log);
    disk.plant(&newborn, vec![]);
    drop(open(&disk));
    disk.lose(&last);
    let (mut log, recovery) = open(&disk);
    assert_eq!((log.first(), log.end(), recovery.forgotten), (end, end, vec![]));
    assert!(log.find("/source/0", "id-0").is_some_and(|found| found.position.0 == 0));
    assert!(log.find("/source/2", "id-59").is_some_and(|found| found.position.0 == 59));
    log.append(Time(99), &drafts(60, 1, 200)).unwrap();
    assert_ne!(log.chain(Position(60)).unwrap(), chain);
}

/// What a failed sync saves is chance, drawn from the number of the call: this shifts it.
fn other_luck(disk: &FaultDisk, turn: u64) {
    (0..turn).for_each(|_| drop(disk.list(folder())));
}

#[test]
fn a_sync_that_fails_while_the_log_is_opened() {
    let mut refused = 0;
    for (n, turn) in (1..30).flat_map(|n| (0..12).map(move |turn| (n, turn))) {
        let disk = FaultDisk::new();
        let mut log = filled(&disk, &[3], 300);
        disk.stop_after(1);
        log.append(Time(9), &drafts(3, 3, 300)).unwrap_err();
        drop(log);
        disk.kill();
        other_luck(&disk, turn);
        disk.fail(n, Fault::Eio);
        refused += u32::from(try_open(&disk, None).is_err());
        disk.kill();
        shown_is_kept(&disk, &format!("call {n}, turn {turn}"));
    }
    assert!(refused > 5 * 12);
}

/// Found by the simulator (seed 1059): the sync fails, and the mark for the next start cannot be written either.
#[test]
fn a_failed_sync_without_a_mark() {
    for (batches, turn) in [&[][..], &[3]].into_iter().flat_map(|batches| (0..40).map(move |turn| (batches, turn))) {
        let disk = FaultDisk::new();
        let mut log = filled(&disk, batches, 300);
        other_luck(&disk, turn);
        // The write, then its sync.
        disk.fail(2, Fault::Eio);
        let from = log.end().0;
        assert!(matches!(log.append(Time(9), &drafts(from, 3, 300)), Err(Error::Poisoned { .. })));
        drop(log);
        disk.lose(&folder().join("sync-failed"));
        disk.kill();
        shown_is_kept(&disk, &format!("after {batches:?}, turn {turn}"));
    }
}

/// What a start shows was made durable first: a loss of power takes nothing of it.
fn shown_is_kept(disk: &FaultDisk, story: &str) {
    let (log, recovery) = open(disk);
    assert_eq!(recovery.damage, [], "{story}");
    let shown = readable(&log, 300);
    drop(log);
    disk.crash(1);
    let (log, recovery) = open(disk);
    assert_eq!((readable(&log, 300), recovery.damage, recovery.cut), (shown, vec![], None), "{story}");
}
