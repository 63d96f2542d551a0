//! What the tests are made of: drafts, a small log on a disk in memory, what was acknowledged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ensue_event::{Attr, Event, Origin, Position, Span, Time};
use ensue_log::disk::FaultDisk;
use ensue_log::{Draft, Entry, Error, FileLog, Log, Options, Recovery};

pub(crate) const FOLDER: &str = "/log";

pub(crate) fn folder() -> &'static Path {
    Path::new(FOLDER)
}

/// A draft whose parts all follow from `n`, with `extra` bytes of data.
pub(crate) fn draft(n: u64, extra: usize) -> Draft {
    let mut event = Event::new(format!("id-{n}"), format!("/source/{}", n % 3), format!("type.{}", n % 5))
        .with_json(&serde_json::json!({"n": n, "fill": "x".repeat(extra)}));
    event.subject = Some(format!("subject-{}", n % 7).into());
    event.set_extension("correlationid", Attr::Text(format!("c-{}", n % 11).into()));
    Draft::new(Origin::Source("test".into()), event)
}

pub(crate) fn drafts(from: u64, count: u64, extra: usize) -> Vec<Draft> {
    (from..from + count).map(|n| draft(n, extra)).collect()
}

/// Small segments, so that a few records fill several; no threads, so that every run is the same.
pub(crate) fn small() -> Options {
    Options {
        segment_bytes: 4096,
        dedupe_window: Span::hours(72),
        dedupe_max: 20_000_000,
        reserve_bytes: 4096,
        background: false,
    }
}

pub(crate) fn open(disk: &FaultDisk) -> (FileLog<FaultDisk>, Recovery) {
    try_open(disk, None).unwrap()
}

pub(crate) fn try_open(disk: &FaultDisk, state: Option<u64>) -> Result<(FileLog<FaultDisk>, Recovery), Error> {
    FileLog::open(Arc::new(disk.clone()), folder(), small(), state.map(Position))
}

/// A log with these batches, each of so many records of `extra` bytes.
pub(crate) fn filled(disk: &FaultDisk, batches: &[u64], extra: usize) -> FileLog<FaultDisk> {
    let (mut log, _) = open(disk);
    for (index, count) in batches.iter().enumerate() {
        let from = log.end().0;
        log.append(Time(index as i64), &drafts(from, *count, extra)).unwrap();
    }
    log
}

pub(crate) fn everything<L: Log + ?Sized>(log: &L) -> Vec<Entry> {
    log.read(log.first(), usize::MAX, usize::MAX).unwrap()
}

/// Positions that can be read and hold what `draft` made for them; panics on a record that holds anything else.
pub(crate) fn readable<L: Log + ?Sized>(log: &L, extra: usize) -> Vec<u64> {
    let entries = everything(log);
    let positions: Vec<u64> = entries.iter().map(|entry| entry.position().0).collect();
    assert_eq!(positions, (log.first().0..log.end().0).collect::<Vec<_>>(), "every position has one entry");
    let records = entries.iter().filter_map(Entry::record);
    records
        .map(|record| {
            assert_eq!(record.event, draft(record.position.0, extra).event, "position {}", record.position);
            record.position.0
        })
        .collect()
}

/// The path of the last segment.
pub(crate) fn last_segment(disk: &FaultDisk) -> PathBuf {
    disk.files().into_iter().rfind(|path| path.extension().is_some_and(|ending| ending == "log")).unwrap()
}
