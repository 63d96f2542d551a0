//! Purging: the event and the copies of it are gone, the chain holds, and somebody is named.

use ensue_event::Position;
use ensue_node::Scope;
use serde_json::json;

use crate::support::{Place, Sink, file, order, read};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_goes_with_its_copies_and_the_audit_says_so() {
    let sink = Sink::new().await;
    let place = Place::new(file(sink.config(true))).await;
    let mut secret = order("secret-id", 100);
    secret["data"]["name"] = json!("Erika Mustermann");
    let (_, sent) = place.send(secret).await;
    place.send(order("other", 100)).await;
    place.finished(2).await;
    assert!(place.node.settled().await);
    let fired = place.of_type("dev.ensue.rule.fired")[0].position;
    let position = sent["position"].as_u64().unwrap();
    let (status, told) =
        place.post("/api/v1/events/purge", json!({"positions": [position], "reason": "a request by law"})).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!((&told["purged"], &told["copies"]), (&json!([position]), &json!([fired])));
    assert_eq!(told["runs"].as_array().unwrap().len(), 1, "{told}");

    let (status, _) = place.get(&format!("/api/v1/events/{position}")).await;
    assert_eq!(status, 404);
    let (_, events) = place.get("/api/v1/events").await;
    let ids: Vec<_> = events["events"].as_array().unwrap().iter().map(|event| event["event"]["id"].clone()).collect();
    assert_eq!(ids, [json!("other")]);
    let (_, lines) = place.get("/api/v1/log").await;
    let lines = lines.as_str().unwrap();
    assert!(!lines.contains("Mustermann"), "{lines}");
    assert!(lines.contains(&json!({"position": position, "purged": true}).to_string()), "{lines}");
    let (_, verified) = place.get("/api/v1/log/verify").await;
    assert_eq!((&verified["whole"], &verified["purged"]), (&json!(true), &json!([position, fired])), "{verified}");
    let said = place.of_type("dev.ensue.log.purged");
    let said: serde_json::Value = serde_json::from_slice(said[0].event.json().unwrap()).unwrap();
    assert_eq!((&said["reason"], &said["actor"]), (&json!("a request by law"), &json!("local")), "{said}");
    assert_eq!(said["positions"], json!([position, fired]));

    // The files themselves, and the next start.
    for entry in std::fs::read_dir(place.data().join("log")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("Mustermann"));
    }
    let (_, folder) = place.stop().await;
    let place = Place::at(folder, |_| ()).await;
    // The same event again is known for what it was.
    place.send(order("third", 100)).await;
    place.finished(3).await;
    let (status, _) = place.post("/api/v1/events/purge", json!({"positions": [position], "reason": "again"})).await;
    assert_eq!(status, 200, "once more is well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_goes_too() {
    let sink = Sink::new().await;
    let place = Place::with(|options| {
        options.config = file(sink.config(true));
        options.limits.event_body = 8 << 20;
    })
    .await;
    let mut large = order("large", 100);
    large["data"]["text"] = json!("x".repeat(2 << 20));
    let (status, sent) = place.send(large).await;
    assert_eq!(status, 202, "{sent}");
    place.finished(1).await;
    let blobs = || {
        let shelves = std::fs::read_dir(place.data().join("blobs")).unwrap();
        shelves.map(|shelf| std::fs::read_dir(shelf.unwrap().path()).unwrap().count()).sum::<usize>()
    };
    assert_ne!(blobs(), 0);
    let (status, told) =
        place.post("/api/v1/events/purge", json!({"positions": [sent["position"]], "reason": "too much"})).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!(blobs(), 0, "the event's, and that of the firing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_go_stays() {
    let sink = Sink::new().await;
    let place = Place::new(file(sink.config(true))).await;
    place.send(order("a", 1)).await;
    assert!(place.node.settled().await);
    let end = place.node.reached().end;
    let config = place.of_type("dev.ensue.config.applied")[0].position;
    for (positions, reason, status, code) in [
        (vec![], "why", 400, "bad-request"),
        (vec![Position(0)], " ", 400, "bad-request"),
        (vec![end], "why", 409, "not-folded"),
        (vec![config], "why", 409, "ours"),
    ] {
        let body = json!({"positions": positions, "reason": reason});
        let (got, told) = place.post("/api/v1/events/purge", body.clone()).await;
        assert_eq!((got, &told["error"]["code"]), (status, &json!(code)), "{body}: {told}");
    }
    assert!(place.of_type("dev.ensue.log.purged").is_empty());
    let operator = place.token("operator", &[Scope::Operate]);
    let request = place.http.post(place.url("/api/v1/events/purge")).bearer_auth(operator);
    let (status, _) = read(request.json(&json!({"positions": [0], "reason": "why"})).send().await.unwrap()).await;
    assert_eq!(status, 403);
}
