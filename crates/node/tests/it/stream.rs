//! Server-sent events that go on where they were cut.

use std::time::Duration;

use ensue_node::{Configured, Scope};
use futures::StreamExt;

use crate::support::{Place, order};

/// Reads the ids (positions) and event ids of so many messages.
async fn read(response: reqwest::Response, count: usize) -> Vec<(u64, String)> {
    let mut text = String::new();
    let mut stream = response.bytes_stream();
    let mut out = Vec::new();
    while out.len() < count {
        let chunk = tokio::time::timeout(Duration::from_secs(10), stream.next()).await.unwrap().unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
        while let Some((message, rest)) = text.split_once("\n\n") {
            let id = message.lines().find_map(|line| line.strip_prefix("id:")).map(|id| id.trim().parse().unwrap());
            let data = message.lines().find_map(|line| line.strip_prefix("data:"));
            if let (Some(id), Some(data)) = (id, data) {
                let data: serde_json::Value = serde_json::from_str(data.trim()).unwrap();
                out.push((id, data["event"]["id"].as_str().unwrap().to_owned()));
            }
            text = rest.to_owned();
        }
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_follows_filters_and_resumes() {
    let place = Place::new(Configured::Kept).await;
    let token = place.token("reader", &[Scope::Read]);
    let open = |query: &str, last: Option<u64>| {
        let mut request = place.http.get(place.url(&format!("/api/v1/stream?{query}"))).bearer_auth(&token);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        request.send()
    };
    let live = open("", None).await.unwrap();
    assert_eq!(live.headers()["content-type"], "text/event-stream");
    for n in 0..6 {
        place.send(order(&format!("e{n}"), n)).await;
    }
    let seen = read(live, 6).await;
    let ids: Vec<&str> = seen.iter().map(|(_, id)| id.as_str()).collect();
    assert_eq!(ids, ["e0", "e1", "e2", "e3", "e4", "e5"]);
    let again = read(open("", Some(seen[2].0)).await.unwrap(), 3).await;
    assert_eq!(again, seen[3..]);
    let from = read(open(&format!("from={}&type=shop.*", seen[4].0), None).await.unwrap(), 2).await;
    assert_eq!(from, seen[4..]);
    let started = read(open("from=0&type=dev.ensue.node.*", None).await.unwrap(), 1).await;
    assert_eq!(started[0].0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_is_cut() {
    let place = Place::with(|options| {
        options.limits.stream_patience = Duration::from_millis(50);
        options.limits.event_body = 1 << 20;
    })
    .await;
    let token = place.token("reader", &[Scope::Read]);
    let slow = place.http.get(place.url("/api/v1/stream")).bearer_auth(&token).send().await.unwrap();
    // More than sockets and queues hold.
    for n in 0..60 {
        let mut event = order(&format!("e{n}"), n);
        event["data"]["text"] = "x".repeat(400 << 10).into();
        place.send(event).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut stream = slow.bytes_stream();
    let mut got = 0;
    let ended = tokio::time::timeout(Duration::from_secs(20), async {
        while let Some(Ok(chunk)) = stream.next().await {
            got += chunk.len();
        }
    });
    ended.await.expect("the stream ends");
    assert!(got < 60 * (400 << 10), "{got}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_streams() {
    let place = Place::new(Configured::Kept).await;
    let token = place.token("reader", &[Scope::Read]);
    let stream = place.http.get(place.url("/api/v1/stream")).bearer_auth(&token).send().await.unwrap();
    let (clean, _folder) = place.stop().await;
    assert!(clean);
    let rest = tokio::time::timeout(Duration::from_secs(5), stream.text()).await;
    assert!(rest.is_ok(), "the stream ended with the node");
}
