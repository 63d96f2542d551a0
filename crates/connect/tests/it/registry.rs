use ensue_event::Data;
use serde_json::{Value, json};

use crate::support::{deliver, fixture, read_json, shared};

const KIND: &str = "application/vnd.docker.distribution.events.v1+json";

fn send(body: impl Into<bytes::Bytes>) -> Result<Vec<ensue_event::Event>, u16> {
    let headers = [("content-type", KIND), ("authorization", "Bearer registry-token")];
    let received = deliver("registry", json!({ "bearer": "registry-token" }), &headers, body);
    received.map(|received| received.events).map_err(|refusal| refusal.status())
}

#[test]
fn a_push_is_one_event_for_the_manifest_and_one_for_each_blob() {
    let body = fixture("registry/push.json");
    let events = send(body.clone()).unwrap();
    let facts: Vec<_> = events
        .iter()
        .map(|event| (&*event.kind, &*event.id, event.subject.as_deref(), event.time.as_deref()))
        .collect();
    assert_eq!(
        facts,
        [
            (
                "com.docker.distribution.blob.push",
                "5f0c7d52-7d0b-4f8e-9f0e-000000000001",
                Some("acme/shop@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
                Some("2026-03-02T09:16:00.123456789Z"),
            ),
            (
                "com.docker.distribution.push",
                "5f0c7d52-7d0b-4f8e-9f0e-000000000002",
                Some("acme/shop:1.4.2"),
                Some("2026-03-02T09:16:01Z"),
            ),
        ]
    );
    assert!(events.iter().all(|event| &*event.source == "http://registry.example.com:5000"));
    let whole: Value = serde_json::from_slice(&body).unwrap();
    for (index, event) in events.iter().enumerate() {
        let Data::Json(data) = &event.data else { panic!() };
        assert_eq!(serde_json::from_slice::<Value>(data).unwrap(), whole["events"][index]);
    }
}

#[test]
fn what_a_target_is() {
    let one = |action: &str, target: Value| {
        let body =
            json!({ "events": [{ "id": "i", "action": action, "target": target, "request": { "host": "h:5000" } }] });
        let event = send(body.to_string()).unwrap().remove(0);
        (event.kind.to_string(), event.source.to_string(), event.subject.map(|subject| subject.to_string()))
    };
    #[rustfmt::skip]
    let cases = [
        ("pull", json!({ "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "repository": "a", "tag": "1" }), "com.docker.distribution.pull", "//h:5000", Some("a:1")),
        ("push", json!({ "mediaType": "application/vnd.oci.image.index.v1+json", "repository": "a", "digest": "sha256:1" }), "com.docker.distribution.push", "//h:5000", Some("a@sha256:1")),
        ("push", json!({ "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json", "repository": "a" }), "com.docker.distribution.push", "//h:5000", Some("a")),
        ("push", json!({ "mediaType": "application/octet-stream", "repository": "a" }), "com.docker.distribution.blob.push", "//h:5000", Some("a")),
        ("mount", json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "repository": "a" }), "com.docker.distribution.blob.mount", "//h:5000", Some("a")),
        ("delete", json!({ "repository": "a", "digest": "sha256:1" }), "com.docker.distribution.delete", "//h:5000", Some("a@sha256:1")),
        ("delete", json!({ "repository": "a", "tag": "1" }), "com.docker.distribution.delete", "//h:5000", Some("a:1")),
        ("pull", json!({ "repository": "a", "url": "https://r.example/v2/a/blobs/sha256:1" }), "com.docker.distribution.blob.pull", "https://r.example", Some("a")),
    ];
    for (action, target, kind, source, subject) in cases {
        let expected = (kind.to_owned(), source.to_owned(), subject.map(str::to_owned));
        assert_eq!(one(action, target.clone()), expected, "{action} {target}");
    }
}

#[test]
fn a_notification_without_the_token_or_its_form_is_refused() {
    let body = fixture("registry/push.json");
    let attempt = |config: Value, headers: &[(&str, &str)], body: &[u8]| {
        deliver("registry", config, headers, body.to_vec()).map(drop).map_err(|refusal| refusal.status())
    };
    let good = || json!({ "bearer": "registry-token" });
    let kind = ("content-type", KIND);
    let token = ("authorization", "Bearer registry-token");
    assert_eq!(attempt(good(), &[kind, token], &body), Ok(()));
    assert_eq!(
        attempt(good(), &[("content-type", "application/vnd.docker.distribution.events.v2+json"), token], &body),
        Ok(())
    );
    assert_eq!(attempt(good(), &[kind], &body), Err(401));
    assert_eq!(attempt(good(), &[kind, ("authorization", "Bearer registry-tokem")], &body), Err(401));
    assert_eq!(attempt(good(), &[kind, ("authorization", "Bearer registry-token2")], &body), Err(401));
    assert_eq!(attempt(good(), &[kind, ("authorization", "Basic registry-token")], &body), Err(401));
    assert_eq!(attempt(json!({}), &[kind, ("authorization", "Bearer ")], &body), Err(401));
    assert_eq!(attempt(good(), &[("content-type", "text/html"), token], &body), Err(415));
    for wrong in
        ["{}", "[]", "{\"events\":{}}", "{\"events\":[{}]}", "{\"events\":[1]}", "{\"events\":[{\"id\":\"1\"}]}", "x"]
    {
        assert_eq!(attempt(good(), &[kind, token], wrong.as_bytes()), Err(400), "{wrong}");
    }
    assert_eq!(attempt(good(), &[kind, token], b"{\"events\":[]}"), Ok(()));
}

#[test]
fn recorded_notifications_are_taken() {
    let Some(folder) = shared("recorded_notifications_are_taken", "data/payloads/registry-distribution") else {
        return;
    };
    let cases: &[(&str, &[&str])] = &[
        ("push", &["com.docker.distribution.push"]),
        ("pull", &["com.docker.distribution.pull"]),
        (
            "push.envelope",
            &["com.docker.distribution.push", "com.docker.distribution.blob.push", "com.docker.distribution.blob.push"],
        ),
    ];
    for (name, kinds) in cases {
        let given = read_json(&folder.join(format!("{name}.headers.json")));
        let headers: Vec<(&str, &str)> =
            given.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
        let body = std::fs::read(folder.join(format!("{name}.json"))).unwrap();
        let received = deliver("registry", json!({ "bearer": "registry-endpoint-token" }), &headers, body).unwrap();
        let found: Vec<&str> = received.events.iter().map(|event| &*event.kind).collect();
        assert_eq!(found, *kinds, "{name}");
    }
}
