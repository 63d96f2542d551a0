//! Bytes that are not what was written: a torn tail is cut, everything else is named with file and offset.

use std::path::PathBuf;

use ensue_event::{Position, Time};
use ensue_log::disk::{FaultDisk, Rng};
use ensue_log::{By, Entry, Log, Unreadable};

use crate::kit::{drafts, everything, filled, folder, last_segment, open, readable, try_open};

fn segment(first: u64) -> PathBuf {
    folder().join(format!("{first:020}.log"))
}

fn index(first: u64) -> PathBuf {
    folder().join(format!("{first:020}.idx"))
}

/// A copy of the files on a disk, as a new disk.
fn copy(disk: &FaultDisk) -> FaultDisk {
    let new = FaultDisk::new();
    for path in disk.files() {
        new.plant(&path, disk.content(&path).unwrap());
    }
    new
}

/// One segment of 3 + 2 + 3 records, and where each batch ends.
fn three_batches() -> (FaultDisk, Vec<usize>) {
    let disk = FaultDisk::new();
    let (mut log, _) = open(&disk);
    let mut ends = Vec::new();
    for count in [3, 2, 3] {
        log.append(Time(log.end().0 as i64), &drafts(log.end().0, count, 60)).unwrap();
        ends.push(disk.content(&segment(0)).unwrap().len());
    }
    (disk, ends)
}

/// Opens, checks that these positions and no others can be read, appends, opens again, checks again.
fn lives_on(disk: &FaultDisk, state: Option<u64>, expected: &[u64], end: u64, story: &str) {
    let (mut log, _) = try_open(disk, state).unwrap();
    assert_eq!((readable(&log, 60), log.end().0), (expected.to_vec(), end), "{story}");
    assert_eq!(log.append(Time(99), &drafts(end, 2, 60)).unwrap(), Position(end), "{story}");
    drop(log);
    disk.crash(1);
    let (log, recovery) = open(disk);
    let more: Vec<u64> = expected.iter().copied().chain([end, end + 1]).collect();
    assert_eq!((readable(&log, 60), log.end().0), (more, end + 2), "{story}, again");
    assert_eq!(recovery.cut, None, "{story}, again");
}

#[test]
fn a_tail_torn_at_every_byte() {
    let (disk, ends) = three_batches();
    let whole = disk.content(&segment(0)).unwrap();
    let record = (ends[2] - ends[1] - 112) / 3;
    for cut in ends[1]..ends[2] {
        let inside = (cut - ends[1]).saturating_sub(112) / record;
        let expected: Vec<u64> = (0..5 + inside as u64).collect();
        let keep = if inside == 0 { ends[1] } else { ends[1] + 112 + inside * record };
        for filler in [None, Some(0), Some(0xa5)] {
            let disk = copy(&disk);
            let mut bytes = whole[..cut].to_vec();
            if let Some(filler) = filler {
                bytes.resize(whole.len(), filler);
            }
            let len = bytes.len();
            disk.plant(&segment(0), bytes);
            let story = format!("cut at {cut}, then {filler:?}");
            let (log, recovery) = open(&copy(&disk));
            assert_eq!(recovery.damage, [], "{story}");
            let at = recovery.cut.map(|cut| (cut.offset, cut.bytes));
            assert_eq!(at, (len > keep).then_some((keep as u64, (len - keep) as u64)), "{story}");
            drop(log);
            lives_on(&disk, None, &expected, 5 + inside as u64, &story);
        }
    }
}

#[test]
fn every_bit_of_a_batch_that_was_acknowledged() {
    let (disk, ends) = three_batches();
    let whole = disk.content(&segment(0)).unwrap();
    let record = (ends[1] - ends[0] - 112) / 2;
    for bit in ends[0] * 8..ends[1] * 8 {
        let byte = bit / 8;
        let disk = copy(&disk);
        let mut bytes = whole.clone();
        bytes[byte] ^= 1 << (bit % 8);
        disk.plant(&segment(0), bytes);
        let story = format!("bit {bit}");
        let (log, recovery) = open(&disk);
        let [damage] = &recovery.damage[..] else { panic!("{story}: {:?}", recovery.damage) };
        let lost = byte.checked_sub(ends[0] + 112).map(|at| 3 + (at / record) as u64);
        let offset = lost.map_or(ends[0], |lost| ends[0] + 112 + (lost as usize - 3) * record);
        assert_eq!((&damage.path, damage.offset), (&segment(0), offset as u64), "{story}");
        assert_eq!(damage.first.0, lost.unwrap_or(3), "{story}");
        assert_eq!(damage.until.0, lost.map_or(3, |lost| lost + 1), "{story}");
        assert_eq!(recovery.cut, None, "{story}");
        let expected: Vec<u64> = (0..8).filter(|position| Some(*position) != lost).collect();
        assert_eq!(readable(&log, 60), expected, "{story}");
        let verified = log.reader().verify().unwrap();
        assert_eq!((&verified.damage, verified.good), (&recovery.damage, expected.len() as u64), "{story}");
        if bit % 97 == 0 {
            drop(log);
            lives_on(&disk, None, &expected, 8, &story);
        }
    }
}

/// Nobody can tell a torn batch from one that rotted, if it is the last and nothing names it: it is cut. The state can
/// name it.
#[test]
fn every_byte_of_the_last_batch_that_the_state_has_folded() {
    let (disk, ends) = three_batches();
    let whole = disk.content(&segment(0)).unwrap();
    let record = (ends[2] - ends[1] - 112) / 3;
    for byte in ends[1]..ends[2] {
        let disk = copy(&disk);
        let mut bytes = whole.clone();
        bytes[byte] ^= 0x10;
        disk.plant(&segment(0), bytes);
        let story = format!("byte {byte}");
        let lost = byte.checked_sub(ends[1] + 112).map(|at| 5 + (at / record) as u64);
        let (log, recovery) = try_open(&copy(&disk), Some(8)).unwrap();
        assert_eq!(recovery.damage.len(), 1, "{story}: {:?}", recovery.damage);
        assert_eq!(recovery.damage[0].path, segment(0));
        drop(log);
        let expected: Vec<u64> = (0..8).filter(|position| Some(*position) != lost).collect();
        lives_on(&disk, Some(8), &expected, 8, &story);
    }
}

#[test]
fn bit_rot_in_a_sealed_segment() {
    let disk = FaultDisk::new();
    let log = filled(&disk, &[3; 20], 60);
    let victim = log.first();
    drop(log);
    let path = segment(victim.0);
    let mut bytes = disk.content(&path).unwrap();
    bytes[32 + 112 + 80] ^= 1;
    disk.plant(&path, bytes);
    // Opened by its index, nothing is read; the record says so when it is.
    for without_index in [false, true] {
        let disk = copy(&disk);
        if without_index {
            disk.lose(&index(victim.0));
        }
        let (log, recovery) = open(&disk);
        assert_eq!(recovery.damage.len(), usize::from(without_index));
        assert_eq!(recovery.rebuilt, if without_index { vec![path.clone()] } else { vec![] });
        let Entry::Unreadable { position, why: Unreadable::Damaged { path: named, offset, .. } } = &everything(&log)[0]
        else {
            panic!("the first record is damaged")
        };
        assert_eq!((*position, named, *offset), (victim, &path, 32 + 112));
        assert_eq!(readable(&log, 60).len(), 59);
        assert_eq!(log.reader().verify().unwrap().damage.len(), 1);
    }
}

#[test]
fn a_segment_that_is_gone() {
    let disk = FaultDisk::new();
    drop(filled(&disk, &[3; 40], 60));
    let firsts: Vec<u64> = disk
        .files()
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "log"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().parse().unwrap())
        .collect();
    disk.lose(&segment(firsts[1]));
    let (log, recovery) = open(&disk);
    let expected: Vec<u64> = (0..120).filter(|n| *n < firsts[1] || *n >= firsts[2]).collect();
    assert_eq!(readable(&log, 60), expected);
    assert_eq!(recovery.damage, [], "the index of the segment before it fits: found when it is read");
    let verified = log.reader().verify().unwrap();
    assert_eq!(verified.damage.len(), 1);
    assert_eq!((verified.damage[0].first.0, verified.damage[0].until.0), (firsts[1], firsts[2]));
}

#[test]
fn every_byte_of_an_index() {
    let disk = FaultDisk::new();
    drop(filled(&disk, &[3; 8], 60));
    let whole = disk.content(&index(0)).unwrap();
    for byte in (0..whole.len()).step_by(7) {
        let disk = copy(&disk);
        let mut bytes = whole.clone();
        bytes[byte] ^= 0x40;
        disk.plant(&index(0), bytes);
        let (log, recovery) = open(&disk);
        assert_eq!(recovery.damage, []);
        assert_eq!(readable(&log, 60), (0..24).collect::<Vec<_>>(), "byte {byte}");
        for n in 0..24 {
            let id = format!("id-{n}");
            assert_eq!(log.find(&format!("/source/{}", n % 3), &id).unwrap().position.0, n, "byte {byte}");
            assert_eq!(log.find_by(By::Id(&id), 2).unwrap().len(), 1, "byte {byte}");
            log.chain(Position(n)).unwrap();
        }
    }
}

#[test]
fn an_index_that_is_missing_cut_or_of_another_segment() {
    let disk = FaultDisk::new();
    drop(filled(&disk, &[3; 30], 60));
    let whole = disk.content(&index(0)).unwrap();
    let names: Vec<PathBuf> = disk.files().into_iter().filter(|p| p.extension().is_some_and(|e| e == "idx")).collect();
    let other = disk.content(&names[1]).unwrap();
    for (story, content) in [
        ("missing", None),
        ("empty", Some(vec![])),
        ("cut", Some(whole[..whole.len() - 4096].to_vec())),
        ("longer", Some([&whole[..], &[0; 4096]].concat())),
        ("another", Some(other)),
        ("zeros", Some(vec![0; whole.len()])),
    ] {
        let disk = copy(&disk);
        match content {
            Some(content) => disk.plant(&index(0), content),
            None => disk.lose(&index(0)),
        }
        let (log, recovery) = open(&disk);
        assert_eq!(recovery.rebuilt, [segment(0)], "{story}");
        assert_eq!(readable(&log, 60).len(), 90, "{story}");
        assert_eq!(disk.content(&index(0)).unwrap(), whole, "{story}: the same index is made anew");
    }
}

/// Somebody with the power to write files puts another batch in place of one: every checksum is right.
#[test]
fn a_batch_that_somebody_changed() {
    let (honest, ends) = three_batches();
    let forged = FaultDisk::new();
    forged.plant(&segment(0), honest.content(&segment(0)).unwrap()[..ends[0]].to_vec());
    let (mut log, _) = open(&forged);
    // The same length, another content.
    log.append(Time(3), &drafts(5, 2, 60)).unwrap();
    drop(log);
    let mut bytes = honest.content(&segment(0)).unwrap();
    bytes[ends[0]..ends[1]].copy_from_slice(&forged.content(&segment(0)).unwrap()[ends[0]..ends[1]]);
    honest.plant(&segment(0), bytes);
    let (log, recovery) = open(&honest);
    assert_eq!((log.end().0, recovery.damage, recovery.cut), (8, vec![], None));
    let verified = log.reader().verify().unwrap();
    assert_eq!((verified.changed, verified.damage), (vec![Position(5)], vec![]));
}

#[test]
fn what_is_no_log_at_all() {
    for bytes in [vec![], vec![0], vec![0xff; 31], vec![7; 5000], b"#!/bin/sh\nexit 0\n".repeat(40)] {
        let disk = FaultDisk::new();
        disk.plant(&segment(0), bytes.clone());
        let (mut log, _) = open(&disk);
        assert_eq!(log.end(), Position(0));
        log.append(Time(1), &drafts(0, 2, 60)).unwrap();
        drop(log);
        assert_eq!(readable(&open(&disk).0, 60), [0, 1]);
        assert_eq!(last_segment(&disk), segment(0));
    }
}

/// Any bytes anywhere: nothing panics, and what is read as a record is one that was appended there.
#[test]
fn whatever_the_bytes_are() {
    let disk = FaultDisk::new();
    let mut log = filled(&disk, &[3, 1, 4, 2, 3, 5, 1, 2, 6, 3, 3, 1, 4], 60);
    log.purge(&[Position(3), Position(36)]).unwrap();
    drop(log);
    for seed in 0..600 {
        let mut rng = Rng(seed);
        let disk = copy(&disk);
        for _ in 0..=rng.below(5) {
            let files = disk.files();
            let path = &files[rng.below(files.len() as u64) as usize];
            let mut bytes = disk.content(path).unwrap();
            let len = bytes.len();
            let from = rng.below(len as u64) as usize;
            let to = (from + rng.below(700) as usize).min(len);
            match rng.below(6) {
                _ if len == 0 => {}
                0 => bytes[from] ^= 1 << rng.below(8),
                1 => bytes[from..to].fill(0),
                2 => bytes[from..to].iter_mut().for_each(|byte| *byte = rng.draw() as u8),
                3 => bytes.truncate(from),
                4 => {
                    let piece = bytes[from..to].to_vec();
                    let at = rng.below((len - piece.len()) as u64 + 1) as usize;
                    bytes[at..at + piece.len()].copy_from_slice(&piece);
                }
                _ => bytes.extend(std::iter::repeat_n(rng.draw() as u8, to - from)),
            }
            disk.plant(path, bytes);
        }
        let state = (rng.below(2) == 0).then(|| rng.below(60));
        let (mut log, _) = try_open(&disk, state).unwrap();
        readable(&log, 60);
        log.reader().verify().unwrap();
        for n in 0..38 {
            let id = format!("id-{n}");
            if let Some(found) = log.find(&format!("/source/{}", n % 3), &id) {
                assert_eq!(found.position.0, n, "seed {seed}");
            }
            log.find_by(By::Id(&id), 2).unwrap();
            let _ = log.chain(Position(n));
        }
        let end = log.end().0;
        log.append(Time(99), &drafts(end, 1, 60)).unwrap();
        drop(log);
        let (log, _) = try_open(&disk, state).unwrap();
        assert_eq!(readable(&log, 60).last(), Some(&end), "seed {seed}");
    }
}

/// Nothing of a batch that the state has folded can be read: its positions stay taken, the log goes on behind them.
#[test]
fn a_whole_batch_is_lost_that_the_state_has_folded() {
    for filler in [0, 0xff, 0x5a] {
        let (disk, ends) = three_batches();
        let mut bytes = disk.content(&segment(0)).unwrap();
        bytes[ends[1]..].fill(filler);
        disk.plant(&segment(0), bytes);
        let (log, recovery) = try_open(&disk, Some(8)).unwrap();
        let [damage] = &recovery.damage[..] else { panic!("{:?}", recovery.damage) };
        assert_eq!((damage.first.0, damage.until.0, damage.offset), (5, 8, ends[1] as u64));
        assert_eq!((log.end().0, last_segment(&disk)), (8, segment(8)));
        drop(log);
        lives_on(&disk, Some(8), &[0, 1, 2, 3, 4], 8, "zeros");
        let (log, recovery) = open(&disk);
        assert_eq!((log.end().0, recovery.damage), (10, vec![]), "it is in the index now");
        let verified = log.reader().verify().unwrap();
        assert_eq!((verified.good, verified.damage.len(), verified.changed.len()), (7, 1, 0));
        let entries = everything(&log);
        for entry in &entries[5..8] {
            assert!(
                matches!(entry, Entry::Unreadable { why: Unreadable::Damaged { path, .. }, .. } if *path == segment(0))
            );
        }
        assert!(log.chain(Position(6)).is_err());
        assert!(log.chain(Position(9)).is_ok());
    }
}
