//! Our own records: the formats stand still, the list is whole, the reference says what they hold.

use std::collections::BTreeSet;

use bytes::Bytes;
use ensue_event::ours::{self, Error, LIST, Ours, samples};
use ensue_event::{Data, Event, codec};
use serde_json::{Value, json};

/// One line for each kind and form, as the first version of each format wrote it. Lines are added, never changed: a
/// changed format is a new version, with a new file and a reader for this one.
const GOLDEN: &str = include_str!("../fixtures/records-v1.jsonl");

fn line(sample: &Ours) -> String {
    json!({"type": sample.kind(), "data": sample.data()}).to_string()
}

#[test]
fn formats_stand_still() {
    let lines: Vec<Value> = GOLDEN.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let samples = samples();
    for (golden, sample) in lines.iter().zip(&samples) {
        assert_eq!(*golden, json!({"type": sample.kind(), "data": sample.data()}));
        let read = Ours::read(golden["type"].as_str().unwrap(), golden["data"].to_string().as_bytes()).unwrap();
        assert_eq!(read, *sample);
    }
    let missing: Vec<String> = samples.iter().skip(lines.len()).map(line).collect();
    assert!(missing.is_empty(), "add to records-v1.jsonl:\n{}", missing.join("\n"));
    assert_eq!(lines.len(), samples.len());
}

#[test]
fn every_kind_has_a_sample_and_a_line() {
    let listed: Vec<&str> = LIST.iter().map(|spec| spec.kind).collect();
    let mut sampled: Vec<&str> = samples().iter().map(Ours::kind).collect();
    let unique: BTreeSet<&str> = listed.iter().copied().collect();
    assert_eq!(unique.len(), listed.len(), "a kind stands twice in the list");
    sampled.sort_by_key(|kind| listed.iter().position(|known| known == kind));
    sampled.dedup();
    assert_eq!(sampled, listed);
    assert!(listed.iter().all(|kind| kind.starts_with(ours::PREFIX)));
}

#[test]
fn through_an_event_and_its_bytes() {
    for sample in samples() {
        let event = sample.event("id", "/ensue/node");
        event.validate().unwrap();
        let mut bytes = Vec::new();
        codec::encode(&ensue_event::Origin::Node, &event, &mut bytes);
        let (_, read) = codec::decode(Bytes::from(bytes)).unwrap();
        assert_eq!(Ours::of(&read).unwrap(), sample);
    }
}

#[test]
fn optional_fields_may_be_absent() {
    let cases = [
        ("dev.ensue.node.started", json!({"v": 1, "version": "0", "fold": 1, "boot": "b", "clean": true})),
        ("dev.ensue.config.applied", json!({"v": 1, "documents": [], "files": []})),
        ("dev.ensue.record.quarantined", json!({"v": 1, "position": 1, "reason": "r"})),
        ("dev.ensue.operator", json!({"v": 1, "command": {"verb": "freeze"}, "actor": "a", "reason": "r"})),
        ("dev.ensue.operator", json!({"v": 1, "command": {"verb": "thaw"}, "actor": "a", "reason": "r"})),
        ("dev.ensue.tick", json!({"v": 1})),
    ];
    for (kind, data) in cases {
        Ours::read(kind, data.to_string().as_bytes()).unwrap_or_else(|why| panic!("{kind}: {why}"));
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    let read = |kind: &str, data: Value| Ours::read(kind, data.to_string().as_bytes()).unwrap_err();
    assert!(matches!(read("com.example", json!({"v": 1})), Error::Unknown(kind) if kind == "com.example"));
    let newer = read("dev.ensue.tick", json!({"v": 2}));
    assert_eq!(newer.to_string(), "`dev.ensue.tick` has fields of version 2; this version of ensue reads version 1");
    let wrong = read("dev.ensue.log.trimmed", json!({"v": 1, "first": "x", "bytes": 1}));
    assert!(wrong.to_string().starts_with("`dev.ensue.log.trimmed` cannot be read: invalid type"), "{wrong}");
    assert!(matches!(read("dev.ensue.tick", json!({})), Error::Fields { .. }));
    let mut event = Event::new("a", "/s", "dev.ensue.node.stopped");
    event.data = Data::None;
    assert!(matches!(Ours::of(&event), Err(Error::Fields { .. })));
}

#[test]
fn the_reference_lists_the_fields_that_there_are() {
    for spec in LIST {
        let named: BTreeSet<&str> = ours::fields(spec.kind).iter().map(|[name, ..]| *name).collect();
        let sample = samples().into_iter().find(|sample| sample.kind() == spec.kind).unwrap().data();
        let there: BTreeSet<&str> =
            sample.as_object().unwrap().keys().map(String::as_str).filter(|name| *name != "v").collect();
        assert_eq!(named, there, "{}", spec.kind);
    }
}

#[test]
fn the_reference_is_a_page() {
    let page = ours::reference();
    for spec in LIST {
        assert!(page.contains(&format!("\n## {}\n", spec.kind)), "{}", spec.kind);
        let anchor = spec.kind.replace('.', "");
        assert!(page.contains(&format!("| [`{}`](#{anchor}) | {} |", spec.kind, spec.version)), "{}", spec.kind);
    }
    assert!(page.ends_with("```\n"));
    assert!(page.lines().all(|line| !line.ends_with(' ')));
}
