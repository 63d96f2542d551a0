//! Data beside the log.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ensue_event::{Data, Digest, Event, Origin, Position, Record, Span, Time};
use ensue_log::disk::{Fault, FaultDisk, RealDisk};
use ensue_log::{Blobs, Error};

fn blobs(disk: &FaultDisk) -> Blobs<FaultDisk> {
    Blobs::open(Arc::new(disk.clone()), Path::new("/blobs")).unwrap()
}

#[test]
fn put_and_get_on_the_disk_of_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(Arc::new(RealDisk), &folder.path().join("blobs")).unwrap();
    let digests: Vec<Digest> = (0..40_u8).map(|n| blobs.put(&vec![n; 1000 * usize::from(n)]).unwrap()).collect();
    assert_eq!(blobs.put(&[3; 3000]).unwrap(), digests[3], "the same bytes are kept once");
    for (n, digest) in (0..40_u8).zip(&digests) {
        assert_eq!(blobs.get(digest).unwrap(), vec![n; 1000 * usize::from(n)]);
    }
    let mut sorted = digests.clone();
    sorted.sort();
    assert_eq!(blobs.list().unwrap(), sorted);
    blobs.remove(&digests[5]).unwrap();
    blobs.remove(&digests[5]).unwrap();
    assert!(matches!(blobs.get(&digests[5]), Err(Error::NoBlob { .. })));
}

#[test]
fn large_data_is_moved_and_comes_back() {
    let disk = FaultDisk::new();
    let blobs = blobs(&disk);
    let mut small = Event::new("1", "/s", "t").with_json(&serde_json::json!("x".repeat(1000)));
    assert!(!blobs.put_large(&mut small).unwrap());
    for json in [true, false] {
        let bytes = Bytes::from(format!("\"{}\"", "y".repeat(2 << 20)));
        let mut event = Event::new("2", "/s", "t");
        event.data = if json { Data::Json(bytes.clone()) } else { Data::Bytes(bytes.clone()) };
        assert!(blobs.put_large(&mut event).unwrap());
        let Data::Blob { blob, whole } = &mut event.data else { panic!("it is a blob now") };
        assert_eq!((blob.size, blob.json, blob.head.len()), (bytes.len() as u64, json, 64 << 10));
        assert_eq!(*whole.as_ref().unwrap(), bytes);
        *whole = None;
        let mut record = Record { position: Position(0), at: Time(0), origin: Origin::Node, event };
        blobs.resolve(&mut record).unwrap();
        assert!(matches!(&record.event.data, Data::Blob { whole: Some(whole), .. } if *whole == bytes));
    }
}

#[test]
fn a_lost_blob() {
    let disk = FaultDisk::new();
    let blobs = blobs(&disk);
    let bytes = vec![7; 3 << 20];
    let mut event = Event::new("1", "/s", "t");
    event.data = Data::Bytes(bytes.clone().into());
    blobs.put_large(&mut event).unwrap();
    if let Data::Blob { whole, .. } = &mut event.data {
        *whole = None;
    }
    let mut record = Record { position: Position(0), at: Time(0), origin: Origin::Node, event };
    let path = blobs.path(&Digest::of(&bytes));
    disk.plant(&path, [&bytes[1..], &[8]].concat());
    let wrong = blobs.resolve(&mut record).unwrap_err();
    assert!(matches!(&wrong, Error::Damaged { path: named, .. } if *named == path), "{wrong}");
    disk.lose(&path);
    let missing = blobs.resolve(&mut record).unwrap_err();
    assert!(matches!(&missing, Error::NoBlob { path: named } if *named == path), "{missing}");
    assert!(matches!(&record.event.data, Data::Blob { whole: None, .. }));
}

#[test]
fn a_blob_that_was_put_survives_the_loss_of_power() {
    for seed in 0..300 {
        let disk = FaultDisk::new();
        let put: Vec<Digest> = (0..3_u8).map(|n| blobs(&disk).put(&[n; 2000]).unwrap()).collect();
        disk.stop_after(seed % 9);
        let half = blobs_put_while_power_goes(&disk);
        disk.crash(seed);
        let blobs = blobs(&disk);
        for (n, digest) in (0..3).zip(&put) {
            assert_eq!(blobs.get(digest).unwrap(), [n; 2000][..], "seed {seed}");
        }
        if half {
            assert_eq!(blobs.get(&Digest::of(&[9; 2000])).unwrap(), [9; 2000][..], "seed {seed}");
        }
        assert!(disk.files().iter().all(|path| path.extension().is_none()), "nothing half-written is left");
    }
}

fn blobs_put_while_power_goes(disk: &FaultDisk) -> bool {
    Blobs::open(Arc::new(disk.clone()), Path::new("/blobs")).and_then(|blobs| blobs.put(&[9; 2000])).is_ok()
}

#[test]
fn every_call_of_a_put_fails() {
    for fault in [Fault::Eio, Fault::Enospc, Fault::Short] {
        for n in 1..12 {
            let disk = FaultDisk::new();
            let blobs = blobs(&disk);
            disk.fail(n, fault);
            let done = blobs.put(&[9; 2000]);
            disk.crash(n);
            let again = crate::blobs::blobs(&disk);
            if done.is_ok() {
                assert_eq!(again.get(&Digest::of(&[9; 2000])).unwrap(), [9; 2000][..], "{fault:?} at call {n}");
            }
            again.put(&[9; 2000]).unwrap();
        }
    }
}

#[test]
fn only_what_is_old_and_named_by_nobody_is_collected() {
    let disk = FaultDisk::new();
    let blobs = blobs(&disk);
    let at = |minutes| Time(0) + Span::mins(minutes);
    disk.set_now(at(0));
    let (named, old) = (blobs.put(b"named").unwrap(), blobs.put(b"old").unwrap());
    let again = blobs.put(b"put again").unwrap();
    disk.set_now(at(50));
    let young = blobs.put(b"young").unwrap();
    blobs.put(b"put again").unwrap();
    assert_eq!(blobs.collect(at(59), |digest| *digest == named).unwrap(), 0);
    assert_eq!(blobs.collect(at(61), |digest| *digest == named).unwrap(), 1);
    assert!(matches!(blobs.get(&old), Err(Error::NoBlob { .. })));
    for digest in [named, young, again] {
        blobs.get(&digest).unwrap();
    }
}
