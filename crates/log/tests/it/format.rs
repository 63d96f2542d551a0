//! Every format that was ever written is read for ever: `fixtures/v<version>` are folders of logs.
//!
//! A new version adds a folder: `ENSUE_WRITE_FIXTURE=1 cargo test -p ensue-log --test it write_the_fixture`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ensue_event::{Digest, Key, Position, Time};
use ensue_log::disk::RealDisk;
use ensue_log::{Draft, Entry, FileLog, Log, Unreadable};

use crate::kit::{draft, small};

const CHAIN: &str = "d7e1a2173d560ea4258f8e7f29af088926e05cac7fd90968a30e1416eb24212f";

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1")
}

fn batch(from: u64) -> Vec<Draft> {
    let keyed =
        Draft { digest: Some(Digest::of(b"body")), second: Some(Key::of("second", &[])), ..draft(from + 1, 120) };
    vec![draft(from, 40), keyed, draft(from + 2, 300)]
}

#[test]
fn write_the_fixture() {
    if std::env::var_os("ENSUE_WRITE_FIXTURE").is_none() {
        return;
    }
    let (mut log, _) = FileLog::open(Arc::new(RealDisk), &fixture(), small(), None).unwrap();
    for n in 0..5 {
        log.append(Time::from_secs(n), &batch(log.end().0)).unwrap();
        let chain = log.chain(Position(log.end().0 - 1)).unwrap();
        log.set_checkpoint(Position(log.end().0 - 1), chain);
    }
    log.purge(&[Position(4)]).unwrap();
    println!("{}", log.chain(Position(14)).unwrap());
}

#[test]
fn version_1_is_read() {
    // Opening writes: a copy.
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(fixture()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    let (log, recovery) = FileLog::open(Arc::new(RealDisk), folder.path(), small(), None).unwrap();
    assert_eq!((recovery.damage, recovery.cut, recovery.rebuilt), (vec![], None, vec![]));
    assert_eq!(recovery.checkpoint.unwrap().0, Position(11));
    assert_eq!(log.chain(Position(14)).unwrap().to_string(), CHAIN);
    let entries = log.read(Position(0), 100, usize::MAX).unwrap();
    assert_eq!(entries.len(), 15);
    for (entry, n) in entries.iter().zip(0..) {
        let expected = &batch(n / 3 * 3)[n as usize % 3];
        match entry {
            Entry::Record(record) => {
                assert_eq!((&record.event, &record.origin), (&expected.event, &expected.origin));
                assert_eq!(record.at, Time::from_secs(n as i64 / 3));
            }
            Entry::Unreadable { position, why } => assert_eq!((position.0, why), (4, &Unreadable::Purged)),
        }
        let found = log.find(&expected.event.source, &expected.event.id).unwrap();
        assert!(found.position.0 == n && found.is_same(&expected.identity()));
    }
    assert_eq!(log.find_second(&Key::of("second", &[])).map(|found| found.position.0 % 3), Some(1));
    assert!(log.reader().verify().unwrap().is_whole());
}
