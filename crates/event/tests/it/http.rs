//! The HTTP binding: three forms in, three forms out, and what is said to those who send something else.

use bytes::Bytes;
use ensue_event::http::{self, BATCH, Batch, Error, Message, Mode, STRUCTURED};
use ensue_event::json::Scanner;
use ensue_event::{Attr, BlobRef, Data, Digest, Event, Invalid};
use proptest::prelude::*;

pub(crate) fn decode(content_type: Option<&str>, headers: &[(&str, &[u8])], body: &[u8]) -> Result<Batch, Error> {
    let headers = headers.iter().copied();
    http::decode(Message { content_type, headers, body: Bytes::copy_from_slice(body) }, &mut Scanner::new())
}

/// The headers that every binary event has, and some more.
fn binary(content_type: Option<&str>, more: &[(&str, &str)], body: &str) -> Result<Event, Error> {
    let mut headers: Vec<(&str, &[u8])> = vec![
        ("host", b"localhost"),
        ("Ce-Id", b"a1"),
        ("ce-source", b"/shop"),
        ("CE-Type", b"com.example.pushed"),
        ("ce-specversion", b"1.0"),
    ];
    headers.extend(more.iter().map(|(name, value)| (*name, value.as_bytes())));
    let batch = decode(content_type, &headers, body.as_bytes())?;
    assert_eq!((batch.mode, batch.events.len()), (Mode::Binary, 1));
    Ok(batch.events.into_iter().next().unwrap())
}

/// An event in structured mode: the required attributes and these members.
fn structured(members: &str) -> Result<Event, Error> {
    let body = envelope(members);
    let batch = decode(Some("application/CloudEvents+JSON; charset=UTF-8"), &[], body.as_bytes())?;
    assert_eq!((batch.mode, batch.events.len()), (Mode::Structured, 1));
    Ok(batch.events.into_iter().next().unwrap())
}

fn envelope(members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(r#"{{"specversion":"1.0","id":"a1","source":"/shop","type":"com.example.pushed"{comma}{members}}}"#)
}

fn batch(body: &str) -> Result<Vec<Event>, Error> {
    let batch = decode(Some(BATCH), &[], body.as_bytes())?;
    assert_eq!(batch.mode, Mode::Batch);
    Ok(batch.events)
}

fn event() -> Event {
    Event::new("a1", "/shop", "com.example.pushed")
}

fn json(text: &str) -> Data {
    Data::Json(Bytes::copy_from_slice(text.as_bytes()))
}

fn raw(text: &str) -> Data {
    Data::Bytes(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn data_of_a_binary_event() {
    let cases: &[(Option<&str>, &str, Data)] = &[
        (Some("application/json"), "{\"a\": 1}", json("{\"a\": 1}")),
        (Some("application/json; charset=utf-8"), " 1.5 ", json(" 1.5 ")),
        (Some("TEXT/JSON"), "null", json("null")),
        (Some("application/vnd.github.v3+JSON ; x=y"), "[]", json("[]")),
        (Some("application/xml"), "<a/>", raw("<a/>")),
        (Some("text/plain"), "{}", raw("{}")),
        (Some("application/jsonl"), "{}\n{}", raw("{}\n{}")),
        // no content type: JSON if it is JSON
        (None, "{ \"xyz\": 123 }", json("{ \"xyz\": 123 }")),
        (None, "hello", raw("hello")),
        (None, "{\"a\":1,\"a\":2}", raw("{\"a\":1,\"a\":2}")),
        // no body: no data
        (None, "", Data::None),
        (Some("application/json"), "", Data::None),
    ];
    for (content_type, body, data) in cases {
        let mut expected = event();
        expected.content_type = content_type.map(Box::from);
        expected.data = data.clone();
        assert_eq!(binary(*content_type, &[], body), Ok(expected), "{content_type:?} {body}");
    }
}

#[test]
fn attributes_in_headers() {
    let got = binary(
        None,
        &[
            ("ce-subject", "orders/7"),
            ("ce-time", "2026-01-31T09:30:00Z"),
            ("ce-dataschema", "https://example.com/order"),
            ("ce-traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            ("CE-SeverityNumber", "17"),
            ("ce-ensuedepth", "3"),
            ("ce-count", "5"),
            ("ce-flag", "true"),
            ("cex-other", "no attribute"),
        ],
        "",
    )
    .unwrap();
    let mut expected = event();
    expected.subject = Some("orders/7".into());
    expected.time = Some("2026-01-31T09:30:00Z".into());
    expected.schema = Some("https://example.com/order".into());
    let texts =
        [("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), ("count", "5"), ("flag", "true")];
    texts.iter().for_each(|(name, value)| expected.set_extension(name, Attr::Text((*value).into())));
    expected.set_extension("severitynumber", Attr::Int(17));
    expected.set_extension("ensuedepth", Attr::Int(3));
    assert_eq!(got, expected);
}

#[test]
fn values_of_headers() {
    let cases = [
        ("plain", "plain"),
        ("  space around ", "space around"),
        ("a%20b", "a b"),
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ("%e2%82%ac", "€"),
        ("100%25", "100%"),
        // one round only
        ("%2525", "%25"),
        // more than need be
        ("%61%62", "ab"),
        // raw UTF-8, as some send it
        ("größe", "größe"),
        // double quotes, as older versions wrote them
        ("\"a b\"", "a b"),
        ("\"a\\\"b\\\\c\"", "a\"b\\c"),
        ("\"a%20b\"", "a b"),
        ("a\\b", "a\\b"),
        ("%22quoted%22", "\"quoted\""),
    ];
    for (value, expected) in cases {
        let got = binary(None, &[("ce-subject", value)], "").unwrap();
        assert_eq!(got.subject.as_deref(), Some(expected), "{value}");
    }
}

#[test]
fn binary_events_that_are_refused() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (
            &[("ce-subject", "50%")],
            "the header `ce-subject` has a `%` without two hexadecimal digits; write a percent sign as %25",
        ),
        (
            &[("ce-subject", "%zz")],
            "the header `ce-subject` has a `%` without two hexadecimal digits; write a percent sign as %25",
        ),
        (&[("ce-subject", "%C0%A0")], "the header `ce-subject` is not UTF-8 once it is percent-decoded"),
        (&[("ce-subject", "\"open")], "the header `ce-subject` has a double quote that does not close"),
        (
            &[("ce-subject", "a%00b")],
            "the CloudEvents attribute `subject` must not hold control characters, got `a\0b`",
        ),
        (&[("ce-subject", "")], "the CloudEvents attribute `subject` must not be empty, got ``"),
        (&[("ce-time", "noon")], "the CloudEvents attribute `time` must be a time as RFC 3339 writes it, got `noon`"),
        (&[("ce-id", "a2")], "the header `ce-id` is there twice"),
        (&[("ce-x", "1"), ("CE-X", "2")], "the header `CE-X` is there twice"),
        (
            &[("ce-my_name", "1")],
            "`my_name` is not a name of a CloudEvents attribute: lower-case letters and digits only",
        ),
        (&[("ce-", "1")], "`` is not a name of a CloudEvents attribute: lower-case letters and digits only"),
        (&[("ce-data", "1")], "the header `ce-data` is no attribute: the body is the data"),
        (
            &[("ce-datacontenttype", "text/plain")],
            "the header `ce-datacontenttype` is not sent in binary mode: Content-Type says it",
        ),
        (
            &[("ce-severitynumber", "high")],
            "the CloudEvents attribute `severitynumber` must be an integer of 32 bits, got `high`",
        ),
    ];
    for (headers, expected) in cases {
        let error = binary(Some("application/json"), headers, "{}").unwrap_err();
        assert_eq!((error.status(), error.to_string()), (400, (*expected).to_owned()));
    }
    // The same content type twice is no contradiction.
    assert!(binary(Some("text/plain"), &[("ce-datacontenttype", "text/plain")], "x").is_ok());
    let error = binary(Some("application/foo+json"), &[], "{\n\"a\": tru}").unwrap_err();
    assert_eq!(error.to_string(), "the body: not valid JSON: line 2, column 9 (byte 10): expected `true`, found `}`");
    assert_eq!(error.json().map(|json| (json.line, json.column)), Some((2, 9)));
    let no_utf8 = decode(None, &[("ce-id", b"\xff")], b"").unwrap_err();
    assert_eq!(no_utf8.to_string(), "the header `ce-id` is not UTF-8 once it is percent-decoded");
}

#[test]
fn what_is_required() {
    let all: [(&str, &[u8]); 4] =
        [("ce-id", b"a"), ("ce-source", b"/s"), ("ce-type", b"t"), ("ce-specversion", b"1.0")];
    for without in all {
        let rest: Vec<_> = all.into_iter().filter(|header| *header != without).collect();
        let error = decode(None, &rest, b"").unwrap_err();
        let Error::Invalid(Invalid::Missing(name)) = error else { panic!("{error}") };
        assert_eq!(format!("ce-{name}"), without.0);
        let members: Vec<String> = rest
            .iter()
            .map(|(name, value)| format!("\"{}\":\"{}\"", &name[3..], String::from_utf8_lossy(value)))
            .collect();
        let error = decode(Some(STRUCTURED), &[], format!("{{{}}}", members.join(",")).as_bytes()).unwrap_err();
        assert_eq!(error, Error::Invalid(Invalid::Missing(name)));
    }
    for version in ["0.3", "1.0.2", "2.0"] {
        let headers =
            all.map(|(name, value)| (name, if name == "ce-specversion" { version.as_bytes() } else { value }));
        assert_eq!(decode(None, &headers, b"").unwrap_err(), Error::Invalid(Invalid::Version(version.into())));
    }
}

#[test]
fn what_is_no_event() {
    let forms = "send headers `ce-id`, `ce-source`, `ce-type` and `ce-specversion: 1.0` with the data as the body, or one \
                 event as `application/cloudevents+json`, or a list as `application/cloudevents-batch+json`";
    let plain = decode(Some("application/json"), &[("host", b"x")], b"{}").unwrap_err();
    assert_eq!(plain.status(), 400);
    assert_eq!(plain.to_string(), format!("this is no CloudEvent (its content type is `application/json`): {forms}"));
    assert_eq!(decode(None, &[], b"{}").unwrap_err().to_string(), format!("this is no CloudEvent: {forms}"));
    for kind in ["application/cloudevents+xml", "application/cloudevents", "application/cloudevents-batch+protobuf"] {
        let error = decode(Some(kind), &[], b"").unwrap_err();
        assert_eq!((error.status(), error), (415, Error::Format(kind.into())));
    }
}

#[test]
fn data_of_a_structured_event() {
    let cases: &[(&str, Option<&str>, Data)] = &[
        ("", None, Data::None),
        (r#""data": {"a" : 1 }"#, None, json("{\"a\" : 1 }")),
        (r#""data":1.5,"datacontenttype":"application/json""#, Some("application/json"), json("1.5")),
        (r#""data":"text""#, None, json("\"text\"")),
        (r#""data":null"#, None, json("null")),
        (r#""data":[true],"datacontenttype":"application/x+json""#, Some("application/x+json"), json("[true]")),
        (r#""data":"<a b=\"c\"/>","datacontenttype":"text/xml""#, Some("text/xml"), raw("<a b=\"c\"/>")),
        (r#""datacontenttype":"text/plain","data":"no escapes""#, Some("text/plain"), raw("no escapes")),
        (r#""datacontenttype":"text/plain","data":null"#, Some("text/plain"), Data::None),
        (r#""datacontenttype":"text/plain","data":"""#, Some("text/plain"), raw("")),
        (r#""data_base64":"AAEC/w==","datacontenttype":"image/png""#, Some("image/png"), {
            Data::Bytes(Bytes::from_static(&[0, 1, 2, 255]))
        }),
        (r#""data_base64":"AAEC\/w""#, None, Data::Bytes(Bytes::from_static(&[0, 1, 2, 255]))),
        (r#""data_base64":"eyAieHl6IjogMTIzIH0=""#, None, json("{ \"xyz\": 123 }")),
        (r#""data_base64":"e30=","datacontenttype":"application/json""#, Some("application/json"), json("{}")),
        (r#""data_base64":"e30=","datacontenttype":"text/plain""#, Some("text/plain"), raw("{}")),
        (r#""data_base64":null,"data":1"#, None, json("1")),
    ];
    for (members, content_type, data) in cases {
        let mut expected = event();
        expected.content_type = content_type.map(Box::from);
        expected.data = data.clone();
        assert_eq!(structured(members), Ok(expected), "{members}");
    }
}

#[test]
fn attributes_of_a_structured_event() {
    let got = structured(
        r#""subject":"s\u0075b","time":"2026-01-31T09:30:00Z","dataschema":null,"flag":true,"off":false,
           "count":-5,"unset":null,"sequence":"0001","datacontenttype":null"#,
    )
    .unwrap();
    let mut expected = event();
    expected.subject = Some("sub".into());
    expected.time = Some("2026-01-31T09:30:00Z".into());
    expected.set_extension("flag", Attr::Bool(true));
    expected.set_extension("off", Attr::Bool(false));
    expected.set_extension("count", Attr::Int(-5));
    expected.set_extension("sequence", Attr::Text("0001".into()));
    assert_eq!(got, expected);
}

#[test]
fn structured_events_that_are_refused() {
    // The required attributes are 76 bytes, and a comma stands in the place of the last.
    let cases: &[(&str, &str)] = &[
        (r#""x":1.5"#, "the member `x` must be an integer of 32 bits; send other numbers as strings, at byte 80"),
        (
            r#""x":2147483648"#,
            "the member `x` must be an integer of 32 bits; send other numbers as strings, at byte 80",
        ),
        (
            r#""x":{}"#,
            "the member `x` must be a string, a boolean or an integer: only `data` may hold more, at byte 80",
        ),
        (
            r#""x":[1]"#,
            "the member `x` must be a string, a boolean or an integer: only `data` may hold more, at byte 80",
        ),
        (r#""subject":7"#, "the member `subject` must be a string, at byte 86"),
        (r#""time":true"#, "the member `time` must be a string, at byte 83"),
        (r#""X":"y""#, "`X` is not a name of a CloudEvents attribute: lower-case letters and digits only"),
        (r#""a-b":"y""#, "`a-b` is not a name of a CloudEvents attribute: lower-case letters and digits only"),
        (r#""data_base64":"%%%%""#, "the member `data_base64` is not base64, at byte 90"),
        (r#""data_base64":7"#, "the member `data_base64` must be a string of base64, at byte 90"),
        (r#""data":1,"data_base64":"AA==""#, "the member `data_base64` must not stand beside `data`, at byte 99"),
        (
            r#""datacontenttype":"text/plain","data":{}"#,
            "the member `data` must be a string, or be sent as `data_base64`, since `datacontenttype` is not JSON, at byte 114",
        ),
        (
            r#""datacontenttype":"application/json","data_base64":"ew==""#,
            "what `data_base64` holds: not valid JSON: line 1, column 2 (byte 1): expected a key in quotes or `}`, found the end",
        ),
        (
            r#""x":"1","x":"1""#,
            "the body: not valid JSON: line 1, column 85 (byte 84): the key `x` stands in this object already",
        ),
        (
            r#""data":{"a":{"b":1,"b":1}}"#,
            "the body: not valid JSON: line 1, column 96 (byte 95): the key `b` stands in this object already",
        ),
        // a mistake of syntax comes before one of meaning
        (r#""x":1.5,"data":tru"#, "the body: not valid JSON: line 1, column 95 (byte 94): expected `true`, found `}`"),
    ];
    for (members, expected) in cases {
        let error = structured(members).unwrap_err();
        assert_eq!((error.status(), error.to_string()), (400, (*expected).to_owned()), "{members}");
    }
    let list = decode(Some(STRUCTURED), &[], b"[]").unwrap_err();
    assert_eq!(list.to_string(), "the body: not valid JSON: line 1, column 1 (byte 0): expected an object, found `[`");
    let empty = decode(Some(STRUCTURED), &[], b"").unwrap_err();
    assert_eq!(
        empty.to_string(),
        "the body: not valid JSON: line 1, column 1 (byte 0): expected an object, found the end"
    );
}

#[test]
fn headers_beside_a_structured_event_say_nothing() {
    let headers: &[(&str, &[u8])] = &[("ce-id", b"other"), ("ce-type", b"other")];
    let got = decode(Some(STRUCTURED), headers, envelope("").as_bytes()).unwrap();
    assert_eq!(got.events, [event()]);
}

#[test]
fn batches() {
    assert_eq!(batch("[]"), Ok(vec![]));
    assert_eq!(batch(" [ ] "), Ok(vec![]));
    let two = format!("[{}, {}]", envelope(r#""data":1"#), envelope(r#""data":"x","datacontenttype":"text/plain""#));
    let mut expected = [event(), event()];
    expected[0].data = json("1");
    expected[1].data = raw("x");
    expected[1].content_type = Some("text/plain".into());
    assert_eq!(batch(&two).unwrap(), expected);
}

#[test]
fn a_wrong_event_in_a_batch_is_named() {
    let good = envelope("");
    let cases = [
        (
            format!("[{good},7]"),
            "event 1 of the batch (the first is 0): the member `event` must be a JSON object, at byte 78",
        ),
        (
            format!("[[{{\"id\":7}}],{good}]"),
            "event 0 of the batch (the first is 0): the member `event` must be a JSON object, at byte 1",
        ),
        (
            format!("[{good},{good},{{\"id\":\"x\"}}]"),
            "event 2 of the batch (the first is 0): the CloudEvents attribute `specversion` is required and is missing or empty",
        ),
        (
            format!("[{good},{}]", envelope(r#""subject":1"#)),
            "event 1 of the batch (the first is 0): the member `subject` must be a string, at byte 164",
        ),
        (
            format!("[{good},{}]", envelope(r#""data":[1,]"#)),
            "event 1 of the batch (the first is 0): the body: not valid JSON: line 1, column 165 (byte 164): \
             expected a value, found `]`",
        ),
        ("{}".to_owned(), "the body: not valid JSON: line 1, column 1 (byte 0): expected an array, found `{`"),
    ];
    for (body, expected) in cases {
        let error = batch(&body).unwrap_err();
        assert_eq!((error.status(), error.to_string()), (400, expected.to_owned()), "{body}");
    }
}

#[test]
fn bodies_made_to_be_large_in_memory() {
    let many: Vec<String> = (0..300).map(|n| format!("\"x{n}\":1")).collect();
    let error = structured(&many.join(",")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a CloudEvent has more than 256 extension attributes; put what it carries into its data"
    );
    let error = batch(&format!("[{}]", vec!["{}"; 100_000].join(","))).unwrap_err();
    assert!(matches!(error, Error::InBatch { index: 0, .. }), "{error}");
    // Syntax comes first, wherever it is.
    let error = batch(&format!("[{{}},{}]", envelope(",}"))).unwrap_err();
    assert!(matches!(&error, Error::InBatch { index: 1, why } if why.json().is_some()), "{error}");
}

#[test]
fn data_is_a_slice_of_the_body() {
    let body = Bytes::from(envelope(r#""data":{"a":1},"x":"y""#));
    let message = Message { content_type: Some(STRUCTURED), headers: [], body: body.clone() };
    let batch = http::decode(message, &mut Scanner::new()).unwrap();
    let data = batch.events[0].json().unwrap();
    let at = data.as_ptr() as usize - body.as_ptr() as usize;
    assert_eq!(&body[at..at + data.len()], b"{\"a\":1}");
}

#[test]
fn reserved_types() {
    for (kind, ok) in [("dev.ensue.tick", false), ("dev.ensue.", false), ("dev.ensue", true), ("dev.ensuing.x", true)] {
        let got = http::refuse_reserved(&Event::new("a", "/s", kind));
        assert_eq!(got, if ok { Ok(()) } else { Err(Invalid::Reserved(kind.into())) });
    }
}

#[test]
fn media_types() {
    let cases = [
        ("application/json", true),
        ("Application/JSON;charset=utf-8", true),
        ("application/vnd.api+json", true),
        ("text/json ; q=1", true),
        ("application/jsonx", false),
        ("application/json+xml", false),
        ("json", false),
        ("", false),
    ];
    for (kind, json) in cases {
        assert_eq!(http::is_json(kind), json, "{kind}");
    }
}

fn full() -> Event {
    let mut event = event();
    event.subject = Some("größe 100% \"x\"".into());
    event.time = Some("2026-01-31T09:30:00Z".into());
    event.content_type = Some("application/json".into());
    event.schema = Some("urn:x".into());
    event.set_extension("flag", Attr::Bool(true));
    event.set_extension("sampledrate", Attr::Int(-3));
    event.set_extension("team", Attr::Text("a\\b".into()));
    event.data = json("{ \"kept\" : [1.50, 1e2] }");
    event
}

#[test]
fn as_one_object() {
    let expected = r#"{"specversion":"1.0","id":"a1","source":"/shop","type":"com.example.pushed","subject":"größe 100% \"x\"","time":"2026-01-31T09:30:00Z","datacontenttype":"application/json","dataschema":"urn:x","flag":true,"sampledrate":-3,"team":"a\\b","data":{ "kept" : [1.50, 1e2] }}"#;
    assert_eq!(String::from_utf8(http::to_structured(&full())).unwrap(), expected);
    assert_eq!(http::to_batch([]), b"[]");
    let two = http::to_batch([&full(), &full()]);
    assert_eq!(String::from_utf8(two).unwrap(), format!("[{expected},{expected}]"));
}

#[test]
fn as_headers() {
    let (headers, body) = http::to_binary(&full());
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    assert_eq!(
        headers,
        [
            "ce-specversion: 1.0",
            "ce-id: a1",
            "ce-source: /shop",
            "ce-type: com.example.pushed",
            "ce-subject: gr%C3%B6%C3%9Fe%20100%25%20%22x%22",
            "ce-time: 2026-01-31T09:30:00Z",
            "ce-dataschema: urn:x",
            "ce-flag: true",
            "ce-sampledrate: -3",
            "ce-team: a\\b",
            "content-type: application/json",
        ]
    );
    assert_eq!(body, "{ \"kept\" : [1.50, 1e2] }");
}

#[test]
fn the_forms_of_data_that_go_out() {
    let blob = |json, whole: Option<&str>| Data::Blob {
        blob: BlobRef { digest: Digest([0xab; 32]), size: 9, json, head: Bytes::new() },
        whole: whole.map(|text| Bytes::copy_from_slice(text.as_bytes())),
    };
    let digest = "ab".repeat(32);
    let cases: &[(Option<&str>, Data, &str)] = &[
        (None, Data::None, ""),
        (None, json("null"), r#","data":null"#),
        (Some("text/plain"), raw("a\nb"), r#","data":"a\nb""#),
        (Some("text/plain"), Data::Bytes(Bytes::from_static(b"\xff")), r#","data_base64":"/w==""#),
        // without a content type a string would be JSON
        (None, raw("ab"), r#","data_base64":"YWI=""#),
        (None, blob(true, Some("[1]")), r#","data":[1]"#),
        (Some("text/plain"), blob(false, Some("ab")), r#","data":"ab""#),
        (None, blob(true, None), &format!(r#","datablob":{{"digest":"{digest}","size":9}}"#)),
    ];
    for (content_type, data, expected) in cases {
        let mut event = event();
        event.content_type = content_type.map(Box::from);
        event.data = data.clone();
        let out = String::from_utf8(http::to_structured(&event)).unwrap();
        assert!(out.ends_with(&format!("{expected}}}")), "{out}: {expected}");
        let tree: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(tree, event.to_json());
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let attribute = "[ -~é€😀]{0,11}[!-~€]";
    let named = (attribute, "[!-~€]{1,12}", attribute);
    let optional = || prop::option::of(attribute.prop_map(Box::<str>::from));
    let attr = prop_oneof![
        any::<bool>().prop_map(Attr::Bool),
        any::<i32>().prop_map(Attr::Int),
        "[!-~€][ -~é]{0,20}[!-~]".prop_map(|text| Attr::Text(text.into())),
    ];
    let data = prop_oneof![
        Just((None, Data::None)),
        Just((Some("application/json"), json("{\"a\": [1.0, \"\\u00e9\"]}"))),
        Just((None, json(" \"text\" "))),
        "[ -~\n€\u{0}]{1,20}".prop_map(|text| (Some("text/plain"), raw(&text))),
        prop::collection::vec(128..=255_u8, 1..20).prop_map(|bytes| (Some("image/png"), Data::Bytes(bytes.into()))),
        prop::collection::vec(128..=255_u8, 1..20).prop_map(|bytes| (None, Data::Bytes(bytes.into()))),
    ];
    let extensions = prop::collection::vec(("x[a-z0-9]{1,9}", attr), 0..4);
    (named, optional(), extensions, data).prop_map(|((id, source, kind), subject, extensions, (content_type, data))| {
        let mut event = Event::new(id, source, kind);
        event.subject = subject;
        extensions.into_iter().for_each(|(name, value)| event.set_extension(&name, value));
        event.content_type = content_type.map(Box::from);
        event.data = data;
        event
    })
}

proptest! {
    #[test]
    fn there_and_back_as_json(event in any_event(), other in any_event()) {
        // White space around JSON data is not part of it.
        let trimmed = |mut event: Event| {
            if let Data::Json(bytes) = &event.data {
                event.data = Data::Json(Bytes::copy_from_slice(bytes.trim_ascii()));
            }
            event
        };
        let one = decode(Some(STRUCTURED), &[], &http::to_structured(&event)).unwrap();
        let both = decode(Some(BATCH), &[], &http::to_batch([&event, &other])).unwrap();
        let (event, other) = (trimmed(event), trimmed(other));
        prop_assert_eq!(&one.events[..], std::slice::from_ref(&event));
        prop_assert_eq!(both.events, [event, other]);
    }

    #[test]
    fn there_and_back_as_headers(event in any_event()) {
        let (headers, body) = http::to_binary(&event);
        let content_type = headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str());
        let headers: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        for (name, value) in &headers {
            prop_assert!(value.iter().all(|byte| (0x21..0x7f).contains(byte)), "{}", name);
        }
        let got = decode(content_type, &headers, &body).unwrap();
        let mut expected = event;
        // A header has no type, and JSON is named on the way.
        for (_, value) in &mut expected.extensions {
            *value = match &*value {
                Attr::Bool(value) => Attr::Text(value.to_string().into()),
                Attr::Int(value) => Attr::Text(value.to_string().into()),
                text => text.clone(),
            };
        }
        if expected.json().is_some() {
            expected.content_type.get_or_insert("application/json".into());
        }
        prop_assert_eq!(got.events, [expected]);
    }

    #[test]
    fn any_body_is_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), cut in any::<prop::sample::Index>()) {
        let good = http::to_batch([&full()]);
        let mut changed = good.clone();
        changed.splice(cut.index(good.len()).., bytes.iter().copied());
        for body in [&bytes, &changed] {
            for kind in [STRUCTURED, BATCH, "application/json"] {
                let _ = decode(Some(kind), &[("ce-id", &bytes)], body);
            }
        }
    }
}
