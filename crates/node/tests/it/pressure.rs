//! Bounds: what happens at each of them.

use std::sync::{Arc, Condvar, Mutex};

use serde_json::json;

use crate::support::{Place, order};

/// A gate in the fold: closed, every event from outside waits in it.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn set(&self, closed: bool) {
        *self.0.0.lock().unwrap() = closed;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let mut closed = self.0.0.lock().unwrap();
        while *closed {
            closed = self.0.1.wait(closed).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fold_that_is_behind_makes_senders_wait() {
    let gate = Gate::default();
    let inner = gate.clone();
    let place = Place::with(|options| {
        options.limits.lag_records = 5;
        options.before_fold = Some(Arc::new(move |record| {
            if &*record.event.kind == "shop.order.placed" {
                inner.pass();
            }
        }));
    })
    .await;
    gate.set(true);
    let mut refused = None;
    for n in 0..20 {
        let request = place.http.post(place.url("/events")).header("content-type", "application/cloudevents+json");
        let response = request.body(order(&format!("e{n}"), n).to_string()).send().await.unwrap();
        if response.status() != 202 {
            refused = Some((n, response));
            break;
        }
    }
    let (n, response) = refused.expect("the bound is found");
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    assert_eq!(n, 6, "more than five records are not folded");
    let ready = place.http.get(place.url("/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 503);
    assert_eq!(place.http.get(place.url("/healthz")).send().await.unwrap().status(), 200);
    gate.set(false);
    assert!(place.node.settled().await);
    let (status, _) = place.send(order("later", 1)).await;
    assert_eq!(status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_memory_is_read_from_the_log() {
    let gate = Gate::default();
    let inner = gate.clone();
    let place = Place::with(|options| {
        options.before_fold = Some(Arc::new(move |record| {
            if &*record.event.kind == "shop.order.placed" {
                inner.pass();
            }
        }));
    })
    .await;
    gate.set(true);
    for batch in 0..25 {
        let events: Vec<_> = (0..1000).map(|n| order(&format!("{batch}.{n}"), n)).collect();
        let request = place.http.post(place.url("/events")).header("content-type", "application/cloudevents-batch+json");
        assert_eq!(request.body(json!(events).to_string()).send().await.unwrap().status(), 202);
    }
    gate.set(false);
    assert!(place.node.settled().await);
    let (_, status) = place.get("/api/v1/status").await;
    assert_eq!(status["counts"]["events"], 25_000, "{status}");
}
