//! Webhooks: who may send, and in which order it is found out.

use ensue_node::Configured;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;

use crate::support::{HOOK_SECRET, Place, Sink, file, read};

fn sign(body: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(HOOK_SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

const PUSH: &str = r#"{"ref":"refs/heads/main","after":"0000000000000000000000000000000000000001","repository":{"full_name":"shop/api","html_url":"https://github.com/shop/api","url":"https://github.com/shop/api"},"pusher":{"name":"ada"}}"#;

async fn deliver(place: &Place, path: &str, id: &str, body: &str, signature: &str) -> (u16, serde_json::Value) {
    let request = place
        .http
        .post(place.url(path))
        .header("content-type", "application/json")
        .header("x-github-event", "push")
        .header("x-github-delivery", id)
        .header("x-hub-signature-256", signature);
    read(request.body(body.to_owned()).send().await.unwrap()).await
}

const ID: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_delivery_is_one_event_however_often_it_comes() {
    let sink = Sink::new().await;
    let place = Place::new(file(sink.config(true))).await;
    let (status, told) = deliver(&place, "/hooks/github", ID, PUSH, &sign(PUSH)).await;
    assert_eq!((status, &told["id"]), (202, &json!(ID)), "{told}");
    let (status, told) = deliver(&place, "/hooks/default/github", ID, PUSH, &sign(PUSH)).await;
    assert_eq!((status, &told["duplicate"]), (200, &json!(true)), "{told}");
    // The id is not covered by the signature: the same signed body under another id is a replay.
    let other = "72d3162e-cc78-11e3-81ab-4c9367dc0959";
    let (status, told) = deliver(&place, "/hooks/github", other, PUSH, &sign(PUSH)).await;
    assert_eq!((status, &told["duplicate"]), (200, &json!(true)), "{told}");
    assert_eq!(place.of_type("com.github.push").len(), 1);
    let (_, sources) = place.get("/api/v1/sources").await;
    assert_eq!(sources["sources"][0]["known"]["events"], json!(1), "{sources}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_signature_is_counted_and_never_parsed() {
    let sink = Sink::new().await;
    let place = Place::new(file(sink.config(true))).await;
    // Not JSON: were it parsed before the signature was checked, this would be 400.
    for body in [PUSH, "{ not json"] {
        let (status, told) = deliver(&place, "/hooks/github", ID, body, &sign("something else")).await;
        assert_eq!((status, &told["error"]["code"]), (401, &json!("signature")), "{told}");
    }
    assert_eq!(place.metric("ensue_requests_refused_total{reason=\"signature\"}").await, 2.0);
    let (status, told) = deliver(&place, "/hooks/github", ID, "{ not json", &sign("{ not json")).await;
    assert_eq!((status, &told["error"]["code"]), (400, &json!("not-json")), "{told}");
    assert!(place.of_type("com.github.push").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checks_stand_in_their_order() {
    let sink = Sink::new().await;
    let config = sink.config(true);
    let place = Place::with(|options| {
        options.config = file(config);
        options.limits.hook_body = 2_000;
        options.limits.hook_burst = 2.0;
        options.limits.hook_rate = 0.01;
    })
    .await;
    let large = "x".repeat(4_000);
    let cases: &[(&str, &str, u16, &str)] = &[
        ("/hooks/nobody", &large, 404, "not-found"),
        ("/hooks/shop/github", PUSH, 404, "not-found"),
        ("/hooks/github", &large, 413, "too-large"),
        ("/hooks/github", PUSH, 401, "signature"),
        ("/hooks/github", PUSH, 401, "signature"),
        // The budget of two is used up: that is found before the signature is computed.
        ("/hooks/github", PUSH, 429, "rate"),
    ];
    for (path, body, status, code) in cases {
        let (got, told) = deliver(&place, path, ID, body, "sha256=00").await;
        assert_eq!((got, told["error"]["code"].as_str()), (*status, Some(*code)), "{path}: {told}");
    }
    let get = place.http.get(place.url("/hooks/github")).send().await.unwrap();
    assert_eq!(get.status(), 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_without_its_secret_takes_nothing() {
    let sink = Sink::new().await;
    let config = sink.config(true);
    let place = Place::with(|options| {
        options.config = file(config);
        options.secrets = Vec::new();
    })
    .await;
    let (status, told) = deliver(&place, "/hooks/github", ID, PUSH, &sign(PUSH)).await;
    assert_eq!((status, &told["error"]["code"]), (503, &json!("no-secret")), "{told}");
    assert!(!told.to_string().contains("HOOK"), "a stranger learns no names");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_without_an_id_get_one_and_are_not_deduplicated() {
    let place = Place::new(Configured::Files(vec![ensue_event::ours::ConfigFile {
        path: "a.yaml".into(),
        text: r#"
apiVersion: ensue.dev/v1
kind: Source
metadata: { name: alarm }
spec: { webhook: { secret: "${{ secrets.HOOK }}", header: x-signature, prefix: "sha256=", type: alarm.raised } }
---
apiVersion: ensue.dev/v1
kind: Source
metadata: { name: named }
spec: { id: event.data.nr, webhook: { secret: "${{ secrets.HOOK }}", header: x-signature, prefix: "sha256=", type: alarm.named } }
"#
        .into(),
    }]))
    .await;
    let send = |path: &'static str, body: &'static str| {
        let request = place.http.post(place.url(path)).header("content-type", "application/json");
        let request = request.header("x-signature", sign(body)).body(body);
        async { read(request.send().await.unwrap()).await }
    };
    for _ in 0..2 {
        let (status, told) = send("/hooks/alarm", r#"{"nr":"7"}"#).await;
        assert_eq!(status, 202, "{told}");
    }
    let records = place.of_type("alarm.raised");
    assert_eq!(records.len(), 2);
    assert_ne!(records[0].event.id, records[1].event.id);
    let (status, told) = send("/hooks/named", r#"{"nr":"7"}"#).await;
    assert_eq!((status, &told["id"]), (202, &json!("7")), "{told}");
    let (status, told) = send("/hooks/named", r#"{"nr":"7"}"#).await;
    assert_eq!((status, &told["duplicate"]), (200, &json!(true)), "{told}");
}

const ASKS: &str = r#"
kind: Source
apiVersion: ensue.dev/v1
metadata: { name: slack }
spec: { slack: { signingSecret: "${{ secrets.HOOK }}", people: { U012AB3CD: [release] } } }
---
kind: Rule
apiVersion: ensue.dev/v1
metadata: { name: asks }
spec:
  when: { event: { type: [go] } }
  steps:
    - { id: may, approve: { from: [release], show: [event.data.version], timeout: 1h } }
    - { id: done, emit: { type: gone, data: { by: "${{ steps.may.outputs.by }}" } } }
"#;

/// A button that this user presses, as Slack sends it.
async fn press(place: &Place, user: &str, button: &str, value: &str, secret: &str) -> (u16, serde_json::Value) {
    let payload = json!({
        "type": "block_actions", "user": {"id": user}, "team": {"id": "T1"}, "channel": {"id": "C1"},
        "trigger_id": format!("{user}.{button}.{value}"),
        "actions": [{"action_id": button, "value": value, "action_ts": "1772600000.123456"}],
    });
    let escaped: String = payload.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
    let body = format!("payload={escaped}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("v0:{now}:{body}").as_bytes());
    let request = place
        .http
        .post(place.url("/hooks/slack"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-slack-request-timestamp", now.to_string())
        .header("x-slack-signature", format!("v0={}", hex::encode(mac.finalize().into_bytes())));
    read(request.body(body).send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_in_slack_answers_in_the_name_of_who_pressed_it() {
    let place = Place::new(file(ASKS)).await;
    let event = json!({"specversion": "1.0", "id": "g1", "source": "/test", "type": "go", "data": {"version": "v2"}});
    place.send(event).await;
    place.wait_for("dev.ensue.approval.asked", 1).await;
    let told = place.of_type("dev.ensue.approval.asked")[0].event.to_json();
    let text = |name: &str| told["data"][name].as_str().unwrap().to_owned();
    let value = format!("{} {} {}", text("run"), text("step"), text("digest"));
    // Not signed by Slack; somebody without the role; something else than what was shown; not what a button says.
    assert_eq!(press(&place, "U012AB3CD", "ensue.approve", &value, "another secret").await.0, 401);
    let (status, said) = press(&place, "U999", "ensue.approve", &value, HOOK_SECRET).await;
    assert_eq!((status, &said["answers"][0]["done"]), (200, &json!(false)), "{said}");
    assert!(said["answers"][0]["why"].as_str().unwrap().contains("slack:U999 may not answer"), "{said}");
    let other = format!("{} {} {}", text("run"), text("step"), "0".repeat(64));
    let (_, said) = press(&place, "U012AB3CD", "ensue.approve", &other, HOOK_SECRET).await;
    assert_eq!(said["answers"][0]["done"], json!(false), "{said}");
    let (status, said) = press(&place, "U012AB3CD", "ensue.refuse", "yes please", HOOK_SECRET).await;
    assert_eq!((status, &said["error"]["code"]), (400, &json!("malformed")), "{said}");
    assert!(place.of_type("gone").is_empty());
    let (status, said) = press(&place, "U012AB3CD", "ensue.approve", &value, HOOK_SECRET).await;
    assert_eq!((status, &said["answers"][0]["done"]), (200, &json!(true)), "{said}");
    place.wait_for("gone", 1).await;
    assert_eq!(place.of_type("gone")[0].event.to_json()["data"], json!({"by": ["slack:U012AB3CD"]}));
    // A second press is no second yes; the presses are events like others.
    let (_, said) = press(&place, "U012AB3CD", "ensue.refuse", &value, HOOK_SECRET).await;
    assert_eq!(said["answers"][0]["done"], json!(false), "{said}");
    assert_eq!(place.of_type("com.slack.block_actions").len(), 4);
}
