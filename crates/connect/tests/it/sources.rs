use ensue_connect::webhook;
use serde_json::{Value, json};

use crate::support::deliver;

#[test]
fn there_is_no_source_of_another_name() {
    for name in ["http", "github", "webhook", "registry"] {
        assert!(webhook(name).is_some(), "{name}");
    }
    for name in ["schedule", "", "GitHub"] {
        assert!(webhook(name).is_none(), "{name}");
    }
}

#[test]
fn cloudevents_come_in_all_three_modes() {
    let structured = r#"{"specversion":"1.0","id":"1","source":"/s","type":"com.example.a","data":{"x":1}}"#;
    let binary: &[(&str, &str)] = &[
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/s"),
        ("ce-type", "com.example.a"),
    ];
    let one = deliver("http", json!({}), &[("content-type", "application/cloudevents+json")], structured).unwrap();
    let two = deliver("http", json!({}), binary, r#"{"x":1}"#).unwrap();
    let batch = format!("[{structured},{}]", structured.replace("\"1\"", "\"2\""));
    let many = deliver("http", json!({}), &[("content-type", "application/cloudevents-batch+json")], batch).unwrap();
    assert_eq!(one.events[0].data, two.events[0].data);
    assert_eq!((one.events.len(), two.events.len(), many.events.len()), (1, 1, 2));
}

#[test]
fn what_is_no_event_is_refused() {
    let structured = [("content-type", "application/cloudevents+json")];
    let status = |config: Value, headers: &[(&str, &str)], body: &'static str| {
        deliver("http", config, headers, body).map(drop).map_err(|refusal| refusal.status())
    };
    assert_eq!(status(json!({}), &[], "{}"), Err(400));
    assert_eq!(status(json!({}), &structured, "{"), Err(400));
    assert_eq!(status(json!({}), &structured, r#"{"specversion":"1.0","id":"","source":"/s","type":"t"}"#), Err(400));
    assert_eq!(status(json!({}), &[("content-type", "application/cloudevents+avro")], "x"), Err(415));
    let good = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#;
    let with = |token| [structured[0], ("authorization", token)];
    assert_eq!(status(json!({ "bearer": "sender-token" }), &with("Bearer sender-token"), good), Ok(()));
    assert_eq!(status(json!({ "bearer": "sender-token" }), &with("Bearer other"), good), Err(401));
    assert_eq!(status(json!({ "bearer": "sender-token" }), &structured, good), Err(401));
}
