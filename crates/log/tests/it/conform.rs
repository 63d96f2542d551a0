//! The conformance suite: what every log does, whatever it is made of. A new implementation adds two lines at the end.

use std::path::PathBuf;
use std::sync::Arc;

use ensue_event::{Digest, Key, Position, Span, Time};
use ensue_log::disk::{FaultDisk, RealDisk};
use ensue_log::{Agreement, By, Draft, Entry, Error, FileLog, Log, Options, Unreadable};

use crate::kit::{draft, drafts, everything, readable, small};

/// One place where logs live: opens the log there, as often as asked.
type Place<'a> = &'a dyn Fn() -> Box<dyn Log>;

type Case = (&'static str, fn(Place<'_>));

const CASES: &[Case] = &[
    ("an empty log", empty),
    ("positions follow each other from 0", positions),
    ("what is appended is read back, also after reopening", read_back),
    ("reading is bounded by records and by bytes", bounds),
    ("time does not go back", time),
    ("the chain follows from every record", chain),
    ("an id is found with its body, also after reopening", find),
    ("a second key is found", second),
    ("records are found by id, subject, correlation and type", find_by),
    ("trim removes whole segments and keeps their ids", trim),
    ("purge destroys events and leaves the chain", purge),
    ("a state is compared with the log", agreement),
    ("a record too large is refused and nothing is appended", too_large),
    ("an empty batch is nothing", nothing),
];

fn empty(place: Place<'_>) {
    let log = place();
    assert_eq!((log.first(), log.end(), log.last_at()), (Position(0), Position(0), None));
    assert_eq!(log.read(Position(0), 10, 1000).unwrap(), []);
    assert!(matches!(log.read(Position(1), 1, 1), Err(Error::Beyond { .. })));
    assert!(matches!(log.chain(Position(0)), Err(Error::Beyond { .. })));
    assert_eq!(log.find("/source/0", "id-0"), None);
    assert_eq!(log.find_by(By::Id("id-0"), 5).unwrap(), []);
    assert!(log.reserve_used() == 0.0);
}

fn positions(place: Place<'_>) {
    let mut log = place();
    for (first, count) in [(0, 1), (1, 5), (6, 2), (8, 100)] {
        assert_eq!(log.append(Time(9), &drafts(first, count, 10)).unwrap(), Position(first));
        assert_eq!(log.end(), Position(first + count));
    }
}

fn read_back(place: Place<'_>) {
    let mut log = place();
    for batch in 0..20 {
        log.append(Time(batch), &drafts(log.end().0, 1 + batch as u64 % 4, 100)).unwrap();
        assert_eq!(log.last_at(), Some(Time(batch)));
    }
    let before = everything(&*log);
    assert_eq!(readable(&*log, 100).len() as u64, log.end().0);
    let (end, chain) = (log.end(), log.chain(Position(log.end().0 - 1)).unwrap());
    drop(log);
    let mut log = place();
    assert_eq!((log.end(), log.last_at()), (end, Some(Time(19))));
    assert_eq!(everything(&*log), before);
    assert_eq!(log.chain(Position(end.0 - 1)).unwrap(), chain);
    assert_eq!(log.append(Time(19), &drafts(end.0, 1, 100)).unwrap(), end);
}

fn bounds(place: Place<'_>) {
    let mut log = place();
    log.append(Time(1), &drafts(0, 50, 100)).unwrap();
    for (from, records, bytes, least, most) in [
        (0, 7, usize::MAX, 7, 7),
        (48, 7, usize::MAX, 2, 2),
        (50, 7, usize::MAX, 0, 0),
        (3, 50, 1, 1, 2),
        (0, 50, 2000, 3, 12),
        (0, 0, 2000, 0, 0),
    ] {
        let entries = log.read(Position(from), records, bytes).unwrap();
        assert!((least..=most).contains(&entries.len()), "{from} {records} {bytes}: {}", entries.len());
        assert!(entries.iter().zip(from..).all(|(entry, at)| entry.position() == Position(at)));
    }
}

fn time(place: Place<'_>) {
    let mut log = place();
    log.append(Time(10), &drafts(0, 1, 0)).unwrap();
    log.append(Time(10), &drafts(1, 1, 0)).unwrap();
    assert!(matches!(log.append(Time(9), &drafts(2, 1, 0)), Err(Error::Backwards { .. })));
    assert_eq!(log.end(), Position(2));
    drop(log);
    assert!(matches!(place().append(Time(9), &drafts(2, 1, 0)), Err(Error::Backwards { .. })));
}

fn chain(place: Place<'_>) {
    let mut log = place();
    let mut chains = Vec::new();
    for batch in 0..10 {
        log.append(Time(batch), &drafts(log.end().0, 3, 300)).unwrap();
    }
    for position in 0..30 {
        chains.push(log.chain(Position(position)).unwrap());
    }
    let mut unlike = chains.clone();
    unlike.sort();
    unlike.dedup();
    assert_eq!(unlike.len(), 30);
    drop(log);
    let log = place();
    let again: Vec<Digest> = (0..30).map(|position| log.chain(Position(position)).unwrap()).collect();
    assert_eq!(again, chains);
}

fn find(place: Place<'_>) {
    let mut log = place();
    for batch in 0..20 {
        log.append(Time(batch), &drafts(log.end().0, 3, 200)).unwrap();
    }
    let check = |log: &dyn Log| {
        for n in 0..60 {
            let draft = draft(n, 200);
            let found = log.find(&draft.event.source, &draft.event.id).unwrap();
            assert_eq!(found.position, Position(n));
            assert!(found.is_same(&draft.identity()));
            assert!(!found.is_same(&Digest::of(b"another body")));
            assert_eq!(log.find("/elsewhere", &draft.event.id), None);
        }
        assert_eq!(log.find("/source/0", "id-60"), None);
    };
    check(&*log);
    drop(log);
    check(&*place());
}

fn second(place: Place<'_>) {
    let mut log = place();
    let key = Key::of("body", &[b"signed"]);
    let first = Draft { second: Some(key), digest: Some(Digest::of(b"as received")), ..draft(0, 10) };
    log.append(Time(1), &[first.clone(), draft(1, 10)]).unwrap();
    let check = |log: &dyn Log| {
        let found = log.find_second(&key).unwrap();
        assert_eq!(found.position, Position(0));
        assert!(found.is_same(&Digest::of(b"as received")) && found.is_same(&first.identity()));
        assert_eq!(log.find_second(&Key::of("body", &[b"another"])), None);
    };
    check(&*log);
    drop(log);
    check(&*place());
}

fn find_by(place: Place<'_>) {
    let mut log = place();
    for batch in 0..14 {
        log.append(Time(batch), &drafts(log.end().0, 5, 150)).unwrap();
    }
    let check = |log: &dyn Log| {
        for (by, expected) in [
            (By::Id("id-33"), vec![33]),
            (By::Subject("subject-2"), (0..70).rev().filter(|n| n % 7 == 2).collect()),
            (By::Correlation("c-10"), (0..70).rev().filter(|n| n % 11 == 10).collect()),
            (By::Type("type.4"), (0..70).rev().filter(|n| n % 5 == 4).collect()),
            (By::Type("type.9"), vec![]),
        ] {
            let found = |limit| -> Vec<u64> {
                log.find_by(by, limit).unwrap().iter().map(|record| record.position.0).collect()
            };
            assert_eq!(found(1000), expected, "{by:?}");
            assert_eq!(found(2), expected[..expected.len().min(2)], "{by:?}");
        }
    };
    check(&*log);
    drop(log);
    check(&*place());
}

fn trim(place: Place<'_>) {
    let mut log = place();
    for batch in 0..30 {
        log.append(Time(batch), &drafts(log.end().0, 3, 200)).unwrap();
    }
    let chain = log.chain(Position(89)).unwrap();
    assert_eq!(log.trim(Position(0)).unwrap().records, 0);
    let trimmed = log.trim(Position(50)).unwrap();
    assert_eq!(trimmed.first, log.first());
    assert_eq!(trimmed.records, trimmed.first.0);
    assert!(trimmed.first.0 > 20 && trimmed.first.0 <= 50, "{trimmed:?}");
    let check = |log: &dyn Log| {
        assert_eq!(log.first(), trimmed.first);
        assert!(matches!(log.read(Position(0), 1, 1), Err(Error::Trimmed { .. })));
        assert_eq!(readable(log, 200).len() as u64, 90 - trimmed.first.0);
        assert_eq!(log.find("/source/1", "id-1").unwrap().position, Position(1), "its id outlives the event");
        assert_eq!(log.chain(Position(89)).unwrap(), chain);
        assert_eq!(log.agrees(Position(0), &chain), Agreement::Trimmed);
    };
    check(&*log);
    drop(log);
    let mut log = place();
    check(&*log);
    let last = log.trim(log.end()).unwrap().first;
    assert!(last > trimmed.first && last < log.end(), "the open segment stays");
    log.append(Time(100), &drafts(90, 3, 200)).unwrap();
}

fn purge(place: Place<'_>) {
    let mut log = place();
    for batch in 0..10 {
        log.append(Time(batch), &drafts(log.end().0, 3, 200)).unwrap();
    }
    let before = everything(&*log);
    let chains: Vec<_> = (0..30).map(|position| log.chain(Position(position)).unwrap()).collect();
    let gone = [Position(1), Position(2), Position(29), Position(13)];
    log.purge(&gone).unwrap();
    log.purge(&gone).unwrap();
    assert!(matches!(log.purge(&[Position(30)]), Err(Error::Beyond { .. })));
    let check = |log: &dyn Log| {
        for (entry, was) in everything(log).iter().zip(&before) {
            if gone.contains(&entry.position()) {
                assert_eq!(*entry, Entry::Unreadable { position: was.position(), why: Unreadable::Purged });
            } else {
                assert_eq!(entry, was);
            }
        }
        let again: Vec<_> = (0..30).map(|position| log.chain(Position(position)).unwrap()).collect();
        assert_eq!(again, chains);
        assert!(log.find("/source/1", "id-13").is_some(), "it is still known that it came");
        assert_eq!(log.find_by(By::Id("id-13"), 9).unwrap(), []);
    };
    check(&*log);
    drop(log);
    check(&*place());
}

fn agreement(place: Place<'_>) {
    let mut log = place();
    log.append(Time(1), &drafts(0, 3, 10)).unwrap();
    let chain = log.chain(Position(2)).unwrap();
    assert_eq!(log.agrees(Position(2), &chain), Agreement::Same);
    assert_eq!(log.agrees(Position(1), &chain), Agreement::Different);
    assert_eq!(log.agrees(Position(3), &chain), Agreement::Ahead);
}

fn too_large(place: Place<'_>) {
    let mut log = place();
    let batch = [draft(0, 10), draft(1, 3 << 20)];
    assert_eq!(batch.each_ref().map(Draft::fits), [true, false]);
    assert!(matches!(log.append(Time(1), &batch), Err(Error::TooLarge { .. })));
    assert_eq!(log.end(), Position(0));
    log.append(Time(1), &[draft(0, 1 << 20)]).unwrap();
    assert_eq!(readable(&*log, 1 << 20), [0]);
}

fn nothing(place: Place<'_>) {
    let mut log = place();
    log.append(Time(1), &drafts(0, 2, 10)).unwrap();
    assert_eq!(log.append(Time(0), &[]).unwrap(), Position(2));
    assert_eq!((log.end(), log.last_at()), (Position(2), Some(Time(1))));
}

fn conforms(new_place: impl Fn() -> Box<dyn Fn() -> Box<dyn Log>>) {
    for (name, case) in CASES {
        println!("{name}");
        case(&*new_place());
    }
}

fn file_log_on_real_disk(options: Options) {
    let folder = tempfile::tempdir().unwrap();
    let count = std::cell::Cell::new(0);
    conforms(|| {
        count.set(count.get() + 1);
        let path: PathBuf = folder.path().join(count.get().to_string());
        let options = options.clone();
        Box::new(move || {
            Box::new(FileLog::open(Arc::new(RealDisk), &path, options.clone(), None).unwrap().0) as Box<dyn Log>
        })
    });
}

#[test]
fn file_log_on_the_disk_of_this_machine() {
    file_log_on_real_disk(small());
}

#[test]
fn file_log_that_writes_its_indexes_beside() {
    file_log_on_real_disk(Options { background: true, dedupe_window: Span::hours(1), ..small() });
}

#[test]
fn file_log_on_a_disk_in_memory() {
    conforms(|| {
        let disk = FaultDisk::new();
        Box::new(move || Box::new(crate::kit::open(&disk).0) as Box<dyn Log>)
    });
}
