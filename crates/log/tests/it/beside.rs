//! A log that another process writes, read beside it; and what no source received.

use std::io::Write as _;
use std::sync::Arc;

use ensue_event::{Emission, Origin, Position, Time};
use ensue_log::disk::{ReadOnly, RealDisk};
use ensue_log::{Entry, FileLog, Log, Options};

use crate::kit::{draft, drafts, small};

/// Names, lengths and contents.
fn files(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    all.sort();
    all
}

#[test]
fn it_is_read_while_it_is_written_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = FileLog::open(Arc::new(RealDisk), folder.path(), small(), None).unwrap();
    for from in (0..60).step_by(4) {
        log.append(Time(from as i64), &drafts(from, 4, 90)).unwrap();
    }
    // An index that is missing, and an append that is under way.
    let mut names = files(folder.path()).into_iter().map(|(name, _)| name);
    std::fs::remove_file(folder.path().join(names.find(|name| name.ends_with(".idx")).unwrap())).unwrap();
    let open = names.rfind(|name| name.ends_with(".log")).unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(folder.path().join(open)).unwrap();
    file.write_all(&[7; 99]).unwrap();
    let before = files(folder.path());
    let options = Options { reserve_bytes: 0, background: false, ..Options::default() };
    let (beside, found) = FileLog::open(Arc::new(ReadOnly), folder.path(), options, None).unwrap();
    assert_eq!(found.cut.map(|cut| cut.bytes), Some(99));
    let entries = beside.read(Position(0), usize::MAX, usize::MAX).unwrap();
    let events: Vec<_> = entries.iter().filter_map(Entry::record).map(|record| record.event.clone()).collect();
    assert_eq!(events, (0..60).map(|n| draft(n, 90).event).collect::<Vec<_>>());
    drop(beside);
    assert!(files(folder.path()) == before, "a file was changed");
}

#[test]
fn what_no_source_received_is_found_among_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = FileLog::open(Arc::new(RealDisk), folder.path(), small(), None).unwrap();
    for n in 0..90 {
        let mut one = draft(n, 50);
        match n % 9 {
            3 => one.origin = Origin::Node,
            7 => one.origin = Origin::Emitted(Emission { position: Position(n - 1), index: 0 }),
            _ => {}
        }
        log.append(Time(n as i64), &[one]).unwrap();
    }
    let reader = log.reader();
    for (records, bytes) in [(usize::MAX, usize::MAX), (5, usize::MAX), (1, 1), (40, 700)] {
        let (mut at, mut found) = (Position(1), Vec::new());
        while at < reader.end() {
            let (entries, next) = reader.read_own(at, records, bytes).unwrap();
            assert!(at < next && next <= reader.end());
            found.extend(entries.iter().map(|entry| entry.position().0));
            at = next;
        }
        let wanted: Vec<u64> = (1..90).filter(|n| [3, 7].contains(&(n % 9))).collect();
        assert_eq!(found, wanted, "{records} records, {bytes} bytes");
    }
    assert_eq!(reader.read_own(reader.end(), 9, 9).unwrap(), (Vec::new(), reader.end()));
}
