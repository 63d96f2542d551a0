//! The bytes in the log: there and back, and no damage is a panic.

use bytes::Bytes;
use ensue_event::codec::{self, Error};
use ensue_event::{Attr, BlobRef, Data, Digest, Emission, Event, Origin, Position};
use proptest::prelude::*;

fn origin() -> impl Strategy<Value = Origin> {
    prop_oneof![
        ".{0,12}".prop_map(|name| Origin::Source(name.into())),
        Just(Origin::Node),
        any::<(u64, u32)>().prop_map(|(at, index)| Origin::Emitted(Emission { position: Position(at), index })),
    ]
}

fn data() -> impl Strategy<Value = Data> {
    let bytes = prop::collection::vec(any::<u8>(), 0..64).prop_map(Bytes::from).boxed();
    prop_oneof![
        Just(Data::None),
        bytes.clone().prop_map(Data::Json),
        bytes.clone().prop_map(Data::Bytes),
        (any::<[u8; 32]>(), any::<u64>(), any::<bool>(), bytes).prop_map(|(digest, size, json, head)| Data::Blob {
            blob: BlobRef { digest: Digest(digest), size, json, head },
            whole: None,
        }),
    ]
}

fn attr() -> impl Strategy<Value = Attr> {
    prop_oneof![
        any::<bool>().prop_map(Attr::Bool),
        any::<i32>().prop_map(Attr::Int),
        ".{0,20}".prop_map(|text| Attr::Text(text.into())),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let optional = || prop::option::of(".{0,16}".prop_map(Box::<str>::from));
    let texts = (".{0,20}", ".{0,20}", ".{0,20}");
    let options = (optional(), optional(), optional(), optional());
    let extensions = prop::collection::vec(("[a-z0-9]{1,9}", attr()), 0..5);
    (texts, options, extensions, data()).prop_map(|((id, source, kind), options, extensions, data)| {
        let mut event = Event::new(id, source, kind);
        (event.subject, event.time, event.content_type, event.schema) = options;
        extensions.into_iter().for_each(|(name, value)| event.set_extension(&name, value));
        event.data = data;
        event
    })
}

fn encoded(origin: &Origin, event: &Event) -> Bytes {
    let mut out = Vec::new();
    codec::encode(origin, event, &mut out);
    Bytes::from(out)
}

proptest! {
    #[test]
    fn there_and_back(origin in origin(), event in event()) {
        prop_assert_eq!(codec::decode(encoded(&origin, &event)), Ok((origin, event)));
    }

    #[test]
    fn every_truncation_is_an_error_or_shorter_data(origin in origin(), event in event()) {
        let bytes = encoded(&origin, &event);
        let tail = match &event.data {
            Data::None => 0,
            Data::Json(bytes) | Data::Bytes(bytes) => bytes.len(),
            Data::Blob { blob, .. } => blob.head.len(),
        };
        for end in 0..bytes.len() {
            // The data is the rest of a record: how long that is, the log's frame says.
            let cut = codec::decode(bytes.slice(..end));
            prop_assert_eq!(cut.is_err(), end < bytes.len() - tail, "cut at {}", end);
        }
    }

    #[test]
    fn any_bytes_are_no_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), first in 0..3_u8) {
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        let _ = codec::decode(Bytes::from(bytes));
    }

    #[test]
    fn a_changed_byte_is_no_panic(origin in origin(), event in event(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = encoded(&origin, &event).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let _ = codec::decode(Bytes::from(bytes));
    }
}

/// Version 1, byte for byte: what is in logs must be read for ever.
#[test]
fn version_1() {
    let mut event = Event::new("a1", "/s", "t").with_json(&serde_json::json!({"n": 1}));
    event.subject = Some("x".into());
    event.schema = Some("u:v".into());
    event.set_extension("b", Attr::Bool(true));
    event.set_extension("i", Attr::Int(-2));
    event.set_extension("t", Attr::Text("é".into()));
    let origin = Origin::Emitted(Emission { position: Position(258), index: 3 });
    let expected: &[&[u8]] = &[
        &[1, 2],
        &[2, 1, 0, 0, 0, 0, 0, 0],
        &[3, 0, 0, 0],
        b"\x02\0\0\0a1\x02\0\0\0/s\x01\0\0\0t",
        &[0b1001],
        b"\x01\0\0\0x\x03\0\0\0u:v",
        &[3, 0],
        b"\x01\0\0\0b\x01",
        b"\x01\0\0\0i\x02\xfe\xff\xff\xff",
        b"\x01\0\0\0t\x03\x02\0\0\0\xc3\xa9",
        b"\x01{\"n\":1}",
    ];
    let expected = Bytes::from(expected.concat());
    assert_eq!(encoded(&origin, &event), expected);
    assert_eq!(codec::decode(expected), Ok((origin, event)));
}

#[test]
fn a_newer_format_says_so() {
    assert_eq!(codec::decode(Bytes::from_static(&[2, 1])), Err(Error::Version(2)));
}

#[test]
fn data_is_not_copied() {
    let bytes = encoded(&Origin::Node, &Event::new("a", "b", "c").with_json(&serde_json::json!("data")));
    let (_, event) = codec::decode(bytes.clone()).unwrap();
    let data = event.json().unwrap();
    assert_eq!(data.as_ptr(), bytes.slice(bytes.len() - data.len()..).as_ptr());
}
