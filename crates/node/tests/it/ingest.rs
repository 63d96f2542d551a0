//! `POST /events`.

use ensue_node::Configured;
use serde_json::json;

use crate::support::{Place, order, read};

#[tokio::test(flavor = "multi_thread")]
async fn all_three_modes_are_taken_and_kept_as_received() {
    let place = Place::new(Configured::Kept).await;
    let (status, told) = place.send(order("a", 1)).await;
    assert_eq!((status, &told["id"], &told["source"]), (202, &json!("a"), &json!("/shop")));
    let binary = place
        .http
        .post(place.url("/events"))
        .header("ce-specversion", "1.0")
        .header("ce-id", "b")
        .header("ce-source", "/shop")
        .header("ce-type", "shop.order.placed")
        .header("content-type", "application/json")
        .body(r#"{"total": 2}"#);
    let (status, told) = read(binary.send().await.unwrap()).await;
    assert_eq!((status, &told["id"]), (202, &json!("b")));
    let batch = place
        .http
        .post(place.url("/events"))
        .header("content-type", "application/cloudevents-batch+json")
        .body(json!([order("c", 3), order("a", 1), order("d", 4)]).to_string());
    let (status, told) = read(batch.send().await.unwrap()).await;
    assert_eq!(status, 202);
    assert_eq!((&told[0]["id"], &told[1]["duplicate"], &told[2]["id"]), (&json!("c"), &json!(true), &json!("d")));
    let kept = place.of_type("shop.order.placed");
    let ids: Vec<&str> = kept.iter().map(|record| &*record.event.id).collect();
    assert_eq!(ids, ["a", "b", "c", "d"]);
    assert_eq!(kept[1].event.json().unwrap(), r#"{"total": 2}"#);
    let (status, one) = place.get("/api/v1/events/b").await;
    assert_eq!((status, &one["event"]["data"]["total"]), (200, &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_at_once_are_one_event() {
    let place = Place::new(Configured::Kept).await;
    let told = futures::future::join_all((0..10).map(|_| place.send(order("same", 1)))).await;
    let new = told.iter().filter(|(status, _)| *status == 202).count();
    let duplicates = told.iter().filter(|(status, told)| *status == 200 && told["duplicate"] == true).count();
    assert_eq!((new, duplicates), (1, 9));
    let positions: std::collections::BTreeSet<u64> =
        told.iter().map(|(_, told)| told["position"].as_u64().unwrap()).collect();
    assert_eq!(positions.len(), 1);
    assert_eq!(place.of_type("shop.order.placed").len(), 1);
    assert_eq!(place.metric("ensue_duplicates_total").await, 9.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_with_another_body_is_a_conflict_that_is_recorded() {
    let place = Place::new(Configured::Kept).await;
    let (_, first) = place.send(order("a", 1)).await;
    let (status, told) = place.send(order("a", 2)).await;
    assert_eq!((status, &told["error"]["code"]), (409, &json!("conflict")));
    assert_eq!(told["error"]["position"], first["position"]);
    assert_eq!(place.of_type("dev.ensue.event.conflict").len(), 1);
    // Two of them in one batch: the first is kept, and the record names its position.
    let batch = place
        .http
        .post(place.url("/events"))
        .header("content-type", "application/cloudevents-batch+json")
        .body(json!([order("b", 1), order("b", 2)]).to_string());
    let (status, told) = read(batch.send().await.unwrap()).await;
    assert_eq!((status, &told[1]["conflict"]), (409, &json!(true)));
    assert_eq!(told[0]["position"], told[1]["position"]);
    let said = place.of_type("dev.ensue.event.conflict");
    let said: serde_json::Value = serde_json::from_slice(said[1].event.json().unwrap()).unwrap();
    assert_eq!(said["kept"], told[0]["position"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_event_is_refused_with_its_place() {
    let place = Place::with(|options| options.limits.event_body = 4096).await;
    let structured = "application/cloudevents+json";
    let cases: &[(&str, &str, u16, &str)] = &[
        (structured, r#"{"specversion":"1.0","id":"a","source":"/s","type":"t","data":{"a":1,}}"#, 400, "not-json"),
        (structured, r#"{"specversion":"1.0","id":"a","source":"/s"}"#, 400, "invalid-event"),
        (structured, r#"{"specversion":"1.0","id":"a","source":"/s","type":"dev.ensue.rule.fired"}"#, 400, "reserved"),
        ("application/cloudevents+avro", "x", 415, "content-type"),
        ("application/json", "{}", 400, "invalid-event"),
    ];
    for (kind, body, status, code) in cases {
        let request = place.http.post(place.url("/events")).header("content-type", *kind).body(*body);
        let (got, told) = read(request.send().await.unwrap()).await;
        assert_eq!((got, told["error"]["code"].as_str()), (*status, Some(*code)), "{body}: {told}");
    }
    let broken = place.http.post(place.url("/events")).header("content-type", structured);
    let (_, told) = read(broken.body("{\n  \"id\": oops}").send().await.unwrap()).await;
    assert_eq!((&told["error"]["at"]["line"], &told["error"]["at"]["column"]), (&json!(2), &json!(9)), "{told}");
    assert!(place.of_type("t").is_empty());
    assert_eq!(place.metric("ensue_requests_refused_total{reason=\"not-json\"}").await, 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_large_is_cut_while_it_streams() {
    let place = Place::with(|options| options.limits.event_body = 64 << 10).await;
    // Without a length: only counting what arrives can find it out.
    let megabyte = (0..64).map(|_| Ok::<_, std::io::Error>(vec![b' '; 16 << 10]));
    let endless = futures::stream::iter(megabyte);
    let request = place
        .http
        .post(place.url("/events"))
        .header("content-type", "application/cloudevents+json")
        .body(reqwest::Body::wrap_stream(endless));
    let (status, told) = read(request.send().await.unwrap()).await;
    assert_eq!((status, &told["error"]["code"]), (413, &json!("too-large")));
    let (status, _) = place.send(order("a", 1)).await;
    assert_eq!(status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_too_large_for_a_record_goes_through_a_blob() {
    let place = Place::with(|options| options.limits.event_body = 8 << 20).await;
    let mut event = order("big", 1);
    event["data"]["text"] = json!("x".repeat(3 << 20));
    let (status, _) = place.send(event.clone()).await;
    assert_eq!(status, 202);
    let (status, told) = place.send(event).await;
    assert_eq!((status, &told["duplicate"]), (200, &json!(true)), "{told}");
    let (status, one) = place.get("/api/v1/events/big").await;
    assert_eq!((status, one["event"]["data"]["text"].as_str().unwrap().len()), (200, 3 << 20));
}
