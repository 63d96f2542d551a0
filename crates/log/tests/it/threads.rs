//! One writer, several readers.

use std::sync::Arc;
use std::time::Duration;

use ensue_event::{Position, Time};
use ensue_log::disk::RealDisk;
use ensue_log::{By, FileLog, Log, Options, entry_json};

use crate::kit::{draft, drafts, small};

#[test]
fn readers_follow_the_writer() {
    const COUNT: u64 = 600;
    let folder = tempfile::tempdir().unwrap();
    let options = Options { background: true, ..small() };
    let (mut log, _) = FileLog::open(Arc::new(RealDisk), folder.path(), options, None).unwrap();
    let reader = log.reader();
    std::thread::scope(|scope| {
        for step in [1, 7, 1000] {
            let reader = reader.clone();
            scope.spawn(move || {
                let mut next = 0;
                while next < COUNT {
                    let end = reader.wait_past(Position(next), Duration::from_secs(20));
                    assert!(end.0 > next, "the writer goes on");
                    for entry in reader.read(Position(next), step, 1 << 20).unwrap() {
                        let record = entry.record().unwrap();
                        assert_eq!((record.position.0, &record.event), (next, &draft(next, 90).event));
                        next += 1;
                    }
                    let last = draft(next - 1, 90).event;
                    assert_eq!(reader.find(&last.source, &last.id).unwrap().position.0, next - 1);
                }
            });
        }
        while log.end().0 < COUNT {
            let from = log.end().0;
            log.append(Time(from as i64), &drafts(from, 3, 90)).unwrap();
            if from % 90 == 0 && from > 0 {
                log.purge(&[]).unwrap();
            }
        }
    });
    assert_eq!(reader.find_by(By::Id("id-77"), 1).unwrap()[0].position.0, 77);
    assert_eq!(reader.wait_past(Position(COUNT), Duration::from_millis(1)), Position(COUNT));
}

#[test]
fn cat_prints_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = FileLog::open(Arc::new(RealDisk), folder.path(), small(), None).unwrap();
    log.append(Time::from_secs(1), &drafts(0, 40, 30)).unwrap();
    log.purge(&[Position(2)]).unwrap();
    let lines: Vec<String> =
        log.reader().cat(Position(1), Position(4)).map(|entry| entry_json(&entry.unwrap()).to_string()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1], r#"{"position":2,"purged":true}"#);
    assert!(lines[0].starts_with(r#"{"at":"1970-01-01T00:00:01Z","event":{"#), "{}", lines[0]);
    assert_eq!(log.reader().cat(Position(0), Position(1_000_000)).count(), 40);
}

#[test]
fn what_may_go_to_another_thread() {
    fn anywhere<T: Send + Sync + Clone>() {}
    fn moved<T: Send>() {}
    anywhere::<ensue_log::Reader<RealDisk>>();
    anywhere::<ensue_log::Blobs<RealDisk>>();
    moved::<FileLog<RealDisk>>();
    moved::<Box<dyn Log>>();
}
