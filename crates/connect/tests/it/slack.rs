use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::{Value, json};

use crate::http::server;
use crate::support::{Fixture, call, err, ok, world};

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
