use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use ensue_connect::{Delivery, Refusal, Resolved, webhook};
use ensue_event::Time;
use serde_json::{Value, json};

use crate::http::server;
use crate::support::{Fixture, call, err, headers as headers_of, ok, read_json, shared, world};

fn config() -> Value {
    json!({ "webhook": { "$secret": "HOOK" }, "allowNetworks": ["127.0.0.1/32"] })
}

#[tokio::test]
async fn a_message_is_posted_as_slack_wants_it() {
    let (port, seen) = server().await;
    let hook = format!("http://127.0.0.1:{port}/services/T0/B0/canarycanary");
    let Fixture { world, dir: _dir } = world(&[("HOOK", &hook)]);
    let with = json!({ "text": "shop 1.4.2 is out", "channel": "#releases", "blocks": [{ "type": "divider" }] });
    assert_eq!(ok(world.perform(call("slack/post", Some(config()), with.clone())).await), json!({}));
    let first = seen.lock().unwrap().remove(0);
    assert_eq!((&first["method"], &first["uri"]), (&json!("POST"), &json!("/services/T0/B0/canarycanary")));
    assert_eq!(first["headers"]["content-type"], "application/json");
    assert_eq!(serde_json::from_str::<Value>(first["body"].as_str().unwrap()).unwrap(), with);
    let failure = err(world.perform(call("slack/post", Some(config()), json!({}))).await);
    assert!(failure.message.contains("needs a text `text`"));
}

async fn answering(status: u16, retry_after: &'static str, body: &'static str) -> String {
    let answer = move || async move { (StatusCode::from_u16(status).unwrap(), [("retry-after", retry_after)], body) };
    let app = Router::new().route("/services/canarycanary", post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://127.0.0.1:{port}/services/canarycanary")
}

#[tokio::test]
async fn what_slack_refuses_is_said_and_its_address_is_not() {
    #[rustfmt::skip]
    let cases = [
        (404, "no_service", false, "the webhook is switched off, removed, or its address is wrong"),
        (403, "action_prohibited", false, "an administrator has forbidden this webhook"),
        (410, "channel_is_archived", false, "the channel is archived"),
        (400, "invalid_payload", false, "Slack cannot read the message"),
        (500, "rollup_error", true, "Slack answered 500 Internal Server Error: rollup_error"),
        (429, "", true, "Slack takes no more messages for now"),
        (418, "who knows", false, "Slack answered 418 I'm a teapot: who knows"),
    ];
    for (status, said, retryable, part) in cases {
        let hook = answering(status, "30", said).await;
        let Fixture { world, dir: _dir } = world(&[("HOOK", &hook)]);
        let failure = err(world.perform(call("slack/post", Some(config()), json!({ "text": "x" }))).await);
        assert!(failure.message.contains(part), "{status}: {}", failure.message);
        let after = retryable.then(|| ensue_event::Span::secs(30));
        assert_eq!(
            (failure.name.as_str(), failure.retryable, failure.retry_after),
            ("Status", retryable, after),
            "{status}"
        );
        assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
    }
    // Not reachable, not an address: neither shows it.
    for hook in ["http://127.0.0.1:1/services/canarycanary", "canarycanary no address", "http://10.1.1.1/canarycanary"]
    {
        let Fixture { world, dir: _dir } = world(&[("HOOK", hook)]);
        let failure = err(world.perform(call("slack/post", Some(config()), json!({ "text": "x" }))).await);
        assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
    }
}

/// A delivery with the headers of this file, at the time that it names.
fn pressed(secret: &str, headers: &Value, body: &[u8], later: i64) -> Result<ensue_connect::Received, Refusal> {
    let config = Resolved::new(json!({ "signingSecret": secret, "people": { "W111": ["release"] } }));
    let list: Vec<(&str, &str)> =
        headers.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    let headers = headers_of(&list);
    let stamp: i64 = headers["x-slack-request-timestamp"].to_str().unwrap().parse().unwrap();
    let delivery = Delivery {
        source: "slack",
        config: &config,
        headers: &headers,
        path: "/hooks/slack",
        query: None,
        body: body.to_vec().into(),
        now: Time::from_secs(stamp + later),
    };
    let source = webhook("slack").unwrap();
    source.verify(&delivery)?;
    source.receive(&delivery)
}

#[test]
fn what_is_pressed_is_an_event_and_signed() {
    let Some(folder) = shared("what_is_pressed_is_an_event_and_signed", "data/payloads/slack") else { return };
    let headers = read_json(&folder.join("block_actions.headers.json"));
    let body = std::fs::read(folder.join("block_actions.txt")).unwrap();
    let body = body.trim_ascii_end();
    let secret = "8f742231b10e8888abcd99yyyzzz85a5";
    let received = pressed(secret, &headers, body, 60).unwrap();
    let event = &received.events[0];
    assert_eq!((&*event.kind, &*event.source), ("com.slack.block_actions", "https://slack.com/T111"));
    assert_eq!((&*event.id, event.subject.as_deref()), ("111.222.valid", Some("C111")));
    assert_eq!(event.time.as_deref(), Some("2020-08-04T08:39:45.194939Z"));
    // A button of somebody else's says nothing to us.
    assert!(received.words.is_empty());
    let mut changed = body.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    for refused in [
        pressed("another", &headers, body, 0),
        pressed("", &headers, body, 0),
        pressed(secret, &headers, &changed, 0),
        pressed(secret, &headers, body, 301),
        pressed(secret, &headers, body, -301),
    ] {
        assert_eq!(refused.unwrap_err().status(), 401);
    }
}
