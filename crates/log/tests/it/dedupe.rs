//! How long an id is known.

use std::sync::Arc;

use ensue_event::{Position, Span, Time};
use ensue_log::disk::FaultDisk;
use ensue_log::{FileLog, Log, Options};

use crate::kit::{drafts, folder, small};

fn log_with(disk: &FaultDisk, options: Options) -> (FileLog<FaultDisk>, ensue_log::Recovery) {
    FileLog::open(Arc::new(disk.clone()), folder(), options, None).unwrap()
}

fn knows(log: &dyn Log, n: u64) -> bool {
    log.find(&format!("/source/{}", n % 3), &format!("id-{n}")).is_some_and(|found| found.position == Position(n))
}

fn indexes(disk: &FaultDisk) -> usize {
    disk.files().iter().filter(|path| path.extension().is_some_and(|ending| ending == "idx")).count()
}

/// A batch of three every hour.
fn hourly(disk: &FaultDisk, options: Options, hours: i64) -> FileLog<FaultDisk> {
    let (mut log, _) = log_with(disk, options);
    for hour in 0..hours {
        log.append(Time(0) + Span::hours(hour), &drafts(log.end().0, 3, 200)).unwrap();
    }
    log
}

#[test]
fn an_id_is_known_for_its_window() {
    let disk = FaultDisk::new();
    let log = hourly(&disk, Options { dedupe_window: Span::hours(10), ..small() }, 40);
    for n in 0..120 {
        assert_eq!(knows(&log, n), n >= 29 * 3, "{n}");
    }
}

#[test]
fn no_more_ids_are_known_than_is_said() {
    let disk = FaultDisk::new();
    let log = hourly(&disk, Options { dedupe_max: 30, ..small() }, 40);
    let known = (0..120).filter(|n| knows(&log, *n)).count();
    assert!((30..60).contains(&known), "{known}");
    assert!((120 - 30..120).all(|n| knows(&log, n)));
}

#[test]
fn ids_outlive_their_events_and_then_go() {
    let disk = FaultDisk::new();
    let options = Options { dedupe_window: Span::hours(20), ..small() };
    let mut log = hourly(&disk, options.clone(), 40);
    let all = indexes(&disk);
    log.trim(Position(119)).unwrap();
    let kept = indexes(&disk);
    assert!(kept < all && kept > 3, "those past the window went with their segments: {kept} of {all}");
    for n in 0..120 {
        assert_eq!(knows(&log, n), n >= 19 * 3, "{n}");
    }
    for hour in 40..70 {
        log.append(Time(0) + Span::hours(hour), &drafts(log.end().0, 3, 200)).unwrap();
    }
    assert!(!knows(&log, 119));
    let (first, end) = (log.first(), log.end());
    drop(log);
    let (log, recovery) = log_with(&disk, options);
    assert_eq!((log.first(), log.end(), recovery.forgotten.len()), (first, end, 0));
    let mine = disk.files().iter().filter(|path| path.extension().is_some_and(|ending| ending == "log")).count();
    assert!(indexes(&disk) < mine + 2, "only the indexes of segments are left");
}

#[test]
fn ids_whose_index_is_wrong_and_whose_segment_is_gone_are_named() {
    let disk = FaultDisk::new();
    let mut log = hourly(&disk, small(), 40);
    let first = log.trim(Position(60)).unwrap().first;
    drop(log);
    let index = folder().join(format!("{:020}.idx", 0));
    let mut bytes = disk.content(&index).unwrap();
    bytes[100] ^= 1;
    disk.plant(&index, bytes);
    let (log, recovery) = log_with(&disk, small());
    let [(from, until)] = recovery.forgotten[..] else { panic!("{:?}", recovery.forgotten) };
    assert!(from == Position(0) && until > from && until <= first);
    assert!(!knows(&log, until.0 - 1) && knows(&log, until.0));
    assert_eq!(disk.content(&index), None);
}
